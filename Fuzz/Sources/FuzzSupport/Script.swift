/// The bytes of an input, read as choices; behind their end every choice is zero.
public struct Script {
    private let bytes: [UInt8]
    private var position = 0

    /// Reads from the start.
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Whether there are no bytes left.
    public var isOver: Bool { position >= bytes.count }

    /// The next byte.
    public mutating func byte() -> UInt8 {
        guard !isOver else { return 0 }
        defer { position += 1 }
        return bytes[position]
    }

    /// The next two, the first one most significant.
    public mutating func half() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }

    /// The next four.
    public mutating func word() -> UInt32 { UInt32(half()) << 16 | UInt32(half()) }

    /// Up to `count` bytes, fewer at the end.
    public mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, position + count)
        defer { position = end }
        return Array(bytes[position..<end])
    }

    /// One of some values.
    public mutating func choice<Value>(_ values: [Value]) -> Value { values[Int(byte()) % values.count] }
}
