public import ChimneyPrimitives

/// What became of the datagrams of one flow.
public final class FlowRecord {
    /// What was asked for.
    public let settings: FlowSettings
    /// The name in reports.
    public var name: String { settings.name }
    /// The address that it is sent to.
    public let destination: IPAddress
    /// Datagrams that the stack took for sending.
    public internal(set) var sent: UInt64 = 0
    /// Their payload bytes.
    public internal(set) var sentBytes: UInt64 = 0
    /// Datagrams that the stack refused, for example because no route led there or a queue was full.
    public internal(set) var refused: UInt64 = 0
    /// Datagrams that arrived, each counted once; of a flow to a group those that anybody got.
    public internal(set) var received: UInt64 = 0
    /// Their payload bytes.
    public internal(set) var receivedBytes: UInt64 = 0
    /// Datagrams that arrived again.
    public internal(set) var duplicated: UInt64 = 0
    /// Datagrams that arrived after a later one.
    public internal(set) var reordered: UInt64 = 0
    /// Datagrams that arrived with other bytes than were sent.
    public internal(set) var damaged: UInt64 = 0
    /// Errors that the network reported to the sender.
    public internal(set) var reportedErrors: UInt64 = 0
    /// How long the datagrams were under way.
    public internal(set) var delays = DelayHistogram()
    /// The same over time.
    public internal(set) var series = FlowSeries()

    let number: UInt32
    var window = SequenceWindow()

    init(settings: FlowSettings, destination: IPAddress, number: UInt32) {
        self.settings = settings
        self.destination = destination
        self.number = number
    }

    /// Datagrams that were sent and have not arrived; while the lab runs, those under way too.
    public var lost: UInt64 { sent >= received ? sent - received : 0 }

    /// A datagram of this flow arrived whole.
    func arrived(sequence: UInt64, sentAt: Instant, byteCount: Int, at now: Instant) {
        switch window.arrived(sequence) {
        case .again: duplicated += 1
        case .first: note(sentAt: sentAt, byteCount: byteCount, at: now)
        case .overtaken, .tooOld:
            reordered += 1
            note(sentAt: sentAt, byteCount: byteCount, at: now)
        }
    }

    /// A datagram to a group reached one of its receivers, which keeps its own account.
    func reached(_ order: SequenceWindow.Arrival, sentAt: Instant, byteCount: Int, at now: Instant) {
        switch order {
        case .again: break
        case .first, .overtaken, .tooOld: note(sentAt: sentAt, byteCount: byteCount, at: now)
        }
    }

    private func note(sentAt: Instant, byteCount: Int, at now: Instant) {
        received += 1
        receivedBytes += UInt64(byteCount)
        delays.add(now - sentAt)
        series.received(byteCount, delay: now - sentAt, at: now)
    }
}

/// What happened in each of at most 128 equal spans of time; when the time grows, two become one.
public struct FlowSeries: Sendable, Hashable {
    /// One span of time.
    public struct Bucket: Sendable, Hashable {
        /// Payload bytes sent.
        public var sentBytes: UInt64 = 0
        /// Payload bytes received.
        public var receivedBytes: UInt64 = 0
        /// Datagrams received.
        public var received: UInt64 = 0
        /// The sum of their delays in nanoseconds.
        public var delayNanoseconds: UInt64 = 0
        /// The longest of their delays in nanoseconds.
        public var delayNanosecondsMax: UInt64 = 0
    }

    /// The spans from the start on.
    public private(set) var buckets: [Bucket] = []
    /// How long each of them is.
    public private(set) var width = TimeSpan.milliseconds(10)

    /// The most spans.
    public static var bucketsMax: Int { 128 }

    mutating func sent(_ byteCount: Int, at now: Instant) { buckets[position(of: now)].sentBytes += UInt64(byteCount) }

    mutating func received(_ byteCount: Int, delay: TimeSpan, at now: Instant) {
        let position = position(of: now)
        buckets[position].received += 1
        buckets[position].receivedBytes += UInt64(byteCount)
        buckets[position].delayNanoseconds += UInt64(delay.nanoseconds)
        buckets[position].delayNanosecondsMax = max(buckets[position].delayNanosecondsMax, UInt64(delay.nanoseconds))
    }

    private mutating func position(of now: Instant) -> Int {
        var position = Int(now.nanoseconds / UInt64(width.nanoseconds))
        while position >= Self.bucketsMax {
            halve()
            position = Int(now.nanoseconds / UInt64(width.nanoseconds))
        }
        while buckets.count <= position { buckets.append(Bucket()) }
        return position
    }

    private mutating func halve() {
        width = width * 2
        var merged: [Bucket] = []
        for position in stride(from: 0, to: buckets.count, by: 2) {
            var bucket = buckets[position]
            if position + 1 < buckets.count {
                let other = buckets[position + 1]
                bucket.sentBytes += other.sentBytes
                bucket.receivedBytes += other.receivedBytes
                bucket.received += other.received
                bucket.delayNanoseconds += other.delayNanoseconds
                bucket.delayNanosecondsMax = max(bucket.delayNanosecondsMax, other.delayNanosecondsMax)
            }
            merged.append(bucket)
        }
        buckets = merged
    }
}
