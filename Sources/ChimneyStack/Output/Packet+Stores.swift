import ChimneyPrimitives
import ChimneyWire

extension Packet {
    /// Writes a 16-bit number, most significant byte first.
    @inline(__always)
    mutating func store16(_ value: UInt16, at offset: Int) {
        var span = mutableBytes
        span.store(value, at: offset)
    }

    /// Writes a 32-bit number, most significant byte first.
    @inline(__always)
    mutating func store32(_ value: UInt32, at offset: Int) {
        var span = mutableBytes
        span.store(value, at: offset)
    }

    /// Writes one byte.
    @inline(__always)
    mutating func store8(_ value: UInt8, at offset: Int) {
        var span = mutableBytes
        span.store(value, at: offset)
    }

    /// Writes bytes that must fit.
    mutating func write(_ source: RawSpan, at offset: Int) {
        var span = mutableBytes
        span.store(source, at: offset)
    }

    /// Computes the checksum of the IPv4 header at the front and writes it there.
    mutating func storeIPv4HeaderChecksum(headerByteCount: Int) {
        store16(0, at: 10)
        let sum = InternetChecksum.sum(bytes.extracting(0..<headerByteCount))
        store16(InternetChecksum.finish(sum), at: 10)
    }
}

extension PacketPool {
    /// A packet whose first part has `byteCount` bytes yet to be written, or `nil` at the pool's bound.
    func allocate(byteCount: Int) -> Packet? {
        guard var packet = allocate(headroom: 128, count: byteCount) else { return nil }
        guard packet.extend(by: byteCount) else { return nil }
        return packet
    }
}

extension PacketFlags {
    /// The packet is addressed to a broadcast address of IPv4.
    static var ipBroadcast: Self { Self(rawValue: 1 << 14) }
    /// Any of those that say that others may receive the packet too.
    static var severalReceivers: Self { Self(rawValue: 3 << 14 | 3) }
    /// The packet is addressed to a group.
    static var ipMulticast: Self { Self(rawValue: 1 << 15) }
}
