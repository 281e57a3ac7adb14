public import ChimneyPrimitives

/// How a connection finds losses and how much it sends.
public struct RecoverySettings: Hashable, Sendable {
    /// The shortest retransmission timeout.
    public var rtoMin = TimeSpan.milliseconds(200)
    /// The longest retransmission timeout, doubled or not.
    public var rtoMax = TimeSpan.seconds(60)
    /// The retransmission timeout before the first sample (RFC 6298 §2.1).
    public var rtoInitial = TimeSpan.seconds(1)
    /// The segments that may be sent before the first acknowledgement (RFC 6928).
    public var initialWindow = 10

    /// The defaults.
    public init() {}
}

/// What was sent and is not acknowledged, which of it is lost, and how much may be sent.
///
/// The sender keeps the bytes; recovery keeps a record of each range that was sent.
package struct LossRecovery: ~Copyable {
    private var records = RingBuffer<SentSegment>()
    private let settings: RecoverySettings
    private var mss = 536
    private var una = SequenceNumber(0)
    private var due = Instant.never
    package private(set) var cwnd = 0
    package private(set) var ssthresh = Int.max
    package private(set) var inFlight = 0
    package private(set) var smoothedRoundTrip: TimeSpan?
    package private(set) var roundTripVariation = TimeSpan.zero
    package private(set) var backoff = 0
    private var baseTimeout: TimeSpan

    /// One range that was sent.
    private struct SentSegment: BitwiseCopyable {
        var range: SequenceRange
        var sentAt: Instant
        var isLost = false
        var wasResent = false
    }

    package init(settings: RecoverySettings) {
        self.settings = settings
        baseTimeout = settings.rtoInitial
    }

    /// The connection is established.
    package mutating func opened(_ opening: RecoveryOpening, at now: Instant) {
        una = opening.una
        mss = opening.mss
        cwnd = opening.mss * (opening.handshakeTimeouts > 0 ? 1 : settings.initialWindow)
        if let sample = opening.roundTrip { take(sample) }
    }

    /// What was sent and is not acknowledged.
    package var outstanding: Int { records.isEmpty ? 0 : records[records.count - 1].range.end - una }

    /// The timeout without doubling.
    package var rto: TimeSpan { min(settings.rtoMax, baseTimeout * (1 << min(backoff, 16))) }

    /// The next range to send again, of at most one segment.
    package mutating func nextToRetransmit(at now: Instant) -> SequenceRange? {
        guard inFlight < cwnd else { return nil }
        for index in 0..<records.count where records[index].isLost {
            let range = records[index].range
            return SequenceRange(range.start, count: min(mss, range.count))
        }
        return nil
    }

    /// How many bytes of new data may be sent.
    package mutating func allowance(at now: Instant) -> Int { max(0, cwnd - inFlight) }

    /// A segment was sent.
    package mutating func transmitted(_ sent: Transmission, at now: Instant) {
        if records.isEmpty || due == .never { due = now + rto }
        inFlight += sent.range.count
        if sent.kind == .new {
            records.append(SentSegment(range: sent.range, sentAt: now))
            return
        }
        for index in 0..<records.count where records[index].range.start == sent.range.start {
            if records[index].range.end > sent.range.end {
                var rest = records[index]
                rest.range.start = sent.range.end
                records[index].range.end = sent.range.end
                records.insert(rest, at: index + 1)
            }
            records[index].isLost = false
            records[index].wasResent = true
            records[index].sentAt = now
            return
        }
        if sent.kind == .probe { records.append(SentSegment(range: sent.range, sentAt: now)) }
    }

    /// An acceptable acknowledgement arrived.
    package mutating func ackArrived(_ ack: AckArrival, at now: Instant) -> AckOutcome {
        var outcome = AckOutcome()
        guard ack.ack > una else { return outcome }
        outcome.acknowledged = ack.ack - una
        while !records.isEmpty, records[0].range.start < ack.ack {
            let record = records[0]
            let covered = SequenceNumber.earlier(record.range.end, ack.ack) - record.range.start
            if !record.isLost { inFlight -= covered }
            if record.range.end > ack.ack {
                records[0].range.start = ack.ack
                break
            }
            if !record.wasResent { outcome.roundTrip = now - record.sentAt }
            _ = records.removeFirst()
        }
        una = ack.ack
        if let sample = outcome.roundTrip { take(sample) }
        cwnd += cwnd < ssthresh ? min(outcome.acknowledged, 2 * mss) : max(1, mss * mss / cwnd)
        backoff = 0
        due = records.isEmpty ? .never : now + rto
        return outcome
    }

    /// When ``timerFired(at:)`` has work.
    package var deadline: Instant { due }

    /// The timer fired, perhaps early.
    package mutating func timerFired(at now: Instant) -> RecoveryAction {
        guard now >= due, !records.isEmpty else { return .none }
        if backoff == 0 { ssthresh = max(inFlight / 2, 2 * mss) }
        cwnd = mss
        inFlight = 0
        for index in 0..<records.count { records[index].isLost = true }
        backoff += 1
        due = now + rto
        return .timedOut(consecutive: backoff)
    }

    /// The last segment that is outstanding.
    package var probeRange: SequenceRange? {
        guard !records.isEmpty else { return nil }
        let range = records[records.count - 1].range
        return SequenceRange(range.end - min(mss, range.count), range.end)
    }

    /// The path takes segments of another size.
    package mutating func mssChanged(to mss: Int, at now: Instant) { self.mss = mss }

    /// Segments larger than the path takes were lost, and not for congestion.
    package mutating func markLost(largerThan mss: Int, at now: Instant) {
        for index in 0..<records.count where records[index].range.count > mss && !records[index].isLost {
            records[index].isLost = true
            inFlight -= records[index].range.count
        }
    }

    /// The peer's window closed, or opened again.
    package mutating func peerWindowClosed(_ isClosed: Bool) {}

    /// Whether segments of new data are marked as able to carry congestion marks.
    package var marksECT: Bool { false }
    /// Whether each mark is told as it comes and goes (RFC 8257 §3.2), and not until it is answered (RFC 3168).
    package var echoesEveryCE: Bool { false }

    /// Gives memory back while nothing is outstanding.
    package mutating func trim() { records.releaseMemory() }

    private mutating func take(_ sample: TimeSpan) {
        if let smoothed = smoothedRoundTrip {
            let difference = max(smoothed, sample) - min(smoothed, sample)
            roundTripVariation = .nanoseconds((roundTripVariation.nanoseconds * 3 + difference.nanoseconds) / 4)
            smoothedRoundTrip = .nanoseconds((smoothed.nanoseconds * 7 + sample.nanoseconds) / 8)
        } else {
            smoothedRoundTrip = sample
            roundTripVariation = .nanoseconds(sample.nanoseconds / 2)
        }
        let smoothed = smoothedRoundTrip ?? sample
        baseTimeout = max(settings.rtoMin, smoothed + roundTripVariation * 4)
    }
}
