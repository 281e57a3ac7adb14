public import ChimneyPrimitives
import ChimneyWire

/// A module that times how long answers take, segment by segment, and takes no sample that is ambiguous.
///
/// An acknowledgement of what was sent more than once may answer any of the sendings (RFC 6298 §3): it gives no sample, nor
/// does one of what stands before it. What recovery itself measures decides when data counts as lost; this one tells what
/// the path does, with the shortest and the longest of all.
public final class RoundTripMeters: TCPHooks {
    /// A module that watches all connections it is shown.
    public init() {}

    /// A meter without samples.
    public func watcher(ofConnection number: UInt64, in state: TCPFlowState, at now: Instant) -> (any TCPWatcher)? {
        RoundTripMeter()
    }
}

/// How long the answers of one connection take.
public struct RoundTripMeter: TCPWatcher {
    /// The most segments waited for at a time; one that is sent beyond it is not timed.
    public static var segmentsMax: Int { 64 }

    /// The last sample.
    public private(set) var latest: TimeSpan?
    /// The shortest of all.
    public private(set) var shortest: TimeSpan?
    /// The longest of all.
    public private(set) var longest: TimeSpan?
    /// The mean, in which each sample weighs an eighth.
    public private(set) var mean: TimeSpan?
    /// How many samples were taken.
    public private(set) var sampleCount = 0
    /// How many segments gave none because they were sent again.
    public private(set) var ambiguousCount = 0
    /// How many segments were not timed because as many were waited for.
    public private(set) var missedCount = 0

    /// Segments sent once and not acknowledged, in order.
    private var waiting: [Waiting] = []

    private struct Waiting: BitwiseCopyable {
        var range: SequenceRange
        var sentAt: Instant
    }

    /// A meter without samples.
    public init() {}

    /// Times what is acknowledged, and notes what is sent.
    public mutating func segmentSeen(_ segment: TCPSeenSegment, in state: TCPFlowState) {
        if !segment.isOutgoing {
            guard segment.flags.contains(.ack) else { return }
            acknowledged(upTo: SequenceNumber(segment.acknowledgment), state, at: segment.time)
        } else if segment.length > 0 {
            let range = SequenceRange(SequenceNumber(segment.sequence), count: segment.length)
            if segment.isAgain { sentAgain(range) } else { sent(range, at: segment.time) }
        }
    }

    private mutating func sent(_ range: SequenceRange, at now: Instant) {
        guard waiting.count < Self.segmentsMax else {
            missedCount += 1
            return
        }
        waiting.append(Waiting(range: range, sentAt: now))
    }

    private mutating func sentAgain(_ range: SequenceRange) {
        let before = waiting.count
        // What comes before it is held up by it at the peer, which does not say when it arrived.
        waiting.removeAll { $0.range.start < range.end }
        ambiguousCount += before - waiting.count
    }

    private mutating func acknowledged(upTo ack: SequenceNumber, _ state: TCPFlowState, at now: Instant) {
        guard ack <= SequenceNumber(state.nextToSend) else { return }
        var sentAt: Instant?
        var count = 0
        while count < waiting.count, waiting[count].range.end <= ack {
            sentAt = waiting[count].sentAt
            count += 1
        }
        guard let sentAt else { return }
        waiting.removeFirst(count)
        take(now - sentAt)
    }

    private mutating func take(_ sample: TimeSpan) {
        latest = sample
        shortest = shortest.map { min($0, sample) } ?? sample
        longest = longest.map { max($0, sample) } ?? sample
        if let mean {
            self.mean = .nanoseconds(mean.nanoseconds + (sample.nanoseconds - mean.nanoseconds) >> 3)
        } else {
            mean = sample
        }
        sampleCount += 1
    }
}
