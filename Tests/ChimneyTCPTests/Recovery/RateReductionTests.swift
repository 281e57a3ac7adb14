import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

/// Proportional Rate Reduction: the examples of RFC 6937 §3.1, and the bounds of RFC 9937.
@Suite struct RateReductionTests {
    /// Twenty segments are in flight and the first is lost; each of the others is acknowledged.
    @Test func ofTwentySegmentsWithOneLostEveryOtherAcknowledgementLetsOneLeave() {
        var side = SendingSide(features: [.rack, .limitedTransmit], window: 20)
        #expect(side.send().count == 20)
        side.wait(.milliseconds(100))
        var table: [String] = []
        for number in 1...19 {
            side.acknowledge(0, 1..<number + 1)
            table.append(side.send().map { if case .new = $0 { "N" } else { "R" } }.joined())
        }
        #expect(
            table == ["N", "N", "R", "", "N", "", "N", "", "N", "", "N", "", "N", "", "N", "", "N", "", ""],
            "limited transmit, fast retransmit, and then one for two")
        #expect(side.flight == 10, "the flight is what the threshold is, as the RFC's figure ends")
        #expect(side.recovery.ssthresh == 10_000)
        side.wait(.milliseconds(100))
        side.acknowledge(22)
        #expect(side.recovery.phase == .open)
        #expect(side.recovery.cwnd == 10_000)
    }

    /// The first fifteen of twenty are lost: as much leaves as arrives, and not all that the window would allow at once.
    @Test func ofTwentySegmentsWithFifteenLostOneLeavesForEachThatArrives() {
        var side = SendingSide(features: [.rack, .limitedTransmit], window: 20)
        side.send()
        side.wait(.milliseconds(100))
        var table: [[SendingSide.Sent]] = []
        for number in 15...19 {
            side.acknowledge(0, 15..<number + 1)
            table.append(side.send())
        }
        #expect(table == [[.new(20)], [.new(21)], [.again(0)], [.again(1)], [.again(2)]])
        #expect(side.flight == 5)
        side.wait(.milliseconds(100))
        // The two new ones arrive: nothing is acknowledged by number, which is not safe yet.
        side.acknowledge(0, 15..<21)
        #expect(side.send() == [.again(3)])
        side.acknowledge(0, 15..<22)
        #expect(side.send() == [.again(4)])
        // From now on each acknowledgement is safe and lets two leave (PRR-SSRB), until the threshold is reached.
        var sent = 0
        for number in 1...5 {
            side.acknowledge(number, 15..<22)
            sent += side.send().count
        }
        #expect(sent == 10)
        #expect(side.flight == 10)
        side.acknowledge(6, 15..<22)
        #expect(side.send().count == 1, "at the threshold one leaves for one")
    }

    @Test func theQuotaIsTheFormulaOfTheRFC() {
        for seed in Seeds.chosen(count: 2_000) {
            var random = StackRandom(seed: seed)
            let mss = Int.random(in: 500...9_000, using: &random)
            let flightSize = Int.random(in: 1...200, using: &random) * mss
            let ssthresh = max(2 * mss, Int(Double(flightSize) * Double.random(in: 0.3...0.9, using: &random)))
            var reduction = RateReduction()
            reduction.begin(flightSize: flightSize)
            var (delivered, out) = (0, 0)
            var inFlight = flightSize
            for _ in 0..<100 {
                let newly = Int.random(in: 0...3, using: &random) * mss
                inFlight = max(0, inFlight - newly - (Int.random(in: 0..<4, using: &random) == 0 ? mss : 0))
                let isSafe = Bool.random(using: &random)
                reduction.ackArrived(delivered: newly, inFlight: inFlight, ssthresh: ssthresh, mss: mss, isSafe: isSafe)
                if newly > 0 {
                    delivered += newly
                    var expected: Int
                    if inFlight > ssthresh {
                        expected = Int((Double(delivered) * Double(ssthresh) / Double(flightSize)).rounded(.up)) - out
                    } else {
                        expected = min(ssthresh - inFlight, max(delivered - out, newly) + (isSafe ? mss : 0))
                    }
                    if out == 0, expected <= 0 { expected = mss }
                    #expect(abs(reduction.quota - max(0, expected)) <= 1, "replay with CHIMNEY_SEED=\(seed)")
                }
                let sent = min(reduction.quota, Int.random(in: 0...3, using: &random) * mss)
                reduction.left(sent)
                out += sent
                inFlight += sent
                #expect(inFlight <= max(flightSize, ssthresh) + mss, "replay with CHIMNEY_SEED=\(seed)")
            }
        }
    }

    @Test func theFirstRetransmissionLeavesAtOnce() {
        var reduction = RateReduction()
        reduction.begin(flightSize: 20_000)
        reduction.ackArrived(delivered: 1_000, inFlight: 10_000, ssthresh: 10_000, mss: 1_000, isSafe: false)
        #expect(reduction.quota == 1_000)
        reduction.left(1_000)
        reduction.ackArrived(delivered: 1_000, inFlight: 10_000, ssthresh: 10_000, mss: 1_000, isSafe: false)
        #expect(reduction.quota == 0)
        reduction.ackArrived(delivered: 0, inFlight: 9_000, ssthresh: 10_000, mss: 1_000, isSafe: true)
        #expect(reduction.quota == 0, "an acknowledgement that brings nothing lets nothing leave")
    }
}
