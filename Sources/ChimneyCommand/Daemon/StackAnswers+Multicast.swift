import ChimneyControl
import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import ChimneyWire

/// Groups of interfaces shown and changed.
extension StackAnswers {
    /// The most sources of the groups that one line on the control socket names; a group with more has a line of its own.
    static var sourcesPerReplyMax: Int { 8_192 }

    static func multicast(
        of stack: borrowing VirtualStack, named name: String?, at now: Instant
    ) throws(CommandFailure) -> [ControlReply] {
        if let name { _ = try interface(name, of: stack) }
        var replies: [ControlReply] = []
        for shown in stack.interfaces where name == nil || shown.name == name {
            guard let snapshot = stack.multicast(on: shown.index) else { continue }
            var report = MulticastReport(interface: shown.name)
            report.linkGroups = snapshot.linkGroups.map {
                LinkGroupReport(mac: "\($0.mac)", memberCount: $0.memberCount)
            }
            report.isAllMulticast = snapshot.letsAllMulticastIn
            report.isPromiscuous = snapshot.isPromiscuous
            if shown.kind != .loopback {
                if let settings = stack.igmpSettings(of: shown.index) {
                    report.igmp = ReportingReport(snapshot.igmp, settings, snapshot.igmpCounters, at: now)
                }
                if let mld = snapshot.mld, let settings = stack.mldSettings(of: shown.index) {
                    report.mld = ReportingReport(mld, settings, snapshot.mldCounters, at: now)
                }
            }
            replies.append(.multicast(list: [report]))
            replies += groups(of: snapshot, stack, isReported: shown.kind != .loopback, at: now)
        }
        return replies
    }

    /// The groups in lines that none of them is too long.
    private static func groups(
        of snapshot: MulticastSnapshot, _ stack: borrowing VirtualStack, isReported: Bool, at now: Instant
    ) -> [ControlReply] {
        let igmp = isReported ? stack.igmpSettings(of: snapshot.interface) : nil
        let mld = isReported ? stack.mldSettings(of: snapshot.interface) : nil
        var replies: [ControlReply] = []
        var part: [GroupReport] = []
        var sourceCount = 0
        for report in reports(of: snapshot, igmp, mld, at: now) {
            let isFull = sourceCount + report.filter.sources.count > sourcesPerReplyMax
            if !part.isEmpty, part.count == rowsPerReplyMax || isFull {
                replies.append(.groups(list: part))
                part = []
                sourceCount = 0
            }
            part.append(report)
            sourceCount += report.filter.sources.count
        }
        if !part.isEmpty { replies.append(.groups(list: part)) }
        return replies
    }

    /// The groups with members and those of which routers are still told that they have none, smallest first.
    private static func reports(
        of snapshot: MulticastSnapshot, _ igmp: MembershipSettings<IPv4Address>?,
        _ mld: MembershipSettings<IPv6Address>?, at now: Instant
    ) -> [GroupReport] {
        var reports: [IPAddress: GroupReport] = [:]
        for group in snapshot.groups {
            var report = GroupReport(group: "\(group.group)", filter: GroupFilterReport(group.filter))
            report.includingSockets = group.includeCount
            report.excludingSockets = group.excludeCount
            switch group.group {
            case .v4(let group): report.isReported = igmp?.isReported(group) ?? false
            case .v6(let group): report.isReported = mld?.isReported(group) ?? false
            }
            reports[group.group] = report
        }
        if igmp != nil { for group in snapshot.igmp.groups { add(group, .v4(group.group), to: &reports, at: now) } }
        if mld != nil, let list = snapshot.mld {
            for group in list.groups { add(group, .v6(group.group), to: &reports, at: now) }
        }
        return reports.sorted { $0.key < $1.key }.map(\.value)
    }

    private static func add<Address: MembershipAddress>(
        _ membership: GroupMembership<Address>, _ group: IPAddress, to reports: inout [IPAddress: GroupReport],
        at now: Instant
    ) {
        var report = reports[group] ?? GroupReport(group: "\(group)", filter: GroupFilterReport(.none))
        report.isReported = true
        report.repeatsLeft = membership.repeatsLeft
        report.pendingSources = membership.pendingCount
        report.changeDueSeconds = membership.changeDue.map { max(0, ($0 - now).seconds) }
        report.answerDueSeconds = membership.answerDue.map { max(0, ($0 - now).seconds) }
        report.askedSources = membership.askedCount
        report.isLastReporter = membership.isLastReporter
        reports[group] = report
    }

