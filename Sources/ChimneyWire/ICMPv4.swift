public import ChimneyPrimitives

/// Why bytes are not an ICMPv4 message.
@frozen
public enum ICMPv4Error: Error, Hashable, Sendable, CaseIterable {
    /// Fewer bytes than messages of this type have.
    case truncated
    /// A type that is not known; a host discards it silently (RFC 1122 §3.2.2).
    case unknownType
    /// A code that this type does not have.
    case unknownCode
    /// A router advertisement that counts no address, or entries of less than two words (RFC 1256 §6.2.1).
    case routerAddresses
}

/// An ICMPv4 message, read in place (RFC 792).
@frozen
public struct ICMPv4View: ~Escapable {
    /// The message from its type on.
    public let bytes: RawSpan

    /// Reads the first eight bytes, which every message has; ``content`` reads on.
    @inlinable
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(ICMPv4Error) {
        guard bytes.byteCount >= ICMPv4Message.headerByteCount else { throw .truncated }
        self.bytes = bytes
    }

    /// The type as it stands.
    @inlinable
    public var rawType: UInt8 { bytes.uint8(at: 0) }
    /// The type, `nil` when it is not known.
    @inlinable
    public var type: ICMPv4Type? { ICMPv4Type(rawValue: rawType) }
    /// The code as it stands.
    @inlinable
    public var code: UInt8 { bytes.uint8(at: 1) }
    /// The checksum field as it stands.
    @inlinable
    public var checksum: UInt16 { bytes.uint16(at: 2) }
    /// Whether the message, which must lie in one piece, is as its sender wrote it.
    @inlinable
    public var isChecksumValid: Bool { InternetChecksum.finish(InternetChecksum.sum(bytes)) == 0 }
    /// What follows the first eight bytes.
    @inlinable
    public var body: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(ICMPv4Message.headerByteCount..<bytes.byteCount) }
    }

    /// What the message says.
    @inlinable
    @_lifetime(copy self)
    public func content() throws(ICMPv4Error) -> ICMPv4Content {
        guard let type else { throw .unknownType }
        let query = ICMPv4Query(identifier: bytes.uint16(at: 4), sequence: bytes.uint16(at: 6))
        switch type {
        case .echoRequest: return .echoRequest(query, data: body)
        case .echoReply: return .echoReply(query, data: body)
        case .destinationUnreachable:
            guard let code = ICMPv4UnreachableCode(rawValue: code) else { throw .unknownCode }
            return .destinationUnreachable(
                code, nextHopMTU: code == .fragmentationNeeded ? bytes.uint16(at: 6) : 0,
                quote(words: bytes.uint8(at: 5)))
        case .sourceQuench: return .sourceQuench(quote(words: 0))
        case .redirect:
            guard let code = ICMPv4RedirectCode(rawValue: code) else { throw .unknownCode }
            return .redirect(code, gateway: IPv4Address(bits: bytes.uint32(at: 4)), quote(words: 0))
        case .timeExceeded:
            guard let code = ICMPv4TimeExceededCode(rawValue: code) else { throw .unknownCode }
            return .timeExceeded(code, quote(words: bytes.uint8(at: 5)))
        case .parameterProblem:
            guard let code = ICMPv4ParameterProblemCode(rawValue: code) else { throw .unknownCode }
            return .parameterProblem(code, pointer: bytes.uint8(at: 4), quote(words: bytes.uint8(at: 5)))
        case .routerAdvertisement: return .routerAdvertisement(try ICMPv4RouterAdvertisementView(bytes))
        case .routerSolicitation: return .routerSolicitation
        case .timestampRequest: return .timestampRequest(query, try times())
        case .timestampReply: return .timestampReply(query, try times())
        case .informationRequest: return .informationRequest(query)
        case .informationReply: return .informationReply(query)
        case .addressMaskRequest: return .addressMaskRequest(query, mask: try mask())
        case .addressMaskReply: return .addressMaskReply(query, mask: try mask())
        }
    }

    @inlinable
    func times() throws(ICMPv4Error) -> ICMPv4Timestamps {
        guard bytes.byteCount >= 20 else { throw .truncated }
        return ICMPv4Timestamps(
            originate: bytes.uint32(at: 8), receive: bytes.uint32(at: 12), transmit: bytes.uint32(at: 16))
    }

    @inlinable
    func mask() throws(ICMPv4Error) -> IPv4Address {
        guard bytes.byteCount >= 12 else { throw .truncated }
        return IPv4Address(bits: bytes.uint32(at: 8))
    }

    @inlinable
    @_lifetime(copy self)
    func quote(words: UInt8) -> ICMPQuoteView { ICMPQuoteView(body, byteCount: Int(words) * 4) }
}

