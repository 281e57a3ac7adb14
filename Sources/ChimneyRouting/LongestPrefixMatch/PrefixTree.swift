import ChimneyPrimitives

/// The positions of the bits that are set in a word, in order.
struct SetBits: Sequence, IteratorProtocol, Sendable {
    var word: UInt64

    mutating func next() -> Int? {
        guard word != 0 else { return nil }
        defer { word &= word - 1 }
        return word.trailingZeroBitCount
    }
}

/// Every prefix of a table with two words each, in prefix order: the truth from which the lookup structures are made.
///
/// A tree with six address bits a level. A node at depth d holds the prefixes of length d+1 to d+6 below its path as bits of a
/// heap (bit `1 << k | first k bits`) and its children as bits of a word; the words lie packed in runs. Depth 0 holds /0 too.
struct PrefixTree<Address: InternetAddress>: Sendable {
    typealias Bits = Address.Bits

    struct Node: Sendable, BitwiseCopyable {
        /// Prefixes up to five bits beyond the depth, at their heap position 1...63.
        var shorter: UInt64 = 0
        /// Prefixes six bits beyond the depth, by slot.
        var full: UInt64 = 0
        var children: UInt64 = 0
        var entries: UInt32 = 0
        var links: UInt32 = 0
        /// Where the lookup structure keeps this node; meaningful from its root depth on.
        var compiled: UInt32 = 0

        var entryCount: Int { shorter.nonzeroBitCount + full.nonzeroBitCount }
        var isEmpty: Bool { shorter | full | children == 0 }
    }

    /// What is kept for one prefix.
    struct Entry: Equatable, Sendable {
        /// Whatever the owner wants to find again.
        var tag: UInt32
        /// What a lookup answers; 0 while the prefix takes no part in lookups.
        var value: UInt32
    }

    /// One place on the way from the root to a prefix.
    struct Step: Sendable { var node: Int, slot: Int }

    private(set) var nodes: [Node] = [Node()]
    private(set) var runs = CellRuns()
    private(set) var count = 0
    private var freeNode = 0

    // MARK: Positions

    static func slot(_ bits: Bits, _ depth: Int) -> Int {
        Int(truncatingIfNeeded: (bits << depth) >> (Bits.bitWidth - 6))
    }

    /// The depth of the node that holds prefixes of this length.
    static func depth(_ length: Int) -> Int { length == 0 ? 0 : (length - 1) / 6 * 6 }

    /// The heap position of a prefix within its node: 1...127.
    private static func position(_ prefix: Prefix<Address>) -> Int {
        let depth = depth(prefix.length)
        let beyond = prefix.length - depth
        return 1 << beyond | slot(prefix.address.bits, depth) >> (6 - beyond)
    }

    private static func holds(_ node: Node, _ position: Int) -> Bool {
        position < 64 ? node.shorter >> UInt64(position) & 1 == 1 : node.full >> UInt64(position - 64) & 1 == 1
    }

    private static func rank(_ node: Node, _ position: Int) -> Int {
        position < 64
            ? (node.shorter & (1 << UInt64(position) - 1)).nonzeroBitCount
            : node.shorter.nonzeroBitCount + (node.full & (1 << UInt64(position - 64) - 1)).nonzeroBitCount
    }

    func child(of node: Int, slot: Int) -> Int? {
        let bit: UInt64 = 1 << UInt64(slot)
        guard nodes[node].children & bit != 0 else { return nil }
        let rank = (nodes[node].children & (bit - 1)).nonzeroBitCount
        return Int(runs.cells[Int(nodes[node].links) + rank])
    }

    /// The node that holds a prefix, or would.
    func find(_ prefix: Prefix<Address>) -> Int? {
        let target = Self.depth(prefix.length)
        var node = 0
        for depth in stride(from: 0, to: target, by: 6) {
            guard let next = child(of: node, slot: Self.slot(prefix.address.bits, depth)) else { return nil }
            node = next
        }
        return node
    }

    // MARK: Questions

    subscript(_ prefix: Prefix<Address>) -> Entry? {
        guard let node = find(prefix) else { return nil }
        let position = Self.position(prefix)
        guard Self.holds(nodes[node], position) else { return nil }
        return entry(nodes[node], rank: Self.rank(nodes[node], position))
    }

    private func entry(_ node: Node, rank: Int) -> Entry {
        let start = Int(node.entries) + 2 * rank
        return Entry(tag: runs.cells[start], value: runs.cells[start + 1])
    }

