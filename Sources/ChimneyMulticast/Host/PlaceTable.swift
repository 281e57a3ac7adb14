/// Places of records by hash: open addressing with linear probing, eight bytes an entry.
///
/// The keys are in the records, which whoever looks compares; an entry has the place and half of the hash, so that
/// growing and removing look at no record. It starts without memory and doubles at five eighths.
@usableFromInline
struct PlaceTable: Sendable {
    /// Half of the hash in the upper half and the place in the lower; ``vacant`` where there is none.
    @usableFromInline var entries: [UInt64] = []
    @usableFromInline var count = 0

    @inlinable
    init() {}

    @usableFromInline static var vacant: UInt64 { @inlinable get { .max } }

    /// Where a walk over the places with a hash begins.
    @inlinable @inline(__always)
    func start(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash & 0xFFFF_FFFF) }

    /// The next place with a hash, or `nil` when there is none more; whoever asks compares its record's key.
    @inlinable @inline(__always)
    func next(_ walk: inout Int, hash: UInt64) -> Int? {
        guard count > 0 else { return nil }
        let entries = entries.span
        let mask = entries.count &- 1
        while entries[walk & mask] != Self.vacant {
            let entry = entries[walk & mask]
            walk = walk &+ 1
            if entry &>> 32 == hash & 0xFFFF_FFFF { return Int(truncatingIfNeeded: entry & 0xFFFF_FFFF) }
        }
        return nil
    }

    /// Puts in a place below 2^31 that is not there.
    @inlinable
    mutating func insert(_ place: Int, hash: UInt64) {
        if (count + 1) * 8 > entries.count * 5 { grow() }
        put(hash &<< 32 | UInt64(place))
        count += 1
    }

    /// Takes a place out that is there.
    @inlinable
    mutating func remove(_ place: Int, hash: UInt64) {
        guard var gap = position(of: place, hash: hash) else { return }
        let mask = entries.count - 1
        var next = (gap + 1) & mask
        while entries[next] != Self.vacant {
            // An entry moves into the gap unless that is before the position its hash names.
            let home = Int(truncatingIfNeeded: entries[next] &>> 32) & mask
            if (next - home) & mask >= (next - gap) & mask {
                entries[gap] = entries[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        entries[gap] = Self.vacant
        count -= 1
    }

    /// Names another place where this one was.
    @inlinable
    mutating func replace(_ place: Int, by other: Int, hash: UInt64) {
        guard let position = position(of: place, hash: hash) else { return }
        entries[position] = hash &<< 32 | UInt64(other)
    }

    @inlinable
    func position(of place: Int, hash: UInt64) -> Int? {
        guard count > 0 else { return nil }
        let entry = hash &<< 32 | UInt64(place)
        let mask = entries.count - 1
        var position = Int(truncatingIfNeeded: hash & 0xFFFF_FFFF) & mask
        while entries[position] != Self.vacant {
            if entries[position] == entry { return position }
            position = (position &+ 1) & mask
        }
        return nil
    }

    @inlinable
    mutating func put(_ entry: UInt64) {
        let mask = entries.count - 1
        var position = Int(truncatingIfNeeded: entry &>> 32) & mask
        while entries[position] != Self.vacant { position = (position &+ 1) & mask }
        entries[position] = entry
    }

    @inlinable
    mutating func grow() {
        let old = entries
        entries = Array(repeating: Self.vacant, count: max(8, old.count * 2))
        for entry in old where entry != Self.vacant { put(entry) }
    }
}
