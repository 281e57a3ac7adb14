import ChimneyLink
import ChimneyPrimitives

/// Which link groups an interface lets in, and what its device knows of that.
///
/// The device is told the difference between what it was told and what is wanted now, so that nothing piles up for a
/// shell that asks late or never.
struct LinkGroups: ~Copyable {
    private(set) var filter: LinkFilter
    /// What the device was told last.
    private var told: [MACAddress] = []
    private var toldAllMulticast = false
    private var toldPromiscuous = false
    /// Groups the filter had no room for, for each of which it lets all groups in.
    private var unfilteredCount = 0
    private var changes: [LinkFilterChange] = []

    init(addressesMax: Int, using random: inout StackRandom) {
        filter = LinkFilter(addressesMax: addressesMax, using: &random)
    }

    /// A group of the interface has its first member; says whether the device has news.
    mutating func groupJoined(_ mac: MACAddress) -> Bool {
        do {
            try filter.join(mac, changes: &changes)
        } catch {
            // The group is joined all the same, and its frames come in with all others.
            filter.wantAllMulticast(changes: &changes)
            unfilteredCount += 1
        }
        return hasNews()
    }

    /// A group of the interface lost its last member; says whether the device has news.
    mutating func groupLeft(_ mac: MACAddress) -> Bool {
        do {
            try filter.leave(mac, changes: &changes)
        } catch {
            guard unfilteredCount > 0 else { return false }
            filter.dropAllMulticast(changes: &changes)
            unfilteredCount -= 1
        }
        return hasNews()
    }

    mutating func join(_ mac: MACAddress) throws(LinkFilterError) -> Bool {
        try filter.join(mac, changes: &changes)
        return hasNews()
    }

    mutating func leave(_ mac: MACAddress) throws(LinkFilterError) -> Bool {
        try filter.leave(mac, changes: &changes)
        return hasNews()
    }

    mutating func setAllMulticast(_ wanted: Bool) -> Bool {
        if wanted {
            filter.wantAllMulticast(changes: &changes)
        } else {
            filter.dropAllMulticast(changes: &changes)
        }
        return hasNews()
    }

    mutating func setPromiscuous(_ wanted: Bool) -> Bool {
        if wanted {
            filter.wantPromiscuous(changes: &changes)
        } else {
            filter.dropPromiscuous(changes: &changes)
        }
        return hasNews()
    }

    /// The device names no more groups than it has, and did not take this one.
    mutating func deviceRefused(_ mac: MACAddress) -> Bool {
        told.removeAll { $0 == mac }
        filter.deviceRefused(mac, changes: &changes)
        return hasNews()
    }

    /// The device was opened or reset, and lets no group in.
    mutating func deviceForgot() {
        told = []
        toldAllMulticast = false
        toldPromiscuous = false
    }

    /// What the device has to be told: what it is to let in no longer first, whose places the others may need, and of all
    /// groups at the end, so that none is missed that was let in with them.
    mutating func takeChanges() -> [LinkFilterChange] {
        let wanted = filter.addresses
        var admitted: [LinkFilterChange] = []
        var refused: [LinkFilterChange] = []
        var (old, new) = (0, 0)
        while old < told.count || new < wanted.count {
            if new == wanted.count || old < told.count && told[old] < wanted[new] {
                refused.append(.refuse(told[old]))
                old += 1
            } else if old == told.count || wanted[new] < told[old] {
                admitted.append(.admit(wanted[new]))
                new += 1
            } else {
                old += 1
                new += 1
            }
        }
        let all = filter.letsAllMulticastIn
        if all != toldAllMulticast { admitted.append(.allMulticast(all)) }
        if filter.isPromiscuous != toldPromiscuous { admitted.append(.promiscuous(filter.isPromiscuous)) }
        told = wanted
        toldAllMulticast = all
        toldPromiscuous = filter.isPromiscuous
        return refused + admitted
    }

    private mutating func hasNews() -> Bool {
        defer { changes.removeAll(keepingCapacity: true) }
        return !changes.isEmpty
    }
}
