import ChimneyPrimitives

// What begins and ends recoveries, and what proves them needless.
extension LossRecovery {
    /// Looks for losses.
    ///
    /// - Returns: when the next will be found without a further acknowledgement.
    mutating func findLosses(isProgress: Bool, at now: Instant) -> Instant? {
        guard traits.contains(.selectiveAcks) else {
            findLossesByCount(isProgress: isProgress)
            return nil
        }
        guard has(.rack) else {
            box.flight.scoreboard.markLostByCount(mss: Int(mss))
            return nil
        }
        guard box.flight.hasLatest else { return nil }
        return box.flight.scoreboard.markLost(
            before: box.flight.latestSentAt, box.flight.latestEnd, wasResent: box.flight.isLatestResent,
            patience: patience, at: now)
    }

    /// How long after its sending a segment is lost if a later one was delivered.
    var patience: TimeSpan { box.isEmpty ? .zero : box.flight.latestRoundTrip + reorderingWindow }

    /// The third duplicate shows a loss, and in recovery each acknowledgement that leaves something missing shows the
    /// next (RFC 6582 §3.2).
    private mutating func findLossesByCount(isProgress: Bool) {
        switch episode {
        case .none:
            // Duplicates of what an earlier recovery sent again prove nothing (RFC 6582 §3.2 step 2).
            guard box.flight.duplicateCount >= 3, una > recoveryPoint else { return }
            _ = box.flight.scoreboard.markFirstLost(bytesMax: Int(mss))
        case .recovery:
            if isProgress, box.flight.scoreboard.markFirstLost(bytesMax: Int(mss)) { traits.insert(.mustRetransmit) }
        case .timeout: break
        }
    }

    /// A loss was found: the window shrinks once for all that is outstanding (RFC 6675 §5 step 4).
    mutating func beginRecovery(_ before: Before, _ outcome: inout AckOutcome, at now: Instant) {
        // Congestion of the same window that was marked is answered already (RFC 3168 §6.1.2).
        if traits.contains(.answeringMarks) {
            traits.remove(.answeringMarks)
        } else {
            armUndo()
            congestion.congested(by: .loss(outstanding: before.flightSize), at: now)
            box.flight.reduction.begin(flightSize: before.flightSize)
        }
        episode = .recovery
        recoveryPoint = nxt
        traits.insert(.mustRetransmit)
        box.flight.probe.isOut = false
        counters.recoveries &+= 1
        outcome.wantsCWR = traits.contains(.marks)
    }

    /// The receiver saw a congestion mark: the window shrinks, once for all that is outstanding (RFC 3168 §6.1.2).
    mutating func markReported(_ before: Before, _ outcome: inout AckOutcome, at now: Instant) {
        // With a window of one segment there is nothing to shrink but the rate (RFC 3168 §6.1.2).
        if cwnd <= Int(mss), rtoDue != .never { rtoDue = now + rto }
        guard episode == .none, !traits.contains(.answeringMarks) else { return }
        congestion.congested(by: .mark(outstanding: before.flightSize), at: now)
        box.flight.reduction.begin(flightSize: before.flightSize)
        box.flight.undo = UndoRecord()
        box.flight.congestionPoint = nxt
        traits.insert(.answeringMarks)
        counters.congestionMarks &+= 1
        outcome.wantsCWR = true
    }

    /// Ends what is over with the acknowledgement.
    mutating func endEpisodes(at now: Instant) {
        if traits.contains(.answeringMarks), una >= box.flight.congestionPoint {
            traits.remove(.answeringMarks)
            box.flight.reduction.end()
            congestion.recoveryEnded(at: now)
        }
        if episode != .none, una >= recoveryPoint {
            let wasRecovery = episode == .recovery
            episode = .none
            test = .none
            traits.remove(.mustRetransmit)
            box.flight.reduction.end()
            reordering.recoveryEnded()
            congestion.recoveryEnded(at: now)
            if wasRecovery, !traits.contains(.selectiveAcks) {
                // Without SACK the flight is not known well enough to fill the window at once (RFC 6582 §3.2 step 3).
                let window = max(inFlight, Int(mss)) + Int(mss)
                if window < cwnd { congestion.cwnd = window }
            }
            box.flight.undo.isEnding = true
            box.flight.undo.expiry = nxt
        }
        if box.flight.undo.isEnding, una > box.flight.undo.expiry { box.flight.undo = UndoRecord() }
    }

    // MARK: - Needless

    private mutating func armUndo() {
        guard has(.undo) else { return }
        box.flight.undo = UndoRecord()
        box.flight.undo.congestion = congestion.copy
        box.flight.undo.from = una
    }

