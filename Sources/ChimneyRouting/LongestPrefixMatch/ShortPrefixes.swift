import ChimneyPrimitives

/// What the short prefixes of a table say about each of the blocks that an address space falls into.
///
/// Each block knows the length of the prefix whose answer it has, so that a change touches the blocks under the prefix and
/// nothing else.
struct ShortPrefixes: Sendable {
    /// The answer for each block; 0 for none.
    private(set) var values: [UInt32]
    /// One more than the length of the prefix that gave the answer; 0 for none.
    private var marks: [UInt8]
    /// How many bits of an address choose the block.
    private let bits: Int

    init(bits: Int) {
        self.bits = bits
        values = Array(repeating: 0, count: 1 << bits)
        marks = Array(repeating: 0, count: 1 << bits)
    }

    /// The blocks under a prefix of at most ``bits`` bits.
    func blocks<Address>(under prefix: Prefix<Address>) -> Range<Int> {
        // A shift by the whole width gives 0, the only block when no bits choose.
        let first = Int(truncatingIfNeeded: prefix.address.bits >> (Address.bitWidth - bits))
        return first..<(first + 1 << (bits - prefix.length))
    }

    /// A prefix answers `value` from now on; tells the blocks for which that is news.
    mutating func set<Address>(_ prefix: Prefix<Address>, _ value: UInt32) -> [Int] {
        let mark = UInt8(truncatingIfNeeded: prefix.length + 1)
        return blocks(under: prefix).filter { block in
            guard marks[block] <= mark else { return false }
            values[block] = value
            marks[block] = mark
            return true
        }
    }

    /// A prefix answers no longer, and `cover`, the longest that contains it, answers in its place; tells where.
    mutating func remove<Address>(_ prefix: Prefix<Address>, cover: (length: Int, value: UInt32)?) -> [Int] {
        let mark = UInt8(truncatingIfNeeded: prefix.length + 1)
        return blocks(under: prefix).filter { block in
            guard marks[block] == mark else { return false }
            values[block] = cover?.value ?? 0
            marks[block] = cover.map { UInt8(truncatingIfNeeded: $0.length + 1) } ?? 0
            return true
        }
    }

    /// Memory held.
    var byteCount: Int { values.capacity * MemoryLayout<UInt32>.stride + marks.capacity }
}