    static func limits(of stack: borrowing VirtualStack) -> ControlReply {
        let limits = stack.membershipLimits
        return .membershipLimits(
            report: MembershipLimitsReport(
                membershipsPerSocketMax: limits.membershipsPerSocketMax,
                membershipsMax: limits.membershipsPerStackMax, sourcesPerFilterMax: limits.sourcesPerFilterMax,
                sourcesMax: limits.sourcesPerStackMax))
    }

    static func set(
        _ limit: MembershipLimit, to count: Int, of stack: inout VirtualStack
    ) throws(CommandFailure) {
        guard (0...16_777_216).contains(count) else { throw CommandFailure("a limit is a number from 0 to 16777216") }
        switch limit {
        case .membershipsPerSocket: stack.membershipLimits.membershipsPerSocketMax = count
        case .memberships: stack.membershipLimits.membershipsPerStackMax = count
        case .sourcesPerFilter: stack.membershipLimits.sourcesPerFilterMax = count
        case .sources: stack.membershipLimits.sourcesPerStackMax = count
        }
    }

    // MARK: Changes

    static func apply(
        _ change: MulticastChange, to index: InterfaceIndex, of stack: inout VirtualStack, at now: Instant
    ) throws(CommandFailure) {
        switch change {
        case .member(let call): try perform(call, on: index, of: &stack, at: now)
        case .reporting(let family, let setting): try set(setting, family, on: index, of: &stack, at: now)
        case .link(let text, let isJoined):
            guard let mac = MACAddress(text) else { throw CommandFailure("\"\(text)\" is not a MAC address") }
            try changeLink { stack throws(LinkGroupError) in
                if isJoined { try stack.joinLink(mac, on: index) } else { try stack.leaveLink(mac, on: index) }
            }
        case .allMulticast(let isOn):
            try changeLink { stack throws(LinkGroupError) in try stack.setAllMulticast(isOn, on: index) }
        case .promiscuous(let isOn):
            try changeLink { stack throws(LinkGroupError) in try stack.setPromiscuous(isOn, on: index) }
        }

        func changeLink(
            _ body: (inout VirtualStack) throws(LinkGroupError) -> Void
        ) throws(CommandFailure) {
            do throws(LinkGroupError) { try body(&stack) } catch { throw CommandFailure(Sentence.of(error)) }
        }
    }

    /// Makes a call in the interface's own name, for a row of groups up to the first that is refused.
    static func perform(
        _ call: MembershipCall, on index: InterfaceIndex, of stack: inout VirtualStack, at now: Instant
    ) throws(CommandFailure) {
        do throws(GroupRefusal) {
            let call = try GroupCall(call)
            for position in 0..<call.groups.count {
                let group = call.groups[position]
                do throws(GroupRefusal) {
                    try call.perform(group, on: .index(index), as: .administrator, of: &stack, at: now)
                } catch {
                    throw call.groups.count == 1
                        ? error : GroupRefusal("\(group): \(error); \(position) done before", error.errno)
                }
            }
        } catch {
            throw CommandFailure("\(error) (\(error.errno))")
        }
    }

    private static func set(
        _ setting: ReportingSetting, _ family: AddressFamily, on index: InterfaceIndex, of stack: inout VirtualStack,
        at now: Instant
    ) throws(CommandFailure) {
        switch family {
        case .ipv4:
            guard var settings = stack.igmpSettings(of: index) else { return }
            try settings.take(setting)
            do throws(InterfaceError) {
                try stack.setIGMP(settings, of: index, at: now)
            } catch {
                throw CommandFailure(Sentence.of(error))
            }
        case .ipv6:
            guard var settings = stack.mldSettings(of: index) else { return }
            try settings.take(setting)
            do throws(InterfaceError) {
                try stack.setMLD(settings, of: index, at: now)
            } catch {
                throw CommandFailure(Sentence.of(error))
            }
        }
    }
}

extension MembershipSettings {
    /// MLDv1 does what IGMPv2 does.
    static var versionOffset: Int { Address.bitWidth > 32 ? 1 : 0 }

    /// The version that the protocol counts so.
    static func version(_ number: Int) -> MembershipVersion? {
        guard number > 0 else { return nil }
        return MembershipVersion(rawValue: UInt8(clamping: number + versionOffset))
    }

