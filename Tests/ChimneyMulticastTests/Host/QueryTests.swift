import ChimneyMulticast
import ChimneyPrimitives
import ChimneyWire
import Testing

/// How a host answers, in version 3.
@Suite struct QueryTests {
    let g1 = IPv4Address(239, 9, 20, 1)
    let g2 = IPv4Address(239, 9, 20, 2)
    let g3 = IPv4Address(239, 9, 20, 3)
    let a = IPv4Address(10, 0, 0, 101)
    let b = IPv4Address(10, 0, 0, 102)
    let c = IPv4Address(10, 0, 0, 103)
    let x = IPv4Address(10, 0, 0, 201)

    /// A host with a group of everything, one with an excluded and one with an included list, that has told of them.
    func settled(
        seed: UInt64 = 1, _ change: (inout MembershipSettings<IPv4Address>) -> Void = { _ in }
    ) -> IGMPHost {
        var host = igmpHost(seed: seed, change)
        host.join(g1)
        host.want(.excluding(a, b), of: g2)
        host.want(.including(a, b, c), of: g3)
        host.run(.seconds(20))
        return host
    }

    var whole: [IGMPRecord] {
        [
            IGMPRecord(.isInclude, g3, [a, b, c]), IGMPRecord(.isExclude, g2, [a, b]), IGMPRecord(.isExclude, g1),
        ]
    }

    @Test func aQueryAboutAllGroupsIsAnsweredInOneReportAfterARandomPartOfTheTimeItAllows() {
        var waits: [TimeSpan] = []
        for seed in Seeds.chosen(count: 200) {
            var host = settled(seed: seed)
            let asked = host.now
            host.ask(within: .seconds(4))
            let sent = host.run(.seconds(9))
            #expect(sent.reports() == [whole], "replay with CHIMNEY_SEED=\(seed)")
            waits += sent.map { $0.at - asked }
        }
        #expect(waits.allSatisfy { $0 > .zero && $0 <= .seconds(4) })
        #expect(waits.contains { $0 < .seconds(1) } && waits.contains { $0 > .seconds(3) })
    }

    @Test func theFlagThatSpeaksToRoutersChangesNothing() {
        var host = settled()
        host.ask { $0.suppressesRouters = true }
        #expect(host.run(.seconds(2)).reports() == [whole])
    }

    @Test func ofTwoQueriesAboutAllGroupsTheEarlierDeadlineAnswersBoth() {
        for seed in Seeds.chosen(count: 100) {
            var host = settled(seed: seed)
            host.ask(within: .seconds(8))
            let first = host.machine.listing.answerDue ?? .never
            host.ask(within: .seconds(8))
            let second = host.machine.listing.answerDue ?? .never
            #expect(second <= first)
            #expect(host.run(.seconds(9)).reports() == [whole], "replay with CHIMNEY_SEED=\(seed)")
        }
    }

    @Test func aQueryAboutOneGroupIsAnsweredByItsStateAlone() {
        var host = settled()
        host.ask(.v3, g1)
        #expect(host.run(.seconds(2)).reports() == [[IGMPRecord(.isExclude, g1)]])
        host.ask(.v3, g2)
        #expect(host.run(.seconds(2)).reports() == [[IGMPRecord(.isExclude, g2, [a, b])]])
        host.ask(.v3, g3)
        #expect(host.run(.seconds(2)).reports() == [[IGMPRecord(.isInclude, g3, [a, b, c])]])
        #expect(host.ask(.v3, IPv4Address(239, 9, 20, 9)) == .notMember)
        #expect(host.run(.seconds(2)).isEmpty)
    }

