import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

/// A recovery over paths that lose, double, reorder and mark, with any control and any features: all arrives, bounds hold,
/// and the same seed gives the same course.
@Suite struct AnyPathTests {
    @Test func allArrivesOverAnyPathWithAnyControl() {
        for seed in Seeds.chosen(count: 600) {
            var path = RandomPath(seed: seed)
            let problem = path.run()
            #expect(problem == nil, "\(problem ?? ""): \(path.summary); replay with CHIMNEY_SEED=\(seed)")
        }
    }

    @Test func theSameSeedGivesTheSameCourse() {
        for seed in Seeds.chosen(count: 20) {
            var one = RandomPath(seed: seed)
            var other = RandomPath(seed: seed)
            _ = one.run()
            _ = other.run()
            #expect(one.summary == other.summary)
        }
    }

    @Test func aPathWithoutLossNeedsNothingTwice() {
        for seed in Seeds.chosen(count: 60) {
            var path = RandomPath(seed: seed)
            path.lossPerMille = 0
            path.doublePerMille = 0
            path.jitter = .zero
            path.markPerMille = 0
            #expect(path.run() == nil)
            #expect(path.retransmissions == 0, "\(path.summary); replay with CHIMNEY_SEED=\(seed)")
        }
    }
}

/// A sender over a recovery, a receiver, and a path between them.
private struct RandomPath: ~Copyable {
    var lossPerMille: Int
    var doublePerMille: Int
    var markPerMille: Int
    var jitter: TimeSpan
    private let delay: TimeSpan
    private let mss: Int
    /// The largest piece, which the device cuts.
    private let pieceMax: Int
    private let total: Int
    private let base: SequenceNumber
    private let hasSACK: Bool
    private let hasTimestamps: Bool
    private let algorithm: CongestionAlgorithm
    private let features: RecoveryFeatures
    private var recovery: LossRecovery
    private var random: StackRandom
    private var now = Instant.zero + .seconds(1)
    private var sent = 0
    private var acknowledged = 0
    private var flights: [Flight] = []
    private var order = 0
    private var steps = 0
    // The receiver's side.
    private var received = 0
    private var islands: [Range<Int>] = []
    private var recentTimestamp: UInt32 = 0
    private var newest: Range<Int>?
    private var duplicate: Range<Int>?
    private var echoes = false

    private struct Flight {
        var at: Instant
        var order: Int
        var bytes: Range<Int>
        var timestamp: UInt32
        var isMarked: Bool
        var ack: AckArrival?
    }

    init(seed: UInt64) {
        var random = StackRandom(seed: seed)
        func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
        algorithm = CongestionAlgorithm.builtIn[number(0...3)]
        features = RecoveryFeatures(rawValue: UInt16(truncatingIfNeeded: random.next()) & 127)
        mss = number(100...2_000)
        pieceMax = number(0...2) == 0 ? mss * number(2...40) : mss
        total = mss * number(1...300) + number(0...99)
        hasSACK = number(0...3) > 0
        hasTimestamps = number(0...1) == 0
        lossPerMille = number(0...2) == 0 ? 0 : number(0...200)
        doublePerMille = number(0...1) == 0 ? 0 : number(0...100)
        markPerMille = number(0...2) == 0 ? number(0...200) : 0
        jitter = number(0...1) == 0 ? .zero : .microseconds(Int64(number(1...30_000)))
        delay = .microseconds(Int64(number(1...100_000)))
        base = SequenceNumber(UInt32(truncatingIfNeeded: random.next()))
        var settings = RecoverySettings()
        settings.congestion = algorithm
        settings.features = features
        settings.segmentsMax = number(8...400)
        recovery = LossRecovery(settings: settings)
        var opening = RecoveryOpening(una: base, mss: mss)
        opening.hasSelectiveAcks = hasSACK
        opening.hasTimestamps = hasTimestamps
        opening.hasECN = markPerMille > 0
        opening.roundTrip = number(0...1) == 0 ? nil : delay * 2
        recovery.opened(opening, at: now)
        self.random = random
    }

    var retransmissions: UInt32 { recovery.counters.retransmissions }

    var summary: String {
        "\(algorithm) features \(features.rawValue) mss \(mss) piece \(pieceMax) total \(total) sack \(hasSACK) "
            + "loss \(lossPerMille) jitter \(jitter.nanoseconds) delay \(delay.nanoseconds): \(acknowledged) at "
            + "\(now.nanoseconds) after \(steps), \(recovery.counters), \(recovery.state)"
    }

    /// - Returns: what went wrong.
    mutating func run() -> String? {
        while acknowledged < total {
            steps += 1
            guard steps < 60_000 else { return "no end" }
            send()
            if let problem = violation() { return problem }
            let next = min(recovery.deadline, flights.first?.at ?? .never)
            guard next < .never else { return "nothing more happens" }
            now = max(now, next)
            if let flight = flights.first, flight.at <= now {
                flights.removeFirst()
                if let ack = flight.ack { take(ack) } else { arrive(flight) }
            } else if recovery.timerFired(at: now) == .probe {
                probe()
            }
        }
        recovery.trim()
        return recovery.deadline == .never && recovery.outstanding == 0 ? nil : "something is left"
    }

