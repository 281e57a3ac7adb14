public import ChimneyPrimitives

/// Why bytes are not a UDP datagram.
@frozen
public enum UDPError: Error, Hashable, Sendable, CaseIterable {
    /// Fewer than 8 bytes.
    case truncated
    /// The length field does not even count its own header.
    case lengthBelowHeader
    /// The length field counts more bytes than the packet has.
    case lengthBeyondPacket
}

/// A UDP datagram, read in place (RFC 768).
@frozen
public struct UDPView: ~Escapable {
    /// The datagram from its source port on; bytes beyond ``length`` do not belong to it.
    public let bytes: RawSpan

    /// Reads a datagram that lies in one piece.
    @inlinable @inline(__always)
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(UDPError) {
        try self.init(bytes, of: bytes.byteCount)
    }

    /// Reads a datagram of which `bytes` is the beginning and `byteCount` the length with all its slices.
    @inlinable @inline(__always)
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan, of byteCount: Int) throws(UDPError) {
        guard bytes.byteCount >= UDPHeader.byteCount else { throw .truncated }
        let length = Int(bytes.uint16(at: 4))
        guard length >= UDPHeader.byteCount else { throw .lengthBelowHeader }
        guard length <= byteCount else { throw .lengthBeyondPacket }
        self.bytes = bytes
    }

    /// The port it came from; 0 when the sender expects no answer.
    @inlinable @inline(__always)
    public var sourcePort: UInt16 { bytes.uint16(at: 0) }
    /// The port it goes to.
    @inlinable @inline(__always)
    public var destinationPort: UInt16 { bytes.uint16(at: 2) }
    /// Bytes of header and payload.
    @inlinable @inline(__always)
    public var length: Int { Int(bytes.uint16(at: 4)) }
    /// The checksum field as it stands.
    @inlinable @inline(__always)
    public var checksum: UInt16 { bytes.uint16(at: 6) }
    /// Whether the sender computed a checksum: over IPv4 a field of zero says that it did not (RFC 768).
    @inlinable @inline(__always)
    public var hasChecksum: Bool { checksum != 0 }

    /// Whether a datagram that lies in one piece is as its sender wrote it; always, when it has no checksum.
    @inlinable @inline(__always)
    public func isChecksumValid(from source: IPv4Address, to destination: IPv4Address) -> Bool {
        guard hasChecksum else { return true }
        let pseudo = InternetChecksum.pseudoHeader(
            source, destination, protocol: IPProtocol.udp.rawValue, length: length)
        let covered = bytes.extracting(0..<min(length, bytes.byteCount))
        return InternetChecksum.finish(InternetChecksum.sum(covered, initial: pseudo)) == 0
    }

    /// The payload, as far as it lies in ``bytes``.
    @inlinable @inline(__always)
    public var payload: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(UDPHeader.byteCount..<min(length, bytes.byteCount)) }
    }

    /// The fields as a value.
    @inlinable
    public var header: UDPHeader {
        UDPHeader(sourcePort: sourcePort, destinationPort: destinationPort, length: bytes.uint16(at: 4))
    }
}

/// The 8 bytes before a UDP payload.
@frozen
public struct UDPHeader: Hashable, Sendable, BitwiseCopyable {
    /// The port it comes from.
    public var sourcePort: UInt16
    /// The port it goes to.
    public var destinationPort: UInt16
    /// Bytes of header and payload, at least 8.
    public let length: UInt16

    /// A header before `payloadByteCount` bytes; `nil` when the length field cannot hold them with the header.
    @inlinable
    public init?(sourcePort: UInt16, destinationPort: UInt16, payloadByteCount: Int) {
        guard payloadByteCount >= 0, payloadByteCount <= Self.payloadBytesMax else { return nil }
        self.init(
            sourcePort: sourcePort, destinationPort: destinationPort,
            length: UInt16(truncatingIfNeeded: Self.byteCount + payloadByteCount))
    }

    @inlinable
    init(sourcePort: UInt16, destinationPort: UInt16, length: UInt16) {
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.length = length
    }

    /// 8.
    @inlinable
    public static var byteCount: Int { 8 }
    /// The most payload the length field can count: 65,527 bytes.
    @inlinable
    public static var payloadBytesMax: Int { 65_535 - byteCount }

    /// The checksum field over a payload with this sum: never 0, which would say that there is none (RFC 768).
    @inlinable @inline(__always)
    public func checksum(from source: IPv4Address, to destination: IPv4Address, payloadSum: UInt32) -> UInt16 {
        let pseudo = InternetChecksum.pseudoHeader(
            source, destination, protocol: IPProtocol.udp.rawValue, length: Int(length))
        let ports = (UInt32(sourcePort) << 16 | UInt32(destinationPort)).bigEndian
        let sum = InternetChecksum.add(
            InternetChecksum.add(pseudo, payloadSum), InternetChecksum.add(ports, UInt32(length.bigEndian)))
        let checksum = InternetChecksum.finish(sum)
        return checksum == 0 ? 0xFFFF : checksum
    }

    /// Writes the header at `offset`, where 8 bytes must be free, and returns 8.
    ///
    /// - Parameters:
    ///   - span: where to.
    ///   - offset: where in the span.
    ///   - checksum: the field as it goes on the wire; 0 says that there is none.
    /// - Returns: 8.
    @inlinable @inline(__always)
    @discardableResult
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int = 0, checksum: UInt16 = 0) -> Int {
        let ports = UInt64(sourcePort) << 48 | UInt64(destinationPort) << 32
        span.store(ports | UInt64(length) << 16 | UInt64(checksum), at: offset)
        return Self.byteCount
    }
}
