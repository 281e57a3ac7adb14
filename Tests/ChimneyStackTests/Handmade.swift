import ChimneyPrimitives

/// Packets of either family made by hand, right or wrong.
struct Handmade {
    /// A header between that of IPv6 and the payload: its number, and its bytes behind the next-header field.
    struct Extension {
        var number: UInt8
        var rest: [UInt8]
    }

    var source: IPAddress
    var destination: IPAddress
    var ipProtocol: UInt8 = 17
    var timeToLive: UInt8 = 64
    var typeOfService: UInt8 = 0
    var identification: UInt16 = 1
    /// Flags and offset as IPv4 writes them; of IPv6 they become a fragment header, the last of its extensions.
    var fragmentWord: UInt16 = 0
    /// IPv4 alone.
    var options: [UInt8] = []
    /// IPv6 alone.
    var extensions: [Extension] = []
    var payload: [UInt8] = []

    /// A packet from the left to the right of a ``Segment``.
    init(_ family: Family = .ipv4) {
        source = family.left
        destination = family.right
    }

    static func udp(
        _ family: Family = .ipv4, from sourcePort: UInt16 = 1_000, to port: UInt16, _ data: [UInt8],
        source: IPAddress? = nil, destination: IPAddress? = nil
    ) -> Handmade {
        var packet = Handmade(source?.family ?? destination?.family ?? family)
        packet.source = source ?? packet.source
        packet.destination = destination ?? packet.destination
        let length = UInt16(data.count + 8)
        packet.payload = be(sourcePort) + be(port) + be(length) + [0, 0] + data
        let sum = packet.transportSum
        packet.payload.replaceSubrange(6..<8, with: be(sum == 0 ? 0xFFFF : sum))
        return packet
    }

    static func echo(
        _ family: Family = .ipv4, _ identifier: UInt16 = 7, sequence: UInt16 = 1, _ data: [UInt8] = [],
        destination: IPAddress? = nil
    ) -> Handmade {
        let rest = UInt32(identifier) << 16 | UInt32(sequence)
        return icmp([family.echoRequest, 0], rest: rest, data, from: family.left, to: destination ?? family.right)
    }

    /// An ICMP message of this type and code, of which `rest` is the bytes 4 to 7.
    static func icmp(
        _ kind: [UInt8], rest: UInt32 = 0, _ body: [UInt8], from source: IPAddress, to destination: IPAddress
    ) -> Handmade {
        var packet = Handmade(source.family)
        packet.source = source
        packet.destination = destination
        packet.ipProtocol = source.family.icmp
        packet.payload = kind + [0, 0] + be(rest) + body
        packet.payload.replaceSubrange(2..<4, with: be(packet.transportSum))
        return packet
    }

    var family: Family { source.family }

    /// The checksum of the payload as it stands, with the pseudo-header but for ICMP over IPv4.
    private var transportSum: UInt16 {
        if family == .ipv4, ipProtocol == 1 { return Self.checksum(payload) }
        return Self.checksum(pseudoHeader + payload)
    }

    private var pseudoHeader: [UInt8] {
        let addresses = source.bytes + destination.bytes
        return addresses + Self.be(UInt32(payload.count)) + [0, 0, 0, ipProtocol]
    }

    var bytes: [UInt8] {
        switch family {
        case .ipv4: ipv4Header + payload
        case .ipv6: ipv6Header + payload
        }
    }

    private var ipv4Header: [UInt8] {
        var header: [UInt8] = [UInt8(0x45 + options.count / 4), typeOfService]
        header += Self.be(UInt16(20 + options.count + payload.count)) + Self.be(identification)
        header += Self.be(fragmentWord) + [timeToLive, ipProtocol, 0, 0]
        header += source.bytes + destination.bytes + options
        header.replaceSubrange(10..<12, with: Self.be(Self.checksum(header)))
        return header
    }

    private var ipv6Header: [UInt8] {
        var chain = extensions
        if fragmentWord & 0x3FFF != 0 {
            let word = (fragmentWord & 0x1FFF) << 3 | fragmentWord >> 13 & 1
            chain.append(Extension(number: 44, rest: [0] + Self.be(word) + Self.be(UInt32(identification))))
        }
        let numbers = chain.map(\.number) + [ipProtocol]
        let extensionBytes = zip(chain, numbers.dropFirst()).flatMap { [$1] + $0.rest }
        let version = Self.be(0x6000_0000 | UInt32(typeOfService) << 20)
        let length = Self.be(UInt16(truncatingIfNeeded: extensionBytes.count + payload.count))
        return version + length + [numbers[0], timeToLive] + source.bytes + destination.bytes + extensionBytes
    }

