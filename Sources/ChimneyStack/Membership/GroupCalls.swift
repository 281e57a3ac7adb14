public import ChimneyLink
public import ChimneyMulticast
public import ChimneyPrimitives

/// Who joins groups.
public enum GroupMember: Hashable, Sendable {
    /// A UDP socket, which receives what it joined.
    case socket(SocketID)
    /// The operator of the stack, who has interfaces join groups without receiving anything.
    case administrator
}

/// On which interface a group is meant.
public enum InterfaceChoice: Hashable, Sendable {
    /// The one that packets to the group would leave by.
    case route
    /// The one of this index.
    case index(InterfaceIndex)
    /// The one that has this address.
    case address(IPAddress)
}

/// Which senders to a group are wanted, of either family (RFC 3678 §3).
public struct GroupFilter: Hashable, Sendable {
    /// Which way the list is meant.
    public let mode: FilterMode
    /// The list: distinct, smallest first.
    public let sources: [IPAddress]

    /// The filter with a list in any order.
    public init(_ mode: FilterMode, _ sources: some Sequence<IPAddress>) {
        self.mode = mode
        self.sources = Self.ordered(sources)
    }

    /// Nothing is wanted: the group is not joined.
    public static var none: Self { Self(.include, []) }
    /// All that is sent to the group is wanted.
    public static var all: Self { Self(.exclude, []) }

    private static func ordered(_ sources: some Sequence<IPAddress>) -> [IPAddress] {
        var kept: [IPAddress] = []
        for source in sources.sorted() where kept.last != source { kept.append(source) }
        return kept
    }

    init(_ filter: SourceFilter<IPv4Address>) { self.init(filter.mode, filter.sources.map { .v4($0) }) }
    init(_ filter: SourceFilter<IPv6Address>) { self.init(filter.mode, filter.sources.map { .v6($0) }) }
}

/// A group that somebody is in.
public struct GroupMembershipSnapshot: Hashable, Sendable {
    /// The interface.
    public let interface: InterfaceIndex
    /// The group.
    public let group: IPAddress
    /// Whose packets are wanted.
    public let filter: GroupFilter
}

/// Why a group was not joined, left or filtered.
public enum GroupError: Error, Hashable, Sendable {
    /// The socket was closed.
    case closed
    /// No route leads to the group, or no interface has the address that was to choose one.
    case noInterface(IPAddress)
    /// A group of one family and a source of the other.
    case familiesDiffer
    /// The interface does not speak IPv6.
    case ipv6Disabled
    /// The call does not fit what was joined before, or a bound is reached.
    case membership(MembershipError)
}

extension VirtualStack {
    /// Joins a group: all that is sent to it, or what one source sends (`MCAST_JOIN_GROUP`, `MCAST_JOIN_SOURCE_GROUP`).
    ///
    /// The interface need neither be up nor have an address; its routers are told once it has.
    ///
    /// - Throws: ``GroupError``; nothing is changed.
    public mutating func join(
        _ group: IPAddress, from source: IPAddress? = nil, on choice: InterfaceChoice = .route,
        as member: GroupMember, at now: Instant
    ) throws(GroupError) {
        try perform(source == nil ? .join : .joinSource, group, [source].compactMap(\.self), choice, member, at: now)
    }

    /// Leaves a group, or does without one of the sources it was joined for (`MCAST_LEAVE_GROUP`, `MCAST_LEAVE_SOURCE_GROUP`).
    public mutating func leave(
        _ group: IPAddress, from source: IPAddress? = nil, on choice: InterfaceChoice = .route,
        as member: GroupMember, at now: Instant
    ) throws(GroupError) {
        try perform(source == nil ? .leave : .leaveSource, group, [source].compactMap(\.self), choice, member, at: now)
    }

    /// Does without one source of a group that was joined without sources (`MCAST_BLOCK_SOURCE`).
    public mutating func block(
        _ source: IPAddress, of group: IPAddress, on choice: InterfaceChoice = .route, as member: GroupMember,
        at now: Instant
    ) throws(GroupError) {
        try perform(.block, group, [source], choice, member, at: now)
    }

    /// Receives a source again that was blocked (`MCAST_UNBLOCK_SOURCE`).
    public mutating func unblock(
        _ source: IPAddress, of group: IPAddress, on choice: InterfaceChoice = .route, as member: GroupMember,
        at now: Instant
    ) throws(GroupError) {
        try perform(.unblock, group, [source], choice, member, at: now)
    }

    /// Sets a filter, whatever it was before; ``GroupFilter/none`` leaves the group (`MCAST_MSFILTER`).
    ///
    /// - Complexity: one walk over the old list and the new one.
    public mutating func setFilter(
        _ filter: GroupFilter, of group: IPAddress, on choice: InterfaceChoice = .route, as member: GroupMember,
        at now: Instant
    ) throws(GroupError) {
        try perform(.setFilter(filter.mode), group, filter.sources, choice, member, at: now)
    }

