public import ChimneyPrimitives

/// The lookup structure of a large table: one step for the first bits of the key, then six bits a step.
///
/// Every node answers 64 slots. Neighbouring slots with the same answer share a word, found by counting bits, so that a full
/// Internet table stays within a processor's cache; what shorter prefixes say is kept once in the node and not in its slots.
/// A key under a prefix of at most `rootBits + 6` bits costs two loads that depend on each other.
@usableFromInline
struct ForwardingTrie<Address: InternetAddress>: Sendable {
    @usableFromInline
    struct Node: Sendable, BitwiseCopyable {
        /// The slots at which a run of equal answers begins; slot 0 always does.
        @usableFromInline
        var starts: UInt64 = 1
        /// Where the answers of the runs are; 0 while no slot has one.
        @usableFromInline
        var base: UInt32 = 0
        /// The answer of the prefixes too short for the slots; 0 for what the node above says.
        @usableFromInline
        var inherited: UInt32 = 0

        @inlinable
        init() {}
    }

    /// Marks a word that leads to another node.
    @inlinable
    static var childFlag: UInt32 { 1 << 31 }

    /// The roots, one for each value of the first bits of a key, and behind them the deeper nodes.
    @usableFromInline
    private(set) var nodes: [Node]
    @usableFromInline
    private(set) var runs = CellRuns()
    @usableFromInline
    let rootBits: Int
    /// One more than the length of the prefix whose answer a root inherited, 0 for none; lookups never touch it.
    private var inheritedLengths: [UInt8]
    private var freeNode: UInt32 = 0

    /// An empty structure; `rootBits` is a multiple of six below the width of an address.
    init(rootBits: Int) {
        self.rootBits = rootBits
        nodes = Array(repeating: Node(), count: 1 << rootBits)
        inheritedLengths = Array(repeating: 0, count: 1 << rootBits)
    }

    @inlinable
    func lookup(_ key: Address.Bits) -> UInt32 {
        var index = Int(truncatingIfNeeded: key &>> Address.Bits(truncatingIfNeeded: Address.Bits.bitWidth &- rootBits))
        var rest = key &<< Address.Bits(truncatingIfNeeded: rootBits)
        var best: UInt32 = 0
        while true {
            let node = nodes[index]
            best = node.inherited != 0 ? node.inherited : best
            let slot = UInt64(truncatingIfNeeded: rest &>> Address.Bits(truncatingIfNeeded: Address.Bits.bitWidth &- 6))
            let run = (node.starts &<< (63 &- slot)).nonzeroBitCount
            let word = runs.cells[Int(node.base) &+ run &- 1]
            if word & Self.childFlag == 0 { return word != 0 ? word : best }
            index = Int(word & ~Self.childFlag)
            rest = rest &<< 6
        }
    }

    // MARK: Changes

    /// Builds everything anew.
    mutating func compile(_ tree: inout PrefixTree<Address>) {
        var shorter: [(prefix: Prefix<Address>, value: UInt32)] = []
        tree.forEachShort(upTo: rootBits) { prefix, value in shorter.append((prefix, value)) }
        // A shorter prefix precedes those inside it, so that these overwrite it.
        for (prefix, value) in shorter { inherit(value, length: prefix.length, over: prefix) }
        var found: [(node: Int, depth: Int, place: Int)] = []
        tree.forEachNode(at: rootBits) { node, path in
            found.append((node, rootBits, Int(truncatingIfNeeded: path >> (Address.Bits.bitWidth - rootBits))))
        }
        for (node, _, place) in found { tree.setCompiled(UInt32(truncatingIfNeeded: place), of: node) }
        while let (node, depth, _) = found.popLast() {
            for slot in tree.childSlots(of: node) {
                guard let child = tree.child(of: node, slot: slot) else { continue }
                let place = addNode()
                tree.setCompiled(place, of: child)
                found.append((child, depth + 6, Int(place)))
            }
            rebuild(node, tree)
        }
    }

    /// Brings the structure up to date after `prefix` was set; `known` steps of the path are as old as the last change.
    mutating func update(
        _ prefix: Prefix<Address>, _ tree: inout PrefixTree<Address>, path: [PrefixTree<Address>.Step], known: Int
    ) {
        guard prefix.length > rootBits else { return updateShort(prefix, tree) }
        let rootStep = rootBits / 6
        for step in max(known, rootStep)..<max(path.count, known, rootStep) {
            let place = step == rootStep ? root(of: prefix) : addNode()
            tree.setCompiled(place, of: path[step].node)
        }
        for step in max(known - 1, rootStep)..<path.count { rebuild(path[step].node, tree) }
    }

