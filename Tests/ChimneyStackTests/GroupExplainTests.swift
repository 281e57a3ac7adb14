import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import Testing

/// What `explain` says of packets to groups is what becomes of them.
@Suite struct GroupExplainTests {
    private func verdict(
        _ segment: Segment, _ group: IPAddress, from source: IPAddress, port: UInt16 = 5_000
    ) -> (Explanation, DropReason?) {
        var query = FlowQuery(to: group)
        query.source = source
        query.arrivesOn = segment.rightIndex
        query.destinationPort = port
        let explanation = segment.right.explain(query)
        let before = segment.right.ledger
        let packet = Handmade.udp(segment.family, to: port, [1], source: source, destination: group)
        segment.giveRight(packet.frame(to: segment.family.mac(group)))
        let after = segment.right.ledger
        return (explanation, DropReason.allCases.first { after.dropped($0) > before.dropped($0) })
    }

    @Test(arguments: Family.allCases)
    func verdictIsThatOfThePacket(_ family: Family) throws {
        let segment = try Segment(family)
        let (group, eth0) = (family.channel(1), InterfaceChoice.index(segment.rightIndex))
        let sockets = try (0..<2).map { _ in
            let socket = try segment.right.openUDP()
            var options = UDPOptions()
            options.sharesAddress = true
            segment.right.setOptions(options, of: socket)
            try segment.right.bind(socket, to: Endpoint(port: 5_000))
            return socket
        }
        func expect(_ source: IPAddress, _ port: UInt16 = 5_000, dies reason: DropReason?, _ places: [String]) {
            let (explanation, died) = verdict(segment, group, from: source, port: port)
            #expect(died == reason)
            if let reason { #expect(explanation.verdict == .dropped(reason)) }
            #expect(explanation.steps.map(\.place) == ["interface"] + places)
        }
        expect(family.left, dies: .linkGroupNotJoined, ["link filter"])
        try segment.right.setAllMulticast(true, on: segment.rightIndex)
        expect(family.left, dies: .multicastNoMember, ["link filter", "membership"])
        try segment.right.join(group, on: eth0, as: .administrator, at: segment.now)
        expect(family.left, dies: .multicastNoReceiver, ["link filter", "membership", "socket"])
        try segment.right.join(group, from: family.host(0, 9), on: eth0, as: .socket(sockets[0]), at: segment.now)
        expect(family.left, dies: .multicastSourceFiltered, ["link filter", "membership", "socket"])
        expect(family.left, 5_001, dies: .multicastNoReceiver, ["link filter", "membership", "socket"])
        try segment.right.join(group, on: eth0, as: .socket(sockets[1]), at: segment.now)
        expect(family.left, dies: nil, ["link filter", "membership", "socket", "socket"])
        let (one, _) = verdict(segment, group, from: family.left)
        #expect(one.verdict == .delivered(to: "udp port 5000"))
        let (both, _) = verdict(segment, group, from: family.host(0, 9))
        #expect(both.verdict == .delivered(to: "2 sockets on udp port 5000"))
        #expect(both.recentDrops.isEmpty && !one.recentDrops.isEmpty)
    }

    private func member(_ segment: Segment, at address: IPAddress? = nil) throws -> SocketID {
        let socket = try segment.right.openUDP()
        var options = UDPOptions()
        options.sharesAddress = true
        segment.right.setOptions(options, of: socket)
        try segment.right.bind(socket, to: address.map { Endpoint($0, 5_000) } ?? Endpoint(port: 5_000))
        return socket
    }

    private func join(_ segment: Segment, _ socket: SocketID) throws {
        try segment.right.join(
            segment.family.channel(1), on: .index(segment.rightIndex), as: .socket(socket), at: segment.now)
    }

    @Test(arguments: Family.allCases)
    func socketsBoundOrConnectedElsewhereAreNoReceivers(_ family: Family) throws {
        let segment = try Segment(family)
        let (connected, bound) = (try member(segment), try member(segment, at: family.channel(2)))
        for socket in [connected, bound] { try join(segment, socket) }
        try segment.right.connect(connected, to: Endpoint(family.host(0, 9), 1_000))
        segment.pass(.seconds(9))
        let (none, died) = verdict(segment, family.channel(1), from: family.left)
        #expect(died == .multicastNoReceiver && none.verdict == .dropped(.multicastNoReceiver))
        #expect(none.steps.last?.finding == "bound to another address, or connected to another peer")
        // The port of the sender counts, too: Handmade sends from 1000.
        var query = FlowQuery(to: family.channel(1))
        (query.source, query.arrivesOn) = (family.host(0, 9), segment.rightIndex)
        (query.sourcePort, query.destinationPort) = (1_000, 5_000)
        #expect(segment.right.explain(query).verdict == .delivered(to: "udp port 5000"))
        query.sourcePort = 1_001
        #expect(segment.right.explain(query).verdict == .dropped(.multicastNoReceiver))
        query.destination = family.channel(2)
        query.sourcePort = 1_000
        #expect(segment.right.explain(query).verdict == .dropped(.linkGroupNotJoined))
        try segment.right.join(
            family.channel(2), on: .index(segment.rightIndex), as: .socket(bound), at: segment.now)
        #expect(segment.right.explain(query).verdict == .delivered(to: "udp port 5000"))
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func socketThatWantsAllGroupsIsAReceiverOfThoseThatOthersJoined(_ family: Family) throws {
        let segment = try Segment(family)
        let greedy = try member(segment)
        var options = UDPOptions()
        options.sharesAddress = true
        options.receivesAllGroups = true
        segment.right.setOptions(options, of: greedy)
        try segment.right.join(
            family.channel(1), on: .index(segment.rightIndex), as: .administrator, at: segment.now)
        let (alone, died) = verdict(segment, family.channel(1), from: family.left)
        #expect(died == nil && alone.verdict == .delivered(to: "udp port 5000"))
        #expect(!alone.steps.contains { $0.finding.hasPrefix("no socket") })
        try join(segment, try member(segment))
        #expect(
            verdict(segment, family.channel(1), from: family.left).0.verdict
                == .delivered(to: "2 sockets on udp port 5000"))
        #expect(segment.right.receiveAll(greedy).count == 2)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func fullSocketIsTheVerdictOnlyWhereNoReceiverHasRoom(_ family: Family) throws {
        var settings = StackSettings()
        settings.socketReceivePacketsMax = 1
        let segment = try Segment(family, rightSettings: settings)
        let (first, second) = (try member(segment), try member(segment))
        for socket in [first, second] { try join(segment, socket) }
        func explain() -> (Explanation.Verdict, DropReason?) {
            let (explanation, died) = verdict(segment, family.channel(1), from: family.left)
            return (explanation.verdict, died)
        }
        #expect(explain() == (.delivered(to: "2 sockets on udp port 5000"), nil))
        #expect(segment.right.receiveAll(first).count == 1)
        // The copy of the second dies, and the first has its own.
        #expect(explain() == (.delivered(to: "udp port 5000"), .socketBufferFull))
        #expect(segment.right.receivableCount(first) == 1)
        #expect(explain() == (.dropped(.socketBufferFull), .socketBufferFull))
        segment.check()
    }

    @Test func sourcesAreNamedUpToAFew() throws {
        let segment = try Segment(.ipv4)
        let sources = (1...6).map { Family.ipv4.host(0, UInt8($0)) }
        let socket = try segment.right.openUDP()
        try segment.right.setFilter(
            GroupFilter(.exclude, sources), of: Family.ipv4.channel(1), on: .index(segment.rightIndex),
            as: .socket(socket), at: segment.now)
        let (explanation, _) = verdict(segment, Family.ipv4.channel(1), from: sources[5])
        let membership = try #require(explanation.steps.first { $0.place == "membership" })
        #expect(membership.finding.contains("10.0.0.4 and 2 more") && membership.finding.contains("refuses 10.0.0.6"))
    }
}