    private func violation() -> String? {
        let state = recovery.state
        if recovery.outstanding > 0, recovery.deadline == .never { return "no timer" }
        if state.inFlightBytes + state.sackedBytes + state.lostBytes != state.outstandingBytes {
            return "bytes are lost"
        }
        if state.segmentCount > 401 { return "more records than the bound" }
        if recovery.cwnd < mss || recovery.ssthresh < 2 * mss { return "a window below the least" }
        return nil
    }

    // MARK: - The sender

    private var timestamp: UInt32 { hasTimestamps ? UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) &+ 1 : 0 }

    private mutating func send() {
        while let range = recovery.nextToRetransmit(at: now) { transmit(range, .again) }
        while sent < total {
            let allowed = recovery.allowance(at: now)
            var count = min(total - sent, allowed, pieceMax)
            if count > mss { count -= count % mss }
            guard count > 0, count >= mss || count == total - sent else { return }
            transmit(SequenceRange(base + sent, count: count), .new)
        }
    }

    private mutating func probe() {
        if sent < total {
            transmit(SequenceRange(base + sent, count: min(mss, total - sent)), .probe)
        } else if let range = recovery.probeRange {
            transmit(range, .probe)
        }
    }

    private mutating func transmit(_ range: SequenceRange, _ kind: Transmission.Kind) {
        let start = range.start - base
        let end = range.end - base
        let isLast = max(sent, end) >= total
        recovery.transmitted(
            Transmission(range: range, kind: kind, timestamp: timestamp, isApplicationLimited: isLast), at: now)
        sent = max(sent, end)
        var from = start
        while from < end {
            let to = min(end, from + mss)
            launch(from..<to, ack: nil)
            from = to
        }
    }

    private mutating func chance(_ perMille: Int) -> Bool {
        perMille > 0 && Int.random(in: 0..<1_000, using: &random) < perMille
    }

    private mutating func launch(_ bytes: Range<Int>, ack: AckArrival?) {
        let copies = chance(lossPerMille) ? 0 : chance(doublePerMille) ? 2 : 1
        for _ in 0..<copies {
            let extra = jitter == .zero ? TimeSpan.zero : random.delay(upTo: jitter)
            order += 1
            let flight = Flight(
                at: now + delay + extra, order: order, bytes: bytes, timestamp: timestamp,
                isMarked: chance(markPerMille), ack: ack)
            let place = flights.lastIndex { ($0.at, $0.order) < (flight.at, flight.order) }
            flights.insert(flight, at: place.map { $0 + 1 } ?? 0)
        }
    }

    private mutating func take(_ ack: AckArrival) {
        let number = ack.ack - base
        guard number >= acknowledged else { return }
        var ack = ack
        ack.mayBeDuplicate = number == acknowledged && recovery.outstanding > 0
        ack.peerWindow = 1 << 28
        let outcome = recovery.ackArrived(ack, at: now)
        acknowledged = number
        if outcome.wantsCWR { echoes = false }
    }

    // MARK: - The receiver

    private mutating func arrive(_ flight: Flight) {
        let bytes = flight.bytes
        if bytes.lowerBound <= received { recentTimestamp = max(recentTimestamp, flight.timestamp) }
        duplicate = nil
        newest = nil
        if bytes.upperBound <= received
            || islands.contains(where: { $0.lowerBound <= bytes.lowerBound && bytes.upperBound <= $0.upperBound })
        {
            duplicate = bytes
        } else {
            newest = bytes
            islands.append(max(bytes.lowerBound, received)..<bytes.upperBound)
            islands.sort { $0.lowerBound < $1.lowerBound }
            var merged: [Range<Int>] = []
            for island in islands {
                if let last = merged.last, last.upperBound >= island.lowerBound {
                    merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, island.upperBound)
                } else {
                    merged.append(island)
                }
            }
            if let first = merged.first, first.lowerBound <= received {
                received = max(received, first.upperBound)
                merged.removeFirst()
            }
            islands = merged
        }
        if flight.isMarked { echoes = true }
        launch(0..<0, ack: answer())
    }

    private func answer() -> AckArrival {
        var ack = AckArrival(ack: base + received)
        ack.echo = hasTimestamps ? recentTimestamp : nil
        ack.hasECE = echoes
        guard hasSACK else { return ack }
        func append(_ bytes: Range<Int>) {
            ack.blocks.append(SequenceRange(base + bytes.lowerBound, count: bytes.count))
        }
        if let duplicate { append(duplicate) }
        let first =
            newest.flatMap { newest in islands.first { $0.contains(newest.lowerBound) } }
            ?? duplicate.flatMap { duplicate in islands.first { $0.contains(duplicate.lowerBound) } }
        if let first { append(first) }
        for island in islands where island != first && ack.blocks.count < 3 { append(island) }
        return ack
    }
}
