public import ChimneyPrimitives

/// What the sockets of a stack have joined, each group on each interface with a filter of its own (RFC 3678).
///
/// A socket is a number below ``MembershipLimits/socketsMax`` that no other open socket has. Every call says how the
/// socket's filter changed, which ``InterfaceFilters`` merges; nothing of a call that throws takes effect. The
/// receivers of a datagram are found by its group and port, so that sockets which did not join cost it nothing:
/// see ``receivers(of:)``.
public struct SocketMemberships<Address: InternetAddress>: ~Copyable {
    @usableFromInline var places = PlaceTable()
    @usableFromInline let hasher: FlowHasher
    @usableFromInline var memberships: [Membership<Address>] = []
    @usableFromInline var firstFree: Int32 = -1
    @usableFromInline var sockets: [SocketRecord] = []
    @usableFromInline var index: MulticastIndex<Address>
    @usableFromInline var sourceTotal = 0
    /// The bounds; a lower one takes nothing away, and stops what is new.
    public var limits: MembershipLimits
    /// Groups that are joined source by source only (RFC 4607); 232.0.0.0/8 and ff3x::/32 belong here.
    public var sourceSpecificGroups: [Prefix<Address>] = []
    /// A socket that the bound of the stack does not hold back: the one of the stack's own groups.
    public var exemptSocket: UInt32?

    /// Nobody has joined anything.
    public init(limits: MembershipLimits = MembershipLimits(), using random: inout StackRandom) {
        self.limits = limits
        hasher = FlowHasher(using: &random)
        index = MulticastIndex(using: &random)
    }

    /// How many groups sockets are in, each counted for each socket and interface.
    @inlinable
    public var count: Int { places.count }

    /// How many sources all filters have together.
    @inlinable
    public var sourceCount: Int { sourceTotal }

    /// Gives a socket bounds of its own; `nil` stands for those of the stack.
    public mutating func setBounds(
        membershipsMax: Int? = nil, sourcesPerFilterMax: Int? = nil, of socket: UInt32
    ) throws(MembershipError) {
        try open(socket)
        sockets[Int(socket)].membershipsMax = membershipsMax.map { Int32(clamping: max(0, $0)) } ?? -1
        sockets[Int(socket)].sourcesMax = sourcesPerFilterMax.map { Int32(clamping: max(0, $0)) } ?? -1
    }

    // MARK: - Joining and leaving

