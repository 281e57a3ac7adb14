/// One line from a client: what it wants, and of which stack.
public struct ControlRequest: Codable, Hashable, Sendable {
    /// The stack's name; `nil` where the process runs only one.
    public var stack: String?
    /// What is wanted.
    public var command: ControlCommand

    /// A request about the only stack, or the one named.
    public init(_ command: ControlCommand, stack: String? = nil) {
        self.command = command
        self.stack = stack
    }
}

/// Which addresses a question is about.
public enum AddressFamily: String, Codable, Hashable, Sendable {
    /// Those of IPv4, whose neighbours ARP finds.
    case ipv4
    /// Those of IPv6, whose neighbours neighbour discovery finds.
    case ipv6
}

/// What a client may ask of a running `chimney up`.
public enum ControlCommand: Codable, Hashable, Sendable {
    /// Which stacks there are.
    case stacks
    /// The interfaces, or the one named.
    case interfaces(name: String?)
    /// A change of one interface.
    case configure(interface: String, change: InterfaceChange)
    /// The routes of every routing table, or of one; of both families, or of one.
    case routes(fib: Int?, family: AddressFamily? = nil)
    /// Adds a route.
    case addRoute(route: RouteRequest)
    /// Removes a route.
    case deleteRoute(route: RouteRequest)
    /// The neighbours of a family.
    case neighbours(family: AddressFamily)
    /// Enters a neighbour by hand.
    case addNeighbour(interface: String, address: String, mac: String)
    /// Removes a neighbour; on every interface when none is named.
    case deleteNeighbour(interface: String?, address: String)
    /// Removes every neighbour of a family that was learned, on every interface when none is named.
    case flushNeighbours(interface: String?, family: AddressFamily)
    /// The sockets.
    case sockets
    /// The ledger, the drops by reason and the other counters.
    case statistics
    /// Echo requests and what comes back, one event for each.
    case ping(request: PingRequest)
    /// The frames of an interface as a pcapng stream in pieces.
    case capture(request: CaptureRequest)
    /// The way of a packet through the tables.
    case explain(request: ExplainRequest)
    /// The packets that died lately.
    case drops(filter: DropFilter)
    /// How interfaces, or the one named, receive groups and tell of them.
    case multicast(interface: String?)
    /// A change of that.
    case configureMulticast(interface: String, change: MulticastChange)
    /// How much sockets may join.
    case membershipLimits
    /// A change of that.
    case limitMemberships(limit: MembershipLimit, count: Int)
    /// A step of a test with sockets that the connection holds.
    case test(command: TestCommand)
    /// What happens from now on, one event after the other.
    case monitor
}

/// A change of an interface.
public enum InterfaceChange: Codable, Hashable, Sendable {
    /// Switches it on or off.
    case up(isUp: Bool)
    /// Gives it another link address.
    case mac(address: String)
    /// Gives it another MTU.
    case mtu(bytes: Int)
    /// Gives it one more address, written with its prefix length.
    case addAddress(address: String)
    /// Takes an address from it.
    case removeAddress(address: String)
    /// Lets a DHCP server give it an IPv4 address, or gives that back.
    case dhcp(isOn: Bool)
    /// Gives it another name.
    case rename(name: String)
}

/// A route to add or to remove.
public struct RouteRequest: Codable, Hashable, Sendable {
    /// The destination, such as `10.0.0.0/8` or `::/0`.
    public var destination: String
    /// The next hop, of the destination's family; behind `%` may stand the interface's name.
    public var gateway: String?
    /// The interface's name.
    public var interface: String?
    /// Smaller is preferred.
    public var metric: Int?
    /// `unicast`, `blackhole`, `reject`, `prohibit` or `local`.
    public var kind: String
    /// The routing table.
    public var fib: Int

    /// A unicast route in table 0.
    public init(
        destination: String, gateway: String? = nil, interface: String? = nil, metric: Int? = nil,
        kind: String = "unicast", fib: Int = 0
    ) {
        self.destination = destination
        self.gateway = gateway
        self.interface = interface
        self.metric = metric
        self.kind = kind
        self.fib = fib
    }
}

