public import ChimneyPrimitives
public import ChimneyWire

/// What a router tells the hosts of a link, and how often (RFC 4861 §6.2.1).
public struct RouterAdvertiserSettings: Hashable, Sendable {
    /// The longest time between two unasked advertisements, 4 to 1,800 seconds (MaxRtrAdvInterval).
    public var intervalMax = TimeSpan.seconds(600)
    /// The shortest time between two unasked advertisements, from 3 seconds up to three quarters of the longest
    /// (MinRtrAdvInterval).
    public var intervalMin = TimeSpan.seconds(200)
    /// For how many seconds this is a default router, up to 9,000; 0 says that it is none (AdvDefaultLifetime).
    public var lifetimeSeconds: UInt16 = 1_800
    /// How it compares with other default routers (RFC 4191 §2.2).
    public var preference = RouterPreference.medium
    /// Whether DHCPv6 gives addresses.
    public var isManaged = false
    /// Whether DHCPv6 gives other things.
    public var isOtherManaged = false
    /// The hop limit of hosts; 0 tells none.
    public var hopLimit: UInt8 = 64
    /// The MTU of the link; `nil` tells none.
    public var mtu: UInt32?
    /// About how long neighbours count as reachable, up to an hour; zero tells none.
    public var reachableTime = TimeSpan.zero
    /// The time between two solicitations; zero tells none.
    public var retransmit = TimeSpan.zero
    /// Whether the router says where on the link it is.
    public var tellsLinkAddress = true
    /// The prefixes of the link.
    public var prefixes: [NDPPrefixInformation] = []
    /// More specific routes through this router (RFC 4191).
    public var routes: [NDPRouteInformation] = []
    /// Name servers (RFC 8106).
    public var dnsServers: [NDPDNSServers] = []
    /// Domains to search for names (RFC 8106).
    public var dnsSearchLists: [NDPDNSSearchList] = []

    /// The defaults of RFC 4861, without prefixes.
    public init() {}

    /// The most bytes of an advertisement, which no link cuts and no host takes in pieces (RFC 6980 §5).
    public static var messageBytesMax: Int { 1_280 - 40 }

    /// The advertisement that says all this.
    func advertisement(from mac: MACAddress) -> RouterAdvertisement {
        var advertisement = RouterAdvertisement()
        advertisement.hopLimit = hopLimit
        advertisement.isManaged = isManaged
        advertisement.isOtherManaged = isOtherManaged
        advertisement.preference = preference
        advertisement.lifetimeSeconds = lifetimeSeconds
        advertisement.reachableMilliseconds = UInt32(clamping: reachableTime.nanoseconds / 1_000_000)
        advertisement.retransmitMilliseconds = UInt32(clamping: retransmit.nanoseconds / 1_000_000)
        advertisement.sourceMAC = tellsLinkAddress ? mac : nil
        advertisement.mtu = mtu
        advertisement.prefixes = prefixes
        advertisement.routes = routes
        advertisement.dnsServers = dnsServers
        advertisement.dnsSearchLists = dnsSearchLists
        return advertisement
    }

    /// Refuses what RFC 4861 §6.2.1 and RFC 4191 §2 do not allow.
    func validated() throws(RouterAdvertiserError) -> Self {
        guard intervalMax >= .seconds(4), intervalMax <= .seconds(1_800) else { throw .interval }
        guard intervalMin >= .seconds(3), intervalMin.nanoseconds <= intervalMax.nanoseconds / 4 * 3 else {
            throw .interval
        }
        // A router that is none any sooner than it speaks again would be lost between two advertisements.
        guard lifetimeSeconds == 0 || lifetimeSeconds <= 9_000 && .seconds(Int64(lifetimeSeconds)) >= intervalMax else {
            throw .lifetime(lifetimeSeconds)
        }
        guard reachableTime <= .seconds(3_600) else { throw .reachableTime }
        if let mtu, mtu < 1_280 { throw .mtu(mtu) }
        for told in prefixes {
            guard told.prefix.isRoutable else { throw .prefix(told.prefix) }
            guard told.preferredSeconds <= told.validSeconds else { throw .prefixLifetimes(told.prefix) }
        }
        for route in routes where route.prefix.length > 0 && !route.prefix.isRoutable { throw .prefix(route.prefix) }
        let byteCount = advertisement(from: .zero).byteCount
        guard byteCount <= Self.messageBytesMax else { throw .tooLarge(max: Self.messageBytesMax) }
        return self
    }
}

/// Why settings of a router are refused.
public enum RouterAdvertiserError: Error, Hashable, Sendable {
    /// The times between advertisements are not within their bounds.
    case interval
    /// A lifetime that is neither 0 nor from the longest interval up to 9,000 seconds.
    case lifetime(UInt16)
    /// More than an hour.
    case reachableTime
    /// Less than what every link of IPv6 carries.
    case mtu(UInt32)
    /// A link-local prefix, a group or the loopback.
    case prefix(IPv6Prefix)
    /// Addresses would be preferred for longer than they are valid.
    case prefixLifetimes(IPv6Prefix)
    /// The advertisement would have more bytes than ``RouterAdvertiserSettings/messageBytesMax``.
    case tooLarge(max: Int)
}
