public import ChimneyPrimitives

/// The lookup structure of a large table of wide addresses: a step or two by index, then a comparison with many starts at once.
///
/// What a lookup waits for is memory, load after load. So there are few loads in a row, and little memory to load from. A *cell*
/// stands for the keys that begin with certain bits. It says what prefixes up to that depth answer, and where longer ones are: in
/// an *index* of further cells, as many as suit the number of prefixes, or in a *strip*.
///
/// A strip covers the next 31 bits of a key by the places where the answer changes, in blocks of one cache line: eight starts
/// and, for each, by how much the answer from there differs from the one before. All starts up to a key's own bits apply, and
/// their differences add up to the answer, which no load and no branch has to wait for: the blocks come all at the same time.
/// Keys with prefixes of more bits than that are led to a cell again.
///
/// Prefixes write their own cells or strip and nothing else: what a shorter one says stays in the cell above.
@usableFromInline
struct ForwardingIntervals<Address: InternetAddress>: Sendable {
    @usableFromInline typealias Bits = Address.Bits

    /// Eight places where the answer changes: in the lower half one less than the first bits of each, the largest number for
    /// those not in use, which no key is above; in the upper half the differences, without their overflow.
    ///
    /// One vector, because as such it lies in one cache line.
    @usableFromInline typealias Block = SIMD16<Int32>
    private static var emptyBlock: Block {
        Block(lowHalf: SIMD8(repeating: .max), highHalf: SIMD8(repeating: 0))
    }

    /// How many bits of a key a strip covers.
    @inlinable static var stripBits: Int { 31 }
    /// The most blocks of a strip; at the bound the strip is divided by an index.
    private static var blocksMax: Int { 6 }
    /// How many places at which the answer changes an index has for each of its cells, when it is made.
    private static var placesPerCell: Int { 4 }
    /// The widest step of an index; a larger table gets further steps behind it.
    private static var indexBitsMax: Int { 20 }
    /// Marks a link to an index: then five bits for its width and 26 for where it begins.
    @inlinable static var indexFlag: UInt32 { 1 << 31 }
    @inlinable static var indexShift: UInt32 { 26 }
    /// A link to a strip has four bits for its blocks and 27 for the first.
    @inlinable static var stripShift: UInt32 { 27 }
    /// Marks an answer of a strip that leads to a cell.
    @inlinable static var cellFlag: UInt32 { 1 << 31 }

    /// The cells; the first is for all keys.
    ///
    /// Each has the word of a prefix, 0 for none, in its low half, and a link, 0 for none, in its high half. Before an index is
    /// a cell with how many prefixes the index had when it was made (low), and has (high): it is made anew when it has twice or
    /// a quarter as many, so that changes of a size are paid for by the changes before.
    @usableFromInline private(set) var cells: [UInt64] = [0]
    @usableFromInline private(set) var blocks: [Block] = []
    /// The first of the runs of cells given back, by the bits of their index; of strips given back, by their blocks.
    private var freeCells = InlineArray<32, UInt32>(repeating: 0)
    private var freeBlocks = InlineArray<16, UInt32>(repeating: .max)

    /// An empty structure.
    init() {}

    // MARK: Lookups

    /// One less than the word of the longest prefix that contains a key; the largest number when none does.
    @inlinable
    @inline(__always)
    func lookup(_ key: Bits) -> UInt32 { Self.lookup(key, cells, blocks) }

    /// Answers for many keys.
    @inlinable
    func lookup(_ keys: Span<Address>, into values: inout MutableSpan<UInt32>) {
        for k in 0..<min(keys.count, values.count) { values[k] = lookup(keys[k].bits) }
    }

    /// The next 64 bits of a key from a depth on.
    @inlinable
    @inline(__always)
    static func rest(_ key: Bits, _ depth: Int) -> UInt64 {
        let rest = key &<< Bits(truncatingIfNeeded: depth)
        return Bits.bitWidth <= 64
            ? UInt64(truncatingIfNeeded: rest) &<< UInt64(truncatingIfNeeded: 64 &- Bits.bitWidth)
            : UInt64(truncatingIfNeeded: rest &>> Bits(truncatingIfNeeded: Bits.bitWidth &- 64))
    }

