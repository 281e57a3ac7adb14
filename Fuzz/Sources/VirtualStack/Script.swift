import ChimneyPrimitives

/// The bytes of an input, read as choices; behind their end every choice is zero.
struct Script {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isOver: Bool { position >= bytes.count }

    mutating func byte() -> UInt8 {
        guard !isOver else { return 0 }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func half() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }

    mutating func word() -> UInt32 { UInt32(half()) << 16 | UInt32(half()) }

    /// Up to `count` bytes, fewer at the end.
    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, position + count)
        defer { position = end }
        return Array(bytes[position..<end])
    }

    /// One of some values.
    mutating func choice<Value>(_ values: [Value]) -> Value { values[Int(byte()) % values.count] }

    /// Addresses with a part in the scene, or now and then any other.
    mutating func address() -> IPv4Address {
        let known: [UInt32] = [
            0x0A00_0001, 0x0A00_0101, 0x0A00_0201, 0x0A00_0002, 0x0A00_00FE, 0x0A00_00FF, 0xFFFF_FFFF, 0xE000_0001,
            0x7F00_0001, 0xC000_0207, 0x0A00_0102, 0x0A00_0202, 0xEF01_0203, 0, 0x0A00_0003,
        ]
        let chosen = Int(byte() & 0xF)
        return IPv4Address(bits: chosen < known.count ? known[chosen] : word())
    }

    mutating func endpoint() -> Endpoint { Endpoint(address(), port()) }

    /// Few ports, so that sockets and packets meet.
    mutating func port() -> UInt16 {
        let chosen = byte()
        return chosen & 0x80 == 0 ? UInt16(chosen & 7) : 49_152 + UInt16(chosen & 7)
    }

    mutating func mac() -> MACAddress { MACAddress(bits: 0x0200_0000_0000 | UInt64(byte())) }
}
