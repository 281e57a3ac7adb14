package import ChimneyPrimitives
package import ChimneyWire

/// What one interface tells routers about the groups wanted on it, over IGMP or MLD.
///
/// It is told how the merged filters of its groups change, which messages arrive and when its link comes and goes, and
/// wants messages sent. It keeps the version that the link speaks, what queriers said, and the timers.
/// Which datagrams are delivered is not its concern.
///
/// A change waits ``MembershipSettings/gatherTime`` for others and is told in one report with them; its repeats
/// follow at random. Records stand in the order of their changes, the last first, so that a run can be repeated.
///
/// - Note: RFC 9776 and RFC 9777, the host's side; RFC 2236 and RFC 2710 where an older querier is present; RFC 5790.
package struct InterfaceMachine<Address: MembershipAddress>: ~Copyable {
    package private(set) var settings: MembershipSettings<Address>
    /// The MTU of the link, which bounds reports.
    package var mtu: Int
    /// How often things happened.
    package internal(set) var counters = MembershipCounters()
    /// The version spoken now.
    package internal(set) var version: MembershipVersion
    /// Whether the link is up; while it is not, nothing is due.
    package internal(set) var isUp: Bool

    var slots: [GroupSlot<Address>] = []
    var firstFree: Int32 = -1
    var places: FlowTable<GroupKey<Address>>
    var timers: TimerWheel
    /// The slots with a group, the one joined last first.
    var newest: Int32 = -1
    var changeCount: UInt64 = 0

    /// What the querier last said.
    var querierRobustness: Int?
    var querierInterval: TimeSpan?
    /// Until when a querier of version 1, and of version 2, counts as present.
    var v1QuerierUntil: Instant?
    var v2QuerierUntil: Instant?
    package internal(set) var querier: Address?
    package internal(set) var queriedAt: Instant?

    /// When changes that are new are told.
    var gatherDue: Instant?
    /// When a query about all groups is answered, or its answer goes on.
    var answer: GeneralAnswer?
    /// Sources remembered for answers, of all groups.
    var askedCount = 0

    /// The answer to a query about all groups.
    struct GeneralAnswer {
        var due: Instant
        /// Until when the query wants its answer.
        var until: Instant
        /// Where the answer goes on; `nil` before it began.
        var next: Int32?
        /// Until when a query that came meanwhile wants another one.
        var again: Instant?
    }

    /// A machine of an interface without groups.
    package init(
        settings: MembershipSettings<Address> = .init(), mtu: Int = 1_500, isUp: Bool = true,
        using random: inout StackRandom
    ) {
        self.settings = settings.withinBounds
        self.mtu = mtu
        self.isUp = isUp
        version = settings.pinnedVersion ?? .v3
        places = FlowTable(flowsMax: self.settings.groupsMax, using: &random)
        timers = TimerWheel(timersMax: self.settings.groupsMax)
    }

    /// How often each change is told now.
    package var robustness: Int {
        max(1, settings.pinnedRobustness ?? querierRobustness ?? settings.robustness)
    }

    /// How often the querier asks, as far as is known.
    package var queryInterval: TimeSpan { querierInterval ?? .seconds(125) }

    /// When ``timerFired(at:using:output:)`` next has work; `nil` while nothing is pending.
    package var deadline: Instant? {
        mutating get {
            var first = timers.deadline ?? .never
            if let due = answer?.due { first = min(first, due) }
            if let until = v1QuerierUntil { first = min(first, until) }
            if let until = v2QuerierUntil { first = min(first, until) }
            return first == .never ? nil : first
        }
    }

    // MARK: - What the host wants

    /// The merged filter of a group changed.
    ///
    /// - Complexity: O(1) and what ``GroupMachine/filterChanged(_:robustness:pendingSourcesMax:)`` costs.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func filterChanged(_ change: FilterChange<Address>, of group: Address, at now: Instant) {
        // What was told once is also told to be left, whatever the settings say since.
        guard settings.isReported(group) || knows(group) else { return }
        guard let place = place(of: group) else {
            counters.unreported += 1
            return
        }
        let wasJoined = slots[place].isJoined
        let isJoined = slots[place].machine.filterChanged(
            change, robustness: robustness, pendingSourcesMax: settings.pendingSourcesMax)
        slots[place].isJoined = isJoined
        if !isJoined && slots[place].answerDue != .never { forgetQuestions(of: place) }
        if isJoined && !wasJoined { moveToFront(place) }
        changeCount += 1
        slots[place].order = changeCount
        if !isUp {
            slots[place].machine.forgetChanges()
            freeIfIdle(place)
            return
        }
        if version < .v3 && isJoined == slots[place].isTold {
            // Older versions know nothing of sources, and a leave that was not sent need not be.
            slots[place].machine.forgetChanges()
            if slots[place].isNew && slots[place].olderRepeats == 0 { slots[place].changeDue = .never }
            slots[place].isNew = false
            arm(place)
            freeIfIdle(place)
            return
        }
        slots[place].isNew = true
        setChangeDue(gather(at: now), of: place)
    }

    /// Whether routers are told of a group, or are still told that it is left.
    package func knows(_ group: Address) -> Bool { knownPlace(of: group) != nil }

    /// The link is there, again or for the first time: all groups are told as if they were new.
    ///
    /// The same is due when the interface got its first address, before which reports came from none.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func linkWentUp(at now: Instant) {
        isUp = true
        var place = newest
        while place >= 0 {
            let next = slots[Int(place)].next
            if slots[Int(place)].isJoined {
                slots[Int(place)].isTold = false
                slots[Int(place)].machine.announce(robustness: robustness)
                slots[Int(place)].isNew = true
                setChangeDue(gather(at: now), of: Int(place))
            }
            place = next
        }
    }

    /// The link is gone, and with it what queriers said and all that was due.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func linkWentDown(at now: Instant, output: inout MembershipOutput<Address>) {
        isUp = false
        querierRobustness = nil
        querierInterval = nil
        v1QuerierUntil = nil
        v2QuerierUntil = nil
        querier = nil
        queriedAt = nil
        cancelAll(keepingNew: false)
        followQueriers(at: now, output: &output)
    }

    /// When changes of now are told.
    private mutating func gather(at now: Instant) -> Instant {
        if let due = gatherDue, due > now { return due }
        let due = now + settings.gatherTime
        gatherDue = due
        return due
    }

    /// The interface reports in another way from now on: what is pinned, what is believed, how long it waits.
    ///
    /// The bounds of its tables stay as they were, and so does the way of reporting groups that are known.
    package mutating func configure(
        _ new: MembershipSettings<Address>, at now: Instant, output: inout MembershipOutput<Address>
    ) {
        let before = robustness
        let groupsMax = settings.groupsMax
        settings = new.withinBounds
        settings.groupsMax = groupsMax
        if robustness != before { output.events.appendNews(.robustnessChanged(to: robustness)) }
        followQueriers(at: now, output: &output)
    }

    // MARK: - Time

    /// Does what is due; early and late calls do no harm.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func timerFired(
        at now: Instant, using random: inout StackRandom, output: inout MembershipOutput<Address>
    ) {
        followQueriers(at: now, output: &output)
        if let due = answer?.due, due <= now { answerGenerally(at: now, using: &random, output: &output) }
        var due: [Int] = []
        while let timer = timers.popFirst(dueAt: now) { due.append(Int(timer)) }
        guard !due.isEmpty else { return }
        due.sort { slots[$0].order > slots[$1].order }
        if version == .v3 {
            tell(due, at: now, using: &random, output: &output)
        } else {
            for place in due { tellOlder(place, at: now, using: &random, output: &output) }
        }
        for place in due {
            arm(place)
            freeIfIdle(place)
        }
    }

    /// Changes and answers of version 3: those of one moment share their reports and the time of their repeats.
    private mutating func tell(
        _ due: [Int], at now: Instant, using random: inout StackRandom, output: inout MembershipOutput<Address>
    ) {
        var changes = ReportPacker<Address>(mtu: mtu)
        let nextDue = now + random.delay(upTo: settings.unsolicitedReportInterval)
        for place in due where slots[place].changeDue <= now {
            let records = slots[place].machine.takeChanges(
                robustness: robustness, pendingSourcesMax: settings.pendingSourcesMax)
            for record in records { changes.append(record, to: &output) }
            if slots[place].isNew {
                counters.changes += UInt64(records.count)
            } else {
                counters.repeats += UInt64(records.count)
            }
            slots[place].isNew = false
            slots[place].isTold = slots[place].isJoined
            slots[place].changeDue = slots[place].machine.hasChanges ? nextDue : .never
        }
        changes.finish(to: &output)
        var answers = ReportPacker<Address>(mtu: mtu)
        for place in due where slots[place].answerDue <= now {
            askedCount -= slots[place].machine.askedCount
            if let record = slots[place].machine.takeAnswer() {
                answers.append(record, to: &output)
                counters.answers += 1
            }
            slots[place].answerDue = .never
        }
        answers.finish(to: &output)
        counters.reports[2] += changes.count + answers.count
    }

    /// Tells of all groups, or of as many as one part of the answer may have; the parts share the time that is left.
    private mutating func answerGenerally(
        at now: Instant, using random: inout StackRandom, output: inout MembershipOutput<Address>
    ) {
        guard var answer else { return }
        var place = answer.next ?? newest
        var packer = ReportPacker<Address>(mtu: mtu)
        var groupsLeft = settings.groupsPerAnswerMax
        while place >= 0 && groupsLeft > 0 {
            if let record = slots[Int(place)].machine.state {
                packer.append(record, to: &output)
                counters.answers += 1
            }
            groupsLeft -= 1
            place = slots[Int(place)].next
        }
        packer.finish(to: &output)
        counters.reports[2] += packer.count
        guard place >= 0 else {
            self.answer = answer.again.map { until in
                GeneralAnswer(due: now + random.delay(upTo: until - now), until: until)
            }
            return
        }
        let partsLeft = max(1, places.count / settings.groupsPerAnswerMax)
        answer.next = place
        answer.due = now + .nanoseconds(max(1_000_000, (answer.until - now).nanoseconds / Int64(partsLeft)))
        self.answer = answer
    }
}
