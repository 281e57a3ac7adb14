import ChimneyPrimitives
import ChimneyWire

/// A group of an interface, in the table.
struct GroupSlot<Address: MembershipAddress> {
    var machine: GroupMachine<Address>
    /// When its changes are told next, and when a question is answered.
    var changeDue = Instant.never
    var answerDue = Instant.never
    /// Grows with every change, so that reports have an order.
    var order: UInt64 = 0
    /// The group joined before, and the one joined after; the next free slot while this one is free.
    var next: Int32 = -1
    var previous: Int32 = -1
    /// How many more unsolicited reports an older version sends.
    var olderRepeats: UInt8 = 0
    /// Whether the change that is due was told by no report yet.
    var isNew = false
    /// Whether the link was told that the group is joined.
    var isTold = false
    /// Whether the last report about the group on the link, as far as we know, was ours (RFC 2236 §3).
    var isLastReporter = false
    var isFree = false
    /// Whether anything is wanted of the group, so that asking does not copy its filter.
    var isJoined = false
}

/// A group as what it is found by.
struct GroupKey<Address: MembershipAddress>: FlowKey {
    let group: Address

    func hash(using hasher: FlowHasher) -> UInt64 { hasher.hash(group: group, 0) }
}

extension InterfaceMachine {
    /// The slot of a group that is known.
    func knownPlace(of group: Address) -> Int? { places[GroupKey(group: group)].map(Int.init) }

    /// The slot of a group, a new one if need be; `nil` at the bound.
    mutating func place(of group: Address) -> Int? {
        if let known = knownPlace(of: group) { return known }
        let reporting: GroupMachine<Address>.Reporting =
            settings.isSourceSpecific(group) ? .sourceSpecific : settings.isLightweight ? .lightweight : .whole
        let place = firstFree >= 0 ? Int(firstFree) : slots.count
        guard places.insert(UInt32(place), for: GroupKey(group: group)) else { return nil }
        if firstFree >= 0 {
            firstFree = slots[place].next
            slots[place] = GroupSlot(machine: GroupMachine(group, reporting: reporting))
        } else {
            slots.append(GroupSlot(machine: GroupMachine(group, reporting: reporting)))
        }
        link(place)
        return place
    }

    private mutating func link(_ place: Int) {
        slots[place].previous = -1
        slots[place].next = newest
        if newest >= 0 { slots[Int(newest)].previous = Int32(place) }
        newest = Int32(place)
    }

    private mutating func unlink(_ place: Int) {
        let (previous, next) = (slots[place].previous, slots[place].next)
        if previous >= 0 { slots[Int(previous)].next = next } else { newest = next }
        if next >= 0 { slots[Int(next)].previous = previous }
        if let at = answer?.next, at == Int32(place) { answer?.next = next }
    }

    /// The group counts as joined last.
    mutating func moveToFront(_ place: Int) {
        guard newest != Int32(place) else { return }
        unlink(place)
        link(place)
    }

    /// Gives the slot back when nothing is wanted of its group and nothing is left to say.
    mutating func freeIfIdle(_ place: Int) {
        guard !slots[place].isFree, !slots[place].isJoined, slots[place].changeDue == .never,
            slots[place].answerDue == .never, slots[place].machine.isListReported
        else { return }
        unlink(place)
        _ = places.remove(GroupKey(group: slots[place].machine.group))
        slots[place] = GroupSlot(machine: GroupMachine(Address(bits: 0)))
        slots[place].isFree = true
        slots[place].next = firstFree
        firstFree = Int32(place)
    }

    mutating func setChangeDue(_ due: Instant, of place: Int) {
        slots[place].changeDue = due
        arm(place)
    }

    mutating func setAnswerDue(_ due: Instant, of place: Int) {
        slots[place].answerDue = due
        arm(place)
    }

    /// One timer a group, for whichever comes first.
    mutating func arm(_ place: Int) {
        timers.arm(UInt32(place), at: min(slots[place].changeDue, slots[place].answerDue))
    }

    /// A question about a group need not be answered any more.
    mutating func forgetQuestions(of place: Int) {
        askedCount -= slots[place].machine.askedCount
        slots[place].machine.forgetQuestions()
        slots[place].answerDue = .never
        arm(place)
    }

    /// Cancels all that is due, but for changes that were told to nobody when those are kept.
    mutating func cancelAll(keepingNew: Bool) {
        answer = nil
        if !keepingNew { gatherDue = nil }
        var place = newest
        while place >= 0 {
            let at = Int(place)
            place = slots[at].next
            slots[at].machine.forgetQuestions()
            slots[at].answerDue = .never
            slots[at].olderRepeats = 0
            if !keepingNew || !slots[at].isNew {
                slots[at].machine.forgetChanges()
                slots[at].changeDue = .never
                slots[at].isNew = false
            }
            arm(at)
            freeIfIdle(at)
        }
        askedCount = 0
    }
}
