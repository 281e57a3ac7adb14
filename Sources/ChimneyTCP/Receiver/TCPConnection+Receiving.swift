import ChimneyPrimitives
import ChimneyWire

extension TCPConnection {
    // MARK: - The window

    /// The most bytes we hold for the reader.
    @inline(__always)
    var receiveMax: Int {
        let most = sharedSettings.value.receiveBufferMax &>> Int(rcv.doublingsLeft)
        return min(most, marks.contains(.scaled) ? 65_535 &<< Int(rcv.shift) : 65_535)
    }

    /// How much the peer may send beyond `rcv.nxt`.
    @inline(__always)
    package var receiveWindow: Int { max(0, rcv.edge - rcv.nxt) }

    /// The window field of the next segment; what it tells of is held to from now on.
    ///
    /// The edge moves only when it moves by a segment or half the buffer (RFC 9293 §3.8.6.2.2), and never back.
    mutating func advertisedWindow() -> UInt16 {
        let most = receiveMax
        let target = rcv.nxt + max(0, most - received.count)
        if target - rcv.edge >= min(most / 2, segmentSize) { rcv.edge = target }
        let shift = marks.contains(.scaled) ? Int(rcv.shift) : 0
        // Rounded up, so that the edge does not move back by the bits that are shifted out.
        let unit = 1 &<< shift
        var field = min(65_535, (receiveWindow &+ unit &- 1) &>> shift)
        // Rounded up again and again it would creep away from the room there is; it is held to though less is told (RFC 7323 §2.4).
        if (rcv.nxt + field &<< shift) - target >= unit { field = min(65_535, receiveWindow &>> shift) }
        rcv.edge = SequenceNumber.later(rcv.edge, rcv.nxt + field &<< shift)
        return UInt16(truncatingIfNeeded: field)
    }

    /// The reader made room: the peer is told when the window is at least doubled by it, from half the buffer down.
    mutating func roomMade() {
        guard state.takesData else { return }
        let most = receiveMax
        let offered = receiveWindow
        let possible = max(0, most - received.count)
        guard offered * 2 <= most, possible >= 2 * offered, possible - offered >= min(most / 2, segmentSize) else {
            return
        }
        marks.insert(.ackNow)
    }

    // MARK: - Payload

    /// Takes the payload of an acceptable segment (RFC 9293 §3.10.7.4, step 7).
    ///
    /// - Returns: why it came to nothing, or `nil`.
    mutating func payloadArrived(
        _ segment: ArrivedSegment, _ payload: consuming Packet, at now: Instant, shared: inout TCPShared,
        output: inout TCPOutput
    ) -> TCPDrop? {
        guard received.count &+ reassembly.memoryBytes < shared.heldMax else { return .packetsShort }
        var start = segment.sequence
        var end = start + segment.payloadCount
        if start < rcv.nxt {
            // What lies before the next number arrived already.
            tellDuplicate(SequenceRange(start, SequenceNumber.earlier(end, rcv.nxt)))
            guard end > rcv.nxt else {
                marks.insert(.ackNow)
                return .duplicate
            }
            payload.removeFirstBytes(rcv.nxt - start)
            start = rcv.nxt
        }
        guard start < rcv.edge else {
            marks.insert(.ackNow)
            return .windowClosed
        }
        if end > rcv.edge {
            payload.truncate(to: rcv.edge - start)
            marks.insert(.ackNow)
            end = rcv.edge
        }
        noteMark(segment, at: now, to: &output)
        let size = min(end - start, Int(snd.pathSize))
        if size > Int(rcv.segmentSize) { rcv.segmentSize = UInt16(clamping: size) }
        guard start == rcv.nxt else {
            return keepForLater(payload, SequenceRange(start, end), at: now, shared: &shared, output: &output)
        }
        received.append(payload)
        rcv.nxt = end
        if rcv.doublingsLeft > 0 { tuneBuffer(at: now) }
        if reassembly.isEmpty {
            acknowledgeSoon(at: now)
        } else {
            rcv.nxt = reassembly.take(from: rcv.nxt, into: &received, budget: &shared.reassembly)
            // A hole was filled, or part of one (RFC 5681 §4.2).
            marks.insert(.ackNow)
        }
        output.events.insert(.readable)
        return nil
    }

