import ChimneyPrimitives
package import ChimneyWire

/// What one group on one interface has to tell routers, and what it was asked (RFC 9776 §5, RFC 9777 §6).
///
/// It owns no timer and sends nothing: ``InterfaceMachine`` tells it what happened, decides when it speaks, and packs
/// what it says. IGMPv3 and MLDv2 obey the same rules; older versions report a group and nothing of its sources.
package struct GroupMachine<Address: MembershipAddress>: Sendable {
    /// The group.
    package let group: Address
    /// What is wanted of it, as far as it is reported.
    package private(set) var filter: SourceFilter<Address> = .none
    /// How often the mode has still to be told; while it is, records carry the whole list.
    private(set) var modeRepeats = 0
    /// Sources that changed since the last report, in any order and some of them twice.
    private var changed: [Address] = []
    /// Sources whose change has still to be told, in order, and how often.
    private var repeats: [SourceRepeat<Address>] = []
    /// What the answer that is due has to tell of.
    private(set) var asked: Asked = .nothing
    private let reporting: Reporting
    /// Whether the list that is wanted is the one that is reported.
    private(set) var isListReported = true

    /// How the wishes for the group appear in reports.
    package enum Reporting: UInt8, Sendable {
        /// As they are.
        case whole
        /// A list of sources that are not wanted is left out (RFC 5790 §4).
        case lightweight
        /// Only sources that are wanted can be told (RFC 9776 §4.2.13).
        case sourceSpecific
    }

    /// What routers asked and were not told yet.
    enum Asked: Sendable {
        case nothing
        case wholeGroup
        /// In order and distinct.
        case sources([Address])
    }

    /// A group of which nothing is wanted yet.
    package init(_ group: Address, reporting: Reporting = .whole) {
        self.group = group
        self.reporting = reporting
    }

    /// Whether a change has to be told, or told again.
    package var hasChanges: Bool { modeRepeats > 0 || !changed.isEmpty || !repeats.isEmpty }

    /// How many sources wait to be told one by one.
    package var pendingCount: Int { changed.count + repeats.count }

    /// How often the last change has still to be told.
    package func repeatsLeft(robustness: Int) -> Int {
        let sources = repeats.reduce(0) { max($0, Int($1.left)) }
        return max(modeRepeats, sources, changed.isEmpty ? 0 : robustness)
    }

    // MARK: - Changes

    /// What is wanted changed; it has to be told `robustness` times.
    ///
    /// - Returns: whether anything is wanted now.
    /// - Complexity: O(log n) and a move of bytes for one source; a change of mode is as long as its list.
    package mutating func filterChanged(
        _ change: FilterChange<Address>, robustness: Int, pendingSourcesMax: Int
    ) -> Bool {
        switch (reporting, change) {
        case (.whole, _):
            take(change, robustness: robustness)
        case (_, .sources):
            if isListReported { take(change, robustness: robustness) }
        case (.lightweight, .mode(let new)):
            isListReported = new.mode == .include
            take(.mode(to: isListReported ? new : .all), robustness: robustness)
        case (.sourceSpecific, .mode(let new)):
            isListReported = new.mode == .include
            // What cannot be told counts as nothing wanted, so that the mode of what is told never changes.
            let change = filter.change(to: isListReported ? new : .none)
            if let change { take(change, robustness: robustness) }
        }
        if changed.count > pendingSourcesMax { shorten(robustness: robustness, pendingSourcesMax: pendingSourcesMax) }
        return !filter.isNone
    }

    private mutating func take(_ change: FilterChange<Address>, robustness: Int) {
        switch change {
        case .sources(let allow, let block):
            filter.apply(change)
            changed += allow
            changed += block
        case .mode(let new):
            filter = new
            modeRepeats = robustness
            // The records of the mode carry the whole list as often as any of these had still to be told.
            changed = []
            repeats = []
        }
    }

    /// More changes wait than are remembered one by one; if they are not mostly the same ones, the list is told instead.
    private mutating func shorten(robustness: Int, pendingSourcesMax: Int) {
        sortChanged()
        if changed.count > pendingSourcesMax / 2 { tellList(robustness: robustness) }
    }

    /// The whole list is told instead of its changes, which any router takes as the new state.
    private mutating func tellList(robustness: Int) {
        forgetChanges()
        modeRepeats = robustness
    }

    /// All that is wanted has to be told as if it were new, because the link is.
    package mutating func announce(robustness: Int) {
        forgetChanges()
        switch filter.mode {
        case .include: changed = filter.sources
        case .exclude: modeRepeats = robustness
        }
    }

    /// Nothing has to be told any more.
    package mutating func forgetChanges() {
        modeRepeats = 0
        changed = []
        repeats = []
    }

    private mutating func sortChanged() {
        changed.sort()
        var kept = 0
        for source in changed where kept == 0 || changed[kept - 1] != source {
            changed[kept] = source
            kept += 1
        }
        changed.removeLast(changed.count - kept)
    }

    /// The records that the state-change report due now has of the group; each change in them is told once less.
    ///
    /// A change of mode outranks changes of sources, since its record carries the whole list; sources that changed
    /// since keep their turns (RFC 9776 §5.1).
    package mutating func takeChanges(robustness: Int, pendingSourcesMax: Int) -> [GroupRecord<Address>] {
        if !changed.isEmpty { mergeChanged(robustness: robustness) }
        if repeats.count > pendingSourcesMax { tellList(robustness: robustness) }
        var records: [GroupRecord<Address>] = []
        if modeRepeats > 0 {
            modeRepeats -= 1
            records.append(GroupRecord(filter.mode == .include ? .toInclude : .toExclude, group, filter.sources))
        } else {
            let (allowed, blocked) = pendingSources()
            if !allowed.isEmpty { records.append(GroupRecord(.allow, group, allowed)) }
            if !blocked.isEmpty { records.append(GroupRecord(.block, group, blocked)) }
        }
        var kept = 0
        for index in repeats.indices where repeats[index].left > 1 {
            repeats[kept] = repeats[index]
            repeats[kept].left -= 1
            kept += 1
        }
        if kept == 0 { repeats = [] } else { repeats.removeLast(repeats.count - kept) }
        return records
    }

    /// Sources that changed begin to be told `robustness` times anew: one walk over both lists.
    private mutating func mergeChanged(robustness: Int) {
        sortChanged()
        let left = UInt8(clamping: robustness)
        var merged: [SourceRepeat<Address>] = []
        merged.reserveCapacity(changed.count + repeats.count)
        var next = 0
        for old in repeats {
            while next < changed.count && changed[next] < old.source {
                merged.append(SourceRepeat(source: changed[next], left: left))
                next += 1
            }
            if next < changed.count && changed[next] == old.source { continue }
            merged.append(old)
        }
        for source in changed[next...] { merged.append(SourceRepeat(source: source, left: left)) }
        repeats = merged
        changed = []
    }

    /// The sources to tell of, parted by whether they are wanted now: one walk over them and the list.
    private func pendingSources() -> (allowed: [Address], blocked: [Address]) {
        var (listed, unlisted): ([Address], [Address]) = ([], [])
        if repeats.count * 8 < filter.sources.count {
            for entry in repeats {
                if filter.contains(entry.source) { listed.append(entry.source) } else { unlisted.append(entry.source) }
            }
        } else {
            var next = 0
            let list = filter.sources
            for entry in repeats {
                while next < list.count && list[next] < entry.source { next += 1 }
                if next < list.count && list[next] == entry.source {
                    listed.append(entry.source)
                } else {
                    unlisted.append(entry.source)
                }
            }
        }
        return filter.mode == .include ? (listed, unlisted) : (unlisted, listed)
    }

    // MARK: - Queries

    /// How many sources are remembered for an answer.
    package var askedCount: Int {
        if case .sources(let sources) = asked { sources.count } else { 0 }
    }

    /// A router asked about sources of the group, or about all of it (RFC 9776 §5.2, rules 3 to 5).
    ///
    /// More sources than `sourcesMax` are not remembered: the answer then tells all, which answers any question.
    ///
    /// - Parameters:
    ///   - sources: in any order; none for the whole group.
    ///   - sourcesMax: the most to remember.
    /// - Returns: whether they were too many.
    package mutating func queried(_ sources: borrowing SourceListView<Address>, sourcesMax: Int) -> Bool {
        if case .wholeGroup = asked { return false }
        guard sources.count > 0 else {
            asked = .wholeGroup
            return false
        }
        var all: [Address] = []
        if case .sources(let known) = asked { all = known }
        // One message holds few sources, so that what is sorted here is bounded even when most are double.
        for index in 0..<sources.count { all.append(sources[index]) }
        let distinct = SourceFilter(.include, all).sources
        asked = distinct.count > sourcesMax ? .wholeGroup : .sources(distinct)
        return distinct.count > sourcesMax
    }

    /// The answer that is due, `nil` when there is nothing to say (RFC 9776 §5.2).
    package mutating func takeAnswer() -> GroupRecord<Address>? {
        defer { asked = .nothing }
        switch asked {
        case .nothing: return nil
        case .wholeGroup: return state
        case .sources(let sources):
            let wanted = sources.filter(filter.admits)
            return wanted.isEmpty ? nil : GroupRecord(includeKind, group, wanted)
        }
    }

    /// What was asked is not answered.
    package mutating func forgetQuestions() { asked = .nothing }

    /// The record that tells all that is wanted, `nil` when nothing is.
    package var state: GroupRecord<Address>? {
        switch filter.mode {
        case .include: filter.isNone ? nil : GroupRecord(includeKind, group, filter.sources)
        case .exclude: GroupRecord(excludeKind, group, filter.sources)
        }
    }

    /// The lightweight protocol answers with the records of changes (RFC 5790 §4).
    private var includeKind: GroupRecordKind { reporting == .lightweight ? .allow : .isInclude }
    private var excludeKind: GroupRecordKind { reporting == .lightweight ? .toExclude : .isExclude }
}

/// A source whose change has still to be told.
private struct SourceRepeat<Address: MembershipAddress>: BitwiseCopyable, Sendable {
    var source: Address
    var left: UInt8
}
