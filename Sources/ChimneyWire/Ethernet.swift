public import ChimneyPrimitives

/// Why bytes are not an Ethernet frame.
@frozen
public enum EthernetError: Error, Hashable, Sendable, CaseIterable {
    /// Fewer than 14 bytes.
    case truncated
}

/// An Ethernet II frame, read in place (RFC 894).
///
/// The frame check sequence is the device's business and not in the bytes.
@frozen
public struct EthernetView: ~Escapable {
    /// The frame from its destination address on.
    public let bytes: RawSpan

    /// Reads a frame; the length is checked here, once.
    @inlinable @inline(__always)
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(EthernetError) {
        guard bytes.byteCount >= EthernetHeader.byteCount else { throw .truncated }
        self.bytes = bytes
    }

    /// To whom.
    @inlinable @inline(__always)
    public var destination: MACAddress { MACAddress(bits: bytes.uint64(at: 0) >> 16) }
    /// From whom.
    @inlinable @inline(__always)
    public var source: MACAddress { MACAddress(bits: bytes.uint64(at: 6) >> 16) }
    /// What the payload is.
    @inlinable @inline(__always)
    public var etherType: EtherType { EtherType(rawValue: bytes.uint16(at: 12)) }

    /// What follows the header, with the padding to the least frame size if there is any.
    @inlinable @inline(__always)
    public var payload: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(EthernetHeader.byteCount..<bytes.byteCount) }
    }

    /// The fields as a value.
    @inlinable
    public var header: EthernetHeader {
        EthernetHeader(destination: destination, source: source, etherType: etherType)
    }
}

/// The 14 bytes before an Ethernet payload.
@frozen
public struct EthernetHeader: Hashable, Sendable, BitwiseCopyable {
    /// To whom.
    public var destination: MACAddress
    /// From whom.
    public var source: MACAddress
    /// What the payload is.
    public var etherType: EtherType

    /// A header with these fields.
    @inlinable
    public init(destination: MACAddress, source: MACAddress, etherType: EtherType) {
        self.destination = destination
        self.source = source
        self.etherType = etherType
    }

    /// 14.
    @inlinable
    public static var byteCount: Int { 14 }

    /// Writes the header at `offset`, where 14 bytes must be free, and returns 14.
    @inlinable @inline(__always)
    @discardableResult
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int = 0) -> Int {
        var out = span.part(at: offset, count: Self.byteCount)
        out.store(destination.bits << 16 | source.bits >> 32, at: 0)
        out.store(UInt32(truncatingIfNeeded: source.bits), at: 8)
        out.store(etherType.rawValue, at: 12)
        return Self.byteCount
    }
}
