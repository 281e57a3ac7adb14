import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import ChimneyWire
import Testing

/// What the routers of a link are told of groups, and what they may ask.
@Suite struct MembershipReportTests {
    /// What the right stack tells while time passes.
    private func told(_ segment: Segment, _ span: TimeSpan) -> [[String]] {
        listen(segment, span).compactMap(\.told)
    }

    /// What the right stack sends while time passes.
    private func listen(_ segment: Segment, _ span: TimeSpan) -> [Seen] {
        let end = segment.now + span
        var frames = segment.interceptRight()
        while let due = segment.right.deadline, due <= end {
            segment.now = max(segment.now, due)
            segment.right.timerFired(at: segment.now)
            frames += segment.interceptRight()
        }
        segment.now = end
        return frames
    }

    private func join(_ segment: Segment, _ group: IPAddress, from source: IPAddress? = nil) throws {
        try segment.right.join(
            group, from: source, on: .index(segment.rightIndex), as: .administrator, at: segment.now)
    }

    private func leave(_ segment: Segment, _ group: IPAddress) throws {
        try segment.right.leave(group, on: .index(segment.rightIndex), as: .administrator, at: segment.now)
    }

    private func ask(_ segment: Segment, _ query: Handmade) {
        segment.giveRight(query.frame(to: segment.family.mac(query.destination)))
    }

    private func reason(_ segment: Segment, for packet: Handmade) -> DropReason? {
        let before = segment.right.ledger
        ask(segment, packet)
        let after = segment.right.ledger
        return DropReason.allCases.first { after.dropped($0) > before.dropped($0) }
    }

    /// A segment whose right stack has told all it has to tell of itself.
    private func quiet(_ family: Family, _ settings: StackSettings = StackSettings(), mtu: Int = 1_500) throws
        -> Segment
    {
        let segment = try Segment(family, mtu: mtu, rightSettings: settings)
        segment.pass(.seconds(20))
        return segment
    }

