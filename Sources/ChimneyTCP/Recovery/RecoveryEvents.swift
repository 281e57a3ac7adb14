package import ChimneyPrimitives

/// What a connection tells its recovery when it is established.
package struct RecoveryOpening: Sendable {
    /// The first sequence number of data.
    package var una: SequenceNumber
    /// The bytes of payload that a segment holds, with the options of every segment taken off.
    package var mss: Int
    /// What both ends agreed on.
    package var hasSelectiveAcks = false
    package var hasTimestamps = false
    package var hasECN = false
    /// How long the handshake took; `nil` when one of its segments was sent again (RFC 6298 §3).
    package var roundTrip: TimeSpan?
    /// How often the timer of a SYN expired.
    package var handshakeTimeouts = 0
    /// What earlier connections found out about the path.
    package var remembered: RememberedPath?

    package init(una: SequenceNumber, mss: Int) {
        self.una = una
        self.mss = mss
    }
}

/// What is kept of a path when a connection over it ends.
package struct RememberedPath: Hashable, Sendable {
    package var smoothedRoundTrip: TimeSpan
    package var roundTripVariation: TimeSpan
    /// 0 when it was never found.
    package var slowStartThreshold: Int

    package init(smoothedRoundTrip: TimeSpan, roundTripVariation: TimeSpan, slowStartThreshold: Int) {
        self.smoothedRoundTrip = smoothedRoundTrip
        self.roundTripVariation = roundTripVariation
        self.slowStartThreshold = slowStartThreshold
    }
}

/// A segment with sequence numbers that was just sent.
package struct Transmission: Sendable {
    /// Why it was sent.
    package enum Kind: Hashable, Sendable {
        /// For the first time.
        case new
        /// Because it counts as lost.
        case again
        /// To make the peer acknowledge; new data or old.
        case probe
    }

    package var range: SequenceRange
    package var kind: Kind
    /// The timestamp it carried; 0 without the option.
    package var timestamp: UInt32
    /// Whether nothing more was waiting to be sent.
    package var isApplicationLimited: Bool

    package init(
        range: SequenceRange, kind: Kind = .new, timestamp: UInt32 = 0, isApplicationLimited: Bool = false
    ) {
        self.range = range
        self.kind = kind
        self.timestamp = timestamp
        self.isApplicationLimited = isApplicationLimited
    }
}

/// An acceptable acknowledgement.
package struct AckArrival: Sendable {
    package var ack: SequenceNumber
    /// The blocks of its SACK option; the first may be a D-SACK.
    package var blocks = SequenceRanges()
    /// The timestamp it echoes.
    package var echo: UInt32?
    /// Whether nothing but duplicates itself was in it: it acknowledges nothing new, carries nothing and leaves the
    /// window as it was, while data is outstanding (RFC 5681 §2).
    package var mayBeDuplicate = false
    /// Whether the peer saw congestion marks.
    package var hasECE = false
    /// How far beyond `ack` the peer's window reaches.
    package var peerWindow = 0

    package init(ack: SequenceNumber) { self.ack = ack }
}

/// What an acknowledgement brought.
package struct AckOutcome: Hashable, Sendable {
    /// How many sequence numbers it covers that were not covered before.
    package var acknowledged = 0
    /// The sample it gave.
    package var roundTrip: TimeSpan?
    /// Whether the next new segment says that the window was reduced (RFC 3168 §6.1.2).
    package var wantsCWR = false
    /// Whether segments were found lost.
    package var isLossDetected = false
    /// Whether an earlier reduction proved needless and was undone.
    package var isUndone = false

    package init() {}
}

/// What a timer of recovery asks of the sender.
package enum RecoveryAction: Hashable, Sendable {
    case none
    /// Something may be sent now.
    case transmit
    /// One segment, new or the last one again, to make the peer acknowledge (RFC 8985 §7).
    case probe
    /// Nothing was acknowledged for so long that all that is outstanding counts as lost.
    case timedOut(consecutive: Int)
}