    /// It takes the arrays and not the structure, which a call would copy to the stack and wait for.
    @inlinable
    @inline(never)
    static func lookup(_ key: Bits, _ cells: [UInt64], _ blocks: [Block]) -> UInt32 {
        var cell = cells[0]
        var depth = 0
        var best: UInt32 = 0
        while true {
            var answer = UInt32(truncatingIfNeeded: cell)
            best = answer != 0 ? answer : best
            var link = UInt32(truncatingIfNeeded: cell &>> 32)
            while link & indexFlag != 0 {
                let width = UInt64(truncatingIfNeeded: link &>> indexShift & 31)
                let first = link & (1 &<< indexShift &- 1)
                cell = cells[Int(first) &+ Int(truncatingIfNeeded: rest(key, depth) &>> (64 &- width))]
                depth &+= Int(truncatingIfNeeded: width)
                answer = UInt32(truncatingIfNeeded: cell)
                best = answer != 0 ? answer : best
                link = UInt32(truncatingIfNeeded: cell &>> 32)
            }
            guard link != 0 else { return best &- 1 }
            let bits = SIMD8<Int32>(repeating: Int32(truncatingIfNeeded: rest(key, depth) &>> 33))
            let first = Int(link & (1 &<< stripShift &- 1))
            var sums = SIMD8<Int32>(repeating: 0)
            for k in first..<(first &+ Int(link &>> stripShift)) {
                let block = blocks[k]
                sums &+= block.highHalf.replacing(with: 0, where: block.lowHalf .>= bits)
            }
            answer = UInt32(bitPattern: sums.wrappedSum())
            guard answer & cellFlag != 0 else { return (answer != 0 ? answer : best) &- 1 }
            cell = cells[Int(answer & ~cellFlag)]
            depth &+= stripBits
        }
    }

    // MARK: Changes

    /// Builds everything anew.
    mutating func compile(_ tree: PrefixTree<Address>) {
        self = Self()
        cells[0] = UInt64(tree[.all]?.value ?? 0)
        var items: [PrefixTree<Address>.Item] = []
        tree.collect(under: .all, into: &items)
        let link = build(items[...], 0, tree)
        setLink(link, of: 0)
    }

    /// Brings the structure up to date after `prefix` was set or removed, by which `added` more prefixes answer lookups.
    mutating func update(_ prefix: Prefix<Address>, _ tree: PrefixTree<Address>, added: Int) {
        guard prefix.length > 0 else { return setWord(tree[prefix]?.value ?? 0, of: 0) }
        update(0, 0, prefix, tree, added)
    }

    private mutating func update(
        _ first: Int, _ firstDepth: Int, _ prefix: Prefix<Address>, _ tree: PrefixTree<Address>, _ added: Int
    ) {
        var cell = first
        var depth = firstDepth
        while link(of: cell) & Self.indexFlag != 0 {
            let (start, width) = Self.index(link(of: cell))
            let built = UInt32(truncatingIfNeeded: cells[start - 1])
            let count = UInt32(truncatingIfNeeded: Int(cells[start - 1] >> 32) + added)
            cells[start - 1] = UInt64(count) << 32 | UInt64(built)
            guard count <= 2 * built, count >= built / 4 else {
                return rebuild(cell, Prefix(prefix.address, length: depth), tree)
            }
            guard prefix.length > depth + width else { return repaint(start, depth, width, prefix, tree) }
            cell = start + Int(Self.rest(prefix.address.bits, depth) >> UInt64(64 - width))
            depth += width
        }
        if prefix.length > depth + Self.stripBits, let child = child(of: link(of: cell), prefix.address.bits, depth) {
            update(child, depth + Self.stripBits, prefix, tree, added)
            guard link(of: child) == 0 else { return }
        }
        restrip(cell, Prefix(prefix.address, length: depth), tree)
    }

