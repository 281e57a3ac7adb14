import ChimneyLink
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
        redirects.removeAll { $0 == destination }
        while redirects.count >= max(1, settings.destinationsMax) {
            let oldest = IPv4Prefix(redirects.removeFirst(), length: 32)
            _ = try? routes.remove(oldest, fib: .all)
        }
        let hop = IPv4NextHop.gateway(gateway, on: ports[port].index.rawValue)
        do throws(RouteError<IPv4Address>) {
            try routes.replace(IPv4Route(prefix, hop, origin: .redirect), fib: .all)
        } catch {
            return false
        }
        redirects.append(destination)
        generation &+= 1
        return true
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
