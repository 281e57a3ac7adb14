import ChimneyLink
public import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack

extension Lab {
    /// Adds a route to a node: a prefix or `default`, by a gateway of the same family on one of its links.
    ///
    /// - Throws: ``LabError``; nothing is changed.
    public func addRoute(
        to destination: String, via gateway: IPAddress, metric: UInt32 = 0, on node: LabNode
    ) throws(LabError) {
        let prefix: IPPrefix
        if destination == "default" {
            prefix = .everything(LabFamily(gateway))
        } else if let parsed = IPPrefix(destination), parsed.isIPv4 == gateway.isIPv4 {
            prefix = parsed
        } else {
            throw .addressMalformed(destination)
        }
        guard let place = node.attachments.first(where: { $0.contains(gateway) }) else {
            throw .route("no interface of \(node.name) is on a link with \(gateway)")
        }
        try add(prefix, via: gateway, on: place.interface.rawValue, metric: metric, to: node)
    }

    /// Gives every node the shortest way to every subnet of the lab, of both families.
    ///
    /// Of equally short ways the one by the router that was added first is taken. A host with one router of a
    /// family on its links gets a default route to it. Routes that a node has already stay; call this once, after
    /// connecting.
    /// - Throws: ``LabError/route(_:)`` when a stack refuses a route.
    public func addRoutesEverywhere() throws(LabError) {
        let map = RoutingMap(nodes: nodes)
        for node in nodes {
            for family in LabFamily.allCases { try addRoutes(of: family, to: node, map) }
        }
    }

    private func addRoutes(of family: LabFamily, to node: LabNode, _ map: RoutingMap) throws(LabError) {
        let routers = map.routers(beside: node).filter { LabFamily($0.address) == family }
        guard !routers.isEmpty else { return }
        if !node.stack.settings.forwarding, routers.count == 1, let only = routers.first {
            return try add(.everything(family), via: only.address, on: only.interface, to: node)
        }
        for network in map.networks where LabFamily(network.address) == family {
            guard !node.attachments.contains(where: { $0.subnet == network }),
                let best = map.nearest(of: routers, to: network)
            else { continue }
            try add(network, via: best.address, on: best.interface, to: node)
        }
    }

    private func add(
        _ prefix: IPPrefix, via gateway: IPAddress, on interface: UInt32, metric: UInt32 = 0, to node: LabNode
    ) throws(LabError) {
        do {
            switch (prefix, gateway) {
            case (.v4(let prefix), .v4(let gateway)):
                try node.stack.addRoute(IPv4Route(prefix, .gateway(gateway, on: interface), metric: metric))
            case (.v6(let prefix), .v6(let gateway)):
                try node.stack.addRoute(IPv6Route(prefix, .gateway(gateway, on: interface), metric: metric))
            case (.v4, .v6), (.v6, .v4): preconditionFailure("a route and its gateway are of one family")
            }
        } catch {
            throw .route("\(error)")
        }
    }
}

extension IPPrefix {
    /// All addresses of a family: the destination of a default route.
    fileprivate static func everything(_ family: LabFamily) -> Self {
        switch family {
        case .ipv4: .v4(.all)
        case .ipv6: .v6(.all)
        }
    }
}

/// Which router is how far from which subnet.
private struct RoutingMap {
    /// A router on a common link, seen from a node.
    struct Neighbor {
        var router: Int
        var address: IPAddress
        var interface: UInt32
    }

    /// The subnets of the lab; what is link-local is none, for it is on every link.
    private(set) var networks: [IPPrefix] = []
    /// Routers with an interface on each link: node position and address.
    private var routersOnLink: [Int: [(router: Int, address: IPAddress)]] = [:]
    /// Distances in routers by network; those not in it do not reach the network.
    private var distances: [IPPrefix: [Int: Int]] = [:]

    init(nodes: [LabNode]) {
        for node in nodes {
            for place in node.attachments where !place.address.mapped.isLinkLocal {
                if distances[place.subnet] == nil {
                    distances[place.subnet] = [:]
                    networks.append(place.subnet)
                }
                guard node.stack.settings.forwarding else { continue }
                routersOnLink[place.link.index, default: []].append((node.index, place.address))
            }
        }
        for network in networks { distances[network] = reach(network, nodes: nodes) }
    }

    /// Breadth first from the routers on the subnet.
    private func reach(_ network: IPPrefix, nodes: [LabNode]) -> [Int: Int] {
        var distance: [Int: Int] = [:]
        var frontier: [Int] = []
        for node in nodes where node.stack.settings.forwarding {
            guard node.attachments.contains(where: { $0.subnet == network }) else { continue }
            distance[node.index] = 0
            frontier.append(node.index)
        }
        var position = 0
        while position < frontier.count {
            let router = frontier[position]
            position += 1
            for neighbor in routers(beside: nodes[router])
            where distance[neighbor.router] == nil && neighbor.address.isIPv4 == network.isIPv4 {
                distance[neighbor.router] = (distance[router] ?? 0) + 1
                frontier.append(neighbor.router)
            }
        }
        return distance
    }

    func routers(beside node: LabNode) -> [Neighbor] {
        var found: [Neighbor] = []
        for place in node.attachments {
            for other in routersOnLink[place.link.index] ?? []
            where other.router != node.index && place.contains(other.address) {
                found.append(
                    Neighbor(router: other.router, address: other.address, interface: place.interface.rawValue))
            }
        }
        return found
    }

    func nearest(of routers: [Neighbor], to network: IPPrefix) -> Neighbor? {
        guard let distance = distances[network] else { return nil }
        return routers.filter { distance[$0.router] != nil }
            .min { (distance[$0.router] ?? 0, $0.router) < (distance[$1.router] ?? 0, $1.router) }
    }
}