    @Test func aQueryAboutSourcesIsAnsweredByThoseThatAreWanted() {
        var host = settled()
        func answer(_ group: IPv4Address, _ sources: [IPv4Address], _ host: inout IGMPHost) -> [[IGMPRecord]] {
            host.ask(.v3, group, sources)
            return host.run(.seconds(2)).reports()
        }
        #expect(answer(g3, [b, a], &host) == [[IGMPRecord(.isInclude, g3, [a, b])]])
        #expect(answer(g3, [a, x], &host) == [[IGMPRecord(.isInclude, g3, [a])]])
        #expect(answer(g3, [x], &host) == [])
        #expect(answer(g2, [a, x], &host) == [[IGMPRecord(.isInclude, g2, [x])]])
        #expect(answer(g2, [a], &host) == [])
        #expect(answer(g1, [a, a], &host) == [[IGMPRecord(.isInclude, g1, [a])]])
        #expect(host.machine.listing.groups.allSatisfy { $0.askedCount == 0 })
    }

    @Test func questionsAboutSourcesOfOneGroupAreAnsweredTogetherAndNoLaterThanTheFirst() {
        for seed in Seeds.chosen(count: 100) {
            var host = settled(seed: seed)
            host.ask(.v3, g3, [a], within: .seconds(2))
            let promised = host.machine.deadline ?? .never
            host.ask(.v3, g3, [b], within: .seconds(100))
            #expect(host.machine.deadline ?? .never <= promised)
            #expect(host.machine.listing.groups.last?.askedCount == 2)
            #expect(host.run(.seconds(3)).reports() == [[IGMPRecord(.isInclude, g3, [a, b])]])
            host.ask(.v3, g3, [a], within: .seconds(2))
            host.ask(.v3, g3, within: .seconds(2))
            host.ask(.v3, g3, [b], within: .seconds(2))
            #expect(host.run(.seconds(3)).reports() == [[IGMPRecord(.isInclude, g3, [a, b, c])]])
        }
    }

    @Test func anAnswerAboutAllGroupsThatComesSoonerAnswersAQueryAboutOne() {
        var silent = 0
        for seed in Seeds.chosen(count: 100) {
            var host = settled(seed: seed)
            host.ask(within: .seconds(1))
            host.ask(.v3, g1, within: .seconds(30))
            let sent = host.run(.seconds(40)).reports()
            #expect(sent.contains(whole))
            #expect(sent.count == 1 || sent.contains([IGMPRecord(.isExclude, g1)]))
            if sent.count == 1 { silent += 1 }
        }
        #expect(silent > 80)
    }

    @Test func whatIsLeftBeforeTheAnswerIsNotToldAsWanted() {
        var host = settled()
        host.ask(.v3, g1, within: .seconds(9))
        host.ask(.v3, g3, [a], within: .seconds(9))
        host.leave(g1)
        host.want(.including(b), of: g3)
        let kinds = host.run(.seconds(20)).flatMap { $0.records.map(\.kind) }
        #expect(!kinds.contains(.isExclude) && !kinds.contains(.isInclude))
        #expect(kinds.contains(.toInclude) && kinds.contains(.block))
    }

    @Test func aHostWithoutGroupsIsSilent() {
        var host = igmpHost()
        #expect(host.ask() == .notMember)
        #expect(host.run(.seconds(20)).isEmpty)
    }

    @Test func noAnswerIsImmediateEvenWhenAQueryAllowsNoTime() {
        var waits: [TimeSpan] = []
        for seed in Seeds.chosen(count: 50) {
            var host = settled(seed: seed)
            let asked = host.now
            host.ask(within: .zero)
            let sent = host.run(.seconds(2))
            #expect(sent.reports() == [whole])
            waits += sent.map { $0.at - asked }
        }
        #expect(waits.allSatisfy { $0 > .zero && $0 <= .milliseconds(10) })
        #expect(waits.contains { $0 > .milliseconds(5) })
    }

    @Test func robustnessIsTheQueriersUntilItSaysNoneAndNeverWhenItIsPinned() {
        for (said, count) in [(1, 1), (0, 2), (5, 5), (7, 7)] as [(UInt8, Int)] {
            var host = igmpHost()
            host.ask { $0.robustness = said }
            host.join(g1)
            #expect(host.run(.seconds(20)).count == count)
            host.ask { $0.robustness = 0 }
            #expect(host.machine.robustness == 2)
        }
        var host = igmpHost { $0.pinnedRobustness = 3 }
        host.ask { $0.robustness = 7 }
        host.join(g1)
        #expect(host.run(.seconds(20)).count == 3)
        #expect(host.events.isEmpty)
    }