    /// Brings the structure up to date after `prefix` was removed; `path` is what is left of the way to it.
    mutating func remove(
        _ prefix: Prefix<Address>, _ tree: PrefixTree<Address>, path: [PrefixTree<Address>.Step], freed: [UInt32]
    ) {
        guard prefix.length > rootBits else { return updateShort(prefix, tree) }
        // The deepest comes first; nodes above the roots have no place here.
        let deepest = PrefixTree<Address>.depth(prefix.length)
        for place in freed.prefix((deepest - rootBits) / 6 + 1) { clear(place) }
        if path.count > rootBits / 6, let last = path.last { rebuild(last.node, tree) }
    }

    private func root(of prefix: Prefix<Address>) -> UInt32 {
        UInt32(truncatingIfNeeded: prefix.address.bits >> (Address.Bits.bitWidth - rootBits))
    }

    private mutating func updateShort(_ prefix: Prefix<Address>, _ tree: PrefixTree<Address>) {
        if let entry = tree[prefix], entry.value != 0 {
            return inherit(entry.value, length: prefix.length, over: prefix)
        }
        let mark = UInt8(truncatingIfNeeded: prefix.length + 1)
        let cover = tree.longestMatch(prefix.address, upTo: prefix.length - 1) { $0.value != 0 }
        let coverMark = cover.map { UInt8(truncatingIfNeeded: $0.prefix.length + 1) } ?? 0
        for place in roots(under: prefix) where inheritedLengths[place] == mark {
            nodes[place].inherited = cover?.entry.value ?? 0
            inheritedLengths[place] = coverMark
        }
    }

    private mutating func inherit(_ value: UInt32, length: Int, over prefix: Prefix<Address>) {
        let mark = UInt8(truncatingIfNeeded: length + 1)
        for place in roots(under: prefix) where inheritedLengths[place] <= mark {
            nodes[place].inherited = value
            inheritedLengths[place] = mark
        }
    }

    private func roots(under prefix: Prefix<Address>) -> Range<Int> {
        let first = Int(root(of: prefix))
        return first..<(first + 1 << (rootBits - prefix.length))
    }

    private mutating func addNode() -> UInt32 {
        guard freeNode != 0 else {
            nodes.append(Node())
            return UInt32(truncatingIfNeeded: nodes.count - 1)
        }
        let place = freeNode
        freeNode = nodes[Int(place)].base
        nodes[Int(place)] = Node()
        return place
    }

    private mutating func clear(_ place: UInt32) {
        let node = nodes[Int(place)]
        if node.base != 0 { runs.release(node.base, count: node.starts.nonzeroBitCount) }
        guard Int(place) >= 1 << rootBits else {
            nodes[Int(place)].starts = 1
            nodes[Int(place)].base = 0
            return
        }
        nodes[Int(place)].base = freeNode
        freeNode = place
    }

    /// Writes a node's slots from the tree and tells its children what they inherit.
    private mutating func rebuild(_ index: Int, _ tree: PrefixTree<Address>) {
        var slots = InlineArray<64, UInt32>(repeating: 0)
        tree.paint(index, into: &slots)
        for slot in tree.childSlots(of: index) {
            guard let child = tree.child(of: index, slot: slot) else { continue }
            let place = tree.nodes[child].compiled
            nodes[Int(place)].inherited = slots[slot]
            slots[slot] = Self.childFlag | place
        }
        var starts: UInt64 = 1
        for slot in 1..<64 where slots[slot] != slots[slot - 1] { starts |= 1 << UInt64(slot) }
        let place = Int(tree.nodes[index].compiled)
        let old = nodes[place].base == 0 ? 0 : nodes[place].starts.nonzeroBitCount
        let isBlank = starts == 1 && slots[0] == 0
        let base = runs.resize(nodes[place].base, from: old, to: isBlank ? 0 : starts.nonzeroBitCount)
        nodes[place].starts = starts
        nodes[place].base = base
        guard !isBlank else { return }
        var cell = Int(base)
        var left = starts
        while left != 0 {
            runs.cells[cell] = slots[left.trailingZeroBitCount]
            cell += 1
            left &= left - 1
        }
    }

    /// Memory held.
    var byteCount: Int { nodes.capacity * MemoryLayout<Node>.stride + inheritedLengths.capacity + runs.byteCount }
}
