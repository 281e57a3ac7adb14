import ChimneyPrimitives

/// Spreads segments over the round trip, in bursts of about a millisecond.
///
/// It knows the earliest time of the next burst and nothing else; the rate comes with each question.
struct Pacer: Sendable, BitwiseCopyable {
    /// When the next burst may leave.
    private(set) var releaseAt = Instant.zero
    /// What is left of the burst that leaves now, in bytes.
    private var burst: UInt32 = 0

    /// Bytes a second for a window: twice what it needs while it doubles each round trip, so that it can, and a quarter
    /// more above the threshold, so that a gap is made up for.
    static func rate(cwnd: Int, ssthresh: Int, roundTrip: TimeSpan) -> UInt64 {
        guard roundTrip > .zero else { return .max }
        let factor: UInt64 = cwnd < ssthresh / 2 ? 200 : 125
        let (high, low) = (UInt64(max(0, cwnd)) * factor).multipliedFullWidth(by: 10_000_000)
        let divisor = UInt64(roundTrip.nanoseconds)
        return high >= divisor ? .max : divisor.dividingFullWidth((high, low)).quotient
    }

    /// How many bytes may leave now; 0 before ``releaseAt``.
    mutating func allowance(rate: UInt64, mss: Int, at now: Instant) -> Int {
        // Less than a segment is not waited with: the next burst takes its place.
        if burst >= mss { return Int(burst) }
        guard now >= releaseAt else { return 0 }
        burst = UInt32(clamping: max(UInt64(2 * mss), min(rate / 1_000, 65_536)))
        return Int(burst)
    }

    /// Bytes left; when they end the burst the next one waits until the rate has made up for it.
    mutating func sent(_ bytes: Int, rate: UInt64, at now: Instant) {
        burst = UInt32(clamping: Int(burst) - bytes)
        let time = rate == 0 ? 0 : UInt64(bytes).multipliedReportingOverflow(by: 1_000_000_000).partialValue / rate
        // Time during which nothing left is no credit beyond the burst at hand.
        releaseAt = max(releaseAt, now) + .nanoseconds(Int64(clamping: time))
    }
}
