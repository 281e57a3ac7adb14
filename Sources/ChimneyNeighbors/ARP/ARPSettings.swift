public import ChimneyPrimitives

/// How a stack speaks ARP: the table behind it, conflict detection and the rate of answers.
public struct ARPSettings: Hashable, Sendable {
    /// The neighbour table.
    public var neighbors = NeighborSettings()
    /// What to do when another host uses an address of ours (RFC 5227 §2.4).
    public var defence = AddressDefence.always
    /// The most addresses one interface may have; more are refused.
    public var addressesMax = 256
    /// The most prefixes answered for on one interface; more are refused.
    public var proxiesMax = 64
    /// The most on-link prefixes of one interface beside those of its addresses; more are refused.
    public var linkPrefixesMax = 64
    /// The most answers a second to hosts that this stack does not send to; at the bound questions are dropped.
    public var answersPerSecondMax = 1_000
    /// Answers that may go at once before the rate counts.
    public var answersBurstMax = 256
    /// The longest wait before the first probe (RFC 5227 PROBE_WAIT).
    public var probeWait = TimeSpan.seconds(1)
    /// How many probes are sent (RFC 5227 PROBE_NUM).
    public var probeCount = 3
    /// The shortest time between two probes (RFC 5227 PROBE_MIN).
    public var probeIntervalMin = TimeSpan.seconds(1)
    /// The longest time between two probes (RFC 5227 PROBE_MAX).
    public var probeIntervalMax = TimeSpan.seconds(2)
    /// How long after the last probe the address is taken (RFC 5227 ANNOUNCE_WAIT).
    public var announceWait = TimeSpan.seconds(2)
    /// How many announcements are sent (RFC 5227 ANNOUNCE_NUM).
    public var announceCount = 2
    /// The time between two announcements (RFC 5227 ANNOUNCE_INTERVAL).
    public var announceInterval = TimeSpan.seconds(2)
    /// Conflicts on an interface before new attempts are slowed down (RFC 5227 MAX_CONFLICTS).
    public var conflictsMax = 10
    /// The wait before an attempt once slowed down (RFC 5227 RATE_LIMIT_INTERVAL).
    public var conflictHold = TimeSpan.seconds(60)
    /// The shortest time between two defences of an address (RFC 5227 DEFEND_INTERVAL).
    public var defendInterval = TimeSpan.seconds(10)

    /// The values of RFC 5227 and RFC 4861.
    public init() {}
}

/// What to do when another host uses an address of ours (RFC 5227 §2.4).
@frozen
public enum AddressDefence: String, Hashable, Sendable, CaseIterable {
    /// Give the address up at the first conflict (§2.4 a).
    case never
    /// Announce it once; give it up at a second conflict within ``ARPSettings/defendInterval`` (§2.4 b).
    case once
    /// Announce it at most once in ``ARPSettings/defendInterval`` and keep it (§2.4 c).
    ///
    /// Only this one stands against a host that lies about its address.
    case always
}

/// Whether an address is checked for other users before it is used.
@frozen
public enum ConflictDetection: String, Hashable, Sendable, CaseIterable {
    /// Probe first; the address is usable some seconds later (RFC 5227 §2.1).
    case on
    /// Use and announce it at once.
    case off
}

/// How far an address of ours has come.
@frozen
public enum OwnAddressState: Hashable, Sendable {
    /// It is being probed for and may not be used yet.
    case tentative
    /// It is ours.
    case assigned
    /// Another host uses it; it may not be used.
    case conflicted(by: MACAddress)
}

/// An address of ours, as the `ifconfig` and `arp` commands print it.
public struct OwnAddressListing: Hashable, Sendable {
    /// The interface that has the address.
    public var interface: UInt32
    /// The address.
    public var address: IPv4Address
    /// The length of its on-link prefix.
    public var prefixLength: Int
    /// How far it has come.
    public var state: OwnAddressState
}

/// Why a change to the addresses and prefixes that ARP answers for is refused.
public enum ARPConfigurationError: Error, Hashable, Sendable {
    /// No interface is attached under this number.
    case unknownInterface(UInt32)
    /// The interface is attached already.
    case interfaceExists(UInt32)
    /// A group, broadcast or zero address cannot be an interface's own.
    case notUnicast(MACAddress)
    /// The address names no single host.
    case notHost(IPv4Address)
    /// A prefix length is 0 to 32.
    case prefixLength(Int)
    /// The interface has the address already.
    case addressExists(IPv4Address)
    /// The interface has as many addresses as it may.
    case tooManyAddresses(max: Int)
    /// The interface has as many on-link prefixes as it may.
    case tooManyLinkPrefixes(max: Int)
    /// The interface answers for as many prefixes as it may.
    case tooManyProxies(max: Int)
}
