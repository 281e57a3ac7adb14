public import ChimneyConfiguration
public import ChimneyMulticast
public import ChimneyNeighbors
public import ChimneyPrimitives
import ChimneyStack
public import ChimneyWire

/// A lab as a file describes it: nodes, links, traffic and what happens when.
public struct LabTopology: Hashable, Sendable {
    /// The lab's name, for reports.
    public var name: String
    /// The seed that the file suggests.
    public var seed: UInt64 = 1
    /// How much virtual time passes.
    public var duration: TimeSpan = .seconds(10)
    /// Whether every node is given the shortest way to every subnet.
    public var routesEverywhere = true
    /// The links, in the order of the file.
    public var links: [Link] = []
    /// The nodes, in the order of the file, hosts before routers.
    public var nodes: [Node] = []
    /// The queriers, in the order of the file.
    public var queriers: [Querier] = []
    /// The UDP flows.
    public var flows: [FlowSettings] = []
    /// The TCP streams.
    public var streams: [StreamSettings] = []
    /// The echo requests.
    public var pings: [PingSettings] = []
    /// What happens when.
    public var events: [Event] = []

    /// A link of a file.
    public struct Link: Hashable, Sendable {
        /// Its name.
        public var name: String
        /// Cable or switch.
        public var kind: LabLink.Kind
        /// What it is like.
        public var settings: LinkSettings
        /// What goes wrong on it from the start.
        public var faults: LinkFaults
    }

    /// A host or router of a file.
    public struct Node: Hashable, Sendable {
        /// Its name.
        public var name: String
        /// Whether it routes for others.
        public var forwarding: Bool
        /// Where it is plugged in.
        public var interfaces: [Interface]
        /// Its own routes.
        public var routes: [Route]
        /// The services it offers.
        public var services: [ServiceConfiguration]
        /// The groups it joins, and when.
        public var groups: [Group] = []
        /// Whether its IPv6 addresses are asked for before they are used (RFC 4862 §5.4).
        public var duplicateDetection: DuplicateDetection
    }

    /// A place where a node is plugged in.
    public struct Interface: Hashable, Sendable {
        /// Its name; nil for `eth0` and so on.
        public var name: String?
        /// The link.
        public var link: String
        /// Its addresses, of either family.
        public var addresses: [AddressSetting]
        /// The link address; nil for one that follows from the names.
        public var mac: MACAddress?
        /// The largest packet; nil for the link's.
        public var mtu: Int?
        /// Whether its IPv4 addresses are probed for before they are used (RFC 5227).
        public var detectsConflicts: Bool
        /// How it reports IPv4's groups; nil for what the standards say.
        public var igmp: MembershipSettings<IPv4Address>?
        /// How it reports IPv6's groups; nil for what the standards say.
        public var mld: MembershipSettings<IPv6Address>?
    }

    /// A router of a file that asks which groups are wanted.
    public struct Querier: Hashable, Sendable {
        /// Its name.
        public var name: String
        /// The link.
        public var link: String
        /// The addresses its queries come from.
        public var addresses: [IPAddress]
        /// How it asks over IGMP.
        public var igmp: QuerierSettings
        /// How it asks over MLD.
        public var mld: QuerierSettings
    }

    /// A group that a node of a file joins with a socket of its own.
    public struct Group: Hashable, Sendable {
        /// The name in reports; nil for one made of node, group and port.
        public var name: String?
        /// The group.
        public var group: IPAddress
        /// The UDP port.
        public var port: UInt16
        /// The interface; nil for the node's first that speaks the family.
        public var interface: String?
        /// What is wanted from when on.
        public var wishes: [Wish]

        /// What is wanted from a time on.
        public struct Wish: Hashable, Sendable {
            /// When, from the start.
            public var at: TimeSpan
            /// Which way the list is meant.
            public var mode: FilterMode
            /// Addresses, and nodes in place of their first addresses of the group's family.
            public var sources: [String]
        }
    }

    /// A route of a node.
    public struct Route: Hashable, Sendable {
        /// What it leads to.
        public var destination: IPPrefix
        /// The next hop.
        public var gateway: IPAddress
        /// Smaller is preferred.
        public var metric: Int
    }

    /// Something that happens at a time.
    public struct Event: Hashable, Sendable {
        /// When, from the start.
        public var at: TimeSpan
        /// What.
        public var action: LabAction
    }

    /// The most addresses of one interface; a longer list is refused.
    public static var addressesMax: Int { 256 }

    /// An empty lab.
    public init(name: String) { self.name = name }

    /// Builds the lab, ready to run, with the file's seed or another one.
    ///
    /// - Throws: ``LabError`` for what can only be found by building, such as one address on two interfaces of a node.
    public func build(seed: UInt64? = nil, limits: LabLimits = .init()) throws(LabError) -> Lab {
        let lab = Lab(seed: seed ?? self.seed, limits: limits)
        for link in links {
            let added = try lab.addLink(link.name, kind: link.kind, settings: link.settings)
            added.faults = link.faults
        }
        for node in nodes {
            var settings = Lab.nodeSettings
            settings.forwarding = node.forwarding
            settings.duplicateDetection = node.duplicateDetection
            let added = try lab.addNode(node.name, settings: settings)
            for place in node.interfaces {
                try lab.connect(
                    added, to: lab.link(place.link), addresses: place.addresses.map(\.description), name: place.name,
                    mac: place.mac, mtu: place.mtu, detectsConflicts: place.detectsConflicts, igmp: place.igmp,
                    mld: place.mld)
            }
            for service in node.services { try lab.offer(service.kind.labKind, port: service.port, on: added) }
        }
        if routesEverywhere { try lab.addRoutesEverywhere() }
        for node in nodes {
            for route in node.routes {
                try lab.addRoute(
                    to: route.destination.description, via: route.gateway, metric: UInt32(route.metric),
                    on: lab.node(node.name))
            }
        }
        for querier in queriers {
            try lab.addQuerier(
                querier.name, on: lab.link(querier.link), addresses: querier.addresses, igmp: querier.igmp,
                mld: querier.mld)
        }
        for node in nodes {
            for group in node.groups { try lab.receive(group.settings(of: node.name, in: lab)) }
        }
        for flow in flows { try lab.flow(flow) }
        for stream in streams { try lab.stream(stream) }
        for ping in pings { try lab.ping(ping) }
        for event in events { try lab.at(event.at, event.action) }
        return lab
    }
}

extension LabTopology.Group {
    /// The same with addresses for names.
    fileprivate func settings(of node: String, in lab: Lab) throws(LabError) -> GroupSettings {
        var resolved: [GroupSettings.Wish] = []
        for wish in wishes {
            var sources: [IPAddress] = []
            for text in wish.sources {
                if let address = IPAddress(text) {
                    sources.append(address)
                } else if let address = try lab.node(text).address(group.isIPv4 ? .ipv4 : .ipv6) {
                    sources.append(address)
                } else {
                    throw .noAddress(node: text)
                }
            }
            resolved.append(.init(at: wish.at, GroupFilter(wish.mode, sources)))
        }
        return GroupSettings(
            name: name, node: node, interface: interface, group: group, port: port, wishes: resolved)
    }
}

extension ServiceConfiguration.Kind {
    var labKind: LabService.Kind {
        switch self {
        case .echo: .echo
        case .discard: .discard
        case .chargen: .chargen
        }
    }
}