    private mutating func keepForLater(
        _ payload: consuming Packet, _ range: SequenceRange, at now: Instant, shared: inout TCPShared,
        output: inout TCPOutput
    ) -> TCPDrop? {
        let limits = sharedSettings.value
        let outcome = reassembly.insert(
            payload, at: range, holesMax: limits.holesMax, bytesMax: limits.reassemblyBytesMax,
            budget: &shared.reassembly)
        if outcome == .duplicate { tellDuplicate(range) }
        marks.insert(.ackNow)
        // Without SACK the peer counts duplicates, so that each segment out of order has one of its own.
        if !marks.contains(.selectiveAcks) { sendAck(at: now, to: &output) }
        return switch outcome {
        case .kept: nil
        case .duplicate: .duplicate
        case .full: .reassemblyFull
        }
    }

    /// Data in order is acknowledged at once at the beginning, with every second full segment, or a little later.
    @inline(__always)
    mutating func acknowledgeSoon(at now: Instant) {
        if quickAcksLeft > 0 {
            quickAcksLeft -= 1
            marks.insert(.ackNow)
        } else if rcv.nxt - rcv.acked >= 2 * Int(rcv.segmentSize) {
            marks.insert(.ackNow)
        } else if ackDue == .never {
            ackDue = now + min(sharedSettings.value.delayedAck, .milliseconds(500))
        }
    }

    // MARK: - Selective acknowledgements

    /// Whether the next segment carries blocks.
    @inline(__always)
    var tellsBlocks: Bool {
        marks.contains(.selectiveAcks) && (!reassembly.isEmpty || !rcv.duplicate.isEmpty)
    }

    /// How many blocks the next segment carries: three beside timestamps, four without; beside a digest none and two.
    var selectiveCount: Int {
        let isSigned = marks.contains(.signed)
        let most = marks.contains(.timestamps) ? (isSigned ? 0 : 3) : (isSigned ? 2 : 4)
        return min(most, reassembly.islandCount + (rcv.duplicate.isEmpty ? 0 : 1))
    }

    /// What arrived twice is told first, and once (RFC 2883 §4).
    mutating func appendBlocks(to segment: inout OutgoingSegment) {
        let count = selectiveCount
        guard count > 0 else { return }
        var left = count
        if !rcv.duplicate.isEmpty {
            append(rcv.duplicate, to: &segment)
            rcv.duplicate = SequenceRange(rcv.nxt, rcv.nxt)
            left -= 1
        }
        let blocks = reassembly.blocks(upTo: left)
        for index in 0..<blocks.count { append(blocks[index], to: &segment) }
    }

    private func append(_ range: SequenceRange, to segment: inout OutgoingSegment) {
        segment.options.append(TCPSACKBlock(left: range.start.value, right: range.end.value))
    }

    mutating func tellDuplicate(_ range: SequenceRange) {
        if marks.contains(.selectiveAcks) { rcv.duplicate = range }
    }

    // MARK: - Congestion marks

    /// A router's mark is echoed until the sender says that it reduced (RFC 3168 §6.1.3), or for just as long as packets
    /// carry marks (RFC 8257 §3.2).
    private mutating func noteMark(_ segment: ArrivedSegment, at now: Instant, to output: inout TCPOutput) {
        guard marks.contains(.congestionMarks) else { return }
        if recovery.echoesEveryCE {
            guard segment.hasCongestionMark != marks.contains(.echoesMarks) else { return }
            // What came before is acknowledged with the echo as it was for it.
            if rcv.nxt > rcv.acked { sendAck(at: now, to: &output) }
            marks.formSymmetricDifference(.echoesMarks)
        } else {
            if segment.flags.contains(.cwr) { marks.remove(.echoesMarks) }
            if segment.hasCongestionMark { marks.insert(.echoesMarks) }
        }
    }
}
