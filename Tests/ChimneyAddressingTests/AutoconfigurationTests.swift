import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyAddressing

/// Addresses made of prefixes: RFC 4862, RFC 7217 and RFC 8981.
@Suite struct AutoconfigurationTests {
    private let start = Instant.zero + .seconds(1_000)

    private func started(
        _ settings: RouterDiscoverySettings = .init(), name: String = "eth0", mac: MACAddress = hostMAC,
        secret: UInt64 = 7
    ) throws -> RouterHost {
        let host = RouterHost(settings, name: name, mac: mac, secret: secret)
        try host.startWithAddress(at: start)
        return host
    }

    /// The address that a host makes of a prefix.
    private func made(_ host: RouterHost, of prefix: IPv6Prefix = documentation) throws -> MadeAddress {
        #expect(host.hear(prefixed(prefix), at: start) == nil)
        return try #require(host.wanted().last)
    }

    @Test func prefixGivesOneAddressWithItsLifetimes() throws {
        let host = try started()
        #expect(host.hear(prefixed(valid: 86_400, preferred: 14_400), at: start) == nil)
        let wanted = host.wanted()
        #expect(wanted.count == 1)
        let address = wanted[0].address
        #expect(documentation.contains(address) && wanted[0].prefix == documentation && wanted[0].kind == .stable)
        #expect(wanted[0].preferredUntil == start + .seconds(14_400))
        #expect(wanted[0].validUntil == start + .seconds(86_400))
        host.prove(address, at: start)
        #expect(host.hear(prefixed(valid: 86_400, preferred: 14_400), at: start + .seconds(100)) == nil)
        #expect(host.news().isEmpty)
    }

    @Test func addressIsDeprecatedPreferredAgainAndRemovedInItsTime() throws {
        let host = try started()
        let told = advertisement(lifetime: 9_000) {
            $0.prefixes = [
                NDPPrefixInformation(documentation, isOnLink: false, validSeconds: 8_000, preferredSeconds: 4_000)
            ]
        }
        #expect(host.hear(told, at: start) == nil)
        let address = try #require(host.wanted().last?.address)
        host.prove(address, at: start)
        #expect(try host.step() == start + .seconds(4_000))
        #expect(host.news() == [.addressDeprecated(address)])
        #expect(host.hear(told, at: start + .seconds(5_000)) == nil)
        #expect(host.news() == [.addressPreferred(address)])
        #expect(try host.step() == start + .seconds(9_000))
        #expect(host.news() == [.addressDeprecated(address)])
        #expect(try host.step() == start + .seconds(13_000))
        #expect(host.news() == [.addressRemoved(address)])
        #expect(host.engine.madeAddresses.count == 1, "the link-local one stays")
    }

    @Test func prefixesThatMayNotGiveAddressesGiveNone() throws {
        let host = try started()
        for message in [
            prefixed(isAutonomous: false), prefixed(valid: 100, preferred: 101), prefixed(valid: 0, preferred: 0),
            prefixed(IPv6Prefix(documentation.address, length: 63)),
            prefixed(IPv6Prefix(documentation.address, length: 65)),
            prefixed(.linkLocal), prefixed(IPv6Prefix(.allNodes, length: 64)), prefixed(IPv6Prefix(.any, length: 64)),
        ] {
            #expect(host.hear(message, at: start) == nil)
            #expect(host.wanted().isEmpty)
        }
        #expect(host.hear(prefixed(isOnLink: false), at: start) == nil)
        #expect(host.wanted().count == 1, "an address needs no on-link prefix")
        let deprecated = IPv6Prefix(IPv6Address(high: 0x2001_0DB8_0000_0002, low: 0), length: 64)
        #expect(host.hear(prefixed(deprecated, preferred: 0), at: start) == nil)
        guard case .addressDeprecated = host.news().last else {
            Issue.record("an address may be deprecated from the start")
            return
        }
    }

