import ChimneyPrimitives
import ChimneyWire

// Header prediction: most segments of an established connection are the next in order, acknowledge what is outstanding in
// order, and say nothing else. They take the short way; what they leave is what the steps of RFC 9293 §3.10.7.4 leave.
extension TCPConnection {
    /// Whether a segment is such a one.
    @inline(__always)
    func isPredicted(_ segment: ArrivedSegment, at now: Instant) -> Bool {
        guard state == .established, segment.flags.rawValue | TCPFlags.psh.rawValue == Self.predictedFlags,
            marks.isDisjoint(with: .unpredicted), segment.sequence == rcv.nxt, reassembly.isEmpty,
            !segment.hasCongestionMark, segment.payloadCount <= receiveWindow, now - heardAt < Self.quietTime
        else { return false }
        if marks.contains(.timestamps) {
            guard segment.options.isTimestampsOnly else { return false }
            guard Int32(bitPattern: segment.options.timestampValue &- rcv.recentTimestamp) >= 0 else { return false }
        } else {
            guard segment.options.isEmpty else { return false }
        }
        if segment.ack == snd.una { return segment.payloadCount > 0 && !isOutstanding }
        return recovery.isCalm(acknowledging: segment.ack)
    }

    private static var predictedFlags: UInt16 { 16 | 8 }

    /// Whether a segment that was predicted left nothing to send, as most that are answered by data do.
    @inline(__always)
    func isSettled(at now: Instant) -> Bool {
        marks.isDisjoint(with: .unsettled) && snd.nxt == sendBuffer.end && recovery.test == .none && !recovery.hasLost
            && (idleDue <= now + Self.quietTime || !holdsMemory)
    }

    /// Takes a segment that was predicted.
    @inline(__always)
    mutating func predictedArrived(
        _ segment: ArrivedSegment, _ payload: consuming Packet, at now: Instant, output: inout TCPOutput
    ) {
        heardAt = now
        if marks.contains(.timestamps), segment.sequence <= rcv.acked {
            rcv.recentTimestamp = segment.options.timestampValue
            rcv.recentAt = now.wholeSeconds
        }
        if segment.ack != snd.una {
            recovery.acknowledgedCalmly(upTo: segment.ack, at: now)
            freed(upTo: segment.ack, at: now, output: &output)
        }
        let window = Int32(segment.window) &<< Int32(marks.contains(.scaled) ? snd.shift : 0)
        if snd.wl1 < segment.sequence || (snd.wl1 == segment.sequence && snd.wl2 <= segment.ack) {
            if window != snd.wnd || probeDue != .never || probesSent != 0 {
                windowArrived(window, sequence: segment.sequence, ack: segment.ack)
            } else {
                snd.wl1 = segment.sequence
                snd.wl2 = segment.ack
            }
        }
        guard segment.payloadCount > 0 else { return }
        if segment.payloadCount > Int(rcv.segmentSize) {
            rcv.segmentSize = UInt16(clamping: max(Int(rcv.segmentSize), min(segment.payloadCount, Int(snd.pathSize))))
        }
        received.append(payload)
        rcv.nxt += segment.payloadCount
        if rcv.doublingsLeft > 0 { tuneBuffer(at: now) }
        acknowledgeSoon(at: now)
        output.events.insert(.readable)
    }
}
