public import ChimneyPrimitives

/// What group membership needs of an address: the messages of IGMP and of MLD differ in where things stand.
public protocol MembershipAddress: InternetAddress {
    /// Bytes of an address on the wire.
    static var byteCount: Int { get }
    /// Where the group stands in a query, an older report and a leave.
    static var groupOffset: Int { get }
    /// Bytes of IP header and router alert before a message.
    static var overheadByteCount: Int { get }
    /// Where queries about all groups go: every host of the link. Nobody reports this group.
    static var allHosts: Self { get }
    /// Where leaves go: every router of the link.
    static var leaveDestination: Self { get }
    /// Where reports of version 3 go.
    static var reportDestination: Self { get }

    /// The first byte of a message of this kind, `nil` when the family has none.
    static func membershipType(of kind: MembershipMessageKind) -> UInt8?
    /// What a message of this type is for, `nil` when it is not about groups.
    static func membershipKind(ofType type: UInt8) -> MembershipMessageKind?
    /// The version of a query of this length, `nil` when it is none.
    static func membershipVersion(ofQuery bytes: RawSpan) -> MembershipVersion?
    /// The longest wait that a query of this version allows.
    static func maxResponseTime(ofQuery bytes: RawSpan, version: MembershipVersion) -> TimeSpan
    /// Stores the longest wait that a query allows, or the next shorter one that can be told.
    @_lifetime(span: copy span)
    static func store(
        maxResponseTime: TimeSpan, version: MembershipVersion, in span: inout MutableRawSpan, at offset: Int)

    /// The address at `offset`, whose bytes must lie in the span.
    static func read(_ bytes: RawSpan, at offset: Int) -> Self
    /// Stores the address at `offset`.
    @_lifetime(span: copy span)
    func write(into span: inout MutableRawSpan, at offset: Int)
    /// Whether a message is as its sender wrote it; MLD's sum covers the addresses of the packet.
    static func isMembershipChecksumValid(_ bytes: RawSpan, from source: Self, to destination: Self) -> Bool
    /// Stores the checksum of a message whose checksum field is zero.
    @_lifetime(span: copy span)
    static func storeMembershipChecksum(
        in span: inout MutableRawSpan, at offset: Int, byteCount: Int, source: Self, destination: Self)
}

extension MembershipAddress {
    /// Bytes of a query or older report that names a group and nothing more: 8 or 24.
    @inlinable
    public static var shortByteCount: Int { groupOffset + byteCount }
    /// Bytes of a version 3 query without sources: 12 or 28.
    @inlinable
    public static var queryByteCount: Int { shortByteCount + 4 }
    /// Bytes of a version 3 report without records.
    @inlinable
    public static var reportByteCount: Int { 8 }
    /// Bytes of a group record without sources: 8 or 20.
    @inlinable
    public static var recordByteCount: Int { 4 + byteCount }
}

extension IPv4Address: MembershipAddress {
    /// 4.
    @inlinable
    public static var byteCount: Int { 4 }
    /// 4.
    @inlinable
    public static var groupOffset: Int { 4 }
    /// 24: an IPv4 header and a router alert option (RFC 9776 §4).
    @inlinable
    public static var overheadByteCount: Int { 24 }
    /// 224.0.0.1.
    @inlinable
    public static var allHosts: Self { .allSystems }
    /// 224.0.0.2.
    @inlinable
    public static var leaveDestination: Self { Self(224, 0, 0, 2) }
    /// 224.0.0.22 (RFC 9776 §4.2.15).
    @inlinable
    public static var reportDestination: Self { Self(224, 0, 0, 22) }

    /// The types of IGMP (RFC 9776 §4).
    @inlinable
    public static func membershipType(of kind: MembershipMessageKind) -> UInt8? {
        switch kind {
        case .query: 0x11
        case .reportV1: 0x12
        case .reportV2: 0x16
        case .leave: 0x17
        case .reportV3: 0x22
        }
    }

