public import ChimneyPrimitives

/// The lookup structure of a large table: one direct step for the first bits of a key, then six bits a step.
///
/// The direct step has `rootBits + 6` bits and a cell for each of their values. One load and next to no arithmetic leave a
/// processor room for many lookups at once: with a full table each one waits for memory, and those that overlap do not add up.
/// The price is paid by changes of short prefixes, which write as many cells as they cover.
///
/// Nodes below answer 64 slots in two halves, 64 bytes each. Neighbouring slots with the same answer share a cell, found by counting
/// bits. A half is eight words: in the first, at which slots a cell begins (low 32 bits) and which slots have an answer (high);
/// in the second, the inherited answer (low) and, when there are more than twelve cells, where their run is (high); then the
/// twelve cells, two a word.
///
/// Where only one prefix is left below a slot, a leaf holds it, and no chain of nodes leads there: the nodes of a table with a few
/// long prefixes behind each of many short ones stay in the cache.
@usableFromInline
struct ForwardingTrie<Address: InternetAddress>: Sendable {
    /// What a cell of the direct step says where no prefix does.
    @inlinable
    static var none: UInt32 { .max }

    /// Marks a cell that leads to another node.
    @inlinable
    static var childFlag: UInt32 { 1 << 31 }

    /// Marks, beside the flag of a child, a cell that leads to a leaf.
    @inlinable
    static var leafFlag: UInt32 { 1 << 30 }

    /// A prefix that is alone below its slot.
    @usableFromInline
    struct Leaf: Sendable, BitwiseCopyable {
        @usableFromInline var bits: Address.Bits
        /// How many bits are behind the prefix.
        @usableFromInline var shift: Address.Bits
        /// What it answers, 0 for nothing; in a free leaf, where the next free one is.
        @usableFromInline var value: UInt32
        /// What its slot answers to others; 0 for nothing.
        @usableFromInline var inherited: UInt32 = 0
    }

    /// Cells a half has room for; one with more has all of them in a run.
    private static var inlineCellsMax: Int { 12 }

    /// The cells of the direct step: one less than the word of the prefix, so that a lookup has nothing left to compute.
    ///
    /// Each operation that waits for a cell keeps the processor from beginning another lookup, when all wait for memory.
    @usableFromInline
    private(set) var direct: [UInt32]
    /// What prefixes of at most `rootBits` bits say, for each 64 cells; the cells say it too.
    private var bases: ShortPrefixes
    /// The halves of the deeper nodes, two each.
    @usableFromInline
    private(set) var halves: [SIMD8<UInt64>] = []
    @usableFromInline
    private(set) var leaves: [Leaf] = []
    /// The cells of halves with many.
    @usableFromInline
    private(set) var runs = CellRuns()
    @usableFromInline
    let rootBits: Int
    /// How far a key is shifted for its cell of the direct step.
    @usableFromInline
    let directShift: Address.Bits
    private var freeNode: UInt32 = .max
    private var freeLeaf: UInt32 = .max

    /// An empty structure; `rootBits` is a multiple of six below the width of an address, or 0 for one that answers nothing
    /// itself: both cells of its direct step lead on.
    init(rootBits: Int) {
        self.rootBits = rootBits
        directShift = Address.Bits(truncatingIfNeeded: Address.bitWidth - (rootBits == 0 ? 1 : 6 + rootBits))
        direct = rootBits == 0 ? [Self.childFlag, Self.childFlag] : Array(repeating: Self.none, count: 64 << rootBits)
        bases = ShortPrefixes(bits: rootBits)
    }

    // MARK: Lookups

    /// The cell of the direct step for a key: one less than the word of the longest prefix that contains it, the largest number
    /// when none does, or where to go on.
    @inlinable
    @inline(__always)
    func cell(for key: Address.Bits) -> UInt32 {
        let index = Int(truncatingIfNeeded: key &>> directShift)
        // Invariant: the direct step has a cell for each value that the first bits of a key may have.
        return unsafe direct.withUnsafeBufferPointer { cells in unsafe cells[index] }
    }

    /// Whether a cell says to go on: it is a negative number below the -1 of the cell that says nothing.
    @inlinable
    @inline(__always)
    static func leadsOn(_ cell: UInt32) -> Bool { _slowPath(Int32(bitPattern: cell) < -1) }

    /// The answer for a key whose cell leads on.
    @inlinable
    @inline(__always)
    func lookup(_ key: Address.Bits, from cell: UInt32) -> UInt32 {
        Self.deepLookup(key, Address.Bits(truncatingIfNeeded: rootBits), cell, halves, runs.cells, leaves)
    }

