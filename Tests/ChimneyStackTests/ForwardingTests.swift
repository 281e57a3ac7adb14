import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

@Suite struct ForwardingTests {
    @Test(arguments: Family.allCases)
    func forwardedPacketLosesOneHopAndKeepsItsChecksumRight(_ family: Family) throws {
        let crossing = try Crossing(family)
        for timeToLive in [UInt8(2), 64, 255] {
            var sent = crossing.packet()
            sent.timeToLive = timeToLive
            let out = try #require(crossing.cross(sent).east.first)
            sent.timeToLive -= 1
            #expect(out.bytes == sent.bytes)
        }
        #expect(crossing.router.ledger.forwarded == 3)
        #expect(crossing.pool.inUse == 0)
    }

    @Test(arguments: Family.allCases)
    func packetAtItsLastHopDiesAndItsSenderIsTold(_ family: Family) throws {
        let crossing = try Crossing(family)
        for timeToLive in [UInt8(0), 1] {
            var sent = crossing.packet()
            sent.timeToLive = timeToLive
            let out = crossing.cross(sent)
            #expect(out.east.isEmpty)
            let error = try #require(out.west.first)
            #expect(error.kind == family.told(.expired) && error.isSumRight)
            #expect(error.source == family.host(1, 1) && error.destination == family.near)
        }
        #expect(crossing.router.ledger.dropped(.ttlExpired) == 2)
    }

    @Test(arguments: Family.allCases)
    func hostDoesNotForward(_ family: Family) throws {
        let crossing = try Crossing(family, forwards: false)
        #expect(crossing.cross(crossing.packet()).east.isEmpty)
        #expect(crossing.router.ledger.dropped(.addressNotOurs) == 1)
    }

    @Test(arguments: Family.allCases)
    func eachKindOfRefusingRouteHasItsReasonAndItsError(_ family: Family) throws {
        let crossing = try Crossing(family)
        let nets = (0..<4).map { family.host(0x0900 + $0, 1) }
        for (net, hop) in zip(nets, [Hop.blackhole, .unreachable, .prohibited]) {
            try crossing.router.addRoute(to: net, hop)
        }
        let told = nets.map { crossing.cross(crossing.packet(to: $0)).west.map(\.kind) }
        #expect(told == [[], [family.told(.host)], [family.told(.prohibited)], [family.told(.noRoute)]])
        let drops = crossing.router.ledger
        #expect(drops.dropped(.routeBlackhole) == 1 && drops.dropped(.routeReject) == 1)
        #expect(drops.dropped(.routeProhibited) == 1 && drops.dropped(.noRoute) == 1)
    }

    @Test func packetAboveTheNextLinkIsCutOrRefused() throws {
        let crossing = try Crossing(eastMTU: 100)
        var sent = crossing.packet((0..<200).map { UInt8($0) })
        let pieces = crossing.cross(sent).east
        #expect(pieces.count == 3)
        #expect(pieces.allSatisfy { $0.bytes.count <= 100 && $0.isSumRight })
        #expect(pieces.flatMap(\.payload) == sent.payload)
        sent.fragmentWord = 0x4000
        let out = crossing.cross(sent)
        #expect(out.east.isEmpty)
        let error = try #require(out.west.first)
        #expect(error.kind == [3, 4] && error.rest == 100)
        #expect(crossing.router.ledger.dropped(.fragmentationNeeded) == 1)
        for (byteCount, count) in [(72, 1), (73, 0)] {
            var edge = crossing.packet([UInt8](repeating: 1, count: byteCount))
            edge.fragmentWord = 0x4000
            #expect(crossing.cross(edge).east.count == count)
        }
    }

    @Test func fragmentCutAgainKeepsItsOffsetAndItsMoreFlag() throws {
        let crossing = try Crossing(eastMTU: 68)
        var sent = crossing.packet([UInt8](repeating: 1, count: 72))
        sent.fragmentWord = 0x2000 | 10
        #expect(crossing.cross(sent).east.map(\.fragmentWord) == [0x2000 | 10, 0x2000 | 16])
    }

    @Test func onlyTheCopiedOptionsFollowIntoLaterFragments() throws {
        let crossing = try Crossing(eastMTU: 100)
        var sent = crossing.packet([UInt8](repeating: 1, count: 150))
        sent.options = [0x94, 4, 0, 0, 0x07, 3, 4, 0]
        let pieces = crossing.cross(sent).east
        #expect(pieces.count == 3)
        #expect(Array(pieces[0].bytes[20..<28]) == sent.options)
        #expect(pieces[1].bytes[0] == 0x46)
        #expect(Array(pieces[1].bytes[20..<24]) == [0x94, 4, 0, 0])
    }

    @Test func directedBroadcastIsNotForwarded() throws {
        let crossing = try Crossing()
        #expect(crossing.cross(crossing.packet(to: .v4(IPv4Address(10, 0, 2, 255)))).east.isEmpty)
        #expect(crossing.cross(crossing.packet()).east.count == 1)
    }

    @Test(arguments: Family.allCases)
    func linkThatIsDownTakesItsRoutesWithIt(_ family: Family) throws {
        let crossing = try Crossing(family)
        try crossing.router.setUp(crossing.east, false, at: crossing.now)
        #expect(crossing.cross(crossing.packet()).east.isEmpty)
        #expect(crossing.router.ledger.dropped(.noRoute) == 1)
        try crossing.router.setUp(crossing.east, true, at: crossing.now)
        #expect(crossing.cross(crossing.packet()).east.count == 1)
    }

    @Test(arguments: Family.allCases)
    func routesFollowTheTableOfTheInterface(_ family: Family) throws {
        var settings = StackSettings()
        settings.fibCount = 2
        let crossing = try Crossing(family, settings: settings)
        let peer = family.host(0x3200, 1)
        try crossing.router.addRoute(to: peer, .gateway(family.far, on: crossing.east), fib: .one(1))
        #expect(crossing.cross(crossing.packet(to: peer)).east.isEmpty)
        let socket = try crossing.router.openUDP(fib: 1)
        try crossing.router.send(socket, [1], to: Endpoint(peer, 9), at: crossing.now)
        #expect(crossing.take(crossing.east).count == 1)
        let plain = try crossing.router.openUDP()
        #expect(throws: SendError.noRoute(peer)) {
            try crossing.router.send(plain, [1], to: Endpoint(peer, 9), at: crossing.now)
        }
        #expect(throws: OpenError.noSuchFIB(fib: 2, count: 2)) { try crossing.router.openUDP(fib: 2) }
    }

    @Test(arguments: Family.allCases)
    func connectedSocketFollowsAChangeOfRoute(_ family: Family) throws {
        let crossing = try Crossing(family)
        let peer = Endpoint(family.host(0x3200, 1), 9)
        try crossing.router.addRoute(to: peer.address, .gateway(family.far, on: crossing.east), metric: 10)
        let socket = try crossing.router.openUDP()
        try crossing.router.connect(socket, to: peer)
        try crossing.router.send(socket, [1], at: crossing.now)
        try crossing.router.addRoute(to: peer.address, .gateway(family.near, on: crossing.west), metric: 5)
        try crossing.router.send(socket, [2], at: crossing.now)
        #expect(crossing.take(crossing.west).count == 1)
        #expect(crossing.take(crossing.east).count == 1)
        try crossing.router.removeRoutes(to: peer.address)
        #expect(throws: SendError.noRoute(peer.address)) { try crossing.router.send(socket, [3], at: crossing.now) }
    }
}