    /// The longest prefix of at most `limit` bits that contains `address` and that `accepts` its entry.
    func longestMatch(
        _ address: Address, upTo limit: Int, where accepts: (Entry) -> Bool
    ) -> (prefix: Prefix<Address>, entry: Entry)? {
        var best: (prefix: Prefix<Address>, entry: Entry)?
        var node = 0
        for depth in stride(from: 0, to: Bits.bitWidth, by: 6) {
            let slot = Self.slot(address.bits, depth)
            for beyond in (depth == 0 ? 0 : 1)...6 {
                guard depth + beyond <= limit else { return best }
                let position = 1 << beyond | slot >> (6 - beyond)
                guard Self.holds(nodes[node], position) else { continue }
                let found = entry(nodes[node], rank: Self.rank(nodes[node], position))
                if accepts(found) { best = (Prefix(address, length: depth + beyond), found) }
            }
            guard let next = child(of: node, slot: slot) else { return best }
            node = next
        }
        return best
    }

    /// Calls `body` with every prefix, in prefix order, until it answers false.
    func forEach(_ body: (Prefix<Address>, Entry) -> Bool) { _ = visit(0, depth: 0, path: 0, position: 1, body) }

    private func visit(
        _ node: Int, depth: Int, path: Bits, position: Int, _ body: (Prefix<Address>, Entry) -> Bool
    ) -> Bool {
        let beyond = Int.bitWidth - 1 - position.leadingZeroBitCount
        let slot = position << (6 - beyond) & 63
        let bits = path | (Bits(truncatingIfNeeded: slot) << (Bits.bitWidth - 6)) >> depth
        if Self.holds(nodes[node], position) {
            let found = entry(nodes[node], rank: Self.rank(nodes[node], position))
            guard body(Prefix(Address(bits: bits), length: depth + beyond), found) else { return false }
        }
        if beyond == 6 {
            guard let next = child(of: node, slot: slot) else { return true }
            return visit(next, depth: depth + 6, path: bits, position: 1, body)
        }
        guard depth + beyond < Bits.bitWidth else { return true }
        return visit(node, depth: depth, path: path, position: 2 * position, body)
            && visit(node, depth: depth, path: path, position: 2 * position + 1, body)
    }

    /// A prefix among those of ``collect(under:upTo:into:)``.
    struct Item: Sendable, BitwiseCopyable {
        var bits: Bits
        /// One more than the limit for an item that stands for any number of longer prefixes.
        var length: Int
        var value: UInt32
    }

    /// Adds the prefixes longer than `prefix` that it contains and that answer lookups, in prefix order, up to a length: where
    /// there are longer ones, one item stands for those that have the bits up to that length in common.
    func collect(under prefix: Prefix<Address>, upTo limit: Int = Bits.bitWidth, into items: inout [Item]) {
        // The node of a length that is a multiple of six holds the longer ones only.
        let depth = prefix.length / 6 * 6
        guard limit > prefix.length, let node = find(Prefix(prefix.address, length: depth + 1)) else { return }
        let beyond = prefix.length - depth
        let position = 1 << beyond | Self.slot(prefix.address.bits, depth) >> (6 - beyond)
        let path = prefix.address.masked(to: depth).bits
        collect(node, depth, path, position, reach(of: node), limit, isFirst: true, &items)
    }

    /// The slots of a node under which there is something; those of short prefixes count where these begin.
    private func reach(of node: Int) -> UInt64 {
        var reach = nodes[node].full | nodes[node].children
        for position in SetBits(word: nodes[node].shorter) {
            reach |= 1 << UInt64(position << (6 - (Int.bitWidth - 1 - position.leadingZeroBitCount)) & 63)
        }
        return reach
    }

    private func collect(
        _ node: Int, _ depth: Int, _ path: Bits, _ position: Int, _ reach: UInt64, _ limit: Int, isFirst: Bool = false,
        _ items: inout [Item]
    ) {
        let beyond = Int.bitWidth - 1 - position.leadingZeroBitCount
        let slot = position << (6 - beyond) & 63
        guard reach >> UInt64(slot) & (~0 >> UInt64(64 - 64 >> beyond)) != 0 else { return }
        let bits = path | (Bits(truncatingIfNeeded: slot) << (Bits.bitWidth - 6)) >> depth
        let length = depth + beyond
        if !isFirst, Self.holds(nodes[node], position) {
            let value = entry(nodes[node], rank: Self.rank(nodes[node], position)).value
            if value != 0 { items.append(Item(bits: bits, length: length, value: value)) }
        }
        guard length < min(limit, Bits.bitWidth) else {
            if holdsBelow(node, position) { items.append(Item(bits: bits, length: limit + 1, value: 0)) }
            return
        }
        guard beyond < 6 else {
            guard let next = child(of: node, slot: slot) else { return }
            return collect(next, depth + 6, bits, 1, self.reach(of: next), limit, &items)
        }
        collect(node, depth, path, 2 * position, reach, limit, &items)
        collect(node, depth, path, 2 * position + 1, reach, limit, &items)
    }