    /// Answers for many keys.
    @inlinable
    func lookup(_ keys: Span<Address>, into values: inout MutableSpan<UInt32>) {
        let direct = direct.span
        let shift = directShift
        for k in 0..<min(keys.count, values.count) {
            // Invariant: as above.
            let cell = unsafe direct[unchecked: Int(truncatingIfNeeded: keys[k].bits &>> shift)]
            values[k] = Self.leadsOn(cell) ? lookup(keys[k].bits, from: cell) : cell
        }
    }

    /// The slot within a half: the last five of the next six bits.
    @inlinable
    @inline(__always)
    static func slot(_ rest: Address.Bits) -> UInt64 {
        UInt64(truncatingIfNeeded: rest &>> Address.Bits(truncatingIfNeeded: Address.Bits.bitWidth &- 6)) & 31
    }

    /// How many cells begin up to a slot.
    @inlinable
    @inline(__always)
    static func rank(_ marks: UInt64, _ slot: UInt64) -> Int {
        (UInt32(truncatingIfNeeded: marks) &<< (31 &- UInt32(truncatingIfNeeded: slot))).nonzeroBitCount
    }

    /// The rest of a lookup whose first cell leads to a node.
    ///
    /// It takes the arrays and not the trie: for a call that takes the trie, each lookup would first copy it to the stack and
    /// wait for that copy, and so lookups would no longer overlap.
    @inlinable
    @inline(never)
    static func deepLookup(
        _ key: Address.Bits, _ rootBits: Address.Bits, _ first: UInt32, _ halves: [SIMD8<UInt64>], _ cells: [UInt32],
        _ leaves: [Leaf]
    ) -> UInt32 {
        var rest = key &<< rootBits
        var cell = first
        var best: UInt32 = 0
        repeat {
            if cell & leafFlag != 0 {
                let leaf = leaves[Int(cell & ~(childFlag | leafFlag))]
                best = leaf.inherited != 0 ? leaf.inherited : best
                cell = (key ^ leaf.bits) &>> leaf.shift == 0 ? leaf.value : 0
                break
            }
            rest = rest &<< 6
            let upper = Int(truncatingIfNeeded: rest &>> Address.Bits(truncatingIfNeeded: Address.Bits.bitWidth &- 1))
            let half = (Int(cell & ~childFlag) &* 2 &+ upper) &* MemoryLayout<SIMD8<UInt64>>.stride
            // Invariant: a cell with the flag holds the place of a node, which has two halves, and no cell of a half without a
            // run comes after the twelfth, so that all loads fall into the half.
            let (marks, head) = unsafe halves.withUnsafeBytes { bytes in
                unsafe (
                    bytes.load(fromByteOffset: half, as: UInt64.self),
                    bytes.load(fromByteOffset: half &+ 8, as: UInt64.self)
                )
            }
            let slot = slot(rest)
            let inherited = UInt32(truncatingIfNeeded: head)
            best = inherited != 0 ? inherited : best
            // A slot without an answer may precede the first cell: what stands there instead is masked out.
            let position = rank(marks, slot)
            let run = Int(truncatingIfNeeded: head &>> 32)
            if _slowPath(run != 0) {
                cell = cells[run &+ position &- 1]
            } else {
                cell = unsafe halves.withUnsafeBytes { bytes in
                    unsafe bytes.load(fromByteOffset: half &+ (position &+ 3) &* 4, as: UInt32.self)
                }
            }
            cell &= 0 &- UInt32(truncatingIfNeeded: marks &>> (32 &+ slot) & 1)
        } while _slowPath(cell & childFlag != 0)
        return (cell != 0 ? cell : best) &- 1
    }

    // MARK: Changes

    /// Builds everything anew.
    mutating func compile(_ tree: inout PrefixTree<Address>) {
        var shorter: [(prefix: Prefix<Address>, value: UInt32)] = []
        tree.forEachShort(upTo: rootBits) { prefix, value in shorter.append((prefix, value)) }
        // A shorter prefix precedes those inside it, so that these overwrite it.
        for (prefix, value) in shorter { _ = bases.set(prefix, value) }
        for place in bases.values.indices where bases.values[place] != 0 { fill(place) }
        var roots: [(node: Int, place: UInt32)] = []
        tree.forEachNode(at: rootBits) { node, path in
            roots.append((node, UInt32(truncatingIfNeeded: path >> (Address.Bits.bitWidth - rootBits))))
        }
        for (node, place) in roots {
            tree.setCompiled(place, of: node)
            let path = Address.Bits(truncatingIfNeeded: place) << (Address.Bits.bitWidth - rootBits)
            attachChildren(of: node, &tree, depth: rootBits, path: path)
            rebuild(node, tree, isRoot: true)
        }
    }

