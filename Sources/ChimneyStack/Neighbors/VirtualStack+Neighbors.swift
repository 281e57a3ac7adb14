public import ChimneyLink
public import ChimneyNeighbors
public import ChimneyPrimitives

extension VirtualStack {
    /// Every neighbour known or asked for, by interface and address.
    public func neighbors(at now: Instant) -> [NeighborListing<IPv4Address>] { arp.listing(at: now) }

    /// Sets a neighbour's link address for good; no packet changes it.
    public mutating func setNeighbor(
        _ address: IPv4Address, on index: InterfaceIndex, to mac: MACAddress, at now: Instant
    ) throws(NeighborError) {
        beginRound(at: now)
        try arp.setPermanent(address, on: index.rawValue, to: mac, at: now, output: &arpOutput)
        settleNeighbors()
    }

    /// Forgets a neighbour, `false` where it was not known.
    ///
    /// Packets that wait for it die.
    @discardableResult
    public mutating func removeNeighbor(_ address: IPv4Address, on index: InterfaceIndex, at now: Instant) -> Bool {
        beginRound(at: now)
        let wasKnown = arp.remove(address, on: index.rawValue, output: &arpOutput)
        settleNeighbors()
        return wasKnown
    }

    /// Forgets the neighbours of an interface that were learned from packets.
    public mutating func flushNeighbors(on index: InterfaceIndex, at now: Instant) {
        beginRound(at: now)
        arp.flush(interface: index.rawValue, .learned, output: &arpOutput)
        settleNeighbors()
    }

    /// Every IPv6 neighbour known or asked for, by interface and address.
    public func ipv6Neighbors(at now: Instant) -> [NeighborListing<IPv6Address>] { ndp.listing(at: now) }

    /// Sets an IPv6 neighbour's link address for good; no packet changes it.
    public mutating func setNeighbor(
        _ address: IPv6Address, on index: InterfaceIndex, to mac: MACAddress, at now: Instant
    ) throws(NeighborError) {
        beginRound(at: now)
        try ndp.setPermanent(address, on: index.rawValue, to: mac, at: now, output: &ndpOutput)
        settleDiscovery()
    }

    /// Forgets an IPv6 neighbour, `false` where it was not known.
    ///
    /// Packets that wait for it die.
    @discardableResult
    public mutating func removeNeighbor(_ address: IPv6Address, on index: InterfaceIndex, at now: Instant) -> Bool {
        beginRound(at: now)
        let wasKnown = ndp.remove(address, on: index.rawValue, output: &ndpOutput)
        settleDiscovery()
        return wasKnown
    }

    /// Forgets the IPv6 neighbours of an interface that were learned from packets.
    public mutating func flushIPv6Neighbors(on index: InterfaceIndex, at now: Instant) {
        beginRound(at: now)
        ndp.flush(interface: index.rawValue, .learned, output: &ndpOutput)
        settleDiscovery()
    }

    /// Answers neighbour solicitations for these prefixes on an interface as if they were ours (RFC 4861 §7.2.8); an empty list ends it.
    public mutating func setNeighborProxy(
        _ prefixes: [IPv6Prefix], on index: InterfaceIndex
    ) throws(NDPConfigurationError) {
        try ndp.setProxies(prefixes, of: index.rawValue)
    }

    /// Answers ARP for these prefixes on an interface as if they were ours (RFC 1027); an empty list ends it.
    public mutating func setProxyARP(
        _ prefixes: [IPv4Prefix], on index: InterfaceIndex
    ) throws(ARPConfigurationError) {
        try arp.setProxies(prefixes, of: index.rawValue)
    }
}
