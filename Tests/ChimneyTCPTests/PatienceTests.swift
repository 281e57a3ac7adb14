import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import Testing

/// How long a connection is borne behind a closed window, and in silence.
@Suite struct PatienceTests {
    @Test func theOwnersPatienceEndsThoughThePeerAnswersBehindAClosedWindow() {
        var settings = Scripted.plain
        settings.userTimeout = .seconds(30)
        var script = Scripted.opened(settings)
        script.write(1_000)
        script.now = script.now + .seconds(20)
        script.hear(ack: 1_000, window: 0)
        #expect(script.waitBehindAClosedWindow(.seconds(600), ack: 1_000) == .seconds(600), "nothing waits")
        script.write(1_000)
        #expect(script.waitBehindAClosedWindow(.seconds(600), ack: 1_000) == .seconds(30))
        #expect(script.failure == .timedOut && script.segments.last?.flags == [.rst, .ack])
        var slow = Scripted.opened(settings)
        slow.write(14_600 + 2_000)
        slow.hear(ack: 14_600, window: 0)
        for taken in 1...2 {
            #expect(slow.waitBehindAClosedWindow(.seconds(29), ack: 14_599 + taken) == .seconds(29))
            // The peer takes the byte of a probe.
            slow.hear(ack: 14_600 + taken, window: 0)
        }
        #expect(slow.state == .established)
    }

    @Test func aWindowThatOpensAndClosesWithoutTakingAnythingDoesNotRenewTheOwnersPatience() {
        var settings = Scripted.plain
        settings.userTimeout = .seconds(30)
        var script = Scripted.opened(settings)
        script.write(14_600 + 2_000)
        script.hear(ack: 14_600, window: 0)
        for _ in 0..<40 {
            _ = script.wait(.milliseconds(500))
            script.hear(ack: 14_600, window: 10)
            script.hear(ack: 14_600, window: 0)
            _ = script.wait(.milliseconds(500))
        }
        #expect(script.failure == .timedOut)
    }

    @Test func whatTheOwnerHoldsBackDoesNotCostItsPatience() {
        var settings = Scripted.plain
        settings.userTimeout = .seconds(30)
        var script = Scripted.opened(settings)
        script.end.connection.setCorked(true)
        script.write(1_460 + 100)
        script.hear(ack: 1_460)
        #expect(script.wait(.seconds(100)).isEmpty)
        #expect(script.state == .established)
    }

    @Test func probesThatAPeerWithAClosedWindowAnswersAreAnswered() {
        for hasFIN in [false, true] {
            var settings = Scripted.plain
            var keepAlive = KeepAlive()
            keepAlive.idle = .seconds(1)
            keepAlive.interval = .seconds(5)
            keepAlive.count = 3
            settings.keepAlive = keepAlive
            var script = Scripted.opened(settings)
            script.write(100)
            script.hear(ack: 100, window: 0)
            if hasFIN { _ = script.shutdown() }
            #expect(script.waitBehindAClosedWindow(.seconds(600), ack: 100) == .seconds(600))
            #expect(script.failure == nil)
            guard !hasFIN else { continue }
            _ = script.wait(.seconds(20))
            #expect(script.failure == .keepAliveTimedOut, "now it is silent")
        }
    }

    @Test func aSilentPeerIsGivenUpThoughTheOwnerHoldsSomethingBack() {
        var settings = Scripted.plain
        settings.keepAlive = KeepAlive()
        var script = Scripted.opened(settings)
        script.end.connection.setCorked(true)
        script.write(100)
        _ = script.wait(.seconds(10_000))
        #expect(script.failure == .keepAliveTimedOut)
    }

    @Test func keepAliveOfMoreProbesThanAreCountedEndsASilentConnection() {
        var settings = Scripted.plain
        var keepAlive = KeepAlive()
        keepAlive.idle = .seconds(1)
        keepAlive.interval = .seconds(1)
        keepAlive.count = 1_000
        settings.keepAlive = keepAlive
        var script = Scripted.opened(settings)
        let sent = script.wait(.seconds(400))
        #expect(script.failure == .keepAliveTimedOut)
        #expect(sent.count == 256, "255 probes and a RST")
    }
}