    /// The socket wants all that is sent to a group (`IP_ADD_MEMBERSHIP`, `MCAST_JOIN_GROUP`).
    @inlinable
    public mutating func join(
        _ group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> MembershipChange<Address> {
        try check(group, isSourceNamed: false)
        if let place = place(group, interface, socket) {
            throw memberships[place].filter.mode == .exclude ? .alreadyMember : .mixesAnySourceAndSource
        }
        try insert(.all, group, interface, socket)
        return .replaced(.none, by: .all)
    }

    /// The socket leaves a group, however it joined it (`IP_DROP_MEMBERSHIP`, `MCAST_LEAVE_GROUP`).
    @inlinable
    public mutating func leave(
        _ group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> MembershipChange<Address> {
        try check(group, isSourceNamed: true)
        guard let place = place(group, interface, socket) else { throw .notMember }
        return .replaced(remove(at: place), by: .none)
    }

    /// The socket wants what one source sends to a group (`IP_ADD_SOURCE_MEMBERSHIP`, `MCAST_JOIN_SOURCE_GROUP`).
    @inlinable
    public mutating func join(
        _ group: Address, from source: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> MembershipChange<Address> {
        try check(group, isSourceNamed: true)
        try check(source: source)
        guard let place = place(group, interface, socket) else {
            try insert(SourceFilter(.include, ordered: [source]), group, interface, socket)
            return .inserted(source, into: .include, isFirst: true)
        }
        guard memberships[place].filter.mode == .include else { throw .mixesAnySourceAndSource }
        return try insert(source, at: place)
    }

    /// The socket wants one source less, and after the last one leaves (`IP_DROP_SOURCE_MEMBERSHIP`,
    /// `MCAST_LEAVE_SOURCE_GROUP`).
    @inlinable
    public mutating func leave(
        _ group: Address, from source: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> MembershipChange<Address> {
        try check(group, isSourceNamed: true)
        try check(source: source)
        guard let place = place(group, interface, socket) else { throw .notMember }
        guard memberships[place].filter.mode == .include else { throw .mixesAnySourceAndSource }
        let change = try remove(source, at: place)
        if memberships[place].filter.isNone { _ = remove(at: place) }
        return change
    }

    /// The socket, which joined without sources, does without one of them (`IP_BLOCK_SOURCE`, `MCAST_BLOCK_SOURCE`).
    @inlinable
    public mutating func block(
        _ source: Address, of group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> MembershipChange<Address> {
        try check(group, isSourceNamed: true)
        try check(source: source)
        guard let place = place(group, interface, socket) else { throw .notMember }
        guard memberships[place].filter.mode == .exclude else { throw .mixesAnySourceAndSource }
        return try insert(source, at: place)
    }

    /// The socket wants a source again that it blocked (`IP_UNBLOCK_SOURCE`, `MCAST_UNBLOCK_SOURCE`).
    @inlinable
    public mutating func unblock(
        _ source: Address, of group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> MembershipChange<Address> {
        try check(group, isSourceNamed: true)
        try check(source: source)
        guard let place = place(group, interface, socket) else { throw .notMember }
        guard memberships[place].filter.mode == .exclude else { throw .mixesAnySourceAndSource }
        return try remove(source, at: place)
    }

    /// The socket's filter for a group, whatever it was, is this one; ``SourceFilter/none`` leaves
    /// (`setsourcefilter`, `IP_MSFILTER`, `MCAST_MSFILTER`).
    ///
    /// - Returns: how the filter changed, or `nil` when it is the same.
    @inlinable
    public mutating func setFilter(
        _ filter: SourceFilter<Address>, of group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> MembershipChange<Address>? {
        try check(group, isSourceNamed: filter.mode == .include)
        for source in filter.sources { try check(source: source) }
        let place = place(group, interface, socket)
        let old = place.map { memberships[$0].filter } ?? .none
        if old == filter { return nil }
        let sourcesMax = try bounds(of: socket).sourcesMax
        if filter.sources.count > max(sourcesMax, 0) { throw .tooManySources(max: sourcesMax) }
        let total = sourceTotal + filter.sources.count - old.sources.count
        if total > limits.sourcesPerStackMax && filter.sources.count > old.sources.count {
            throw .tooManySourcesInStack(max: limits.sourcesPerStackMax)
        }
        if let place {
            if filter.isNone { return .replaced(remove(at: place), by: .none) }
            memberships[place].filter = filter
            sourceTotal = total
        } else {
            try insert(filter, group, interface, socket)
        }
        return .replaced(old, by: filter)
    }

    /// The socket's filter for a group (`getsourcefilter`).
    ///
    /// - Throws: ``MembershipError/notMember`` for a group the socket is not in.
    public func filter(
        of group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> SourceFilter<Address> {
        guard group.isMulticast else { throw .notMulticast }
        guard let place = place(group, interface, socket) else { throw .notMember }
        return memberships[place].filter
    }

    // MARK: - All of a socket, all of an interface

    /// Takes a socket, which is being closed, out of the group it joined first; `nil` when it is in none any more.
    ///
    /// The socket's port and bounds are forgotten with its last group.
    @inlinable
    public mutating func leaveNext(of socket: UInt32) -> GroupLeft<Address>? {
        guard Int(socket) < sockets.count else { return nil }
        let first = sockets[Int(socket)].first
        guard first >= 0 else {
            removeEverything(of: socket)
            sockets[Int(socket)] = SocketRecord()
            return nil
        }
        return leave(at: Int(first))
    }

    /// Takes the next socket out of the next group on an interface, which is being detached; `nil` when
    /// none is left.
    ///
    /// The walk is at `place`, which begins at 0; it looks at each place once.
    public mutating func leaveNext(on interface: UInt32, from place: inout Int) -> GroupLeft<Address>? {
        while place < memberships.count {
            defer { place += 1 }
            let found = memberships[place]
            if found.isTaken && found.interface == interface && !found.isEverything { return leave(at: place) }
        }
        return nil
    }

    /// The groups of a socket and their filters, in the order of joining; for showing them.
    public func groups(of socket: UInt32) -> [(interface: UInt32, group: Address, filter: SourceFilter<Address>)] {
        guard Int(socket) < sockets.count, sockets[Int(socket)].first >= 0 else { return [] }
        var list: [(interface: UInt32, group: Address, filter: SourceFilter<Address>)] = []
        var place = Int(sockets[Int(socket)].first)
        for _ in 0..<sockets[Int(socket)].count {
            let membership = memberships[place]
            list.append((membership.interface, membership.group, membership.filter))
            place = Int(membership.nextOfSocket)
        }
        return list
    }
}

/// A group that a socket is in no longer.
@frozen
public struct GroupLeft<Address: InternetAddress>: Hashable, Sendable {
    /// The socket.
    public let socket: UInt32
    /// The interface it was in the group on.
    public let interface: UInt32
    /// The group.
    public let group: Address
    /// The filter the socket had.
    public let filter: SourceFilter<Address>

    @inlinable
    init(socket: UInt32, interface: UInt32, group: Address, filter: SourceFilter<Address>) {
        self.socket = socket
        self.interface = interface
        self.group = group
        self.filter = filter
    }
}
