import ChimneyPrimitives
import Testing

@testable import ChimneyNeighbors

@Suite struct NeighborTableTests {
    @Test func anAnswerReleasesThePacketsThatWaitedInOneRun() throws {
        let fixture = TableFixture()
        let answer = try fixture.send(alice)
        guard case .hold(let handle) = answer else {
            Issue.record("an unknown neighbour must be asked for")
            return
        }
        try fixture.send(alice)
        #expect(fixture.solicitations() == [nil])
        #expect(fixture.resolved(handle) == nil)
        #expect(fixture.state(alice) == .incomplete && fixture.table.packetsWaiting == 2)
        #expect(fixture.claim(alice, aliceMAC, .answer) == .changed)
        #expect(fixture.fates() == [.send(to: aliceMAC), .send(to: aliceMAC)])
        #expect(fixture.state(alice) == .reachable && fixture.table.packetsWaiting == 0)
        #expect(fixture.resolved(handle) == aliceMAC)
        #expect(fixture.resolve(alice) == .send(to: aliceMAC, handle))
    }

    @Test func silenceAfterThreeQuestionsGivesThePacketsBackAsUnreachableAndRefusesMoreForAWhile() throws {
        let fixture = TableFixture()
        try fixture.send(alice)
        for _ in 0..<2 { fixture.advance(.seconds(1)) }
        #expect(fixture.solicitations() == [nil, nil, nil])
        #expect(fixture.fates().isEmpty)
        fixture.advance(.seconds(1))
        #expect(fixture.solicitations().isEmpty)
        #expect(fixture.fates() == [.drop(.unreachable)])
        #expect(fixture.state(alice) == .failed)
        #expect(fixture.resolve(alice) == .refused(.unreachable))
        fixture.advance(.seconds(3))
        #expect(fixture.state(alice) == .none && fixture.table.count == 0)
        try fixture.send(alice)
        #expect(fixture.state(alice) == .incomplete && fixture.solicitations() == [nil])
    }

    @Test func aFailedNeighbourIsAskedAnewWhenTheTimerIsLate() throws {
        let fixture = TableFixture()
        try fixture.send(alice)
        for _ in 0..<3 { fixture.advance(.seconds(1)) }
        _ = fixture.solicitations()
        fixture.now = fixture.now + .seconds(3)
        try fixture.send(alice)
        #expect(fixture.state(alice) == .incomplete && fixture.solicitations() == [nil])
        #expect(fixture.table.resolvingCount == 1)
    }

    @Test func reachabilityEndsBetweenHalfAndOneAndAHalfTimesItsLength() {
        for seed in 0..<200 as Range<UInt64> {
            let fixture = TableFixture(seed: seed)
            fixture.reach(alice, at: aliceMAC)
            fixture.advance(.seconds(15))
            #expect(fixture.state(alice) == .reachable, "seed \(seed)")
            fixture.advance(.seconds(30))
            #expect(fixture.state(alice) == .stale, "seed \(seed)")
        }
    }

    @Test func aPacketToAStaleNeighbourGoesOutAndIsConfirmedOrProbed() throws {
        let fixture = TableFixture()
        fixture.reach(alice, at: aliceMAC)
        let handle = try #require(fixture.handle(alice))
        fixture.advance(.seconds(46))
        #expect(fixture.state(alice) == .stale && fixture.resolved(handle) == nil)
        #expect(fixture.resolve(alice) == .send(to: aliceMAC, handle))
        #expect(fixture.state(alice) == .delay && fixture.solicitations().isEmpty)
        #expect(fixture.resolved(handle) == aliceMAC)
        fixture.table.confirmed(handle, at: fixture.now)
        #expect(fixture.state(alice) == .reachable)
        fixture.advance(.seconds(46))
        _ = fixture.resolve(alice)
        fixture.advance(.seconds(5))
        #expect(fixture.state(alice) == .probe && fixture.solicitations() == [aliceMAC])
        #expect(fixture.resolved(handle) == aliceMAC)
        #expect(fixture.claim(alice, aliceMAC, .answer) == .changed)
        #expect(fixture.state(alice) == .reachable)
    }

