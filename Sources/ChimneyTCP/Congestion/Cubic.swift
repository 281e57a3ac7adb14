public import ChimneyPrimitives

/// CUBIC: the window follows a cubic function of the time since the last reduction (RFC 9438), and ends its first slow
/// start by HyStart++ (RFC 9406).
///
/// All arithmetic is of IEEE doubles with the four operations, which give the same bits on every platform.
public struct Cubic: CongestionControl, BitwiseCopyable {
    /// What may be in flight.
    public var cwnd: Int {
        get { Int(window) }
        set {
            window = Double(newValue)
            // Whoever else sets the window begins another curve from there.
            if case .avoidance = stage { stage = .slowStart }
        }
    }
    /// Below it the window grows by slow start.
    public var ssthresh: Int {
        get { Int(threshold) }
        set { threshold = UInt32(clamping: newValue) }
    }
    private var window: Double = 0
    private var stage = Stage.firstSlowStart(HyStart())
    /// W_max: the window before the last reduction.
    private var largest: UInt32 = 0
    /// cwnd_prior: the window at the last reduction.
    private var prior: UInt32 = 0
    private var threshold: UInt32 = .max
    private var mss: UInt32 = 536
    private var isAfterTimeout = false

    /// What the window grows by.
    private enum Stage: BitwiseCopyable {
        case firstSlowStart(HyStart)
        /// Slow start, or congestion avoidance before its first acknowledgement.
        case slowStart
        case avoidance(Curve)
    }

    /// Congestion avoidance since it began.
    private struct Curve: BitwiseCopyable {
        /// When it began, without the times when the sender did not use its window (RFC 9438 §5.8).
        var epoch: Instant
        /// Since when the sender has not used its window, or never.
        var unusedSince = Instant.never
        /// K: the seconds until the window is W_max again.
        var period: Double
        /// W_est: what NewReno's window would be (RFC 9438 §4.3).
        var friendly: Double
    }

    /// C, in segments a second cubed (RFC 9438 §5).
    public static var scale: Double { 0.4 }
    /// β_cubic: what is left of the window after a reduction (RFC 9438 §4.6).
    public static var remainder: Double { 0.7 }
    /// α_cubic: segments a round trip that keep up with NewReno under this β (RFC 9438 §4.3).
    static var friendlyGrowth: Double { 3 * (1 - remainder) / (1 + remainder) }

    /// A control that begins with ``established(_:at:)``.
    public init() {}

    /// Takes the window over.
    public mutating func established(_ start: CongestionStart, at now: Instant) {
        self = Cubic()
        cwnd = start.cwnd
        ssthresh = start.ssthresh
        mss = UInt32(clamping: start.mss)
        if start.ssthresh < .largestWindow { stage = .slowStart }
    }

    /// Whether HyStart++ found that round trips lengthen.
    public var isInConservativeSlowStart: Bool {
        guard case .firstSlowStart(let start) = stage else { return false }
        return start.isConservative
    }

    /// Whether acknowledgements change nothing as long as the sender does not use its window: it is in slow start, or
    /// knows since when.
    var restsWhileUnused: Bool {
        if case .avoidance(let curve) = stage { return curve.unusedSince != .never && !isInSlowStart }
        return isInSlowStart
    }

    /// Grows by slow start or, above the threshold, along the curve.
    public mutating func ackArrived(_ sample: AckSample, at now: Instant) {
        guard sample.phase != .reducing, sample.acknowledged > 0 else { return }
        guard !isInSlowStart else { return slowStart(sample) }
        var curve = currentCurve(at: now)
        if sample.isWindowLimited {
            if curve.unusedSince != .never {
                curve.epoch = curve.epoch + (now - curve.unusedSince)
                curve.unusedSince = .never
            }
            avoidCongestion(sample, &curve, at: now)
        } else if curve.unusedSince == .never {
            curve.unusedSince = now
        }
        stage = .avoidance(curve)
    }

