/// A number of TCP's sequence space: 32 bits that wrap around (RFC 9293 §3.4).
///
/// Of two numbers the earlier is the one from which the other is reached by going forward less than half
/// way round. That orders the numbers of one window and not all of them, which is why the type is not `Comparable`.
@frozen
package struct SequenceNumber: Hashable, Sendable, BitwiseCopyable {
    /// The number on the wire.
    package var value: UInt32

    @inlinable
    package init(_ value: UInt32) { self.value = value }

    /// The number `count` further on; a negative count goes back.
    @inlinable
    package static func + (number: Self, count: Int) -> Self {
        Self(number.value &+ UInt32(truncatingIfNeeded: count))
    }

    /// The number `count` before.
    @inlinable
    package static func - (number: Self, count: Int) -> Self {
        Self(number.value &- UInt32(truncatingIfNeeded: count))
    }

    /// How far `number` is behind `other`; negative when it comes before it.
    @inlinable
    package static func - (number: Self, other: Self) -> Int {
        Int(Int32(bitPattern: number.value &- other.value))
    }

    @inlinable
    package static func += (number: inout Self, count: Int) { number = number + count }

    @inlinable
    package static func < (one: Self, other: Self) -> Bool { one - other < 0 }
    @inlinable
    package static func <= (one: Self, other: Self) -> Bool { one - other <= 0 }
    @inlinable
    package static func > (one: Self, other: Self) -> Bool { one - other > 0 }
    @inlinable
    package static func >= (one: Self, other: Self) -> Bool { one - other >= 0 }

    /// The one that comes first.
    @inlinable
    package static func earlier(_ one: Self, _ other: Self) -> Self { one < other ? one : other }
    /// The one that comes last.
    @inlinable
    package static func later(_ one: Self, _ other: Self) -> Self { one > other ? one : other }
}

/// Sequence numbers from `start` up to but not including `end`.
@frozen
package struct SequenceRange: Hashable, Sendable, BitwiseCopyable {
    package var start: SequenceNumber
    package var end: SequenceNumber

    @inlinable
    package init(_ start: SequenceNumber, _ end: SequenceNumber) {
        self.start = start
        self.end = end
    }

    @inlinable
    package init(_ start: SequenceNumber, count: Int) {
        self.start = start
        end = start + count
    }

    /// How many numbers it has; negative when `end` comes before `start`.
    @inlinable
    package var count: Int { end - start }
    /// Whether it has none.
    @inlinable
    package var isEmpty: Bool { end <= start }

    @inlinable
    package func contains(_ number: SequenceNumber) -> Bool { start <= number && number < end }
}

/// Up to four ranges, as the blocks of a SACK option: the most that fit beside timestamps is three (RFC 2018 §3).
@frozen
package struct SequenceRanges: Hashable, Sendable, BitwiseCopyable {
    private var one = SequenceRange(SequenceNumber(0), SequenceNumber(0))
    private var two = SequenceRange(SequenceNumber(0), SequenceNumber(0))
    private var three = SequenceRange(SequenceNumber(0), SequenceNumber(0))
    private var four = SequenceRange(SequenceNumber(0), SequenceNumber(0))
    package private(set) var count = 0

    /// No ranges.
    package init() {}

    /// The most ranges; a further one is not taken.
    package static var rangesMax: Int { 4 }

    package var isEmpty: Bool { count == 0 }

    package mutating func append(_ range: SequenceRange) {
        switch count {
        case 0: one = range
        case 1: two = range
        case 2: three = range
        case 3: four = range
        default: return
        }
        count += 1
    }

    package subscript(index: Int) -> SequenceRange {
        precondition(index >= 0 && index < count, "a range is one of those there are")
        return switch index {
        case 0: one
        case 1: two
        case 2: three
        default: four
        }
    }
}
