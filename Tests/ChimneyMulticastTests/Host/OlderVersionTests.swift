import ChimneyMulticast
import ChimneyPrimitives
import ChimneyWire
import Testing

/// A host where queriers of older versions are present: IGMPv1, IGMPv2 and MLDv1.
@Suite struct OlderVersionTests {
    let g1 = IPv4Address(239, 9, 20, 1)
    let g2 = IPv4Address(239, 9, 20, 2)
    let g3 = IPv4Address(239, 9, 20, 3)
    let a = IPv4Address(10, 0, 0, 101)
    let b = IPv4Address(10, 0, 0, 102)

    /// A host with a group of everything, one with an excluded and one with an included list, that has told of them.
    func settled(
        seed: UInt64 = 1, _ change: (inout MembershipSettings<IPv4Address>) -> Void = { _ in }
    ) -> IGMPHost {
        var host = igmpHost(seed: seed, change)
        host.join(g1)
        host.want(.excluding(a, b), of: g2)
        host.want(.including(a, b), of: g3)
        host.run(.seconds(20))
        return host
    }

    @Test func aQueryOfVersion2IsAnsweredByAReportToEachGroupAtATimeOfItsOwn() {
        for seed in Seeds.chosen(count: 100) {
            var host = settled(seed: seed)
            let asked = host.now
            host.ask(.v2, within: .seconds(1))
            #expect(host.machine.version == .v2)
            let sent = host.run(.seconds(5))
            #expect(Set(sent.messages()) == [.reportV2(g1), .reportV2(g2), .reportV2(g3)] && sent.count == 3)
            #expect(sent.allSatisfy { $0.at > asked && $0.at <= asked + .seconds(1) })
            #expect(Set(sent.map(\.at)).count == 3, "replay with CHIMNEY_SEED=\(seed)")
            host.ask(.v2, g1, within: .seconds(1))
            #expect(host.run(.seconds(5)).messages() == [.reportV2(g1)])
            #expect(host.ask(.v2, IPv4Address(239, 9, 20, 9)) == .notMember)
        }
    }

    @Test func inVersion2AJoinIsReportedTwiceWithinTenSecondsAndALeaveGoesToTheRouters() {
        var waits: [TimeSpan] = []
        for seed in Seeds.chosen(count: 100) {
            var host = igmpHost(seed: seed)
            host.ask(.v2)
            host.join(g1)
            let sent = host.run(.seconds(20))
            #expect(sent.messages() == [.reportV2(g1), .reportV2(g1)])
            waits += [(sent.last?.at ?? .zero) - (sent.first?.at ?? .zero)]
            host.leave(g1)
            let left = host.run(.seconds(20))
            #expect(left.messages() == [.leave(g1)])
            #expect(left.first?.message.destination == IPv4Address(224, 0, 0, 2))
            #expect(host.machine.groupCount == 0, "replay with CHIMNEY_SEED=\(seed)")
        }
        #expect(waits.allSatisfy { $0 <= .seconds(10) } && waits.contains { $0 > .seconds(5) })
    }

    @Test func inVersion2SourcesAreNoBusinessOfTheLink() {
        var host = igmpHost()
        host.ask(.v2)
        host.want(.including(a), of: g1)
        #expect(host.run(.seconds(20)).messages() == [.reportV2(g1), .reportV2(g1)])
        host.want(.including(a, b), of: g1)
        host.want(.excluding(b), of: g1)
        #expect(host.run(.seconds(20)).isEmpty)
        host.want(.none, of: g1)
        #expect(host.run(.seconds(20)).messages() == [.leave(g1)])
    }

    @Test func aLeaveAndAJoinInOneBurstAreNoBusinessOfTheLinkEither() {
        var host = igmpHost()
        host.ask(.v2)
        host.join(g1)
        host.run(.seconds(20))
        host.leave(g1)
        host.join(g1)
        #expect(host.run(.seconds(20)).isEmpty)
        host.join(g2)
        host.leave(g2)
        #expect(host.run(.seconds(20)).isEmpty && host.machine.groupCount == 1)
    }

    @Test func aReportOfAnotherHostSuppressesOursAndOurLeave() {
        var host = settled()
        host.ask(.v2, within: .seconds(3))
        #expect(host.hear(.reportV2(g1)) { $0.source = IPv4Address(10, 77, 0, 9) } == nil)
        #expect(host.hear(.reportV1(g2)) { $0.source = IPv4Address(10, 77, 0, 9) } == nil)
        #expect(host.run(.seconds(5)).messages() == [.reportV2(g3)])
        #expect(host.machine.counters.suppressed == 2)
        host.leave(g1)
        host.leave(g3)
        #expect(host.run(.seconds(5)).messages() == [.leave(g3)])
        #expect(host.hear(.reportV2(g2)) == .suppressesNothing)
    }