    static func frame(_ packet: [UInt8], to mac: UInt64 = 0x0200_0000_0002, etherType: UInt16 = 0x0800) -> [UInt8] {
        be(mac << 16).prefix(6) + be(UInt64(0x0200_0000_0001) << 16).prefix(6) + be(etherType) + packet
    }

    /// The packet in a frame to the right stack of a ``Segment`` of Ethernet.
    var frame: [UInt8] { frame(to: 0x0200_0000_0002) }

    func frame(to mac: UInt64) -> [UInt8] { Self.frame(bytes, to: mac, etherType: family.etherType) }

    static func be<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
        (0..<MemoryLayout<Number>.size).reversed().map { UInt8(truncatingIfNeeded: value >> (Number($0) * 8)) }
    }

    static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
        return ~UInt16(sum)
    }
}

/// A packet that a stack sent, of either family, taken apart.
struct Seen {
    /// The frame's header; empty on links without frames.
    var link: [UInt8] = []
    /// The packet from its IP header on.
    var bytes: [UInt8]

    /// Takes a packet of a link without frames apart.
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Takes a frame apart.
    init(frame: [UInt8]) {
        link = Array(frame.prefix(14))
        bytes = Array(frame.dropFirst(14))
    }

    var family: Family { bytes[0] >> 4 == 4 ? .ipv4 : .ipv6 }
    var source: IPAddress { address(at: family == .ipv4 ? 12 : 8) }
    var destination: IPAddress { address(at: family == .ipv4 ? 16 : 24) }
    var timeToLive: UInt8 { bytes[family == .ipv4 ? 8 : 7] }
    var typeOfService: UInt8 { family == .ipv4 ? bytes[1] : bytes[0] << 4 | bytes[1] >> 4 }
    /// What the packet carries, behind a fragment header where it has one.
    var ipProtocol: UInt8 { family == .ipv4 ? bytes[9] : isIPv6Fragment ? bytes[40] : bytes[6] }
    /// What stands behind the IP header, its options and a fragment header.
    var payload: [UInt8] {
        Array(bytes.dropFirst(family == .ipv4 ? Int(bytes[0] & 0xF) * 4 : isIPv6Fragment ? 48 : 40))
    }
    /// Flags and offset as IPv4 writes them.
    var fragmentWord: UInt16 {
        guard family == .ipv6 else { return UInt16(bytes[6]) << 8 | UInt16(bytes[7]) }
        guard isIPv6Fragment else { return 0 }
        let word = UInt16(bytes[42]) << 8 | UInt16(bytes[43])
        return word >> 3 | (word & 1) << 13
    }

    /// The type and code of an ICMP message; its bytes 4 to 7; and what follows, of an error the packet it is about.
    var kind: [UInt8] { Array(payload.prefix(2)) }
    var rest: UInt32 { payload[4..<8].reduce(0) { $0 << 8 | UInt32($1) } }
    var body: [UInt8] { Array(payload.dropFirst(8)) }

    /// Whether the checksums are right: that of the IPv4 header, and that of UDP or ICMP where the packet is whole.
    var isSumRight: Bool {
        if family == .ipv4, Handmade.checksum(Array(bytes.prefix(Int(bytes[0] & 0xF) * 4))) != 0 { return false }
        guard fragmentWord & 0x3FFF == 0 else { return true }
        guard family == .ipv6 || ipProtocol != 1 else { return Handmade.checksum(payload) == 0 }
        let pseudo = source.bytes + destination.bytes + Handmade.be(UInt32(payload.count)) + [0, 0, 0, ipProtocol]
        return Handmade.checksum(pseudo + payload) == 0
    }

    private var isIPv6Fragment: Bool { family == .ipv6 && bytes[6] == 44 }

    private func address(at offset: Int) -> IPAddress {
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        guard family == .ipv6 else { return .v4(IPv4Address(bits: UInt32(number(offset..<offset + 4)))) }
        return .v6(IPv6Address(high: number(offset..<offset + 8), low: number(offset + 8..<offset + 16)))
    }
}
