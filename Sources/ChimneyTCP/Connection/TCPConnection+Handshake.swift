package import ChimneyPrimitives
import ChimneyWire

extension TCPConnection {
    /// Opens the connection from our side: the next flush sends the SYN.
    package mutating func connect(at now: Instant) {
        guard state == .closed, failure == nil else { return }
        state = .synSent
        marks.insert(.synDue)
        progressAt = now
        heardAt = now
        if let patience = sharedSettings.value.userTimeout { userDue = now + patience }
    }

    /// The bits by which our windows are shifted, so that the whole buffer can be told of (RFC 7323 §2.3).
    package static func windowShift(for bytes: Int) -> UInt8 {
        var shift: UInt8 = 0
        while shift < 14, bytes >> Int(shift) > 65_535 { shift += 1 }
        return shift
    }

    /// Sends a SYN, or the SYN of ours that answers one.
    mutating func sendSYN(at now: Instant, to output: inout TCPOutput) {
        let limits = sharedSettings.value
        marks.subtract([.synDue, .ackNow])
        var segment = OutgoingSegment(sequence: snd.iss, flags: .syn)
        segment.window = UInt16(min(limits.receiveBufferMax, 65_535))
        segment.options.maximumSegmentSize = UInt16(clamping: max(Int(snd.pathSize), limits.segmentSizeMin))
        let answers = state == .synReceived
        if answers {
            segment.flags.insert(.ack)
            segment.ack = rcv.nxt
            if marks.contains(.congestionMarks) { segment.flags.insert(.ece) }
        } else if limits.ecn == .requests && handshakeTimeouts == 0 {
            // One that is lost may have been lost for what it asks (RFC 3168 §6.1.1.1).
            segment.flags.insert([.ece, .cwr])
            marks.insert(.asksForMarks)
        } else {
            marks.remove(.asksForMarks)
        }
        segment.options.permitsSACK = answers ? marks.contains(.selectiveAcks) : limits.hasSelectiveAcks
        if answers ? marks.contains(.timestamps) : wantsTimestamps {
            segment.options.timestamps = TCPTimestamps(value: clock(at: now), echo: rcv.recentTimestamp)
        }
        if answers ? marks.contains(.scaled) : limits.scalesWindow {
            rcv.shift = Self.windowShift(for: limits.receiveBufferMax)
            segment.options.windowShift = rcv.shift
        }
        snd.nxt = snd.iss + 1
        rcv.acked = rcv.nxt
        probeDue = now + handshakeTimeout
        output.segments.append(segment)
    }

    /// Whether timestamps are asked for: beside a digest they leave no room for SACK blocks, which are worth more.
    private var wantsTimestamps: Bool {
        let limits = sharedSettings.value
        return limits.hasTimestamps && !(marks.contains(.signed) && limits.hasSelectiveAcks)
    }

    /// How long a SYN waits for its answer (RFC 6298 §5).
    private var handshakeTimeout: TimeSpan {
        let limits = sharedSettings.value.recovery
        return min(limits.rtoInitial * (1 << min(Int(handshakeTimeouts), 16)), limits.rtoMax)
    }

    /// A SYN was not answered.
    mutating func handshakeTimedOut(at now: Instant, shared: inout TCPShared, output: inout TCPOutput) {
        guard Int(handshakeTimeouts) < sharedSettings.value.synRetriesMax else {
            return end(hasSoftError ? .unreachable : .timedOut, shared: &shared, output: &output)
        }
        handshakeTimeouts += 1
        marks.insert(.synDue)
    }

    /// A segment arrived while our SYN waits (RFC 9293 §3.10.7.3).
    mutating func synchronizingArrived(
        _ segment: ArrivedSegment, at now: Instant, shared: inout TCPShared, output: inout TCPOutput
    ) -> TCPDrop? {
        let flags = segment.flags
        if flags.contains(.ack), segment.ack <= snd.iss || segment.ack > snd.nxt {
            if !flags.contains(.rst) {
                output.segments.append(OutgoingSegment(sequence: segment.ack, flags: .rst))
            }
            return .ackOfUnsent
        }
        if flags.contains(.rst) {
            // Without an acknowledgement anybody could have sent it.
            guard flags.contains(.ack) else { return .resetOutsideWindow }
            end(.refused, shared: &shared, output: &output)
            return nil
        }
        guard flags.contains(.syn) else { return .notSynchronizing }
        heardAt = now
        rcv.irs = segment.sequence
        rcv.nxt = segment.sequence + 1
        rcv.acked = rcv.nxt
        rcv.edge = rcv.nxt + min(sharedSettings.value.receiveBufferMax, 65_535)
        agree(with: segment)
        rcv.recentAt = now.wholeSeconds
        snd.wnd = Int32(segment.window)
        snd.windowMax = snd.wnd
        snd.wl1 = segment.sequence
        snd.wl2 = segment.ack
        guard flags.contains(.ack) else {
            // Both opened at once (§3.5, figure 8).
            state = .synReceived
            snd.wl2 = snd.iss
            marks.insert(.synDue)
            return nil
        }
        snd.una = segment.ack
        opened(at: now, output: &output)
        marks.insert(.ackNow)
        return nil
    }

