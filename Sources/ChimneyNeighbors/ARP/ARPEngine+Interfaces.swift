package import ChimneyPrimitives

extension ARPEngine {
    /// Speaks ARP on an interface from now on.
    ///
    /// How many there are is the interface table's bound.
    package mutating func attach(_ interface: UInt32, mac: MACAddress) throws(ARPConfigurationError) {
        guard place(of: interface) == nil else { throw .interfaceExists(interface) }
        guard !mac.isMulticast, mac != .zero else { throw .notUnicast(mac) }
        let place = interfaces.firstIndex { $0.interface > interface } ?? interfaces.endIndex
        interfaces.insert(ARPInterface(interface: interface, mac: mac), at: place)
    }

    /// Forgets an interface, its addresses and its neighbours; packets that waited come back as removed.
    package mutating func detach(_ interface: UInt32, output: inout ARPOutput) {
        guard let place = place(of: interface) else { return }
        interfaces.remove(at: place)
        table.flush(interface: interface, .all, output: &output.neighbors)
        rescheduleAddresses()
    }

    /// The link is gone: what it taught is doubtful, and nothing can be asked.
    package mutating func linkWentDown(_ interface: UInt32, output: inout ARPOutput) {
        guard let place = place(of: interface) else { return }
        interfaces[place].isUp = false
        for position in interfaces[place].addresses.indices {
            interfaces[place].addresses[position].phase = .waiting
            interfaces[place].addresses[position].due = .never
        }
        table.flush(interface: interface, .learned, output: &output.neighbors)
        rescheduleAddresses()
    }

    /// The link is back, perhaps another one: every address is checked or announced anew (RFC 5227 §2.1).
    package mutating func linkWentUp(
        _ interface: UInt32, at now: Instant, using random: inout StackRandom, output: inout ARPOutput
    ) {
        guard let place = place(of: interface), !interfaces[place].isUp else { return }
        interfaces[place].isUp = true
        for position in interfaces[place].addresses.indices {
            start(position, at: place, now, using: &random, output: &output)
        }
        rescheduleAddresses()
    }

    /// The interface has another link address: neighbours are told for every address in use.
    package mutating func setMAC(
        _ mac: MACAddress, of interface: UInt32, at now: Instant, output: inout ARPOutput
    ) throws(ARPConfigurationError) {
        guard let place = place(of: interface) else { throw .unknownInterface(interface) }
        guard !mac.isMulticast, mac != .zero else { throw .notUnicast(mac) }
        guard mac != interfaces[place].mac else { return }
        interfaces[place].mac = mac
        guard interfaces[place].isUp else { return }
        for position in interfaces[place].addresses.indices
        where interfaces[place].addresses[position].state == .assigned {
            announce(position, at: place, left: max(1, settings.announceCount), now, output: &output)
        }
        rescheduleAddresses()
    }

    /// Sets what is on the link beside the subnets of the interface's addresses, replacing what was set.
    package mutating func setLinkPrefixes(
        _ prefixes: [IPv4Prefix], of interface: UInt32
    ) throws(ARPConfigurationError) {
        guard let place = place(of: interface) else { throw .unknownInterface(interface) }
        guard prefixes.count <= settings.linkPrefixesMax else {
            throw .tooManyLinkPrefixes(max: settings.linkPrefixesMax)
        }
        interfaces[place].linkPrefixes = prefixes
    }

    /// Sets the prefixes answered for on an interface, replacing what was set (RFC 1027).
    ///
    /// An address is answered for only while no on-link prefix of the interface has it as closely as the
    /// published one, and no neighbour on the link has it.
    package mutating func setProxies(
        _ prefixes: [IPv4Prefix], of interface: UInt32
    ) throws(ARPConfigurationError) {
        guard let place = place(of: interface) else { throw .unknownInterface(interface) }
        guard prefixes.count <= settings.proxiesMax else { throw .tooManyProxies(max: settings.proxiesMax) }
        interfaces[place].proxies = prefixes
    }

    /// Sets a neighbour's link address for good; packets that waited for it go out.
    package mutating func setPermanent(
        _ address: IPv4Address, on interface: UInt32, to mac: MACAddress, at now: Instant, output: inout ARPOutput
    ) throws(NeighborError) {
        guard place(of: interface) != nil else { throw .unknownInterface(interface) }
        guard address.isValidSource, !address.isThisNetwork else { throw .notHost }
        try table.setPermanent(address, on: interface, to: mac, at: now, output: &output.neighbors)
    }

    /// Forgets a neighbour, permanent or not.
    ///
    /// Answers whether it was known.
    @discardableResult
    package mutating func remove(_ address: IPv4Address, on interface: UInt32, output: inout ARPOutput) -> Bool {
        table.remove(address, on: interface, output: &output.neighbors)
    }

    /// Forgets the neighbours of an interface.
    package mutating func flush(interface: UInt32, _ scope: NeighborFlushScope, output: inout ARPOutput) {
        table.flush(interface: interface, scope, output: &output.neighbors)
    }

    /// All neighbours by interface and address.
    package func listing(at now: Instant) -> [NeighborListing<IPv4Address>] { table.listing(at: now) }

    /// All addresses of ours by interface and address.
    package var ownAddresses: [OwnAddressListing] {
        interfaces.flatMap { interface in
            interface.addresses.map {
                OwnAddressListing(
                    interface: interface.interface, address: $0.address, prefixLength: $0.prefix.length,
                    state: $0.state)
            }
        }.sorted { $0.interface != $1.interface ? $0.interface < $1.interface : $0.address < $1.address }
    }

    /// How far an address of an interface has come; `nil` when the interface does not have it.
    package func state(of address: IPv4Address, on interface: UInt32) -> OwnAddressState? {
        guard let place = place(of: interface), let position = interfaces[place].position(of: address) else {
            return nil
        }
        return interfaces[place].addresses[position].state
    }
}
