package import ChimneyPrimitives
import ChimneyWire

/// When half-open connections are told by cookies and not kept.
public enum SynCookieMode: UInt8, Hashable, Sendable, CaseIterable {
    /// Never: a SYN beyond the bound is dropped.
    case off
    /// For those beyond the bound.
    case whenFull
    /// For all.
    case always
}

/// What half-open connections may cost.
public struct SynCacheSettings: Hashable, Sendable {
    /// The most half-open connections kept; a further SYN is answered with a cookie, or dropped.
    public var entriesMax = 8_192
    /// The most of them in one bucket, which is that of all ports of a peer's address; a further one is treated as if the
    /// cache were full, so that no one host fills it.
    public var bucketEntriesMax = 512
    /// How often the answer to a SYN is sent again.
    public var retriesMax = 4
    /// Whether cookies are sent.
    public var cookies = SynCookieMode.whenFull

    /// The defaults.
    public init() {}
}

/// The connections that peers began to open: a few words each until the handshake is complete.
///
/// It answers SYNs for all listeners of a shard and one address family. A listener is a number to it.
package struct SynCache: ~Copyable {
    package let settings: SynCacheSettings
    private var entries: SlotMap<Entry>
    private var places: FlowTable<IPv6Flow>
    private var timers: TimerWheel
    private let cookies: SynCookies
    /// How many entries each bucket has; which bucket an address has only this cache knows.
    private var buckets: [UInt32]
    private let hasher: FlowHasher
    /// When a cookie was last sent: without one not long ago, none is believed.
    private var bakedAt: Instant?
    /// How often things happened.
    package private(set) var counters = SynCacheCounters()

    /// A half-open connection, as visible as its owner: a module that ends a cache ends its entries.
    package struct Entry {
        package var flow: IPv6Flow
        package var half: HalfOpen
        package var listener: UInt32
        package var segmentSize: UInt16
        package var settings: SharedTCPSettings
        package var id: SlotID
    }

    /// A segment to send, and whose it is.
    package struct Answer: Sendable {
        package var flow: IPv6Flow
        package var segment: OutgoingSegment
    }

    /// What became of a segment that acknowledges.
    package enum AckVerdict: Sendable {
        /// The handshake is complete, and its entry gone.
        case completed(Completion)
        /// The entry waits for a better one.
        case unacceptable(TCPDrop)
        /// It acknowledges nothing that is kept.
        case unknown
    }

    /// A handshake that is complete.
    package struct Completion: Sendable {
        package var half: HalfOpen
        package var listener: UInt32
        package var settings: SharedTCPSettings
    }

    /// What became of a SYN.
    package enum SynVerdict: Hashable, Sendable {
        /// It is answered, and kept.
        case kept
        /// It came again, and is answered again.
        case again
        /// It is answered with a cookie.
        case cookie
        /// There is no room for it.
        case full
    }

    package init(settings: SynCacheSettings = SynCacheSettings(), using random: inout StackRandom) {
        self.settings = settings
        entries = SlotMap(elementsMax: settings.entriesMax)
        places = FlowTable(flowsMax: settings.entriesMax, using: &random)
        timers = TimerWheel(timersMax: settings.entriesMax)
        cookies = SynCookies(using: &random)
        buckets = Array(repeating: 0, count: Self.bucketCount)
        hasher = FlowHasher(using: &random)
    }

    /// How many buckets there are, a power of two.
    private static var bucketCount: Int { 1_024 }

    private func bucket(of flow: IPv6Flow) -> Int {
        let words = flow.peerWords
        return Int(truncatingIfNeeded: hasher.hash(words.0, words.1)) & (Self.bucketCount - 1)
    }

    /// How many half-open connections are kept.
    package var count: Int { entries.count }

    /// When ``timerFired(at:output:)`` next has work.
    package var deadline: Instant? { mutating get { timers.deadline } }

    /// Whether a half-open connection of this flow is kept.
    package func contains(_ flow: IPv6Flow) -> Bool { places[flow] != nil }

    /// A SYN for a listener arrived (RFC 9293 §3.10.7.2).
    ///
    /// - Parameters:
    ///   - segment: it carries SYN and neither ACK nor RST.
    ///   - flow: where from and where to.
    ///   - listener: what is given back when the handshake is complete.
    ///   - numbers: where first numbers come from.
    ///   - after: what the number must be behind, when the flow's last connection was not long ago.
    ///   - listening: the settings of the listener.
    ///   - path: what is known of the way to the peer.
    ///   - now: the time.
    ///   - output: the answers to send.
    /// - Returns: what became of it.
    package mutating func synArrived(
        _ segment: ArrivedSegment, of flow: IPv6Flow, for listener: UInt32, numbers: InitialSequence,
        after: SequenceNumber? = nil, settings listening: SharedTCPSettings, path: TCPConnection.Path,
        at now: Instant, output: inout OutputList<Answer>
    ) -> SynVerdict {
        counters.arrived += 1
        if let place = places[flow], let id = entries.first(from: Int(place)) {
            // The same again, or another that the answer makes the peer reset (RFC 9293 §3.5.1).
            counters.repeated += 1
            output.append(answer(to: id, at: now))
            return .again
        }
        var iss = numbers.number(for: flow, at: now)
        // A new connection begins behind all that the old one used (RFC 9293 §3.6.1).
        if let after, iss <= after { iss = after + 1 }
        var half = HalfOpen(
            answering: segment, iss: iss, settings: listening.value, defaultSize: path.defaultSize,
            clockOffset: numbers.clockOffset(for: flow), isSigned: path.isSigned, at: now)
        let bucket = self.bucket(of: flow)
        let isBucketFull = Int(buckets[bucket]) >= settings.bucketEntriesMax
        if isBucketFull { counters.bucketsFull += 1 }
        let isFull = isBucketFull || entries.count >= settings.entriesMax
        if settings.cookies == .always || (isFull && settings.cookies == .whenFull) {
            var answer = half.answer(settings: listening.value, segmentSize: path.segmentSize, at: now)
            cookies.bake(&half, for: flow, into: &answer, at: now)
            bakedAt = now
            counters.cookiesSent += 1
            output.append(Answer(flow: flow, segment: answer))
            return .cookie
        }
        let entry = Entry(
            flow: flow, half: half, listener: listener, segmentSize: UInt16(clamping: path.segmentSize),
            settings: listening, id: SlotID(index: 0, generation: 0))
        guard !isFull, let id = entries.insert(entry) else {
            counters.refused += 1
            return .full
        }
        entries[id].id = id
        guard places.insert(UInt32(id.index), for: flow) else {
            _ = entries.remove(id)
            counters.refused += 1
            return .full
        }
        buckets[bucket] += 1
        timers.arm(UInt32(id.index), at: now + listening.value.recovery.rtoInitial)
        output.append(answer(to: id, at: now))
        return .kept
    }

    private func answer(to id: SlotID, at now: Instant) -> Answer {
        let entry = entries[id]
        return Answer(
            flow: entry.flow,
            segment: entry.half.answer(
                settings: entry.settings.value, segmentSize: Int(entry.segmentSize), at: now))
    }

    /// A segment that acknowledges arrived for a flow that has no connection.
    ///
    /// The entry is gone when the handshake is complete: whoever has no room for a connection does not ask.
    package mutating func acknowledged(by segment: ArrivedSegment, of flow: IPv6Flow, at now: Instant) -> AckVerdict {
        guard let id = self.id(of: flow) else { return .unknown }
        let half = entries[id].half
        if let fault = half.fault(of: segment, settings: entries[id].settings.value) { return .unacceptable(fault) }
        guard segment.ack == half.iss + 1 else { return .unknown }
        counters.completed += 1
        let entry = remove(id)
        return .completed(Completion(half: entry.half, listener: entry.listener, settings: entry.settings))
    }

    /// A segment that acknowledges arrived for a flow of which nothing is kept: perhaps it has a cookie.
    ///
    /// - Returns: the handshake, or `nil` when there is none, or none was sent in the last two minutes.
    package mutating func cookie(
        in segment: ArrivedSegment, of flow: IPv6Flow, numbers: InitialSequence, settings listening: TCPSettings,
        at now: Instant
    ) -> HalfOpen? {
        guard let bakedAt, now - bakedAt < .seconds(128) else { return nil }
        let half = cookies.halfOpen(
            of: segment, for: flow, settings: listening, clockOffset: numbers.clockOffset(for: flow), at: now)
        if half == nil { counters.cookiesRefused += 1 }
        return half
    }

    /// A handshake that a cookie told of has its connection.
    package mutating func cookieTaken() { counters.cookiesTaken += 1 }

    /// A RST arrived; the half-open connection of the flow is gone when the RST is its next segment.
    ///
    /// - Returns: whether it is gone.
    package mutating func resetArrived(_ segment: ArrivedSegment, of flow: IPv6Flow) -> Bool {
        guard let id = self.id(of: flow), segment.sequence == entries[id].half.irs + 1 else { return false }
        counters.reset += 1
        _ = remove(id)
        return true
    }

    /// What answers a segment that is not the next of a half-open connection: a RST elsewhere in the window, which may be
    /// forged (RFC 5961 §3), or anything else outside of it (RFC 9293 §3.10.7.4, step 1).
    ///
    /// - Returns: an acknowledgement; `nil` when there is no half-open connection, or the segment is none of these.
    package func challenge(_ segment: ArrivedSegment, of flow: IPv6Flow, at now: Instant) -> OutgoingSegment? {
        guard let id = self.id(of: flow) else { return nil }
        guard isInWindow(segment, of: id) == segment.flags.contains(.rst) else { return nil }
        return entries[id].half.acknowledgement(settings: entries[id].settings.value, at: now)
    }

    private func isInWindow(_ segment: ArrivedSegment, of id: SlotID) -> Bool {
        entries[id].half.isInWindow(segment, settings: entries[id].settings.value)
    }

    /// A listener is gone, and its half-open connections with it.
    ///
    /// - Complexity: O(places).
    package mutating func listenerClosed(_ listener: UInt32) {
        var next = entries.first()
        while let id = next {
            if entries[id].listener == listener { _ = remove(id) }
            next = entries.first(from: Int(id.index) + 1)
        }
    }

    /// Sends answers again, and forgets those that were sent often enough.
    package mutating func timerFired(at now: Instant, output: inout OutputList<Answer>) {
        while let timer = timers.popFirst(dueAt: now) {
            guard let id = entries.first(from: Int(timer)), id.index == Int32(timer) else { continue }
            let timeouts = Int(entries[id].half.timeouts)
            if timeouts >= settings.retriesMax {
                counters.expired += 1
                _ = remove(id)
                continue
            }
            entries[id].half.timeouts += 1
            let limits = entries[id].settings.value.recovery
            timers.arm(timer, at: now + min(limits.rtoInitial * (2 << min(timeouts, 16)), limits.rtoMax))
            output.append(answer(to: id, at: now))
        }
    }

    private func id(of flow: IPv6Flow) -> SlotID? {
        guard let place = places[flow] else { return nil }
        return entries.first(from: Int(place))
    }

    private mutating func remove(_ id: SlotID) -> Entry {
        let entry = entries.remove(id)
        buckets[bucket(of: entry.flow)] -= 1
        _ = places.remove(entry.flow)
        timers.cancel(UInt32(id.index))
        return entry
    }
}

/// How often things happened to half-open connections.
public struct SynCacheCounters: Hashable, Sendable {
    /// SYNs for listeners.
    public var arrived: UInt64 = 0
    /// Those of flows that were half open already.
    public var repeated: UInt64 = 0
    /// Those that there was no room for.
    public var refused: UInt64 = 0
    /// SYNs of peers whose bucket was full.
    public var bucketsFull: UInt64 = 0
    /// Handshakes that were completed.
    public var completed: UInt64 = 0
    /// Half-open connections that nobody completed in time.
    public var expired: UInt64 = 0
    /// Half-open connections that their peers gave up.
    public var reset: UInt64 = 0
    /// Cookies sent.
    public var cookiesSent: UInt64 = 0
    /// Handshakes that a cookie completed.
    public var cookiesTaken: UInt64 = 0
    /// Acknowledgements that looked for a cookie and had none.
    public var cookiesRefused: UInt64 = 0

    /// Nothing happened yet.
    public init() {}
}
