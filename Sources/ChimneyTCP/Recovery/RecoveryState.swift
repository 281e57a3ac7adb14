public import ChimneyPrimitives

/// What recovery is doing.
public enum RecoveryPhase: String, Hashable, Sendable {
    /// Nothing is missing.
    case open
    /// Something is missing that may be on its way.
    case disorder
    /// The window shrinks because congestion was marked, without a loss (RFC 3168).
    case congestion
    /// Losses were found and are sent again (RFC 6675).
    case recovery
    /// The retransmission timer expired.
    case timeout
}

/// Where the recovery of a connection stands, to be shown to people.
public struct LossRecoveryState: Hashable, Sendable, CustomStringConvertible {
    /// What it is doing.
    public var phase = RecoveryPhase.open
    /// Bytes sent and not acknowledged, and of these: on the path, at the receiver, lost and waiting.
    public var outstandingBytes = 0
    /// Of these, those supposed to be on the path.
    public var inFlightBytes = 0
    /// Of these, those that the receiver has.
    public var sackedBytes = 0
    /// Of these, those that count as lost and wait.
    public var lostBytes = 0
    /// Records of what was sent.
    public var segmentCount = 0
    /// The congestion window.
    public var cwnd = 0
    /// The slow start threshold.
    public var ssthresh = 0
    /// What rate reduction allows to be sent now, while it leads the flight to a smaller window.
    public var reductionQuota: Int?
    /// How far it is until recovery ends, in bytes.
    public var untilRecovered: Int?
    /// The mean round trip.
    public var smoothedRoundTrip: TimeSpan?
    /// How much it varies.
    public var roundTripVariation = TimeSpan.zero
    /// The shortest of the last minutes.
    public var shortestRoundTrip: TimeSpan?
    /// The retransmission timeout, doubled as often as `backoff` says.
    public var rto = TimeSpan.zero
    /// How often the timeout was doubled.
    public var backoff = 0
    /// How long a segment may come late without counting as lost.
    public var reorderingWindow = TimeSpan.zero
    /// Whether segments were seen coming late.
    public var hasSeenReordering = false
    /// Whether a probe is out.
    public var isProbing = false
    /// Bytes a second that segments are spread by.
    public var pacingRate: UInt64?
    /// The congestion control's name.
    public var algorithm = ""

    /// One line.
    public var description: String {
        var words = ["\(algorithm) \(phase.rawValue)", "cwnd \(cwnd)"]
        words.append("ssthresh \(ssthresh >= .largestWindow ? "-" : String(ssthresh))")
        words.append("flight \(inFlightBytes)/\(outstandingBytes) in \(segmentCount)")
        if sackedBytes > 0 { words.append("sacked \(sackedBytes)") }
        if lostBytes > 0 { words.append("lost \(lostBytes)") }
        if let reductionQuota { words.append("quota \(reductionQuota)") }
        if let untilRecovered { words.append("until \(untilRecovered)") }
        words.append("rtt \(Self.text(smoothedRoundTrip))±\(Self.text(roundTripVariation))")
        words.append("min \(Self.text(shortestRoundTrip))")
        words.append("rto \(Self.text(rto))" + (backoff > 0 ? "×2^\(backoff)" : ""))
        if reorderingWindow > .zero || hasSeenReordering { words.append("reo \(Self.text(reorderingWindow))") }
        if isProbing { words.append("probing") }
        if let pacingRate { words.append("pace \(pacingRate)") }
        return words.joined(separator: ", ")
    }

    private static func text(_ span: TimeSpan?) -> String {
        guard let span else { return "-" }
        let microseconds = span.nanoseconds / 1_000
        let fraction = String(microseconds % 1_000 + 1_000).dropFirst()
        return "\(microseconds / 1_000).\(fraction)ms"
    }
}

/// What recovery has done since the connection was established.
public struct RecoveryCounters: Hashable, Sendable, BitwiseCopyable {
    /// Segments sent again.
    public var retransmissions: UInt32 = 0
    /// Losses found without a timeout.
    public var recoveries: UInt32 = 0
    /// Expirations of the retransmission timer.
    public var timeouts: UInt32 = 0
    /// Tail loss probes.
    public var probes: UInt32 = 0
    /// Reductions for congestion marks.
    public var congestionMarks: UInt32 = 0
    /// Reductions that proved needless.
    public var undone: UInt32 = 0

    /// Nothing yet.
    public init() {}
}
