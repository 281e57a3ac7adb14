public import ChimneyPrimitives

/// What a router tells of itself and the link, read in place (RFC 4861 §4.2).
@frozen
public struct RouterAdvertisementView: ~Escapable {
    /// The message from its type on.
    public let bytes: RawSpan
    /// What stands behind the first sixteen bytes.
    public let options: NDPOptions

    /// Reads a message whose type is that of a router advertisement.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(ICMPv6Error) {
        guard bytes.byteCount >= RouterAdvertisement.headerByteCount else { throw .truncated }
        guard bytes.uint8(at: 1) == 0 else { throw .unknownCode }
        options = try NDPOptions(bytes.extracting(RouterAdvertisement.headerByteCount..<bytes.byteCount))
        self.bytes = bytes
    }

    /// The hop limit that hosts send with; 0 says nothing.
    public var hopLimit: UInt8 { bytes.uint8(at: 4) }
    /// Whether DHCPv6 gives addresses.
    public var isManaged: Bool { bytes.uint8(at: 5) & 0x80 != 0 }
    /// Whether DHCPv6 gives other things.
    public var isOtherManaged: Bool { bytes.uint8(at: 5) & 0x40 != 0 }
    /// Whether the router is a home agent as well (RFC 6275 §7.1).
    public var isHomeAgent: Bool { bytes.uint8(at: 5) & 0x20 != 0 }
    /// How it compares as a default router; a reserved pattern counts as medium (RFC 4191 §2.2).
    public var preference: RouterPreference { RouterPreference(bits: bytes.uint8(at: 5) >> 3) ?? .medium }
    /// For how many seconds it is a default router; 0 says that it is none.
    public var lifetimeSeconds: UInt16 { bytes.uint16(at: 6) }
    /// For how many milliseconds a neighbour counts as reachable; 0 says nothing.
    public var reachableMilliseconds: UInt32 { bytes.uint32(at: 8) }
    /// Milliseconds between two solicitations; 0 says nothing.
    public var retransmitMilliseconds: UInt32 { bytes.uint32(at: 12) }
}

/// What a router tells of itself and the link (RFC 4861 §4.2).
public struct RouterAdvertisement: Hashable, Sendable {
    /// The hop limit that hosts send with; 0 says nothing.
    public var hopLimit: UInt8 = 64
    /// Whether DHCPv6 gives addresses.
    public var isManaged = false
    /// Whether DHCPv6 gives other things.
    public var isOtherManaged = false
    /// How it compares as a default router (RFC 4191 §2.2).
    public var preference = RouterPreference.medium
    /// For how many seconds it is a default router; 0 says that it is none.
    public var lifetimeSeconds: UInt16 = 0
    /// For how many milliseconds a neighbour counts as reachable; 0 says nothing.
    public var reachableMilliseconds: UInt32 = 0
    /// Milliseconds between two solicitations; 0 says nothing.
    public var retransmitMilliseconds: UInt32 = 0
    /// Where the router is on the link.
    public var sourceMAC: MACAddress?
    /// The MTU of the link.
    public var mtu: UInt32?
    /// Prefixes of the link.
    public var prefixes: [NDPPrefixInformation] = []
    /// Routes through the router.
    public var routes: [NDPRouteInformation] = []
    /// Recursive DNS servers.
    public var dnsServers: [NDPDNSServers] = []
    /// Domains to search for names.
    public var dnsSearchLists: [NDPDNSSearchList] = []

    /// An advertisement that says nothing yet.
    public init() {}

    /// Bytes before the options: 16.
    @inlinable
    public static var headerByteCount: Int { 16 }
    /// Bytes of the message with all its options.
    public var byteCount: Int {
        Self.headerByteCount + (sourceMAC == nil ? 0 : 8) + (mtu == nil ? 0 : 8)
            + prefixes.count * NDPPrefixInformation.byteCount + routes.reduce(0) { $0 + $1.byteCount }
            + dnsServers.reduce(0) { $0 + $1.byteCount } + dnsSearchLists.reduce(0) { $0 + $1.byteCount }
    }

    /// Writes the message at `offset`, where ``byteCount`` bytes must be free, and returns that count.
    @discardableResult
    @_lifetime(span: copy span)
    public func write(
        into span: inout MutableRawSpan, at offset: Int = 0, source: IPv6Address, destination: IPv6Address
    ) -> Int {
        span.store(UInt32(ICMPv6Type.routerAdvertisement.rawValue) << 24, at: offset)
        span.store(hopLimit, at: offset + 4)
        span.store((isManaged ? 0x80 : 0) | (isOtherManaged ? 0x40 : 0) | preference.bits << 3, at: offset + 5)
        span.store(lifetimeSeconds, at: offset + 6)
        span.store(reachableMilliseconds, at: offset + 8)
        span.store(retransmitMilliseconds, at: offset + 12)
        var position = offset + Self.headerByteCount
        if let sourceMAC {
            span.storeOption(.sourceLinkAddress, sourceMAC.bits, at: position)
            position += 8
        }
        if let mtu {
            span.storeOption(.mtu, UInt64(mtu), at: position)
            position += 8
        }
        for prefix in prefixes {
            prefix.write(into: &span, at: position)
            position += NDPPrefixInformation.byteCount
        }
        for route in routes {
            route.write(into: &span, at: position)
            position += route.byteCount
        }
        for servers in dnsServers {
            servers.write(into: &span, at: position)
            position += servers.byteCount
        }
        for list in dnsSearchLists {
            list.write(into: &span, at: position)
            position += list.byteCount
        }
        storeICMPv6Checksum(in: &span, at: offset, byteCount: byteCount, source: source, destination: destination)
        return byteCount
    }
}