    @Test func whatAQuerierSaysOfItselfIsKeptAndShown() {
        var host = settled()
        host.ask {
            $0.robustness = 4
            $0.queryInterval = .seconds(60)
        }
        let shown = host.machine.listing
        #expect(shown.robustness == 4 && shown.queryInterval == .seconds(60))
        #expect(shown.querier == IPv4Address(10, 77, 0, 1) && shown.queriedAt == host.now)
        #expect(host.events == [.robustnessChanged(to: 4)])
        #expect(shown.groups.map(\.group) == [g1, g2, g3])
    }

    @Test func aLongAnswerIsSpreadOverTheTimeTheQueryAllows() {
        var host = igmpHost { $0.groupsPerAnswerMax = 100 }
        let groups = (0..<1_000).map { IPv4Address(bits: 0xEF09_0000 + $0) }
        for group in groups { host.join(group) }
        host.run(.seconds(20))
        let asked = host.now
        host.ask(within: .seconds(10))
        let sent = host.run(.seconds(30))
        #expect(sent.map { $0.records.count } == Array(repeating: 100, count: 10))
        #expect(Set(sent.flatMap { $0.records.map(\.group) }) == Set(groups))
        #expect(sent.allSatisfy { $0.at > asked && $0.at <= asked + .seconds(11) })
        #expect(Set(sent.map(\.at)).count == 10)
    }

    @Test func groupsThatComeAndGoDuringALongAnswerDoNotEndIt() {
        for seed in Seeds.chosen(count: 100) {
            var host = igmpHost(seed: seed) { $0.groupsPerAnswerMax = 10 }
            let groups = (0..<100).map { IPv4Address(bits: 0xEF09_0000 + $0) }
            for group in groups { host.join(group) }
            host.run(.seconds(20))
            host.ask(within: .seconds(10))
            var told: Set<IPv4Address> = []
            var left: Set<IPv4Address> = []
            for _ in 0..<40 {
                for record in host.run(.milliseconds(400)).flatMap(\.records) where record.kind == .isExclude {
                    told.insert(record.group)
                }
                let gone = groups[Int.random(in: 0..<100, using: &host.random)]
                left.insert(gone)
                host.leave(gone)
            }
            #expect(told.union(left) == Set(groups), "replay with CHIMNEY_SEED=\(seed)")
        }
    }

    @Test func aQueryDuringALongAnswerIsAnsweredFromItsBeginning() {
        var host = igmpHost { $0.groupsPerAnswerMax = 10 }
        let groups = (0..<30).map { IPv4Address(bits: 0xEF09_0000 + $0) }
        for group in groups { host.join(group) }
        host.run(.seconds(20))
        host.ask(within: .seconds(3))
        while host.machine.counters.answers == 0, let due = host.machine.deadline {
            host.now = due
            host.fire()
        }
        host.ask(within: .seconds(3))
        host.run(.seconds(30))
        #expect(host.machine.counters.answers == 60)
        #expect(host.machine.deadline == nil)
    }

    // MARK: - Hostile queriers

