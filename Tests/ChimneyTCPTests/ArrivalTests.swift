import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import Testing

@Suite struct ArrivalTests {
    private func withTimestamps(_ value: UInt32 = 1_000, sack: Bool = false) -> Scripted {
        var settings = Scripted.plain
        settings.hasTimestamps = true
        settings.hasSelectiveAcks = sack
        var options = TCPOptionValues()
        options.timestamps = TCPTimestamps(value: value, echo: 0)
        options.permitsSACK = sack
        return .opened(settings, options: options)
    }

    private func withSelectiveAcks() -> Scripted {
        var settings = Scripted.plain
        settings.hasSelectiveAcks = true
        var options = TCPOptionValues()
        options.permitsSACK = true
        return .opened(settings, options: options)
    }

    private func blocks(_ script: borrowing Scripted) -> [[Int]] {
        guard let options = script.segments.last?.options else { return [] }
        let theirs = script.theirs
        return (0..<options.sackCount).map {
            [SequenceNumber(options[sack: $0].left) - theirs, SequenceNumber(options[sack: $0].right) - theirs]
        }
    }

    // MARK: - Sequence numbers

    @Test func whatArrivedBeforeIsAcknowledgedAgain() {
        var script = Scripted.opened()
        script.hear(.ack, 0, pattern(100))
        _ = script.wait(.seconds(1))
        #expect(script.hear(.ack, 0, pattern(100)) == [Sent(.ack, 0, ack: 100)])
        #expect(script.drop == .duplicate)
        #expect(script.hear(.ack, 50, pattern(100, from: 50)).isEmpty, "its end is new")
        #expect(script.end.read(at: script.now) == pattern(150))
    }

    @Test func whatLiesOutsideTheWindowIsAnsweredTwiceASecondAtMost() {
        var script = Scripted.opened()
        #expect(script.hear(.ack, 70_000, [1]) == [Sent(.ack, 0)])
        #expect(script.drop == .outsideWindow)
        #expect(script.hear(.ack, 70_000, [1]).isEmpty)
        _ = script.wait(.milliseconds(500))
        #expect(script.hear(.ack, -40, []) == [Sent(.ack, 0)])
        #expect(script.drop == .outsideWindow)
    }

    @Test func whatReachesBeyondTheWindowIsCut() {
        var settings = Scripted.plain
        settings.receiveBufferMax = 1_000
        var script = Scripted.opened(settings)
        #expect(script.hear([.ack, .fin], 0, pattern(1_200)) == [Sent(.ack, 0, ack: 1_000)])
        #expect(script.state == .established, "the FIN was cut off too")
        #expect(script.end.read(at: script.now) == pattern(1_000))
    }

    @Test func onlyAResetAtTheNextNumberEndsTheConnection() {
        var script = Scripted.opened()
        #expect(script.hear(.rst, 70_000).isEmpty)
        #expect(script.drop == .resetOutsideWindow && script.state == .established)
        #expect(script.hear(.rst, 10) == [Sent(.ack, 0)])
        #expect(script.drop == .resetChallenged && script.state == .established)
        #expect(script.hear(.rst, 0).isEmpty)
        #expect(script.state == .closed && script.failure == .reset)
        #expect(script.hear(.ack, 0) == [Sent(.rst, 0)], "nobody is there any more")
        #expect(script.drop == .closed)
    }

    @Test func aSYNInsideAConnectionIsChallenged() {
        var script = Scripted.opened()
        #expect(script.hear(.syn, 0) == [Sent(.ack, 0)])
        #expect(script.drop == .synChallenged && script.state == .established)
    }

    @Test func acknowledgementsOfWhatWasNeverSentAndOfLongAgoAreNotBelieved() {
        var script = Scripted.opened(window: 2_000)
        script.write(1_000)
        #expect(script.hear(ack: 1_001) == [Sent(.ack, 1_000)])
        #expect(script.drop == .ackOfUnsent)
        script.now = script.now + .milliseconds(500)
        #expect(script.hear(ack: -60_001) == [Sent(.ack, 1_000)])
        #expect(script.drop == .ackTooOld)
        script.hear(ack: 1_000)
        #expect(script.drop == nil)
        #expect(script.hear([], 0, [1]).isEmpty)
        #expect(script.drop == .noAck)
    }

    @Test func allChallengesOfAShardTogetherHaveABound() {
        var budget = ChallengeBudget(perSecondMax: 3, secret: KeyedHash(key: (1, 2)))
        var taken: [Bool] = []
        for _ in 0..<5 { taken.append(budget.take(at: .zero)) }
        #expect(taken.starts(with: [true, true]) && taken.suffix(2) == [false, false])
        #expect(budget.refused == taken.count { !$0 })
        let isAnew = budget.take(at: .zero + .seconds(1))
        #expect(isAnew)
    }

