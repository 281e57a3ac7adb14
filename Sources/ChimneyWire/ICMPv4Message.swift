public import ChimneyPrimitives

/// An ICMPv4 message to send, without its data or quote (RFC 792).
@frozen
public enum ICMPv4Message: Hashable, Sendable {
    /// Asks for the data behind it back.
    case echoRequest(ICMPv4Query)
    /// The data, back.
    case echoReply(ICMPv4Query)
    /// A packet could not be delivered; the MTU goes on the wire when fragmentation is needed (RFC 1191 §4).
    case destinationUnreachable(ICMPv4UnreachableCode, nextHopMTU: UInt16 = 0)
    /// A better first hop exists.
    case redirect(ICMPv4RedirectCode, gateway: IPv4Address)
    /// A packet or its reassembly took too long.
    case timeExceeded(ICMPv4TimeExceededCode)
    /// A header makes no sense; the pointer counts bytes from its first.
    case parameterProblem(ICMPv4ParameterProblemCode, pointer: UInt8)
    /// Asks routers to say that they are there (RFC 1256).
    case routerSolicitation
    /// Asks for the time.
    case timestampRequest(ICMPv4Query, ICMPv4Timestamps)
    /// Tells the time.
    case timestampReply(ICMPv4Query, ICMPv4Timestamps)
    /// Asks for the prefix of the link (RFC 950).
    case addressMaskRequest(ICMPv4Query)
    /// Tells the prefix of the link (RFC 950).
    case addressMaskReply(ICMPv4Query, mask: IPv4Address)

    /// Bytes that every message begins with: 8.
    @inlinable
    public static var headerByteCount: Int { 8 }

    /// The type on the wire.
    @inlinable
    public var type: ICMPv4Type {
        switch self {
        case .echoRequest: .echoRequest
        case .echoReply: .echoReply
        case .destinationUnreachable: .destinationUnreachable
        case .redirect: .redirect
        case .timeExceeded: .timeExceeded
        case .parameterProblem: .parameterProblem
        case .routerSolicitation: .routerSolicitation
        case .timestampRequest: .timestampRequest
        case .timestampReply: .timestampReply
        case .addressMaskRequest: .addressMaskRequest
        case .addressMaskReply: .addressMaskReply
        }
    }

    /// The code on the wire.
    @inlinable
    public var code: UInt8 {
        switch self {
        case .destinationUnreachable(let code, _): code.rawValue
        case .redirect(let code, _): code.rawValue
        case .timeExceeded(let code): code.rawValue
        case .parameterProblem(let code, _): code.rawValue
        case .echoRequest, .echoReply, .routerSolicitation, .timestampRequest, .timestampReply, .addressMaskRequest,
            .addressMaskReply:
            0
        }
    }

    /// Bytes before data or quote: 8, 12 or 20.
    @inlinable
    public var byteCount: Int {
        switch self {
        case .echoRequest, .echoReply, .destinationUnreachable, .redirect, .timeExceeded, .parameterProblem,
            .routerSolicitation:
            8
        case .addressMaskRequest, .addressMaskReply: 12
        case .timestampRequest, .timestampReply: 20
        }
    }