    /// The filter of a member for a group.
    public mutating func filter(
        of group: IPAddress, on choice: InterfaceChoice = .route, as member: GroupMember
    ) throws(GroupError) -> GroupFilter {
        let number = try number(of: member)
        let index = ports[try knownPort(for: group, choice, member)].index.rawValue
        do throws(MembershipError) {
            switch group {
            case .v4(let group):
                return GroupFilter(try ipv4Groups.memberships.filter(of: group, on: index, socket: number))
            case .v6(let group):
                return GroupFilter(try ipv6Groups.memberships.filter(of: group, on: index, socket: number))
            }
        } catch { throw .membership(error) }
    }

    /// The interface that a join of a group is about.
    public mutating func interface(
        for group: IPAddress, on choice: InterfaceChoice = .route, as member: GroupMember
    ) throws(GroupError) -> InterfaceIndex {
        _ = try number(of: member)
        return ports[try port(for: group, choice, member)].index
    }

    /// What a member is in: of each family in the order of joining, IPv4 first.
    public func memberships(of member: GroupMember) -> [GroupMembershipSnapshot] {
        guard let number = try? number(of: member) else { return [] }
        let ipv4 = ipv4Groups.memberships.groups(of: number).map {
            GroupMembershipSnapshot(
                interface: InterfaceIndex(rawValue: $0.interface), group: .v4($0.group), filter: GroupFilter($0.filter))
        }
        let ipv6 = ipv6Groups.memberships.groups(of: number).map {
            GroupMembershipSnapshot(
                interface: InterfaceIndex(rawValue: $0.interface), group: .v6($0.group), filter: GroupFilter($0.filter))
        }
        return ipv4 + ipv6
    }

    /// Gives a member bounds of its own in each family; `nil` stands for those of ``membershipLimits``.
    public mutating func setMembershipBounds(
        membershipsMax: Int? = nil, sourcesPerFilterMax: Int? = nil, of member: GroupMember
    ) throws(GroupError) {
        let number = try number(of: member)
        takeUpGroups(member)
        do throws(MembershipError) {
            try ipv4Groups.memberships.setBounds(
                membershipsMax: membershipsMax, sourcesPerFilterMax: sourcesPerFilterMax, of: number)
            try ipv6Groups.memberships.setBounds(
                membershipsMax: membershipsMax, sourcesPerFilterMax: sourcesPerFilterMax, of: number)
        } catch { throw .membership(error) }
    }

    /// How much may be joined, in each family on its own; a lower bound takes nothing away.
    public var membershipLimits: MembershipLimits {
        get { ipv4Groups.memberships.limits }
        set {
            var limits = newValue
            // Every socket may join, whatever the operator says of their number.
            limits.socketsMax = settings.socketsMax + Int(Self.firstSocketNumber)
            settings.membershipLimits = limits
            ipv4Groups.memberships.limits = limits
            ipv6Groups.memberships.limits = limits
        }
    }
}

/// What a member asks for, before it is known of which family.
private enum GroupRequest {
    case join, leave, joinSource, leaveSource, block, unblock
    case setFilter(FilterMode)

    /// Whether it says of itself that a membership begins, and so where.
    var joins: Bool {
        switch self {
        case .join, .joinSource: true
        case .leave, .leaveSource, .block, .unblock, .setFilter: false
        }
    }

    /// Whether a membership may begin by it.
    func mayJoin(_ sources: [IPAddress]) -> Bool {
        if case .setFilter(let mode) = self { return mode == .exclude || !sources.isEmpty }
        return joins
    }

    func call<Address>(_ sources: [Address]) -> GroupCall<Address> {
        switch (self, sources.first) {
        case (.joinSource, let source?): .joinSource(source)
        case (.leaveSource, let source?): .leaveSource(source)
        case (.block, let source?): .block(source)
        case (.unblock, let source?): .unblock(source)
        case (.setFilter(let mode), _): .setFilter(SourceFilter(mode, sources))
        case (.leave, _), (.leaveSource, nil), (.unblock, nil): .leave
        case (.join, _), (.joinSource, nil), (.block, nil): .join
        }
    }
}

extension VirtualStack {
    /// The numbers by which memberships know their owners: the stack, its operator, and sockets from here on.
    static var stackNumber: UInt32 { 0 }
    static var administratorNumber: UInt32 { 1 }
    static var firstSocketNumber: UInt32 { 2 }

    static func number(of id: SlotID) -> UInt32 { UInt32(id.index) + firstSocketNumber }

    private func number(of member: GroupMember) throws(GroupError) -> UInt32 {
        switch member {
        case .administrator: return Self.administratorNumber
        case .socket(let id):
            guard sockets.contains(id.slot) else { throw .closed }
            return Self.number(of: id.slot)
        }
    }

