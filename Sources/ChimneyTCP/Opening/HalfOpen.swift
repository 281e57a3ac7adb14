package import ChimneyPrimitives
import ChimneyWire

/// What is known of a connection between a peer's SYN and its answer to ours.
package struct HalfOpen: Hashable, Sendable, BitwiseCopyable {
    package var iss: SequenceNumber
    package var irs: SequenceNumber
    /// When our SYN was last sent; ``Instant/never`` when that was not kept.
    package var sentAt: Instant
    package var clockOffset: UInt32 = 0
    package var recentTimestamp: UInt32 = 0
    package var peerSize: UInt16 = 536
    /// The window of the SYN, which is never scaled.
    package var peerWindow: UInt16 = 0
    /// By how many bits the peer's windows are shifted; `nil` when ours are not either.
    package var peerShift: UInt8?
    package var hasTimestamps = false
    package var hasSelectiveAcks = false
    package var hasCongestionMarks = false
    /// How often our SYN was sent again.
    package var timeouts: UInt8 = 0

    package init(iss: SequenceNumber, irs: SequenceNumber, sentAt: Instant) {
        self.iss = iss
        self.irs = irs
        self.sentAt = sentAt
    }

    /// What a SYN opens, with the options that both ends want.
    ///
    /// - Parameters:
    ///   - syn: the segment; its options were read.
    ///   - iss: our first number.
    ///   - settings: those of the listener.
    ///   - defaultSize: the segment size of a peer that names none: 536 over IPv4, 1,220 over IPv6 (RFC 9293 §3.7.1).
    ///   - clockOffset: added to the clock in our timestamps.
    ///   - isSigned: whether segments carry a digest, beside which there is no room for both timestamps and SACK blocks.
    ///   - now: the time.
    package init(
        answering syn: ArrivedSegment, iss: SequenceNumber, settings: TCPSettings, defaultSize: UInt16,
        clockOffset: UInt32, isSigned: Bool = false, at now: Instant
    ) {
        self.init(iss: iss, irs: syn.sequence, sentAt: now)
        self.clockOffset = clockOffset
        peerSize = max(
            syn.options.maximumSegmentSize ?? defaultSize, UInt16(clamping: settings.segmentSizeMin))
        peerWindow = syn.window
        if settings.scalesWindow, let shift = syn.options.windowShift { peerShift = min(shift, 14) }
        hasSelectiveAcks = settings.hasSelectiveAcks && syn.options.permitsSACK
        if settings.hasTimestamps, !(isSigned && hasSelectiveAcks), let timestamps = syn.options.timestamps {
            hasTimestamps = true
            recentTimestamp = timestamps.value
        }
        hasCongestionMarks = settings.ecn != .off && syn.flags.isSuperset(of: [.ece, .cwr])
    }

    /// What is wrong with a segment that acknowledges our SYN, so that it completes nothing: its clock, or where it stands
    /// (RFC 9293 §3.10.7.4, first check; RFC 7323 §5.3); `nil` when it opens the connection.
    ///
    /// A connection looks at both too. What it would not take must not make it, for it would wait for ever.
    package func fault(of segment: ArrivedSegment, settings: TCPSettings) -> TCPDrop? {
        if hasTimestamps {
            guard let timestamps = segment.options.timestamps else { return .timestampMissing }
            guard Int32(bitPattern: timestamps.value &- recentTimestamp) >= 0 else { return .oldTimestamp }
        }
        guard isInWindow(segment, settings: settings) else { return .outsideWindow }
        return nil
    }

    /// Our SYN that answers the peer's.
    ///
    /// - Parameters:
    ///   - settings: those of the listener.
    ///   - segmentSize: what of the path's MTU the headers leave.
    ///   - now: the time.
    /// - Returns: the segment to send.
    package func answer(settings: TCPSettings, segmentSize: Int, at now: Instant) -> OutgoingSegment {
        var segment = OutgoingSegment(sequence: iss, flags: [.syn, .ack])
        segment.ack = irs + 1
        segment.window = UInt16(min(settings.receiveBufferMax, 65_535))
        if hasCongestionMarks { segment.flags.insert(.ece) }
        let size = max(min(segmentSize, settings.segmentSizeMax), settings.segmentSizeMin)
        segment.options.maximumSegmentSize = UInt16(clamping: size)
        segment.options.permitsSACK = hasSelectiveAcks
        if hasTimestamps {
            let clock = UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) &+ clockOffset
            segment.options.timestamps = TCPTimestamps(value: clock, echo: recentTimestamp)
        }
        if peerShift != nil {
            segment.options.windowShift = TCPConnection.windowShift(for: settings.receiveBufferMax)
        }
        return segment
    }

    /// Whether a segment may follow the peer's SYN; one without data may stand at the window's edge.
    package func isInWindow(_ segment: ArrivedSegment, settings: TCPSettings) -> Bool {
        let first = irs + 1
        let edge = first + min(settings.receiveBufferMax, 65_535)
        guard segment.sequence >= first else { return false }
        return segment.length == 0 ? segment.sequence <= edge : segment.sequence < edge
    }

    /// What tells a peer how far the handshake is, when something else than its next segment arrives (RFC 9293 §3.10.7.4).
    package func acknowledgement(settings: TCPSettings, at now: Instant) -> OutgoingSegment {
        var segment = OutgoingSegment(sequence: iss + 1, flags: .ack)
        segment.ack = irs + 1
        let shift = peerShift == nil ? 0 : Int(TCPConnection.windowShift(for: settings.receiveBufferMax))
        segment.window = UInt16(min(settings.receiveBufferMax, 65_535) >> shift)
        if hasTimestamps {
            let clock = UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) &+ clockOffset
            segment.options.timestamps = TCPTimestamps(value: clock, echo: recentTimestamp)
        }
        return segment
    }
}
