public import ChimneyPrimitives

/// What a host takes from router advertisements, and how it makes addresses of them.
///
/// The times are those of RFC 4861 §10, RFC 7559, RFC 7217 and RFC 8981.
public struct RouterDiscoverySettings: Hashable, Sendable {
    /// Whether routers are asked for.
    public var asksForRouters = true
    /// Whether the hop limit, the MTU and the times of neighbour discovery are taken.
    public var acceptsParameters = true
    /// Whether routers become default routers.
    public var acceptsDefaultRouters = true
    /// Whether more specific routes are taken (RFC 4191).
    public var acceptsRoutes = true
    /// Whether prefixes become on-link prefixes.
    public var acceptsPrefixes = true
    /// Whether name servers and search domains are taken (RFC 8106).
    public var acceptsNames = true
    /// Whether addresses are made of prefixes (RFC 4862).
    public var makesAddresses = true
    /// How their identifiers are made; that of the link-local address, too.
    public var identifiers = InterfaceIdentifierKind.stableOpaque
    /// What tells the network from others with the same prefix, such as an SSID (RFC 7217 §5).
    public var networkIdentifier: [UInt8] = []
    /// Whether each prefix also gives addresses that change every day (RFC 8981).
    public var makesTemporaryAddresses = false
    /// How long a temporary address is preferred (RFC 8981 TEMP_PREFERRED_LIFETIME).
    public var temporaryPreferred = TimeSpan.seconds(86_400)
    /// How long a temporary address is valid (RFC 8981 TEMP_VALID_LIFETIME).
    public var temporaryValid = TimeSpan.seconds(172_800)
    /// How long before a temporary address is deprecated its successor is made (RFC 8981 REGEN_ADVANCE).
    public var temporaryAdvance = TimeSpan.seconds(5)
    /// The most attempts for an address of a prefix; when all are taken by others, there is none
    /// (RFC 7217 IDGEN_RETRIES, RFC 8981 TEMP_IDGEN_RETRIES).
    public var attemptsMax = 3
    /// The longest wait before the next attempt (RFC 7217 IDGEN_DELAY).
    public var attemptDelayMax = TimeSpan.seconds(1)
    /// The longest wait before the first question for routers (RFC 4861 MAX_RTR_SOLICITATION_DELAY).
    public var solicitationDelayMax = TimeSpan.seconds(1)
    /// About how long after the first question the second follows; each wait is about twice the one before
    /// (RFC 7559 IRT).
    public var solicitationInterval = TimeSpan.seconds(4)
    /// About the longest wait between two questions (RFC 7559 MRT).
    public var solicitationIntervalMax = TimeSpan.seconds(3_600)
    /// The most default routers; at the bound a new one is refused, unless one of lower preference gives way.
    public var routersMax = 16
    /// The most specific routes; at the bound new ones are refused.
    public var routesMax = 32
    /// The most on-link prefixes; at the bound new ones are refused.
    public var prefixesMax = 16
    /// The most addresses made of prefixes, the temporary ones included; at the bound no more are made.
    public var addressesMax = 16
    /// The most name servers; at the bound the one that ends soonest gives way to one that lasts longer (RFC 8106 §6.2).
    public var nameServersMax = 8
    /// The most search domains; at the bound the one that ends soonest gives way to one that lasts longer.
    public var searchDomainsMax = 8
    /// The shortest on-link prefix taken; with `::/0` on the link every packet would be the liar's.
    public var prefixLengthMin = 16
    /// The least hop limit taken; with a lower one a liar cuts a host off from all but its link.
    public var hopLimitMin: UInt8 = 32

    /// The defaults of the RFCs, without temporary addresses.
    public init() {}

    /// An interface of a router: it has its link-local address and takes nothing from others (RFC 4861 §6.2.7).
    public static var router: Self {
        var settings = Self()
        settings.asksForRouters = false
        settings.acceptsParameters = false
        settings.acceptsDefaultRouters = false
        settings.acceptsRoutes = false
        settings.acceptsPrefixes = false
        settings.acceptsNames = false
        settings.makesAddresses = false
        return settings
    }

    /// The same settings with every value where the engine's own promises hold.
    var clamped: Self {
        var clamped = self
        clamped.networkIdentifier = Array(networkIdentifier.prefix(255))
        clamped.temporaryValid = max(.seconds(60), temporaryValid)
        clamped.temporaryPreferred = min(max(.seconds(30), temporaryPreferred), clamped.temporaryValid)
        clamped.temporaryAdvance = min(
            temporaryAdvance, TimeSpan(nanoseconds: clamped.temporaryPreferred.nanoseconds / 4))
        clamped.attemptsMax = min(max(1, attemptsMax), 16)
        clamped.solicitationInterval = max(.milliseconds(100), solicitationInterval)
        clamped.solicitationIntervalMax = max(clamped.solicitationInterval, solicitationIntervalMax)
        clamped.routersMax = max(0, routersMax)
        clamped.routesMax = max(0, routesMax)
        clamped.prefixesMax = max(0, prefixesMax)
        clamped.addressesMax = max(0, addressesMax)
        clamped.nameServersMax = max(0, nameServersMax)
        clamped.searchDomainsMax = max(0, searchDomainsMax)
        clamped.prefixLengthMin = min(max(1, prefixLengthMin), 128)
        return clamped
    }
}
