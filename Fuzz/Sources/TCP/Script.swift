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

    /// A number near `base`, near `other`, between the two, or anywhere.
    mutating func number(near base: UInt32, _ other: UInt32) -> UInt32 {
        let shape = byte()
        switch shape & 15 {
        case 0...7: return base
        case 8: return base &+ UInt32(byte())
        case 9: return base &- UInt32(byte())
        case 10: return other
        case 11: return other &+ UInt32(byte())
        case 12: return other &+ (base &- other) / 2
        case 13: return base &+ UInt32(half())
        case 14: return base &- UInt32(half())
        default: return word()
        }
    }
}
