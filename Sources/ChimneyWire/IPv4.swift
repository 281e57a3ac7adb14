public import ChimneyPrimitives

/// Why bytes are not an IPv4 packet.
@frozen
public enum IPv4Error: Error, Hashable, Sendable, CaseIterable {
    /// Fewer bytes than the header has: than 20, or than its length field says.
    case truncated
    /// The version is not 4.
    case version
    /// The header length field is below five words.
    case headerLength
    /// The total length does not even count the header.
    case totalLengthBelowHeader
    /// The total length counts more bytes than arrived.
    case totalLengthBeyondPacket
}

/// An IPv4 packet, read in place (RFC 791).
///
/// The lengths are checked when it is made; the checksum and the options are not.
@frozen
public struct IPv4View: ~Escapable {
    /// The packet from its version on; bytes beyond ``totalLength`` are padding of the link.
    public let bytes: RawSpan

    /// Reads a packet that lies in one piece.
    @inlinable @inline(__always)
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(IPv4Error) {
        try self.init(bytes, of: bytes.byteCount)
    }

    /// Reads a packet of which `bytes` is the beginning, with the whole header, and `byteCount` the length with
    /// all its slices.
    @inlinable @inline(__always)
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan, of byteCount: Int) throws(IPv4Error) {
        try self.init(quoted: bytes)
        guard totalLength <= byteCount else { throw .totalLengthBeyondPacket }
    }

    /// Reads the beginning of a packet as an ICMP error quotes it: the total length may count bytes that are not
    /// there.
    @inlinable @inline(__always)
    @_lifetime(copy bytes)
    public init(quoted bytes: RawSpan) throws(IPv4Error) {
        guard bytes.byteCount >= IPv4Header.byteCountMin else { throw .truncated }
        let first = bytes.uint8(at: 0)
        guard first >> 4 == 4 else { throw .version }
        let headerByteCount = Int(first & 0xF) * 4
        guard headerByteCount >= IPv4Header.byteCountMin else { throw .headerLength }
        guard headerByteCount <= bytes.byteCount else { throw .truncated }
        guard Int(bytes.uint16(at: 2)) >= headerByteCount else { throw .totalLengthBelowHeader }
        self.bytes = bytes
    }

    /// 4.
    @inlinable @inline(__always)
    public var version: UInt8 { bytes.uint8(at: 0) >> 4 }
    /// Bytes of the header with its options: 20 to 60.
    @inlinable @inline(__always)
    public var headerByteCount: Int { Int(bytes.uint8(at: 0) & 0xF) * 4 }
    /// The differentiated services field with the two ECN bits (RFC 2474, RFC 3168).
    @inlinable @inline(__always)
    public var typeOfService: UInt8 { bytes.uint8(at: 1) }
    /// Bytes of header and payload.
    @inlinable @inline(__always)
    public var totalLength: Int { Int(bytes.uint16(at: 2)) }
    /// What tells the fragments of one packet from those of another.
    @inlinable @inline(__always)
    public var identification: UInt16 { bytes.uint16(at: 4) }
    /// Whether routers may not fragment it.
    @inlinable @inline(__always)
    public var dontFragment: Bool { bytes.uint8(at: 6) & 0x40 != 0 }
    /// Whether more fragments follow.
    @inlinable @inline(__always)
    public var moreFragments: Bool { bytes.uint8(at: 6) & 0x20 != 0 }
    /// Where the payload lies in the whole one, in bytes.
    @inlinable @inline(__always)
    public var fragmentOffset: Int { Int(bytes.uint16(at: 6) & 0x1FFF) * 8 }
    /// Whether it is one of several fragments.
    @inlinable @inline(__always)
    public var isFragment: Bool { bytes.uint16(at: 6) & 0x3FFF != 0 }
    /// How many more routers it may pass.
    @inlinable @inline(__always)
    public var timeToLive: UInt8 { bytes.uint8(at: 8) }
    /// What the payload is.
    @inlinable @inline(__always)
    public var `protocol`: IPProtocol { IPProtocol(rawValue: bytes.uint8(at: 9)) }
    /// The checksum field as it stands.
    @inlinable @inline(__always)
    public var headerChecksum: UInt16 { bytes.uint16(at: 10) }
    /// From whom.
    @inlinable @inline(__always)
    public var source: IPv4Address { IPv4Address(bits: bytes.uint32(at: 12)) }
    /// To whom.
    @inlinable @inline(__always)
    public var destination: IPv4Address { IPv4Address(bits: bytes.uint32(at: 16)) }

    /// Whether the header has options.
    @inlinable @inline(__always)
    public var hasOptions: Bool { bytes.uint8(at: 0) != 0x45 }
    /// The options, unread: none to 40 bytes.
    @inlinable @inline(__always)
    public var options: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(IPv4Header.byteCountMin..<headerByteCount) }
    }
    /// The header with its options.
    @inlinable @inline(__always)
    public var headerBytes: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(0..<headerByteCount) }
    }
    /// Bytes of the payload, whether they lie in ``bytes`` or in further slices.
    @inlinable @inline(__always)
    public var payloadByteCount: Int { totalLength - headerByteCount }
    /// The payload without padding, as far as it lies in ``bytes``.
    @inlinable @inline(__always)
    public var payload: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(headerByteCount..<min(totalLength, bytes.byteCount)) }
    }

    /// Whether the header is as its sender wrote it.
    @inlinable @inline(__always)
    public var isChecksumValid: Bool { IPv4Header.sum(of: headerBytes) == 0xFFFF }
}

