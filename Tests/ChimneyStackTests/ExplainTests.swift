import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

@Suite struct ExplainTests {
    private func query(_ destination: IPv4Address, port: UInt16 = 9, on index: InterfaceIndex? = nil) -> FlowQuery {
        var query = FlowQuery(to: .v4(destination))
        query.destinationPort = port
        query.arrivesOn = index
        if index != nil { query.source = .v4(Segment.leftAddress) }
        return query
    }

    @Test func noRouteIsNamedAtTheRoutingStep() throws {
        let segment = try Segment()
        let answer = segment.left.explain(query(IPv4Address(192, 0, 2, 1)))
        #expect(answer.verdict == .dropped(.noRoute))
        #expect(answer.steps.last?.place == "route")
    }

    @Test func closedPortIsNamedAtTheSocketStepAndAnOpenOneDelivers() throws {
        let segment = try Segment()
        let closed = segment.right.explain(query(Segment.rightAddress, on: segment.rightIndex))
        #expect(closed.verdict == .dropped(.portClosed))
        #expect(closed.steps.last?.place == "socket")
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(port: 9))
        let open = segment.right.explain(query(Segment.rightAddress, on: segment.rightIndex))
        #expect(open.verdict == .delivered(to: "udp port 9"))
    }

    @Test func foreignAddressAndExpiredTimeAreNamed() throws {
        let segment = try Segment()
        let foreign = segment.right.explain(query(IPv4Address(10, 0, 0, 77), on: segment.rightIndex))
        #expect(foreign.verdict == .dropped(.addressNotOurs))
        let crossing = try Crossing()
        var expired = query(Crossing.far, on: crossing.west)
        expired.source = .v4(Crossing.host)
        expired.timeToLive = 1
        #expect(crossing.router.explain(expired).verdict == .dropped(.ttlExpired))
        expired.timeToLive = 9
        #expect(crossing.router.explain(expired).verdict == .sent(interface: "east", nextHop: .v4(Crossing.far)))
    }

    @Test func whatOnlyThePacketKnewIsToldByTheRecordOfDrops() throws {
        let segment = try Segment()
        var bad = Handmade.udp(to: 9, [1]).frame
        bad[42] ^= 0xFF
        segment.giveRight(bad)
        var fragment = Handmade.udp(to: 9, [UInt8](repeating: 0, count: 16))
        fragment.fragmentWord = 0x2000
        segment.giveRight(fragment.frame)
        segment.pass(.seconds(61))
        let answer = segment.right.explain(query(Segment.rightAddress, on: segment.rightIndex))
        #expect(answer.recentDrops.map(\.reason) == [.udpChecksumBad, .fragmentTimeout])
    }

    @Test func explanationAgreesWithWhatHappens() throws {
        for seed in Seeds.chosen(count: 40) {
            var random = StackRandom(seed: seed)
            let crossing = try Crossing(forwards: Bool.random(using: &random))
            try crossing.router.addRoute(
                IPv4Route(Prefix(IPv4Address(10, 7, 0, 0), length: 16), [.blackhole, .unreachable][Int(seed % 2)]))
            let socket = try crossing.router.openUDP()
            try crossing.router.bind(socket, to: Endpoint(port: 9))
            let targets = [
                IPv4Address(10, 0, 2, 9), IPv4Address(10, 0, 1, 1), IPv4Address(10, 7, 0, 1), IPv4Address(9, 9, 9, 9),
                IPv4Address(239, 0, 0, 1),
            ]
            let target = targets[Int.random(in: 0..<5, using: &random)]
            let port: UInt16 = Bool.random(using: &random) ? 9 : 10
            var sent = Handmade.udp(from: 5, to: port, [1], source: Crossing.host, destination: target)
            sent.timeToLive = UInt8.random(in: 0...3, using: &random)
            var asked = query(target, port: port, on: crossing.west)
            asked.source = .v4(Crossing.host)
            asked.timeToLive = sent.timeToLive
            let verdict = crossing.router.explain(asked).verdict
            let before = crossing.router.ledger
            let out = crossing.cross(sent)
            let died = DropReason.allCases.first { crossing.router.ledger.dropped($0) > before.dropped($0) }
            switch verdict {
            case .dropped(let reason): #expect(died == reason, "replay with CHIMNEY_SEED=\(seed)")
            case .delivered: #expect(crossing.router.receivableCount(socket) == 1, "seed \(seed)")
            case .sent: #expect(out.east.count == 1, "replay with CHIMNEY_SEED=\(seed)")
            case .waiting: Issue.record("a link without neighbours has none to wait for")
            }
        }
    }
}
