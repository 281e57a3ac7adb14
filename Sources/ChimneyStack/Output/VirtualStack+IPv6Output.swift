import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyWire

extension VirtualStack {
    /// Finds the way to a destination in one routing table.
    ///
    /// What has a meaning on one link only is sent on the link that the zone names, and without a zone on the
    /// only link there is or the first (RFC 4007 §6); routes do not speak for it.
    func path(
        to destination: IPv6Address, zone: UInt32 = 0, fib: UInt16, flowHash: UInt32 = 0
    ) throws(RouteFailure) -> OutputPath<IPv6Address> {
        if destination.isLinkScoped { return try linkPath(to: destination, zone: zone) }
        if ipv6Local.isOurs(destination) || destination.isLoopback { return local(destination, by: loopback) }
        guard let hop = ipv6Routes.lookup(fib: Int(fib), destination: destination, flowHash: flowHash) else {
            // A group that no route speaks for leaves by the first link.
            if destination.isMulticast, let port = firstIPv6Link { return group(destination, by: port) }
            throw .none
        }
        switch hop.kind {
        case .connected, .gateway, .broadcast: break
        case .local: return local(destination, by: loopback)
        case .blackhole: throw .blackhole
        case .unreachable: throw .reject
        case .prohibited: throw .prohibit
        }
        guard let port = ports.position(of: InterfaceIndex(rawValue: hop.interface)) else { throw .none }
        if destination.isMulticast { return group(destination, by: port) }
        return OutputPath(
            port: port, nextHop: hop.neighbor(for: destination), isLocal: false, isLinkGroup: false,
            isBroadcast: false)
    }

    private func linkPath(to destination: IPv6Address, zone: UInt32) throws(RouteFailure) -> OutputPath<IPv6Address> {
        if zone == 0, !destination.isMulticast, let owner = owner(of: destination) {
            return local(destination, by: owner)
        }
        guard let port = zone == 0 ? firstIPv6Link : ports.position(of: InterfaceIndex(rawValue: zone)) else {
            throw .none
        }
        if destination.isMulticast { return group(destination, by: port) }
        if ports[port].owns(destination) { return local(destination, by: port) }
        guard ports[port].ipv6 != .off else { throw .none }
        return OutputPath(port: port, nextHop: destination, isLocal: false, isLinkGroup: false, isBroadcast: false)
    }

    private func local(_ destination: IPv6Address, by port: SlotID) -> OutputPath<IPv6Address> {
        OutputPath(port: port, nextHop: destination, isLocal: true, isLinkGroup: false, isBroadcast: false)
    }

    private func group(_ destination: IPv6Address, by port: SlotID) -> OutputPath<IPv6Address> {
        OutputPath(port: port, nextHop: destination, isLocal: false, isLinkGroup: true, isBroadcast: false)
    }

    /// The interface that has a link-local address, the first where several have it.
    func owner(of address: IPv6Address) -> SlotID? {
        for position in 0..<ports.count where ports[ports.id(at: position)].owns(address) {
            return ports.id(at: position)
        }
        return nil
    }

    /// The interface for what names no zone: the first that is up and speaks IPv6.
    private var firstIPv6Link: SlotID? {
        for position in 0..<ports.count {
            let id = ports.id(at: position)
            if id != loopback, ports[id].isUp, ports[id].ipv6 != .off { return id }
        }
        return nil
    }

    /// The largest packet to send to a destination: the link's MTU, or what a router on the way reported (RFC 8201).
    func mtu(to destination: IPv6Address, by path: OutputPath<IPv6Address>) -> Int {
        let mtu = ports[path.port].ipv6MTU
        guard pathMTUs.count > 0, let learned = pathMTUs.mtu(to: destination, at: now) else { return mtu }
        return min(mtu, learned)
    }

    /// The hop limit for packets that leave by an interface: what its routers advertise, else the stack's (RFC 4861 §6.3.4).
    func hopLimit(_ port: SlotID) -> UInt8 { ports[port].advertisedHopLimit ?? settings.timeToLive }

    /// Sends a finished IPv6 packet of ours, its bytes beginning with the header, in fragments of at most `mtu`
    /// bytes where it is longer (RFC 8200 §4.5).
    mutating func sendIPv6(_ packet: consuming Packet, by path: OutputPath<IPv6Address>, mtu: Int) {
        guard !path.isLocal else { return loopBack(packet, by: path.port) }
        if packet.metadata.segmentSize != 0 { return sendLarge(packet, by: path, mtu: mtu) }
        guard packet.totalCount > mtu else { return sendToLink(packet, by: path) }
        guard packet.flatten(pool: pool) else { return drop(packet, .noBuffer) }
        if packet.checksum == .partial { _ = packet.completeChecksum() }
        var fragments = PacketQueue()
        // Numbers that nobody can guess keep others from completing our datagrams (RFC 7739).
        let created = Self.fragmentIPv6(
            packet, mtu: mtu, identification: UInt32(truncatingIfNeeded: random.next()), pool: pool,
            into: &fragments)
        settleCut(packet, &fragments, isWhole: created)
        while !fragments.isEmpty { sendToLink(fragments.removeFirst(), by: path) }
    }

    /// Sends a packet to this stack itself, as if it came in by an interface.
    mutating func loopBack(_ packet: consuming Packet, by port: SlotID) {
        packet.metadata.interface = ports[port].index.rawValue
        packet.metadata.receivedAt = now
        looped.append(packet)
    }

    /// Puts the link header before a packet that fits the MTU, and the frame into the transmit queue.
    @inline(__always)
    mutating func sendToLink(_ packet: consuming Packet, by path: OutputPath<IPv6Address>) {
        switch ports[path.port].kind {
        case .ip, .loopback:
            enqueue(packet, path.port)
        case .ethernet:
            if path.isLinkGroup {
                sendFrame(packet, to: MACAddress(group: path.nextHop), path.port, etherType: 0x86DD)
            } else if ports[path.port].lastIPv6Hop == path.nextHop,
                let mac = ndp.resolved(ports[path.port].lastIPv6Handle, at: now)
            {
                sendFrame(packet, to: mac, path.port, etherType: 0x86DD)
            } else {
                resolveAndSend(packet, to: path.nextHop, path.port)
            }
        }
    }

    /// Cuts a packet of ours without extension headers into fragments of at most `mtu` bytes; `false` when buffers ran out.
    static func fragmentIPv6(
        _ packet: borrowing Packet, mtu: Int, identification: UInt32, pool: PacketPool,
        into fragments: inout PacketQueue
    ) -> Bool {
        let end = packet.count
        var position = 40
        let room = (mtu - 48) & ~7
        guard room > 0 else { return false }
        while position < end {
            let isLast = end - position <= mtu - 48
            let length = isLast ? end - position : room
            guard var piece = pool.allocate(byteCount: 48 + length) else { return false }
            piece.write(packet.bytes.extracting(0..<40), at: 0)
            piece.store16(UInt16(8 + length), at: 4)
            piece.store8(IPProtocol.fragment.rawValue, at: 6)
            piece.store8(packet.bytes.uint8(at: 6), at: 40)
            piece.store8(0, at: 41)
            piece.store16(UInt16(position - 40) | (isLast ? 0 : 1), at: 42)
            piece.store32(identification, at: 44)
            piece.write(packet.bytes.extracting(position..<position + length), at: 48)
            piece.metadata.interface = packet.metadata.interface
            fragments.append(piece)
            position += length
        }
        return true
    }
}
