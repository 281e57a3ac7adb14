/// The protocol number of an IP payload or of an IPv6 extension header (IANA Protocol Numbers).
@frozen
public struct IPProtocol: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number on the wire.
    public var rawValue: UInt8

    /// The protocol with this number.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// IPv6 hop-by-hop options (RFC 8200 §4.3).
    @inlinable
    public static var hopByHop: Self { Self(rawValue: 0) }
    /// ICMP for IPv4 (RFC 792).
    @inlinable
    public static var icmpv4: Self { Self(rawValue: 1) }
    /// IGMP (RFC 9776).
    @inlinable
    public static var igmp: Self { Self(rawValue: 2) }
    /// IPv4 inside IP (RFC 2003).
    @inlinable
    public static var ipv4: Self { Self(rawValue: 4) }
    /// TCP (RFC 9293).
    @inlinable
    public static var tcp: Self { Self(rawValue: 6) }
    /// UDP (RFC 768).
    @inlinable
    public static var udp: Self { Self(rawValue: 17) }
    /// IPv6 inside IP (RFC 2473).
    @inlinable
    public static var ipv6: Self { Self(rawValue: 41) }
    /// IPv6 routing header (RFC 8200 §4.4).
    @inlinable
    public static var routing: Self { Self(rawValue: 43) }
    /// IPv6 fragment header (RFC 8200 §4.5).
    @inlinable
    public static var fragment: Self { Self(rawValue: 44) }
    /// GRE (RFC 2784).
    @inlinable
    public static var gre: Self { Self(rawValue: 47) }
    /// Encapsulating security payload (RFC 4303).
    @inlinable
    public static var encapsulatingSecurity: Self { Self(rawValue: 50) }
    /// Authentication header (RFC 4302).
    @inlinable
    public static var authentication: Self { Self(rawValue: 51) }
    /// ICMP for IPv6 (RFC 4443).
    @inlinable
    public static var icmpv6: Self { Self(rawValue: 58) }
    /// Nothing follows (RFC 8200 §4.7).
    @inlinable
    public static var noNextHeader: Self { Self(rawValue: 59) }
    /// IPv6 destination options (RFC 8200 §4.6).
    @inlinable
    public static var destinationOptions: Self { Self(rawValue: 60) }
    /// PIM (RFC 7761).
    @inlinable
    public static var pim: Self { Self(rawValue: 103) }
    /// IPv6 mobility header (RFC 6275).
    @inlinable
    public static var mobility: Self { Self(rawValue: 135) }
    /// IPv6 host identity header (RFC 7401).
    @inlinable
    public static var hostIdentity: Self { Self(rawValue: 139) }
    /// IPv6 shim header (RFC 5533).
    @inlinable
    public static var shim6: Self { Self(rawValue: 140) }
    /// For experiments, of the shape of an extension header (RFC 4727 §3.3).
    @inlinable
    public static var experiment1: Self { Self(rawValue: 253) }
    /// For experiments, of the shape of an extension header (RFC 4727 §3.3).
    @inlinable
    public static var experiment2: Self { Self(rawValue: 254) }
}
