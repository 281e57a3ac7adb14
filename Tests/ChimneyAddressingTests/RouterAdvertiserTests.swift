import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyAddressing

@Suite struct RouterAdvertiserTests {
    private let start = Instant.zero + .seconds(1_000)

    @Test func advertisementSaysWhatTheSettingsSay() throws {
        var settings = RouterAdvertiserSettings()
        settings.prefixes = [
            NDPPrefixInformation(documentation, validSeconds: 86_400, preferredSeconds: 14_400)
        ]
        settings.mtu = 1_400
        settings.hopLimit = 70
        settings.preference = .high
        settings.isManaged = true
        settings.reachableTime = .seconds(30)
        settings.retransmit = .milliseconds(500)
        let router = try RouterSpeaker(settings)
        router.start(at: start)
        let first = try router.step()
        #expect(first > start && first <= start + .milliseconds(500))
        let said = router.said()
        #expect(said.count == 1)
        #expect(said[0].interface == 5 && said[0].source == routerAddress && said[0].destination == .allNodes)
        guard case .routerAdvertisement(let message) = said[0].message else {
            Issue.record("a router advertises")
            return
        }
        #expect(message.sourceMAC == routerMAC && message.lifetimeSeconds == 1_800 && message.mtu == 1_400)
        #expect(message.hopLimit == 70 && message.preference == .high && message.isManaged)
        #expect(message.reachableMilliseconds == 30_000 && message.retransmitMilliseconds == 500)
        #expect(message.prefixes == settings.prefixes)
        settings.tellsLinkAddress = false
        try router.set(settings, at: first)
        _ = try router.step()
        guard case .routerAdvertisement(let silent) = router.said().last?.message else {
            Issue.record("a router advertises")
            return
        }
        #expect(silent.sourceMAC == nil)
    }