    /// Makes everything below a cell anew; below the first, that gives back memory too.
    private mutating func rebuild(_ cell: Int, _ prefix: Prefix<Address>, _ tree: PrefixTree<Address>) {
        guard cell != 0 else { return compile(tree) }
        release(link(of: cell))
        var items: [PrefixTree<Address>.Item] = []
        tree.collect(under: prefix, into: &items)
        let link = build(items[...], prefix.length, tree)
        setLink(link, of: cell)
    }

    /// Writes the words of an index's cells under one prefix.
    private mutating func repaint(
        _ start: Int, _ depth: Int, _ width: Int, _ prefix: Prefix<Address>, _ tree: PrefixTree<Address>
    ) {
        let end = depth + width
        let cover = tree.longestMatch(prefix.address, upTo: prefix.length) { $0.value != 0 }
        var items: [PrefixTree<Address>.Item] = []
        tree.collect(under: prefix, upTo: end, into: &items)
        let word = cover.map { $0.prefix.length > depth ? $0.entry.value : 0 } ?? 0
        paint(word, prefix.address.bits, prefix.length, start, depth, width)
        for item in items where item.length <= end { paint(item.value, item.bits, item.length, start, depth, width) }
    }

    private mutating func paint(_ word: UInt32, _ bits: Bits, _ length: Int, _ start: Int, _ depth: Int, _ width: Int) {
        let place = start + Int(Self.rest(bits, depth) >> UInt64(64 - width))
        for cell in place..<(place + 1 << (depth + width - length)) { setWord(word, of: cell) }
    }

    /// Makes the strip of a cell anew; what its answers lead to is kept.
    private mutating func restrip(_ cell: Int, _ prefix: Prefix<Address>, _ tree: PrefixTree<Address>) {
        let depth = prefix.length
        var items: [PrefixTree<Address>.Item] = []
        tree.collect(under: prefix, upTo: depth + Self.stripBits, into: &items)
        let places = Places(items[...], depth)
        guard places.list.count <= Self.blocksMax * 8 else { return rebuild(cell, prefix, tree) }
        let old = link(of: cell)
        var kept = children(of: old)
        releaseStrip(old)
        let link = writeStrip(places) { structure, child in
            let place: UInt32
            if let known = kept.firstIndex(where: { $0.start == child.start }) {
                place = kept.remove(at: known).cell
            } else {
                var items: [PrefixTree<Address>.Item] = []
                let bits = child.bits
                let below = Prefix(Address(bits: bits), length: depth + Self.stripBits)
                tree.collect(under: below, into: &items)
                place = structure.addCell(structure.build(items[...], below.length, tree))
            }
            structure.setWord(child.word, of: Int(place))
            return place
        }
        for child in kept { removeCell(child.cell) }
        setLink(link, of: cell)
    }

    /// Makes a strip or an index for prefixes that are all longer than `depth` and have that many bits in common.
    private mutating func build(
        _ items: ArraySlice<PrefixTree<Address>.Item>, _ depth: Int, _ tree: PrefixTree<Address>
    ) -> UInt32 {
        guard !items.isEmpty else { return 0 }
        let places = Places(items, depth)
        guard places.list.count > Self.blocksMax * 8 else {
            return writeStrip(places) { structure, child in
                let link = structure.build(items[child.items], depth + Self.stripBits, tree)
                let place = structure.addCell(link)
                structure.setWord(child.word, of: Int(place))
                return place
            }
        }
        let wanted = (places.list.count - 1) / Self.placesPerCell
        let width = min(Int.bitWidth - wanted.leadingZeroBitCount, Self.indexBitsMax)
        let start = allocateIndex(width)
        cells[start - 1] = UInt64(items.count) << 32 | UInt64(items.count)
        var next = items.startIndex
        while next < items.endIndex {
            let item = items[next]
            let place = Self.rest(item.bits, depth) >> UInt64(64 - width)
            guard item.length > depth + width else {
                paint(item.value, item.bits, item.length, start, depth, width)
                next += 1
                continue
            }
            let first = next
            while next < items.endIndex, Self.rest(items[next].bits, depth) >> UInt64(64 - width) == place { next += 1 }
            let link = build(items[first..<next], depth + width, tree)
            setLink(link, of: start + Int(place))
        }
        return Self.indexFlag | UInt32(truncatingIfNeeded: width) << Self.indexShift | UInt32(truncatingIfNeeded: start)
    }

