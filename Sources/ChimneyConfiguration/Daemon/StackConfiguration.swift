public import ChimneyPrimitives

/// What one file says about the stacks that `chimney up` runs.
public struct DaemonConfiguration: Hashable, Sendable {
    /// The path of the control socket; nil when the file names none.
    public var controlSocket: String?
    /// The stacks, in the order of the file; names are unique.
    public var stacks: [StackConfiguration] = []

    /// The most stacks of one file; a longer list is refused.
    public static var stacksMax: Int { 1_024 }

    /// No stacks.
    public init() {}
}

/// One stack of a file: what it is called, what it is attached to and what it knows at the start.
public struct StackConfiguration: Hashable, Sendable {
    /// The stack's name, unique in its file.
    public var name: String
    /// How many routing tables it has; at least 1.
    public var fibCount = 1
    /// Whether it routes packets for others.
    public var forwarding = false
    /// The time to live of its packets; nil for the stack's default.
    public var timeToLive: Int?
    /// Whether it answers echo requests.
    public var answersEcho = true
    /// Whether it sends ICMP redirects while forwarding.
    public var sendsRedirects = true
    /// Whether ICMP redirects change its routes.
    public var acceptsRedirects = true
    /// ICMP errors a second that it may send; nil for the stack's default.
    public var icmpErrorsPerSecondMax: Int?
    /// Whether prefixes that routers advertise also give addresses that change every day (RFC 8981).
    public var makesTemporaryAddresses = false
    /// Bytes that may wait in one socket; nil for the stack's default.
    public var socketReceiveBytesMax: Int?
    /// How much its sockets may join.
    public var membershipBounds = MembershipBounds()
    /// Bounds, answers, services and the log of TCP.
    public var tcp = TCPConfiguration()
    /// Its interfaces, in the order of the file; names are unique within the stack.
    public var interfaces: [InterfaceConfiguration] = []
    /// Its routes, in the order of the file.
    public var routes: [RouteConfiguration] = []
    /// Addresses for which it answers ARP requests in the place of others.
    public var proxyARP: [ProxyARPConfiguration] = []
    /// The services that it offers over UDP; those over TCP are in ``tcp``.
    public var services: [ServiceConfiguration] = []

    /// The most interfaces of one stack in a file; a longer list is refused.
    public static var interfacesMax: Int { 1_024 }
    /// The most routes of one stack in a file; a longer list is refused.
    public static var routesMax: Int { 100_000 }
    /// The most proxy ARP entries of one stack in a file; a longer list is refused.
    public static var proxyARPMax: Int { 1_024 }
    /// The most routing tables of one stack; a larger number is refused.
    public static var fibsMax: Int { 65_535 }

    /// A stack with nothing but a name.
    public init(name: String) { self.name = name }
}

/// One interface of a stack and the device under it.
public struct InterfaceConfiguration: Hashable, Sendable {
    /// The name inside the stack, such as `eth0`.
    public var name: String
    /// What carries its frames.
    public var driver: Driver
    /// The link address; nil lets the driver or the stack choose.
    public var mac: MACAddress?
    /// The largest packet; nil for the device's own.
    public var mtu: Int?
    /// Its addresses, of both families.
    public var addresses: [AddressSetting] = []
    /// Whether and how it speaks IPv6.
    public var ipv6 = IPv6Choice.off
    /// Whether a DHCP server gives it an IPv4 address.
    public var dhcp = false
    /// What it tells hosts as a router; nil for nothing.
    public var advertisement: AdvertisementConfiguration?
    /// How it tells routers of IPv4 groups.
    public var igmp = ReportingConfiguration()
    /// How it tells routers of IPv6 groups.
    public var mld = ReportingConfiguration()
    /// The groups that it is in from the start.
    public var groups: [GroupConfiguration] = []
    /// The routing table of packets that arrive on it.
    public var fib = 0
    /// Whether an IPv4 address is probed for before it is used (RFC 5227); those of IPv6 always are.
    public var detectsConflicts = true
    /// What is left to the device: checksums, and the cutting and joining of large packets.
    public var offloads = OffloadChoice.auto
    /// How often frames come to harm between the stack and the device; nil for a line that is as good as it is.
    public var faults: FaultsConfiguration?
    /// A pcapng file that gets every frame; nil for none.
    public var capture: String?

    /// What carries an interface's frames.
    public enum Driver: Hashable, Sendable {
        /// A TAP device (Ethernet frames) of this name, with what the kernel's side of it is given.
        case tap(device: String, kernel: [AddressSetting])
        /// A TUN device (IP packets) of this name, with what the kernel's side of it is given.
        case tun(device: String, kernel: [AddressSetting])
        /// A packet socket on the kernel's interface of this name.
        case afPacket(device: String)
        /// The other end of the pipe is this interface of this stack of the same file.
        case pipe(stack: String, interface: String)
        /// Packets come back to the stack.
        case loopback
        /// Frames are read from one capture file and written to another; nil for neither.
        case pcap(reading: String?, writing: String?)
    }

