import ChimneyControl

/// Reports as people read them.
enum ReportText {
    static func interfaces(_ list: [InterfaceReport]) -> String { list.map(interface).joined() }

    private static func interface(_ report: InterfaceReport) -> String {
        var lines = ["\(report.name): \(report.state), \(report.kind), index \(report.index), mtu \(report.mtu)"]
        if report.fib != 0 { lines[0] += ", fib \(report.fib)" }
        if let device = report.device { lines.append("    device \(device)") }
        if let mac = report.mac { lines.append("    mac \(mac)") }
        for address in report.addresses {
            lines.append("    " + Self.address(address))
        }
        if let state = report.dhcp { lines.append("    dhcp \(state)") }
        if report.ipv6 != "off" { lines.append("    ipv6 \(report.ipv6)") }
        if !report.nameServers.isEmpty { lines.append("    dns " + report.nameServers.joined(separator: " ")) }
        if !report.capabilities.isEmpty { lines.append("    offloads " + report.capabilities.joined(separator: " ")) }
        lines.append("    in  \(packets(report.receivedPackets)), \(report.receivedBytes) bytes")
        var out = "    out \(packets(report.transmittedPackets)), \(report.transmittedBytes) bytes"
        if report.transmitDrops > 0 { out += ", \(report.transmitDrops) dropped" }
        if report.transmitQueueCount > 0 { out += ", \(report.transmitQueueCount) waiting" }
        lines.append(out)
        return lines.joined(separator: "\n") + "\n"
    }

    private static func address(_ report: AddressReport) -> String {
        var line = "\(report.address.contains(":") ? "inet6" : "inet") \(report.address)/\(report.prefixLength)"
        if let broadcast = report.broadcast { line += " broadcast \(broadcast)" }
        let origin = report.origin == "manual" ? nil : report.origin
        let notes = [report.state == "usable" ? nil : report.state, origin].compactMap { $0 }
        if !notes.isEmpty { line += " (\(notes.joined(separator: ", ")))" }
        if let seconds = report.preferredSeconds { line += " preferred \(fixed(seconds, 0)) s" }
        if let seconds = report.validSeconds { line += " valid \(fixed(seconds, 0)) s" }
        return line
    }

    private static func packets(_ count: UInt64) -> String { count == 1 ? "1 packet" : "\(count) packets" }

    static func interfaceTable(_ list: [InterfaceReport]) -> String {
        var table = TextTable("Name", "State", "MTU", "Address", "In", "Out", "Dropped", "Waiting")
        for report in list {
            let address = report.addresses.first.map { "\($0.address)/\($0.prefixLength)" } ?? "-"
            table.add(
                report.name, report.state, "\(report.mtu)", address, "\(report.receivedPackets)",
                "\(report.transmittedPackets)", "\(report.transmitDrops)", "\(report.transmitQueueCount)")
        }
        return table.text
    }

    static func routes(_ list: [RouteReport]) -> String {
        var table = TextTable("Destination", "Gateway", "Interface", "Metric", "Kind", "Origin", "FIB")
        for route in list {
            let kind = route.isUsable ? route.kind : "\(route.kind) (down)"
            table.add(
                route.destination, route.gateway ?? "-", route.interface ?? "-", "\(route.metric)", kind, route.origin,
                "\(route.fib)")
        }
        return table.text
    }

    static func neighbours(_ list: [NeighbourReport]) -> String {
        var table = TextTable("Address", "MAC", "Interface", "State")
        for neighbour in list {
            table.add(neighbour.address, neighbour.mac ?? "-", neighbour.interface, neighbour.state)
        }
        return table.text
    }

    static func sockets(_ list: [SocketReport]) -> String {
        var table = TextTable("Proto", "Local", "Remote", "Queued", "Received", "Sent", "Dropped", "FIB")
        for socket in list where socket.transport == "udp" {
            table.add(
                socket.transport, socket.local, socket.remote ?? "*", "\(socket.queuedPackets)", "\(socket.received)",
                "\(socket.sent)", "\(socket.dropped)", "\(socket.fib)")
        }
        return table.text + TCPText.table(list)
    }

    static func statistics(_ report: StatisticsReport) -> String {
        var text = "packets\n" + counters(report.ledger)
        text += "    \(report.held) held, and the queues hold \(report.isConserved ? "as many" : "ANOTHER NUMBER")\n"
        text += report.drops.isEmpty ? "drops\n    none\n" : "drops\n" + counters(report.drops)
        return text + "counters\n" + counters(report.counters)
    }

