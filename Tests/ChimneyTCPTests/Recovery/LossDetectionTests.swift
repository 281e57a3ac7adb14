import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

/// Losses found by time, and the probe at the end of a flight (RFC 8985).
@Suite struct LossDetectionTests {
    // MARK: - By time

    @Test func threeSegmentsBehindShowALossAtOnceWhileNothingCameLate() {
        var side = SendingSide()
        side.send()
        side.wait(.milliseconds(100))
        #expect(side.acknowledge(0, 1..<2).isLossDetected == false)
        #expect(side.acknowledge(0, 1..<3).isLossDetected == false)
        #expect(side.recovery.phase == .disorder)
        #expect(side.acknowledge(0, 1..<4).isLossDetected == true)
        #expect(side.recovery.phase == .recovery)
        #expect(side.send().first == .again(0))
    }

    @Test func oneSegmentBehindShowsItAfterAQuarterOfARoundTrip() {
        var side = SendingSide(window: 2)
        side.send()
        side.available = 2
        side.wait(.milliseconds(100))
        side.acknowledge(0, 1..<2)
        #expect(side.send() == [])
        #expect(side.recovery.deadline == side.now + .milliseconds(25))
        #expect(side.recovery.timerFired(at: side.now + .milliseconds(24)) == .none)
        #expect(side.fire() == .transmit)
        #expect(side.recovery.phase == .recovery)
        #expect(side.send() == [.again(0)])
        #expect(side.recovery.ssthresh == 2_000)
    }

    @Test func segmentsThatComeLateTeachPatience() {
        var side = SendingSide()
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(0, 1..<2)
        #expect(side.recovery.state.hasSeenReordering == false)
        side.acknowledge(2)
        #expect(side.recovery.state.hasSeenReordering == true, "the first came behind the second")
        side.send()
        side.acknowledge(2, 3..<9)
        #expect(side.recovery.phase == .disorder, "now three behind it are not enough")
        #expect(side.recovery.deadline == side.now + .milliseconds(25))
        #expect(side.fire() == .transmit)
        #expect(side.send().first == .again(2))
    }

    @Test func eachRoundTripWithADuplicateLengthensThePatienceByAQuarterUpToAWhole() {
        var window = ReorderingWindow()
        func length(_ window: ReorderingWindow) -> TimeSpan {
            window.length(
                shortest: .milliseconds(100), smoothed: .milliseconds(120), isRecovering: true, sackedCount: 9)
        }
        #expect(length(window) == .zero, "nothing came late and losses were found")
        window.reorderingSeen()
        #expect(length(window) == .milliseconds(25))
        window.ackArrived(una: SequenceNumber(10), nxt: SequenceNumber(20), hasDuplicate: true)
        #expect(length(window) == .milliseconds(50))
        window.ackArrived(una: SequenceNumber(15), nxt: SequenceNumber(25), hasDuplicate: true)
        #expect(length(window) == .milliseconds(50), "once a round trip")
        for round in 2..<8 {
            let number = UInt32(round) * 10
            window.ackArrived(una: SequenceNumber(number), nxt: SequenceNumber(number + 10), hasDuplicate: true)
        }
        #expect(length(window) == .milliseconds(120), "at most a mean round trip")
        for _ in 0..<15 { window.recoveryEnded() }
        #expect(length(window) == .milliseconds(120))
        window.recoveryEnded()
        #expect(length(window) == .milliseconds(25), "sixteen recoveries later")
    }

    @Test func aRetransmissionThatIsLostIsSentOnceMoreWithoutATimeout() {
        var side = SendingSide()
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(0, 1..<4)
        #expect(side.send().contains(.again(0)))
        side.wait(.milliseconds(40))
        side.acknowledge(0, 1..<10)
        let later = side.send()
        #expect(later.contains(.again(0)) == false)
        #expect(later.isEmpty == false)
        side.wait(.milliseconds(100))
        // What left after it arrived, and it did not.
        let outcome = side.acknowledge(0, 1..<side.next)
        #expect(outcome.isLossDetected == true)
        #expect(side.send().contains(.again(0)))
        #expect(side.recovery.counters.timeouts == 0)
        #expect(side.recovery.counters.recoveries == 1)
    }

    @Test func ofABurstSentAtOneInstantTheOrderIsThatOfSequence() {
        var side = SendingSide(window: 20)
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(0, 5..<8)
        #expect(side.recovery.state.lostBytes == 5_000, "and not those behind")
    }

    @Test func withoutItThreeSegmentsBehindAreNeeded() {
        var side = SendingSide(features: [.limitedTransmit])
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(0, 1..<3)
        #expect(side.recovery.phase == .disorder)
        #expect(side.recovery.deadline > side.now + .milliseconds(100), "there is the retransmission timer only")
        side.acknowledge(0, 1..<4)
        #expect(side.recovery.phase == .recovery)
    }

    @Test func blocksThatLieSayNothing() {
        var side = SendingSide()
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(0, 5..<30)
        #expect(side.recovery.state.sackedBytes == 0, "beyond what was sent")
        var arrival = AckArrival(ack: SendingSide.number(0))
        arrival.blocks.append(SequenceRange(SendingSide.number(6), SendingSide.number(4)))
        _ = side.recovery.ackArrived(arrival, at: side.now)
        #expect(side.recovery.state.sackedBytes == 0, "backwards")
        arrival.ack = SendingSide.number(11)
        #expect(side.recovery.ackArrived(arrival, at: side.now) == AckOutcome(), "what was never sent")
        side.acknowledge(2, 0..<4)
        #expect(side.recovery.state.sackedBytes == 2_000, "a block that begins before what is acknowledged is cut")
    }