    @Test func aReportOfAnotherHostEndsOurUnsolicitedOnes() {
        var host = igmpHost()
        host.ask(.v2)
        host.join(g1)
        host.run(.milliseconds(10))
        host.hear(.reportV2(g1)) { $0.source = IPv4Address(10, 77, 0, 9) }
        #expect(host.run(.seconds(20)).isEmpty)
        host.ask(.v2)
        #expect(host.run(.seconds(20)).messages() == [.reportV2(g1)])
    }

    @Test func reportsOfOthersSuppressNothingInVersion3() {
        var host = settled()
        host.ask(within: .seconds(3))
        #expect(host.hear(.reportV2(g1)) { $0.source = IPv4Address(10, 77, 0, 9) } == .suppressesNothing)
        #expect(host.run(.seconds(5)).first?.records.count == 3)
    }

    @Test func aTimerThatRunsIsSetAnewOnlyWhenTheQueryAllowsLess() {
        for seed in Seeds.chosen(count: 100) {
            var host = settled(seed: seed)
            host.ask(.v2, g1, within: .seconds(2))
            host.ask(.v2)
            host.run(.seconds(5))
            host.ask(.v2, g1, within: .seconds(2))
            let promised = host.machine.listing.groups[0].answerDue
            host.ask(.v2, g1, within: .seconds(20))
            #expect(host.machine.listing.groups[0].answerDue == promised)
            host.ask(.v2, g1, within: .milliseconds(100))
            #expect(host.machine.listing.groups[0].answerDue ?? .never <= host.now + .milliseconds(100))
            #expect(host.run(.seconds(25)).messages() == [.reportV2(g1)], "replay with CHIMNEY_SEED=\(seed)")
        }
    }

    @Test func aQueryOfVersion1IsAnsweredWithinTenSecondsAndNothingIsSaidOnLeaving() {
        var host = settled()
        host.ask(.v1)
        #expect(host.machine.version == .v1)
        let sent = host.run(.seconds(10))
        #expect(Set(sent.messages()) == [.reportV1(g1), .reportV1(g2), .reportV1(g3)] && sent.count == 3)
        let other = IPv4Address(239, 9, 20, 5)
        host.join(other)
        #expect(host.run(.seconds(11)).messages() == [.reportV1(other), .reportV1(other)])
        host.leave(other)
        #expect(host.run(.seconds(11)).isEmpty && host.machine.groupCount == 3)
        host.ask(.v2)
        #expect(host.machine.version == .v1)
        #expect(Set(host.run(.seconds(11)).messages()) == [.reportV1(g1), .reportV1(g2), .reportV1(g3)])
        host.ask(.v3)
        #expect(host.machine.version == .v1)
        #expect(Set(host.run(.seconds(11)).messages()) == [.reportV1(g1), .reportV1(g2), .reportV1(g3)])
    }

    // MARK: - Which version

    @Test func anOlderQuerierCountsAsPresentForTwiceTheDefaultIntervalAndTenTimesItsWait() {
        var host = settled()
        host.ask { $0.queryInterval = .seconds(3) }
        host.ask(.v2, within: .seconds(1))
        #expect(host.machine.listing.v2QuerierUntil == host.now + .seconds(260))
        host.run(.seconds(259))
        #expect(host.machine.version == .v2)
        host.run(.seconds(2))
        #expect(host.machine.version == .v3 && host.machine.listing.v2QuerierUntil == nil)
        #expect(host.events == [.versionChanged(from: .v3, to: .v2), .versionChanged(from: .v2, to: .v3)])
        host.ask(.v1)
        #expect(host.machine.listing.v1QuerierUntil == host.now + .seconds(350))
    }

    @Test func theIntervalThatLinuxCountsIsASetting() {
        var host = settled { $0.olderQuerier = .fromQueries }
        host.ask { $0.queryInterval = .seconds(3) }
        host.ask(.v2, within: .seconds(1))
        #expect(host.machine.listing.v2QuerierUntil == host.now + .seconds(7))
    }

