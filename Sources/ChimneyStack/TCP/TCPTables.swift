import ChimneyPrimitives
import ChimneyTCP

/// Everything a stack knows of TCP; without memory of its own until something is opened.
struct TCPTables: ~Copyable {
    var links: SlotMap<TCPLink>
    var listeners: SlotMap<TCPListener>
    /// The first listener of a port; the others follow by ``TCPListener/nextOnPort``.
    var listenerPorts = PortTable()
    /// From both ends of a flow to the place of its connection.
    var flows: FlowTable<IPv6Flow>
    var synCache: SynCache
    var timeWait: TimeWaitTable
    /// Which peers' segments are signed.
    var signatures = TCPSignatures()
    let numbers: InitialSequence
    /// What connections found out about paths.
    var hosts: HostCache
    /// Who watches connections.
    var modules = TCPModules()
    var shared: TCPShared
    /// What the engine wants done; empty between any two calls of it.
    var output = TCPOutput()
    /// What half-open connections want sent; empty between any two calls.
    var answers = OutputList<SynCache.Answer>()
    /// By the place of the connection; a timer may be earlier than its connection's deadline, never later.
    var timers: TimerWheel
    /// Connections that a segment or a command touched and that were not flushed since.
    var touched = RingBuffer<SlotID>()
    /// When the first of the timers is due, or earlier.
    var due = Instant.never
    var announced: [TCPConnectionID] = []
    var announcedListeners: [TCPListenerID] = []
    var resetLimit: RateLimit
    /// What connections that were told nothing else share.
    let standard: SharedTCPSettings
    var counters = TCPCounters()

    init(settings: TCPStackSettings, using random: inout StackRandom) {
        links = SlotMap(elementsMax: settings.connectionsMax)
        listeners = SlotMap(elementsMax: settings.listenersMax)
        flows = FlowTable(flowsMax: settings.connectionsMax, using: &random)
        synCache = SynCache(settings: settings.synCache, using: &random)
        timeWait = TimeWaitTable(time: settings.timeWait, flowsMax: max(1, settings.timeWaitMax), using: &random)
        numbers = InitialSequence(using: &random)
        hosts = HostCache(settings: settings.hostCache, using: &random)
        shared = TCPShared(
            challengesPerSecondMax: settings.challengesPerSecondMax, reassemblyBytesMax: settings.reassemblyBytesMax,
            secret: numbers.secret)
        timers = TimerWheel(timersMax: settings.connectionsMax)
        resetLimit = RateLimit(perSecondMax: settings.resetsPerSecondMax, burstMax: settings.resetBurstMax)
        standard = SharedTCPSettings(settings.connection)
    }
}

/// A connection of a stack: the engine's, and where it belongs.
struct TCPLink: ~Copyable {
    var connection: TCPConnection
    let flow: IPv6Flow
    var way: TCPWay
    let fib: UInt16
    /// Whether it is in the list of those to be flushed.
    var isTouched = false
    /// Whether it is in the list of those with news.
    var isAnnounced = false
    /// Whether somebody may still read it or ask for it.
    var hasOwner = true
    /// Whether it was open once, so that it found something out.
    var wasOpen = false
    /// Whether its flow leads to it.
    var isInFlows = true
    /// When its timer fires, not later than the connection wants.
    var armedAt = Instant.never

    init(_ connection: consuming TCPConnection, flow: IPv6Flow, way: TCPWay, fib: UInt16) {
        self.connection = connection
        self.flow = flow
        self.way = way
        self.fib = fib
    }
}

/// A port on which connections are taken.
struct TCPListener: ~Copyable {
    let local: Endpoint
    /// The families of which it takes connections to every address of ours.
    let wildcard: AddressFamilies
    let fib: UInt16
    /// The most connections that wait to be accepted; further SYNs are dropped.
    let backlogMax: Int
    var settings: SharedTCPSettings
    /// Those that wait to be accepted, oldest first.
    var queue = RingBuffer<TCPConnectionID>()
    var isAnnounced = false
    var nextOnPort: SlotID?
    var acceptedCount: UInt64 = 0
    /// SYNs and handshakes that found the queue full.
    var overflowCount: UInt64 = 0

    init(
        local: Endpoint, wildcard: AddressFamilies, fib: UInt16, backlogMax: Int, settings: SharedTCPSettings
    ) {
        self.local = local
        self.wildcard = wildcard
        self.fib = fib
        self.backlogMax = backlogMax
        self.settings = settings
    }

    func takes(_ destination: Endpoint) -> Bool {
        wildcard.contains(destination.isIPv4 ? .ipv4 : .ipv6)
            || local.mapped == destination.mapped && local.zone == destination.zone
    }
}

/// How often things happened to TCP in one stack.
public struct TCPCounters: Sendable, Hashable {
    /// Segments that passed their checksum.
    public internal(set) var received: UInt64 = 0
    /// Segments sent, those that are to be cut further down counted once.
    public internal(set) var sent: UInt64 = 0
    /// Segments for which there was no buffer; they are sent again like lost ones.
    public internal(set) var unsent: UInt64 = 0
    /// RSTs sent in answer to segments of no connection.
    public internal(set) var resetsSent: UInt64 = 0
    /// RSTs not sent because of their limit.
    public internal(set) var resetsSuppressed: UInt64 = 0
    /// Segments sent with a signature (RFC 2385).
    public internal(set) var signaturesSent: UInt64 = 0
    /// Segments whose signature was right.
    public internal(set) var signaturesVerified: UInt64 = 0
    /// Connections begun from here.
    public internal(set) var opened: UInt64 = 0
    /// Connections taken by listeners.
    public internal(set) var accepted: UInt64 = 0
    /// Connections that were open and ended.
    public internal(set) var closed: UInt64 = 0
    /// Those of them that ended otherwise than by both ends having said all.
    public internal(set) var failed: UInt64 = 0
}