    /// Whether a node has something under one of its positions.
    private func holdsBelow(_ node: Int, _ position: Int) -> Bool {
        let beyond = Int.bitWidth - 1 - position.leadingZeroBitCount
        let slots: UInt64 = (~0 >> UInt64(64 - 64 >> beyond)) << UInt64(position << (6 - beyond) & 63)
        guard beyond < 6 else { return nodes[node].children & slots != 0 }
        if (nodes[node].full | nodes[node].children) & slots != 0 { return true }
        return (beyond + 1..<6).contains { deeper in
            let width = 1 << (deeper - beyond)
            let mask: UInt64 = (1 << UInt64(width) - 1) << UInt64(position << (deeper - beyond))
            return nodes[node].shorter & mask != 0
        }
    }

    /// The only prefix at a node and below it, where there is but one; `path` are the bits that lead to the node.
    func only(below first: Int, depth: Int, path: Bits) -> (prefix: Prefix<Address>, value: UInt32)? {
        var index = first
        var depth = depth
        var path = path
        while true {
            let node = nodes[index]
            let children = node.children.nonzeroBitCount
            guard node.entryCount + children == 1 else { return nil }
            guard children == 1 else {
                let position =
                    node.shorter != 0 ? node.shorter.trailingZeroBitCount : 64 + node.full.trailingZeroBitCount
                let beyond = Int.bitWidth - 1 - position.leadingZeroBitCount
                let slot = position << (6 - beyond) & 63
                let bits = path | (Bits(truncatingIfNeeded: slot) << (Bits.bitWidth - 6)) >> depth
                return (Prefix(Address(bits: bits), length: depth + beyond), entry(node, rank: 0).value)
            }
            let slot = node.children.trailingZeroBitCount
            path |= (Bits(truncatingIfNeeded: slot) << (Bits.bitWidth - 6)) >> depth
            depth += 6
            index = Int(runs.cells[Int(node.links)])
        }
    }

    /// Calls `body` with the prefixes of at most `limit` bits that answer lookups, each after those that contain it.
    func forEachShort(upTo limit: Int, _ body: (Prefix<Address>, UInt32) -> Void) {
        visitNodes(0, depth: 0, path: 0, downTo: limit - 6) { node, depth, path in
            for position in 1...127 where Self.holds(nodes[node], position) {
                let beyond = Int.bitWidth - 1 - position.leadingZeroBitCount
                let value = entry(nodes[node], rank: Self.rank(nodes[node], position)).value
                guard value != 0 else { continue }
                let bits =
                    path | (Bits(truncatingIfNeeded: position << (6 - beyond) & 63) << (Bits.bitWidth - 6)) >> depth
                body(Prefix(Address(bits: bits), length: depth + beyond), value)
            }
        }
    }

    /// Calls `body` with every node at one depth and the bits that lead to it.
    func forEachNode(at wanted: Int, _ body: (Int, Bits) -> Void) {
        visitNodes(0, depth: 0, path: 0, downTo: wanted) { node, depth, path in
            if depth == wanted { body(node, path) }
        }
    }

    private func visitNodes(_ node: Int, depth: Int, path: Bits, downTo last: Int, _ body: (Int, Int, Bits) -> Void) {
        body(node, depth, path)
        guard depth < last else { return }
        for slot in childSlots(of: node) {
            guard let next = child(of: node, slot: slot) else { continue }
            let bits = path | (Bits(truncatingIfNeeded: slot) << (Bits.bitWidth - 6)) >> depth
            visitNodes(next, depth: depth + 6, path: bits, downTo: last, body)
        }
    }

    /// The slots of a node that lead on, in order.
    func childSlots(of node: Int) -> SetBits { SetBits(word: nodes[node].children) }

    /// Writes into `slots` what each of the 64 slots of a node answers by the node's own prefixes; 0 where they say nothing.
    func paint(_ index: Int, into slots: inout InlineArray<64, UInt32>) {
        let node = nodes[index]
        var cell = Int(node.entries) + 1
        var shorter = node.shorter & ~2
        if node.shorter & 2 != 0 { cell += 2 }
        while shorter != 0 {
            // Heap order is order of length, so that a longer prefix is painted over a shorter one.
            let position = shorter.trailingZeroBitCount
            let value = runs.cells[cell]
            if value != 0 {
                let width = position.leadingZeroBitCount - (Int.bitWidth - 7)
                let first = position << width & 63
                for slot in first..<(first + 1 << width) { slots[slot] = value }
            }
            cell += 2
            shorter &= shorter - 1
        }
        var full = node.full
        while full != 0 {
            let value = runs.cells[cell]
            if value != 0 { slots[full.trailingZeroBitCount] = value }
            cell += 2
            full &= full - 1
        }
    }

