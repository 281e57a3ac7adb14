import ChimneyPrimitives

// The common path: everything arrives once, in order, and acknowledgements do nothing but free it.
extension LossRecovery {
    /// Whether an acknowledgement up to a number can do nothing but free what it covers: nothing is missing, nothing was
    /// sent again and nothing is under judgement.
    ///
    /// What is so of no acknowledgement of most flights is asked first.
    @inline(__always)
    func isCalm(acknowledging ack: SequenceNumber) -> Bool {
        guard !box.isEmpty, episode == .none, ack > una, ack <= nxt, !traits.contains(.answeringMarks) else {
            return false
        }
        // The number of the last recovery must stay near those in use to be compared with them.
        guard una - recoveryPoint < 1 << 29 else { return false }
        return box.flight.isCalm(before: una)
    }

    /// Takes an acknowledgement in for which ``isCalm(acknowledging:)`` holds, and which has neither blocks nor marks.
    ///
    /// It leaves what ``ackArrived(_:at:)`` would leave.
    mutating func acknowledgedCalmly(upTo ack: SequenceNumber, at now: Instant) {
        let acknowledged = ack - una
        let covered = box.flight.scoreboard.acknowledgeOriginals(upTo: ack)
        una = ack
        box.flight.delivered &+= UInt64(truncatingIfNeeded: acknowledged)
        box.flight.deliveredAt = now
        timeoutCount = 0
        let latest = now - covered.lastSentAt
        roundTrips.see(latest, at: now)
        roundTrips.take(now - covered.firstSentAt, samplesPerRoundTrip: Int(box.flight.samplesBefore))
        box.flight.samples = min(box.flight.samples, 65_534) &+ 1
        doublings = 0
        traits.remove(.slowOpening)
        box.flight.probe.hasSample = true
        box.flight.latestRoundTrip = latest
        box.flight.latestSentAt = covered.lastSentAt
        box.flight.latestEnd = ack
        box.flight.hasLatest = true
        box.flight.isLatestResent = false
        reordering.ackArrived(una: una, nxt: nxt, hasDuplicate: false)
        let startsRound = una >= box.flight.roundEnd
        let isLimited = isWindowLimited
        if isLimited || !congestion.restsWhileUnused {
            tellControl(acknowledged, covered, startsRound: startsRound, isLimited: isLimited, at: now)
        }
        if startsRound { roundEnded() }
        guard una != nxt else {
            rtoDue = .never
            disarmSoftTimer()
            return
        }
        rtoDue = now + rto
        if has(.tailLossProbe), traits.contains(.selectiveAcks) { armProbe(at: now) } else { disarmSoftTimer() }
    }

    @inline(never)
    private mutating func tellControl(
        _ acknowledged: Int, _ covered: Scoreboard.Covered, startsRound: Bool, isLimited: Bool, at now: Instant
    ) {
        var sample = AckSample(
            acknowledged: acknowledged, roundTrip: box.flight.latestRoundTrip, inFlight: outstanding)
        sample.smoothedRoundTrip = roundTrips.smoothed
        sample.shortestRoundTrip = roundTrips.shortest
        sample.isWindowLimited = isLimited
        sample.startsRound = startsRound
        sample.isPaced = isPacing
        noteRate(since: covered.deliveredAt, covered.delivered, covered.isApplicationLimited, &sample, at: now)
        congestion.ackArrived(sample, at: now)
    }
}

extension Flight {
    /// Whether all that is outstanding was sent once and is on its way, and nothing waits to be judged.
    @inline(__always)
    func isCalm(before una: SequenceNumber) -> Bool {
        guard !scoreboard.isEmpty, !scoreboard.hasResent, offPath == 0, duplicateCount == 0, !probe.isOut else {
            return false
        }
        guard undo.congestion == nil, scoreboard.furthest <= una else { return false }
        return !hasLatest || scoreboard.firstSentAt >= latestSentAt
    }
}

extension Scoreboard {
    /// What the records that were acknowledged say: when the first was sent, and of the last what its sample needs.
    struct Covered {
        var firstSentAt: Instant
        var lastSentAt: Instant
        var delivered: UInt64
        var deliveredAt: Instant
        var isApplicationLimited: Bool
    }

    /// All before a number is acknowledged, of records that were all sent once and not marked.
    @inline(__always)
    mutating func acknowledgeOriginals(upTo ack: SequenceNumber) -> Covered {
        let firstSentAt = records[0].sentAt
        while records[0].range.end < ack, records.count > 1 { _ = records.removeFirst() }
        let covered = Covered(
            firstSentAt: firstSentAt, lastSentAt: records[0].sentAt, delivered: records[0].delivered,
            deliveredAt: records[0].deliveredAt, isApplicationLimited: records[0].marks.contains(.applicationLimited))
        if records[0].range.end <= ack { _ = records.removeFirst() } else { records[0].range.start = ack }
        furthest = ack
        lostFrom = .later(lostFrom, ack)
        originalsFrom = .later(originalsFrom, ack)
        return covered
    }
}
