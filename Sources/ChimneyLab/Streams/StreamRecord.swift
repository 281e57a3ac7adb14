public import ChimneyPrimitives
import ChimneyStack
public import ChimneyTCP

/// What became of the bytes of one stream.
public final class StreamRecord {
    /// What was asked for.
    public let settings: StreamSettings
    /// The name in reports.
    public var name: String { settings.name }
    /// The address that it is sent to.
    public let destination: IPAddress
    /// Where the sender's end of the connection is; nil before it is opened.
    public internal(set) var local: Endpoint?
    /// When the connection was asked for.
    public internal(set) var openedAt: Instant?
    /// When the handshake was complete at the sender.
    public internal(set) var establishedAt: Instant?
    /// Bytes that the sender's stack took.
    public internal(set) var written: UInt64 = 0
    /// Whether the sender said that there are no more.
    public internal(set) var isWritten = false
    /// Bytes that the receiver read.
    public internal(set) var received: UInt64 = 0
    /// When the last of them was read.
    public internal(set) var receivedAt: Instant?
    /// When the receiver had read to the end.
    public internal(set) var receiverEndedAt: Instant?
    /// Bytes that came back to the sender.
    public internal(set) var returned: UInt64 = 0
    /// When the sender had read the receiver's end, and let go.
    public internal(set) var senderEndedAt: Instant?
    /// Bytes that arrived, there or back, and were not those that were sent.
    public internal(set) var damaged: UInt64 = 0
    /// Why the sender's end failed; nil while it did not.
    public internal(set) var senderFailure: String?
    /// Why the receiver's end failed; nil while it did not.
    public internal(set) var receiverFailure: String?
    /// What the sender's recovery did.
    public internal(set) var recovery = RecoveryCounters()
    /// How long round trips took, sample by sample of the smoothed one.
    public internal(set) var roundTrips = DelayHistogram()
    /// How the sender's end stood, in equal intervals.
    public internal(set) var samples = StreamSamples()
    /// What was received over time.
    public internal(set) var series = FlowSeries()

    let number: UInt32
    let contents: StreamContents

    init(settings: StreamSettings, destination: IPAddress, number: UInt32) {
        self.settings = settings
        self.destination = destination
        self.number = number
        contents = StreamContents(stream: number)
        samples.interval = max(.milliseconds(1), settings.sampleInterval)
    }

    /// Whether every byte arrived intact, was echoed where that was asked for, and both ends were told so.
    public var isComplete: Bool {
        guard isWritten, damaged == 0, senderFailure == nil, receiverFailure == nil, receiverEndedAt != nil,
            senderEndedAt != nil, received == written
        else { return false }
        return settings.mode == .oneWay || returned == written
    }

    /// Whether an end was told that something went wrong.
    public var hasFailed: Bool { senderFailure != nil || receiverFailure != nil }

    /// From asking for the connection until the receiver had read to the end; nil until then.
    public var completionTime: TimeSpan? {
        guard let openedAt, let receiverEndedAt, isWritten, received == written else { return nil }
        return receiverEndedAt - openedAt
    }

    /// Payload bits a second that the receiver read, from asking for the connection until the last of them.
    public var goodput: Double {
        guard let openedAt, let receivedAt, receivedAt > openedAt else { return 0 }
        return Double(received * 8) / (receivedAt - openedAt).seconds
    }

    /// In a word: `waiting`, `opening`, `open`, `complete`, or why it failed.
    public var outcome: String {
        if let senderFailure { return senderFailure }
        if let receiverFailure { return "receiver: \(receiverFailure)" }
        if isComplete { return "complete" }
        if establishedAt != nil { return "open" }
        return openedAt == nil ? "waiting" : "opening"
    }

    /// What the checks find wrong: bytes that differ, or an end in good order that is not where the sender put it.
    var finding: String? {
        if damaged > 0 { return "\(damaged) bytes are not those that were sent" }
        if received > written { return "\(received) bytes were received of \(written)" }
        if receiverEndedAt != nil, receiverFailure == nil, received != written || !isWritten {
            return "the receiver saw the end after \(received) of \(written) bytes, and nobody told an error"
        }
        if senderEndedAt != nil, senderFailure == nil, receiverFailure == nil {
            if received != written {
                return "the sender was told that all is well with \(received) of \(written) bytes"
            }
            if settings.mode == .echo, returned != written {
                return "\(returned) of \(written) bytes came back, and nobody told an error"
            }
        }
        return nil
    }

    /// The receiver read some more.
    func received(_ bytes: RawSpan, at now: Instant) {
        damaged += UInt64(contents.differences(bytes, from: received))
        received += UInt64(bytes.byteCount)
        receivedAt = now
        series.received(bytes.byteCount, delay: .zero, at: now)
    }

    /// The sender read some more of what was echoed.
    func cameBack(_ bytes: RawSpan) {
        damaged += UInt64(contents.differences(bytes, from: returned))
        returned += UInt64(bytes.byteCount)
    }

    func note(_ snapshot: TCPConnectionSnapshot) {
        recovery = snapshot.recoveryCounters
    }

    func sample(_ snapshot: TCPConnectionSnapshot, at now: Instant) {
        note(snapshot)
        guard snapshot.tcp.state.isSynchronized, snapshot.tcp.state != .timeWait else { return }
        if let roundTrip = snapshot.tcp.smoothedRoundTrip { roundTrips.add(roundTrip) }
        samples.append(
            .init(
                at: now, congestionWindow: snapshot.tcp.congestionWindow,
                slowStartThreshold: snapshot.tcp.slowStartThreshold, outstanding: snapshot.tcp.outstandingBytes,
                roundTrip: snapshot.tcp.smoothedRoundTrip, received: received))
    }
}

/// How the sender of a stream stood in equal intervals; at the bound every other one goes and the interval doubles.
public struct StreamSamples: Sendable, Hashable {
    /// How it stood at a time.
    public struct Sample: Sendable, Hashable {
        /// When.
        public var at: Instant
        /// How much congestion control let be under way, in bytes.
        public var congestionWindow: Int
        /// Up to where that grew fast.
        public var slowStartThreshold: Int
        /// Bytes that were sent and not acknowledged.
        public var outstanding: Int
        /// The smoothed round trip; nil before the first.
        public var roundTrip: TimeSpan?
        /// Bytes that the receiver had read.
        public var received: UInt64
    }

    /// The samples, oldest first.
    public private(set) var elements: [Sample] = []
    /// The time between two of them.
    public internal(set) var interval = TimeSpan.milliseconds(100)

    /// The most samples.
    public static var samplesMax: Int { 1_024 }

    mutating func append(_ sample: Sample) {
        if elements.count == Self.samplesMax {
            elements = stride(from: 0, to: elements.count, by: 2).map { elements[$0] }
            interval = interval * 2
        }
        elements.append(sample)
    }
}
