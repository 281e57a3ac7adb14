import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyNeighbors

@Suite struct ARPEngineTests {
    private let start = Instant.zero + .seconds(100)
    private let own = IPv4Address(10, 0, 0, 1)
    private let ownMAC = MACAddress(bits: 0x0200_0000_0001)

    private func host(_ settings: ARPSettings = .init()) throws -> ARPHost {
        let host = try ARPHost(mac: ownMAC, settings: settings)
        try host.take(own, at: start)
        #expect(host.news() == [.usable])
        _ = host.said()
        return host
    }

    @Test func aQuestionForUsIsAnsweredToTheAskerWhoIsRemembered() throws {
        let host = try host()
        #expect(host.hear(request(alice, aliceMAC, for: own), at: start) == nil)
        let answers = host.said()
        #expect(answers.count == 1 && answers[0].destination == aliceMAC && answers[0].interface == host.lan)
        #expect(answers[0].message == reply(own, ownMAC, to: alice, aliceMAC))
        #expect(host.neighborState(alice) == .stale)
        guard case .send(let mac, _) = host.resolve(alice, at: start) else {
            Issue.record("who asked is known")
            return
        }
        #expect(mac == aliceMAC)
    }

    @Test func anUnknownNextHopIsAskedForFromTheAddressOfItsSubnet() throws {
        let host = try host()
        let other = IPv4Address(10, 9, 0, 1)
        try host.take(other, at: start)
        _ = host.said()
        guard case .hold(let handle) = host.resolve(IPv4Address(10, 9, 0, 7), at: start) else {
            Issue.record("unknown neighbours are asked for")
            return
        }
        host.hold(60, for: handle)
        let asked = host.said()
        #expect(asked.map(\.destination) == [.broadcast])
        #expect(asked[0].message == request(other, ownMAC, for: IPv4Address(10, 9, 0, 7)))
        #expect(host.hear(reply(IPv4Address(10, 9, 0, 7), aliceMAC, to: other, ownMAC), at: start) == nil)
        let run = try #require(host.nextRun())
        #expect(run.fate == .send(to: aliceMAC) && run.count == 1 && run.interface == host.lan)
        #expect(host.output.neighbors.packets.byteCount == 60)
        #expect(host.resolved(handle, at: start) == aliceMAC)
    }

