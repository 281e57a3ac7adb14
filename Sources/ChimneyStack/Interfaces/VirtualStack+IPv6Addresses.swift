public import ChimneyLink
import ChimneyNeighbors
public import ChimneyPrimitives
import ChimneyRouting

extension VirtualStack {
    /// Adds an IPv6 address to an interface, with the route to its prefix in every routing table.
    ///
    /// It is probed first and becomes usable after a second or so (RFC 4862 §5.4). A link-local address has no
    /// route: what is link-local is sent on the link that its zone names.
    /// - Throws: ``AddressError``; nothing is changed.
    public mutating func addAddress(
        _ address: IPv6Address, prefixLength: Int, to index: InterfaceIndex, at now: Instant
    ) throws(AddressError) {
        beginRound(at: now)
        guard let port = ports.position(of: index) else { throw .noSuchInterface }
        try checkAddable(address, prefixLength: prefixLength, port)
        let added = IPv6InterfaceAddress(address, prefixLength: prefixLength)
        if !address.isLinkLocal {
            guard addConnected(added.prefix, interface: index.rawValue) else { throw .noRoom }
        }
        start(added, port)
    }

    /// Takes an IPv6 address from an interface, with its routes.
    public mutating func removeAddress(
        _ address: IPv6Address, from index: InterfaceIndex, at now: Instant
    ) throws(AddressError) {
        beginRound(at: now)
        guard let port = ports.position(of: index) else { throw .noSuchInterface }
        guard let position = ports[port].ipv6Addresses.firstIndex(where: { $0.address == address }) else {
            throw .noSuchAddress(.v6(address))
        }
        let removed = ports[port].ipv6Addresses.remove(at: position)
        joinOwnGroups(port)
        let isShared = ports[port].ipv6Addresses.contains {
            $0.origin == .manual && !$0.address.isLinkLocal && $0.prefix == removed.prefix
        }
        if removed.origin == .manual, !address.isLinkLocal, !isShared {
            removeConnected(removed.prefix, interface: index.rawValue)
        }
        if ports[port].kind == .ethernet {
            ndp.removeAddress(address, from: index.rawValue)
            settleDiscovery()
        }
        rebuildLocal()
    }

    /// Whether an address of ours may be used on the link that `zone` names; a global address needs none.
    func isOurs(_ address: IPv6Address, zone: UInt32) -> Bool {
        guard address.isLinkLocal else { return ipv6Local.isOurs(address) }
        if let port = ports.position(of: InterfaceIndex(rawValue: zone)), port != loopback {
            return ports[port].owns(address)
        }
        for position in 0..<ports.count where ports[ports.id(at: position)].owns(address) { return zone == 0 }
        return false
    }

    /// The source address for packets to a destination (RFC 6724 §5).
    func sourceAddress(for destination: IPv6Address, by path: OutputPath<IPv6Address>) -> IPv6Address? {
        if path.isLocal { return destination }
        return IPv6SourceSelection.choose(
            for: destination, by: ports[path.port].index.rawValue, among: ipv6Candidates)
    }

    private var ipv6Candidates: [IPv6SourceCandidate] {
        var result: [IPv6SourceCandidate] = []
        for position in 0..<ports.count {
            let id = ports.id(at: position)
            for address in ports[id].ipv6Addresses where address.isAssigned {
                result.append(
                    IPv6SourceCandidate(
                        address.address, prefixLength: address.prefixLength, interface: ports[id].index.rawValue,
                        // An optimistic address is avoided like a deprecated one (RFC 4429 §3.2).
                        isDeprecated: address.isDeprecated || address.state == .optimistic,
                        isTemporary: address.origin == .temporary))
            }
        }
        return result
    }

    func checkAddable(_ address: IPv6Address, prefixLength: Int, _ port: SlotID) throws(AddressError) {
        guard ports[port].ipv6 != .off else { throw .ipv6Disabled }
        guard (0...128).contains(prefixLength) else { throw .prefixLengthOutOfRange(prefixLength) }
        guard !address.isAny, !address.isMulticast, address.mappedIPv4 == nil,
            address.isLoopback == (ports[port].kind == .loopback)
        else { throw .addressInvalid(.v6(address)) }
        guard !isAssigned(address, port) else { throw .addressInUse(.v6(address)) }
        guard ports[port].ipv6Addresses.count < settings.addressesPerInterfaceMax else {
            throw .tooManyAddresses(max: settings.addressesPerInterfaceMax)
        }
    }

    /// Gives an interface an address and begins to probe it; links without neighbours have nobody to ask.
    mutating func start(_ address: IPv6InterfaceAddress, _ port: SlotID) {
        var address = address
        guard ports[port].kind == .ethernet else {
            address.state = .usable
            ports[port].ipv6Addresses.append(address)
            return rebuildLocal()
        }
        ports[port].ipv6Addresses.append(address)
        // Whoever has the address answers to its group (RFC 4862 §5.4.2).
        joinOwnGroups(port)
        startDetection(address.address, port)
        rebuildLocal()
    }

    /// Lets an interface speak IPv6: an Ethernet link is asked for neighbours, another gets a random link-local address.
    mutating func startIPv6(_ port: SlotID) {
        joinOwnGroups(port)
        guard ports[port].ipv6 != .off, ports[port].kind != .loopback else { return }
        if ports[port].kind == .ethernet { return attachDiscovery(port) }
        let address = IPv6Address(high: 0xFE80 << 48, low: random.next())
        start(IPv6InterfaceAddress(address, prefixLength: 64, origin: .linkLocal), port)
    }

    /// A link-local address may be on several interfaces, another on one.
    private func isAssigned(_ address: IPv6Address, _ port: SlotID) -> Bool {
        if address.isLinkLocal { return ports[port].ipv6Addresses.contains { $0.address == address } }
        for position in 0..<ports.count
        where ports[ports.id(at: position)].ipv6Addresses.contains(where: { $0.address == address }) {
            return true
        }
        return false
    }
}

extension IPv6InterfaceAddress {
    var prefix: IPv6Prefix { IPv6Prefix(address, length: prefixLength) }
}
