import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyWire

extension VirtualStack {
    /// Finds the way to a destination in one routing table.
    func path(to destination: IPv4Address, fib: UInt16, flowHash: UInt32 = 0) throws(RouteFailure) -> OutputPath<
        IPv4Address
    > {
        if local.isOurs(destination) || destination.isLoopback {
            return OutputPath(
                port: loopback, nextHop: destination, isLocal: true, isLinkGroup: false, isBroadcast: false)
        }
        guard let hop = routes.lookup(fib: Int(fib), destination: destination, flowHash: flowHash) else {
            if destination == .limitedBroadcast, let port = firstLink { return Self.broadcast(by: port) }
            throw .none
        }
        switch hop.kind {
        case .connected, .gateway, .broadcast: break
        case .local:
            return OutputPath(
                port: loopback, nextHop: destination, isLocal: true, isLinkGroup: false, isBroadcast: false)
        case .blackhole: throw .blackhole
        case .unreachable: throw .reject
        case .prohibited: throw .prohibit
        }
        guard let port = ports.position(of: InterfaceIndex(rawValue: hop.interface)) else { throw .none }
        let isBroadcast =
            hop.kind == .broadcast || destination == .limitedBroadcast || ports[port].isSubnetBroadcast(destination)
        return OutputPath(
            port: port, nextHop: hop.neighbor(for: destination), isLocal: false,
            isLinkGroup: isBroadcast || destination.isMulticast, isBroadcast: isBroadcast)
    }

    /// The interface for a limited broadcast that no route speaks for: the first that is up and has an address.
    private var firstLink: SlotID? {
        for position in 0..<ports.count {
            let id = ports.id(at: position)
            if id != loopback, ports[id].isUp, ports[id].primaryAddress != nil { return id }
        }
        return nil
    }

    private static func broadcast(by port: SlotID) -> OutputPath<IPv4Address> {
        OutputPath(port: port, nextHop: .limitedBroadcast, isLocal: false, isLinkGroup: true, isBroadcast: true)
    }

    /// Sends a finished IPv4 packet, its bytes beginning with the header, cutting it where the link demands (RFC 791 §3.2).
    mutating func sendIPv4(_ packet: consuming Packet, by path: OutputPath<IPv4Address>) {
        if path.isLocal {
            packet.metadata.interface = ports[path.port].index.rawValue
            packet.metadata.receivedAt = now
            looped.append(packet)
            return
        }
        if packet.metadata.segmentSize != 0 { return sendLarge(packet, by: path) }
        guard packet.totalCount > ports[path.port].mtu else { return sendToLink(packet, by: path) }
        guard packet.flatten(pool: pool) else { return drop(packet, .noBuffer) }
        // In pieces nobody could complete it any more.
        if packet.checksum == .partial { _ = packet.completeChecksum() }
        var fragments = PacketQueue()
        let created = Self.fragment(packet, mtu: ports[path.port].mtu, pool: pool, into: &fragments)
        settleCut(packet, &fragments, isWhole: created)
        while !fragments.isEmpty { sendToLink(fragments.removeFirst(), by: path) }
    }

    /// Accounts for a packet that was cut: its pieces take its place, or die with it where buffers ran out.
    mutating func settleCut(_ packet: consuming Packet, _ fragments: inout PacketQueue, isWhole: Bool) {
        ledger.created &+= UInt64(fragments.count)
        if isWhole {
            consume(packet)
        } else {
            drop(&fragments, .noBuffer)
            drop(packet, .noBuffer)
        }
    }

    /// Puts the link header before a packet that fits the MTU, and the frame into the transmit queue.
    @inline(__always)
    mutating func sendToLink(_ packet: consuming Packet, by path: OutputPath<IPv4Address>) {
        switch ports[path.port].kind {
        case .ip, .loopback:
            enqueue(packet, path.port)
        case .ethernet:
            if path.isLinkGroup {
                let group = path.isBroadcast ? MACAddress.broadcast : MACAddress(group: path.nextHop)
                sendFrame(packet, to: group, path.port)
            } else if ports[path.port].lastHop == path.nextHop,
                let mac = arp.resolved(ports[path.port].lastHandle, at: now)
            {
                sendFrame(packet, to: mac, path.port)
            } else {
                resolveAndSend(packet, to: path.nextHop, path.port)
            }
        }
    }

    /// Puts an Ethernet header before a packet, and the frame into the transmit queue.
    @inline(__always)
    mutating func sendFrame(
        _ packet: consuming Packet, to destination: MACAddress, _ port: SlotID, etherType: UInt16 = 0x0800
    ) {
        guard packet.prepend(14) else { return drop(packet, .noBuffer) }
        let source = ports[port].mac.bits
        packet.writeEthernet(destination: destination.bits, source: source, etherType: etherType)
        enqueue(packet, port)
    }

    /// Puts a finished frame into the transmit queue; a full queue drops it.
    @inline(__always)
    mutating func enqueue(_ frame: consuming Packet, _ port: SlotID) {
        guard ports[port].isUp else { return drop(frame, .interfaceDown) }
        guard ports[port].transmit.count < settings.transmitPacketsMax,
            ports[port].transmit.byteCount < settings.transmitBytesMax
        else {
            ports[port].counters.transmitDrops &+= 1
            return drop(frame, .transmitQueueFull)
        }
        ports[port].transmit.append(frame)
        if !ports[port].isDirty {
            ports[port].isDirty = true
            dirty.append(ports[port].index)
        }
    }
}

extension Packet {
    /// Writes an Ethernet II header at the front.
    @inline(__always)
    mutating func writeEthernet(destination: UInt64, source: UInt64, etherType: UInt16) {
        var span = mutableBytes
        span.storeBytes(of: (destination << 16 | source >> 32).bigEndian, toByteOffset: 0, as: UInt64.self)
        span.storeBytes(of: UInt32(truncatingIfNeeded: source).bigEndian, toByteOffset: 8, as: UInt32.self)
        span.storeBytes(of: etherType.bigEndian, toByteOffset: 12, as: UInt16.self)
    }
}
