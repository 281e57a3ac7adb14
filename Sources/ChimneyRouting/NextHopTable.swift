public import ChimneyPrimitives

/// The different next hops of a table, each once with a count of its users, and the groups of equal paths among them.
///
/// Both share one numbering, so that a lookup needs one word for either.
@usableFromInline
struct NextHopTable<Address: InternetAddress>: Sendable {
    @usableFromInline
    struct Slot: Sendable, BitwiseCopyable {
        @usableFromInline
        var hop: NextHop<Address>
        /// For a group, how many equal paths it has; 0 for a single next hop.
        @usableFromInline
        var pathCount: UInt32 = 0
        /// Where a group's members begin; in a free slot the next free one.
        @usableFromInline
        var link: UInt32 = 0
    }

    /// What lookups read.
    @usableFromInline
    private(set) var slots: [Slot] = []
    @usableFromInline
    private(set) var members = CellRuns()
    private var users: [UInt32] = []
    private var free: UInt32 = .max
    private var numbers: [NextHop<Address>: UInt32] = [:]
    private var groups: [[UInt32]: UInt32] = [:]
    private(set) var count = 0
    /// At this many next hops a further one is refused.
    private let slotsMax: Int

    init(slotsMax: Int) { self.slotsMax = slotsMax }

    /// The next hop for a flow: the only one, or one member of the group.
    @inlinable
    func hop(_ number: UInt32, flowHash: UInt32) -> NextHop<Address> {
        let slot = slots[Int(number)]
        return slot.pathCount == 0 ? slot.hop : Self.path(of: slot, flowHash: flowHash, slots, members.cells)
    }

    /// The member with the highest weight for this flow (rendezvous hashing, RFC 2992 §3 calls it highest random weight).
    ///
    /// A flow keeps its path as long as the path is there: adding or losing one moves only the flows of that path.
    @inlinable
    @inline(never)
    static func path(of slot: Slot, flowHash: UInt32, _ slots: [Slot], _ members: [UInt32]) -> NextHop<Address> {
        var best = slot.hop
        var bestWeight: UInt64 = 0
        for k in 0..<Int(slot.pathCount) {
            let hop = slots[Int(members[Int(slot.link) + k])].hop
            let router = UInt64(truncatingIfNeeded: hop.router.bits) ^ UInt64(truncatingIfNeeded: hop.router.bits >> 16)
            var weight = (UInt64(flowHash) << 32 | UInt64(hop.interface)) &* 0x9E37_79B9_7F4A_7C15 ^ router
            weight = (weight ^ (weight >> 29)) &* 0xBF58_476D_1CE4_E5B9
            weight ^= weight >> 32
            if k == 0 || weight > bestWeight { (best, bestWeight) = (hop, weight) }
        }
        return best
    }

    /// The members of a group, or the next hop itself.
    func paths(_ number: UInt32) -> [UInt32] {
        let slot = slots[Int(number)]
        guard slot.pathCount > 0 else { return [number] }
        return (0..<Int(slot.pathCount)).map { members.cells[Int(slot.link) + $0] }
    }

    /// One more user of this next hop; `nil` when there is no number left for it.
    mutating func acquire(_ hop: NextHop<Address>) -> UInt32? {
        if let number = numbers[hop] {
            users[Int(number)] += 1
            return number
        }
        guard let number = place(Slot(hop: hop)) else { return nil }
        numbers[hop] = number
        return number
    }

    /// One more user of the group of these members, in this order; `nil` when there is no number left for it.
    mutating func acquireGroup(_ paths: [UInt32]) -> UInt32? {
        if let number = groups[paths] {
            users[Int(number)] += 1
            return number
        }
        guard let first = paths.first, count < slotsMax else { return nil }
        let start = members.allocate(paths.count)
        for (k, path) in paths.enumerated() {
            members.cells[Int(start) + k] = path
            users[Int(path)] += 1
        }
        let slot = Slot(hop: slots[Int(first)].hop, pathCount: UInt32(truncatingIfNeeded: paths.count), link: start)
        guard let number = place(slot) else { return nil }
        groups[paths] = number
        return number
    }

    /// One more user of a number that has users.
    mutating func retain(_ number: UInt32) { users[Int(number)] += 1 }

    /// One user less; the last one frees the number.
    mutating func release(_ number: UInt32) {
        let place = Int(number)
        users[place] -= 1
        guard users[place] == 0 else { return }
        let slot = slots[place]
        if slot.pathCount > 0 {
            let paths = paths(number)
            groups[paths] = nil
            members.release(slot.link, count: paths.count)
            for path in paths { release(path) }
        } else {
            numbers[slot.hop] = nil
        }
        slots[place].pathCount = 0
        slots[place].link = free
        free = number
        count -= 1
    }

    private mutating func place(_ slot: Slot) -> UInt32? {
        guard count < slotsMax else { return nil }
        count += 1
        guard free != .max else {
            slots.append(slot)
            users.append(1)
            return UInt32(truncatingIfNeeded: slots.count - 1)
        }
        let number = free
        free = slots[Int(number)].link
        slots[Int(number)] = slot
        users[Int(number)] = 1
        return number
    }

    /// Memory held, without what the dictionaries round up.
    var byteCount: Int {
        slots.capacity * MemoryLayout<Slot>.stride + users.capacity * MemoryLayout<UInt32>.stride + members.byteCount
            + numbers.capacity * (MemoryLayout<NextHop<Address>>.stride + MemoryLayout<UInt32>.stride)
    }
}
