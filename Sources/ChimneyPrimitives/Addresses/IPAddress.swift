/// An address of either family, for interfaces that do not care which.
@frozen
public enum IPAddress: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// An IPv4 address.
    case v4(IPv4Address)
    /// An IPv6 address, without its zone.
    case v6(IPv6Address)

    /// Whether the address is a multicast group.
    @inlinable
    public var isMulticast: Bool {
        switch self {
        case .v4(let address): address.isMulticast
        case .v6(let address): address.isMulticast
        }
    }

    /// Whether the address is one of IPv4.
    @inlinable
    public var isIPv4: Bool {
        switch self {
        case .v4: true
        case .v6: false
        }
    }

    /// Whether a packet on the wire may name this address as its sender.
    @inlinable
    public var isValidSource: Bool {
        switch self {
        case .v4(let address): address.isValidSource
        case .v6(let address): address.isValidSource
        }
    }

    /// Whether the address is 0.0.0.0 or `::`.
    @inlinable
    public var isAny: Bool {
        switch self {
        case .v4(let address): address.isAny
        case .v6(let address): address.isAny
        }
    }
}

/// An address with the zone that gives a link-local address its meaning (RFC 4007).
@frozen
public struct ScopedAddress: Hashable, Sendable {
    /// The address.
    public var address: IPAddress
    /// The name after `%`, an interface name or index as the user wrote it; `nil` for none.
    public var zone: String?

    /// An address in a zone; `nil` leaves the choice of interface to routing.
    public init(_ address: IPAddress, zone: String? = nil) {
        self.address = address
        self.zone = zone
    }
}
