import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

/// Recoveries of peers without SACK, congestion marks, silence, and what is sent beyond the window.
@Suite struct EpisodeTests {
    // MARK: - NewReno without SACK (RFC 6582)

    private func lossWithoutSACK() -> SendingSide {
        var side = SendingSide(sack: false)
        side.send()
        side.wait(.milliseconds(100))
        return side
    }

    @Test func theThirdDuplicateSendsTheFirstSegmentAgain() {
        var side = lossWithoutSACK()
        side.acknowledge(0)
        #expect(side.send() == [.new(10)], "limited transmit")
        side.acknowledge(0)
        #expect(side.send() == [.new(11)])
        side.acknowledge(0)
        #expect(side.recovery.phase == .recovery)
        #expect(side.send() == [.again(0)])
        #expect(side.recovery.ssthresh == 5_000)
    }

    @Test func withoutLimitedTransmitDuplicatesLetNothingLeave() {
        for sack in [true, false] {
            var side = SendingSide(features: [.rack], sack: sack)
            side.send()
            side.wait(.milliseconds(100))
            if sack { side.acknowledge(0, 1..<2) } else { side.acknowledge(0) }
            #expect(side.send() == [], "sack \(sack)")
        }
    }

    @Test func eachAcknowledgementOfAPartSendsTheNextMissingSegment() {
        var side = lossWithoutSACK()
        for _ in 0..<3 {
            side.acknowledge(0)
            side.send()
        }
        // Segments 0, 4 and 7 were lost.
        for _ in 0..<4 {
            side.acknowledge(0)
            side.send()
        }
        side.wait(.milliseconds(100))
        side.acknowledge(4)
        #expect(side.send().contains(.again(4)))
        side.wait(.milliseconds(100))
        side.acknowledge(7)
        #expect(side.send().contains(.again(7)))
        #expect(side.recovery.phase == .recovery)
        side.wait(.milliseconds(100))
        side.acknowledge(side.next)
        #expect(side.recovery.phase == .open)
        #expect(side.recovery.cwnd <= 5_000)
        #expect(side.recovery.counters.recoveries == 1)
    }

    @Test func duplicatesOfWhatARecoverySentAgainBeginNoOther() {
        var side = lossWithoutSACK()
        side.available = 10
        for _ in 0..<3 {
            side.acknowledge(0)
            side.send()
        }
        side.wait(.milliseconds(100))
        side.acknowledge(10)
        side.available = 20
        #expect(side.send().isEmpty == false)
        for _ in 0..<5 { side.acknowledge(10) }
        #expect(side.recovery.counters.recoveries == 1)
        side.wait(.milliseconds(100))
        side.acknowledge(11)
        side.send()
        for _ in 0..<3 { side.acknowledge(11) }
        #expect(side.recovery.counters.recoveries == 2, "those of new data do")
    }

    // MARK: - Congestion marks (RFC 3168)

    @Test func aMarkShrinksTheWindowOnceForAllThatIsOutstanding() {
        var side = SendingSide(marks: true)
        side.send()
        side.wait(.milliseconds(100))
        let first = side.acknowledge(1, ece: true)
        #expect(first.wantsCWR == true && first.isLossDetected == false)
        #expect(side.recovery.phase == .congestion)
        #expect(side.recovery.ssthresh == 5_000)
        side.send()
        for end in 2...10 {
            #expect(side.acknowledge(end, ece: true).wantsCWR == false || end == 10)
            side.send()
        }
        #expect(side.recovery.counters.congestionMarks == 2, "the mark on what was sent after is another")
        #expect(side.recovery.counters.retransmissions == 0)
        #expect(side.recovery.marksECT == true)
    }

    @Test func theFlightIsLedToTheSmallerWindowAndNotStopped() {
        var side = SendingSide(window: 20, marks: true)
        side.send()
        side.wait(.milliseconds(100))
        var sent = 0
        for end in 1...20 {
            side.acknowledge(end, ece: end == 1)
            sent += side.send().count
        }
        #expect(sent == 10, "half as much as arrived")
        #expect(side.recovery.phase == .open)
        #expect(side.recovery.cwnd == 10_000)
        #expect(side.flight == 10)
    }

    @Test func aLossInTheSameWindowAsAMarkShrinksItNoFurther() {
        var side = SendingSide(window: 20, marks: true)
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(1, ece: true)
        #expect(side.recovery.ssthresh == 10_000)
        side.acknowledge(1, 2..<5)
        #expect(side.recovery.phase == .recovery, "but it is recovered from")
        #expect(side.recovery.ssthresh == 10_000)
        #expect(side.send().contains(.again(1)))
    }

    @Test func aMarkDuringRecoveryShrinksItNoFurther() {
        var side = SendingSide(window: 20, marks: true)
        side.send()
        side.wait(.milliseconds(100))
        #expect(side.acknowledge(0, 1..<4).wantsCWR == true)
        #expect(side.acknowledge(0, 1..<5, ece: true).wantsCWR == false)
        #expect(side.recovery.ssthresh == 10_000)
        #expect(side.recovery.counters.congestionMarks == 0)
    }

    @Test func aPeerThatDidNotAgreeToMarksIsNotHeard() {
        var side = SendingSide(marks: false)
        side.send()
        side.wait(.milliseconds(100))
        #expect(side.acknowledge(1, ece: true).wantsCWR == false)
        #expect(side.recovery.phase == .open)
        #expect(side.recovery.marksECT == false)
    }

    @Test func withDCTCPEachMarkIsTold() {
        let side = SendingSide(.dctcp, marks: true)
        #expect(side.recovery.echoesEveryCE == true)
        let other = SendingSide(.cubic, marks: true)
        #expect(other.recovery.echoesEveryCE == false)
    }

