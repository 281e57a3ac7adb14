package import ChimneyPrimitives
import ChimneyWire

extension TCPConnection {
    /// A segment for this connection arrived (RFC 9293 §3.10.7; the numbers are the steps of §3.10.7.4).
    ///
    /// - Parameters:
    ///   - segment: its header.
    ///   - payload: its packet, with all headers taken off.
    ///   - now: the time.
    ///   - shared: what the connections of the shard have in common.
    ///   - output: what to send at once, and what happened; the rest follows with ``flush(at:output:)``.
    /// - Returns: why it, or its payload, came to nothing; `nil` when it did not.
    @discardableResult
    package mutating func segmentArrived(
        _ segment: ArrivedSegment, _ payload: consuming Packet, at now: Instant, shared: inout TCPShared,
        output: inout TCPOutput
    ) -> TCPDrop? {
        if isPredicted(segment, at: now), segment.payloadCount == 0 || received.count < shared.heldMax {
            predictedArrived(segment, payload, at: now, output: &output)
            output.isSettled = isSettled(at: now)
            output.deadline = deadline
            return nil
        }
        output.isSettled = false
        return checkedArrived(segment, payload, at: now, shared: &shared, output: &output)
    }

    /// Takes a segment step by step.
    @inline(never)
    private mutating func checkedArrived(
        _ segment: ArrivedSegment, _ payload: consuming Packet, at now: Instant, shared: inout TCPShared,
        output: inout TCPOutput
    ) -> TCPDrop? {
        var segment = segment
        // The window of a SYN is never shifted (RFC 7323 §2.2), whatever else the segment carries.
        let isShifted = !segment.flags.contains(.syn)
        if marks.contains(.watched) { arrivingSeen(segment, at: now) }
        switch state {
        case .closed, .timeWait: return .closed
        case .synSent:
            if let drop = synchronizingArrived(segment, at: now, shared: &shared, output: &output) { return drop }
            guard state == .established, segment.payloadCount > 0 || segment.flags.contains(.fin) else { return nil }
            segment.sequence += 1
            segment.flags.remove(.syn)
        case .synReceived:
            // The peer's SYN came along again, as it does when both opened at once.
            if segment.flags.contains(.syn), segment.sequence == rcv.irs {
                segment.sequence += 1
                segment.flags.remove(.syn)
            }
        case .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck: break
        }
        if now - heardAt >= Self.quietTime { quickAcksLeft = UInt8(clamping: sharedSettings.value.quickAcks) }
        heardAt = now
        let offered = segment.payloadCount
        if let drop = checkSequence(&segment, at: now, shared: &shared, output: &output) { return drop }  // 1
        if segment.flags.contains(.rst) {  // 2
            return resetArrived(segment, at: now, shared: &shared, output: &output)
        }
        if segment.flags.contains(.syn) {  // 4, RFC 5961 §4
            challenge(at: now, shared: &shared, output: &output)
            return .synChallenged
        }
        guard segment.flags.contains(.ack) else { return .noAck }  // 5
        if let drop = checkAcknowledgment(segment, at: now, shared: &shared, output: &output) { return drop }
        noteTimestamp(segment, at: now)
        let shift = isShifted && marks.contains(.scaled) ? snd.shift : 0
        acknowledgementArrived(segment, window: Int32(segment.window) << Int32(shift), at: now, output: &output)
        finAcknowledged(at: now, shared: &shared, output: &output)
        guard state != .closed && state != .timeWait else { return nil }
        if segment.flags.contains(.urg) { urgentArrived(segment, output: &output) }  // 6
        var drop: TCPDrop? = segment.payloadCount < offered ? .windowClosed : nil
        if segment.payloadCount > 0 {  // 7
            guard state.takesData else { return .duplicate }
            if marks.contains(.readerGone) {
                // Nobody will ever read it: the peer must not believe otherwise (RFC 9293 §3.6.1).
                sendReset(to: &output)
                end(.aborted, shared: &shared, output: &output)
                return .readerGone
            }
            drop = payloadArrived(segment, payload, at: now, shared: &shared, output: &output)
        }
        finArrived(with: segment, at: now, shared: &shared, output: &output)  // 8
        return drop
    }

    // MARK: - Step 1: is it in the window?

