package import ChimneyPrimitives
import ChimneyWire

/// What must be known of a connection of which both ends have said all.
package struct TimeWaitEntry: Hashable, Sendable, BitwiseCopyable {
    /// Our next number: behind our FIN.
    package var sndNext: SequenceNumber
    /// The peer's next number: behind its FIN.
    package var rcvNext: SequenceNumber
    package var recentTimestamp: UInt32
    package var clockOffset: UInt32
    package var hasTimestamps: Bool

    package init(
        sndNext: SequenceNumber, rcvNext: SequenceNumber, recentTimestamp: UInt32, clockOffset: UInt32,
        hasTimestamps: Bool
    ) {
        self.sndNext = sndNext
        self.rcvNext = rcvNext
        self.recentTimestamp = recentTimestamp
        self.clockOffset = clockOffset
        self.hasTimestamps = hasTimestamps
    }

    /// What answers a segment that may be the peer's last, come again.
    package func answer(at now: Instant) -> OutgoingSegment {
        var segment = OutgoingSegment(sequence: sndNext, flags: .ack)
        segment.ack = rcvNext
        if hasTimestamps {
            let clock = UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) &+ clockOffset
            segment.options.timestamps = TCPTimestamps(value: clock, echo: recentTimestamp)
        }
        return segment
    }
}

extension TCPConnection {
    /// What the table keeps of this connection, which is in TIME-WAIT.
    package var timeWaitEntry: TimeWaitEntry {
        TimeWaitEntry(
            sndNext: snd.nxt, rcvNext: rcv.nxt, recentTimestamp: rcv.recentTimestamp, clockOffset: snd.clockOffset,
            hasTimestamps: marks.contains(.timestamps))
    }
}

