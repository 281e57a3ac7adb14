public import ChimneyPrimitives

/// An IGMP message, read in place (RFC 9776 §4).
public typealias IGMPView = MembershipMessageView<IPv4Address>
/// An MLD message, read in place from its ICMPv6 type on (RFC 9777 §5).
public typealias MLDView = MembershipMessageView<IPv6Address>
/// An IGMP message to send.
public typealias IGMPMessage = MembershipMessage<IPv4Address>
/// An MLD message to send.
public typealias MLDMessage = MembershipMessage<IPv6Address>

/// A message about group membership, read in place.
@frozen
public struct MembershipMessageView<Address: MembershipAddress>: ~Escapable {
    /// The message from its type on.
    public let bytes: RawSpan

    /// Reads the first eight bytes, which every message has; ``content()`` reads on.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(MembershipMessageError) {
        guard bytes.byteCount >= 8 else { throw .truncated }
        self.bytes = bytes
    }

    /// The type as it stands.
    public var rawType: UInt8 { bytes.uint8(at: 0) }

    /// Whether the message, which must lie in one piece, is as its sender wrote it.
    ///
    /// Bytes behind the fields count too (RFC 9776 §4.1.10 and §4.2.12).
    public func isChecksumValid(from source: Address, to destination: Address) -> Bool {
        Address.isMembershipChecksumValid(bytes, from: source, to: destination)
    }

    /// What the message says.
    @_lifetime(copy self)
    public func content() throws(MembershipMessageError) -> MembershipContent<Address> {
        guard let kind = Address.membershipKind(ofType: rawType) else { throw .unknownType }
        switch kind {
        case .query: return .query(try MembershipQueryView(bytes))
        case .reportV1: return .reportV1(try group())
        case .reportV2: return .reportV2(try group())
        case .leave: return .leave(try group())
        case .reportV3: return .reportV3(try GroupRecordsView(ofReport: bytes))
        }
    }

    /// The group of an older report or leave; what stands behind is ignored (RFC 2236 §2.5).
    private func group() throws(MembershipMessageError) -> Address {
        guard bytes.byteCount >= Address.shortByteCount else { throw .truncated }
        return Address.read(bytes, at: Address.groupOffset)
    }
}

/// What a message about group membership says.
@frozen
public enum MembershipContent<Address: MembershipAddress>: ~Escapable {
    /// Asks which groups are listened to.
    case query(MembershipQueryView<Address>)
    /// Tells of one group, in version 1.
    case reportV1(Address)
    /// Tells of one group, in version 2.
    case reportV2(Address)
    /// Tells that a group is left.
    case leave(Address)
    /// Tells of groups and their sources.
    case reportV3(GroupRecordsView<Address>)
}

/// A message about group membership to send.
public enum MembershipMessage<Address: MembershipAddress>: Hashable, Sendable {
    /// Asks which groups are listened to.
    case query(MembershipQuery<Address>)
    /// Tells of one group, in version 1; only IGMP has it.
    case reportV1(Address)
    /// Tells of one group, in version 2.
    case reportV2(Address)
    /// Tells that a group is left.
    case leave(Address)
    /// Tells of groups and their sources.
    case reportV3([GroupRecord<Address>])

    /// What the message is for.
    public var kind: MembershipMessageKind {
        switch self {
        case .query: .query
        case .reportV1: .reportV1
        case .reportV2: .reportV2
        case .leave: .leave
        case .reportV3: .reportV3
        }
    }

    /// Bytes of the message.
    public var byteCount: Int {
        switch self {
        case .query(let query): query.byteCount
        case .reportV1, .reportV2, .leave: Address.shortByteCount
        case .reportV3(let records): records.reduce(Address.reportByteCount) { $0 + $1.byteCount }
        }
    }

    /// Where the message goes (RFC 9776 §4.1.12 and §4.2.15, RFC 2236 §3).
    public var destination: Address {
        switch self {
        case .query(let query): query.destination
        case .reportV1(let group), .reportV2(let group): group
        case .leave: Address.leaveDestination
        case .reportV3: Address.reportDestination
        }
    }

    /// Writes the message at `offset`, where ``byteCount`` bytes must be free, and returns that count.
    ///
    /// The addresses are those of the packet, which the checksum of MLD covers. A type that the family lacks is written
    /// as version 2's.
    @discardableResult
    @_lifetime(span: copy span)
    public func write(
        into span: inout MutableRawSpan, at offset: Int = 0, source: Address, destination: Address
    ) -> Int {
        let count = byteCount
        // Four bytes at a time: every message is a whole number of words.
        for word in 0..<min(count, Address.queryByteCount) / 4 { span.store(UInt32(0), at: offset + word * 4) }
        let type = Address.membershipType(of: kind) ?? Address.membershipType(of: .reportV2)
        span.store(type ?? 0, at: offset)
        switch self {
        case .query(let query): query.writeFields(into: &span, at: offset)
        case .reportV1(let group), .reportV2(let group), .leave(let group):
            group.write(into: &span, at: offset + Address.groupOffset)
        case .reportV3(let records):
            span.store(UInt16(truncatingIfNeeded: records.count), at: offset + 6)
            var position = offset + Address.reportByteCount
            for record in records { position += record.write(into: &span, at: position) }
        }
        Address.storeMembershipChecksum(
            in: &span, at: offset, byteCount: count, source: source, destination: destination)
        return count
    }
}