    private mutating func checkSequence(
        _ segment: inout ArrivedSegment, at now: Instant, shared: inout TCPShared, output: inout TCPOutput
    ) -> TCPDrop? {
        let isReset = segment.flags.contains(.rst)
        if marks.contains(.timestamps) && !isReset {
            guard let timestamps = segment.options.timestamps else { return .timestampMissing }
            if isOld(timestamps.value, at: now) {
                challenge(at: now, shared: &shared, output: &output)
                return .oldTimestamp
            }
        }
        let window = receiveWindow
        let length = segment.length
        if segment.sequence == rcv.nxt {
            if window == 0 && length > 0 && !isReset {
                // A probe of the closed window: what it says beside its payload counts.
                segment.payloadCount = 0
                segment.flags.remove(.fin)
                marks.insert(.ackNow)
            }
            return nil
        }
        if length == 0 {
            // One that is sent when the window is used up stands at its edge.
            if segment.sequence > rcv.nxt && segment.sequence <= rcv.edge { return nil }
        } else if segment.end > rcv.nxt && segment.sequence < rcv.edge {
            return nil
        }
        if isReset { return .resetOutsideWindow }
        if length > 0 && segment.end <= rcv.nxt && segment.end + receiveMax >= rcv.nxt {
            // Our ACK was lost, or is late.
            if segment.payloadCount > 0 {
                tellDuplicate(SequenceRange(segment.sequence, count: segment.payloadCount))
            }
            marks.insert(.ackNow)
            return .duplicate
        }
        challenge(at: now, shared: &shared, output: &output)
        return .outsideWindow
    }

    /// Whether a clock is behind the one that stood in a segment before (RFC 7323 §5.3).
    private func isOld(_ value: UInt32, at now: Instant) -> Bool {
        guard Int32(bitPattern: value &- rcv.recentTimestamp) < 0 else { return false }
        // After 24 days of silence the clock may have gone half way round (§5.5).
        return now.wholeSeconds &- rcv.recentAt < 24 * 86_400
    }

    private mutating func noteTimestamp(_ segment: ArrivedSegment, at now: Instant) {
        guard marks.contains(.timestamps), let timestamps = segment.options.timestamps else { return }
        guard segment.sequence <= rcv.acked else { return }
        rcv.recentTimestamp = timestamps.value
        rcv.recentAt = now.wholeSeconds
    }

    // MARK: - Steps 2 and 4: RST and SYN

    private mutating func resetArrived(
        _ segment: ArrivedSegment, at now: Instant, shared: inout TCPShared, output: inout TCPOutput
    ) -> TCPDrop? {
        guard segment.sequence == rcv.nxt else {
            challenge(at: now, shared: &shared, output: &output)
            return .resetChallenged
        }
        switch state {
        case .synReceived: end(.refused, shared: &shared, output: &output)
        case .established, .finWait1, .finWait2, .closeWait: end(.reset, shared: &shared, output: &output)
        case .closing, .lastAck, .closed, .synSent, .timeWait: end(nil, shared: &shared, output: &output)
        }
        return nil
    }

    /// Asks the peer whether it meant what may be forged; at most twice a second (RFC 5961 §7).
    mutating func challenge(at now: Instant, shared: inout TCPShared, output: inout TCPOutput) {
        let half = UInt32(truncatingIfNeeded: now.nanoseconds / 500_000_000)
        guard half != challengedIn, shared.challenges.take(at: now) else { return }
        challengedIn = half
        sendAck(at: now, to: &output)
    }

    // MARK: - Step 5: what it acknowledges

    private mutating func checkAcknowledgment(
        _ segment: ArrivedSegment, at now: Instant, shared: inout TCPShared, output: inout TCPOutput
    ) -> TCPDrop? {
        if state == .synReceived {
            guard segment.ack > snd.una && segment.ack <= snd.nxt else {
                output.segments.append(OutgoingSegment(sequence: segment.ack, flags: .rst))
                return .ackOfUnsent
            }
            handshakeAcknowledged(segment, at: now, output: &output)
            return nil
        }
        let most = snd.nxt + (marks.contains(.probeIsOut) ? 1 : 0)
        if segment.ack > most {
            challenge(at: now, shared: &shared, output: &output)
            return .ackOfUnsent
        }
        if segment.ack < snd.una - Int(snd.windowMax) {
            challenge(at: now, shared: &shared, output: &output)
            return .ackTooOld
        }
        return nil
    }

    private mutating func acknowledgementArrived(
        _ segment: ArrivedSegment, window: Int32, at now: Instant, output: inout TCPOutput
    ) {
        let ack = segment.ack
        if ack > snd.nxt {
            // The byte that probed the window was taken.
            snd.nxt = ack
            marks.remove(.probeIsOut)
        }
        // One that only comes along with data, while nothing of ours is under way, tells recovery nothing.
        if ack > snd.una || (ack == snd.una && (isOutstanding || segment.options.sackCount > 0)) {
            var arrival = AckArrival(ack: ack)
            arrival.echo = segment.options.timestamps?.echo
            arrival.mayBeDuplicate =
                ack == snd.una && segment.length == 0 && window == snd.wnd && isOutstanding
            arrival.hasECE = segment.flags.contains(.ece) && marks.contains(.congestionMarks)
            arrival.peerWindow = Int(window)
            if marks.contains(.selectiveAcks) {
                for index in 0..<segment.options.sackCount {
                    let block = segment.options[sack: index]
                    arrival.blocks.append(SequenceRange(SequenceNumber(block.left), SequenceNumber(block.right)))
                }
            }
            let outcome = recovery.ackArrived(arrival, at: now)
            if outcome.wantsCWR { marks.insert(.tellsReduction) }
        }
        if ack > snd.una { freed(upTo: ack, at: now, output: &output) }
        if snd.wl1 < segment.sequence || (snd.wl1 == segment.sequence && snd.wl2 <= ack) {
            windowArrived(window, sequence: segment.sequence, ack: ack)
        }
    }

