/// An address of either family and a UDP or TCP port.
///
/// Both families are held in one shape, IPv4 as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2), so that comparing two
/// endpoints never asks for the family. A mapped IPv6 address is therefore the IPv4 address it stands for.
@frozen
public struct Endpoint: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The address, an IPv4 address in its mapped form; `::` stands for any address of either family.
    public var mapped: IPv6Address
    /// The index of the interface that gives a link-local address its meaning (RFC 4007); 0 for none.
    public var zone: UInt32
    /// The port; 0 stands for any.
    public var port: UInt16

    /// An endpoint from an address in the shape of ``mapped``.
    @inlinable
    public init(mapped: IPv6Address, _ port: UInt16, zone: UInt32 = 0) {
        self.mapped = mapped
        self.zone = zone
        self.port = port
    }

    /// The endpoint `address:port`; 0.0.0.0 stands for any address of IPv4.
    @inlinable
    public init(_ address: IPv4Address, _ port: UInt16) { self.init(mapped: IPv6Address(mapped: address), port) }

    /// The endpoint `[address%zone]:port`.
    @inlinable
    public init(_ address: IPv6Address, _ port: UInt16, zone: UInt32 = 0) {
        self.init(mapped: address, port, zone: zone)
    }

    /// The endpoint of an address of either family.
    @inlinable
    public init(_ address: IPAddress, _ port: UInt16, zone: UInt32 = 0) {
        switch address {
        case .v4(let address): self.init(address, port)
        case .v6(let address): self.init(address, port, zone: zone)
        }
    }

    /// A port of any address of either family.
    @inlinable
    public init(port: UInt16) { self.init(mapped: .any, port) }

    /// The address.
    @inlinable
    public var address: IPAddress { IPAddress(mapped: mapped) }

    /// Whether the address is one of IPv4.
    @inlinable @inline(__always)
    public var isIPv4: Bool { mapped.high == 0 && mapped.low >> 32 == 0xFFFF }

    /// The address where it is one of IPv4.
    @inlinable
    public var ipv4: IPv4Address? { mapped.mappedIPv4 }

    /// Orders endpoints by address, then by zone and port.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool {
        if lhs.mapped != rhs.mapped { return lhs.mapped < rhs.mapped }
        return lhs.zone != rhs.zone ? lhs.zone < rhs.zone : lhs.port < rhs.port
    }

    /// `[::]:0`: any address and any port.
    @inlinable
    public static var any: Self { Self(port: 0) }
}

extension IPAddress {
    /// The address that `mapped` stands for: of IPv4 where it is `::ffff:a.b.c.d`.
    @inlinable
    public init(mapped: IPv6Address) {
        if let address = mapped.mappedIPv4 { self = .v4(address) } else { self = .v6(mapped) }
    }

    /// The address in the shape both families share: an IPv4 address as `::ffff:a.b.c.d`.
    @inlinable
    public var mapped: IPv6Address {
        switch self {
        case .v4(let address): IPv6Address(mapped: address)
        case .v6(let address): address
        }
    }
}

extension Endpoint: LosslessStringConvertible {
    /// `a.b.c.d:port` or `[address]:port`, the latter with the number of a zone after `%` where it has one.
    public init?(_ description: String) {
        let text = description.utf8[...]
        guard let colon = text.lastIndex(of: UInt8(ascii: ":")) else { return nil }
        var rest = text[text.index(after: colon)...]
        guard let port = rest.takeDecimal(max: 65_535), rest.isEmpty else { return nil }
        var host = text[..<colon]
        if let address = IPv4Address(text: host) {
            self.init(address, UInt16(port))
            return
        }
        guard host.popFirst() == UInt8(ascii: "["), host.popLast() == UInt8(ascii: "]") else { return nil }
        var zone = 0
        if let percent = host.firstIndex(of: UInt8(ascii: "%")) {
            var number = host[host.index(after: percent)...]
            guard let index = number.takeDecimal(max: Int(UInt32.max)), number.isEmpty else { return nil }
            zone = index
            host = host[..<percent]
        }
        guard let address = IPv6Address(text: host) else { return nil }
        self.init(address, UInt16(port), zone: UInt32(zone))
    }

    /// The endpoint as `a.b.c.d:port` or `[address%zone]:port`.
    public var description: String {
        guard !isIPv4 else { return "\(address):\(port)" }
        return zone == 0 ? "[\(mapped)]:\(port)" : "[\(mapped)%\(zone)]:\(port)"
    }
}
