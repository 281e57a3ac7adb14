import ChimneyPrimitives
import ChimneyStack
public import ChimneyTCP

/// Experiments whose outcome is known well enough to judge congestion controls by, each a table that equal code makes again
/// byte by byte.
///
/// All have one bottleneck of ``bitsPerSecond`` with a queue in front of it. DCTCP's queue marks at a sixth of what is under way
/// without a queue (RFC 8257 §4.1 asks for more than a seventh); the others' never does.
public enum TCPTable: String, CaseIterable, Sendable {
    /// Goodput by random loss, round trip and queue.
    case throughput
    /// How evenly flows of one control share the bottleneck.
    case fairness
    /// How long packets wait in the queue, and what the bottleneck carries meanwhile.
    case queueDelay = "queue-delay"
    /// How long it takes to make good for a run of losses, and to be fast again.
    case recovery

    /// The rate of the bottleneck.
    public static var bitsPerSecond: UInt64 { 40_000_000 }

    /// What the table's columns are called; the first tells the congestion control.
    public var columns: [String] {
        switch self {
        case .throughput: ["congestion", "rtt ms", "queue bdp", "loss %", "Mbit/s", "sent again", "timeouts"]
        case .fairness: ["congestion", "flows", "jain", "slowest Mbit/s", "fastest Mbit/s", "sum Mbit/s"]
        case .queueDelay:
            ["congestion", "queue bdp", "mean ms", "p99 ms", "longest frames", "Mbit/s", "marks", "drops"]
        case .recovery: ["congestion", "lost frames", "repaired ms", "fast again ms", "sent again", "timeouts"]
        }
    }

    /// The table's rows, all of them or those of one congestion control.
    ///
    /// - Throws: ``LabError`` only if the lab itself is at fault.
    public func rows(of controls: [CongestionAlgorithm] = CongestionAlgorithm.builtIn) throws(LabError) -> [[String]] {
        var rows: [[String]] = []
        for control in controls {
            switch self {
            case .throughput:
                for roundTrip in [10, 40, 100] {
                    for queue in [0.25, 1] {
                        for loss in [0, 0.01, 0.1, 1] {
                            rows.append(try Self.throughput(control, roundTrip, queue, lossPercent: loss))
                        }
                    }
                }
            case .fairness:
                for count in [2, 4, 8, 16] { rows.append(try Self.fairness(control, count)) }
            case .queueDelay:
                for queue in [0.5, 1, 4] { rows.append(try Self.queueDelay(control, queue)) }
            case .recovery:
                for lost in [1, 8, 32, 100] { rows.append(try Self.recovery(control, lost)) }
            }
        }
        return rows
    }

    /// The table as text, columns divided by tabs.
    ///
    /// - Throws: ``LabError`` only if the lab itself is at fault.
    public func text() throws(LabError) -> String { Self.text([columns] + (try rows())) }

    /// Rows as text, columns divided by tabs.
    public static func text(_ rows: [[String]]) -> String {
        rows.map { $0.joined(separator: "\t") + "\n" }.joined()
    }

    /// The rows of a text that ``text(_:)`` or a measurement in real time made, without its remarks and the names of its columns.
    public static func rows(reading text: String) -> [[String]] {
        text.split(separator: "\n").filter { !$0.hasPrefix("#") }.dropFirst()
            .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
    }

    // MARK: - Experiments

    private static func throughput(
        _ control: CongestionAlgorithm, _ roundTrip: Int, _ queue: Double, lossPercent: Double
    ) throws(LabError) -> [String] {
        let path = try Bottleneck(seed: 1, roundTrip: roundTrip, queue: queue, control: control)
        path.link.setFaults(LinkFaults(loss: lossPercent / 100), toward: path.receiver)
        let stream = try path.stream(control)
        path.lab.run(.seconds(60))
        return [
            control.name, "\(roundTrip)", shortest(queue), shortest(lossPercent),
            LabReport.decimal(Double(stream.received) * 8 / 60e6), "\(stream.recovery.retransmissions)",
            "\(stream.recovery.timeouts)",
        ]
    }

    private static func fairness(_ control: CongestionAlgorithm, _ count: Int) throws(LabError) -> [String] {
        let path = try Bottleneck(seed: 2, roundTrip: 20, queue: 1, control: control)
        var streams: [StreamRecord] = []
        for number in 0..<count {
            streams.append(try path.stream(control, number: number, start: .milliseconds(Int64(number) * 150)))
        }
        // The way to a share is not the share.
        path.lab.run(.seconds(20))
        let before = streams.map(\.received)
        path.lab.run(.seconds(40))
        let rates = zip(streams, before).map { Double($0.received - $1) * 8 / 40e6 }
        let sum = rates.reduce(0, +)
        let squares = rates.reduce(0) { $0 + $1 * $1 }
        return [
            control.name, "\(count)", LabReport.decimal(squares > 0 ? sum * sum / (Double(count) * squares) : 0),
            LabReport.decimal(rates.min() ?? 0), LabReport.decimal(rates.max() ?? 0), LabReport.decimal(sum),
        ]
    }