/// Flags and offset of an IPv4 packet among its fragments: always a multiple of eight bytes below 65,536.
@frozen
public struct IPv4Fragmentation: Hashable, Sendable, BitwiseCopyable {
    /// The 16 bits on the wire; the reserved one is zero.
    public let bits: UInt16

    @inlinable
    init(bits: UInt16) { self.bits = bits & 0x7FFF }

    /// A place among fragments; `nil` unless `offset` is a multiple of 8 from 0 to 65,528.
    @inlinable
    public init?(offset: Int, moreFragments: Bool, dontFragment: Bool = false) {
        guard offset >= 0, offset <= 0xFFF8, offset & 7 == 0 else { return nil }
        bits = UInt16(truncatingIfNeeded: offset >> 3) | (moreFragments ? 0x2000 : 0) | (dontFragment ? 0x4000 : 0)
    }

    /// A whole packet that routers may fragment.
    @inlinable
    public static var allowed: Self { Self(bits: 0) }
    /// A whole packet that routers may not fragment.
    @inlinable
    public static var forbidden: Self { Self(bits: 0x4000) }

    /// Whether routers may not fragment it.
    @inlinable
    public var dontFragment: Bool { bits & 0x4000 != 0 }
    /// Whether more fragments follow.
    @inlinable
    public var moreFragments: Bool { bits & 0x2000 != 0 }
    /// Where the payload lies in the whole one, in bytes.
    @inlinable
    public var offset: Int { Int(bits & 0x1FFF) * 8 }
}

/// The header of an IPv4 packet (RFC 791), without the options themselves.
@frozen
public struct IPv4Header: Hashable, Sendable, BitwiseCopyable {
    /// From whom.
    public var source: IPv4Address
    /// To whom.
    public var destination: IPv4Address
    /// What the payload is.
    public var `protocol`: IPProtocol
    /// How many more routers it may pass.
    public var timeToLive: UInt8
    /// The differentiated services field with the two ECN bits (RFC 2474, RFC 3168).
    public var typeOfService: UInt8
    @usableFromInline let headerWords: UInt8
    /// What tells the fragments of one packet from those of another.
    public var identification: UInt16
    /// Flags and offset.
    public var fragmentation: IPv4Fragmentation
    /// Bytes of header, options and payload.
    public let totalLength: UInt16

    /// A header before `payloadByteCount` bytes.
    ///
    /// `nil` when the parts do not fit in 65,535 bytes, or when `optionsByteCount` is not a multiple of four from 0 to 40.
    @inlinable @inline(__always)
    public init?(
        source: IPv4Address, destination: IPv4Address, protocol: IPProtocol, payloadByteCount: Int,
        timeToLive: UInt8 = 64, typeOfService: UInt8 = 0, identification: UInt16 = 0,
        fragmentation: IPv4Fragmentation = .forbidden, optionsByteCount: Int = 0
    ) {
        guard optionsByteCount >= 0, optionsByteCount <= Self.optionsBytesMax, optionsByteCount & 3 == 0 else {
            return nil
        }
        let headerByteCount = Self.byteCountMin + optionsByteCount
        guard payloadByteCount >= 0, payloadByteCount <= Self.totalLengthMax - headerByteCount else { return nil }
        self.source = source
        self.destination = destination
        self.protocol = `protocol`
        self.timeToLive = timeToLive
        self.typeOfService = typeOfService
        headerWords = UInt8(truncatingIfNeeded: headerByteCount / 4)
        self.identification = identification
        self.fragmentation = fragmentation
        totalLength = UInt16(truncatingIfNeeded: headerByteCount + payloadByteCount)
    }

