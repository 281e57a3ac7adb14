import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

@Suite struct ScoreboardTests {
    /// Whatever is sent, acknowledged, lost and sent again, the scoreboard says of each byte what a naive model says.
    @Test func scoreboardAgreesWithANaiveModel() {
        for seed in Seeds.chosen(count: 1_000) {
            var random = StackRandom(seed: seed)
            var pair = Pair(random: &random)
            for step in 0..<80 {
                pair.changeAtRandom(using: &random)
                let problem = pair.difference()
                #expect(problem == nil, "\(problem ?? "") at step \(step); replay with CHIMNEY_SEED=\(seed)")
                if problem != nil { return }
            }
        }
    }

    @Test func rowsOfWhatTheReceiverHasAreSteppedOverAtOnce() {
        var board = Scoreboard(startingAt: SequenceNumber(0), recordsMax: 1 << 20)
        for number in 0..<20_000 { board.append(segment(number * 100, 100, at: .milliseconds(1))) }
        var delivery = Delivery(at: .zero + .milliseconds(30), echo: nil, shortest: .zero)
        // Each acknowledgement names all that came so far, as with a single hole; walking it each time would take hours.
        for number in 1..<20_000 {
            board.sack(SequenceRange(SequenceNumber(100), SequenceNumber(UInt32(number + 1) * 100)), &delivery)
            _ = board.markLost(
                before: .zero + .milliseconds(2), SequenceNumber(0), wasResent: false, patience: .seconds(1),
                at: .zero + .milliseconds(30))
        }
        #expect(board.sackedBytes == 1_999_900)
        #expect(board.sackedCount == 19_999)
        #expect(board.inFlight == 100)
        board.acknowledge(upTo: SequenceNumber(2_000_000), &delivery)
        #expect(board.count == 0)
        #expect(board.sackedBytes == 0 && board.sackedCount == 0)
    }

    @Test func atTheBoundNothingIsSplit() {
        var board = Scoreboard(startingAt: SequenceNumber(0), recordsMax: 2)
        board.append(segment(0, 1_000, at: .milliseconds(1)))
        var delivery = Delivery(at: .zero + .milliseconds(30), echo: nil, shortest: .zero)
        #expect(board.isFull == false)
        board.append(segment(1_000, 1_000, at: .milliseconds(1)))
        #expect(board.isFull == true)
        board.sack(SequenceRange(SequenceNumber(1_500), count: 500), &delivery)
        #expect(board.sackedBytes == 0, "half of a record is not marked where no record may be added")
        board.sack(SequenceRange(SequenceNumber(1_000), count: 1_000), &delivery)
        #expect(board.sackedBytes == 1_000)
    }

    @Test func countingFindsWhatHasThreeSegmentsBehindIt() {
        func board(sacking blocks: [Range<Int>]) -> Int {
            var board = Scoreboard(startingAt: SequenceNumber(0), recordsMax: 100)
            for number in 0..<10 { board.append(segment(number * 100, 100, at: .milliseconds(1))) }
            var delivery = Delivery(at: .zero + .milliseconds(30), echo: nil, shortest: .zero)
            for block in blocks {
                let range = SequenceRange(
                    SequenceNumber(UInt32(block.lowerBound) * 100), SequenceNumber(UInt32(block.upperBound) * 100))
                board.sack(range, &delivery)
            }
            board.markLostByCount(mss: 100)
            return board.lostBytes
        }
        #expect(board(sacking: [1..<3]) == 0)
        #expect(board(sacking: [1..<4]) == 100)
        #expect(board(sacking: [2..<3, 4..<6]) == 200, "behind the one between them are only two")
        #expect(board(sacking: [2..<3, 4..<5, 6..<7]) == 200, "three rows are three segments")
        #expect(board(sacking: [1..<2, 6..<9]) == 500)
    }

    private func segment(_ start: Int, _ count: Int, at time: TimeSpan) -> SentSegment {
        SentSegment(
            range: SequenceRange(SequenceNumber(UInt32(start)), count: count), sentAt: .zero + time, delivered: 0,
            deliveredAt: .zero, timestamp: 0)
    }
}

/// A scoreboard and its model.
private struct Pair: ~Copyable {
    /// Numbers begin near the end of their space.
    private let base: SequenceNumber
    private var board: Scoreboard
    private var model = ScoreboardModel()
    private var now = Instant.zero + .seconds(1)
    private var latest = Instant.zero
    private var noted: String?

    init(random: inout StackRandom) {
        base = SequenceNumber(UInt32(truncatingIfNeeded: random.next()) | 0xFFFF_0000)
        board = Scoreboard(startingAt: base, recordsMax: 1 << 16)
    }

    private func range(_ bytes: Range<Int>) -> SequenceRange {
        SequenceRange(base + bytes.lowerBound, count: bytes.count)
    }

    private func part(using random: inout StackRandom) -> Range<Int> {
        let start = Int.random(in: model.una..<model.nxt, using: &random)
        return start..<Int.random(in: start + 1...min(model.nxt, start + 60), using: &random)
    }

