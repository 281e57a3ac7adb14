package import ChimneyPrimitives

extension LossRecovery {
    /// Whether something counts as lost and waits for being sent again.
    @inline(__always)
    var hasLost: Bool { !box.isEmpty && box.flight.scoreboard.lostBytes > 0 }

    /// Whether there are as many records of what was sent as there may be: nothing new is sent until some are acknowledged.
    var isFull: Bool { !box.isEmpty && box.flight.scoreboard.isFull }

    /// The next range to send again, of at most one segment, if it may leave now.
    package mutating func nextToRetransmit(at now: Instant) -> SequenceRange? {
        guard !box.isEmpty, box.flight.scoreboard.lostBytes > 0, test == .none || test == .waiting else { return nil }
        guard let range = box.flight.scoreboard.nextLost(bytesMax: Int(mss)) else { return nil }
        if traits.contains(.mustRetransmit) { return range }
        guard test == .none else { return nil }
        if box.flight.reduction.isActive {
            guard box.flight.reduction.quota > 0 else { return nil }
        } else {
            guard inFlight == 0 || inFlight + range.count <= cwnd else { return nil }
        }
        return pacerAllows(range.count, at: now) > 0 ? range : nil
    }

    /// How many bytes of new data may leave now.
    package mutating func allowance(at now: Instant) -> Int {
        if outstanding == 0 { restartAfterIdle(at: now) }
        guard !box.isEmpty else { return pacerAllows(cwnd, at: now) }
        guard !box.flight.scoreboard.isFull else { return 0 }
        let room: Int
        if test == .sending || test == .judging {
            room = box.flight.testQuota
        } else if box.flight.reduction.isActive {
            // Shares of segments count as whole ones, as the RFC counts in segments (RFC 9937).
            let segments = (box.flight.reduction.quota + Int(mss) - 1) / Int(mss)
            room = segments * Int(mss)
        } else if has(.limitedTransmit) || episode != .none {
            room = cwnd - inFlight
        } else {
            room = cwnd - (outstanding - box.flight.scoreboard.lostBytes)
        }
        return room > 0 ? pacerAllows(room, at: now) : 0
    }

    /// A segment was sent.
    package mutating func transmitted(_ sent: Transmission, at now: Instant) {
        guard !sent.range.isEmpty else { return }
        openFlight(at: now)
        let isNew = sent.range.start >= nxt
        let record = SentSegment(
            range: sent.range, sentAt: now, delivered: box.flight.delivered, deliveredAt: box.flight.deliveredAt,
            timestamp: sent.timestamp, marks: sent.isApplicationLimited ? .applicationLimited : [])
        if isNew {
            box.flight.scoreboard.append(record)
            nxt = sent.range.end
            if test == .sending || test == .judging {
                box.flight.testQuota -= sent.range.count
                test = .judging
            }
        } else {
            sentAgain(record)
        }
        lastSentAt = now
        box.flight.wasApplicationLimited = sent.isApplicationLimited
        box.flight.peak = max(box.flight.peak, UInt32(clamping: inFlight))
        if box.flight.reduction.isActive { box.flight.reduction.left(sent.range.count) }
        if isPacing { box.flight.pacer.sent(sent.range.count, rate: pacingRate, at: now) }
        if rtoDue == .never { rtoDue = now + rto }
        switch sent.kind {
        case .new: if mayProbe { armProbe(at: now) }
        case .again: break
        case .probe: probeSent(isAgain: !isNew, at: now)
        }
    }

    private mutating func sentAgain(_ record: SentSegment) {
        box.flight.scoreboard.resend(record.range, as: record)
        // The first of a recovery has a whole timeout to be acknowledged (RFC 6675 §5 step 4.3).
        if traits.contains(.mustRetransmit), episode == .recovery { rtoDue = record.sentAt + rto }
        traits.remove(.mustRetransmit)
        counters.retransmissions &+= UInt32(clamping: (record.range.count + Int(mss) - 1) / Int(mss))
        guard box.flight.undo.congestion != nil else { return }
        if !box.flight.undo.hasResent { box.flight.undo.timestamp = record.timestamp }
        box.flight.undo.hasResent = true
        box.flight.undo.resentBytes += record.range.count
    }

    /// A probe was sent: now the retransmission timer waits for its answer (RFC 8985 §7.3).
    private mutating func probeSent(isAgain: Bool, at now: Instant) {
        box.flight.probe.end = nxt
        box.flight.probe.isOut = true
        box.flight.probe.isAgain = isAgain
        box.flight.probe.flightSize = UInt32(clamping: outstanding)
        box.flight.probe.hasSample = false
        counters.probes &+= 1
        disarmSoftTimer()
        rtoDue = now + rto
    }

    @inline(__always)
    private mutating func openFlight(at now: Instant) {
        if box.isEmpty { box.fill(Flight(startingAt: nxt, recordsMax: limits.segmentsMax)) }
        guard box.flight.scoreboard.isEmpty else { return }
        box.flight.roundEnd = nxt
        box.flight.deliveredAt = now
        box.flight.peak = 0
    }

    /// What was learnt of the path is old when nothing was sent for longer than a timeout (RFC 5681 §4.1).
    @inline(__always)
    private mutating func restartAfterIdle(at now: Instant) {
        // No timeout is shorter than the least, which costs nothing to compare with.
        if now - lastSentAt > limits.restartAfter { restartAfterSilence(at: now) }
    }

    @inline(never)
    private mutating func restartAfterSilence(at now: Instant) {
        guard has(.restartsAfterIdle), now - lastSentAt > rto else { return }
        congestion.idled(initialWindow: limits.initialWindow(mss: Int(mss)), at: now)
        lastSentAt = now
    }

    /// How much of some bytes the pacer lets go; without pacing, or without a round trip to pace by, all.
    @inline(__always)
    private mutating func pacerAllows(_ bytes: Int, at now: Instant) -> Int {
        guard isPacing, roundTrips.smoothed != nil, bytes > 0 else { return max(0, bytes) }
        return paced(bytes, at: now)
    }

    @inline(never)
    private mutating func paced(_ bytes: Int, at now: Instant) -> Int {
        openFlight(at: now)
        let allowed = box.flight.pacer.allowance(rate: pacingRate, mss: Int(mss), at: now)
        box.flight.waitsForPacer = allowed == 0
        return min(bytes, allowed)
    }
}
