import ChimneyPrimitives

/// The lookup structure of a small table: where in the address space the answer changes, in order.
///
/// A host has a handful of routes; a search over a few dozen boundaries in two cache lines beats any tree, and costs bytes.
@usableFromInline
struct ForwardingRanges<Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable & Sendable>: Sendable {
    /// The first key of each range; the first is 0.
    @usableFromInline
    private(set) var starts: [Bits] = [0]
    /// What the keys of each range are answered; 0 for nothing.
    @usableFromInline
    private(set) var values: [UInt32] = [0]

    @inlinable
    func lookup(_ key: Bits) -> UInt32 {
        var first = 0
        var count = starts.count
        while count > 1 {
            let half = count / 2
            first = starts[first &+ half] <= key ? first &+ half : first
            count &-= half
        }
        return values[first]
    }

    /// Makes the ranges anew from a tree of few prefixes.
    mutating func compile<Address: InternetAddress>(_ tree: PrefixTree<Address>) where Address.Bits == Bits {
        starts.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        append(0, from: 0)
        // The prefixes that contain the place reached, the longest last: their last key and value.
        var open: [(last: Bits, value: UInt32)] = []
        func close(before key: Bits?) {
            while let inner = open.last, key.map({ inner.last < $0 }) ?? true {
                open.removeLast()
                guard inner.last != .max else { continue }
                append(open.last?.value ?? 0, from: inner.last + 1)
            }
        }
        tree.forEach { prefix, entry in
            guard entry.value != 0 else { return true }
            close(before: prefix.address.bits)
            append(entry.value, from: prefix.address.bits)
            open.append((prefix.lastAddress.bits, entry.value))
            return true
        }
        close(before: nil)
    }

    private mutating func append(_ value: UInt32, from start: Bits) {
        if let last = starts.last, last == start {
            // A longer prefix begins, or a shorter one resumes, where the last range began: that range is empty.
            values[values.count - 1] = value
            if values.count > 1, values[values.count - 2] == value {
                starts.removeLast()
                values.removeLast()
            }
        } else if values.last != value {
            starts.append(start)
            values.append(value)
        }
    }

    /// Memory held.
    var byteCount: Int { starts.capacity * MemoryLayout<Bits>.stride + values.capacity * MemoryLayout<UInt32>.stride }
}
