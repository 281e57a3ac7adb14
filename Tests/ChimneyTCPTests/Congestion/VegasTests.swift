import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

@Suite struct VegasTests {
    private var vegas = Vegas()

    init() { vegas.established(CongestionStart(mss: 1_000, cwnd: 20_000, ssthresh: 20_000), at: .zero) }

    /// A round of the window's segments over a path that holds so many, the others queued.
    private mutating func round(path segments: Int, microseconds: Int = 20_000) {
        let count = vegas.cwnd / 1_000
        for index in 0..<count {
            let roundTrip = max(microseconds, microseconds * count / segments)
            var sample = AckSample(acknowledged: 1_000, roundTrip: .microseconds(Int64(roundTrip)))
            sample.startsRound = index == count - 1
            vegas.ackArrived(sample, at: .zero)
        }
    }

    @Test mutating func theWindowComesToRestWithTwoToFourSegmentsQueued() {
        for _ in 0..<100 { round(path: 50) }
        #expect((52...54).contains(vegas.cwnd / 1_000), "\(vegas.cwnd)")
        let rest = vegas.cwnd
        for _ in 0..<20 { round(path: 50) }
        #expect(vegas.cwnd == rest)
        for _ in 0..<50 { round(path: 30) }
        #expect((32...35).contains(vegas.cwnd / 1_000), "a narrower path: \(vegas.cwnd)")
    }

    @Test mutating func slowStartEndsWhenASegmentIsQueued() {
        vegas.established(CongestionStart(mss: 1_000, cwnd: 4_000), at: .zero)
        for _ in 0..<12 { round(path: 50) }
        #expect(!vegas.isInSlowStart)
        #expect(vegas.cwnd < 70_000, "\(vegas.cwnd)")
    }

    @Test mutating func aLossIsAnsweredAsNewReno() {
        vegas.congested(by: .loss(outstanding: 20_000), at: .zero)
        #expect(vegas.cwnd == 10_000)
    }
}
