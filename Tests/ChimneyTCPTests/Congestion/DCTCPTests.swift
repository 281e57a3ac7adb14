import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

@Suite struct DCTCPTests {
    private var control = DCTCP()

    init() { control.established(CongestionStart(mss: 1_000, cwnd: 100_000, ssthresh: 100_000), at: .zero) }

    /// A window of a hundred segments, so many of them marked.
    private mutating func window(marked: Int) {
        for index in 0..<100 {
            var sample = AckSample(acknowledged: 1_000)
            sample.hasECE = index < marked
            sample.startsRound = index == 99
            sample.isWindowLimited = false
            control.ackArrived(sample, at: .zero)
        }
    }

    @Test mutating func theMarkedShareIsAMeanWithAGainOfASixteenth() {
        #expect(control.markedShare == 1, "the worst is assumed at first")
        var expected = 1.0
        for marked in [0, 0, 50, 100, 10, 0, 25] {
            window(marked: marked)
            expected = expected * 15 / 16 + Double(marked) / 100 / 16
            #expect(abs(control.markedShare - expected) < 1e-5)
        }
        for _ in 0..<400 { window(marked: 0) }
        #expect(control.markedShare < 0.0001, "small shares do not get stuck")
    }

    @Test mutating func aMarkShrinksTheWindowByHalfOfTheShare() {
        for _ in 0..<1_000 { window(marked: 20) }
        #expect(abs(control.markedShare - 0.2) < 0.001)
        control.congested(by: .mark(outstanding: 100_000), at: .zero)
        #expect(abs(control.cwnd - 90_000) < 200)
        #expect(control.ssthresh == control.cwnd)
    }

    @Test mutating func withAllMarkedItIsAsNewReno() {
        control.congested(by: .mark(outstanding: 100_000), at: .zero)
        #expect(control.cwnd == 50_000)
    }

    @Test mutating func aLossIsAnsweredAsUsual() {
        for _ in 0..<1_000 { window(marked: 0) }
        control.congested(by: .loss(outstanding: 100_000), at: .zero)
        #expect(control.cwnd == 50_000)
        control.congested(by: .timeout(outstanding: 50_000), at: .zero)
        #expect(control.cwnd == 1_000)
        #expect(control.wantsEveryMark)
    }
}