/// Flows whose connections ended not long ago: late segments of theirs are answered, and belong to no new connection.
///
/// All wait equally long, so that the one that came first leaves first (RFC 9293 §3.6.1).
package struct TimeWaitTable: ~Copyable {
    /// How long a flow waits: twice the longest life of a segment.
    package let time: TimeSpan
    /// The most flows that wait; beyond it the one that waited longest leaves early.
    package let flowsMax: Int
    private var waiting: SlotMap<Waiting>
    private var places: FlowTable<IPv6Flow>
    /// In the order of their ends; a flow whose time began anew stands there twice, and the first time counts no more.
    private var ends = RingBuffer<End>()
    /// How many left before their time.
    package private(set) var evicted: UInt64 = 0

    /// A flow that waits, as visible as the table: a module that ends a table ends its flows.
    package struct Waiting: BitwiseCopyable {
        package var flow: IPv6Flow
        package var entry: TimeWaitEntry
        package var until: Instant
    }

    /// When a flow's wait ends.
    package struct End: BitwiseCopyable {
        package var id: SlotID
        package var until: Instant
    }

    /// What a segment of a waiting flow came to.
    package enum Verdict: Hashable, Sendable {
        /// Nothing is said to it.
        case ignored
        /// It is answered by this segment.
        case answered(OutgoingSegment)
        /// It may open the flow anew, with a first number of ours behind those of what ended (RFC 6191). The flow waits on until
        /// ``TimeWaitTable/remove(_:)``, since a SYN that finds no listener, or no room, opens nothing.
        case reopened(TimeWaitEntry)
        /// The peer gave the flow up: the entry is gone.
        case reset
    }

    package init(time: TimeSpan = .seconds(60), flowsMax: Int = 65_536, using random: inout StackRandom) {
        precondition(flowsMax > 0, "a table holds something")
        self.time = time
        self.flowsMax = flowsMax
        waiting = SlotMap(elementsMax: flowsMax)
        places = FlowTable(flowsMax: flowsMax, using: &random)
    }

    /// How many flows wait.
    package var count: Int { waiting.count }

    /// When ``timerFired(at:)`` next has work; it may be too early.
    package var deadline: Instant? { ends.isEmpty ? nil : ends[0].until }

    /// Whether a flow waits.
    package func contains(_ flow: IPv6Flow) -> Bool { places[flow] != nil }

    /// Until when a flow waits.
    package func end(of flow: IPv6Flow) -> Instant? { id(of: flow).map { waiting[$0].until } }

    /// A connection entered TIME-WAIT.
    package mutating func insert(_ entry: TimeWaitEntry, for flow: IPv6Flow, at now: Instant) {
        if let id = self.id(of: flow) { remove(id) }
        // Ends of flows that are gone already must not pile up either.
        while waiting.count >= flowsMax || ends.count >= 4 * flowsMax, !ends.isEmpty {
            let oldest = ends.removeFirst()
            guard waiting.contains(oldest.id), waiting[oldest.id].until == oldest.until else { continue }
            evicted += 1
            remove(oldest.id)
        }
        guard let id = waiting.insert(Waiting(flow: flow, entry: entry, until: now + time)) else { return }
        guard places.insert(UInt32(id.index), for: flow) else {
            _ = waiting.remove(id)
            return
        }
        ends.append(End(id: id, until: now + time))
    }

    /// A segment of a flow arrived (RFC 9293 §3.10.7.4 for TIME-WAIT, §3.6.1).
    ///
    /// - Returns: what it came to, or `nil` when the flow does not wait.
    package mutating func segmentArrived(_ segment: ArrivedSegment, of flow: IPv6Flow, at now: Instant) -> Verdict? {
        guard let id = self.id(of: flow) else { return nil }
        let entry = waiting[id].entry
        if segment.flags.contains(.rst) {
            // Only one that stands exactly where the peer is can end the wait (RFC 5961 §3, RFC 1337).
            guard segment.sequence == entry.rcvNext else { return .ignored }
            remove(id)
            return .reset
        }
        if segment.flags.contains(.syn) {
            guard !segment.flags.contains(.ack), isNew(segment, after: entry) else {
                return .answered(entry.answer(at: now))
            }
            return .reopened(entry)
        }
        guard segment.flags.contains(.ack) else { return .ignored }
        if segment.length == 0 && segment.sequence == entry.rcvNext { return .ignored }
        if segment.flags.contains(.fin) && segment.end == entry.rcvNext {
            // Our last ACK was lost: the time begins anew, though not for each of many FINs.
            let left = waiting[id].until - now
            if left * 2 <= time {
                waiting[id].until = now + time
                ends.append(End(id: id, until: now + time))
            }
        }
        return .answered(entry.answer(at: now))
    }

    /// A flow waits no more, because it was opened anew.
    package mutating func remove(_ flow: IPv6Flow) {
        if let id = id(of: flow) { remove(id) }
    }

    /// Whether a SYN is of a connection after the one that ended (RFC 6191 §2).
    private func isNew(_ segment: ArrivedSegment, after entry: TimeWaitEntry) -> Bool {
        if entry.hasTimestamps, let timestamps = segment.options.timestamps {
            let difference = Int32(bitPattern: timestamps.value &- entry.recentTimestamp)
            if difference != 0 { return difference > 0 }
        }
        return segment.sequence > entry.rcvNext
    }

    /// Lets flows go whose time is over.
    package mutating func timerFired(at now: Instant) {
        while !ends.isEmpty, ends[0].until <= now {
            let end = ends.removeFirst()
            guard waiting.contains(end.id), waiting[end.id].until == end.until else { continue }
            remove(end.id)
        }
        if ends.isEmpty { ends.releaseMemory() }
    }

    private func id(of flow: IPv6Flow) -> SlotID? {
        guard let place = places[flow] else { return nil }
        return waiting.first(from: Int(place))
    }

    private mutating func remove(_ id: SlotID) {
        let gone = waiting.remove(id)
        _ = places.remove(gone.flow)
    }
}