    private mutating func slowStart(_ sample: AckSample) {
        guard sample.isWindowLimited else { return }
        guard case .firstSlowStart(var start) = stage else {
            window += Double(min(sample.acknowledged, (sample.phase == .timedOut ? 1 : 8) * Int(mss)))
            return
        }
        let step = start.ackArrived(sample, mss: Int(mss))
        stage = .firstSlowStart(start)
        switch step {
        case .grow(let bytes): window += Double(bytes)
        case .end:
            ssthresh = Int(window)
            stage = .slowStart
        }
    }

    private mutating func avoidCongestion(_ sample: AckSample, _ curve: inout Curve, at now: Instant) {
        let elapsed = (now - curve.epoch).seconds
        let roundTrip = sample.smoothedRoundTrip?.seconds ?? 0
        let share = Double(sample.acknowledged) / window
        // Once it is where the window was before the reduction it grows as NewReno does (RFC 9438 §4.3).
        let growth = curve.friendly >= Double(prior) ? 1 : Self.friendlyGrowth
        curve.friendly += growth * Double(mss) * share
        if curvature(after: elapsed, period: curve.period) < curve.friendly {
            window = max(window, curve.friendly)
        } else {
            let ahead = curvature(after: elapsed + roundTrip, period: curve.period)
            let target = min(max(ahead, window), 1.5 * window)
            window += (target - window) * min(share, 1)
        }
        window = min(window, Double(Int.largestWindow))
    }

    /// The curve, which begins with congestion avoidance (RFC 9438 §4.2; after a timeout or without a reduction §4.8).
    private mutating func currentCurve(at now: Instant) -> Curve {
        if case .avoidance(let curve) = stage { return curve }
        let isConvex = isAfterTimeout || Double(largest) <= window
        if isConvex { largest = UInt32(clamping: Int(window)) }
        isAfterTimeout = false
        let period = isConvex ? 0 : Self.cubeRoot((Double(largest) - window) / Double(mss) / Self.scale)
        return Curve(epoch: now, period: period, friendly: window)
    }

    /// W_cubic: the window some seconds after the curve began (RFC 9438 figure 1).
    func curvature(after seconds: Double, period: Double) -> Double {
        let distance = seconds - period
        return Self.scale * distance * distance * distance * Double(mss) + Double(largest)
    }

    /// Keeps seven tenths of the flight (RFC 9438 §4.6), and says where the curve is to level off (§4.7).
    public mutating func congested(by signal: CongestionSignal, at now: Instant) {
        prior = UInt32(clamping: Int(window))
        largest = prior < largest ? UInt32(window * (1 + Self.remainder) / 2) : prior
        stage = .slowStart
        isAfterTimeout = false
        ssthresh = max(Int(Double(signal.outstanding) * Self.remainder), 2 * Int(mss))
        switch signal {
        case .loss, .mark: cwnd = ssthresh
        case .timeout:
            cwnd = Int(mss)
            isAfterTimeout = true
        }
    }

    /// Begins again with at most the initial window, and another curve.
    public mutating func idled(initialWindow: Int, at now: Instant) { cwnd = min(cwnd, initialWindow) }

    /// Counts in segments of the new size.
    public mutating func mssChanged(to mss: Int) {
        self.mss = UInt32(clamping: mss)
        if case .avoidance = stage { stage = .slowStart }
    }

    /// The cube root of a number that is not negative, by Newton's steps from a power of two.
    ///
    /// The library's own function differs in the last bits from one platform to another.
    static func cubeRoot(_ number: Double) -> Double {
        guard number > 0, number.isFinite else { return 0 }
        var root = Double(sign: .plus, exponent: number.exponent / 3 + 1, significand: 1)
        // From above, each step halves the distance at least; near the root the digits that are right double.
        for _ in 0..<64 {
            let next = (2 * root + number / (root * root)) / 3
            guard next < root else { break }
            root = next
        }
        return root
    }
}
