public import ChimneyMulticast
public import ChimneyPrimitives
public import ChimneyWire

/// How a querier asks, in one family (RFC 9776 §8, RFC 9777 §9).
public struct QuerierSettings: Hashable, Sendable {
    /// The version in which it asks; it understands reports of all of them (RFC 9776 §7.3.1).
    public var version = MembershipVersion.v3
    /// How many messages in a row may be lost.
    public var robustness = 2
    /// How often it asks about all groups.
    public var queryInterval = TimeSpan.seconds(125)
    /// How long hosts may wait before they answer that.
    public var responseInterval = TimeSpan.seconds(10)
    /// How long they may wait before they answer whether anybody is left, and how often that is asked.
    public var lastMemberInterval = TimeSpan.seconds(1)
    /// The most groups; the reports of further ones are counted and forgotten.
    public var groupsMax = 65_536
    /// The most sources of a group; further ones are counted and forgotten.
    public var sourcesMax = 65_536

    /// The defaults of the standards.
    public init() {}

    /// For how long a group or source counts as wanted that is not heard of again (RFC 9776 §8.4).
    public var membershipInterval: TimeSpan { queryInterval * robustness + responseInterval }
    /// For how long a host of an older version counts as present (RFC 9776 §8.13).
    public var olderHostInterval: TimeSpan { queryInterval * robustness + responseInterval }
    /// For how long a group or source counts as wanted once somebody left it (RFC 9776 §8.10).
    public var lastMemberTime: TimeSpan { lastMemberInterval * robustness }
    /// How long after the last lost frame and the last change the router's list is that of the hosts: they are asked
    /// once, what they did not name runs out, and so does the memory of older hosts.
    public var settlingTime: TimeSpan {
        queryInterval + responseInterval + membershipInterval + olderHostInterval + lastMemberTime
    }
}

/// What a querier counted, in one family.
public struct QuerierCounters: Hashable, Sendable {
    /// Queries about all groups.
    public var generalQueries: UInt64 = 0
    /// Queries about a group, or about sources of one.
    public var specificQueries: UInt64 = 0
    /// Reports and leaves of versions 1 and 2.
    public var olderReports: UInt64 = 0
    /// Reports of version 3.
    public var reports: UInt64 = 0
    /// Records and reports that say what the group does not allow, or what older hosts present would not understand.
    public var ignored: UInt64 = 0
    /// Groups and sources beyond the bounds.
    public var refused: UInt64 = 0
    /// Messages that are damaged, or not from the link.
    public var malformed: UInt64 = 0
}

/// What a querier believes of a group.
public struct BelievedGroup<Address: MembershipAddress>: Hashable, Sendable {
    /// The group.
    public var group: Address
    /// Whose packets it would forward; sources that it forwards beside excluded ones are not in the list.
    public var filter: SourceFilter<Address>
    /// The oldest version of the hosts that were heard lately.
    public var oldestHost: MembershipVersion
}