    /// A bound that is always the same tells who uses it up how many challenges went to others (RFC 9293 §7).
    @Test func howManyChallengesAShardSendsInASecondCannotBeForetold() {
        func counts(_ secret: UInt64) -> [Int] {
            var budget = ChallengeBudget(perSecondMax: 100, secret: KeyedHash(key: (secret, 1)))
            return (0..<50).map { second in
                let now = Instant.zero + .seconds(Int64(second))
                return (0..<200).count { _ in budget.take(at: now) }
            }
        }
        let seen = counts(1)
        #expect(seen.allSatisfy { (50...100).contains($0) }, "at most the bound, and no less than half of it")
        #expect(Set(seen).count > 10)
        #expect(counts(2) != seen)
        #expect(counts(1) == seen, "a run is repeated by its seed")
        for most in [0, 1] {
            var small = ChallengeBudget(perSecondMax: most, secret: KeyedHash(key: (3, 1)))
            for second in 0..<10 {
                let now = Instant.zero + .seconds(Int64(second))
                #expect((0..<3).count { _ in small.take(at: now) } == most)
            }
        }
    }

    // MARK: - Timestamps

    @Test func anOldClockIsAnsweredAndNotTaken() {
        var script = withTimestamps(1_000)
        script.clock = 999
        #expect(script.hear(.ack, 0, pattern(10)) == [Sent(.ack, 0)])
        #expect(script.drop == .oldTimestamp && script.end.connection.readableCount == 0)
        script.clock = 1_000
        script.hear(.ack, 0, pattern(10))
        #expect(script.end.connection.readableCount == 10)
    }

    @Test func aClockThatStoodStillForLongMayHaveGoneRound() {
        var script = withTimestamps(1_000)
        script.now = script.now + .seconds(25 * 86_400)
        script.clock = 999
        script.hear(.ack, 0, pattern(10))
        #expect(script.end.connection.readableCount == 10)
    }

    @Test func aSegmentWithoutTheAgreedTimestampIsDropped() {
        var script = withTimestamps()
        script.clock = nil
        #expect(script.hear(.ack, 0, pattern(10)).isEmpty)
        #expect(script.drop == .timestampMissing)
        script.hear(.rst, 0)
        #expect(script.failure == .reset, "a RST needs none")
    }

    @Test func theEchoIsOfTheSegmentThatTheAckAnswers() {
        var script = withTimestamps(1_000)
        script.clock = 1_010
        script.hear(.ack, 0, pattern(10))
        script.clock = 1_020
        script.hear(.ack, 20, pattern(10))
        #expect(script.segments.last?.options.timestamps?.echo == 1_010, "a hole is before the later one")
        script.clock = 1_030
        script.hear(.ack, 10, pattern(10))
        #expect(script.segments.last?.options.timestamps?.echo == 1_030)
        #expect(script.segments.last?.options.timestamps?.value == 7_010, "our clock counts milliseconds")
    }

    // MARK: - Out of order

    @Test func whatArrivedOutOfOrderIsToldTheLastFirst() {
        var script = withSelectiveAcks()
        #expect(script.hear(.ack, 100, pattern(100, from: 100)) == [Sent(.ack, 0)])
        #expect(blocks(script) == [[100, 200]])
        script.hear(.ack, 300, pattern(100, from: 300))
        #expect(blocks(script) == [[300, 400], [100, 200]])
        script.hear(.ack, 500, pattern(100, from: 500))
        script.hear(.ack, 200, pattern(50, from: 200))
        #expect(blocks(script) == [[100, 250], [500, 600], [300, 400]])
        #expect(script.hear(.ack, 0, pattern(100)) == [Sent(.ack, 0, ack: 250)])
        #expect(blocks(script) == [[500, 600], [300, 400]])
        #expect(script.end.read(at: script.now) == pattern(250))
        script.hear(.ack, 250, pattern(350, from: 250))
        #expect(script.end.read(at: script.now) == pattern(350, from: 250))
        #expect(blocks(script).isEmpty && script.end.shared.reassembly.bytes == 0)
    }

    @Test func whatArrivedTwiceIsToldFirstAndOnce() {
        var script = withSelectiveAcks()
        script.hear(.ack, 0, pattern(100))
        script.hear(.ack, 0, pattern(60))
        #expect(blocks(script) == [[0, 60]])
        script.hear(.ack, 200, pattern(100, from: 200))
        #expect(blocks(script) == [[200, 300]])
        script.hear(.ack, 220, pattern(30, from: 220))
        #expect(script.drop == .duplicate)
        #expect(blocks(script) == [[220, 250], [200, 300]])
    }

