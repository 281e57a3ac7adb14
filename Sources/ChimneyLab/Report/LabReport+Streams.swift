import ChimneyPrimitives
import ChimneyTCP

extension LabReport {
    /// What became of a TCP stream.
    public struct Stream: Hashable, Sendable, Codable {
        /// The stream's name.
        public var name: String
        /// The node that sent.
        public var from: String
        /// The node or address it was sent to.
        public var to: String
        /// The address that this was.
        public var address: String
        /// `one-way` or `echo`.
        public var mode: String
        /// The congestion control.
        public var congestion: String
        /// `waiting`, `opening`, `open`, `complete`, or why it failed.
        public var outcome: String
        /// Bytes that the sender's stack took.
        public var written: UInt64
        /// Bytes that the receiver read.
        public var received: UInt64
        /// Bytes that came back to the sender.
        public var returned: UInt64
        /// Bytes that arrived and were not those that were sent.
        public var damaged: UInt64
        /// Payload bits a second.
        public var goodput: Double
        /// From asking for the connection until all was read, in seconds; nil when that was not.
        public var completionSeconds: Double?
        /// Segments that were sent again.
        public var retransmissions: UInt64
        /// Losses found without a timeout.
        public var recoveries: UInt64
        /// Expirations of the retransmission timer.
        public var timeouts: UInt64
        /// Reductions for congestion marks.
        public var congestionMarks: UInt64
        /// Smoothed round trips; nil when there was no sample.
        public var roundTrips: Delays?
        /// How the sender stood, in equal intervals.
        public var samples: [Sample]
    }

    /// How the sender of a stream stood at a time.
    public struct Sample: Hashable, Sendable, Codable {
        /// When, in seconds.
        public var at: Double
        /// The congestion window in bytes.
        public var congestionWindow: Int
        /// The slow start threshold in bytes; nil before one is found.
        public var slowStartThreshold: Int?
        /// Bytes sent and not acknowledged.
        public var outstanding: Int
        /// The smoothed round trip in milliseconds; nil before the first.
        public var roundTrip: Double?
        /// Bytes that the receiver had read.
        public var received: UInt64
    }
}

extension LabReport.Stream {
    init(_ stream: StreamRecord) {
        self.init(
            name: stream.name, from: stream.settings.from, to: stream.settings.to, address: "\(stream.destination)",
            mode: stream.settings.mode.rawValue, congestion: stream.settings.tcp.recovery.congestion.name,
            outcome: stream.outcome, written: stream.written, received: stream.received, returned: stream.returned,
            damaged: stream.damaged, goodput: stream.goodput, completionSeconds: stream.completionTime?.seconds,
            retransmissions: UInt64(stream.recovery.retransmissions), recoveries: UInt64(stream.recovery.recoveries),
            timeouts: UInt64(stream.recovery.timeouts), congestionMarks: UInt64(stream.recovery.congestionMarks),
            roundTrips: .init(stream.roundTrips),
            samples: stream.samples.elements.map { sample in
                LabReport.Sample(
                    at: Double(sample.at.nanoseconds) / 1e9, congestionWindow: sample.congestionWindow,
                    slowStartThreshold: sample.slowStartThreshold >= .largestWindow ? nil : sample.slowStartThreshold,
                    outstanding: sample.outstanding,
                    roundTrip: sample.roundTrip.map { Double($0.nanoseconds) / 1e6 }, received: sample.received)
            })
    }
}