    /// Gives all nodes below one their places.
    private mutating func attachChildren(
        of node: Int, _ tree: inout PrefixTree<Address>, depth: Int, path: Address.Bits
    ) {
        for slot in tree.childSlots(of: node) {
            guard let child = tree.child(of: node, slot: slot) else { continue }
            let bits = (Address.Bits(truncatingIfNeeded: slot) << (Address.Bits.bitWidth - 6)) >> depth
            attach(child, &tree, depth: depth + 6, path: path | bits)
        }
    }

    /// Gives a node a leaf, or a place and all nodes below it theirs.
    private mutating func attach(_ node: Int, _ tree: inout PrefixTree<Address>, depth: Int, path: Address.Bits) {
        if let only = tree.only(below: node, depth: depth, path: path) {
            let shift = Address.Bits(truncatingIfNeeded: Address.bitWidth - only.prefix.length)
            let leaf = Leaf(bits: only.prefix.address.bits, shift: shift, value: only.value)
            tree.setCompiled(Self.leafFlag | addLeaf(leaf), of: node)
        } else {
            tree.setCompiled(addNode(), of: node)
            attachChildren(of: node, &tree, depth: depth, path: path)
            rebuild(node, tree, isRoot: false)
        }
    }

    private mutating func addLeaf(_ leaf: Leaf) -> UInt32 {
        guard freeLeaf != .max else {
            leaves.append(leaf)
            return UInt32(truncatingIfNeeded: leaves.count - 1)
        }
        let place = freeLeaf
        freeLeaf = leaves[Int(place)].value
        leaves[Int(place)] = leaf
        return place
    }

    private mutating func removeLeaf(_ compiled: UInt32) {
        let place = compiled & ~Self.leafFlag
        leaves[Int(place)].value = freeLeaf
        freeLeaf = place
    }

    /// Brings the structure up to date after `prefix` was set; `known` steps of the path are as old as the last change.
    mutating func update(
        _ prefix: Prefix<Address>, _ tree: inout PrefixTree<Address>, path: [PrefixTree<Address>.Step], known: Int
    ) {
        guard prefix.length > rootBits else { return updateShort(prefix, tree) }
        let rootStep = rootBits / 6
        if known <= rootStep { tree.setCompiled(rootPlace(prefix), of: path[rootStep].node) }
        for step in (rootStep + 1)..<max(path.count, rootStep + 1) {
            let node = path[step].node
            let place = tree.nodes[node].compiled
            if step < known, place & Self.leafFlag == 0 { continue }
            // The subtree is new, or it was one prefix until now: below, nothing has a place.
            let bits = prefix.address.masked(to: 6 * step).bits
            if step < known {
                if let only = tree.only(below: node, depth: 6 * step, path: bits) {
                    leaves[Int(place & ~Self.leafFlag)].value = only.value
                    return
                }
                removeLeaf(place)
            }
            attach(node, &tree, depth: 6 * step, path: bits)
            return rebuild(path[step - 1].node, tree, isRoot: step - 1 == rootStep)
        }
        rebuild(path[path.count - 1].node, tree, isRoot: path.count - 1 == rootStep)
    }

    /// Brings the structure up to date after `prefix` was removed; `path` is what is left of the way to it.
    mutating func remove(
        _ prefix: Prefix<Address>, _ tree: PrefixTree<Address>, path: [PrefixTree<Address>.Step], freed: [UInt32]
    ) {
        guard prefix.length > rootBits else { return updateShort(prefix, tree) }
        // The deepest comes first; nodes above the roots have no place here, and none below a leaf has one.
        let deepest = PrefixTree<Address>.depth(prefix.length)
        for (k, place) in freed.prefix((deepest - rootBits) / 6 + 1).enumerated().reversed() {
            let isRoot = deepest - 6 * k == rootBits
            guard isRoot || place & Self.leafFlag == 0 else {
                removeLeaf(place)
                break
            }
            clear(place, isRoot: isRoot)
        }
        let rootStep = rootBits / 6
        if path.count > rootStep, let last = path.last {
            rebuild(last.node, tree, isRoot: path.count == rootStep + 1)
        }
    }

    private func rootPlace(_ prefix: Prefix<Address>) -> UInt32 {
        UInt32(truncatingIfNeeded: prefix.address.bits >> (Address.Bits.bitWidth - rootBits))
    }

    private mutating func setInherited(_ value: UInt32, at place: Int) {
        for half in (2 * place)...(2 * place + 1) {
            halves[half][1] = halves[half][1] & ~0xFFFF_FFFF | UInt64(value)
        }
    }

