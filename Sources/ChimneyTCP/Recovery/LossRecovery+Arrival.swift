package import ChimneyPrimitives

extension LossRecovery {
    /// An acceptable acknowledgement arrived.
    ///
    /// - Complexity: O(log n) for n records, and what is newly covered.
    package mutating func ackArrived(_ ack: AckArrival, at now: Instant) -> AckOutcome {
        var outcome = AckOutcome()
        guard !box.isEmpty, !box.flight.scoreboard.isEmpty else {
            if ack.ack > nxt { probeTaken(upTo: ack.ack) }
            return outcome
        }
        guard ack.ack >= una, ack.ack <= nxt else { return outcome }
        let before = Before(
            flightSize: outstanding - box.flight.scoreboard.sackedBytes - box.flight.impliedBytes)
        var delivery = Delivery(
            at: now, echo: traits.contains(.timestamps) ? ack.echo : nil, shortest: roundTrips.shortest ?? .zero)
        let isCalm = isCalm(ack)
        let duplicate = isCalm || !traits.contains(.selectiveAcks) ? nil : reportedDuplicate(ack)
        box.flight.scoreboard.acknowledge(upTo: ack.ack, &delivery)
        una = ack.ack
        if !isCalm { takeReport(of: ack, duplicate, &delivery) }
        outcome.acknowledged = delivery.acknowledged
        outcome.roundTrip = measure(delivery)
        noticeOrder(delivery, duplicate)
        var phase = AckSample.Phase.open
        if !isCalm { phase = judge(ack, duplicate, delivery, &outcome, at: now) }
        var nextLoss: Instant?
        if !isCalm || box.flight.mayHaveLosses {
            let lostBefore = box.flight.scoreboard.lostBytes
            nextLoss = findLosses(isProgress: delivery.acknowledged > 0, at: now)
            outcome.isLossDetected = box.flight.scoreboard.lostBytes > lostBefore
            if outcome.isLossDetected, episode == .none { beginRecovery(before, &outcome, at: now) }
        }
        if ack.hasECE, traits.contains(.marks) { markReported(before, &outcome, at: now) }
        adjustWindow(delivery, ack, foundLoss: outcome.isLossDetected, phase, at: now)
        rearm(isProgress: delivery.acknowledged > 0, nextLoss: nextLoss, at: now)
        return outcome
    }

    /// A byte that probed a closed window was taken, of which there is no record.
    private mutating func probeTaken(upTo ack: SequenceNumber) {
        una = ack
        nxt = ack
    }

    /// Whether nothing is missing and nothing is under judgement, so that all it can do is acknowledge more.
    private func isCalm(_ ack: AckArrival) -> Bool {
        // The number of the last recovery must stay near those in use to be compared with them.
        episode == .none && ack.ack > una && ack.blocks.isEmpty && !traits.contains(.answeringMarks)
            && box.flight.offPath == 0 && box.flight.duplicateCount == 0 && box.flight.undo.congestion == nil
            && !box.flight.probe.isOut && una - recoveryPoint < 1 << 29
    }

    /// Takes in what is said beside the number.
    private mutating func takeReport(of ack: AckArrival, _ duplicate: SequenceRange?, _ delivery: inout Delivery) {
        if traits.contains(.selectiveAcks) {
            takeBlocks(of: ack, afterDuplicate: duplicate != nil, &delivery)
        } else {
            countDuplicates(ack, &delivery)
        }
    }

    /// Judges what is under way by it, and ends what is over.
    ///
    /// - Returns: what recovery was doing when it arrived.
    private mutating func judge(
        _ ack: AckArrival, _ duplicate: SequenceRange?, _ delivery: Delivery, _ outcome: inout AckOutcome,
        at now: Instant
    ) -> AckSample.Phase {
        outcome.isUndone = isProvenNeedless(ack, delivery, duplicate) || isTimeoutNeedless(ack, delivery)
        if outcome.isUndone { undo(acknowledged: delivery.acknowledged, at: now) }
        judgeProbe(ack, duplicate, at: now)
        let phase = samplePhase
        endEpisodes(at: now)
        return phase
    }

    /// How things stood before the acknowledgement.
    struct Before {
        /// Bytes outstanding and not known to be delivered.
        var flightSize: Int
    }

