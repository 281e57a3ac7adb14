public import ChimneyPrimitives

/// How one socket's filter for a group on an interface became another.
///
/// One source more or less is told as such, so that a list of ten thousand is neither copied nor compared.
@frozen
public enum MembershipChange<Address: InternetAddress>: Hashable, Sendable {
    /// One filter took the place of another; joining begins with ``SourceFilter/none``, leaving ends with it.
    case replaced(SourceFilter<Address>, by: SourceFilter<Address>)
    /// A source was put into a list of this mode; it may be the first.
    case inserted(Address, into: FilterMode, isFirst: Bool)
    /// A source was taken out of a list of this mode; it may have been the last.
    case removed(Address, from: FilterMode, isLast: Bool)
}

/// What each interface of a stack wants of each group: the filters of all sockets, merged (RFC 9776 §3.2).
///
/// When a socket excludes, the interface excludes what all of those sockets exclude and no socket includes; otherwise it includes
/// what any socket includes. Sockets are not looked at again: a group counts the sockets of each mode and, for
/// each source, those that name it. A join without sources changes counts alone.
public struct InterfaceFilters<Address: InternetAddress>: ~Copyable {
    @usableFromInline var places = PlaceTable()
    @usableFromInline let hasher: FlowHasher
    @usableFromInline var groups: [GroupCounts<Address>] = []
    @usableFromInline var firstFree: Int32 = -1

    /// No group is wanted on any interface.
    public init(using random: inout StackRandom) {
        // A group is wanted by a membership of a socket, so that the bound of those bounds the groups.
        hasher = FlowHasher(using: &random)
    }

    /// How many groups are wanted, an interface each.
    @inlinable
    public var count: Int { places.count }

    /// Whether any socket is in a group on an interface.
    @inlinable
    public func isJoined(_ group: Address, on interface: UInt32) -> Bool {
        place(of: group, on: interface) != nil
    }

    /// The filter for a group on an interface; ``SourceFilter/none`` when no socket is in it.
    ///
    /// - Complexity: one walk over the sources; none when a socket wants all.
    @inlinable
    public func filter(of group: Address, on interface: UInt32) -> SourceFilter<Address> {
        guard let place = place(of: group, on: interface) else { return .none }
        return groups[place].filter
    }

    /// The groups of an interface, in order.
    ///
    /// - Complexity: O(n log n) with the groups of all interfaces; this is for showing them.
    public func groups(on interface: UInt32) -> [Address] {
        groups.filter { $0.sockets > 0 && $0.interface == interface }.map(\.group).sorted()
    }

    /// How many sockets want a group on an interface, in either mode.
    public func socketCount(of group: Address, on interface: UInt32) -> (include: Int, exclude: Int) {
        guard let place = place(of: group, on: interface) else { return (0, 0) }
        let counts = groups[place]
        return (Int(counts.includes), Int(counts.excludes))
    }

    /// A socket's filter changed; says how that of the interface does, and `nil` when it stays as it is.
    ///
    /// - Complexity: O(log n) for one source, and for joining and leaving without sources, unless the sources of
    ///   others thereby come into force or lose it; otherwise one walk over the sources.
    @inlinable
    public mutating func socketChanged(
        _ change: MembershipChange<Address>, of group: Address, on interface: UInt32
    ) -> FilterChange<Address>? {
        socketChanged(change, of: group, on: interface, at: place(of: group, on: interface))
    }

    @inlinable
    func place(of group: Address, on interface: UInt32) -> Int? {
        let groups = groups.span
        let hash = hasher.hash(group: group, UInt64(interface))
        var walk = places.start(hash)
        while let place = places.next(&walk, hash: hash) {
            if groups[place].group == group && groups[place].interface == interface { return place }
        }
        return nil
    }

    /// A socket's filter changed, for a group whose place was looked up before.
    @inlinable
    mutating func socketChanged(
        _ change: MembershipChange<Address>, of group: Address, on interface: UInt32, at known: Int?
    ) -> FilterChange<Address>? {
        let place = known ?? insert(group, interface)
        let result = groups[place].apply(change)
        if groups[place].sockets == 0 { remove(at: place) }
        return result
    }

    @inlinable
    mutating func insert(_ group: Address, _ interface: UInt32) -> Int {
        let place = firstFree >= 0 ? Int(firstFree) : groups.count
        precondition(place < Int(Int32.max), "there are fewer groups than memberships, and those are bounded")
        places.insert(place, hash: hasher.hash(group: group, UInt64(interface)))
        if firstFree >= 0 {
            firstFree = groups[place].nextFree
            groups[place] = GroupCounts(group: group, interface: interface)
        } else {
            groups.append(GroupCounts(group: group, interface: interface))
        }
        return place
    }

    @inlinable
    mutating func remove(at place: Int) {
        places.remove(place, hash: hasher.hash(group: groups[place].group, UInt64(groups[place].interface)))
        groups[place].sources = SourceCounts()
        groups[place].nextFree = firstFree
        firstFree = Int32(place)
    }
}

extension FlowHasher {
    /// The hash of a group and what else the key has.
    ///
    /// Groups that follow one another lie beside one another, four at a time: they are joined together and sent to
    /// together, and are then found with one cache miss instead of four.
    @inlinable
    func hash<Address: InternetAddress>(group: Address, _ rest: UInt64) -> UInt64 {
        let low = UInt64(truncatingIfNeeded: group.bits)
        var block = hash(low &>> 2, rest)
        if Address.bitWidth > 64 { block = hash(UInt64(truncatingIfNeeded: group.bits >> 64), block) }
        return block &<< 2 | low & 3
    }
}

