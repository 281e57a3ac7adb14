import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// Sockets of a stack that speaks both families (RFC 3493 §3.7, §5.3), and addresses that need a zone (RFC 4007).
@Suite struct DualStackTests {
    /// Two stacks with addresses of both families.
    private func dual() throws -> Segment {
        let segment = try Segment(.ipv6, kind: .ip)
        try segment.left.addAddress(Family.ipv4.left, to: segment.leftIndex, at: segment.now)
        try segment.right.addAddress(Family.ipv4.right, to: segment.rightIndex, at: segment.now)
        return segment
    }

    /// Of which families a socket bound to an address takes datagrams.
    private func taken(by address: IPAddress, _ change: (inout UDPOptions) -> Void = { _ in }) throws -> [Family] {
        let segment = try dual()
        let socket = try segment.right.openUDP()
        var options = UDPOptions()
        change(&options)
        segment.right.setOptions(options, of: socket)
        try segment.right.bind(socket, to: Endpoint(address, 9))
        var families: [Family] = []
        for family in Family.allCases {
            segment.giveRight(Handmade.udp(family, to: 9, [1]))
            if segment.right.receivableCount(socket) == 1 { families.append(family) }
            _ = segment.right.receiveAll(socket)
        }
        segment.check()
        return families
    }

    @Test func anyAddressOfIPv6TakesBothFamiliesUnlessToldNot() throws {
        #expect(try taken(by: .v6(.any)) == [.ipv4, .ipv6])
        #expect(try taken(by: .v6(.any)) { $0.onlyIPv6 = true } == [.ipv6])
        #expect(try taken(by: .v4(.any)) == [.ipv4])
        #expect(try taken(by: Family.ipv6.right) == [.ipv6])
        #expect(try taken(by: Family.ipv4.right) == [.ipv4])
    }

    @Test func mappedAddressIsTheIPv4AddressItStandsFor() throws {
        let mapped = IPAddress.v6(IPv6Address(mapped: IPv4Address(10, 0, 0, 2)))
        #expect(try taken(by: mapped) == [.ipv4])
        let segment = try dual()
        let socket = try segment.left.openUDP()
        try segment.left.bind(socket, to: Endpoint(port: 1_000))
        try segment.left.connect(socket, to: Endpoint(mapped, 9))
        try segment.left.send(socket, [1], at: segment.now)
        let sent = try #require(segment.interceptLeft().first)
        #expect(sent.family == .ipv4 && sent.isSumRight)
        // The answer comes over IPv4, and from the address that the socket is connected to.
        segment.giveLeft(
            Handmade.udp(from: 9, to: 1_000, [2], source: Family.ipv4.right, destination: Family.ipv4.left))
        segment.giveLeft(
            Handmade.udp(from: 9, to: 1_000, [3], source: Family.ipv6.right, destination: Family.ipv6.left))
        #expect(segment.left.receivableCount(socket) == 1)
        let answer = segment.left.receive(socket)
        #expect(answer.source == Endpoint(Family.ipv4.right, 9) && answer.source == Endpoint(mapped, 9))
        segment.pump()
        segment.check()
    }

