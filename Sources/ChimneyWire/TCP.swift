/// Why bytes are not a TCP segment.
@frozen
public enum TCPError: Error, Hashable, Sendable, CaseIterable {
    /// Fewer than 20 bytes.
    case truncated
    /// The data offset does not even count the fixed header.
    case offsetBelowHeader
    /// The data offset reaches beyond the segment.
    case offsetBeyondSegment
}

/// The control bits of a TCP header (RFC 9293 §3.1, RFC 3168 §6.1).
@frozen
public struct TCPFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The bits as they stand: the low twelve of the word with the data offset.
    public let rawValue: UInt16

    /// The bits of a word; those of the data offset are left out.
    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue & 0x0FFF }

    /// The sender has no more data.
    @inlinable
    public static var fin: Self { Self(rawValue: 1) }
    /// Sequence numbers begin.
    @inlinable
    public static var syn: Self { Self(rawValue: 2) }
    /// The connection is gone.
    @inlinable
    public static var rst: Self { Self(rawValue: 4) }
    /// The data is for the reader now.
    @inlinable
    public static var psh: Self { Self(rawValue: 8) }
    /// The acknowledgement number means something.
    @inlinable
    public static var ack: Self { Self(rawValue: 16) }
    /// The urgent pointer means something.
    @inlinable
    public static var urg: Self { Self(rawValue: 32) }
    /// Congestion marks arrived (RFC 3168).
    @inlinable
    public static var ece: Self { Self(rawValue: 64) }
    /// The congestion window was reduced (RFC 3168).
    @inlinable
    public static var cwr: Self { Self(rawValue: 128) }
    /// Accurate congestion marks (RFC 9768); once the nonce sum.
    @inlinable
    public static var ae: Self { Self(rawValue: 256) }
}

/// A TCP segment, read in place (RFC 9293 §3.1).
@frozen
public struct TCPView: ~Escapable {
    /// The segment from its source port on, as far as it lies in one piece; the whole header does.
    public let bytes: RawSpan

    /// Reads a segment that lies in one piece.
    @inlinable @inline(__always)
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(TCPError) {
        guard bytes.byteCount >= TCPHeader.byteCount else { throw .truncated }
        let header = Int(bytes.uint8(at: 12) >> 4) &* 4
        guard header >= TCPHeader.byteCount else { throw .offsetBelowHeader }
        guard header <= bytes.byteCount else { throw .offsetBeyondSegment }
        self.bytes = bytes
    }

    /// The port it came from.
    @inlinable @inline(__always)
    public var sourcePort: UInt16 { bytes.uint16(at: 0) }
    /// The port it goes to.
    @inlinable @inline(__always)
    public var destinationPort: UInt16 { bytes.uint16(at: 2) }
    /// The number of the first byte, or of the SYN.
    @inlinable @inline(__always)
    public var sequence: UInt32 { bytes.uint32(at: 4) }
    /// The next number the sender expects, when ``TCPFlags/ack`` is set.
    @inlinable @inline(__always)
    public var acknowledgment: UInt32 { bytes.uint32(at: 8) }
    /// Bytes of header and options.
    @inlinable @inline(__always)
    public var headerByteCount: Int { Int(bytes.uint8(at: 12) >> 4) &* 4 }
    /// The control bits.
    @inlinable @inline(__always)
    public var flags: TCPFlags { TCPFlags(rawValue: bytes.uint16(at: 12)) }
    /// How much the sender is ready to take, not scaled.
    @inlinable @inline(__always)
    public var window: UInt16 { bytes.uint16(at: 14) }
    /// The checksum field as it stands.
    @inlinable @inline(__always)
    public var checksum: UInt16 { bytes.uint16(at: 16) }
    /// Where urgent data ends, when ``TCPFlags/urg`` is set.
    @inlinable @inline(__always)
    public var urgentPointer: UInt16 { bytes.uint16(at: 18) }

    /// The bytes of the options, padding included.
    @inlinable @inline(__always)
    public var optionBytes: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(TCPHeader.byteCount..<headerByteCount) }
    }

    /// The payload, as far as it lies in ``bytes``.
    @inlinable @inline(__always)
    public var payload: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(headerByteCount..<bytes.byteCount) }
    }

    /// The fields as a value, without the options.
    @inlinable
    public var header: TCPHeader {
        TCPHeader(
            sourcePort: sourcePort, destinationPort: destinationPort, sequence: sequence,
            acknowledgment: acknowledgment, flags: flags, window: window, urgentPointer: urgentPointer)
    }
}

/// The 20 bytes that every TCP segment begins with.
@frozen
public struct TCPHeader: Hashable, Sendable, BitwiseCopyable {
    /// The port it comes from.
    public var sourcePort: UInt16
    /// The port it goes to.
    public var destinationPort: UInt16
    /// The number of the first byte, or of the SYN.
    public var sequence: UInt32
    /// The next number expected, when ``TCPFlags/ack`` is set.
    public var acknowledgment: UInt32
    /// The control bits.
    public var flags: TCPFlags
    /// How much the sender is ready to take, not scaled.
    public var window: UInt16
    /// Where urgent data ends, when ``TCPFlags/urg`` is set.
    public var urgentPointer: UInt16

    /// A header with these fields.
    @inlinable
    public init(
        sourcePort: UInt16, destinationPort: UInt16, sequence: UInt32, acknowledgment: UInt32, flags: TCPFlags,
        window: UInt16, urgentPointer: UInt16 = 0
    ) {
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.sequence = sequence
        self.acknowledgment = acknowledgment
        self.flags = flags
        self.window = window
        self.urgentPointer = urgentPointer
    }

    /// 20.
    @inlinable
    public static var byteCount: Int { 20 }
    /// The most bytes of header and options that the data offset can count: 60.
    @inlinable
    public static var byteCountMax: Int { 60 }
    /// Where in the header the checksum stands.
    @inlinable
    public static var checksumOffset: Int { 16 }

    /// Writes header and options at `offset`, where they must fit, with a checksum of zero.
    ///
    /// - Parameters:
    ///   - span: where to.
    ///   - offset: where in the span.
    ///   - options: what follows the fixed header.
    /// - Returns: the bytes written, a multiple of four.
    @inlinable
    @discardableResult
    @_lifetime(span: copy span)
    public func write(
        into span: inout MutableRawSpan, at offset: Int = 0, options: TCPOptionValues = TCPOptionValues()
    ) -> Int {
        let count = Self.byteCount &+ options.byteCount
        span.store(UInt64(sourcePort) << 48 | UInt64(destinationPort) << 32 | UInt64(sequence), at: offset)
        let word = UInt64(UInt16(truncatingIfNeeded: count) << 10 | flags.rawValue)
        span.store(UInt64(acknowledgment) << 32 | word << 16 | UInt64(window), at: offset + 8)
        span.store(UInt32(urgentPointer), at: offset + 16)
        if count > Self.byteCount { options.write(into: &span, at: offset + Self.byteCount) }
        return count
    }
}
