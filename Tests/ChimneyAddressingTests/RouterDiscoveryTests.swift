import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyAddressing

@Suite struct RouterDiscoveryTests {
    private let start = Instant.zero + .seconds(1_000)

    private func started(_ settings: RouterDiscoverySettings = .init()) throws -> RouterHost {
        let host = RouterHost(settings)
        try host.startWithAddress(at: start)
        return host
    }

    @Test func routersAreAskedForSoonAndThenAtDoublingIntervalsUntilOneAnswers() throws {
        for seed in Seeds.chosen(count: 50) {
            let host = RouterHost(seed: seed)
            host.start(at: start)
            var last = try host.step()
            #expect(last > start && last <= start + .seconds(1), "replay with CHIMNEY_SEED=\(seed)")
            var wait = 0.0
            for _ in 0..<14 {
                let next = try host.step()
                let gap = (next - last).seconds
                let expected = wait == 0 ? 4 : min(wait * 2, 3_600)
                #expect(abs(gap - expected) <= expected / 10 + 0.001, "replay with CHIMNEY_SEED=\(seed)")
                (wait, last) = (gap, next)
            }
            #expect(wait > 3_200, "an hour at the most, but for ever")
            #expect(host.said().count == 15)
            #expect(host.hear(advertisement(lifetime: 0), at: last) == nil)
            #expect(host.engine.solicitation != nil, "a router that is no default router is not the end of it")
            #expect(host.hear(advertisement(), at: last) == nil)
            #expect(host.engine.solicitation == nil)
        }
    }

