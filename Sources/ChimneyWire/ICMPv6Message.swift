public import ChimneyPrimitives

/// An ICMPv6 error or echo to send, without its data or quote (RFC 4443).
@frozen
public enum ICMPv6Message: Hashable, Sendable, BitwiseCopyable {
    /// A packet could not be delivered.
    case destinationUnreachable(ICMPv6UnreachableCode)
    /// A packet is larger than the MTU of the next link.
    case packetTooBig(mtu: UInt32)
    /// A packet or its reassembly took too long.
    case timeExceeded(ICMPv6TimeExceededCode)
    /// A header makes no sense; the pointer counts bytes from the first of the packet.
    case parameterProblem(ICMPv6ParameterProblemCode, pointer: UInt32)
    /// Asks for the data behind it back.
    case echoRequest(ICMPQuery)
    /// The data, back.
    case echoReply(ICMPQuery)

    /// Bytes before data or quote: 8.
    @inlinable
    public static var byteCount: Int { 8 }
    /// The most bytes of an error with its IPv6 header: the least MTU of a link (RFC 4443 §2.4 c).
    @inlinable
    public static var errorBytesMax: Int { 1_280 }

    /// The type on the wire.
    @inlinable
    public var type: ICMPv6Type {
        switch self {
        case .destinationUnreachable: .destinationUnreachable
        case .packetTooBig: .packetTooBig
        case .timeExceeded: .timeExceeded
        case .parameterProblem: .parameterProblem
        case .echoRequest: .echoRequest
        case .echoReply: .echoReply
        }
    }

    /// The code on the wire.
    @inlinable
    public var code: UInt8 {
        switch self {
        case .destinationUnreachable(let code): code.rawValue
        case .timeExceeded(let code): code.rawValue
        case .parameterProblem(let code, _): code.rawValue
        case .packetTooBig, .echoRequest, .echoReply: 0
        }
    }

    /// The four bytes behind the checksum.
    @inlinable
    var word: UInt32 {
        switch self {
        case .destinationUnreachable, .timeExceeded: 0
        case .packetTooBig(let mtu): mtu
        case .parameterProblem(_, let pointer): pointer
        case .echoRequest(let query), .echoReply(let query):
            UInt32(query.identifier) << 16 | UInt32(query.sequence)
        }
    }

    /// Writes the message at `offset`, with its checksum (RFC 4443 §2.3).
    ///
    /// - Parameters:
    ///   - span: where to; eight bytes must be free.
    ///   - offset: where in the span.
    ///   - source: the address in the IPv6 header, which the checksum covers.
    ///   - destination: where the packet ends; with a routing header that is its last address.
    ///   - payloadByteCount: bytes of data or quote that already stand behind the message.
    ///   - elsewhereByteCount: bytes of data that stand elsewhere, such as in further slices.
    ///   - elsewhereSum: their sum; they begin at an even byte.
    /// - Returns: 8.
    @inlinable
    @discardableResult
    @_lifetime(span: copy span)
    public func write(
        into span: inout MutableRawSpan, at offset: Int = 0, source: IPv6Address, destination: IPv6Address,
        payloadByteCount: Int = 0, elsewhereByteCount: Int = 0, elsewhereSum: UInt32 = 0
    ) -> Int {
        span.store(UInt16(type.rawValue) << 8 | UInt16(code), at: offset)
        span.store(UInt16(0), at: offset + 2)
        span.store(word, at: offset + 4)
        let here = Self.byteCount + payloadByteCount
        let pseudo = InternetChecksum.pseudoHeader(
            source, destination, protocol: IPProtocol.icmpv6.rawValue, length: here + elsewhereByteCount)
        let sum = InternetChecksum.sum(
            span.bytes.extracting(offset..<offset + here), initial: InternetChecksum.add(pseudo, elsewhereSum))
        span.store(InternetChecksum.finish(sum), at: offset + 2)
        return Self.byteCount
    }

    /// Turns the echo request at `offset` into its reply, without a look at its data (RFC 1624).
    ///
    /// The bytes were read as ``ICMPv6View`` of this type before. The addresses of the IPv6 header change places, which
    /// changes no sum; a request to a group is answered from another address than it went to.
    ///
    /// - Parameters:
    ///   - span: where the message stands.
    ///   - offset: where in the span.
    ///   - asked: where the request went.
    ///   - answering: the source of the reply.
    @inlinable
    @_lifetime(span: copy span)
    public static func answerEcho(
        in span: inout MutableRawSpan, at offset: Int = 0, asked: IPv6Address, answering: IPv6Address
    ) {
        let old = span.bytes.uint16(at: offset)
        let new = UInt16(ICMPv6Type.echoReply.rawValue) << 8 | old & 0xFF
        var checksum = InternetChecksum.update(span.bytes.uint16(at: offset + 2), old: old, new: new)
        if asked != answering {
            checksum = updated(checksum, old: asked.high, new: answering.high)
            checksum = updated(checksum, old: asked.low, new: answering.low)
        }
        span.store(new, at: offset)
        span.store(checksum, at: offset + 2)
    }

    @inlinable
    static func updated(_ checksum: UInt16, old: UInt64, new: UInt64) -> UInt16 {
        let half = InternetChecksum.update(
            checksum, old: UInt32(truncatingIfNeeded: old >> 32), new: UInt32(truncatingIfNeeded: new >> 32))
        return InternetChecksum.update(
            half, old: UInt32(truncatingIfNeeded: old), new: UInt32(truncatingIfNeeded: new))
    }
}

/// Writes the checksum of a whole ICMPv6 message that stands in one piece and whose checksum field is zero.
@_lifetime(span: copy span)
func storeICMPv6Checksum(
    in span: inout MutableRawSpan, at offset: Int, byteCount: Int, source: IPv6Address, destination: IPv6Address
) {
    let pseudo = InternetChecksum.pseudoHeader(
        source, destination, protocol: IPProtocol.icmpv6.rawValue, length: byteCount)
    let sum = InternetChecksum.sum(span.bytes.extracting(offset..<offset + byteCount), initial: pseudo)
    span.store(InternetChecksum.finish(sum), at: offset + 2)
}
