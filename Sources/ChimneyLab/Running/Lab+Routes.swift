import ChimneyLink
public import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack

extension Lab {
    /// Adds a route to a node: a prefix or `default`, by a gateway on one of its links.
    ///
    /// - Throws: ``LabError``; nothing is changed.
    public func addRoute(
        to destination: String, via gateway: IPv4Address, metric: UInt32 = 0, on node: LabNode
    ) throws(LabError) {
        let prefix: IPv4Prefix
        if destination == "default" {
            prefix = IPv4Prefix(.any, length: 0)
        } else if let parsed = IPv4Prefix(destination) {
            prefix = parsed
        } else {
            throw .addressMalformed(destination)
        }
        guard let place = node.attachments.first(where: { $0.contains(gateway) }) else {
            throw .route("no interface of \(node.name) is on a link with \(gateway)")
        }
        try add(IPv4Route(prefix, .gateway(gateway, on: place.interface.rawValue), metric: metric), to: node)
    }

    /// Gives every node the shortest way to every subnet of the lab.
    ///
    /// Of equally short ways the one by the router that was added first is taken. A host with one router on its
    /// links gets a default route to it. Routes that a node has already stay; call this once, after connecting.
    /// - Throws: ``LabError/route(_:)`` when a stack refuses a route.
    public func addRoutesEverywhere() throws(LabError) {
        let map = RoutingMap(nodes: nodes)
        for node in nodes {
            let routers = map.routers(beside: node)
            guard !routers.isEmpty else { continue }
            if !node.stack.settings.forwarding, routers.count == 1, let only = routers.first {
                let hop = NextHop<IPv4Address>.gateway(only.address, on: only.interface)
                try add(IPv4Route(IPv4Prefix(.any, length: 0), hop), to: node)
                continue
            }
            for network in map.networks where !node.attachments.contains(where: { $0.subnet == network }) {
                guard let best = map.nearest(of: routers, to: network) else { continue }
                let hop = NextHop<IPv4Address>.gateway(best.address, on: best.interface)
                let prefix = IPv4Prefix(IPv4Address(bits: network.bits), length: network.length)
                try add(IPv4Route(prefix, hop), to: node)
            }
        }
    }

    private func add(_ route: IPv4Route, to node: LabNode) throws(LabError) {
        do {
            try node.stack.addRoute(route)
        } catch {
            throw .route("\(error)")
        }
    }
}

/// One subnet of a lab.
struct Subnet: Hashable {
    var bits: UInt32
    var length: Int
}

extension LabNode.Attachment {
    var subnet: Subnet { Subnet(bits: network, length: prefixLength) }

    func contains(_ other: IPv4Address) -> Bool {
        prefixLength == 0 || (other.bits ^ address.bits) >> UInt32(32 - prefixLength) == 0
    }
}

/// Which router is how far from which subnet.
private struct RoutingMap {
    /// A router on a common link, seen from a node.
    struct Neighbor {
        var router: Int
        var address: IPv4Address
        var interface: UInt32
    }

    private(set) var networks: [Subnet] = []
    /// Routers with an interface on each link: node position and address.
    private var routersOnLink: [Int: [(router: Int, address: IPv4Address)]] = [:]
    /// Distances in routers by network; those not in it do not reach the network.
    private var distances: [Subnet: [Int: Int]] = [:]

    init(nodes: [LabNode]) {
        for node in nodes {
            for place in node.attachments {
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
    private func reach(_ network: Subnet, nodes: [LabNode]) -> [Int: Int] {
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
            for neighbor in routers(beside: nodes[router]) where distance[neighbor.router] == nil {
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

    func nearest(of routers: [Neighbor], to network: Subnet) -> Neighbor? {
        guard let distance = distances[network] else { return nil }
        return routers.filter { distance[$0.router] != nil }
            .min { (distance[$0.router] ?? 0, $0.router) < (distance[$1.router] ?? 0, $1.router) }
    }
}
