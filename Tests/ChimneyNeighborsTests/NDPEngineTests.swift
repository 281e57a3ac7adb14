import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyNeighbors

@Suite struct NDPEngineTests {
    private let start = Instant.zero + .seconds(100)

    private func host(_ settings: NDPSettings = .init()) throws -> NDPHost {
        let host = try NDPHost(settings: settings)
        try host.take(own, at: start)
        #expect(host.news() == [.usable])
        _ = host.said()
        return host
    }

    // MARK: - Questions to us

    @Test func aQuestionForUsIsAnsweredToTheAskerWhoIsRememberedAsStale() throws {
        let host = try host()
        #expect(host.asked(own, by: carol, aliceMAC, at: start) == nil)
        let said = host.said()
        #expect(
            said == [
                NDPTransmission(
                    interface: 1, source: own, destination: carol, mac: aliceMAC,
                    message: .neighborAdvertisement(
                        NeighborAdvertisement(target: own, targetMAC: ownMAC, isSolicited: true, isOverride: true)))
            ])
        #expect(host.neighborState(carol) == .stale)
        guard case .send(let mac, _) = host.resolve(carol, at: start) else {
            Issue.record("who asked is known")
            return
        }
        #expect(mac == aliceMAC)
    }

    @Test func aQuestionWithoutLinkAddressIsAnsweredThroughResolutionAndRemembersNobody() throws {
        let host = try host()
        #expect(host.asked(own, by: carol, nil, at: start) == nil)
        let said = host.said()
        #expect(said.count == 1 && said[0].destination == carol && said[0].mac == nil)
        #expect(host.neighborState(carol) == .none)
    }

    @Test func aRouterSaysThatItIsOne() throws {
        let host = try host()
        try host.engine.setRouter(true, of: host.lan)
        #expect(host.asked(own, by: carol, aliceMAC, at: start) == nil)
        #expect(host.said().compactMap(advertisement).map(\.isRouter) == [true])
        try host.engine.setRouter(false, of: host.lan)
        #expect(host.asked(own, by: carol, aliceMAC, at: start) == nil)
        #expect(host.said().compactMap(advertisement).map(\.isRouter) == [false])
    }

    @Test func aChangedLinkAddressInAQuestionIsTakenAndTheSameOneChangesNothing() throws {
        let host = try host()
        host.reach(carol, at: aliceMAC, start)
        #expect(host.asked(own, by: carol, aliceMAC, at: start) == nil)
        #expect(host.neighborState(carol) == .reachable)
        #expect(host.asked(own, by: carol, bobMAC, at: start) == nil)
        #expect(host.neighborState(carol) == .stale && host.listing(at: start).map(\.mac) == [bobMAC])
    }

    @Test func whoProbesForAnAddressInUseIsToldByTellingEverybody() throws {
        let host = try host()
        #expect(host.asked(own, by: .any, nil, nonce: NDPNonce(bits: 5), at: start) == nil)
        let said = host.said()
        #expect(said.map(\.destination) == [.allNodes] && said.map(\.mac) == [MACAddress(group: .allNodes)])
        #expect(
            said.compactMap(advertisement) == [NeighborAdvertisement(target: own, targetMAC: ownMAC, isOverride: true)])
        #expect(host.engine.table.count == 0)
    }

    // MARK: - Our questions

    @Test func anUnknownNextHopIsAskedForByItsGroupAndThePacketsThatWaitedFollowTheAnswer() throws {
        let host = try host()
        guard case .hold(let handle) = host.resolve(carol, at: start) else {
            Issue.record("unknown neighbours are asked for")
            return
        }
        host.hold(60, for: handle)
        #expect(
            host.said() == [
                NDPTransmission(
                    interface: 1, source: own, destination: carol.solicitedNode,
                    mac: MACAddress(group: carol.solicitedNode),
                    message: .neighborSolicitation(NeighborSolicitation(target: carol, sourceMAC: ownMAC)))
            ])
        #expect(host.answered(carol, aliceMAC, at: start) == nil)
        let run = try #require(host.nextRun())
        #expect(run.fate == .send(to: aliceMAC) && run.count == 1 && run.interface == host.lan)
        #expect(host.output.neighbors.packets.byteCount == 60)
        let resolved = host.engine.resolved(handle, at: start)
        #expect(resolved == aliceMAC)
        host.engine.confirmed(handle, at: start)
    }

    @Test func aQuestionComesFromTheAddressOfThePacketOrElseOfTheSamePrefixAndScope() throws {
        let host = try host()
        let ours = [global(1), global(2), IPv6Address(high: 0xFD00 << 48, low: 1)]
        for address in ours { try host.take(address, at: start) }
        try host.take(global(3), .on, at: start)
        try host.take(global(4), use: .anycast, at: start)
        _ = host.said()
        let cases: [(target: IPv6Address, packet: IPv6Address?, source: IPv6Address)] = [
            (global(0x10), global(2), global(2)), (global(0x11), nil, global(1)),
            (global(0x12), global(0x99), global(1)), (linkLocal(0x13), nil, own),
            (IPv6Address(high: 0xFD00 << 48, low: 0x14), nil, ours[2]), (global(0x15), own, own),
            (IPv6Address(high: 0x2002 << 48, low: 0x16), nil, own), (global(0x17), global(3), global(1)),
            (global(0x18), global(4), global(1)),
        ]
        for (target, packet, source) in cases {
            _ = host.resolve(target, from: packet, at: start)
            #expect(host.said().map(\.source) == [source], "\(target)")
        }
    }

    @Test func aSilentNeighbourIsProbedAtItsAddressThenLookedForThenLost() throws {
        let host = try host()
        host.reach(carol, at: aliceMAC, router: true, start)
        #expect(host.routerNews() == [.reachable])
        var now = start + .seconds(46)
        host.fire(at: now)
        _ = host.resolve(carol, at: now)
        var asked: [IPv6Address] = []
        for _ in 0..<20 {
            guard let deadline = host.deadline else { break }
            now = deadline
            host.fire(at: now)
            for transmission in host.said() {
                asked.append(transmission.destination)
                #expect(solicitation(transmission)?.target == carol)
                #expect(
                    transmission.mac
                        == (transmission.destination == carol ? aliceMAC : MACAddress(group: carol.solicitedNode)))
            }
        }
        #expect(asked == [carol, carol, carol, carol.solicitedNode, carol.solicitedNode, carol.solicitedNode])
        #expect(host.routerNews() == [.unreachable])
        #expect(host.neighborState(carol) == .none)
    }

    @Test func nextHopsThatNameNoHostOrCannotBeAskedForAreRefused() throws {
        let host = try NDPHost()
        #expect(host.resolve(carol, at: start) == .refused(.noSource))
        try host.take(own, .on, at: start)
        #expect(host.resolve(carol, at: start) == .refused(.noSource), "a tentative address is no source")
        try host.take(linkLocal(2), .optimistic, at: start)
        #expect(host.resolve(carol, at: start) == .refused(.noSource), "nor is an optimistic one")
        try host.take(linkLocal(3), use: .anycast, at: start)
        #expect(host.resolve(carol, at: start) == .refused(.noSource), "nor one that others have too")
        try host.take(linkLocal(4), at: start)
        for address in [IPv6Address.any, .loopback, .allNodes] {
            #expect(host.resolve(address, at: start) == .refused(.notHost))
        }
        let elsewhere = host.engine.resolve(carol, on: 9, at: start, using: &host.random, output: &host.output)
        #expect(elsewhere == .refused(.unknownInterface))
        guard case .hold = host.resolve(carol, at: start) else {
            Issue.record("a host on the link is asked for")
            return
        }
    }

    @Test func theTimesThatARouterAdvertisesAreUsedOnItsInterfaceWithinBounds() throws {
        let host = try host()
        try host.engine.attach(2, mac: bobMAC)
        try host.engine.setTimes(reachable: .seconds(100), retransmit: .seconds(7), of: host.lan)
        _ = host.resolve(carol, at: start)
        #expect(host.deadline == start + .seconds(7))
        #expect(host.answered(carol, aliceMAC, at: start) == nil)
        let remaining = try #require(host.listing(at: start).first?.remaining)
        #expect(remaining >= .seconds(50) && remaining <= .seconds(150))
        let times = [UInt32(1), 2].map { host.engine.table.reachableTime(on: $0) }
        #expect(times == [.seconds(100), .seconds(30)])
        try host.engine.setTimes(reachable: nil, retransmit: .zero, of: host.lan)
        try host.engine.setTimes(reachable: .seconds(1_000_000), retransmit: nil, of: 2)
        let clamped = (
            host.engine.table.retransmit(on: 1), host.engine.table.reachableTime(on: 1),
            host.engine.table.reachableTime(on: 2), host.engine.table.retransmit(on: 2)
        )
        #expect(clamped.0 == .milliseconds(10) && clamped.1 == .seconds(100))
        #expect(clamped.2 == .seconds(3_600) && clamped.3 == .seconds(1))
        host.engine.linkWentDown(host.lan, output: &host.output)
        let after = host.engine.table.retransmit(on: 1)
        #expect(after == .seconds(1))
        #expect(throws: NDPConfigurationError.unknownInterface(9)) {
            try host.engine.setTimes(reachable: nil, retransmit: nil, of: 9)
        }
    }

    // MARK: - Answering for others and with others

    @Test func anAnycastAddressIsAnsweredForAfterAWaitFromAnAddressOfOurOwnWithoutOverride() throws {
        let host = try host()
        try host.take(global(0), .on, use: .anycast, at: start)
        #expect(host.news() == [.usable] && host.said().isEmpty, "it is never asked for")
        #expect(host.asked(global(0), by: carol, aliceMAC, at: start) == nil)
        #expect(host.said().isEmpty)
        let due = try #require(host.deadline)
        #expect(due > start && due <= start + .seconds(1))
        host.fire(at: due)
        let said = host.said()
        #expect(said.map(\.source) == [own] && said.map(\.destination) == [carol])
        #expect(
            said.compactMap(advertisement) == [
                NeighborAdvertisement(target: global(0), targetMAC: ownMAC, isSolicited: true)
            ])
        #expect(host.asked(global(0), by: .any, nil, at: start) == .notForUs)
        #expect(host.answered(global(0), malloryMAC, at: start) == .conflicting && host.news().isEmpty)
    }

    @Test func publishedPrefixesAreAnsweredForUnlessTheLinkHasTheHostItself() throws {
        let host = try host()
        #expect(host.asked(dave, by: carol, aliceMAC, at: start) == .notForUs)
        try host.engine.setProxies([IPv6Prefix(dave, length: 64)], of: host.lan)
        #expect(host.asked(dave, by: carol, aliceMAC, at: start) == nil)
        host.fire(at: start + .seconds(1))
        let said = host.said()
        #expect(said.map(\.source) == [own])
        #expect(
            said.compactMap(advertisement) == [
                NeighborAdvertisement(target: dave, targetMAC: ownMAC, isSolicited: true)
            ]
        )
        #expect(host.asked(dave, by: .any, nil, at: start) == .notForUs, "somebody looks for others")
        #expect(host.asked(dave, by: dave, aliceMAC, at: start) == .notForUs, "it asks for itself")
        host.reach(dave, at: bobMAC, start)
        #expect(host.asked(dave, by: carol, aliceMAC, at: start) == .notForUs, "it lives on this link")
        #expect(throws: NDPConfigurationError.tooManyProxies(max: 64)) {
            try host.engine.setProxies(Array(repeating: .all, count: 65), of: host.lan)
        }
    }

    @Test func answersThatWaitAreBoundedAndGoWithTheirAddressOrLink() throws {
        var settings = NDPSettings()
        settings.delayedAnswersMax = 3
        let host = try host(settings)
        try host.take(global(0), use: .anycast, at: start)
        for asker in 0..<5 as Range<UInt64> {
            #expect(host.asked(global(0), by: linkLocal(0x100 + asker), aliceMAC, at: start) == nil)
        }
        #expect(host.said().count == 2 && host.engine.delayedAnswers.count == 3)
        host.engine.removeAddress(global(0), from: host.lan)
        #expect(host.deadline == nil || host.engine.delayedAnswers.isEmpty)
        try host.take(global(0), use: .anycast, at: start)
        _ = host.asked(global(0), by: carol, aliceMAC, at: start)
        host.engine.linkWentDown(host.lan, output: &host.output)
        #expect(host.engine.delayedAnswers.isEmpty)
    }

    // MARK: - The interface

    @Test func aChangedLinkAddressIsAnnouncedThreeTimesForEveryAddressInUse() throws {
        let host = try host()
        try host.take(global(1), at: start)
        try host.take(global(2), .on, at: start)
        try host.take(global(3), use: .anycast, at: start)
        _ = host.said()
        try host.engine.setMAC(bobMAC, of: host.lan, at: start, output: &host.output)
        let first = host.said()
        #expect(first.map(\.source) == [own, global(1), global(3)])
        #expect(first.allSatisfy { $0.destination == .allNodes && $0.mac == MACAddress(group: .allNodes) })
        #expect(first.compactMap(advertisement).map(\.isOverride) == [true, true, false])
        #expect(first.compactMap(advertisement).allSatisfy { $0.targetMAC == bobMAC && !$0.isSolicited })
        for round in 1...4 as ClosedRange<Int64> {
            host.fire(at: start + .seconds(round))
            let announced = host.said().compactMap(advertisement).count
            // The tentative address is ours in the third second at the latest.
            #expect(announced == (round <= 2 ? 3 : 0), "round \(round)")
        }
        #expect(throws: NDPConfigurationError.notUnicast(.broadcast)) {
            try host.engine.setMAC(.broadcast, of: host.lan, at: start, output: &host.output)
        }
    }

    @Test func aNewAddressIsToldToRoutersWhenTheSettingSaysSo() throws {
        var settings = NDPSettings()
        settings.newAddressAnnounceCount = 2
        let host = try NDPHost(settings: settings)
        try host.take(own, at: start)
        host.fire(at: start + .seconds(1))
        let said = host.said()
        #expect(said.map(\.destination) == [.allRouters, .allRouters] && host.deadline == nil)
        #expect(said.compactMap(advertisement).allSatisfy { !$0.isOverride && !$0.isSolicited && $0.target == own })
    }

    @Test func aLinkThatGoesDownForgetsNeighboursAndAsksForEveryAddressAnewWhenItReturns() throws {
        let host = try host()
        try host.take(global(1), .on, at: start)
        for _ in 0..<2 { host.fire(at: try #require(host.deadline)) }
        #expect(host.state(global(1)) == .assigned)
        host.reach(carol, at: aliceMAC, start)
        host.engine.linkWentDown(host.lan, output: &host.output)
        #expect(host.engine.table.count == 0 && host.deadline == nil)
        #expect(host.state(global(1)) == .tentative && host.state(own) == .assigned)
        _ = host.said()
        _ = host.news()
        host.engine.linkWentUp(host.lan, at: start, using: &host.random, output: &host.output)
        host.engine.linkWentUp(host.lan, at: start, using: &host.random, output: &host.output)
        #expect(host.news() == [.usable])
        host.fire(at: try #require(host.deadline))
        #expect(host.said().compactMap(solicitation).map(\.target) == [global(1)])
        host.engine.detach(host.lan, output: &host.output)
        #expect(host.asked(own, by: carol, aliceMAC, at: start) == .unknownInterface)
        #expect(host.learn(carol, aliceMAC, router: true, at: start) == .unknownInterface)
        #expect(host.deadline == nil && host.engine.ownAddresses.isEmpty)
    }

    @Test func absurdAddressesAreRefusedWithTheFact() throws {
        var settings = NDPSettings()
        settings.addressesMax = 2
        let host = try host(settings)
        let cases: [(IPv6Address, NDPConfigurationError)] = [
            (own, .addressExists(own)), (.any, .notHost(.any)), (.loopback, .notHost(.loopback)),
            (.allNodes, .notHost(.allNodes)),
        ]
        for (address, error) in cases {
            #expect(throws: error) { try host.take(address, at: start) }
        }
        try host.take(dave, at: start)
        #expect(host.engine.ownAddresses.map(\.address) == [dave, own])
        #expect(throws: NDPConfigurationError.tooManyAddresses(max: 2)) { try host.take(carol, at: start) }
        #expect(throws: NDPConfigurationError.interfaceExists(1)) { try host.engine.attach(1, mac: bobMAC) }
        #expect(throws: NDPConfigurationError.notUnicast(.zero)) { try host.engine.attach(2, mac: .zero) }
        #expect(throws: NeighborError.notHost) {
            try host.engine.setPermanent(.allNodes, on: 1, to: aliceMAC, at: start, output: &host.output)
        }
        let removed = (0..<2).map { _ in host.engine.removeAddress(dave, from: host.lan) }
        #expect(removed == [true, false])
    }

    // MARK: - Other messages

    @Test func whatRouterMessagesTellOfTheirSenderIsRemembered() throws {
        let host = try host()
        #expect(host.learn(carol, nil, router: true, at: start) == nil)
        #expect(host.engine.table.count == 0, "without a link address no entry is made")
        #expect(host.learn(carol, aliceMAC, router: true, at: start) == nil)
        #expect(host.listing(at: start).map(\.isRouter) == [true] && host.neighborState(carol) == .stale)
        #expect(host.routerNews() == [.reachable])
        // A redirect to the destination itself cannot tell; a router solicitation tells that it is none.
        #expect(host.learn(carol, aliceMAC, router: nil, at: start) == nil)
        #expect(host.listing(at: start).map(\.isRouter) == [true])
        #expect(host.learn(carol, nil, router: false, at: start) == nil)
        #expect(host.listing(at: start).map(\.isRouter) == [false] && host.routerNews() == [.ceased])
        #expect(host.learn(carol, .broadcast, router: true, at: start) == .badLinkAddress)
        #expect(host.learn(carol, ownMAC, router: true, at: start) == .looped)
        #expect(host.learn(own, aliceMAC, router: true, at: start) == .badSource)
        #expect(host.learn(.any, aliceMAC, router: false, at: start) == .badSource)
        #expect(host.routerNews().isEmpty)
    }

    @Test func aRouterThatWasSilentIsNewsAgainWhenItAdvertises() throws {
        let host = try host()
        _ = host.resolve(carol, at: start)
        #expect(host.learn(carol, nil, router: true, at: start) == nil)
        #expect(host.routerNews().isEmpty, "nothing good is known of it yet")
        #expect(host.learn(carol, aliceMAC, router: true, at: start) == nil)
        #expect(host.routerNews() == [.reachable])
        _ = host.resolve(carol, at: start)
        var now = start
        for _ in 0..<4 {
            now = try #require(host.deadline)
            host.fire(at: now)
        }
        #expect(host.neighborState(carol) == .incomplete && host.routerNews() == [.unreachable])
        #expect(host.learn(carol, aliceMAC, router: true, at: now) == nil)
        #expect(host.routerNews() == [.reachable] && host.neighborState(carol) == .stale)
    }

    @Test func validRedirectsAreHandedOnAndOthersAreNamed() throws {
        let host = try host()
        let router = linkLocal(0xFF)
        let good = NDPRedirect(target: carol, destination: dave, targetMAC: aliceMAC)
        #expect(host.redirected(good, from: router, at: start) == nil)
        let handedOn = try #require(host.nextRedirect())
        #expect(
            handedOn
                == NDPRedirection(interface: 1, from: router, destination: dave, target: carol, mac: aliceMAC))
        #expect(handedOn.isRouter == true && host.engine.table.count == 0, "the stack decides first")
        #expect(host.redirected(NDPRedirect(target: dave, destination: dave), from: router, at: start) == nil)
        let onLink = try #require(host.nextRedirect())
        #expect(onLink.isRouter == nil)
        let cases: [(NDPRedirect, IPv6Address, NDPDrop)] = [
            (good, dave, .badSource), (good, .any, .badSource),
            (NDPRedirect(target: carol, destination: .allNodes), router, .badDestination),
            (NDPRedirect(target: global(7), destination: dave), router, .badTarget),
            (NDPRedirect(target: .any, destination: dave), router, .badTarget),
            (NDPRedirect(target: own, destination: dave), router, .conflicting), (good, own, .conflicting),
            (NDPRedirect(target: carol, destination: dave, targetMAC: .zero), router, .badLinkAddress),
            (NDPRedirect(target: carol, destination: dave, targetMAC: ownMAC), router, .looped),
        ]
        for (redirect, source, expected) in cases {
            #expect(host.redirected(redirect, from: source, at: start) == expected, "\(redirect)")
        }
        #expect(host.output.redirects.isEmpty)
    }
}
