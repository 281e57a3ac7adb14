public import ChimneyPrimitives

/// What becomes of a packet that a route covers.
@frozen
public enum RouteKind: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    /// The destination is on the link of the interface.
    case connected
    /// The packet goes to a router on the link of the interface.
    case gateway
    /// The destination is an address of this host.
    case local
    /// The destination is a broadcast address of the interface's link.
    case broadcast
    /// The packet is dropped without a word.
    case blackhole
    /// The packet is dropped and the sender told that the host is unreachable (RFC 1812 §5.2.7.1).
    case unreachable
    /// The packet is dropped and the sender told that it is forbidden (RFC 1812 §5.2.7.1, code 13).
    case prohibited
}

/// Where a route sends packets: a kind with the interface and the gateway that this kind needs.
@frozen
public struct NextHop<Address: InternetAddress>: Hashable, Sendable, BitwiseCopyable {
    /// What becomes of the packet.
    public let kind: RouteKind
    /// The interface, as its raw index; 0 for the kinds that drop the packet.
    public let interface: UInt32
    @usableFromInline
    let router: Address

    @usableFromInline
    init(_ kind: RouteKind, _ interface: UInt32, _ router: Address) {
        self.kind = kind
        self.interface = interface
        self.router = router
    }

    /// On the link of an interface.
    @inlinable
    public static func connected(on interface: UInt32) -> Self { Self(.connected, interface, Address(bits: 0)) }
    /// Through a router on the link of an interface.
    @inlinable
    public static func gateway(_ router: Address, on interface: UInt32) -> Self { Self(.gateway, interface, router) }
    /// This host, by an address of an interface.
    @inlinable
    public static func local(on interface: UInt32) -> Self { Self(.local, interface, Address(bits: 0)) }
    /// Everyone on the link of an interface.
    @inlinable
    public static func broadcast(on interface: UInt32) -> Self { Self(.broadcast, interface, Address(bits: 0)) }
    /// Nowhere, silently.
    @inlinable
    public static var blackhole: Self { Self(.blackhole, 0, Address(bits: 0)) }
    /// Nowhere; the sender hears that the host is unreachable.
    @inlinable
    public static var unreachable: Self { Self(.unreachable, 0, Address(bits: 0)) }
    /// Nowhere; the sender hears that it is forbidden.
    @inlinable
    public static var prohibited: Self { Self(.prohibited, 0, Address(bits: 0)) }

    /// The router, for a route through one.
    @inlinable
    public var gateway: Address? { kind == .gateway ? router : nil }

    /// Whose link address a packet to `destination` needs: the router's, or the destination's own on a connected link.
    @inlinable
    public func neighbor(for destination: Address) -> Address { kind == .gateway ? router : destination }
}
