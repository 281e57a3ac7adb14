/// Finds entries by hash: open addressing with linear probing, at most half full.
///
/// It knows entry numbers and hashes only; the table compares the addresses. The hash is keyed, so that a
/// peer cannot choose addresses that collide.
struct NeighborIndex: ~Copyable {
    // A slot is 0 when empty, otherwise the hash in the upper and the entry's number plus one in the lower half.
    private var slots: [UInt64] = []
    private(set) var count = 0

    /// The entry with this hash that `matches` accepts.
    func first(_ hash: UInt32, where matches: (Int) -> Bool) -> Int? {
        guard !slots.isEmpty else { return nil }
        let mask = slots.count - 1
        var place = Int(hash) & mask
        for _ in 0..<slots.count {
            let slot = slots[place]
            if slot == 0 { return nil }
            let number = Int(slot & 0xFFFF_FFFF) - 1
            if UInt32(truncatingIfNeeded: slot >> 32) == hash, matches(number) { return number }
            place = (place + 1) & mask
        }
        return nil
    }

    mutating func insert(_ number: Int, hash: UInt32) {
        if (count + 1) * 2 > slots.count { grow() }
        place(UInt64(hash) << 32 | UInt64(number + 1))
        count += 1
    }

    /// Takes an entry out and closes the gap, so that probing may stop at the first empty slot.
    mutating func remove(_ number: Int, hash: UInt32) {
        guard !slots.isEmpty else { return }
        let mask = slots.count - 1
        let wanted = UInt64(hash) << 32 | UInt64(number + 1)
        var gap = Int(hash) & mask
        while slots[gap] != wanted {
            guard slots[gap] != 0 else { return }
            gap = (gap + 1) & mask
        }
        count -= 1
        var next = (gap + 1) & mask
        while slots[next] != 0 {
            let home = Int(slots[next] >> 32) & mask
            if (next - home) & mask >= (next - gap) & mask {
                slots[gap] = slots[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        slots[gap] = 0
    }

    private mutating func place(_ slot: UInt64) {
        let mask = slots.count - 1
        var place = Int(slot >> 32) & mask
        while slots[place] != 0 { place = (place + 1) & mask }
        slots[place] = slot
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: 0, count: max(16, old.count * 2))
        for slot in old where slot != 0 { place(slot) }
    }
}
