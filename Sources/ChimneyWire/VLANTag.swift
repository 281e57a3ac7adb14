/// Why bytes are not a VLAN tag.
@frozen
public enum VLANError: Error, Hashable, Sendable, CaseIterable {
    /// Fewer than 4 bytes.
    case truncated
    /// The identifier is 4,095, which IEEE 802.1Q reserves.
    case reservedIdentifier
}

/// A VLAN tag, read in place behind the EtherType that announces it: IEEE 802.1Q, or 802.1ad for the outer of two.
@frozen
public struct VLANTagView: ~Escapable {
    /// The tag from its control field on.
    public let bytes: RawSpan

    /// Reads the tag at the beginning of a payload whose type ``EtherType/isTag``.
    @inlinable
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(VLANError) {
        guard bytes.byteCount >= VLANTag.byteCount else { throw .truncated }
        guard bytes.uint16(at: 0) & 0xFFF != 0xFFF else { throw .reservedIdentifier }
        self.bytes = bytes
    }

    /// The fields as a value.
    @inlinable
    public var tag: VLANTag {
        VLANTag(control: bytes.uint16(at: 0), etherType: EtherType(rawValue: bytes.uint16(at: 2)))
    }
    /// The VLAN; 0 says that the tag carries a priority only.
    @inlinable
    public var identifier: UInt16 { bytes.uint16(at: 0) & 0xFFF }
    /// What follows the tag, maybe another tag.
    @inlinable
    public var etherType: EtherType { EtherType(rawValue: bytes.uint16(at: 2)) }
    /// What follows the tag.
    @inlinable
    public var payload: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(VLANTag.byteCount..<bytes.byteCount) }
    }
}

/// The 4 bytes that put a frame into a VLAN, with the type of what follows them.
@frozen
public struct VLANTag: Hashable, Sendable, BitwiseCopyable {
    /// Priority, drop eligibility and identifier as they stand on the wire.
    public let control: UInt16
    /// What follows the tag.
    public var etherType: EtherType

    @inlinable
    init(control: UInt16, etherType: EtherType) {
        self.control = control
        self.etherType = etherType
    }

    /// A tag; `nil` unless `identifier` is at most 4,094 and `priority` at most 7.
    @inlinable
    public init?(identifier: UInt16, priority: UInt8 = 0, isDropEligible: Bool = false, etherType: EtherType) {
        guard identifier < 0xFFF, priority < 8 else { return nil }
        self.init(
            control: UInt16(priority) << 13 | (isDropEligible ? 0x1000 : 0) | identifier, etherType: etherType)
    }

    /// 4.
    @inlinable
    public static var byteCount: Int { 4 }

    /// The VLAN; 0 says that the tag carries a priority only.
    @inlinable
    public var identifier: UInt16 { control & 0xFFF }
    /// The priority code point, 0 to 7.
    @inlinable
    public var priority: UInt8 { UInt8(truncatingIfNeeded: control >> 13) }
    /// Whether the frame goes first when a queue is full.
    @inlinable
    public var isDropEligible: Bool { control & 0x1000 != 0 }

    /// Writes the tag at `offset`, where 4 bytes must be free, and returns 4.
    @inlinable
    @discardableResult
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int = 0) -> Int {
        span.store(control, at: offset)
        span.store(etherType.rawValue, at: offset + 2)
        return Self.byteCount
    }
}
