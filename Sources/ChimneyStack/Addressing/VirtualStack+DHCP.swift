public import ChimneyAddressing
public import ChimneyLink
public import ChimneyPrimitives
import ChimneyRouting
import ChimneyWire

extension VirtualStack {
    /// Gets an address for an Ethernet interface from a DHCP server and keeps it (RFC 2131).
    ///
    /// The address is probed for conflicts before it is used (RFC 5227), and comes with a default route and
    /// name servers. Starting what is started changes nothing.
    /// - Throws: ``AddressError/noSuchInterface`` where there is no such Ethernet interface.
    public mutating func startDHCP(
        on index: InterfaceIndex, settings: DHCPSettings = DHCPSettings(), remembering address: IPv4Address? = nil,
        at now: Instant
    ) throws(AddressError) {
        beginRound(at: now)
        guard let port = ports.position(of: index), ports[port].kind == .ethernet else { throw .noSuchInterface }
        if ports[port].dhcp == nil {
            ports[port].dhcp = DHCPClient(interface: index.rawValue, mac: ports[port].mac, settings: settings)
        }
        ports[port].dhcp?.start(remembering: address, at: now, using: &random)
        rescheduleAddressing()
    }

    /// Gives the address back to its server, and everything that came with it up.
    public mutating func stopDHCP(on index: InterfaceIndex, at now: Instant) throws(AddressError) {
        beginRound(at: now)
        guard let port = ports.position(of: index), ports[port].dhcp != nil else { throw .noSuchInterface }
        ports[port].dhcp?.stop(at: now, using: &random, output: &dhcpOutput)
        settleDHCP()
        ports[port].dhcp = nil
        rescheduleAddressing()
    }

    /// What a DHCP server lends an interface, or `nil`.
    public func lease(of index: InterfaceIndex) -> DHCPLease? {
        ports.position(of: index).flatMap { ports[$0].dhcp?.lease }
    }

    /// How far the DHCP client of an interface has come, or `nil` where there is none.
    public func dhcpState(of index: InterfaceIndex) -> DHCPState? {
        ports.position(of: index).flatMap { ports[$0].dhcp?.state }
    }

    /// Whether the interface that a datagram came in by awaits answers of DHCP servers on this port.
    func awaitsDHCP(_ packet: borrowing Packet, to port: UInt16) -> SlotID? {
        guard port == 68, let place = ports.position(of: InterfaceIndex(rawValue: packet.metadata.interface)),
            ports[place].dhcp != nil
        else { return nil }
        return place
    }

    /// A datagram to port 68 arrived on an interface with a DHCP client.
    mutating func dhcpArrived(_ packet: consuming Packet, _ port: SlotID) {
        let start = Int(packet.metadata.transportOffset)
        let end = start + Int(packet.bytes.uint16(at: start + 4))
        let refusal = ports[port].dhcp?.messageArrived(
            packet.bytes.extracting(start + 8..<end), at: now, using: &random, output: &dhcpOutput)
        if refusal != nil { drop(packet, .dhcpRefused) } else { consume(packet) }
        settleDHCP()
        rescheduleAddressing()
    }

    /// The link is gone, or back and perhaps another one: a lease is asked about again (RFC 2131 §3.7).
    mutating func dhcpLinkChanged(_ port: SlotID, isUp: Bool) {
        if isUp { ports[port].dhcp?.linkWentUp(at: now, using: &random) } else { ports[port].dhcp?.linkWentDown() }
        rescheduleAddressing()
    }

    /// Sends what DHCP clients have to say and takes what they have learned.
    mutating func settleDHCP() {
        var budget = 4_096
        while !dhcpOutput.isEmpty, budget > 0 {
            budget -= 1
            if let message = dhcpOutput.messages.next() { send(message) }
            if let event = dhcpOutput.events.next() { settle(event) }
        }
    }

    /// An address of a DHCP client was probed.
    mutating func dhcpAddressProved(_ address: IPv4Address, isFree: Bool, _ port: SlotID) {
        guard ports[port].dhcp?.lease?.address == address else { return }
        ports[port].dhcp?.addressProved(address, isFree: isFree, at: now, using: &random, output: &dhcpOutput)
        settleDHCP()
        rescheduleAddressing()
    }

    private mutating func send(_ transmission: DHCPTransmission) {
        let byteCount = transmission.message.byteCount
        guard let port = ports.position(of: InterfaceIndex(rawValue: transmission.interface)),
            var packet = pool.allocate(byteCount: 28 + byteCount)
        else { return }
        packet.writeDHCP(transmission.message)
        var path = UDPPath()
        path.destination = Endpoint(transmission.destination, 67)
        path.source = IPv6Address(mapped: transmission.source)
        path.identification = nextIdentification()
        path.prepare(localPort: 68, options: UDPOptions(), timeToLive: settings.timeToLive, flowLabel: 0)
        packet.writeUDPv4(
            path, payloadSum: InternetChecksum.sum(packet.bytes.extracting(28..<28 + byteCount)))
        ledger.created &+= 1
        // Servers are asked on the link that wants the address, whatever the routes say.
        let isBroadcast = transmission.destination == .limitedBroadcast
        if !isBroadcast, let known = try? self.path(to: transmission.destination, fib: ports[port].fib) {
            return sendIPv4(packet, by: known)
        }
        sendIPv4(
            packet,
            by: OutputPath(
                port: port, nextHop: transmission.destination, isLocal: false, isLinkGroup: isBroadcast,
                isBroadcast: isBroadcast))
    }

    private mutating func settle(_ event: DHCPEvent) {
        guard let port = ports.position(of: InterfaceIndex(rawValue: event.interface)) else { return }
        switch event.kind {
        case .granted(let lease):
            do throws(AddressError) {
                try addAddress(lease.address, prefixLength: lease.prefixLength, port, probing: true)
            } catch {
                // An address that this stack has already, or cannot have, is nobody's to lend.
                ports[port].dhcp?.addressRefused(lease.address, at: now, using: &random, output: &dhcpOutput)
            }
        case .leased(let lease), .renewed(let lease): install(lease, port)
        case .lost(let lease, _):
            withdraw(port)
            try? removeAddress(lease.address, from: ports[port].index, at: now)
        }
    }

    /// Takes the routes and servers of a lease in the place of those it had before.
    private mutating func install(_ lease: DHCPLease, _ port: SlotID) {
        withdraw(port)
        let interface = ports[port].index.rawValue
        var routes = lease.routes.map { route in
            IPv4Route(
                route.destination,
                route.gateway.isAny ? .connected(on: interface) : .gateway(route.gateway, on: interface),
                origin: .automatic)
        }
        // Of several routers the first is the server's preference (RFC 2132 §3.5).
        routes += lease.routers.enumerated().map { place, router in
            IPv4Route(.all, .gateway(router, on: interface), metric: UInt32(place), origin: .automatic)
        }
        for route in routes where (try? self.routes.add(route, fib: .all)) != nil {
            ports[port].dhcpRoutes.append(route)
        }
        ports[port].dhcpNameServers = lease.nameServers
        generation &+= 1
    }

    private mutating func withdraw(_ port: SlotID) {
        for route in ports[port].dhcpRoutes {
            _ = try? routes.remove(route.prefix, nextHop: route.nextHop, metric: route.metric, fib: .all)
        }
        ports[port].dhcpRoutes.removeAll()
        ports[port].dhcpNameServers.removeAll()
        generation &+= 1
    }
}

extension Packet {
    fileprivate mutating func writeDHCP(_ message: DHCPv4Message) {
        var span = mutableBytes
        message.write(into: &span, at: 28)
    }
}
