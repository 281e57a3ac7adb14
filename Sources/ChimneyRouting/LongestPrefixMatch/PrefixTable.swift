public import ChimneyPrimitives

/// The bounds of a ``PrefixTable``.
public enum PrefixTableError: Error, Equatable, Sendable {
    /// The table holds as many prefixes as it may.
    case tableFull(prefixesMax: Int)
    /// The value is above ``PrefixTable/valueMax``.
    case valueTooLarge(UInt32)
}

/// Longest-prefix match: which value belongs to the longest prefix that contains an address.
///
/// Beside the prefixes in order the table keeps a structure made for looking up, which grows with the table: boundaries to
/// search while there are few prefixes; then, for IPv4, a trie with a direct first step of 12, 18 or 24 bits, and for wider
/// addresses steps by index down to a few such boundaries. A change touches one to three of its nodes, or, for a short prefix,
/// the nodes under it. Crossing a size makes it anew, or the part that grew.
///
/// A copy shares its memory with the original until one of them changes, so that a copy serves as a snapshot for readers.
public struct PrefixTable<Address: InternetAddress>: Sendable {
    /// The largest value a prefix may have.
    public static var valueMax: UInt32 { 0x7FFF_FFFD }

    @usableFromInline
    enum Form: Sendable {
        case ranges
        case trie
        case intervals
        /// Nothing can be looked up: many changes are under way.
        case suspended
    }

    @usableFromInline
    private(set) var form: Form = .ranges
    @usableFromInline
    private(set) var ranges = ForwardingRanges<Address.Bits>()
    @usableFromInline
    private(set) var trie = ForwardingTrie<Address>(rootBits: 0)
    @usableFromInline
    private(set) var intervals = ForwardingIntervals<Address>()
    private var tree = PrefixTree<Address>()
    private var path: [PrefixTree<Address>.Step] = []
    private var freed: [UInt32] = []
    /// How many prefixes are served by the search over ranges, and by a first step of 12 and of 18 bits; more have one of 24.
    private let sizes: InlineArray<3, Int>
    /// The largest number of prefixes; one more is refused.
    public let prefixesMax: Int

    /// An empty table.
    public init(prefixesMax: Int = 2_000_000) { self.init(prefixesMax: prefixesMax, sizes: [32, 512, 131_072]) }

    /// A table that changes its form at other sizes, so that tests meet every form with few prefixes.
    init(prefixesMax: Int, sizes: InlineArray<3, Int>) {
        self.prefixesMax = max(0, prefixesMax)
        self.sizes = sizes
    }

    // MARK: Lookups

    /// The value of the longest prefix that contains `address`; `nil` when none does.
    @inlinable
    public func lookup(_ address: Address) -> UInt32? {
        let value = value(for: address.bits)
        return value == .max ? nil : value
    }

    /// The value of the longest prefix that contains `address`, or `none` when none does.
    ///
    /// Made without a branch on the outcome, which for unforeseeable addresses costs more than the lookup.
    @inlinable
    public func lookup(_ address: Address, orElse none: UInt32) -> UInt32 {
        let value = value(for: address.bits)
        return value == .max ? none : value
    }

    /// Looks up many addresses at once: `values` gets one value for each, `UInt32.max` where no prefix contains the address.
    ///
    /// Addresses beyond the end of `values` are not looked up.
    @inlinable
    public func lookup(_ addresses: Span<Address>, into values: inout MutableSpan<UInt32>) {
        if form == .trie { return trie.lookup(addresses, into: &values) }
        if form == .intervals { return intervals.lookup(addresses, into: &values) }
        for k in 0..<min(addresses.count, values.count) { values[k] = value(for: addresses[k].bits) }
    }

    /// What ``lookup(_:)`` finds; the largest number for nothing.
    @inlinable
    package func value(for key: Address.Bits) -> UInt32 {
        if Self.isWide { return form == .intervals ? intervals.lookup(key) : Self.searchedValue(for: key, ranges) }
        let cell = trie.cell(for: key)
        guard ForwardingTrie<Address>.leadsOn(cell) else { return cell }
        return form == .trie ? trie.lookup(key, from: cell) : Self.searchedValue(for: key, ranges)
    }

    /// The value in a small table; one whose lookups are suspended has no ranges either.
    ///
    /// Apart, so that the values of a large table come without a branch on what they are.
    @inlinable
    @inline(never)
    static func searchedValue(for key: Address.Bits, _ ranges: ForwardingRanges<Address.Bits>) -> UInt32 {
        ranges.lookup(key) &- 1
    }

    /// Whether addresses are so wide that a direct step for all values of their first bits would be mostly empty.
    @inlinable
    static var isWide: Bool { Address.bitWidth > 32 }

    // MARK: Changes

    /// Gives a prefix a value, or a new value.
    ///
    /// - Throws: ``PrefixTableError``; the table is then as before.
    /// - Complexity: about a microsecond in a full table of IPv4, some ten for lengths of 13 to 18, and some five in one of IPv6;
    ///   the change that crosses a size costs a pass over all prefixes.
    public mutating func insert(_ prefix: Prefix<Address>, value: UInt32) throws(PrefixTableError) {
        guard value <= Self.valueMax else { throw .valueTooLarge(value) }
        guard tree.count < prefixesMax || tree[prefix] != nil else { throw .tableFull(prefixesMax: prefixesMax) }
        set(prefix, tag: 0, word: value + 1)
    }

