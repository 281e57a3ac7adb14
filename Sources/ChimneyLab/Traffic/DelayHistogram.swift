public import ChimneyPrimitives

/// How long things took, in 32 classes for every doubling: a quantile is right to about 3 per cent.
public struct DelayHistogram: Sendable, Hashable {
    private var counts: [UInt32] = []
    /// How many lengths were counted.
    public private(set) var count: UInt64 = 0
    /// The shortest; zero while there is none.
    public private(set) var shortest = TimeSpan.zero
    /// The longest; zero while there is none.
    public private(set) var longest = TimeSpan.zero
    private var sum: Double = 0

    /// Nothing counted.
    public init() {}

    /// Counts one length.
    public mutating func add(_ span: TimeSpan) {
        let position = Self.position(of: UInt64(span.nanoseconds))
        if position >= counts.count { counts += [UInt32](repeating: 0, count: position + 1 - counts.count) }
        counts[position] &+= 1
        shortest = count == 0 ? span : min(shortest, span)
        longest = max(longest, span)
        count += 1
        sum += Double(span.nanoseconds)
    }

    /// The mean; zero while nothing is counted.
    public var mean: TimeSpan { count == 0 ? .zero : .nanoseconds(Int64(sum / Double(count))) }

    /// The length that this part of all does not exceed; zero while nothing is counted.
    public func quantile(_ part: Double) -> TimeSpan {
        guard count > 0 else { return .zero }
        let rank = UInt64((Double(count) * part).rounded(.up))
        var seen: UInt64 = 0
        for position in counts.indices {
            seen += UInt64(counts[position])
            guard seen < max(1, rank) else {
                return min(longest, max(shortest, .nanoseconds(Self.middle(of: position))))
            }
        }
        return longest
    }

    private static func position(of value: UInt64) -> Int {
        guard value >= 32 else { return Int(value) }
        let shift = 58 - value.leadingZeroBitCount
        return shift * 32 + Int(value >> UInt64(shift))
    }

    private static func middle(of position: Int) -> Int64 {
        guard position >= 32 else { return Int64(position) }
        let shift = position / 32 - 1
        let low = Int64(position - shift * 32) << Int64(shift)
        return low + (Int64(1) << Int64(shift)) / 2
    }
}