    @Test func questionSaysWhoAsksOnlyOnceThatIsKnown() throws {
        let early = RouterHost()
        early.start(at: start)
        _ = try early.step()
        #expect(
            early.said() == [
                RouterTransmission(
                    interface: 4, source: .any, destination: .allRouters,
                    message: .routerSolicitation(RouterSolicitation()))
            ])
        let host = try started()
        _ = try host.step()
        let own = try #require(host.engine.linkLocal)
        #expect(own.isLinkLocal)
        #expect(
            host.said() == [
                RouterTransmission(
                    interface: 4, source: own, destination: .allRouters,
                    message: .routerSolicitation(RouterSolicitation(sourceMAC: hostMAC)))
            ])
    }

    @Test func lyingAdvertisementsAreDroppedEachUnderItsName() throws {
        let host = try started()
        let good = bytes(of: prefixed())
        let own = try #require(host.engine.linkLocal)
        #expect(host.hear(good, hopLimit: 254, at: start) == .hopLimit)
        #expect(host.hear(good, hopLimit: 0, at: start) == .hopLimit)
        let global = IPv6Address(high: 0x2001_0DB8_0000_0001, low: 1)
        for source in [global, .any, .allNodes, .loopback] {
            #expect(host.hear(good, from: source, at: start) == .sourceNotLinkLocal)
        }
        #expect(host.hear(good, from: own, at: start) == .looped)
        #expect(host.hear([], at: start) == .truncated)
        #expect(host.hear(Array(good.prefix(15)), at: start) == .truncated)
        #expect(host.hear(Array(good.dropLast()), at: start) == .optionTruncated)
        for (place, byte, expected) in [
            (0, UInt8(133), RouterDiscoveryDrop.unknownCode), (1, 1, .unknownCode), (17, 0, .optionWithoutLength),
            (0, 200, .unknownCode), (17, 5, .optionTruncated),
        ] {
            var bad = good
            bad[place] = byte
            #expect(host.hear(bad, at: start) == expected, "\(place) \(byte)")
        }
        let padding = [UInt8](repeating: 0, count: 6)
        let bomb = good + (0..<128).flatMap { _ in [200, 1] + padding }
        #expect(host.hear(bomb, at: start) == .tooManyOptions)
        #expect(host.all().isEmpty && host.engine.routers.isEmpty && host.engine.addresses.count == 1)
        #expect(RouterHost().hear(good, at: start) == .notListening)
        #expect(host.hear(good, at: start) == nil, "a good one is taken")
        #expect(host.engine.routers.count == 1)
    }

    @Test func defaultRouterLivesForItsLifetimeAndItsLossIsAskedAbout() throws {
        let host = try started()
        #expect(host.hear(advertisement(lifetime: 1_800), at: start) == nil)
        #expect(host.news() == [.routerAdded(routerAddress, .medium)])
        #expect(host.hear(advertisement(lifetime: 600), at: start + .seconds(10)) == nil)
        #expect(host.news().isEmpty && host.engine.deadline == start + .seconds(610))
        let over = try host.step()
        #expect(host.news() == [.routerRemoved(routerAddress)] && host.engine.routers.isEmpty)
        let asked = try host.step()
        #expect(asked <= over + .seconds(1) && host.said().count == 1)

        #expect(host.hear(advertisement(), at: asked) == nil)
        #expect(host.hear(advertisement(lifetime: 0), at: asked) == nil)
        #expect(host.news() == [.routerAdded(routerAddress, .medium), .routerRemoved(routerAddress)])
        #expect(host.hear(advertisement(), at: asked) == nil)
        host.left(otherRouter, at: asked)
        #expect(host.news() == [.routerAdded(routerAddress, .medium)])
        host.left(routerAddress, at: asked)
        #expect(host.news() == [.routerRemoved(routerAddress)])
    }

    @Test func routersAreOrderedByTheirPreferenceWhichMayChange() throws {
        let host = try started()
        #expect(host.hear(advertisement { $0.preference = .low }, at: start) == nil)
        #expect(host.hear(advertisement(), from: otherRouter, at: start) == nil)
        #expect(host.engine.defaultRouters == [otherRouter, routerAddress])
        _ = host.news()
        #expect(host.hear(advertisement { $0.preference = .high }, at: start) == nil)
        #expect(host.news() == [.routerChanged(routerAddress, .high)])
        #expect(host.engine.defaultRouters == [routerAddress, otherRouter])
        // A route of length 0 stands above the header.
        let routed = advertisement(lifetime: 0) {
            $0.routes = [NDPRouteInformation(.all, preference: .low, lifetimeSeconds: 50)]
        }
        #expect(host.hear(routed, at: start) == nil)
        #expect(host.news() == [.routerChanged(routerAddress, .low)])
        #expect(host.engine.deadline == start + .seconds(50) && host.engine.routes.isEmpty)
    }

    @Test func floodOfRoutersLeavesThoseThatAreThereUnlessOneIsPreferred() throws {
        let host = try started()
        for index in 0..<20_000 {
            let source = IPv6Address(high: 0xFE80 << 48, low: UInt64(index + 10))
            #expect(host.hear(advertisement(), from: source, at: start) == nil)
            while host.output.events.next() != nil {}
        }
        #expect(host.engine.routers.map(\.address.low) == (10..<26).map { $0 })
        #expect(host.engine.refusedCount == 20_000 - 16)
        #expect(host.hear(advertisement { $0.preference = .high }, at: start) == nil)
        #expect(host.news().first == .routerRemoved(IPv6Address(high: 0xFE80 << 48, low: 25)), "the newest gives way")
        #expect(host.engine.routers.count == 16 && host.engine.defaultRouters.first == routerAddress)
    }

    @Test func specificRoutesComeChangeAndGo() throws {
        let host = try started()
        let prefix = IPv6Prefix(IPv6Address(high: 0x2001_0DB8_0042_0000, low: 0), length: 48)
        func route(_ seconds: UInt32, _ preference: RouterPreference = .medium) -> RouterAdvertisement {
            advertisement {
                $0.routes = [NDPRouteInformation(prefix, preference: preference, lifetimeSeconds: seconds)]
            }
        }
        #expect(host.hear(route(600), at: start) == nil)
        #expect(
            host.news() == [
                .routerAdded(routerAddress, .medium), .routeAdded(prefix, via: routerAddress, .medium),
            ])
        #expect(host.hear(route(700, .high), at: start) == nil)
        #expect(host.news() == [.routeChanged(prefix, via: routerAddress, .high)])
        #expect(host.engine.deadline == start + .seconds(700))
        #expect(host.hear(route(600), from: otherRouter, at: start) == nil)
        #expect(host.news().last == .routeAdded(prefix, via: otherRouter, .medium))
        _ = try host.step()
        #expect(host.news() == [.routeRemoved(prefix, via: otherRouter)])
        #expect(host.hear(route(0), at: start) == nil)
        #expect(host.news() == [.routeRemoved(prefix, via: routerAddress)])
        #expect(host.hear(route(.max), at: start) == nil)
        #expect(host.engine.routes.map(\.until) == [.never])
        _ = host.news()
        host.left(routerAddress, at: start)
        #expect(host.news() == [.routerRemoved(routerAddress), .routeRemoved(prefix, via: routerAddress)])

        for index in 0..<1_000 {
            let many = advertisement {
                $0.routes = [
                    NDPRouteInformation(
                        IPv6Prefix(IPv6Address(high: 0x2001_0DB8 << 32 | UInt64(index) << 16, low: 0), length: 48),
                        lifetimeSeconds: 600)
                ]
            }
            #expect(host.hear(many, at: start) == nil)
        }
        #expect(host.engine.routes.count == 32)
    }

    @Test func prefixesOfTheLinkComeAndGoAndAbsurdOnesAreIgnored() throws {
        let host = try started()
        #expect(host.hear(prefixed(valid: 600, preferred: 600, isAutonomous: false), at: start) == nil)
        #expect(host.news() == [.routerAdded(routerAddress, .medium), .prefixAdded(documentation)])
        #expect(host.hear(prefixed(valid: 300, preferred: 300, isAutonomous: false), at: start) == nil)
        #expect(host.news().isEmpty && host.engine.deadline == start + .seconds(300))
        #expect(
            host.hear(prefixed(valid: 0, preferred: 0, isOnLink: false, isAutonomous: false), at: start) == nil)
        #expect(host.news().isEmpty, "without the flag it says nothing about the link")
        #expect(host.hear(prefixed(valid: 0, preferred: 0, isAutonomous: false), at: start) == nil)
        #expect(host.news() == [.prefixRemoved(documentation)])
        #expect(host.hear(prefixed(valid: 300, preferred: 300, isAutonomous: false), at: start) == nil)
        _ = host.news()
        _ = try host.step()
        #expect(host.news() == [.prefixRemoved(documentation)])
        for bad in [
            .all, .linkLocal, IPv6Prefix(.allNodes, length: 64), IPv6Prefix(documentation.address, length: 15),
            IPv6Prefix(.any, length: 64), .host(.loopback),
        ] as [IPv6Prefix] {
            #expect(host.hear(prefixed(bad), at: start) == nil)
            #expect(host.news().isEmpty, "\(bad)")
        }
    }

    @Test func floodOfPrefixesLeavesThoseThatAreThere() throws {
        let host = try started()
        _ = host.hear(prefixed(), at: start)
        for index in 0..<10_000 {
            let prefix = IPv6Prefix(
                IPv6Address(high: 0x2001_0DB8_0001_0000 + UInt64(index), low: 0), length: 64)
            #expect(host.hear(prefixed(prefix), at: start) == nil)
        }
        #expect(host.engine.prefixes.count == 16 && host.engine.prefixes.first?.prefix == documentation)
        #expect(host.engine.addresses.count == 17, "with the link-local one")
        #expect(host.engine.refusedCount == 2 * (10_000 - 15))
    }

    @Test func whatRoutersTellOfTheLinkIsTakenWithinReason() throws {
        let host = try started()
        let told = advertisement {
            $0.hopLimit = 70
            $0.mtu = 1_400
            $0.reachableMilliseconds = 20_000
            $0.retransmitMilliseconds = 500
            $0.isManaged = true
            $0.isOtherManaged = true
        }
        #expect(host.hear(told, at: start) == nil)
        var expected = LinkParameters()
        expected.hopLimit = 70
        expected.mtu = 1_400
        expected.reachableTime = .seconds(20)
        expected.retransmit = .milliseconds(500)
        expected.isManaged = true
        expected.isOtherManaged = true
        #expect(host.news() == [.routerAdded(routerAddress, .medium), .linkChanged(expected)])
        #expect(host.hear(told, at: start) == nil)
        #expect(host.news().isEmpty)
        let absurd = advertisement {
            $0.hopLimit = 31
            $0.mtu = 1_501
            $0.reachableMilliseconds = 3_600_001
            $0.retransmitMilliseconds = 99
            $0.isManaged = true
            $0.isOtherManaged = true
        }
        #expect(host.hear(absurd, at: start) == nil)
        let small = advertisement {
            $0.mtu = 1_279
            $0.reachableMilliseconds = 1
            $0.isManaged = true
            $0.isOtherManaged = true
        }
        #expect(host.hear(small, at: start) == nil)
        #expect(host.news().isEmpty && host.engine.parameters == expected)
        #expect(host.hear(advertisement(), at: start) == nil)
        expected.isManaged = false
        expected.isOtherManaged = false
        #expect(host.news() == [.linkChanged(expected)], "what is not told stays as it was")
    }

    @Test func changedDeviceIsFollowed() throws {
        let host = try started()
        #expect(host.hear(advertisement(lifetime: 0) { $0.mtu = 1_500 }, at: start) == nil)
        #expect(host.engine.parameters.mtu == 1_500)
        _ = host.news()
        host.engine.setMTU(1_400, output: &host.output)
        #expect(host.news() == [.linkChanged(LinkParameters())])
        #expect(host.hear(advertisement(lifetime: 0) { $0.mtu = 1_401 }, at: start) == nil)
        #expect(host.news().isEmpty)
        host.engine.setMTU(9_000, output: &host.output)
        #expect(host.hear(advertisement(lifetime: 0) { $0.mtu = 1_401 }, at: start) == nil)
        #expect(host.engine.parameters.mtu == 1_401)
        host.engine.setMAC(routerMAC)
        _ = try host.step()
        #expect(host.said().map(\.message) == [.routerSolicitation(RouterSolicitation(sourceMAC: routerMAC))])
    }

    @Test func senderIsToldOfAsARouterWithItsLinkAddress() throws {
        let host = try started()
        #expect(host.hear(advertisement { $0.sourceMAC = routerMAC }, at: start) == nil)
        #expect(host.all().first == .routerSeen(routerAddress, routerMAC))
        for mac in [nil, MACAddress.broadcast, .zero] {
            #expect(host.hear(advertisement { $0.sourceMAC = mac }, at: start) == nil)
            #expect(host.all() == [.routerSeen(routerAddress, nil)])
        }
    }

    @Test func serversAndDomainsLastAsLongAsToldAndTheirListsAreBounded() throws {
        let host = try started()
        let server = IPv6Address(high: 0x2001_0DB8_0000_0001, low: 0x53)
        let domain = try #require(DomainName("example.org"))
        func told(_ seconds: UInt32, _ addresses: [IPv6Address]) -> RouterAdvertisement {
            advertisement {
                $0.dnsServers = [NDPDNSServers(lifetimeSeconds: seconds, addresses: addresses)].compactMap(\.self)
                $0.dnsSearchLists = [NDPDNSSearchList(lifetimeSeconds: seconds, domains: [domain])].compactMap(\.self)
            }
        }
        #expect(host.hear(told(600, [server, .loopback, .allNodes, .any]), at: start) == nil)
        #expect(
            host.news() == [
                .routerAdded(routerAddress, .medium), .nameServersChanged([server]), .searchDomainsChanged([domain]),
            ])
        #expect(host.hear(told(900, [server]), at: start) == nil)
        #expect(host.news().isEmpty && host.engine.deadline == start + .seconds(900))
        _ = try host.step()
        #expect(host.news() == [.nameServersChanged([]), .searchDomainsChanged([])])
        #expect(host.hear(told(600, [server]), at: start) == nil)
        #expect(host.hear(told(0, [server]), at: start) == nil)
        #expect(host.news().suffix(2) == [.nameServersChanged([]), .searchDomainsChanged([])])

        let many = (1...20).map { IPv6Address(high: 0x2001_0DB8_0000_0002, low: $0) }
        #expect(host.hear(told(600, many), at: start) == nil)
        #expect(host.engine.nameServers.map(\.value) == Array(many.prefix(8)))
        #expect(host.hear(told(601, [server]), at: start) == nil)
        #expect(host.engine.nameServers.map(\.value) == Array(many[1..<8]) + [server], "who lasts longer comes in")
        for index in 0..<100 {
            let name = try #require(DomainName("d\(index).example"))
            let list = advertisement {
                $0.dnsSearchLists = [NDPDNSSearchList(lifetimeSeconds: 600, domains: [name])].compactMap(\.self)
            }
            #expect(host.hear(list, at: start) == nil)
        }
        #expect(host.engine.searchDomains.count == 8)
    }

    @Test func eachThingIsTakenOnlyWhereTheSettingsSaySo() throws {
        let host = try started(.router)
        #expect(host.engine.deadline == nil, "routers are not asked for")
        let server = IPv6Address(high: 0x2001_0DB8_0000_0001, low: 0x53)
        let prefix = IPv6Prefix(IPv6Address(high: 0x2001_0DB8_0042_0000, low: 0), length: 48)
        var everything = prefixed()
        everything.hopLimit = 70
        everything.mtu = 1_400
        everything.routes = [NDPRouteInformation(prefix, lifetimeSeconds: 600)]
        everything.dnsServers = [NDPDNSServers(lifetimeSeconds: 600, addresses: [server])].compactMap(\.self)
        #expect(host.hear(everything, at: start) == nil)
        #expect(host.news().isEmpty && host.engine.addresses.count == 1 && host.engine.linkLocal != nil)
        let open = try started()
        #expect(open.hear(everything, at: start) == nil)
        #expect(open.news().count == 6)
    }

    @Test func stoppingForgetsAllThatWasLearnedAndSaysSo() throws {
        let host = try started()
        let server = IPv6Address(high: 0x2001_0DB8_0000_0001, low: 0x53)
        let prefix = IPv6Prefix(IPv6Address(high: 0x2001_0DB8_0042_0000, low: 0), length: 48)
        var everything = prefixed()
        everything.hopLimit = 70
        everything.routes = [NDPRouteInformation(prefix, lifetimeSeconds: 600)]
        everything.dnsServers = [NDPDNSServers(lifetimeSeconds: 600, addresses: [server])].compactMap(\.self)
        #expect(host.hear(everything, at: start) == nil)
        let own = try #require(host.engine.linkLocal)
        let made = try #require(host.wanted().last?.address)
        host.stop()
        #expect(
            host.news() == [
                .routerRemoved(routerAddress), .routeRemoved(prefix, via: routerAddress),
                .prefixRemoved(documentation), .addressRemoved(own), .addressRemoved(made), .nameServersChanged([]),
                .linkChanged(LinkParameters()),
            ])
        #expect(host.engine.deadline == nil && host.hear(everything, at: start) == .notListening)
        host.stop()
        #expect(host.news().isEmpty)
        try host.startWithAddress(at: start)
        #expect(host.engine.linkLocal == own, "it is the same again")
    }

    @Test func linkThatComesBackAsksForRoutersAndOneThatIsDownDoesNot() throws {
        let host = try started()
        #expect(host.hear(advertisement(), at: start) == nil)
        host.engine.linkWentDown()
        #expect(host.engine.deadline == start + .seconds(1_800))
        host.fire(at: start + .seconds(1_800))
        #expect(host.news().last == .routerRemoved(routerAddress))
        #expect(host.engine.deadline == nil && host.said().isEmpty)
        host.linkWentUp(at: start + .seconds(2_000))
        _ = try host.step()
        #expect(host.said().count == 1)
    }

    /// Whatever advertisements arrive, the tables stay within their bounds, the stack is told of nothing twice, and
    /// everything that came goes again.
    @Test func anyAdvertisementsLeaveTheTablesBoundedAndTheNewsConsistent() throws {
        for seed in Seeds.chosen(count: 100) {
            var settings = RouterDiscoverySettings()
            settings.makesTemporaryAddresses = seed % 2 == 0
            settings.temporaryPreferred = .seconds(600)
            settings.temporaryValid = .seconds(1_200)
            let host = RouterHost(settings, seed: seed)
            var chance = StackRandom(seed: seed ^ 0xAD)
            var model = NewsModel()
            var now = start
            host.start(at: now)
            for _ in 0..<150 {
                now = now + chance.delay(upTo: chance.isOne(in: 8) ? .seconds(4_000) : .seconds(30))
                try host.run(until: now)
                var bytes = bytes(of: chance.advertisement())
                if chance.isOne(in: 4) {
                    bytes[Int.random(in: 0..<bytes.count, using: &chance)] = .random(in: 0...255, using: &chance)
                }
                let source = IPv6Address(high: 0xFE80 << 48, low: .random(in: 1...30, using: &chance))
                _ = host.hear(bytes, from: source, at: now)
                if chance.isOne(in: 20) { host.left(source, at: now) }
                for address in host.engine.madeAddresses where chance.isOne(in: 3) {
                    host.prove(address.address, isUnique: !chance.isOne(in: 3), at: now)
                }
                for kind in host.news() { model.take(kind) }
                #expect(host.engine.routers.count <= 16 && host.engine.routes.count <= 32)
                #expect(host.engine.prefixes.count <= 16 && host.engine.addresses.count <= 17)
                #expect(host.engine.nameServers.count <= 8)
                #expect(Set(host.engine.routers.map(\.address)) == model.routers, "replay with CHIMNEY_SEED=\(seed)")
                #expect(Set(host.engine.prefixes.map(\.prefix)) == model.prefixes, "replay with CHIMNEY_SEED=\(seed)")
                #expect(
                    Set(host.engine.madeAddresses.map(\.address)) == model.addresses,
                    "replay with CHIMNEY_SEED=\(seed)")
                #expect(
                    host.engine.madeAddresses.allSatisfy { $0.validUntil > now && $0.preferredUntil <= $0.validUntil })
            }
            host.stop()
            for kind in host.news() { model.take(kind) }
            #expect(model.isEmpty && model.violations == [], "replay with CHIMNEY_SEED=\(seed)")
        }
    }
}