/// What an ICMPv4 message says.
@frozen
public enum ICMPv4Content: ~Escapable {
    /// Asks for the same data back.
    case echoRequest(ICMPv4Query, data: RawSpan)
    /// The data, back.
    case echoReply(ICMPv4Query, data: RawSpan)
    /// A packet could not be delivered; a next-hop MTU of 0 says nothing (RFC 1191 §4).
    case destinationUnreachable(ICMPv4UnreachableCode, nextHopMTU: UInt16, ICMPQuoteView)
    /// Obsolete; to be ignored (RFC 6633).
    case sourceQuench(ICMPQuoteView)
    /// A better first hop exists.
    case redirect(ICMPv4RedirectCode, gateway: IPv4Address, ICMPQuoteView)
    /// A packet or its reassembly took too long.
    case timeExceeded(ICMPv4TimeExceededCode, ICMPQuoteView)
    /// A header makes no sense; the pointer counts bytes from its first.
    case parameterProblem(ICMPv4ParameterProblemCode, pointer: UInt8, ICMPQuoteView)
    /// A router says that it is there.
    case routerAdvertisement(ICMPv4RouterAdvertisementView)
    /// Asks routers to say so.
    case routerSolicitation
    /// Asks for the time.
    case timestampRequest(ICMPv4Query, ICMPv4Timestamps)
    /// Tells the time.
    case timestampReply(ICMPv4Query, ICMPv4Timestamps)
    /// Obsolete (RFC 6918).
    case informationRequest(ICMPv4Query)
    /// Obsolete (RFC 6918).
    case informationReply(ICMPv4Query)
    /// Asks for the prefix of the link.
    case addressMaskRequest(ICMPv4Query, mask: IPv4Address)
    /// Tells the prefix of the link.
    case addressMaskReply(ICMPv4Query, mask: IPv4Address)
}

/// Three times in milliseconds since midnight UT (RFC 792); the highest bit marks another unit.
@frozen
public struct ICMPv4Timestamps: Hashable, Sendable, BitwiseCopyable {
    /// When the asker sent it.
    public var originate: UInt32
    /// When the answerer got it.
    public var receive: UInt32
    /// When the answerer sent it back.
    public var transmit: UInt32

    /// These times.
    @inlinable
    public init(originate: UInt32, receive: UInt32 = 0, transmit: UInt32 = 0) {
        self.originate = originate
        self.receive = receive
        self.transmit = transmit
    }
}

/// One address of an ICMPv4 router advertisement.
@frozen
public struct ICMPv4RouterAddress: Hashable, Sendable, BitwiseCopyable {
    /// Where the router is.
    public var address: IPv4Address
    /// How much it wants to be the default router: the highest wins, the least possible never does (RFC 1256 §3).
    public var preference: Int32

    /// An address with its preference.
    @inlinable
    public init(address: IPv4Address, preference: Int32) {
        self.address = address
        self.preference = preference
    }
}

/// A router advertisement, read in place (RFC 1256 §3).
@frozen
public struct ICMPv4RouterAdvertisementView: ~Escapable {
    /// The message from its type on.
    public let bytes: RawSpan

    @inlinable
    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) throws(ICMPv4Error) {
        // Code 16 is a mobility agent's that does not route (RFC 5944 §2.1).
        guard bytes.uint8(at: 1) == 0 || bytes.uint8(at: 1) == 16 else { throw .unknownCode }
        let count = Int(bytes.uint8(at: 4))
        let words = Int(bytes.uint8(at: 5))
        guard count >= 1, words >= 2 else { throw .routerAddresses }
        guard bytes.byteCount >= ICMPv4Message.headerByteCount + count * words * 4 else { throw .truncated }
        self.bytes = bytes
    }

    /// For how many seconds the addresses are valid.
    @inlinable
    public var lifetimeSeconds: UInt16 { bytes.uint16(at: 6) }
    /// Whether the sender forwards what is not addressed to mobile nodes (RFC 5944 §2.1).
    @inlinable
    public var routesCommonTraffic: Bool { bytes.uint8(at: 1) == 0 }
    /// How many addresses follow, at least one.
    @inlinable
    public var count: Int { Int(bytes.uint8(at: 4)) }
    /// The address at `index`, from 0 to ``count`` - 1.
    @inlinable
    public subscript(index: Int) -> ICMPv4RouterAddress {
        let offset = ICMPv4Message.headerByteCount + index * Int(bytes.uint8(at: 5)) * 4
        return ICMPv4RouterAddress(
            address: IPv4Address(bits: bytes.uint32(at: offset)),
            preference: Int32(bitPattern: bytes.uint32(at: offset + 4)))
    }
}