    private static func queueDelay(_ control: CongestionAlgorithm, _ queue: Double) throws(LabError) -> [String] {
        let path = try Bottleneck(seed: 3, roundTrip: 20, queue: queue, control: control)
        let streams = [try path.stream(control), try path.stream(control, number: 1, start: .milliseconds(200))]
        path.lab.run(.seconds(30))
        let waits = path.link.waits(toward: path.receiver)
        let received = streams.reduce(0) { $0 + Double($1.received) }
        return [
            control.name, shortest(queue), LabReport.decimal(waits.mean.seconds * 1_000),
            LabReport.decimal(waits.quantile(0.99).seconds * 1_000),
            "\(path.link.longestQueue(toward: path.receiver))", LabReport.decimal(received * 8 / 30e6),
            "\(path.link.counters.marked)", "\(path.link.counters.dropped(.queueFull))",
        ]
    }

    private static func recovery(_ control: CongestionAlgorithm, _ lost: Int) throws(LabError) -> [String] {
        let path = try Bottleneck(seed: 4, roundTrip: 40, queue: 1, control: control)
        let stream = try path.stream(control)
        // Long enough to be in congestion avoidance.
        path.lab.run(.seconds(15))
        let before = stream.recovery
        var rates: [UInt64] = []
        let start = path.lab.now
        path.link.setFaults(LinkFaults(loss: 1), toward: path.receiver)
        let lostBefore = path.link.counters.dropped(.lost)
        while path.link.counters.dropped(.lost) < lostBefore + UInt64(lost), path.lab.now < start + .seconds(1) {
            path.lab.run(.microseconds(20))
        }
        path.link.setFaults(.none, toward: path.receiver)
        // Up to here everything was sent, and some of it lost.
        let queued = path.sender.stack.tcpConnections(at: path.lab.now).first?.tcp
        let mark = stream.written - UInt64((queued?.sendQueueBytes ?? 0) - (queued?.outstandingBytes ?? 0))
        let count = path.link.counters.dropped(.lost) - lostBefore
        var repaired: TimeSpan?
        var fast: TimeSpan?
        // Fast is nine tenths of the bottleneck over 100 ms, in which nothing is read that had waited for the lost.
        var repairedCount = 0
        let enough = UInt64(Double(bitsPerSecond) / 8 * 0.1 * 0.9 * 1_448 / 1_514)
        while path.lab.now < start + .seconds(20), repaired == nil || fast == nil {
            path.lab.run(.milliseconds(5))
            rates.append(stream.received)
            if repaired == nil, stream.received >= mark {
                repaired = path.lab.now - start
                repairedCount = rates.count
            }
            guard repaired != nil, rates.count - repairedCount >= 20 else { continue }
            if rates[rates.count - 1] - rates[rates.count - 21] >= enough { fast = path.lab.now - start }
        }
        // What is sent again is known once the connection was looked at.
        path.lab.run(.seconds(1))
        func milliseconds(_ span: TimeSpan?) -> String { span.map { "\($0.nanoseconds / 1_000_000)" } ?? "-" }
        return [
            control.name, "\(count)", milliseconds(repaired), milliseconds(fast),
            "\(stream.recovery.retransmissions - before.retransmissions)",
            "\(stream.recovery.timeouts - before.timeouts)",
        ]
    }

    /// A number without zeros at its end.
    private static func shortest(_ value: Double) -> String {
        var text = LabReport.decimal(value)
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text
    }
}

/// Two nodes and the link between them.
private struct Bottleneck {
    let lab: Lab
    let link: LabLink
    let sender: LabNode
    let receiver: LabNode

    // What the queue holds is given in bandwidth-delay products.
    init(seed: UInt64, roundTrip: Int, queue: Double, control: CongestionAlgorithm) throws(LabError) {
        lab = Lab(seed: seed)
        let product = Double(TCPTable.bitsPerSecond) / 8 * Double(roundTrip) / 1_000 / 1_514
        let settings = LinkSettings(
            bitsPerSecond: TCPTable.bitsPerSecond, delay: .microseconds(Int64(roundTrip) * 500),
            queuePacketsMax: max(5, Int(product * queue)),
            markPackets: control == .dctcp ? max(3, Int(product / 6)) : nil)
        link = try lab.addLink("bottleneck", kind: .cable, settings: settings)
        sender = try lab.addNode("a")
        receiver = try lab.addNode("b")
        try lab.connect(sender, to: link, address: "10.0.0.1/24")
        try lab.connect(receiver, to: link, address: "10.0.0.2/24")
    }

    func stream(
        _ control: CongestionAlgorithm, number: Int = 0, start: TimeSpan = .zero
    ) throws(LabError) -> StreamRecord {
        var tcp = TCPSettings()
        tcp.recovery.congestion = control
        if control == .dctcp { tcp.ecn = .requests }
        // Neither end is to be what holds a flow back.
        tcp.sendBufferMax = 4 << 20
        tcp.receiveBufferMax = 4 << 20
        return try lab.stream(
            StreamSettings(
                name: "s\(number)", from: "a", to: "b", start: start, tcp: tcp, sampleInterval: .milliseconds(50)))
    }
}
