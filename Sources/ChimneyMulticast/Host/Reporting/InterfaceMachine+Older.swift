import ChimneyPrimitives
import ChimneyWire

/// Versions 1 and 2: a report for each group, and none for what another host reported (RFC 2236, RFC 2710, RFC 1112).
extension InterfaceMachine {
    /// A querier asked about a group or all of them.
    mutating func olderQueryArrived(
        _ group: Address, answerWithin wait: TimeSpan, at now: Instant, using random: inout StackRandom
    ) -> MembershipDrop? {
        guard group.isAny else {
            guard let place = knownPlace(of: group), slots[place].isJoined else { return .notMember }
            delayReport(of: place, upTo: wait, at: now, using: &random)
            return nil
        }
        guard places.count > 0 else { return .notMember }
        var place = newest
        while place >= 0 {
            if slots[Int(place)].isJoined { delayReport(of: Int(place), upTo: wait, at: now, using: &random) }
            place = slots[Int(place)].next
        }
        return nil
    }

    /// A timer that runs is set anew only when the query allows less than it has left (RFC 2236 §3).
    private mutating func delayReport(
        of place: Int, upTo wait: TimeSpan, at now: Instant, using random: inout StackRandom
    ) {
        guard now + wait < min(slots[place].answerDue, slots[place].changeDue) else { return }
        setAnswerDue(now + random.delay(upTo: wait), of: place)
    }

    /// Another host reported a group: ours would tell nothing new (RFC 2236 §3).
    mutating func reportArrived(about group: Address) -> MembershipDrop? {
        guard version < .v3, let place = knownPlace(of: group), slots[place].isJoined else {
            return .suppressesNothing
        }
        guard slots[place].answerDue != .never || slots[place].changeDue != .never else { return .suppressesNothing }
        counters.suppressed += 1
        slots[place].machine.forgetChanges()
        slots[place].answerDue = .never
        slots[place].changeDue = .never
        slots[place].olderRepeats = 0
        slots[place].isNew = false
        slots[place].isTold = true
        slots[place].isLastReporter = false
        arm(place)
        return nil
    }

    /// What is due of a group: the report of a join or a query, or a leave.
    mutating func tellOlder(
        _ place: Int, at now: Instant, using random: inout StackRandom, output: inout MembershipOutput<Address>
    ) {
        let (isChange, isAnswer) = (slots[place].changeDue <= now, slots[place].answerDue <= now)
        if isAnswer { slots[place].answerDue = .never }
        guard isChange else {
            if isAnswer { report(place, output: &output) }
            if isAnswer { counters.answers += 1 }
            return
        }
        slots[place].machine.forgetChanges()
        slots[place].changeDue = .never
        let wasNew = slots[place].isNew
        slots[place].isNew = false
        guard slots[place].isJoined else {
            slots[place].olderRepeats = 0
            if slots[place].isTold { leave(place, output: &output) }
            slots[place].isTold = false
            return
        }
        if wasNew {
            // Sources changed, or the group was left and joined again before anybody was told.
            if slots[place].isTold && slots[place].olderRepeats == 0 {
                if isAnswer { report(place, output: &output) }
                return
            }
            if !slots[place].isTold { slots[place].olderRepeats = UInt8(clamping: robustness) }
            counters.changes += 1
        } else {
            counters.repeats += 1
        }
        report(place, output: &output)
        slots[place].isTold = true
        slots[place].olderRepeats -= min(1, slots[place].olderRepeats)
        if slots[place].olderRepeats > 0 {
            slots[place].changeDue = now + random.delay(upTo: settings.olderUnsolicitedReportInterval)
        }
    }

    private mutating func report(_ place: Int, output: inout MembershipOutput<Address>) {
        guard slots[place].isJoined else { return }
        let group = slots[place].machine.group
        output.transmissions.append(MembershipTransmission(version == .v1 ? .reportV1(group) : .reportV2(group)))
        counters.reports[version == .v1 ? 0 : 1] += 1
        slots[place].isLastReporter = true
    }

    /// Version 1 has no leaves, and who was not the last to report need not send one (RFC 2236 §3).
    private mutating func leave(_ place: Int, output: inout MembershipOutput<Address>) {
        guard version == .v2, slots[place].isLastReporter else { return }
        slots[place].isLastReporter = false
        output.transmissions.append(MembershipTransmission(.leave(slots[place].machine.group)))
        counters.leaves += 1
    }
}