    /// Bytes are acknowledged and need not be kept.
    mutating func freed(upTo ack: SequenceNumber, at now: Instant, output: inout TCPOutput) {
        sendBuffer.removeAll(before: ack)
        snd.una = ack
        progressAt = now
        hasSoftError = false
        // Numbers that fell behind would seem to be ahead half the space later.
        snd.small = SequenceNumber.later(snd.small, ack)
        snd.up = SequenceNumber.later(snd.up, ack)
        if snd.up == ack { marks.remove(.urgentQueued) }
        if userDue != .never && !marks.contains(.lingers) {
            userDue = isOutstanding ? now + (sharedSettings.value.userTimeout ?? .zero) : .never
        }
        if sendBuffer.isEmpty && !isOutstanding { output.events.insert(.drained) }
        // Writers wake when a third of the buffer is free, so that they do not write a byte at a time.
        if marks.contains(.writerWaits), sendBuffer.count * 3 <= sharedSettings.value.sendBufferMax * 2 {
            marks.remove(.writerWaits)
            output.events.insert(.writable)
        }
    }

    mutating func windowArrived(_ window: Int32, sequence: SequenceNumber, ack: SequenceNumber) {
        let wasClosed = snd.wnd == 0
        snd.wnd = window
        snd.wl1 = sequence
        snd.wl2 = ack
        snd.windowMax = max(snd.windowMax, window)
        if window > 0 {
            if probeDue != .never {
                probeDue = .never
                marks.remove(.probeIsOut)
            }
        }
        // While nothing waits for the window, what was sent were keep-alive probes, and this answers them.
        if window > 0 || probeDue == .never { probesSent = 0 }
        if wasClosed != (window == 0) { recovery.peerWindowClosed(window == 0) }
    }

    /// Our FIN may be among what was acknowledged.
    private mutating func finAcknowledged(at now: Instant, shared: inout TCPShared, output: inout TCPOutput) {
        guard isFinAcknowledged else { return }
        switch state {
        case .finWait1:
            state = .finWait2
            if marks.contains(.ownerGone) {
                userDue = .never
                idleDue = now + sharedSettings.value.finWait2Timeout
            }
        case .closing: enterTimeWait(shared: &shared, output: &output)
        case .lastAck: end(nil, shared: &shared, output: &output)
        case .closed, .synSent, .synReceived, .established, .finWait2, .closeWait, .timeWait: break
        }
    }

    // MARK: - Steps 6 and 8: URG and FIN

    private mutating func urgentArrived(_ segment: ArrivedSegment, output: inout TCPOutput) {
        guard state.takesData else { return }
        let up = segment.sequence + Int(segment.urgentPointer)
        guard up > rcv.nxt, !marks.contains(.urgentArrived) || up > rcv.up else { return }
        rcv.up = up
        marks.insert(.urgentArrived)
        output.events.insert(.urgent)
    }

    private mutating func finArrived(
        with segment: ArrivedSegment, at now: Instant, shared: inout TCPShared, output: inout TCPOutput
    ) {
        if segment.flags.contains(.fin), !marks.contains(.finArrived) {
            let number = segment.sequence + segment.payloadCount
            // A FIN beyond what we asked for comes again with what it follows.
            guard number >= rcv.nxt && number <= rcv.edge else { return }
            rcv.fin = number
            marks.insert(.finIsKnown)
        }
        guard marks.contains(.finIsKnown), !marks.contains(.finArrived) else { return }
        guard rcv.fin == rcv.nxt else {
            if segment.length == 1 { marks.insert(.ackNow) }
            return
        }
        marks.insert([.finArrived, .ackNow])
        rcv.nxt += 1
        rcv.edge = SequenceNumber.later(rcv.edge, rcv.nxt)
        reassembly.flush(budget: &shared.reassembly)
        output.events.insert([.peerClosed, .readable])
        switch state {
        case .established: state = .closeWait
        case .finWait1: state = .closing
        case .finWait2: enterTimeWait(shared: &shared, output: &output)
        case .closed, .synSent, .synReceived, .closeWait, .closing, .lastAck, .timeWait: break
        }
    }
}
