import ChimneyPrimitives
import ChimneyStack

/// Sends the datagrams of one flow, and takes them back when an echo service returns them.
final class FlowSender: LabApplication {
    private let record: FlowRecord
    private let destination: Endpoint
    private let socket: SocketID
    private var random: StackRandom
    private var next: Instant?
    private var buffer: [UInt8] = []

    var deadline: Instant? { next }

    init(record: FlowRecord, destination: Endpoint, socket: SocketID, random: consuming StackRandom) {
        self.record = record
        self.destination = destination
        self.socket = socket
        self.random = random
    }

    func started(on node: LabNode, at now: Instant) { next = max(now, .zero + record.settings.start) }

    func timerFired(on node: LabNode, at now: Instant) {
        guard let due = next, due <= now else { return }
        let settings = record.settings
        if let stop = settings.stop, now >= .zero + stop {
            next = nil
            return
        }
        let burst: Int
        switch settings.pattern {
        case .constant, .poisson: burst = 1
        case .burst(let count): burst = count
        }
        for _ in 0..<burst {
            if let count = settings.count, record.sent + record.refused >= UInt64(count) {
                next = nil
                return
            }
            sendOne(on: node, at: now)
        }
        let mean = Double(burst) / settings.packetsPerSecond * 1e9
        switch settings.pattern {
        case .constant, .burst: next = due + .nanoseconds(max(1, Int64(mean)))
        case .poisson: next = due + .nanoseconds(max(1, exponential(mean)))
        }
    }

    func becameReadable(_ socket: SocketID, on node: LabNode, at now: Instant) {
        if node.stack.takeError(socket) != nil { record.reportedErrors += 1 }
        while node.stack.receivableCount(socket) > 0 {
            let datagram = node.stack.receive(socket)
            guard let found = FlowPayload.read(datagram.bytes), found.flow == record.number else {
                record.damaged += 1
                continue
            }
            record.arrived(sequence: found.sequence, sentAt: found.sentAt, byteCount: datagram.count, at: now)
        }
    }

    private func sendOne(on node: LabNode, at now: Instant) {
        let range = record.settings.byteCount
        let count = range.lowerBound == range.upperBound ? range.lowerBound : Int.random(in: range, using: &random)
        let sequence = record.sent + record.refused
        FlowPayload.write(flow: record.number, sequence: sequence, sentAt: now, into: &buffer, count: count)
        do {
            try node.stack.send(socket, buffer.span.octets.extracting(0..<count), to: destination, at: now)
            record.sent += 1
            record.sentBytes += UInt64(count)
            record.series.sent(count, at: now)
        } catch {
            record.refused += 1
        }
    }

    /// A length from the exponential distribution, by summing instead of by a logarithm: a mathematics library
    /// may round differently on another machine, and then equal seeds would not give equal runs.
    private func exponential(_ mean: Double) -> Int64 {
        // Von Neumann's method: only comparisons of uniform numbers.
        var whole = 0.0
        while whole < 64 {
            let first = uniform()
            var previous = first
            var isOdd = true
            while true {
                let following = uniform()
                guard following < previous else { break }
                previous = following
                isOdd.toggle()
            }
            if isOdd { return Int64((whole + first) * mean) }
            whole += 1
        }
        return Int64(whole * mean)
    }

    private func uniform() -> Double { Double(random.next() >> 11) * 0x1p-53 }
}

/// Takes the datagrams of all flows that go to one port of one node.
final class FlowReceiver: LabApplication {
    private unowned let lab: Lab
    let port: UInt16
    /// Datagrams that were damaged, so that no flow can be told.
    private(set) var unknown: UInt64 = 0

    init(lab: Lab, port: UInt16) {
        self.lab = lab
        self.port = port
    }

    func becameReadable(_ socket: SocketID, on node: LabNode, at now: Instant) {
        while node.stack.receivableCount(socket) > 0 {
            let datagram = node.stack.receive(socket)
            guard let found = FlowPayload.read(datagram.bytes), found.flow < UInt32(lab.flows.count) else {
                unknown += 1
                // The port tells the flow where only one goes there; the first is blamed otherwise.
                lab.flows.first { $0.settings.port == port }?.damaged += 1
                continue
            }
            let record = lab.flows[Int(found.flow)]
            record.arrived(sequence: found.sequence, sentAt: found.sentAt, byteCount: datagram.count, at: now)
        }
    }
}

extension Lab {
    /// Adds a flow; it begins at its start time once the lab runs.
    ///
    /// One-way flows get a receiver on their port, echo flows an echo service, unless the node has one there.
    /// - Throws: ``LabError``; nothing is sent.
    @discardableResult
    public func flow(_ settings: FlowSettings) throws(LabError) -> FlowRecord {
        guard flows.count + pings.count + streams.count < limits.flowsMax else {
            throw .tooMany(what: "flows", max: limits.flowsMax)
        }
        guard settings.byteCount.lowerBound >= FlowSettings.byteCountMin, settings.byteCount.upperBound <= 65_507
        else { throw .outOfRange(what: "byteCount", expected: "\(FlowSettings.byteCountMin) to 65507 bytes") }
        guard settings.packetsPerSecond >= 0.001, settings.packetsPerSecond <= 1e9 else {
            throw .outOfRange(what: "packetsPerSecond", expected: "0.001 to 1e9")
        }
        if case .burst(let count) = settings.pattern, !(1...65_536).contains(count) {
            throw .outOfRange(what: "burst", expected: "1 to 65536")
        }
        let source = try node(settings.from)
        var destination = try destination(settings.to, family: settings.family, from: source)
        destination.port = settings.port
        var options = UDPOptions()
        if destination.address.isMulticast {
            guard settings.mode == .oneWay else { throw .outOfRange(what: "mode", expected: "one-way to a group") }
            options.multicastInterface = try groupInterface(of: source, settings.interface, for: destination.address)
            options.multicastTimeToLive = settings.timeToLive
        }
        if let receiver = nodes.first(where: { $0.hasAddress(destination.address) }) {
            try provide(settings.mode, port: settings.port, on: receiver)
        }
        let record = FlowRecord(settings: settings, destination: destination.address, number: UInt32(flows.count))
        let socket: SocketID
        do {
            socket = try source.stack.openUDP()
        } catch {
            throw .socket("\(error)")
        }
        source.stack.setOptions(options, of: socket)
        let random = StackRandom(seed: derivedSeed(seed, "flow", settings.name))
        let sender = FlowSender(record: record, destination: destination, socket: socket, random: random)
        source.readers[socket] = applications.count
        run(sender, on: source)
        flows.append(record)
        return record
    }

    private func provide(_ mode: FlowSettings.Mode, port: UInt16, on node: LabNode) throws(LabError) {
        guard node.servedPorts.insert(port).inserted else { return }
        switch mode {
        case .oneWay:
            _ = try listen(Endpoint(port: port), with: FlowReceiver(lab: self, port: port), on: node)
        case .echo: _ = try offer(.echo, port: port, on: node)
        }
    }
}
