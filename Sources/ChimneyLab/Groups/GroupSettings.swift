public import ChimneyLink
import ChimneyMulticast
public import ChimneyPrimitives
public import ChimneyStack

/// A socket of a node that is in a group, with what it wants when.
public struct GroupSettings: Hashable, Sendable {
    /// The name in reports, unique among receivers.
    public var name: String
    /// The node.
    public var node: String
    /// The interface on which it joins; nil for the node's first that speaks the family.
    public var interface: String?
    /// The group.
    public var group: IPAddress
    /// The UDP port on which it receives.
    public var port: UInt16
    /// What it wants from when on, in the order of time.
    public var wishes: [Wish]

    /// What is wanted from a time on.
    public struct Wish: Hashable, Sendable {
        /// When, from the start.
        public var at: TimeSpan
        /// Of whom; ``GroupFilter/none`` leaves.
        public var filter: GroupFilter

        /// A wish.
        public init(at time: TimeSpan, _ filter: GroupFilter) {
            at = time
            self.filter = filter
        }
    }

    /// A receiver that joins at the start, unless other wishes are given, and stays.
    public init(
        name: String? = nil, node: String, interface: String? = nil, group: IPAddress, port: UInt16 = 5_000,
        wishes: [Wish] = [Wish(at: .zero, .all)]
    ) {
        self.name = name ?? "\(node)-\(group)-\(port)"
        self.node = node
        self.interface = interface
        self.group = group
        self.port = port
        self.wishes = wishes
    }
}

/// What a receiver of a group got.
public final class GroupReception {
    /// What was asked for.
    public let settings: GroupSettings
    /// The name in reports.
    public var name: String { settings.name }
    /// The interface on which it joins.
    public let interface: InterfaceIndex
    /// What it wants now.
    public internal(set) var filter = GroupFilter.none
    /// What it got, flow by flow, in the order of the flows.
    public internal(set) var arrivals: [Arrivals] = []
    /// Datagrams that arrived with other bytes than were sent.
    public internal(set) var damaged: UInt64 = 0
    /// Wishes that the stack refused, with what it said.
    public internal(set) var refusals: [String] = []

    /// What arrived of one flow.
    public struct Arrivals {
        /// The number of the flow in ``Lab/flows``.
        public let flow: Int
        /// Datagrams, each counted once.
        public internal(set) var received: UInt64 = 0
        /// Datagrams that came again.
        public internal(set) var duplicated: UInt64 = 0
        /// Datagrams that came after a later one.
        public internal(set) var reordered: UInt64 = 0
        /// Datagrams that the receiver had not asked for.
        public internal(set) var wrong: UInt64 = 0
        /// Datagrams that reached the interface whole in one frame while the receiver wanted them.
        public internal(set) var due: UInt64 = 0
        /// Those of them that were received.
        public internal(set) var met: UInt64 = 0
        var window = SequenceWindow()
    }

    init(settings: GroupSettings, interface: InterfaceIndex) {
        self.settings = settings
        self.interface = interface
    }

    /// Datagrams of all flows, each counted once.
    public var received: UInt64 { arrivals.reduce(0) { $0 + $1.received } }
    /// Datagrams of all flows that came again.
    public var duplicated: UInt64 { arrivals.reduce(0) { $0 + $1.duplicated } }
    /// Datagrams of all flows that the receiver had not asked for.
    public var wrong: UInt64 { arrivals.reduce(0) { $0 + $1.wrong } }

    /// What arrived of a flow.
    public func arrivals(of flow: FlowRecord) -> Arrivals {
        arrivals.first { $0.flow == Int(flow.number) } ?? Arrivals(flow: Int(flow.number))
    }

    func change(_ flow: Int, _ body: (inout Arrivals) -> Void) {
        let place = arrivals.firstIndex { $0.flow >= flow } ?? arrivals.count
        if place == arrivals.count || arrivals[place].flow != flow { arrivals.insert(Arrivals(flow: flow), at: place) }
        body(&arrivals[place])
    }
}

extension GroupFilter {
    /// Whether what a source sends is wanted.
    public func admits(_ source: IPAddress) -> Bool { sources.contains(source) == (mode == .include) }
}
