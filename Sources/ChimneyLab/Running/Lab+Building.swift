public import ChimneyLink
public import ChimneyMulticast
import ChimneyNeighbors
public import ChimneyPrimitives
public import ChimneyStack
public import ChimneyWire

extension Lab {
    /// Adds a stack that is not plugged in anywhere.
    ///
    /// - Throws: ``LabError/nameInUse(_:)`` or ``LabError/tooMany(what:max:)``.
    @discardableResult
    public func addNode(_ name: String, settings: StackSettings = Lab.nodeSettings) throws(LabError) -> LabNode {
        try checkName(name)
        guard nodes.count < limits.nodesMax else { throw .tooMany(what: "nodes", max: limits.nodesMax) }
        let random = StackRandom(seed: derivedSeed(seed, "node", name))
        let stack = VirtualStack(name: name, settings: settings, pool: pool, random: random)
        let node = LabNode(name: name, index: nodes.count, stack: stack)
        nodePositions[name] = nodes.count
        nodes.append(node)
        return node
    }

    /// Adds a stack that routes for others.
    ///
    /// - Throws: ``LabError/nameInUse(_:)`` or ``LabError/tooMany(what:max:)``.
    @discardableResult
    public func addRouter(_ name: String) throws(LabError) -> LabNode {
        var settings = Lab.nodeSettings
        settings.forwarding = true
        return try addNode(name, settings: settings)
    }

    /// The settings of a node that is given none: the defaults, but for IPv6 addresses being used without being
    /// asked for first, as those of IPv4 are, so that traffic may begin when time does.
    public static var nodeSettings: StackSettings {
        var settings = StackSettings()
        settings.duplicateDetection = .off
        return settings
    }

    /// Adds a link with nothing plugged in.
    ///
    /// - Throws: ``LabError/nameInUse(_:)`` or ``LabError/tooMany(what:max:)``.
    @discardableResult
    public func addLink(
        _ name: String, kind: LabLink.Kind = .switch, settings: LinkSettings = .init()
    ) throws(LabError) -> LabLink {
        try checkName(name)
        guard links.count < limits.linksMax else { throw .tooMany(what: "links", max: limits.linksMax) }
        let random = StackRandom(seed: derivedSeed(seed, "link", name))
        let link = LabLink(name: name, kind: kind, index: links.count, settings: settings, random: random)
        linkPositions[name] = links.count
        links.append(link)
        return link
    }

    /// Plugs a node into a link with a new interface and an address such as `10.0.0.1/24`.
    ///
    /// - Throws: ``LabError``; after an error in the address the interface stays attached without one.
    @discardableResult
    public func connect(
        _ node: LabNode, to link: LabLink, address: String, name: String? = nil, mac: MACAddress? = nil,
        mtu: Int? = nil, detectsConflicts: Bool = false
    ) throws(LabError) -> InterfaceIndex {
        try connect(
            node, to: link, addresses: [address], name: name, mac: mac, mtu: mtu, detectsConflicts: detectsConflicts)
    }

