import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import Testing

@Suite struct SendingTests {
    private var impatient: TCPSettings {
        var settings = Scripted.plain
        settings.noDelay = true
        return settings
    }

    // MARK: - Small segments

    @Test func aSmallSegmentWaitsForTheAcknowledgementOfTheSmallOneBeforeIt() {
        var script = Scripted.opened()
        #expect(script.write(10) == [Sent([.ack, .psh], 0, 10)])
        #expect(script.write(10).isEmpty)
        #expect(script.write(20).isEmpty)
        #expect(script.hear(ack: 10) == [Sent([.ack, .psh], 10, 30)])
        var impatient = Scripted.opened(self.impatient)
        #expect(impatient.write(10) == [Sent([.ack, .psh], 0, 10)])
        #expect(impatient.write(10) == [Sent([.ack, .psh], 10, 10)])
    }

    @Test func aFullSegmentDoesNotWait() {
        var script = Scripted.opened()
        script.write(10)
        #expect(script.write(1_460) == [Sent([.ack, .psh], 10, 1_460)])
        #expect(script.write(1_450).isEmpty)
    }

    @Test func nothingSmallLeavesWhileTheOwnerWritesOn() {
        var script = Scripted.opened()
        script.end.connection.setCorked(true)
        #expect(script.write(1_000).isEmpty)
        #expect(script.write(1_000) == [Sent(.ack, 0, 1_460)])
        script.end.connection.setCorked(false)
        #expect(script.flush() == [Sent([.ack, .psh], 1_460, 540)])
        #expect(script.end.connection.snapshot(at: script.now).sendQueueBytes == 2_000)
    }

    @Test func whatIsHeldBackLeavesOnceNothingElseMakesRoom() {
        var settings = Scripted.plain
        settings.sendBufferMax = 16_384
        var options = TCPOptionValues()
        options.maximumSegmentSize = 65_495
        for count in [16_383, 16_384, 20_000] {
            var script = Scripted.opened(settings, segmentSize: 65_495, options: options)
            script.end.connection.setCorked(true)
            let sent = script.write(count)
            guard count >= 16_384 else {
                #expect(sent.isEmpty && script.wait(.seconds(60)).isEmpty, "there is room for more")
                continue
            }
            #expect(sent == [Sent([.ack, .psh], 0, 16_384)])
            script.write(20_000)
            script.hear(ack: 16_384)
            #expect(script.write(10).isEmpty, "there is room again")
        }
        // Segments are under way that make room when they are acknowledged.
        var full = Scripted.opened(settings)
        full.end.connection.setCorked(true)
        #expect(full.write(20_000).map(\.count).allSatisfy { $0 == 1_460 })
        #expect(full.hear(ack: 14_600).map(\.count) == [1_460])
        #expect(full.hear(ack: 16_060).isEmpty, "324 bytes wait for what the owner writes now")
    }

    // MARK: - The peer's window

    @Test func noMoreIsSentThanThePeerTakes() {
        var script = Scripted.opened(impatient, window: 4_000)
        #expect(script.write(10_000).map(\.count) == [1_460, 1_460])
        #expect(script.hear(ack: 2_920, window: 4_000).map(\.count) == [1_460, 1_460])
    }

    @Test func aSmallWindowIsNotFilledWithSmallSegmentsUntilTimePasses() {
        var script = Scripted.opened(window: 8_760)
        script.write(30_000)
        #expect(script.hear(ack: 8_760, window: 100).isEmpty)
        #expect(script.end.connection.snapshot(at: script.now).outstandingBytes == 0)
        let later = script.wait(.seconds(2))
        #expect(later.first == Sent(.ack, 8_760, 100))
    }

    @Test func aClosedWindowIsProbedWithAByteEverLessOftenForAsLongAsThePeerAnswers() {
        var script = Scripted.opened(window: 1_000)
        #expect(script.write(2_000) == [Sent(.ack, 0, 1_000)])
        #expect(script.hear(ack: 1_000, window: 0).isEmpty)
        #expect(script.end.connection.snapshot(at: script.now).timers.map(\.kind) == [.persist])
        var at: [TimeSpan] = []
        for _ in 0..<40 {
            var waited = TimeSpan.zero
            var probes: [Sent] = []
            while probes.isEmpty && waited < .seconds(200) {
                probes = script.wait(.milliseconds(100))
                waited = waited + .milliseconds(100)
            }
            at.append(waited)
            #expect(probes == [Sent(.ack, 1_000, 1)])
            #expect(script.hear(ack: 1_000, window: 0).isEmpty)
        }
        #expect(zip(at, at.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(at.last == .seconds(60))
        #expect(script.state == .established)
        #expect(script.hear(ack: 1_000, window: 5_000) == [Sent([.ack, .psh], 1_000, 1_000)])
    }