    private mutating func perform(
        _ request: GroupRequest, _ group: IPAddress, _ sources: [IPAddress], _ choice: InterfaceChoice,
        _ member: GroupMember, at now: Instant
    ) throws(GroupError) {
        beginRound(at: now)
        let number = try number(of: member)
        let port = request.joins ? try port(for: group, choice, member) : try knownPort(for: group, choice, member)
        if !group.isIPv4, ports[port].ipv6 == .off, request.mayJoin(sources) { throw .ipv6Disabled }
        let index = ports[port].index.rawValue
        takeUpGroups(member)
        do throws(MembershipError) {
            switch group {
            case .v4(let group):
                let own = sources.compactMap(\.asIPv4)
                guard own.count == sources.count else { throw .sourceInvalid }
                try ipv4Groups.perform(request.call(own), of: group, on: index, socket: number, at: now)
            case .v6(let group):
                let own = sources.compactMap(\.asIPv6)
                guard own.count == sources.count else { throw .sourceInvalid }
                try ipv6Groups.perform(request.call(own), of: group, on: index, socket: number, at: now)
            }
        } catch {
            guard sources.allSatisfy({ $0.isIPv4 == group.isIPv4 }) else { throw .familiesDiffer }
            throw .membership(error)
        }
        settleGroups()
    }

    /// From the first call on, memberships know the socket's port.
    private mutating func takeUpGroups(_ member: GroupMember) {
        guard case .socket(let id) = member, !sockets[id.slot].usesGroups else { return }
        sockets[id.slot].usesGroups = true
        tellGroups(of: id.slot)
    }

    /// Tells memberships what a socket is bound to and wants beside its groups.
    mutating func tellGroups(of id: SlotID) {
        let number = Self.number(of: id)
        let port = sockets[id].isBound ? sockets[id].local.port : 0
        let receivesAll = sockets[id].options.receivesAllGroups
        // The bound of sockets is above every socket's number, which is all that could be refused.
        try? ipv4Groups.memberships.setPort(port, of: number)
        try? ipv6Groups.memberships.setPort(port, of: number)
        try? ipv4Groups.memberships.setReceivesEverything(receivesAll, of: number)
        try? ipv6Groups.memberships.setReceivesEverything(receivesAll, of: number)
    }

    /// Takes a socket that is being closed out of its groups.
    mutating func leaveGroups(of id: SlotID) {
        guard sockets[id].usesGroups else { return }
        ipv4Groups.leaveAll(Self.number(of: id), at: now)
        ipv6Groups.leaveAll(Self.number(of: id), at: now)
        settleGroups()
    }

    /// The interface of a membership that there is: without another choice the one that is routed to, or else the first on
    /// which the member is in the group, since a route may be gone that there was at the join.
    private mutating func knownPort(
        for group: IPAddress, _ choice: InterfaceChoice, _ member: GroupMember
    ) throws(GroupError) -> SlotID {
        guard choice == .route else { return try port(for: group, choice, member) }
        let number = try number(of: member)
        if let routed = try? port(for: group, choice, member), isMember(number, of: group, routed) { return routed }
        for position in 0..<ports.count where isMember(number, of: group, ports.id(at: position)) {
            return ports.id(at: position)
        }
        return try port(for: group, choice, member)
    }

    private func isMember(_ number: UInt32, of group: IPAddress, _ port: SlotID) -> Bool {
        let index = ports[port].index.rawValue
        return switch group {
        case .v4(let group): ipv4Groups.memberships.isMember(number, of: group, on: index)
        case .v6(let group): ipv6Groups.memberships.isMember(number, of: group, on: index)
        }
    }

    /// The interface on which a group is meant.
    private mutating func port(
        for group: IPAddress, _ choice: InterfaceChoice, _ member: GroupMember
    ) throws(GroupError) -> SlotID {
        guard group.isMulticast else { throw .membership(.notMulticast) }
        let port: SlotID
        switch choice {
        case .index(let index):
            guard let found = ports.position(of: index) else { throw .membership(.noSuchInterface(index.rawValue)) }
            port = found
        case .address(let address):
            guard let found = self.port(with: address) else { throw .noInterface(address) }
            port = found
        case .route: port = try routedPort(for: group, member)
        }
        return port
    }

    /// The interface that packets of a member to a group leave by.
    private mutating func routedPort(for group: IPAddress, _ member: GroupMember) throws(GroupError) -> SlotID {
        var fib: UInt16 = 0
        var zone: UInt32 = 0
        if case .socket(let id) = member {
            fib = sockets[id.slot].fib
            zone = sockets[id.slot].local.zone
            if let chosen = sockets[id.slot].options.multicastInterface, let port = ports.position(of: chosen) {
                return port
            }
        }
        do throws(RouteFailure) {
            switch group {
            case .v4(let group): return try path(to: group, fib: fib).port
            case .v6(let group): return try path(to: group, zone: group.isLinkScoped ? zone : 0, fib: fib).port
            }
        } catch { throw .noInterface(group) }
    }

    private func port(with address: IPAddress) -> SlotID? {
        for position in 0..<ports.count {
            let id = ports.id(at: position)
            switch address {
            case .v4(let address):
                if ports[id].addresses.contains(where: { $0.address == address }) { return id }
            case .v6(let address):
                if ports[id].ipv6Addresses.contains(where: { $0.address == address }) { return id }
            }
        }
        return nil
    }
}

extension IPAddress {
    fileprivate var asIPv4: IPv4Address? { if case .v4(let address) = self { address } else { nil } }
    fileprivate var asIPv6: IPv6Address? { if case .v6(let address) = self { address } else { nil } }
}