    /// The header of a packet that was read.
    @inlinable
    public init(_ view: IPv4View) {
        source = view.source
        destination = view.destination
        self.protocol = view.protocol
        timeToLive = view.timeToLive
        typeOfService = view.typeOfService
        headerWords = UInt8(truncatingIfNeeded: view.headerByteCount / 4)
        identification = view.identification
        fragmentation = IPv4Fragmentation(bits: view.bytes.uint16(at: 6))
        totalLength = UInt16(truncatingIfNeeded: view.totalLength)
    }

    /// Bytes of a header without options: 20.
    @inlinable
    public static var byteCountMin: Int { 20 }
    /// The most bytes the header length field can count beyond the first 20: 40.
    @inlinable
    public static var optionsBytesMax: Int { 40 }
    /// The most bytes the total length field can count: 65,535.
    @inlinable
    public static var totalLengthMax: Int { 65_535 }

    /// Bytes of the header with its options: 20 to 60.
    @inlinable
    public var byteCount: Int { Int(headerWords) * 4 }
    /// Bytes of options.
    @inlinable
    public var optionsByteCount: Int { byteCount - Self.byteCountMin }
    /// Bytes after header and options.
    @inlinable
    public var payloadByteCount: Int { Int(totalLength) - byteCount }

    /// Writes the header at `offset`, with its checksum, and returns ``byteCount``.
    ///
    /// Options, if there are any, must already stand 20 bytes after `offset`: the checksum covers them.
    @inlinable @inline(__always)
    @discardableResult
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int = 0) -> Int {
        // The checksum comes from the fields: loading again what was just stored in other widths would stall.
        let first =
            UInt32(0x40 | headerWords) << 24 | UInt32(typeOfService) << 16 | UInt32(totalLength)
        let second = UInt32(identification) << 16 | UInt32(fragmentation.bits)
        let third = UInt32(timeToLive) << 24 | UInt32(`protocol`.rawValue) << 16
        var sum = UInt64(first) &+ UInt64(second) &+ UInt64(third) &+ UInt64(source.bits) &+ UInt64(destination.bits)
        if byteCount != Self.byteCountMin {
            sum &+= Self.wordSum(of: span.bytes.extracting(offset + Self.byteCountMin..<offset + byteCount))
        }
        var header = span.part(at: offset, count: Self.byteCountMin)
        header.store(first, at: 0)
        header.store(second, at: 4)
        header.store(third | UInt32(~Self.folded(sum)), at: 8)
        header.store(source.bits, at: 12)
        header.store(destination.bits, at: 16)
        return byteCount
    }

    /// Computes the checksum of the header that stands at `offset` afresh, over its options too.
    @inlinable @inline(__always)
    @_lifetime(span: copy span)
    public static func updateChecksum(in span: inout MutableRawSpan, at offset: Int = 0) {
        span.store(UInt16(0), at: offset + 10)
        let byteCount = Int(span.bytes.uint8(at: offset) & 0xF) * 4
        span.store(~sum(of: span.bytes.extracting(offset..<offset + byteCount)), at: offset + 10)
    }

    /// The ones' complement sum of a header of at least 20 bytes (RFC 1071).
    @inlinable @inline(__always)
    static func sum(of header: RawSpan) -> UInt16 {
        // Most headers have no options: their five words need no loop.
        var sum = UInt64(header.uint32(at: 0)) &+ UInt64(header.uint32(at: 4)) &+ UInt64(header.uint32(at: 8))
        sum &+= UInt64(header.uint32(at: 12)) &+ UInt64(header.uint32(at: 16))
        if header.byteCount != byteCountMin {
            sum &+= wordSum(of: header.extracting(byteCountMin..<header.byteCount))
        }
        return folded(sum)
    }

    /// The sum of the whole words of `bytes`.
    @inlinable
    static func wordSum(of bytes: RawSpan) -> UInt64 {
        var sum: UInt64 = 0
        for word in 0..<bytes.byteCount / 4 { sum &+= UInt64(bytes.uint32(at: word &* 4)) }
        return sum
    }

    /// A sum of at most 2^32 words in 16 bits, with the carries brought round.
    @inlinable @inline(__always)
    static func folded(_ sum: UInt64) -> UInt16 {
        let half = (sum & 0xFFFF_FFFF) &+ (sum &>> 32)
        let quarter = (half & 0xFFFF) &+ (half &>> 16 & 0xFFFF) &+ (half &>> 32)
        return UInt16(truncatingIfNeeded: (quarter & 0xFFFF) &+ (quarter &>> 16))
    }
}
