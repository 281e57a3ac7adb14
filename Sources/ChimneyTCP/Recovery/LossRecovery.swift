package import ChimneyPrimitives

/// What was sent and is not acknowledged, which of it is lost, and how much may be sent.
///
/// The sender keeps the bytes; recovery keeps a record of each range that was sent, and decides by it. It does not know
/// what the bytes are, nor the peer's window. The sender asks for what to send again and how much of what is new, tells
/// what it sent, and hands each acknowledgement in before it frees what that covers.
///
/// - Note: RFC 5681, 6298, 6675, 8985 and 9937; RFC 5682, 3522 and 4015 for what was needless; RFC 3168 for marks.
package struct LossRecovery: ~Copyable {
    // The order leaves no gaps: a connection at rest keeps all of this and nothing more.
    var box = FlightBox()
    let limits: RecoveryLimits
    var una = SequenceNumber(0)
    var congestion: CongestionMachine
    var roundTrips = RoundTripEstimator()
    var nxt = SequenceNumber(0)
    var rtoDue = Instant.never
    var lastSentAt = Instant.never
    /// Where the loss recovery ends that is under way; with none, before ``una``.
    var recoveryPoint = SequenceNumber(0)
    var reordering = ReorderingWindow()
    /// What has been done.
    package internal(set) var counters = RecoveryCounters()
    var mss: UInt32 = 536
    var episode = Episode.none
    var test = TimeoutTest.none
    var traits: Traits = []
    /// How often the timeout is doubled.
    var doublings: UInt8 = 0
    /// How often the timer expired since something was acknowledged.
    var timeoutCount: UInt8 = 0

    /// What is done about losses; congestion marks are answered beside it (RFC 3168).
    enum Episode: UInt8, BitwiseCopyable {
        case none
        case recovery
        case timeout
    }

    /// Whether a timeout is being tested for being needless (RFC 5682 §2.1, §3.1).
    enum TimeoutTest: UInt8, BitwiseCopyable {
        case none
        /// Step 2: the first acknowledgement is awaited.
        case waiting
        /// It came, and new data may leave.
        case sending
        /// Step 3: new data left, and the next acknowledgement is awaited.
        case judging
    }

    struct Traits: OptionSet, BitwiseCopyable {
        var rawValue: UInt16
        static var selectiveAcks: Self { Self(rawValue: 1) }
        static var timestamps: Self { Self(rawValue: 2) }
        static var marks: Self { Self(rawValue: 4) }
        /// The peer's window is closed.
        static var closedWindow: Self { Self(rawValue: 8) }
        /// The window shrinks because of congestion marks.
        static var answeringMarks: Self { Self(rawValue: 16) }
        /// One segment is sent again whatever the window says (RFC 5681 §3.2 step 3, RFC 6298 §5.4).
        static var mustRetransmit: Self { Self(rawValue: 32) }
        /// A SYN was sent again: the first timeout is longer (RFC 6298 §5.7).
        static var slowOpening: Self { Self(rawValue: 64) }
        static var everyMark: Self { Self(rawValue: 128) }
    }

    package init(settings: RecoverySettings) {
        limits = RecoveryLimits(settings)
        congestion = CongestionMachine(settings.congestion)
        if congestion.wantsEveryMark { traits.insert(.everyMark) }
    }

    /// The connection is established.
    package mutating func opened(_ opening: RecoveryOpening, at now: Instant) {
        una = opening.una
        nxt = opening.una
        recoveryPoint = opening.una - 1
        mss = UInt32(clamping: max(1, opening.mss))
        if opening.hasSelectiveAcks { traits.insert(.selectiveAcks) }
        if opening.hasTimestamps { traits.insert(.timestamps) }
        if opening.hasECN { traits.insert(.marks) }
        if opening.handshakeTimeouts > 0 { traits.insert(.slowOpening) }
        // A SYN that was lost speaks for a congested path (RFC 5681 §3.1).
        let cwnd = opening.handshakeTimeouts > 0 ? opening.mss : limits.initialWindow(mss: opening.mss)
        var start = CongestionStart(mss: opening.mss, cwnd: cwnd)
        if let remembered = opening.remembered {
            roundTrips.remember(mean: remembered.smoothedRoundTrip, variation: remembered.roundTripVariation)
            let threshold = remembered.slowStartThreshold
            if threshold > 0 { start.ssthresh = max(threshold, 2 * opening.mss) }
        }
        if let sample = opening.roundTrip {
            roundTrips.take(sample)
            roundTrips.see(sample, at: now)
        }
        congestion.established(start, at: now)
    }

    // MARK: - Questions

    /// What was sent and is not acknowledged by number.
    package var outstanding: Int { nxt - una }
    /// What of it is supposed to be on the path.
    @inline(__always)
    package var inFlight: Int { box.isEmpty ? 0 : max(0, outstanding - box.flight.offPath) }
    package var cwnd: Int { congestion.cwnd }
    package var ssthresh: Int { congestion.ssthresh }
    package var smoothedRoundTrip: TimeSpan? { roundTrips.smoothed }
    package var roundTripVariation: TimeSpan { roundTrips.variation }
    package var shortestRoundTrip: TimeSpan? { roundTrips.shortest }
    package var backoff: Int { Int(doublings) }
    package var congestionAlgorithm: CongestionAlgorithm { congestion.algorithm }
    /// Whether segments of new data are marked as able to carry congestion marks.
    package var marksECT: Bool { traits.contains(.marks) }
    /// Whether each mark is told as it comes and goes (RFC 8257 §3.2), and not until it is answered (RFC 3168).
    package var echoesEveryCE: Bool { traits.contains([.marks, .everyMark]) }

    /// The retransmission timeout, doubled as often as it expired (RFC 6298 §2 and §5.5).
    ///
    /// What comes with each segment is inlined: a call of a getter would copy the whole value to pass it on.
    @inline(__always)
    package var rto: TimeSpan {
        if doublings == 0, roundTrips.smoothed != nil {
            return min(limits.rtoMax, roundTrips.timeout(shortest: limits.rtoMin))
        }
        return Self.rareTimeout(limits, roundTrips, isSlow: traits.contains(.slowOpening), doublings: doublings)
    }

    /// The timeout before the first sample, or one that is doubled.
    @inline(never)
    private static func rareTimeout(
        _ limits: RecoveryLimits, _ roundTrips: RoundTripEstimator, isSlow: Bool, doublings: UInt8
    ) -> TimeSpan {
        let base =
            roundTrips.smoothed == nil
            ? max(limits.rtoInitial, isSlow ? .seconds(3) : .zero)
            : roundTrips.timeout(shortest: limits.rtoMin)
        return min(limits.rtoMax, base * (1 << Int(min(doublings, 20))))
    }

    /// The last segment that is outstanding, to be sent again as a probe.
    package var probeRange: SequenceRange? {
        guard !box.isEmpty, !box.flight.scoreboard.isEmpty else { return nil }
        let range = box.flight.scoreboard.last.range
        return SequenceRange(range.end - min(Int(mss), range.count), range.end)
    }

    /// What recovery is doing.
    package var phase: RecoveryPhase {
        switch episode {
        case .recovery: return .recovery
        case .timeout: return .timeout
        case .none:
            if traits.contains(.answeringMarks) { return .congestion }
            guard !box.isEmpty else { return .open }
            return box.flight.scoreboard.sackedBytes > 0 || box.flight.duplicateCount > 0 ? .disorder : .open
        }
    }

    /// All of it, to be shown.
    package var state: LossRecoveryState {
        var state = LossRecoveryState()
        state.phase = phase
        state.outstandingBytes = outstanding
        state.cwnd = cwnd
        state.ssthresh = ssthresh
        state.untilRecovered = episode == .none ? nil : recoveryPoint - una
        state.smoothedRoundTrip = smoothedRoundTrip
        state.roundTripVariation = roundTripVariation
        state.shortestRoundTrip = shortestRoundTrip
        state.rto = rto
        state.backoff = backoff
        state.hasSeenReordering = reordering.isSeen
        state.reorderingWindow = reorderingWindow
        state.pacingRate = isPacing ? pacingRate : nil
        state.algorithm = congestion.algorithm.name
        guard !box.isEmpty else { return state }
        state.inFlightBytes = inFlight
        state.sackedBytes = box.flight.scoreboard.sackedBytes + box.flight.impliedBytes
        state.lostBytes = box.flight.scoreboard.lostBytes
        state.segmentCount = box.flight.scoreboard.count
        state.reductionQuota = box.flight.reduction.isActive ? box.flight.reduction.quota : nil
        state.isProbing = box.flight.probe.isOut
        return state
    }

    // MARK: - Changes from outside

    /// Segments have another size; what is on its way keeps its own.
    package mutating func mssChanged(to mss: Int, at now: Instant) {
        self.mss = UInt32(clamping: max(1, mss))
        congestion.mssChanged(to: max(1, mss))
    }

    /// Segments larger than the path takes were lost, and not for congestion (RFC 1191 §6.5).
    package mutating func markLost(largerThan mss: Int, at now: Instant) {
        guard !box.isEmpty else { return }
        box.flight.scoreboard.markLost(largerThan: mss)
    }

    /// The peer's window closed, or opened again: while it is closed a timeout says nothing of the path.
    package mutating func peerWindowClosed(_ isClosed: Bool) {
        if isClosed { traits.insert(.closedWindow) } else { traits.remove(.closedWindow) }
    }

    /// The connection goes on with another congestion control, from the windows it has.
    package mutating func setCongestionControl(_ algorithm: CongestionAlgorithm, at now: Instant) {
        guard algorithm != congestion.algorithm else { return }
        let start = CongestionStart(mss: Int(mss), cwnd: cwnd, ssthresh: ssthresh)
        congestion = CongestionMachine(algorithm)
        congestion.established(start, at: now)
        if congestion.wantsEveryMark { traits.insert(.everyMark) } else { traits.remove(.everyMark) }
        if !box.isEmpty { box.flight.undo = UndoRecord() }
    }

    /// Gives memory back while nothing is outstanding.
    package mutating func trim() {
        guard outstanding == 0 else { return }
        box.empty()
    }

    /// Keeps what an ended connection found out of its path.
    mutating func keep(_ found: RoundTripEstimator, ssthresh: Int) {
        roundTrips = found
        congestion.ssthresh = ssthresh
    }

    // MARK: - Parts

    func has(_ feature: RecoveryFeatures) -> Bool { limits.features.contains(feature) }
    @inline(__always)
    var isPacing: Bool { has(.pacing) || congestion.wantsPacing }

    var pacingRate: UInt64 {
        congestion.pacingRate
            ?? Pacer.rate(cwnd: cwnd, ssthresh: ssthresh, roundTrip: roundTrips.smoothed ?? .zero)
    }

    /// RACK.reo_wnd.
    var reorderingWindow: TimeSpan {
        reordering.length(
            shortest: roundTrips.shortest ?? .zero, smoothed: roundTrips.smoothed ?? .zero,
            isRecovering: episode != .none, sackedCount: sackedCount)
    }

    /// The segments that the receiver has behind one that is missing.
    private var sackedCount: Int {
        guard !box.isEmpty else { return 0 }
        return max(box.flight.scoreboard.sackedCount, box.flight.scoreboard.sackedBytes / Int(mss))
    }
}
