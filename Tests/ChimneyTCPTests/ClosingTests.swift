import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import Testing

@Suite struct ClosingTests {
    @Test func whoClosesFirstWaitsAndTheOtherDoesNot() {
        var first = Scripted.opened()
        #expect(first.shutdown() == [Sent([.ack, .fin], 0)])
        #expect(first.state == .finWait1)
        first.hear(ack: 1)
        #expect(first.state == .finWait2)
        #expect(first.hear([.ack, .fin], 0, ack: 1) == [Sent(.ack, 1, ack: 1)])
        #expect(first.state == .timeWait)
        #expect(first.events().contains([.timeWait, .peerClosed]))
        var last = Scripted.opened()
        #expect(last.hear([.ack, .fin], 0) == [Sent(.ack, 0, ack: 1)])
        #expect(last.state == .closeWait)
        #expect(last.shutdown() == [Sent([.ack, .fin], 0, ack: 1)])
        #expect(last.state == .lastAck)
        last.hear(.ack, 1, ack: 1)
        #expect(last.state == .closed && last.failure == nil)
    }

    @Test func bothMayCloseAtOnce() {
        var script = Scripted.opened()
        _ = script.shutdown()
        #expect(script.hear([.ack, .fin], 0) == [Sent(.ack, 1, ack: 1)])
        #expect(script.state == .closing)
        script.hear(.ack, 1, ack: 1)
        #expect(script.state == .timeWait)
    }

    @Test func aFINThatAcknowledgesOursEndsInTimeWaitAtOnce() {
        var script = Scripted.opened()
        _ = script.shutdown()
        #expect(script.hear([.ack, .fin], 0, ack: 1) == [Sent(.ack, 1, ack: 1)])
        #expect(script.state == .timeWait)
    }

    @Test func aFINFollowsTheDataAndIsSentAgainWithIt() {
        var script = Scripted.opened()
        #expect(script.write(100) == [Sent([.ack, .psh], 0, 100)])
        #expect(script.shutdown() == [Sent([.ack, .fin], 100)])
        let again = script.wait(.seconds(2))
        #expect(again.contains { $0.flags.contains(.fin) } || again.contains { $0.count == 100 })
        script.hear(ack: 100)
        #expect(script.state == .finWait1)
        script.hear(ack: 101)
        #expect(script.state == .finWait2)
    }

    @Test func aHalfClosedConnectionStillTakesData() {
        var script = Scripted.opened()
        _ = script.shutdown()
        script.hear(ack: 1)
        script.hear(.ack, 0, ack: 1, pattern(500))
        #expect(script.end.read(at: script.now) == pattern(500))
        _ = script.wait(.seconds(10_000))
        #expect(script.state == .finWait2, "its owner is still there")
    }

    @Test func anOwnerThatIsGoneDoesNotWaitForeverForThePeersFIN() {
        var script = Scripted.opened()
        _ = script.close()
        script.hear(ack: 1)
        _ = script.wait(.milliseconds(59_999))
        #expect(script.state == .finWait2)
        _ = script.wait(.milliseconds(1))
        #expect(script.state == .closed && script.failure == nil)
    }

    @Test func closingWithUnreadDataTellsThePeerThatItWasLost() {
        var script = Scripted.opened()
        script.hear(.ack, 0, pattern(10))
        #expect(script.close() == [Sent([.rst, .ack], 0, ack: 10)])
        #expect(script.state == .closed && script.failure == .aborted)
        var clean = Scripted.opened()
        clean.hear(.ack, 0, pattern(10))
        _ = clean.end.read(at: clean.now)
        #expect(clean.close().last == Sent([.ack, .fin], 0, ack: 10))
    }

    @Test func dataThatNobodyWillReadEndsTheConnection() {
        var script = Scripted.opened()
        _ = script.close()
        #expect(script.hear(.ack, 0, ack: 1, pattern(10)) == [Sent([.rst, .ack], 1)])
        #expect(script.drop == .readerGone && script.state == .closed)
    }

    @Test func lingeringDoesNotEndAConnectionThatOnlyWaitsForThePeersFIN() {
        var script = Scripted.opened()
        script.write(100)
        script.hear(ack: 100)
        _ = script.shutdown()
        script.hear(ack: 101)
        #expect(script.close(linger: .seconds(1)).isEmpty)
        #expect(script.wait(.seconds(5)).isEmpty)
        #expect(script.state == .finWait2 && script.failure == nil)
        _ = script.wait(.seconds(60))
        #expect(script.state == .closed && script.failure == nil)
    }

    @Test func lingeringForNoTimeGivesUpAtOnceAndForSomeTimeThen() {
        var none = Scripted.opened()
        none.write(10)
        #expect(none.close(linger: .zero) == [Sent([.rst, .ack], 10)])
        #expect(none.failure == .aborted)
        var some = Scripted.opened()
        some.write(10)
        _ = some.close(linger: .seconds(5))
        let waited = some.wait(.seconds(6))
        #expect(some.failure == .aborted && waited.last == Sent([.rst, .ack], 11))
        var answered = Scripted.opened()
        answered.write(10)
        _ = answered.close(linger: .seconds(5))
        answered.hear(ack: 11)
        _ = answered.wait(.seconds(6))
        #expect(answered.failure == nil && answered.state == .finWait2)
    }