    /// Writes the message at `offset`, with its checksum.
    ///
    /// - Parameters:
    ///   - span: where to; ``byteCount`` bytes must be free.
    ///   - offset: where in the span.
    ///   - payloadByteCount: bytes of data or quote that already stand behind the message and that the checksum covers.
    ///   - payloadSum: the sum of data that stands elsewhere, such as in further slices; it begins at an even byte.
    /// - Returns: ``byteCount``.
    @inlinable
    @discardableResult
    @_lifetime(span: copy span)
    public func write(
        into span: inout MutableRawSpan, at offset: Int = 0, payloadByteCount: Int = 0, payloadSum: UInt32 = 0
    ) -> Int {
        span.store(UInt16(type.rawValue) << 8 | UInt16(code), at: offset)
        span.store(UInt16(0), at: offset + 2)
        switch self {
        case .echoRequest(let query), .echoReply(let query):
            Self.store(query, into: &span, at: offset)
        case .destinationUnreachable(let code, let mtu):
            span.store(code == .fragmentationNeeded ? UInt32(mtu) : 0, at: offset + 4)
        case .redirect(_, let gateway): span.store(gateway.bits, at: offset + 4)
        case .timeExceeded, .routerSolicitation: span.store(UInt32(0), at: offset + 4)
        case .parameterProblem(let code, let pointer):
            // Only code 0 has a pointer (RFC 792).
            span.store(code == .pointer ? UInt32(pointer) << 24 : 0, at: offset + 4)
        case .timestampRequest(let query, let times), .timestampReply(let query, let times):
            Self.store(query, into: &span, at: offset)
            span.store(times.originate, at: offset + 8)
            span.store(times.receive, at: offset + 12)
            span.store(times.transmit, at: offset + 16)
        case .addressMaskRequest(let query):
            Self.store(query, into: &span, at: offset)
            span.store(UInt32(0), at: offset + 8)
        case .addressMaskReply(let query, let mask):
            Self.store(query, into: &span, at: offset)
            span.store(mask.bits, at: offset + 8)
        }
        let sum = InternetChecksum.sum(
            span.bytes.extracting(offset..<offset + byteCount + payloadByteCount), initial: payloadSum)
        span.store(InternetChecksum.finish(sum), at: offset + 2)
        return byteCount
    }

    /// Turns the echo request at `offset` into its reply, without a look at its data (RFC 1624).
    ///
    /// The bytes were read as ``ICMPv4View`` of this type before.
    @inlinable
    @_lifetime(span: copy span)
    public static func answerEcho(in span: inout MutableRawSpan, at offset: Int = 0) {
        let old = span.bytes.uint16(at: offset)
        let new = UInt16(ICMPv4Type.echoReply.rawValue) << 8 | old & 0xFF
        let checksum = span.bytes.uint16(at: offset + 2)
        span.store(new, at: offset)
        let updated = InternetChecksum.update(checksum, old: old, new: new)
        // Both zeros of ones' complement fit any reply but one of zeros alone, whose sum only 0xFFFF completes.
        span.store(updated == 0 ? 0xFFFF : updated, at: offset + 2)
    }

    @inlinable
    @_lifetime(span: copy span)
    static func store(_ query: ICMPv4Query, into span: inout MutableRawSpan, at offset: Int) {
        span.store(query.identifier, at: offset + 4)
        span.store(query.sequence, at: offset + 6)
    }
}

/// A router advertisement to send (RFC 1256): one to 255 addresses.
public struct ICMPv4RouterAdvertisement: Hashable, Sendable {
    /// For how many seconds the addresses are valid.
    public var lifetimeSeconds: UInt16
    /// The addresses with their preferences.
    public let routers: [ICMPv4RouterAddress]

    /// An advertisement; `nil` unless it has one to 255 addresses.
    public init?(lifetimeSeconds: UInt16, routers: [ICMPv4RouterAddress]) {
        guard !routers.isEmpty, routers.count <= Self.routersMax else { return nil }
        self.lifetimeSeconds = lifetimeSeconds
        self.routers = routers
    }

    /// The most addresses its count field can hold: 255.
    public static var routersMax: Int { 255 }
    /// Bytes of the whole message.
    public var byteCount: Int { ICMPv4Message.headerByteCount + routers.count * 8 }

    /// Writes the message at `offset`, where ``byteCount`` bytes must be free, and returns that count.
    @discardableResult
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int = 0) -> Int {
        span.store(UInt32(ICMPv4Type.routerAdvertisement.rawValue) << 24, at: offset)
        span.store(UInt8(routers.count), at: offset + 4)
        span.store(UInt8(2), at: offset + 5)
        span.store(lifetimeSeconds, at: offset + 6)
        for (index, router) in routers.enumerated() {
            span.store(router.address.bits, at: offset + 8 + index * 8)
            span.store(router.preference, at: offset + 12 + index * 8)
        }
        let sum = InternetChecksum.sum(span.bytes.extracting(offset..<offset + byteCount))
        span.store(InternetChecksum.finish(sum), at: offset + 2)
        return byteCount
    }
}
