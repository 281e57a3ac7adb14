public import ChimneyPrimitives

/// Which way a source list is meant.
@frozen
public enum FilterMode: UInt8, Hashable, Sendable, BitwiseCopyable, CaseIterable {
    /// The sources of the list, and nobody else.
    case include
    /// Everybody but the sources of the list.
    case exclude
}

/// Which senders to a group are wanted: a mode and a list of sources (RFC 9776 §3.1).
///
/// The same value describes what a socket asked for and what an interface asks of its link.
@frozen
public struct SourceFilter<Address: InternetAddress>: Hashable, Sendable {
    @usableFromInline var list: [Address]
    /// Which way the list is meant.
    public let mode: FilterMode

    /// The list: distinct, smallest first.
    @inlinable
    public var sources: [Address] { list }

    /// The filter with a list in any order.
    ///
    /// - Complexity: O(n log n), and O(n) for a list in order.
    public init(_ mode: FilterMode, _ sources: some Sequence<Address>) {
        self.mode = mode
        list = Self.ordered(sources)
    }

    /// The filter with a list that is distinct and in order already.
    @inlinable
    package init(_ mode: FilterMode, ordered list: [Address]) {
        self.mode = mode
        self.list = list
    }

    /// Nothing is wanted: the group is not joined.
    @inlinable
    public static var none: Self { Self(.include, ordered: []) }
    /// All that is sent to the group is wanted: a join without sources.
    @inlinable
    public static var all: Self { Self(.exclude, ordered: []) }

    /// Whether nothing is wanted.
    @inlinable
    public var isNone: Bool { mode == .include && list.isEmpty }
    /// Whether everything is wanted.
    @inlinable
    public var isAll: Bool { mode == .exclude && list.isEmpty }

    /// Whether what `source` sends is wanted.
    ///
    /// - Complexity: O(log n); nothing is allocated.
    @inlinable
    public func admits(_ source: Address) -> Bool { contains(source) == (mode == .include) }

    /// Whether `source` is in the list.
    ///
    /// - Complexity: O(log n); nothing is allocated.
    @inlinable
    public func contains(_ source: Address) -> Bool {
        let position = position(of: source)
        return position < list.count && list[position] == source
    }

    /// Puts a source into the list.
    ///
    /// - Returns: whether it was not there.
    /// - Complexity: O(log n) to find its place, and a move of the bytes behind it.
    @inlinable
    public mutating func insert(_ source: Address) -> Bool {
        let position = position(of: source)
        if position < list.count && list[position] == source { return false }
        list.insert(source, at: position)
        return true
    }

    /// Takes a source out of the list.
    ///
    /// - Returns: whether it was there.
    /// - Complexity: as of ``insert(_:)``.
    @inlinable
    public mutating func remove(_ source: Address) -> Bool {
        let position = position(of: source)
        guard position < list.count && list[position] == source else { return false }
        list.remove(at: position)
        return true
    }

    /// Where a source is or belongs.
    @inlinable
    func position(of source: Address) -> Int {
        let list = list.span
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low &+ high) &>> 1
            if list[middle] < source { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    private static func ordered(_ sources: some Sequence<Address>) -> [Address] {
        var list = Array(sources)
        var isOrdered = true
        for index in list.indices.dropFirst() where list[index - 1] >= list[index] {
            isOrdered = false
            break
        }
        if isOrdered { return list }
        list.sort()
        var kept = 0
        for source in list where kept == 0 || list[kept - 1] != source {
            list[kept] = source
            kept += 1
        }
        list.removeLast(list.count - kept)
        return list
    }
}

/// How one filter became another, as a state-change report tells it (RFC 9776 §5.1).
///
/// Small changes of large filters are small values: whoever keeps a filter of their own follows with
/// ``SourceFilter/apply(_:)`` and never compares two long lists.
@frozen
public enum FilterChange<Address: InternetAddress>: Hashable, Sendable {
    /// The mode stays. What `allow` sends is wanted now and was not; what `block` sends was and is not.
    /// Both are in order, and at least one source is in one of them.
    case sources(allow: [Address], block: [Address])
    /// The mode is another one, and this is the filter now. What the filter was before is not told: a report does not
    /// say it either, and a join without sources need not look at the list it makes void.
    case mode(to: SourceFilter<Address>)
}

extension SourceFilter {
    /// How this filter becomes `new`, or `nil` when it is the same.
    ///
    /// - Complexity: one walk over both lists; none when the mode changes.
    @inlinable
    public func change(to new: Self) -> FilterChange<Address>? {
        guard mode == new.mode else { return .mode(to: new) }
        var gone: [Address] = []
        var added: [Address] = []
        var (mine, theirs) = (0, 0)
        while mine < list.count && theirs < new.list.count {
            let (old, source) = (list[mine], new.list[theirs])
            if old < source {
                gone.append(old)
                mine += 1
            } else if source < old {
                added.append(source)
                theirs += 1
            } else {
                mine += 1
                theirs += 1
            }
        }
        gone += list[mine...]
        added += new.list[theirs...]
        if gone.isEmpty && added.isEmpty { return nil }
        switch mode {
        case .include: return .sources(allow: added, block: gone)
        case .exclude: return .sources(allow: gone, block: added)
        }
    }

    /// Becomes what a change made of a filter equal to this one.
    ///
    /// - Complexity: O(log n) and a move of bytes for one source; one walk over the list for many.
    @inlinable
    public mutating func apply(_ change: FilterChange<Address>) {
        switch change {
        case .mode(let new):
            self = new
        case .sources(let allow, let block):
            let (added, gone) = mode == .include ? (allow, block) : (block, allow)
            if added.count + gone.count <= 4 {
                for source in added { _ = insert(source) }
                for source in gone { _ = remove(source) }
            } else {
                replace(added: added, gone: gone)
            }
        }
    }

    /// One walk over the list and what is put in and taken out, all of them in order.
    @inlinable
    mutating func replace(added: [Address], gone: [Address]) {
        var list: [Address] = []
        list.reserveCapacity(max(0, self.list.count + added.count - gone.count))
        var (nextAdded, nextGone) = (0, 0)
        for source in self.list {
            while nextAdded < added.count && added[nextAdded] < source {
                list.append(added[nextAdded])
                nextAdded += 1
            }
            if nextAdded < added.count && added[nextAdded] == source { nextAdded += 1 }
            while nextGone < gone.count && gone[nextGone] < source { nextGone += 1 }
            if nextGone < gone.count && gone[nextGone] == source { continue }
            list.append(source)
        }
        list += added[nextAdded...]
        self.list = list
    }
}
