/// What tables need of an address in order to serve both families with the same code.
public protocol InternetAddress: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The number that an address is.
    associatedtype Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable & Sendable

    /// The address as a number, its first byte most significant.
    var bits: Bits { get }
    /// The address with this value.
    init(bits: Bits)

    /// Whether this is the unspecified address.
    var isAny: Bool { get }
    /// Whether the address is a multicast group.
    var isMulticast: Bool { get }
    /// Whether the address never leaves the host.
    var isLoopback: Bool { get }
    /// Whether the address has a meaning on one link only.
    var isLinkLocal: Bool { get }
}

extension InternetAddress {
    /// How many bits an address has: 32 or 128.
    @inlinable
    public static var bitWidth: Int { Bits.bitWidth }

    /// The address with all but its first `length` bits cleared; a length outside the address is brought to its nearest end.
    @inlinable
    public func masked(to length: Int) -> Self {
        length <= 0 ? Self(bits: 0) : Self(bits: bits & (Bits.max << max(0, Bits.bitWidth - length)))
    }
}

extension IPv4Address: InternetAddress {}

extension IPv6Address: InternetAddress {
    /// The address as one number.
    @inlinable
    public var bits: UInt128 { UInt128(high) << 64 | UInt128(low) }

    /// The address with this value: `fe80::1` is `0xfe80 << 112 | 1`.
    @inlinable
    public init(bits: UInt128) {
        self.init(high: UInt64(truncatingIfNeeded: bits >> 64), low: UInt64(truncatingIfNeeded: bits))
    }
}

/// A block of addresses that share their first bits, such as 10.7.0.0/24 (RFC 4632).
///
/// The bits behind the length are always clear, so that equal blocks are equal values.
@frozen
public struct Prefix<Address: InternetAddress>: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The first address of the block.
    public let address: Address
    @usableFromInline
    let lengthByte: UInt8

    /// The block of addresses that share the first `length` bits of `address`; the rest of `address` is dropped.
    ///
    /// A length below 0 counts as 0 and one beyond the width of the address as that width.
    @inlinable
    public init(_ address: Address, length: Int) {
        let length = min(max(0, length), Address.bitWidth)
        self.address = address.masked(to: length)
        lengthByte = UInt8(truncatingIfNeeded: length)
    }

    /// How many leading bits the addresses share.
    @inlinable
    public var length: Int { Int(lengthByte) }

    /// The block with every address in it.
    @inlinable
    public static var all: Self { Self(Address(bits: 0), length: 0) }

    /// The block with this address alone.
    @inlinable
    public static func host(_ address: Address) -> Self { Self(address, length: Address.bitWidth) }

    /// Whether `address` lies in the block.
    @inlinable
    public func contains(_ address: Address) -> Bool { address.masked(to: length) == self.address }

    /// Whether all of `other` lies in this block.
    @inlinable
    public func contains(_ other: Self) -> Bool { length <= other.length && contains(other.address) }

    /// The last address of the block; for an IPv4 subnet this is its directed broadcast address (RFC 919).
    @inlinable
    public var lastAddress: Address {
        length == 0
            ? Address(bits: .max) : Address(bits: address.bits | ~(Address.Bits.max << (Address.bitWidth - length)))
    }

    /// Orders blocks by first address and the larger block before the smaller ones inside it.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.address != rhs.address ? lhs.address < rhs.address : lhs.lengthByte < rhs.lengthByte
    }
}

/// A block of IPv4 addresses.
public typealias IPv4Prefix = Prefix<IPv4Address>
/// A block of IPv6 addresses.
public typealias IPv6Prefix = Prefix<IPv6Address>