    @Test(arguments: Family.allCases)
    func joiningAndLeavingAreToldTwiceEachInTheShapeOfTheStandards(_ family: Family) throws {
        let segment = try quiet(family)
        try join(segment, family.channel(1))
        let joined = listen(segment, .seconds(10))
        #expect(
            joined.compactMap(\.told) == [["toExclude \(family.channel(1)) []"], ["toExclude \(family.channel(1)) []"]])
        for report in joined {
            #expect(report.timeToLive == 1 && report.destination == family.reportTarget)
            if family == .ipv4 {
                #expect(report.source == family.right && report.typeOfService == 0xC0)
                #expect(report.bytes[0] == 0x46 && Array(report.bytes[20..<24]) == [0x94, 4, 0, 0])
                #expect(
                    Handmade.checksum(Array(report.bytes.prefix(24))) == 0 && Handmade.checksum(report.payload) == 0)
                #expect(Array(report.link.prefix(6)) == [1, 0, 0x5E, 0, 0, 22])
            } else {
                #expect(report.source.bytes.prefix(2) == [0xFE, 0x80])
                #expect(Array(report.bytes[40..<48]) == [58, 0, 5, 2, 0, 0, 1, 0])
                #expect(Array(report.link.prefix(6)) == [0x33, 0x33, 0, 0, 0, 0x16])
            }
        }
        try leave(segment, family.channel(1))
        let left = told(segment, .seconds(10))
        #expect(left == [["toInclude \(family.channel(1)) []"], ["toInclude \(family.channel(1)) []"]])
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func sourcesOfSeveralSocketsAreToldMerged(_ family: Family) throws {
        let segment = try quiet(family)
        let (first, second) = (try segment.right.openUDP(), try segment.right.openUDP())
        let (group, eth0) = (family.sourceSpecific, InterfaceChoice.index(segment.rightIndex))
        let (one, two) = (family.host(0, 21), family.host(0, 22))
        try segment.right.join(group, from: one, on: eth0, as: .socket(first), at: segment.now)
        #expect(told(segment, .seconds(9)).first == ["allow \(group) [\(one)]"])
        try segment.right.join(group, from: one, on: eth0, as: .socket(second), at: segment.now)
        #expect(told(segment, .seconds(9)).isEmpty, "the interface wants no more than before")
        try segment.right.join(group, from: two, on: eth0, as: .socket(second), at: segment.now)
        #expect(told(segment, .seconds(9)).first == ["allow \(group) [\(two)]"])
        segment.right.close(second)
        #expect(told(segment, .seconds(9)).first == ["block \(group) [\(two)]"])
        segment.right.close(first)
        #expect(told(segment, .seconds(9)).first == ["block \(group) [\(one)]"])
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func queriesAreAnsweredWithinTheTimeTheyAllow(_ family: Family) throws {
        let segment = try quiet(family)
        try join(segment, family.channel(1))
        _ = listen(segment, .seconds(10))
        let expected = "isExclude \(family.channel(1)) []"
        for query in [Handmade.query(family), .query(family, about: family.channel(1))] {
            ask(segment, query)
            #expect(told(segment, .seconds(1)).joined().contains(expected))
            #expect(told(segment, .seconds(5)).isEmpty)
        }
        ask(segment, .query(family, about: family.channel(1), sources: [family.left]))
        #expect(told(segment, .seconds(1)) == [["isInclude \(family.channel(1)) [\(family.left)]"]])
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func olderQuerierIsAnsweredInItsVersionUntilItIsGone(_ family: Family) throws {
        let segment = try quiet(family)
        try join(segment, family.channel(1))
        _ = listen(segment, .seconds(10))
        _ = segment.right.takeMembershipEvents()
        ask(segment, .query(family, .v2))
        let events = segment.right.takeMembershipEvents().map(\.kind)
        #expect(events == [.versionChanged(isIPv6: family == .ipv6, from: .v3, to: .v2)])
        #expect(told(segment, .seconds(1)).joined().contains("v2 \(family.channel(1))"))
        try leave(segment, family.channel(1))
        #expect(told(segment, .seconds(5)) == [["leave \(family.channel(1))"]])
        #expect(try #require(segment.multicast(on: segment.rightIndex)?.version(family)) == .v2)
        _ = listen(segment, .seconds(300))
        #expect(try #require(segment.multicast(on: segment.rightIndex)?.version(family)) == .v3)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func reportOfAnotherHostSparesUsOurOwn(_ family: Family) throws {
        let segment = try quiet(family)
        try join(segment, family.channel(1))
        _ = listen(segment, .seconds(10))
        ask(segment, .query(family, .v2, within: .seconds(5)))
        ask(segment, .olderReport(family, about: family.channel(1), from: family.querier))
        #expect(!told(segment, .seconds(6)).joined().contains("v2 \(family.channel(1))"))
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func versionAndRobustnessArePinnedAtRunTime(_ family: Family) throws {
        let segment = try quiet(family)
        if family == .ipv4 {
            var settings = try #require(segment.igmp)
            (settings.pinnedVersion, settings.pinnedRobustness) = (.v2, 4)
            try segment.right.setIGMP(settings, of: segment.rightIndex, at: segment.now)
        } else {
            var settings = try #require(segment.mld)
            (settings.pinnedVersion, settings.pinnedRobustness) = (.v2, 4)
            try segment.right.setMLD(settings, of: segment.rightIndex, at: segment.now)
        }
        try join(segment, family.channel(1))
        #expect(told(segment, .seconds(60)) == .init(repeating: ["v2 \(family.channel(1))"], count: 4))
        if family == .ipv4 {
            try segment.right.setIGMP(MembershipSettings(), of: segment.rightIndex, at: segment.now)
        } else {
            try segment.right.setMLD(MembershipSettings(), of: segment.rightIndex, at: segment.now)
        }
        try leave(segment, family.channel(1))
        #expect(told(segment, .seconds(9)) == .init(repeating: ["toInclude \(family.channel(1)) []"], count: 2))
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func messagesThatAreNotBelievedDieWithTheirNames(_ family: Family) throws {
        let segment = try quiet(family)
        try join(segment, family.channel(1))
        try join(segment, .v4(IPv4Address(224, 0, 0, 22)))
        if family == .ipv6 { try join(segment, family.reportTarget) }
        let query = Handmade.query(family, about: family.channel(1))
        func reason(_ change: (inout Handmade) -> Void) -> DropReason? {
            var changed = query
            change(&changed)
            return self.reason(segment, for: changed)
        }
        #expect(reason { _ in } == nil)
        #expect(reason { $0.timeToLive = 2 } == .membershipHopLimit)
        #expect(
            reason {
                $0.options = []
                $0.extensions = []
            } == .membershipAlertMissing)
        #expect(
            reason {
                $0.payload.removeLast($0.payload.count - 10)
                $0.sumMembership()
            } == .membershipMalformed)
        #expect(
            reason {
                // As many sources as can be claimed, and none that is there.
                $0.payload.replaceSubrange($0.payload.count - 2..<$0.payload.count, with: [0xFF, 0xFF])
                $0.sumMembership()
            } == .membershipMalformed)
        // ICMPv6 looks at its checksum before anybody asks what the message is about.
        let badSum = reason { $0.payload[2] ^= 1 }
        #expect(family == .ipv4 ? badSum == .membershipChecksumBad : badSum == .icmpChecksumBad)
        let own: IPAddress = family == .ipv4 ? family.right : try ownLinkLocal(segment)
        #expect(
            reason {
                $0.source = own
                $0.sumMembership()
            } == .membershipLooped)
        let global = family == .ipv4 ? IPAddress.v4(.loopback) : family.left
        let badSource = reason {
            $0.source = global
            $0.sumMembership()
        }
        #expect(badSource == (family == .ipv4 ? .sourceAddressInvalid : .membershipBadSource))
        var general = Handmade.query(family)
        general.destination = family.channel(1)
        general.sumMembership()
        #expect(self.reason(segment, for: general) == .membershipBadGroup)
        var absent = Handmade.query(family, about: family.channel(9))
        absent.destination = family.channel(1)
        absent.sumMembership()
        #expect(self.reason(segment, for: absent) == .membershipNotAwaited)
        let older = Handmade.olderReport(family, about: family.channel(1), from: family.querier)
        #expect(self.reason(segment, for: older) == .membershipNotAwaited)
        let report: Handmade
        switch family {
        case .ipv4: report = .membership(IGMPMessage.reportV3([]), from: family.querier, to: family.reportTarget)
        case .ipv6: report = .membership(MLDMessage.reportV3([]), from: family.querier, to: family.reportTarget)
        }
        #expect(self.reason(segment, for: report) == .membershipForRouters)
        let counters = try #require(segment.multicast(on: segment.rightIndex)?.counters(family))
        #expect(counters.drops.reduce(0, +) >= 8)
        segment.check()
    }

    @Test func queryFromTheOwnNetworkThatSendsFromAGroupIsRefused() throws {
        let segment = try quiet(.ipv4)
        var settings = try #require(segment.igmp)
        settings.queries.needsLinkSource = true
        try segment.right.setIGMP(settings, of: segment.rightIndex, at: segment.now)
        var query = Handmade.query(.ipv4)
        query.source = Family.ipv4.stranger(1)
        #expect(reason(segment, for: query) == .membershipBadSource)
        segment.check()
    }

    private func ownLinkLocal(_ segment: Segment) throws -> IPAddress {
        let addresses = segment.right.interfaces.first { $0.index == segment.rightIndex }?.ipv6Addresses ?? []
        return .v6(try #require(addresses.first { $0.address.isLinkLocal }?.address))
    }

    @Test(arguments: Family.allCases)
    func queryWithAThousandSourcesIsReadWholeThoughItCameInFragments(_ family: Family) throws {
        var settings = StackSettings()
        settings.igmp.askedSourcesMax = 1_000
        settings.mld.askedSourcesMax = 1_000
        let segment = try quiet(family, settings)
        let sources = (0..<1_000).map { number in
            family == .ipv4
                ? IPAddress.v4(IPv4Address(bits: 10 << 24 | UInt32(number + 1)))
                : .v6(IPv6Address(high: 0x2001_0DB8 << 32, low: UInt64(number + 1)))
        }
        let group = family.sourceSpecific
        let socket = try segment.right.openUDP()
        try segment.right.setFilter(
            GroupFilter(.include, sources), of: group, on: .index(segment.rightIndex), as: .socket(socket),
            at: segment.now)
        _ = listen(segment, .seconds(10))
        let query = Handmade.query(family, about: group, sources: sources)
        for piece in fragments(query, of: 1_480) { ask(segment, piece) }
        let answers = told(segment, .seconds(1)).joined()
        let named = answers.filter { $0.hasPrefix("isInclude \(group) [") }.reduce(0) {
            $0 + $1.split(separator: " ").count - 2
        }
        #expect(named == 1_000)
        segment.check()
    }

    private func fragments(_ packet: Handmade, of length: Int) -> [Handmade] {
        stride(from: 0, to: packet.payload.count, by: length).map { start in
            var piece = packet
            let end = min(start + length, packet.payload.count)
            piece.payload = Array(packet.payload[start..<end])
            piece.fragmentWord = UInt16(start / 8) | (end < packet.payload.count ? 0x2000 : 0)
            return piece
        }
    }

    @Test(arguments: Family.allCases)
    func manyGroupsAreToldInReportsOfTheLinksSizeAndInOrder(_ family: Family) throws {
        let segment = try quiet(family)
        for number in 0..<200 {
            let group: IPAddress =
                family == .ipv4
                ? .v4(IPv4Address(239, 7, 0, UInt8(number)))
                : .v6(IPv6Address(high: 0xFF0E << 48, low: UInt64(0x7000 + number)))
            try join(segment, group)
        }
        let reports = listen(segment, .milliseconds(20))
        #expect(reports.count == (family == .ipv4 ? 2 : 3) && reports.allSatisfy { $0.bytes.count <= 1_500 })
        #expect(reports.compactMap(\.told).joined().count == 200)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func groupIsJoinedBeforeTheLinkIsUpAndToldOnceItIs(_ family: Family) throws {
        let segment = try quiet(family)
        try segment.right.setUp(segment.rightIndex, false, at: segment.now)
        try join(segment, family.channel(1))
        #expect(told(segment, .seconds(9)).isEmpty)
        try segment.right.setUp(segment.rightIndex, true, at: segment.now)
        #expect(told(segment, .seconds(9)).joined().contains("toExclude \(family.channel(1)) []"))
        ask(segment, .query(family))
        try segment.right.setUp(segment.rightIndex, false, at: segment.now)
        #expect(told(segment, .seconds(9)).isEmpty, "an answer that was due dies with the link")
        try segment.right.setUp(segment.rightIndex, true, at: segment.now)
        #expect(told(segment, .seconds(9)).joined().contains("toExclude \(family.channel(1)) []"))
        segment.check()
    }

    @Test func reportComesFromNoAddressUntilThereIsOneAndIsThenRepeated() throws {
        let segment = try quiet(.ipv4)
        let index = try segment.right.attach(
            InterfaceDescription(name: "eth1", mac: MACAddress(bits: 0x0200_0000_0022)), at: segment.now)
        let group = Family.ipv4.channel(1)
        try segment.right.join(group, on: .index(index), as: .administrator, at: segment.now)
        #expect(Set(listen(segment, .seconds(9)).map(\.source)) == [.v4(.any)])
        try segment.right.addAddress(Family.ipv4.host(3, 1), to: index, at: segment.now)
        let again = listen(segment, .seconds(9)).filter { $0.told != nil }
        #expect(Set(again.map(\.source)) == [Family.ipv4.host(3, 1)])
        #expect(again.compactMap(\.told).joined().contains("toExclude \(group) []"))
        segment.check()
    }

    @Test func addressesOfIPv6AreListenedToThroughTheirGroups() throws {
        let segment = try Segment(.ipv6)
        let socket = try segment.right.openUDP()
        _ = listen(segment, .seconds(9))
        try segment.right.addAddress(Family.ipv6.host(0, 0x33), to: segment.rightIndex, at: segment.now)
        let group = "ff02::1:ff00:33"
        #expect(told(segment, .seconds(9)).joined().contains("toExclude \(group) []"))
        try segment.right.removeAddress(
            try #require(IPv6Address("2001:db8::33")), from: segment.rightIndex, at: segment.now)
        #expect(told(segment, .seconds(9)).joined().contains("toInclude \(group) []"))
        let snapshot = try #require(segment.multicast(on: segment.rightIndex))
        #expect(!snapshot.groups.contains { $0.group == .v6(IPv6Address(group)!) })
        segment.right.close(socket)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func interfaceThatGoesTakesItsMembershipsWithIt(_ family: Family) throws {
        let segment = try quiet(family)
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(port: 5_000))
        try segment.right.join(
            family.channel(1), on: .index(segment.rightIndex), as: .socket(socket), at: segment.now)
        ask(segment, .query(family))
        try segment.right.detach(segment.rightIndex, at: segment.now)
        #expect(segment.right.memberships(of: .socket(socket)).isEmpty)
        #expect(told(segment, .seconds(20)).isEmpty && segment.right.deadline == nil)
        #expect(segment.multicast(on: segment.rightIndex) == nil)
        segment.right.close(socket)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func interfaceThatGoesAnnouncesThatItsGroupsAreLeft(_ family: Family) throws {
        let segment = try quiet(family)
        try join(segment, family.channel(1))
        let groups = try #require(segment.multicast(on: segment.rightIndex)).groups.map(\.group)
        #expect(groups.contains(family.channel(1)))
        _ = segment.right.takeMembershipEvents()
        try segment.right.detach(segment.rightIndex, at: segment.now)
        let events = segment.right.takeMembershipEvents()
        #expect(Set(events.map(\.kind)) == Set(groups.map { .left($0) }) && events.count == groups.count)
        #expect(events.allSatisfy { $0.interface == segment.rightIndex && $0.at == segment.now })
        let hasNews = segment.right.hasFilterChanges
        #expect(!hasNews, "there is no device to be told")
        segment.check()
    }

    @Test func switchingIPv6IsNothingToIGMP() throws {
        let segment = try quiet(.ipv6)
        let (ours, other) = (Family.ipv6.channel(1), Family.ipv4.channel(1))
        try segment.right.addAddress(Family.ipv4.right, to: segment.rightIndex, at: segment.now)
        try join(segment, ours)
        try join(segment, other)
        ask(segment, .query(.ipv4, robustness: 5))
        _ = listen(segment, .seconds(20))
        try segment.right.setIPv6(.off, on: segment.rightIndex, at: segment.now)
        #expect(told(segment, .seconds(9)).isEmpty)
        try segment.right.setIPv6(.manual, on: segment.rightIndex, at: segment.now)
        let again = told(segment, .seconds(9)).joined()
        #expect(again.contains("toExclude \(ours) []"))
        #expect(!again.contains { $0.contains("\(other)") })
        // What the querier said still stands.
        try leave(segment, other)
        #expect(told(segment, .seconds(20)) == .init(repeating: ["toInclude \(other) []"], count: 5))
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func reportsThatFindNoBufferAreCountedAndRepeated(_ family: Family) throws {
        let pool = PacketPool(packetsMax: 64, largeMax: 0)
        let segment = try Segment(family, pool: pool)
        segment.pass(.seconds(20))
        try join(segment, family.channel(1))
        var queue = PacketQueue()
        while let packet = pool.allocate() { queue.append(packet) }
        #expect(listen(segment, .milliseconds(20)).isEmpty)
        #expect(segment.right.counters.membershipMessagesUnsent == 1)
        queue.removeAll()
        #expect(told(segment, .seconds(2)) == [["toExclude \(family.channel(1)) []"]])
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func whatHappensToGroupsIsAnnouncedInOrder(_ family: Family) throws {
        let segment = try quiet(family)
        _ = segment.right.takeMembershipEvents()
        let socket = try segment.right.openUDP()
        let (group, eth0) = (family.channel(1), InterfaceChoice.index(segment.rightIndex))
        try segment.right.join(group, on: eth0, as: .socket(socket), at: segment.now)
        try segment.right.block(family.left, of: group, on: eth0, as: .socket(socket), at: segment.now)
        segment.right.close(socket)
        let events = segment.right.takeMembershipEvents()
        #expect(events.map(\.kind) == [.joined(group), .filterChanged(group), .left(group)])
        #expect(events.allSatisfy { $0.interface == segment.rightIndex && $0.at == segment.now })
        let hasMore = segment.right.hasMembershipEvents
        #expect(!hasMore)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func eventsThatAreNotTakenAreCountedBeyondTheirBound(_ family: Family) throws {
        let segment = try quiet(family)
        _ = segment.right.takeMembershipEvents()
        #expect(missed(segment) == 0)
        for _ in 0..<150 {
            try join(segment, family.channel(1))
            try leave(segment, family.channel(1))
        }
        #expect(missed(segment) == 44)
        #expect(missed(segment) == 0)
        let events = segment.right.takeMembershipEvents()
        #expect(events.count == 256 && events.first?.kind == .joined(family.channel(1)))
        try join(segment, family.channel(1))
        #expect(segment.right.takeMembershipEvents().count == 1 && missed(segment) == 0)
        segment.check()
    }

    private func missed(_ segment: Segment) -> Int { segment.right.takeMissedMembershipEvents() }
}

extension MulticastSnapshot {
    fileprivate func version(_ family: Family) -> MembershipVersion? { family == .ipv4 ? igmp.version : mld?.version }
    fileprivate func counters(_ family: Family) -> MembershipCounters { family == .ipv4 ? igmpCounters : mldCounters }
}
