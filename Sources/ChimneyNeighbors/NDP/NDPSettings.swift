public import ChimneyPrimitives

/// How a stack speaks neighbour discovery: the table behind it, duplicate detection and the rate of answers.
public struct NDPSettings: Hashable, Sendable {
    /// The neighbour table.
    ///
    /// Whether a different answer is believed is told by its override flag, so nothing is held back by default.
    public var neighbors: NeighborSettings
    /// The most addresses one interface may have; more are refused.
    public var addressesMax = 256
    /// The most prefixes answered for on one interface; more are refused.
    public var proxiesMax = 64
    /// The most answers that wait for their random moment; at the bound an answer goes at once.
    public var delayedAnswersMax = 64
    /// The most answers a second to hosts that this stack does not send to; at the bound questions are dropped.
    public var answersPerSecondMax = 1_000
    /// Answers that may go at once before the rate counts.
    public var answersBurstMax = 256
    /// How many times an address is asked for before it is taken; zero takes it unasked (RFC 4862 DupAddrDetectTransmits).
    public var detectionTransmits = 1
    /// The longest wait before the first of these questions (RFC 4861 MAX_RTR_SOLICITATION_DELAY).
    public var detectionDelayMax = TimeSpan.seconds(1)
    /// Whether the questions carry a nonce, by which one that the link gave back is known (RFC 7527).
    public var detectsLoops = true
    /// How many advertisements tell of a changed link address (RFC 4861 MAX_NEIGHBOR_ADVERTISEMENT).
    public var announceCount = 3
    /// How many advertisements tell routers of a new address (RFC 9131 §6.1.1); zero leaves it to them to ask.
    public var newAddressAnnounceCount = 0
    /// The longest wait before an answer for an address that others may answer for as well (RFC 4861
    /// MAX_ANYCAST_DELAY_TIME).
    public var sharedAnswerDelayMax = TimeSpan.seconds(1)

    /// The values of RFC 4861 and RFC 4862.
    public init() {
        neighbors = NeighborSettings()
        neighbors.overrideHold = .zero
    }
}

/// Whether an IPv6 address is checked for other users before it is used (RFC 4862 §5.4).
@frozen
public enum DuplicateDetection: String, Hashable, Sendable, CaseIterable {
    /// Ask first; the address is usable a second or two later.
    case on
    /// Use it at once.
    case off
    /// Use it while asking, with the care of RFC 4429.
    case optimistic
}

/// Who may have an address of ours.
@frozen
public enum NDPAddressUse: String, Hashable, Sendable, CaseIterable {
    /// This host alone.
    case unicast
    /// Others too; it is never asked for and never a source (RFC 4291 §2.6).
    case anycast
}

/// How far an IPv6 address of ours has come (RFC 4862 §5.4, RFC 4429 §2.1).
@frozen
public enum NDPAddressState: Hashable, Sendable {
    /// It is being asked for and may not be used yet.
    case tentative
    /// It is being asked for and is used with care.
    case optimistic
    /// It is ours.
    case assigned
    /// Another host has it, at this link address where that is told; it may not be used.
    case duplicate(of: MACAddress?)
}

/// An IPv6 address of ours, as the `ifconfig` and `ndp` commands print it.
public struct NDPAddressListing: Hashable, Sendable {
    /// The interface that has the address.
    public var interface: UInt32
    /// The address.
    public var address: IPv6Address
    /// Who may have it.
    public var use: NDPAddressUse
    /// How far it has come.
    public var state: NDPAddressState
}

/// Why a change to what neighbour discovery answers for is refused.
public enum NDPConfigurationError: Error, Hashable, Sendable {
    /// No interface is attached under this number.
    case unknownInterface(UInt32)
    /// The interface is attached already.
    case interfaceExists(UInt32)
    /// A group, broadcast or zero address cannot be an interface's own.
    case notUnicast(MACAddress)
    /// The address names no single host.
    case notHost(IPv6Address)
    /// The interface has the address already.
    case addressExists(IPv6Address)
    /// The interface has as many addresses as it may.
    case tooManyAddresses(max: Int)
    /// The interface answers for as many prefixes as it may.
    case tooManyProxies(max: Int)
}
