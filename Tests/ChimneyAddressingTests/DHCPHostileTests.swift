import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyAddressing

/// Servers that lie, and the whole exchange over a link that loses messages.
@Suite struct DHCPHostileTests {
    private let start = Instant.zero + .seconds(1_000)

    private func searching() throws -> (host: DHCPHost, discover: DHCPv4Message, now: Instant) {
        let host = DHCPHost()
        host.start(at: start)
        let now = try host.step()
        return (host, try #require(host.said().last?.message), now)
    }

    @Test func lyingAnswersAreDroppedEachUnderItsName() throws {
        let (host, discover, now) = try searching()
        let good = DHCPAnswer()
        let cases: [(DHCPAnswer, DHCPDrop)] = [
            (DHCPAnswer(server: nil), .noServerIdentifier),
            (DHCPAnswer(server: .any), .badServerIdentifier),
            (DHCPAnswer(server: .limitedBroadcast), .badServerIdentifier),
            (DHCPAnswer(server: .allSystems), .badServerIdentifier),
            (DHCPAnswer(server: .loopback), .badServerIdentifier),
            (DHCPAnswer(address: .any), .badAddress),
            (DHCPAnswer(address: .allSystems), .badAddress),
            (DHCPAnswer(address: .limitedBroadcast), .badAddress),
            (DHCPAnswer(address: .loopback), .badAddress),
            (DHCPAnswer(address: serverAddress), .badAddress),
            (DHCPAnswer(address: IPv4Address(10, 0, 0, 0)), .badAddress),
            (DHCPAnswer(address: IPv4Address(10, 0, 0, 255)), .badAddress),
            (DHCPAnswer(mask: 0xFF00_FF00), .badMask),
            (DHCPAnswer(mask: 0), .badMask),
            (DHCPAnswer(mask: 0x8000_0000), .badMask),
            (DHCPAnswer(seconds: nil), .noLeaseTime),
            (DHCPAnswer(seconds: 0), .leaseTooShort),
            (DHCPAnswer(seconds: 19), .leaseTooShort),
        ]
        for (answer, expected) in cases {
            #expect(host.hear(try answer.message(.offer, to: discover), at: now) == expected, "\(answer)")
        }
        var other = try good.message(.offer, to: discover)
        other.transaction ^= 1
        #expect(host.hear(other, at: now) == .wrongTransaction)
        other = try good.message(.offer, to: discover)
        other.hardware = MACAddress(bits: 0x0200_0000_0051)
        #expect(host.hear(other, at: now) == .notForUs)
        #expect(host.hear(discover, at: now) == .notReply, "what another client broadcasts")
        for type in [DHCPv4MessageType.acknowledge, .refuse] {
            #expect(host.hear(try good.message(type, to: discover), at: now) == .unexpected)
        }
        #expect(host.client.state == .selecting && host.news().isEmpty && host.said().isEmpty)
        let deadline = try #require(host.client.deadline)
        #expect(deadline > now + .seconds(2), "no offer was taken")
        #expect(host.hear(try good.message(.offer, to: discover), at: now) == nil, "a good one is")
        #expect(host.client.deadline == now + .milliseconds(500))
    }

    @Test func replyOfATypeThatNoServerSendsIsNotOne() throws {
        let (host, discover, now) = try searching()
        var reply = bytes(of: try DHCPAnswer().message(.offer, to: discover))
        reply[242] = DHCPv4MessageType.inform.rawValue
        #expect(host.hear(reply, at: now) == .notReply)
        reply[242] = DHCPv4MessageType.offer.rawValue
        #expect(host.hear(reply, at: now) == nil)
    }

    @Test func bytesThatAreNoMessageAreDroppedEachUnderItsName() throws {
        let (host, discover, now) = try searching()
        let good = bytes(of: try DHCPAnswer().message(.offer, to: discover))
        #expect(host.hear([], at: now) == .truncated)
        #expect(host.hear(Array(good.prefix(239)), at: now) == .truncated)
        for (place, byte, expected) in [
            (0, UInt8(3), DHCPDrop.operation), (1, 6, .hardware), (2, 16, .hardware), (236, 0, .cookie),
            (242, 9, .messageType), (244, 200, .optionTruncated), (244, 3, .optionLength), (241, 2, .optionLength),
            (240, 52, .messageType),
        ] {
            var bad = good
            bad[place] = byte
            // A server identifier of three bytes leaves one, which reads as the code of a further option.
            if expected == .optionLength && place == 244 { bad[248] = 0 }
            #expect(host.hear(bad, at: now) == expected, "\(place)")
        }
        var bad = good
        bad[240] = DHCPv4OptionCode.overload.rawValue
        bad[242] = 4
        #expect(host.hear(bad, at: now) == .overload)
        #expect(host.hear(good, at: now) == nil)
    }

    @Test func whileAskingOnlyTheChosenServerAndAddressCount() throws {
        let (host, discover, now) = try searching()
        #expect(host.hear(try DHCPAnswer().message(.offer, to: discover), at: now) == nil)
        let asked = try host.step()
        let request = try #require(host.said().last?.message)
        let other = DHCPAnswer(server: IPv4Address(10, 0, 0, 2))
        #expect(host.hear(try other.message(.acknowledge, to: request), at: asked) == .otherServer)
        #expect(host.hear(try other.message(.refuse, to: request), at: asked) == .otherServer)
        let elsewhere = DHCPAnswer(address: IPv4Address(10, 0, 0, 51))
        #expect(host.hear(try elsewhere.message(.acknowledge, to: request), at: asked) == .otherAddress)
        #expect(host.hear(try DHCPAnswer().message(.offer, to: request), at: asked) == .unexpected)
        #expect(host.hear(try DHCPAnswer(server: nil).message(.refuse, to: request), at: asked) == .noServerIdentifier)
        #expect(
            host.hear(try DHCPAnswer(server: .any).message(.refuse, to: request), at: asked) == .badServerIdentifier)
        #expect(host.client.state == .requesting)
        #expect(
            host.hear(try DHCPAnswer().message(.acknowledge, to: request), at: asked + .seconds(3_601))
                == .leaseTooShort, "it would be over already")
        #expect(host.hear(try DHCPAnswer().message(.acknowledge, to: request), at: asked) == nil)
        #expect(host.hear(try DHCPAnswer().message(.refuse, to: request), at: asked) == .unexpected)
    }

    @Test func timesOutOfOrderGiveWayToTheDefaults() throws {
        for (renewal, rebinding) in [(3_600, 1_800), (0, 100), (100, 3_600), (4_000, 5_000)] as [(UInt32, UInt32)] {
            let lease = try DHCPHost().reachLease(
                DHCPAnswer(renewal: renewal, rebinding: rebinding), at: start)
            let asked = lease.expiresAt.nanoseconds - 3_600_000_000_000
            let times = [lease.renewsAt, lease.rebindsAt].map { Double($0.nanoseconds - asked) / 1e9 }
            #expect((1_687...1_800).contains(times[0]) && (2_953...3_150).contains(times[1]), "\(times)")
        }
        let told = try DHCPHost().reachLease(DHCPAnswer(renewal: 1_000, rebinding: 2_000), at: start)
        let asked = told.expiresAt.nanoseconds - 3_600_000_000_000
        #expect((937...1_000).contains(Double(told.renewsAt.nanoseconds - asked) / 1e9))
        #expect((1_875...2_000).contains(Double(told.rebindsAt.nanoseconds - asked) / 1e9))
    }

    @Test func adviceThatMakesNoSenseIsLeftOutAndListsAreBounded() throws {
        var answer = DHCPAnswer()
        try answer.further.append(.router, [.any, leasedAddress, .allSystems, IPv4Address(10, 0, 0, 254), .loopback])
        try answer.further.append(
            .nameServer, (1...40).map { IPv4Address(10, 0, 1, $0) } + [.limitedBroadcast])
        try answer.further.append(.interfaceMTU, UInt16(68))
        try answer.further.append(.domainName, "a b;rm -rf")
        let lease = try DHCPHost().reachLease(answer, at: start)
        #expect(lease.routers == [IPv4Address(10, 0, 0, 254)])
        #expect(lease.nameServers == (1...8).map { IPv4Address(10, 0, 1, $0) })
        #expect(lease.mtu == nil && lease.domain == nil)

        var sane = DHCPAnswer(mask: nil)
        try sane.further.append(.interfaceMTU, UInt16(1_400))
        try sane.further.append(.domainName, "lan.example\0")
        try sane.further.append(.nameServer, [1, 2, 3])
        let other = try DHCPHost().reachLease(sane, at: start)
        #expect(other.mtu == 1_400 && other.domain == "lan.example" && other.nameServers == [])
        #expect(other.prefixLength == 8, "the class's prefix where the server tells none")
    }

    @Test func routesByPrefixTakeThePlaceOfRouters() throws {
        var answer = DHCPAnswer()
        try answer.further.append(.router, [IPv4Address(10, 0, 0, 254)])
        try answer.further.append(
            .classlessRoutes,
            [0, 10, 0, 0, 253] + [24, 192, 0, 2, 0, 0, 0, 0] + [12, 172, 31, 10, 0, 0, 252] + [4, 224, 10, 0, 0, 9]
                + [8, 11, 255, 255, 255, 255])
        let lease = try DHCPHost().reachLease(answer, at: start)
        #expect(lease.routers.isEmpty)
        #expect(
            lease.routes == [
                DHCPv4Route(destination: .all, gateway: IPv4Address(10, 0, 0, 253)),
                DHCPv4Route(destination: IPv4Prefix(IPv4Address(192, 0, 2, 0), length: 24), gateway: .any),
                DHCPv4Route(
                    destination: IPv4Prefix(IPv4Address(172, 16, 0, 0), length: 12), gateway: IPv4Address(10, 0, 0, 252)
                ),
            ])
        var many = DHCPAnswer()
        try many.further.append(.classlessRoutes, (1...60).flatMap { [8, $0, 10, 0, 0, 253] as [UInt8] })
        #expect(try DHCPHost().reachLease(many, at: start).routes.count == 32)
        var broken = DHCPAnswer()
        try broken.further.append(.router, [IPv4Address(10, 0, 0, 254)])
        try broken.further.append(.classlessRoutes, [33, 10, 0, 0, 0, 0, 10, 0, 0, 253])
        #expect(try DHCPHost().reachLease(broken, at: start).routers == [IPv4Address(10, 0, 0, 254)])
    }

    @Test func absurdSettingsAreBroughtWhereTheClientKeepsItsPromises() throws {
        var settings = DHCPSettings()
        #expect(settings.clamped == settings)
        settings.hostName = String(repeating: "x", count: 254)
        settings.clientIdentifier = [7]
        settings.offersMax = -1
        settings.requestsMax = 0
        settings.rebootsMax = 0
        settings.retransmitFirst = .zero
        settings.retransmitMax = .zero
        settings.prefixLengthMin = 99
        settings.leaseSecondsMin = 0
        settings.renewIntervalMin = .zero
        settings.datagramBytesMax = 0
        let clamped = settings.clamped
        #expect(clamped.hostName == nil && clamped.clientIdentifier == nil && clamped.offersMax == 1)
        #expect(clamped.requestsMax == 1 && clamped.rebootsMax == 1 && clamped.retransmitFirst > .zero)
        #expect(clamped.retransmitMax >= clamped.retransmitFirst && clamped.prefixLengthMin == 32)
        #expect(clamped.leaseSecondsMin == 1 && clamped.renewIntervalMin > .zero && clamped.datagramBytesMax == 576)
        var named = DHCPSettings()
        named.hostName = String(repeating: "h", count: 253)
        named.clientIdentifier = [UInt8](repeating: 9, count: 255)
        let host = DHCPHost(named)
        host.start(at: start)
        _ = try host.step()
        let discover = try #require(host.said().last)
        #expect(try discover.data(.hostName)?.count == 253 && discover.data(.clientIdentifier)?.count == 255)
    }

    /// Over a link that loses, repeats, delays and falsifies messages, the client comes to a lease once these faults
    /// end, never uses an address longer than it was lent, and never sends faster than its settings say.
    @Test func clientConvergesOverABadLinkAndNeverOutlivesALease() throws {
        for seed in Seeds.chosen(count: 150) {
            var model = DHCPLink(seed: seed)
            try model.run(until: start + .seconds(20_000), isFaulty: true)
            try model.run(until: start + .seconds(28_000), isFaulty: false)
            #expect(model.host.client.lease != nil, "replay with CHIMNEY_SEED=\(seed)")
            #expect(model.messages < 20_000, "replay with CHIMNEY_SEED=\(seed)")
            #expect(model.violations == [], "replay with CHIMNEY_SEED=\(seed)")
        }
    }
}