    /// Forgets a prefix; answers its value, or `nil` when the table did not have it.
    @discardableResult
    public mutating func remove(_ prefix: Prefix<Address>) -> UInt32? {
        guard let removed = forget(prefix) else { return nil }
        return removed.word == 0 ? nil : removed.word - 1
    }

    /// Loads a whole table: prefixes already there keep their place, equal ones take the last value.
    ///
    /// The lookup structure is made once, at the end. The table keeps what fitted when it throws.
    public mutating func insert(
        contentsOf prefixes: some Sequence<(Prefix<Address>, UInt32)>
    ) throws(PrefixTableError) {
        suspend()
        defer { resume() }
        for (prefix, value) in prefixes { try insert(prefix, value: value) }
    }

    // MARK: Questions

    /// How many prefixes the table holds.
    public var count: Int { tree.count }

    /// The value of exactly this prefix.
    public subscript(_ prefix: Prefix<Address>) -> UInt32? {
        guard let entry = tree[prefix], entry.value != 0 else { return nil }
        return entry.value - 1
    }

    /// The longest prefix that contains `address`, with its value; slower than ``lookup(_:)``.
    public func match(_ address: Address) -> (prefix: Prefix<Address>, value: UInt32)? {
        guard let match = tree.longestMatch(address, upTo: Address.bitWidth, where: { $0.value != 0 }) else {
            return nil
        }
        return (match.prefix, match.entry.value - 1)
    }

    /// Calls `body` with every prefix and its value, by address and then by length.
    public func forEach(_ body: (Prefix<Address>, UInt32) -> Void) {
        tree.forEach { prefix, entry in
            if entry.value != 0 { body(prefix, entry.value - 1) }
            return true
        }
    }

    /// Memory held, in bytes.
    public var byteCount: Int { ranges.byteCount + trie.byteCount + tree.byteCount }

    // MARK: For a table of routes

    /// Gives a prefix a tag to be found by and the word that lookups answer; 0 keeps it out of lookups.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func set(_ prefix: Prefix<Address>, tag: UInt32, word: UInt32) {
        let before = form == .intervals ? tree[prefix]?.value ?? 0 : 0
        let known = tree.set(prefix, .init(tag: tag, value: word), path: &path)
        switch form {
        case .suspended: break
        case .ranges where tree.count <= sizeMax(rootBits: 0): ranges.compile(tree)
        case .trie where tree.count <= sizeMax(rootBits: trie.rootBits):
            trie.update(prefix, &tree, path: path, known: known)
        case .intervals where before == 0 && word == 0: break
        case .intervals: intervals.update(prefix, tree, added: (word != 0 ? 1 : 0) - (before != 0 ? 1 : 0))
        case .ranges, .trie: resume()
        }
    }

    /// Forgets a prefix and answers its tag and word.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func forget(_ prefix: Prefix<Address>) -> (tag: UInt32, word: UInt32)? {
        guard let removed = tree.remove(prefix, path: &path, freed: &freed) else { return nil }
        switch form {
        case .suspended: break
        case .ranges: ranges.compile(tree)
        case .trie where tree.count >= sizeMax(rootBits: trie.rootBits - 6) / 2:
            trie.remove(prefix, tree, path: path, freed: freed)
        case .intervals where tree.count >= sizeMax(rootBits: 0) / 2:
            if removed.value != 0 { intervals.update(prefix, tree, added: -1) }
        case .trie, .intervals: resume()
        }
        return (removed.tag, removed.value)
    }

    /// The tag and word of exactly this prefix.
    package func entry(_ prefix: Prefix<Address>) -> (tag: UInt32, word: UInt32)? {
        tree[prefix].map { ($0.tag, $0.value) }
    }

    /// Calls `body` with every prefix, its tag and its word, in order, until it answers false.
    package func forEachEntry(_ body: (Prefix<Address>, UInt32, UInt32) -> Bool) {
        tree.forEach { body($0, $1.tag, $1.value) }
    }

    /// Stops answering lookups, so that many changes cost little; ``resume()`` ends it.
    package mutating func suspend() {
        form = .suspended
        ranges = ForwardingRanges()
        trie = ForwardingTrie(rootBits: 0)
        intervals = ForwardingIntervals()
    }

    /// How many prefixes are served with these root bits; 0 stands for the search over ranges.
    ///
    /// A table shrinks to the form below when it has half of what that form serves, so that it does not swing between two.
    private func sizeMax(rootBits: Int) -> Int { rootBits < 18 ? sizes[rootBits / 6] : .max }

    /// Makes the lookup structure anew, in the form that suits the number of prefixes.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func resume() {
        suspend()
        guard tree.count > sizeMax(rootBits: 0) else {
            ranges.compile(tree)
            form = .ranges
            return
        }
        guard !Self.isWide else {
            intervals.compile(tree)
            form = .intervals
            return
        }
        var rootBits = 6
        while tree.count > sizeMax(rootBits: rootBits) { rootBits += 6 }
        trie = ForwardingTrie(rootBits: rootBits)
        trie.compile(&tree)
        form = .trie
    }
}
