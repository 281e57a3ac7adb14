import ChimneyLink
import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// A packet whose header carries options (RFC 791 §3.1, RFC 1122 §3.2.1.8, RFC 7126).
    ///
    /// Source routes are refused. Record-route and timestamp options are filled in where this stack
    /// receives or forwards the packet. Unknown options are passed over.
    mutating func ipv4WithOptionsArrived(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        var position = 20
        let end = fields.headerByteCount
        var changed = false
        while position < end {
            let kind = packet.bytes.uint8(at: position)
            if kind == 0 { break }
            if kind == 1 {
                position += 1
                continue
            }
            let length = position + 1 < end ? Int(packet.bytes.uint8(at: position + 1)) : 0
            guard length >= 2, position + length <= end else {
                sendICMPError(.parameterProblem(pointer: UInt8(clamping: position + 1)), about: packet)
                return drop(packet, .ipOptionMalformed)
            }
            switch kind {
            case 0x83, 0x89:
                sendICMPError(.sourceRouteFailed, about: packet)
                return drop(packet, .sourceRouteRefused)
            case 0x94:
                packet.metadata.flags.insert(.routerAlert)
            case 0x07:
                guard length >= 3 else { return refuseOption(packet, at: position + 2) }
                if recordRoute(in: &packet, at: position, length: length, port) { changed = true }
            case 0x44:
                guard length >= 4 else { return refuseOption(packet, at: position + 2) }
                if recordTimestamp(in: &packet, at: position, length: length, port) { changed = true }
            default:
                break
            }
            position += length
        }
        if changed { packet.storeIPv4HeaderChecksum(headerByteCount: end) }
        routeInput(packet, fields, port)
    }

    private mutating func refuseOption(_ packet: consuming Packet, at offset: Int) {
        sendICMPError(.parameterProblem(pointer: UInt8(clamping: offset)), about: packet)
        drop(packet, .ipOptionMalformed)
    }

    /// Writes our address into the next free place, if there is one.
    private func recordRoute(in packet: inout Packet, at position: Int, length: Int, _ port: SlotID) -> Bool {
        let pointer = Int(packet.bytes.uint8(at: position + 2))
        guard pointer >= 4, pointer + 3 <= length, let address = ports[port].primaryAddress else { return false }
        packet.store32(address.bits, at: position + pointer - 1)
        packet.store8(UInt8(pointer + 4), at: position + 2)
        return true
    }

    /// Writes milliseconds of the stack's clock, marked as not universal time, into the next free place.
    private func recordTimestamp(in packet: inout Packet, at position: Int, length: Int, _ port: SlotID) -> Bool {
        let pointer = Int(packet.bytes.uint8(at: position + 2))
        let overflowAndFlag = packet.bytes.uint8(at: position + 3)
        let milliseconds = UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) | 0x8000_0000
        let size = overflowAndFlag & 0xF == 0 ? 4 : 8
        guard pointer >= 5, pointer - 1 + size <= length else {
            guard overflowAndFlag >> 4 < 15 else { return false }
            packet.store8(overflowAndFlag &+ 0x10, at: position + 3)
            return true
        }
        let place = position + pointer - 1
        switch overflowAndFlag & 0xF {
        case 0:
            packet.store32(milliseconds, at: place)
        case 1:
            guard let address = ports[port].primaryAddress else { return false }
            packet.store32(address.bits, at: place)
            packet.store32(milliseconds, at: place + 4)
        case 3:
            guard local.isOurs(IPv4Address(bits: packet.bytes.uint32(at: place))) else { return false }
            packet.store32(milliseconds, at: place + 4)
        default:
            return false
        }
        packet.store8(UInt8(pointer + size), at: position + 2)
        return true
    }
}
