package import ChimneyPrimitives
import ChimneyWire

extension NDPEngine {
    /// Speaks neighbour discovery on an interface from now on.
    ///
    /// How many there are is the interface table's bound.
    package mutating func attach(_ interface: UInt32, mac: MACAddress) throws(NDPConfigurationError) {
        guard place(of: interface) == nil else { throw .interfaceExists(interface) }
        guard !mac.isMulticast, mac != .zero else { throw .notUnicast(mac) }
        let place = interfaces.firstIndex { $0.interface > interface } ?? interfaces.endIndex
        interfaces.insert(NDPInterface(interface: interface, mac: mac), at: place)
    }

    /// Forgets an interface, its addresses and its neighbours; packets that waited come back as removed.
    package mutating func detach(_ interface: UInt32, output: inout NDPOutput) {
        guard let place = place(of: interface) else { return }
        interfaces.remove(at: place)
        delayedAnswers.removeAll { $0.transmission.interface == interface }
        table.flush(interface: interface, .all, output: &output.neighbors)
        table.resetTimes(on: interface)
        rescheduleAddresses()
    }

    /// The link is gone: what it taught is doubtful, and nothing can be asked.
    package mutating func linkWentDown(_ interface: UInt32, output: inout NDPOutput) {
        guard let place = place(of: interface) else { return }
        interfaces[place].isUp = false
        for position in interfaces[place].addresses.indices {
            interfaces[place].addresses[position].phase = .waiting
            interfaces[place].addresses[position].due = .never
        }
        delayedAnswers.removeAll { $0.transmission.interface == interface }
        table.flush(interface: interface, .learned, output: &output.neighbors)
        table.resetTimes(on: interface)
        rescheduleAddresses()
    }

    /// The link is back, perhaps another one: every address is asked for anew (RFC 4862 §5.4).
    package mutating func linkWentUp(
        _ interface: UInt32, at now: Instant, using random: inout StackRandom, output: inout NDPOutput
    ) {
        guard let place = place(of: interface), !interfaces[place].isUp else { return }
        interfaces[place].isUp = true
        for position in interfaces[place].addresses.indices {
            start(position, at: place, now, using: &random, output: &output)
        }
        rescheduleAddresses()
    }

    /// The interface has another link address: neighbours are told for every address in use (RFC 4861 §7.2.6).
    package mutating func setMAC(
        _ mac: MACAddress, of interface: UInt32, at now: Instant, output: inout NDPOutput
    ) throws(NDPConfigurationError) {
        guard let place = place(of: interface) else { throw .unknownInterface(interface) }
        guard !mac.isMulticast, mac != .zero else { throw .notUnicast(mac) }
        guard mac != interfaces[place].mac else { return }
        interfaces[place].mac = mac
        // They tell the old one.
        delayedAnswers.removeAll { $0.transmission.interface == interface }
        guard interfaces[place].isUp else { return }
        for position in interfaces[place].addresses.indices
        where interfaces[place].addresses[position].state == .assigned {
            announce(position, at: place, left: max(1, settings.announceCount), to: .allNodes, now, output: &output)
        }
        rescheduleAddresses()
    }

    /// Says whether our advertisements on an interface call this host a router (RFC 4861 §7.2.4).
    package mutating func setRouter(_ isRouter: Bool, of interface: UInt32) throws(NDPConfigurationError) {
        guard let place = place(of: interface) else { throw .unknownInterface(interface) }
        interfaces[place].isRouter = isRouter
    }

    /// Sets the times that a router advertised for an interface (RFC 4861 §6.3.4); `nil` leaves one as it is.
    ///
    /// They are kept within 100 ms to one hour and 10 ms to one minute, so that no advertisement can stop or flood a
    /// link, and last until the link goes down.
    package mutating func setTimes(
        reachable: TimeSpan?, retransmit: TimeSpan?, of interface: UInt32
    ) throws(NDPConfigurationError) {
        guard place(of: interface) != nil else { throw .unknownInterface(interface) }
        table.setTimes(reachable: reachable, retransmit: retransmit, on: interface)
    }