    // MARK: - Blocks and duplicates

    /// The first block, when it reports what arrived twice (RFC 2883 §4).
    private func reportedDuplicate(_ ack: AckArrival) -> SequenceRange? {
        guard !ack.blocks.isEmpty else { return nil }
        let first = ack.blocks[0]
        guard first.count > 0 else { return nil }
        if first.end <= ack.ack { return first }
        guard ack.blocks.count > 1 else { return nil }
        let second = ack.blocks[1]
        return second.start <= first.start && first.end <= second.end ? first : nil
    }

    /// Marks what the blocks say, the lower first, so that none seems to come late because of their order.
    private mutating func takeBlocks(
        of ack: AckArrival, afterDuplicate hasDuplicate: Bool, _ delivery: inout Delivery
    ) {
        var taken = 0
        for _ in 0..<ack.blocks.count {
            var lowest: Int?
            for index in 0..<ack.blocks.count where taken & (1 << index) == 0 {
                if index == 0 && hasDuplicate { continue }
                guard let found = lowest else {
                    lowest = index
                    continue
                }
                if ack.blocks[index].start < ack.blocks[found].start { lowest = index }
            }
            guard let lowest else { return }
            taken |= 1 << lowest
            let block = ack.blocks[lowest]
            // A block that reaches beyond what was sent says nothing (RFC 2018 §4).
            guard block.count > 0, block.end <= nxt, block.end > una else { continue }
            box.flight.scoreboard.sack(SequenceRange(.later(block.start, una), block.end), &delivery)
        }
    }

    /// A peer without SACK tells by each duplicate that a segment arrived (RFC 5681 §3.2, RFC 9937).
    private mutating func countDuplicates(_ ack: AckArrival, _ delivery: inout Delivery) {
        let segment = Int(mss)
        if delivery.acknowledged > 0 {
            // What duplicates stood for was delivered earlier; a segment of what is acknowledged is the missing one.
            let earlier = min(box.flight.impliedBytes, max(0, delivery.acknowledged - segment))
            delivery.delivered -= earlier
            // What came twice made duplicates too, so that they may stand for more than there is.
            let most = max(0, box.flight.scoreboard.inFlight - segment)
            box.flight.impliedBytes = min(box.flight.impliedBytes - earlier, most)
            if episode != .recovery || una >= recoveryPoint {
                box.flight.impliedBytes = 0
                box.flight.duplicateCount = 0
            }
        } else if ack.mayBeDuplicate {
            let implied = min(box.flight.impliedBytes + segment, max(0, box.flight.scoreboard.inFlight - segment))
            delivery.delivered += max(0, implied - box.flight.impliedBytes)
            box.flight.impliedBytes = max(implied, box.flight.impliedBytes)
            box.flight.duplicateCount = min(box.flight.duplicateCount, 254) + 1
        }
    }

    // MARK: - Measuring

    /// Takes the sample of an acknowledgement in (RFC 6298 §3: never one of a segment that was sent again, unless its
    /// timestamp tells which sending is answered).
    private mutating func measure(_ delivery: Delivery) -> TimeSpan? {
        if delivery.delivered > 0 {
            box.flight.delivered += UInt64(delivery.delivered)
            box.flight.deliveredAt = delivery.now
        }
        if delivery.acknowledged > 0 { timeoutCount = 0 }
        let canJudge = delivery.hasLatest && (!delivery.isLatestResent || delivery.echo != nil)
        if canJudge { roundTrips.see(delivery.now - delivery.latestSentAt, at: delivery.now) }
        guard let sentAt = delivery.firstSentAt ?? (canJudge ? delivery.latestSentAt : nil) else { return nil }
        let sample = delivery.now - sentAt
        roundTrips.take(sample, samplesPerRoundTrip: Int(box.flight.samplesBefore))
        box.flight.samples = min(box.flight.samples, 65_534) + 1
        doublings = 0
        traits.remove(.slowOpening)
        box.flight.probe.hasSample = true
        return sample
    }

