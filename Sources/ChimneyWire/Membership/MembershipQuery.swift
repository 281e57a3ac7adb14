public import ChimneyPrimitives

/// A query, read in place (RFC 9776 §4.1, RFC 9777 §5.1).
@frozen
public struct MembershipQueryView<Address: MembershipAddress>: ~Escapable {
    /// The message from its type on, and whatever stands behind it.
    public let bytes: RawSpan
    /// The version that the length tells.
    public let version: MembershipVersion

    /// Reads a message whose type is that of a query.
    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) throws(MembershipMessageError) {
        guard bytes.byteCount >= Address.shortByteCount else { throw .truncated }
        guard let version = Address.membershipVersion(ofQuery: bytes) else { throw .queryLength }
        if version == .v3 {
            let sourcesByteCount = Int(bytes.uint16(at: Address.shortByteCount + 2)) * Address.byteCount
            guard bytes.byteCount - Address.queryByteCount >= sourcesByteCount else { throw .sourcesTruncated }
        }
        self.bytes = bytes
        self.version = version
    }

    /// The longest wait before an answer; zero is possible.
    public var maxResponseTime: TimeSpan { Address.maxResponseTime(ofQuery: bytes, version: version) }
    /// The group asked about; none for all groups.
    ///
    /// A query of version 1 is about all groups whatever stands there (RFC 1112 appendix I).
    public var group: Address {
        version == .v1 ? Address(bits: 0) : Address.read(bytes, at: Address.groupOffset)
    }
    /// Whether routers keep their timers as they are (RFC 9776 §4.1.5); hosts do not care.
    public var suppressesRouters: Bool { flags & 8 != 0 }
    /// How many times the querier wants things said; `nil` when it does not tell.
    public var robustness: Int? { flags & 7 == 0 ? nil : Int(flags & 7) }
    /// How often the querier asks; `nil` when it does not tell.
    public var queryInterval: TimeSpan? {
        guard version == .v3 else { return nil }
        let seconds = MembershipCode.decoded(bytes.uint8(at: Address.shortByteCount + 1))
        return seconds == 0 ? nil : .seconds(Int64(seconds))
    }
    /// The sources asked about; none for all of them.
    public var sources: SourceListView<Address> {
        @_lifetime(copy self)
        get {
            let start = version == .v3 ? Address.queryByteCount : bytes.byteCount
            let count = version == .v3 ? Int(bytes.uint16(at: start - 2)) : 0
            return SourceListView(bytes.extracting(start..<start + count * Address.byteCount))
        }
    }

    private var flags: UInt8 { version == .v3 ? bytes.uint8(at: Address.shortByteCount) : 0 }
}

/// A query to send.
public struct MembershipQuery<Address: MembershipAddress>: Hashable, Sendable {
    /// The version in which it is asked.
    public var version: MembershipVersion
    /// The group asked about, or none for all groups.
    public var group: Address
    /// The longest wait before an answer.
    public var maxResponseTime: TimeSpan
    /// Whether routers keep their timers as they are.
    public var suppressesRouters = false
    /// How many times things are said, 0 to 7; zero does not tell.
    public var robustness: UInt8 = 2
    /// How often is asked; zero does not tell.
    public var queryInterval = TimeSpan.seconds(125)
    /// The sources asked about; only version 3 has any.
    public var sources: [Address] = []

    /// A query with these fields and the defaults of RFC 9776 §8.
    public init(_ version: MembershipVersion, group: Address = Address(bits: 0), maxResponseTime: TimeSpan) {
        self.version = version
        self.group = group
        self.maxResponseTime = maxResponseTime
    }

    /// Bytes of the message.
    public var byteCount: Int {
        version < .v3 ? Address.shortByteCount : Address.queryByteCount + sources.count * Address.byteCount
    }

    /// Where the query goes.
    public var destination: Address { group.isAny ? Address.allHosts : group }

    /// Writes all but type and checksum into zeroed bytes.
    @_lifetime(span: copy span)
    func writeFields(into span: inout MutableRawSpan, at offset: Int) {
        Address.store(maxResponseTime: maxResponseTime, version: version, in: &span, at: offset)
        group.write(into: &span, at: offset + Address.groupOffset)
        guard version == .v3 else { return }
        var position = offset + Address.shortByteCount
        span.store((suppressesRouters ? 8 : 0) | min(robustness, 7), at: position)
        let seconds = Int(clamping: queryInterval.nanoseconds / 1_000_000_000)
        span.store(MembershipCode.encoded8(seconds), at: position + 1)
        span.store(UInt16(truncatingIfNeeded: sources.count), at: position + 2)
        position += 4
        for source in sources {
            source.write(into: &span, at: position)
            position += Address.byteCount
        }
    }
}