    /// Whether all that was sent again proves to have arrived before: by a timestamp from before (RFC 3522), or by the
    /// receiver's report of each as a duplicate (RFC 2883).
    mutating func isProvenNeedless(_ ack: AckArrival, _ delivery: Delivery, _ duplicate: SequenceRange?) -> Bool {
        guard box.flight.undo.congestion != nil, box.flight.undo.hasResent else { return false }
        if let duplicate, duplicate.end > box.flight.undo.from {
            box.flight.undo.resentBytes -= duplicate.count
            if box.flight.undo.resentBytes <= 0 { return true }
        }
        guard episode != .none, delivery.acknowledged > 0, let echo = delivery.echo, box.flight.undo.timestamp != 0
        else { return false }
        return Int32(bitPattern: echo &- box.flight.undo.timestamp) < 0
    }

    /// Whether a timeout proves needless, because what was sent before it arrives after it (RFC 5682).
    mutating func isTimeoutNeedless(_ ack: AckArrival, _ delivery: Delivery) -> Bool {
        let isSelective = traits.contains(.selectiveAcks)
        switch test {
        case .none: return false
        case .waiting:
            guard delivery.acknowledged > 0 else {
                // Step 2a; with SACK, duplicates before the answer say nothing yet (§3.1 step 2).
                if !isSelective, ack.mayBeDuplicate { test = .none }
                return false
            }
            guard una < recoveryPoint, ack.peerWindow > outstanding, !box.flight.wasApplicationLimited else {
                test = .none
                return false
            }
            test = .sending
            recoveryPoint = nxt
            box.flight.testQuota = 2 * Int(mss)
            return false
        case .sending, .judging:
            guard delivery.acknowledged > 0 || ack.mayBeDuplicate || delivery.sacked > 0 else { return false }
            let isBeyond = una > recoveryPoint || (isSelective && box.flight.scoreboard.furthest > recoveryPoint)
            let isNew = isSelective ? delivery.delivered > 0 : delivery.acknowledged > 0
            let wasTested = test == .judging
            test = .none
            if wasTested, isNew, !isBeyond { return true }
            // Step 3a: it was not, and two round trips have passed.
            congestion.cwnd = (wasTested ? 3 : 2) * Int(mss)
            return false
        }
    }

    /// Nothing new left that could test a timeout: it counts as needed, and what is lost is sent again by slow start
    /// (RFC 5682 §2.1 step 2b).
    ///
    /// - Returns: whether a test was ended; one that the pacer holds back goes on.
    mutating func testCannotGoOn() -> Bool {
        guard test == .sending, !box.isEmpty, !box.flight.waitsForPacer else { return false }
        test = .none
        // As if the acknowledgement that began the test had been one of slow start.
        congestion.cwnd = 2 * Int(mss)
        return true
    }

    /// Goes back to how things were, without sending at once all that would be allowed (RFC 4015 §3.4).
    mutating func undo(acknowledged: Int, at now: Instant) {
        guard let saved = box.flight.undo.congestion else { return }
        box.flight.scoreboard.forgetLosses()
        let window = cwnd
        congestion = saved
        let wanted = saved.cwnd
        let prudent = max(window, inFlight + max(acknowledged, limits.initialWindow(mss: Int(mss))))
        if prudent < wanted {
            congestion.ssthresh = saved.cwnd < saved.ssthresh ? saved.ssthresh : wanted
            congestion.cwnd = prudent
        } else if window > wanted {
            congestion.cwnd = window
        }
        congestion.undone(at: now)
        box.flight.undo = UndoRecord()
        box.flight.reduction.end()
        episode = .none
        test = .none
        doublings = 0
        traits.subtract([.mustRetransmit, .answeringMarks])
        counters.undone &+= 1
    }

    // MARK: - The end of a flight

    /// Judges by an acknowledgement whether a probe repaired a loss (RFC 8985 §7.4.2).
    mutating func judgeProbe(_ ack: AckArrival, _ duplicate: SequenceRange?, at now: Instant) {
        guard box.flight.probe.isOut, una >= box.flight.probe.end else { return }
        if !box.flight.probe.isAgain || duplicate?.end == box.flight.probe.end {
            box.flight.probe.isOut = false
        } else if una > box.flight.probe.end {
            box.flight.probe.isOut = false
            guard episode == .none, !traits.contains(.answeringMarks) else { return }
            let flightSize = Int(box.flight.probe.flightSize)
            congestion.congested(by: .loss(outstanding: flightSize), at: now)
            congestion.recoveryEnded(at: now)
        } else if ack.mayBeDuplicate, ack.blocks.isEmpty {
            box.flight.probe.isOut = false
        }
    }
}
