import ChimneyPrimitives

/// A token bucket kept as the one instant it empties at (RFC 1812 §4.3.2.8 leaves the method open).
struct RateLimit: Sendable {
    private let interval: UInt64
    private let slack: UInt64
    private let isClosed: Bool
    private var theoreticalArrival: UInt64 = 0

    /// So many a second in the long run, so many at once; a rate of zero admits nothing.
    init(perSecondMax: Int, burstMax: Int) {
        isClosed = perSecondMax <= 0 || burstMax <= 0
        interval = 1_000_000_000 / UInt64(clamping: max(1, perSecondMax))
        slack = interval &* UInt64(clamping: max(1, burstMax) - 1)
    }

    /// Whether one more may pass now; if so it is counted.
    mutating func admits(at now: Instant) -> Bool {
        let arrival = max(theoreticalArrival, now.nanoseconds)
        guard !isClosed, arrival &- now.nanoseconds <= slack else { return false }
        theoreticalArrival = arrival &+ interval
        return true
    }
}