    @Test func aProbeThatWasTakenCountsAsSent() {
        var script = Scripted.opened(window: 1_000)
        script.write(2_000)
        script.hear(ack: 1_000, window: 0)
        #expect(script.wait(.seconds(2)).first == Sent(.ack, 1_000, 1))
        #expect(script.hear(ack: 1_001, window: 5_000) == [Sent([.ack, .psh], 1_001, 999)])
        #expect(script.hear(ack: 2_000).isEmpty)
        #expect(script.events().contains(.drained))
    }

    @Test func aPeerThatDoesNotAnswerProbesIsGivenUp() {
        var settings = Scripted.plain
        settings.retransmissionsMax = 4
        var script = Scripted.opened(settings, window: 1_000)
        script.write(2_000)
        script.hear(ack: 1_000, window: 0)
        _ = script.wait(.seconds(600))
        #expect(script.failure == .timedOut)
    }

    @Test func aWindowThatShrinksStopsNewData() {
        var script = Scripted.opened(window: 10_000)
        #expect(script.write(5_000).map(\.count) == [1_460, 1_460, 1_460, 620])
        #expect(script.hear(ack: 1_460, window: 1_000).isEmpty)
        #expect(script.write(5_000).isEmpty)
        #expect(!script.hear(ack: 5_000, window: 10_000).isEmpty)
    }

    @Test func anOldSegmentDoesNotSetTheWindow() {
        var script = Scripted.opened()
        script.hear(.ack, 0, pattern(100), window: 5_000)
        script.hear(.ack, 100, pattern(100), window: 6_000)
        script.hear(.ack, 300, pattern(100), window: 7_000)
        script.hear(.ack, 200, pattern(100), window: 9)
        #expect(script.end.connection.snapshot(at: script.now).peerWindow == 7_000, "it was sent before the other")
        script.hear(.ack, 400, pattern(1), window: 9)
        #expect(script.end.connection.snapshot(at: script.now).peerWindow == 9)
    }

    // MARK: - Loss and patience

    @Test func whatIsNotAcknowledgedIsSentAgainUntilTheConnectionIsGivenUp() {
        var settings = Scripted.plain
        settings.retransmissionsMax = 5
        var script = Scripted.opened(settings)
        script.write(100)
        let again = script.waitAndNote(.seconds(300))
        #expect(again.count >= 5)
        #expect(again.allSatisfy { $0.sent == Sent([.ack, .psh], 0, 100) })
        #expect(script.failure == .timedOut)
        #expect(script.events().contains(.pathSuspected))
    }

