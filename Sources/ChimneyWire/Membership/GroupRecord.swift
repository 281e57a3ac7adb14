/// What a group record says about its sources (RFC 9776 §4.2.13, RFC 9777 §5.2.12).
@frozen
public enum GroupRecordKind: UInt8, Sendable, CaseIterable {
    /// Only these sources are wanted.
    case isInclude = 1
    /// All sources but these are wanted.
    case isExclude = 2
    /// From now on only these sources are wanted.
    case toInclude = 3
    /// From now on all sources but these are wanted.
    case toExclude = 4
    /// These sources are wanted too.
    case allow = 5
    /// These sources are not wanted any more.
    case block = 6

    /// Whether the record tells of all sources but those listed, and can therefore not be split.
    @inlinable
    public var isExcluding: Bool { self == .isExclude || self == .toExclude }
}

/// What a host says about one group in a report.
public struct GroupRecord<Address: MembershipAddress>: Hashable, Sendable {
    /// What is said of the sources.
    public var kind: GroupRecordKind
    /// The group.
    public var group: Address
    /// The sources, in order.
    public var sources: [Address]

    /// A record; at most 65,535 sources can be written.
    public init(_ kind: GroupRecordKind, _ group: Address, _ sources: [Address] = []) {
        self.kind = kind
        self.group = group
        self.sources = sources
    }

    /// Bytes of the record.
    public var byteCount: Int { Address.recordByteCount + sources.count * Address.byteCount }

    /// Writes the record without auxiliary data (RFC 9776 §4.2.11) and returns ``byteCount``.
    @_lifetime(span: copy span)
    func write(into span: inout MutableRawSpan, at offset: Int) -> Int {
        span.store(kind.rawValue, at: offset)
        span.store(UInt8(0), at: offset + 1)
        span.store(UInt16(truncatingIfNeeded: sources.count), at: offset + 2)
        group.write(into: &span, at: offset + 4)
        var position = offset + Address.recordByteCount
        for source in sources {
            source.write(into: &span, at: position)
            position += Address.byteCount
        }
        return position - offset
    }
}

/// The sources of a query or record, read in place.
@frozen
public struct SourceListView<Address: MembershipAddress>: ~Escapable {
    /// The addresses and nothing else.
    public let bytes: RawSpan

    @usableFromInline
    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    /// How many there are.
    @inlinable
    public var count: Int { bytes.byteCount / Address.byteCount }
    /// The source at `index`, from 0 to ``count`` - 1.
    @inlinable
    public subscript(index: Int) -> Address { Address.read(bytes, at: index * Address.byteCount) }
}

/// A group record, read in place.
@frozen
public struct GroupRecordView<Address: MembershipAddress>: ~Escapable {
    /// The record with its auxiliary data.
    public let bytes: RawSpan

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    /// What is said of the sources; `nil` for a kind that is not known, whose record is ignored (RFC 9776 §4.2.13).
    public var kind: GroupRecordKind? { GroupRecordKind(rawValue: bytes.uint8(at: 0)) }
    /// The group.
    public var group: Address { Address.read(bytes, at: 4) }
    /// The sources.
    public var sources: SourceListView<Address> {
        @_lifetime(copy self)
        get {
            let start = Address.recordByteCount
            return SourceListView(bytes.extracting(start..<start + Int(bytes.uint16(at: 2)) * Address.byteCount))
        }
    }
}

/// The records of a report, each known to fit.
@frozen
public struct GroupRecordsView<Address: MembershipAddress>: ~Escapable {
    /// The records left, from the first one's kind on, and whatever stands behind the last.
    public let bytes: RawSpan
    /// How many records are left.
    public private(set) var count: Int
    private var position = 0

    /// Walks over all records, as many as a report counts in its last two bytes before them.
    @_lifetime(copy report)
    init(ofReport report: RawSpan) throws(MembershipMessageError) {
        guard report.byteCount >= Address.reportByteCount else { throw .truncated }
        bytes = report.extracting(Address.reportByteCount..<report.byteCount)
        count = Int(report.uint16(at: 6))
        var end = 0
        for _ in 0..<count {
            guard bytes.byteCount - end >= Address.recordByteCount else { throw .recordTruncated }
            let length = Self.recordLength(bytes, at: end)
            guard bytes.byteCount - end >= length else { throw .recordTruncated }
            end += length
        }
    }

    /// The next record; `nil` behind the last.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    public mutating func next() -> GroupRecordView<Address>? {
        guard count > 0 else { return nil }
        let length = Self.recordLength(bytes, at: position)
        let record = bytes.extracting(position..<position + length)
        position += length
        count -= 1
        return GroupRecordView(record)
    }

    /// Sources and auxiliary data are counted, the data in words of four bytes (RFC 9776 §4.2.6).
    private static func recordLength(_ bytes: RawSpan, at start: Int) -> Int {
        Address.recordByteCount + Int(bytes.uint16(at: start + 2)) * Address.byteCount
            + Int(bytes.uint8(at: start + 1)) * 4
    }
}
