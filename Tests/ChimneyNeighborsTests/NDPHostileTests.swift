import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyNeighbors

@Suite struct NDPHostileTests {
    private let start = Instant.zero + .seconds(100)

    private func host(_ settings: NDPSettings = .init()) throws -> NDPHost {
        let host = try NDPHost(settings: settings)
        try host.take(own, at: start)
        _ = host.news()
        return host
    }

    private func question(_ target: IPv6Address, _ mac: MACAddress? = nil) -> NDPMessage {
        .neighborSolicitation(NeighborSolicitation(target: target, sourceMAC: mac))
    }

    private func answer(_ target: IPv6Address, _ mac: MACAddress?, solicited: Bool = true) -> NDPMessage {
        .neighborAdvertisement(
            NeighborAdvertisement(target: target, targetMAC: mac, isSolicited: solicited, isOverride: true))
    }

    @Test func hostileMessagesAreDroppedEachUnderItsName() throws {
        let host = try host()
        let group = own.solicitedNode
        let cases: [(NDPMessage, from: IPv6Address, to: IPv6Address, NDPDrop)] = [
            (question(.allNodes, aliceMAC), carol, group, .badTarget),
            (question(.any, aliceMAC), carol, group, .badTarget),
            (question(.loopback, aliceMAC), carol, group, .badTarget),
            (question(own, .broadcast), carol, group, .badLinkAddress),
            (question(own, .zero), carol, group, .badLinkAddress),
            (question(own, aliceMAC), .any, group, .badLinkAddress),
            (question(own), .any, own, .badDestination), (question(own), .any, .allNodes, .badDestination),
            (question(own), .any, carol.solicitedNode, .badDestination),
            (question(own, aliceMAC), .allNodes, group, .badSource),
            (question(own, aliceMAC), .loopback, group, .badSource),
            (question(own, ownMAC), carol, group, .looped), (question(own), own, group, .looped),
            (question(carol, malloryMAC), own, carol.solicitedNode, .conflicting),
            (question(dave, malloryMAC), carol, dave.solicitedNode, .notForUs),
            (question(dave), .any, dave.solicitedNode, .notForUs),
            (answer(.allNodes, malloryMAC), carol, own, .badTarget),
            (answer(carol, malloryMAC), .any, own, .badSource),
            (answer(carol, malloryMAC), .allNodes, own, .badSource),
            (answer(carol, malloryMAC), carol, .allNodes, .badDestination),
            (answer(carol, .broadcast), carol, own, .badLinkAddress), (answer(carol, ownMAC), carol, own, .looped),
            (answer(carol, malloryMAC), carol, own, .unsolicited), (answer(own, malloryMAC), carol, own, .conflicting),
            (.routerSolicitation(RouterSolicitation()), carol, .allRouters, .otherType),
        ]
        for (message, from, to, expected) in cases {
            #expect(host.hear(message, from: from, to: to, at: start) == expected, "\(message)")
        }
        #expect(host.engine.table.count == 0 && host.said().isEmpty)
        #expect(
            host.news() == [.contested(by: malloryMAC), .contested(by: malloryMAC)] && host.state(own) == .assigned)
        #expect(host.hear(question(own, aliceMAC), from: carol, to: group, at: start) == nil, "a good one is taken")
    }

    @Test func onlyHopLimit255IsFromTheLink() throws {
        let host = try host()
        for hopLimit in UInt8.min...254 {
            let found = host.hear(
                question(own, malloryMAC), from: carol, to: own, hopLimit: hopLimit, at: start)
            #expect(found == .hopLimit)
        }
        #expect(host.engine.table.count == 0 && host.said().isEmpty)
        #expect(host.hear(question(own, aliceMAC), from: carol, to: own, at: start) == nil)
    }

    @Test func bytesThatAreNoMessageAreDroppedEachUnderItsName() throws {
        let host = try host()
        let good = bytes(question(own, aliceMAC))
        func arrive(_ bytes: [UInt8]) -> NDPDrop? { host.hear(bytes, from: carol, to: own, at: start) }
        for count in 0..<24 { #expect(arrive(Array(good[..<count])) == .truncated) }
        for count in 25..<32 { #expect(arrive(Array(good[..<count])) == .optionTruncated) }
        var other = good
        other[1] = 1
        #expect(arrive(other) == .code)
        other = good
        other[25] = 0
        #expect(arrive(other) == .optionWithoutLength)
        let many = (0..<NDPOptions.optionsMax).flatMap { _ in good[24...] }
        #expect(arrive(good + many) == .tooManyOptions)
        #expect(arrive([128] + good[1...]) == .otherType && arrive([255] + good[1...]) == .otherType)
        #expect(host.engine.table.count == 0)
        #expect(arrive(good) == nil)
    }

    @Test func permanentNeighboursAreNotMovedByALiar() throws {
        let host = try host()
        try host.engine.setPermanent(carol, on: host.lan, to: aliceMAC, at: start, output: &host.output)
        #expect(host.asked(own, by: carol, malloryMAC, at: start) == .permanentEntry)
        #expect(host.answered(carol, malloryMAC, at: start) == .permanentEntry)
        #expect(host.answered(carol, nil, router: true, at: start) == nil)
        #expect(host.listing(at: start).map(\.mac) == [aliceMAC] && host.listing(at: start).map(\.isRouter) == [true])
        let removed = host.engine.remove(carol, on: host.lan, output: &host.output)
        #expect(removed)
    }

    @Test func aFloodOfStrangersLeavesTheTableBoundedAndTheRouterKnownAndAnswered() throws {
        var settings = NDPSettings()
        settings.neighbors.entriesMax = 256
        let host = try host(settings)
        let router = linkLocal(0xFFFF)
        host.reach(router, at: bobMAC, router: true, start)
        let handle = try #require(host.handle(router))
        var chance = StackRandom(seed: 9)
        var drops: [NDPDrop: Int] = [:]
        var now = start
        for round in 0..<100_000 {
            now = now + .microseconds(100)
            let sender = linkLocal(.random(in: 0x1_0000..<0xFFFF_FFFF, using: &chance))
            let mac = MACAddress(bits: 0x0200_0000_0000 | .random(in: 16..<0xFFFF_FFFF, using: &chance))
            let drop: NDPDrop? =
                switch round % 3 {
                case 0: host.asked(own, by: sender, mac, at: now)
                case 1: host.answered(sender, mac, at: now)
                default: host.learn(sender, mac, router: true, at: now)
                }
            if let drop { drops[drop, default: 0] += 1 }
            while host.output.messages.next() != nil {}
        }
        #expect(host.engine.table.count <= 256)
        let resolved = host.engine.resolved(handle, at: now)
        #expect(resolved == bobMAC)
        #expect(drops[.rateLimited, default: 0] > 10_000 && drops[.unsolicited, default: 0] > 10_000)
        #expect(host.output.routers.count <= OutputList<Int>.newsMax)
        #expect(host.asked(own, by: carol, aliceMAC, at: now) == .rateLimited)
        #expect(host.asked(own, by: .any, nil, at: now) == .rateLimited)
        #expect(host.asked(own, by: router, bobMAC, at: now) == nil, "a neighbour in use is answered")
        #expect(host.said().count == 1)
        #expect(host.asked(own, by: carol, aliceMAC, at: now + .seconds(1)) == nil)
    }

    @Test func aScanOfTheLinkStopsAtTheBoundOfQuestionsUnderWay() throws {
        var settings = NDPSettings()
        settings.neighbors.resolvingMax = 16
        let host = try host(settings)
        host.reach(carol, at: aliceMAC, start)
        var refused = 0
        for number in 0..<1_000 as Range<UInt64>
        where host.resolve(global(0x1_0000 + number), at: start)
            == .refused(.tableFull)
        {
            refused += 1
        }
        #expect(refused == 984 && host.said().count == 16)
        #expect(host.neighborState(carol) == .reachable)
    }

    /// Whatever arrives, tables stay within their bounds, packets are neither lost nor doubled, and silence ends all.
    @Test func noBoundIsPassedUnderRandomEvents() throws {
        for seed in 0..<60 as Range<UInt64> {
            var settings = NDPSettings()
            settings.neighbors.entriesMax = 12
            settings.neighbors.resolvingMax = 5
            settings.neighbors.pendingPacketsMax = 3
            settings.neighbors.acceptUnsolicited = UnsolicitedPolicy.allCases[Int(seed % 3)]
            settings.delayedAnswersMax = 2
            settings.addressesMax = 4
            let host = try NDPHost(settings: settings, seed: seed)
            try host.take(own, at: start)
            try host.engine.setProxies([IPv6Prefix(global(0), length: 124)], of: host.lan)
            var chance = StackRandom(seed: seed &+ 1_000)
            func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &chance) }
            func somebody() -> IPv6Address { pick(2) == 0 ? linkLocal(UInt64(pick(24))) : global(UInt64(pick(24))) }
            func somewhere() -> MACAddress? {
                pick(4) == 0 ? nil : MACAddress(bits: 0x0200_0000_0000 | UInt64(pick(4)))
            }
            var now = start
            var (given, returned) = (0, 0)
            for _ in 0..<400 {
                switch pick(12) {
                case 0...2:
                    guard case .hold(let handle) = host.resolve(somebody(), from: somebody(), at: now) else { break }
                    host.hold(1 + pick(400), for: handle)
                    given += 1
                case 3: _ = host.asked(somebody(), by: pick(4) == 0 ? .any : somebody(), somewhere(), at: now)
                case 4:
                    _ = host.answered(
                        somebody(), somewhere(), router: pick(2) == 0, solicited: pick(2) == 0,
                        override: pick(2) == 0, at: now)
                case 5: _ = host.learn(somebody(), somewhere(), router: [true, false, nil][pick(3)], at: now)
                case 6:
                    let redirect = NDPRedirect(target: somebody(), destination: somebody(), targetMAC: somewhere())
                    _ = host.redirected(redirect, from: somebody(), at: now)
                case 7: try? host.take(somebody(), DuplicateDetection.allCases[pick(3)], at: now)
                case 8: _ = host.engine.removeAddress(somebody(), from: host.lan)
                case 9 where pick(10) == 0: host.engine.linkWentDown(host.lan, output: &host.output)
                case 9:
                    host.engine.linkWentUp(host.lan, at: now, using: &host.random, output: &host.output)
                default:
                    now = now + .milliseconds(Int64(pick(4_000)))
                    host.fire(at: now)
                    if let deadline = host.deadline { #expect(deadline > now, "seed \(seed)") }
                }
                while let run = host.nextRun() {
                    for _ in 0..<run.count { _ = host.output.neighbors.packets.removeFirst() }
                    returned += run.count
                }
                #expect(host.engine.table.count <= 12 && host.engine.table.resolvingCount <= 5, "seed \(seed)")
                #expect(host.engine.delayedAnswers.count <= 2 && host.engine.ownAddresses.count <= 4)
                #expect(given == returned + host.engine.table.packetsWaiting, "seed \(seed)")
                #expect(host.output.neighbors.routers.isEmpty && host.output.neighbors.solicitations.isEmpty)
                for said in host.said() {
                    let isSource = host.state(said.source) == .assigned || host.state(said.source) == .optimistic
                    #expect(said.source.isAny || isSource, "seed \(seed)")
                    if let asked = solicitation(said) {
                        #expect(said.source.isAny == (asked.sourceMAC == nil), "seed \(seed)")
                    }
                }
            }
            for _ in 0..<2_000 where host.deadline != nil { host.fire(at: try #require(host.deadline)) }
            #expect(host.deadline == nil && host.engine.table.packetsWaiting == 0, "seed \(seed)")
        }
    }
}
