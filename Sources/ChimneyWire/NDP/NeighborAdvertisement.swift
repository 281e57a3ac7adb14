public import ChimneyPrimitives

/// What a neighbour tells of itself, read in place (RFC 4861 §4.4).
@frozen
public struct NeighborAdvertisementView: ~Escapable {
    /// The message from its type on.
    public let bytes: RawSpan
    /// What stands behind the target.
    public let options: NDPOptions

    /// Reads a message whose type is that of a neighbour advertisement.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(ICMPv6Error) {
        guard bytes.byteCount >= NeighborAdvertisement.headerByteCount else { throw .truncated }
        guard bytes.uint8(at: 1) == 0 else { throw .unknownCode }
        options = try NDPOptions(bytes.extracting(NeighborAdvertisement.headerByteCount..<bytes.byteCount))
        self.bytes = bytes
    }

    /// Whose link address it is.
    public var target: IPv6Address { IPv6Address(high: bytes.uint64(at: 8), low: bytes.uint64(at: 16)) }
    /// Whether the sender is a router.
    public var isRouter: Bool { bytes.uint8(at: 4) & 0x80 != 0 }
    /// Whether it answers a question.
    public var isSolicited: Bool { bytes.uint8(at: 4) & 0x40 != 0 }
    /// Whether it takes the place of another link address.
    public var isOverride: Bool { bytes.uint8(at: 4) & 0x20 != 0 }

    /// The fields as a value.
    public var message: NeighborAdvertisement {
        NeighborAdvertisement(
            target: target, targetMAC: options.targetMAC, isRouter: isRouter, isSolicited: isSolicited,
            isOverride: isOverride)
    }
}

/// What a neighbour tells of itself (RFC 4861 §4.4).
@frozen
public struct NeighborAdvertisement: Hashable, Sendable, BitwiseCopyable {
    /// Whose link address it is.
    public var target: IPv6Address
    /// The link address; it may be missing only in the answer to a question by unicast.
    public var targetMAC: MACAddress?
    /// Whether the sender is a router.
    public var isRouter: Bool
    /// Whether it answers a question.
    public var isSolicited: Bool
    /// Whether it takes the place of another link address.
    public var isOverride: Bool

    /// An answer with these fields.
    public init(
        target: IPv6Address, targetMAC: MACAddress?, isRouter: Bool = false, isSolicited: Bool = false,
        isOverride: Bool = false
    ) {
        self.target = target
        self.targetMAC = targetMAC
        self.isRouter = isRouter
        self.isSolicited = isSolicited
        self.isOverride = isOverride
    }

    /// Bytes before the options: 24.
    @inlinable
    public static var headerByteCount: Int { 24 }
    /// Bytes of the message: 24 or 32.
    public var byteCount: Int { Self.headerByteCount + (targetMAC == nil ? 0 : 8) }

    /// Writes the message at `offset`, where ``byteCount`` bytes must be free, and returns that count.
    @discardableResult
    @_lifetime(span: copy span)
    public func write(
        into span: inout MutableRawSpan, at offset: Int = 0, source: IPv6Address, destination: IPv6Address
    ) -> Int {
        span.store(UInt32(ICMPv6Type.neighborAdvertisement.rawValue) << 24, at: offset)
        let flags: UInt32 = (isRouter ? 1 << 31 : 0) | (isSolicited ? 1 << 30 : 0) | (isOverride ? 1 << 29 : 0)
        span.store(flags, at: offset + 4)
        span.store(target.high, at: offset + 8)
        span.store(target.low, at: offset + 16)
        if let targetMAC {
            span.storeOption(.targetLinkAddress, targetMAC.bits, at: offset + Self.headerByteCount)
        }
        storeICMPv6Checksum(in: &span, at: offset, byteCount: byteCount, source: source, destination: destination)
        return byteCount
    }
}
