package import ChimneyMulticast
package import ChimneyPrimitives
package import ChimneyWire

/// The router's side of IGMP or MLD on one link: it asks, and keeps what hosts tell it (RFC 9776 §6, RFC 9777 §7).
///
/// It forwards nothing: it is there to be compared with what hosts want. Whoever owns it hands it the messages that
/// the link brings, sends the queries it leaves in ``queries`` and calls ``timerFired(at:)`` at ``deadline``.
package struct MembershipRouter<Address: MembershipAddress>: Sendable {
    package private(set) var settings: QuerierSettings
    package private(set) var counters = QuerierCounters()
    /// What is to be sent, oldest first.
    package var queries: [MembershipQuery<Address>] = []

    /// Ordered by group.
    private var entries: [Entry] = []
    private let sourceSpecificRanges = MembershipSettings<Address>.standardSourceSpecificRanges
    private var generalQueryDue: Instant
    private var startupQueriesLeft: Int
    /// No timer of any group runs out before.
    private var groupsDue = Instant.never

    private struct Entry: Sendable {
        let group: Address
        var mode = FilterMode.include
        /// While the mode is to exclude: when nobody wants that any more.
        var until = Instant.zero
        /// Ordered by address.
        var sources: [Source] = []
        var v1HostUntil = Instant.zero
        var v2HostUntil = Instant.zero
        /// Queries about the whole group that have still to be sent.
        var queriesLeft = 0
        /// When queries about the group or its sources are sent next.
        var queryDue = Instant.never

        func position(of source: Address) -> Int? {
            var (low, high) = (0, sources.count)
            while low < high {
                let middle = (low + high) / 2
                if sources[middle].address < source { low = middle + 1 } else { high = middle }
            }
            return low < sources.count && sources[low].address == source ? low : nil
        }

        func oldestHost(at now: Instant) -> MembershipVersion {
            v1HostUntil > now ? .v1 : v2HostUntil > now ? .v2 : .v3
        }
    }

    private struct Source: Sendable {
        let address: Address
        /// When it is no longer wanted; zero for a source that is excluded.
        var until: Instant
        var queriesLeft = 0
        var isExcluded: Bool { until == .zero }
    }

    package init(_ settings: QuerierSettings, at now: Instant) {
        self.settings = settings
        generalQueryDue = now
        startupQueriesLeft = settings.robustness
    }

    package var deadline: Instant { min(generalQueryDue, groupsDue) }

    /// Asks in another version from now on, and at once.
    package mutating func setVersion(_ version: MembershipVersion, at now: Instant) {
        settings.version = version
        startupQueriesLeft = settings.robustness
        generalQueryDue = now
    }

    /// What is believed of all groups, in order.
    package func believed(at now: Instant) -> [BelievedGroup<Address>] {
        entries.map { entry in
            let listed = entry.sources.filter { (entry.mode == .exclude) == $0.isExcluded }.map(\.address)
            return BelievedGroup(
                group: entry.group, filter: SourceFilter(entry.mode, listed), oldestHost: entry.oldestHost(at: now))
        }
    }

    /// What is believed of one group.
    package func filter(of group: Address, at now: Instant) -> SourceFilter<Address> {
        believed(at: now).first { $0.group == group }?.filter ?? .none
    }

    // MARK: - What hosts tell

    /// A message of a host arrived, from its type to the end of its packet.
    package mutating func messageArrived(
        _ bytes: RawSpan, from source: Address, to destination: Address, at now: Instant
    ) {
        do {
            let view = try MembershipMessageView<Address>(bytes)
            guard view.isChecksumValid(from: source, to: destination) else { return countMalformed() }
            switch try view.content() {
            case .query: break
            case .reportV1(let group): olderReport(of: group, .v1, at: now)
            case .reportV2(let group): olderReport(of: group, .v2, at: now)
            case .leave(let group):
                counters.olderReports += 1
                hear(.toInclude, group, [], at: now)
            case .reportV3(var records):
                counters.reports += 1
                while let record = records.next() {
                    let told = record.sources
                    guard let kind = record.kind else { continue }
                    hear(kind, record.group, Set((0..<told.count).map { told[$0] }).sorted(), at: now)
                }
            }
        } catch { countMalformed() }
    }

    mutating func countMalformed() { counters.malformed += 1 }

    /// An older host tells of all sources (RFC 9776 §7.3.2), and of none of a group that has chosen ones alone
    /// (RFC 4604 §2.2.3).
    private mutating func olderReport(of group: Address, _ version: MembershipVersion, at now: Instant) {
        counters.olderReports += 1
        hear(.isExclude, group, [], from: version, at: now)
    }

    /// A record arrived (RFC 9776 §6.4).
    package mutating func hear(
        _ kind: GroupRecordKind, _ group: Address, _ told: [Address], from version: MembershipVersion = .v3,
        at now: Instant
    ) {
        guard group.isMulticast else { return counters.malformed += 1 }
        let isSourceSpecific = sourceSpecificRanges.contains { $0.contains(group) }
        guard !isSourceSpecific || (version == .v3 && !kind.isExcluding) else { return counters.ignored += 1 }
        let place: Int
        if let known = position(of: group) {
            place = known
        } else {
            // Who leaves what nobody is in changes nothing.
            guard kind.isExcluding || (!told.isEmpty && kind != .block) else { return }
            guard entries.count < settings.groupsMax else { return counters.refused += 1 }
            place = entries.firstIndex { $0.group > group } ?? entries.count
            entries.insert(Entry(group: group), at: place)
        }
        let older = now + settings.olderHostInterval
        if version == .v1 { entries[place].v1HostUntil = older }
        if version == .v2 { entries[place].v2HostUntil = older }
        var told = told
        // What an older host would not have understood cannot have been meant for it (RFC 9776 §7.3.2).
        switch (entries[place].oldestHost(at: now), kind) {
        case (.v1, .block), (.v2, .block), (.v1, .toInclude):
            counters.ignored += 1
            return
        case (.v1, .toExclude), (.v2, .toExclude): told = []
        case (_, _): break
        }
        follow(kind, place, told, at: now)
        groupsDue = min(groupsDue, due(of: place))
        removeIfUnwanted(place)
    }

    /// The tables of RFC 9776 §6.4.1 and §6.4.2, a row each.
    private mutating func follow(_ kind: GroupRecordKind, _ place: Int, _ told: [Address], at now: Instant) {
        let interval = now + settings.membershipInterval
        let before = entries[place].sources
        func isTold(_ source: Source) -> Bool { told.contains(source.address) }
        switch (entries[place].mode, kind) {
        case (_, .isInclude), (_, .allow):
            want(told, until: interval, place)
        case (.include, .isExclude), (.include, .toExclude):
            // EXCLUDE (A*B, B-A), what is only in B being excluded.
            entries[place].mode = .exclude
            entries[place].sources.removeAll { !isTold($0) }
            add(told, until: .zero, place)
            entries[place].until = interval
            if kind == .toExclude { ask(about: before.filter(isTold).map(\.address), place, at: now) }
        case (.exclude, .isExclude), (.exclude, .toExclude):
            // EXCLUDE (A-Y, Y*A), what is new in A running as long as the membership or the group.
            entries[place].sources.removeAll { !isTold($0) }
            add(told, until: kind == .isExclude ? interval : entries[place].until, place)
            entries[place].until = interval
            if kind == .toExclude { askAboutWanted(of: told, place, at: now) }
        case (.include, .block):
            ask(about: before.filter(isTold).map(\.address), place, at: now)
        case (.exclude, .block):
            add(told, until: entries[place].until, place)
            askAboutWanted(of: told, place, at: now)
        case (let mode, .toInclude):
            let others = before.filter { !isTold($0) && !$0.isExcluded }.map(\.address)
            want(told, until: interval, place)
            ask(about: others, place, at: now)
            if mode == .exclude { askAboutGroup(place, at: now) }
        }
    }

    /// Sources are wanted, whatever they were.
    private mutating func want(_ told: [Address], until: Instant, _ place: Int) {
        add(told, until: until, place)
        for source in told {
            guard let position = entries[place].position(of: source) else { continue }
            entries[place].sources[position].until = until
        }
    }

    /// Sources join the list; those in it stay what they are.
    private mutating func add(_ told: [Address], until: Instant, _ place: Int) {
        for source in told where entries[place].position(of: source) == nil {
            guard entries[place].sources.count < settings.sourcesMax else {
                counters.refused += 1
                continue
            }
            let sources = entries[place].sources
            let position = sources.firstIndex { $0.address > source } ?? sources.count
            entries[place].sources.insert(Source(address: source, until: until), at: position)
        }
    }

    // MARK: - Whether anybody is left

    private mutating func askAboutWanted(of told: [Address], _ place: Int, at now: Instant) {
        let wanted = entries[place].sources.filter { told.contains($0.address) && !$0.isExcluded }
        ask(about: wanted.map(\.address), place, at: now)
    }

    /// Whoever wants these sources has to say so soon (RFC 9776 §6.6.3.2).
    private mutating func ask(about sources: [Address], _ place: Int, at now: Instant) {
        // Older versions cannot ask about sources, which then run out in their own time.
        guard settings.version == .v3 else { return }
        let soon = now + settings.lastMemberTime
        for source in sources {
            guard let position = entries[place].position(of: source) else { continue }
            guard entries[place].sources[position].until > soon else { continue }
            entries[place].sources[position].until = soon
            entries[place].sources[position].queriesLeft = settings.robustness
            entries[place].queryDue = min(entries[place].queryDue, now)
        }
    }

    /// Whoever wants all of the group has to say so soon (RFC 9776 §6.6.3.1).
    private mutating func askAboutGroup(_ place: Int, at now: Instant) {
        // Version 1 cannot ask about a group.
        guard settings.version > .v1 else { return }
        entries[place].until = min(entries[place].until, now + settings.lastMemberTime)
        entries[place].queriesLeft = settings.robustness
        entries[place].queryDue = min(entries[place].queryDue, now)
    }

    private mutating func sendQueries(_ place: Int, at now: Instant) {
        let soon = now + settings.lastMemberTime
        let group = entries[place].group
        entries[place].queryDue = .never
        if entries[place].queriesLeft > 0 {
            entries[place].queriesLeft -= 1
            var query = query(about: group)
            query.suppressesRouters = entries[place].until > soon
            send(query)
            if entries[place].queriesLeft > 0 { entries[place].queryDue = now + settings.lastMemberInterval }
        }
        var asked: (confirmed: [Address], open: [Address]) = ([], [])
        for position in entries[place].sources.indices where entries[place].sources[position].queriesLeft > 0 {
            let source = entries[place].sources[position]
            entries[place].sources[position].queriesLeft -= 1
            if source.until > soon { asked.confirmed.append(source.address) } else { asked.open.append(source.address) }
            if source.queriesLeft > 1 { entries[place].queryDue = now + settings.lastMemberInterval }
        }
        guard settings.version == .v3 else { return }
        send(asked.confirmed, of: group, suppressing: true)
        send(asked.open, of: group, suppressing: false)
    }

    private mutating func send(_ sources: [Address], of group: Address, suppressing: Bool) {
        for start in stride(from: 0, to: sources.count, by: Self.sourcesPerQueryMax) {
            var query = query(about: group)
            query.sources = Array(sources[start..<min(start + Self.sourcesPerQueryMax, sources.count)])
            query.suppressesRouters = suppressing
            send(query)
        }
    }

    private func query(about group: Address) -> MembershipQuery<Address> {
        var query = MembershipQuery(
            settings.version, group: group, maxResponseTime: settings.lastMemberInterval)
        query.robustness = UInt8(clamping: settings.robustness)
        query.queryInterval = settings.queryInterval
        return query
    }

    private mutating func send(_ query: MembershipQuery<Address>) {
        if query.group.isAny { counters.generalQueries += 1 } else { counters.specificQueries += 1 }
        queries.append(query)
    }

    /// The most sources of one query; more are asked about in further ones.
    private static var sourcesPerQueryMax: Int {
        (1_280 - Address.overheadByteCount - Address.queryByteCount) / Address.byteCount
    }

    // MARK: - Time

    /// Does what is due.
    package mutating func timerFired(at now: Instant) {
        if generalQueryDue <= now {
            var query = query(about: Address(bits: 0))
            query.maxResponseTime = settings.responseInterval
            send(query)
            // The first ones come in quick succession (RFC 9776 §8.6).
            startupQueriesLeft = max(0, startupQueriesLeft - 1)
            let isStarting = startupQueriesLeft > 0
            let interval = settings.queryInterval.nanoseconds
            generalQueryDue = now + .nanoseconds(isStarting ? interval / 4 : interval)
        }
        guard groupsDue <= now else { return }
        groupsDue = .never
        for place in entries.indices.reversed() {
            if entries[place].queryDue <= now { sendQueries(place, at: now) }
            expire(place, at: now)
            groupsDue = min(groupsDue, due(of: place))
            removeIfUnwanted(place)
        }
    }

    /// What was not heard of again is wanted no longer (RFC 9776 §6.2.3, §6.3 and §6.5).
    private mutating func expire(_ place: Int, at now: Instant) {
        switch entries[place].mode {
        case .include: entries[place].sources.removeAll { $0.until <= now }
        case .exclude where entries[place].until <= now:
            entries[place].mode = .include
            entries[place].sources.removeAll { $0.until <= now }
        case .exclude:
            for position in entries[place].sources.indices where entries[place].sources[position].until <= now {
                entries[place].sources[position].until = .zero
                entries[place].sources[position].queriesLeft = 0
            }
        }
    }

    /// When the next timer of a group runs out.
    private func due(of place: Int) -> Instant {
        let entry = entries[place]
        var due = entry.queryDue
        if entry.mode == .exclude { due = min(due, entry.until) }
        for source in entry.sources where !source.isExcluded { due = min(due, source.until) }
        return due
    }

    private mutating func removeIfUnwanted(_ place: Int) {
        if entries[place].mode == .include && entries[place].sources.isEmpty { entries.remove(at: place) }
    }

    private func position(of group: Address) -> Int? {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].group < group { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low].group == group ? low : nil
    }
}