    @Test func withoutSelectiveAcksEachSegmentOutOfOrderHasAnAckOfItsOwn() {
        var script = Scripted.opened()
        #expect(script.hear(.ack, 100, pattern(10)) == [Sent(.ack, 0)])
        #expect(script.hear(.ack, 120, pattern(10)) == [Sent(.ack, 0)])
        #expect(script.hear(.ack, 140, pattern(10)) == [Sent(.ack, 0)])
    }

    @Test func aFINBeforeTheDataThatItFollowsIsRemembered() {
        var script = Scripted.opened()
        #expect(script.hear([.ack, .fin], 100, pattern(50, from: 100)) == [Sent(.ack, 0)])
        #expect(script.state == .established)
        #expect(script.hear(.ack, 0, pattern(100)) == [Sent(.ack, 0, ack: 151)])
        #expect(script.state == .closeWait)
        #expect(script.end.read(at: script.now) == pattern(150) && script.isAtEnd)
    }

    @Test func holesAndMemoryHaveBoundsBeyondWhichDataIsDropped() {
        var settings = Scripted.plain
        settings.holesMax = 3
        var script = Scripted.opened(settings)
        for index in 1...3 { script.hear(.ack, index * 100, pattern(10)) }
        #expect(script.drop == nil)
        script.hear(.ack, 400, pattern(10))
        #expect(script.drop == .reassemblyFull)
        script.hear(.ack, 110, pattern(10))
        #expect(script.drop == nil, "one that makes no hole is kept")
        settings.holesMax = 100
        settings.reassemblyBytesMax = 5_000
        var small = Scripted.opened(settings)
        for index in 1...2 { small.hear(.ack, index * 100, pattern(10)) }
        #expect(small.drop == nil)
        small.hear(.ack, 300, pattern(10))
        #expect(small.drop == .reassemblyFull)
        #expect(small.end.shared.reassembly.bytes <= 5_000 && small.end.shared.reassembly.bytes > 0)
        var crowded = Scripted.opened()
        crowded.end.shared = TCPShared(reassemblyBytesMax: 2_500, secret: KeyedHash(key: (1, 2)))
        crowded.hear(.ack, 100, pattern(10))
        #expect(crowded.drop == nil)
        crowded.hear(.ack, 200, pattern(10))
        #expect(crowded.drop == .reassemblyFull)
        crowded.hear(.rst, 0)
        #expect(crowded.end.shared.reassembly.bytes == 0)
    }

    // MARK: - Acknowledging

    @Test func dataIsAcknowledgedWithEverySecondFullSegmentOrSoonAfter() {
        var script = Scripted.opened()
        #expect(script.hear(.ack, 0, pattern(1_460)).isEmpty)
        #expect(script.hear(.ack, 1_460, pattern(1_460)) == [Sent(.ack, 0, ack: 2_920)])
        #expect(script.hear(.ack, 2_920, pattern(1_460)).isEmpty)
        let later = script.waitAndNote(.seconds(1))
        #expect(later.map(\.sent) == [Sent(.ack, 0, ack: 4_380)])
        #expect(later.first?.after == .milliseconds(40))
    }

    @Test func anAckIsNeverDelayedByHalfASecondOrMore() {
        var settings = Scripted.plain
        settings.delayedAck = .seconds(3)
        var script = Scripted.opened(settings)
        script.hear(.ack, 0, pattern(10))
        #expect(script.waitAndNote(.seconds(3)).first?.after == .milliseconds(500))
    }

    @Test func theFirstSegmentsAreAcknowledgedAtOnce() {
        var settings = Scripted.plain
        settings.quickAcks = 2
        var script = Scripted.opened(settings)
        #expect(script.hear(.ack, 0, pattern(10)) == [Sent(.ack, 0, ack: 10)])
        #expect(script.hear(.ack, 10, pattern(10)) == [Sent(.ack, 0, ack: 20)])
        #expect(script.hear(.ack, 20, pattern(10)).isEmpty)
        _ = script.wait(.seconds(1))
        #expect(script.hear(.ack, 30, pattern(10)) == [Sent(.ack, 0, ack: 40)], "and those after a silence")
    }

    @Test func anAckGoesAlongWithDataWhenThereIsSome() {
        var script = Scripted.opened()
        script.hear(.ack, 0, pattern(10))
        #expect(script.write(20) == [Sent([.ack, .psh], 0, 20, ack: 10)])
        #expect(script.end.connection.snapshot(at: script.now).timers.map(\.kind) == [.recovery])
    }

    @Test func aBatchOfSegmentsIsAcknowledgedOnce() {
        var script = Scripted.opened()
        for index in 0..<20 {
            let segment = ArrivedSegment(
                sequence: script.theirs + index * 1_000, ack: script.ours, flags: .ack, window: 60_000,
                payloadCount: 1_000)
            script.end.connection.segmentArrived(
                segment, script.end.pool.packet(pattern(1_000)), at: script.now, shared: &script.end.shared,
                output: &script.end.output)
        }
        #expect(script.take().isEmpty)
        script.end.connection.flush(at: script.now, output: &script.end.output)
        #expect(script.take() == [Sent(.ack, 0, ack: 20_000)])
    }

