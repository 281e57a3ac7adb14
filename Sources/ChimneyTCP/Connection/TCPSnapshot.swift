public import ChimneyPrimitives

/// A connection as it stands, for those who ask why it is slow or stuck.
public struct TCPSnapshot: Hashable, Sendable {
    /// A timer that runs, and how long it still does.
    public struct Timer: Hashable, Sendable {
        /// What a timer is for.
        public enum Kind: String, Hashable, Sendable, CaseIterable {
            /// A SYN is sent again.
            case handshake
            /// Lost data, a probe of the tail, or paced data is sent.
            case recovery
            /// A closed window is probed.
            case persist
            /// An acknowledgement is sent.
            case delayedAck
            /// A silent peer is asked whether it is there.
            case keepAlive
            /// Memory that only a busy connection needs is given back.
            case memory
            /// The peer's FIN is waited for no longer.
            case finWait2
            /// The owner's patience ends.
            case user
        }
        /// What it is for.
        public var kind: Kind
        /// How long it still runs.
        public var left: TimeSpan
    }

    /// Where it stands.
    public var state: TCPState
    /// Why it ended.
    public var failure: TCPFailure?
    /// Bytes that arrived and were not read.
    public var receiveQueueBytes: Int
    /// Bytes that were written and not acknowledged.
    public var sendQueueBytes: Int
    /// Bytes that were sent and are not acknowledged.
    public var outstandingBytes: Int
    /// Bytes that arrived out of order, and the holes before them.
    public var reassemblyBytes: Int
    /// How many holes there are in what arrived.
    public var holeCount: Int
    /// How much the peer takes.
    public var peerWindow: Int
    /// How much we take.
    public var receiveWindow: Int
    /// The payload of a full segment.
    public var segmentSize: Int
    /// By how many bits windows are shifted, the peer's and ours; `nil` when they are not.
    public var peerShift: UInt8?
    /// By how many bits our windows are shifted.
    public var receiveShift: UInt8?
    /// Whether both ends agreed on timestamps.
    public var hasTimestamps: Bool
    /// Whether both ends agreed on selective acknowledgements.
    public var hasSelectiveAcks: Bool
    /// Whether both ends agreed on congestion marks.
    public var hasCongestionMarks: Bool
    /// How much congestion control lets be under way.
    public var congestionWindow: Int
    /// Up to where the congestion window grows fast.
    public var slowStartThreshold: Int
    /// How long an answer takes.
    public var smoothedRoundTrip: TimeSpan?
    /// How much that varies.
    public var roundTripVariation: TimeSpan
    /// How long an answer is waited for.
    public var retransmissionTimeout: TimeSpan
    /// How often in a row it did not come.
    public var timeouts: Int
    /// How often a closed window, or a silent peer, was probed in a row.
    public var probes: Int
    /// The timers that run.
    public var timers: [Timer]
}

extension TCPConnection {
    /// The connection as it stands.
    package func snapshot(at now: Instant) -> TCPSnapshot {
        let isScaled = marks.contains(.scaled)
        return TCPSnapshot(
            state: state, failure: failure, receiveQueueBytes: received.count, sendQueueBytes: sendBuffer.count,
            outstandingBytes: max(0, snd.nxt - snd.una), reassemblyBytes: reassembly.byteCount,
            holeCount: reassembly.islandCount, peerWindow: Int(snd.wnd), receiveWindow: receiveWindow,
            segmentSize: segmentSize, peerShift: isScaled ? snd.shift : nil, receiveShift: isScaled ? rcv.shift : nil,
            hasTimestamps: marks.contains(.timestamps), hasSelectiveAcks: marks.contains(.selectiveAcks),
            hasCongestionMarks: marks.contains(.congestionMarks), congestionWindow: recovery.cwnd,
            slowStartThreshold: recovery.ssthresh, smoothedRoundTrip: recovery.smoothedRoundTrip,
            roundTripVariation: recovery.roundTripVariation, retransmissionTimeout: recovery.rto,
            timeouts: recovery.backoff, probes: Int(probesSent), timers: timers(at: now))
    }

    private func timers(at now: Instant) -> [TCPSnapshot.Timer] {
        var result: [TCPSnapshot.Timer] = []
        func add(_ kind: TCPSnapshot.Timer.Kind, _ due: Instant) {
            if due != .never { result.append(TCPSnapshot.Timer(kind: kind, left: due - now)) }
        }
        guard deadline != .never else { return [] }
        add(state.isSynchronized ? .persist : .handshake, probeDue)
        add(.recovery, recovery.deadline)
        add(.delayedAck, ackDue)
        if state == .finWait2 && marks.contains(.ownerGone) {
            add(.finWait2, idleDue)
        } else if idleDue != .never {
            // One timer looks at silence for both.
            if holdsMemory { add(.memory, idleDue) }
            if let keepAlive = sharedSettings.value.keepAlive {
                add(.keepAlive, max(idleDue, heardAt + keepAlive.idle))
            }
        }
        add(.user, userDue)
        return result
    }
}
