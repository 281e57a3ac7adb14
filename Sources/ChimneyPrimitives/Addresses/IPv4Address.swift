/// An IPv4 address (RFC 791), held as the number it is rather than as bytes in network order.
@frozen
public struct IPv4Address: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The address as a number: 10.0.0.1 is `0x0A00_0001`.
    public var bits: UInt32

    /// The address with this value, most significant byte first: `0x0A00_0001` is 10.0.0.1.
    @inlinable
    public init(bits: UInt32) { self.bits = bits }

    /// The address `a.b.c.d`.
    @inlinable
    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        bits = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }

    /// Orders addresses by value.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.bits < rhs.bits }

    /// 0.0.0.0: no address, or any address.
    @inlinable
    public static var any: Self { Self(bits: 0) }
    /// 255.255.255.255: every host on the link (RFC 919).
    @inlinable
    public static var limitedBroadcast: Self { Self(bits: 0xFFFF_FFFF) }
    /// 127.0.0.1.
    @inlinable
    public static var loopback: Self { Self(bits: 0x7F00_0001) }
    /// 224.0.0.1: all systems on the link (RFC 1112).
    @inlinable
    public static var allSystems: Self { Self(bits: 0xE000_0001) }

    /// Whether this is 0.0.0.0.
    @inlinable
    public var isAny: Bool { bits == 0 }
    /// Whether the address is in 224.0.0.0/4 (RFC 1112).
    @inlinable
    public var isMulticast: Bool { bits >> 28 == 0xE }
    /// Whether the address is in 224.0.0.0/24, which no router forwards (RFC 5771).
    @inlinable
    public var isLinkLocalMulticast: Bool { bits >> 8 == 0xE0_0000 }
    /// Whether the address is in 127.0.0.0/8 (RFC 1122).
    @inlinable
    public var isLoopback: Bool { bits >> 24 == 127 }
    /// Whether the address is in 169.254.0.0/16 (RFC 3927).
    @inlinable
    public var isLinkLocal: Bool { bits >> 16 == 0xA9FE }
    /// Whether the address is in 240.0.0.0/4 and not the limited broadcast (RFC 1112).
    @inlinable
    public var isReserved: Bool { bits >> 28 == 0xF && bits != 0xFFFF_FFFF }
    /// Whether the address is in 0.0.0.0/8, which names no host on the wire (RFC 1122 §3.2.1.3).
    @inlinable
    public var isThisNetwork: Bool { bits >> 24 == 0 }

    /// Whether a packet on the wire may name this address as its sender.
    @inlinable
    public var isValidSource: Bool { !isMulticast && bits >> 28 != 0xF && !isLoopback }
}