    // MARK: - The window

    @Test func theWindowClosesWithTheBufferAndOpensWhenHalfOfItWasRead() {
        var settings = Scripted.plain
        settings.receiveBufferMax = 8_000
        var script = Scripted.opened(settings)
        for index in 0..<8 { script.hear(.ack, index * 1_000, pattern(1_000, from: index * 1_000)) }
        #expect(script.segments.last?.window == 0)
        #expect(script.hear(.ack, 8_000, [9]) == [Sent(.ack, 0, ack: 8_000)], "a probe is answered")
        #expect(script.end.read(1_000, at: script.now).count == 1_000)
        #expect(script.take().isEmpty || script.segments.last?.window == 0, "a little room is not told of")
        _ = script.end.read(3_000, at: script.now)
        #expect(script.take() == [Sent(.ack, 0, ack: 8_000)])
        #expect(script.segments.last?.window == 4_000)
    }

    @Test func readsOfLittleDoNotMoveTheEdgeOfTheWindow() {
        var settings = Scripted.plain
        settings.quickAcks = 16
        var script = Scripted.opened(settings)
        script.hear(.ack, 0, pattern(1_460))
        #expect(script.segments.last?.window == 58_540)
        _ = script.end.read(1_459, at: script.now)
        script.hear(.ack, 1_460, pattern(1_000, from: 1_460))
        #expect(script.segments.last?.window == 57_540)
        _ = script.end.read(1, at: script.now)
        script.hear(.ack, 2_460, pattern(1_000, from: 2_460))
        #expect(script.segments.last?.window == 58_000)
    }

    @Test func theEdgeOfTheWindowNeverMovesBack() {
        for seed in Seeds.chosen(count: 100) {
            var random = StackRandom(seed: seed)
            var settings = TCPSettings()
            settings.receiveBufferMax = Int.random(in: 2_000...400_000, using: &random)
            settings.hasTimestamps = false
            var options = TCPOptionValues()
            options.windowShift = 2
            var script = Scripted.opened(settings, options: options)
            let shift = Int(script.end.connection.snapshot(at: script.now).receiveShift ?? 0)
            var (next, edge) = (0, 0)
            for _ in 0..<200 {
                let count = Int.random(in: 1...3_000, using: &random)
                let room = max(0, edge - next)
                script.hear(.ack, next, pattern(min(count, max(1, room)), from: next))
                if Int.random(in: 0..<3, using: &random) == 0 {
                    _ = script.end.read(Int.random(in: 1...9_000, using: &random), at: script.now)
                }
                _ = script.wait(.milliseconds(50))
                for segment in script.segments {
                    let now = segment.ack - script.theirs + Int(segment.window) << shift
                    // But for what the shift cuts off (RFC 7323 §2.4).
                    #expect(now > edge - (1 << shift), "seed \(seed)")
                    edge = max(edge, now)
                    next = max(next, segment.ack - script.theirs)
                }
                script.segments = []
            }
            #expect(next > 0, "seed \(seed)")
        }
    }

    @Test func urgentDataIsAnnouncedAndItsEndIsKnown() {
        var script = Scripted.opened()
        script.hear([.ack, .urg], 0, pattern(10), urgent: 6)
        #expect(script.events().contains(.urgent))
        #expect(script.end.connection.urgentCount == 6)
        #expect(script.end.read(4, at: script.now).count == 4)
        #expect(script.end.connection.urgentCount == 2)
        #expect(script.end.read(4, at: script.now).count == 4)
        #expect(script.end.connection.urgentCount == nil)
        script.hear([.ack, .urg], 10, pattern(1), urgent: 0)
        #expect(!script.events().contains(.urgent), "its end lies before what was read")
    }

    // MARK: - Congestion marks

    @Test func aMarkIsEchoedUntilTheSenderSaysThatItReduced() {
        var settings = Scripted.plain
        settings.ecn = .requests
        var script = Scripted.opened(settings, flags: [.syn, .ack, .ece])
        script.hear(.ack, 0, pattern(1_460), hasMark: true)
        #expect(script.hear(.ack, 1_460, pattern(1_460)) == [Sent([.ack, .ece], 0, ack: 2_920)])
        script.hear([.ack, .cwr], 2_920, pattern(1_460))
        #expect(script.hear(.ack, 4_380, pattern(1_460)) == [Sent(.ack, 0, ack: 5_840)])
        var without = Scripted.opened()
        without.hear(.ack, 0, pattern(1_460), hasMark: true)
        #expect(without.hear(.ack, 1_460, pattern(1_460)) == [Sent(.ack, 0, ack: 2_920)])
    }
}