/// A client, two servers and the link between them.
private struct DHCPLink {
    let host: DHCPHost
    var violations: [String] = []
    var messages = 0
    private var chance: StackRandom
    private var now = Instant.zero + .seconds(1_000)
    private var flying: [(due: Instant, bytes: [UInt8])] = []
    private var held: DHCPLease?

    init(seed: UInt64) {
        host = DHCPHost(seed: seed)
        chance = StackRandom(seed: seed ^ 0x5EED)
        host.start(remembering: chance.isOne(in: 2) ? leasedAddress : nil, at: now)
    }

    mutating func run(until end: Instant, isFaulty: Bool) throws {
        for _ in 0..<200_000 {
            let next = min(host.client.deadline ?? .never, flying.map(\.due).min() ?? .never)
            guard next <= end else { break }
            now = max(now, next)
            host.fire(at: now)
            let arrived = flying.filter { $0.due <= now }
            flying.removeAll { $0.due <= now }
            for message in arrived { _ = host.hear(message.bytes, at: now) }
            try settle(isFaulty)
            if isFaulty, chance.isOne(in: 300) { host.client.linkWentDown() }
            if !isFaulty || chance.isOne(in: 3) { host.linkWentUp(at: now) }
        }
        now = end
        host.linkWentUp(at: now)
    }

