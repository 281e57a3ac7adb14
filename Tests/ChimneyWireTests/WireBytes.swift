import ChimneyPrimitives
import Testing

/// `count` bytes as `body` leaves them.
func written(_ count: Int, _ body: (inout MutableRawSpan) -> Void) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xA5, count: count)
    var elements = bytes.mutableSpan
    // Every byte written is a valid UInt8.
    var span = unsafe elements.mutableBytes
    body(&span)
    return bytes
}

/// The error that `body` throws, `nil` when it throws none.
func thrown<Failure: Error>(_ body: () throws(Failure) -> Void) -> Failure? {
    do {
        try body()
        return nil
    } catch {
        return error
    }
}

/// The bytes of `span` as an array.
func array(_ span: RawSpan) -> [UInt8] {
    span.byteOffsets.map { unsafe span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
}

extension Array where Element == UInt8 {
    /// The bytes as the views take them.
    var raw: RawSpan {
        @_lifetime(borrow self)
        // Every element is initialised for as long as the array is borrowed.
        get { unsafe span.bytes }
    }

    /// The bytes with the one at `offset` replaced.
    func with(_ byte: UInt8, at offset: Int) -> [UInt8] {
        var copy = self
        copy[offset] = byte
        return copy
    }
}

/// How many seeds a property is tried with.
let seeds: ClosedRange<UInt64> = 1...200

extension StackRandom {
    mutating func number<Number: FixedWidthInteger>(_ range: ClosedRange<Number>) -> Number {
        .random(in: range, using: &self)
    }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in number(0...255) } }
    mutating func address() -> IPv4Address { IPv4Address(bits: number(0...UInt32.max)) }
    mutating func address6() -> IPv6Address { IPv6Address(high: next(), low: next()) }
    mutating func mac() -> MACAddress { MACAddress(bits: next()) }
}

/// `bytes` as `body` changes them.
func changing(_ bytes: [UInt8], _ body: (inout MutableRawSpan) -> Void) -> [UInt8] {
    var bytes = bytes
    var elements = bytes.mutableSpan
    // Every byte written is a valid UInt8.
    var span = unsafe elements.mutableBytes
    body(&span)
    return bytes
}
