import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import Testing

/// What a device is told to let in.
@Suite struct LinkGroupTests {
    private let mac = MACAddress(bits: 0x0180_C200_0014)

    private func changes(_ segment: Segment) -> [LinkFilterChange] {
        var result: [LinkFilterChange] = []
        while let index = segment.right.nextFilterChange() { result += segment.right.takeFilterChanges(of: index) }
        return result
    }

    @Test(arguments: Family.allCases)
    func deviceIsToldTheGroupsOfTheStackOnceEach(_ family: Family) throws {
        let segment = try Segment(family)
        #expect(changes(segment).contains(.admit(MACAddress(bits: family.mac(family.allHosts)))))
        let (first, second) = (try segment.right.openUDP(), try segment.right.openUDP())
        let eth0 = InterfaceChoice.index(segment.rightIndex)
        let group = MACAddress(bits: family.mac(family.channel(1)))
        for socket in [first, second] {
            try segment.right.join(family.channel(1), on: eth0, as: .socket(socket), at: segment.now)
        }
        #expect(segment.right.hasFilterChanges && changes(segment) == [.admit(group)])
        segment.right.close(first)
        #expect(changes(segment) == [])
        segment.right.close(second)
        #expect(changes(segment) == [.refuse(group)] && !segment.right.hasFilterChanges)
        segment.check()
    }

    @Test func groupsThatShareALinkGroupAreCounted() throws {
        let segment = try Segment(.ipv4)
        _ = changes(segment)
        let eth0 = InterfaceChoice.index(segment.rightIndex)
        let twins = [IPv4Address(239, 1, 1, 1), IPv4Address(238, 129, 1, 1)].map { IPAddress.v4($0) }
        for group in twins { try segment.right.join(group, on: eth0, as: .administrator, at: segment.now) }
        #expect(changes(segment) == [.admit(MACAddress(bits: 0x0100_5E01_0101))])
        try segment.right.leave(twins[0], on: eth0, as: .administrator, at: segment.now)
        #expect(changes(segment) == [])
        try segment.right.leave(twins[1], on: eth0, as: .administrator, at: segment.now)
        #expect(changes(segment) == [.refuse(MACAddress(bits: 0x0100_5E01_0101))])
    }

    @Test func deviceThatNamesFewGroupsLetsAllInFromThereOn() throws {
        let segment = try Segment(.ipv4)
        var description = InterfaceDescription(name: "eth1", mac: MACAddress(bits: 0x0200_0000_0099))
        description.groupAddressesMax = 2
        let index = try segment.right.attach(description, at: segment.now)
        for number in UInt8(1)...3 {
            try segment.right.join(
                Family.ipv4.channel(number), on: .index(index), as: .administrator, at: segment.now)
        }
        let told = segment.right.takeFilterChanges(of: index)
        #expect(told.count == 3 && told.last == .allMulticast(true))
        let snapshot = try #require(segment.multicast(on: index))
        #expect(snapshot.letsAllMulticastIn && snapshot.linkGroups.count == 2)
        for number in UInt8(2)...3 {
            try segment.right.leave(
                Family.ipv4.channel(number), on: .index(index), as: .administrator, at: segment.now)
        }
        #expect(segment.right.takeFilterChanges(of: index).contains(.allMulticast(false)))
        segment.right.filterRefused(MACAddress(bits: 0x0100_5E00_0001), on: index, at: segment.now)
        #expect(segment.right.takeFilterChanges(of: index) == [.allMulticast(true)])
    }

