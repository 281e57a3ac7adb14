public import ChimneyConfiguration
import ChimneyNeighbors
import ChimneyPrimitives

extension LabTopology {
    /// The most hosts, routers, links, flows, pings or events of one file; a longer list is refused.
    public static var elementsMax: Int { 65_536 }

    /// Reads a topology file and checks that everything in it fits together.
    ///
    /// - Throws: ``ConfigurationError``, which names the place and what was expected there.
    public static func reading(
        contentsOf path: String, limits: ConfigurationLimits = .init()
    ) throws(ConfigurationError) -> Self {
        try reading(text: try YAMLText.contents(of: path, limits: limits), file: path, limits: limits)
    }

    /// Reads the text of a topology file that is called `file` in errors.
    ///
    /// - Throws: ``ConfigurationError``, which names the place and what was expected there.
    public static func reading(
        text: String, file: String, limits: ConfigurationLimits = .init()
    ) throws(ConfigurationError) -> Self {
        let top = try Cursor(text: text, file: file, limits: limits)
        let fields = try top.fields([
            "lab", "seed", "duration", "routes", "links", "hosts", "routers", "queriers", "flows", "tcp", "pings",
            "events",
        ])
        var reader = TopologyReader(topology: Self(name: try fields.required("lab").name()))
        reader.topology.seed = UInt64(try fields["seed"]?.integer(in: 0...Int.max) ?? 1)
        reader.topology.duration = try fields["duration"]?.timeSpan() ?? .seconds(10)
        if let place = fields["routes"] {
            let choice: RouteChoice = try place.choice()
            reader.topology.routesEverywhere = choice == .automatic
        }
        _ = try fields.required("links")
        for element in try fields.elements("links", max: elementsMax) { try reader.readLink(element) }
        for element in try fields.elements("hosts", max: elementsMax) {
            try reader.readNode(element, forwarding: false)
        }
        for element in try fields.elements("routers", max: elementsMax) {
            try reader.readNode(element, forwarding: true)
        }
        try reader.checkSources()
        for element in try fields.elements("queriers", max: elementsMax) { try reader.readQuerier(element) }
        for element in try fields.elements("flows", max: elementsMax) { try reader.readFlow(element) }
        for element in try fields.elements("tcp", max: elementsMax) { try reader.readStream(element) }
        for element in try fields.elements("pings", max: elementsMax) { try reader.readPing(element) }
        for element in try fields.elements("events", max: elementsMax) { try reader.readEvent(element) }
        return reader.topology
    }

    private enum RouteChoice: String, CaseIterable { case automatic, none }
}

/// What is known of a file while it is read.
struct TopologyReader {
    var topology: LabTopology
    var linkNames = NameRegister("link")
    var nodeNames = NameRegister("node")
    var querierNames = NameRegister("querier")
    var receiverNames = NameRegister("receiver")
    /// Names of nodes that stand where a source is expected, which may be described further down.
    var sourceNames: [(name: String, place: Cursor)] = []
    var trafficNames = NameRegister("flow or ping")
    private var addresses = NameRegister("address")
    var interfaceNames: [String: NameRegister] = [:]
    private var portCounts: [String: Int] = [:]
    private var linkPositions: [String: Int] = [:]

    init(topology: LabTopology) { self.topology = topology }

    static var settingsKeys: [String] { ["rate", "delay", "jitter", "mtu", "queue"] }
    static var faultKeys: [String] {
        ["loss", "duplicate", "reorder", "reorder_delay", "corrupt", "corrupt_bits"]
    }

    mutating func readLink(_ cursor: Cursor) throws(ConfigurationError) {
        let fields = try cursor.fields(["name", "kind"] + Self.settingsKeys + Self.faultKeys)
        let place = try fields.required("name")
        let name = try place.name()
        try linkNames.add(name, at: place)
        linkPositions[name] = topology.links.count
        let kind: LabLink.Kind = try fields["kind"]?.choice() ?? .switch
        topology.links.append(
            LabTopology.Link(
                name: name, kind: kind, settings: try settings(fields, from: LinkSettings()),
                faults: try faults(fields, from: .none)))
    }

    private func settings(_ fields: Fields, from old: LinkSettings) throws(ConfigurationError) -> LinkSettings {
        var settings = old
        if let place = fields["rate"] { settings.bitsPerSecond = try place.bitRate() }
        if let place = fields["delay"] { settings.delay = try place.timeSpan(max: .seconds(3_600)) }
        if let place = fields["jitter"] { settings.jitter = try place.timeSpan(max: .seconds(3_600)) }
        if let place = fields["mtu"] { settings.mtu = try place.integer(in: 68...65_535) }
        if let place = fields["queue"] {
            let queue = try place.fields(["packets", "bytes", "mark"])
            if let place = queue["packets"] { settings.queuePacketsMax = try place.integer(in: 1...1_000_000) }
            if let place = queue["mark"] { settings.markPackets = try place.integer(in: 1...1_000_000) }
            if let place = queue["bytes"] { settings.queueBytesMax = try place.byteCount(in: 1...1 << 40) }
        }
        return settings
    }