    @Test func whatCannotBeBelievedIsDroppedUnderItsName() {
        var host = settled()
        var query = MembershipQuery<IPv4Address>(.v3, maxResponseTime: .seconds(1))
        #expect(host.hear(.query(query)) { $0.hopLimit = 64 } == .hopLimit)
        #expect(host.hear(.query(query)) { $0.hasRouterAlert = false } == .routerAlert)
        #expect(host.hear(.query(query)) { $0.source = IPv4Address(239, 1, 1, 1) } == .source)
        #expect(host.hear(.query(query)) { $0.source = .loopback } == .source)
        #expect(host.hear(.query(query)) { $0.destination = IPv4Address(224, 0, 0, 22) } == .destination)
        #expect(host.hear(.query(query)) { $0.isFromUs = true } == .looped)
        query.sources = [a]
        #expect(host.hear(.query(query)) == .group)
        query.group = IPv4Address(10, 0, 0, 77)
        #expect(host.hear(.query(query)) == .group)
        #expect(host.hear(.reportV3([])) == .forRouters)
        #expect(host.hear(.leave(g1)) == .forRouters)
        #expect(host.hear(.reportV2(g1)) == .suppressesNothing)
        #expect(host.hear(.reportV2(IPv4Address(10, 0, 0, 77))) == .group)
        #expect(host.run(.seconds(20)).isEmpty)
        for drop in [.hopLimit, .routerAlert, .destination, .looped] as [MembershipDrop] {
            #expect(host.machine.counters.count(of: drop) == 1)
        }
        #expect(host.machine.counters.count(of: .source) == 2 && host.machine.counters.count(of: .group) == 3)
    }

    @Test func bytesThatAreNoMessageOfMembershipAreDroppedUnderTheirName() {
        var host = settled()
        let packet = MembershipPacket(source: host.querier, destination: IPv4Address.allSystems)
        func sealed(_ bytes: [UInt8]) -> [UInt8] {
            let sum = InternetChecksum.finish(InternetChecksum.sum(unsafe bytes.span.bytes))
            var bytes = bytes
            bytes[2] = UInt8(sum >> 8)
            bytes[3] = UInt8(sum & 0xFF)
            return bytes
        }
        #expect(host.hear(bytes: [0x11, 0, 0], in: packet) == .truncated)
        #expect(host.hear(bytes: [0x11, 10, 0, 0, 0, 0, 0, 0], in: packet) == .checksum)
        #expect(host.hear(bytes: sealed([0x11, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0]), in: packet) == .queryLength)
        #expect(host.hear(bytes: sealed([0x13, 10, 0, 0, 0, 0, 0, 0]), in: packet) == .unknownType)
        let claim: [UInt8] = [0x11, 10, 0, 0, 239, 9, 20, 3, 2, 125, 255, 255, 10, 0, 0, 101]
        #expect(host.hear(bytes: sealed(claim), in: packet) == .sourcesTruncated)
        #expect(host.hear(bytes: sealed([0x22, 0, 0, 0, 0, 0, 0, 1]), in: packet) == .recordTruncated)
        let padded = sealed([0x11, 10, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0, 7, 7, 7, 7, 7, 7])
        #expect(host.hear(bytes: padded, in: packet) == nil)
        #expect(host.run(.seconds(2)).reports() == [whole])
    }

    @Test func theKernelsLeniencyIsASetting() {
        var host = settled { $0.queries = .kernel }
        let query = MembershipQuery<IPv4Address>(.v3, maxResponseTime: .seconds(1))
        for change in [
            { $0.hopLimit = 64 }, { $0.hasRouterAlert = false }, { $0.source = .any }, { $0.isFromLink = false },
            { $0.destination = IPv4Address(10, 77, 0, 2) },
        ] as [(inout MembershipPacket<IPv4Address>) -> Void] {
            #expect(host.hear(.query(query), change) == nil)
            #expect(host.run(.seconds(2)).reports() == [whole])
        }
        #expect(host.hear(.query(query)) { $0.destination = IPv4Address(224, 0, 0, 22) } == .destination)
    }

    @Test func queriesToOurOwnAddressAreAnsweredAndQuerySourcesCanBeLimitedToTheLink() {
        var host = settled()
        let query = MembershipQuery<IPv4Address>(.v3, maxResponseTime: .seconds(1))
        #expect(host.hear(.query(query)) { $0.destination = IPv4Address(10, 77, 0, 2) } == nil)
        #expect(host.hear(.query(query)) { $0.source = .any } == nil)
        #expect(host.run(.seconds(2)).reports() == [whole])
        var strict = settled { $0.queries.needsLinkSource = true }
        #expect(strict.hear(.query(query)) { $0.isFromLink = false } == .source)
        #expect(strict.hear(.query(query)) == nil)
    }