    private mutating func updateShort(_ prefix: Prefix<Address>, _ tree: PrefixTree<Address>) {
        let changed: [Int]
        if let entry = tree[prefix], entry.value != 0 {
            changed = bases.set(prefix, entry.value)
        } else {
            let match = tree.longestMatch(prefix.address, upTo: prefix.length - 1) { $0.value != 0 }
            changed = bases.remove(prefix, cover: match.map { ($0.prefix.length, $0.entry.value) })
        }
        for place in changed {
            let address = Address(bits: Address.Bits(truncatingIfNeeded: place) << (Address.bitWidth - rootBits))
            if let node = tree.find(Prefix(address, length: rootBits + 1)) {
                rebuild(node, tree, isRoot: true)
            } else {
                fill(place)
            }
        }
    }

    /// Lets a root without a node of its own say what it inherits.
    private mutating func fill(_ place: Int) {
        for cell in place * 64..<(place + 1) * 64 { direct[cell] = bases.values[place] &- 1 }
    }

    private mutating func addNode() -> UInt32 {
        guard freeNode != .max else {
            halves.append(SIMD8(repeating: 0))
            halves.append(SIMD8(repeating: 0))
            return UInt32(truncatingIfNeeded: halves.count / 2 - 1)
        }
        let place = freeNode
        freeNode = UInt32(truncatingIfNeeded: halves[2 * Int(place)][0])
        halves[2 * Int(place)][0] = 0
        return place
    }

    /// Empties a root, but for what it inherits, and frees a deeper node.
    private mutating func clear(_ place: UInt32, isRoot: Bool) {
        let place = Int(place)
        guard !isRoot else { return fill(place) }
        for side in 0...1 { write(InlineArray<32, UInt32>(repeating: 0), to: 2 * place + side) }
        setInherited(0, at: place)
        halves[2 * place][0] = UInt64(freeNode)
        freeNode = UInt32(truncatingIfNeeded: place)
    }

    /// Writes a node's slots from the tree and tells its children what they inherit.
    private mutating func rebuild(_ index: Int, _ tree: PrefixTree<Address>, isRoot: Bool) {
        let place = Int(tree.nodes[index].compiled)
        var slots = InlineArray<64, UInt32>(repeating: isRoot ? bases.values[place] : 0)
        tree.paint(index, into: &slots)
        for slot in tree.childSlots(of: index) {
            guard let child = tree.child(of: index, slot: slot) else { continue }
            let place = tree.nodes[child].compiled
            if place & Self.leafFlag != 0 {
                leaves[Int(place & ~Self.leafFlag)].inherited = slots[slot]
            } else {
                setInherited(slots[slot], at: Int(place))
            }
            slots[slot] = Self.childFlag | place
        }
        guard !isRoot else {
            for slot in 0..<64 {
                let cell = slots[slot]
                direct[place * 64 + slot] = cell & Self.childFlag != 0 ? cell : cell &- 1
            }
            return
        }
        write(InlineArray<32, UInt32> { slots[$0] }, to: 2 * place)
        write(InlineArray<32, UInt32> { slots[$0 + 32] }, to: 2 * place + 1)
    }

    /// Writes the slots of one half.
    private mutating func write(_ slots: InlineArray<32, UInt32>, to half: Int) {
        var starts: UInt32 = 0
        var covered: UInt32 = 0
        var before: UInt32 = 0
        for slot in 0..<32 {
            let bit: UInt32 = 1 &<< UInt32(truncatingIfNeeded: slot)
            if slots[slot] != 0 { covered |= bit }
            if slots[slot] != 0, slots[slot] != before { starts |= bit }
            before = slots[slot]
        }
        var words = halves[half]
        let oldRun = UInt32(truncatingIfNeeded: words[1] >> 32)
        let old = UInt32(truncatingIfNeeded: words[0]).nonzeroBitCount
        let new = starts.nonzeroBitCount
        let run = runs.resize(oldRun, from: oldRun == 0 ? 0 : old, to: new <= Self.inlineCellsMax ? 0 : new)
        words[0] = UInt64(starts) | UInt64(covered) << 32
        words[1] = words[1] & 0xFFFF_FFFF | UInt64(run) << 32
        for (cell, slot) in SetBits(word: UInt64(starts)).enumerated() {
            if run != 0 {
                runs.cells[Int(run) + cell] = slots[slot]
            } else {
                let shift = UInt64(cell & 1) << 5
                words[2 + cell / 2] = words[2 + cell / 2] & ~(0xFFFF_FFFF << shift) | UInt64(slots[slot]) << shift
            }
        }
        halves[half] = words
    }

    /// Memory held.
    var byteCount: Int {
        direct.capacity * MemoryLayout<UInt32>.stride + bases.byteCount
            + halves.capacity * MemoryLayout<SIMD8<UInt64>>.stride + leaves.capacity * MemoryLayout<Leaf>.stride
            + runs.byteCount
    }
}
