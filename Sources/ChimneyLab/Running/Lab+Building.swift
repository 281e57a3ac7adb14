public import ChimneyLink
public import ChimneyPrimitives
public import ChimneyStack

extension Lab {
    /// Adds a stack that is not plugged in anywhere.
    ///
    /// - Throws: ``LabError/nameInUse(_:)`` or ``LabError/tooMany(what:max:)``.
    @discardableResult
    public func addNode(_ name: String, settings: StackSettings = .init()) throws(LabError) -> LabNode {
        guard nodePositions[name] == nil, linkPositions[name] == nil else { throw .nameInUse(name) }
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
        var settings = StackSettings()
        settings.forwarding = true
        return try addNode(name, settings: settings)
    }

    /// Adds a link with nothing plugged in.
    ///
    /// - Throws: ``LabError/nameInUse(_:)`` or ``LabError/tooMany(what:max:)``.
    @discardableResult
    public func addLink(
        _ name: String, kind: LabLink.Kind = .switch, settings: LinkSettings = .init()
    ) throws(LabError) -> LabLink {
        guard nodePositions[name] == nil, linkPositions[name] == nil else { throw .nameInUse(name) }
        guard links.count < limits.linksMax else { throw .tooMany(what: "links", max: limits.linksMax) }
        let random = StackRandom(seed: derivedSeed(seed, "link", name))
        let link = LabLink(name: name, kind: kind, index: links.count, settings: settings, random: random)
        linkPositions[name] = links.count
        links.append(link)
        return link
    }

    /// Plugs a node into a link with a new interface and, where one is given, an address such as `10.0.0.1/24`.
    ///
    /// The interface is named `eth0`, `eth1` and so on unless a name is given, has the link's MTU unless one is
    /// given, and a link address that follows from the names unless one is given.
    /// - Throws: ``LabError``; after an error in the address the interface stays attached without one.
    @discardableResult
    public func connect(
        _ node: LabNode, to link: LabLink, address: String? = nil, name: String? = nil, mac: MACAddress? = nil,
        mtu: Int? = nil, detectsConflicts: Bool = false
    ) throws(LabError) -> InterfaceIndex {
        let portsMax = link.kind == .cable ? 2 : LabLink.portsMax
        guard link.ports.count < portsMax else { throw .tooMany(what: "ports of \(link.name)", max: portsMax) }
        let interfaceName = name ?? "eth\(node.interfaceCount)"
        let chosen = mac ?? freeMAC(for: "\(node.name)/\(interfaceName)")
        let description = InterfaceDescription(
            name: interfaceName, mac: chosen, mtu: mtu ?? link.settings.mtu, detectsConflicts: detectsConflicts)
        let index: InterfaceIndex
        do {
            index = try node.stack.attach(description, at: now)
        } catch {
            throw .interface(error)
        }
        macAddresses.insert(chosen)
        node.interfaceCount += 1
        let port = LinkPort(link: link, node: node, index: ports.count, interface: index.rawValue)
        ports.append(port)
        link.ports.append(port)
        while node.portOfInterface.count <= Int(index.rawValue) { node.portOfInterface.append(nil) }
        node.portOfInterface[Int(index.rawValue)] = port
        if let address { try addAddress(address, to: node, interface: index, name: interfaceName, link: link) }
        settle(node)
        return index
    }

    private func addAddress(
        _ text: String, to node: LabNode, interface: InterfaceIndex, name: String, link: LabLink
    ) throws(LabError) {
        let halves = text.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2, let address = IPv4Address(String(halves[0])), let length = Int(halves[1]) else {
            throw .addressMalformed(text)
        }
        do {
            try node.stack.addAddress(address, prefixLength: length, to: interface, at: now)
        } catch {
            throw .address(error)
        }
        if node.address == nil { node.address = address }
        node.attachments.append(
            .init(link: link, interface: interface, name: name, address: address, prefixLength: length))
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

    /// The address that a name or a dotted address means.
    func address(of text: String) throws(LabError) -> IPv4Address {
        if let address = IPv4Address(text) { return address }
        let node = try node(text)
        guard let address = node.address else { throw .noAddress(node: text) }
        return address
    }

    /// A link address that follows from a name, so that adding a node does not change the others' addresses.
    private func freeMAC(for name: String) -> MACAddress {
        var bits = derivedSeed(0, "mac", name) & 0xFF_FFFF_FFFF
        while macAddresses.contains(MACAddress(bits: 0x0200_0000_0000 | bits)) { bits = (bits + 1) & 0xFF_FFFF_FFFF }
        return MACAddress(bits: 0x0200_0000_0000 | bits)
    }
}
