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

    @Test func deviceThatWasOpenedAnewIsToldEverything() throws {
        let segment = try Segment(.ipv4)
        try segment.right.setPromiscuous(true, on: segment.rightIndex)
        let first = changes(segment)
        #expect(first.contains(.promiscuous(true)) && first.count == 2)
        segment.right.deviceForgotFilter(of: segment.rightIndex)
        #expect(changes(segment) == first)
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