    @Test func hostileMessagesAreDroppedEachUnderItsName() throws {
        let host = try host()
        let broadcast = IPv4Address(10, 0, 0, 255)
        let cases: [(ARPMessage, ARPDrop)] = [
            (request(alice, .broadcast, for: own), .badSenderMAC),
            (request(alice, MACAddress(bits: 0x0100_5E00_0001), for: own), .badSenderMAC),
            (request(alice, .zero, for: own), .badSenderMAC),
            (request(alice, ownMAC, for: own), .looped),
            (request(IPv4Address(224, 0, 0, 1), malloryMAC, for: own), .badSenderAddress),
            (request(.limitedBroadcast, malloryMAC, for: own), .badSenderAddress),
            (request(.loopback, malloryMAC, for: own), .badSenderAddress),
            (request(IPv4Address(0, 0, 0, 7), malloryMAC, for: own), .badSenderAddress),
            (request(broadcast, malloryMAC, for: own), .badSenderAddress),
            (request(IPv4Address(10, 0, 0, 0), malloryMAC, for: own), .badSenderAddress),
            (reply(.any, malloryMAC, to: own, ownMAC), .badSenderAddress),
            (request(IPv4Address(192, 0, 2, 1), malloryMAC, for: own), .offLink),
            (request(alice, malloryMAC, for: bob), .notForUs),
            (request(.any, malloryMAC, for: bob), .notForUs),
            (reply(alice, malloryMAC, to: own, ownMAC), .unsolicited),
            (reply(alice, malloryMAC, to: alice, .broadcast), .unsolicited),
            (request(own, malloryMAC, for: bob), .conflicting),
            (reply(own, malloryMAC, to: bob, bobMAC), .conflicting),
        ]
        for (message, expected) in cases { #expect(host.hear(message, at: start) == expected, "\(message)") }
        #expect(host.engine.table.count == 0)
        #expect(host.said().map(\.message) == [request(own, ownMAC, for: own)], "only the defence is said")
        let elsewhere = host.engine.messageArrived(
            request(alice, aliceMAC, for: own), on: 9, at: start, using: &host.random, output: &host.output)
        #expect(elsewhere == .unknownInterface)
        #expect(host.hear(request(alice, aliceMAC, for: own), at: start) == nil, "a good one is taken")
    }

    @Test func bytesThatAreNoARPMessageAreDroppedEachUnderItsName() throws {
        let host = try host()
        let good: [UInt8] = [
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1,
        ]
        func arrive(_ bytes: [UInt8]) -> ARPDrop? {
            // The array outlives the call, which is all that its span needs.
            unsafe host.engine.payloadArrived(
                bytes.span.bytes, on: host.lan, at: start, using: &host.random, output: &host.output)
        }
        #expect(arrive(good) == nil)
        #expect(arrive([]) == .truncated)
        #expect(arrive(Array(good.dropLast())) == .truncated)
        for (place, expected) in [
            (1, ARPDrop.hardwareType), (2, .protocolType), (4, .addressLengths), (5, .addressLengths), (7, .operation),
        ] {
            var bad = good
            bad[place] = 77
            #expect(arrive(bad) == expected)
        }
    }

    @Test func permanentAndJustAnsweredNeighboursAreNotMovedByALiar() throws {
        let host = try host()
        try host.engine.setPermanent(alice, on: host.lan, to: aliceMAC, at: start, output: &host.output)
        #expect(host.hear(request(alice, malloryMAC, for: own), at: start) == .permanentEntry)
        host.reach(bob, at: bobMAC, from: own, start)
        #expect(host.hear(reply(bob, malloryMAC, to: own, ownMAC), at: start) == .contradictory)
        #expect(host.hear(request(bob, malloryMAC, for: bob), at: start) == .contradictory)
        #expect(host.listing(at: start).map(\.mac) == [aliceMAC, bobMAC])
        #expect(host.said().isEmpty)
        let later = start + .seconds(2)
        #expect(host.hear(request(bob, aliceMAC, for: bob), at: later) == nil)
        #expect(host.listing(at: later).map(\.mac) == [aliceMAC, aliceMAC])
    }

    @Test func aFloodOfStrangersLeavesTheTableBoundedAndTheGatewayKnownAndAnswered() throws {
        var settings = ARPSettings()
        settings.neighbors.entriesMax = 256
        let host = try ARPHost(mac: ownMAC, settings: settings)
        try host.take(IPv4Address(10, 0, 0, 1), length: 8, at: start)
        _ = host.said()
        let gateway = IPv4Address(10, 255, 0, 1)
        host.reach(gateway, at: bobMAC, from: own, start)
        let handle = try #require(host.handle(gateway))
        var chance = StackRandom(seed: 9)
        var drops: [ARPDrop: Int] = [:]
        var now = start
        for _ in 0..<100_000 {
            now = now + .microseconds(100)
            let sender = IPv4Address(bits: 0x0A00_0000 | .random(in: 2..<0xFE_0000, using: &chance))
            let mac = MACAddress(bits: 0x0200_0000_0000 | .random(in: 16..<0xFFFF_FFFF, using: &chance))
            let message =
                Bool.random(using: &chance)
                ? request(sender, mac, for: own) : reply(sender, mac, to: own, ownMAC)
            if let drop = host.hear(message, at: now) { drops[drop, default: 0] += 1 }
            while host.output.messages.next() != nil {}
        }
        #expect(host.engine.table.count <= 256)
        #expect(host.resolved(handle, at: now) == bobMAC)
        #expect(drops[.rateLimited, default: 0] > 10_000 && drops[.unsolicited, default: 0] > 10_000)
        #expect(host.hear(request(IPv4Address(10, 1, 1, 1), aliceMAC, for: own), at: now) == .rateLimited)
        #expect(host.hear(request(gateway, bobMAC, for: own), at: now) == nil, "a neighbour in use is answered")
        #expect(host.said().count == 1)
        #expect(host.hear(request(IPv4Address(10, 1, 1, 1), aliceMAC, for: own), at: now + .seconds(1)) == nil)
    }

    @Test func publishedPrefixesAreAnsweredForUnlessTheLinkHasTheHostItself() throws {
        let host = try host()
        let away = IPv4Address(10, 0, 7, 5)
        try host.engine.setLinkPrefixes([IPv4Prefix(IPv4Address(10, 0, 0, 0), length: 16)], of: host.lan)
        let asked = request(alice, aliceMAC, for: away)
        #expect(host.hear(asked, at: start) == .notForUs)
        try host.engine.setProxies(
            [IPv4Prefix(IPv4Address(10, 0, 7, 0), length: 24), IPv4Prefix(IPv4Address(10, 0, 0, 0), length: 24)],
            of: host.lan)
        #expect(host.hear(asked, at: start) == nil)
        #expect(host.said().map(\.message) == [reply(away, ownMAC, to: alice, aliceMAC)])
        #expect(host.hear(request(alice, aliceMAC, for: bob), at: start) == .notForUs, "the subnet has it as closely")
        #expect(host.hear(request(away, aliceMAC, for: away), at: start) == .notForUs, "it announces itself")
        #expect(host.hear(request(.any, malloryMAC, for: away), at: start) == .notForUs, "it looks for others")
        host.reach(away, at: bobMAC, from: own, start)
        #expect(host.hear(asked, at: start) == .notForUs, "it lives on this link")
        #expect(throws: ARPConfigurationError.tooManyProxies(max: 64)) {
            try host.engine.setProxies(Array(repeating: .all, count: 65), of: host.lan)
        }
        #expect(throws: ARPConfigurationError.tooManyLinkPrefixes(max: 64)) {
            try host.engine.setLinkPrefixes(Array(repeating: .all, count: 65), of: host.lan)
        }
    }

    @Test func nextHopsThatNameNoHostOrCannotBeAskedForAreRefused() throws {
        let host = try ARPHost(mac: ownMAC)
        #expect(host.resolve(alice, at: start) == .refused(.noSource))
        try host.take(own, at: start)
        for address in [IPv4Address.any, .limitedBroadcast, .allSystems, .loopback, IPv4Address(10, 0, 0, 255)] {
            #expect(host.resolve(address, at: start) == .refused(.notHost), "\(address.bits)")
        }
        let elsewhere = host.engine.resolve(alice, on: 9, at: start, using: &host.random, output: &host.output)
        #expect(elsewhere == .refused(.unknownInterface))
        guard case .hold = host.resolve(alice, at: start) else {
            Issue.record("a host on the link is asked for")
            return
        }
    }

    @Test func aChangedLinkAddressIsAnnouncedForEveryAddressInUse() throws {
        let host = try host()
        try host.take(IPv4Address(10, 9, 0, 1), at: start)
        try host.take(IPv4Address(10, 8, 0, 1), .on, at: start)
        _ = host.said()
        try host.engine.setMAC(bobMAC, of: host.lan, at: start, output: &host.output)
        let said = host.said()
        #expect(said.map(\.message.sender) == [own, IPv4Address(10, 9, 0, 1)])
        #expect(said.allSatisfy { $0.message.isAnnouncement && $0.message.senderMAC == bobMAC })
        #expect(throws: ARPConfigurationError.notUnicast(.broadcast)) {
            try host.engine.setMAC(.broadcast, of: host.lan, at: start, output: &host.output)
        }
    }

    @Test func aLinkThatGoesDownForgetsAndOneThatComesBackAnnounces() throws {
        let host = try host()
        host.reach(alice, at: aliceMAC, from: own, start)
        host.engine.linkWentDown(host.lan, output: &host.output)
        #expect(host.engine.table.count == 0 && host.engine.deadline == nil)
        host.engine.linkWentUp(host.lan, at: start, using: &host.random, output: &host.output)
        #expect(host.said().map(\.message) == [request(own, ownMAC, for: own)])
        host.engine.detach(host.lan, output: &host.output)
        #expect(host.hear(request(alice, aliceMAC, for: own), at: start) == .unknownInterface)
        #expect(host.engine.deadline == nil && host.engine.ownAddresses.isEmpty)
    }

    @Test func absurdAddressesAreRefusedWithTheFact() throws {
        var settings = ARPSettings()
        settings.addressesMax = 2
        let host = try host(settings)
        let cases: [(IPv4Address, Int, ARPConfigurationError)] = [
            (own, 24, .addressExists(own)), (alice, 33, .prefixLength(33)), (alice, -1, .prefixLength(-1)),
            (.allSystems, 24, .notHost(.allSystems)), (.any, 0, .notHost(.any)),
            (IPv4Address(10, 0, 0, 255), 24, .notHost(IPv4Address(10, 0, 0, 255))),
        ]
        for (address, length, error) in cases {
            #expect(throws: error) { try host.take(address, length: length, at: start) }
        }
        try host.take(alice, length: 31, at: start)
        #expect(throws: ARPConfigurationError.tooManyAddresses(max: 2)) { try host.take(bob, at: start) }
        #expect(throws: ARPConfigurationError.interfaceExists(1)) { try host.engine.attach(1, mac: bobMAC) }
        #expect(throws: ARPConfigurationError.notUnicast(.zero)) { try host.engine.attach(2, mac: .zero) }
        let removed = (0..<2).map { _ in host.engine.removeAddress(alice, from: host.lan) }
        #expect(removed == [true, false])
    }
}
