/// An IPv6 address (RFC 4291), held as two numbers, most significant first.
///
/// A zone (`%eth0`) is not part of it: see ``ScopedAddress``.
@frozen
public struct IPv6Address: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The first 64 bits of the address, as a number.
    public var high: UInt64
    /// The last 64 bits of the address, as a number.
    public var low: UInt64

    /// The address with these halves: `fe80::1` is `(0xFE80_0000_0000_0000, 1)`.
    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Orders addresses by value.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.high != rhs.high ? lhs.high < rhs.high : lhs.low < rhs.low
    }

    /// `::`: no address, or any address.
    @inlinable
    public static var any: Self { Self(high: 0, low: 0) }
    /// `::1`.
    @inlinable
    public static var loopback: Self { Self(high: 0, low: 1) }
    /// `ff02::1`: all nodes on the link.
    @inlinable
    public static var allNodes: Self { Self(high: 0xFF02_0000_0000_0000, low: 1) }
    /// `ff02::2`: all routers on the link.
    @inlinable
    public static var allRouters: Self { Self(high: 0xFF02_0000_0000_0000, low: 2) }

    /// Whether this is `::`.
    @inlinable
    public var isAny: Bool { high | low == 0 }
    /// Whether this is `::1`.
    @inlinable
    public var isLoopback: Bool { high == 0 && low == 1 }
    /// Whether the address is in `ff00::/8`.
    @inlinable
    public var isMulticast: Bool { high >> 56 == 0xFF }
    /// Whether the address is in `fe80::/10`.
    @inlinable
    public var isLinkLocal: Bool { high >> 54 == 0x3FA }
    /// Whether the address is in `fc00::/7` (RFC 4193).
    @inlinable
    public var isUniqueLocal: Bool { high >> 57 == 0x7E }
    /// Whether the address has a meaning on one link or one interface only: link-local, or a group of such a scope (RFC 4007).
    @inlinable
    public var isLinkScoped: Bool { isLinkLocal || isMulticast && multicastScope <= 2 }
    /// How far a multicast address reaches: 1 the interface, 2 the link, 5 the site, 14 everywhere (RFC 7346).
    @inlinable
    public var multicastScope: Int { Int(high >> 48 & 0xF) }
    /// Whether a packet on the wire may name this address as its sender; `::` may in some messages, and is not among these.
    @inlinable
    public var isValidSource: Bool { !isMulticast && high | low >> 1 != 0 && (high != 0 || low >> 32 != 0xFFFF) }
    /// The IPv4 address inside `::ffff:a.b.c.d`, or `nil` for any other address.
    @inlinable
    public var mappedIPv4: IPv4Address? {
        high == 0 && low >> 32 == 0xFFFF ? IPv4Address(bits: UInt32(truncatingIfNeeded: low)) : nil
    }
    /// `::ffff:a.b.c.d` for an IPv4 address.
    @inlinable
    public init(mapped address: IPv4Address) {
        self.init(high: 0, low: 0xFFFF << 32 | UInt64(address.bits))
    }
    /// The solicited-node multicast address of this address, `ff02::1:ffXX:XXXX` (RFC 4291 §2.7.1).
    @inlinable
    public var solicitedNode: Self {
        Self(high: 0xFF02_0000_0000_0000, low: 0x1_FF00_0000 | low & 0xFF_FFFF)
    }
    /// The interface-local group of all nodes, `ff01::1`.
    @inlinable
    public static var allNodesOfInterface: Self { Self(high: 0xFF01_0000_0000_0000, low: 1) }
}
