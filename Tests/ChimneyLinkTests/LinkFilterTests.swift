import ChimneyLink
import ChimneyPrimitives
import Foundation
import Testing

@Suite struct LinkFilterTests {
    private func filter(addressesMax: Int, groupsMax: Int = 100, seed: UInt64 = 1) -> LinkFilter {
        var random = StackRandom(seed: seed)
        return LinkFilter(addressesMax: addressesMax, groupsMax: groupsMax, using: &random)
    }

    @Test func groupsThatShareALinkGroupAreCounted() throws {
        var filter = filter(addressesMax: 8)
        var changes: [LinkFilterChange] = []
        let shared = MACAddress(bits: 0x0100_5E01_0203)
        // The five bits that 01:00:5e does not carry make 32 groups of one.
        let groups = (0..<32).map { IPv4Address(bits: 0xE001_0203 | UInt32($0) << 23) }
        #expect(groups.filter(\.isMulticast).count == 32)
        for group in groups { try filter.join(group, changes: &changes) }
        #expect(changes == [.admit(shared)])
        #expect((filter.count, filter.memberCount(of: shared)) == (1, 32))
        for group in groups.dropLast() { try filter.leave(group, changes: &changes) }
        #expect(changes == [.admit(shared)])
        #expect(filter.admits(shared) == true)
        try filter.leave(groups[31], changes: &changes)
        #expect(changes == [.admit(shared), .refuse(shared)])
        #expect(filter.admits(shared) == false)
        #expect(throws: LinkFilterError.notMember(shared)) { try filter.leave(groups[0], changes: &changes) }
    }

