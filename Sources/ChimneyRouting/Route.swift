public import ChimneyPrimitives

/// Who put a route into the table.
@frozen
public enum RouteOrigin: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    /// The stack itself, for an address of an interface.
    case interface
    /// The configuration or a command.
    case configured
    /// DHCP (RFC 2132) or router discovery (RFC 4861).
    case automatic
    /// An ICMP redirect (RFC 1122 §3.2.2.2).
    case redirect
    /// A routing protocol.
    case routingProtocol
}

/// One line of a routing table: which destinations, where to, and how much it is preferred.
public struct Route<Address: InternetAddress>: Hashable, Sendable {
    /// The destinations.
    public var prefix: Prefix<Address>
    /// Where packets to them go.
    public var nextHop: NextHop<Address>
    /// The cost; of several routes to one prefix the lowest is used.
    public var metric: UInt32
    /// Who put the route into the table.
    public var origin: RouteOrigin

    /// A route to the destinations in `prefix`.
    public init(
        _ prefix: Prefix<Address>, _ nextHop: NextHop<Address>, metric: UInt32 = 0, origin: RouteOrigin = .configured
    ) {
        self.prefix = prefix
        self.nextHop = nextHop
        self.metric = metric
        self.origin = origin
    }
}

/// Why a route could not be added, replaced or removed.
public enum RouteError<Address: InternetAddress>: Error, Hashable, Sendable {
    /// There is no such table; tables are numbered from 0.
    case noSuchTable(fib: Int, count: Int)
    /// The same prefix, next hop and metric are there already.
    case exists(Route<Address>)
    /// No route has this prefix, or none that also has the next hop and the metric asked for.
    case notFound(Prefix<Address>)
    /// The gateway is unspecified, a multicast group or a loopback address.
    case invalidGateway(Address)
    /// A next hop that needs an interface names none.
    case noInterface
    /// The table holds as many routes as it may.
    case tooManyRoutes(routesMax: Int)
    /// The table holds as many different next hops as it may.
    case tooManyNextHops(nextHopsMax: Int)
    /// One prefix has as many routes as it may.
    case tooManyRoutesToPrefix(Prefix<Address>, routesPerPrefixMax: Int)
}

/// The bounds of a routing table; at each of them a new route is refused.
public struct RoutingLimits: Hashable, Sendable {
    /// Routes in one table.
    public var routesMax: Int
    /// Different next hops in one table; groups of equal paths count too, and at the bound only the first path is used.
    public var nextHopsMax: Int
    /// Routes to one prefix.
    public var routesPerPrefixMax: Int
    /// Equal paths that share the traffic of one prefix; further ones wait as a reserve.
    public var pathsMax: Int

    /// Bounds that hold a full Internet table.
    public init(
        routesMax: Int = 2_000_000, nextHopsMax: Int = 65_536, routesPerPrefixMax: Int = 64, pathsMax: Int = 16
    ) {
        self.routesMax = max(0, routesMax)
        self.nextHopsMax = max(0, nextHopsMax)
        self.routesPerPrefixMax = max(1, routesPerPrefixMax)
        self.pathsMax = min(max(1, pathsMax), 255)
    }
}

/// A route of IPv4.
public typealias IPv4Route = Route<IPv4Address>
/// A next hop of IPv4.
public typealias IPv4NextHop = NextHop<IPv4Address>
/// The routing tables of IPv4.
public typealias IPv4RoutingTables = RoutingTables<IPv4Address>
/// A route of IPv6.
public typealias IPv6Route = Route<IPv6Address>
/// A next hop of IPv6.
public typealias IPv6NextHop = NextHop<IPv6Address>
/// The routing tables of IPv6.
public typealias IPv6RoutingTables = RoutingTables<IPv6Address>
