public import ChimneyPrimitives
public import ChimneyWire

/// How an interface reports, to be shown.
public struct InterfaceMembership<Address: MembershipAddress>: Hashable, Sendable {
    /// The version spoken now.
    public var version: MembershipVersion
    /// How often each change is told.
    public var robustness: Int
    /// How often the querier asks.
    public var queryInterval: TimeSpan
    /// Who asked last, and when.
    public var querier: Address?
    /// When it asked.
    public var queriedAt: Instant?
    /// Until when a querier of version 1 counts as present.
    public var v1QuerierUntil: Instant?
    /// Until when a querier of version 2 counts as present.
    public var v2QuerierUntil: Instant?
    /// When a query about all groups is answered.
    public var answerDue: Instant?
    /// The groups, in order; also those left of which routers are still told.
    public var groups: [GroupMembership<Address>]
}

/// How one group of an interface is reported, to be shown.
public struct GroupMembership<Address: MembershipAddress>: Hashable, Sendable {
    /// The group.
    public var group: Address
    /// What routers are told, whole.
    public var filter: SourceFilter<Address>
    /// How often a change has still to be told.
    public var repeatsLeft: Int
    /// How many sources wait to be told one by one; some may be counted twice.
    public var pendingCount: Int
    /// When it is told next.
    public var changeDue: Instant?
    /// When a question about the group is answered.
    public var answerDue: Instant?
    /// How many sources were asked about; none when the whole group was.
    public var askedCount: Int
    /// Whether an older version sends a leave when the group is left.
    public var isLastReporter: Bool
}

extension InterfaceMachine {
    /// The state of the machine, to be shown.
    ///
    /// - Complexity: O(n log n) with the groups.
    package var listing: InterfaceMembership<Address> {
        func shown(_ instant: Instant) -> Instant? { instant == .never ? nil : instant }
        var groups: [GroupMembership<Address>] = []
        for slot in slots where !slot.isFree {
            let repeatsLeft =
                version < .v3
                ? max(Int(slot.olderRepeats), slot.isNew ? robustness : 0)
                : slot.machine.repeatsLeft(robustness: robustness)
            groups.append(
                GroupMembership(
                    group: slot.machine.group, filter: slot.machine.filter, repeatsLeft: repeatsLeft,
                    pendingCount: slot.machine.pendingCount, changeDue: shown(slot.changeDue),
                    answerDue: shown(slot.answerDue),
                    askedCount: slot.machine.askedCount, isLastReporter: slot.isLastReporter))
        }
        groups.sort { $0.group < $1.group }
        return InterfaceMembership(
            version: version, robustness: robustness, queryInterval: queryInterval, querier: querier,
            queriedAt: queriedAt, v1QuerierUntil: v1QuerierUntil, v2QuerierUntil: v2QuerierUntil,
            answerDue: answer?.due, groups: groups)
    }

    /// How many groups are reported, or were and are still told to be left.
    package var groupCount: Int { places.count }
}