    /// Nagle's rule keeps back the only new data that could test the timeout (RFC 5682 §2.1 step 2b).
    @Test(arguments: [true, false])
    func aTimeoutThatNothingNewCanTestIsFollowedByRetransmissionsAtOnce(sack: Bool) {
        var settings = Scripted.plain
        settings.hasSelectiveAcks = sack
        settings.findsBlackHoles = false
        var options = TCPOptionValues()
        options.permitsSACK = sack
        var script = Scripted.opened(settings, options: options)
        script.write(5 * 1_460 + 100)
        if sack { #expect(script.wait(.milliseconds(100)).count == 1, "the probe is lost, too") }
        #expect(script.write(100).isEmpty, "it waits for the small one before it")
        #expect(script.waitForTimeout().contains { $0.sequence == 0 })
        script.now = script.now + .milliseconds(10)
        #expect(script.hear(ack: 1_460).map(\.sequence) == [1_460, 2_920])
        script.now = script.now + .milliseconds(10)
        #expect(script.hear(ack: 4_380).map(\.sequence).starts(with: [4_380, 5_840]), "slow start goes on")
    }

    @Test func aTimeoutThatTheWindowLetsNothingNewTestIsFollowedByRetransmissionsAtOnce() {
        var settings = Scripted.plain
        settings.findsBlackHoles = false
        var script = Scripted.opened(settings, window: 8_000)
        #expect(script.write(40_000).count == 5)
        #expect(script.waitForTimeout().map(\.sequence) == [0])
        script.now = script.now + .milliseconds(10)
        #expect(script.hear(ack: 1_460, window: 8_000 - 1_460).map(\.sequence) == [1_460, 2_920])
    }

    @Test func aTimeoutThatIsTestedByNewDataIsNotFollowedByRetransmissions() {
        var settings = Scripted.plain
        settings.findsBlackHoles = false
        var script = Scripted.opened(settings)
        script.write(40_000)
        #expect(script.waitForTimeout().map(\.sequence) == [0])
        script.now = script.now + .milliseconds(10)
        #expect(script.hear(ack: 1_460).map(\.sequence) == [14_600, 16_060])
        script.now = script.now + .milliseconds(10)
        #expect(script.hear(ack: 2_920).allSatisfy { $0.sequence > 16_060 }, "the timeout was needless")
    }

    @Test func theOwnersPatienceEndsAConnectionThatDoesNotGetOn() {
        var settings = Scripted.plain
        settings.userTimeout = .seconds(3)
        var script = Scripted.opened(settings)
        script.write(100)
        _ = script.wait(.milliseconds(2_900))
        #expect(script.state == .established)
        script.hear(ack: 100)
        _ = script.wait(.seconds(10))
        #expect(script.state == .established, "what was sent is acknowledged")
        script.write(100)
        _ = script.wait(.milliseconds(2_999))
        #expect(script.state == .established)
        let last = script.wait(.milliseconds(1))
        #expect(script.failure == .timedOut && last.last?.flags == [.rst, .ack])
    }

    @Test func silenceIsBrokenByProbesAndASilentPeerIsGivenUp() {
        var settings = Scripted.plain
        var keepAlive = KeepAlive()
        keepAlive.idle = .seconds(100)
        keepAlive.interval = .seconds(10)
        keepAlive.count = 3
        settings.keepAlive = keepAlive
        var script = Scripted.opened(settings)
        let first = script.waitAndNote(.seconds(105))
        #expect(first.map(\.sent) == [Sent(.ack, -1)])
        #expect(first.first?.after == .seconds(100))
        #expect(script.hear().isEmpty)
        let second = script.waitAndNote(.seconds(99))
        #expect(second.isEmpty, "an answer begins the silence anew")
        let third = script.waitAndNote(.seconds(60))
        #expect(third.map(\.sent) == [Sent(.ack, -1), Sent(.ack, -1), Sent(.ack, -1), Sent([.rst, .ack], 0)])
        #expect(script.failure == .keepAliveTimedOut)
        var silent = Scripted.opened()
        #expect(silent.wait(.seconds(100_000)).isEmpty && silent.state == .established)
    }

    @Test func timerOfMemoryIsNotThatOfKeepAlive() {
        var settings = Scripted.plain
        settings.keepAlive = KeepAlive()
        var script = Scripted.opened(settings)
        script.write(10)
        script.hear(ack: 10)
        #expect(script.flush().isEmpty)
        let timers = script.end.connection.snapshot(at: script.now).timers
        #expect(timers.map(\.kind) == [.memory, .keepAlive])
        #expect(timers.map(\.left) == [.seconds(1), .seconds(7_200)])
        #expect(script.wait(.seconds(10)).isEmpty)
        let later = script.end.connection.snapshot(at: script.now).timers
        #expect(later.map(\.kind) == [.keepAlive] && later.first?.left == .seconds(7_190))
    }

    // MARK: - Pieces, urgent data

    @Test func dataLeavesInPiecesThatAreCutFurtherDown() {
        var script = Scripted.opened(segmentSize: 1_000, pieceMax: 65_000)
        script.end.cuts = false
        script.write(9_500)
        #expect(script.segments.first?.payloadCount == 9_000 && script.segments.first?.segmentSize == 1_000)
        #expect(script.segments.last?.payloadCount == 500)
        let some = script.hear(ack: 3_000)
        #expect(some.isEmpty)
        script.hear(ack: 9_500)
        #expect(script.end.connection.snapshot(at: script.now).sendQueueBytes == 0)
    }

    /// A byte that probed the window is acknowledged without having been recorded.
    @Test func whatIsUnderWayAfterAProbeWasTakenIsCountedFromBehindIt() {
        var script = Scripted.opened()
        script.hear(window: 0)
        #expect(script.write(18).isEmpty)
        #expect(script.wait(.milliseconds(1_500)).first == Sent(.ack, 0, 1))
        #expect(script.hear(ack: 1) == [Sent([.ack, .psh], 1, 17)])
        let state = script.end.connection.recoveryState
        #expect(state.outstandingBytes == 17 && state.inFlightBytes == 17)
    }

    @Test func probeOfATailIsOldDataWhileRecordsAreAtTheirBound() {
        var settings = Scripted.plain
        settings.noDelay = true
        settings.hasSelectiveAcks = true
        settings.recovery.segmentsMax = 4
        var options = TCPOptionValues()
        options.permitsSACK = true
        var script = Scripted.opened(settings, options: options)
        for number in 0..<4 { #expect(script.write(500) == [Sent([.ack, .psh], 500 * number, 500)]) }
        #expect(script.write(500).isEmpty, "the bound is met")
        #expect(script.waitAndNote(.milliseconds(100)).map(\.sent) == [Sent(.ack, 1_500, 500)])
        #expect(script.hear(ack: 500) == [Sent([.ack, .psh], 2_000, 500)])
    }

    @Test func pieceIsAtMostHalfOfTheWindowOrTheBuffer() {
        var script = Scripted.opened(segmentSize: 1_000, pieceMax: 65_000, window: 8_000)
        script.end.cuts = false
        script.write(20_000)
        #expect(script.segments.map(\.payloadCount) == [4_000, 4_000])
        var settings = Scripted.plain
        settings.sendBufferMax = 6_000
        var short = Scripted.opened(settings, segmentSize: 1_000, pieceMax: 65_000)
        short.end.cuts = false
        short.write(6_000)
        #expect(short.segments.map(\.payloadCount) == [3_000, 3_000])
    }

    @Test func urgentDataIsPointedAtUntilItIsAcknowledged() {
        var script = Scripted.opened(impatient)
        _ = script.end.connection.writableCount
        script.end.connection.setCorked(true)
        script.write(100)
        script.end.connection.markUrgent()
        script.end.connection.setCorked(false)
        #expect(script.flush() == [Sent([.ack, .psh, .urg], 0, 100)])
        #expect(script.segments.last?.urgentPointer == 100)
        #expect(script.write(50) == [Sent([.ack, .psh], 100, 50)])
        script.hear(ack: 150)
        #expect(script.write(50) == [Sent([.ack, .psh], 150, 50)])
    }

    @Test func whatHasLeftIsSaidToBeUrgentWithItsLastByteOnceMore() {
        var script = Scripted.opened(impatient)
        script.write(100)
        script.end.connection.markUrgent()
        #expect(script.flush() == [Sent([.ack, .urg], 99, 1)])
        #expect(script.segments.last?.urgentPointer == 1)
        #expect(script.flush().isEmpty, "once")
        #expect(script.waitForTimeout() == [Sent([.ack, .psh, .urg], 0, 100)])
        #expect(script.segments.last?.urgentPointer == 100)
        script.hear(ack: 100)
        script.end.connection.markUrgent()
        #expect(script.flush().isEmpty, "all is acknowledged: nothing is there to say it with")
        #expect(script.write(50) == [Sent([.ack, .psh], 100, 50)])
    }

    @Test func urgencyIsToldAtOnceThoughTheDataMayNotLeave() {
        var script = Scripted.opened(impatient, window: 50)
        #expect(script.write(100) == [Sent(.ack, 0, 50)])
        script.end.connection.markUrgent()
        #expect(script.flush() == [Sent([.ack, .urg], 50)])
        #expect(script.segments.last?.urgentPointer == 50)
        #expect(script.hear(ack: 50, window: 0).isEmpty)
        #expect(script.hear(ack: 50, window: 50) == [Sent([.ack, .psh, .urg], 50, 50)])
        var ends = TwoEnds(End(Scripted.plain), End(Scripted.plain, iss: 5_000))
        ends.open()
        ends.client.connection.setCorked(true)
        _ = ends.client.write(pattern(100), at: ends.now)
        ends.client.connection.markUrgent()
        ends.client.connection.flush(at: ends.now, output: &ends.client.output)
        ends.collect()
        ends.run(.seconds(1))
        #expect(ends.server.events.contains(.urgent) && ends.server.connection.urgentCount == 100)
        #expect(ends.server.connection.readableCount == 0, "the data is still to come")
    }

    // MARK: - The path

    @Test func aSmallerPathIsBelievedWhenItQuotesWhatIsUnderWay() {
        var script = Scripted.opened()
        script.write(5_840)
        #expect(script.tooBig(1_000, quoted: 9_000) == false)
        #expect(script.tooBig(1_000, quoted: -1) == false)
        #expect(script.end.connection.segmentSize == 1_460)
        #expect(script.tooBig(1_000, quoted: 0) == true)
        script.end.connection.flush(at: script.now, output: &script.end.output)
        let again = script.take()
        #expect(again.first == Sent(.ack, 0, 1_000))
        #expect(again.allSatisfy { $0.count <= 1_000 })
        #expect(again.reduce(0) { $0 + $1.count } == 5_840)
        #expect(script.end.connection.segmentSize == 1_000)
        #expect(script.tooBig(1_400, quoted: 0) == false, "it only shrinks")
    }

    @Test func aPathBelowTheSmallestSegmentLetsRoutersFragment() {
        var script = Scripted.opened()
        script.write(1_460)
        #expect(script.segments.last?.mayBeFragmented == false)
        #expect(script.tooBig(28, quoted: 0) == true)
        #expect(script.flush().first == Sent(.ack, 0, 216))
        #expect(script.segments.last?.mayBeFragmented == true)
        script.end.connection.pathChanged(size: 1_460, at: script.now)
        script.hear(ack: 1_460)
        script.write(1_460)
        #expect(script.segments.last?.payloadCount == 1_460 && script.segments.last?.mayBeFragmented == false)
    }

    @Test func fullSegmentsThatVanishBecomeSmallerAndLargeAgainWhenThatDoesNotHelp() {
        var script = Scripted.opened()
        script.write(4_000)
        var sizes: [Int] = []
        _ = script.waitAndNote(.seconds(200)).map { sizes.append($0.sent.count) }
        #expect(sizes.contains(1_220) && sizes.contains(536))
        #expect(script.failure == nil && script.end.connection.segmentSize == 1_460)
        var settings = Scripted.plain
        settings.findsBlackHoles = false
        var trusting = Scripted.opened(settings)
        trusting.write(4_000)
        #expect(trusting.wait(.seconds(200)).allSatisfy { $0.count == 1_460 || $0.count == 1_080 })
    }

    @Test func whatTheNetworkSaysRefusesAConnectionThatOpensAndNoneThatIsOpen() {
        var script = Scripted(Scripted.plain)
        script.end.connect(at: script.now)
        let forged = script.end.connection.unreachable(
            isHard: true, quoted: script.ours + 5, shared: &script.end.shared, output: &script.end.output)
        #expect(!forged && script.state == .synSent)
        let soft = script.end.connection.unreachable(
            isHard: false, quoted: script.ours - 1, shared: &script.end.shared, output: &script.end.output)
        #expect(soft && script.state == .synSent)
        let hard = script.end.connection.unreachable(
            isHard: true, quoted: script.ours - 1, shared: &script.end.shared, output: &script.end.output)
        #expect(hard && script.failure == .refused)
        var open = Scripted.opened()
        open.write(10)
        let said = open.end.connection.unreachable(
            isHard: true, quoted: open.ours, shared: &open.end.shared, output: &open.end.output)
        #expect(said && open.state == .established && open.hasSoftError)
        open.hear(ack: 10)
        #expect(open.hasSoftError == false)
    }

    // MARK: - The writer

    @Test func aFullBufferRefusesAndTellsOfRoom() {
        var settings = Scripted.plain
        settings.sendBufferMax = 3_000
        var script = Scripted.opened(settings)
        #expect(script.end.write(pattern(5_000), at: script.now) == 3_000)
        _ = script.take()
        #expect(script.end.write(pattern(10), at: script.now) == 0)
        _ = script.events()
        script.hear(ack: 500)
        #expect(!script.events().contains(.writable), "not for a little room")
        script.hear(ack: 2_920)
        #expect(script.events().contains(.writable))
        #expect(script.end.write(pattern(10), at: script.now) == 10)
    }

    @Test func whoMayNotWriteIsToldWhy() {
        var script = Scripted.opened()
        #expect(script.end.connection.writeError == nil)
        _ = script.shutdown()
        #expect(script.end.connection.writeError == .shutDown)
        script.hear(.rst, 0)
        #expect(script.end.connection.writeError == .failed(.reset))
        #expect(Scripted(Scripted.plain).end.connection.writeError == .notConnected)
        #expect(script.readError == .failed(.reset))
    }

    @Test func packetsAreWrittenAndReadWithoutACopy() throws {
        var script = Scripted.opened(impatient)
        var queue = PacketQueue()
        queue.append(script.end.pool.packet(pattern(700)))
        queue.append(script.end.pool.packet(pattern(600, from: 700)))
        let taken = try script.end.connection.write(from: &queue)
        #expect(taken == 1_300 && queue.isEmpty)
        script.end.connection.flush(at: script.now, output: &script.end.output)
        let before = script.end.pool.inUse
        let flying = script.end.takeSegments()
        #expect(flying.map(\.payload) == [pattern(1_300)])
        #expect(script.end.pool.inUse == before)
        script.hear(.ack, 0, ack: 1_300, pattern(1_200))
        script.hear(.ack, 1_200, ack: 1_300, pattern(1_200, from: 1_200))
        var read = PacketQueue()
        let count = try script.end.connection.read(1, into: &read)
        #expect(count == 1_200 && read.count == 1)
        let packet = read.removeFirst()
        #expect(packet.array == pattern(1_200))
        #expect(script.end.connection.readableCount == 1_200)
    }
}