    @Test func anOwnerThatIsGoneDoesNotWaitForeverForAWindow() {
        for isOutstanding in [false, true] {
            for isClosed in [false, true] {
                var script = Scripted.opened()
                script.write(100_000)
                script.now = script.now + .milliseconds(10)
                let acked = isOutstanding ? 1_460 : 14_600
                script.hear(ack: acked, window: 0)
                if isClosed { _ = script.close() }
                let lasted = script.waitBehindAClosedWindow(.seconds(1_200), ack: acked)
                #expect(script.state == (isClosed ? .closed : .established))
                #expect(lasted > .seconds(60), "a slow reader has its time")
                guard isClosed else { continue }
                #expect(script.failure == .timedOut && script.segments.last?.flags == [.rst, .ack])
                #expect(script.end.pool.inUse == 0, "its buffer is free")
            }
        }
    }

    @Test func aWindowThatTheOwnerBoreForLongHasItsTimeWhenTheOwnerGoes() {
        var script = Scripted.opened()
        script.write(20_000)
        script.hear(ack: 14_600, window: 0)
        #expect(script.waitBehindAClosedWindow(.seconds(3_600), ack: 14_600) == .seconds(3_600))
        _ = script.close()
        let lasted = script.waitBehindAClosedWindow(.seconds(3_600), ack: 14_600)
        #expect(script.failure == .timedOut && lasted > .seconds(90) && lasted < .seconds(300))
    }

    @Test func aWindowThatOpensInTimeIsUsedThoughTheOwnerIsGone() {
        var script = Scripted.opened()
        script.write(14_600 + 3 * 1_460 + 100)
        script.hear(ack: 14_600, window: 0)
        _ = script.close()
        var acked = 14_600
        for _ in 0..<3 {
            #expect(script.waitBehindAClosedWindow(.seconds(60), ack: acked) == .seconds(60))
            #expect(script.hear(ack: acked, window: 1_460) == [Sent(.ack, acked, 1_460)])
            acked += 1_460
            #expect(script.hear(ack: acked, window: 0).isEmpty)
        }
        #expect(script.hear(ack: acked) == [Sent([.ack, .psh, .fin], acked, 100)])
    }

    @Test func abortingTellsThePeer() {
        for isOpen in [true, false] {
            var script = isOpen ? Scripted.opened() : Scripted(Scripted.plain)
            if !isOpen {
                script.end.connect(at: script.now)
                _ = script.take()
            }
            script.end.connection.abort(shared: &script.end.shared, output: &script.end.output)
            #expect(script.take() == (isOpen ? [Sent([.rst, .ack], 0)] : []))
            #expect(script.failure == .aborted)
        }
    }

    @Test func aFINWaitsForTheWindowAndIsProbedFor() {
        var script = Scripted.opened(window: 100)
        #expect(script.write(100) == [Sent([.ack, .psh], 0, 100)])
        #expect(script.shutdown().isEmpty)
        #expect(script.hear(ack: 100, window: 0).isEmpty)
        #expect(script.wait(.seconds(2)).first == Sent(.ack, 99))
        #expect(script.hear(ack: 100, window: 50) == [Sent([.ack, .fin], 100)])
    }

    @Test func aResetAfterTheFINEndsTheConnectionInGoodOrder() {
        var script = Scripted.opened()
        script.hear([.ack, .fin], 0)
        _ = script.shutdown()
        script.hear(.rst, 1)
        #expect(script.state == .closed && script.failure == nil)
    }

    @Test func dataBehindAFINIsNotTaken() {
        var script = Scripted.opened()
        script.hear([.ack, .fin], 0, pattern(10))
        script.hear(.ack, 11, pattern(10))
        #expect(script.drop == .duplicate && script.end.read(at: script.now) == pattern(10))
    }

    @Test func aConnectionAtRestTakes512BytesAndNothingElse() {
        print(
            "TCPConnection: \(MemoryLayout<TCPConnection>.size) bytes, LossRecovery: \(MemoryLayout<LossRecovery>.size)"
        )
        #expect(MemoryLayout<TCPConnection>.size <= 512)
        var script = Scripted.opened()
        script.write(1_000)
        script.hear(.ack, 0, ack: 1_000, pattern(100))
        _ = script.end.read(at: script.now)
        script.hear(.ack, 200, ack: 1_000, pattern(100))
        script.hear(.ack, 100, ack: 1_000, pattern(100))
        _ = script.end.read(at: script.now)
        #expect(script.end.connection.deadline != .never)
        _ = script.wait(.seconds(10))
        #expect(script.end.connection.deadline == .never, "its memory was given back")
        #expect(script.end.pool.inUse == 0)
    }
}