    @Test func linkProtocolsAllMulticastAndPromiscuityAreCounted() throws {
        let segment = try Segment(.ipv4)
        _ = changes(segment)
        let index = segment.rightIndex
        try segment.right.joinLink(mac, on: index)
        try segment.right.joinLink(mac, on: index)
        #expect(changes(segment) == [.admit(mac)])
        try segment.right.leaveLink(mac, on: index)
        try segment.right.leaveLink(mac, on: index)
        #expect(changes(segment) == [.refuse(mac)])
        #expect(throws: LinkGroupError.filter(.notMember(mac))) { try segment.right.leaveLink(mac, on: index) }
        #expect(throws: LinkGroupError.noSuchInterface) {
            try segment.right.joinLink(mac, on: InterfaceIndex(rawValue: 99))
        }
        for wanted in [true, true, false] { try segment.right.setAllMulticast(wanted, on: index) }
        #expect(changes(segment) == [.allMulticast(true)])
        try segment.right.setAllMulticast(false, on: index)
        for wanted in [true, false, true] { try segment.right.setPromiscuous(wanted, on: index) }
        #expect(changes(segment) == [.allMulticast(false), .promiscuous(true)])
        try segment.right.setPromiscuous(false, on: index)
        #expect(changes(segment) == [.promiscuous(false)])
    }

    @Test func whatIPGroupsWantOfTheLinkIsNotTheOperatorsToUndo() throws {
        let segment = try Segment(.ipv4)
        let (index, now, group) = (segment.rightIndex, segment.now, Family.ipv4.channel(1))
        let shared = MACAddress(bits: Family.ipv4.mac(group))
        try segment.right.join(group, on: .index(index), as: .administrator, at: now)
        _ = changes(segment)
        #expect(throws: LinkGroupError.filter(.notMember(shared))) { try segment.right.leaveLink(shared, on: index) }
        for _ in 0..<2 { try segment.right.joinLink(shared, on: index) }
        for _ in 0..<2 { try segment.right.leaveLink(shared, on: index) }
        #expect(throws: LinkGroupError.filter(.notMember(shared))) { try segment.right.leaveLink(shared, on: index) }
        #expect(changes(segment) == [])
        // The other way round: the group is left, and the operator's member stays.
        try segment.right.joinLink(shared, on: index)
        try segment.right.leave(group, on: .index(index), as: .administrator, at: now)
        #expect(changes(segment) == [])
        try segment.right.leaveLink(shared, on: index)
        #expect(changes(segment) == [.refuse(shared)])
        segment.check()
    }

    @Test func deviceThatWasOpenedAnewIsToldEverything() throws {
        let segment = try Segment(.ipv4)
        try segment.right.setPromiscuous(true, on: segment.rightIndex)
        let first = changes(segment)
        #expect(first.contains(.promiscuous(true)) && first.count == 2)
        segment.right.deviceForgotFilter(of: segment.rightIndex)
        #expect(changes(segment) == first)
    }

    /// A device that does what it is told, and has fewer places than it says, lets in what is wanted whenever it has been asked.
    @Test func deviceThatFollowsLetsInWhatIsWanted() throws {
        for seed in Seeds.chosen(count: 60) {
            let segment = try Segment(.ipv4, isResolved: false)
            var random = StackRandom(seed: seed)
            var description = InterfaceDescription(name: "eth1", mac: MACAddress(bits: 0x0200_0000_0099), ipv6: .off)
            description.groupAddressesMax = random.pick(64)
            let index = try segment.right.attach(description, at: segment.now)
            var device = Device(placesMax: random.pick(64))
            var members: [MACAddress] = []
            // Some shells ask after each change, others after more than are kept.
            let pause = [1, 4, 40, 900][random.pick(4)]
            for step in 0..<2_500 {
                let group = MACAddress(bits: 0x0100_5E00_0000 + UInt64(random.pick(600)))
                switch random.pick(20) {
                case 0: try segment.right.setAllMulticast(random.pick(2) == 0, on: index)
                case 1: try segment.right.setPromiscuous(random.pick(2) == 0, on: index)
                case 2 where random.pick(40) == 0:
                    segment.right.deviceForgotFilter(of: index)
                    device = Device(placesMax: device.placesMax)
                case 3..<11 where !members.isEmpty:
                    try segment.right.leaveLink(members.remove(at: random.pick(members.count)), on: index)
                default:
                    try segment.right.joinLink(group, on: index)
                    members.append(group)
                }
                guard step % pause == 0 || step == 2_499 else { continue }
                while let next = segment.right.nextFilterChange() {
                    for change in segment.right.takeFilterChanges(of: next) where next == index {
                        guard !device.follow(change), case .admit(let group) = change else { continue }
                        segment.right.filterRefused(group, on: index, at: segment.now)
                    }
                }
                let snapshot = try #require(segment.multicast(on: index))
                #expect(device.named == Set(snapshot.linkGroups.map(\.mac)), "seed \(seed), step \(step)")
                #expect(device.allMulticast == snapshot.letsAllMulticastIn, "seed \(seed), step \(step)")
                #expect(device.promiscuous == snapshot.isPromiscuous, "seed \(seed), step \(step)")
                #expect(device.allMulticast || members.allSatisfy(device.named.contains), "seed \(seed), step \(step)")
            }
        }
    }

    private struct Device {
        let placesMax: Int
        var named: Set<MACAddress> = []
        var allMulticast = false
        var promiscuous = false

        init(placesMax: Int) { self.placesMax = placesMax }

        /// Does what it is told; `false` where there is no place.
        mutating func follow(_ change: LinkFilterChange) -> Bool {
            switch change {
            case .admit(let group):
                guard named.count < placesMax else { return false }
                #expect(named.insert(group).inserted)
            case .refuse(let group): #expect(named.remove(group) != nil)
            case .allMulticast(let wanted):
                #expect(allMulticast != wanted)
                allMulticast = wanted
            case .promiscuous(let wanted):
                #expect(promiscuous != wanted)
                promiscuous = wanted
            }
            return true
        }
    }

    @Test func framesToGroupsNobodyWantsDieAtTheLinkUnlessAllAreLetIn() throws {
        let segment = try Segment(.ipv4)
        let frame = Handmade.udp(to: 9, [1], destination: Family.ipv4.channel(1))
            .frame(to: Family.ipv4.mac(Family.ipv4.channel(1)))
        segment.giveRight(frame)
        #expect(segment.right.ledger.dropped(.linkGroupNotJoined) == 1)
        try segment.right.setAllMulticast(true, on: segment.rightIndex)
        segment.giveRight(frame)
        #expect(segment.right.ledger.dropped(.multicastNoMember) == 1)
        try segment.right.setPromiscuous(true, on: segment.rightIndex)
        segment.giveRight(Handmade.udp(to: 9, [1]).frame(to: 0x0200_0000_0077))
        #expect(segment.right.ledger.dropped(.frameNotForUs) == 1)
        segment.check()
    }
}

extension StackRandom {
    /// A number below a bound.
    fileprivate mutating func pick(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
