/// A block of addresses of either family, for interfaces that do not care which.
@frozen
public enum IPPrefix: Hashable, Sendable, BitwiseCopyable {
    /// A block of IPv4 addresses.
    case v4(IPv4Prefix)
    /// A block of IPv6 addresses.
    case v6(IPv6Prefix)

    /// The block of addresses that share the first `length` bits of `address`.
    @inlinable
    public init(_ address: IPAddress, length: Int) {
        switch address {
        case .v4(let address): self = .v4(IPv4Prefix(address, length: length))
        case .v6(let address): self = .v6(IPv6Prefix(address, length: length))
        }
    }

    /// The block with this address alone.
    @inlinable
    public static func host(_ address: IPAddress) -> Self { Self(address, length: 128) }

    /// The first address of the block.
    @inlinable
    public var address: IPAddress {
        switch self {
        case .v4(let prefix): .v4(prefix.address)
        case .v6(let prefix): .v6(prefix.address)
        }
    }

    /// How many leading bits the addresses share.
    @inlinable
    public var length: Int {
        switch self {
        case .v4(let prefix): prefix.length
        case .v6(let prefix): prefix.length
        }
    }

    /// Whether the block is one of IPv4.
    @inlinable
    public var isIPv4: Bool { address.isIPv4 }

    /// Whether `address` is of the block's family and lies in it.
    @inlinable
    public func contains(_ address: IPAddress) -> Bool {
        switch (self, address) {
        case (.v4(let prefix), .v4(let address)): prefix.contains(address)
        case (.v6(let prefix), .v6(let address)): prefix.contains(address)
        case (.v4, .v6), (.v6, .v4): false
        }
    }
}

extension IPPrefix: LosslessStringConvertible {
    /// The block written `address/length`; `nil` when a bit behind the length is set.
    public init?(_ description: String) {
        guard let (address, length) = Self.addressAndLength(description) else { return nil }
        self.init(address, length: length)
        guard address == self.address else { return nil }
    }

    /// An address and the length of its subnet, written `10.7.0.2/24` or `2001:db8::2/64`, as interfaces are given them.
    public static func addressAndLength(_ text: String) -> (address: IPAddress, length: Int)? {
        if let (address, length) = IPv4Prefix.addressAndLength(text) { return (.v4(address), length) }
        if let (address, length) = IPv6Prefix.addressAndLength(text) { return (.v6(address), length) }
        return nil
    }

    /// The block as `address/length`.
    public var description: String { "\(address)/\(length)" }
}
