public import ChimneyPrimitives

/// A module that keeps a line for each segment seen, with the windows and the round trip as they stood.
///
/// Its ``text`` is a table that plotting programs read.
public final class FlowLog: TCPHooks {
    /// What is kept of one segment.
    public struct Line: Hashable, Sendable, BitwiseCopyable {
        /// When it was seen.
        public var time: Instant
        /// What the stack calls its connection.
        public var connection: UInt64
        /// Whether it left; else it arrived.
        public var isOutgoing: Bool
        /// Its first byte, counted from the first number that was seen in its direction.
        public var sequence: Int
        /// What it acknowledges, counted from the first number that was seen in the other direction.
        public var acknowledgment: Int
        /// The bytes of its payload.
        public var count: Int
        /// How much congestion control let be under way.
        public var cwnd: Int
        /// Up to where the congestion window grew fast; 0 while it was not found.
        public var ssthresh: Int
        /// Bytes that were supposed to be on the path.
        public var inFlight: Int
        /// How long an answer took; zero before one was timed.
        public var smoothedRoundTrip: TimeSpan
    }

    /// The most lines kept; further ones are missed, and counted.
    public let linesMax: Int
    /// The lines, in the order of time.
    public private(set) var lines: [Line] = []
    /// How many lines there was no room for.
    public private(set) var missedCount: UInt64 = 0

    /// A log without lines.
    public init(linesMax: Int = 65_536) { self.linesMax = linesMax }

    /// Writes down all segments of a connection.
    public func watcher(ofConnection number: UInt64, in state: TCPFlowState, at now: Instant) -> (any TCPWatcher)? {
        Writer(log: self, number: number, sent: state.nextToSend, arrived: state.nextToArrive)
    }

    /// Takes the lines out, so that there is room for others.
    public func takeLines() -> [Line] {
        defer { lines = [] }
        return lines
    }

    /// The lines as a table with a row of names: times in seconds, round trips in milliseconds, windows in bytes.
    public var text: String {
        var text = "# " + Line.columns.joined(separator: "\t") + "\n"
        for line in lines { text += line.description + "\n" }
        if missedCount > 0 { text += "# missed \(missedCount)\n" }
        return text
    }

    fileprivate func append(_ line: Line) {
        guard lines.count < linesMax else {
            missedCount += 1
            return
        }
        lines.append(line)
    }
}

/// What writes the lines of one connection.
private struct Writer: TCPWatcher {
    let log: FlowLog
    let number: UInt64
    var sent: Counted
    var arrived: Counted

    init(log: FlowLog, number: UInt64, sent: UInt32, arrived: UInt32) {
        self.log = log
        self.number = number
        self.sent = Counted(sent)
        self.arrived = Counted(arrived)
    }

    mutating func segmentSeen(_ segment: TCPSeenSegment, in state: TCPFlowState) {
        let sequence = segment.isOutgoing ? sent.place(of: segment.sequence) : arrived.place(of: segment.sequence)
        let ack =
            segment.isOutgoing ? arrived.place(of: segment.acknowledgment) : sent.place(of: segment.acknowledgment)
        log.append(
            FlowLog.Line(
                time: segment.time, connection: number, isOutgoing: segment.isOutgoing, sequence: sequence,
                acknowledgment: ack, count: segment.payloadCount, cwnd: state.cwnd,
                ssthresh: state.ssthresh >= .largestWindow ? 0 : state.ssthresh, inFlight: state.inFlight,
                smoothedRoundTrip: state.smoothedRoundTrip ?? .zero))
    }
}

/// Places of a stream counted beyond the 32 bits of its numbers.
private struct Counted: BitwiseCopyable {
    private var number: SequenceNumber
    private var count = 0

    init(_ first: UInt32) { number = SequenceNumber(first) }

    /// The place of a number, which is within half the space of the one before.
    mutating func place(of next: UInt32) -> Int {
        count += SequenceNumber(next) - number
        number = SequenceNumber(next)
        return count
    }
}

extension FlowLog.Line: CustomStringConvertible {
    /// The names of the columns of ``description``.
    public static var columns: [String] {
        ["time", "connection", "direction", "seq", "ack", "len", "cwnd", "ssthresh", "flight", "srtt"]
    }

    /// The line as a row, its columns apart by tabs.
    public var description: String {
        let columns = [
            Self.decimal(Int64(clamping: time.nanoseconds), digits: 9), String(connection), isOutgoing ? ">" : "<",
            String(sequence), String(acknowledgment), String(count), String(cwnd), String(ssthresh), String(inFlight),
            Self.decimal(smoothedRoundTrip.nanoseconds / 1_000, digits: 3),
        ]
        return columns.joined(separator: "\t")
    }

    /// A count of smallest units with a point before its last digits.
    private static func decimal(_ count: Int64, digits: Int) -> String {
        let text = String(count)
        let padded = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
        return padded.dropLast(digits) + "." + padded.suffix(digits)
    }
}
