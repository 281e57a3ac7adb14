import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP

/// What a script may claim of a value.
enum FactPattern {
    case number(NumberPattern)
    case span(NumberPattern)
    case word(String)

    /// Whether a value is as claimed.
    func fits(_ value: FactValue) -> Bool {
        switch (self, value) {
        case (.number(let pattern), .number(let value)): pattern ~= value
        case (.span(let pattern), .span(let value)): pattern ~= Int(value.nanoseconds)
        case (.word(let word), .word(let value)): word == value
        case (.number, _), (.span, _), (.word, _): false
        }
    }

    var text: String {
        switch self {
        case .number(let pattern), .span(let pattern): "\(pattern)"
        case .word(let word): word
        }
    }
}

/// A value that a script may claim something of.
enum FactValue {
    case number(Int)
    case span(TimeSpan)
    case word(String)

    var text: String {
        switch self {
        case .number(let value): String(value)
        case .span(let value): "\(Double(value.nanoseconds / 1_000) / 1_000)ms"
        case .word(let value): value
        }
    }

    static func word(_ value: (some Any)?) -> Self { .word(value.map { "\($0)" } ?? "none") }
}

/// What can be claimed of a connection; the names are those of ``TCPSnapshot``, ``LossRecoveryState`` and
/// ``RecoveryCounters``.
enum ConnectionFact: String, CaseIterable {
    case state, failure, atEnd, readable, writable, urgent, pathMTU, timers, phase
    case segmentSize, peerWindow, receiveWindow, sendQueue, receiveQueue, outstanding, reassembly, holes
    case hasTimestamps, hasSelectiveAcks, hasCongestionMarks, peerShift, receiveShift
    case cwnd, ssthresh, inFlight, lost, sacked, reordering
    case rto, srtt, rttvar, backoff, probes
    case retransmissions, recoveries, timeouts, tailProbes, congestionMarks, undone

    func readPattern(_ words: inout ScriptWords) throws(ScriptError) -> FactPattern {
        switch self {
        case .state, .failure, .atEnd, .timers, .phase, .hasTimestamps, .hasSelectiveAcks, .hasCongestionMarks,
            .reordering:
            .word(try words.word(rawValue))
        case .rto, .srtt, .rttvar: .span(try words.spanPattern(rawValue))
        case .readable, .writable, .urgent, .pathMTU, .segmentSize, .peerWindow, .receiveWindow, .sendQueue,
            .receiveQueue, .outstanding, .reassembly, .holes, .peerShift, .receiveShift, .cwnd, .ssthresh, .inFlight,
            .lost, .sacked, .backoff, .probes, .retransmissions, .recoveries, .timeouts, .tailProbes,
            .congestionMarks, .undone:
            .number(try words.pattern(rawValue))
        }
    }

    /// The value, `nil` where the connection was let go and is asked for more than its state.
    func value(of id: TCPConnectionID, in stack: borrowing VirtualStack, at now: Instant) -> FactValue? {
        switch self {
        case .state: return .word(stack.state(of: id))
        case .failure: return .word(stack.failure(of: id))
        case .atEnd: return .word(stack.isAtEnd(id) ? "yes" : "no")
        case .readable: return .number(stack.readableCount(id))
        case .writable: return .number(stack.writableCount(id))
        case .urgent: return .number(stack.urgentCount(id) ?? -1)
        case .pathMTU, .timers, .phase, .segmentSize, .peerWindow, .receiveWindow, .sendQueue, .receiveQueue,
            .outstanding, .reassembly, .holes, .hasTimestamps, .hasSelectiveAcks, .hasCongestionMarks, .peerShift,
            .receiveShift, .cwnd, .ssthresh, .inFlight, .lost, .sacked, .reordering, .rto, .srtt, .rttvar, .backoff,
            .probes, .retransmissions, .recoveries, .timeouts, .tailProbes, .congestionMarks, .undone:
            return stack.snapshot(id, at: now).map { value(of: $0) }
        }
    }

