/// A point in a stack's own time: nanoseconds since the shell's clock began.
///
/// Nothing in a stack reads a clock; the shell passes instants in. The range is 584 years.
@frozen
public struct Instant: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// Nanoseconds since the clock began.
    public var nanoseconds: UInt64

    /// The instant this many nanoseconds after the clock began.
    @inlinable
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// When the clock began.
    @inlinable
    public static var zero: Self { Self(nanoseconds: 0) }
    /// Later than any instant a stack meets.
    @inlinable
    public static var never: Self { Self(nanoseconds: .max) }

    /// Orders instants, earlier first.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.nanoseconds < rhs.nanoseconds }

    /// The instant `rhs` later, never past ``never``.
    @inlinable
    public static func + (lhs: Self, rhs: TimeSpan) -> Self {
        let (sum, overflow) = lhs.nanoseconds.addingReportingOverflow(UInt64(bitPattern: rhs.nanoseconds))
        return Self(nanoseconds: overflow ? .max : sum)
    }

    /// How long after `rhs` this is; zero when it is not after.
    @inlinable
    public static func - (lhs: Self, rhs: Self) -> TimeSpan {
        lhs.nanoseconds > rhs.nanoseconds
            ? TimeSpan(nanoseconds: Int64(clamping: lhs.nanoseconds &- rhs.nanoseconds)) : .zero
    }
}

/// A length of time in nanoseconds, never negative.
@frozen
public struct TimeSpan: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The length; at least 0.
    public let nanoseconds: Int64

    /// A length of this many nanoseconds; a negative count becomes zero.
    @inlinable
    public init(nanoseconds: Int64) { self.nanoseconds = max(0, nanoseconds) }

    /// No time at all.
    @inlinable
    public static var zero: Self { Self(nanoseconds: 0) }
    /// A length in nanoseconds.
    @inlinable
    public static func nanoseconds(_ count: Int64) -> Self { Self(nanoseconds: count) }
    /// A length in microseconds.
    @inlinable
    public static func microseconds(_ count: Int64) -> Self { Self(nanoseconds: saturating(count, 1_000)) }
    /// A length in milliseconds.
    @inlinable
    public static func milliseconds(_ count: Int64) -> Self { Self(nanoseconds: saturating(count, 1_000_000)) }
    /// A length in seconds.
    @inlinable
    public static func seconds(_ count: Int64) -> Self { Self(nanoseconds: saturating(count, 1_000_000_000)) }
    /// A length in seconds, rounded down to a nanosecond; a negative or non-number becomes zero.
    public static func fractionalSeconds(_ count: Double) -> Self {
        guard count > 0 else { return .zero }
        return Self(nanoseconds: count >= 9.2e9 ? .max : Int64(count * 1e9))
    }

    @usableFromInline
    static func saturating(_ count: Int64, _ unit: Int64) -> Int64 {
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        return overflow ? .max : product
    }

    /// The length in seconds.
    @inlinable
    public var seconds: Double { Double(nanoseconds) / 1e9 }

    /// Orders lengths, shorter first.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.nanoseconds < rhs.nanoseconds }
    /// The sum, at most the longest length there is.
    @inlinable
    public static func + (lhs: Self, rhs: Self) -> Self {
        let (sum, overflow) = lhs.nanoseconds.addingReportingOverflow(rhs.nanoseconds)
        return Self(nanoseconds: overflow ? .max : sum)
    }
    /// The difference, never below zero.
    @inlinable
    public static func - (lhs: Self, rhs: Self) -> Self { Self(nanoseconds: lhs.nanoseconds - rhs.nanoseconds) }
    /// The length `rhs` times over, at most the longest length there is.
    @inlinable
    public static func * (lhs: Self, rhs: Int) -> Self { Self(nanoseconds: saturating(lhs.nanoseconds, Int64(rhs))) }
}
