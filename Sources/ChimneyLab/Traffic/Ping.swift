public import ChimneyPrimitives
import ChimneyStack

/// Echo requests from one node to another.
public struct PingSettings: Hashable, Sendable {
    /// The name in reports.
    public var name: String
    /// The node that asks.
    public var from: String
    /// The node that answers, or an address, behind which `%` names the asker's interface where it needs a zone.
    public var to: String
    /// Of which family an address of the answering node is taken; nil for its first of a family that both nodes have.
    public var family: LabFamily?
    /// How many requests are sent; 1 to 65,536.
    public var count: Int
    /// The time between two requests.
    public var interval: TimeSpan
    /// Bytes of data in each.
    public var byteCount: Int
    /// When the first is sent.
    public var start: TimeSpan

    /// Five requests of 56 bytes, one a second.
    public init(
        name: String? = nil, from: String, to: String, family: LabFamily? = nil, count: Int = 5,
        interval: TimeSpan = .seconds(1), byteCount: Int = 56, start: TimeSpan = .zero
    ) {
        self.name = name ?? "\(from)-\(to)"
        self.from = from
        self.to = to
        self.family = family
        self.count = count
        self.interval = interval
        self.byteCount = byteCount
        self.start = start
    }
}

/// What became of echo requests.
public final class PingRecord {
    /// What was asked for.
    public let settings: PingSettings
    /// The name in reports.
    public var name: String { settings.name }
    /// The address that is asked.
    public let destination: IPAddress
    /// Requests that the stack took for sending.
    public internal(set) var sent: UInt64 = 0
    /// Requests that the stack refused, for example because no route led there.
    public internal(set) var refused: UInt64 = 0
    /// Answers, each request's counted once.
    public internal(set) var received: UInt64 = 0
    /// Further answers to one request.
    public internal(set) var duplicated: UInt64 = 0
    /// Answers with other bytes than were sent.
    public internal(set) var damaged: UInt64 = 0
    /// ICMP errors that came in place of answers.
    public internal(set) var errors: UInt64 = 0
    /// The times from request to answer.
    public internal(set) var delays = DelayHistogram()

    var sentAt: [Instant] = []
    var isAnswered: [Bool] = []

    init(settings: PingSettings, destination: IPAddress) {
        self.settings = settings
        self.destination = destination
    }

    /// Requests that were sent and have no answer.
    public var lost: UInt64 { sent >= received ? sent - received : 0 }
}

/// Sends echo requests and matches the answers.
final class Pinger: LabApplication {
    private let record: PingRecord
    private let destination: Endpoint
    private let identifier: UInt16
    private var next: Instant?

    var deadline: Instant? { next }

    init(record: PingRecord, destination: Endpoint, identifier: UInt16) {
        self.record = record
        self.destination = destination
        self.identifier = identifier
    }

    func started(on node: LabNode, at now: Instant) { next = max(now, .zero + record.settings.start) }

    func timerFired(on node: LabNode, at now: Instant) {
        guard let due = next, due <= now else { return }
        let sequence = UInt16(truncatingIfNeeded: record.sentAt.count)
        record.sentAt.append(now)
        record.isAnswered.append(false)
        do {
            try node.stack.sendEcho(
                identifier, to: destination.address, zone: destination.zone, sequence: sequence,
                byteCount: record.settings.byteCount, at: now)
            record.sent += 1
        } catch {
            record.refused += 1
        }
        next = record.sentAt.count < record.settings.count ? due + record.settings.interval : nil
    }

    func framesArrived(on node: LabNode, at now: Instant) {
        for reply in node.stack.takeEchoReplies(identifier) {
            let position = Int(reply.sequence)
            guard position < record.sentAt.count else { continue }
            if reply.error != nil {
                record.errors += 1
            } else if !reply.isIntact || reply.byteCount != record.settings.byteCount {
                record.damaged += 1
            } else if record.isAnswered[position] {
                record.duplicated += 1
            } else {
                record.isAnswered[position] = true
                record.received += 1
                record.delays.add(reply.receivedAt - record.sentAt[position])
            }
        }
    }
}

extension Lab {
    /// Adds echo requests; they begin at their start time once the lab runs.
    ///
    /// - Throws: ``LabError``; nothing is sent.
    @discardableResult
    public func ping(_ settings: PingSettings) throws(LabError) -> PingRecord {
        guard flows.count + pings.count + streams.count < limits.flowsMax else {
            throw .tooMany(what: "flows", max: limits.flowsMax)
        }
        guard (1...65_536).contains(settings.count) else { throw .outOfRange(what: "count", expected: "1 to 65536") }
        guard (0...65_507).contains(settings.byteCount) else {
            throw .outOfRange(what: "byteCount", expected: "0 to 65507 bytes")
        }
        let source = try node(settings.from)
        let destination = try destination(settings.to, family: settings.family, from: source)
        let identifier: UInt16
        do {
            identifier = try source.stack.openEcho()
        } catch {
            throw .socket("\(error)")
        }
        let record = PingRecord(settings: settings, destination: destination.address)
        source.echoReaders.append(applications.count)
        run(Pinger(record: record, destination: destination, identifier: identifier), on: source)
        pings.append(record)
        return record
    }
}
