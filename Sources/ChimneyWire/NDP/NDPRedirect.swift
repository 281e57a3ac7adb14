public import ChimneyPrimitives

/// A better first hop, read in place (RFC 4861 §4.5).
@frozen
public struct NDPRedirectView: ~Escapable {
    /// The message from its type on.
    public let bytes: RawSpan
    /// What stands behind the two addresses.
    public let options: NDPOptions

    /// Reads a message whose type is that of a redirect.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(ICMPv6Error) {
        guard bytes.byteCount >= NDPRedirect.headerByteCount else { throw .truncated }
        guard bytes.uint8(at: 1) == 0 else { throw .unknownCode }
        options = try NDPOptions(bytes.extracting(NDPRedirect.headerByteCount..<bytes.byteCount))
        self.bytes = bytes
    }

    /// The better first hop; the destination itself when that is on the link.
    public var target: IPv6Address { IPv6Address(high: bytes.uint64(at: 8), low: bytes.uint64(at: 16)) }
    /// For which destination.
    public var destination: IPv6Address { IPv6Address(high: bytes.uint64(at: 24), low: bytes.uint64(at: 32)) }

    /// The beginning of the packet that was redirected, with up to seven bytes of padding; empty when it is not told.
    public var redirected: RawSpan {
        @_lifetime(copy self)
        get {
            var iterator = options.makeIterator()
            while let option = iterator.next() {
                if case .redirectedHeader(let packet) = option { return packet }
            }
            return bytes.extracting(0..<0)
        }
    }

    /// The fields as a value.
    public var message: NDPRedirect {
        NDPRedirect(target: target, destination: destination, targetMAC: options.targetMAC)
    }
}

/// A better first hop (RFC 4861 §4.5).
@frozen
public struct NDPRedirect: Hashable, Sendable, BitwiseCopyable {
    /// The better first hop; the destination itself when that is on the link.
    public var target: IPv6Address
    /// For which destination.
    public var destination: IPv6Address
    /// Where the target is on the link.
    public var targetMAC: MACAddress?

    /// A redirect with these fields.
    public init(target: IPv6Address, destination: IPv6Address, targetMAC: MACAddress? = nil) {
        self.target = target
        self.destination = destination
        self.targetMAC = targetMAC
    }

    /// Bytes before the options: 40.
    @inlinable
    public static var headerByteCount: Int { 40 }

    /// Bytes of the message when it quotes a packet of `packetByteCount` bytes.
    ///
    /// The quote is cut to a multiple of eight, and so that the IPv6 packet stays within the least MTU (RFC 4861 §4.6.3).
    public func byteCount(quoting packetByteCount: Int) -> Int {
        let fixed = Self.headerByteCount + (targetMAC == nil ? 0 : 8)
        let room = ICMPv6Message.errorBytesMax - IPv6Header.byteCount - fixed - 8
        let quoted = min(max(0, packetByteCount), room) & ~7
        return quoted == 0 ? fixed : fixed + 8 + quoted
    }

    /// Writes the message at `offset`, where ``byteCount(quoting:)`` bytes must be free, and returns that count.
    @discardableResult
    @_lifetime(span: copy span)
    public func write(
        into span: inout MutableRawSpan, at offset: Int = 0, source: IPv6Address, destination: IPv6Address,
        quoting packet: RawSpan
    ) -> Int {
        span.store(UInt64(ICMPv6Type.redirect.rawValue) << 56, at: offset)
        span.store(target.high, at: offset + 8)
        span.store(target.low, at: offset + 16)
        span.store(self.destination.high, at: offset + 24)
        span.store(self.destination.low, at: offset + 32)
        var position = offset + Self.headerByteCount
        if let targetMAC {
            span.storeOption(.targetLinkAddress, targetMAC.bits, at: position)
            position += 8
        }
        let count = byteCount(quoting: packet.byteCount)
        let quoted = offset + count - position - 8
        if quoted > 0 {
            span.store(NDPOptionKind.redirectedHeader.rawValue, at: position)
            span.store(UInt8(quoted / 8 + 1), at: position + 1)
            span.store(UInt16(0), at: position + 2)
            span.store(UInt32(0), at: position + 4)
            span.store(packet.extracting(0..<quoted), at: position + 8)
        }
        storeICMPv6Checksum(in: &span, at: offset, byteCount: count, source: source, destination: destination)
        return count
    }
}
