/// What an ICMPv4 message is (RFC 792, RFC 950, RFC 1256).
@frozen
public enum ICMPv4Type: UInt8, Sendable, CaseIterable {
    /// Answers an echo request.
    case echoReply = 0
    /// A packet could not be delivered.
    case destinationUnreachable = 3
    /// Obsolete (RFC 6633).
    case sourceQuench = 4
    /// A better first hop exists.
    case redirect = 5
    /// Asks for the same data back.
    case echoRequest = 8
    /// A router says that it is there (RFC 1256).
    case routerAdvertisement = 9
    /// Asks routers to say so (RFC 1256).
    case routerSolicitation = 10
    /// A packet or its reassembly took too long.
    case timeExceeded = 11
    /// A header makes no sense.
    case parameterProblem = 12
    /// Asks for the time.
    case timestampRequest = 13
    /// Tells the time.
    case timestampReply = 14
    /// Obsolete (RFC 6918).
    case informationRequest = 15
    /// Obsolete (RFC 6918).
    case informationReply = 16
    /// Asks for the prefix of the link; obsolete (RFC 6918).
    case addressMaskRequest = 17
    /// Tells the prefix of the link; obsolete (RFC 6918).
    case addressMaskReply = 18

    /// Whether the message tells of an error, so that no error may answer it (RFC 1122 §3.2.2).
    @inlinable
    public var isError: Bool {
        switch self {
        case .destinationUnreachable, .sourceQuench, .redirect, .timeExceeded, .parameterProblem: true
        case .echoReply, .echoRequest, .routerAdvertisement, .routerSolicitation, .timestampRequest, .timestampReply,
            .informationRequest, .informationReply, .addressMaskRequest, .addressMaskReply:
            false
        }
    }
}

/// Why a packet could not be delivered (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
@frozen
public enum ICMPv4UnreachableCode: UInt8, Sendable, CaseIterable {
    /// No route.
    case network = 0
    /// The last router cannot reach the host.
    case host = 1
    /// The host does not know the protocol.
    case `protocol` = 2
    /// No one listens on the port.
    case port = 3
    /// Too large for the next link, and not to be fragmented (RFC 1191).
    case fragmentationNeeded = 4
    /// The source route leads nowhere.
    case sourceRouteFailed = 5
    /// The network does not exist.
    case networkUnknown = 6
    /// The host does not exist.
    case hostUnknown = 7
    /// The sender is isolated; obsolete.
    case sourceHostIsolated = 8
    /// The network is closed to the sender.
    case networkProhibited = 9
    /// The host is closed to the sender.
    case hostProhibited = 10
    /// No route for this type of service.
    case networkUnreachableForService = 11
    /// The host is out of reach for this type of service.
    case hostUnreachableForService = 12
    /// A filter forbids it.
    case communicationProhibited = 13
    /// The precedence is not permitted.
    case hostPrecedenceViolation = 14
    /// The precedence is below the least required.
    case precedenceCutoff = 15
}

/// For what a better first hop exists (RFC 792).
@frozen
public enum ICMPv4RedirectCode: UInt8, Sendable, CaseIterable {
    /// For the network; hosts treat it as for the host (RFC 1122 §3.2.2.2).
    case network = 0
    /// For the host.
    case host = 1
    /// For the network and this type of service.
    case networkForService = 2
    /// For the host and this type of service.
    case hostForService = 3
}

/// What took too long (RFC 792).
@frozen
public enum ICMPv4TimeExceededCode: UInt8, Sendable, CaseIterable {
    /// The time to live reached zero on the way.
    case inTransit = 0
    /// Fragments were missing too long.
    case reassembly = 1
}

/// What is wrong with a header (RFC 792, RFC 1122 §3.2.2.5).
@frozen
public enum ICMPv4ParameterProblemCode: UInt8, Sendable, CaseIterable {
    /// The byte pointed at.
    case pointer = 0
    /// An option is missing.
    case requiredOptionMissing = 1
    /// A length.
    case badLength = 2
}
