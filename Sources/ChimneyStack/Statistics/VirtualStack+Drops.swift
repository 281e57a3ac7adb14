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
            at: now, reason: reason, interface: packet.metadata.interface, source: .any, destination: .any,
            ipProtocol: 0, sourcePort: 0, destinationPort: 0)
        var start = 0
        // A frame that died with its Ethernet header on still names its hosts.
        if packet.count >= 34, packet.bytes.uint16(at: 12) == 0x0800, packet.bytes.uint8(at: 0) >> 4 != 4 { start = 14 }
        guard packet.count >= start + 20, packet.bytes.uint8(at: start) >> 4 == 4 else { return record }
        record.source = IPv4Address(bits: packet.bytes.uint32(at: start + 12))
        record.destination = IPv4Address(bits: packet.bytes.uint32(at: start + 16))
        record.ipProtocol = packet.bytes.uint8(at: start + 9)
        let transport = start + Int(packet.bytes.uint8(at: start) & 0xF) * 4
        let isFirstFragment = packet.bytes.uint16(at: start + 6) & 0x1FFF == 0
        if record.ipProtocol == 17 || record.ipProtocol == 6, isFirstFragment, packet.count >= transport + 4 {
            record.sourcePort = packet.bytes.uint16(at: transport)
            record.destinationPort = packet.bytes.uint16(at: transport + 2)
        }
        return record
    }
}
