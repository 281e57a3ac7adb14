import ChimneyConfiguration
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyWire

/// What a file says about groups: who joins them, how that is reported and who asks.
extension TopologyReader {
    /// How an interface reports: a version to speak whatever queriers speak, or several settings.
    func membership<Address: MembershipAddress>(
        _ place: Cursor, versions: ClosedRange<Int>, offset: Int
    ) throws(ConfigurationError) -> MembershipSettings<Address> {
        var settings = MembershipSettings<Address>()
        guard place.isMapping else {
            settings.pinnedVersion = try version(place, versions, offset)
            return settings
        }
        let fields = try place.fields(["version", "robustness", "lightweight"])
        if let place = fields["version"] { settings.pinnedVersion = try version(place, versions, offset) }
        if let place = fields["robustness"] { settings.pinnedRobustness = try place.integer(in: 1...7) }
        if let place = fields["lightweight"] { settings.isLightweight = try place.flag() }
        return settings
    }

    /// A version as its protocol counts it: MLD begins where IGMP is at 2.
    private func version(
        _ place: Cursor, _ versions: ClosedRange<Int>, _ offset: Int
    ) throws(ConfigurationError) -> MembershipVersion {
        let number = try place.integer(in: versions)
        guard let version = MembershipVersion(rawValue: UInt8(number + offset)) else {
            throw place.mismatch("a version")
        }
        return version
    }

    mutating func readQuerier(_ cursor: Cursor) throws(ConfigurationError) {
        let fields = try cursor.fields([
            "name", "link", "address", "igmp", "mld", "robustness", "interval", "response", "last_member",
        ])
        let place = try fields.required("name")
        let name = try place.name()
        guard !linkNames.contains(name), !nodeNames.contains(name) else {
            throw place.failure(.conflict("\"\(name)\" is already the name of a link or node"))
        }
        try querierNames.add(name, at: place)
        let linkPlace = try fields.required("link")
        let link = try linkPlace.name()
        try takePort(of: link, at: linkPlace)
        var settings = QuerierSettings()
        if let place = fields["robustness"] { settings.robustness = try place.integer(in: 1...7) }
        // What a query can tell: seconds of the one, tenths of the others.
        let (shortest, longest) = (TimeSpan.milliseconds(100), TimeSpan.seconds(3_174))
        if let place = fields["interval"] {
            settings.queryInterval = try place.timeSpan(from: .seconds(1), to: .seconds(31_744))
        }
        if let place = fields["response"] {
            settings.responseInterval = try place.timeSpan(from: shortest, to: longest)
        }
        if let place = fields["last_member"] {
            settings.lastMemberInterval = try place.timeSpan(from: shortest, to: longest)
        }
        guard settings.responseInterval < settings.queryInterval else {
            throw cursor.failure(.conflict("hosts are to answer before they are asked again (RFC 9776 §8.3)"))
        }
        var (igmp, mld) = (settings, settings)
        if let place = fields["igmp"] { igmp.version = try version(place, 1...3, 0) }
        if let place = fields["mld"] { mld.version = try version(place, 1...2, 1) }
        let addressPlace = try fields.required("address")
        let places = addressPlace.isList ? try addressPlace.elements(max: 2) : [addressPlace]
        var addresses: [IPAddress] = []
        for place in places {
            guard let address = IPAddress(try place.text("an address")), address.isIPv4 || address.mapped.isLinkLocal,
                address.isValidSource, !addresses.contains(where: { $0.isIPv4 == address.isIPv4 })
            else { throw place.mismatch("an IPv4 address, or a link-local IPv6 address, one of each") }
            addresses.append(address)
        }
        topology.queriers.append(
            LabTopology.Querier(name: name, link: link, addresses: addresses, igmp: igmp, mld: mld))
    }

    /// The groups that a node joins, a socket each.
    mutating func readGroups(_ fields: Fields, of node: String) throws(ConfigurationError) -> [LabTopology.Group] {
        var groups: [LabTopology.Group] = []
        for element in try fields.elements("groups", max: LabTopology.elementsMax) {
            groups.append(try readGroup(element, of: node))
        }
        return groups
    }

