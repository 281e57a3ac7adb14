import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import Testing

/// Which interface a call for a group is about, and what is left of a group whose route, link or IPv6 is gone.
@Suite struct GroupCallTests {
    private let port: UInt16 = 5_000
    private let linkGroup = IPAddress.v6(IPv6Address(high: 0xFF02 << 48, low: 0x99))

    private func error(_ call: () throws -> Void) -> GroupError? {
        do {
            try call()
            return nil
        } catch { return error as? GroupError }
    }

    /// A second link of the right stack.
    private func attach(_ segment: Segment, isIPv6: Bool) throws -> InterfaceIndex {
        var description = InterfaceDescription(name: "eth1", ipv6: isIPv6 ? .manual : .off)
        description.mac = MACAddress(bits: 0x0200_0000_0012)
        return try segment.right.attach(description, at: segment.now)
    }

    private func member(_ segment: Segment, at endpoint: Endpoint) throws -> SocketID {
        let socket = try segment.right.openUDP()
        var options = UDPOptions()
        options.sharesAddress = true
        segment.right.setOptions(options, of: socket)
        try segment.right.bind(socket, to: endpoint)
        return socket
    }

    private func give(_ segment: Segment, _ group: IPAddress, on index: InterfaceIndex, _ data: UInt8) {
        let source = group.isIPv4 ? Family.ipv4.left : Family.ipv6.querier
        let packet = Handmade.udp(to: port, [data], source: source, destination: group)
        var queue = PacketQueue()
        queue.append(Segment.packet(packet.frame(to: segment.family.mac(group)), segment.pool))
        segment.right.framesArrived(&queue, on: index, at: segment.now)
    }

    private enum Loss: CaseIterable { case route, link }

    @Test(arguments: Family.allCases, Loss.allCases)
    private func membershipIsChangedAndLeftThoughItsRouteOrLinkIsGone(_ family: Family, _ loss: Loss) throws {
        let segment = try Segment(family)
        let (group, now) = (family.channel(1), segment.now)
        try segment.right.addRoute(to: group, .connected(on: segment.rightIndex))
        let me = GroupMember.socket(try segment.right.openUDP())
        try segment.right.join(group, as: me, at: now)
        if loss == .route {
            try segment.right.removeRoutes(to: group)
            try segment.right.addRoute(to: group, .unreachable)
        } else {
            try segment.right.setUp(segment.rightIndex, false, at: now)
        }
        #expect(error { try segment.right.join(family.channel(2), as: me, at: now) } == .noInterface(family.channel(2)))
        #expect(
            error { try segment.right.setFilter(GroupFilter(.exclude, []), of: family.channel(2), as: me, at: now) }
                == .noInterface(family.channel(2)))
        try segment.right.block(family.left, of: group, as: me, at: now)
        #expect(try segment.right.filter(of: group, as: me) == GroupFilter(.exclude, [family.left]))
        try segment.right.unblock(family.left, of: group, as: me, at: now)
        try segment.right.setFilter(GroupFilter(.include, [family.left]), of: group, as: me, at: now)
        #expect(segment.right.memberships(of: me).map(\.interface) == [segment.rightIndex])
        try segment.right.leave(group, from: family.left, as: me, at: now)
        #expect(segment.right.memberships(of: me).isEmpty)
        #expect(error { try segment.right.leave(group, as: me, at: now) } == .noInterface(group))
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func routeChoosesAmongTheMembershipsOfSeveralInterfaces(_ family: Family) throws {
        let segment = try Segment(family)
        let eth1 = try attach(segment, isIPv6: family == .ipv6)
        try segment.right.addAddress(family.host(5, 1), to: eth1, at: segment.now)
        let (group, now) = (family.channel(1), segment.now)
        try segment.right.addRoute(to: group, .connected(on: eth1))
        let me = GroupMember.socket(try segment.right.openUDP())
        func interfaces() -> [InterfaceIndex] { segment.right.memberships(of: me).map(\.interface) }
        try segment.right.join(group, on: .index(segment.rightIndex), as: me, at: now)
        // A join is about the interface that is routed to, whatever else the member is in.
        #expect(try segment.right.interface(for: group, as: me) == eth1)
        try segment.right.join(group, as: me, at: now)
        #expect(interfaces() == [segment.rightIndex, eth1])
        try segment.right.leave(group, as: me, at: now)
        #expect(interfaces() == [segment.rightIndex])
        try segment.right.leave(group, as: me, at: now)
        #expect(interfaces().isEmpty)
        #expect(error { try segment.right.leave(group, as: me, at: now) } == .membership(.notMember))
        segment.check()
    }

