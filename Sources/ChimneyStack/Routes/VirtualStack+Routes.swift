import ChimneyLink
import ChimneyNeighbors
public import ChimneyPrimitives
public import ChimneyRouting

/// Why routing gives a packet no way out.
enum RouteFailure: Error {
    case none, blackhole, reject, prohibit

    var reason: DropReason {
        switch self {
        case .none: .noRoute
        case .blackhole: .routeBlackhole
        case .reject: .routeReject
        case .prohibit: .routeProhibited
        }
    }
}

extension VirtualStack {
    /// Adds a route to one routing table, or to all.
    ///
    /// - Throws: `RouteError`; nothing is changed.
    public mutating func addRoute(_ route: IPv4Route, fib: FIBChoice = .one(0)) throws(RouteError<IPv4Address>) {
        if route.nextHop.interface != 0, ports.position(of: InterfaceIndex(rawValue: route.nextHop.interface)) == nil {
            throw .noInterface
        }
        try routes.add(route, fib: fib)
        generation &+= 1
    }

    /// Adds a route of IPv6 to one routing table, or to all.
    ///
    /// - Throws: `RouteError`; nothing is changed.
    public mutating func addRoute(_ route: IPv6Route, fib: FIBChoice = .one(0)) throws(RouteError<IPv6Address>) {
        if route.nextHop.interface != 0, ports.position(of: InterfaceIndex(rawValue: route.nextHop.interface)) == nil {
            throw .noInterface
        }
        try ipv6Routes.add(route, fib: fib)
        generation &+= 1
    }

    /// Removes the IPv6 routes to a prefix from one routing table, or from all, and says how many there were.
    @discardableResult
    public mutating func removeRoutes(
        to prefix: IPv6Prefix, metric: UInt32? = nil, fib: FIBChoice = .one(0)
    ) throws(RouteError<IPv6Address>) -> Int {
        defer { generation &+= 1 }
        return try ipv6Routes.remove(prefix, metric: metric, fib: fib)
    }

    /// The routing tables of IPv6, to read.
    public var ipv6RoutingTables: IPv6RoutingTables { ipv6Routes }

    /// Adds the route to a prefix of the link, in all tables; `false` when they have no room.
    mutating func addConnected(_ prefix: IPv6Prefix, interface: UInt32, origin: RouteOrigin = .interface) -> Bool {
        do throws(RouteError<IPv6Address>) {
            try ipv6Routes.add(IPv6Route(prefix, .connected(on: interface), origin: origin), fib: .all)
        } catch {
            // Several addresses, and an advertisement, may speak of one prefix.
            guard case .exists = error else { return false }
        }
        generation &+= 1
        return true
    }

    mutating func removeConnected(_ prefix: IPv6Prefix, interface: UInt32) {
        _ = try? ipv6Routes.remove(prefix, nextHop: .connected(on: interface), fib: .all)
        generation &+= 1
    }

    /// Removes the routes to a prefix from one routing table, or from all, and says how many there were.
    @discardableResult
    public mutating func removeRoutes(
        to prefix: IPv4Prefix, metric: UInt32? = nil, fib: FIBChoice = .one(0)
    ) throws(RouteError<IPv4Address>) -> Int {
        defer { generation &+= 1 }
        return try routes.remove(prefix, metric: metric, fib: fib)
    }

    /// The routing tables, to read.
    public var routingTables: IPv4RoutingTables { routes }

    /// Adds the route to the subnet of an address, in all tables; `false` when they have no room.
    mutating func addConnected(_ address: InterfaceAddress, interface: UInt32) -> Bool {
        do throws(RouteError<IPv4Address>) {
            try routes.add(connected(address, interface), fib: .all)
            return true
        } catch {
            // Two addresses of one subnet share its route.
            if case .exists = error { return true }
            return false
        }
    }

    /// Removes the route to the subnet of an address, unless another address of the interface needs it.
    mutating func removeConnected(_ address: InterfaceAddress, interface: UInt32, among others: [InterfaceAddress]) {
        let route = connected(address, interface)
        guard !others.contains(where: { connected($0, interface).prefix == route.prefix }) else { return }
        _ = try? routes.remove(route.prefix, nextHop: route.nextHop, fib: .all)
    }

    /// A host route by another gateway, as a redirect asks for.
    ///
    /// It never takes the place of a route that an operator set. At ``StackSettings/destinationsMax`` the
    /// oldest redirect is given up.
    mutating func installRedirect(to destination: IPv4Address, gateway: IPv4Address, _ port: SlotID) -> Bool {
        let prefix = IPv4Prefix(destination, length: 32)
        for table in routes.tables where table.listing(of: prefix).contains(where: { $0.route.origin != .redirect }) {
            return false
        }
        makeRoomForRedirect(to: .v4(destination))
        let hop = IPv4NextHop.gateway(gateway, on: ports[port].index.rawValue)
        do throws(RouteError<IPv4Address>) {
            try routes.replace(IPv4Route(prefix, hop, origin: .redirect), fib: .all)
        } catch {
            return false
        }
        redirects.append(.v4(destination))
        generation &+= 1
        return true
    }

    /// The same for IPv6; a target that is the destination itself is on the link (RFC 4861 §8.3).
    mutating func installRedirect(_ redirection: NDPRedirection, _ port: SlotID) -> Bool {
        let prefix = IPv6Prefix.host(redirection.destination)
        for table in ipv6Routes.tables
        where table.listing(of: prefix).contains(where: { $0.route.origin != .redirect }) {
            return false
        }
        makeRoomForRedirect(to: .v6(redirection.destination))
        let isOnLink = redirection.target == redirection.destination
        let hop: IPv6NextHop =
            isOnLink
            ? .connected(on: redirection.interface) : .gateway(redirection.target, on: redirection.interface)
        do throws(RouteError<IPv6Address>) {
            try ipv6Routes.replace(IPv6Route(prefix, hop, origin: .redirect), fib: .all)
        } catch {
            return false
        }
        redirects.append(.v6(redirection.destination))
        generation &+= 1
        return true
    }

    /// Forgets an earlier redirect of the destination, and at ``StackSettings/destinationsMax`` the oldest of all.
    private mutating func makeRoomForRedirect(to destination: IPAddress) {
        redirects.removeAll { $0 == destination }
        while redirects.count >= max(1, settings.destinationsMax) {
            switch redirects.removeFirst() {
            case .v4(let oldest): _ = try? routes.remove(IPv4Prefix.host(oldest), fib: .all)
            case .v6(let oldest): _ = try? ipv6Routes.remove(IPv6Prefix.host(oldest), fib: .all)
            }
        }
    }

    /// The addresses of all interfaces, as source selection wants them; loopback's last.
    var localAddresses: [LocalAddress<IPv4Address>] {
        var result: [LocalAddress<IPv4Address>] = []
        for position in 0..<ports.count {
            let id = ports.id(at: position)
            for address in ports[id].addresses {
                result.append(
                    LocalAddress(
                        address.address, prefixLength: address.prefixLength, interface: ports[id].index.rawValue,
                        isUsable: address.state == .usable))
            }
        }
        return result
    }

    private func connected(_ address: InterfaceAddress, _ interface: UInt32) -> IPv4Route {
        IPv4Route(
            Prefix(address.address, length: address.prefixLength), .connected(on: interface), origin: .interface)
    }
}
