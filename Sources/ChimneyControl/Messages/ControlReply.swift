public import struct Foundation.Data

/// One line from a server.
///
/// A request is answered by any number of parts and then by one ``end`` or ``failure(message:)``.
public enum ControlReply: Codable, Hashable, Sendable {
    /// Which stacks run.
    case stacks(list: [StackReport])
    /// Interfaces.
    case interfaces(list: [InterfaceReport])
    /// Routes.
    case routes(list: [RouteReport])
    /// Neighbours.
    case neighbours(list: [NeighbourReport])
    /// Sockets.
    case sockets(list: [SocketReport])
    /// Counters.
    case statistics(report: StatisticsReport)
    /// What became of one echo request.
    case echo(report: EchoReport)
    /// A piece of a pcapng file.
    case captured(bytes: Data)
    /// How a capture went.
    case captureEnded(report: CaptureReport)
    /// The way of a packet.
    case explanation(report: ExplanationReport)
    /// Packets that died.
    case drops(list: [DropReport])
    /// Interfaces and how they receive groups, of which each has the first few.
    case multicast(list: [MulticastReport])
    /// Further groups of the interface that was told of last.
    case groups(list: [GroupReport])
    /// How much sockets may join.
    case membershipLimits(report: MembershipLimitsReport)
    /// What became of a step of a test.
    case tested(answer: TestAnswer)
    /// Datagrams that were received.
    case counted(list: [FlowCount])
    /// Datagrams that were on a link.
    case datagramsSeen(list: [FlowSight])
    /// Membership messages that were on a link.
    case membershipSeen(list: [MembershipSight])
    /// Something happened.
    case event(report: EventReport)
    /// Events that were too many to be told.
    case eventsMissed(count: Int)
    /// The request has been carried out and everything has been said.
    case end
    /// The request was not carried out, and why.
    case failure(message: String)
}

/// A stack.
public struct StackReport: Codable, Hashable, Sendable {
    /// Its name.
    public var name: String
    /// How many interfaces it has.
    public var interfaceCount: Int
    /// Whether it forwards.
    public var forwarding: Bool
    /// How many routing tables it has.
    public var fibCount: Int

    /// A stack.
    public init(name: String, interfaceCount: Int, forwarding: Bool, fibCount: Int) {
        self.name = name
        self.interfaceCount = interfaceCount
        self.forwarding = forwarding
        self.fibCount = fibCount
    }
}

/// An interface.
public struct InterfaceReport: Codable, Hashable, Sendable {
    /// Its name.
    public var name: String
    /// Its index.
    public var index: Int
    /// `ethernet`, `ip` or `loopback`.
    public var kind: String
    /// `up`, `down` or `gone`, the last when its device has vanished.
    public var state: String
    /// What became of the device, where something did.
    public var device: String?
    /// The link address of an Ethernet interface.
    public var mac: String?
    /// The MTU in bytes.
    public var mtu: Int
    /// The routing table for packets that come in by it.
    public var fib: Int
    /// What the device computes for the stack.
    public var capabilities: [String]
    /// Its addresses, those of IPv4 first.
    public var addresses: [AddressReport]
    /// `off`, `manual` or `automatic`: whether it speaks IPv6, and whether it takes addresses from routers.
    public var ipv6: String
    /// How far its DHCP client has come, such as `selecting` or `bound`; `nil` without one.
    public var dhcp: String?
    /// Name servers that DHCP or routers told of.
    public var nameServers: [String]
    /// Frames in.
    public var receivedPackets: UInt64
    /// Bytes in.
    public var receivedBytes: UInt64
    /// Frames out.
    public var transmittedPackets: UInt64
    /// Bytes out.
    public var transmittedBytes: UInt64
    /// Frames dropped at a full transmit queue.
    public var transmitDrops: UInt64
    /// Frames that wait to be transmitted.
    public var transmitQueueCount: Int

    /// An interface that has carried nothing.
    public init(name: String, index: Int, kind: String, state: String, mtu: Int) {
        self.name = name
        self.index = index
        self.kind = kind
        self.state = state
        self.mtu = mtu
        fib = 0
        capabilities = []
        addresses = []
        ipv6 = "off"
        nameServers = []
        receivedPackets = 0
        receivedBytes = 0
        transmittedPackets = 0
        transmittedBytes = 0
        transmitDrops = 0
        transmitQueueCount = 0
    }
}

