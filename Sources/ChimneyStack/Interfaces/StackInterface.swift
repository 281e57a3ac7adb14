import ChimneyAddressing
public import ChimneyLink
public import ChimneyMulticast
import ChimneyNeighbors
public import ChimneyPrimitives
import ChimneyRouting
public import ChimneyWire

/// What a shell says about an interface when it attaches one.
public struct InterfaceDescription: Sendable, Hashable {
    /// The name, unique in the stack: see ``InterfaceTable/isValid(_:)``.
    public var name: String
    /// What its frames begin with.
    public var kind: LinkKind
    /// The link address of an Ethernet interface.
    public var mac: MACAddress
    /// The largest IP packet it carries, in bytes: 68 to 65,535 (RFC 791).
    public var mtu: Int
    /// What the driver computes for us.
    public var capabilities: LinkCapabilities
    /// The routing table for packets that come in by it.
    public var fib: Int
    /// Whether packets may be forwarded from and to it, when the stack forwards at all.
    public var forwards: Bool
    /// Whether IPv4 addresses are probed for conflicts before they are used (RFC 5227).
    ///
    /// Those of IPv6 always are (RFC 4862 §5.4).
    public var detectsConflicts: Bool
    /// Whether it speaks IPv6, and whether it configures itself.
    public var ipv6: IPv6Mode
    /// The most link groups the device lets in by name; with more, it lets all groups in.
    public var groupAddressesMax = 64
    /// How IPv4 groups are reported; `nil` for the stack's way.
    public var igmp: MembershipSettings<IPv4Address>?
    /// How IPv6 groups are reported; `nil` for the stack's way.
    public var mld: MembershipSettings<IPv6Address>?

    /// An interface with an MTU of 1,500 bytes in routing table 0.
    public init(
        name: String, kind: LinkKind = .ethernet, mac: MACAddress = .zero, mtu: Int = 1_500,
        capabilities: LinkCapabilities = [], fib: Int = 0, forwards: Bool = true, detectsConflicts: Bool = false,
        ipv6: IPv6Mode = .off
    ) {
        self.name = name
        self.kind = kind
        self.mac = mac
        self.mtu = mtu
        self.capabilities = capabilities
        self.fib = fib
        self.forwards = forwards
        self.detectsConflicts = detectsConflicts
        self.ipv6 = ipv6
    }
}

/// Whether and how an interface speaks IPv6.
public enum IPv6Mode: String, Sendable, Hashable, CaseIterable {
    /// IPv6 packets are neither taken nor sent.
    case off
    /// It has a link-local address and those it is given, and ignores router advertisements.
    case manual
    /// It asks for routers and takes addresses, routes and parameters from their advertisements (RFC 4862).
    case automatic
}

/// An IPv4 address of an interface.
public struct InterfaceAddress: Sendable, Hashable {
    /// The address.
    public var address: IPv4Address
    /// How many leading bits the subnet shares; 0 to 32.
    public var prefixLength: Int
    /// Whether it may be used, or is still being probed, or was found on another host (RFC 5227).
    public var state: State

    /// Where an address stands in conflict detection.
    public enum State: String, Sendable, Hashable {
        case tentative, usable, conflicted
    }

    /// The subnet's broadcast address, or `nil` for /31 and /32 (RFC 3021).
    public var broadcast: IPv4Address? {
        prefixLength < 31 ? IPv4Address(bits: address.bits | ~mask) : nil
    }

    var mask: UInt32 { prefixLength == 0 ? 0 : ~0 << UInt32(32 - prefixLength) }

    func contains(_ other: IPv4Address) -> Bool { (other.bits ^ address.bits) & mask == 0 }
}

/// What an interface has carried.
public struct InterfaceCounters: Sendable, Hashable {
    /// Frames handed in by the driver.
    public internal(set) var receivedPackets: UInt64 = 0
    /// Their bytes.
    public internal(set) var receivedBytes: UInt64 = 0
    /// Frames handed to the driver.
    public internal(set) var transmittedPackets: UInt64 = 0
    /// Their bytes.
    public internal(set) var transmittedBytes: UInt64 = 0
    /// Frames dropped at a full transmit queue.
    public internal(set) var transmitDrops: UInt64 = 0
}

