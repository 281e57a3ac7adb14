/// What an ICMPv6 message is (RFC 4443 §2.1, RFC 4861 §4, RFC 2710, RFC 9777).
@frozen
public enum ICMPv6Type: UInt8, Sendable, CaseIterable {
    /// A packet could not be delivered.
    case destinationUnreachable = 1
    /// A packet is larger than the next link takes (RFC 8201).
    case packetTooBig = 2
    /// A packet or its reassembly took too long.
    case timeExceeded = 3
    /// A header makes no sense.
    case parameterProblem = 4
    /// Asks for the same data back.
    case echoRequest = 128
    /// Answers an echo request.
    case echoReply = 129
    /// Asks which groups are listened to (RFC 2710, RFC 9777).
    case multicastListenerQuery = 130
    /// Tells of one group (RFC 2710).
    case multicastListenerReport = 131
    /// Tells that a group is left (RFC 2710).
    case multicastListenerDone = 132
    /// Asks routers to say that they are there.
    case routerSolicitation = 133
    /// A router says that it is there, and how the link is configured.
    case routerAdvertisement = 134
    /// Asks for a neighbour's link address, or whether it is still there.
    case neighborSolicitation = 135
    /// Tells a neighbour's link address.
    case neighborAdvertisement = 136
    /// A better first hop exists.
    case redirect = 137
    /// Tells of groups and their sources (RFC 9777).
    case multicastListenerReport2 = 143

    /// Whether the message tells of an error, so that no error may answer it (RFC 4443 §2.4 e).
    @inlinable
    public var isError: Bool { Self.isError(rawValue) }

    /// Whether a message of this type, known or not, tells of an error: those have the highest bit clear (RFC 4443 §2.1).
    @inlinable
    public static func isError(_ rawType: UInt8) -> Bool { rawType < 128 }

    /// Whether the message belongs to neighbour discovery, which never passes a router (RFC 4861 §3.1).
    @inlinable
    public var isNeighborDiscovery: Bool {
        switch self {
        case .routerSolicitation, .routerAdvertisement, .neighborSolicitation, .neighborAdvertisement, .redirect: true
        case .destinationUnreachable, .packetTooBig, .timeExceeded, .parameterProblem, .echoRequest, .echoReply,
            .multicastListenerQuery, .multicastListenerReport, .multicastListenerDone, .multicastListenerReport2:
            false
        }
    }
}

/// Why a packet could not be delivered (RFC 4443 §3.1).
@frozen
public enum ICMPv6UnreachableCode: UInt8, Sendable, CaseIterable {
    /// No route.
    case noRoute = 0
    /// A filter forbids it.
    case prohibited = 1
    /// The source address has no meaning beyond the link that the packet would leave.
    case beyondScope = 2
    /// The last router cannot reach the host.
    case address = 3
    /// No one listens on the port.
    case port = 4
    /// A filter forbids the source address.
    case sourcePolicyFailed = 5
    /// A route refuses the destination.
    case routeRejected = 6
    /// The routing header leads nowhere (RFC 6550 §20.18).
    case sourceRoutingHeader = 7
    /// The headers are longer than a router on the way can read (RFC 8883 §3.1).
    case headersTooLong = 8
}

/// What took too long (RFC 4443 §3.3).
@frozen
public enum ICMPv6TimeExceededCode: UInt8, Sendable, CaseIterable {
    /// The hop limit reached zero on the way.
    case inTransit = 0
    /// Fragments were missing too long.
    case reassembly = 1
}

/// What is wrong with a header (RFC 4443 §3.4, RFC 7112 §6, RFC 8883 §2).
@frozen
public enum ICMPv6ParameterProblemCode: UInt8, Sendable, CaseIterable {
    /// The field pointed at.
    case field = 0
    /// The next header announced at the pointer is not known.
    case nextHeader = 1
    /// The option pointed at is not known.
    case option = 2
    /// A first fragment without all of its headers (RFC 7112).
    case firstFragmentIncomplete = 3
    /// The header above a segment routing header (RFC 8754 §9).
    case segmentRoutingUpperLayer = 4
    /// A router on the way does not know the next header (RFC 8883 §2.1).
    case nextHeaderOnTheWay = 5
    /// An extension header is too long (RFC 8883 §2.2).
    case extensionTooLong = 6
    /// All extension headers together are too long (RFC 8883 §2.3).
    case chainTooLong = 7
    /// There are too many extension headers (RFC 8883 §2.4).
    case tooManyExtensions = 8
    /// An extension header has too many options (RFC 8883 §2.5).
    case tooManyOptions = 9
    /// An option is too long (RFC 8883 §2.6).
    case optionTooLong = 10
}