    /// Plugs a node into a link with a new interface and any number of addresses of either family, such as
    /// `10.0.0.1/24` and `2001:db8::1/64`.
    ///
    /// The interface is named `eth0`, `eth1` and so on unless a name is given, has the link's MTU unless one is
    /// given, and a link address that follows from the names unless one is given. It speaks IPv6 where it has an
    /// address of that family, unless `ipv6` says otherwise, and reports groups as its node's settings say, unless
    /// `igmp` or `mld` do.
    /// - Throws: ``LabError``; after an error in an address the interface stays attached with those before it.
    @discardableResult
    public func connect(
        _ node: LabNode, to link: LabLink, addresses: [String] = [], name: String? = nil, mac: MACAddress? = nil,
        mtu: Int? = nil, detectsConflicts: Bool = false, ipv6: IPv6Mode? = nil,
        igmp: MembershipSettings<IPv4Address>? = nil, mld: MembershipSettings<IPv6Address>? = nil
    ) throws(LabError) -> InterfaceIndex {
        let portsMax = link.portsMax
        guard link.ports.count < portsMax else { throw .tooMany(what: "ports of \(link.name)", max: portsMax) }
        let interfaceName = name ?? "eth\(node.interfaceCount)"
        let chosen = mac ?? freeMAC(for: "\(node.name)/\(interfaceName)")
        var settings: [(address: IPAddress, length: Int)] = []
        for text in addresses {
            guard let setting = IPPrefix.addressAndLength(text) else { throw .addressMalformed(text) }
            settings.append(setting)
        }
        let speaksIPv6 = settings.contains { !$0.address.isIPv4 }
        var description = InterfaceDescription(
            name: interfaceName, mac: chosen, mtu: mtu ?? link.settings.mtu, detectsConflicts: detectsConflicts,
            ipv6: ipv6 ?? (speaksIPv6 ? .manual : .off))
        description.igmp = igmp
        description.mld = mld
        let index: InterfaceIndex
        do {
            index = try node.stack.attach(description, at: now)
        } catch {
            throw .interface(error)
        }
        macAddresses.insert(chosen)
        node.interfaceCount += 1
        let port = LinkPort(link: link, end: .interface(node, index.rawValue), index: ports.count)
        ports.append(port)
        link.ports.append(port)
        while node.portOfInterface.count <= Int(index.rawValue) { node.portOfInterface.append(nil) }
        node.portOfInterface[Int(index.rawValue)] = port
        defer { settle(node) }
        for (address, length) in settings {
            do {
                try node.stack.addAddress(address, prefixLength: length, to: index, at: now)
            } catch {
                throw .address(error)
            }
            node.attachments.append(
                .init(
                    link: link, interface: index, name: interfaceName, address: address,
                    subnet: IPPrefix(address, length: length)))
        }
        return index
    }

    /// Names are unique among nodes, links and stations.
    func checkName(_ name: String) throws(LabError) {
        guard nodePositions[name] == nil, linkPositions[name] == nil, stationPositions[name] == nil else {
            throw .nameInUse(name)
        }
    }

    /// The node of that name.
    ///
    /// - Throws: ``LabError/noSuchNode(_:)``.
    public func node(_ name: String) throws(LabError) -> LabNode {
        guard let position = nodePositions[name] else { throw .noSuchNode(name) }
        return nodes[position]
    }

    /// The link of that name.
    ///
    /// - Throws: ``LabError/noSuchLink(_:)``.
    public func link(_ name: String) throws(LabError) -> LabLink {
        guard let position = linkPositions[name] else { throw .noSuchLink(name) }
        return links[position]
    }

    /// The address that a text means to a node: an address, where it needs a zone with the name of the node's
    /// interface behind `%`, or another node's name, which stands for its first address of the family asked for, or of one that both nodes have.
    func destination(_ text: String, family: LabFamily?, from node: LabNode) throws(LabError) -> Endpoint {
        if let scoped = ScopedAddress(text) {
            guard family == nil || LabFamily(scoped.address) == family else { throw .addressMalformed(text) }
            guard let zone = scoped.zone else { return Endpoint(scoped.address, 0) }
            guard let interface = node.stack.interface(named: zone) else {
                throw .noSuchInterface(node: node.name, interface: zone)
            }
            return Endpoint(scoped.address, 0, zone: interface.rawValue)
        }
        let target = try self.node(text)
        let common = LabFamily.allCases.filter { node.address($0) != nil && target.address($0) != nil }
        // Of a family that only one of the two has there is no way between them.
        let chosen = family ?? (common.count == 1 ? common[0] : nil)
        guard let address = target.address(chosen) else { throw .noAddress(node: text) }
        return Endpoint(address, 0)
    }

    /// A link address that follows from a name, so that adding a node does not change the others' addresses.
    func freeMAC(for name: String) -> MACAddress {
        var bits = derivedSeed(0, "mac", name) & 0xFF_FFFF_FFFF
        while macAddresses.contains(MACAddress(bits: 0x0200_0000_0000 | bits)) { bits = (bits + 1) & 0xFF_FFFF_FFFF }
        return MACAddress(bits: 0x0200_0000_0000 | bits)
    }
}

extension VirtualStack {
    /// Adds an address of either family.
    fileprivate mutating func addAddress(
        _ address: IPAddress, prefixLength: Int, to index: InterfaceIndex, at now: Instant
    ) throws(AddressError) {
        switch address {
        case .v4(let address): try addAddress(address, prefixLength: prefixLength, to: index, at: now)
        case .v6(let address): try addAddress(address, prefixLength: prefixLength, to: index, at: now)
        }
    }
}