    @Test func groupsOfIPv6AreLeftAndNotJoinedWhereIPv6IsOff() throws {
        let segment = try Segment(.ipv6)
        let (now, eth0) = (segment.now, InterfaceChoice.index(segment.rightIndex))
        let me = GroupMember.socket(try segment.right.openUDP())
        let groups = (UInt8(1)...4).map { Family.ipv6.channel($0) }
        for group in groups.prefix(3) { try segment.right.join(group, on: eth0, as: me, at: now) }
        try segment.right.setIPv6(.off, on: segment.rightIndex, at: now)
        let left = Family.ipv6.left
        #expect(error { try segment.right.join(groups[3], on: eth0, as: me, at: now) } == .ipv6Disabled)
        #expect(error { try segment.right.join(groups[3], from: left, on: eth0, as: me, at: now) } == .ipv6Disabled)
        for filter in [GroupFilter(.exclude, []), GroupFilter(.include, [left])] {
            #expect(
                error { try segment.right.setFilter(filter, of: groups[3], on: eth0, as: me, at: now) }
                    == .ipv6Disabled)
        }
        try segment.right.block(left, of: groups[0], on: eth0, as: me, at: now)
        try segment.right.leave(groups[0], on: eth0, as: me, at: now)
        try segment.right.leave(groups[1], as: me, at: now)
        try segment.right.setFilter(.none, of: groups[2], on: eth0, as: me, at: now)
        #expect(segment.right.memberships(of: me).isEmpty)
        segment.check()
    }

    @Test func stacksOwnGroupsHaveNoBoundToMeet() throws {
        var settings = StackSettings()
        settings.membershipLimits.membershipsPerStackMax = 0
        let segment = try Segment(.ipv6, rightSettings: settings)
        let snapshot = try #require(segment.multicast(on: segment.rightIndex))
        let solicited = try #require(IPv6Address("ff02::1:ff00:2"))
        #expect(Set(snapshot.groups.map(\.group)).isSuperset(of: [.v6(.allNodes), .v6(solicited), .v4(.allSystems)]))
        #expect(throws: GroupError.membership(.tooManyMembershipsInStack(max: 0))) {
            try segment.right.join(
                Family.ipv6.channel(1), on: .index(segment.rightIndex), as: .administrator, at: segment.now)
        }
        segment.check()
    }

    // MARK: - Zones

    @Test func socketBoundToAGroupOfALinkTakesItOnThatLinkAlone() throws {
        let segment = try Segment(.ipv6)
        let eth1 = try attach(segment, isIPv6: true)
        let socket = try segment.right.openUDP()
        let bound = try segment.right.bind(socket, to: Endpoint(linkGroup, port, zone: eth1.rawValue))
        #expect(bound.zone == eth1.rawValue)
        // By its own link, which is not the first.
        try segment.right.join(linkGroup, as: .socket(socket), at: segment.now)
        #expect(segment.right.memberships(of: .socket(socket)).map(\.interface) == [eth1])
        try segment.right.join(linkGroup, on: .index(segment.rightIndex), as: .socket(socket), at: segment.now)
        give(segment, linkGroup, on: eth1, 1)
        give(segment, linkGroup, on: segment.rightIndex, 2)
        #expect(segment.right.receiveAll(socket) == [[1]])
        segment.check()
    }

    @Test func socketBoundToAnAddressOfALinkJoinsGroupsOfItThere() throws {
        let segment = try Segment(.ipv6)
        let eth1 = try attach(segment, isIPv6: true)
        let addresses = segment.right.interfaces.first { $0.index == eth1 }?.ipv6Addresses ?? []
        let own = try #require(addresses.first { $0.address.isLinkLocal }?.address)
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(own, port, zone: eth1.rawValue))
        let (wide, me) = (Family.ipv6.channel(1), GroupMember.socket(socket))
        try segment.right.join(linkGroup, as: me, at: segment.now)
        try segment.right.join(wide, as: me, at: segment.now)
        let joined = segment.right.memberships(of: me)
        #expect(joined.map(\.group) == [linkGroup, wide])
        #expect(joined.map(\.interface) == [eth1, segment.rightIndex], "a wider group has no zone")
        segment.check()
    }

    @Test func groupsOfWiderScopeAndOfIPv4AreBoundToWithoutAZone() throws {
        let segment = try Segment(.ipv6)
        for group in [Family.ipv6.channel(1), Family.ipv4.channel(1)] {
            let socket = try segment.right.openUDP()
            let endpoint = Endpoint(mapped: group.mapped, port, zone: segment.rightIndex.rawValue)
            #expect(try segment.right.bind(socket, to: endpoint).zone == 0)
            try segment.right.join(group, on: .index(segment.rightIndex), as: .socket(socket), at: segment.now)
            give(segment, group, on: segment.rightIndex, 1)
            #expect(segment.right.receiveAll(socket) == [[1]])
        }
        // Without a zone, a group of a link means that of every link.
        let socket = try member(segment, at: Endpoint(linkGroup, port))
        try segment.right.join(linkGroup, on: .index(segment.rightIndex), as: .socket(socket), at: segment.now)
        give(segment, linkGroup, on: segment.rightIndex, 1)
        #expect(segment.right.receiveAll(socket) == [[1]])
        segment.check()
    }

    // MARK: - Inside

    @Test(arguments: Family.allCases, [true, false])
    func whatIsSentToAGroupByTheLoopbackInterfaceStaysInside(_ family: Family, _ loops: Bool) throws {
        let segment = try Segment(family)
        segment.pass(.seconds(20))
        let found = segment.right.interface(named: "lo0")
        let lo0 = try #require(found)
        let member = try member(segment, at: Endpoint(port: port))
        try segment.right.join(family.channel(1), on: .index(lo0), as: .socket(member), at: segment.now)
        let sender = try segment.right.openUDP()
        var options = UDPOptions()
        options.multicastInterface = lo0
        options.multicastLoops = loops
        segment.right.setOptions(options, of: sender)
        let own = try self.member(segment, at: Endpoint(family.loopback, 9))
        segment.right.setOptions(options, of: own)
        let before = segment.right.ledger
        for (socket, data) in [(sender, UInt8(7)), (own, 8)] {
            try segment.right.send(socket, [data], to: Endpoint(family.channel(1), port), at: segment.now)
        }
        #expect(segment.right.receiveAll(member) == (loops ? [[7], [8]] : []))
        #expect(segment.interceptRight().isEmpty)
        let after = segment.right.ledger
        #expect(DropReason.allCases.allSatisfy { after.dropped($0) == before.dropped($0) })
        segment.check()
    }
}