    /// What is left to the device behind an interface.
    public enum OffloadChoice: String, CaseIterable, Hashable, Sendable {
        /// What the kernel grants, be it nothing.
        case auto
        /// Checksums and large packets of up to 64 KiB; a device that does not grant them is an error.
        case on
        /// Checksums, as far as the kernel grants them.
        case checksum
        /// Nothing.
        case off
    }

    /// Whether and how an interface speaks IPv6.
    public enum IPv6Choice: String, CaseIterable, Hashable, Sendable {
        /// Not at all.
        case off
        /// With a link-local address and those it is given.
        case manual
        /// With those that it makes of what routers advertise as well (RFC 4862).
        case automatic
    }

    /// The most addresses of one interface in a file; a longer list is refused.
    public static var addressesMax: Int { 256 }
    /// The most addresses of the kernel's side of a device in a file; a longer list is refused.
    public static var kernelAddressesMax: Int { 16 }

    /// An interface with nothing but a name and a driver.
    public init(name: String, driver: Driver) {
        self.name = name
        self.driver = driver
    }
}

/// How often frames of an interface come to harm, each a probability from 0 to 1.
public struct FaultsConfiguration: Hashable, Sendable {
    /// The frame is gone.
    public var loss = 0.0
    /// The frame comes twice.
    public var duplication = 0.0
    /// The frame is overtaken by up to sixteen others.
    public var reordering = 0.0
    /// Where the faults are drawn from.
    public var seed = 1

    /// No faults.
    public init() {}
}

/// One route of a file.
public struct RouteConfiguration: Hashable, Sendable {
    /// What it leads to; 0.0.0.0/0 or ::/0 for everything.
    public var destination: IPPrefix
    /// The next hop, of the destination's family; nil when the destination is on the link.
    public var gateway: IPAddress?
    /// The interface; nil to be found by the gateway.
    public var interface: String?
    /// Smaller is preferred.
    public var metric = 0
    /// What becomes of packets that match.
    public var kind = Kind.unicast
    /// The routing table.
    public var fib = 0

    /// What becomes of packets that match a route.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        /// They are sent on.
        case unicast
        /// They are dropped without a word.
        case blackhole
        /// They are dropped, and the sender is told.
        case reject
        /// They are for this stack.
        case local
    }

    /// A route of the kind `unicast`.
    public init(destination: IPPrefix) { self.destination = destination }
}

/// Addresses for which one interface answers ARP requests in the place of others (RFC 1027).
public struct ProxyARPConfiguration: Hashable, Sendable {
    /// The interface that answers.
    public var interface: String
    /// The addresses asked for.
    public var prefix: IPv4Prefix

    /// Answers for a prefix on an interface.
    public init(interface: String, prefix: IPv4Prefix) {
        self.interface = interface
        self.prefix = prefix
    }
}

/// A service over UDP that a stack offers by itself, or a node of the lab.
public struct ServiceConfiguration: Hashable, Sendable {
    /// Which service.
    public var kind: Kind
    /// The port it listens on.
    public var port: UInt16

    /// The services there are.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        /// Sends back what comes (RFC 862).
        case echo
        /// Throws away what comes (RFC 863).
        case discard
        /// Answers every datagram with characters (RFC 864).
        case chargen

        /// The port that its RFC gives it.
        public var standardPort: UInt16 {
            switch self {
            case .echo: 7
            case .discard: 9
            case .chargen: 19
            }
        }
    }

    /// A service on its standard port, or another.
    public init(kind: Kind, port: UInt16? = nil) {
        self.kind = kind
        self.port = port ?? kind.standardPort
    }
}

/// A service over TCP that a stack offers by itself.
public struct TCPServiceConfiguration: Hashable, Sendable {
    /// Which service.
    public var kind: Kind
    /// The port it listens on.
    public var port: UInt16

    /// The services there are.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        /// Sends back what comes (RFC 862).
        case echo
        /// Throws away what comes (RFC 863).
        case discard
        /// Answers every connection with characters without end (RFC 864).
        case chargen
        /// Hands out bytes and takes them, for clients of HTTP/1.1.
        case http
        /// Measures with clients of iperf3.
        case iperf3

        /// The port that is known for it.
        public var standardPort: UInt16 {
            switch self {
            case .echo: 7
            case .discard: 9
            case .chargen: 19
            case .http: 80
            case .iperf3: 5_201
            }
        }
    }

    /// A service on its standard port, or another.
    public init(kind: Kind, port: UInt16? = nil) {
        self.kind = kind
        self.port = port ?? kind.standardPort
    }
}
