import ChimneyPrimitives

/// TCP segments of either family made by hand, and read.
struct TCPHandmade {
    var packet: Handmade
    var sequence: UInt32 = 0xFFFF_F000
    var acknowledgment: UInt32 = 77
    /// The control bits: ACK.
    var flags: UInt16 = 0x10
    var window: UInt16 = 500
    /// A multiple of four bytes.
    var options: [UInt8] = []
    var data: [UInt8] = []

    init(_ family: Family, _ data: [UInt8] = []) {
        packet = Handmade(family)
        packet.ipProtocol = 6
        packet.identification = 0xFFF0
        self.data = data
    }

    /// The packet with right checksums.
    var bytes: [UInt8] {
        var packet = packet
        packet.payload = segment
        var bytes = packet.bytes
        let start = bytes.count - packet.payload.count
        let pseudo = packet.source.bytes + packet.destination.bytes + Handmade.be(UInt32(packet.payload.count))
        let sum = Handmade.checksum(pseudo + [0, 0, 0, 6] + packet.payload)
        bytes.replaceSubrange(start + 16..<start + 18, with: Handmade.be(sum))
        return bytes
    }

    private var segment: [UInt8] {
        var header = Handmade.be(UInt16(80)) + Handmade.be(UInt16(4_000)) + Handmade.be(sequence)
        header += Handmade.be(acknowledgment) + Handmade.be(UInt16(5 + options.count / 4) << 12 | flags)
        return header + Handmade.be(window) + [0, 0, 0, 0] + options + data
    }

    /// The segment that follows this one on the wire.
    func next(_ data: [UInt8]) -> TCPHandmade {
        var next = self
        next.sequence &+= UInt32(self.data.count)
        next.packet.identification &+= 1
        next.data = data
        return next
    }
}

extension Seen {
    var isTCP: Bool { ipProtocol == 6 }
    var sequence: UInt32 { number(at: 4, count: 4) }
    var acknowledgment: UInt32 { number(at: 8, count: 4) }
    var tcpFlags: UInt16 { UInt16(number(at: 12, count: 2) & 0xFFF) }
    var window: UInt16 { UInt16(number(at: 14, count: 2)) }
    var tcpOptions: [UInt8] { Array(payload[20..<dataOffset]) }
    var tcpData: [UInt8] { Array(payload.dropFirst(dataOffset)) }
    var identification: UInt16 { UInt16(bytes[4]) << 8 | UInt16(bytes[5]) }
    /// The bytes that the IP header counts.
    var countedBytes: Int { Int(bytes[family == .ipv4 ? 2 : 4]) << 8 | Int(bytes[family == .ipv4 ? 3 : 5]) }

    private var dataOffset: Int { Int(payload[12] >> 4) * 4 }

    private func number(at offset: Int, count: Int) -> UInt32 {
        payload[offset..<offset + count].reduce(0) { $0 << 8 | UInt32($1) }
    }
}

extension Packet {
    /// The bytes of all parts.
    borrowing func allBytes() -> [UInt8] {
        (0..<sliceCount).flatMap { part -> [UInt8] in
            let bytes = slice(part)
            return (0..<bytes.byteCount).map { unsafe bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
    }
}