    @Test func mappedAddressNeverTravels() throws {
        let segment = try dual()
        let mapped = IPv6Address(mapped: IPv4Address(10, 0, 0, 2))
        segment.giveRight(Handmade.udp(to: 9, [1], source: Family.ipv6.left, destination: .v6(mapped)))
        #expect(segment.right.ledger.dropped(.destinationAddressInvalid) == 1)
        segment.giveRight(Handmade.udp(to: 9, [1], source: .v6(mapped), destination: Family.ipv6.right))
        #expect(segment.right.ledger.dropped(.sourceAddressInvalid) == 1)
        #expect(throws: AddressError.addressInvalid(.v6(mapped))) {
            try segment.left.addAddress(mapped, prefixLength: 128, to: segment.leftIndex, at: segment.now)
        }
    }

    @Test func portIsTakenInTheFamiliesThatItsSocketTakes() throws {
        // Who holds the port, who wants it, and whether that is refused.
        let both = IPAddress.v6(.any)
        let table: [(held: IPAddress, only: Bool, wanted: IPAddress, wantedOnly: Bool, isRefused: Bool)] = [
            (both, false, both, false, true), (both, false, both, true, true), (both, false, .v4(.any), false, true),
            (both, true, both, true, true), (both, true, .v4(.any), false, false),
            (.v4(.any), false, both, true, false),
            (.v4(.any), false, both, false, true), (both, false, Family.ipv4.left, false, true),
            (both, false, Family.ipv6.left, false, true), (both, true, Family.ipv4.left, false, false),
            (.v4(.any), false, Family.ipv6.left, false, false), (.v4(.any), false, Family.ipv4.left, false, true),
            (Family.ipv4.left, false, Family.ipv6.left, false, false), (Family.ipv4.left, false, both, false, true),
            (Family.ipv4.left, false, both, true, false), (Family.ipv6.left, false, .v4(.any), false, false),
        ]
        for row in table {
            let segment = try dual()
            let holder = try segment.left.openUDP()
            let other = try segment.left.openUDP()
            var options = UDPOptions()
            options.onlyIPv6 = row.only
            segment.left.setOptions(options, of: holder)
            options.onlyIPv6 = row.wantedOnly
            segment.left.setOptions(options, of: other)
            try segment.left.bind(holder, to: Endpoint(row.held, 9))
            let wanted = Endpoint(row.wanted, 9)
            var refusal: BindError?
            do {
                try segment.left.bind(other, to: wanted)
            } catch {
                refusal = error
            }
            #expect(refusal == (row.isRefused ? .addressInUse(wanted) : nil), "\(row)")
        }
    }

    @Test func ofSeveralSocketsTheOneThatNamesItsFamilyGetsTheDatagram() throws {
        let segment = try dual()
        var options = UDPOptions()
        options.sharesAddress = true
        let addresses: [IPAddress] = [.v6(.any), .v4(.any), Family.ipv4.right, Family.ipv6.right]
        var sockets: [SocketID] = []
        for address in addresses {
            let socket = try segment.right.openUDP()
            segment.right.setOptions(options, of: socket)
            try segment.right.bind(socket, to: Endpoint(address, 9))
            sockets.append(socket)
        }
        segment.giveRight(Handmade.udp(.ipv4, to: 9, [4]))
        segment.giveRight(Handmade.udp(.ipv6, to: 9, [6]))
        #expect(sockets.map { segment.right.receivableCount($0) } == [0, 0, 1, 1])
        segment.right.close(sockets[2])
        segment.right.close(sockets[3])
        segment.giveRight(Handmade.udp(.ipv4, to: 9, [4]))
        segment.giveRight(Handmade.udp(.ipv6, to: 9, [6]))
        #expect(segment.right.receiveAll(sockets[1]) == [[4]])
        #expect(segment.right.receiveAll(sockets[0]) == [[6]])
        segment.check()
    }

    @Test func socketSendsInTheFamilyOfItsDestination() throws {
        let segment = try dual()
        let socket = try segment.left.openUDP()
        for family in [Family.ipv4, .ipv6, .ipv4] {
            try segment.left.send(socket, [1], to: Endpoint(family.right, 9), at: segment.now)
        }
        let sent = segment.interceptLeft()
        #expect(sent.map(\.family) == [.ipv4, .ipv6, .ipv4])
        #expect(sent.map(\.source) == [Family.ipv4.left, Family.ipv6.left, Family.ipv4.left])
        #expect(sent.allSatisfy { $0.isSumRight })
        // Bound to an address of one family it cannot send in the other.
        for (own, other) in [(Family.ipv4, Family.ipv6), (.ipv6, .ipv4)] {
            let bound = try segment.left.openUDP()
            try segment.left.bind(bound, to: Endpoint(own.left, 0))
            #expect(throws: SendError.noRoute(other.right)) {
                try segment.left.send(bound, [1], to: Endpoint(other.right, 9), at: segment.now)
            }
        }
        segment.check()
    }

    @Test func connectedTableKeepsEqualPortsOfTheFamiliesApart() throws {
        let segment = try dual()
        var options = UDPOptions()
        options.sharesAddress = true
        var sockets: [SocketID] = []
        for family in Family.allCases {
            let socket = try segment.right.openUDP()
            segment.right.setOptions(options, of: socket)
            try segment.right.bind(socket, to: Endpoint(port: 9))
            try segment.right.connect(socket, to: Endpoint(family.left, 1_000))
            sockets.append(socket)
        }
        for family in Family.allCases {
            segment.giveRight(Handmade.udp(family, to: 9, [family.icmp]))
        }
        #expect(segment.right.receiveAll(sockets[0]) == [[1]])
        #expect(segment.right.receiveAll(sockets[1]) == [[58]])
        segment.check()
    }

    // MARK: Zones

    private func linkLocal(_ stack: borrowing VirtualStack, _ index: InterfaceIndex) throws -> IPv6Address {
        let interface = try #require(stack.interfaces.first { $0.index == index })
        return try #require(interface.ipv6Addresses.first { $0.address.isLinkLocal }).address
    }

    @Test func linkLocalAddressIsReachedOnTheLinkOfItsZone() throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let other = try segment.left.attach(
            InterfaceDescription(name: "eth1", kind: .ip, ipv6: .manual), at: segment.now)
        let peer = try linkLocal(segment.right, segment.rightIndex)
        let own = try linkLocal(segment.left, segment.leftIndex)
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        let socket = try segment.left.openUDP()
        try segment.left.bind(socket, to: Endpoint(port: 1_000))
        try segment.left.send(
            socket, [1], to: Endpoint(peer, 9, zone: segment.leftIndex.rawValue), at: segment.now)
        segment.pump()
        #expect(segment.right.receivableCount(receiver) == 1)
        let source = segment.right.receive(receiver).source
        #expect(source == Endpoint(own, 1_000, zone: segment.rightIndex.rawValue))
        try segment.right.send(receiver, [2], to: source, at: segment.now)
        segment.pump()
        #expect(segment.left.receivableCount(socket) == 1)
        #expect(segment.left.receive(socket).source == Endpoint(peer, 9, zone: segment.leftIndex.rawValue))
        // The same address on another link is another host.
        try segment.left.send(socket, [3], to: Endpoint(peer, 9, zone: other.rawValue), at: segment.now)
        var queue = PacketQueue()
        segment.left.takeTransmit(from: other, into: &queue)
        #expect(queue.count == 1)
        #expect(throws: SendError.noRoute(.v6(peer))) {
            try segment.left.send(socket, [3], to: Endpoint(peer, 9, zone: 99), at: segment.now)
        }
        // Without a zone the first link is meant.
        try segment.left.send(socket, [4], to: Endpoint(peer, 9), at: segment.now)
        segment.pump()
        #expect(segment.right.receiveAll(receiver) == [[4]])
    }

    @Test func connectedLinkLocalSocketHearsItsPeerOnItsLinkOnly() throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let other = try segment.left.attach(
            InterfaceDescription(name: "eth1", kind: .ip, ipv6: .manual), at: segment.now)
        let peer = try linkLocal(segment.right, segment.rightIndex)
        let own = try linkLocal(segment.left, segment.leftIndex)
        try segment.left.addAddress(own, prefixLength: 64, to: other, at: segment.now)
        let socket = try segment.left.openUDP()
        try segment.left.bind(socket, to: Endpoint(port: 1_000))
        try segment.left.connect(socket, to: Endpoint(peer, 9, zone: segment.leftIndex.rawValue))
        let packet = Handmade.udp(from: 9, to: 1_000, [1], source: .v6(peer), destination: .v6(own))
        segment.giveLeft(packet)
        #expect(segment.left.receiveAll(socket) == [[1]])
        var queue = PacketQueue()
        queue.append(Segment.packet(packet.bytes, segment.pool))
        segment.left.framesArrived(&queue, on: other, at: segment.now)
        #expect(segment.left.receivableCount(socket) == 0)
        #expect(segment.left.ledger.dropped(.portClosed) == 1)
        // An error about what it sent reaches it too.
        try segment.left.send(socket, [2], at: segment.now)
        segment.pump()
        #expect(
            segment.left.takeError(socket) == .portUnreachable(Endpoint(peer, 9, zone: segment.leftIndex.rawValue)))
        segment.check()
    }

    @Test(arguments: [true, false])
    func socketBoundToALinkLocalAddressTakesWhatComesToItThere(namesZone: Bool) throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let own = try linkLocal(segment.right, segment.rightIndex)
        let zone = namesZone ? segment.rightIndex.rawValue : 0
        let socket = try segment.right.openUDP()
        let bound = try segment.right.bind(socket, to: Endpoint(own, 9, zone: zone))
        #expect(bound == Endpoint(own, 9, zone: segment.rightIndex.rawValue))
        segment.giveRight(Handmade.udp(to: 9, [1], source: Family.ipv6.left, destination: .v6(own)))
        #expect(segment.right.receiveAll(socket) == [[1]])
        segment.giveRight(Handmade.udp(.ipv6, to: 9, [2]))
        #expect(segment.right.ledger.dropped(.portClosed) == 1)
        let second = try segment.right.openUDP()
        #expect(throws: BindError.addressNotOurs(.v6(own))) {
            try segment.right.bind(second, to: Endpoint(own, 9, zone: 77))
        }
        #expect(throws: BindError.self) { try segment.right.bind(second, to: Endpoint(own, 9)) }
        segment.check()
    }

    @Test func ownLinkLocalAddressReachesOwnSockets() throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let own = try linkLocal(segment.left, segment.leftIndex)
        let server = try segment.left.openUDP()
        try segment.left.bind(server, to: Endpoint(port: 9))
        let client = try segment.left.openUDP()
        for zone in [0, segment.leftIndex.rawValue] {
            try segment.left.send(client, [6], to: Endpoint(own, 9, zone: zone), at: segment.now)
            try segment.left.send(
                client, [UInt8](repeating: 7, count: 4_000), to: Endpoint(own, 9, zone: zone), at: segment.now)
        }
        #expect(segment.left.receiveAll(server).map(\.count) == [1, 4_000, 1, 4_000])
        let identifier = try segment.left.openEcho()
        try segment.left.sendEcho(identifier, to: .v6(own), sequence: 1, at: segment.now)
        #expect(segment.left.takeEchoReplies(identifier).count == 1)
        #expect(segment.interceptLeft().isEmpty)
        segment.check()
    }

    @Test func zoneOfAnAddressThatNeedsNoneMeansNothing() throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let zone = segment.rightIndex.rawValue
        let socket = try segment.right.openUDP()
        let bound = try segment.right.bind(socket, to: Endpoint(Family.ipv6.right, 9, zone: zone))
        #expect(bound == Endpoint(Family.ipv6.right, 9))
        segment.giveRight(Handmade.udp(.ipv6, to: 9, [1]))
        #expect(segment.right.receiveAll(socket) == [[1]])
        try segment.right.connect(socket, to: Endpoint(Family.ipv6.left, 1_000, zone: zone))
        segment.giveRight(Handmade.udp(.ipv6, to: 9, [2]))
        #expect(segment.right.receiveAll(socket) == [[2]])
        segment.check()
    }

    @Test func groupOfTheLinkIsSentOnTheLinkOfItsZone() throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let other = try segment.left.attach(
            InterfaceDescription(name: "eth1", kind: .ip, ipv6: .manual), at: segment.now)
        let socket = try segment.left.openUDP()
        try segment.left.send(socket, [1], to: Endpoint(.allNodes, 9, zone: other.rawValue), at: segment.now)
        var queue = PacketQueue()
        segment.left.takeTransmit(from: other, into: &queue)
        #expect(queue.count == 1)
        let sent = Seen(Segment.bytes(of: queue.removeFirst()))
        #expect(sent.source == .v6(try linkLocal(segment.left, other)) && sent.timeToLive == 1)
        let receiver = try segment.right.listen(
            to: 9, at: .v6(.allNodes), on: segment.rightIndex, at: segment.now)
        try segment.left.send(socket, [2], to: Endpoint(.allNodes, 9), at: segment.now)
        segment.pump()
        #expect(segment.right.receiveAll(receiver) == [[2]])
    }

    @Test func explanationKnowsZones() throws {
        let crossing = try Crossing(.ipv6)
        let own = try linkLocal(crossing.router, crossing.west)
        let socket = try crossing.router.openUDP()
        try crossing.router.bind(socket, to: Endpoint(own, 9, zone: crossing.west.rawValue))
        for destination in [own, IPv6Address(high: 0xFE80 << 48, low: 0x77)] {
            var query = FlowQuery(to: .v6(destination))
            query.source = Family.ipv6.near
            query.destinationPort = 9
            query.arrivesOn = crossing.west
            let verdict = crossing.router.explain(query).verdict
            _ = crossing.cross(crossing.packet(to: .v6(destination)))
            if destination == own {
                #expect(verdict == .delivered(to: "udp port 9"))
                #expect(crossing.router.receivableCount(socket) == 1)
            } else {
                #expect(verdict == .dropped(.addressNotOurs))
                #expect(crossing.router.ledger.dropped(.addressNotOurs) == 1)
            }
        }
        var query = FlowQuery(to: .v6(IPv6Address(high: 0xFE80 << 48, low: 0x99)))
        query.zone = crossing.east.rawValue
        #expect(crossing.router.explain(query).verdict == .sent(interface: "east", nextHop: query.destination))
    }
}
