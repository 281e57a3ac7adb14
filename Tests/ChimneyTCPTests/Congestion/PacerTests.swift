import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

@Suite struct PacerTests {
    @Test func theRateIsTwiceTheWindowWhileItDoublesAndAQuarterMoreAbove() {
        let roundTrip = TimeSpan.milliseconds(100)
        #expect(Pacer.rate(cwnd: 10_000, ssthresh: 1_000_000, roundTrip: roundTrip) == 200_000)
        #expect(Pacer.rate(cwnd: 500_000, ssthresh: 1_000_000, roundTrip: roundTrip) == 6_250_000)
        #expect(Pacer.rate(cwnd: 499_999, ssthresh: 1_000_000, roundTrip: roundTrip) == 9_999_980)
        #expect(Pacer.rate(cwnd: 10_000, ssthresh: 5_000, roundTrip: .zero) == .max)
        #expect(Pacer.rate(cwnd: .largestWindow, ssthresh: 1, roundTrip: .nanoseconds(1)) == 1_342_177_280_000_000_000)
    }

    @Test func whatLeavesKeepsToTheRate() {
        for rate in [100_000, 10_000_000, 2_000_000_000] as [UInt64] {
            var pacer = Pacer()
            var now = Instant.zero + .seconds(1)
            var sent = 0
            let start = now
            for _ in 0..<2_000 {
                let allowed = pacer.allowance(rate: rate, mss: 1_460, at: now)
                guard allowed > 0 else {
                    #expect(pacer.releaseAt > now)
                    now = pacer.releaseAt
                    continue
                }
                pacer.sent(min(allowed, 1_460), rate: rate, at: now)
                sent += min(allowed, 1_460)
            }
            let measured = Double(sent) / (pacer.releaseAt - start).seconds
            #expect(abs(measured / Double(rate) - 1) < 0.01, "\(measured) instead of \(rate)")
        }
    }

    @Test func silenceIsNoCredit() {
        var pacer = Pacer()
        #expect(pacer.allowance(rate: 1_000_000, mss: 1_000, at: .zero + .seconds(1)) == 2_000)
        pacer.sent(2_000, rate: 1_000_000, at: .zero + .seconds(1))
        #expect(pacer.allowance(rate: 1_000_000, mss: 1_000, at: .zero + .seconds(1)) == 0)
        #expect(pacer.allowance(rate: 1_000_000, mss: 1_000, at: .zero + .seconds(100)) == 2_000)
        pacer.sent(2_000, rate: 1_000_000, at: .zero + .seconds(100))
        #expect(pacer.allowance(rate: 1_000_000, mss: 1_000, at: .zero + .seconds(100)) == 0)
        #expect(pacer.releaseAt == .zero + .seconds(100) + .milliseconds(2))
    }
}
