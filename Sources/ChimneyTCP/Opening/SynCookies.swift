package import ChimneyPrimitives
import ChimneyWire

/// First numbers that say all that is known of a half-open connection, so that nothing need be kept (RFC 4987 §3.6).
///
/// The number has 27 bits of a keyed hash over flow, peer's number, minute and segment size, and in the clear which of the
/// segment sizes it is and the last two bits of the minute. What else was agreed on stands in the low bits of the timestamp, and
/// comes back as its echo; a peer without timestamps does without.
package struct SynCookies: Sendable {
    private let secret: KeyedHash

    /// Cookies under a secret of their own.
    package init(using random: inout StackRandom) { secret = KeyedHash(using: &random) }

    /// The segment sizes a cookie can tell of: a peer's size becomes the next smaller one.
    private static let sizes: InlineArray<8, UInt16> = [216, 536, 1_220, 1_360, 1_400, 1_440, 1_460, 8_900]
    /// How long a minute lasts; a cookie is good for the one it was made in and the next.
    private static var minute: UInt64 { 64_000_000_000 }
    /// The timestamp bits that options stand in.
    private static var optionBits: UInt32 { 63 }
    /// The shift that stands for none.
    private static var noShift: UInt32 { 15 }

    /// Makes a half-open connection one that can be forgotten: gives it a cookie as its first number, and the segment
    /// that answers the peer's SYN its timestamp.
    package func bake(
        _ half: inout HalfOpen, for flow: IPv6Flow, into answer: inout OutgoingSegment, at now: Instant
    ) {
        var index: UInt32 = 0
        for candidate in 0..<8 where Self.sizes[candidate] <= half.peerSize { index = UInt32(candidate) }
        half.iss = cookie(index, minute: now.nanoseconds / Self.minute, irs: half.irs, flow: flow)
        answer.sequence = half.iss
        guard var timestamps = answer.options.timestamps else {
            answer.options.windowShift = nil
            answer.options.permitsSACK = false
            answer.flags.remove(.ece)
            return
        }
        let shift = half.peerShift.map { UInt32($0) } ?? Self.noShift
        let bits = shift | (half.hasSelectiveAcks ? 16 : 0) | (half.hasCongestionMarks ? 32 : 0)
        // Before now, so that the connection's own clock goes on from it.
        timestamps.value = ((timestamps.value &- Self.optionBits) & ~Self.optionBits) | bits
        answer.options.timestamps = timestamps
    }

    /// The half-open connection that a segment acknowledges, when its acknowledgement is a cookie.
    ///
    /// - Parameters:
    ///   - segment: the peer's answer to our SYN.
    ///   - flow: where from and where to.
    ///   - settings: those of the listener.
    ///   - clockOffset: that of the flow.
    ///   - now: the time.
    /// - Returns: what was forgotten, or `nil` when we never sent such a cookie, or too long ago.
    package func halfOpen(
        of segment: ArrivedSegment, for flow: IPv6Flow, settings: TCPSettings, clockOffset: UInt32, at now: Instant
    ) -> HalfOpen? {
        let iss = segment.ack - 1
        let irs = segment.sequence - 1
        let index = iss.value & 7
        let current = now.nanoseconds / Self.minute
        let age = (current &- UInt64(iss.value >> 3 & 3)) & 3
        guard age <= 1, age <= current else { return nil }
        guard cookie(index, minute: current - age, irs: irs, flow: flow) == iss else { return nil }
        var half = HalfOpen(iss: iss, irs: irs, sentAt: .never)
        half.clockOffset = clockOffset
        half.peerSize = max(Self.sizes[Int(index)], UInt16(clamping: settings.segmentSizeMin))
        half.peerWindow = segment.window
        guard settings.hasTimestamps, let timestamps = segment.options.timestamps else { return half }
        half.hasTimestamps = true
        half.recentTimestamp = timestamps.value
        let bits = timestamps.echo & Self.optionBits
        if settings.scalesWindow, bits & 15 != Self.noShift { half.peerShift = UInt8(min(bits & 15, 14)) }
        half.hasSelectiveAcks = settings.hasSelectiveAcks && bits & 16 != 0
        half.hasCongestionMarks = settings.ecn != .off && bits & 32 != 0
        return half
    }

    private func cookie(
        _ index: UInt32, minute: UInt64, irs: SequenceNumber, flow: IPv6Flow
    ) -> SequenceNumber {
        let words = flow.words
        let inner = secret.hash(words.0, words.1, words.2, words.3, words.4, UInt64(irs.value) << 32 | UInt64(index))
        let hash = secret.hash(inner, minute, 0, 0, 0, 3)
        return SequenceNumber(UInt32(truncatingIfNeeded: hash) << 5 | UInt32(minute & 3) << 3 | index)
    }
}