    @Test func firstThreeAdvertisementsComeSoonAndTheOthersAtRandomWithinTheInterval() throws {
        var gaps: Set<Int64> = []
        for seed in Seeds.chosen(count: 50) {
            let router = try RouterSpeaker(seed: seed)
            router.start(at: start)
            var last = try router.step()
            for count in 1..<20 {
                let next = try router.step()
                let gap = (next - last).seconds
                #expect(
                    count < 3 ? gap <= 16 : (200...600).contains(gap), "replay with CHIMNEY_SEED=\(seed)")
                if count >= 3 { gaps.insert(Int64(gap)) }
                last = next
            }
            #expect(router.said().count == 20)
        }
        #expect(gaps.count > 200)
    }

    @Test func questionIsAnsweredToAllWithinHalfASecond() throws {
        let router = try RouterSpeaker()
        router.start(at: start)
        for _ in 0..<4 { _ = try router.step() }
        let now = try router.step() + .seconds(10)
        _ = router.said()
        let host = IPv6Address(high: 0xFE80 << 48, low: 0x51)
        #expect(router.hear(RouterSolicitation(sourceMAC: hostMAC), from: host, at: now) == nil)
        #expect(router.hosts() == [SolicitingHost(interface: 5, address: host, mac: hostMAC)])
        let answered = try router.step()
        #expect(answered > now && answered <= now + .milliseconds(500))
        #expect(router.said().map(\.destination) == [.allNodes])
        #expect(router.hear(RouterSolicitation(), from: .any, at: answered + .seconds(100)) == nil)
        #expect(router.hosts().isEmpty)
        #expect(try router.step() <= answered + .milliseconds(100_500))
    }

    @Test func floodOfQuestionsIsAnsweredOnceInThreeSeconds() throws {
        let router = try RouterSpeaker()
        router.start(at: start)
        var now = start
        var times: [Instant] = []
        for _ in 0..<20_000 {
            now = now + .milliseconds(5)
            #expect(router.hear(RouterSolicitation(), from: .any, at: now) == nil)
            if let due = router.advertiser.deadline, due <= now {
                router.fire(at: now)
                times.append(now)
            }
        }
        #expect(router.said().count == times.count && (28...34).contains(times.count))
        for (one, next) in zip(times, times.dropFirst()) { #expect(next >= one + .seconds(3)) }
    }

    @Test func lyingQuestionsAreDroppedEachUnderItsName() throws {
        let router = try RouterSpeaker()
        #expect(router.hear(RouterSolicitation(), from: .any, at: start) == .notListening)
        router.start(at: start)
        _ = try router.step()
        let due = router.advertiser.deadline
        let host = IPv6Address(high: 0xFE80 << 48, low: 0x51)
        let good = bytes(of: RouterSolicitation(sourceMAC: hostMAC))
        #expect(router.hear(good, from: host, hopLimit: 254, at: start) == .hopLimit)
        #expect(router.hear(good, from: .any, at: start) == .badSource)
        #expect(router.hear(good, from: .allNodes, at: start) == .badSource)
        #expect(router.hear(good, from: .loopback, at: start) == .badSource)
        #expect(router.hear(good, from: routerAddress, at: start) == .looped)
        #expect(router.hear([133, 0, 0, 0], from: host, at: start) == .truncated)
        for (place, byte, expected) in [
            (0, UInt8(134), RouterDiscoveryDrop.unknownCode), (0, 136, .unknownCode), (0, 128, .unknownCode),
            (1, 1, .unknownCode), (9, 0, .optionWithoutLength), (9, 2, .optionTruncated),
        ] {
            var bad = good
            bad[place] = byte
            let drop = router.hear(bad, from: host, at: start)
            #expect(drop == expected, "\(place) \(byte)")
        }
        #expect(router.advertiser.deadline == due && router.hosts().isEmpty)
        #expect(router.hear(good, from: host, at: start + .seconds(100)) == nil, "a good one is answered")
        #expect(try #require(router.advertiser.deadline) <= start + .milliseconds(100_500))
        #expect(router.hear(bytes(of: RouterSolicitation(sourceMAC: .broadcast)), from: host, at: start) == nil)
        #expect(router.hosts().map(\.mac) == [hostMAC, nil])
    }

    @Test func routerThatStopsSaysThreeTimesThatItIsNoneAnyLonger() throws {
        let router = try RouterSpeaker()
        router.start(at: start)
        let last = try router.step()
        _ = router.said()
        router.stop(at: last + .seconds(10))
        #expect(!router.advertiser.isAdvertising && router.said().map(\.lifetime) == [0], "at once")
        #expect(try router.step() == last + .seconds(13))
        #expect(try router.step() == last + .seconds(16))
        #expect(router.said().map(\.lifetime) == [0, 0] && router.advertiser.deadline == nil)
        router.stop(at: last + .seconds(20))
        #expect(router.said().isEmpty)
        router.start(at: last + .seconds(20))
        _ = try router.step()
        #expect(router.said().map(\.lifetime) == [1_800])
    }

    @Test func linkThatComesBackIsToldSoonAndOneThatIsDownNothing() throws {
        let router = try RouterSpeaker()
        router.start(at: start)
        for _ in 0..<5 { _ = try router.step() }
        _ = router.said()
        router.advertiser.linkWentDown()
        #expect(router.advertiser.deadline == nil)
        #expect(router.hear(RouterSolicitation(), from: .any, at: start) == .notListening)
        let up = start + .seconds(5_000)
        router.linkWentUp(at: up)
        #expect(try router.step() <= up + .milliseconds(500))
        router.advertiser.linkWentDown()
        router.stop(at: up + .seconds(1))
        #expect(router.said().count == 1 && router.advertiser.deadline == nil)
    }

    @Test func changedLinkAddressIsToldSoon() throws {
        let router = try RouterSpeaker()
        router.start(at: start)
        for _ in 0..<5 { _ = try router.step() }
        _ = router.said()
        let now = start + .seconds(5_000)
        router.advertiser.setMAC(hostMAC, at: now, using: &router.random)
        #expect(try router.step() <= now + .milliseconds(500))
        guard case .routerAdvertisement(let message) = router.said().last?.message else {
            Issue.record("a router advertises")
            return
        }
        #expect(message.sourceMAC == hostMAC)
    }

    @Test func settingsOutsideTheirRangesAreRefusedWithTheFact() throws {
        func error(_ change: (inout RouterAdvertiserSettings) -> Void) -> RouterAdvertiserError? {
            var settings = RouterAdvertiserSettings()
            change(&settings)
            do throws(RouterAdvertiserError) {
                _ = try RouterAdvertiser(interface: 1, mac: routerMAC, settings: settings)
                return nil
            } catch {
                return error
            }
        }
        #expect(error { _ in } == nil)
        #expect(error { $0.intervalMax = .seconds(3) } == .interval)
        #expect(error { $0.intervalMax = .seconds(1_801) } == .interval)
        #expect(error { $0.intervalMin = .seconds(2) } == .interval)
        #expect(error { $0.intervalMin = .seconds(451) } == .interval)
        #expect(error { $0.intervalMin = .seconds(450) } == nil)
        #expect(error { $0.lifetimeSeconds = 9_001 } == .lifetime(9_001))
        #expect(error { $0.lifetimeSeconds = 599 } == .lifetime(599))
        #expect(error { $0.lifetimeSeconds = 0 } == nil)
        #expect(error { $0.reachableTime = .seconds(3_601) } == .reachableTime)
        #expect(error { $0.mtu = 1_279 } == .mtu(1_279))
        #expect(error { $0.mtu = 1_280 } == nil)
        func prefix(_ prefix: IPv6Prefix, _ valid: UInt32 = 2, _ preferred: UInt32 = 1) -> [NDPPrefixInformation] {
            [NDPPrefixInformation(prefix, validSeconds: valid, preferredSeconds: preferred)]
        }
        #expect(error { $0.prefixes = prefix(.linkLocal) } == .prefix(.linkLocal))
        #expect(error { $0.prefixes = prefix(documentation, 1, 2) } == .prefixLifetimes(documentation))
        #expect(error { $0.prefixes = prefix(documentation) } == nil)
        let many = (0..<38).map { _ in prefix(documentation)[0] }
        #expect(error { $0.prefixes = many } == nil)
        #expect(error { $0.prefixes = many + many.prefix(1) } == .tooLarge(max: 1_240))
    }

    /// What the advertiser says is what discovery takes: a host and a router come to an address and a default route.
    @Test func hostOnTheLinkOfARouterConfiguresItself() throws {
        for seed in Seeds.chosen(count: 50) {
            var settings = RouterAdvertiserSettings()
            settings.prefixes = [
                NDPPrefixInformation(documentation, validSeconds: 86_400, preferredSeconds: 14_400)
            ]
            let router = try RouterSpeaker(settings, seed: seed)
            let host = RouterHost(seed: seed)
            router.start(at: start)
            host.start(at: start)
            var now = start
            for _ in 0..<20 {
                now = min(router.advertiser.deadline ?? .never, host.engine.deadline ?? .never)
                router.fire(at: now)
                host.fire(at: now)
                for made in host.wanted() { host.prove(made.address, at: now) }
                for sent in host.said() {
                    guard case .routerSolicitation(let question) = sent.message else { continue }
                    #expect(router.hear(question, from: sent.source, at: now) == nil)
                }
                for sent in router.said() {
                    guard case .routerAdvertisement(let message) = sent.message else { continue }
                    #expect(host.hear(message, from: sent.source, at: now) == nil)
                }
            }
            #expect(host.engine.defaultRouters == [routerAddress], "replay with CHIMNEY_SEED=\(seed)")
            #expect(host.engine.madeAddresses.map(\.prefix) == [.linkLocal, documentation])
            #expect(host.engine.solicitation == nil)
        }
    }
}