    @Test func routerShortensAValidLifetimeToTwoHoursAtMost() throws {
        let hours = { (count: Int64) in TimeSpan.seconds(count * 3_600) }
        func until(_ first: UInt32, _ second: UInt32, after wait: TimeSpan = .zero) throws -> Instant? {
            let host = try started()
            #expect(host.hear(prefixed(valid: first, preferred: first), at: start) == nil)
            #expect(host.hear(prefixed(valid: second, preferred: min(second, 50)), at: start + wait) == nil)
            #expect(host.engine.addresses.last?.preferredUntil == start + wait + .seconds(Int64(min(second, 50))))
            return host.engine.addresses.last?.validUntil
        }
        #expect(try until(86_400, 100) == start + hours(2), "to two hours")
        #expect(try until(86_400, 0) == start + hours(2), "and not to nothing")
        #expect(try until(86_400, 10_000) == start + .seconds(10_000), "above two hours as it says")
        #expect(try until(3_600, 100) == start + hours(1), "below two hours not at all")
        #expect(try until(3_600, 4_000) == start + .seconds(4_000), "longer always")
        #expect(try until(3_600, 3_000, after: .seconds(1_000)) == start + .seconds(4_000), "longer than what is left")
        #expect(try until(.max, 100) == start + hours(2))
        #expect(try until(.max, .max) == .never)
    }

