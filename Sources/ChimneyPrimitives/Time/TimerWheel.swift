/// Deadlines of many timers: arming, moving and cancelling take constant time.
///
/// A timer is a small number its owner chose, usually the place of an element in a slot map. It fires
/// once, never before its deadline; timers fire in the order of their deadlines, and equal ones in
/// the order they were armed.
///
/// The wheel has eight levels of 64 slots. A tick is 2^16 ns; a slot of one level is as long as the whole
/// level below, so that the eight together span every ``Instant``. A timer waits at the level of the highest digit
/// in which its tick differs from the wheel's, and moves down when the wheel reaches its slot. That
/// is why whatever waits at a lower level is due before whatever waits at a higher one.
@safe
package struct TimerWheel: ~Copyable {
    // Invariant: `nodes` holds `nodeCount` initialized entries, and every token below that is an index of it.
    // `heads`, allocated with the first timer, holds `slotCount` tokens. Links are tokens or `none`.
    private var nodes: UnsafeMutablePointer<TimerNode>?
    private var heads: UnsafeMutablePointer<UInt32>?
    private var nodeCount = 0
    /// A bit for each slot of a level that is not empty, and one for each level that is not.
    private var occupied = InlineArray<8, UInt64>(repeating: 0)
    private var levels: UInt8 = 0
    /// The tick that slots are counted from.
    private var tick: UInt64 = 0
    private var now = Instant.zero
    private var sequence: UInt64 = 0
    /// Timers whose deadline has passed, in order, from `dueNext` on; one cancelled meanwhile is `none`.
    private var due: [UInt32] = []
    private var dueNext = 0
    private var earliest: Instant?
    private var earliestIsKnown = true
    /// How many timers are armed.
    package private(set) var count = 0
    /// One more than the largest timer; memory is for the largest one armed.
    package let timersMax: Int

    private static var none: UInt32 { .max }
    private static var tickShift: UInt64 { 16 }
    private static var slotCount: Int { 512 }

    /// A wheel without timers or memory, for timers 0 to `timersMax - 1`.
    package init(timersMax: Int) {
        precondition(timersMax >= 0 && timersMax < Int(UInt32.max), "a wheel's timers are numbered by 32 bits")
        self.timersMax = timersMax
        unsafe nodes = nil
        unsafe heads = nil
    }

    deinit {
        unsafe nodes?.deallocate()
        unsafe heads?.deallocate()
    }

    /// The deadline of the first timer, or `nil` when none is armed.
    ///
    /// - Complexity: O(1), and O(timers in the first slot) after that timer fired, moved or was cancelled.
    package var deadline: Instant? {
        mutating get {
            if !earliestIsKnown {
                earliest = firstDeadline()
                earliestIsKnown = true
            }
            return earliest
        }
    }

    /// Whether a timer is armed.
    package func isArmed(_ timer: UInt32) -> Bool {
        guard timer < nodeCount, let nodes = unsafe nodes else { return false }
        return unsafe nodes[Int(timer)].place != TimerNode.idle
    }

    /// Arms a timer or moves an armed one.
    ///
    /// A deadline the wheel's time has reached becomes the next nanosecond, so that a timer armed
    /// while timers fire waits for the next call. ``Instant/never`` disarms.
    package mutating func arm(_ timer: UInt32, at deadline: Instant) {
        precondition(timer < timersMax, "a wheel arms timers below its bound")
        if timer >= nodeCount { grow(toHold: timer) }
        guard deadline < .never, let nodes = unsafe nodes else { return cancel(timer) }
        let deadline = deadline > now ? deadline : now + .nanoseconds(1)
        sequence &+= 1
        let old = unsafe nodes[Int(timer)]
        // A timer that stays among the first needs no look at the others, which may all be due at once.
        let staysFirst = earliestIsKnown && isArmed(timer) && earliest == old.deadline && deadline <= old.deadline
        if old.place == place(of: deadline) {
            // The slot stays the same, as when a timeout of seconds is moved by microseconds.
            unsafe nodes[Int(timer)].deadline = deadline
            unsafe nodes[Int(timer)].sequence = sequence
            if earliestIsKnown && earliest == old.deadline && !staysFirst { earliestIsKnown = false }
            if earliestIsKnown, earliest.map({ deadline < $0 }) ?? true { earliest = deadline }
            return
        }
        cancel(timer)
        unsafe nodes[Int(timer)].deadline = deadline
        unsafe nodes[Int(timer)].sequence = sequence
        count += 1
        insert(timer)
        if staysFirst {
            earliest = deadline
            earliestIsKnown = true
        } else if earliestIsKnown, earliest.map({ deadline < $0 }) ?? true {
            earliest = deadline
        }
    }

    /// Disarms a timer; one that is not armed stays so.
    package mutating func cancel(_ timer: UInt32) {
        guard isArmed(timer), let nodes = unsafe nodes else { return }
        let node = unsafe nodes[Int(timer)]
        if node.place == TimerNode.firing {
            due[Int(node.previous)] = Self.none
        } else {
            unlink(timer, node)
        }
        unsafe nodes[Int(timer)].place = TimerNode.idle
        count -= 1
        if earliestIsKnown && earliest == node.deadline { earliestIsKnown = false }
    }

    /// Takes the first timer whose deadline is at or before `instant`, or `nil` when none is.
    ///
    /// The wheel's time moves to `instant` and never back. Called until it gives `nil`.
    package mutating func popFirst(dueAt instant: Instant) -> UInt32? {
        if instant > now {
            now = instant
            collectDue()
        }
        while dueNext < due.count {
            let timer = due[dueNext]
            dueNext += 1
            guard timer != Self.none, let nodes = unsafe nodes else { continue }
            unsafe nodes[Int(timer)].place = TimerNode.idle
            count -= 1
            earliestIsKnown = false
            return timer
        }
        due.removeAll(keepingCapacity: true)
        dueNext = 0
        return nil
    }

    /// Moves every timer that is due from its slot to the list, in order.
    private mutating func collectDue() {
        let target = now.nanoseconds >> Self.tickShift
        while let (level, slot, start) = firstSlot(), start <= target {
            let end = tick
            tick = max(tick, start)
            assert(tick >= end, "a wheel turns forward")
            let isCurrent = level == 0 && start == target
            let collected = due.count
            var timer = takeSlot(level: level, slot: slot)
            while timer != Self.none, let nodes = unsafe nodes {
                let next = unsafe nodes[Int(timer)].next
                if unsafe nodes[Int(timer)].deadline <= now {
                    unsafe nodes[Int(timer)].place = TimerNode.firing
                    due.append(timer)
                } else {
                    insert(timer)
                }
                timer = next
            }
            // What was collected before was due before all of these.
            sortDue(from: collected)
            if isCurrent { break }
        }
        tick = max(tick, target)
    }

    /// Puts the timers that were collected last in order, without memory for it.
    private mutating func sortDue(from first: Int) {
        guard first < due.count, let nodes = unsafe nodes else { return }
        var ascents = 0
        for position in (first + 1)..<max(due.count, first + 1) where precedes(position - 1, position) { ascents += 1 }
        let last = due.count - first - 1
        if ascents == 0 {
            // A slot keeps what was armed last first, and that is mostly due last.
            for offset in 0..<(last + 1) / 2 { due.swapAt(first + offset, first + last - offset) }
        } else if ascents < last {
            for root in stride(from: (last - 1) / 2, through: 0, by: -1) { sink(root, among: last + 1, from: first) }
            for count in stride(from: last, to: 0, by: -1) {
                due.swapAt(first, first + count)
                sink(0, among: count, from: first)
            }
        }
        for position in first..<due.count { unsafe nodes[Int(due[position])].previous = UInt32(position) }
    }

    /// Moves a timer of a heap whose root is due last down to its place.
    private mutating func sink(_ place: Int, among count: Int, from first: Int) {
        var place = place
        while 2 * place + 1 < count {
            var child = 2 * place + 1
            if child + 1 < count, precedes(first + child, first + child + 1) { child += 1 }
            guard precedes(first + place, first + child) else { return }
            due.swapAt(first + place, first + child)
            place = child
        }
    }

    /// Whether the timer at one position of the list is due before that at another.
    private func precedes(_ one: Int, _ other: Int) -> Bool {
        guard let nodes = unsafe nodes else { return false }
        return unsafe TimerNode.precedes(nodes[Int(due[one])], nodes[Int(due[other])])
    }

    private func firstDeadline() -> Instant? {
        guard let nodes = unsafe nodes else { return nil }
        for position in dueNext..<max(due.count, dueNext) where due[position] != Self.none {
            return unsafe nodes[Int(due[position])].deadline
        }
        guard let heads = unsafe heads, let (level, slot, _) = firstSlot() else { return nil }
        var first = Instant.never
        var timer = unsafe heads[level << 6 | slot]
        while timer != Self.none {
            first = unsafe min(first, nodes[Int(timer)].deadline)
            timer = unsafe nodes[Int(timer)].next
        }
        return first
    }

    /// The slot whose timers come first, and the tick it starts with.
    private func firstSlot() -> (level: Int, slot: Int, start: UInt64)? {
        guard levels != 0 else { return nil }
        let level = levels.trailingZeroBitCount
        let slot = occupied[level].trailingZeroBitCount
        let shift = UInt64(6 * level)
        let above = (tick >> (shift + 6)) << (shift + 6)
        return (level, slot, above | UInt64(slot) << shift)
    }

    /// Empties a slot.
    ///
    /// - Returns: its first timer, still linked to the others.
    private mutating func takeSlot(level: Int, slot: Int) -> UInt32 {
        guard let heads = unsafe heads else { return Self.none }
        let head = unsafe heads[level << 6 | slot]
        unsafe heads[level << 6 | slot] = Self.none
        vacate(level: level, slot: slot)
        return head
    }

    private mutating func vacate(level: Int, slot: Int) {
        occupied[level] &= ~(1 << UInt64(slot))
        if occupied[level] == 0 { levels &= ~(1 << UInt8(level)) }
    }

    private mutating func insert(_ timer: UInt32) {
        guard let nodes = unsafe nodes, let heads = unsafe heads else { return }
        let place = unsafe Int(self.place(of: nodes[Int(timer)].deadline))
        let head = unsafe heads[place]
        unsafe nodes[Int(timer)].place = UInt32(place)
        unsafe nodes[Int(timer)].previous = Self.none
        unsafe nodes[Int(timer)].next = head
        if head != Self.none { unsafe nodes[Int(head)].previous = timer }
        unsafe heads[place] = timer
        occupied[place &>> 6] |= 1 &<< UInt64(place & 63)
        levels |= 1 &<< UInt8(place &>> 6)
    }

    /// The slot a deadline belongs to: at the level of the highest digit its tick differs in.
    private func place(of deadline: Instant) -> UInt32 {
        let when = deadline.nanoseconds &>> Self.tickShift
        let level = UInt64(63 &- ((when ^ tick) | 1).leadingZeroBitCount) / 6
        return UInt32(truncatingIfNeeded: level &<< 6 | (when &>> (6 &* level)) & 63)
    }

    private mutating func unlink(_ timer: UInt32, _ node: TimerNode) {
        guard let nodes = unsafe nodes, let heads = unsafe heads else { return }
        if node.next != Self.none { unsafe nodes[Int(node.next)].previous = node.previous }
        if node.previous != Self.none {
            unsafe nodes[Int(node.previous)].next = node.next
        } else {
            unsafe heads[Int(node.place)] = node.next
            if node.next == Self.none { vacate(level: Int(node.place) >> 6, slot: Int(node.place) & 63) }
        }
    }

    private mutating func grow(toHold timer: UInt32) {
        if unsafe heads == nil {
            let fresh = UnsafeMutablePointer<UInt32>.allocate(capacity: Self.slotCount)
            unsafe fresh.initialize(repeating: Self.none, count: Self.slotCount)
            unsafe heads = fresh
        }
        let larger = min(timersMax, max(16, nodeCount * 2, Int(timer) + 1))
        let fresh = UnsafeMutablePointer<TimerNode>.allocate(capacity: larger)
        if let nodes = unsafe nodes {
            unsafe fresh.moveInitialize(from: nodes, count: nodeCount)
            unsafe nodes.deallocate()
        }
        unsafe (fresh + nodeCount).initialize(repeating: TimerNode(), count: larger - nodeCount)
        unsafe nodes = fresh
        nodeCount = larger
    }
}

/// One timer of a wheel.
private struct TimerNode: BitwiseCopyable {
    var deadline = Instant.never
    var sequence: UInt64 = 0
    var next: UInt32 = .max
    /// The timer before it in its slot; in a timer about to fire, its position in the list.
    var previous: UInt32 = .max
    /// Its slot, `idle` or `firing`.
    var place: UInt32 = idle

    static var idle: UInt32 { .max }
    static var firing: UInt32 { .max - 1 }

    static func precedes(_ one: Self, _ other: Self) -> Bool {
        one.deadline != other.deadline ? one.deadline < other.deadline : one.sequence < other.sequence
    }
}