/// What a stack would have after the news.
private struct NewsModel {
    var routers: Set<IPv6Address> = []
    var routes: Set<[UInt64]> = []
    var prefixes: Set<IPv6Prefix> = []
    var addresses: Set<IPv6Address> = []
    var deprecated: Set<IPv6Address> = []
    var violations: [String] = []

    var isEmpty: Bool { routers.isEmpty && routes.isEmpty && prefixes.isEmpty && addresses.isEmpty }

    mutating func take(_ kind: RouterDiscoveryEvent.Kind) {
        func demand(_ holds: Bool) { if !holds { violations.append("\(kind)") } }
        func key(_ prefix: IPv6Prefix, _ router: IPv6Address) -> [UInt64] {
            [prefix.address.high, prefix.address.low, UInt64(prefix.length), router.low]
        }
        switch kind {
        case .routerAdded(let router, _): demand(routers.insert(router).inserted)
        case .routerChanged(let router, _): demand(routers.contains(router))
        case .routerRemoved(let router): demand(routers.remove(router) != nil)
        case .routeAdded(let prefix, let router, _): demand(routes.insert(key(prefix, router)).inserted)
        case .routeChanged(let prefix, let router, _): demand(routes.contains(key(prefix, router)))
        case .routeRemoved(let prefix, let router): demand(routes.remove(key(prefix, router)) != nil)
        case .prefixAdded(let prefix): demand(prefixes.insert(prefix).inserted)
        case .prefixRemoved(let prefix): demand(prefixes.remove(prefix) != nil)
        case .addressWanted(let made):
            demand(addresses.insert(made.address).inserted)
            deprecated.remove(made.address)
        case .addressDeprecated(let address):
            demand(addresses.contains(address) && deprecated.insert(address).inserted)
        case .addressPreferred(let address):
            demand(addresses.contains(address) && deprecated.remove(address) != nil)
        case .addressRemoved(let address): demand(addresses.remove(address) != nil)
        case .addressFailed, .linkChanged, .nameServersChanged, .searchDomainsChanged, .routerSeen: break
        }
    }
}

