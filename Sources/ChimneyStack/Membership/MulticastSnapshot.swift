public import ChimneyLink
public import ChimneyMulticast
public import ChimneyPrimitives
public import ChimneyWire

/// What happened to the groups of an interface.
public struct StackMembershipEvent: Hashable, Sendable {
    /// The interface.
    public let interface: InterfaceIndex
    /// When.
    public let at: Instant
    /// What.
    public let kind: Kind

    /// What happened.
    public enum Kind: Hashable, Sendable {
        /// The first member joined the group.
        case joined(IPAddress)
        /// The last member left it.
        case left(IPAddress)
        /// The interface wants other sources of it than before.
        case filterChanged(IPAddress)
        /// Another version of IGMP or MLD is spoken.
        case versionChanged(isIPv6: Bool, from: MembershipVersion, to: MembershipVersion)
        /// A querier, or the operator, wants changes told this often.
        case robustnessChanged(isIPv6: Bool, to: Int)
    }
}

/// Everything about the groups of one interface, to be shown (`ifmcstat`).
public struct MulticastSnapshot: Hashable, Sendable {
    /// The interface.
    public var interface: InterfaceIndex
    /// How IGMP reports, group by group.
    public var igmp: InterfaceMembership<IPv4Address>
    /// How often things happened to IGMP.
    public var igmpCounters: MembershipCounters
    /// How MLD reports; `nil` where the interface does not speak IPv6.
    public var mld: InterfaceMembership<IPv6Address>?
    /// How often things happened to MLD.
    public var mldCounters: MembershipCounters
    /// The groups joined, those of IPv4 first, in order.
    public var groups: [InterfaceGroupSnapshot]
    /// The link groups that the device was told by name, in order, with how many groups and protocols want each.
    public var linkGroups: [LinkGroupSnapshot]
    /// Whether the device lets all groups in.
    public var letsAllMulticastIn: Bool
    /// Whether the device lets every frame in.
    public var isPromiscuous: Bool
}

/// A group of an interface, merged from all its members.
public struct InterfaceGroupSnapshot: Hashable, Sendable {
    /// The group.
    public var group: IPAddress
    /// Whose packets the interface wants (RFC 9776 §3.2).
    public var filter: GroupFilter
    /// How many members name the sources they want.
    public var includeCount: Int
    /// How many members want all sources but those they name.
    public var excludeCount: Int
}

/// A link group that a device lets in.
public struct LinkGroupSnapshot: Hashable, Sendable {
    /// The group.
    public var mac: MACAddress
    /// How many want it.
    public var memberCount: Int
}

extension VirtualStack {
    /// Everything about the groups of an interface, or `nil` when there is none.
    ///
    /// - Complexity: O(n log n) with the groups of all interfaces.
    public func multicast(on index: InterfaceIndex) -> MulticastSnapshot? {
        let raw = index.rawValue
        guard let port = ports.position(of: index), let igmp = ipv4Groups.listing(of: raw),
            let mld = ipv6Groups.listing(of: raw)
        else { return nil }
        var groups: [InterfaceGroupSnapshot] = []
        for group in ipv4Groups.memberships.groups(on: raw) {
            let count = ipv4Groups.memberships.socketCount(of: group, on: raw)
            groups.append(
                InterfaceGroupSnapshot(
                    group: .v4(group), filter: GroupFilter(ipv4Groups.memberships.filter(of: group, on: raw)),
                    includeCount: count.include, excludeCount: count.exclude))
        }
        for group in ipv6Groups.memberships.groups(on: raw) {
            let count = ipv6Groups.memberships.socketCount(of: group, on: raw)
            groups.append(
                InterfaceGroupSnapshot(
                    group: .v6(group), filter: GroupFilter(ipv6Groups.memberships.filter(of: group, on: raw)),
                    includeCount: count.include, excludeCount: count.exclude))
        }
        let linkGroups = ports[port].linkGroups.filter.addresses.map { mac in
            LinkGroupSnapshot(mac: mac, memberCount: ports[port].linkGroups.filter.memberCount(of: mac))
        }
        return MulticastSnapshot(
            interface: index, igmp: igmp, igmpCounters: ipv4Groups.counters(of: raw) ?? MembershipCounters(),
            mld: ports[port].ipv6 == .off ? nil : mld,
            mldCounters: ipv6Groups.counters(of: raw) ?? MembershipCounters(), groups: groups, linkGroups: linkGroups,
            letsAllMulticastIn: ports[port].linkGroups.filter.letsAllMulticastIn,
            isPromiscuous: ports[port].linkGroups.filter.isPromiscuous)
    }

    /// How an interface reports its IPv4 groups, or `nil` when there is no such interface.
    public func igmpSettings(of index: InterfaceIndex) -> MembershipSettings<IPv4Address>? {
        ipv4Groups.settings(of: index.rawValue)
    }

    /// How an interface reports its IPv6 groups, or `nil` when there is no such interface.
    public func mldSettings(of index: InterfaceIndex) -> MembershipSettings<IPv6Address>? {
        ipv6Groups.settings(of: index.rawValue)
    }

    /// Has an interface report its IPv4 groups in another way: version, robustness, what is believed.
    ///
    /// The bound of its groups stays what it was, and groups it knows keep their way of being reported.
    public mutating func setIGMP(
        _ settings: MembershipSettings<IPv4Address>, of index: InterfaceIndex, at now: Instant
    ) throws(InterfaceError) {
        beginRound(at: now)
        guard ports.position(of: index) != nil else { throw .noSuchInterface }
        ipv4Groups.configure(settings, of: index.rawValue, at: now)
        settleGroups()
    }

    /// Has an interface report its IPv6 groups in another way: see ``setIGMP(_:of:at:)``.
    public mutating func setMLD(
        _ settings: MembershipSettings<IPv6Address>, of index: InterfaceIndex, at now: Instant
    ) throws(InterfaceError) {
        beginRound(at: now)
        guard ports.position(of: index) != nil else { throw .noSuchInterface }
        ipv6Groups.configure(settings, of: index.rawValue, at: now)
        settleGroups()
    }

    /// Hands over what happened to groups since the last call, oldest first; beyond 256 the rest is counted alone: ``takeMissedMembershipEvents()``.
    public mutating func takeMembershipEvents() -> [StackMembershipEvent] {
        var events: [StackMembershipEvent] = []
        while let event = membershipNews.next() { events.append(event) }
        return events
    }

    /// How many events were not kept since the last call.
    public mutating func takeMissedMembershipEvents() -> Int { membershipNews.takeMissed() }

    /// Whether ``takeMembershipEvents()`` has anything to hand over.
    public var hasMembershipEvents: Bool { !membershipNews.isEmpty }
}