/// An address of an interface.
public struct AddressReport: Codable, Hashable, Sendable {
    /// The address.
    public var address: String
    /// The prefix length.
    public var prefixLength: Int
    /// The subnet's broadcast address.
    public var broadcast: String?
    /// `usable`, `tentative` or `conflicted` (RFC 5227); of IPv6 also `optimistic`, `duplicate` or `deprecated`.
    public var state: String
    /// Where it is from: `manual` or `dhcp`, of IPv6 also `linkLocal`, `automatic` or `temporary`.
    public var origin: String
    /// For how many seconds an address of IPv6 is still preferred; `nil` for ever.
    public var preferredSeconds: Double?
    /// For how many seconds it is still the interface's; `nil` for ever.
    public var validSeconds: Double?

    /// An address that stays.
    public init(
        address: String, prefixLength: Int, broadcast: String? = nil, state: String, origin: String = "manual",
        preferredSeconds: Double? = nil, validSeconds: Double? = nil
    ) {
        self.address = address
        self.prefixLength = prefixLength
        self.broadcast = broadcast
        self.state = state
        self.origin = origin
        self.preferredSeconds = preferredSeconds
        self.validSeconds = validSeconds
    }
}

/// A route.
public struct RouteReport: Codable, Hashable, Sendable {
    /// The destination with its prefix length.
    public var destination: String
    /// The next hop; `nil` when the destination is on the link.
    public var gateway: String?
    /// The interface's name.
    public var interface: String?
    /// Smaller is preferred.
    public var metric: Int
    /// `connected`, `gateway`, `local`, `broadcast`, `blackhole`, `reject` or `prohibit`.
    public var kind: String
    /// Who made it: `interface`, `configured`, `automatic`, `redirect` or `routingProtocol`.
    public var origin: String
    /// The routing table.
    public var fib: Int
    /// Whether it is in use; a route whose interface is down is not.
    public var isUsable: Bool

    /// A route.
    public init(
        destination: String, gateway: String?, interface: String?, metric: Int, kind: String,
        origin: String = "configured", fib: Int, isUsable: Bool
    ) {
        self.destination = destination
        self.gateway = gateway
        self.interface = interface
        self.metric = metric
        self.kind = kind
        self.origin = origin
        self.fib = fib
        self.isUsable = isUsable
    }
}

/// A neighbour.
public struct NeighbourReport: Codable, Hashable, Sendable {
    /// Its address.
    public var address: String
    /// Its link address, once known.
    public var mac: String?
    /// The interface's name.
    public var interface: String
    /// `incomplete`, `reachable`, `stale`, `delay`, `probe`, `failed` or `permanent`.
    public var state: String

    /// A neighbour.
    public init(address: String, mac: String?, interface: String, state: String) {
        self.address = address
        self.mac = mac
        self.interface = interface
        self.state = state
    }
}

/// A socket.
public struct SocketReport: Codable, Hashable, Sendable {
    /// `udp` or `tcp`.
    public var transport: String
    /// Its own endpoint.
    public var local: String
    /// Its peer; `nil` where it has none.
    public var remote: String?
    /// Its routing table.
    public var fib: Int
    /// Datagrams that wait to be received.
    public var queuedPackets: Int
    /// Their bytes.
    public var queuedBytes: Int
    /// Datagrams received.
    public var received: UInt64
    /// Datagrams sent.
    public var sent: UInt64
    /// Datagrams dropped because it was full.
    public var dropped: UInt64
    /// How it stands, where it takes TCP connections.
    public var listener: TCPListenerReport?
    /// How it stands, where it is a TCP connection.
    public var connection: TCPConnectionReport?

    /// A socket that has carried nothing.
    public init(transport: String, local: String, remote: String?) {
        self.transport = transport
        self.local = local
        self.remote = remote
        fib = 0
        queuedPackets = 0
        queuedBytes = 0
        received = 0
        sent = 0
        dropped = 0
    }
}

