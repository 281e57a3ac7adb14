package import ChimneyPrimitives

extension LossRecovery {
    /// When ``timerFired(at:)`` has work; never when nothing is outstanding.
    @inline(__always)
    package var deadline: Instant {
        guard !box.isEmpty else { return .never }
        var due = rtoDue
        if box.flight.softTimer != .none { due = min(due, box.flight.softDue) }
        if box.flight.waitsForPacer { due = min(due, box.flight.pacer.releaseAt) }
        return due
    }

    /// The timer fired, perhaps early.
    package mutating func timerFired(at now: Instant) -> RecoveryAction {
        guard !box.isEmpty else { return .none }
        var action = RecoveryAction.none
        if box.flight.waitsForPacer, box.flight.pacer.releaseAt <= now {
            box.flight.waitsForPacer = false
            action = .transmit
        }
        guard !box.flight.scoreboard.isEmpty else { return action }
        if box.flight.softTimer != .none, box.flight.softDue <= now {
            let timer = box.flight.softTimer
            disarmSoftTimer()
            switch timer {
            case .none: break
            case .reordering: return reorderingExpired(at: now) ? .transmit : action
            case .probe:
                // One probe at a time, and none before the last one's answer was timed (RFC 8985 §7.3).
                let mayProbe = !box.flight.probe.isOut && box.flight.probe.hasSample
                rtoDue = now + rto
                if mayProbe { return .probe }
            }
        }
        return rtoDue <= now ? timedOut(at: now) : action
    }

    /// The reordering window of a segment passed.
    ///
    /// - Returns: whether losses were found.
    private mutating func reorderingExpired(at now: Instant) -> Bool {
        let lost = box.flight.scoreboard.lostBytes
        let before = Before(flightSize: outstanding - box.flight.scoreboard.sackedBytes)
        if let next = findLosses(isProgress: false, at: now) { arm(.reordering, at: next) }
        guard box.flight.scoreboard.lostBytes > lost else { return false }
        if episode == .none {
            var outcome = AckOutcome()
            beginRecovery(before, &outcome, at: now)
        }
        return true
    }

    /// Nothing was acknowledged for a whole timeout: what is outstanding counts as lost (RFC 6298 §5.4 to §5.6).
    private mutating func timedOut(at now: Instant) -> RecoveryAction {
        disarmSoftTimer()
        doublings = min(doublings, 30) + 1
        rtoDue = now + rto
        traits.insert(.mustRetransmit)
        guard !traits.contains(.closedWindow) else {
            box.flight.scoreboard.markLostOnTimeout(patience: .seconds(1 << 30), at: now)
            return .transmit
        }
        let flightSize = outstanding - box.flight.scoreboard.sackedBytes
        // A timeout in a recovery proves that recovery wrong, not itself (RFC 5682 §3.1 step 1).
        let mayTest = has(.forwardTimeout) && has(.undo) && (episode == .none || test != .none)
        if episode == .none { armTimeoutUndo() }
        if timeoutCount == 0 || episode != .timeout {
            congestion.congested(by: .timeout(outstanding: flightSize), at: now)
        } else {
            congestion.cwnd = Int(mss)
        }
        // What it said it has it has thrown away, for it does not acknowledge it (RFC 2018 §8).
        let hasReneged = box.flight.scoreboard.isFirstSacked
        if hasReneged { box.flight.scoreboard.forgetSacks() }
        box.flight.impliedBytes = 0
        box.flight.duplicateCount = 0
        let knowsTimes = traits.contains(.selectiveAcks) && has(.rack) && !hasReneged
        box.flight.scoreboard.markLostOnTimeout(patience: knowsTimes ? patience : .zero, at: now)
        box.flight.reduction.end()
        box.flight.probe.isOut = false
        traits.remove(.answeringMarks)
        episode = .timeout
        recoveryPoint = nxt
        test = mayTest ? .waiting : .none
        timeoutCount = min(timeoutCount, 254) + 1
        counters.timeouts &+= 1
        return .timedOut(consecutive: Int(timeoutCount))
    }

    private mutating func armTimeoutUndo() {
        guard has(.undo) else { return }
        box.flight.undo = UndoRecord()
        box.flight.undo.congestion = congestion.copy
        box.flight.undo.from = una
    }

    // MARK: - Arming

    /// Sets the timers anew after an acknowledgement (RFC 6298 §5.2 and §5.3, RFC 8985 §7.2).
    mutating func rearm(isProgress: Bool, nextLoss: Instant?, at now: Instant) {
        guard !box.flight.scoreboard.isEmpty else {
            rtoDue = .never
            disarmSoftTimer()
            return
        }
        if isProgress { rtoDue = now + rto }
        if let nextLoss {
            arm(.reordering, at: nextLoss)
        } else if !mayProbe || box.flight.softTimer == .reordering {
            disarmSoftTimer()
        }
        if isProgress, nextLoss == nil, mayProbe { armProbe(at: now) }
    }

    /// Whether the end of the flight may be probed: nothing is known to be missing, which other means care for.
    @inline(__always)
    var mayProbe: Bool {
        has(.tailLossProbe) && traits.contains(.selectiveAcks) && episode == .none && !box.flight.probe.isOut
            && box.flight.scoreboard.sackedBytes == 0 && box.flight.scoreboard.lostBytes == 0
    }

    /// The probe leaves after two round trips, and not before a lone segment's acknowledgement may be delayed.
    @inline(__always)
    mutating func armProbe(at now: Instant) {
        var wait = roundTrips.twice ?? .seconds(1)
        if outstanding <= Int(mss), roundTrips.twice != nil { wait = wait + limits.rtoMin }
        arm(.probe, at: min(now + wait, rtoDue))
    }

    private mutating func arm(_ timer: Flight.SoftTimer, at due: Instant) {
        box.flight.softTimer = timer
        box.flight.softDue = due
    }

    mutating func disarmSoftTimer() {
        box.flight.softTimer = .none
        box.flight.softDue = .never
    }
}
