import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

/// CUBIC against the formulas of RFC 9438, computed here by another way.
@Suite struct CubicTests {
    private let mss = 1_000
    private var cubic = Cubic()
    private var now = Instant.zero + .seconds(100)

    init() { cubic.established(CongestionStart(mss: 1_000, cwnd: 100_000, ssthresh: 100_000), at: .zero) }

    private func sample(_ bytes: Int, roundTrip: TimeSpan) -> AckSample {
        AckSample(acknowledged: bytes, roundTrip: roundTrip)
    }

    /// Acknowledges a window of data, segment by segment, over a round trip.
    private mutating func acknowledgeWindow(roundTrip: TimeSpan) {
        let count = max(1, cubic.cwnd / mss)
        for _ in 0..<count {
            now = now + .nanoseconds(roundTrip.nanoseconds / Int64(count))
            cubic.ackArrived(sample(mss, roundTrip: roundTrip), at: now)
        }
    }

    @Test func cubeRootsAreExactToTheLastDigits() {
        for root in [0.001, 0.5, 1, 2, 3, 7.25, 10, 123, 4_096, 99_999] {
            let found = Cubic.cubeRoot(root * root * root)
            #expect(abs(found - root) <= root * 4e-16, "\(found) for \(root)")
        }
        #expect(Cubic.cubeRoot(0) == 0)
        #expect(Cubic.cubeRoot(-8) == 0)
        #expect(Cubic.cubeRoot(.infinity) == 0)
    }

    @Test mutating func aLossLeavesSevenTenthsAndATimeoutOneSegment() {
        cubic.congested(by: .loss(outstanding: 100_000), at: now)
        #expect(cubic.cwnd == 70_000 && cubic.ssthresh == 70_000)
        cubic.congested(by: .timeout(outstanding: 70_000), at: now)
        #expect(cubic.cwnd == 1_000 && cubic.ssthresh == 49_000)
        cubic.congested(by: .mark(outstanding: 1_000), at: now)
        #expect(cubic.ssthresh == 2_000, "never below two segments")
    }

    /// Over a long path the window follows C(t-K)³ + W_max, whose K is the cube root of what is missing by C.
    @Test(arguments: [100, 400, 1_000])
    mutating func windowFollowsTheCubicCurve(segments: Int) {
        cubic.cwnd = segments * mss
        cubic.congested(by: .loss(outstanding: segments * mss), at: now)
        cubic.recoveryEnded(at: now)
        let roundTrip = TimeSpan.milliseconds(200)
        let start = now
        // (0.3 W_max / 0.4)^(1/3), found by bisection.
        var (low, high) = (0.0, 100.0)
        for _ in 0..<80 {
            let middle = (low + high) / 2
            if middle * middle * middle < 0.75 * Double(segments) { low = middle } else { high = middle }
        }
        var friendly = 0.7 * Double(segments)
        var worst = 0.0
        for _ in 0..<Int(2 * low / 0.2) {
            acknowledgeWindow(roundTrip: roundTrip)
            let time = (now - start).seconds
            let distance = time - low
            let curve = 0.4 * distance * distance * distance + Double(segments)
            friendly += 3 * 0.3 / 1.7
            let expected = max(curve, friendly)
            // Each acknowledgement goes a share of the way to where the curve will be a round trip later.
            worst = max(worst, abs(Double(cubic.cwnd) / Double(mss) - expected) / expected)
        }
        #expect(worst < 0.04, "off by \(worst)")
        #expect(cubic.cwnd > segments * mss, "the curve is convex beyond W_max")
    }

    /// Over a short path the window is what NewReno with these parameters would have (RFC 9438 §4.3).
    @Test mutating func overShortPathsTheWindowKeepsUpWithNewReno() {
        cubic.congested(by: .loss(outstanding: 100_000), at: now)
        let start = cubic.cwnd
        for _ in 0..<20 { acknowledgeWindow(roundTrip: .milliseconds(1)) }
        let growth = Double(cubic.cwnd - start) / 20 / Double(mss)
        #expect(abs(growth - 3 * 0.3 / 1.7) < 0.03, "\(growth) segments a round trip")
        for _ in 0..<60 { acknowledgeWindow(roundTrip: .milliseconds(1)) }
        let before = cubic.cwnd
        for _ in 0..<20 { acknowledgeWindow(roundTrip: .milliseconds(1)) }
        let later = Double(cubic.cwnd - before) / 20 / Double(mss)
        #expect(abs(later - 1) < 0.05, "beyond the window before the loss it grows by a whole segment: \(later)")
    }

    @Test mutating func aSecondLossBelowTheFirstMakesRoomForOthers() {
        cubic.congested(by: .loss(outstanding: 100_000), at: now)
        cubic.congested(by: .loss(outstanding: 70_000), at: now)
        cubic.ackArrived(sample(1, roundTrip: .milliseconds(200)), at: now)
        // W_max is 70 × 1.7 / 2 = 59.5 segments, so that the curve levels off there.
        #expect(abs(cubic.curvature(after: 0, period: 0) - 59_500) < 1)
    }

    @Test mutating func aCurveAfterATimeoutBeginsLevel() {
        cubic.congested(by: .timeout(outstanding: 100_000), at: now)
        while cubic.isInSlowStart { acknowledgeWindow(roundTrip: .milliseconds(100)) }
        let start = cubic.cwnd
        let began = now
        for _ in 0..<30 { acknowledgeWindow(roundTrip: .milliseconds(100)) }
        let time = (now - began).seconds
        let expected = Double(start) / 1_000 + max(0.4 * time * time * time, 30 * 0.529)
        #expect(abs(Double(cubic.cwnd) / 1_000 - expected) < expected * 0.05, "\(cubic.cwnd) and \(expected)")
    }

    @Test mutating func timeDuringWhichTheWindowIsNotUsedDoesNotCount() {
        var used = cubic
        used.congested(by: .loss(outstanding: 100_000), at: now)
        used.ackArrived(sample(1_000, roundTrip: .milliseconds(100)), at: now)
        var unused = used
        var silent = sample(1_000, roundTrip: .milliseconds(100))
        silent.isWindowLimited = false
        unused.ackArrived(silent, at: now + .milliseconds(1))
        #expect(unused.cwnd == used.cwnd)
        unused.ackArrived(sample(1_000, roundTrip: .milliseconds(100)), at: now + .milliseconds(30_001))
        used.ackArrived(sample(1_000, roundTrip: .milliseconds(100)), at: now + .milliseconds(1))
        #expect(unused.cwnd == used.cwnd, "thirty seconds without use are as none")
        used.ackArrived(sample(1_000, roundTrip: .milliseconds(100)), at: now + .seconds(30))
        #expect(used.cwnd > unused.cwnd, "and with use they are not")
    }

    @Test mutating func oneAcknowledgementRaisesTheWindowByHalfAtMost() {
        cubic.congested(by: .loss(outstanding: 100_000), at: now)
        cubic.ackArrived(sample(1_000, roundTrip: .milliseconds(100)), at: now)
        let before = cubic.cwnd
        cubic.ackArrived(sample(10_000_000, roundTrip: .milliseconds(100)), at: now + .seconds(3_600))
        #expect(cubic.cwnd <= before * 3 / 2 + 2)
        #expect(cubic.cwnd > before)
    }
}