    /// The kinds of IGMP's types.
    @inlinable
    public static func membershipKind(ofType type: UInt8) -> MembershipMessageKind? {
        switch type {
        case 0x11: .query
        case 0x12: .reportV1
        case 0x16: .reportV2
        case 0x17: .leave
        case 0x22: .reportV3
        default: nil
        }
    }

    /// Eight bytes are version 1 or 2 by the response code, 12 and more version 3 (RFC 9776 §7.1).
    @inlinable
    public static func membershipVersion(ofQuery bytes: RawSpan) -> MembershipVersion? {
        if bytes.byteCount == shortByteCount { return bytes.uint8(at: 1) == 0 ? .v1 : .v2 }
        return bytes.byteCount >= queryByteCount ? .v3 : nil
    }

    /// Tenths of seconds; version 1 says nothing and means ten seconds (RFC 9776 §7.2.1).
    @inlinable
    public static func maxResponseTime(ofQuery bytes: RawSpan, version: MembershipVersion) -> TimeSpan {
        switch version {
        case .v1: .seconds(10)
        case .v2: .milliseconds(100 * Int64(bytes.uint8(at: 1)))
        case .v3: .milliseconds(100 * Int64(MembershipCode.decoded(bytes.uint8(at: 1))))
        }
    }

    /// Stores tenths of seconds; version 1 tells none.
    @_lifetime(span: copy span)
    public static func store(
        maxResponseTime: TimeSpan, version: MembershipVersion, in span: inout MutableRawSpan, at offset: Int
    ) {
        let tenths = Int(clamping: maxResponseTime.nanoseconds / 100_000_000)
        switch version {
        case .v1: span.store(UInt8(0), at: offset + 1)
        // No tenth at all would make it a query of version 1.
        case .v2: span.store(UInt8(clamping: max(1, tenths)), at: offset + 1)
        case .v3: span.store(MembershipCode.encoded8(tenths), at: offset + 1)
        }
    }

    /// The address at `offset`.
    @inlinable
    public static func read(_ bytes: RawSpan, at offset: Int) -> Self { Self(bits: bytes.uint32(at: offset)) }

    /// Stores the address at `offset`.
    @inlinable
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int) { span.store(bits, at: offset) }

    /// IGMP's sum covers the message alone.
    @inlinable
    public static func isMembershipChecksumValid(
        _ bytes: RawSpan, from source: Self, to destination: Self
    ) -> Bool { InternetChecksum.finish(InternetChecksum.sum(bytes)) == 0 }

    /// Stores the sum of the message.
    @_lifetime(span: copy span)
    public static func storeMembershipChecksum(
        in span: inout MutableRawSpan, at offset: Int, byteCount: Int, source: Self, destination: Self
    ) {
        let sum = InternetChecksum.sum(span.bytes.extracting(offset..<offset + byteCount))
        span.store(InternetChecksum.finish(sum), at: offset + 2)
    }
}

extension IPv6Address: MembershipAddress {
    /// 16.
    @inlinable
    public static var byteCount: Int { 16 }
    /// 8.
    @inlinable
    public static var groupOffset: Int { 8 }
    /// 48: an IPv6 header and hop-by-hop options with a router alert (RFC 9777 §5).
    @inlinable
    public static var overheadByteCount: Int { 40 + MLDRouterAlert.byteCount }
    /// `ff02::1`.
    @inlinable
    public static var allHosts: Self { .allNodes }
    /// `ff02::2`.
    @inlinable
    public static var leaveDestination: Self { .allRouters }
    /// `ff02::16` (RFC 9777 §5.2.14).
    @inlinable
    public static var reportDestination: Self { Self(high: 0xFF02_0000_0000_0000, low: 0x16) }