    /// Where a strip's answers change.
    private struct Places {
        /// Keys with prefixes longer than the strip covers.
        struct Child {
            var start: UInt32
            var bits: Bits
            /// What the strip's own prefixes answer them.
            var word: UInt32
            var items: Range<Int>
        }

        /// From where on which answer applies; with ``cellFlag`` it is the number of a child.
        var list: [(start: UInt32, answer: UInt32)] = []
        var children: [Child] = []

        init(_ items: ArraySlice<PrefixTree<Address>.Item>, _ depth: Int) {
            list.reserveCapacity(2 * items.count)
            // The prefixes that contain the place reached, the longest last: their last place and answer.
            var open: [(last: UInt32, answer: UInt32)] = []
            for k in items.indices {
                let item = items[k]
                let start = UInt32(truncatingIfNeeded: rest(item.bits, depth) >> 33)
                if let child = children.last, child.start == start, child.items.upperBound == k {
                    children[children.count - 1].items = child.items.lowerBound..<(k + 1)
                    continue
                }
                close(&open, before: start)
                if item.length <= depth + stripBits {
                    append(item.value, from: start)
                    open.append((start + 1 << UInt32(depth + stripBits - item.length) - 1, item.value))
                } else {
                    let answer = cellFlag | UInt32(truncatingIfNeeded: children.count)
                    children.append(
                        Child(start: start, bits: item.bits, word: open.last?.answer ?? 0, items: k..<(k + 1)))
                    append(answer, from: start)
                    open.append((start, answer))
                }
            }
            close(&open, before: 1 << UInt32(stripBits))
        }

        private mutating func close(_ open: inout [(last: UInt32, answer: UInt32)], before start: UInt32) {
            while let inner = open.last, inner.last < start {
                open.removeLast()
                guard inner.last != 1 << UInt32(stripBits) - 1 else { continue }
                append(open.last?.answer ?? 0, from: inner.last + 1)
            }
        }

        private mutating func append(_ answer: UInt32, from start: UInt32) {
            if let last = list.last, last.start == start { list.removeLast() }
            if list.last?.answer ?? 0 != answer { list.append((start, answer)) }
        }
    }

    /// Writes a strip; `place` tells the cell of a child.
    private mutating func writeStrip(_ places: Places, place: (inout Self, Places.Child) -> UInt32) -> UInt32 {
        guard !places.list.isEmpty else { return 0 }
        var found: [UInt32] = []
        for child in places.children { found.append(Self.cellFlag | place(&self, child)) }
        let count = (places.list.count + 7) / 8
        let first = allocateStrip(count)
        var before: UInt32 = 0
        for k in 0..<count {
            var block = Self.emptyBlock
            for lane in 0..<min(8, places.list.count - 8 * k) {
                let (start, answer) = places.list[8 * k + lane]
                let word = answer & Self.cellFlag != 0 ? found[Int(answer & ~Self.cellFlag)] : answer
                block.lowHalf[lane] = Int32(truncatingIfNeeded: start) - 1
                block.highHalf[lane] = Int32(bitPattern: word &- before)
                before = word
            }
            blocks[first + k] = block
        }
        return UInt32(truncatingIfNeeded: count) << Self.stripShift | UInt32(truncatingIfNeeded: first)
    }

    // MARK: Cells and strips

    private func link(of cell: Int) -> UInt32 { UInt32(truncatingIfNeeded: cells[cell] >> 32) }