    /// Sets the prefixes answered for on an interface, replacing what was set (RFC 4861 §7.2.8).
    ///
    /// An address is not answered for while it is known to be a neighbour's on the same link.
    package mutating func setProxies(
        _ prefixes: [IPv6Prefix], of interface: UInt32
    ) throws(NDPConfigurationError) {
        guard let place = place(of: interface) else { throw .unknownInterface(interface) }
        guard prefixes.count <= settings.proxiesMax else { throw .tooManyProxies(max: settings.proxiesMax) }
        interfaces[place].proxies = prefixes
    }

    /// A router solicitation, router advertisement or accepted redirect told of a neighbour (RFC 4861 §6.2.6, §6.3.4
    /// and §8.3).
    ///
    /// The message itself was found valid by whoever calls. A router solicitation's sender is no router, an
    /// advertisement's is one, and a redirect to the destination itself, `nil`, cannot tell. Without a link address no
    /// entry is made. Answers why the link address was of no use, or `nil` when it was.
    @discardableResult
    package mutating func linkAddressLearned(
        _ address: IPv6Address, mac: MACAddress?, isRouter: Bool?, on interface: UInt32, at now: Instant,
        using random: inout StackRandom, output: inout NDPOutput
    ) -> NDPDrop? {
        guard let place = place(of: interface) else { return .unknownInterface }
        guard address.isHost, interfaces[place].position(of: address) == nil else { return .badSource }
        var drop: NDPDrop?
        if let mac {
            guard !mac.isMulticast, mac != .zero else { return .badLinkAddress }
            guard mac != interfaces[place].mac else { return .looped }
            let verdict = table.claimed(
                address, on: interface, at: mac, by: .question, at: now, using: &random, output: &output.neighbors)
            drop = NDPDrop(verdict)
        }
        if let isRouter { table.setRouter(isRouter, address, on: interface, output: &output.neighbors) }
        ask(&output)
        return drop
    }

    /// Sets a neighbour's link address for good; packets that waited for it go out.
    package mutating func setPermanent(
        _ address: IPv6Address, on interface: UInt32, to mac: MACAddress, at now: Instant, output: inout NDPOutput
    ) throws(NeighborError) {
        guard place(of: interface) != nil else { throw .unknownInterface(interface) }
        guard address.isHost else { throw .notHost }
        try table.setPermanent(address, on: interface, to: mac, at: now, output: &output.neighbors)
        ask(&output)
    }

    /// Forgets a neighbour, permanent or not.
    ///
    /// Answers whether it was known.
    @discardableResult
    package mutating func remove(_ address: IPv6Address, on interface: UInt32, output: inout NDPOutput) -> Bool {
        table.remove(address, on: interface, output: &output.neighbors)
    }

    /// Forgets the neighbours of an interface.
    package mutating func flush(interface: UInt32, _ scope: NeighborFlushScope, output: inout NDPOutput) {
        table.flush(interface: interface, scope, output: &output.neighbors)
    }

    /// All neighbours by interface and address.
    package func listing(at now: Instant) -> [NeighborListing<IPv6Address>] { table.listing(at: now) }

    /// All addresses of ours by interface and address.
    package var ownAddresses: [NDPAddressListing] {
        interfaces.flatMap { interface in
            interface.addresses.map {
                NDPAddressListing(
                    interface: interface.interface, address: $0.address, use: $0.use, state: $0.state)
            }
        }.sorted { $0.interface != $1.interface ? $0.interface < $1.interface : $0.address < $1.address }
    }

    /// How far an address of an interface has come; `nil` when the interface does not have it.
    package func state(of address: IPv6Address, on interface: UInt32) -> NDPAddressState? {
        guard let place = place(of: interface), let position = interfaces[place].position(of: address) else {
            return nil
        }
        return interfaces[place].addresses[position].state
    }
}
