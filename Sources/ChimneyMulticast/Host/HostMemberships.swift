public import ChimneyPrimitives

/// How the filter of an interface for a group changed.
@frozen
public struct GroupChange<Address: InternetAddress>: Hashable, Sendable {
    /// The interface.
    public let interface: UInt32
    /// The group.
    public let group: Address
    /// How its filter changed, or `nil` when it is as before.
    public let change: FilterChange<Address>?

    @inlinable
    init(interface: UInt32, group: Address, change: FilterChange<Address>?) {
        self.interface = interface
        self.group = group
        self.change = change
    }
}

/// The memberships of one address family in a stack: what each socket joined and, from that, what each interface wants.
///
/// The calls are those of RFC 3678. Each says how the filter of the interface changed, or `nil` when it did not;
/// the link is told of that, and local delivery follows the socket's filter at once. Programs, an operator's memberships and the
/// stack's own groups are all sockets here, with numbers that the caller keeps apart.
public struct HostMemberships<Address: InternetAddress>: ~Copyable {
    @usableFromInline var sockets: SocketMemberships<Address>
    @usableFromInline var filters: InterfaceFilters<Address>
    @usableFromInline var attached: [UInt32] = []

    /// No interface, and nobody has joined anything.
    public init(limits: MembershipLimits = MembershipLimits(), using random: inout StackRandom) {
        sockets = SocketMemberships(limits: limits, using: &random)
        filters = InterfaceFilters(using: &random)
    }

    /// The bounds; a lower one takes nothing away, and stops what is new.
    public var limits: MembershipLimits {
        get { sockets.limits }
        set { sockets.limits = newValue }
    }

    /// Groups that are joined source by source only (RFC 4607); 232.0.0.0/8 and ff3x::/32 belong here.
    public var sourceSpecificGroups: [Prefix<Address>] {
        get { sockets.sourceSpecificGroups }
        set { sockets.sourceSpecificGroups = newValue }
    }

    /// A socket that the bound of the stack does not hold back: the one of the stack's own groups.
    public var exemptSocket: UInt32? {
        get { sockets.exemptSocket }
        set { sockets.exemptSocket = newValue }
    }

    /// How many groups sockets are in, each counted for each socket and interface.
    public var count: Int { sockets.count }
    /// How many sources all filters of sockets have together.
    public var sourceCount: Int { sockets.sourceCount }
    /// How many groups interfaces are in, each counted for each interface.
    public var groupCount: Int { filters.count }

    // MARK: - Interfaces

    /// The interfaces, in order.
    public var interfaces: [UInt32] { attached }

    /// Groups may be joined on an interface from now on, whether or not it is up and has an address.
    public mutating func attach(_ interface: UInt32) {
        let position = attached.firstIndex { $0 >= interface } ?? attached.count
        if position < attached.count && attached[position] == interface { return }
        attached.insert(interface, at: position)
    }

    /// An interface is gone, and with it what was joined on it; its link cannot be told any more.
    public mutating func detach(_ interface: UInt32) {
        attached.removeAll { $0 == interface }
        var place = 0
        while let left = sockets.leaveNext(on: interface, from: &place) {
            _ = filters.socketChanged(.replaced(left.filter, by: .none), of: left.group, on: interface)
        }
    }

    /// The filter of an interface for a group; ``SourceFilter/none`` when no socket is in it.
    public func filter(of group: Address, on interface: UInt32) -> SourceFilter<Address> {
        filters.filter(of: group, on: interface)
    }

    /// Whether any socket is in a group on an interface.
    @inlinable
    public func isJoined(_ group: Address, on interface: UInt32) -> Bool { filters.isJoined(group, on: interface) }

    /// The groups of an interface, in order; for showing them.
    public func groups(on interface: UInt32) -> [Address] { filters.groups(on: interface) }

    /// How many sockets want a group on an interface, in either mode.
    public func socketCount(of group: Address, on interface: UInt32) -> (include: Int, exclude: Int) {
        filters.socketCount(of: group, on: interface)
    }

    // MARK: - Sockets

