import ChimneyControl

/// Groups and how they are reported, as people read them.
enum MulticastText {
    static func interfaces(_ list: [MulticastReport]) -> String { list.map(interface).joined() }

    private static func interface(_ report: MulticastReport) -> String {
        var notes: [String] = []
        if report.isAllMulticast { notes.append("allmulti") }
        if report.isPromiscuous { notes.append("promisc") }
        var text = "\(report.interface):\(notes.isEmpty ? "" : " " + notes.joined(separator: " "))\n"
        if let igmp = report.igmp { text += reporting(igmp, "igmp") }
        if let mld = report.mld { text += reporting(mld, "mld") }
        for group in report.groups { text += self.group(group) }
        if !report.linkGroups.isEmpty {
            let groups = report.linkGroups.map { $0.memberCount == 1 ? $0.mac : "\($0.mac) (\($0.memberCount))" }
            text += "    link " + groups.joined(separator: " ") + "\n"
        }
        return text
    }

    private static func reporting(_ report: ReportingReport, _ name: String) -> String {
        var line = "    \(name) version \(report.version)"
        if report.pinnedVersion != nil { line += " (pinned)" }
        line += ", robustness \(report.robustness)"
        if report.pinnedRobustness != nil { line += " (pinned)" }
        line += ", queries every \(seconds(report.queryIntervalSeconds))"
        if report.isLightweight { line += ", lightweight" }
        if report.reportsLinkLocalGroups == false { line += ", no link-local reports" }
        var lines = [
            line, "        queries need " + (report.rules.isEmpty ? "nothing" : report.rules.joined(separator: " ")),
        ]
        if let querier = report.querier, let ago = report.queriedSecondsAgo {
            lines.append("        querier \(querier), asked \(seconds(ago)) ago")
        } else {
            lines.append("        no querier heard")
        }
        for older in report.olderQueriers {
            lines.append(
                "        a querier of version \(older.version) counts as present for \(seconds(older.seconds))")
        }
        if let due = report.answerDueSeconds { lines.append("        answers for all groups in \(seconds(due))") }
        for counter in report.counters where counter.count > 0 {
            lines.append("        \(counter.count) \(counter.name): \(counter.explanation)")
        }
        for drop in report.drops { lines.append("        \(drop.count) dropped, \(drop.name): \(drop.explanation)") }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func group(_ report: GroupReport) -> String {
        var line = "    group \(report.group) \(filter(report.filter))"
        var notes: [String] = []
        let sockets = report.includingSockets + report.excludingSockets
        if sockets > 0 {
            notes.append("\(count(sockets, "member")), \(report.excludingSockets) with any source")
        }
        if !report.isReported { notes.append("not reported") }
        if report.isLastReporter { notes.append("last reporter") }
        if report.repeatsLeft > 0 { notes.append("to be told \(count(report.repeatsLeft, "more time"))") }
        if report.pendingSources > 0 { notes.append("\(count(report.pendingSources, "source")) to be told of") }
        if let due = report.changeDueSeconds { notes.append("next in \(seconds(due))") }
        if let due = report.answerDueSeconds {
            let asked = report.askedSources > 0 ? " about \(count(report.askedSources, "source"))" : ""
            notes.append("answers\(asked) in \(seconds(due))")
        }
        if !notes.isEmpty { line += " (\(notes.joined(separator: ", ")))" }
        return line + "\n"
    }

    /// A filter in a few words, such as `exclude {}`.
    static func filter(_ report: GroupFilterReport) -> String {
        let further = report.sourceCount - report.sources.count
        let words = report.sources + (further > 0 ? ["and \(further) more"] : [])
        return "\(report.mode.rawValue) {\(words.joined(separator: " "))}"
    }

    private static func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }

    private static func seconds(_ count: Double) -> String { "\(ReportText.fixed(count, 1)) s" }

    static func limits(_ report: MembershipLimitsReport) -> String {
        var table = TextTable("Bound, for each family", "")
        table.add(MembershipLimit.membershipsPerSocket.rawValue, "\(report.membershipsPerSocketMax)")
        table.add(MembershipLimit.memberships.rawValue, "\(report.membershipsMax)")
        table.add(MembershipLimit.sourcesPerFilter.rawValue, "\(report.sourcesPerFilterMax)")
        table.add(MembershipLimit.sources.rawValue, "\(report.sourcesMax)")
        return table.text
    }

    static func event(_ report: EventReport) -> String {
        "\(ReportText.fixed(report.seconds, 6)) \(report.stack)/\(report.interface) \(report.kind): \(report.text)\n"
    }
}