    private static func counters(_ list: [StatisticsReport.Counter]) -> String {
        list.map { "    \($0.count) \($0.name): \($0.explanation)\n" }.joined()
    }

    static func drops(_ list: [DropReport]) -> String {
        guard !list.isEmpty else { return "no packet that matches has died lately\n" }
        return list.map { drop($0) + "\n" }.joined()
    }

    private static func drop(_ report: DropReport) -> String {
        var line = "\(fixed(report.secondsAgo, 3)) s ago  \(report.reason)"
        if let interface = report.interface { line += " on \(interface)" }
        if let source = report.source, let destination = report.destination {
            line += "  \(endpoint(source, report.sourcePort)) > \(endpoint(destination, report.destinationPort))"
            line += " \(protocolName(report.ipProtocol))"
        }
        return line + ": \(report.explanation)"
    }

    private static func endpoint(_ address: String, _ port: Int) -> String {
        guard port != 0 else { return address }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }

    static func protocolName(_ number: Int) -> String {
        switch number {
        case 1: "icmp"
        case 2: "igmp"
        case 6: "tcp"
        case 17: "udp"
        case 58: "icmp6"
        default: "protocol \(number)"
        }
    }

    static func explanation(_ report: ExplanationReport) -> String {
        var text = ""
        for (number, step) in report.steps.enumerated() { text += "\(number + 1). \(step.place): \(step.finding)\n" }
        text += "=> \(report.summary)"
        if let reason = report.reason { text += " (\(reason))" }
        text += "\n"
        if !report.recentDrops.isEmpty { text += "lately dropped on this way:\n" + drops(report.recentDrops) }
        return text
    }

    static func echo(_ report: EchoReport) -> String {
        guard let microseconds = report.microseconds, report.error == nil else {
            let source = report.source.map { " from \($0)" } ?? ""
            return "\(report.error ?? "no answer")\(source): seq=\(report.sequence)\n"
        }
        let time = fixed(microseconds / 1_000, 3)
        let ttl = report.timeToLive.map { " ttl=\($0)" } ?? ""
        return
            "\(report.byteCount + 8) bytes from \(report.source ?? "?"): seq=\(report.sequence)\(ttl) time=\(time) ms\n"
    }

    static func summary(of ping: PingSummary) -> String {
        var text = "\(ping.sent) sent, \(ping.received) received, \(ping.lossPercent)% lost\n"
        if let least = ping.leastMicroseconds, let mean = ping.meanMicroseconds, let most = ping.mostMicroseconds {
            let figures = [least, mean, most].map { fixed($0 / 1_000, 3) }.joined(separator: "/")
            text += "round trip min/avg/max = \(figures) ms\n"
        }
        return text
    }

    /// A number with so many digits after its point, rounded to the nearest.
    static func fixed(_ number: Double, _ digits: Int) -> String {
        guard number.isFinite, abs(number) < 1e15 else { return "\(number)" }
        let scale = (0..<digits).reduce(1) { value, _ in value * 10 }
        let scaled = Int64((number * Double(scale)).rounded())
        guard digits > 0 else { return "\(scaled)" }
        let fraction = String(scaled.magnitude % UInt64(scale))
        let zeros = String(repeating: "0", count: max(0, digits - fraction.count))
        return "\(scaled < 0 ? "-" : "")\(scaled.magnitude / UInt64(scale)).\(zeros)\(fraction)"
    }
}

/// What a ping came to.
struct PingSummary: Encodable, Equatable {
    var sent = 0
    var received = 0
    var leastMicroseconds: Double?
    var meanMicroseconds: Double?
    var mostMicroseconds: Double?
    var lossPercent: Int { sent == 0 ? 0 : (sent - received) * 100 / sent }

    /// Takes in what became of one request.
    mutating func count(_ report: EchoReport) {
        sent += 1
        guard report.error == nil, let microseconds = report.microseconds else { return }
        let total = (meanMicroseconds ?? 0) * Double(received) + microseconds
        received += 1
        meanMicroseconds = total / Double(received)
        leastMicroseconds = min(leastMicroseconds ?? microseconds, microseconds)
        mostMicroseconds = max(mostMicroseconds ?? microseconds, microseconds)
    }
}
