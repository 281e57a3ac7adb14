public import ChimneyPrimitives

/// How much a connection may have in flight: an extension point.
///
/// A connection holds one value of it and tells it what happened; recovery decides which segments are lost and when.
/// The value answers with ``cwnd`` and ``ssthresh``. Recovery keeps a copy from before each reduction and puts it
/// back when the reduction proves needless, so that a control written as a value need not remember anything for that.
/// None of the calls may take long or allocate: the one for acknowledgements comes with each of them.
///
/// All windows are bytes.
public protocol CongestionControl: Sendable {
    /// What may be in flight (RFC 5681 §2).
    var cwnd: Int { get set }
    /// Below it the window grows by slow start (RFC 5681 §3.1).
    var ssthresh: Int { get set }
    /// The connection is established, or runs and is given this control: ``CongestionStart/cwnd`` is the window to go on with.
    mutating func established(_ start: CongestionStart, at now: Instant)
    /// An acknowledgement brought something.
    mutating func ackArrived(_ sample: AckSample, at now: Instant)
    /// Congestion showed, at most once for each window of data; ``cwnd`` and ``ssthresh`` are to be what they are to be
    /// when recovery ends. Meanwhile recovery leads the flight there (RFC 9937), except after a timeout.
    mutating func congested(by signal: CongestionSignal, at now: Instant)
    /// All that was outstanding at a congestion signal is acknowledged.
    mutating func recoveryEnded(at now: Instant)
    /// The last signal was none: the value is the one from before it again.
    mutating func undone(at now: Instant)
    /// The connection sends again after it was silent for more than a retransmission timeout (RFC 5681 §4.1).
    mutating func idled(initialWindow: Int, at now: Instant)
    /// Segments have another size.
    mutating func mssChanged(to mss: Int)
    /// Bytes a second, for a control that has a rate of its own; `nil` leaves it to the window (see ``Pacer``).
    var pacingRate: UInt64? { get }
    /// Whether segments are spread over the round trip even where the settings do not ask for it.
    var wantsPacing: Bool { get }
    /// Whether the receiver tells each congestion mark (RFC 8257 §3.2).
    var wantsEveryMark: Bool { get }
}

extension CongestionControl {
    /// Does nothing.
    public mutating func recoveryEnded(at now: Instant) {}
    /// Does nothing.
    public mutating func undone(at now: Instant) {}
    /// Begins again with at most the initial window (RFC 5681 §4.1).
    public mutating func idled(initialWindow: Int, at now: Instant) { cwnd = min(cwnd, initialWindow) }
    /// Does nothing.
    public mutating func mssChanged(to mss: Int) {}
    /// Leaves the rate to the window.
    public var pacingRate: UInt64? { nil }
    /// Leaves it to the settings.
    public var wantsPacing: Bool { false }
    /// Marks are told until they are answered (RFC 3168 §6.1.3).
    public var wantsEveryMark: Bool { false }
    /// Whether the window grows by slow start.
    public var isInSlowStart: Bool { cwnd < ssthresh }
}

/// What a control begins with.
public struct CongestionStart: Sendable {
    /// The bytes of payload that a segment holds.
    public var mss: Int
    /// The window: the initial one (RFC 6928), or that of the control before.
    public var cwnd: Int
    /// The threshold: without one found earlier, larger than any window.
    public var ssthresh: Int

    /// A start with these windows.
    public init(mss: Int, cwnd: Int, ssthresh: Int = .largestWindow) {
        self.mss = mss
        self.cwnd = cwnd
        self.ssthresh = ssthresh
    }
}

extension Int {
    /// More than any window of TCP: a 16-bit field shifted by 14 (RFC 7323 §2.3).
    public static var largestWindow: Int { 1 << 30 }
}

/// What an acknowledgement says about the path.
public struct AckSample: Sendable {
    /// What recovery is doing while the acknowledgement arrives.
    public enum Phase: Hashable, Sendable {
        /// Nothing: the window may grow.
        case open
        /// The flight is led to a smaller window (after a loss or a congestion mark): it may not.
        case reducing
        /// What a timeout took for lost is sent again: the window grows by slow start.
        case timedOut
    }

    /// Bytes newly acknowledged by number.
    public var acknowledged: Int
    /// Bytes newly known to be at the receiver, by number or selectively.
    public var delivered: Int
    /// How long the segment took that was sent last of those newly delivered.
    public var roundTrip: TimeSpan?
    /// The mean.
    public var smoothedRoundTrip: TimeSpan?
    /// The shortest of the last minutes.
    public var shortestRoundTrip: TimeSpan?
    /// Bytes in flight after it.
    public var inFlight: Int
    /// Whether the window, and not the application or the peer, held the sender back (RFC 7661 §4.1): else it does not grow.
    public var isWindowLimited: Bool
    /// Whether a round trip ended: what was sent after the previous round began is acknowledged.
    public var startsRound: Bool
    /// Whether the receiver saw a congestion mark.
    public var hasECE: Bool
    /// What recovery does.
    public var phase: Phase
    /// Bytes a second that arrived since the newly delivered segment was sent.
    ///
    /// Where the application limited the sender it says how much there was, not how much the path takes.
    public var deliveryRate: UInt64?
    /// Whether the sample was taken while the application had nothing to send.
    public var isApplicationLimited: Bool
    /// Whether segments are spread over the round trip.
    public var isPaced: Bool

    /// A sample of an acknowledgement that found nothing unusual.
    public init(acknowledged: Int, delivered: Int? = nil, roundTrip: TimeSpan? = nil, inFlight: Int = 0) {
        self.acknowledged = acknowledged
        self.delivered = delivered ?? acknowledged
        self.roundTrip = roundTrip
        smoothedRoundTrip = roundTrip
        shortestRoundTrip = roundTrip
        self.inFlight = inFlight
        isWindowLimited = true
        startsRound = false
        hasECE = false
        phase = .open
        isApplicationLimited = false
        isPaced = false
    }
}

/// How congestion showed.
public enum CongestionSignal: Hashable, Sendable {
    /// A segment was lost; so many bytes were outstanding.
    case loss(outstanding: Int)
    /// The receiver saw a congestion mark.
    case mark(outstanding: Int)
    /// The retransmission timer expired.
    case timeout(outstanding: Int)

    /// What was outstanding: FlightSize (RFC 5681 §2).
    public var outstanding: Int {
        switch self {
        case .loss(let bytes), .mark(let bytes), .timeout(let bytes): bytes
        }
    }
}
