/// The generation of a group membership protocol, counted as IGMP does.
@frozen
public enum MembershipVersion: UInt8, Sendable, CaseIterable, Comparable {
    /// IGMPv1 (RFC 1112): reports, and nothing said on leaving. MLD has no such version.
    case v1 = 1
    /// IGMPv2 (RFC 2236) or MLDv1 (RFC 2710): groups joined and left.
    case v2 = 2
    /// IGMPv3 (RFC 9776) or MLDv2 (RFC 9777): groups and the sources wanted of each.
    case v3 = 3

    /// Orders versions, the older first.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Why bytes are not an IGMP or MLD message.
@frozen
public enum MembershipMessageError: Error, Hashable, Sendable, CaseIterable {
    /// Fewer bytes than messages of this type have.
    case truncated
    /// A type that is not of group membership, to be ignored silently (RFC 9776 §4).
    case unknownType
    /// A query of a length that no version has, to be ignored silently (RFC 9776 §7.1, RFC 9777 §8.1).
    case queryLength
    /// More sources are counted than the message holds.
    case sourcesTruncated
    /// A group record reaches beyond the report.
    case recordTruncated
}

/// What a group membership message is for.
@frozen
public enum MembershipMessageKind: Sendable, CaseIterable {
    /// Asks which groups are listened to.
    case query
    /// Tells of one group, in version 1.
    case reportV1
    /// Tells of one group, in version 2.
    case reportV2
    /// Tells that a group is left: IGMP's leave, MLD's done.
    case leave
    /// Tells of groups and their sources, in version 3.
    case reportV3
}

/// Numbers that a query carries with few bits: small ones as they are, large ones with an exponent
/// (RFC 9776 §4.1.1 and §4.1.7, RFC 9777 §5.1.3).
@frozen
public enum MembershipCode {
    /// The number that eight bits stand for: up to 31,744.
    @inlinable
    public static func decoded(_ code: UInt8) -> Int {
        code < 128 ? Int(code) : (Int(code) & 0xF | 0x10) << (Int(code) >> 4 & 7 + 3)
    }

    /// The number that sixteen bits stand for: up to 8,387,584.
    @inlinable
    public static func decoded(_ code: UInt16) -> Int {
        code < 32_768 ? Int(code) : (Int(code) & 0xFFF | 0x1000) << (Int(code) >> 12 & 7 + 3)
    }

    /// The eight bits for `number`, or for the next lower one that has any (RFC 9776 §8.8).
    @inlinable
    public static func encoded8(_ number: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: encoded(number, mantissaBits: 4))
    }

    /// The sixteen bits for `number`, or for the next lower one that has any.
    @inlinable
    public static func encoded16(_ number: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: encoded(number, mantissaBits: 12))
    }

    @usableFromInline
    static func encoded(_ number: Int, mantissaBits: Int) -> Int {
        let linearMax = 1 << (mantissaBits + 3)
        guard number >= linearMax else { return max(0, number) }
        let top = Int.bitWidth - 1 - number.leadingZeroBitCount
        let exponent = top - mantissaBits - 3
        guard exponent <= 7 else { return linearMax * 2 - 1 }
        let mantissa = number >> (top - mantissaBits) & (1 << mantissaBits - 1)
        return linearMax | exponent << mantissaBits | mantissa
    }
}