    mutating func changeAtRandom(using random: inout StackRandom) {
        now = now + .microseconds(Int64.random(in: 1...2_000, using: &random))
        guard !model.bytes.isEmpty else { return send(using: &random) }
        switch Int.random(in: 0..<16, using: &random) {
        case 0..<4: send(using: &random)
        case 4..<6: acknowledge(upTo: Int.random(in: model.una...model.nxt, using: &random) / 10 * 10)
        case 6: acknowledge(upTo: min(model.nxt, model.una + Int.random(in: 1...15, using: &random)))
        case 7..<10: sack(part(using: &random))
        case 10..<13: resendFirst(using: &random)
        case 13: markLost(patience: .microseconds(Int64.random(in: 0...20_000, using: &random)))
        case 14:
            if Int.random(in: 0..<4, using: &random) == 0 {
                board.markLostOnTimeout(patience: .zero, at: now)
                model.loseAll()
            } else {
                markLost(patience: .microseconds(Int64.random(in: 0...2_000, using: &random)))
            }
        default:
            if Int.random(in: 0..<3, using: &random) == 0 {
                board.forgetSacks()
                board.markLostOnTimeout(patience: .zero, at: now)
                model.forgetSacks()
                model.loseAll()
            } else if Int.random(in: 0..<3, using: &random) == 0, !hasLostAgain {
                board.forgetLosses()
                model.forgetLosses()
            }
        }
    }

    /// What was sent again and lost again is watched by the timer only when its loss is forgotten.
    private var hasLostAgain: Bool { model.bytes.contains { $0.isLost && $0.wasResent } }

    private mutating func send(using random: inout StackRandom) {
        let count = Int.random(in: 1...50, using: &random)
        board.append(
            SentSegment(
                range: range(model.nxt..<model.nxt + count), sentAt: now, delivered: 0, deliveredAt: now, timestamp: 0))
        model.append(count, at: now)
    }

    private mutating func acknowledge(upTo ack: Int) {
        guard ack >= model.una else { return }
        var delivery = Delivery(at: now, echo: nil, shortest: .zero)
        board.acknowledge(upTo: base + ack, &delivery)
        let before = model.una
        compare(delivery, model.acknowledge(upTo: ack))
        if delivery.acknowledged != ack - before { noted = "acknowledged \(delivery.acknowledged)" }
    }

    private mutating func sack(_ part: Range<Int>) {
        var delivery = Delivery(at: now, echo: nil, shortest: .zero)
        board.sack(range(part), &delivery)
        compare(delivery, model.sack(part))
    }

    private mutating func compare(_ delivery: Delivery, _ expected: (delivered: Int, latest: Instant?)) {
        if delivery.delivered != expected.delivered {
            noted = "delivered \(delivery.delivered), not \(expected.delivered)"
        }
        if delivery.hasLatest != (expected.latest != nil) { noted = "a latest one or none" }
        if let time = expected.latest {
            if delivery.latestSentAt != time { noted = "latest \(delivery.latestSentAt), not \(time)" }
            latest = max(latest, time)
        }
    }

    private mutating func resendFirst(using random: inout StackRandom) {
        let most = Int.random(in: 1...40, using: &random)
        let found = board.nextLost(bytesMax: most)
        guard let first = model.firstLost else {
            if found != nil { noted = "a loss that is none" }
            return
        }
        guard let found, found.start == base + first, found.count > 0, found.count <= most else {
            noted = "lost \(String(describing: found)), not \(first)"
            return
        }
        board.resend(
            found,
            as: SentSegment(range: found, sentAt: now, delivered: 0, deliveredAt: now, timestamp: 0))
        model.resend(first..<first + found.count, at: now)
    }

    private mutating func markLost(patience: TimeSpan) {
        let next = board.markLost(before: latest, base, wasResent: false, patience: patience, at: now)
        model.markLost(before: latest, patience: patience, at: now)
        let expected = model.nextLoss(before: latest, patience: patience)
        if next != expected { noted = "next loss \(String(describing: next)), not \(String(describing: expected))" }
    }

    /// Where the two differ.
    func difference() -> String? {
        if let noted { return noted }
        if board.bytes != model.bytes.count { return "\(board.bytes) bytes, not \(model.bytes.count)" }
        if board.sackedBytes != model.sackedBytes { return "sacked \(board.sackedBytes), not \(model.sackedBytes)" }
        if board.lostBytes != model.lostBytes { return "lost \(board.lostBytes), not \(model.lostBytes)" }
        if board.furthest != base + model.furthest { return "furthest" }
        var number = model.una
        var sackedCount = 0
        for index in 0..<board.count {
            let record = board[index]
            if record.range.start != base + number { return "a gap before \(number)" }
            if record.isSacked { sackedCount += 1 }
            for _ in 0..<record.range.count {
                let byte = model.bytes[number - model.una]
                let isSame =
                    byte.isSacked == record.isSacked && byte.isLost == record.isLost
                    && byte.wasResent == record.wasResent && byte.sentAt == record.sentAt
                if !isSame { return "byte \(number): \(byte) and \(record)" }
                number += 1
            }
        }
        return sackedCount == board.sackedCount ? nil : "\(board.sackedCount) records sacked, not \(sackedCount)"
    }
}
