public import ChimneyPrimitives

/// What a device is told to do about frames that are not addressed to it alone.
@frozen
public enum LinkFilterChange: Hashable, Sendable {
    /// Let frames to this group in.
    case admit(MACAddress)
    /// Do so no longer.
    case refuse(MACAddress)
    /// Let frames to all groups in, or only to those named.
    case allMulticast(Bool)
    /// Let every frame in, or only those for this host.
    case promiscuous(Bool)
}

/// Why a link filter is as it was.
public enum LinkFilterError: Error, Hashable, Sendable {
    /// The address is one host's, or that of all hosts, which every device lets in.
    case notGroup(MACAddress)
    /// The filter counts as many groups as it may.
    case tooManyGroups(max: Int)
    /// Nobody is in the group.
    case notMember(MACAddress)
}

/// Which link groups one interface receives, and what its device has to be told of that.
///
/// Members are counted, since 32 IPv4 groups and more IPv6 groups share a link group (RFC 1112 §6.4, RFC 2464 §7), and
/// since protocols of the link itself have groups too. A device names so many groups, and no more; from there on it
/// lets all groups in, while the groups it cannot name wait, the oldest first, for one that is left. What the device lets
/// in beyond the groups is refused by ``admits(_:)``.
public struct LinkFilter: ~Copyable {
    @usableFromInline var places: FlowTable<LinkGroupKey>
    private var groups: [LinkGroup] = []
    private var firstFree: Int32 = -1
    /// The waiting groups: a list from the oldest to the newest.
    private var firstWaiting: Int32 = -1
    private var lastWaiting: Int32 = -1
    private var waitingCount = 0
    @usableFromInline var allMulticastCount = 0
    @usableFromInline var promiscuousCount = 0
    /// The most groups the device names; with more, it lets all groups in.
    public private(set) var addressesMax: Int
    /// The most groups counted; at the bound joining another one is refused.
    public let groupsMax: Int

    /// A filter that lets no group in, for a device that names this many.
    public init(addressesMax: Int, groupsMax: Int = 1_048_576, using random: inout StackRandom) {
        self.addressesMax = max(0, addressesMax)
        self.groupsMax = min(max(0, groupsMax), Int(Int32.max))
        places = FlowTable(flowsMax: self.groupsMax, using: &random)
    }

    /// How many groups have members.
    public var count: Int { places.count }
    /// Whether the device lets all groups in, because somebody asked for it or because it cannot name them all.
    public var letsAllMulticastIn: Bool { allMulticastCount > 0 || waitingCount > 0 }
    /// Whether the device lets every frame in.
    public var isPromiscuous: Bool { promiscuousCount > 0 }

    /// The groups the device names, in order: what it is told after it was reset.
    public var addresses: [MACAddress] {
        groups.filter { $0.members > 0 && !$0.isWaiting }.map(\.address).sorted()
    }

    /// How many members a group has.
    public func memberCount(of address: MACAddress) -> Int {
        places[LinkGroupKey(address)].map { Int(groups[Int($0)].members) } ?? 0
    }

    /// Whether a frame to this address is for this host, as far as groups go.
    ///
    /// - Complexity: O(1); nothing is allocated.
    @inlinable
    public func admits(_ address: MACAddress) -> Bool {
        if promiscuousCount > 0 || address.isBroadcast { return true }
        guard address.isMulticast else { return false }
        return allMulticastCount > 0 || places[LinkGroupKey(address)] != nil
    }

    // MARK: - Groups

    /// The link group of an IPv4 group has a member more.
    public mutating func join(
        _ group: IPv4Address, changes: inout [LinkFilterChange]
    ) throws(LinkFilterError) { try join(MACAddress(group: group), changes: &changes) }

    /// The link group of an IPv6 group has a member more.
    public mutating func join(
        _ group: IPv6Address, changes: inout [LinkFilterChange]
    ) throws(LinkFilterError) { try join(MACAddress(group: group), changes: &changes) }

    /// A link group, which need not belong to an IP group, has a member more; with the first one the device is told.
    ///
    /// What the device is told, in this order, is put at the end of `changes`.
    public mutating func join(_ address: MACAddress, changes: inout [LinkFilterChange]) throws(LinkFilterError) {
        guard address.isMulticast && !address.isBroadcast else { throw .notGroup(address) }
        if let place = places[LinkGroupKey(address)] {
            groups[Int(place)].members += 1
            return
        }
        let place = firstFree >= 0 ? firstFree : Int32(groups.count)
        guard places.insert(UInt32(place), for: LinkGroupKey(address)) else { throw .tooManyGroups(max: groupsMax) }
        if firstFree >= 0 {
            firstFree = groups[Int(place)].next
            groups[Int(place)] = LinkGroup(address: address)
        } else {
            groups.append(LinkGroup(address: address))
        }
        if namedCount - 1 < addressesMax {
            changes.append(.admit(address))
        } else {
            let before = letsAllMulticastIn
            appendWaiting(place)
            tell(before, &changes)
        }
    }