    /// Notes which record was sent last of those delivered, and whether some came late or twice (RFC 8985 §6.2).
    private mutating func noticeOrder(_ delivery: Delivery, _ duplicate: SequenceRange?) {
        if delivery.hasLatest {
            box.flight.latestRoundTrip = delivery.now - delivery.latestSentAt
            let isLater =
                !box.flight.hasLatest || delivery.latestSentAt > box.flight.latestSentAt
                || (delivery.latestSentAt == box.flight.latestSentAt && delivery.latestEnd > box.flight.latestEnd)
            if isLater {
                box.flight.latestSentAt = delivery.latestSentAt
                box.flight.latestEnd = delivery.latestEnd
                box.flight.hasLatest = true
                box.flight.isLatestResent = delivery.isLatestResent
            }
        }
        if delivery.hasReordering { reordering.reorderingSeen() }
        reordering.ackArrived(una: una, nxt: nxt, hasDuplicate: duplicate != nil)
    }

    // MARK: - The window

    /// Lets the control, or rate reduction, take the acknowledgement in.
    private mutating func adjustWindow(
        _ delivery: Delivery, _ ack: AckArrival, foundLoss: Bool, _ phaseBefore: AckSample.Phase, at now: Instant
    ) {
        guard delivery.delivered > 0 || delivery.acknowledged > 0 || ack.hasECE else { return }
        let startsRound = delivery.acknowledged > 0 && una >= box.flight.roundEnd
        if box.flight.reduction.isActive {
            box.flight.reduction.ackArrived(
                delivered: delivery.delivered, inFlight: inFlight, ssthresh: ssthresh, mss: Int(mss),
                isSafe: delivery.acknowledged > 0 && !foundLoss)
        }
        var sample = AckSample(
            acknowledged: delivery.acknowledged, delivered: delivery.delivered,
            roundTrip: delivery.hasLatest ? now - delivery.latestSentAt : nil, inFlight: inFlight)
        sample.smoothedRoundTrip = roundTrips.smoothed
        sample.shortestRoundTrip = roundTrips.shortest
        sample.isWindowLimited = isWindowLimited
        sample.startsRound = startsRound
        sample.hasECE = ack.hasECE
        sample.isPaced = isPacing
        // What ends an episode belongs to it: it does not raise the window beyond where that led.
        sample.phase = samplePhase == .open ? phaseBefore : samplePhase
        if delivery.hasLatest {
            noteRate(
                since: delivery.deliveredBeforeAt, delivery.deliveredBefore, delivery.isApplicationLimited, &sample,
                at: now)
        }
        congestion.ackArrived(sample, at: now)
        if startsRound { roundEnded() }
    }

    /// Puts the rate into a sample at which data arrived since the record was sent that it is of; a control of our own
    /// does not ask for it.
    func noteRate(
        since sentAt: Instant, _ deliveredBefore: UInt64, _ isApplicationLimited: Bool, _ sample: inout AckSample,
        at now: Instant
    ) {
        guard congestion.isOwn, now > sentAt else { return }
        sample.deliveryRate = rate(box.flight.delivered - deliveredBefore, now - sentAt)
        sample.isApplicationLimited = isApplicationLimited
    }

    mutating func roundEnded() {
        box.flight.roundEnd = nxt
        box.flight.peakBefore = box.flight.peak
        box.flight.peak = UInt32(clamping: inFlight)
        box.flight.samplesBefore = box.flight.samples
        box.flight.samples = 0
        // The number of the last recovery must stay near those in use to be compared with them.
        if episode == .none, una - recoveryPoint > 1 << 28 { recoveryPoint = una - 1 }
    }

    private var samplePhase: AckSample.Phase {
        if box.flight.reduction.isActive { return .reducing }
        guard episode == .timeout else { return .open }
        return test == .none || test == .waiting ? .timedOut : .reducing
    }

    /// Whether the window was used up, or in slow start half of it, in this round trip or the one before (RFC 7661 §4.1).
    @inline(__always)
    var isWindowLimited: Bool {
        let peak = Int(max(box.flight.peak, box.flight.peakBefore))
        return cwnd < ssthresh ? cwnd < 2 * peak + Int(mss) : cwnd < peak + Int(mss)
    }

    private func rate(_ bytes: UInt64, _ span: TimeSpan) -> UInt64 {
        let (high, low) = bytes.multipliedFullWidth(by: 1_000_000_000)
        let divisor = UInt64(span.nanoseconds)
        return high >= divisor ? .max : divisor.dividingFullWidth((high, low)).quotient
    }
}
