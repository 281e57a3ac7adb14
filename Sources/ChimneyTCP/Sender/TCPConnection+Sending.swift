package import ChimneyPrimitives
import ChimneyWire

extension TCPConnection {
    /// Sends what has become due: a SYN, lost data, new data, an acknowledgement.
    ///
    /// It is called once after a batch of segments, and after commands.
    package mutating func flush(at now: Instant, output: inout TCPOutput) {
        sendDue(at: now, to: &output)
        output.deadline = deadline
    }

    @inline(__always)
    private mutating func sendDue(at now: Instant, to output: inout TCPOutput) {
        switch state {
        case .closed: return
        case .synSent, .synReceived:
            if marks.contains(.synDue) { sendSYN(at: now, to: &output) }
        case .established, .finWait1, .closeWait, .closing, .lastAck:
            if recovery.hasLost { sendLost(at: now, to: &output) }
            if snd.nxt != sendBuffer.end || marks.contains(.finQueued) { sendNew(at: now, to: &output) }
            if recovery.test == .sending, recovery.testCannotGoOn() { sendLost(at: now, to: &output) }
        case .finWait2, .timeWait: break
        }
        if !marks.isDisjoint(with: [.ackNow, .urgentUntold]) {
            if marks.contains(.urgentUntold) { sendUrgency(at: now, to: &output) }
            if marks.contains(.ackNow) { sendAck(at: now, to: &output) }
        }
        if idleDue > now + Self.quietTime, state != .finWait2, holdsMemory { idleDue = now + Self.quietTime }
    }

    /// How long nothing happens before memory is given back.
    static var quietTime: TimeSpan { .seconds(1) }

    /// The bytes of payload that a segment has when its options are those of every segment.
    @inline(__always)
    package var segmentSize: Int {
        min(Int(snd.peerSize), Int(snd.pathSize)) - (marks.contains(.timestamps) ? 12 : 0)
            - (marks.contains(.signed) ? TCPOptionValues.signatureByteCount : 0)
    }

    /// The bytes of payload that the next segment may have, with the SACK blocks it carries.
    @inline(__always)
    var sizeOfNext: Int {
        guard tellsBlocks else { return segmentSize }
        let count = selectiveCount
        return count == 0 ? segmentSize : segmentSize - (4 + 8 * count)
    }

    /// The number behind our FIN, which has the one behind the last byte.
    var isFinAcknowledged: Bool { marks.contains(.finSent) && snd.una > sendBuffer.end }

    /// Whether something was sent that is not acknowledged.
    @inline(__always)
    package var isOutstanding: Bool { snd.nxt > snd.una }

    // MARK: - Data

    private mutating func sendLost(at now: Instant, to output: inout TCPOutput) {
        while let range = recovery.nextToRetransmit(at: now) {
            guard sendAgain(range, kind: .again, at: now, to: &output) > 0 else { return }
        }
    }

    /// Sends numbers that were sent before, as many as one segment takes.
    ///
    /// - Returns: how many.
    @discardableResult
    mutating func sendAgain(
        _ range: SequenceRange, kind: Transmission.Kind, at now: Instant, to output: inout TCPOutput
    ) -> Int {
        let start = SequenceNumber.later(range.start, snd.una)
        let end = SequenceNumber.earlier(range.end, snd.nxt)
        guard start < end else { return 0 }
        var payload = SequenceNumber.earlier(end, sendBuffer.end) - start
        var hasFIN = marks.contains(.finSent) && end > sendBuffer.end
        let size = sizeOfNext
        if payload > size {
            payload = size
            hasFIN = false
        }
        sendData(from: start, count: payload, hasFIN: hasFIN, kind: kind, size: size, at: now, to: &output)
        return payload + (hasFIN ? 1 : 0)
    }