    // MARK: Changes

    /// Stores an entry, and tells the nodes on the way to it and how many of them existed before.
    mutating func set(_ prefix: Prefix<Address>, _ entry: Entry, path: inout [Step]) -> Int {
        path.removeAll(keepingCapacity: true)
        let bits = prefix.address.bits
        let target = Self.depth(prefix.length)
        var node = 0
        var known = 1
        for depth in stride(from: 0, to: target, by: 6) {
            let slot = Self.slot(bits, depth)
            path.append(Step(node: node, slot: slot))
            if let next = child(of: node, slot: slot) {
                node = next
                known += 1
            } else {
                node = addChild(to: node, slot: slot)
            }
        }
        path.append(Step(node: node, slot: Self.slot(bits, target)))
        let position = Self.position(prefix)
        let rank = Self.rank(nodes[node], position)
        if !Self.holds(nodes[node], position) {
            nodes[node].entries = runs.insert(
                2, at: 2 * rank, in: nodes[node].entries, count: 2 * nodes[node].entryCount)
            if position < 64 {
                nodes[node].shorter |= 1 << UInt64(position)
            } else {
                nodes[node].full |= 1 << UInt64(position - 64)
            }
            count += 1
        }
        let start = Int(nodes[node].entries) + 2 * rank
        runs.cells[start] = entry.tag
        runs.cells[start + 1] = entry.value
        return known
    }

    private mutating func addChild(to parent: Int, slot: Int) -> Int {
        let index: Int
        if freeNode != 0 {
            index = freeNode
            freeNode = Int(nodes[index].links)
            nodes[index] = Node()
        } else {
            index = nodes.count
            nodes.append(Node())
        }
        let bit: UInt64 = 1 << UInt64(slot)
        let rank = (nodes[parent].children & (bit - 1)).nonzeroBitCount
        nodes[parent].links = runs.insert(
            1, at: rank, in: nodes[parent].links, count: nodes[parent].children.nonzeroBitCount)
        runs.cells[Int(nodes[parent].links) + rank] = UInt32(truncatingIfNeeded: index)
        nodes[parent].children |= bit
        return index
    }

    /// Forgets a prefix, and tells the nodes on the way that are still there and the lookup places of those that are not.
    mutating func remove(_ prefix: Prefix<Address>, path: inout [Step], freed: inout [UInt32]) -> Entry? {
        path.removeAll(keepingCapacity: true)
        freed.removeAll(keepingCapacity: true)
        let bits = prefix.address.bits
        let target = Self.depth(prefix.length)
        var node = 0
        for depth in stride(from: 0, to: target, by: 6) {
            let slot = Self.slot(bits, depth)
            path.append(Step(node: node, slot: slot))
            guard let next = child(of: node, slot: slot) else { return nil }
            node = next
        }
        path.append(Step(node: node, slot: Self.slot(bits, target)))
        let position = Self.position(prefix)
        guard Self.holds(nodes[node], position) else { return nil }
        let rank = Self.rank(nodes[node], position)
        let removed = entry(nodes[node], rank: rank)
        nodes[node].entries = runs.remove(2, at: 2 * rank, in: nodes[node].entries, count: 2 * nodes[node].entryCount)
        if position < 64 {
            nodes[node].shorter &= ~(1 << UInt64(position))
        } else {
            nodes[node].full &= ~(1 << UInt64(position - 64))
        }
        count -= 1
        while path.count > 1, let last = path.last, nodes[last.node].isEmpty {
            path.removeLast()
            freed.append(nodes[last.node].compiled)
            nodes[last.node].links = UInt32(truncatingIfNeeded: freeNode)
            freeNode = last.node
            if let parent = path.last { removeChild(of: parent.node, slot: parent.slot) }
        }
        return removed
    }

    private mutating func removeChild(of parent: Int, slot: Int) {
        let bit: UInt64 = 1 << UInt64(slot)
        let rank = (nodes[parent].children & (bit - 1)).nonzeroBitCount
        nodes[parent].links = runs.remove(
            1, at: rank, in: nodes[parent].links, count: nodes[parent].children.nonzeroBitCount)
        nodes[parent].children &= ~bit
    }

    /// Notes where the lookup structure keeps a node.
    mutating func setCompiled(_ place: UInt32, of node: Int) { nodes[node].compiled = place }

    /// Memory held.
    var byteCount: Int { nodes.capacity * MemoryLayout<Node>.stride + runs.byteCount }
}