    /// The socket is bound to a port, 0 for none, and receives there what it joined.
    public mutating func setPort(_ port: UInt16, of socket: UInt32) throws(MembershipError) {
        try sockets.setPort(port, of: socket)
    }

    /// Whether the socket also receives the groups that only others joined: `IP_MULTICAST_ALL`, off by default.
    public mutating func setReceivesEverything(_ receives: Bool, of socket: UInt32) throws(MembershipError) {
        try sockets.setReceivesEverything(receives, of: socket)
    }

    /// Gives a socket bounds of its own; `nil` stands for those of the stack.
    public mutating func setBounds(
        membershipsMax: Int? = nil, sourcesPerFilterMax: Int? = nil, of socket: UInt32
    ) throws(MembershipError) {
        try sockets.setBounds(membershipsMax: membershipsMax, sourcesPerFilterMax: sourcesPerFilterMax, of: socket)
    }

    /// Takes a socket that is being closed out of the group it joined first.
    ///
    /// - Returns: the group and how the interface's filter changed; `nil` when the socket was in none any more, upon which all
    ///   else about it is forgotten too.
    @inlinable
    public mutating func leaveNext(of socket: UInt32) -> GroupChange<Address>? {
        guard let left = sockets.leaveNext(of: socket) else { return nil }
        let change = filters.socketChanged(.replaced(left.filter, by: .none), of: left.group, on: left.interface)
        return GroupChange(interface: left.interface, group: left.group, change: change)
    }

    /// The groups of a socket and their filters, in the order of joining; for showing them.
    public func groups(of socket: UInt32) -> [(interface: UInt32, group: Address, filter: SourceFilter<Address>)] {
        sockets.groups(of: socket)
    }

    /// The socket's filter for a group (`getsourcefilter`).
    public func filter(
        of group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> SourceFilter<Address> {
        try check(interface)
        return try sockets.filter(of: group, on: interface, socket: socket)
    }

    /// The sockets that receive a datagram, for ``next(_:)``.
    @inlinable
    public func receivers(of datagram: GroupDatagram<Address>) -> GroupReceivers<Address> {
        sockets.receivers(of: datagram)
    }

    /// The next socket that receives the datagram: see ``SocketMemberships/next(_:)``.
    @inlinable
    public func next(_ receivers: inout GroupReceivers<Address>) -> UInt32? { sockets.next(&receivers) }

    /// Whether any socket receives the datagram.
    @inlinable
    public func hasReceiver(_ datagram: GroupDatagram<Address>) -> Bool {
        var receivers = sockets.receivers(of: datagram)
        return sockets.next(&receivers) != nil
    }

    /// Whether a socket that is in the datagram's group and has its port refuses its source.
    public func hasReceiverRefusing(_ datagram: GroupDatagram<Address>) -> Bool {
        sockets.hasReceiverRefusing(datagram)
    }

    /// The sockets that are in the datagram's group and have its port, with their filters, in the order of joining; for showing them.
    public func members(of datagram: GroupDatagram<Address>) -> [(socket: UInt32, filter: SourceFilter<Address>)] {
        sockets.members(of: datagram)
    }

    /// Whether a socket is in a group on an interface.
    public func isMember(_ socket: UInt32, of group: Address, on interface: UInt32) -> Bool {
        sockets.admits(Address(bits: 0), to: group, on: interface, socket: socket) != nil
    }

    /// Whether a socket's filter for a group admits a source, or `nil` when the socket is not in it.
    @inlinable
    public func admits(_ source: Address, to group: Address, on interface: UInt32, socket: UInt32) -> Bool? {
        sockets.admits(source, to: group, on: interface, socket: socket)
    }

    @inlinable
    func check(_ interface: UInt32) throws(MembershipError) {
        var low = 0
        var high = attached.count
        while low < high {
            let middle = (low &+ high) &>> 1
            if attached[middle] < interface { low = middle &+ 1 } else { high = middle }
        }
        guard low < attached.count && attached[low] == interface else { throw .noSuchInterface(interface) }
    }
}