    private mutating func settle(_ isFaulty: Bool) throws {
        for kind in host.news() {
            switch kind {
            case .granted(let lease):
                if held != nil { violations.append("granted while one is held") }
                held = lease
                host.prove(lease.address, isFree: !(isFaulty && chance.isOne(in: 10)), at: now)
            case .leased(let lease), .renewed(let lease):
                if held?.address != lease.address { violations.append("renewed what is not held") }
                held = lease
            case .lost:
                if held == nil { violations.append("lost what is not held") }
                held = nil
            }
        }
        if let held, held.expiresAt <= now { violations.append("held at \(now) after its end") }
        if held != host.client.lease, !host.output.isEmpty { try settle(isFaulty) }
        for sent in host.said() { try answer(sent, isFaulty) }
    }

    private mutating func answer(_ sent: DHCPTransmission, _ isFaulty: Bool) throws {
        messages += 1
        for server in [serverAddress, IPv4Address(10, 0, 0, 2)] {
            guard sent.destination == server || sent.destination == .limitedBroadcast else { continue }
            let chosen = try sent.address(.serverIdentifier)
            var type: DHCPv4MessageType
            switch sent.message.type {
            case .discover: type = .offer
            case .request: type = .acknowledge
            default: continue
            }
            guard chosen == nil || chosen == server else { continue }
            if isFaulty, type == .acknowledge, chance.isOne(in: 8) { type = .refuse }
            let asked = try sent.address(.requestedAddress)
            let address =
                sent.message.type == .request
                ? asked ?? sent.message.clientAddress : IPv4Address(10, 0, 0, server == serverAddress ? 50 : 60)
            let seconds = UInt32.random(in: isFaulty ? 0...900 : 600...900, using: &chance)
            var reply = bytes(
                of: try DHCPAnswer(address: address, server: server, seconds: seconds).message(
                    type, to: sent.message))
            if isFaulty {
                if chance.isOne(in: 3) { continue }
                if chance.isOne(in: 10) {
                    reply[Int.random(in: 0..<reply.count, using: &chance)] = UInt8.random(in: 0...255, using: &chance)
                }
            }
            let copies = isFaulty && chance.isOne(in: 6) ? 2 : 1
            for _ in 0..<copies {
                let delay = chance.delay(upTo: isFaulty && chance.isOne(in: 5) ? .seconds(20) : .milliseconds(50))
                flying.append((now + delay, reply))
            }
        }
    }
}
