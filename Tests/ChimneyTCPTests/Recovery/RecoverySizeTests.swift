import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

/// What a connection pays for its recovery.
@Suite struct RecoverySizeTests {
    @Test func recoveryOfAnIdleConnectionIsSmallAndOwnsNothing() {
        #expect(MemoryLayout<LossRecovery>.size <= 208)
        #expect(MemoryLayout<SentSegment>.stride == 48)
        var recovery = LossRecovery(settings: RecoverySettings())
        recovery.opened(RecoveryOpening(una: SequenceNumber(1), mss: 1_000), at: .zero)
        #expect(holdsMemory(recovery) == false)
        recovery.transmitted(Transmission(range: SequenceRange(SequenceNumber(1), count: 1_000)), at: .zero)
        #expect(holdsMemory(recovery) == true)
        recovery.trim()
        #expect(holdsMemory(recovery) == true, "what is on its way is not forgotten")
        _ = recovery.ackArrived(AckArrival(ack: SequenceNumber(1_001)), at: .zero + .milliseconds(10))
        recovery.trim()
        #expect(holdsMemory(recovery) == false)
        #expect(recovery.smoothedRoundTrip == .milliseconds(10))
        #expect(recovery.deadline == .never)
    }

    private func holdsMemory(_ recovery: borrowing LossRecovery) -> Bool { !recovery.box.isEmpty }
}