    // MARK: - Windows

    @Test(arguments: [(536, 5_360), (1_460, 14_600), (1_461, 14_600), (8_960, 17_920), (65_000, 130_000)])
    func theInitialWindowIsTenSegmentsOfOrdinarySize(mss: Int, window: Int) {
        var recovery = LossRecovery(settings: RecoverySettings())
        recovery.opened(RecoveryOpening(una: SequenceNumber(0), mss: mss), at: .zero)
        #expect(recovery.cwnd == window)
    }

    @Test func afterASilenceTheWindowBeginsAnew() {
        for restarts in [true, false] {
            let features =
                restarts ? RecoveryFeatures.standard : RecoveryFeatures.standard.subtracting(.restartsAfterIdle)
            var side = SendingSide(features: features)
            for _ in 0..<3 {
                side.send()
                side.wait(.milliseconds(100))
                while side.recovery.outstanding > 0 {
                    side.acknowledge(side.next - max(0, side.recovery.outstanding / 1_000 - 2))
                }
            }
            let grown = side.recovery.cwnd
            #expect(grown > 20_000)
            side.wait(side.recovery.rto - .milliseconds(100))
            _ = side.recovery.allowance(at: side.now)
            #expect(side.recovery.cwnd == grown, "a silence as long as the timeout is none")
            side.wait(.milliseconds(200))
            #expect(side.recovery.allowance(at: side.now) == (restarts ? 10_000 : grown))
        }
    }

    @Test func aWindowThatIsNotUsedDoesNotGrow() {
        var side = SendingSide()
        for _ in 0..<20 {
            side.available = side.next + 2
            side.send()
            side.wait(.milliseconds(100))
            side.acknowledge(side.next)
        }
        #expect(side.recovery.cwnd == 10_000)
        side.available = .max
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(side.next - 8)
        #expect(side.recovery.cwnd == 12_000)
    }

    @Test func segmentsThatAreTooLargeAreSentAgainWithoutShrinkingTheWindow() {
        var side = SendingSide()
        side.send()
        side.recovery.mssChanged(to: 500, at: side.now)
        side.recovery.markLost(largerThan: 500, at: side.now)
        #expect(side.recovery.cwnd == 10_000)
        #expect(side.recovery.inFlight == 0)
        let first = side.recovery.nextToRetransmit(at: side.now)
        #expect(first == SequenceRange(SendingSide.number(0), count: 500))
        for _ in 0..<20 {
            guard let range = side.recovery.nextToRetransmit(at: side.now) else { break }
            side.transmit(range, .again)
        }
        #expect(side.recovery.inFlight == 10_000)
        #expect(side.recovery.nextToRetransmit(at: side.now) == nil)
        #expect(side.recovery.phase == .open)
    }

    @Test func pacedSegmentsLeaveOverTheRoundTrip() {
        var side = SendingSide(features: [.pacing], window: 20)
        #expect(side.send().count == 2)
        let start = side.now
        var sent = 2
        while sent < 20 {
            #expect(side.recovery.deadline > side.now)
            #expect(side.fire() == .transmit)
            sent += side.send().count
        }
        let time = side.now - start
        // Twice the window a round trip, in slow start.
        #expect(time >= .milliseconds(40) && time <= .milliseconds(50), "\(time)")
    }

    /// Three gigabytes after a recovery: each acknowledgement goes the short way, or, where `isLong`, none.
    @Test(arguments: [true, false])
    func howMuchEverWasSentAfterARecoveryAllIsCalmAndTheNextLossIsFound(isLong: Bool) {
        var opening = RecoveryOpening(una: SequenceNumber(1), mss: 60_000)
        opening.hasSelectiveAcks = false
        var recovery = LossRecovery(settings: RecoverySettings())
        recovery.opened(opening, at: .zero)
        var now = Instant.zero
        var slow = 0
        for _ in 0..<50_000 {
            let range = SequenceRange(recovery.una, count: 60_000)
            recovery.transmitted(
                Transmission(range: range, kind: .new, timestamp: 0, isApplicationLimited: true), at: now)
            now = now + .milliseconds(1)
            if !recovery.isCalm(acknowledging: range.end) { slow += 1 }
            if isLong {
                _ = recovery.ackArrived(AckArrival(ack: range.end), at: now)
            } else {
                recovery.acknowledgedCalmly(upTo: range.end, at: now)
            }
        }
        #expect(slow == 0)
        let first = SequenceRange(recovery.una, count: 60_000)
        recovery.transmitted(
            Transmission(range: first, kind: .new, timestamp: 0, isApplicationLimited: true), at: now)
        for _ in 0..<3 {
            var duplicate = AckArrival(ack: first.start)
            duplicate.mayBeDuplicate = true
            _ = recovery.ackArrived(duplicate, at: now)
        }
        #expect(recovery.phase == .recovery)
    }

    @Test func theStateIsOneLineForPeople() {
        var side = SendingSide(.cubic)
        side.send()
        side.wait(.milliseconds(100))
        #expect(
            side.recovery.state.description
                == "cubic open, cwnd 10000, ssthresh -, flight 10000/10000 in 10, rtt 100.000ms±50.000ms, min 100.000ms, rto 300.000ms, reo 25.000ms"
        )
        side.acknowledge(0, 1..<4)
        let text = side.recovery.state.description
        #expect(
            text.hasPrefix("cubic recovery, cwnd 7000, ssthresh 7000, flight 6000/10000 in 10, sacked 3000, lost 1000"))
        #expect(text.contains("quota") && text.contains("until 10000"))
    }
}