    @Test func aProbedNeighbourThatIsSilentIsLookedForOnTheWholeLinkAndThenLost() throws {
        let fixture = TableFixture()
        fixture.reach(alice, at: aliceMAC)
        let handle = try #require(fixture.handle(alice))
        fixture.advance(.seconds(46))
        _ = fixture.resolve(alice)
        fixture.advance(.seconds(5))
        for _ in 0..<3 { fixture.advance(.seconds(1)) }
        #expect(fixture.solicitations() == [aliceMAC, aliceMAC, aliceMAC, nil])
        #expect(fixture.state(alice) == .incomplete)
        #expect(fixture.resolved(handle) == nil)
        for _ in 0..<3 { fixture.advance(.seconds(1)) }
        #expect(fixture.state(alice) == .failed)
        #expect(fixture.news() == .lost)
    }

    @Test func confirmationsPostponeStalenessWithoutATimerEach() throws {
        let fixture = TableFixture()
        fixture.reach(alice, at: aliceMAC)
        let handle = try #require(fixture.handle(alice))
        for _ in 0..<20 {
            fixture.advance(.seconds(10))
            #expect(fixture.state(alice) == .reachable)
            fixture.table.confirmed(handle, at: fixture.now)
        }
        #expect(fixture.listing().first?.age == .zero)
        fixture.advance(.seconds(46))
        #expect(fixture.state(alice) == .stale)
    }

    @Test func aLateTimerDoesNotLetAnOldConfirmationCount() throws {
        let fixture = TableFixture()
        fixture.reach(alice, at: aliceMAC)
        let handle = try #require(fixture.handle(alice))
        fixture.now = fixture.now + .seconds(46)
        #expect(fixture.resolved(handle) == nil)
        _ = fixture.resolve(alice)
        #expect(fixture.state(alice) == .delay)
    }

    @Test func unusedAndStaleEntriesAreForgottenInTheirTime() {
        let fixture = TableFixture()
        #expect(fixture.claim(bob, bobMAC, .question) == .changed)
        fixture.reach(alice, at: aliceMAC)
        fixture.advance(.seconds(60))
        #expect(fixture.state(bob) == .none && fixture.state(alice) == .stale)
        fixture.advance(.seconds(1_200))
        #expect(fixture.state(alice) == .none && fixture.table.deadline == nil)
    }

    @Test func theOldestOfTooManyPacketsForOneNeighbourIsDropped() throws {
        var settings = NeighborSettings()
        settings.pendingPacketsMax = 2
        let fixture = TableFixture(settings)
        for bytes in [10, 20, 30] { try fixture.send(alice, bytes: bytes) }
        #expect(fixture.output.packets.byteCount == 10)
        #expect(fixture.fates() == [.drop(.queueFull)])
        #expect(fixture.table.packetsWaiting == 2 && fixture.table.bytesWaiting == 50)
    }

    @Test func bytesOfAllNeighboursTogetherAreBounded() throws {
        var settings = NeighborSettings()
        settings.pendingBytesMax = 1_000
        let fixture = TableFixture(settings)
        try fixture.send(alice, bytes: 600)
        try fixture.send(bob, bytes: 600)
        #expect(fixture.fates() == [.drop(.bytesFull)])
        #expect(fixture.table.bytesWaiting == 600)
        try fixture.send(alice, bytes: 700)
        #expect(fixture.output.packets.byteCount == 600)
        #expect(fixture.fates() == [.drop(.bytesFull)])
        #expect(fixture.table.bytesWaiting == 700)
    }

    @Test func noMoreNeighboursAreResolvedAtOnceThanMay() throws {
        var settings = NeighborSettings()
        settings.resolvingMax = 4
        let fixture = TableFixture(settings)
        fixture.reach(bob, at: bobMAC)
        for host in 10..<14 as Range<UInt8> { try fixture.send(IPv4Address(10, 0, 0, host)) }
        #expect(fixture.resolve(alice) == .refused(.tableFull))
        #expect(fixture.state(bob) == .reachable)
        for _ in 0..<3 { fixture.advance(.seconds(1)) }
        guard case .hold = fixture.resolve(alice) else {
            Issue.record("room is free once the others failed")
            return
        }
    }

