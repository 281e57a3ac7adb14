public import ChimneyPrimitives
public import ChimneyWire

/// A message about routers to send: with hop limit 255, to the link group of its destination.
package struct RouterTransmission: Hashable, Sendable {
    /// The interface it leaves by.
    package let interface: UInt32
    /// Who sends it; `::` while there is no address.
    package let source: IPv6Address
    /// A group of the link.
    package let destination: IPv6Address
    /// The message.
    package let message: NDPMessage
}

/// Something learned of a link that the stack acts on.
public struct RouterDiscoveryEvent: Hashable, Sendable {
    /// What happened.
    public enum Kind: Hashable, Sendable {
        /// A neighbour is a router, and where it is on the link, if it said so (RFC 4861 §6.3.4).
        case routerSeen(IPv6Address, MACAddress?)
        /// A default router is there.
        case routerAdded(IPv6Address, RouterPreference)
        /// A default router compares with others in another way than before.
        case routerChanged(IPv6Address, RouterPreference)
        /// A default router is none any longer.
        case routerRemoved(IPv6Address)
        /// A prefix is reached through a router (RFC 4191).
        case routeAdded(IPv6Prefix, via: IPv6Address, RouterPreference)
        /// A route compares with others in another way than before.
        case routeChanged(IPv6Prefix, via: IPv6Address, RouterPreference)
        /// A prefix is no longer reached through a router.
        case routeRemoved(IPv6Prefix, via: IPv6Address)
        /// Hosts with the prefix are on the link.
        case prefixAdded(IPv6Prefix)
        /// It is no longer known whether hosts with the prefix are on the link.
        case prefixRemoved(IPv6Prefix)
        /// An address was made: the stack takes it with duplicate detection and says how that ended.
        case addressWanted(MadeAddress)
        /// The address starts no new conversations (RFC 4862 §5.5.4).
        case addressDeprecated(IPv6Address)
        /// The deprecated address is as good as before.
        case addressPreferred(IPv6Address)
        /// The address is no longer ours, or never was.
        case addressRemoved(IPv6Address)
        /// Other hosts have all addresses that were tried; there is none of this prefix.
        case addressFailed(IPv6Prefix, MadeAddress.Kind)
        /// What a router tells of the link is different from before.
        case linkChanged(LinkParameters)
        /// The name servers, best first, are these now.
        case nameServersChanged([IPv6Address])
        /// The domains to search for names are these now.
        case searchDomainsChanged([DomainName])
    }

    /// The interface.
    public var interface: UInt32
    /// What happened.
    public var kind: Kind
}

/// An address that an interface made of a prefix.
public struct MadeAddress: Hashable, Sendable {
    /// What it was made of.
    @frozen
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// `fe80::/64` and an identifier.
        case linkLocal = "link-local"
        /// A prefix and the identifier of the interface.
        case stable
        /// A prefix and an identifier for some days (RFC 8981).
        case temporary
    }

    /// The address.
    public var address: IPv6Address
    /// The prefix it was made of, always 64 bits long.
    public var prefix: IPv6Prefix
    /// What it was made of.
    public var kind: Kind
    /// Until when it starts new conversations.
    public var preferredUntil: Instant
    /// Until when it is ours.
    public var validUntil: Instant
}

/// What routers tell of a link; `nil` where none told.
public struct LinkParameters: Hashable, Sendable {
    /// The hop limit of packets.
    public var hopLimit: UInt8?
    /// The MTU, from 1,280 up to that of the device.
    public var mtu: Int?
    /// About how long a neighbour counts as reachable.
    public var reachableTime: TimeSpan?
    /// The time between two solicitations.
    public var retransmit: TimeSpan?
    /// Whether DHCPv6 gives addresses.
    public var isManaged = false
    /// Whether DHCPv6 gives other things.
    public var isOtherManaged = false

    /// Nothing told.
    public init() {}
}

/// What router discovery wants done; the stack empties it after every call.
package struct RouterDiscoveryOutput: ~Copyable {
    /// Messages to send.
    package var messages = OutputList<RouterTransmission>()
    /// What was learned, which the stack acts on.
    package var events = OutputList<RouterDiscoveryEvent>()

    package init() {}

    /// Whether nothing is wanted.
    package var isEmpty: Bool { messages.isEmpty && events.isEmpty }
}

/// Why a message about routers was of no use; each becomes a drop reason of the stack.
@frozen
public enum RouterDiscoveryDrop: Error, Hashable, Sendable, CaseIterable {
    /// Shorter than its type has.
    case truncated
    /// Another code than 0, or another type.
    case unknownCode
    /// An option without length.
    case optionWithoutLength
    /// An option that reaches beyond the message.
    case optionTruncated
    /// More options than are read.
    case tooManyOptions
    /// A router passed it on, or somebody beyond one made it (RFC 4861 §6.1).
    case hopLimit
    /// An advertisement from an address that is not link-local.
    case sourceNotLinkLocal
    /// A solicitation from a group, or one from nobody that says where nobody is on the link.
    case badSource
    /// Our own message came back.
    case looped
    /// The interface does not listen to such messages.
    case notListening

    init(_ error: ICMPv6Error) {
        self =
            switch error {
            case .truncated: .truncated
            case .unknownType, .unknownCode: .unknownCode
            case .optionWithoutLength: .optionWithoutLength
            case .optionTruncated: .optionTruncated
            case .tooManyOptions: .tooManyOptions
            }
    }
}