/// The state of one interface inside a stack.
struct StackInterface: ~Copyable {
    var index: InterfaceIndex
    var kind: LinkKind
    var mac: MACAddress
    var mtu: Int
    var capabilities: LinkCapabilities
    var fib: UInt16
    var forwards: Bool
    var detectsConflicts: Bool
    var isUp = true
    /// Whether it is in the list of interfaces with something to transmit.
    var isDirty = false
    var addresses: [InterfaceAddress] = []
    var ipv6: IPv6Mode
    var ipv6Addresses: [IPv6InterfaceAddress] = []
    /// The hop limit that a router advertised (RFC 4861 §6.3.4).
    var advertisedHopLimit: UInt8?
    /// The MTU that a router advertised, never above the link's (RFC 4861 §6.3.4).
    var advertisedMTU: Int?
    var transmit = PacketQueue()
    var counters = InterfaceCounters()
    /// Router discovery and address configuration, of Ethernet interfaces that speak IPv6.
    var discovery: RouterDiscovery?
    var advertiser: RouterAdvertiser?
    var dhcp: DHCPClient?
    /// The routes that a DHCP server's lease brought.
    var dhcpRoutes: [IPv4Route] = []
    var dhcpNameServers: [IPv4Address] = []
    /// What routers advertised (RFC 8106).
    var nameServers: [IPv6Address] = []
    var searchDomains: [DomainName] = []
    /// The neighbour sent to last, and what finds its link address at once; runs of packets go to one neighbour.
    var lastHop = IPv4Address.any
    var lastHandle = NeighborHandle.none
    /// The same for IPv6.
    var lastIPv6Hop = IPv6Address.any
    var lastIPv6Handle = NeighborHandle.none
    /// Which link groups come in.
    var linkGroups: LinkGroups
    /// The groups that IPv6 itself listens to.
    var ownGroups: [IPv6Address] = []
    /// Whether reports have an IPv4 address, and a link-local one, to come from.
    var hasReportSource = false
    var hasIPv6ReportSource = false

    init(_ description: InterfaceDescription, index: InterfaceIndex, using random: inout StackRandom) {
        linkGroups = LinkGroups(addressesMax: description.groupAddressesMax, using: &random)
        self.index = index
        kind = description.kind
        mac = description.mac
        mtu = description.mtu
        capabilities = description.capabilities
        fib = UInt16(description.fib)
        forwards = description.forwards
        detectsConflicts = description.detectsConflicts
        ipv6 = description.ipv6
    }

    var primaryAddress: IPv4Address? { addresses.first { $0.state == .usable }?.address }

    func isSubnetBroadcast(_ address: IPv4Address) -> Bool {
        for candidate in addresses where candidate.broadcast == address { return true }
        return false
    }

    func isOnLink(_ address: IPv4Address) -> Bool {
        for candidate in addresses where candidate.contains(address) { return true }
        return false
    }
}

/// Why an interface could not be attached or changed.
public enum InterfaceError: Error, Hashable, Sendable {
    /// The table of interfaces refuses the name, or is full at ``StackSettings/interfacesMax``.
    case table(InterfaceTableError)
    /// The MTU is outside 68...65,535.
    case mtuOutOfRange(Int)
    /// IPv6 needs links that carry at least 1,280 bytes (RFC 8200 §5).
    case mtuTooSmallForIPv6(Int)
    /// The stack has no routing table of that number.
    case noSuchFIB(fib: Int, count: Int)
    /// An Ethernet interface needs a unicast link address.
    case macInvalid(MACAddress)
    /// The stack has no such interface.
    case noSuchInterface
}

/// Why an address could not be added or removed.
public enum AddressError: Error, Hashable, Sendable {
    /// The stack has no such interface.
    case noSuchInterface
    /// The address cannot be a host's.
    case addressInvalid(IPAddress)
    /// The prefix length is outside 0...32, of IPv6 0...128.
    case prefixLengthOutOfRange(Int)
    /// The address is on an interface of this stack already.
    case addressInUse(IPAddress)
    /// The interface has ``StackSettings/addressesPerInterfaceMax`` addresses.
    case tooManyAddresses(max: Int)
    /// The interface does not have the address.
    case noSuchAddress(IPAddress)
    /// The interface does not speak IPv6.
    case ipv6Disabled
    /// The routing table has no room for the address's routes.
    case noRoom
}