    @Test func aReceiverThatTakesBackWhatItSaidIsServedAfterATimeout() {
        var side = SendingSide(window: 4)
        side.send()
        side.available = 4
        side.wait(.milliseconds(100))
        side.acknowledge(0, 1..<4)
        #expect(side.send() == [.again(0)])
        side.wait(.milliseconds(100))
        // It has the first now, and not the second any more.
        side.acknowledge(1)
        var all: Set<SendingSide.Sent> = []
        for end in [2, 3, 4] {
            for _ in 0..<4 where !all.contains(.again(end - 1)) {
                _ = side.fire()
                all.formUnion(side.send())
            }
            #expect(all.contains(.again(end - 1)))
            side.wait(.milliseconds(100))
            side.acknowledge(end)
            all.formUnion(side.send())
        }
        #expect(side.recovery.outstanding == 0)
    }

    @Test func atTheBoundOfSegmentsNothingNewLeaves() {
        var side = SendingSide(window: 40) { settings, _ in settings.segmentsMax = 8 }
        #expect(side.send().count == 8)
        #expect(side.recovery.allowance(at: side.now) == 0)
        side.wait(.milliseconds(100))
        side.acknowledge(3)
        #expect(side.send().count == 3)
    }

    // MARK: - The end of a flight

    @Test func theEndOfAFlightIsProbedAfterTwoRoundTrips() {
        var side = SendingSide(window: 3)
        side.send()
        side.available = 3
        #expect(side.recovery.deadline == side.now + .milliseconds(200))
        #expect(side.fire() == .probe)
        #expect(side.recovery.state.isProbing == true)
        #expect(side.recovery.counters.probes == 1)
        #expect(side.recovery.deadline == side.now + side.recovery.rto, "then the retransmission timer waits")
        #expect(side.fire() == .timedOut(consecutive: 1), "there is one probe")
    }

    @Test func aProbeIsNewDataWhereThereIsSome() {
        var side = SendingSide(window: 3)
        side.send()
        #expect(side.fire() == .probe)
        #expect(side.next == 4)
        #expect(side.flight == 4, "beyond the window")
        side.wait(.milliseconds(100))
        side.acknowledge(4)
        #expect(side.recovery.state.isProbing == false)
        #expect(side.recovery.ssthresh == .largestWindow)
    }

    @Test func aLoneSegmentsProbeWaitsForADelayedAcknowledgement() {
        var side = SendingSide(window: 1)
        side.available = 1
        side.send()
        #expect(side.recovery.deadline == side.now + .milliseconds(300), "the retransmission timer is as early")
        #expect(side.fire() == .probe)
        var unknown = SendingSide(window: 2, roundTrip: nil)
        unknown.send()
        #expect(unknown.recovery.deadline == unknown.now + .seconds(1))
        #expect(unknown.fire() == .probe)
    }

    @Test func thereIsNoProbeWithoutSelectiveAcknowledgementsNorAfterALoss() {
        var plain = SendingSide(sack: false)
        plain.send()
        #expect(plain.recovery.deadline == plain.now + .milliseconds(300))
        var side = SendingSide()
        side.send()
        side.wait(.milliseconds(50))
        side.acknowledge(0, 4..<5)
        side.wait(.milliseconds(25))
        _ = side.fire()
        #expect(side.recovery.phase == .recovery)
        side.send()
        while side.recovery.deadline < side.now + .milliseconds(200), side.fire() == .transmit { side.send() }
        #expect(side.recovery.counters.probes == 0)
    }

    @Test func lossesBeforeAProbeAreFoundByItsAnswer() {
        var side = SendingSide(window: 5)
        side.send()
        side.available = 5
        // Segments 2, 3 and 4 are lost; the probe sends 4 again.
        side.wait(.milliseconds(100))
        side.acknowledge(2)
        #expect(side.fire() == .probe)
        side.wait(.milliseconds(100))
        side.acknowledge(2, 4..<5)
        if side.recovery.phase == .disorder { _ = side.fire() }
        #expect(side.recovery.phase == .recovery)
        #expect(side.send() == [.again(2)])
        side.wait(.milliseconds(100))
        side.acknowledge(3, 4..<5)
        #expect(side.send() == [.again(3)])
        #expect(side.recovery.counters.timeouts == 0)
    }

    @Test func aLossThatAProbeRepairsShrinksTheWindowAllTheSame() {
        func windowAfter(_ answer: (inout SendingSide) -> Void) -> Int {
            var side = SendingSide(window: 10)
            side.available = 10
            side.send()
            _ = side.fire()
            side.wait(.milliseconds(100))
            answer(&side)
            side.available = 12
            side.send()
            side.wait(.milliseconds(100))
            side.acknowledge(side.next)
            return side.recovery.ssthresh
        }
        #expect(windowAfter { $0.acknowledge(10) } == 5_000)
        #expect(windowAfter { $0.acknowledge(10, duplicate: 9..<10) } == .largestWindow, "it arrived twice")
        let both = windowAfter {
            $0.acknowledge(10)
            $0.available = 11
            $0.send()
            $0.acknowledge(10)
        }
        #expect(both == .largestWindow, "a peer without duplicate reports answers twice")
    }
}