    mutating func take(_ setting: ReportingSetting) throws(CommandFailure) {
        switch setting {
        case .version(nil): pinnedVersion = nil
        case .version(let number?):
            guard let version = Self.version(number) else {
                throw CommandFailure("there is no version \(number) of \(Self.versionOffset == 0 ? "IGMP" : "MLD")")
            }
            pinnedVersion = version
        case .robustness(let count):
            guard (1...7).contains(count ?? 1) else { throw CommandFailure("the robustness is a number from 1 to 7") }
            pinnedRobustness = count
        case .lightweight(let isOn): isLightweight = isOn
        case .queries(let isStandard):
            queries = isStandard ? .standard(for: Address.self) : .kernel
            olderQuerier = isStandard ? .defaults : .fromQueries
        case .rule(let rule, let isOn): queries.set(rule, isOn)
        case .linkLocalReports(let isOn): reportsLinkLocalGroups = isOn
        }
    }
}

extension QueryRules {
    mutating func set(_ rule: ReportingSetting.QueryRule, _ isOn: Bool) {
        switch rule {
        case .routerAlert: needsRouterAlert = isOn
        case .hopLimit: needsHopLimit1 = isOn
        case .linkSource: needsLinkSource = isOn
        case .generalDestination: needsGeneralDestination = isOn
        }
    }

    /// The rules that hold, by name.
    var names: [String] {
        let rules: [(ReportingSetting.QueryRule, Bool)] = [
            (.routerAlert, needsRouterAlert), (.hopLimit, needsHopLimit1), (.linkSource, needsLinkSource),
            (.generalDestination, needsGeneralDestination),
        ]
        return rules.filter(\.1).map(\.0.rawValue)
    }
}

extension ReportingReport {
    init<Address: MembershipAddress>(
        _ membership: InterfaceMembership<Address>, _ settings: MembershipSettings<Address>,
        _ counters: MembershipCounters, at now: Instant
    ) {
        let offset = MembershipSettings<Address>.versionOffset
        self.init(
            version: Int(membership.version.rawValue) - offset, robustness: membership.robustness,
            queryIntervalSeconds: membership.queryInterval.seconds)
        pinnedVersion = settings.pinnedVersion.map { Int($0.rawValue) - offset }
        pinnedRobustness = settings.pinnedRobustness
        isLightweight = settings.isLightweight
        rules = settings.queries.names
        if offset == 0 { reportsLinkLocalGroups = settings.reportsLinkLocalGroups }
        querier = membership.querier.map { "\($0)" }
        queriedSecondsAgo = membership.queriedAt.map { max(0, (now - $0).seconds) }
        let older = [(1, membership.v1QuerierUntil), (2, membership.v2QuerierUntil)]
        olderQueriers = older.compactMap { version, until in
            guard let until, until > now, version > offset else { return nil }
            return OlderQuerier(version: version - offset, seconds: (until - now).seconds)
        }
        answerDueSeconds = membership.answerDue.map { max(0, ($0 - now).seconds) }
        self.counters = Self.counters(counters, offset: offset)
        drops = MembershipDrop.allCases.compactMap { drop in
            let count = counters.count(of: drop)
            return count > 0 ? StatisticsReport.Counter("\(drop)", count, Sentence.of(drop)) : nil
        }
    }

    private static func counters(_ counters: MembershipCounters, offset: Int) -> [StatisticsReport.Counter] {
        var list: [StatisticsReport.Counter] = []
        for version in 1...3 where version > offset {
            let name = "V\(version - offset)"
            list.append(
                .init("queries\(name)", counters.queries[version - 1], "queries of version \(version - offset) taken"))
        }
        for version in 1...3 where version > offset {
            let name = "V\(version - offset)"
            list.append(
                .init("reports\(name)", counters.reports[version - 1], "reports of version \(version - offset) sent"))
        }
        return list + [
            .init("leaves", counters.leaves, "leaves sent"),
            .init("changes", counters.changes, "changes told for the first time"),
            .init("repeats", counters.repeats, "changes told once more"),
            .init("answers", counters.answers, "answers to queries"),
            .init("suppressed", counters.suppressed, "reports spared because another host sent one"),
            .init("widened", counters.widened, "answers about a whole group because too many sources were asked about"),
            .init("unreported", counters.unreported, "groups not reported for want of room"),
        ]
    }
}