    /// Takes from the peer's SYN what both want.
    private mutating func agree(with segment: ArrivedSegment) {
        let limits = sharedSettings.value
        let options = segment.options
        if let size = options.maximumSegmentSize { snd.peerSize = size }
        snd.peerSize = max(snd.peerSize, UInt16(clamping: limits.segmentSizeMin))
        if wantsTimestamps, let timestamps = options.timestamps {
            marks.insert(.timestamps)
            rcv.recentTimestamp = timestamps.value
        }
        if limits.hasSelectiveAcks && options.permitsSACK { marks.insert(.selectiveAcks) }
        if limits.scalesWindow, let shift = options.windowShift {
            marks.insert(.scaled)
            snd.shift = min(shift, 14)
            rcv.shift = Self.windowShift(for: limits.receiveBufferMax)
        }
        let asked = segment.flags.intersection([.ece, .cwr])
        if segment.flags.contains(.ack) {
            if marks.contains(.asksForMarks) && asked == .ece { marks.insert(.congestionMarks) }
        } else if limits.ecn != .off && asked == [.ece, .cwr] {
            marks.insert(.congestionMarks)
        }
    }

    /// Our SYN, which answered the peer's, is acknowledged.
    mutating func handshakeAcknowledged(_ segment: ArrivedSegment, at now: Instant, output: inout TCPOutput) {
        snd.una = snd.iss + 1
        opened(at: now, output: &output)
    }

    /// Both ends are synchronized.
    private mutating func opened(at now: Instant, output: inout TCPOutput) {
        let limits = sharedSettings.value
        state = .established
        marks.remove(.synDue)
        probeDue = .never
        userDue = .never
        snd.small = snd.una
        snd.up = SequenceNumber.later(snd.up, snd.una)
        quickAcksLeft = UInt8(clamping: limits.quickAcks)
        var opening = RecoveryOpening(una: snd.una, mss: segmentSize)
        opening.hasSelectiveAcks = marks.contains(.selectiveAcks)
        opening.hasTimestamps = marks.contains(.timestamps)
        opening.hasECN = marks.contains(.congestionMarks)
        if handshakeTimeouts == 0 && progressAt <= now { opening.roundTrip = now - progressAt }
        opening.handshakeTimeouts = Int(handshakeTimeouts)
        opening.remembered = extras?.remembered
        extras = nil
        recovery.opened(opening, at: now)
        if rcv.doublingsLeft > 0 { lookAtReader(rcv.nxt, at: now) }
        progressAt = now
        if marks.contains(.finQueued) { state = .finWait1 }
        armKeepAlive(at: now)
        output.events.insert([.established, .writable])
    }

    // MARK: - Opened by the peer

    /// The connection of a half-open one, about to take the segment that completes its handshake.
    ///
    /// - Parameters:
    ///   - half: what the SYN cache, or a cookie, kept of the handshake.
    ///   - settings: those of the listener.
    ///   - path: what is known of the way to the peer.
    ///   - now: the time.
    package init(accepting half: HalfOpen, settings: SharedTCPSettings, path: Path, at now: Instant) {
        self.init(settings: settings, path: path, iss: half.iss, clockOffset: half.clockOffset, at: now)
        state = .synReceived
        marks.insert(.isPassive)
        snd.nxt = half.iss + 1
        snd.peerSize = half.peerSize
        snd.wnd = Int32(half.peerWindow)
        snd.windowMax = snd.wnd
        snd.wl1 = half.irs
        snd.wl2 = half.iss
        rcv.irs = half.irs
        rcv.nxt = half.irs + 1
        rcv.acked = rcv.nxt
        rcv.edge = rcv.nxt + min(settings.value.receiveBufferMax, 65_535)
        rcv.recentTimestamp = half.recentTimestamp
        rcv.recentAt = now.wholeSeconds
        if half.hasTimestamps { marks.insert(.timestamps) }
        if half.hasSelectiveAcks { marks.insert(.selectiveAcks) }
        if half.hasCongestionMarks { marks.insert(.congestionMarks) }
        if let shift = half.peerShift {
            marks.insert(.scaled)
            snd.shift = shift
            rcv.shift = Self.windowShift(for: settings.value.receiveBufferMax)
        }
        handshakeTimeouts = half.timeouts
        progressAt = half.sentAt
    }
}
