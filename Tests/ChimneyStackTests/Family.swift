import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// The families of addresses that a test runs over.
enum Family: String, CaseIterable, CustomTestStringConvertible {
    case ipv4, ipv6

    var testDescription: String { rawValue }

    /// The left and the right stack of a ``Segment``.
    var left: IPAddress { host(0, 1) }
    var right: IPAddress { host(0, 2) }
    /// The sender in the west of a ``Crossing`` and the receiver in its east.
    var near: IPAddress { host(1, 9) }
    var far: IPAddress { host(2, 9) }

    /// A host of one of the nets that tests use: 10.0.1.9 and 2001:db8:0:1::9 for `host(1, 9)`.
    func host(_ net: UInt16, _ number: UInt8) -> IPAddress {
        switch self {
        case .ipv4: .v4(IPv4Address(bits: 10 << 24 | UInt32(net) << 8 | UInt32(number)))
        case .ipv6: .v6(IPv6Address(high: 0x2001_0DB8_0000_0000 | UInt64(net), low: UInt64(number)))
        }
    }

    /// A host outside all those nets.
    func stranger(_ number: UInt8) -> IPAddress {
        switch self {
        case .ipv4: .v4(IPv4Address(192, 0, 2, number))
        case .ipv6: .v6(IPv6Address(high: 0x2001_0DB8_FFFF_0000, low: UInt64(number)))
        }
    }

    var loopback: IPAddress {
        switch self {
        case .ipv4: .v4(.loopback)
        case .ipv6: .v6(.loopback)
        }
    }

    /// Any address of this family alone; a socket bound to `::` needs ``UDPOptions/onlyIPv6`` for that.
    var any: IPAddress {
        switch self {
        case .ipv4: .v4(.any)
        case .ipv6: .v6(.any)
        }
    }

    /// Every host of the link: a subnet's broadcast address, or the group of all nodes.
    var everyone: IPAddress {
        switch self {
        case .ipv4: .v4(IPv4Address(10, 0, 0, 255))
        case .ipv6: .v6(.allNodes)
        }
    }

    /// The link address of frames to ``everyone``.
    var everyoneMAC: UInt64 { self == .ipv4 ? 0xFFFF_FFFF_FFFF : 0x3333_0000_0001 }

    /// A group that nobody has joined, of wider than link scope.
    var group: IPAddress {
        switch self {
        case .ipv4: .v4(IPv4Address(239, 1, 2, 3))
        case .ipv6: .v6(IPv6Address(high: 0xFF05 << 48, low: 0x0102_0304))
        }
    }

    /// How long the prefix of ``host(_:_:)`` is, and that of a route to one host.
    var prefixLength: Int { self == .ipv4 ? 24 : 64 }
    var hostLength: Int { self == .ipv4 ? 32 : 128 }
    var headerByteCount: Int { self == .ipv4 ? 20 : 40 }
    var etherType: UInt16 { self == .ipv4 ? 0x0800 : 0x86DD }
    /// The number of ICMP.
    var icmp: UInt8 { self == .ipv4 ? 1 : 58 }
    /// The most bytes of an ICMP error (RFC 1812 §4.3.2.3, RFC 4443 §2.4).
    var icmpErrorMax: Int { self == .ipv4 ? 576 : 1_280 }
    /// The most bytes of a datagram, and of the data of an echo request.
    var payloadMax: Int { self == .ipv4 ? 65_507 : 65_527 }
    var ipv6Mode: IPv6Mode { self == .ipv4 ? .off : .manual }

    /// What an ICMP error says, by its type and code.
    enum Told: CaseIterable { case noRoute, host, port, prohibited, unknownProtocol, tooBig, expired, reassembly }

    func told(_ told: Told) -> [UInt8] {
        switch (told, self) {
        case (.noRoute, .ipv4): [3, 0]
        case (.noRoute, .ipv6): [1, 0]
        case (.host, .ipv4): [3, 1]
        case (.host, .ipv6): [1, 3]
        case (.port, .ipv4): [3, 3]
        case (.port, .ipv6): [1, 4]
        case (.prohibited, .ipv4): [3, 13]
        case (.prohibited, .ipv6): [1, 1]
        case (.unknownProtocol, .ipv4): [3, 2]
        case (.unknownProtocol, .ipv6): [4, 1]
        case (.tooBig, .ipv4): [3, 4]
        case (.tooBig, .ipv6): [2, 0]
        case (.expired, .ipv4): [11, 0]
        case (.expired, .ipv6): [3, 0]
        case (.reassembly, .ipv4): [11, 1]
        case (.reassembly, .ipv6): [3, 1]
        }
    }

