import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import ChimneyWire

extension LabNode {
    /// The groups of an interface changed, or how they are reported.
    func noteGroupChange(on interface: InterfaceIndex, at now: Instant) {
        let place = Int(interface.rawValue)
        while groupsChangedAt.count <= place { groupsChangedAt.append(.zero) }
        groupsChangedAt[place] = now
    }
}

extension Lab {
    /// Notes when a stack's groups change, which routers have to be told.
    func noteGroupChanges(of node: LabNode) {
        guard node.stack.hasMembershipEvents else { return }
        for event in node.stack.takeMembershipEvents() { node.noteGroupChange(on: event.interface, at: event.at) }
    }

    /// What a querier believes of a group and what the hosts of its link want, both by the names of addresses.
    struct GroupComparison {
        let group: IPAddress
        let believed: GroupFilter
        let wanted: GroupFilter
        let oldestHost: MembershipVersion
    }

    /// What a querier believes and what the hosts of its link want now, group by group in order, IPv4 first.
    func comparisons(of querier: LabQuerier, on link: LabLink) -> [GroupComparison] {
        let now = now
        var result: [GroupComparison] = []
        if querier.ipv4 != nil {
            let told = link.hosts.compactMap { $0.stack.toldGroups($1, IPv4Address.self) }
            result += compare(querier.ipv4Groups(at: now), told) { .v4($0) }
        }
        if querier.ipv6 != nil {
            let told = link.hosts.compactMap { $0.stack.toldGroups($1, IPv6Address.self) }
            result += compare(querier.ipv6Groups(at: now), told) { .v6($0) }
        }
        return result
    }

    private func compare<Address: MembershipAddress>(
        _ believed: [BelievedGroup<Address>], _ hosts: [[(Address, SourceFilter<Address>)]],
        _ named: (Address) -> IPAddress
    ) -> [GroupComparison] {
        let told = hosts.flatMap(\.self)
        let groups = Set(believed.map(\.group) + told.map(\.0)).sorted()
        return groups.map { group in
            let entry = believed.first { $0.group == group }
            let wanted = merged(told.filter { $0.0 == group }.map(\.1))
            let filter = entry?.filter ?? .none
            return GroupComparison(
                group: named(group), believed: GroupFilter(filter.mode, filter.sources.map(named)),
                wanted: GroupFilter(wanted.mode, wanted.sources.map(named)), oldestHost: entry?.oldestHost ?? .v3)
        }
    }

    /// When the hosts of a link, or the link itself, last gave a querier something to learn.
    private func disturbedAt(_ link: LabLink) -> Instant {
        link.hosts.reduce(link.disturbedAt) { latest, host in
            let place = Int(host.interface.rawValue)
            let changes = host.node.groupsChangedAt
            return max(latest, place < changes.count ? changes[place] : .zero)
        }
    }

    /// Whether a querier has had the time that the protocol needs since anything was lost or changed on its link: only
    /// then ``LabChecks/groupConvergence`` says anything about it.
    public func isSettled(_ querier: LabQuerier) -> Bool {
        guard let running = stations.first(where: { $0.station === querier }) else { return false }
        let link = running.port.link
        let needed = max(
            querier.igmpSettings?.settlingTime ?? .zero, querier.mldSettings?.settlingTime ?? .zero)
        return link.isUp && now >= max(disturbedAt(link), querier.changedAt) + needed
    }

    func checkGroupConvergence(_ violations: inout [LabViolation]) {
        for running in stations {
            guard let querier = running.station as? LabQuerier, isSettled(querier) else { continue }
            for found in comparisons(of: querier, on: running.port.link) where found.believed != found.wanted {
                let finding = "believes \(found.believed.text) of \(found.group), and hosts want \(found.wanted.text)"
                violations.append(.init(place: "querier \(querier.name)", finding: finding))
            }
        }
    }
}

extension LabLink {
    /// The nodes on the link with the interface of each.
    var hosts: [(node: LabNode, interface: InterfaceIndex)] {
        ports.compactMap { port in
            switch port.end {
            case .interface(let node, let interface): (node, InterfaceIndex(rawValue: interface))
            case .station: nil
            }
        }
    }
}

extension GroupFilter {
    /// As in `only 10.0.0.1`, `all but 10.0.0.9` and `all`.
    var text: String {
        let list = sources.map(\.description).joined(separator: " ")
        return switch (mode, sources.isEmpty) {
        case (.include, true): "nothing"
        case (.include, false): "only \(list)"
        case (.exclude, true): "all"
        case (.exclude, false): "all but \(list)"
        }
    }
}

/// The definition of what a link wants: the union of what is included, and what all who exclude exclude (RFC 9776 §3.2).
private func merged<Address: MembershipAddress>(_ filters: [SourceFilter<Address>]) -> SourceFilter<Address> {
    let included = Set(filters.filter { $0.mode == .include }.flatMap(\.sources))
    let excluding = filters.filter { $0.mode == .exclude }
    guard let first = excluding.first else { return SourceFilter(.include, included) }
    let excludedByAll = excluding.reduce(into: Set(first.sources)) { $0.formIntersection($1.sources) }
    return SourceFilter(.exclude, excludedByAll.subtracting(included))
}

extension VirtualStack {
    /// What an interface has to tell routers of its groups: what its members want, as far as the version that it speaks
    /// and its settings can say it.
    ///
    /// An older version tells of all sources (RFC 9776 §7.3.2); of groups with chosen sources alone it is not believed.
    fileprivate func toldGroups<Address: MembershipAddress>(
        _ index: InterfaceIndex, _ family: Address.Type
    ) -> [(Address, SourceFilter<Address>)]? {
        guard let state = multicast(on: index), interfaces.contains(where: { $0.index == index && $0.isUp }) else {
            return nil
        }
        let isIPv4 = Address.bitWidth == 32
        guard let version = isIPv4 ? state.igmp.version : state.mld?.version else { return nil }
        let found: Any? = isIPv4 ? igmpSettings(of: index) : mldSettings(of: index)
        guard let settings = found as? MembershipSettings<Address> else { return nil }
        var told: [(Address, SourceFilter<Address>)] = []
        for shown in state.groups {
            guard let group: Address = shown.group.of(), settings.isReported(group) else { continue }
            let sources: [Address] = shown.filter.sources.compactMap { $0.of() }
            let filter = SourceFilter(shown.filter.mode, sources)
            if settings.isSourceSpecific(group) {
                if version == .v3, filter.mode == .include { told.append((group, filter)) }
            } else if version < .v3 || (settings.isLightweight && filter.mode == .exclude) {
                told.append((group, .all))
            } else {
                told.append((group, filter))
            }
        }
        return told
    }
}

extension IPAddress {
    /// The address as one of a family; nil for one of the other.
    fileprivate func of<Address: MembershipAddress>() -> Address? {
        switch self {
        case .v4(let address): address as? Address
        case .v6(let address): address as? Address
        }
    }
}
