import ChimneyPrimitives

/// How long a segment may come late without counting as lost (RFC 8985 §6.2 step 4).
///
/// It grows by a quarter of the shortest round trip with each round trip in which the receiver reports duplicates, and
/// is as at first again after sixteen recoveries without.
struct ReorderingWindow: Sendable, BitwiseCopyable {
    /// RACK.reo_wnd_mult and RACK.reo_wnd_persist.
    private(set) var multiplier: UInt8 = 1
    private var recoveriesLeft: UInt8 = 0
    /// RACK.reordering_seen.
    private(set) var isSeen = false
    /// Whether it grew in this round trip, which ends with `roundEnd` (RACK.dsack_round).
    private var hasGrown = false
    private var roundEnd = SequenceNumber(0)

    private static var recoveriesKept: UInt8 { 16 }

    /// A segment came behind one that was sent after it.
    mutating func reorderingSeen() { isSeen = true }

    /// An acknowledgement up to `una` arrived, perhaps with a duplicate reported.
    mutating func ackArrived(una: SequenceNumber, nxt: SequenceNumber, hasDuplicate: Bool) {
        if hasGrown, una >= roundEnd { hasGrown = false }
        guard hasDuplicate, !hasGrown else { return }
        hasGrown = true
        roundEnd = nxt
        multiplier = multiplier == .max ? .max : multiplier + 1
        recoveriesLeft = Self.recoveriesKept
    }

    /// A recovery ended.
    mutating func recoveryEnded() {
        if recoveriesLeft > 0 { recoveriesLeft -= 1 }
        if recoveriesLeft == 0 { multiplier = 1 }
    }

    /// RACK.reo_wnd: nothing while no segment came late and losses were found, or three segments are there behind one
    /// that is missing.
    func length(shortest: TimeSpan, smoothed: TimeSpan, isRecovering: Bool, sackedCount: Int) -> TimeSpan {
        if !isSeen, isRecovering || sackedCount >= 3 { return .zero }
        return min(.nanoseconds(shortest.nanoseconds * Int64(multiplier) / 4), smoothed)
    }
}
