public import ChimneyPrimitives

/// Why bytes are not an ICMPv6 message.
@frozen
public enum ICMPv6Error: Error, Hashable, Sendable, CaseIterable {
    /// Fewer bytes than messages of this type have.
    case truncated
    /// An informational type that is not known, to be discarded silently (RFC 4443 §2.4 b).
    case unknownType
    /// A code that this type does not have.
    case unknownCode
    /// A discovery option whose length is zero, which makes the whole message invalid (RFC 4861 §4.6).
    case optionWithoutLength
    /// A discovery option that reaches beyond the message.
    case optionTruncated
    /// More discovery options than ``NDPOptions/optionsMax``.
    case tooManyOptions
}

/// An ICMPv6 message, read in place (RFC 4443 §2.1).
@frozen
public struct ICMPv6View: ~Escapable {
    /// The message from its type on.
    public let bytes: RawSpan

    /// Reads the first eight bytes, which every message of a known type has; ``content`` reads on.
    @inlinable
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(ICMPv6Error) {
        guard bytes.byteCount >= ICMPv6Message.byteCount else { throw .truncated }
        self.bytes = bytes
    }

    /// The type as it stands.
    @inlinable
    public var rawType: UInt8 { bytes.uint8(at: 0) }
    /// The type, `nil` when it is not known.
    @inlinable
    public var type: ICMPv6Type? { ICMPv6Type(rawValue: rawType) }
    /// The code as it stands.
    @inlinable
    public var code: UInt8 { bytes.uint8(at: 1) }
    /// The checksum field as it stands.
    @inlinable
    public var checksum: UInt16 { bytes.uint16(at: 2) }
    /// Whether the message tells of an error; so do those of unknown types below 128.
    @inlinable
    public var isError: Bool { ICMPv6Type.isError(rawType) }
    /// What follows the first eight bytes.
    @inlinable
    public var body: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(ICMPv6Message.byteCount..<bytes.byteCount) }
    }

    /// Whether the message, which must lie in one piece, is as its sender wrote it to this destination (RFC 4443 §2.3).
    @inlinable
    public func isChecksumValid(from source: IPv6Address, to destination: IPv6Address) -> Bool {
        let pseudo = InternetChecksum.pseudoHeader(
            source, destination, protocol: IPProtocol.icmpv6.rawValue, length: bytes.byteCount)
        return InternetChecksum.finish(InternetChecksum.sum(bytes, initial: pseudo)) == 0
    }

    /// What the message says.
    @inlinable
    @_lifetime(copy self)
    public func content() throws(ICMPv6Error) -> ICMPv6Content {
        guard let type else {
            guard isError else { throw .unknownType }
            return .otherError(type: rawType, ICMPQuoteView(body, byteCount: 0))
        }
        let query = ICMPQuery(identifier: bytes.uint16(at: 4), sequence: bytes.uint16(at: 6))
        switch type {
        case .destinationUnreachable:
            guard let code = ICMPv6UnreachableCode(rawValue: code) else { throw .unknownCode }
            return .destinationUnreachable(code, extendedQuote)
        case .packetTooBig:
            // The code is nobody's concern (RFC 4443 §3.2).
            return .packetTooBig(mtu: bytes.uint32(at: 4), ICMPQuoteView(body, byteCount: 0))
        case .timeExceeded:
            guard let code = ICMPv6TimeExceededCode(rawValue: code) else { throw .unknownCode }
            return .timeExceeded(code, extendedQuote)
        case .parameterProblem:
            guard let code = ICMPv6ParameterProblemCode(rawValue: code) else { throw .unknownCode }
            return .parameterProblem(code, pointer: bytes.uint32(at: 4), ICMPQuoteView(body, byteCount: 0))
        case .echoRequest: return .echoRequest(query, data: body)
        case .echoReply: return .echoReply(query, data: body)
        case .routerSolicitation: return .routerSolicitation(try RouterSolicitationView(bytes))
        case .routerAdvertisement: return .routerAdvertisement(try RouterAdvertisementView(bytes))
        case .neighborSolicitation: return .neighborSolicitation(try NeighborSolicitationView(bytes))
        case .neighborAdvertisement: return .neighborAdvertisement(try NeighborAdvertisementView(bytes))
        case .redirect: return .redirect(try NDPRedirectView(bytes))
        case .multicastListenerQuery, .multicastListenerReport, .multicastListenerDone, .multicastListenerReport2:
            return .multicastListener(type, body)
        }
    }

    /// The quote of an error whose fifth byte counts it in words of eight (RFC 4884 §4).
    @inlinable
    var extendedQuote: ICMPQuoteView {
        @_lifetime(copy self)
        get { ICMPQuoteView(body, byteCount: Int(bytes.uint8(at: 4)) * 8) }
    }
}

/// What an ICMPv6 message says.
@frozen
public enum ICMPv6Content: ~Escapable {
    /// A packet could not be delivered.
    case destinationUnreachable(ICMPv6UnreachableCode, ICMPQuoteView)
    /// A packet is larger than the MTU of the next link.
    case packetTooBig(mtu: UInt32, ICMPQuoteView)
    /// A packet or its reassembly took too long.
    case timeExceeded(ICMPv6TimeExceededCode, ICMPQuoteView)
    /// A header makes no sense; the pointer counts bytes from the first of the packet.
    case parameterProblem(ICMPv6ParameterProblemCode, pointer: UInt32, ICMPQuoteView)
    /// An error of a type that is not known, which is still whoever's the packet was (RFC 4443 §2.4 a).
    case otherError(type: UInt8, ICMPQuoteView)
    /// Asks for the same data back.
    case echoRequest(ICMPQuery, data: RawSpan)
    /// The data, back.
    case echoReply(ICMPQuery, data: RawSpan)
    /// About multicast groups: the type and what follows the first eight bytes.
    case multicastListener(ICMPv6Type, RawSpan)
    /// Asks routers to say that they are there.
    case routerSolicitation(RouterSolicitationView)
    /// A router says that it is there.
    case routerAdvertisement(RouterAdvertisementView)
    /// Asks for a neighbour.
    case neighborSolicitation(NeighborSolicitationView)
    /// Tells of a neighbour.
    case neighborAdvertisement(NeighborAdvertisementView)
    /// A better first hop exists.
    case redirect(NDPRedirectView)
}