/// The account of a stack's packets.
public struct StatisticsReport: Codable, Hashable, Sendable {
    /// One counter.
    public struct Counter: Codable, Hashable, Sendable {
        /// What is counted.
        public var name: String
        /// How many.
        public var count: UInt64
        /// What the name means.
        public var explanation: String

        /// A counter.
        public init(_ name: String, _ count: UInt64, _ explanation: String) {
            self.name = name
            self.count = count
            self.explanation = explanation
        }
    }

    /// What came in, was made, went out, was delivered, consumed and dropped.
    public var ledger: [Counter]
    /// Deaths by reason, without the reasons that never struck.
    public var drops: [Counter]
    /// Counters that are no packet's fate.
    public var counters: [Counter]
    /// Packets that have entered and not left, by the ledger.
    public var held: Int64
    /// Whether the ledger agrees with what the queues hold.
    public var isConserved: Bool

    /// An account.
    public init(ledger: [Counter], drops: [Counter], counters: [Counter], held: Int64, isConserved: Bool) {
        self.ledger = ledger
        self.drops = drops
        self.counters = counters
        self.held = held
        self.isConserved = isConserved
    }
}

/// What became of one echo request.
public struct EchoReport: Codable, Hashable, Sendable {
    /// Which request, from 1.
    public var sequence: Int
    /// Who answered, or reported an error.
    public var source: String?
    /// The bytes of data that came back.
    public var byteCount: Int
    /// The time to live or hop limit of the answer.
    public var timeToLive: Int?
    /// From request to answer, in microseconds.
    public var microseconds: Double?
    /// Why there is no answer.
    public var error: String?

    /// An answer or the lack of one.
    public init(
        sequence: Int, source: String?, byteCount: Int, timeToLive: Int?, microseconds: Double?, error: String?
    ) {
        self.sequence = sequence
        self.source = source
        self.byteCount = byteCount
        self.timeToLive = timeToLive
        self.microseconds = microseconds
        self.error = error
    }
}

/// How a capture went.
public struct CaptureReport: Codable, Hashable, Sendable {
    /// Frames written.
    public var captured: UInt64
    /// Frames that matched and were lost because the client read too slowly.
    public var missed: UInt64

    /// The outcome of a capture.
    public init(captured: UInt64, missed: UInt64) {
        self.captured = captured
        self.missed = missed
    }
}

/// The way of a packet, step by step.
public struct ExplanationReport: Codable, Hashable, Sendable {
    /// One decision.
    public struct Step: Codable, Hashable, Sendable {
        /// Which part of the stack decides.
        public var place: String
        /// What it finds.
        public var finding: String

        /// A decision.
        public init(place: String, finding: String) {
            self.place = place
            self.finding = finding
        }
    }

    /// The decisions, in order.
    public var steps: [Step]
    /// `delivered`, `sent`, `waiting` or `dropped`.
    public var verdict: String
    /// The reason, where it is dropped.
    public var reason: String?
    /// How it ends, in words.
    public var summary: String
    /// Packets of this kind that died lately.
    public var recentDrops: [DropReport]

    /// A way and its end.
    public init(steps: [Step], verdict: String, reason: String?, summary: String, recentDrops: [DropReport]) {
        self.steps = steps
        self.verdict = verdict
        self.reason = reason
        self.summary = summary
        self.recentDrops = recentDrops
    }
}

/// A packet that died.
public struct DropReport: Codable, Hashable, Sendable {
    /// How long ago, in seconds.
    public var secondsAgo: Double
    /// The reason's name.
    public var reason: String
    /// The reason in words.
    public var explanation: String
    /// The interface it came in by or was to leave by.
    public var interface: String?
    /// Its source.
    public var source: String?
    /// Its destination.
    public var destination: String?
    /// Its IP protocol number.
    public var ipProtocol: Int
    /// Its source port, or 0.
    public var sourcePort: Int
    /// Its destination port, or 0.
    public var destinationPort: Int

    /// A packet's death.
    public init(
        secondsAgo: Double, reason: String, explanation: String, interface: String?, source: String?,
        destination: String?, ipProtocol: Int, sourcePort: Int, destinationPort: Int
    ) {
        self.secondsAgo = secondsAgo
        self.reason = reason
        self.explanation = explanation
        self.interface = interface
        self.source = source
        self.destination = destination
        self.ipProtocol = ipProtocol
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }
}