    /// The link group of an IPv4 group has a member less.
    public mutating func leave(
        _ group: IPv4Address, changes: inout [LinkFilterChange]
    ) throws(LinkFilterError) { try leave(MACAddress(group: group), changes: &changes) }

    /// The link group of an IPv6 group has a member less.
    public mutating func leave(
        _ group: IPv6Address, changes: inout [LinkFilterChange]
    ) throws(LinkFilterError) { try leave(MACAddress(group: group), changes: &changes) }

    /// A link group has a member less; with the last one the device is told.
    public mutating func leave(_ address: MACAddress, changes: inout [LinkFilterChange]) throws(LinkFilterError) {
        guard let found = places[LinkGroupKey(address)] else { throw .notMember(address) }
        let place = Int(found)
        groups[place].members -= 1
        guard groups[place].members == 0 else { return }
        let before = letsAllMulticastIn
        if groups[place].isWaiting { removeWaiting(Int32(place)) } else { changes.append(.refuse(address)) }
        _ = places.remove(LinkGroupKey(address))
        groups[place].next = firstFree
        firstFree = Int32(place)
        nameWaiting(&changes)
        tell(before, &changes)
    }

    /// The device could not take a group it was told to admit: it names fewer than was thought.
    public mutating func deviceRefused(_ address: MACAddress, changes: inout [LinkFilterChange]) {
        guard let place = places[LinkGroupKey(address)], !groups[Int(place)].isWaiting else { return }
        let before = letsAllMulticastIn
        appendWaiting(Int32(place))
        addressesMax = namedCount
        tell(before, &changes)
    }

    // MARK: - All groups, all frames

    /// Somebody wants the frames of all groups; each call is undone by one of ``dropAllMulticast(changes:)``.
    public mutating func wantAllMulticast(changes: inout [LinkFilterChange]) {
        let before = letsAllMulticastIn
        allMulticastCount += 1
        tell(before, &changes)
    }

    /// Somebody wants the frames of all groups no longer; nothing happens when nobody did.
    public mutating func dropAllMulticast(changes: inout [LinkFilterChange]) {
        let before = letsAllMulticastIn
        allMulticastCount = max(0, allMulticastCount - 1)
        tell(before, &changes)
    }

    /// Somebody wants every frame; each call is undone by one of ``dropPromiscuous(changes:)``.
    public mutating func wantPromiscuous(changes: inout [LinkFilterChange]) {
        promiscuousCount += 1
        if promiscuousCount == 1 { changes.append(.promiscuous(true)) }
    }

    /// Somebody wants every frame no longer; nothing happens when nobody did.
    public mutating func dropPromiscuous(changes: inout [LinkFilterChange]) {
        guard promiscuousCount > 0 else { return }
        promiscuousCount -= 1
        if promiscuousCount == 0 { changes.append(.promiscuous(false)) }
    }

    // MARK: - What the device names

    private var namedCount: Int { places.count - waitingCount }

    /// Says what became of "all groups": after the groups that are named instead, so that nothing is missed between.
    private func tell(_ before: Bool, _ changes: inout [LinkFilterChange]) {
        if letsAllMulticastIn != before { changes.append(.allMulticast(letsAllMulticastIn)) }
    }

    private mutating func nameWaiting(_ changes: inout [LinkFilterChange]) {
        guard firstWaiting >= 0, namedCount < addressesMax else { return }
        let place = firstWaiting
        removeWaiting(place)
        changes.append(.admit(groups[Int(place)].address))
    }

    private mutating func appendWaiting(_ place: Int32) {
        groups[Int(place)].isWaiting = true
        groups[Int(place)].previous = lastWaiting
        groups[Int(place)].next = -1
        if lastWaiting >= 0 { groups[Int(lastWaiting)].next = place } else { firstWaiting = place }
        lastWaiting = place
        waitingCount += 1
    }

    private mutating func removeWaiting(_ place: Int32) {
        let (next, previous) = (groups[Int(place)].next, groups[Int(place)].previous)
        if previous >= 0 { groups[Int(previous)].next = next } else { firstWaiting = next }
        if next >= 0 { groups[Int(next)].previous = previous } else { lastWaiting = previous }
        groups[Int(place)].isWaiting = false
        waitingCount -= 1
    }
}

/// A link group with members, or a free place.
private struct LinkGroup {
    let address: MACAddress
    var members: UInt32 = 1
    /// Whether the device cannot name it.
    var isWaiting = false
    /// The next waiting group, or the next free place.
    var next: Int32 = -1
    var previous: Int32 = -1
}

/// A link group as the table is looked up by.
@frozen
@usableFromInline
struct LinkGroupKey: FlowKey {
    @usableFromInline let address: MACAddress

    @inlinable
    init(_ address: MACAddress) { self.address = address }

    @inlinable
    func hash(using hasher: FlowHasher) -> UInt64 { hasher.hash(address.bits, 0) }
}
