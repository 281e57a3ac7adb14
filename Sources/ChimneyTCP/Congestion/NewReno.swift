public import ChimneyPrimitives

/// The standard's own congestion control: slow start, congestion avoidance, half of the flight after a loss (RFC 5681),
/// counted in bytes (RFC 3465).
public struct NewReno: CongestionControl, BitwiseCopyable {
    /// What may be in flight.
    public var cwnd: Int {
        get { Int(window) }
        set { window = UInt32(clamping: newValue) }
    }
    /// Below it the window grows by slow start.
    public var ssthresh: Int {
        get { Int(threshold) }
        set { threshold = UInt32(clamping: newValue) }
    }
    private var window: UInt32 = 0
    private var threshold: UInt32 = .max
    private var mss: UInt32 = 536
    /// Bytes acknowledged towards the next segment of the window (RFC 3465 §2.1).
    private var counted: UInt32 = 0

    /// A control that begins with ``established(_:at:)``.
    public init() {}

    /// Takes the window over.
    public mutating func established(_ start: CongestionStart, at now: Instant) {
        cwnd = start.cwnd
        ssthresh = start.ssthresh
        mss = UInt32(clamping: start.mss)
        counted = 0
    }

    /// Grows by slow start or, above the threshold, by a segment for each window acknowledged.
    public mutating func ackArrived(_ sample: AckSample, at now: Instant) {
        guard sample.phase != .reducing, sample.acknowledged > 0, sample.isWindowLimited else { return }
        if isInSlowStart {
            slowStart(acknowledged: sample.acknowledged, segmentsMax: sample.phase == .timedOut ? 1 : 2)
        } else {
            avoidCongestion(acknowledged: sample.acknowledged)
        }
    }

    /// A window grows by what was acknowledged, at most by so many segments at a time (RFC 3465 §2.2 and §2.3).
    mutating func slowStart(acknowledged: Int, segmentsMax: Int) {
        cwnd = min(cwnd + min(acknowledged, segmentsMax * Int(mss)), .largestWindow)
    }

    /// A window grows by one segment for each window acknowledged (RFC 3465 §2.1).
    mutating func avoidCongestion(acknowledged: Int) {
        counted = UInt32(clamping: Int(counted) + acknowledged)
        guard counted >= window else { return }
        counted -= window
        cwnd = min(cwnd + Int(mss), .largestWindow)
        // Several windows acknowledged at a time count for one.
        counted = min(counted, window)
    }

    /// Halves the flight; a timeout also begins again with one segment (RFC 5681 equation 4).
    public mutating func congested(by signal: CongestionSignal, at now: Instant) {
        ssthresh = max(signal.outstanding / 2, 2 * Int(mss))
        counted = 0
        switch signal {
        case .loss, .mark: cwnd = ssthresh
        case .timeout: cwnd = Int(mss)
        }
    }

    /// Counts in segments of the new size.
    public mutating func mssChanged(to mss: Int) { self.mss = UInt32(clamping: mss) }
}
