import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

/// Timeouts and retransmissions that were needless (RFC 5682, RFC 3522, RFC 4015, RFC 2883).
@Suite struct NeedlessRecoveryTests {
    /// Ten segments were sent, nothing came, and the first is sent again.
    private func timedOut(
        sack: Bool = true, timestamps: Bool = false, features: RecoveryFeatures = [.rack, .forwardTimeout, .undo]
    ) -> SendingSide {
        var side = SendingSide(features: features, sack: sack, timestamps: timestamps)
        side.send()
        #expect(side.fire() == .timedOut(consecutive: 1))
        #expect(side.recovery.cwnd == 1_000 && side.recovery.ssthresh == 5_000)
        #expect(side.send() == [.again(0)])
        side.wait(.milliseconds(20))
        return side
    }

    // MARK: - F-RTO

    @Test(arguments: [true, false])
    func acknowledgementsOfWhatWasSentBeforeATimeoutUndoIt(sack: Bool) {
        var side = timedOut(sack: sack)
        #expect(side.acknowledge(1).isUndone == false)
        #expect(side.send() == [.new(10), .new(11)], "new data and not old")
        #expect(side.acknowledge(2).isUndone == true)
        #expect(side.recovery.phase == .open)
        #expect(side.recovery.ssthresh == .largestWindow)
        #expect(side.recovery.cwnd >= 10_000)
        #expect(side.recovery.state.lostBytes == 0)
        #expect(side.recovery.counters.undone == 1)
        #expect(side.send().allSatisfy { if case .new = $0 { true } else { false } }, "nothing else is sent again")
    }

    @Test(arguments: [true, false])
    func anAnswerToTheNewDataOnlyConfirmsTheTimeout(sack: Bool) {
        var side = timedOut(sack: sack)
        side.acknowledge(1)
        #expect(side.send() == [.new(10), .new(11)])
        side.wait(.milliseconds(100))
        let outcome = sack ? side.acknowledge(1, 10..<11) : side.acknowledge(1)
        #expect(outcome.isUndone == false)
        #expect(side.recovery.phase == .timeout)
        #expect(side.recovery.cwnd == 3_000)
        #expect(side.send().first == .again(1), "what was outstanding is sent again, by slow start")
    }

    @Test func selectiveAcknowledgementsOfWhatWasSentBeforeUndoATimeoutToo() {
        var side = timedOut()
        side.acknowledge(1)
        side.send()
        #expect(side.acknowledge(1, 4..<6).isUndone == true)
    }

    @Test func aDuplicateFirstEndsTheTestWithoutSelectiveAcknowledgements() {
        var side = timedOut(sack: false)
        side.acknowledge(0)
        side.acknowledge(1)
        #expect(side.send().first == .again(1))
        var patient = timedOut(sack: true)
        patient.acknowledge(0, 5..<6)
        patient.acknowledge(1, 5..<6)
        #expect(patient.send() == [.new(10), .new(11)], "with them it waits for the first answer")
    }

    @Test func withoutNewDataOrRoomForItThereIsNoTest() {
        for closesWindow in [true, false] {
            var side = SendingSide(features: [.rack, .forwardTimeout, .undo])
            if closesWindow { side.peerWindow = 10 } else { side.available = 10 }
            side.send()
            _ = side.fire()
            side.send()
            side.wait(.milliseconds(20))
            if closesWindow { side.peerWindow = 9 }
            side.acknowledge(1)
            #expect(side.send().first == .again(1))
        }
    }

    @Test func anAnswerToAllEndsTheRecovery() {
        var side = timedOut()
        #expect(side.acknowledge(10).isUndone == false)
        #expect(side.recovery.phase == .open)
        #expect(side.recovery.ssthresh == 5_000)
        #expect(side.recovery.cwnd == 2_000)
    }

    @Test func aTimeoutDuringRecoveryIsNotTested() {
        var side = SendingSide(features: [.rack, .forwardTimeout, .undo])
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(0, 1..<4)
        side.send()
        while side.recovery.counters.timeouts == 0 { _ = side.fire() }
        side.send()
        side.wait(.milliseconds(20))
        side.acknowledge(1, 1..<4)
        #expect(side.send().first.map { if case .again = $0 { true } else { false } } == true)
    }

    @Test func aSecondTimeoutBeginsTheTestAnew() {
        var side = timedOut()
        #expect(side.fire() == .timedOut(consecutive: 2))
        #expect(side.recovery.ssthresh == 5_000, "the threshold stays (RFC 5681 §3.1)")
        side.send()
        side.wait(.milliseconds(20))
        side.acknowledge(1)
        #expect(side.send() == [.new(10), .new(11)])
        #expect(side.acknowledge(2).isUndone == true)
        #expect(side.recovery.backoff == 0)
    }