/// Echo requests to send.
public struct PingRequest: Codable, Hashable, Sendable {
    /// Where to: an address of either family, behind `%` the interface of a link-local one.
    public var destination: String
    /// How many.
    public var count: Int
    /// The time from one to the next, in milliseconds.
    public var intervalMilliseconds: Int
    /// How long to wait for each answer, in milliseconds.
    public var timeoutMilliseconds: Int
    /// The bytes of data in each.
    public var byteCount: Int
    /// The time to live or hop limit; `nil` for the stack's own.
    public var timeToLive: Int?
    /// The routing table.
    public var fib: Int

    /// The most requests of one ping; more are refused.
    public static let countMax = 1_000_000

    /// Four requests, one a second, of 56 bytes.
    public init(
        destination: String, count: Int = 4, intervalMilliseconds: Int = 1_000, timeoutMilliseconds: Int = 1_000,
        byteCount: Int = 56, timeToLive: Int? = nil, fib: Int = 0
    ) {
        self.destination = destination
        self.count = count
        self.intervalMilliseconds = intervalMilliseconds
        self.timeoutMilliseconds = timeoutMilliseconds
        self.byteCount = byteCount
        self.timeToLive = timeToLive
        self.fib = fib
    }
}

/// Frames to capture.
public struct CaptureRequest: Codable, Hashable, Sendable {
    /// The interface's name.
    public var interface: String
    /// Stop after so many frames.
    public var count: Int?
    /// Stop after so long, in milliseconds.
    public var milliseconds: Int?
    /// The most bytes kept of each frame.
    public var frameBytesMax: Int
    /// Which frames: the words of ``CaptureFilter``.
    public var filter: [String]

    /// Everything on an interface, whole, until the client closes.
    public init(
        interface: String, count: Int? = nil, milliseconds: Int? = nil, frameBytesMax: Int = 262_144,
        filter: [String] = []
    ) {
        self.interface = interface
        self.count = count
        self.milliseconds = milliseconds
        self.frameBytesMax = frameBytesMax
        self.filter = filter
    }
}

/// A packet somebody asks about.
public struct ExplainRequest: Codable, Hashable, Sendable {
    /// Its source; `nil` for a packet of the stack's own.
    public var source: String?
    /// Its destination, of the source's family; behind `%` may stand the interface of a link-local one.
    public var destination: String
    /// Its IP protocol number; `nil` for ICMP or ICMPv6, to a group for UDP.
    public var ipProtocol: Int?
    /// Its source port; 0 for any.
    public var sourcePort: Int
    /// Its destination port; 0 for any, to a group that of a socket which joined it.
    public var destinationPort: Int
    /// The interface it comes in by; `nil` to be found by the source.
    public var interface: String?
    /// Its time to live or hop limit.
    public var timeToLive: Int
    /// Its length in bytes, headers included.
    public var byteCount: Int
    /// Whether it says not to fragment.
    public var dontFragment: Bool
    /// The routing table of the sender, for a packet of the stack's own.
    public var fib: Int

    /// An echo request of 84 bytes.
    public init(
        source: String? = nil, destination: String, ipProtocol: Int? = nil, sourcePort: Int = 0,
        destinationPort: Int = 0, interface: String? = nil, timeToLive: Int = 64, byteCount: Int = 84,
        dontFragment: Bool = false, fib: Int = 0
    ) {
        self.source = source
        self.destination = destination
        self.ipProtocol = ipProtocol
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.interface = interface
        self.timeToLive = timeToLive
        self.byteCount = byteCount
        self.dontFragment = dontFragment
        self.fib = fib
    }
}

/// Which of the packets that died lately are shown; what is `nil` matches all.
public struct DropFilter: Codable, Hashable, Sendable {
    /// The name of a reason.
    public var reason: String?
    /// The source or the destination.
    public var address: String?
    /// The interface's name.
    public var interface: String?
    /// The most records, the latest ones.
    public var countMax: Int?

    /// Every record that is kept.
    public init(reason: String? = nil, address: String? = nil, interface: String? = nil, countMax: Int? = nil) {
        self.reason = reason
        self.address = address
        self.interface = interface
        self.countMax = countMax
    }
}
