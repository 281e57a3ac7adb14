public import ChimneyLink
import ChimneyMulticast
public import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// A driver received these frames on an interface; takes all of them.
    ///
    /// Answers and forwarded packets wait in transmit queues afterwards: see ``nextToTransmit()``. Acknowledgements of TCP are made
    /// there, so that they go with what is written until then.
    /// - Complexity: O(1) a frame, and no allocation.
    public mutating func framesArrived(_ batch: inout PacketQueue, on index: InterfaceIndex, at now: Instant) {
        beginRound(at: now)
        ledger.received &+= UInt64(batch.count)
        guard let port = ports.position(of: index) else {
            drop(&batch, .interfaceGone)
            return
        }
        ports[port].counters.receivedPackets &+= UInt64(batch.count)
        ports[port].counters.receivedBytes &+= UInt64(batch.byteCount)
        guard ports[port].isUp else {
            drop(&batch, .interfaceDown)
            return
        }
        if settings.joinsSegments, batch.count > 1 { joinSegments(&batch, port) }
        switch ports[port].kind {
        case .ethernet:
            while !batch.isEmpty {
                let frame = batch.removeFirst()
                ethernetArrived(frame, port)
            }
        case .ip, .loopback:
            while !batch.isEmpty {
                var packet = batch.removeFirst()
                packet.metadata.interface = index.rawValue
                packet.metadata.receivedAt = now
                // What another stack noted on the packet means nothing here.
                packet.metadata.flags = []
                ipArrived(packet, port)
            }
        }
        deliverLooped()
    }

    /// One Ethernet frame: whose is it, and of which protocol (RFC 894).
    @inline(__always)
    private mutating func ethernetArrived(_ frame: consuming Packet, _ port: SlotID) {
        guard frame.count >= 14 else { return drop(frame, .frameTruncated) }
        let high = frame.bytes.uint32(at: 0)
        let middle = frame.bytes.uint32(at: 4)
        let etherType = frame.bytes.uint16(at: 12)
        let destination = UInt64(high) << 16 | UInt64(middle >> 16)
        frame.metadata.interface = ports[port].index.rawValue
        frame.metadata.receivedAt = now
        if destination != ports[port].mac.bits {
            let mac = MACAddress(bits: destination)
            guard ports[port].linkGroups.filter.admits(mac) else {
                return drop(frame, mac.isMulticast ? .linkGroupNotJoined : .frameNotForUs)
            }
            // A device that lets every frame in lets those of others in too.
            guard mac.isMulticast else { return drop(frame, .frameNotForUs) }
            frame.metadata.flags = mac.isBroadcast ? .linkBroadcast : .linkMulticast
        } else {
            frame.metadata.flags = []
        }
        switch etherType {
        case 0x0800:
            frame.removeFirst(14)
            ipv4Arrived(frame, port)
        case 0x86DD:
            frame.removeFirst(14)
            ipv6Arrived(frame, port)
        case 0x0806:
            arpArrived(frame, port)
        case 0x8100, 0x88A8:
            drop(frame, .vlanUnknown)
        default:
            drop(frame, .etherTypeUnknown)
        }
    }

    /// One IP packet of a link without frames, which says its version itself.
    @inline(__always)
    private mutating func ipArrived(_ packet: consuming Packet, _ port: SlotID) {
        if packet.count > 0, packet.isIPv6 { return ipv6Arrived(packet, port) }
        ipv4Arrived(packet, port)
    }

    /// One IPv4 packet, its bytes beginning with the header (RFC 791 §3.2, RFC 1122 §3.2.1).
    @inline(__always)
    mutating func ipv4Arrived(_ packet: consuming Packet, _ port: SlotID) {
        guard packet.hasHeadersInFront() || packet.flatten(pool: pool) else { return drop(packet, .noBuffer) }
        let fields: IPv4Fields
        let total = packet.totalCount
        do {
            fields = try IPv4Fields(checking: packet.bytes, of: total)
        } catch {
            return drop(packet, error.reason)
        }
        guard fields.headerByteCount == 20 ? fields.isBaseSumRight : isHeaderSumRight(packet, fields) else {
            return drop(packet, .ipChecksumBad)
        }
        if total > Int(fields.totalLength) { packet.truncate(to: Int(fields.totalLength)) }
        if !packet.metadata.flags.contains(.looped) {
            guard fields.source.isValidSource else { return drop(packet, .sourceAddressInvalid) }
            guard !fields.destination.isLoopback else { return drop(packet, .destinationAddressInvalid) }
        }
        if fields.headerByteCount > 20 {
            return ipv4WithOptionsArrived(packet, fields, port)
        }
        routeInput(packet, fields, port)
    }

    private mutating func isHeaderSumRight(_ packet: borrowing Packet, _ fields: IPv4Fields) -> Bool {
        InternetChecksum.finish(InternetChecksum.sum(packet.bytes.extracting(0..<fields.headerByteCount))) == 0
    }

    /// Decides between local delivery and forwarding.
    @inline(__always)
    mutating func routeInput(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        if let kind = local.kind(of: fields.destination) {
            switch kind {
            case .unicast:
                return deliver(packet, fields, port)
            case .subnetBroadcast:
                packet.metadata.flags.insert(.ipBroadcast)
                return deliver(packet, fields, port)
            }
        }
        notLocalArrived(packet, fields, port)
    }

    private mutating func notLocalArrived(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        if fields.destination == .limitedBroadcast {
            packet.metadata.flags.insert(.ipBroadcast)
            return deliver(packet, fields, port)
        }
        if fields.destination.isMulticast {
            guard ipv4Groups.memberships.isJoined(fields.destination, on: ports[port].index.rawValue) else {
                return drop(packet, .multicastNoMember)
            }
            packet.metadata.flags.insert(.ipMulticast)
            return deliver(packet, fields, port)
        }
        if fields.destination.isLoopback, packet.metadata.flags.contains(.looped) {
            return deliver(packet, fields, port)
        }
        guard !fields.destination.isThisNetwork, !fields.destination.isReserved, !fields.destination.isLoopback else {
            return drop(packet, .destinationAddressInvalid)
        }
        guard settings.forwarding else { return drop(packet, .addressNotOurs) }
        guard ports[port].forwards else { return drop(packet, .forwardingDisabled) }
        forward(packet, fields, port)
    }

    /// A packet for this stack: put its fragments together and hand it to its protocol.
    @inline(__always)
    mutating func deliver(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        if fields.isFragment { return fragmentArrived(packet, fields, port) }
        deliverWhole(packet, fields, port)
    }

    @inline(__always)
    mutating func deliverWhole(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        switch fields.ipProtocol {
        case .udp: udpArrived(packet, fields, port)
        case .tcp: tcpArrived(packet, fields, port)
        case .icmpv4: icmpArrived(packet, fields, port)
        case .igmp: igmpArrived(packet, fields, port)
        default: unknownProtocolArrived(packet, fields)
        }
    }

    private mutating func unknownProtocolArrived(_ packet: consuming Packet, _ fields: IPv4Fields) {
        sendICMPError(.protocolUnreachable, about: packet)
        drop(packet, .protocolUnreachable)
    }

    private mutating func fragmentArrived(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        packet.metadata.transportOffset = UInt16(truncatingIfNeeded: fields.headerByteCount)
        let fragment = Fragment(
            key: FragmentKey(
                source: IPv6Address(mapped: fields.source), destination: IPv6Address(mapped: fields.destination),
                rest: UInt64(fields.identification) << 8 | UInt64(fields.ipProtocol.rawValue)),
            offset: fields.fragmentOffset, byteCount: fields.payloadByteCount, moreFragments: fields.moreFragments,
            headerByteCount: fields.headerByteCount, namedAt: 9)
        fragmentArrived(packet, fragment, port)
    }

    /// A fragment of either family, its place known.
    mutating func fragmentArrived(_ packet: consuming Packet, _ fragment: Fragment, _ port: SlotID) {
        var outcome = reassembly.fragmentArrived(packet, fragment, at: now, pool: pool)
        drop(&outcome.evicted, .fragmentEvicted)
        if outcome.mergedCount > 0, !outcome.whole.isEmpty {
            ledger.consumed &+= UInt64(outcome.mergedCount)
            ledger.created &+= 1
        }
        drop(&outcome.dead, outcome.reason)
        while !outcome.whole.isEmpty {
            let whole = outcome.whole.removeFirst()
            if whole.isIPv6 { ipv6Reassembled(whole, port) } else { reassembled(whole, port) }
        }
    }

    private mutating func reassembled(_ packet: consuming Packet, _ port: SlotID) {
        guard let fields = IPv4Fields(packet.bytes) else { return drop(packet, .fragmentMalformed) }
        deliverWhole(packet, fields, port)
    }

    /// Packets this stack sent to itself arrive, at the end of the round that sent them.
    @inline(__always)
    mutating func deliverLooped() {
        if !looped.isEmpty { deliverLoop() }
    }

    private mutating func deliverLoop() {
        var budget = 4_096
        while !looped.isEmpty, budget > 0 {
            // Those that the next ones send come after them, so that connections answer a batch at once.
            var batch = PacketQueue()
            batch.append(first: budget, of: &looped)
            budget -= batch.count
            while !batch.isEmpty { loopedArrived(batch.removeFirst()) }
            flushTouched()
        }
    }

    @inline(__always)
    private mutating func loopedArrived(_ packet: consuming Packet) {
        packet.metadata.flags.insert(.looped)
        guard let port = ports.position(of: InterfaceIndex(rawValue: packet.metadata.interface)) else {
            return drop(packet, .interfaceGone)
        }
        ipArrived(packet, port)
    }
}
