import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP

extension Lab {
    /// Adds a TCP stream; its connection is opened at its start time once the lab runs.
    ///
    /// The receiving node gets a sink or an echo service on the port unless it has one there; streams to one port share it,
    /// and its settings.
    /// - Throws: ``LabError``; nothing is sent.
    @discardableResult
    public func stream(_ settings: StreamSettings) throws(LabError) -> StreamRecord {
        guard flows.count + pings.count + streams.count < limits.flowsMax else {
            throw .tooMany(what: "flows", max: limits.flowsMax)
        }
        guard settings.port > 0 else { throw .outOfRange(what: "port", expected: "1 to 65535") }
        let source = try node(settings.from)
        var destination = try destination(settings.to, family: settings.family, from: source)
        guard !destination.address.isMulticast else { throw .outOfRange(what: "to", expected: "no group") }
        destination.port = settings.port
        if let receiver = nodes.first(where: { $0.hasAddress(destination.address) }) {
            try serve(settings, on: receiver)
        }
        let record = StreamRecord(
            settings: settings, destination: destination.address, number: UInt32(streams.count))
        let sender = StreamSender(record: record, destination: destination)
        sender.position = applications.count
        run(sender, on: source)
        streams.append(record)
        return record
    }

    private func serve(_ settings: StreamSettings, on node: LabNode) throws(LabError) {
        if let other = node.streamServers[settings.port] {
            guard other.mode == settings.mode, other.tcp == settings.tcp else {
                throw .socket("port \(settings.port) of \(node.name) takes streams with other settings already")
            }
            return
        }
        let server = StreamServer(lab: self, mode: settings.mode, tcp: settings.tcp, readDelay: settings.readDelay)
        do {
            let listener = try node.stack.listenTCP(
                on: Endpoint(port: settings.port), backlogMax: 1_024, settings: settings.tcp)
            node.listenerReaders[listener] = applications.count
        } catch {
            throw .socket("\(error)")
        }
        server.position = applications.count
        node.streamServers[settings.port] = server
        run(server, on: node)
    }

    func checkStreams(_ violations: inout [LabViolation]) {
        for stream in streams {
            guard let finding = stream.finding else { continue }
            violations.append(.init(place: "stream \(stream.name)", finding: finding))
        }
    }

    func checkTCPBounds(of node: LabNode, _ violations: inout [LabViolation]) {
        let settings = node.stack.settings.tcp
        let summary = node.stack.tcpSummary
        func check(_ count: Int, _ bound: Int, _ what: String) {
            guard count > bound else { return }
            violations.append(.init(place: "node \(node.name)", finding: "\(count) \(what), at most \(bound) may be"))
        }
        check(summary.connections, settings.connectionsMax, "connections")
        check(summary.listeners, settings.listenersMax, "listeners")
        check(summary.halfOpen, settings.synCache.entriesMax, "half-open connections")
        check(summary.timeWait, settings.timeWaitMax, "flows in TIME-WAIT")
        check(summary.reassemblyBytes, settings.reassemblyBytesMax, "bytes out of order")
    }
}
