import ChimneyPrimitives

/// How many questions of strangers are answered: a steady rate with a burst.
struct AnswerRate {
    /// When the next answer would be due at the steady rate; it may run ahead of now by the burst.
    private var due = Instant.zero

    /// Takes one answer from the rate, or says that there is none left.
    mutating func admits(at now: Instant, perSecond: Int, burst: Int) -> Bool {
        let interval = TimeSpan.nanoseconds(1_000_000_000 / Int64(max(1, perSecond)))
        guard due <= now + interval * max(0, burst - 1) else { return false }
        due = max(due, now) + interval
        return true
    }
}
