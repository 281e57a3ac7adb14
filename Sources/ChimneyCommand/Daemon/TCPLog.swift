import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP

/// What the log says of segments that found nobody, each of them as far as a bound a second (`log_in_vain`).
///
/// It reads what the stack remembers of packets that died, and changes nothing.
struct RefusedLog {
    private var lookedAt: Instant
    private var counted: UInt64

    /// The most lines of one look; what is beyond is counted in one more.
    static var linesMax: Int { 10 }

    /// A log of what dies from now on.
    init(of stack: borrowing VirtualStack, at now: Instant) {
        lookedAt = now
        counted = Self.count(stack)
    }

    private static func count(_ stack: borrowing VirtualStack) -> UInt64 {
        stack.ledger.dropped(.portClosed) + stack.ledger.dropped(.tcpNoConnection)
    }

    /// What happened since the last look, as lines.
    mutating func lines(of stack: borrowing VirtualStack, at now: Instant) -> [String] {
        let since = lookedAt
        lookedAt = now
        let before = counted
        counted = Self.count(stack)
        guard counted > before else { return [] }
        let refused = stack.recentDrops.filter { record in
            record.at > since && record.ipProtocol == 6
                && (record.reason == .portClosed || record.reason == .tcpNoConnection)
        }
        let udp = stack.recentDrops.count { $0.at > since && $0.ipProtocol == 17 && $0.reason == .portClosed }
        var lines = refused.prefix(Self.linesMax).map { record in
            let source = Endpoint(record.source, record.sourcePort)
            let destination = Endpoint(record.destination, record.destinationPort)
            let what = record.reason == .portClosed ? "connect" : "a segment of no connection"
            return "\(what) to \(destination) from \(source), where nobody listens"
        }
        let more = Int(clamping: counted - before) - lines.count - udp
        if more > 0, !refused.isEmpty { lines.append("and \(more) segments more that nobody waited for") }
        return lines
    }
}

/// What the log says of connections that open and end.
struct ConnectionLog {
    private var known: [TCPConnectionID: TCPState] = [:]

    /// The most lines of one look; what is beyond is counted in one more.
    static var linesMax: Int { 50 }

    /// What changed since the last look, as lines, in the order of the connections' numbers.
    ///
    /// A connection that opened and ended between two looks is not seen.
    mutating func lines(of stack: borrowing VirtualStack, at now: Instant) -> [String] {
        let connections = stack.tcpConnections(at: now)
        var lines: [String] = []
        var left = known
        known = [:]
        for connection in connections {
            let before = left.removeValue(forKey: connection.id)
            known[connection.id] = connection.tcp.state
            guard before != connection.tcp.state else { continue }
            let failure = connection.tcp.failure.map { ", \($0.explanation)" } ?? ""
            lines.append(
                "tcp \(connection.id.number) \(connection.local) \(connection.remote) "
                    + "\(before?.standardName ?? "new") > \(connection.tcp.state.standardName)\(failure)")
        }
        for id in left.keys.sorted(by: { $0.number < $1.number }) { lines.append("tcp \(id.number) is gone") }
        guard lines.count > Self.linesMax else { return lines }
        return lines.prefix(Self.linesMax) + ["and \(lines.count - Self.linesMax) changes more"]
    }
}

/// Both logs of one stack, each of which is kept or not; touched on the stack's thread only.
final class TCPNews: @unchecked Sendable {
    private var refusedLog: RefusedLog?
    private var connectionLog = ConnectionLog()

    /// What the two logs say, without influence on each other.
    func look(
        at stack: inout VirtualStack, refused: Bool, connections: Bool, at now: Instant
    ) -> (refused: [String], connections: [String]) {
        var lines: (refused: [String], connections: [String]) = ([], [])
        if refused {
            if refusedLog == nil { refusedLog = RefusedLog(of: stack, at: now) }
            lines.refused = refusedLog?.lines(of: stack, at: now) ?? []
        }
        if connections { lines.connections = connectionLog.lines(of: stack, at: now) }
        return lines
    }
}
