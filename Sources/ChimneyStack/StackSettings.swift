public import ChimneyAddressing
public import ChimneyMulticast
public import ChimneyNeighbors
public import ChimneyPrimitives
public import ChimneyWire

/// What an operator may set for one stack.
///
/// The defaults are those of a host on a LAN.
public struct StackSettings: Sendable, Hashable {
    /// How many routing tables (FIBs) the stack has; at least 1.
    public var fibCount = 1
    /// Whether packets for others are routed on (RFC 1812); a host does not (RFC 1122 §3.3.1).
    public var forwarding = false
    /// The time to live of packets sent from here (RFC 1700).
    public var timeToLive: UInt8 = 64
    /// The most interfaces; attaching one more is refused.
    public var interfacesMax = 1_024
    /// The most addresses of one interface; one more is refused.
    public var addressesPerInterfaceMax = 256
    /// The most UDP sockets; opening one more is refused.
    public var socketsMax = 65_536
    /// The most bytes, counted as buffers, that wait in one socket; further datagrams are dropped.
    public var socketReceiveBytesMax = 4 << 20
    /// The most datagrams that wait in one socket; further ones are dropped.
    public var socketReceivePacketsMax = 4_096
    /// The ports drawn for sockets that name none (RFC 6056).
    public var ephemeralPorts: ClosedRange<UInt16> = 49_152...65_535
    /// The most packets that wait in one interface's transmit queue; further ones are dropped.
    public var transmitPacketsMax = 4_096
    /// The most bytes that wait in one interface's transmit queue.
    public var transmitBytesMax = 8 << 20
    /// Whether TCP segments of one batch that follow each other become one packet, where the device does not join them.
    public var joinsSegments = true
    /// The most datagrams in reassembly; the oldest is given up for a new one.
    public var reassemblyDatagramsMax = 256
    /// The most bytes of buffers that reassembly holds; the oldest datagram is given up.
    public var reassemblyBytesMax = 4 << 20
    /// The most fragments of one datagram; a datagram of more is given up.
    public var fragmentsPerDatagramMax = 2_048
    /// How long the fragments of a datagram are waited for (RFC 1122 §3.3.2).
    public var reassemblyTimeout: TimeSpan = .seconds(60)
    /// ICMP errors a second, in the long run (RFC 1812 §4.3.2.8).
    public var icmpErrorsPerSecondMax = 1_000
    /// ICMP errors that may leave at once.
    public var icmpErrorBurstMax = 50
    /// Whether echo requests are answered.
    public var answersEcho = true
    /// Whether echo requests to a broadcast or group address are answered (RFC 1122 §3.2.2.6 leaves it open).
    public var answersBroadcastEcho = false
    /// Whether redirects from the gateway in use change routes; never while forwarding (RFC 1812 §5.2.7.2).
    public var acceptsRedirects = true
    /// Whether redirects are sent while forwarding.
    public var sendsRedirects = true
    /// The most redirected host routes and learned path MTUs; the oldest is given up.
    public var destinationsMax = 1_024
    /// Address resolution: times, bounds and how conflicts are met.
    public var arp = ARPSettings()
    /// Neighbour discovery: times, bounds and duplicate detection.
    public var ndp = NDPSettings()
    /// Whether IPv6 addresses are asked for before they are used (RFC 4862 §5.4).
    public var duplicateDetection = DuplicateDetection.on
    /// What interfaces that configure themselves take from routers.
    public var routerDiscovery = RouterDiscoverySettings()
    /// How interfaces report their IPv4 groups, unless told otherwise when attached (RFC 9776).
    public var igmp = MembershipSettings<IPv4Address>()
    /// How interfaces report their IPv6 groups, unless told otherwise when attached (RFC 9777).
    public var mld = MembershipSettings<IPv6Address>()
    /// How much may be joined, in each family on its own.
    public var membershipLimits = MembershipLimits()
    /// TCP: its bounds, and how connections behave.
    public var tcp = TCPStackSettings()
    /// The key of identifiers that stay the same on a network (RFC 7217); `nil` draws another with each stack.
    public var identifierSecret: UInt128?
    /// How many drops `explain` remembers.
    public var dropRecordsMax = 256

    /// The defaults.
    public init() {}
}
