public import ChimneyPrimitives
public import ChimneyStack

/// Many stacks on simulated links in virtual time, all of it following from one seed.
///
/// A lab is its own clock: ``run(_:)`` jumps from event to event, and a stack that has nothing to do costs
/// nothing. Equal labs with equal seeds exchange equal frames at equal times, which ``traceHash`` tells.
///
///     let lab = Lab(seed: 7)
///     let lan = try lab.addLink("lan", kind: .switch)
///     let a = try lab.addNode("a"), b = try lab.addNode("b")
///     try lab.connect(a, to: lan, address: "10.0.0.1/24")
///     try lab.connect(b, to: lan, address: "10.0.0.2/24")
///     let ping = try lab.ping(PingSettings(from: "a", to: "b"))
///     lab.run(.seconds(3))
///
/// A lab is confined to one thread.
public final class Lab {
    /// The number everything follows from.
    public let seed: UInt64
    /// The virtual time.
    public internal(set) var now = Instant.zero
    /// Where all stacks and links of the lab take their packets from.
    public let pool: PacketPool

    /// The stacks, in the order they were added.
    public internal(set) var nodes: [LabNode] = []
    /// The links, in the order they were added.
    public internal(set) var links: [LabLink] = []
    /// The UDP flows, in the order they were added.
    public internal(set) var flows: [FlowRecord] = []
    /// The TCP streams, in the order they were added.
    public internal(set) var streams: [StreamRecord] = []
    /// The pings, in the order they were added.
    public internal(set) var pings: [PingRecord] = []
    /// The receivers of groups, in the order they were added.
    public internal(set) var receptions: [GroupReception] = []
    /// The actions that were carried out, with their times.
    public internal(set) var journal: [JournalEntry] = []

    var ports: [LinkPort] = []
    var nodePositions: [String: Int] = [:]
    var linkPositions: [String: Int] = [:]
    var stations: [RunningStation] = []
    var stationPositions: [String: Int] = [:]
    var macAddresses: Set<MACAddress> = []
    var applications: [RunningApplication] = []
    var actions: [(at: Instant, action: LabAction)] = []
    var events = EventQueue()
    var flying: SlotMap<Packet>
    var hash = TraceHash()
    var eventCount: UInt64 = 0
    var captures: [LabCapture] = []
    /// What ``settle(_:)`` goes through; kept for its memory.
    var connectionNews: [TCPConnectionID] = []
    var listenerNews: [TCPListenerID] = []
    let limits: LabLimits

    /// A lab without nodes.
    public init(seed: UInt64, limits: LabLimits = .init()) {
        self.seed = seed
        self.limits = limits
        pool = PacketPool(packetsMax: limits.packetsMax, largeMax: limits.largePacketsMax)
        flying = SlotMap(elementsMax: limits.packetsMax + limits.largePacketsMax)
    }

    /// A number that is equal for runs that exchanged equal frames at equal times.
    public var traceHash: UInt64 { hash.value }

    /// Frames that are under way on some link.
    public var framesInFlight: Int { flying.count }

    /// How many events have happened.
    public var eventsHandled: UInt64 { eventCount }
}

/// What one lab may cost; what exceeds a bound is refused with an error or dropped with a name.
public struct LabLimits: Sendable, Hashable {
    /// The most nodes.
    public var nodesMax = 65_536
    /// The most links.
    public var linksMax = 65_536
    /// The most packets of ordinary size that all queues and links hold together.
    public var packetsMax = 262_144
    /// The most packets beyond 2 KiB that all queues and links hold together.
    public var largePacketsMax = 4_096
    /// The most flows, streams, pings and receivers of groups.
    public var flowsMax = 65_536
    /// The most scheduled actions.
    public var actionsMax = 65_536

    /// The defaults.
    public init() {}
}

/// Why a lab could not be built as asked.
public enum LabError: Error, Hashable, Sendable {
    /// Another node, link or station has the name.
    case nameInUse(String)
    /// The lab has no node of that name.
    case noSuchNode(String)
    /// The lab has no link of that name.
    case noSuchLink(String)
    /// The node has no interface of that name.
    case noSuchInterface(node: String, interface: String)
    /// A bound of ``LabLimits`` or of a link is reached.
    case tooMany(what: String, max: Int)
    /// The text is not an address with a prefix length, or not a prefix.
    case addressMalformed(String)
    /// The node has no address yet.
    case noAddress(node: String)
    /// A size, count or rate is outside what the traffic can be.
    case outOfRange(what: String, expected: String)
    /// The stack refused the interface.
    case interface(InterfaceError)
    /// The stack refused the address.
    case address(AddressError)
    /// The stack refused a socket.
    case socket(String)
    /// The stack refused a route.
    case route(String)
}
