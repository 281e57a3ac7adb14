import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// The last packets that died, oldest first, at most ``StackSettings/dropRecordsMax``.
    public var recentDrops: [DropRecord] { history.ordered }

    /// Ends a packet's life, naming why.
    @inline(never)
    mutating func drop(_ packet: consuming Packet, _ reason: DropReason) {
        ledger.drops.count(reason)
        history.append(record(of: packet, reason))
    }

    /// A packet of a flow ended in the hands of its connection; this is its name.
    @inline(never)
    mutating func drop(_ reason: DropReason, of flow: IPv6Flow, interface: UInt32) {
        ledger.drops.count(reason)
        history.append(
            DropRecord(
                at: now, reason: reason, interface: interface, source: IPAddress(mapped: flow.remote),
                destination: IPAddress(mapped: flow.local), ipProtocol: IPProtocol.tcp.rawValue,
                sourcePort: flow.remotePort, destinationPort: flow.localPort))
    }

    /// Ends the life of every packet of a queue, naming why.
    mutating func drop(_ packets: inout PacketQueue, _ reason: DropReason) {
        while !packets.isEmpty { drop(packets.removeFirst(), reason) }
    }

    /// Ends the life of a packet that has done its work.
    mutating func consume(_ packet: consuming Packet) {
        ledger.consumed &+= 1
        _ = packet
    }

    private func record(of packet: borrowing Packet, _ reason: DropReason) -> DropRecord {
        var record = DropRecord(
            at: now, reason: reason, interface: packet.metadata.interface, source: .v4(.any), destination: .v4(.any),
            ipProtocol: 0, sourcePort: 0, destinationPort: 0)
        var start = 0
        // A frame that died with its Ethernet header on still names its hosts.
        if packet.count >= 34, packet.bytes.uint8(at: 0) >> 4 != 4, packet.bytes.uint8(at: 0) >> 4 != 6 {
            let etherType = packet.bytes.uint16(at: 12)
            if etherType == 0x0800 || etherType == 0x86DD { start = 14 }
        }
        guard packet.count > start else { return record }
        switch packet.bytes.uint8(at: start) >> 4 {
        case 4: packet.describeIPv4(at: start, in: &record)
        case 6: packet.describeIPv6(at: start, in: &record)
        default: break
        }
        return record
    }
}

extension Packet {
    fileprivate func describeIPv4(at start: Int, in record: inout DropRecord) {
        guard count >= start + 20 else { return }
        record.source = .v4(IPv4Address(bits: bytes.uint32(at: start + 12)))
        record.destination = .v4(IPv4Address(bits: bytes.uint32(at: start + 16)))
        record.ipProtocol = bytes.uint8(at: start + 9)
        guard bytes.uint16(at: start + 6) & 0x1FFF == 0 else { return }
        describePorts(at: start + Int(bytes.uint8(at: start) & 0xF) * 4, in: &record)
    }

    fileprivate func describeIPv6(at start: Int, in record: inout DropRecord) {
        guard count >= start + 40, let view = try? IPv6View(quoted: bytes.extracting(start..<count)) else { return }
        record.source = .v6(view.source)
        record.destination = .v6(view.destination)
        record.ipProtocol = view.nextHeader.rawValue
        var chain = IPv6ExtensionChain(view)
        do { try chain.finish() } catch { return }
        record.ipProtocol = chain.upperLayer.rawValue
        if !chain.isLaterFragment { describePorts(at: start + chain.offset, in: &record) }
    }

    private func describePorts(at transport: Int, in record: inout DropRecord) {
        guard record.ipProtocol == 17 || record.ipProtocol == 6, count >= transport + 4 else { return }
        record.sourcePort = bytes.uint16(at: transport)
        record.destinationPort = bytes.uint16(at: transport + 2)
    }
}