/// The sockets that want one group on one interface, counted.
@usableFromInline
struct GroupCounts<Address: InternetAddress>: Sendable {
    @usableFromInline let group: Address
    @usableFromInline let interface: UInt32
    /// The sockets that include.
    @usableFromInline var includes: UInt32 = 0
    /// The sockets that exclude.
    @usableFromInline var excludes: UInt32 = 0
    /// Those of them that exclude nobody.
    @usableFromInline var alls: UInt32 = 0
    /// The next free place of the table while this one is free.
    @usableFromInline var nextFree: Int32 = -1
    @usableFromInline var sources = SourceCounts<Address>()

    @inlinable
    init(group: Address, interface: UInt32) {
        self.group = group
        self.interface = interface
    }

    @inlinable
    var sockets: UInt32 { includes + excludes }

    @inlinable
    var mode: FilterMode { excludes > 0 ? .exclude : .include }

    /// The merged filter (RFC 9776 §3.2).
    @inlinable
    var filter: SourceFilter<Address> {
        if alls > 0 || sources.isEmpty { return SourceFilter(mode, ordered: []) }
        return SourceFilter(mode, ordered: sources.sources(where: isListed))
    }

    /// Whether the merged filter has a source in its list.
    @inlinable
    func isListed(_ entry: SourceCounts<Address>.Entry) -> Bool {
        if excludes == 0 { return entry.includes > 0 }
        return alls == 0 && entry.excludes == excludes && entry.includes == 0
    }

    @inlinable
    mutating func apply(_ change: MembershipChange<Address>) -> FilterChange<Address>? {
        switch change {
        case .inserted(let source, .include, let isFirst):
            if isFirst { includes += 1 }
            return count(source, .include, by: 1)
        case .removed(let source, .include, let isLast):
            if isLast { includes -= 1 }
            return count(source, .include, by: -1)
        case .inserted(let source, .exclude, isFirst: false):
            return count(source, .exclude, by: 1)
        case .removed(let source, .exclude, isLast: false):
            return count(source, .exclude, by: -1)
        case .inserted(let source, .exclude, isFirst: true):
            return replace(.all, by: SourceFilter(.exclude, ordered: [source]))
        case .removed(let source, .exclude, isLast: true):
            return replace(SourceFilter(.exclude, ordered: [source]), by: .all)
        case .replaced(let old, by: let new):
            return replace(old, by: new)
        }
    }

    /// One socket more or less names a source, in a list that the socket goes on having.
    @inlinable
    mutating func count(_ source: Address, _ mode: FilterMode, by step: Int32) -> FilterChange<Address>? {
        let (before, after) = sources.count(source, mode, by: step)
        let (was, isNow) = (isListed(before), isListed(after))
        if was == isNow { return nil }
        return isNow == (self.mode == .include)
            ? .sources(allow: [source], block: []) : .sources(allow: [], block: [source])
    }

    @inlinable
    mutating func replace(
        _ old: SourceFilter<Address>, by new: SourceFilter<Address>
    ) -> FilterChange<Address>? {
        if old.mode == new.mode && old.isAll == new.isAll { return replaceList(old, by: new) }
        let oldMode = mode
        let newExcludes = excludes + (new.mode == .exclude ? 1 : 0) - (old.mode == .exclude ? 1 : 0)
        // The list before matters only where the mode stays, which then is to exclude.
        let before: SourceFilter<Address> = excludes > 0 && newExcludes > 0 ? filter : .none
        join(old, by: -1)
        join(new, by: 1)
        if mode != oldMode { return .mode(to: filter) }
        return alls > 0 && before.isAll ? nil : before.change(to: filter)
    }

    /// Counts a socket and its list in or out.
    @inlinable
    mutating func join(_ filter: SourceFilter<Address>, by step: Int32) {
        let one = UInt32(bitPattern: step)
        switch filter.mode {
        case .include: includes &+= filter.isNone ? 0 : one
        case .exclude:
            excludes &+= one
            alls &+= filter.isAll ? one : 0
        }
        for source in filter.sources { _ = sources.count(source, filter.mode, by: step) }
    }

    /// A socket's list became another, and whether it wants all is as before: one walk over both lists.
    @inlinable
    mutating func replaceList(
        _ old: SourceFilter<Address>, by new: SourceFilter<Address>
    ) -> FilterChange<Address>? {
        if old.mode == .include {
            if old.isNone && !new.isNone { includes += 1 }
            if !old.isNone && new.isNone { includes -= 1 }
        }
        guard case .sources(let allow, let block) = old.change(to: new) else { return nil }
        let step: Int32 = old.mode == .include ? 1 : -1
        var (allowed, blocked): ([Address], [Address]) = ([], [])
        for source in allow {
            let (before, after) = sources.count(source, old.mode, by: step)
            if isListed(before) != isListed(after) { allowed.append(source) }
        }
        for source in block {
            let (before, after) = sources.count(source, old.mode, by: -step)
            if isListed(before) != isListed(after) { blocked.append(source) }
        }
        return allowed.isEmpty && blocked.isEmpty ? nil : .sources(allow: allowed, block: blocked)
    }
}
