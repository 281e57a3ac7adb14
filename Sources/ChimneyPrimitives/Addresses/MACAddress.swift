/// An EUI-48 link address, as an Ethernet header carries it.
@frozen
public struct MACAddress: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The address as a number below 2^48: 02:00:00:00:00:01 is `0x0200_0000_0001`.
    public var bits: UInt64

    /// The address with this value; bits above the 48th are dropped.
    @inlinable
    public init(bits: UInt64) { self.bits = bits & 0xFFFF_FFFF_FFFF }

    /// Orders addresses by value.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.bits < rhs.bits }

    /// ff:ff:ff:ff:ff:ff.
    @inlinable
    public static var broadcast: Self { Self(bits: 0xFFFF_FFFF_FFFF) }
    /// 00:00:00:00:00:00.
    @inlinable
    public static var zero: Self { Self(bits: 0) }

    /// Whether the group bit is set; broadcast counts.
    @inlinable
    public var isMulticast: Bool { bits >> 40 & 1 == 1 }
    /// Whether this is ff:ff:ff:ff:ff:ff.
    @inlinable
    public var isBroadcast: Bool { bits == 0xFFFF_FFFF_FFFF }

    /// The link group of an IPv4 multicast group, 01:00:5e and its low 23 bits (RFC 1112 §6.4).
    @inlinable
    public init(group: IPv4Address) {
        bits = 0x0100_5E00_0000 | UInt64(group.bits & 0x7F_FFFF)
    }
    /// The link group of an IPv6 multicast group, 33:33 and its low 32 bits (RFC 2464 §7).
    @inlinable
    public init(group: IPv6Address) {
        bits = 0x3333_0000_0000 | group.low & 0xFFFF_FFFF
    }
}