    private mutating func sendNew(at now: Instant, to output: inout TCPOutput) {
        while true {
            let unsent = sendBuffer.end - snd.nxt
            let wantsFIN = marks.contains(.finQueued) && !marks.contains(.finSent)
            guard unsent > 0 || wantsFIN else { return }
            let window = snd.una + Int(snd.wnd) - snd.nxt
            guard window > 0 else { return waitForWindow(at: now) }
            let allowed = recovery.allowance(at: now)
            guard allowed > 0 else { return }
            let size = sizeOfNext
            var count = min(unsent, window, allowed)
            if count >= size {
                count = wholeSegments(of: count, size: size, isAll: count == unsent && wantsFIN)
            } else if count == unsent {
                guard mayBeSmall(wantsFIN: wantsFIN) else { return }
            } else if count == window {
                // The window holds less than a segment (RFC 9293 §3.8.6.2.1): half of the largest is worth it.
                guard count * 2 >= Int(snd.windowMax) || marks.contains(.overridesSilly) else {
                    return waitForWindow(at: now)
                }
            } else {
                // Congestion control leaves less than a segment: it leaves more soon.
                guard !isOutstanding else { return }
            }
            let hasFIN = wantsFIN && count == unsent && window > count
            marks.remove(.overridesSilly)
            guard count > 0 || hasFIN else { return waitForWindow(at: now) }
            if !isOutstanding { progressAt = now }
            let start = snd.nxt
            snd.nxt += count + (hasFIN ? 1 : 0)
            if hasFIN { marks.insert(.finSent) }
            if count < size { snd.small = snd.nxt }
            sendData(from: start, count: count, hasFIN: hasFIN, kind: .new, size: size, at: now, to: &output)
            armPatience(at: now)
        }
    }

    /// How much of `count` bytes, at least one segment, goes into one piece.
    ///
    /// That is at most half of the window and of the buffer: while one piece is acknowledged the next is under way.
    private func wholeSegments(of count: Int, size: Int, isAll: Bool) -> Int {
        guard Int(snd.pieceMax) >= 2 * size, count > size else { return size }
        let most = min(Int(snd.windowMax), sharedSettings.value.sendBufferMax) / 2
        let piece = min(count, Int(snd.pieceMax), max(most, size))
        // The last bytes go along when nothing could join them.
        return isAll && piece == count ? piece : piece - piece % size
    }

    /// Whether the last bytes, less than a segment, may leave (RFC 9293 §3.7.4, with Minshall's reading: they wait only for
    /// the acknowledgement of an earlier segment that was small).
    private func mayBeSmall(wantsFIN: Bool) -> Bool {
        if wantsFIN || marks.contains(.overridesSilly) { return true }
        if marks.contains(.corked) {
            // A writer who cannot go on waits for room, which only an acknowledgement makes.
            let isFull = marks.contains(.writerWaits) || sendBuffer.count >= sharedSettings.value.sendBufferMax
            return isFull && !isOutstanding
        }
        return marks.contains(.noDelay) || snd.small <= snd.una
    }

    private mutating func sendData(
        from start: SequenceNumber, count: Int, hasFIN: Bool, kind: Transmission.Kind, size: Int, at now: Instant,
        to output: inout TCPOutput
    ) {
        var segment = self.segment(sequence: start, flags: .ack, at: now)
        segment.payloadCount = count
        if hasFIN { segment.flags.insert(.fin) }
        if count > 0 && start + count == sendBuffer.end { segment.flags.insert(.psh) }
        if count > size { segment.segmentSize = UInt16(clamping: size) }
        if marks.contains(.urgentQueued), snd.up > start {
            segment.flags.insert(.urg)
            segment.urgentPointer = UInt16(clamping: snd.up - start)
            marks.remove(.urgentUntold)
        }
        if marks.contains(.congestionMarks) && kind == .new && count > 0 {
            segment.isCongestionCapable = recovery.marksECT
            if marks.contains(.tellsReduction) {
                segment.flags.insert(.cwr)
                marks.remove(.tellsReduction)
            }
        }
        acknowledged(by: &segment)
        let length = count + (hasFIN ? 1 : 0)
        let sent = Transmission(
            range: SequenceRange(start, count: length), kind: kind,
            timestamp: segment.options.timestampValue,
            isApplicationLimited: snd.nxt >= sendBuffer.end)
        let isAgain = start < recovery.nxt
        recovery.transmitted(sent, at: now)
        send(segment, isAgain: isAgain, at: now, to: &output)
    }