/// The advertiser of one interface, and what it said.
private final class RouterSpeaker {
    var advertiser: RouterAdvertiser
    var random: StackRandom
    var output = RouterAdvertiserOutput()

    init(_ settings: RouterAdvertiserSettings = .init(), seed: UInt64 = 1) throws {
        advertiser = try RouterAdvertiser(interface: 5, mac: routerMAC, settings: settings)
        random = StackRandom(seed: seed)
    }

    func start(at now: Instant) { advertiser.start(from: routerAddress, at: now, using: &random) }
    func stop(at now: Instant) { advertiser.stop(at: now, using: &random, output: &output) }
    func linkWentUp(at now: Instant) { advertiser.linkWentUp(at: now, using: &random) }
    func fire(at now: Instant) { advertiser.timerFired(at: now, using: &random, output: &output) }
    func set(_ settings: RouterAdvertiserSettings, at now: Instant) throws {
        try advertiser.setSettings(settings, at: now, using: &random)
    }

    func step() throws -> Instant {
        let due = try #require(advertiser.deadline)
        fire(at: due)
        return due
    }

    func hear(
        _ bytes: [UInt8], from source: IPv6Address, hopLimit: UInt8 = 255, at now: Instant
    ) -> RouterDiscoveryDrop? {
        advertiser.solicitationArrived(
            bytes.raw, from: source, hopLimit: hopLimit, at: now, using: &random, output: &output)
    }

    func hear(_ message: RouterSolicitation, from source: IPv6Address, at now: Instant) -> RouterDiscoveryDrop? {
        hear(bytes(of: message), from: source, at: now)
    }

    func said() -> [RouterTransmission] {
        var messages: [RouterTransmission] = []
        while let message = output.messages.next() { messages.append(message) }
        return messages
    }

    func hosts() -> [SolicitingHost] {
        var hosts: [SolicitingHost] = []
        while let host = output.hosts.next() { hosts.append(host) }
        return hosts
    }
}

/// A question as it goes on the wire.
private func bytes(of message: RouterSolicitation) -> [UInt8] {
    written(message.byteCount) { _ = message.write(into: &$0, source: .any, destination: .allRouters) }
}

extension RouterTransmission {
    /// For how long the sender is a default router.
    fileprivate var lifetime: UInt16? {
        guard case .routerAdvertisement(let message) = message else { return nil }
        return message.lifetimeSeconds
    }
}
