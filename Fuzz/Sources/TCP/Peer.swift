import ChimneyPrimitives
import ChimneyWire

/// One end of a flow that the input plays, and what it saw of the other.
struct Peer {
    let isIPv6: Bool
    /// Which host of the link the input plays here.
    let host: UInt8
    let port: UInt16
    let localPort: UInt16
    /// The number of its next byte, as the stack expects it.
    var next: UInt32
    /// The number behind the highest that the stack sent, and the first that was not acknowledged.
    var heard: UInt32 = 0
    var acknowledged: UInt32 = 0
    /// The timestamp that the stack sent last; `nil` while its segments have none.
    var clock: UInt32?
    /// By how much the stack's bytes differ from the number they have; `nil` before the first.
    var skew: UInt8?
    /// The last packet of the stack's, for ICMP errors to be about.
    var lastHeard: [UInt8] = []

    init(isIPv6: Bool, host: UInt8, port: UInt16, localPort: UInt16, next: UInt32) {
        self.isIPv6 = isIPv6
        self.host = host
        self.port = port
        self.localPort = localPort
        self.next = next
    }

    /// The address of a host of the link, as it stands in a header.
    static func address(_ host: UInt8, isIPv6: Bool) -> [UInt8] {
        isIPv6 ? [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host] : [10, 0, 0, host]
    }

    var endpoint: Endpoint {
        isIPv6
            ? Endpoint(IPv6Address(high: 0x2001_0DB8 << 32, low: UInt64(host)), port)
            : Endpoint(IPv4Address(10, 0, 0, host), port)
    }

    /// A segment of the peer's, checksums right; each byte of its payload is the low bits of its number.
    func segment(
        sequence: UInt32, ack: UInt32, flags: UInt16, window: UInt16, urgent: UInt16 = 0, options: [UInt8] = [],
        count: Int = 0, hasMark: Bool = false
    ) -> [UInt8] {
        let padded = options + [UInt8](repeating: 0, count: (4 - options.count % 4) % 4)
        var segment = be(port) + be(localPort) + be(sequence) + be(ack)
        segment += be(UInt16(5 + padded.count / 4) << 12 | flags) + be(window) + [0, 0] + be(urgent) + padded
        let first = sequence &+ (flags & 2 != 0 ? 1 : 0)
        for index in 0..<count { segment.append(UInt8(truncatingIfNeeded: first &+ UInt32(index))) }
        let ends = Self.address(host, isIPv6: isIPv6) + Self.address(1, isIPv6: isIPv6)
        let sum = checksum(ends + be(UInt32(segment.count)) + [0, 0, 0, 6] + segment)
        segment.replaceSubrange(16..<18, with: be(sum))
        return packet(segment, number: 6, service: hasMark ? 3 : 0)
    }

    /// An ICMP error about the last packet of the stack's, its numbers perhaps changed.
    func error(_ type: UInt8, _ code: UInt8, rest: UInt32, quote: [UInt8]) -> [UInt8] {
        var message: [UInt8] = [type, code, 0, 0] + be(rest) + quote
        var covered = message
        if isIPv6 {
            covered = Self.address(host, isIPv6: true) + Self.address(1, isIPv6: true)
            covered += be(UInt32(message.count)) + [0, 0, 0, 58] + message
        }
        message.replaceSubrange(2..<4, with: be(checksum(covered)))
        return packet(message, number: isIPv6 ? 58 : 1, service: 0)
    }

    private func packet(_ payload: [UInt8], number: UInt8, service: UInt8) -> [UInt8] {
        let ends = Self.address(host, isIPv6: isIPv6) + Self.address(1, isIPv6: isIPv6)
        if isIPv6 {
            let first: [UInt8] = [0x60, service << 4, 0, 0]
            return first + be(UInt16(payload.count)) + [number, 64] + ends + payload
        }
        var header: [UInt8] =
            [0x45, service] + be(UInt16(20 + payload.count)) + [0, 7, 0x40, 0, 64, number, 0, 0] + ends
        header.replaceSubrange(10..<12, with: be(checksum(header)))
        return header + payload
    }

    /// Takes note of what the stack sent.
    mutating func hear(_ header: TCPHeader, _ options: TCPOptionValues, _ payloadCount: Int, _ packet: [UInt8]) {
        let flags = header.flags
        lastHeard = packet
        if flags.contains(.syn) {
            heard = header.sequence
            acknowledged = header.sequence
            skew = nil
        }
        let taken = UInt32(payloadCount) &+ (flags.isDisjoint(with: [.syn, .fin]) ? 0 : 1)
        let end = header.sequence &+ taken
        if Int32(bitPattern: end &- heard) > 0 { heard = end }
        if flags.contains(.ack), !flags.contains(.rst) { next = header.acknowledgment }
        clock = options.timestamps?.value
    }
}

func be<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
    (0..<MemoryLayout<Number>.size).reversed().map { UInt8(truncatingIfNeeded: value >> (Number($0) * 8)) }
}

/// The checksum of RFC 1071, written down again so that the stack's is compared with another.
func checksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
        sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
    }
    while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
    return ~UInt16(sum)
}