extension StackRandom {
    /// An advertisement with anything in it.
    fileprivate mutating func advertisement() -> RouterAdvertisement {
        var message = RouterAdvertisement()
        message.lifetimeSeconds = lifetime().map { UInt16(truncatingIfNeeded: $0) } ?? 9_000
        message.preference = [.low, .medium, .high].randomElement(using: &self) ?? .medium
        message.hopLimit = .random(in: 0...255, using: &self)
        if isOne(in: 3) { message.mtu = .random(in: 0...2_000, using: &self) }
        if isOne(in: 3) { message.reachableMilliseconds = .random(in: 0...5_000_000, using: &self) }
        for _ in 0..<Int.random(in: 0...3, using: &self) {
            let length = isOne(in: 4) ? Int.random(in: 0...128, using: &self) : 64
            message.prefixes.append(
                NDPPrefixInformation(
                    IPv6Prefix(IPv6Address(high: 0x2001_0DB8 << 32 | next() % 25, low: 0), length: length),
                    isOnLink: !isOne(in: 4), isAutonomous: !isOne(in: 4), validSeconds: lifetime() ?? .max,
                    preferredSeconds: lifetime() ?? .max))
        }
        for _ in 0..<Int.random(in: 0...2, using: &self) {
            message.routes.append(
                NDPRouteInformation(
                    IPv6Prefix(IPv6Address(high: 0x2001_0DB8_0042 << 16 | next() % 25, low: 0), length: 64),
                    preference: isOne(in: 2) ? .high : .low, lifetimeSeconds: lifetime() ?? .max))
        }
        if isOne(in: 3) {
            let servers = (0..<5).map { _ in IPv6Address(high: 0x2001_0DB8 << 32, low: next() % 20) }
            message.dnsServers = [NDPDNSServers(lifetimeSeconds: lifetime() ?? .max, addresses: servers)].compactMap(
                \.self)
        }
        return message
    }

    /// None, some, much, or for ever.
    private mutating func lifetime() -> UInt32? {
        switch UInt32.random(in: 0...9, using: &self) {
        case 0: nil
        case 1, 2: 0
        case 3...6: .random(in: 1...900, using: &self)
        default: .random(in: 900...20_000, using: &self)
        }
    }
}
