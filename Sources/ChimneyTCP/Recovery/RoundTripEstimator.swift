import ChimneyPrimitives

/// The mean of round trips, how much they vary, and the shortest of the last minutes (RFC 6298 §2).
struct RoundTripEstimator: Sendable, BitwiseCopyable {
    /// SRTT; negative before the first sample.
    private var mean: Int64 = -1
    /// RTTVAR.
    private var deviation: Int64 = 0
    /// The shortest round trip, in microseconds, of this half of the window and of the one before.
    private var shortestNow = none
    private var shortestBefore = none
    /// When this half began, in units of 2^30 ns.
    private var halfBegan: UInt32 = 0

    private static var none: UInt32 { .max }
    /// How long a half lasts: about 150 seconds, so that a shortest round trip is forgotten within five minutes.
    private static var half: UInt32 { 140 }

    var smoothed: TimeSpan? { mean < 0 ? nil : .nanoseconds(mean) }
    /// Two of them.
    var twice: TimeSpan? { mean < 0 ? nil : .nanoseconds(mean &* 2) }
    var variation: TimeSpan { .nanoseconds(deviation) }
    var shortest: TimeSpan? {
        let shortest = min(shortestNow, shortestBefore)
        return shortest == Self.none ? nil : .microseconds(Int64(shortest))
    }

    /// Begins with what an earlier connection found out; the first sample counts as one more, not as the first.
    mutating func remember(mean: TimeSpan, variation: TimeSpan) {
        self.mean = min(mean.nanoseconds, 86_400_000_000_000)
        deviation = min(variation.nanoseconds, 86_400_000_000_000)
    }

    /// Takes a sample in.
    ///
    /// Of many samples a round trip each weighs so much less, so that the memory stays as long as with one (RFC 7323
    /// appendix G).
    @inline(__always)
    mutating func take(_ sample: TimeSpan, samplesPerRoundTrip: Int = 1) {
        // No longer than a day, so that nothing computed from it overflows.
        let roundTrip = min(sample.nanoseconds, 86_400_000_000_000)
        guard mean >= 0 else {
            mean = roundTrip
            deviation = roundTrip / 2
            return
        }
        // 2^extra is the number of samples, rounded up.
        let extra = Int.bitWidth - (max(1, samplesPerRoundTrip) - 1).leadingZeroBitCount
        let difference = roundTrip - mean
        deviation += (abs(difference) - deviation) >> Int64(2 + extra)
        mean += difference >> Int64(3 + extra)
    }

    /// Takes a sample in that shows how short a round trip can be.
    mutating func see(_ sample: TimeSpan, at now: Instant) {
        let began = UInt32(truncatingIfNeeded: now.nanoseconds >> 30)
        if began &- halfBegan > Self.half {
            shortestBefore = began &- halfBegan > 2 * Self.half ? Self.none : shortestNow
            shortestNow = Self.none
            halfBegan = began
        }
        // Round trips below a microsecond count as one.
        shortestNow = min(shortestNow, max(1, UInt32(clamping: sample.nanoseconds / 1_000)))
    }

    /// RTO: the mean and four times the variation, or `shortest` where that is longer, since a peer may delay its
    /// acknowledgement by as much although round trips have not varied yet.
    func timeout(shortest: TimeSpan) -> TimeSpan {
        // Both are at most a day.
        .nanoseconds(max(mean, 0) &+ max(4 &* deviation, shortest.nanoseconds))
    }
}