    private func faults(_ fields: Fields, from old: LinkFaults) throws(ConfigurationError) -> LinkFaults {
        var faults = old
        if let place = fields["loss"] { faults.loss = try place.probability() }
        if let place = fields["duplicate"] { faults.duplication = try place.probability() }
        if let place = fields["reorder"] { faults.reordering = try place.probability() }
        if let place = fields["reorder_delay"] { faults.reorderingDelay = try place.timeSpan(max: .seconds(3_600)) }
        if let place = fields["corrupt"] { faults.corruption = try place.probability() }
        if let place = fields["corrupt_bits"] { faults.corruptedBitsMax = try place.integer(in: 1...3) }
        return faults
    }

    mutating func readNode(_ cursor: Cursor, forwarding: Bool) throws(ConfigurationError) {
        let fields = try cursor.fields(["name", "interfaces", "routes", "services", "groups", "dad"])
        let place = try fields.required("name")
        let name = try place.name()
        if linkNames.contains(name) {
            throw place.failure(.conflict("\"\(name)\" is already the name of a link"))
        }
        try nodeNames.add(name, at: place)
        var names = NameRegister("interface")
        var interfaces: [LabTopology.Interface] = []
        for element in try fields.required("interfaces").elements(max: LabLink.portsMax) {
            let interface = try readInterface(element)
            let given = try element.fields(Self.interfaceKeys)["name"] ?? element
            try names.add(interface.name ?? "eth\(interfaces.count)", at: given)
            interfaces.append(interface)
        }
        interfaceNames[name] = names
        var routes: [LabTopology.Route] = []
        for element in try fields.elements("routes", max: LabTopology.elementsMax) {
            routes.append(try readRoute(element, interfaces: interfaces))
        }
        var services: [ServiceConfiguration] = []
        if let place = fields["services"] { services = try ServiceConfiguration.list(reading: place) }
        let groups = try readGroups(fields, of: name)
        topology.nodes.append(
            LabTopology.Node(
                name: name, forwarding: forwarding, interfaces: interfaces, routes: routes, services: services,
                groups: groups,
                duplicateDetection: try fields["dad"]?.choice() ?? .off))
    }

    private static var interfaceKeys: [String] { ["name", "link", "address", "mac", "mtu", "acd", "igmp", "mld"] }

    private mutating func readInterface(_ cursor: Cursor) throws(ConfigurationError) -> LabTopology.Interface {
        let fields = try cursor.fields(Self.interfaceKeys)
        let place = try fields.required("link")
        let link = try place.name()
        try takePort(of: link, at: place)
        let position = linkPositions[link] ?? 0
        var interface = LabTopology.Interface(
            name: try fields["name"]?.name(), link: link, addresses: [], mac: try fields["mac"]?.macAddress(),
            mtu: try fields["mtu"]?.integer(in: 68...65_535), detectsConflicts: try fields["acd"]?.flag() ?? false)
        if let place = fields["igmp"] { interface.igmp = try membership(place, versions: 1...3, offset: 0) }
        if let place = fields["mld"] { interface.mld = try membership(place, versions: 1...2, offset: 1) }
        guard let place = fields["address"] else { return interface }
        let places = place.isList ? try place.elements(max: LabTopology.addressesMax) : [place]
        for place in places {
            let setting = try place.addressSetting()
            guard setting.isHosts else { throw place.mismatch("an address that a host may have") }
            // What is link-local may be on every link.
            let isLinkLocal = setting.address.mapped.isLinkLocal
            try addresses.add(isLinkLocal ? "\(setting.address)%\(link)" : setting.address.description, at: place)
            interface.addresses.append(setting)
            let mtu = interface.mtu ?? topology.links[position].settings.mtu
            guard setting.address.isIPv4 || mtu >= 1_280 else {
                throw place.failure(.conflict("IPv6 needs an MTU of at least 1280 bytes, and here it is \(mtu)"))
            }
        }
        return interface
    }

    /// One more is plugged into a link.
    mutating func takePort(of link: String, at place: Cursor) throws(ConfigurationError) {
        try linkNames.require(link, at: place)
        portCounts[link, default: 0] += 1
        let portsMax = topology.links[linkPositions[link] ?? 0].kind == .cable ? 2 : LabLink.portsMax
        guard portCounts[link, default: 0] <= portsMax else {
            throw place.failure(.conflict("the link \"\(link)\" has no port left; it has \(portsMax)"))
        }
    }