    @Test func bothFamiliesAndTheLinksOwnGroupsAreLetIn() throws {
        var filter = filter(addressesMax: 8)
        var changes: [LinkFilterChange] = []
        let own = MACAddress(bits: 0x0180_C200_000E)
        try filter.join(IPv6Address.allNodes, changes: &changes)
        try filter.join(IPv4Address.allSystems, changes: &changes)
        try filter.join(own, changes: &changes)
        #expect(
            filter.addresses == [MACAddress(bits: 0x0100_5E00_0001), own, MACAddress(bits: 0x3333_0000_0001)])
        #expect(filter.admits(own) == true)
        #expect(filter.admits(MACAddress(bits: 0x3333_0000_0002)) == false)
        #expect(filter.admits(.broadcast) == true)
        #expect(filter.admits(MACAddress(bits: 0x0200_0000_0001)) == false)
        for address in [MACAddress.broadcast, MACAddress(bits: 0x0200_0000_0001)] {
            #expect(throws: LinkFilterError.notGroup(address)) { try filter.join(address, changes: &changes) }
        }
        #expect(changes.count == 3)
    }

    @Test func deviceThatCannotNameAllGroupsLetsThemAllInUntilItCan() throws {
        var filter = filter(addressesMax: 2)
        var changes: [LinkFilterChange] = []
        let mac = (0..<5).map { MACAddress(bits: 0x0100_5E00_0010 + UInt64($0)) }
        for address in mac[0..<4] { try filter.join(address, changes: &changes) }
        #expect(changes == [.admit(mac[0]), .admit(mac[1]), .allMulticast(true)])
        // The stack itself still refuses what nobody joined.
        #expect((filter.admits(mac[3]), filter.admits(mac[4])) == (true, false))
        changes = []
        try filter.leave(mac[0], changes: &changes)
        #expect(changes == [.refuse(mac[0]), .admit(mac[2])])
        #expect(filter.letsAllMulticastIn == true)
        try filter.leave(mac[2], changes: &changes)
        #expect(changes.suffix(3) == [.refuse(mac[2]), .admit(mac[3]), .allMulticast(false)])
        #expect(filter.addresses == [mac[1], mac[3]])
    }

    @Test func deviceThatRefusesAGroupIsTakenToNameNoMore() throws {
        var filter = filter(addressesMax: 64)
        var changes: [LinkFilterChange] = []
        let mac = (0..<4).map { MACAddress(bits: 0x3333_0000_0010 + UInt64($0)) }
        for address in mac[0..<3] { try filter.join(address, changes: &changes) }
        changes = []
        filter.deviceRefused(mac[2], changes: &changes)
        #expect(changes == [.allMulticast(true)])
        #expect(filter.addressesMax == 2)
        filter.deviceRefused(mac[2], changes: &changes)
        try filter.join(mac[3], changes: &changes)
        #expect(changes == [.allMulticast(true)])
        try filter.leave(mac[3], changes: &changes)
        try filter.leave(mac[1], changes: &changes)
        #expect(changes.dropFirst() == [.refuse(mac[1]), .admit(mac[2]), .allMulticast(false)])
    }

    @Test func groupsAreBounded() throws {
        var filter = filter(addressesMax: 1, groupsMax: 2)
        var changes: [LinkFilterChange] = []
        for number in UInt64(0)..<2 { try filter.join(MACAddress(bits: 0x3333_0000_0000 + number), changes: &changes) }
        #expect(throws: LinkFilterError.tooManyGroups(max: 2)) {
            try filter.join(MACAddress(bits: 0x3333_0000_0002), changes: &changes)
        }
        try filter.join(MACAddress(bits: 0x3333_0000_0001), changes: &changes)
        #expect((filter.count, filter.memberCount(of: MACAddress(bits: 0x3333_0000_0001))) == (2, 2))
    }

    @Test func allGroupsAndAllFramesAreCounted() throws {
        var filter = filter(addressesMax: 1)
        var changes: [LinkFilterChange] = []
        let strange = MACAddress(bits: 0x0200_0000_0001)
        filter.wantAllMulticast(changes: &changes)
        filter.wantAllMulticast(changes: &changes)
        #expect(changes == [.allMulticast(true)])
        #expect((filter.admits(MACAddress(bits: 0x3333_0000_0001)), filter.admits(strange)) == (true, false))
        filter.dropAllMulticast(changes: &changes)
        #expect(changes == [.allMulticast(true)])
        filter.dropAllMulticast(changes: &changes)
        filter.dropAllMulticast(changes: &changes)
        #expect(changes == [.allMulticast(true), .allMulticast(false)])
        changes = []
        filter.dropPromiscuous(changes: &changes)
        filter.wantPromiscuous(changes: &changes)
        filter.wantPromiscuous(changes: &changes)
        #expect(filter.admits(strange) == true)
        filter.dropPromiscuous(changes: &changes)
        #expect(changes == [.promiscuous(true)])
        filter.dropPromiscuous(changes: &changes)
        #expect(changes == [.promiscuous(true), .promiscuous(false)])
        #expect(filter.admits(strange) == false)
    }

    /// A device that does what it is told, and nothing else.
    private struct Device {
        var named: Set<MACAddress> = []
        var allMulticast = false
        var promiscuous = false

        /// - Returns: whether the change makes sense to a device.
        mutating func apply(_ change: LinkFilterChange) -> Bool {
            switch change {
            case .admit(let address): return named.insert(address).inserted
            case .refuse(let address): return named.remove(address) != nil
            case .allMulticast(let isOn):
                defer { allMulticast = isOn }
                return allMulticast != isOn
            case .promiscuous(let isOn):
                defer { promiscuous = isOn }
                return promiscuous != isOn
            }
        }
    }

    @Test func deviceHearsOfEveryGroupAtEveryMomentAndOfNothingTwice() throws {
        let only = ProcessInfo.processInfo.environment["CHIMNEY_SEED"].flatMap(UInt64.init)
        for seed in only.map({ [$0] }) ?? Array(0..<2_000) {
            var random = StackRandom(seed: seed)
            let addressesMax = Int(random.next() % 4)
            var filter = filter(addressesMax: addressesMax, seed: seed)
            var device = Device()
            var members: [MACAddress: Int] = [:]
            var allCount = 0
            for step in 0..<30 {
                let mac = MACAddress(bits: 0x0100_5E00_0000 + random.next() % 6)
                let before = members
                var changes: [LinkFilterChange] = []
                switch random.next() % 8 {
                case 0 where allCount < 2:
                    filter.wantAllMulticast(changes: &changes)
                    allCount += 1
                case 1 where allCount > 0:
                    filter.dropAllMulticast(changes: &changes)
                    allCount -= 1
                case 0...4:
                    try filter.join(mac, changes: &changes)
                    members[mac, default: 0] += 1
                default:
                    let isMember = members[mac] != nil
                    do { try filter.leave(mac, changes: &changes) } catch { #expect(!isMember) }
                    if let count = members[mac] { members[mac] = count == 1 ? nil : count - 1 }
                }
                var isRight = true
                let stayed = members.keys.filter { before[$0] != nil }
                for change in changes {
                    isRight = device.apply(change) && isRight
                    // Between two changes, too, whoever stays in a group hears it.
                    isRight = isRight && (device.allMulticast || device.named.isSuperset(of: stayed))
                    isRight = isRight && device.named.count <= addressesMax
                }
                let isFull = members.count > addressesMax
                isRight = isRight && device.allMulticast == (allCount > 0 || isFull)
                isRight = isRight && (isFull || device.named == Set(members.keys))
                isRight = isRight && device.named.isSubset(of: members.keys)
                isRight = isRight && Set(filter.addresses) == device.named && filter.count == members.count
                isRight = isRight && filter.admits(mac) == (allCount > 0 || members[mac] != nil)
                guard isRight else {
                    Issue.record("step \(step) after \(changes), replay with CHIMNEY_SEED=\(seed)")
                    return
                }
            }
        }
    }
}
