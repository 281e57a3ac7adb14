import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

@Suite struct ExplainTests {
    private func query(_ destination: IPAddress, port: UInt16 = 9, on index: InterfaceIndex? = nil) -> FlowQuery {
        var query = FlowQuery(to: destination)
        query.destinationPort = port
        query.arrivesOn = index
        if index != nil { query.source = destination.family.left }
        return query
    }

    @Test(arguments: Family.allCases)
    func noRouteIsNamedAtTheRoutingStep(_ family: Family) throws {
        let segment = try Segment(family)
        let answer = segment.left.explain(query(family.stranger(1)))
        #expect(answer.verdict == .dropped(.noRoute))
        #expect(answer.steps.last?.place == "route")
    }

    @Test(arguments: Family.allCases)
    func closedPortIsNamedAtTheSocketStepAndAnOpenOneDelivers(_ family: Family) throws {
        let segment = try Segment(family)
        let closed = segment.right.explain(query(family.right, on: segment.rightIndex))
        #expect(closed.verdict == .dropped(.portClosed))
        #expect(closed.steps.last?.place == "socket")
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(port: 9))
        let open = segment.right.explain(query(family.right, on: segment.rightIndex))
        #expect(open.verdict == .delivered(to: "udp port 9"))
    }

    @Test(arguments: Family.allCases)
    func foreignAddressAndExpiredTimeAreNamed(_ family: Family) throws {
        let segment = try Segment(family)
        let foreign = segment.right.explain(query(family.host(0, 77), on: segment.rightIndex))
        #expect(foreign.verdict == .dropped(.addressNotOurs))
        let crossing = try Crossing(family)
        var expired = query(family.far, on: crossing.west)
        expired.source = family.near
        expired.timeToLive = 1
        #expect(crossing.router.explain(expired).verdict == .dropped(.ttlExpired))
        expired.timeToLive = 9
        #expect(crossing.router.explain(expired).verdict == .sent(interface: "east", nextHop: family.far))
    }

    @Test(arguments: Family.allCases)
    func whatOnlyThePacketKnewIsToldByTheRecordOfDrops(_ family: Family) throws {
        let segment = try Segment(family)
        var bad = Handmade.udp(family, to: 9, [1])
        bad.payload[8] ^= 0xFF
        segment.giveRight(bad)
        var fragment = Handmade.udp(family, to: 9, [UInt8](repeating: 0, count: 16))
        fragment.fragmentWord = 0x2000
        segment.giveRight(fragment)
        segment.pass(.seconds(61))
        let answer = segment.right.explain(query(family.right, on: segment.rightIndex))
        #expect(answer.recentDrops.map(\.reason) == [.udpChecksumBad, .fragmentTimeout])
    }

    @Test(arguments: Family.allCases)
    func explanationAgreesWithWhatHappens(_ family: Family) throws {
        for seed in Seeds.chosen(count: 40) {
            var random = StackRandom(seed: seed)
            let crossing = try Crossing(family, forwards: Bool.random(using: &random))
            try crossing.router.addRoute(to: family.host(0x0700, 0), [.blackhole, .unreachable][Int(seed % 2)])
            let socket = try crossing.router.openUDP()
            try crossing.router.bind(socket, to: Endpoint(port: 9))
            let targets = [
                family.far, family.host(1, 1), family.host(0x0700, 1), family.stranger(9), family.group,
            ]
            let target = targets[Int.random(in: 0..<5, using: &random)]
            let port: UInt16 = Bool.random(using: &random) ? 9 : 10
            var sent = Handmade.udp(from: 5, to: port, [1], source: family.near, destination: target)
            sent.timeToLive = UInt8.random(in: 0...3, using: &random)
            var asked = query(target, port: port, on: crossing.west)
            asked.source = family.near
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
