import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

/// Round trips and the retransmission timer (RFC 6298).
@Suite struct RoundTripTests {
    private var estimator = RoundTripEstimator()

    @Test mutating func theFirstSampleIsTheMeanAndHalfOfItTheVariation() {
        #expect(estimator.smoothed == nil)
        estimator.take(.milliseconds(800))
        #expect(estimator.smoothed == .milliseconds(800))
        #expect(estimator.variation == .milliseconds(400))
        #expect(estimator.timeout(shortest: .zero) == .milliseconds(2_400))
    }

    @Test mutating func laterSamplesCountAnEighthAndAQuarter() {
        estimator.take(.milliseconds(800))
        estimator.take(.milliseconds(400))
        // RTTVAR = 3/4 × 400 + 1/4 × |800 - 400|, SRTT = 7/8 × 800 + 1/8 × 400.
        #expect(estimator.variation == .milliseconds(400))
        #expect(estimator.smoothed == .milliseconds(750))
        estimator.take(.milliseconds(750))
        #expect(estimator.variation == .milliseconds(300))
        #expect(estimator.smoothed == .milliseconds(750))
        #expect(estimator.timeout(shortest: .zero) == .milliseconds(1_950))
        #expect(
            estimator.timeout(shortest: .seconds(2)) == .milliseconds(2_750),
            "the floor is that of the variation's part")
    }

    @Test mutating func manySamplesARoundTripCountAsLittleAsOne() {
        var one = estimator
        var many = estimator
        one.take(.milliseconds(100))
        many.take(.milliseconds(100))
        for _ in 0..<4 { one.take(.milliseconds(200)) }
        for _ in 0..<64 { many.take(.milliseconds(200), samplesPerRoundTrip: 16) }
        let difference = abs((one.smoothed?.seconds ?? 0) - (many.smoothed?.seconds ?? 1))
        #expect(difference < 0.003, "\(difference)")
        #expect(one.smoothed.map { $0 > .milliseconds(130) } == true)
    }

    @Test mutating func theShortestIsForgottenWithinFiveMinutes() {
        var now = Instant.zero + .seconds(1_000)
        estimator.see(.milliseconds(10), at: now)
        for _ in 0..<140 {
            now = now + .seconds(1)
            estimator.see(.milliseconds(30), at: now)
        }
        #expect(estimator.shortest == .milliseconds(10))
        for _ in 0..<170 {
            now = now + .seconds(1)
            estimator.see(.milliseconds(30), at: now)
        }
        #expect(estimator.shortest == .milliseconds(30))
        estimator.see(.nanoseconds(10), at: now)
        #expect(estimator.shortest == .microseconds(1))
    }

    // MARK: - The timer

    @Test func beforeASampleTheTimeoutIsASecondAndThreeAfterALostSYN() {
        var side = SendingSide(roundTrip: nil)
        #expect(side.recovery.rto == .seconds(1))
        side.send()
        #expect(side.recovery.deadline == side.now + .seconds(1))
        var slow = SendingSide(roundTrip: nil) { _, opening in opening.handshakeTimeouts = 1 }
        #expect(slow.recovery.rto == .seconds(3))
        #expect(slow.recovery.cwnd == 1_000, "a lost SYN leaves one segment (RFC 5681 §3.1)")
        slow.send()
        slow.wait(.milliseconds(50))
        slow.acknowledge(1)
        #expect(slow.recovery.rto < .seconds(1))
    }

    @Test func theTimerStartsWithTheFirstSegmentRestartsWithProgressAndEndsWithTheLast() {
        var side = SendingSide(features: [], window: 4)
        #expect(side.recovery.deadline == .never)
        side.send()
        let rto = side.recovery.rto
        #expect(rto == .milliseconds(300), "100 and the larger of 4 × 50 and 200")
        #expect(side.recovery.deadline == side.now + rto)
        side.wait(.milliseconds(100))
        side.acknowledge(1)
        #expect(side.recovery.deadline == side.now + side.recovery.rto)
        let due = side.recovery.deadline
        side.wait(.milliseconds(10))
        side.send()
        #expect(side.recovery.deadline == due, "sending does not restart it")
        side.acknowledge(6)
        #expect(side.recovery.deadline == .never)
    }

    @Test func eachTimeoutDoublesTheTimerUntilAValidSample() {
        var side = SendingSide(features: [], window: 4)
        side.send()
        var expected = TimeSpan.milliseconds(300)
        for count in 1...9 {
            let began = side.now
            #expect(side.fire() == .timedOut(consecutive: count))
            #expect(side.now == began + expected)
            #expect(side.send() == [.again(0)])
            expected = min(expected * 2, .seconds(60))
            #expect(side.recovery.rto == expected)
        }
        #expect(side.recovery.rto == .seconds(60))
        side.wait(.milliseconds(100))
        side.acknowledge(1)
        #expect(side.recovery.backoff == 9, "a segment that was sent again gives no sample (RFC 6298 §3)")
        #expect(side.recovery.smoothedRoundTrip == .milliseconds(100))
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(4)
        side.send()
        side.wait(.milliseconds(120))
        let outcome = side.acknowledge(5)
        #expect(outcome.roundTrip == .milliseconds(120))
        #expect(side.recovery.backoff == 0)
    }

    @Test func aTimestampTellsWhichSendingIsAnswered() {
        var side = SendingSide(features: [], window: 1, timestamps: true)
        side.send()
        #expect(side.fire() == .timedOut(consecutive: 1))
        side.send()
        side.wait(.milliseconds(140))
        let answer = UInt32(truncatingIfNeeded: (side.now.nanoseconds - 140_000_000) / 1_000_000)
        #expect(side.acknowledge(1, echo: answer).roundTrip == .milliseconds(140))
        #expect(side.recovery.backoff == 0)

        var late = SendingSide(features: [], window: 1, timestamps: true)
        late.send()
        let first = UInt32(truncatingIfNeeded: late.now.nanoseconds / 1_000_000)
        _ = late.fire()
        late.send()
        late.wait(.milliseconds(140))
        #expect(late.acknowledge(1, echo: first).roundTrip == nil, "the answer is to the first sending")
    }

    @Test func firingEarlyDoesNothing() {
        var side = SendingSide(features: [], window: 4)
        side.send()
        let due = side.recovery.deadline
        #expect(side.recovery.timerFired(at: side.now + .milliseconds(299)) == .none)
        #expect(side.recovery.deadline == due)
        #expect(side.recovery.timerFired(at: side.now + .seconds(5)) == .timedOut(consecutive: 1))
    }

    @Test func aClosedWindowIsNoCongestion() {
        var side = SendingSide(features: [], window: 4)
        side.send()
        side.recovery.peerWindowClosed(true)
        for _ in 0..<5 {
            #expect(side.fire() == .transmit)
            #expect(side.send() == [.again(0)])
        }
        #expect(side.recovery.cwnd == 4_000)
        #expect(side.recovery.backoff == 5)
        side.recovery.peerWindowClosed(false)
        #expect(side.fire() == .timedOut(consecutive: 1))
        #expect(side.recovery.cwnd == 1_000)
    }

    @Test func whatAnEarlierConnectionFoundOutIsBegunWith() {
        let side = SendingSide(roundTrip: nil) { _, opening in
            opening.remembered = RememberedPath(
                smoothedRoundTrip: .milliseconds(70), roundTripVariation: .milliseconds(60), slowStartThreshold: 30_000)
        }
        #expect(side.recovery.rto == .milliseconds(310))
        #expect(side.recovery.ssthresh == 30_000)
    }
}
