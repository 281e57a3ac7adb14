public import ChimneyPrimitives

/// Why bytes are not an IPv6 packet.
@frozen
public enum IPv6Error: Error, Hashable, Sendable, CaseIterable {
    /// Fewer than 40 bytes.
    case truncated
    /// The version is not 6.
    case version
    /// The payload length counts more bytes than arrived.
    case payloadLengthBeyondPacket
}

/// An IPv6 packet, read in place (RFC 8200 §3).
@frozen
public struct IPv6View: ~Escapable {
    /// The packet from its version on; bytes beyond ``totalLength`` are padding of the link.
    public let bytes: RawSpan

    /// Reads a packet that lies in one piece.
    @inlinable @inline(__always)
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(IPv6Error) {
        try self.init(bytes, of: bytes.byteCount)
    }

    /// Reads a packet of which `bytes` is the beginning and `byteCount` the length with all its slices.
    @inlinable @inline(__always)
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan, of byteCount: Int) throws(IPv6Error) {
        try self.init(quoted: bytes)
        guard totalLength <= byteCount else { throw .payloadLengthBeyondPacket }
    }

    /// Reads the beginning of a packet as an ICMP error quotes it: the length may count bytes that are not there.
    @inlinable @inline(__always)
    @_lifetime(copy bytes)
    public init(quoted bytes: RawSpan) throws(IPv6Error) {
        guard bytes.byteCount >= IPv6Header.byteCount else { throw .truncated }
        guard bytes.uint8(at: 0) >> 4 == 6 else { throw .version }
        self.bytes = bytes
    }

    /// 6.
    @inlinable @inline(__always)
    public var version: UInt8 { bytes.uint8(at: 0) >> 4 }
    /// The differentiated services field with the two ECN bits.
    @inlinable @inline(__always)
    public var trafficClass: UInt8 { UInt8(truncatingIfNeeded: bytes.uint16(at: 0) >> 4) }
    /// Which flow of its source, 20 bits; 0 says none (RFC 6437).
    @inlinable @inline(__always)
    public var flowLabel: UInt32 { bytes.uint32(at: 0) & 0xF_FFFF }
    /// Bytes behind the 40 of this header, extensions included.
    @inlinable @inline(__always)
    public var payloadByteCount: Int { Int(bytes.uint16(at: 4)) }
    /// Bytes of header, extensions and payload.
    @inlinable @inline(__always)
    public var totalLength: Int { IPv6Header.byteCount + payloadByteCount }
    /// What follows this header.
    @inlinable @inline(__always)
    public var nextHeader: IPProtocol { IPProtocol(rawValue: bytes.uint8(at: 6)) }
    /// How many more routers it may pass.
    @inlinable @inline(__always)
    public var hopLimit: UInt8 { bytes.uint8(at: 7) }
    /// From whom.
    @inlinable @inline(__always)
    public var source: IPv6Address { IPv6Address(high: bytes.uint64(at: 8), low: bytes.uint64(at: 16)) }
    /// To whom.
    @inlinable @inline(__always)
    public var destination: IPv6Address { IPv6Address(high: bytes.uint64(at: 24), low: bytes.uint64(at: 32)) }
    /// What follows this header without padding, as far as it lies in ``bytes``.
    @inlinable @inline(__always)
    public var payload: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(IPv6Header.byteCount..<min(totalLength, bytes.byteCount)) }
    }
}

/// The first 40 bytes of an IPv6 packet (RFC 8200 §3).
@frozen
public struct IPv6Header: Hashable, Sendable, BitwiseCopyable {
    /// From whom.
    public var source: IPv6Address
    /// To whom.
    public var destination: IPv6Address
    /// What follows this header.
    public var nextHeader: IPProtocol
    /// How many more routers it may pass.
    public var hopLimit: UInt8
    /// The differentiated services field with the two ECN bits.
    public var trafficClass: UInt8
    /// Which flow of its source, 20 bits (RFC 6437).
    public let flowLabel: UInt32
    /// Bytes behind the header.
    public let payloadByteCount: UInt16

    /// A header before `payloadByteCount` bytes; `nil` above 65,535 of them, or when the flow label has over 20 bits.
    @inlinable
    public init?(
        source: IPv6Address, destination: IPv6Address, nextHeader: IPProtocol, payloadByteCount: Int,
        hopLimit: UInt8 = 64, trafficClass: UInt8 = 0, flowLabel: UInt32 = 0
    ) {
        guard payloadByteCount >= 0, payloadByteCount <= 65_535, flowLabel <= 0xF_FFFF else { return nil }
        self.source = source
        self.destination = destination
        self.nextHeader = nextHeader
        self.hopLimit = hopLimit
        self.trafficClass = trafficClass
        self.flowLabel = flowLabel
        self.payloadByteCount = UInt16(truncatingIfNeeded: payloadByteCount)
    }

    /// The header of a packet that was read.
    @inlinable
    public init(_ view: IPv6View) {
        source = view.source
        destination = view.destination
        nextHeader = view.nextHeader
        hopLimit = view.hopLimit
        trafficClass = view.trafficClass
        flowLabel = view.flowLabel
        payloadByteCount = UInt16(truncatingIfNeeded: view.payloadByteCount)
    }

    /// 40.
    @inlinable
    public static var byteCount: Int { 40 }

    /// Writes the header at `offset`, where 40 bytes must be free, and returns 40.
    @inlinable
    @discardableResult
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int = 0) -> Int {
        span.store(0x6000_0000 | UInt32(trafficClass) << 20 | flowLabel, at: offset)
        span.store(payloadByteCount, at: offset + 4)
        span.store(nextHeader.rawValue, at: offset + 6)
        span.store(hopLimit, at: offset + 7)
        span.store(source.high, at: offset + 8)
        span.store(source.low, at: offset + 16)
        span.store(destination.high, at: offset + 24)
        span.store(destination.low, at: offset + 32)
        return Self.byteCount
    }
}
