public import ChimneyPrimitives
public import ChimneyWire

/// How a host reports its groups on one interface.
public struct MembershipSettings<Address: MembershipAddress>: Hashable, Sendable {
    /// The version to speak whatever queriers speak; `nil` follows the oldest of them (RFC 9776 §7.2.1).
    ///
    /// Version 3 pinned is the mode for networks with source-specific multicast alone.
    public var pinnedVersion: MembershipVersion?
    /// How often each change is told in all, until a querier says otherwise (RFC 9776 §8.1).
    public var robustness = 2
    /// How often each change is told in all, whatever a querier says.
    public var pinnedRobustness: Int?
    /// The longest wait between two tellings of a change (RFC 9776 §8.11).
    public var unsolicitedReportInterval = TimeSpan.seconds(1)
    /// The same in versions 1 and 2 (RFC 2236 §8.10, RFC 2710 §7.10).
    public var olderUnsolicitedReportInterval = TimeSpan.seconds(10)
    /// For how long a change waits for others, so that a program that joins many groups sends few reports.
    public var gatherTime = TimeSpan.milliseconds(10)
    /// The longest wait for an answer when a query allows none at all: no answer is ever immediate (RFC 9776 §5.2).
    public var responseTimeMin = TimeSpan.milliseconds(10)
    /// Which queries are believed.
    public var queries = QueryRules.standard(for: Address.self)
    /// For how long an older querier counts as present.
    public var olderQuerier = OlderQuerierInterval.defaults
    /// Whether lists of sources that are not wanted stay out of reports (RFC 5790).
    public var isLightweight = false
    /// Whether groups of 224.0.0.0/24 other than 224.0.0.1 are reported; no router needs it, and some switches do.
    public var reportsLinkLocalGroups = true
    /// Groups of which sources alone can be joined (RFC 4607): 232.0.0.0/8 and ff3x::/32.
    public var sourceSpecificRanges = Self.standardSourceSpecificRanges

    /// The most groups; at the bound further ones are received and not reported.
    public var groupsMax = 1_048_576
    /// The most sources whose changes are told one by one, for each group; beyond it the whole list is told.
    public var pendingSourcesMax = 16_384
    /// The most sources of a group remembered for an answer; beyond it the answer is about the whole group.
    public var askedSourcesMax = 1_024
    /// The most sources of all groups remembered for answers; beyond it answers are about whole groups.
    public var askedSourcesTotalMax = 65_536
    /// The most groups in one part of a long answer; the parts are spread over the time that the query allows.
    public var groupsPerAnswerMax = 2_048

    /// What the standards say.
    public init() {}

    /// 232.0.0.0/8 (RFC 4607 §1), or ff30::/32 to ff3f::/32.
    public static var standardSourceSpecificRanges: [Prefix<Address>] {
        typealias Bits = Address.Bits
        guard Address.bitWidth > 32 else { return [Prefix(Address(bits: Bits(232) << 24), length: 8)] }
        return (0xFF30...0xFF3F).map { Prefix(Address(bits: Bits(truncatingIfNeeded: $0) << 112), length: 32) }
    }

    /// The settings with bounds that can be counted with, whatever was asked for.
    var withinBounds: Self {
        var settings = self
        settings.groupsMax = min(max(groupsMax, 0), 1 << 30)
        settings.groupsPerAnswerMax = min(max(groupsPerAnswerMax, 1), 1 << 30)
        settings.pendingSourcesMax = max(pendingSourcesMax, 0)
        settings.askedSourcesMax = max(askedSourcesMax, 0)
        settings.askedSourcesTotalMax = max(askedSourcesTotalMax, 0)
        return settings
    }

    /// Whether only sources of the group can be joined.
    public func isSourceSpecific(_ group: Address) -> Bool {
        sourceSpecificRanges.contains { $0.contains(group) }
    }

    /// Whether routers are told of the group: not of the group of all hosts nor of what stays inside the host.
    ///
    /// RFC 9776 §5, RFC 9777 §6.
    public func isReported(_ group: Address) -> Bool {
        if group == .allHosts { return false }
        guard Address.bitWidth > 32 else {
            return reportsLinkLocalGroups || group.masked(to: 24) != Address.allHosts.masked(to: 24)
        }
        // Scope 0 is reserved and scope 1 is the interface's own.
        return UInt8(truncatingIfNeeded: group.bits >> 112) & 0xF > 1
    }
}

/// Which queries a host believes.
public struct QueryRules: Hashable, Sendable {
    /// Whether versions 2 and 3 must carry a router alert (RFC 9776 §5.2, RFC 9777 §6.2).
    public var needsRouterAlert = true
    /// Whether the TTL or hop limit must be 1, which no router lets through.
    public var needsHopLimit1 = true
    /// Whether the source must be on the link: link-local for MLD (RFC 9777 §6.2), of the interface's prefix for IGMP.
    public var needsLinkSource: Bool
    /// Whether a query about all groups must go to the group of all hosts or to ourselves (RFC 9776 §9.1).
    public var needsGeneralDestination = true

    /// Rules that differ from the standards in what they ask of the source.
    public init(needsLinkSource: Bool) { self.needsLinkSource = needsLinkSource }

    /// What the standards ask for; IGMP does not ask for a source of the link, and snooping switches use 0.0.0.0.
    public static func standard<Address: MembershipAddress>(for family: Address.Type) -> Self {
        Self(needsLinkSource: Address.bitWidth > 32)
    }

    /// What Linux does with IGMP: any TTL, any source and no router alert.
    public static var kernel: Self {
        var rules = Self(needsLinkSource: false)
        rules.needsRouterAlert = false
        rules.needsHopLimit1 = false
        return rules
    }
}

/// How long an older querier counts as present after its last query.
public enum OlderQuerierInterval: Hashable, Sendable {
    /// Twice 125 seconds and ten times the wait it allows: an older querier does not tell its own numbers
    /// (RFC 9776 §8.12).
    case defaults
    /// Robustness and interval of the last querier that told them, and the wait of the query, as Linux counts.
    case fromQueries
}
