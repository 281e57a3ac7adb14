import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

@Suite struct NewRenoTests {
    private var reno = NewReno()

    init() { reno.established(CongestionStart(mss: 1_000, cwnd: 10_000), at: .zero) }

    @Test mutating func slowStartGrowsByWhatIsAcknowledgedUpToTwoSegmentsATime() {
        reno.ackArrived(AckSample(acknowledged: 1_000), at: .zero)
        #expect(reno.cwnd == 11_000)
        reno.ackArrived(AckSample(acknowledged: 2_000), at: .zero)
        #expect(reno.cwnd == 13_000)
        reno.ackArrived(AckSample(acknowledged: 9_000), at: .zero)
        #expect(reno.cwnd == 15_000, "L is two segments")
        reno.ackArrived(AckSample(acknowledged: 10), at: .zero)
        #expect(reno.cwnd == 15_010, "a peer that splits acknowledgements gains nothing by it")
    }

    @Test mutating func slowStartAfterATimeoutGrowsByOneSegmentATime() {
        reno.congested(by: .timeout(outstanding: 10_000), at: .zero)
        #expect(reno.cwnd == 1_000 && reno.ssthresh == 5_000)
        var sample = AckSample(acknowledged: 3_000)
        sample.phase = .timedOut
        reno.ackArrived(sample, at: .zero)
        #expect(reno.cwnd == 2_000)
    }

    @Test mutating func congestionAvoidanceGrowsByASegmentForEachWindow() {
        reno.congested(by: .loss(outstanding: 20_000), at: .zero)
        #expect(reno.cwnd == 10_000 && reno.ssthresh == 10_000)
        for _ in 0..<9 { reno.ackArrived(AckSample(acknowledged: 1_000), at: .zero) }
        #expect(reno.cwnd == 10_000)
        reno.ackArrived(AckSample(acknowledged: 1_000), at: .zero)
        #expect(reno.cwnd == 11_000)
        reno.ackArrived(AckSample(acknowledged: 100_000), at: .zero)
        #expect(reno.cwnd == 12_000, "many windows at a time are one")
    }

    @Test mutating func theThresholdIsNeverBelowTwoSegments() {
        reno.congested(by: .loss(outstanding: 1_000), at: .zero)
        #expect(reno.cwnd == 2_000 && reno.ssthresh == 2_000)
    }

    @Test mutating func aWindowThatIsNotUsedOrShrinksDoesNotGrow() {
        var sample = AckSample(acknowledged: 1_000)
        sample.isWindowLimited = false
        reno.ackArrived(sample, at: .zero)
        #expect(reno.cwnd == 10_000)
        sample.isWindowLimited = true
        sample.phase = .reducing
        reno.ackArrived(sample, at: .zero)
        #expect(reno.cwnd == 10_000)
        sample.phase = .open
        reno.ackArrived(sample, at: .zero)
        #expect(reno.cwnd == 11_000)
    }

    @Test mutating func afterASilenceTheWindowIsAtMostTheInitialOne() {
        reno.cwnd = 50_000
        reno.idled(initialWindow: 10_000, at: .zero)
        #expect(reno.cwnd == 10_000)
        reno.cwnd = 3_000
        reno.idled(initialWindow: 10_000, at: .zero)
        #expect(reno.cwnd == 3_000)
    }
}