    private func readRoute(
        _ cursor: Cursor, interfaces: [LabTopology.Interface]
    ) throws(ConfigurationError) -> LabTopology.Route {
        let fields = try cursor.fields(["to", "via", "metric"])
        let place = try fields.required("via")
        guard let gateway = IPAddress(try place.text("an address")) else { throw place.mismatch("an address") }
        let isBeside = interfaces.contains { $0.addresses.contains { $0.prefix.contains(gateway) } }
        guard isBeside else {
            throw place.failure(.conflict("no interface of this node is on a subnet with \(gateway)"))
        }
        let target = try fields.required("to")
        let destination = try target.ipPrefix(everything: gateway.isIPv4 ? .v4(.all) : .v6(.all))
        guard destination.isIPv4 == gateway.isIPv4 else {
            throw target.failure(.conflict("the route and its gateway \(gateway) are of two families"))
        }
        return LabTopology.Route(
            destination: destination, gateway: gateway,
            metric: try fields["metric"]?.integer(in: 0...1_000_000) ?? 0)
    }

    mutating func readFlow(_ cursor: Cursor) throws(ConfigurationError) {
        let fields = try cursor.fields([
            "name", "from", "to", "family", "port", "size", "rate", "count", "start", "stop", "pattern", "burst",
            "mode", "ttl", "interface",
        ])
        let (from, to) = try ends(fields)
        let mode: FlowSettings.Mode = try fields["mode"]?.choice() ?? .oneWay
        let port = try fields["port"]?.integer(in: 1...65_535) ?? (mode == .echo ? 7 : 5_000)
        var flow = FlowSettings(from: from, to: to, family: try family(fields), port: UInt16(port), mode: mode)
        if let place = fields["name"] { flow.name = try place.name() }
        try trafficNames.add(flow.name, at: fields["name"] ?? cursor)
        flow.byteCount = try fields["size"]?.integers(in: FlowSettings.byteCountMin...65_507) ?? flow.byteCount
        if let place = fields["rate"] { flow.packetsPerSecond = Double(try place.integer(in: 1...10_000_000)) }
        flow.count = try fields["count"]?.integer(in: 1...1_000_000_000)
        flow.start = try fields["start"]?.timeSpan() ?? .zero
        flow.stop = try fields["stop"]?.timeSpan()
        let pattern: PatternName = try fields["pattern"]?.choice() ?? .constant
        if pattern != .burst, let place = fields["burst"] {
            throw place.failure(.conflict("only the pattern burst has a \"burst\""))
        }
        try readGroupOptions(fields, of: &flow)
        switch pattern {
        case .constant: flow.pattern = .constant
        case .poisson: flow.pattern = .poisson
        case .burst: flow.pattern = .burst(try fields.required("burst").integer(in: 1...65_536))
        }
        topology.flows.append(flow)
    }

    private enum PatternName: String, CaseIterable { case constant, poisson, burst }

    mutating func readPing(_ cursor: Cursor) throws(ConfigurationError) {
        let fields = try cursor.fields(["name", "from", "to", "family", "count", "interval", "size", "start"])
        let (from, to) = try ends(fields)
        var ping = PingSettings(from: from, to: to, family: try family(fields))
        if let place = fields["name"] { ping.name = try place.name() }
        try trafficNames.add(ping.name, at: fields["name"] ?? cursor)
        ping.count = try fields["count"]?.integer(in: 1...65_536) ?? ping.count
        ping.interval = try fields["interval"]?.timeSpan() ?? ping.interval
        ping.byteCount = try fields["size"]?.integer(in: 0...65_507) ?? ping.byteCount
        ping.start = try fields["start"]?.timeSpan() ?? .zero
        topology.pings.append(ping)
    }

    /// Who sends and to whom; the receiver may be an address.
    func ends(_ fields: Fields) throws(ConfigurationError) -> (from: String, to: String) {
        let fromPlace = try fields.required("from")
        let from = try fromPlace.name()
        try nodeNames.require(from, at: fromPlace)
        let toPlace = try fields.required("to")
        let text = try toPlace.text("a node or an address")
        guard let scoped = ScopedAddress(text) else {
            let to = try toPlace.name()
            try nodeNames.require(to, at: toPlace)
            return (from, to)
        }
        if let zone = scoped.zone { try interfaceNames[from]?.require(zone, at: toPlace) }
        if let place = fields["family"], let wanted = try family(fields), LabFamily(scoped.address) != wanted {
            throw place.failure(.conflict("the address \(scoped.address) is of the other family"))
        }
        return (from, text)
    }

