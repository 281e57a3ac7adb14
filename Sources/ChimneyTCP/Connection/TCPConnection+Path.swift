package import ChimneyPrimitives

extension TCPConnection {
    /// Whether a number that an ICMP message quotes is of a segment that may be under way: others are forged, or late
    /// (RFC 5927 §4).
    package func isUnderWay(_ quoted: SequenceNumber) -> Bool {
        state != .closed && quoted >= snd.una && quoted < snd.nxt
    }

    /// A router said that a segment of ours does not fit through its next link (RFC 1191, RFC 8201).
    ///
    /// Segments that are too large are sent again at once, and not taken for congestion. Below the smallest segment we
    /// send, packets may be fragmented from now on.
    ///
    /// - Parameters:
    ///   - size: what of the MTU the headers leave.
    ///   - quoted: the number of the segment.
    ///   - now: the time.
    /// - Returns: whether it was believed and changed something.
    package mutating func packetTooBig(size: Int, quoted: SequenceNumber, at now: Instant) -> Bool {
        guard isUnderWay(quoted), size < Int(snd.pathSize) else { return false }
        let smallest = sharedSettings.value.segmentSizeMin
        if size < smallest { marks.insert(.fragmentable) }
        let old = snd.pathSize
        snd.sizeBefore = 0
        snd.pathSize = UInt16(clamping: max(size, smallest))
        if snd.pathSize < old { sizeChanged(at: now) }
        return true
    }

    /// The path takes segments of this size now, as far as is known: a route changed, or what a router said is forgotten.
    package mutating func pathChanged(size: Int, at now: Instant) {
        marks.remove(.fragmentable)
        snd.sizeBefore = 0
        let limits = sharedSettings.value
        if size < limits.segmentSizeMin { marks.insert(.fragmentable) }
        snd.pathSize = UInt16(clamping: max(min(size, limits.segmentSizeMax), limits.segmentSizeMin))
        sizeChanged(at: now)
    }

    /// Whether segments carry a digest (RFC 2385).
    package var isSigned: Bool { marks.contains(.signed) }

    /// Segments carry a digest from now on, or none any more.
    ///
    /// - Parameters:
    ///   - isSigned: whether they do.
    ///   - pieceMax: the most bytes in one piece that are cut into segments further down, each of which has a digest of its own.
    ///   - now: the time.
    package mutating func signingChanged(to isSigned: Bool, pieceMax: Int, at now: Instant) {
        if isSigned { marks.insert(.signed) } else { marks.remove(.signed) }
        snd.pieceMax = UInt16(clamping: pieceMax)
        if state.isSynchronized { recovery.mssChanged(to: segmentSize, at: now) }
    }

    private mutating func sizeChanged(at now: Instant) {
        guard state.isSynchronized else { return }
        recovery.mssChanged(to: segmentSize, at: now)
        recovery.markLost(largerThan: segmentSize, at: now)
    }

    /// The network said that the peer cannot be reached (RFC 9293 §3.9.2.2).
    ///
    /// - Parameters:
    ///   - isHard: whether it will not pass, as when a protocol or port is not there.
    ///   - quoted: the number of the segment.
    ///   - shared: what the connections of the shard have in common.
    ///   - output: what happened.
    /// - Returns: whether it was believed.
    package mutating func unreachable(
        isHard: Bool, quoted: SequenceNumber, shared: inout TCPShared, output: inout TCPOutput
    ) -> Bool {
        guard isUnderWay(quoted) else { return false }
        // One that is open has reached its peer before: nothing that is said now ends it (RFC 5461 §4).
        if isHard && (state == .synSent || state == .synReceived) {
            end(.refused, shared: &shared, output: &output)
        } else {
            hasSoftError = true
        }
        return true
    }

    /// Full segments were lost time and again: perhaps a router drops them for their size and does not say so.
    mutating func suspectSize(_ timeouts: Int, at now: Instant) {
        guard sharedSettings.value.findsBlackHoles else { return }
        let size: UInt16
        switch timeouts {
        case 2: size = 1_220
        case 4: size = 536
        case 6: size = snd.sizeBefore
        default: return
        }
        // A third step back to the full size: it was not for the size.
        if timeouts == 6 {
            guard snd.sizeBefore > 0 else { return }
            snd.sizeBefore = 0
        } else {
            guard snd.pathSize > size, snd.peerSize > size, snd.nxt - snd.una > Int(size) else { return }
            if snd.sizeBefore == 0 { snd.sizeBefore = snd.pathSize }
        }
        snd.pathSize = size
        recovery.mssChanged(to: segmentSize, at: now)
    }
}
