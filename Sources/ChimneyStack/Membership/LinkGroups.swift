import ChimneyLink
import ChimneyPrimitives

/// Which link groups an interface lets in, and what its device knows of that.
///
/// The changes are kept until the device is told. Of a shell that asks late or never, what its device knows is kept instead,
/// and it is told the difference.
struct LinkGroups: ~Copyable {
    private(set) var filter: LinkFilter
    /// What happened since the device was told last.
    private var changes: [LinkFilterChange] = []
    /// What the device knows, in the place of `changes`.
    private var told: Told?
    /// Groups the filter had no room for, for each of which it lets all groups in.
    private var unfilteredCount = 0
    /// How often each group was joined for no IP group, and all groups were wanted: only that can be undone.
    private var protocolGroups: [MACAddress: Int] = [:]
    private var allMulticastWishes = 0

    /// The most changes kept; beyond them the device is told the difference.
    private static var changesMax: Int { 256 }

    /// What a device was told.
    private struct Told {
        /// In order.
        var groups: [MACAddress] = []
        var allMulticast = false
        var promiscuous = false
    }

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
        protocolGroups[mac, default: 0] += 1
        return hasNews()
    }

    mutating func leave(_ mac: MACAddress) throws(LinkFilterError) -> Bool {
        guard let count = protocolGroups[mac] else { throw .notMember(mac) }
        try filter.leave(mac, changes: &changes)
        protocolGroups[mac] = count > 1 ? count - 1 : nil
        return hasNews()
    }

    mutating func setAllMulticast(_ wanted: Bool) -> Bool {
        if wanted {
            filter.wantAllMulticast(changes: &changes)
            allMulticastWishes += 1
        } else if allMulticastWishes > 0 {
            filter.dropAllMulticast(changes: &changes)
            allMulticastWishes -= 1
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
        told?.groups.removeAll { $0 == mac }
        filter.deviceRefused(mac, changes: &changes)
        return hasNews()
    }

    /// The device was opened or reset, and lets no group in.
    mutating func deviceForgot() {
        changes = []
        told = Told()
    }

    /// What the device has to be told: what it is to let in no longer first, whose places the others may need, and of all
    /// groups at the end, so that none is missed that was let in with them.
    ///
    /// - Complexity: O(n) with the changes; with the groups, after more than `changesMax` changes.
    mutating func takeChanges() -> [LinkFilterChange] {
        if let told {
            self.told = nil
            return difference(from: told)
        }
        defer { changes = [] }
        return changes.count <= 1 ? changes : sum()
    }

    /// What the changes come to: of a group that is as before, the device hears nothing.
    private func sum() -> [LinkFilterChange] {
        var counts: [MACAddress: Int] = [:]
        for change in changes { if let group = change.group { counts[group, default: 0] += 1 } }
        var refused: [LinkFilterChange] = []
        var admitted: [LinkFilterChange] = []
        var (all, promiscuous): (LinkFilterChange?, LinkFilterChange?)
        for change in changes {
            // Changes of one thing are opposites in turn, so that the first of an odd number is what they come to.
            switch change {
            case .admit(let group): if counts.removeValue(forKey: group).isOdd { admitted.append(change) }
            case .refuse(let group): if counts.removeValue(forKey: group).isOdd { refused.append(change) }
            case .allMulticast: all = all == nil ? change : nil
            case .promiscuous: promiscuous = promiscuous == nil ? change : nil
            }
        }
        return refused + admitted + [all, promiscuous].compactMap(\.self)
    }

    private func difference(from told: Told) -> [LinkFilterChange] {
        let (old, new) = (told.groups, filter.addresses)
        var (left, right) = (0, 0)
        var refused: [LinkFilterChange] = []
        var admitted: [LinkFilterChange] = []
        while left < old.count || right < new.count {
            if right == new.count || left < old.count && old[left] < new[right] {
                refused.append(.refuse(old[left]))
                left += 1
            } else if left == old.count || new[right] < old[left] {
                admitted.append(.admit(new[right]))
                right += 1
            } else {
                left += 1
                right += 1
            }
        }
        let all = filter.letsAllMulticastIn
        if all != told.allMulticast { admitted.append(.allMulticast(all)) }
        if filter.isPromiscuous != told.promiscuous { admitted.append(.promiscuous(filter.isPromiscuous)) }
        return refused + admitted
    }

    /// Says whether the device has news, and keeps them one way or the other.
    private mutating func hasNews() -> Bool {
        guard told == nil else {
            defer { changes = [] }
            return !changes.isEmpty
        }
        guard changes.count > Self.changesMax else { return !changes.isEmpty }
        told = known()
        changes = []
        return true
    }

    /// What the device knows: what is wanted now without the changes it has not been told.
    private func known() -> Told {
        var named = Set(filter.addresses)
        var told = Told(allMulticast: filter.letsAllMulticastIn, promiscuous: filter.isPromiscuous)
        for change in changes.reversed() {
            switch change {
            case .admit(let group): named.remove(group)
            case .refuse(let group): named.insert(group)
            case .allMulticast(let wanted): told.allMulticast = !wanted
            case .promiscuous(let wanted): told.promiscuous = !wanted
            }
        }
        told.groups = named.sorted()
        return told
    }
}

extension LinkFilterChange {
    fileprivate var group: MACAddress? {
        switch self {
        case .admit(let group), .refuse(let group): group
        case .allMulticast, .promiscuous: nil
        }
    }
}

extension Int? {
    fileprivate var isOdd: Bool { self.map { $0 % 2 == 1 } ?? false }
}
