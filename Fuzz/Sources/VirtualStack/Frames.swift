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

    /// An IPv6 packet of these choices, its lengths and checksums right unless a choice says otherwise; ICMPv6 errors
    /// are about `quote`.
    mutating func ipv6Packet(about quote: [UInt8]) -> [UInt8] {
        let shape = byte()
        let source = ipv6Address()
        let destination = ipv6Address()
        let upper: UInt8 = shape & 1 == 0 ? 17 : shape & 2 == 0 ? 58 : byte()
        var hopLimit: UInt8 = shape & 4 == 0 ? 64 : byte()
        var payload: [UInt8]
        switch upper {
        case 17:
            payload = be(port()) + be(port()) + [0, 0, 0, 0] + body(shape)
            payload.replaceSubrange(4..<6, with: be(UInt16(payload.count)))
        case 58:
            let type = choice([128, 129, 1, 2, 3, 4, 133, 134, 135, 135, 136, 136, 137, byte()])
            payload = [type, byte() & 7, 0, 0]
            switch type {
            case 1...4: payload += be(UInt32(half())) + quote
            case 133...137:
                if shape & 8 == 0 { hopLimit = 255 }
                payload += discovery(type)
            default: payload += be(word()) + body(shape)
            }
        default:
            payload = body(shape)
        }
        let ends = be(source.bits) + be(destination.bits)
        let sum = checksum(ends + be(UInt32(payload.count)) + [0, 0, 0, upper] + payload)
        if upper == 17 { payload.replaceSubrange(6..<8, with: be(sum == 0 ? 0xFFFF : sum)) }
        if upper == 58 { payload.replaceSubrange(2..<4, with: be(sum)) }
        var numbers: [UInt8] = []
        var headers: [[UInt8]] = []
        let count = shape & 16 == 0 ? 0 : Int(byte() % 11)
        for _ in 0..<count {
            numbers.append(choice([0, 43, 44, 60, 60, 51, 135]))
            headers.append(extensionHeader(numbers[numbers.count - 1]))
        }
        numbers.append(upper)
        let chain = zip(headers, numbers.dropFirst()).flatMap { [$1] + $0 }
        var packet = [0x60 | byte() & 0xF, byte(), 0, 0] + be(UInt16(truncatingIfNeeded: chain.count + payload.count))
        packet += [numbers[0], hopLimit] + ends + chain + payload
        if shape & 128 != 0 { packet[Int(half()) % packet.count] ^= 1 << (byte() & 7) }
        return packet
    }

    /// What follows the first four bytes of a message of discovery: fixed fields, an address or two, options.
    private mutating func discovery(_ type: UInt8) -> [UInt8] {
        var message = take(4)
        message += [UInt8](repeating: 0, count: 4 - message.count)
        switch type {
        case 134: message += be(word()) + be(word())
        case 135, 136: message += be(ipv6Address().bits)
        case 137: message += be(ipv6Address().bits) + be(ipv6Address().bits)
        default: break
        }
        for _ in 0..<byte() % 4 {
            switch byte() % 6 {
            case 0: message += [1, 1] + six(mac())
            case 1: message += [2, 1] + six(mac())
            case 2:
                message += [3, 4, byte() % 130, byte()] + be(word()) + be(word()) + [0, 0, 0, 0]
                message += be(ipv6Address().bits)
            case 3: message += [5, 1, 0, 0] + be(UInt32(half()))
            case 4: message += [14, 1] + six(mac())
            default: message += [byte(), byte() % 5] + take(6)
            }
        }
        return message
    }

    /// An extension header without its first byte.
    private mutating func extensionHeader(_ number: UInt8) -> [UInt8] {
        if number == 44 { return [0] + be(half()) + be(UInt32(byte() & 3)) }
        let units = number == 51 ? 1 : Int(byte() & 3)
        let rest = take(units * 8 + 6)
        // The authentication header counts in units of four bytes, two of them not.
        let length = number == 51 ? UInt8(2) : UInt8(units)
        return [length] + rest + [UInt8](repeating: 0, count: units * 8 + 6 - rest.count)
    }

    /// Bytes of the input, or many that cost it only two.
    private mutating func body(_ shape: UInt8) -> [UInt8] {
        if shape & 32 == 0 { return take(Int(byte() & 63)) }
        return [UInt8](repeating: 0x5A, count: Int(half() % 1_481))
    }

    /// A group of either family, few of them.
    mutating func group() -> IPAddress {
        let chosen = byte()
        if chosen & 1 == 0 {
            return .v4(IPv4Address(bits: chosen & 2 == 0 ? 0xEF01_0203 : 0xE801_0100 | UInt32(chosen >> 5)))
        }
        return .v6(IPv6Address(high: (chosen & 2 == 0 ? 0xFF0E : 0xFF3E) << 48, low: 9 + UInt64(chosen >> 5)))
    }

    /// An IGMP message in its packet, right but for what the choices break.
    mutating func igmp() -> [UInt8] {
        let shape = byte()
        var message: [UInt8] = [choice([0x11, 0x11, 0x12, 0x16, 0x17, 0x22, byte()]), byte(), 0, 0]
        var group: IPv4Address = .any
        if shape & 1 == 0, case .v4(let chosen) = self.group() { group = chosen }
        message += be(group.bits)
        if shape & 2 == 0 {
            let count = UInt16(byte() % 6)
            message += [byte(), byte()] + be(shape & 4 == 0 ? count : half())
            for _ in 0..<count { message += be(address().bits) }
        }
        message += shape & 8 == 0 ? [] : take(Int(byte() & 63))
        message.replaceSubrange(2..<4, with: be(checksum(message)))
        let target = shape & 16 == 0 ? IPv4Address.allSystems : group
        let options: [UInt8] = shape & 32 == 0 ? [0x94, 4, 0, 0] : []
        var header: [UInt8] = [0x45 + UInt8(options.count / 4), 0xC0]
        header += be(UInt16(20 + options.count + message.count)) + be(UInt32(0))
        header += [shape & 64 == 0 ? 1 : byte(), 2, 0, 0] + be(address().bits) + be(target.bits) + options
        header.replaceSubrange(10..<12, with: be(checksum(header)))
        return header + message
    }

    /// An MLD message in its packet, right but for what the choices break.
    mutating func mld() -> [UInt8] {
        let shape = byte()
        var message: [UInt8] = [choice([130, 130, 131, 132, 143, byte()]), byte(), 0, 0] + be(half()) + [0, 0]
        var group: IPv6Address = .any
        if shape & 1 == 0, case .v6(let chosen) = self.group() { group = chosen }
        message += be(group.bits)
        if shape & 2 == 0 {
            let count = UInt16(byte() % 6)
            message += [byte(), byte()] + be(shape & 4 == 0 ? count : half())
            for _ in 0..<count { message += be(ipv6Address().bits) }
        }
        message += shape & 8 == 0 ? [] : take(Int(byte() & 63))
        let source = shape & 32 == 0 ? IPv6Address(high: 0xFE80 << 48, low: 0x99) : ipv6Address()
        let ends = be(source.bits) + be((shape & 16 == 0 ? IPv6Address.allNodes : group).bits)
        let sum = checksum(ends + be(UInt32(message.count)) + [0, 0, 0, 58] + message)
        message.replaceSubrange(2..<4, with: be(sum))
        let alert: [UInt8] = [58, 0, 5, 2, 0, 0, 1, 0]
        let head: [UInt8] = [0x60, 0, 0, 0] + be(UInt16(alert.count + message.count))
        return head + [0, shape & 64 == 0 ? 1 : byte()] + ends + alert + message
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
    mutating func header(to mac: MACAddress, isIPv6: Bool = false) -> [UInt8] {
        let chosen = byte()
        let target: MACAddress
        switch chosen & 7 {
        case 5: target = .broadcast
        case 6: target = isIPv6 ? MACAddress(group: IPv6Address.allNodes) : MACAddress(group: IPv4Address.allSystems)
        case 7: target = self.mac()
        default: target = mac
        }
        let etherType: UInt16 = chosen == 255 ? half() : isIPv6 ? 0x86DD : 0x0800
        return six(target) + six(MACAddress(bits: 0x0200_0000_0010)) + be(etherType)
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
