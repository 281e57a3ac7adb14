public import ChimneyPrimitives

/// A question for routers, read in place (RFC 4861 §4.1).
@frozen
public struct RouterSolicitationView: ~Escapable {
    /// The message from its type on.
    public let bytes: RawSpan
    /// What stands behind the first eight bytes.
    public let options: NDPOptions

    /// Reads a message whose type is that of a router solicitation.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(ICMPv6Error) {
        guard bytes.byteCount >= RouterSolicitation.headerByteCount else { throw .truncated }
        guard bytes.uint8(at: 1) == 0 else { throw .unknownCode }
        options = try NDPOptions(bytes.extracting(RouterSolicitation.headerByteCount..<bytes.byteCount))
        self.bytes = bytes
    }

    /// The fields as a value.
    public var message: RouterSolicitation { RouterSolicitation(sourceMAC: options.sourceMAC) }
}

/// A question for routers (RFC 4861 §4.1).
@frozen
public struct RouterSolicitation: Hashable, Sendable, BitwiseCopyable {
    /// Where the asker is; `nil` when it asks from `::`.
    public var sourceMAC: MACAddress?

    /// A question with this field.
    public init(sourceMAC: MACAddress? = nil) { self.sourceMAC = sourceMAC }

    /// Bytes before the options: 8.
    @inlinable
    public static var headerByteCount: Int { 8 }
    /// Bytes of the message: 8 or 16.
    public var byteCount: Int { Self.headerByteCount + (sourceMAC == nil ? 0 : 8) }

    /// Writes the message at `offset`, where ``byteCount`` bytes must be free, and returns that count.
    @discardableResult
    @_lifetime(span: copy span)
    public func write(
        into span: inout MutableRawSpan, at offset: Int = 0, source: IPv6Address, destination: IPv6Address
    ) -> Int {
        span.store(UInt64(ICMPv6Type.routerSolicitation.rawValue) << 56, at: offset)
        if let sourceMAC {
            span.storeOption(.sourceLinkAddress, sourceMAC.bits, at: offset + Self.headerByteCount)
        }
        storeICMPv6Checksum(in: &span, at: offset, byteCount: byteCount, source: source, destination: destination)
        return byteCount
    }
}
