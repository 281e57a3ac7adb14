public import ChimneyPrimitives

/// A question for a neighbour, read in place (RFC 4861 §4.3).
@frozen
public struct NeighborSolicitationView: ~Escapable {
    /// The message from its type on.
    public let bytes: RawSpan
    /// What stands behind the target.
    public let options: NDPOptions

    /// Reads a message whose type is that of a neighbour solicitation.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(ICMPv6Error) {
        guard bytes.byteCount >= NeighborSolicitation.headerByteCount else { throw .truncated }
        guard bytes.uint8(at: 1) == 0 else { throw .unknownCode }
        options = try NDPOptions(bytes.extracting(NeighborSolicitation.headerByteCount..<bytes.byteCount))
        self.bytes = bytes
    }

    /// Who is asked for.
    public var target: IPv6Address { IPv6Address(high: bytes.uint64(at: 8), low: bytes.uint64(at: 16)) }

    /// The fields as a value.
    public var message: NeighborSolicitation {
        NeighborSolicitation(target: target, sourceMAC: options.sourceMAC, nonce: options.nonce)
    }
}

/// A question for a neighbour's link address, or whether it is still there (RFC 4861 §4.3).
@frozen
public struct NeighborSolicitation: Hashable, Sendable, BitwiseCopyable {
    /// Who is asked for.
    public var target: IPv6Address
    /// Where the asker is; `nil` when it asks from `::` (RFC 4861 §4.3).
    public var sourceMAC: MACAddress?
    /// Tells a question that the link gave back from another host's (RFC 7527).
    public var nonce: NDPNonce?

    /// A question with these fields.
    public init(target: IPv6Address, sourceMAC: MACAddress? = nil, nonce: NDPNonce? = nil) {
        self.target = target
        self.sourceMAC = sourceMAC
        self.nonce = nonce
    }

    /// Bytes before the options: 24.
    @inlinable
    public static var headerByteCount: Int { 24 }
    /// Bytes of the message: 24, 32 or 40.
    public var byteCount: Int { Self.headerByteCount + (sourceMAC == nil ? 0 : 8) + (nonce == nil ? 0 : 8) }

    /// Writes the message at `offset`, where ``byteCount`` bytes must be free, and returns that count.
    @discardableResult
    @_lifetime(span: copy span)
    public func write(
        into span: inout MutableRawSpan, at offset: Int = 0, source: IPv6Address, destination: IPv6Address
    ) -> Int {
        span.store(UInt64(ICMPv6Type.neighborSolicitation.rawValue) << 56, at: offset)
        span.store(target.high, at: offset + 8)
        span.store(target.low, at: offset + 16)
        var position = offset + Self.headerByteCount
        if let sourceMAC {
            span.storeOption(.sourceLinkAddress, sourceMAC.bits, at: position)
            position += 8
        }
        if let nonce { span.storeOption(.nonce, nonce.bits, at: position) }
        storeICMPv6Checksum(in: &span, at: offset, byteCount: byteCount, source: source, destination: destination)
        return byteCount
    }
}
