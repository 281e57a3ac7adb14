/// What an Ethernet payload is (IEEE 802 numbers).
///
/// Below ``leastValue`` the field is the length of an IEEE 802.3 frame instead of a type.
@frozen
public struct EtherType: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number on the wire.
    public var rawValue: UInt16

    /// The type with this number.
    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The least number that is a type and not a length: 0x0600.
    @inlinable
    public static var leastValue: UInt16 { 0x0600 }

    /// IPv4 (RFC 894).
    @inlinable
    public static var ipv4: Self { Self(rawValue: 0x0800) }
    /// ARP (RFC 826).
    @inlinable
    public static var arp: Self { Self(rawValue: 0x0806) }
    /// A tag of IEEE 802.1Q follows: a VLAN.
    @inlinable
    public static var vlan: Self { Self(rawValue: 0x8100) }
    /// A service tag of IEEE 802.1ad follows: the outer tag of two.
    @inlinable
    public static var serviceVLAN: Self { Self(rawValue: 0x88A8) }
    /// IPv6 (RFC 2464).
    @inlinable
    public static var ipv6: Self { Self(rawValue: 0x86DD) }

    /// Whether the field holds the payload length of an IEEE 802.3 frame.
    @inlinable
    public var isLength: Bool { rawValue < Self.leastValue }
    /// Whether a VLAN tag follows.
    @inlinable
    public var isTag: Bool { self == .vlan || self == .serviceVLAN }
}