    /// Of which family the receiver's address is: `family: 6`.
    func family(_ fields: Fields) throws(ConfigurationError) -> LabFamily? {
        guard let place = fields["family"] else { return nil }
        guard let family = LabFamily(rawValue: try place.integer(in: 4...6)) else { throw place.mismatch("4 or 6") }
        return family
    }

    mutating func readEvent(_ cursor: Cursor) throws(ConfigurationError) {
        let fields = try cursor.fields(
            ["at", "link", "toward", "node", "interface", "state", "querier", "igmp", "mld", "end_faults"]
                + Self.settingsKeys + Self.faultKeys)
        let at = try fields.required("at").timeSpan()
        let targets = ["link", "node", "querier", "end_faults"].filter { fields[$0] != nil }
        guard targets.count == 1 else {
            throw cursor.failure(
                .conflict("an event names one of \"link\", \"node\", \"querier\" and \"end_faults\""))
        }
        for key in ["igmp", "mld"] where fields["querier"] == nil {
            guard let extra = fields[key] else { continue }
            throw extra.failure(.conflict("only an event of a querier has \"\(key)\""))
        }
        if let place = fields["link"] {
            for action in try linkActions(fields, link: place) { topology.events.append(.init(at: at, action: action)) }
        } else if let place = fields["node"] {
            topology.events.append(.init(at: at, action: try nodeAction(fields, node: place)))
        } else if let place = fields["querier"] {
            for action in try querierActions(fields, querier: place) {
                topology.events.append(.init(at: at, action: action))
            }
        } else if let place = fields["end_faults"] {
            guard try place.flag() else { throw place.mismatch("on") }
            topology.events.append(.init(at: at, action: .endFaults))
        }
    }

    private func nodeAction(_ fields: Fields, node place: Cursor) throws(ConfigurationError) -> LabAction {
        let node = try place.name()
        try nodeNames.require(node, at: place)
        for key in ["toward"] + Self.settingsKeys + Self.faultKeys {
            guard let extra = fields[key] else { continue }
            throw extra.failure(.conflict("an event of a node has no \"\(key)\""))
        }
        let interfacePlace = try fields.required("interface")
        let interface = try interfacePlace.name()
        try interfaceNames[node]?.require(interface, at: interfacePlace)
        let state: LinkState = try fields.required("state").choice()
        return .setInterface(node: node, interface: interface, isUp: state == .up)
    }

    private enum LinkState: String, CaseIterable { case up, down }

    /// What an event does to a link: its state, its settings, its faults, or several of these.
    ///
    /// Settings and faults that the event does not name are those of the link in its description.
    private func linkActions(_ fields: Fields, link place: Cursor) throws(ConfigurationError) -> [LabAction] {
        let name = try place.name()
        try linkNames.require(name, at: place)
        if let extra = fields["interface"] {
            throw extra.failure(.conflict("an event of a link has no \"interface\""))
        }
        var toward: String?
        if let place = fields["toward"] {
            let node = try place.name()
            if !querierNames.contains(node) { try nodeNames.require(node, at: place) }
            toward = node
        }
        let link = topology.links[linkPositions[name] ?? 0]
        var actions: [LabAction] = []
        if let place = fields["state"] {
            let state: LinkState = try place.choice()
            actions.append(.setLink(name, isUp: state == .up))
        }
        if Self.settingsKeys.contains(where: { fields[$0] != nil }) {
            let settings = try settings(fields, from: link.settings)
            actions.append(.setSettings(link: name, settings, toward: toward))
        }
        if Self.faultKeys.contains(where: { fields[$0] != nil }) {
            actions.append(.setFaults(link: name, try faults(fields, from: link.faults), toward: toward))
        }
        guard !actions.isEmpty else {
            throw place.failure(.conflict("an event of a link names its state, settings or faults"))
        }
        return actions
    }
}

extension AddressSetting {
    /// Whether a host may have the address on its subnet: neither a group nor what stands for the subnet itself
    /// (RFC 1122 §3.2.1.3, RFC 4291 §2.6.1).
    fileprivate var isHosts: Bool {
        guard address.isValidSource else { return false }
        switch (address, prefix) {
        case (.v4(let host), .v4(let subnet)):
            return !host.isThisNetwork && (subnet.length >= 31 || host != subnet.address && host != subnet.lastAddress)
        case (.v6(let host), .v6(let subnet)): return subnet.length >= 127 || host != subnet.address
        case (.v4, .v6), (.v6, .v4): return false
        }
    }
}
