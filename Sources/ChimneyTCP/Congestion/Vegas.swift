public import ChimneyPrimitives

/// Vegas: the window keeps a few segments queued on the path and no more, judged by how long round trips take beyond the
/// shortest (Brakmo and Peterson, 1995).
public struct Vegas: CongestionControl, BitwiseCopyable {
    private var reno = NewReno()
    private var mss: UInt32 = 536
    /// Microseconds; `none` before the first.
    private var shortest = none
    private var roundShortest = none
    private var sampleCount: UInt16 = 0
    private var growsThisRound = true

    private static var none: UInt32 { .max }
    /// α, β and γ: the fewest and most segments that may be queued, and those that end slow start.
    private static var queued: ClosedRange<Int> { 2...4 }
    private static var queuedInSlowStart: Int { 1 }
    /// Fewer samples of a round say too little: one of them may be a delayed acknowledgement.
    private static var samplesMin: UInt16 { 3 }

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

    /// Takes the window over.
    public mutating func established(_ start: CongestionStart, at now: Instant) {
        self = Vegas()
        reno.established(start, at: now)
        mss = UInt32(clamping: start.mss)
    }

    /// Once a round trip, compares the rate with the one there would be without queues.
    public mutating func ackArrived(_ sample: AckSample, at now: Instant) {
        if let roundTrip = sample.roundTrip {
            let microseconds = max(1, UInt32(clamping: roundTrip.nanoseconds / 1_000))
            shortest = min(shortest, microseconds)
            roundShortest = min(roundShortest, microseconds)
            sampleCount = sampleCount == .max ? .max : sampleCount + 1
        }
        guard sample.phase == .open else { return reno.ackArrived(sample, at: now) }
        guard sample.startsRound else {
            if isInSlowStart, growsThisRound { reno.ackArrived(sample, at: now) }
            return
        }
        let hasEnough = sampleCount >= Self.samplesMin && sample.isWindowLimited
        let queuedSegments = hasEnough ? queued(roundTrip: roundShortest) : nil
        roundShortest = Self.none
        sampleCount = 0
        guard let queuedSegments else {
            growsThisRound = true
            return reno.ackArrived(sample, at: now)
        }
        if isInSlowStart {
            endSlowRound(queuedSegments)
        } else if queuedSegments > Self.queued.upperBound {
            cwnd = max(cwnd - Int(mss), 2 * Int(mss))
            ssthresh = min(ssthresh, cwnd)
        } else if queuedSegments < Self.queued.lowerBound {
            cwnd += Int(mss)
        }
    }

    /// The segments waiting on the path, if all of the longer round trip is waiting.
    private func queued(roundTrip: UInt32) -> Int {
        Int(UInt64(cwnd) * UInt64(roundTrip - shortest) / UInt64(roundTrip)) / Int(mss)
    }

    /// The window doubles every other round only, so that the round between shows what the doubling did.
    private mutating func endSlowRound(_ queuedSegments: Int) {
        if queuedSegments > Self.queuedInSlowStart {
            cwnd = max(cwnd - queuedSegments * Int(mss) + Int(mss), 2 * Int(mss))
            ssthresh = cwnd
        } else {
            growsThisRound.toggle()
        }
    }

    /// A loss is answered as NewReno does.
    public mutating func congested(by signal: CongestionSignal, at now: Instant) {
        reno.congested(by: signal, at: now)
        roundShortest = Self.none
        sampleCount = 0
    }

    /// The path may be another one: the shortest round trip is found anew.
    public mutating func idled(initialWindow: Int, at now: Instant) {
        cwnd = min(cwnd, initialWindow)
        shortest = Self.none
        roundShortest = Self.none
        sampleCount = 0
    }

    /// Counts in segments of the new size.
    public mutating func mssChanged(to mss: Int) {
        self.mss = UInt32(clamping: mss)
        reno.mssChanged(to: mss)
    }
}
