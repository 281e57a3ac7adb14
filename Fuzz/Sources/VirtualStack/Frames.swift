import ChimneyLink
import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

extension Script {
    /// An IPv4 packet of these choices, its lengths and checksums right unless a choice says otherwise; ICMP errors
    /// are about `quote`.
    mutating func packet(about quote: [UInt8]) -> [UInt8] {
        let shape = byte()
        let source = address()
        let destination = address()
        let ipProtocol: UInt8 = shape & 1 == 0 ? 17 : shape & 2 == 0 ? 1 : byte()
        let options = shape & 4 == 0 ? [] : take(Int(byte() % 11) * 4)
        let fragment = shape & 8 == 0 ? 0 : half()
        let timeToLive = shape & 16 == 0 ? 64 : byte()
        var payload: [UInt8]
        switch ipProtocol {
        case 17:
            payload = be(port()) + be(port()) + [0, 0, 0, 0] + body(shape)
            payload.replaceSubrange(4..<6, with: be(UInt16(payload.count)))
            let pseudo = be(source.bits) + be(destination.bits) + [0, 17] + be(UInt16(payload.count))
            payload.replaceSubrange(6..<8, with: be(checksum(pseudo + payload)))
        case 1:
            payload = [choice([8, 0, 3, 4, 5, 11, 12, 13, byte()]), byte() & 15, 0, 0]
            payload += shape & 64 == 0 ? be(address().bits) + quote : be(word()) + body(shape)
            payload.replaceSubrange(2..<4, with: be(checksum(payload)))
        default:
            payload = body(shape)
        }
        let headerByteCount = 20 + (options.count + 3) / 4 * 4
        var header: [UInt8] = [0x40 | UInt8(headerByteCount / 4), byte()]
        header += be(UInt16(headerByteCount + payload.count)) + be(UInt16(byte() & 3)) + be(fragment)
        header += [timeToLive, ipProtocol, 0, 0] + be(source.bits) + be(destination.bits) + options
        header += [UInt8](repeating: 0, count: headerByteCount - header.count)
        header.replaceSubrange(10..<12, with: be(checksum(header)))
        var packet = header + payload
        if shape & 128 != 0, !packet.isEmpty { packet[Int(byte()) % packet.count] ^= 1 << (byte() & 7) }
        return packet
    }

    /// Bytes of the input, or many that cost it only two.
    private mutating func body(_ shape: UInt8) -> [UInt8] {
        if shape & 32 == 0 { return take(Int(byte() & 63)) }
        return [UInt8](repeating: 0x5A, count: Int(half() % 1_481))
    }

    /// An ARP message behind its Ethernet header.
    mutating func arp(to mac: MACAddress) -> [UInt8] {
        let shape = byte()
        let sender = shape & 1 == 0 ? self.mac() : mac
        var message: [UInt8] = be(UInt16(1)) + be(UInt16(0x0800)) + [6, 4]
        message += be(UInt16(shape >> 1 & 3)) + six(sender) + be(address().bits)
        message += six(shape & 8 == 0 ? .zero : mac) + be(address().bits)
        if shape & 16 != 0 { message[Int(byte()) % message.count] = byte() }
        if shape & 32 != 0 { message.removeLast(Int(byte()) % message.count) }
        let target = shape & 64 == 0 ? MACAddress.broadcast : mac
        return six(target) + six(sender) + be(UInt16(0x0806)) + message
    }

    /// An Ethernet header for an interface whose link address is `mac`.
    mutating func header(to mac: MACAddress) -> [UInt8] {
        let chosen = byte()
        let target: MACAddress
        switch chosen & 7 {
        case 5: target = .broadcast
        case 6: target = MACAddress(group: .allSystems)
        case 7: target = self.mac()
        default: target = mac
        }
        return six(target) + six(MACAddress(bits: 0x0200_0000_0010)) + be(UInt16(chosen == 255 ? half() : 0x0800))
    }
}

func be<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
    (0..<MemoryLayout<Number>.size).reversed().map { UInt8(truncatingIfNeeded: value >> (Number($0) * 8)) }
}

func six(_ mac: MACAddress) -> [UInt8] { Array(be(mac.bits).suffix(6)) }

/// The checksum of RFC 1071, written down again so that the stack's is compared with another.
func checksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
        sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
    }
    while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
    return ~UInt16(sum)
}
