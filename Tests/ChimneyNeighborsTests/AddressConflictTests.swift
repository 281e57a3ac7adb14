import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyNeighbors

@Suite struct AddressConflictTests {
    private let start = Instant.zero + .seconds(100)
    private let own = IPv4Address(10, 0, 0, 1)
    private let ownMAC = MACAddress(bits: 0x0200_0000_0001)

    @Test func anAddressIsProbedThreeTimesThenAnnouncedTwiceInTheTimesOfTheRFC() throws {
        for seed in 0..<100 as Range<UInt64> {
            let host = try ARPHost(mac: ownMAC, seed: seed)
            try host.take(own, .on, at: start)
            #expect(host.said().isEmpty && host.news().isEmpty)
            var times: [Instant] = []
            var messages: [ARPMessage] = []
            var usable: Instant?
            for _ in 0..<20 {
                guard let deadline = host.engine.deadline else { break }
                #expect(host.state(own) == (usable == nil ? .tentative : .assigned))
                host.fire(at: deadline)
                for message in host.said() {
                    times.append(deadline)
                    messages.append(message.message)
                }
                if host.news() == [.usable] { usable = deadline }
            }
            #expect(host.engine.deadline == nil && messages.count == 5, "seed \(seed)")
            #expect(messages.prefix(3).allSatisfy { $0 == request(.any, ownMAC, for: own) })
            #expect(messages.suffix(2).allSatisfy { $0 == request(own, ownMAC, for: own) })
            #expect(times[0] - start <= .seconds(1), "seed \(seed)")
            for pause in [times[1] - times[0], times[2] - times[1]] {
                #expect(pause >= .seconds(1) && pause <= .seconds(2), "seed \(seed)")
            }
            #expect(times[3] - times[2] == .seconds(2) && times[4] - times[3] == .seconds(2))
            #expect(usable == times[3])
        }
    }

    @Test func anAddressThatAnotherHasOrWantsIsNotTaken() throws {
        for message in [
            request(.any, malloryMAC, for: own), request(own, malloryMAC, for: own),
            reply(own, malloryMAC, to: own, ownMAC), request(own, malloryMAC, for: bob),
        ] {
            let host = try ARPHost(mac: ownMAC)
            try host.take(own, .on, at: start)
            #expect(host.hear(request(.any, malloryMAC, for: bob), at: start) == .notForUs)
            #expect(host.hear(message, at: start) == .conflicting)
            #expect(host.news() == [.conflict(by: malloryMAC)])
            #expect(host.state(own) == .conflicted(by: malloryMAC))
            #expect(host.engine.deadline == nil)
            #expect(host.hear(request(alice, aliceMAC, for: own), at: start) == .notForUs)
            try host.take(own, .on, at: start)
            #expect(host.state(own) == .tentative)
        }
    }

    @Test func aTentativeAddressAnswersNobodyAndIsNoSource() throws {
        let host = try ARPHost(mac: ownMAC)
        try host.take(own, .on, at: start)
        #expect(host.hear(request(alice, aliceMAC, for: own), at: start) == .notForUs)
        #expect(host.resolve(alice, at: start) == .refused(.noSource))
        #expect(host.said().isEmpty)
    }

    @Test func whoProbesForAnAddressInUseIsTold() throws {
        let host = try ARPHost(mac: ownMAC)
        try host.take(own, at: start)
        _ = host.said()
        #expect(host.hear(request(.any, aliceMAC, for: own), at: start) == nil)
        #expect(host.said().map(\.message) == [reply(own, ownMAC, to: .any, aliceMAC)])
        #expect(host.engine.table.count == 0)
    }

    @Test func anAddressInUseIsDefendedAsTheSettingSays() throws {
        let attack = request(own, malloryMAC, for: bob)
        for (defence, first, second, third) in [
            (AddressDefence.never, [OwnAddressEvent.Kind.lost(to: malloryMAC)], [], []),
            (.once, [.defended(against: malloryMAC)], [.lost(to: malloryMAC)], []),
            (.always, [.defended(against: malloryMAC)], [], [.defended(against: malloryMAC)]),
        ] as [(AddressDefence, [OwnAddressEvent.Kind], [OwnAddressEvent.Kind], [OwnAddressEvent.Kind])] {
            var settings = ARPSettings()
            settings.defence = defence
            let host = try ARPHost(mac: ownMAC, settings: settings)
            try host.take(own, at: start)
            _ = host.news()
            _ = host.said()
            #expect(host.hear(attack, at: start) == .conflicting)
            #expect(host.said().count == (defence == .never ? 0 : 1), "\(defence)")
            #expect(host.news() == first, "\(defence)")
            _ = host.hear(attack, at: start + .seconds(9))
            #expect(host.news() == second, "\(defence)")
            _ = host.hear(attack, at: start + .seconds(10))
            #expect(host.news() == third, "\(defence)")
            let kept = host.state(own) == .assigned
            #expect(kept == (defence == .always), "\(defence)")
        }
    }

    @Test func onceDefendedAnAddressSurvivesAConflictAfterTheInterval() throws {
        var settings = ARPSettings()
        settings.defence = .once
        let host = try ARPHost(mac: ownMAC, settings: settings)
        try host.take(own, at: start)
        for round in 0..<3 { _ = host.hear(request(own, malloryMAC, for: bob), at: start + .seconds(10) * round) }
        #expect(host.state(own) == .assigned)
    }

    @Test func manyConflictsSlowNewAttemptsDown() throws {
        let host = try ARPHost(mac: ownMAC)
        for attempt in 0..<11 {
            try host.take(own, .on, at: start)
            let wait = try #require(host.deadline) - start
            #expect(attempt < 10 ? wait <= .seconds(1) : wait > .seconds(60), "attempt \(attempt)")
            _ = host.hear(request(own, malloryMAC, for: own), at: start)
        }
    }

    /// Two hosts on one link want the same address: whenever they start, at most one has it in the end.
    @Test func twoHostsNeverEndWithTheSameAddress() throws {
        var winners = 0
        for seed in 0..<200 as Range<UInt64> {
            let first = try ARPHost(mac: aliceMAC, seed: seed)
            let second = try ARPHost(mac: bobMAC, seed: seed &+ 10_000)
            var chance = StackRandom(seed: seed)
            let later = start + chance.delay(upTo: .seconds(8))
            try first.take(own, .on, at: start)
            var hasStarted = false
            for _ in 0..<200 {
                let pending = hasStarted ? nil : later
                let next = [first.engine.deadline, second.engine.deadline, pending].compactMap { $0 }.min()
                guard let now = next else { break }
                if !hasStarted, now == later {
                    hasStarted = true
                    try second.take(own, .on, at: now)
                }
                first.fire(at: now)
                second.fire(at: now)
                for _ in 0..<4 {
                    for said in first.said() where said.destination != aliceMAC {
                        _ = second.hear(said.message, at: now)
                    }
                    for said in second.said() where said.destination != bobMAC { _ = first.hear(said.message, at: now) }
                }
            }
            #expect(first.engine.deadline == nil && second.engine.deadline == nil && hasStarted)
            let have = [first.state(own), second.state(own)]
                .count { $0 == .assigned }
            #expect(have <= 1, "seed \(seed)")
            winners += have
        }
        #expect(winners > 50, "a host that comes late finds the address taken by one that has it")
    }
}