    // MARK: - Timestamps and duplicates

    @Test func aTimestampFromBeforeUndoesATimeoutAtTheFirstAnswer() {
        var side = timedOut(timestamps: true)
        let before = UInt32(truncatingIfNeeded: (Instant.zero + .seconds(10)).nanoseconds / 1_000_000)
        #expect(side.acknowledge(1, echo: before).isUndone == true)
        #expect(side.recovery.phase == .open)
        var genuine = timedOut(timestamps: true)
        let again = UInt32(truncatingIfNeeded: (genuine.now.nanoseconds - 20_000_000) / 1_000_000)
        #expect(genuine.acknowledge(1, echo: again).isUndone == false)
        #expect(genuine.recovery.phase == .timeout)
    }

    /// Segments 1 to 3 overtake segment 0, which is sent again for nothing.
    private func overtaken(timestamps: Bool = false, features: RecoveryFeatures = .standard) -> SendingSide {
        var side = SendingSide(features: features, timestamps: timestamps)
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(0, 1..<4)
        #expect(side.recovery.phase == .recovery && side.recovery.cwnd == 5_000)
        #expect(side.send().first == .again(0))
        side.wait(.milliseconds(5))
        return side
    }

    @Test func aReportOfEachRetransmissionAsADuplicateUndoesARecovery() {
        var side = overtaken()
        side.acknowledge(4)
        #expect(side.recovery.ssthresh == 5_000)
        #expect(side.acknowledge(5, duplicate: 0..<1).isUndone == true)
        #expect(side.recovery.ssthresh == .largestWindow)
        #expect(side.recovery.counters.undone == 1)
        var other = overtaken()
        other.acknowledge(4)
        #expect(other.acknowledge(5).isUndone == false)
    }

    @Test func aReportOfSomeOfThemDoesNot() {
        var side = SendingSide()
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(0, 2..<5)
        side.send()
        for end in 5..<10 {
            side.acknowledge(0, 2..<end + 1)
            side.send()
        }
        #expect(side.recovery.counters.retransmissions >= 2)
        #expect(side.acknowledge(10, duplicate: 0..<1).isUndone == false)
        #expect(side.acknowledge(11, duplicate: 1..<2).isUndone == true)
    }

    @Test func aReportLongAfterRecoveryUndoesNothing() {
        var side = overtaken()
        side.acknowledge(10)
        #expect(side.recovery.phase == .recovery || side.recovery.phase == .open)
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(side.next)
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(side.next)
        side.send()
        #expect(side.acknowledge(side.next, duplicate: 0..<1).isUndone == false)
    }

    @Test func aTimestampFromBeforeUndoesARecovery() {
        var side = overtaken(timestamps: true)
        let before = UInt32(truncatingIfNeeded: (Instant.zero + .seconds(10)).nanoseconds / 1_000_000)
        #expect(side.acknowledge(4, echo: before).isUndone == true)
        #expect(side.recovery.phase == .open)
        #expect(side.recovery.cwnd >= 10_000)
        var off = overtaken(timestamps: true, features: RecoveryFeatures.standard.subtracting(.undo))
        #expect(off.acknowledge(4, echo: before).isUndone == false)
    }

    @Test func whatIsUndoneComesBackWithoutABurst() {
        var side = SendingSide()
        side.recovery.congestion.cwnd = 100_000
        #expect(side.send().count == 100)
        side.wait(.milliseconds(100))
        side.acknowledge(0, 1..<4)
        side.send(atMost: 1)
        side.wait(.milliseconds(5))
        side.acknowledge(80)
        #expect(side.acknowledge(81, duplicate: 0..<1).isUndone == true)
        let room = side.recovery.allowance(at: side.now)
        #expect(room <= 32_000, "no more than where the recovery led, and not eighty segments: \(room)")
        #expect(side.recovery.ssthresh >= 100_000, "slow start takes it back to where it was")
    }

    @Test func cubicGoesBackToItsCurve() {
        var side = SendingSide(.cubic, window: 10)
        side.send()
        side.wait(.milliseconds(100))
        side.acknowledge(0, 1..<4)
        #expect(side.recovery.ssthresh == 7_000)
        side.send(atMost: 1)
        side.acknowledge(4)
        #expect(side.acknowledge(5, duplicate: 0..<1).isUndone == true)
        #expect(side.recovery.ssthresh == .largestWindow)
        #expect(side.recovery.cwnd == 11_000, "and this acknowledgement raises it")
    }
}
