public import ChimneyPrimitives

/// What a router tells the hosts of one link (RFC 4861 §6.2.1).
public struct AdvertisementConfiguration: Hashable, Sendable {
    /// The prefixes of the link.
    public var prefixes: [AdvertisedPrefix] = []
    /// The longest time between two unasked advertisements.
    public var interval = TimeSpan.seconds(600)
    /// For how long it is a default router after each; zero says that it is none, nil is three intervals.
    public var lifetime: TimeSpan?
    /// How it compares with other default routers (RFC 4191).
    public var preference = Preference.medium
    /// The MTU of the link; nil tells none.
    public var mtu: Int?
    /// Prefixes that are reached through it (RFC 4191).
    public var routes: [IPv6Prefix] = []
    /// Name servers (RFC 8106).
    public var nameServers: [IPv6Address] = []

    /// How a default router compares with others.
    public enum Preference: String, CaseIterable, Hashable, Sendable {
        case low, medium, high
    }

    /// The most prefixes of one interface in a file; a longer list is refused.
    public static var prefixesMax: Int { 16 }
    /// The most routes of one interface in a file; a longer list is refused.
    public static var routesMax: Int { 16 }
    /// The most name servers of one interface in a file; a longer list is refused.
    public static var nameServersMax: Int { 8 }

    /// A default router of a link without prefixes.
    public init() {}
}

/// A prefix that a router tells of, and for how long hosts may use it (RFC 4861 §6.2.1).
public struct AdvertisedPrefix: Hashable, Sendable {
    /// The prefix.
    public var prefix: IPv6Prefix
    /// For how long addresses of it are valid.
    public var valid = TimeSpan.seconds(2_592_000)
    /// For how long they are preferred.
    public var preferred = TimeSpan.seconds(604_800)
    /// Whether its addresses are on the link.
    public var isOnLink = true
    /// Whether hosts may make themselves addresses of it (RFC 4862).
    public var isAutonomous = true

    /// A prefix of the link, for hosts to make addresses of, for the times of RFC 4861.
    public init(prefix: IPv6Prefix) { self.prefix = prefix }
}

extension AdvertisementConfiguration {
    init(reading cursor: Cursor) throws(ConfigurationError) {
        let fields = try cursor.fields(["prefixes", "interval", "lifetime", "preference", "mtu", "routes", "dns"])
        self.init()
        for element in try fields.elements("prefixes", max: Self.prefixesMax) {
            prefixes.append(try AdvertisedPrefix(reading: element))
        }
        interval = try fields["interval"]?.timeSpan(from: .seconds(4), to: .seconds(1_800)) ?? interval
        lifetime = try fields["lifetime"]?.timeSpan(from: .zero, to: .seconds(9_000))
        if let place = fields["lifetime"], let lifetime, lifetime != .zero, lifetime < interval {
            throw place.failure(.conflict("a router that is forgotten before it speaks again is none"))
        }
        preference = try fields["preference"]?.choice() ?? .medium
        mtu = try fields["mtu"]?.integer(in: 1_280...65_535)
        for element in try fields.elements("routes", max: Self.routesMax) {
            routes.append(try element.ipv6Prefix())
        }
        for element in try fields.elements("dns", max: Self.nameServersMax) {
            guard case .v6(let address) = try element.scopedAddress().address else {
                throw element.mismatch("an IPv6 address")
            }
            nameServers.append(address)
        }
    }
}

extension AdvertisedPrefix {
    /// A prefix alone, or a mapping with its lifetimes.
    init(reading cursor: Cursor) throws(ConfigurationError) {
        guard cursor.isMapping else {
            self.init(prefix: try cursor.ipv6Prefix())
            return
        }
        let fields = try cursor.fields(["prefix", "valid", "preferred", "on_link", "autonomous"])
        self.init(prefix: try fields.required("prefix").ipv6Prefix())
        // All ones would be for ever.
        let most = TimeSpan.seconds(Int64(UInt32.max) - 1)
        valid = try fields["valid"]?.timeSpan(max: most) ?? valid
        preferred = try fields["preferred"]?.timeSpan(max: most) ?? min(preferred, valid)
        if let place = fields["preferred"], preferred > valid {
            throw place.failure(.conflict("addresses cannot be preferred for longer than they are valid"))
        }
        isOnLink = try fields["on_link"]?.flag() ?? true
        isAutonomous = try fields["autonomous"]?.flag() ?? true
    }
}
