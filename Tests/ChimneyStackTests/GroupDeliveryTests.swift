import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import Testing

/// Which sockets receive what is sent to a group.
@Suite struct GroupDeliveryTests {
    private let port: UInt16 = 5_000

    private func stranger(_ family: Family) -> IPAddress { family.host(0, 77) }

    private func give(_ segment: Segment, _ group: IPAddress, from source: IPAddress? = nil, _ data: UInt8) {
        let family = segment.family
        let packet = Handmade.udp(
            family, to: port, [data], source: source ?? family.left, destination: group)
        segment.giveRight(segment.kind == .ethernet ? packet.frame(to: family.mac(group)) : packet.bytes)
    }

    private func member(_ segment: Segment, shares: Bool = false) throws -> SocketID {
        let socket = try segment.right.openUDP()
        var options = UDPOptions()
        options.sharesAddress = true
        segment.right.setOptions(options, of: socket)
        try segment.right.bind(socket, to: Endpoint(port: port))
        return socket
    }

    @Test(arguments: Family.allCases, [LinkKind.ethernet, .ip])
    func onlySocketsThatJoinedReceive(_ family: Family, _ kind: LinkKind) throws {
        let segment = try Segment(family, kind: kind)
        let (first, second, other) = (try member(segment), try member(segment), try member(segment))
        let (group, now) = (family.channel(1), segment.now)
        let eth0 = InterfaceChoice.index(segment.rightIndex)
        for socket in [first, second] { try segment.right.join(group, on: eth0, as: .socket(socket), at: now) }
        try segment.right.join(family.channel(2), on: eth0, as: .socket(other), at: now)
        give(segment, group, 1)
        #expect(segment.right.receiveAll(first) == [[1]] && segment.right.receiveAll(second) == [[1]])
        #expect(segment.right.receiveAll(other) == [])
        try segment.right.leave(group, on: eth0, as: .socket(first), at: now)
        give(segment, group, 2)
        #expect(segment.right.receiveAll(first) == [] && segment.right.receiveAll(second) == [[2]])
        segment.right.close(second)
        let before = segment.right.ledger
        give(segment, group, 3)
        let reason: DropReason = kind == .ethernet ? .linkGroupNotJoined : .multicastNoMember
        #expect(segment.right.ledger.dropped(reason) == before.dropped(reason) + 1)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func payloadIsSharedByAllWhoReceiveIt(_ family: Family) throws {
        let segment = try Segment(family)
        let sockets = try (0..<40).map { _ in try member(segment) }
        for socket in sockets {
            try segment.right.join(
                family.channel(1), on: .index(segment.rightIndex), as: .socket(socket), at: segment.now)
        }
        let before = segment.pool.inUse
        give(segment, family.channel(1), 7)
        #expect(segment.pool.inUse == before + 40, "each receiver holds a head of its own")
        for socket in sockets {
            let datagram = segment.right.receive(socket)
            #expect(Segment.bytes(of: datagram) == [7] && datagram.destination.address == family.channel(1))
            #expect(datagram.source.address == family.left)
        }
        #expect(segment.pool.inUse == before)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func filterOfASocketDecidesWhoseDatagramsItReceives(_ family: Family) throws {
        let segment = try Segment(family)
        let (picky, open) = (try member(segment), try member(segment))
        let (group, now, eth0) = (family.channel(1), segment.now, InterfaceChoice.index(segment.rightIndex))
        try segment.right.join(group, from: family.left, on: eth0, as: .socket(picky), at: now)
        try segment.right.join(group, on: eth0, as: .socket(open), at: now)
        give(segment, group, 1)
        give(segment, group, from: stranger(family), 2)
        #expect(segment.right.receiveAll(picky) == [[1]] && segment.right.receiveAll(open) == [[1], [2]])
        try segment.right.block(stranger(family), of: group, on: eth0, as: .socket(open), at: now)
        give(segment, group, from: stranger(family), 3)
        #expect(segment.right.ledger.dropped(.multicastSourceFiltered) == 1)
        try segment.right.unblock(stranger(family), of: group, on: eth0, as: .socket(open), at: now)
        give(segment, group, from: stranger(family), 4)
        #expect(segment.right.receiveAll(picky) == [] && segment.right.receiveAll(open) == [[4]])
        try segment.right.setFilter(
            GroupFilter(.include, [stranger(family)]), of: group, on: eth0, as: .socket(picky), at: now)
        give(segment, group, from: stranger(family), 5)
        #expect(segment.right.receiveAll(picky) == [[5]])
        let filter = try segment.right.filter(of: group, on: eth0, as: .socket(picky))
        #expect(filter == GroupFilter(.include, [stranger(family)]))
        try segment.right.leave(group, from: stranger(family), on: eth0, as: .socket(picky), at: now)
        #expect(segment.right.memberships(of: .socket(picky)).isEmpty)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func datagramForAPortOfNoMemberDiesWithItsName(_ family: Family) throws {
        let segment = try Segment(family)
        try segment.right.join(
            family.channel(1), on: .index(segment.rightIndex), as: .administrator, at: segment.now)
        give(segment, family.channel(1), 1)
        #expect(segment.right.ledger.dropped(.multicastNoReceiver) == 1)
        #expect(segment.interceptRight().allSatisfy { $0.told != nil }, "no error is sent about a group")
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func socketThatWantsAllGroupsReceivesWhatOthersJoined(_ family: Family) throws {
        let segment = try Segment(family)
        let (member, greedy) = (try member(segment), try member(segment))
        try segment.right.join(
            family.channel(1), on: .index(segment.rightIndex), as: .socket(member), at: segment.now)
        var options = UDPOptions()
        options.sharesAddress = true
        options.receivesAllGroups = true
        segment.right.setOptions(options, of: greedy)
        give(segment, family.channel(1), 1)
        #expect(segment.right.receiveAll(greedy) == [[1]] && segment.right.receiveAll(member) == [[1]])
        options.receivesAllGroups = false
        segment.right.setOptions(options, of: greedy)
        give(segment, family.channel(1), 2)
        #expect(segment.right.receiveAll(greedy) == [] && segment.right.receiveAll(member) == [[2]])
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func socketBoundToAGroupTakesThatGroupAlone(_ family: Family) throws {
        let segment = try Segment(family)
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(family.channel(1), port))
        for number in UInt8(1)...2 {
            try segment.right.join(
                family.channel(number), on: .index(segment.rightIndex), as: .socket(socket), at: segment.now)
        }
        give(segment, family.channel(1), 1)
        give(segment, family.channel(2), 2)
        #expect(segment.right.receiveAll(socket) == [[1]])
        try segment.right.send(socket, [3], to: Endpoint(family.left, 9), at: segment.now)
        let sent = try #require(segment.interceptRight().last)
        #expect(sent.source == family.right, "a group sends nothing itself")
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func datagramsOfOurOwnReachOurMembersUnlessToldOtherwise(_ family: Family) throws {
        let segment = try Segment(family)
        let (member, sender) = (try member(segment), try segment.right.openUDP())
        var options = UDPOptions()
        options.multicastInterface = segment.rightIndex
        segment.right.setOptions(options, of: sender)
        try segment.right.join(
            family.channel(1), on: .index(segment.rightIndex), as: .socket(member), at: segment.now)
        segment.pass(.seconds(3))
        let target = Endpoint(family.channel(1), port)
        try segment.right.send(sender, [1], to: target, at: segment.now)
        #expect(segment.right.receiveAll(member) == [[1]])
        #expect(segment.interceptRight().map(\.destination) == [family.channel(1)])
        options.multicastLoops = false
        segment.right.setOptions(options, of: sender)
        try segment.right.send(sender, [2], to: target, at: segment.now)
        #expect(segment.right.receiveAll(member) == [] && segment.interceptRight().count == 1)
        options.multicastLoops = true
        options.multicastTimeToLive = 0
        segment.right.setOptions(options, of: sender)
        try segment.right.send(sender, [3], to: target, at: segment.now)
        #expect(segment.right.receiveAll(member) == [[3]] && segment.interceptRight().isEmpty)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func groupsLeaveByTheInterfaceAndWithTheTimeToLiveOfTheSocket(_ family: Family) throws {
        let segment = try Segment(family, kind: .ip)
        let second = try segment.left.attach(
            InterfaceDescription(name: "eth1", kind: .ip, ipv6: family.ipv6Mode), at: segment.now)
        try segment.left.addAddress(family.host(5, 1), to: second, at: segment.now)
        let socket = try segment.left.openUDP()
        var options = UDPOptions()
        options.multicastInterface = second
        options.multicastTimeToLive = 32
        segment.left.setOptions(options, of: socket)
        segment.pass(.seconds(12))
        try segment.left.send(socket, [1], to: Endpoint(family.channel(1), port), at: segment.now)
        var queue = PacketQueue()
        segment.left.takeTransmit(from: second, into: &queue)
        #expect(queue.count == 1)
        let sent = Seen(Segment.bytes(of: queue.removeFirst()))
        #expect(sent.timeToLive == 32 && sent.destination == family.channel(1))
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func largeDatagramReachesOurOwnMembersWholeAndTheLinkInFragments(_ family: Family) throws {
        let segment = try Segment(family)
        let (member, sender) = (try member(segment), try segment.right.openUDP())
        var options = UDPOptions()
        options.multicastInterface = segment.rightIndex
        segment.right.setOptions(options, of: sender)
        try segment.right.join(
            family.channel(1), on: .index(segment.rightIndex), as: .socket(member), at: segment.now)
        segment.pass(.seconds(3))
        let payload = [UInt8](repeating: 9, count: 3_000)
        try segment.right.send(sender, payload, to: Endpoint(family.channel(1), port), at: segment.now)
        #expect(segment.right.receiveAll(member) == [payload])
        #expect(segment.interceptRight().count == 3)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func errorsOfTheCallsNameWhatIsWrong(_ family: Family) throws {
        let segment = try Segment(family)
        let socket = try segment.right.openUDP()
        let (group, now, eth0) = (family.channel(1), segment.now, InterfaceChoice.index(segment.rightIndex))
        func error(_ call: () throws -> Void) -> GroupError? {
            do {
                try call()
                return nil
            } catch { return error as? GroupError }
        }
        let me = GroupMember.socket(socket)
        let other: Family = family == .ipv4 ? .ipv6 : .ipv4
        #expect(error { try segment.right.leave(group, on: eth0, as: me, at: now) } == .membership(.notMember))
        #expect(
            error { try segment.right.join(family.left, on: eth0, as: me, at: now) } == .membership(.notMulticast))
        #expect(
            error { try segment.right.join(group, from: other.left, on: eth0, as: me, at: now) } == .familiesDiffer)
        #expect(
            error { try segment.right.join(group, on: .index(InterfaceIndex(rawValue: 77)), as: me, at: now) }
                == .membership(.noSuchInterface(77)))
        #expect(
            error { try segment.right.join(group, on: .address(family.host(9, 9)), as: me, at: now) }
                == .noInterface(family.host(9, 9)))
        #expect(
            error { try segment.right.join(family.sourceSpecific, on: eth0, as: me, at: now) }
                == .membership(.needsSource))
        if family == .ipv4 {
            #expect(error { try segment.right.join(group, as: me, at: now) } == .noInterface(group))
            #expect(
                error { try segment.right.join(other.channel(1), on: eth0, as: me, at: now) } == .ipv6Disabled)
        }
        try segment.right.join(group, on: .address(family.right), as: me, at: now)
        #expect(error { try segment.right.join(group, on: eth0, as: me, at: now) } == .membership(.alreadyMember))
        #expect(segment.right.memberships(of: me).map(\.group) == [group])
        segment.right.close(socket)
        #expect(error { try segment.right.join(group, on: eth0, as: me, at: now) } == .closed)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func boundsOfASocketAndOfTheStackRefuseWhatIsBeyondThem(_ family: Family) throws {
        var settings = StackSettings()
        settings.membershipLimits.membershipsPerSocketMax = 3
        settings.membershipLimits.sourcesPerFilterMax = 2
        let segment = try Segment(family, rightSettings: settings)
        let socket = GroupMember.socket(try segment.right.openUDP())
        let (now, eth0) = (segment.now, InterfaceChoice.index(segment.rightIndex))
        for number in UInt8(1)...3 {
            try segment.right.join(family.channel(number), on: eth0, as: socket, at: now)
        }
        #expect(throws: GroupError.membership(.tooManyMemberships(max: 3))) {
            try segment.right.join(family.channel(4), on: eth0, as: socket, at: now)
        }
        let three = GroupFilter(.include, [family.host(0, 1), family.host(0, 2), family.host(0, 3)])
        #expect(throws: GroupError.membership(.tooManySources(max: 2))) {
            try segment.right.setFilter(three, of: family.channel(1), on: eth0, as: socket, at: now)
        }
        try segment.right.setMembershipBounds(membershipsMax: 4, sourcesPerFilterMax: 3, of: socket)
        try segment.right.join(family.channel(4), on: eth0, as: socket, at: now)
        try segment.right.setFilter(three, of: family.channel(1), on: eth0, as: socket, at: now)
        segment.right.membershipLimits.membershipsPerStackMax = 1
        #expect(throws: GroupError.membership(.tooManyMembershipsInStack(max: 1))) {
            let another = GroupMember.socket(try segment.right.openUDP())
            try segment.right.join(family.channel(1), on: eth0, as: another, at: now)
        }
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func receiverThatIsFullCostsTheOthersNothing(_ family: Family) throws {
        var settings = StackSettings()
        settings.socketReceivePacketsMax = 2
        let segment = try Segment(family, rightSettings: settings)
        let (full, idle) = (try member(segment), try member(segment))
        for socket in [full, idle] {
            try segment.right.join(
                family.channel(1), on: .index(segment.rightIndex), as: .socket(socket), at: segment.now)
        }
        for data in UInt8(1)...3 {
            give(segment, family.channel(1), data)
            #expect(segment.right.receiveAll(idle) == [[data]])
        }
        #expect(segment.right.receiveAll(full) == [[1], [2]])
        #expect(segment.right.ledger.dropped(.socketBufferFull) == 1)
        segment.check()
    }
}
