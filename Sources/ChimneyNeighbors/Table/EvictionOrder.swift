/// How much a neighbour entry is worth, least first: the order in which entries give way to new ones.
enum NeighborWorth: Int, CaseIterable {
    /// Nobody answers, or nobody waits for the answer.
    case vain
    /// Learned from a peer's question; this stack never sent to it.
    case unused
    /// Used, not confirmed lately.
    case stale
    /// Confirmed, or being confirmed.
    case live
    /// Set by the operator, or packets wait for it: never evicted.
    case pinned
}

/// The entries of each worth, longest-standing first, linked through their numbers.
struct EvictionOrder: ~Copyable {
    private struct Link {
        var before: Int32 = -1
        var after: Int32 = -1
        var worth: NeighborWorth?
    }

    private var links: [Link] = []
    private var heads = InlineArray<5, Int32>(repeating: -1)
    private var tails = InlineArray<5, Int32>(repeating: -1)

    /// The entry of the least worth there is, up to `worthMax`, and of those the one that has had it longest.
    func leastWorthy(upTo worthMax: NeighborWorth) -> Int? {
        for worth in 0...worthMax.rawValue where heads[worth] >= 0 { return Int(heads[worth]) }
        return nil
    }

    /// Puts an entry last among those of a worth, or nowhere; one that already has the worth keeps its place.
    mutating func set(_ number: Int, to worth: NeighborWorth?) {
        while links.count <= number { links.append(Link()) }
        guard links[number].worth != worth else { return }
        unlink(number)
        guard let worth else { return }
        let last = tails[worth.rawValue]
        links[number] = Link(before: last, after: -1, worth: worth)
        if last < 0 { heads[worth.rawValue] = Int32(number) } else { links[Int(last)].after = Int32(number) }
        tails[worth.rawValue] = Int32(number)
    }

    private mutating func unlink(_ number: Int) {
        let link = links[number]
        guard let worth = link.worth else { return }
        if link.before < 0 { heads[worth.rawValue] = link.after } else { links[Int(link.before)].after = link.after }
        if link.after < 0 { tails[worth.rawValue] = link.before } else { links[Int(link.after)].before = link.before }
        links[number] = Link()
    }
}