    var echoRequest: UInt8 { self == .ipv4 ? 8 : 128 }
    var echoReply: UInt8 { self == .ipv4 ? 0 : 129 }
}

extension IPAddress {
    var family: Family { isIPv4 ? .ipv4 : .ipv6 }

    /// The address as it stands in a header.
    var bytes: [UInt8] {
        switch self {
        case .v4(let address): Handmade.be(address.bits)
        case .v6(let address): Handmade.be(address.high) + Handmade.be(address.low)
        }
    }
}

/// Where a route leads, its gateway of either family.
enum Hop {
    case gateway(IPAddress, on: InterfaceIndex)
    case connected(on: InterfaceIndex)
    case local(on: InterfaceIndex)
    case blackhole, unreachable, prohibited

    fileprivate func nextHop<Address>(_ read: (IPAddress) -> Address?) -> NextHop<Address>? {
        switch self {
        case .gateway(let address, let index): read(address).map { .gateway($0, on: index.rawValue) }
        case .connected(let index): .connected(on: index.rawValue)
        case .local(let index): .local(on: index.rawValue)
        case .blackhole: .blackhole
        case .unreachable: .unreachable
        case .prohibited: .prohibited
        }
    }
}

extension VirtualStack {
    /// Adds an address of either family, with the prefix length of the tests' nets.
    mutating func addAddress(_ address: IPAddress, to index: InterfaceIndex, at now: Instant) throws {
        switch address {
        case .v4(let address): try addAddress(address, prefixLength: 24, to: index, at: now)
        case .v6(let address): try addAddress(address, prefixLength: 64, to: index, at: now)
        }
    }

    mutating func removeAddress(_ address: IPAddress, from index: InterfaceIndex, at now: Instant) throws {
        switch address {
        case .v4(let address): try removeAddress(address, from: index, at: now)
        case .v6(let address): try removeAddress(address, from: index, at: now)
        }
    }

    /// Adds a route to the net of an address, or to as many of its bits as `length` says.
    mutating func addRoute(
        to address: IPAddress, length: Int? = nil, _ hop: Hop, metric: UInt32 = 0, fib: FIBChoice = .one(0)
    ) throws {
        let length = length ?? address.family.prefixLength
        switch address {
        case .v4(let address):
            let next = try #require(hop.nextHop { if case .v4(let address) = $0 { address } else { nil } })
            try addRoute(IPv4Route(Prefix(address, length: length), next, metric: metric), fib: fib)
        case .v6(let address):
            let next = try #require(hop.nextHop { if case .v6(let address) = $0 { address } else { nil } })
            try addRoute(IPv6Route(Prefix(address, length: length), next, metric: metric), fib: fib)
        }
    }

    mutating func setNeighbor(
        _ address: IPAddress, on index: InterfaceIndex, to mac: MACAddress, at now: Instant
    ) throws {
        switch address {
        case .v4(let address): try setNeighbor(address, on: index, to: mac, at: now)
        case .v6(let address): try setNeighbor(address, on: index, to: mac, at: now)
        }
    }

    /// The link addresses of the neighbours of one family, by their addresses; `nil` for those yet unknown.
    func neighborMACs(_ family: Family, at now: Instant) -> [IPAddress: MACAddress?] {
        switch family {
        case .ipv4: Dictionary(uniqueKeysWithValues: neighbors(at: now).map { (.v4($0.address), $0.mac) })
        case .ipv6: Dictionary(uniqueKeysWithValues: ipv6Neighbors(at: now).map { (.v6($0.address), $0.mac) })
        }
    }

    mutating func removeRoutes(to address: IPAddress) throws {
        switch address {
        case .v4(let address): try removeRoutes(to: IPv4Prefix(address, length: 24))
        case .v6(let address): try removeRoutes(to: IPv6Prefix(address, length: 64))
        }
    }
}