    @Test func theOldestQuerierPresentDecidesTheVersion() {
        var host = settled()
        host.ask(.v1)
        host.run(.seconds(100))
        host.ask(.v2, within: .seconds(10))
        #expect(host.machine.version == .v1)
        host.run(.seconds(251))
        #expect(host.machine.version == .v2)
        host.ask(.v2, within: .seconds(10))
        host.run(.seconds(349))
        #expect(host.machine.version == .v2)
        host.run(.seconds(2))
        #expect(host.machine.version == .v3)
    }

    @Test func anOlderQueryAboutOneGroupDoesNotChangeTheVersion() {
        var host = settled()
        host.ask(.v2, g1)
        #expect(host.machine.version == .v3)
        #expect(host.run(.seconds(5)).first?.records == [IGMPRecord(.isExclude, g1)])
    }

    @Test func aChangeOfVersionCancelsWhatWasDueButNotWhatNobodyWasTold() {
        var host = igmpHost()
        host.join(g1)
        host.run(.milliseconds(10))
        host.ask(.v3, within: .seconds(9))
        host.ask(.v3, g1, [a], within: .seconds(9))
        host.join(g2)
        #expect(host.machine.listing.groups[0].changeDue != nil)
        host.ask(.v2, IPv4Address(bits: 0), within: .seconds(1))
        #expect(host.machine.listing.groups[0].changeDue == nil && host.machine.listing.groups[1].changeDue != nil)
        let sent = host.run(.seconds(20)).messages()
        #expect(!sent.contains { $0.kind == .reportV3 })
        #expect(sent.filter { $0 == .reportV2(g1) }.count == 1)
        #expect(sent.filter { $0 == .reportV2(g2) }.count >= 2)
        host.run(.seconds(259 - 20))
        host.join(g3)
        host.run(.milliseconds(990))
        host.leave(g1)
        host.run(.milliseconds(5))
        #expect(host.machine.version == .v2)
        let after = host.run(.seconds(20)).flatMap(\.records)
        #expect(host.machine.version == .v3)
        #expect(after == [IGMPRecord(.toInclude, g1), IGMPRecord(.toInclude, g1)])
    }

    @Test func aPinnedVersionIsSpokenWhateverQueriersSpeak() {
        for pinned in MembershipVersion.allCases {
            var host = settled { $0.pinnedVersion = pinned }
            for version in MembershipVersion.allCases {
                host.ask(version)
                #expect(host.machine.version == pinned && host.events.isEmpty)
                let kinds = Set(host.run(.seconds(20)).map(\.message.kind))
                switch pinned {
                case .v1: #expect(kinds == [.reportV1])
                case .v2: #expect(kinds == [.reportV2])
                case .v3: #expect(kinds == [.reportV3])
                }
            }
            #expect(host.machine.deadline == nil)
        }
    }

    @Test func aLinkThatComesUpUnderAnOlderVersionHearsOfAllGroups() {
        var host = settled { $0.pinnedVersion = .v2 }
        host.machine.linkWentDown(at: host.now, output: &host.output)
        host.machine.linkWentUp(at: host.now)
        let sent = host.run(.seconds(20)).messages()
        #expect(sent.filter { $0 == .reportV2(g1) }.count == 2 && sent.count == 6)
    }

    // MARK: - MLD

    @Test func mldFollowsTheSameRulesWithItsOwnMessagesAndAddresses() {
        let group = IPv6Address(high: 0xFF1E << 48, low: 1)
        let other = IPv6Address(high: 0xFF1E << 48, low: 2)
        let source = IPv6Address(high: 0x2001_0DB8 << 32, low: 9)
        var host = mldHost()
        host.join(group)
        host.want(.including(source), of: other)
        let records = [GroupRecord(.allow, other, [source]), GroupRecord(.toExclude, group)]
        let joined = host.run(.seconds(20))
        #expect(joined.reports() == [records, records])
        #expect(joined.first?.message.destination == IPv6Address(high: 0xFF02 << 48, low: 0x16))
        host.ask()
        #expect(
            host.run(.seconds(20)).reports() == [
                [GroupRecord(.isInclude, other, [source]), GroupRecord(.isExclude, group)]
            ])
        host.ask(.v2)
        #expect(host.machine.version == .v2)
        #expect(Set(host.run(.seconds(20)).messages()) == [.reportV2(group), .reportV2(other)])
        host.leave(group)
        let left = host.run(.seconds(20))
        #expect(left.messages() == [.leave(group)] && left.first?.message.destination == .allRouters)
        host.ask(.v2, other, within: .seconds(3))
        host.hear(.reportV2(other)) { $0.source = .any }
        #expect(host.run(.seconds(20)).isEmpty)
    }
}