    @Test func entriesGiveWayInTheOrderOfTheirWorthAndPinnedOnesNever() throws {
        var settings = NeighborSettings()
        settings.entriesMax = 4
        let fixture = TableFixture(settings)
        let host = (0..<10 as Range<UInt8>).map { IPv4Address(10, 0, 1, $0) }
        try fixture.setPermanent(host[0], to: aliceMAC)
        fixture.reach(host[1], at: aliceMAC)
        try fixture.send(host[2])
        #expect(fixture.claim(host[3], bobMAC, .question) == .changed)
        try fixture.send(host[4])
        #expect(fixture.state(host[3]) == .none, "never used goes first")
        #expect(fixture.claim(host[5], bobMAC, .question) == .unknown, "a stranger displaces nobody in use")
        try fixture.send(host[6])
        #expect(fixture.state(host[1]) == .none, "then a live one")
        #expect(fixture.resolve(host[7]) == .refused(.tableFull))
        #expect(throws: NeighborError.tableFull(max: 4)) {
            try fixture.setPermanent(host[8], to: aliceMAC)
        }
        #expect(fixture.state(host[0]) == .permanent && fixture.state(host[2]) == .incomplete)
        #expect(fixture.table.count == 4 && fixture.fates().isEmpty)
    }

    @Test func aHandleToAnEvictedEntryResolvesToNothing() throws {
        var settings = NeighborSettings()
        settings.entriesMax = 1
        let fixture = TableFixture(settings)
        fixture.reach(alice, at: aliceMAC)
        let handle = try #require(fixture.handle(alice))
        #expect(fixture.resolved(handle) == aliceMAC)
        fixture.reach(bob, at: bobMAC)
        #expect(fixture.resolved(handle) == nil)
        fixture.table.confirmed(handle, at: fixture.now)
        fixture.hold(1, for: handle)
        #expect(fixture.fates() == [.drop(.removed)])
        #expect(fixture.resolved(.none) == nil)
    }

    @Test func permanentEntriesOutliveTimeClaimsAndAFlushOfWhatWasLearned() throws {
        let fixture = TableFixture()
        try fixture.send(alice)
        try fixture.setPermanent(alice, to: aliceMAC)
        #expect(fixture.fates() == [.send(to: aliceMAC)])
        fixture.advance(.seconds(1_000_000))
        #expect(fixture.claim(alice, malloryMAC, .answer) == .permanent)
        #expect(fixture.claim(alice, aliceMAC, .answer) == .unchanged)
        fixture.flush(.learned)
        guard case .send(let mac, _) = fixture.resolve(alice) else {
            Issue.record("a permanent neighbour is always known")
            return
        }
        #expect(mac == aliceMAC)
        fixture.flush(.all)
        #expect(fixture.table.count == 0)
        #expect(throws: NeighborError.notUnicast(.broadcast)) {
            try fixture.setPermanent(alice, to: .broadcast)
        }
    }

    @Test func aFlushGivesPacketsBackAndLeavesOtherInterfacesAlone() throws {
        let fixture = TableFixture()
        try fixture.send(alice)
        _ = fixture.table.resolve(
            alice, on: 2, at: fixture.now, using: &fixture.random, output: &fixture.output)
        fixture.flush(.all)
        #expect(fixture.fates() == [.drop(.removed)])
        #expect(fixture.state(alice) == .none && fixture.table.state(of: alice, on: 2) == .incomplete)
        #expect(fixture.table.resolvingCount == 1)
    }

    @Test func aChangedAddressIsTakenAsThePolicySays() {
        for (policy, verdict, state, mac) in [
            (UnsolicitedPolicy.update, NeighborVerdict.changed, NeighborState.stale, bobMAC),
            (.verify, .contradictory, .probe, aliceMAC), (.ignore, .ignored, .reachable, aliceMAC),
        ] {
            var settings = NeighborSettings()
            settings.acceptUnsolicited = policy
            let fixture = TableFixture(settings)
            fixture.reach(alice, at: aliceMAC)
            fixture.advance(.milliseconds(500))
            #expect(fixture.claim(alice, bobMAC, .unsolicited) == .contradictory, "the first of two answers wins")
            fixture.advance(.seconds(2))
            #expect(fixture.claim(alice, bobMAC, .unsolicited) == verdict, "\(policy)")
            #expect(fixture.state(alice) == state, "\(policy)")
            #expect(fixture.listing().first?.mac == mac, "\(policy)")
            let moved = policy == .update ? NeighborEvent<IPv4Address>.Kind.moved(from: aliceMAC, to: bobMAC) : nil
            #expect(fixture.news() == moved)
        }
    }

    @Test func aNeighbourThatReallyMovedIsFoundUnderTheVerifyingPolicy() {
        var settings = NeighborSettings()
        settings.acceptUnsolicited = .verify
        let fixture = TableFixture(settings)
        fixture.reach(alice, at: aliceMAC)
        fixture.advance(.seconds(2))
        _ = fixture.claim(alice, bobMAC, .unsolicited)
        for _ in 0..<3 { fixture.advance(.seconds(1)) }
        #expect(fixture.solicitations() == [aliceMAC, aliceMAC, aliceMAC, nil])
        #expect(fixture.claim(alice, bobMAC, .answer) == .changed)
        #expect(fixture.listing().first?.mac == bobMAC)
    }

    @Test func anUnsolicitedClaimNeverMakesAnEntryAndNeverConfirms() {
        let fixture = TableFixture()
        #expect(fixture.claim(alice, aliceMAC, .unsolicited) == .unknown)
        #expect(fixture.claim(alice, aliceMAC, .answer) == .unknown)
        #expect(fixture.table.count == 0)
        fixture.reach(alice, at: aliceMAC)
        fixture.advance(.seconds(46))
        #expect(fixture.claim(alice, aliceMAC, .answer) == .unchanged)
        #expect(fixture.state(alice) == .stale)
    }

    @Test func theListingIsInOrderOfInterfaceAndAddress() throws {
        let fixture = TableFixture()
        try fixture.send(bob)
        try fixture.send(alice)
        _ = fixture.table.claimed(
            IPv4Address(9, 9, 9, 9), on: 2, at: bobMAC, by: .question, at: fixture.now, using: &fixture.random,
            output: &fixture.output)
        let lines = fixture.table.listing(at: fixture.now + .milliseconds(300))
        #expect(lines.map(\.address) == [alice, bob, IPv4Address(9, 9, 9, 9)])
        #expect(lines.map(\.packetsWaiting) == [1, 1, 0] && lines.map(\.isUsed) == [true, true, false])
        #expect(lines.map(\.mac) == [nil, nil, bobMAC])
        #expect(lines[0].age == .milliseconds(300) && lines[0].remaining == .milliseconds(700))
    }

    @Test func newsThatNobodyTakesIsBounded() {
        var list = OutputList<Int>()
        for number in 0..<300 { list.appendNews(number) }
        #expect(list.count == OutputList<Int>.newsMax && list.missed == 44)
        #expect(list.next() == 0)
    }

    @Test func theSameTableServesTheOtherFamily() {
        var random = StackRandom(seed: 1)
        var table = NeighborTable<IPv6Address>(using: &random)
        var output = NeighborOutput<IPv6Address>()
        let addresses = (0..<50 as Range<UInt64>).flatMap {
            [IPv6Address(high: 0xFE80 << 48, low: $0), IPv6Address(high: 0xFD00 << 48 | $0, low: 1)]
        }
        for address in addresses {
            _ = table.resolve(address, on: 3, at: .zero, using: &random, output: &output)
        }
        #expect(table.count == 100 && output.solicitations.count == 100)
        #expect(addresses.allSatisfy { table.state(of: $0, on: 3) == .incomplete })
    }
}