    private mutating func setLink(_ link: UInt32, of cell: Int) {
        cells[cell] = cells[cell] & 0xFFFF_FFFF | UInt64(link) << 32
    }

    private mutating func setWord(_ word: UInt32, of cell: Int) {
        cells[cell] = cells[cell] & ~0xFFFF_FFFF | UInt64(word)
    }

    private static func index(_ link: UInt32) -> (start: Int, width: Int) {
        (Int(link & (1 << indexShift - 1)), Int(link >> indexShift & 31))
    }

    private static func strip(_ link: UInt32) -> Range<Int> {
        let first = Int(link & (1 << stripShift - 1))
        return first..<(first + Int(link >> stripShift))
    }

    /// The cells that the answers of a strip lead to.
    private func children(of link: UInt32) -> [(start: UInt32, cell: UInt32)] {
        var result: [(start: UInt32, cell: UInt32)] = []
        var answer: UInt32 = 0
        for k in Self.strip(link) {
            let block = blocks[k]
            for lane in 0..<8 where block[lane] != .max {
                answer &+= UInt32(bitPattern: block[lane + 8])
                guard answer & Self.cellFlag != 0 else { continue }
                result.append((UInt32(truncatingIfNeeded: block[lane] + 1), answer & ~Self.cellFlag))
            }
        }
        return result
    }

    private func child(of link: UInt32, _ bits: Bits, _ depth: Int) -> Int? {
        let start = UInt32(truncatingIfNeeded: Self.rest(bits, depth) >> 33)
        return children(of: link).first { $0.start == start }.map { Int($0.cell) }
    }

    private mutating func addCell(_ link: UInt32) -> UInt32 {
        let place = allocateCells(0, count: 1)
        cells[place] = UInt64(link) << 32
        return UInt32(truncatingIfNeeded: place)
    }

    private mutating func removeCell(_ cell: UInt32) {
        release(link(of: Int(cell)))
        releaseCells(Int(cell), 0)
    }

    private mutating func allocateIndex(_ width: Int) -> Int {
        let start = allocateCells(width, count: 1 + 1 << width) + 1
        for cell in start..<(start + 1 << width) { cells[cell] = 0 }
        return start
    }

    private mutating func allocateCells(_ width: Int, count: Int) -> Int {
        let place = Int(freeCells[width])
        guard place == 0 else {
            freeCells[width] = UInt32(truncatingIfNeeded: cells[place])
            return place
        }
        cells.append(contentsOf: repeatElement(0, count: count))
        return cells.count - count
    }

    private mutating func releaseCells(_ place: Int, _ width: Int) {
        cells[place] = UInt64(freeCells[width])
        freeCells[width] = UInt32(truncatingIfNeeded: place)
    }

    private mutating func allocateStrip(_ count: Int) -> Int {
        let place = freeBlocks[count]
        guard place == .max else {
            freeBlocks[count] = UInt32(bitPattern: blocks[Int(place)][0])
            return Int(place)
        }
        blocks.append(contentsOf: repeatElement(Self.emptyBlock, count: count))
        return blocks.count - count
    }

    private mutating func releaseStrip(_ link: UInt32) {
        let strip = Self.strip(link)
        guard !strip.isEmpty else { return }
        blocks[strip.lowerBound][0] = Int32(bitPattern: freeBlocks[strip.count])
        freeBlocks[strip.count] = UInt32(truncatingIfNeeded: strip.lowerBound)
    }

    /// Takes back all that a link leads to.
    private mutating func release(_ link: UInt32) {
        guard link & Self.indexFlag != 0 else {
            for child in children(of: link) { removeCell(child.cell) }
            return releaseStrip(link)
        }
        let (start, width) = Self.index(link)
        for cell in start..<(start + 1 << width) where self.link(of: cell) != 0 { release(self.link(of: cell)) }
        releaseCells(start - 1, width)
    }

    /// Memory held.
    var byteCount: Int {
        cells.capacity * MemoryLayout<UInt64>.stride + blocks.capacity * MemoryLayout<Block>.stride
    }
}
