public import ChimneyPrimitives

/// Data Center TCP: the window shrinks by how much of the data met congestion, not by half (RFC 8257).
///
/// For networks whose switches mark early and whose hosts all speak it.
public struct DCTCP: CongestionControl, BitwiseCopyable {
    private var reno = NewReno()
    private var mss: UInt32 = 536
    /// DCTCP.Alpha: the share of bytes that were marked, of ``alphaOne``.
    private var alpha = alphaOne
    private var acknowledged: UInt32 = 0
    private var marked: UInt32 = 0

    /// 1, as ``alpha`` counts it; fine enough that small shares do not get stuck (RFC 8257 §4.2).
    static var alphaOne: UInt32 { 1 << 20 }
    /// The estimation gain g is 1/16 (RFC 8257 §3.3).
    private static var gainShift: UInt32 { 4 }

    /// A control that begins with ``established(_:at:)``.
    public init() {}

    /// What may be in flight.
    public var cwnd: Int {
        get { reno.cwnd }
        set { reno.cwnd = newValue }
    }
    /// Below it the window grows by slow start.
    public var ssthresh: Int {
        get { reno.ssthresh }
        set { reno.ssthresh = newValue }
    }
    /// The receiver tells each mark.
    public var wantsEveryMark: Bool { true }
    /// The share of bytes that met congestion, from 0 to 1.
    public var markedShare: Double { Double(alpha) / Double(Self.alphaOne) }

    /// Takes the window over.
    public mutating func established(_ start: CongestionStart, at now: Instant) {
        self = DCTCP()
        reno.established(start, at: now)
        mss = UInt32(clamping: start.mss)
    }

    /// Counts marks, and grows as NewReno does.
    public mutating func ackArrived(_ sample: AckSample, at now: Instant) {
        acknowledged = UInt32(clamping: Int(acknowledged) + sample.acknowledged)
        if sample.hasECE { marked = UInt32(clamping: Int(marked) + sample.acknowledged) }
        if sample.startsRound, acknowledged > 0 { endWindow() }
        reno.ackArrived(sample, at: now)
    }

    /// A window of data was observed (RFC 8257 §3.3, steps 5 to 8).
    private mutating func endWindow() {
        let share = UInt32(UInt64(marked) * UInt64(Self.alphaOne) / UInt64(acknowledged))
        alpha = alpha - (alpha >> Self.gainShift) + (share >> Self.gainShift)
        acknowledged = 0
        marked = 0
    }

    /// Shrinks by half of the marked share; a loss is answered as usual (RFC 8257 §3.5).
    public mutating func congested(by signal: CongestionSignal, at now: Instant) {
        switch signal {
        case .mark:
            let reduction = Int(UInt64(cwnd) * UInt64(alpha) / UInt64(2 * Self.alphaOne))
            ssthresh = max(cwnd - reduction, 2 * Int(mss))
            cwnd = ssthresh
        case .loss, .timeout: reno.congested(by: signal, at: now)
        }
    }

    /// Counts in segments of the new size.
    public mutating func mssChanged(to mss: Int) {
        self.mss = UInt32(clamping: mss)
        reno.mssChanged(to: mss)
    }
}