    /// The types of MLD, which are ICMPv6's (RFC 9777 §5).
    @inlinable
    public static func membershipType(of kind: MembershipMessageKind) -> UInt8? {
        switch kind {
        case .query: ICMPv6Type.multicastListenerQuery.rawValue
        case .reportV1: nil
        case .reportV2: ICMPv6Type.multicastListenerReport.rawValue
        case .leave: ICMPv6Type.multicastListenerDone.rawValue
        case .reportV3: ICMPv6Type.multicastListenerReport2.rawValue
        }
    }

    /// The kinds of ICMPv6's types 130 to 132 and 143.
    @inlinable
    public static func membershipKind(ofType type: UInt8) -> MembershipMessageKind? {
        switch type {
        case 130: .query
        case 131: .reportV2
        case 132: .leave
        case 143: .reportV3
        default: nil
        }
    }

    /// 24 bytes are MLDv1, 28 and more MLDv2 (RFC 9777 §8.1).
    @inlinable
    public static func membershipVersion(ofQuery bytes: RawSpan) -> MembershipVersion? {
        if bytes.byteCount == shortByteCount { return .v2 }
        return bytes.byteCount >= queryByteCount ? .v3 : nil
    }

    /// Milliseconds; MLDv1 has no exponent.
    @inlinable
    public static func maxResponseTime(ofQuery bytes: RawSpan, version: MembershipVersion) -> TimeSpan {
        let code = bytes.uint16(at: 4)
        return .milliseconds(version < .v3 ? Int64(code) : Int64(MembershipCode.decoded(code)))
    }

    /// Stores milliseconds.
    @_lifetime(span: copy span)
    public static func store(
        maxResponseTime: TimeSpan, version: MembershipVersion, in span: inout MutableRawSpan, at offset: Int
    ) {
        let count = Int(clamping: maxResponseTime.nanoseconds / 1_000_000)
        span.store(version < .v3 ? UInt16(clamping: count) : MembershipCode.encoded16(count), at: offset + 4)
    }

    /// The address at `offset`.
    @inlinable
    public static func read(_ bytes: RawSpan, at offset: Int) -> Self {
        Self(high: bytes.uint64(at: offset), low: bytes.uint64(at: offset + 8))
    }

    /// Stores the address at `offset`.
    @inlinable
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int) {
        span.store(high, at: offset)
        span.store(low, at: offset + 8)
    }

    /// MLD's sum is ICMPv6's (RFC 4443 §2.3).
    @inlinable
    public static func isMembershipChecksumValid(
        _ bytes: RawSpan, from source: Self, to destination: Self
    ) -> Bool {
        let pseudo = InternetChecksum.pseudoHeader(
            source, destination, protocol: IPProtocol.icmpv6.rawValue, length: bytes.byteCount)
        return InternetChecksum.finish(InternetChecksum.sum(bytes, initial: pseudo)) == 0
    }

    /// Stores the sum of the message and the addresses of its packet.
    @_lifetime(span: copy span)
    public static func storeMembershipChecksum(
        in span: inout MutableRawSpan, at offset: Int, byteCount: Int, source: Self, destination: Self
    ) {
        storeICMPv6Checksum(in: &span, at: offset, byteCount: byteCount, source: source, destination: destination)
    }
}

/// The hop-by-hop options header before an MLD message: a router alert that says MLD, padded to a word
/// (RFC 2711 §2.1, RFC 9777 §5).
@frozen
public enum MLDRouterAlert {
    /// 8.
    @inlinable
    public static var byteCount: Int { 8 }

    /// Writes the header, whose next header is ICMPv6, and returns 8.
    @discardableResult
    @_lifetime(span: copy span)
    public static func write(into span: inout MutableRawSpan, at offset: Int = 0) -> Int {
        // Option 5 of two bytes with value 0, then two bytes of padding.
        span.store(UInt64(IPProtocol.icmpv6.rawValue) << 56 | 0x0502_0000_0100, at: offset)
        return byteCount
    }
}