    private func value(of snapshot: TCPConnectionSnapshot) -> FactValue {
        let (tcp, recovery, counters) = (snapshot.tcp, snapshot.recovery, snapshot.recoveryCounters)
        return switch self {
        case .state: .word(tcp.state)
        case .failure: .word(tcp.failure)
        case .atEnd, .readable, .writable, .urgent: .word("none")
        case .pathMTU: .number(snapshot.pathMTU)
        case .timers: .word(tcp.timers.isEmpty ? "none" : tcp.timers.map(\.kind.rawValue).joined(separator: "+"))
        case .phase: .word(recovery.phase)
        case .segmentSize: .number(tcp.segmentSize)
        case .peerWindow: .number(tcp.peerWindow)
        case .receiveWindow: .number(tcp.receiveWindow)
        case .sendQueue: .number(tcp.sendQueueBytes)
        case .receiveQueue: .number(tcp.receiveQueueBytes)
        case .outstanding: .number(tcp.outstandingBytes)
        case .reassembly: .number(tcp.reassemblyBytes)
        case .holes: .number(tcp.holeCount)
        case .hasTimestamps: .word(tcp.hasTimestamps ? "yes" : "no")
        case .hasSelectiveAcks: .word(tcp.hasSelectiveAcks ? "yes" : "no")
        case .hasCongestionMarks: .word(tcp.hasCongestionMarks ? "yes" : "no")
        case .peerShift: .number(tcp.peerShift.map { Int($0) } ?? -1)
        case .receiveShift: .number(tcp.receiveShift.map { Int($0) } ?? -1)
        case .cwnd: .number(tcp.congestionWindow)
        case .ssthresh: .number(tcp.slowStartThreshold)
        case .inFlight: .number(recovery.inFlightBytes)
        case .lost: .number(recovery.lostBytes)
        case .sacked: .number(recovery.sackedBytes)
        case .reordering: .word(recovery.hasSeenReordering ? "yes" : "no")
        case .rto: .span(tcp.retransmissionTimeout)
        case .srtt: .span(tcp.smoothedRoundTrip ?? .zero)
        case .rttvar: .span(tcp.roundTripVariation)
        case .backoff: .number(tcp.timeouts)
        case .probes: .number(tcp.probes)
        case .retransmissions: .number(Int(counters.retransmissions))
        case .recoveries: .number(Int(counters.recoveries))
        case .timeouts: .number(Int(counters.timeouts))
        case .tailProbes: .number(Int(counters.probes))
        case .congestionMarks: .number(Int(counters.congestionMarks))
        case .undone: .number(Int(counters.undone))
        }
    }
}

/// What can be claimed of all of a stack's TCP.
enum StackFact: String, CaseIterable {
    case connections, halfOpen, timeWait, accepted, acceptable, overflows, resetsSent, resetsSuppressed
    case challengesRefused, cookiesSent, cookiesTaken, cookiesRefused, hosts

    func value(of stack: borrowing VirtualStack) -> Int {
        let summary = stack.tcpSummary
        return switch self {
        case .connections: summary.connections
        case .halfOpen: summary.halfOpen
        case .timeWait: summary.timeWait
        case .accepted: Int(summary.counters.accepted)
        case .acceptable: stack.tcpListeners.map(\.waiting).reduce(0, +)
        case .overflows: Int(stack.tcpListeners.map(\.overflows).reduce(0, +))
        case .resetsSent: Int(summary.counters.resetsSent)
        case .resetsSuppressed: Int(summary.counters.resetsSuppressed)
        case .challengesRefused: Int(summary.challengesRefused)
        case .cookiesSent: Int(summary.synCache.cookiesSent)
        case .cookiesTaken: Int(summary.synCache.cookiesTaken)
        case .cookiesRefused: Int(summary.synCache.cookiesRefused)
        case .hosts: stack.tcpHosts.count
        }
    }
}
