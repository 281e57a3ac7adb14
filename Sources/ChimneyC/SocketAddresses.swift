import CChimney
import ChimneyPrimitives
import Glibc

// Invariant: an address is as many bytes as the caller says, read by `Memory.load`, which looks at their number first, and
// written by `Memory.store`, which writes no more than there is room for.

/// The family of a socket.
enum Family {
    case ipv4, ipv6

    var number: Int32 { self == .ipv4 ? AF_INET : AF_INET6 }
    /// 0.0.0.0 or `::`.
    var any: Endpoint { self == .ipv4 ? Endpoint(IPv4Address.any, 0) : .any }
}

/// Addresses as C has them, `sockaddr_in` and `sockaddr_in6`.
enum SocketAddress {
    private static var ipv4ByteCount: Int { 16 }
    private static var ipv6ByteCount: Int { 28 }
    /// An address of IPv6 without its scope, as RFC 2133 had it.
    private static var shortIPv6ByteCount: Int { 24 }

    /// The family that an address names, and its bytes.
    static func family(
        _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
    ) throws(Errno) -> (Int32, UnsafeRawBufferPointer) {
        guard let address = unsafe address else { throw Errno(EFAULT) }
        guard length <= 128 else { throw Errno(EINVAL) }
        let bytes = unsafe UnsafeRawBufferPointer(start: UnsafeRawPointer(address), count: Int(length))
        let family = try unsafe Memory.load(bytes, as: sa_family_t.self)
        return unsafe (Int32(family), bytes)
    }

    /// An address of a socket's family.
    static func read(
        _ address: UnsafePointer<sockaddr>?, _ length: socklen_t, for family: Family
    ) throws(Errno) -> Endpoint {
        let (number, bytes) = try unsafe self.family(address, length)
        guard bytes.count >= (family == .ipv4 ? ipv4ByteCount : shortIPv6ByteCount) else {
            throw Errno(EINVAL)
        }
        guard number == family.number else { throw Errno(EAFNOSUPPORT) }
        return try unsafe read(bytes, as: family)
    }

    /// An address of either family.
    static func read(_ address: UnsafePointer<sockaddr>?, _ length: socklen_t) throws(Errno) -> Endpoint {
        let (number, bytes) = try unsafe self.family(address, length)
        return try unsafe read(bytes, number)
    }

    /// An address of either family at `offset` of an option's value.
    static func read(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Errno) -> Endpoint {
        let number = try unsafe Memory.load(bytes, at: offset, as: sa_family_t.self)
        return try unsafe read(UnsafeRawBufferPointer(rebasing: bytes[offset...]), Int32(number))
    }

    private static func read(_ bytes: UnsafeRawBufferPointer, _ number: Int32) throws(Errno) -> Endpoint {
        switch number {
        case AF_INET: return try unsafe read(bytes, as: .ipv4)
        case AF_INET6: return try unsafe read(bytes, as: .ipv6)
        default: throw Errno(EAFNOSUPPORT)
        }
    }

    private static func read(_ bytes: UnsafeRawBufferPointer, as family: Family) throws(Errno) -> Endpoint {
        let port = try unsafe UInt16(bigEndian: Memory.load(bytes, at: 2, as: UInt16.self))
        switch family {
        case .ipv4: return Endpoint(try unsafe ipv4Address(bytes, at: 4), port)
        case .ipv6:
            let zone = unsafe bytes.count < ipv6ByteCount ? 0 : try Memory.load(bytes, at: 24, as: UInt32.self)
            return Endpoint(try unsafe ipv6Address(bytes, at: 8), port, zone: zone)
        }
    }

    static func ipv4Address(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Errno) -> IPv4Address {
        IPv4Address(bits: try unsafe UInt32(bigEndian: Memory.load(bytes, at: offset, as: UInt32.self)))
    }

    static func ipv6Address(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Errno) -> IPv6Address {
        IPv6Address(
            high: try unsafe UInt64(bigEndian: Memory.load(bytes, at: offset, as: UInt64.self)),
            low: try unsafe UInt64(bigEndian: Memory.load(bytes, at: offset + 8, as: UInt64.self)))
    }

    /// Writes an address in the shape of a socket's family where the caller wants it; nowhere when it wants none.
    static func write(
        _ endpoint: Endpoint, _ family: Family, to address: UnsafeMutablePointer<sockaddr>?,
        _ length: UnsafeMutablePointer<socklen_t>?
    ) throws(Errno) {
        guard let address = unsafe address else { return }
        guard let length = unsafe length else { throw Errno(EFAULT) }
        let bytes = self.bytes(of: endpoint, family)
        try unsafe Memory.store(bytes, at: UnsafeMutableRawPointer(address), length)
        // A caller with too little room learns how much it takes.
        unsafe length.pointee = socklen_t(bytes.count)
    }

    /// An address as C lays it out.
    static func bytes(of endpoint: Endpoint, _ family: Family) -> [UInt8] {
        let number = UInt16(truncatingIfNeeded: family.number)
        var bytes = [UInt8(truncatingIfNeeded: number), UInt8(number >> 8)]
        func append(_ value: some FixedWidthInteger) {
            for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> shift))
            }
        }
        append(endpoint.port)
        switch family {
        case .ipv4:
            append(UInt32(truncatingIfNeeded: endpoint.mapped.low))
            append(UInt64(0))
        case .ipv6:
            append(UInt32(0))
            append(endpoint.mapped.high)
            append(endpoint.mapped.low)
            append(UInt32(bigEndian: endpoint.zone))
        }
        return bytes
    }
}
