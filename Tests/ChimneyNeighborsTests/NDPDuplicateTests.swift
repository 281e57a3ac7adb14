import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyNeighbors

@Suite struct NDPDuplicateTests {
    private let start = Instant.zero + .seconds(100)

    /// Fires every deadline there is, at most `limit` of them; what was said, and when.
    private func run(
        _ host: NDPHost, from start: Instant, limit: Int = 50
    ) -> (times: [Instant], said: [NDPTransmission], usable: Instant?) {
        var times: [Instant] = []
        var said: [NDPTransmission] = []
        var usable: Instant?
        for _ in 0..<limit {
            guard let deadline = host.deadline else { break }
            host.fire(at: deadline)
            for transmission in host.said() {
                times.append(deadline)
                said.append(transmission)
            }
            if host.news().contains(.usable) { usable = deadline }
        }
        return (times, said, usable)
    }

    @Test func anAddressIsAskedForAfterARandomWaitAndTakenWhenNobodyObjectsInTime() throws {
        for seed in 0..<100 as Range<UInt64> {
            for transmits in [1, 3] {
                var settings = NDPSettings()
                settings.detectionTransmits = transmits
                let host = try NDPHost(settings: settings, seed: seed)
                try host.take(dave, .on, at: start)
                #expect(host.said().isEmpty && host.news().isEmpty && host.state(dave) == .tentative)
                let (times, said, usable) = run(host, from: start)
                #expect(said.count == transmits && times[0] - start <= .seconds(1), "seed \(seed)")
                for (earlier, later) in zip(times, times.dropFirst()) { #expect(later - earlier == .seconds(1)) }
                #expect(usable == times.last.map { $0 + .seconds(1) } && host.state(dave) == .assigned)
                for transmission in said {
                    #expect(transmission.source == .any && transmission.destination == dave.solicitedNode)
                    #expect(transmission.mac == MACAddress(group: dave.solicitedNode))
                    let asked = try #require(solicitation(transmission))
                    #expect(asked.target == dave && asked.sourceMAC == nil && asked.nonce != nil)
                }
                #expect(Set(said.compactMap(solicitation).map(\.nonce)).count == transmits, "each has its own nonce")
            }
        }
    }

    @Test func theTimeBetweenQuestionsIsTheInterfacesAndNoneAreAskedWhenTheSettingSaysSo() throws {
        let host = try NDPHost()
        try host.engine.setTimes(reachable: nil, retransmit: .seconds(5), of: host.lan)
        try host.take(dave, .on, at: start)
        let (times, _, usable) = run(host, from: start)
        #expect(usable == times.last.map { $0 + .seconds(5) })
        var settings = NDPSettings()
        settings.detectionTransmits = 0
        let trusting = try NDPHost(settings: settings)
        try trusting.take(dave, .on, at: start)
        #expect(trusting.news() == [.usable] && trusting.said().isEmpty && trusting.state(dave) == .assigned)
    }

    @Test func anAddressThatAnotherHasOrWantsIsNotTaken() throws {
        for detection in [DuplicateDetection.on, .optimistic] {
            for isAnswer in [true, false] {
                let host = try NDPHost()
                try host.take(dave, detection, at: start)
                _ = host.news()
                _ = host.said()
                // Questions for another address, and resolution of this one, say nothing.
                #expect(host.asked(carol, by: .any, nil, at: start) == .notForUs)
                #expect(host.asked(dave, by: carol, aliceMAC, at: start) == (detection == .on ? .notForUs : nil))
                #expect(host.state(dave) != .assigned && host.news().isEmpty)
                _ = host.said()
                let drop =
                    isAnswer
                    ? host.answered(dave, malloryMAC, solicited: false, at: start)
                    : host.asked(dave, by: .any, nil, nonce: NDPNonce(bits: 1), at: start)
                let mac = isAnswer ? malloryMAC : nil
                #expect(drop == .conflicting)
                #expect(host.news() == [.duplicate(of: mac)] && host.state(dave) == .duplicate(of: mac))
                #expect(host.deadline == nil || host.deadline.map { $0 >= start + .seconds(59) } == true)
                #expect(host.asked(dave, by: carol, aliceMAC, at: start) == .notForUs)
                #expect(host.asked(dave, by: .any, nil, at: start) == .notForUs)
                #expect(host.said().isEmpty)
                try host.take(dave, .on, at: start)
                #expect(host.state(dave) == .tentative)
            }
        }
    }

    @Test func anAddressInUseIsKeptAndItsContestTold() throws {
        let host = try NDPHost()
        try host.take(dave, at: start)
        _ = host.news()
        #expect(host.answered(dave, malloryMAC, at: start) == .conflicting)
        #expect(host.asked(carol, by: dave, malloryMAC, at: start) == .conflicting)
        #expect(host.news() == [.contested(by: malloryMAC), .contested(by: malloryMAC)])
        #expect(host.state(dave) == .assigned)
    }

    @Test func anOptimisticAddressIsUsedAtOnceWithCare() throws {
        let host = try NDPHost()
        try host.take(dave, .optimistic, at: start)
        #expect(host.news() == [.optimistic] && host.state(dave) == .optimistic)
        #expect(host.said().compactMap(solicitation).map(\.target) == [dave], "it is asked for without a wait")
        #expect(host.asked(dave, by: carol, aliceMAC, at: start) == nil)
        #expect(host.said().compactMap(advertisement).map(\.isOverride) == [false])
        #expect(host.resolve(carol, at: start) != .refused(.noSource), "who asked is known")
        #expect(host.resolve(linkLocal(9), at: start) == .refused(.noSource))
        host.fire(at: start + .seconds(1))
        #expect(host.news() == [.usable] && host.state(dave) == .assigned)
        #expect(host.asked(dave, by: carol, aliceMAC, at: start + .seconds(1)) == nil)
        #expect(host.said().compactMap(advertisement).map(\.isOverride) == [true])
    }

    // MARK: - Loops

    /// What `host` said comes back to it.
    private func echo(_ said: [NDPTransmission], to host: NDPHost, at now: Instant) -> [NDPDrop?] {
        said.map { host.hear($0.message, from: $0.source, to: $0.destination, at: now) }
    }

    @Test func aQuestionThatTheLinkGivesBackIsNoDuplicateButIsAskedAnewUntilTheLoopEnds() throws {
        let host = try NDPHost()
        try host.take(dave, .on, at: start)
        var asked = 0
        var now = start
        for _ in 0..<7 {
            now = try #require(host.deadline)
            host.fire(at: now)
            let said = host.said()
            asked += said.count
            #expect(echo(said, to: host, at: now) == said.map { _ in .looped })
            #expect(host.state(dave) == .tentative && host.news().isEmpty)
        }
        #expect(asked == 7, "one, then three in each round")
        // The loop ends: the round that is under way ends it.
        let (_, more, usable) = run(host, from: now)
        #expect(more.count == 3 && usable != nil && host.state(dave) == .assigned)
        // A copy that comes late is still ours.
        #expect(echo(more, to: host, at: now).last == .looped)
        #expect(host.said().isEmpty)
    }

    @Test func withoutNoncesAQuestionThatComesBackIsAnotherHosts() throws {
        var settings = NDPSettings()
        settings.detectsLoops = false
        let host = try NDPHost(settings: settings)
        try host.take(dave, .on, at: start)
        let now = try #require(host.deadline)
        host.fire(at: now)
        let said = host.said()
        #expect(said.compactMap(solicitation).map(\.nonce) == [nil])
        #expect(echo(said, to: host, at: now) == [.conflicting])
        #expect(host.news() == [.duplicate(of: nil)])
    }

    @Test func aNonceThatIsNotOursIsAnotherHosts() throws {
        let host = try NDPHost()
        try host.take(dave, .on, at: start)
        let now = try #require(host.deadline)
        host.fire(at: now)
        let nonce = try #require(host.said().compactMap(solicitation).first?.nonce)
        #expect(host.asked(dave, by: .any, nil, nonce: NDPNonce(bits: nonce.bits ^ 1), at: now) == .conflicting)
    }

    @Test func noncesOfOneAddressAreBounded() throws {
        let host = try NDPHost()
        try host.take(dave, .on, at: start)
        for _ in 0..<40 {
            let now = try #require(host.deadline)
            host.fire(at: now)
            _ = echo(host.said(), to: host, at: now)
        }
        #expect(host.engine.interfaces[0].addresses[0].nonces.count == NDPAddress.noncesMax)
    }

    /// Two hosts on one link want the same address: whenever they start, at most one has it in the end.
    @Test func twoHostsNeverEndWithTheSameAddress() throws {
        var winners = 0
        for seed in 0..<200 as Range<UInt64> {
            var settings = NDPSettings()
            settings.detectionTransmits = Int(seed % 3) + 1
            let hosts = [
                try NDPHost(mac: aliceMAC, settings: settings, seed: seed),
                try NDPHost(mac: bobMAC, settings: settings, seed: seed &+ 10_000),
            ]
            var chance = StackRandom(seed: seed)
            let later = start + chance.delay(upTo: .seconds(5))
            let detection: DuplicateDetection = seed % 2 == 0 ? .on : .optimistic
            try hosts[0].take(dave, detection, at: start)
            var hasStarted = false
            for _ in 0..<200 {
                let next = [hosts[0].deadline, hosts[1].deadline, hasStarted ? nil : later].compactMap { $0 }.min()
                guard let now = next else { break }
                if !hasStarted, now == later {
                    hasStarted = true
                    try hosts[1].take(dave, detection, at: now)
                }
                for host in hosts { host.fire(at: now) }
                for _ in 0..<4 {
                    for (from, to) in [(0, 1), (1, 0)] {
                        for said in hosts[from].said() {
                            _ = hosts[to].hear(said.message, from: said.source, to: said.destination, at: now)
                        }
                    }
                }
            }
            #expect(hasStarted && hosts.allSatisfy { $0.deadline == nil })
            let have = hosts.count { $0.state(dave) == .assigned }
            #expect(have <= 1, "seed \(seed)")
            winners += have
        }
        #expect(winners > 50, "a host that comes late finds the address taken by one that has it")
    }
}
