package import ChimneyWire

/// A segment that arrived: its header, and how much came with it.
package struct ArrivedSegment: Sendable, BitwiseCopyable {
    package var sequence: SequenceNumber
    package var ack: SequenceNumber
    package var flags: TCPFlags
    package var window: UInt16
    package var urgentPointer: UInt16
    package var payloadCount: Int
    /// Whether a router marked its packet (RFC 3168 §5).
    package var hasCongestionMark: Bool
    package var options: TCPOptionValues

    package init(
        sequence: SequenceNumber, ack: SequenceNumber = SequenceNumber(0), flags: TCPFlags, window: UInt16,
        urgentPointer: UInt16 = 0, payloadCount: Int = 0, hasCongestionMark: Bool = false,
        options: TCPOptionValues = TCPOptionValues()
    ) {
        self.sequence = sequence
        self.ack = ack
        self.flags = flags
        self.window = window
        self.urgentPointer = urgentPointer
        self.payloadCount = payloadCount
        self.hasCongestionMark = hasCongestionMark
        self.options = options
    }

    /// The segment of a packet.
    ///
    /// - Parameters:
    ///   - view: its header.
    ///   - payloadCount: the bytes behind the header in all parts of the packet.
    ///   - hasCongestionMark: whether a router marked it.
    /// - Throws: ``TCPOptionError`` when its options cannot be read.
    package init(_ view: TCPView, payloadCount: Int, hasCongestionMark: Bool = false) throws(TCPOptionError) {
        self.init(
            sequence: SequenceNumber(view.sequence), ack: SequenceNumber(view.acknowledgment), flags: view.flags,
            window: view.window, urgentPointer: view.urgentPointer, payloadCount: payloadCount,
            hasCongestionMark: hasCongestionMark, options: try TCPOptionValues(reading: view.optionBytes))
    }

    /// The sequence numbers it takes: its payload, SYN and FIN.
    package var length: Int {
        payloadCount + (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0)
    }

    /// The number behind its last.
    package var end: SequenceNumber { sequence + length }
}

/// A segment to send; the payload is that of the connection's send buffer from `sequence` on.
package struct OutgoingSegment: Hashable, Sendable, BitwiseCopyable {
    package var sequence: SequenceNumber
    package var ack = SequenceNumber(0)
    package var flags: TCPFlags
    package var window: UInt16 = 0
    package var urgentPointer: UInt16 = 0
    package var payloadCount = 0
    /// The payload of each segment this one is to be cut into; 0 for one that is sent as it is.
    package var segmentSize: UInt16 = 0
    /// Whether its packet carries ECT(0) (RFC 3168 §5).
    package var isCongestionCapable = false
    /// Whether routers may fragment its packet: the path takes less than the smallest segment.
    package var mayBeFragmented = false
    package var options = TCPOptionValues()

    package init(sequence: SequenceNumber, flags: TCPFlags) {
        self.sequence = sequence
        self.flags = flags
    }

    /// The fields as they go before the payload.
    package func header(from source: UInt16, to destination: UInt16) -> TCPHeader {
        TCPHeader(
            sourcePort: source, destinationPort: destination, sequence: sequence.value, acknowledgment: ack.value,
            flags: flags, window: window, urgentPointer: urgentPointer)
    }
}

extension OutgoingSegment {
    /// The RST that answers a segment of no connection; `nil` when it is a RST itself (RFC 9293 §3.10.7.1).
    package static func reset(answering segment: ArrivedSegment) -> OutgoingSegment? {
        if segment.flags.contains(.rst) { return nil }
        if segment.flags.contains(.ack) { return OutgoingSegment(sequence: segment.ack, flags: .rst) }
        var answer = OutgoingSegment(sequence: SequenceNumber(0), flags: [.rst, .ack])
        answer.ack = segment.end
        return answer
    }
}