    /// The window is closed, or open by too little: it is probed when nothing that is under way opens it.
    private mutating func waitForWindow(at now: Instant) {
        guard !isOutstanding else { return }
        if userDue == .never, let patience = sharedSettings.value.userTimeout {
            progressAt = now
            userDue = now + patience
        }
        guard probeDue == .never else { return }
        probesSent = 0
        probeDue = now + probeInterval
    }

    /// How long until a window is probed, doubled each time (RFC 9293 §3.8.6.1).
    var probeInterval: TimeSpan {
        min(recovery.rto * (1 << min(Int(probesSent), 16)), sharedSettings.value.recovery.rtoMax)
    }

    /// Sends one byte beyond the window, or, when the window has some room, what fits in it.
    mutating func probeWindow(at now: Instant, to output: inout TCPOutput) {
        probesSent = min(probesSent, .max - 1) + 1
        probeDue = now + probeInterval
        if snd.wnd > 0 {
            marks.insert(.overridesSilly)
            return
        }
        var segment = self.segment(sequence: snd.nxt, flags: .ack, at: now)
        if sendBuffer.end > snd.nxt {
            segment.payloadCount = 1
            marks.insert(.probeIsOut)
        } else if marks.contains(.finQueued) && !marks.contains(.finSent) {
            // The FIN is what waits for the window; an old number makes the peer tell how far it is.
            segment.sequence = snd.nxt - 1
        }
        acknowledged(by: &segment)
        send(segment, isAgain: true, at: now, to: &output)
    }

    /// Points at the end of urgent data that nothing sent since points at.
    ///
    /// A pointer looks ahead: what is not sent is pointed at from before it, also when the window is closed, and what is
    /// sent with its last byte, once more.
    private mutating func sendUrgency(at now: Instant, to output: inout TCPOutput) {
        guard state.isSynchronized else { return }
        marks.remove(.urgentUntold)
        guard marks.contains(.urgentQueued), snd.up > snd.una else { return }
        let isSent = snd.up <= snd.nxt
        var segment = self.segment(sequence: isSent ? snd.up - 1 : snd.nxt, flags: [.ack, .urg], at: now)
        segment.urgentPointer = UInt16(clamping: snd.up - segment.sequence)
        if isSent { segment.payloadCount = 1 }
        acknowledged(by: &segment)
        send(segment, isAgain: isSent, at: now, to: &output)
    }

    // MARK: - Headers

    /// A segment with what all have in common: acknowledgement, window, timestamps, congestion echo.
    func segment(sequence: SequenceNumber, flags: TCPFlags, at now: Instant) -> OutgoingSegment {
        var segment = OutgoingSegment(sequence: sequence, flags: flags)
        segment.ack = rcv.nxt
        if marks.contains(.timestamps) {
            segment.options.timestamps = TCPTimestamps(value: clock(at: now), echo: rcv.recentTimestamp)
        }
        if marks.contains(.echoesMarks) { segment.flags.insert(.ece) }
        segment.mayBeFragmented = marks.contains(.fragmentable)
        return segment
    }

    /// The clock of our timestamps: milliseconds, from an offset of the connection's own (RFC 7323 §5.4).
    func clock(at now: Instant) -> UInt32 {
        UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) &+ snd.clockOffset
    }

    /// Gives a segment window and SACK blocks and notes that what arrived is acknowledged with it.
    mutating func acknowledged(by segment: inout OutgoingSegment) {
        segment.window = advertisedWindow()
        if tellsBlocks { appendBlocks(to: &segment) }
        rcv.acked = rcv.nxt
        ackDue = .never
        marks.remove(.ackNow)
    }

    /// Sends an acknowledgement without data.
    mutating func sendAck(at now: Instant, to output: inout TCPOutput) {
        var segment = self.segment(sequence: snd.nxt, flags: .ack, at: now)
        acknowledged(by: &segment)
        send(segment, at: now, to: &output)
    }

    /// Sends a RST at the next number.
    func sendReset(to output: inout TCPOutput) {
        var segment = OutgoingSegment(sequence: snd.nxt, flags: [.rst, .ack])
        segment.ack = rcv.nxt
        output.segments.append(segment)
    }

    /// Arms the owner's patience with what is sent now.
    private mutating func armPatience(at now: Instant) {
        guard let patience = sharedSettings.value.userTimeout, userDue == .never else { return }
        userDue = progressAt + patience
    }
}
