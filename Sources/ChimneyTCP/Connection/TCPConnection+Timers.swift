package import ChimneyPrimitives
import ChimneyWire

extension TCPConnection {
    /// Time passed; early or late does no harm.
    package mutating func timerFired(at now: Instant, shared: inout TCPShared, output: inout TCPOutput) {
        if probeDue <= now {
            switch state {
            case .synSent, .synReceived:
                probeDue = .never
                handshakeTimedOut(at: now, shared: &shared, output: &output)
            case .closed, .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck, .timeWait:
                windowWaited(at: now, shared: &shared, output: &output)
            }
        }
        if recovery.deadline <= now { recoveryFired(at: now, shared: &shared, output: &output) }
        if ackDue <= now {
            ackDue = .never
            marks.insert(.ackNow)
        }
        if userDue <= now { patienceEnded(at: now, shared: &shared, output: &output) }
        if idleDue <= now { silenceLasted(at: now, shared: &shared, output: &output) }
        flush(at: now, output: &output)
    }

    private mutating func recoveryFired(at now: Instant, shared: inout TCPShared, output: inout TCPOutput) {
        switch recovery.timerFired(at: now) {
        case .none: break
        case .transmit:
            // Behind a closed window timeouts are probes.
            guard snd.wnd == 0, recovery.backoff > timeoutsMax else { break }
            let isSilent = now - heardAt >= recovery.rto * 2
            windowStayedClosed(isSilent: isSilent, shared: &shared, output: &output)
        case .probe: probeTail(at: now, to: &output)
        case .timedOut(let count): retransmissionTimedOut(count, at: now, shared: &shared, output: &output)
        }
    }

    /// Makes the peer acknowledge: with a new segment when there is one, else with the last once more (RFC 8985 §7.3).
    private mutating func probeTail(at now: Instant, to output: inout TCPOutput) {
        let window = snd.una + Int(snd.wnd) - snd.nxt
        let count = min(sizeOfNext, sendBuffer.end - snd.nxt, window)
        if count > 0, !recovery.isFull {
            let start = snd.nxt
            snd.nxt += count
            sendAgain(SequenceRange(start, snd.nxt), kind: .probe, at: now, to: &output)
        } else if let range = recovery.probeRange {
            sendAgain(range, kind: .probe, at: now, to: &output)
        }
    }

    /// Nothing was acknowledged for long (RFC 9293 §3.8.3).
    private mutating func retransmissionTimedOut(
        _ count: Int, at now: Instant, shared: inout TCPShared, output: inout TCPOutput
    ) {
        if count == 3 { output.events.insert(.pathSuspected) }
        // A peer that answers and keeps its window closed is not given up (§3.8.6.1).
        if snd.wnd == 0 && now - heardAt < recovery.rto * 2 { return }
        if marks.contains(.congestionMarks) { marks.insert(.tellsReduction) }
        suspectSize(count, at: now)
        guard count > timeoutsMax else { return }
        end(hasSoftError ? .unreachable : .timedOut, shared: &shared, output: &output)
    }

    /// How often in a row the timer fires in vain before the connection is given up: less often once nobody owns it.
    private var timeoutsMax: Int {
        let most = sharedSettings.value.retransmissionsMax
        return marks.contains(.ownerGone) ? min(most, 8) : most
    }

    /// As many probes as timeouts are waited for did not open the peer's window.
    ///
    /// A peer that answers none is gone. One that answers is borne as long as there is an owner (RFC 9293 §3.8.6.1); without
    /// one it must not hold the buffer for ever (RFC 6429).
    ///
    /// - Returns: whether the connection was given up.
    @discardableResult
    private mutating func windowStayedClosed(
        isSilent: Bool, shared: inout TCPShared, output: inout TCPOutput
    ) -> Bool {
        guard isSilent || marks.contains(.ownerGone) else { return false }
        if !isSilent { sendReset(to: &output) }
        end(.timedOut, shared: &shared, output: &output)
        return true
    }

    /// The time to probe a window has come.
    private mutating func windowWaited(at now: Instant, shared: inout TCPShared, output: inout TCPOutput) {
        let hasWork = sendBuffer.end > snd.nxt || (marks.contains(.finQueued) && !marks.contains(.finSent))
        guard state.sendsData, hasWork, !isOutstanding else {
            probeDue = .never
            return
        }
        let isSilent = now - heardAt >= probeInterval * 2
        let isEnough = Int(probesSent) >= timeoutsMax
        if isEnough, windowStayedClosed(isSilent: isSilent, shared: &shared, output: &output) { return }
        probeWindow(at: now, to: &output)
    }

    /// The owner's time is up: for connecting, for data to be acknowledged, for lingering.
    private mutating func patienceEnded(at now: Instant, shared: inout TCPShared, output: inout TCPOutput) {
        userDue = .never
        if marks.contains(.lingers) {
            sendReset(to: &output)
            return end(.aborted, shared: &shared, output: &output)
        }
        guard let patience = sharedSettings.value.userTimeout else { return }
        if state == .synSent || state == .synReceived {
            return end(hasSoftError ? .unreachable : .timedOut, shared: &shared, output: &output)
        }
        guard isOutstanding || probeDue != .never else { return }
        if now < progressAt + patience {
            userDue = progressAt + patience
        } else {
            sendReset(to: &output)
            end(.timedOut, shared: &shared, output: &output)
        }
    }

    // MARK: - Silence

    /// Whether memory could be given back, because nothing needs it now.
    var holdsMemory: Bool {
        (sendBuffer.holdsMemory && sendBuffer.isEmpty && !isOutstanding) || reassembly.holdsMemory
    }

    mutating func armKeepAlive(at now: Instant) {
        guard let keepAlive = sharedSettings.value.keepAlive else { return }
        idleDue = now + keepAlive.idle
    }

    private mutating func silenceLasted(at now: Instant, shared: inout TCPShared, output: inout TCPOutput) {
        idleDue = .never
        if state == .finWait2 && marks.contains(.ownerGone) {
            return end(nil, shared: &shared, output: &output)
        }
        if holdsMemory {
            let quietAt = max(heardAt, progressAt) + Self.quietTime
            if quietAt > now {
                idleDue = quietAt
                return
            }
            trim()
        }
        guard let keepAlive = sharedSettings.value.keepAlive, state.isSynchronized, state != .timeWait else { return }
        if isOutstanding || probeDue != .never {
            // Retransmissions and probes of the window tell whether the peer is there.
            idleDue = now + keepAlive.idle
            return
        }
        if now < heardAt + keepAlive.idle {
            probesSent = 0
            idleDue = heardAt + keepAlive.idle
        } else if probesSent == .max || Int(probesSent) >= keepAlive.count {
            sendReset(to: &output)
            end(.keepAliveTimedOut, shared: &shared, output: &output)
        } else {
            probesSent += 1
            idleDue = now + keepAlive.interval
            // A number that was acknowledged makes the peer say what it expects (RFC 9293 §3.8.4).
            var segment = self.segment(sequence: snd.nxt - 1, flags: .ack, at: now)
            acknowledged(by: &segment)
            send(segment, at: now, to: &output)
        }
    }

    /// Gives memory back that only a busy connection needs.
    package mutating func trim() {
        sendBuffer.trim()
        reassembly.trim()
        recovery.trim()
    }
}
