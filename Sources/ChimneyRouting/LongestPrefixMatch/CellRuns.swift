/// Many short arrays of words in one array, addressed by where they begin.
///
/// A run has 1 to 256 words and lies in a block of one of sixteen sizes (1, 2, 3, 4, 6, 8, 12, … 256); blocks given back are
/// chained through their first word and handed out again for the same size. The owner knows each run's length.
/// Cell 0 always holds 0 and belongs to everyone who has nothing to store.
@usableFromInline
struct CellRuns: Sendable {
    @usableFromInline
    var cells: [UInt32] = [0]
    private var freed: [UInt32] = []

    /// Index of the smallest block size that holds `count` words.
    private static func sizeClass(_ count: Int) -> Int {
        guard count > 2 else { return count - 1 }
        let power = Int.bitWidth - (count - 1).leadingZeroBitCount
        return count <= 3 << (power - 2) ? 2 * power - 2 : 2 * power - 1
    }

    private static func blockSize(_ sizeClass: Int) -> Int {
        switch sizeClass {
        case 0: 1
        case let odd where odd & 1 == 1: 1 << ((odd + 1) / 2)
        case let even: 3 << (even / 2 - 1)
        }
    }

    /// A place for `count` words with unspecified contents; 0 for none.
    mutating func allocate(_ count: Int) -> UInt32 {
        guard count > 0 else { return 0 }
        let sizeClass = Self.sizeClass(count)
        if sizeClass < freed.count, freed[sizeClass] != 0 {
            let start = freed[sizeClass]
            freed[sizeClass] = cells[Int(start)]
            return start
        }
        let start = cells.count
        cells.append(contentsOf: repeatElement(0, count: Self.blockSize(sizeClass)))
        return UInt32(truncatingIfNeeded: start)
    }

    /// Takes back a run of `count` words.
    mutating func release(_ start: UInt32, count: Int) {
        guard count > 0 else { return }
        let sizeClass = Self.sizeClass(count)
        while freed.count <= sizeClass { freed.append(0) }
        cells[Int(start)] = freed[sizeClass]
        freed[sizeClass] = start
    }

    /// The place for a run of `old` words that is to have `new` words; its first words are kept.
    mutating func resize(_ start: UInt32, from old: Int, to new: Int) -> UInt32 {
        guard old > 0 else { return allocate(new) }
        guard new > 0 else {
            release(start, count: old)
            return 0
        }
        guard Self.sizeClass(old) != Self.sizeClass(new) else { return start }
        let moved = allocate(new)
        for k in 0..<min(old, new) { cells[Int(moved) + k] = cells[Int(start) + k] }
        release(start, count: old)
        return moved
    }

    /// Opens a gap of `width` words before word `position` in a run of `count` words.
    mutating func insert(_ width: Int, at position: Int, in start: UInt32, count: Int) -> UInt32 {
        let start = resize(start, from: count, to: count + width)
        for k in stride(from: count - 1, through: position, by: -1) {
            cells[Int(start) + k + width] = cells[Int(start) + k]
        }
        return start
    }

    /// Closes the gap of `width` words at word `position` in a run of `count` words.
    mutating func remove(_ width: Int, at position: Int, in start: UInt32, count: Int) -> UInt32 {
        for k in position..<(count - width) { cells[Int(start) + k] = cells[Int(start) + k + width] }
        return resize(start, from: count, to: count - width)
    }

    /// Memory held for the words.
    var byteCount: Int { (cells.capacity + freed.capacity) * MemoryLayout<UInt32>.stride }
}
