import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

/// Slow start with HyStart++, round by round (RFC 9406).
@Suite struct HyStartTests {
    private var start = HyStart()

    /// One round: its acknowledgements of a segment each, with these round trips in milliseconds.
    ///
    /// - Returns: by how much the window grew, or `nil` when slow start ended.
    private mutating func round(_ roundTrips: [Int], acknowledged: Int = 1_000) -> Int? {
        var growth = 0
        for (index, roundTrip) in roundTrips.enumerated() {
            var sample = AckSample(acknowledged: acknowledged, roundTrip: .milliseconds(Int64(roundTrip)))
            sample.startsRound = index == 0
            switch start.ackArrived(sample, mss: 1_000) {
            case .grow(let bytes): growth += bytes
            case .end: return nil
            }
        }
        return growth
    }

    @Test mutating func growthIsThatOfSlowStartWhileRoundTripsStay() {
        for _ in 0..<20 { #expect(round(Array(repeating: 50, count: 10)) == 10_000) }
        #expect(!start.isConservative)
    }

    @Test mutating func aBurstOfMoreThanEightSegmentsCountsAsEightUnlessPaced() {
        var sample = AckSample(acknowledged: 20_000)
        #expect(start.ackArrived(sample, mss: 1_000) == .grow(by: 8_000))
        sample.isPaced = true
        #expect(start.ackArrived(sample, mss: 1_000) == .grow(by: 20_000))
    }

    /// An eighth of the round trip, but no less than 4 ms and no more than 16 ms.
    @Test(arguments: [(10, 4), (64, 8), (100, 12), (200, 16), (1_000, 16)])
    mutating func roundTripsThatLengthenBeyondTheThresholdSlowTheGrowth(base: Int, threshold: Int) {
        _ = round(Array(repeating: base, count: 8))
        _ = round(Array(repeating: base + threshold - 1, count: 8))
        #expect(!start.isConservative)
        _ = round(Array(repeating: base, count: 8))
        _ = round(Array(repeating: base + threshold + 1, count: 8))
        #expect(start.isConservative)
    }

    @Test mutating func sevenSamplesAreTooFew() {
        _ = round(Array(repeating: 50, count: 8))
        _ = round(Array(repeating: 90, count: 7))
        #expect(!start.isConservative)
        _ = round(Array(repeating: 50, count: 8))
        _ = round(Array(repeating: 90, count: 8))
        #expect(start.isConservative)
    }

    @Test mutating func theShortestOfARoundCounts() {
        _ = round(Array(repeating: 50, count: 8))
        _ = round([90, 90, 90, 90, 51, 90, 90, 90, 90])
        #expect(!start.isConservative)
    }

    @Test mutating func conservativeGrowthIsAQuarterAndEndsAfterFiveRounds() {
        _ = round(Array(repeating: 50, count: 8))
        _ = round(Array(repeating: 90, count: 8))
        #expect(start.isConservative)
        for _ in 0..<4 { #expect(round(Array(repeating: 95, count: 8)) == 8 * 250) }
        #expect(round(Array(repeating: 95, count: 8)) == nil, "the round it began in counts")
    }

    @Test mutating func roundTripsThatShortenAgainBringSlowStartBack() {
        _ = round(Array(repeating: 50, count: 8))
        _ = round(Array(repeating: 90, count: 8))
        #expect(start.isConservative)
        _ = round(Array(repeating: 80, count: 8))
        #expect(!start.isConservative)
        #expect(round(Array(repeating: 80, count: 8)) == 8_000)
    }

    @Test func cubicEndsItsFirstSlowStartWhereRoundTripsLengthen() {
        var cubic = Cubic()
        cubic.established(CongestionStart(mss: 1_000, cwnd: 10_000), at: .zero)
        var windows: [Int] = []
        for round in 0..<20 {
            let count = cubic.cwnd / 1_000
            for index in 0..<count {
                var sample = AckSample(acknowledged: 1_000, roundTrip: .milliseconds(round < 3 ? 50 : 70))
                sample.startsRound = index == 0
                cubic.ackArrived(sample, at: .zero + .milliseconds(Int64(round) * 50))
            }
            windows.append(cubic.cwnd)
            if !cubic.isInSlowStart { break }
        }
        #expect(windows.prefix(3) == [20_000, 40_000, 80_000])
        #expect(!cubic.isInSlowStart, "\(windows)")
        #expect(windows.count == 9, "five rounds from the fourth on: \(windows)")
        #expect(cubic.cwnd < 80_000 * 4, "\(windows)")
    }

    @Test func aLossEndsTheFirstSlowStart() {
        var cubic = Cubic()
        cubic.established(CongestionStart(mss: 1_000, cwnd: 10_000), at: .zero)
        #expect(cubic.isInSlowStart)
        cubic.congested(by: .loss(outstanding: 10_000), at: .zero)
        #expect(!cubic.isInSlowStart)
        #expect(cubic.ssthresh == 7_000)
    }
}