    private mutating func readGroup(_ cursor: Cursor, of node: String) throws(ConfigurationError) -> LabTopology.Group {
        let fields = try cursor.fields([
            "name", "group", "port", "interface", "sources", "except", "join", "leave", "changes",
        ])
        let place = try fields.required("group")
        guard let group = IPAddress(try place.text("a group")), group.isMulticast else {
            throw place.mismatch("a group, such as 239.1.1.1 or ff15::1")
        }
        let port = UInt16(try fields["port"]?.integer(in: 1...65_535) ?? 5_000)
        let interface = try fields["interface"]?.name()
        if let interface, let place = fields["interface"] { try interfaceNames[node]?.require(interface, at: place) }
        let name = try fields["name"]?.name()
        try receiverNames.add(name ?? "\(node)-\(group)-\(port)", at: fields["name"] ?? cursor)
        var wishes = [try readWish(fields, group, at: try fields["join"]?.timeSpan() ?? .zero)]
        for element in try fields.elements("changes", max: LabTopology.elementsMax) {
            let change = try element.fields(["at", "sources", "except"])
            wishes.append(try readWish(change, group, at: try change.required("at").timeSpan()))
        }
        if let place = fields["leave"] { wishes.append(.init(at: try place.timeSpan(), mode: .include, sources: [])) }
        for (earlier, later) in zip(wishes, wishes.dropFirst()) where later.at <= earlier.at {
            throw cursor.failure(.conflict("a group is joined first, changed in the order of time and left last"))
        }
        return LabTopology.Group(name: name, group: group, port: port, interface: interface, wishes: wishes)
    }

    /// Who is wanted: `sources` alone, all `except` some, or all.
    private mutating func readWish(
        _ fields: Fields, _ group: IPAddress, at time: TimeSpan
    ) throws(ConfigurationError) -> LabTopology.Group.Wish {
        if let extra = fields["except"], fields["sources"] != nil {
            throw extra.failure(.conflict("either \"sources\" are wanted or all \"except\" some"))
        }
        var sources: [String] = []
        guard let list = fields["sources"] ?? fields["except"] else {
            return .init(at: time, mode: .exclude, sources: [])
        }
        for place in try list.elements(max: LabTopology.elementsMax) {
            let text = try place.text("an address or a node")
            if let address = IPAddress(text) {
                guard address.isIPv4 == group.isIPv4, address.isValidSource else {
                    throw place.mismatch("an address of a host, of the group's family")
                }
            } else {
                sourceNames.append((try place.name(), place))
            }
            sources.append(text)
        }
        return .init(at: time, mode: fields["sources"] == nil ? .exclude : .include, sources: sources)
    }

    /// Nodes that stand for sources are in the file, wherever.
    func checkSources() throws(ConfigurationError) {
        for (name, place) in sourceNames { try nodeNames.require(name, at: place) }
    }

    /// What only flows to groups have.
    func readGroupOptions(_ fields: Fields, of flow: inout FlowSettings) throws(ConfigurationError) {
        let isGroup = ScopedAddress(flow.to)?.address.isMulticast ?? false
        for key in ["ttl", "interface"] where !isGroup {
            guard let extra = fields[key] else { continue }
            throw extra.failure(.conflict("only a flow to a group has \"\(key)\""))
        }
        if let place = fields["mode"], isGroup, flow.mode == .echo {
            throw place.failure(.conflict("a flow to a group is one-way"))
        }
        if let place = fields["ttl"] { flow.timeToLive = UInt8(try place.integer(in: 0...255)) }
        if let place = fields["interface"] {
            let interface = try place.name()
            try interfaceNames[flow.from]?.require(interface, at: place)
            flow.interface = interface
        }
    }

    /// What an event does to a querier: its versions.
    func querierActions(_ fields: Fields, querier place: Cursor) throws(ConfigurationError) -> [LabAction] {
        let name = try place.name()
        try querierNames.require(name, at: place)
        for key in ["toward", "interface", "state"] + Self.settingsKeys + Self.faultKeys {
            guard let extra = fields[key] else { continue }
            throw extra.failure(.conflict("an event of a querier has no \"\(key)\""))
        }
        var actions: [LabAction] = []
        if let place = fields["igmp"] { actions.append(.setQuerier(name, .ipv4, try version(place, 1...3, 0))) }
        if let place = fields["mld"] { actions.append(.setQuerier(name, .ipv6, try version(place, 1...2, 1))) }
        guard !actions.isEmpty else {
            throw place.failure(.conflict("an event of a querier names a version of igmp or mld"))
        }
        return actions
    }
}