    @Test func aQueryOfMLDComesFromALinkLocalAddress() {
        var host = mldHost()
        host.join(IPv6Address(high: 0xFF1E << 48, low: 1))
        host.run(.seconds(5))
        let query = MembershipQuery<IPv6Address>(.v3, maxResponseTime: .seconds(1))
        let global = IPv6Address(high: 0x2001_0DB8 << 32, low: 1)
        #expect(host.hear(.query(query)) { $0.source = global } == .source)
        #expect(host.hear(.query(query)) { $0.source = .any } == .source)
        #expect(host.run(.seconds(5)).isEmpty)
        #expect(host.hear(.query(query)) == nil)
        #expect(host.run(.seconds(5)).count == 1)
    }

    @Test func aQuerierCannotMakeAHostRememberMoreThanItsBounds() {
        var host = settled {
            $0.askedSourcesMax = 100
            $0.askedSourcesTotalMax = 150
        }
        func flood(_ count: UInt32) -> [IPv4Address] { (0..<count).map { IPv4Address(bits: 0x0B00_0000 + $0) } }
        host.ask(.v3, g1, flood(100), within: .seconds(100))
        #expect(host.machine.listing.groups.map(\.askedCount) == [100, 0, 0])
        host.ask(.v3, g1, flood(101), within: .seconds(100))
        #expect(host.machine.listing.groups.map(\.askedCount) == [0, 0, 0] && host.machine.counters.widened == 1)
        host.ask(.v3, g2, flood(90), within: .seconds(100))
        host.ask(.v3, g3, flood(61), within: .seconds(100))
        #expect(host.machine.listing.groups.map(\.askedCount) == [0, 90, 0] && host.machine.counters.widened == 2)
        let sent = Set(host.run(.seconds(101)).flatMap(\.records))
        #expect(sent.contains(IGMPRecord(.isExclude, g1)) && sent.contains(IGMPRecord(.isInclude, g3, [a, b, c])))
        #expect(sent.contains(IGMPRecord(.isInclude, g2, flood(90))))
        host.ask(.v3, g3, flood(60) + [a], within: .seconds(100))
        #expect(host.machine.listing.groups.map(\.askedCount) == [0, 0, 61])
    }

    @Test func aFloodOfMessagesLeavesTheHostWithinItsBounds() {
        for seed in Seeds.chosen(count: 60) {
            var host = igmpHost(seed: seed) {
                $0.askedSourcesMax = 20
                $0.askedSourcesTotalMax = 50
            }
            for index in 0..<20 as Range<UInt32> { host.join(IPv4Address(bits: 0xEF09_0000 + index)) }
            for _ in 0..<400 {
                let group = IPv4Address(bits: 0xEF09_0000 + UInt32.random(in: 0..<25, using: &host.random))
                let count = UInt32.random(in: 0..<30, using: &host.random)
                let sources = (0..<count).map { _ in IPv4Address(bits: UInt32.random(in: 0..<500, using: &host.random))
                }
                switch Int.random(in: 0..<6, using: &host.random) {
                case 0: host.ask(.v3, within: .milliseconds(Int64.random(in: 0..<3_000, using: &host.random)))
                case 1: host.ask(Bool.random(using: &host.random) ? .v2 : .v1)
                case 2: host.hear(.reportV2(group))
                default: host.ask(.v3, group, sources, within: .seconds(10))
                }
                let groups = host.machine.listing.groups
                #expect(groups.count == 20)
                #expect(groups.allSatisfy { $0.askedCount <= 20 } && groups.reduce(0) { $0 + $1.askedCount } <= 50)
                if Bool.random(using: &host.random) { host.run(.milliseconds(50)) }
            }
            host.run(.seconds(1_000))
            #expect(host.machine.deadline == nil && host.machine.version == .v3, "replay with CHIMNEY_SEED=\(seed)")
            #expect(host.machine.listing.groups.allSatisfy { $0.askedCount == 0 })
        }
    }
}
