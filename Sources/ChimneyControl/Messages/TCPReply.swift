/// A port on which TCP connections are taken.
public struct TCPListenerReport: Codable, Hashable, Sendable {
    /// Connections that wait to be accepted.
    public var waiting: Int
    /// The most that may.
    public var backlogMax: Int
    /// Connections it took.
    public var accepted: UInt64
    /// SYNs and handshakes that found its queue full.
    public var overflows: UInt64

    /// A listener.
    public init(waiting: Int, backlogMax: Int, accepted: UInt64, overflows: UInt64) {
        self.waiting = waiting
        self.backlogMax = backlogMax
        self.accepted = accepted
        self.overflows = overflows
    }
}

/// A TCP connection.
public struct TCPConnectionReport: Codable, Hashable, Sendable {
    /// A timer that runs.
    public struct Timer: Codable, Hashable, Sendable {
        /// What it is for.
        public var kind: String
        /// How long it still runs, in seconds.
        public var secondsLeft: Double

        /// A timer.
        public init(kind: String, secondsLeft: Double) {
            self.kind = kind
            self.secondsLeft = secondsLeft
        }
    }

    /// The stack's number for it.
    public var number: Int
    /// Its state, as RFC 9293 calls it.
    public var state: String
    /// Why it is still open, in words.
    public var reasonItIsOpen: String
    /// Whether somebody may still read it or ask for it.
    public var hasOwner = true
    /// Why it ended, when not in good order.
    public var failure: String?
    /// Bytes that arrived and were not read.
    public var receiveQueueBytes = 0
    /// Bytes that were written and not acknowledged.
    public var sendQueueBytes = 0
    /// Those of them that were sent.
    public var outstandingBytes = 0
    /// Bytes of memory for what arrived out of order.
    public var outOfOrderBytes = 0
    /// How much the peer takes.
    public var peerWindow = 0
    /// How much we take.
    public var receiveWindow = 0
    /// The payload of a full segment.
    public var segmentSize = 0
    /// The MTU of its path.
    public var pathMTU = 0
    /// Whether its segments are signed (RFC 2385).
    public var isSigned = false
    /// The name of its congestion control.
    public var congestionControl = ""
    /// What recovery does.
    public var recovery = ""
    /// How much congestion control lets be under way, in bytes.
    public var congestionWindow = 0
    /// Up to where that grows fast; `nil` while nothing was lost.
    public var slowStartThreshold: Int?
    /// The smoothed round trip, once there is one.
    public var roundTripMilliseconds: Double?
    /// How much it varies.
    public var roundTripVariationMilliseconds = 0.0
    /// How long an acknowledgement is waited for.
    public var retransmissionTimeoutMilliseconds = 0.0
    /// Segments sent again.
    public var retransmissions: UInt64 = 0
    /// How often the retransmission timer fired.
    public var timeouts: UInt64 = 0
    /// The timers that run.
    public var timers: [Timer] = []

    /// A connection that has carried nothing.
    public init(number: Int, state: String, reasonItIsOpen: String) {
        self.number = number
        self.state = state
        self.reasonItIsOpen = reasonItIsOpen
    }
}