    @Test func stableIdentifierDependsOnAllThatRFC7217Names() throws {
        let one = try made(started()).address
        #expect(try made(started()).address == one, "the same on every run")
        #expect(try made(started(mac: routerMAC)).address == one, "and whatever the link address is")
        var settings = RouterDiscoverySettings()
        settings.networkIdentifier = Array("home".utf8)
        let other = IPv6Prefix(IPv6Address(high: 0x2001_0DB8_0000_0002, low: 0), length: 64)
        let others = try [
            made(started(name: "eth1")).address.low, made(started(secret: 8)).address.low,
            made(started(settings)).address.low, made(started(), of: other).address.low,
            try #require(started().engine.linkLocal).low,
        ]
        #expect(Set(others + [one.low]).count == 6)
        for low in others { #expect((low ^ one.low).nonzeroBitCount > 10) }
    }

    @Test func addressOfAnotherHostLeadsToTheNextCounterAndThenToNone() throws {
        let host = try started()
        var tried: [UInt64] = []
        var wanted = try made(host)
        for attempt in 1...3 {
            tried.append(wanted.address.low)
            host.prove(wanted.address, isUnique: false, at: start)
            let news = host.news()
            #expect(news.first == .addressRemoved(wanted.address))
            guard attempt < 3 else {
                #expect(news == [.addressRemoved(wanted.address), .addressFailed(documentation, .stable)])
                break
            }
            #expect(news.count == 1)
            let next = try host.step()
            #expect(next > start && next <= start + .seconds(1))
            wanted = try #require(host.wanted().last)
        }
        #expect(Set(tried).count == 3)
        #expect(host.hear(prefixed(), at: start + .seconds(2)) == nil)
        #expect(host.wanted().isEmpty, "no more are tried while the prefix lives")
        let again = try started()
        var address = try made(again).address
        #expect(address.low == tried[0])
        again.prove(address, isUnique: false, at: start)
        _ = try again.step()
        address = try #require(again.wanted().last?.address)
        #expect(address.low == tried[1], "the counters give the same addresses on every run")
    }

    @Test func linkLocalAddressIsTriedAnewTooAndEUI64IsNot() throws {
        let host = RouterHost()
        host.start(at: start)
        let first = try #require(host.wanted().last)
        #expect(first.kind == .linkLocal && first.prefix == .linkLocal && first.validUntil == .never)
        host.prove(first.address, isUnique: false, at: start)
        try host.run(until: start + .seconds(2))
        let second = try #require(host.wanted().last)
        #expect(second.address != first.address && second.kind == .linkLocal)

        var settings = RouterDiscoverySettings()
        settings.identifiers = .eui64
        let plain = RouterHost(settings)
        plain.start(at: start)
        let address = try #require(plain.wanted().last?.address)
        #expect(address == IPv6Address(high: 0xFE80 << 48, low: 0x0000_00FF_FE00_0051))
        plain.prove(address, isUnique: false, at: start)
        #expect(plain.news() == [.addressRemoved(address), .addressFailed(.linkLocal, .linkLocal)])
        try plain.run(until: start + .seconds(10))
        #expect(plain.wanted().isEmpty && plain.engine.linkLocal == nil)
    }

    @Test func addressThatTheStackCannotTakeIsNotRemovedAndNotTriedAgain() throws {
        let host = try started()
        let address = try made(host).address
        host.engine.addressRefused(address, output: &host.output)
        #expect(host.news() == [.addressFailed(documentation, .stable)])
        #expect(host.engine.madeAddresses.map(\.kind) == [.linkLocal])
        host.engine.addressRefused(address, output: &host.output)
        #expect(host.hear(prefixed(), at: start) == nil)
        #expect(host.news().isEmpty)
        host.stop()
        #expect(!host.news().contains(.addressRemoved(address)))
    }

    @Test func identifierOfALinkAddressIsThatOfRFC4291() {
        let source = IdentifierSource(
            mac: MACAddress(bits: 0x3456_789A_BCDE), name: [], secret: KeyedHash(key: (1, 2)))
        #expect(source.eui64 == 0x3656_78FF_FE9A_BCDE)
    }

    @Test func reservedIdentifiersAreNotUsed() {
        for reserved in [
            0, 0x0200_5EFF_FE00_0000, 0x0200_5EFF_FEFF_FFFF, 0xFDFF_FFFF_FFFF_FF80, 0xFDFF_FFFF_FFFF_FFFF,
        ] as [UInt64] { #expect(IdentifierSource.isReserved(reserved)) }
        for free in [
            1, 0x0200_5EFF_FD00_0000, 0x0200_5EFF_FF00_0000, 0xFDFF_FFFF_FFFF_FF7F, 0xFE00_0000_0000_0000, .max,
        ] as [UInt64] { #expect(!IdentifierSource.isReserved(free)) }
    }

    private var withTemporary: RouterDiscoverySettings {
        var settings = RouterDiscoverySettings()
        settings.makesTemporaryAddresses = true
        return settings
    }

    private func temporary(_ made: [MadeAddress]) -> [MadeAddress] { made.filter { $0.kind == .temporary } }

    @Test func temporaryAddressLastsADayOrLessAndASuccessorComesFirst() throws {
        var lifetimes: Set<Int64> = []
        for seed in Seeds.chosen(count: 30) {
            let host = RouterHost(withTemporary, seed: seed)
            try host.startWithAddress(at: start)
            let long = prefixed(valid: .max, preferred: .max)
            #expect(host.hear(long, at: start) == nil)
            let wanted = host.wanted()
            #expect(wanted.map(\.kind) == [.stable, .temporary])
            let first = wanted[1]
            let preferred = (first.preferredUntil - start).seconds
            #expect((51_840...86_400).contains(preferred), "replay with CHIMNEY_SEED=\(seed)")
            #expect(first.validUntil == start + .seconds(172_800))
            lifetimes.insert(Int64(preferred))
            host.prove(first.address, at: start)
            try host.run(until: first.preferredUntil)
            #expect(temporary(host.wanted()).isEmpty == false, "replay with CHIMNEY_SEED=\(seed)")
        }
        #expect(lifetimes.count > 20)
    }

    @Test func temporaryAddressesFollowEachOtherWithinTheirBounds() throws {
        let host = RouterHost(withTemporary)
        try host.startWithAddress(at: start)
        let long = prefixed(valid: .max, preferred: .max)
        var seen: Set<UInt64> = []
        for hour in 0..<240 {
            let now = start + .seconds(Int64(hour) * 3_600)
            try host.run(until: now)
            #expect(host.hear(long, at: now) == nil)
            for made in temporary(host.wanted()) {
                #expect(seen.insert(made.address.low).inserted)
                host.prove(made.address, at: now)
            }
            let held = temporary(host.engine.madeAddresses)
            #expect(held.contains { $0.preferredUntil > now })
            #expect(held.count <= 4, "the old ones end after two days")
        }
        #expect((10...17).contains(seen.count))
    }

    @Test func temporaryAddressEndsWithItsPrefixAndIsNoLongerLivedForARouter() throws {
        let host = RouterHost(withTemporary)
        try host.startWithAddress(at: start)
        #expect(host.hear(prefixed(valid: 20_000, preferred: 10_000), at: start) == nil)
        let first = try #require(temporary(host.wanted()).last)
        #expect(first.preferredUntil == start + .seconds(10_000) && first.validUntil == start + .seconds(20_000))
        let later = start + .seconds(100)
        #expect(host.hear(prefixed(valid: .max, preferred: .max), at: later) == nil)
        let extended = try #require(temporary(host.engine.madeAddresses).last)
        #expect(extended.validUntil == start + .seconds(172_800), "its own lifetime counts from its making")
        #expect(host.hear(prefixed(valid: 10_000, preferred: 0), at: later) == nil)
        #expect(host.news().contains(.addressDeprecated(first.address)))
        for _ in 0..<1_000 {
            #expect(host.hear(prefixed(valid: 10_000, preferred: 0), at: later) == nil)
            #expect(host.hear(prefixed(valid: 10_000, preferred: 9_000), at: later) == nil)
        }
        #expect(temporary(host.engine.madeAddresses).count == 1, "a router cannot have more made")
    }

    @Test func temporaryAddressThatIsTakenIsDrawnAnewAndGivenUpAfterThree() throws {
        let host = RouterHost(withTemporary)
        try host.startWithAddress(at: start)
        #expect(host.hear(prefixed(valid: .max, preferred: .max), at: start) == nil)
        var address = try #require(temporary(host.wanted()).last?.address)
        var now = start
        var tried: Set<UInt64> = []
        for attempt in 1...3 {
            tried.insert(address.low)
            host.prove(address, isUnique: false, at: now)
            guard attempt < 3 else { break }
            _ = host.news()
            now = try host.step()
            address = try #require(temporary(host.wanted()).last?.address)
        }
        #expect(tried.count == 3)
        #expect(host.news() == [.addressRemoved(address), .addressFailed(documentation, .temporary)])
        #expect(host.hear(prefixed(valid: .max, preferred: .max), at: now) == nil)
        #expect(host.wanted().isEmpty)
    }

    @Test func noTemporaryAddressIsMadeThatWouldBeDeprecatedAtOnce() throws {
        let host = RouterHost(withTemporary)
        try host.startWithAddress(at: start)
        #expect(host.hear(prefixed(valid: 20_000, preferred: 5), at: start) == nil)
        #expect(host.wanted().map(\.kind) == [.stable])
        #expect(host.hear(prefixed(valid: 20_000, preferred: 6), at: start) == nil)
        #expect(host.wanted().map(\.kind) == [.temporary])
        #expect(try made(started()).kind == .stable, "and none unless they are switched on")
    }

    @Test func absurdSettingsAreBroughtWhereTheEngineKeepsItsPromises() {
        var settings = RouterDiscoverySettings()
        #expect(settings.clamped == settings)
        settings.temporaryPreferred = .zero
        settings.temporaryValid = .zero
        settings.temporaryAdvance = .seconds(1_000_000)
        settings.attemptsMax = 0
        settings.solicitationInterval = .zero
        settings.solicitationIntervalMax = .zero
        settings.routersMax = -1
        settings.addressesMax = -1
        settings.prefixLengthMin = 0
        settings.networkIdentifier = [UInt8](repeating: 1, count: 1_000)
        let clamped = settings.clamped
        #expect(clamped.temporaryAdvance < clamped.temporaryPreferred)
        #expect(clamped.temporaryPreferred <= clamped.temporaryValid && clamped.attemptsMax == 1)
        #expect(clamped.solicitationInterval > .zero && clamped.routersMax == 0 && clamped.addressesMax == 0)
        #expect(clamped.prefixLengthMin == 1 && clamped.networkIdentifier.count == 255)
    }
}
