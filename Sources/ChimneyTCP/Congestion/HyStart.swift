import ChimneyPrimitives

/// HyStart++: slow start ends when round trips lengthen, before the path overflows (RFC 9406).
///
/// It grows a window by slow start until the shortest round trip of a round exceeds that of the round before. Then it
/// grows four times slower for some rounds, and goes back if round trips shorten again: the delay was jitter.
struct HyStart: Sendable, BitwiseCopyable {
    /// What a window in slow start is to do.
    enum Step: Hashable {
        case grow(by: Int)
        /// Slow start is over: the threshold becomes the window.
        case end
    }

    /// Microseconds; `none` before the first.
    private var lastRoundShortest = none
    private var roundShortest = none
    private var baseline = none
    private var sampleCount: UInt8 = 0
    /// Rounds of growing slowly that ended, or 0 while growing fast; the one it began in counts (RFC 9406 §4.2).
    private var slowRounds: UInt8 = 0
    private var isSlow = false

    private static var none: UInt32 { .max }
    /// MIN_RTT_THRESH, MAX_RTT_THRESH, MIN_RTT_DIVISOR, N_RTT_SAMPLE, CSS_GROWTH_DIVISOR, CSS_ROUNDS and L (RFC 9406 §4.3).
    private static var thresholds: ClosedRange<UInt32> { 4_000...16_000 }
    private static var divisor: UInt32 { 8 }
    private static var samplesMin: UInt8 { 8 }
    private static var growthDivisor: Int { 4 }
    private static var slowRoundsEnd: UInt8 { 5 }
    /// What an acknowledgement counts for at most, so that growth is no burst.
    private static var segmentsMax: Int { 8 }

    /// Whether the window grows slowly because round trips have lengthened.
    var isConservative: Bool { isSlow }

    /// An acknowledgement arrived in slow start.
    mutating func ackArrived(_ sample: AckSample, mss: Int) -> Step {
        if sample.startsRound, endRound() { return .end }
        if let roundTrip = sample.roundTrip { measure(roundTrip) }
        // Bursts are limited unless segments are spread over the round trip.
        let growth = sample.isPaced ? sample.acknowledged : min(sample.acknowledged, Self.segmentsMax * mss)
        return .grow(by: isSlow ? growth / Self.growthDivisor : growth)
    }

    /// - Returns: whether this was the last of the slow rounds.
    private mutating func endRound() -> Bool {
        lastRoundShortest = roundShortest
        roundShortest = Self.none
        sampleCount = 0
        guard isSlow else { return false }
        slowRounds += 1
        return slowRounds >= Self.slowRoundsEnd
    }

    private mutating func measure(_ roundTrip: TimeSpan) {
        roundShortest = min(roundShortest, UInt32(clamping: roundTrip.nanoseconds / 1_000))
        sampleCount = sampleCount == .max ? .max : sampleCount + 1
        guard sampleCount >= Self.samplesMin else { return }
        if isSlow {
            guard roundShortest < baseline else { return }
            baseline = Self.none
            isSlow = false
            slowRounds = 0
        } else if lastRoundShortest != Self.none {
            let threshold = min(
                max(lastRoundShortest / Self.divisor, Self.thresholds.lowerBound), Self.thresholds.upperBound)
            guard roundShortest >= lastRoundShortest + threshold else { return }
            baseline = roundShortest
            isSlow = true
            slowRounds = 0
        }
    }
}
