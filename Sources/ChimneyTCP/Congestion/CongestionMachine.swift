import ChimneyPrimitives

/// The congestion control of one connection: a built-in one in place, or one of a user's own in a box.
///
/// What comes with each acknowledgement is a switch over the kinds, which costs less than a call through an existential
/// and allocates nothing. The two windows are kept beside it, for they are asked for with each segment.
struct CongestionMachine {
    private var kind: Kind
    private var window: UInt32 = 0
    private var threshold: UInt32 = 0
    /// A user's own control.
    private(set) var own: OwnControl?

    private enum Kind: BitwiseCopyable {
        case newReno(NewReno)
        case cubic(Cubic)
        case dctcp(DCTCP)
        case vegas(Vegas)
        case own
    }

    init(_ algorithm: CongestionAlgorithm) {
        switch algorithm {
        case .newReno: kind = .newReno(NewReno())
        case .cubic: kind = .cubic(Cubic())
        case .dctcp: kind = .dctcp(DCTCP())
        case .vegas: kind = .vegas(Vegas())
        case .other(let other):
            kind = .own
            own = OwnControl(other.make(), other)
        }
        noteWindows()
    }

    var cwnd: Int {
        get { Int(window) }
        set { tell(.window(newValue)) }
    }
    var ssthresh: Int {
        get { Int(threshold) }
        set { tell(.threshold(newValue)) }
    }

    var algorithm: CongestionAlgorithm {
        switch kind {
        case .newReno: .newReno
        case .cubic: .cubic
        case .dctcp: .dctcp
        case .vegas: .vegas
        case .own: own.map { .other($0.algorithm) } ?? .newReno
        }
    }

    /// The same state, which does not change with this one.
    var copy: Self {
        var copy = self
        if let own { copy.own = OwnControl(own.control, own.algorithm) }
        return copy
    }

    /// Whether it is a user's own control.
    var isOwn: Bool { own != nil }

    /// Whether acknowledgements change nothing as long as the sender does not use its window.
    @inline(__always)
    var restsWhileUnused: Bool {
        switch kind {
        case .newReno: true
        case .cubic(let control): control.restsWhileUnused
        case .dctcp, .vegas, .own: false
        }
    }

    /// Whether the receiver tells each congestion mark.
    var wantsEveryMark: Bool {
        switch kind {
        case .newReno(let control): control.wantsEveryMark
        case .cubic(let control): control.wantsEveryMark
        case .dctcp(let control): control.wantsEveryMark
        case .vegas(let control): control.wantsEveryMark
        case .own: own?.control.wantsEveryMark ?? false
        }
    }

    var wantsPacing: Bool { own?.control.wantsPacing ?? false }
    var pacingRate: UInt64? { own?.control.pacingRate }

    private mutating func noteWindows() {
        switch kind {
        case .newReno(let control): keep(control)
        case .cubic(let control): keep(control)
        case .dctcp(let control): keep(control)
        case .vegas(let control): keep(control)
        case .own: if let own { keep(own.control) }
        }
    }

    private mutating func keep(_ control: some CongestionControl) {
        window = UInt32(clamping: control.cwnd)
        threshold = UInt32(clamping: control.ssthresh)
    }

    /// Takes in what an acknowledgement brought.
    mutating func ackArrived(_ sample: AckSample, at now: Instant) {
        switch kind {
        case .newReno(var control):
            control.ackArrived(sample, at: now)
            kind = .newReno(control)
            keep(control)
        case .cubic(var control):
            control.ackArrived(sample, at: now)
            kind = .cubic(control)
            keep(control)
        case .dctcp(var control):
            control.ackArrived(sample, at: now)
            kind = .dctcp(control)
            keep(control)
        case .vegas(var control):
            control.ackArrived(sample, at: now)
            kind = .vegas(control)
            keep(control)
        case .own:
            guard let own else { return }
            own.control.ackArrived(sample, at: now)
            keep(own.control)
        }
    }

    /// The connection is established, or goes on with this control.
    mutating func established(_ start: CongestionStart, at now: Instant) { tell(.established(start, now)) }
    /// Congestion showed.
    mutating func congested(by signal: CongestionSignal, at now: Instant) { tell(.congested(signal, now)) }
    /// All that was outstanding at a congestion signal is acknowledged.
    mutating func recoveryEnded(at now: Instant) { tell(.recoveryEnded(now)) }
    /// The last signal was none.
    mutating func undone(at now: Instant) { tell(.undone(now)) }
    /// The connection sends again after a silence.
    mutating func idled(initialWindow: Int, at now: Instant) { tell(.idled(initialWindow, now)) }
    /// Segments have another size.
    mutating func mssChanged(to mss: Int) { tell(.mssChanged(mss)) }

    /// Tells the control what is rarer than acknowledgements; without a box for it, for losses may come often.
    private mutating func tell(_ event: CongestionEvent) {
        switch kind {
        case .newReno(var control):
            event.happen(to: &control)
            kind = .newReno(control)
            keep(control)
        case .cubic(var control):
            event.happen(to: &control)
            kind = .cubic(control)
            keep(control)
        case .dctcp(var control):
            event.happen(to: &control)
            kind = .dctcp(control)
            keep(control)
        case .vegas(var control):
            event.happen(to: &control)
            kind = .vegas(control)
            keep(control)
        case .own:
            guard let own else { return }
            event.happen(to: &own.control)
            keep(own.control)
        }
    }
}

/// What a control is told besides acknowledgements.
private enum CongestionEvent {
    case established(CongestionStart, Instant)
    case congested(CongestionSignal, Instant)
    case recoveryEnded(Instant)
    case undone(Instant)
    case idled(Int, Instant)
    case mssChanged(Int)
    case window(Int)
    case threshold(Int)

    func happen(to control: inout some CongestionControl) {
        switch self {
        case .established(let start, let now): control.established(start, at: now)
        case .congested(let signal, let now): control.congested(by: signal, at: now)
        case .recoveryEnded(let now): control.recoveryEnded(at: now)
        case .undone(let now): control.undone(at: now)
        case .idled(let initialWindow, let now): control.idled(initialWindow: initialWindow, at: now)
        case .mssChanged(let mss): control.mssChanged(to: mss)
        case .window(let cwnd): control.cwnd = cwnd
        case .threshold(let ssthresh): control.ssthresh = ssthresh
        }
    }
}

/// A user's own control, changed in place.
final class OwnControl {
    var control: any CongestionControl
    let algorithm: OtherCongestionAlgorithm

    init(_ control: any CongestionControl, _ algorithm: OtherCongestionAlgorithm) {
        self.control = control
        self.algorithm = algorithm
    }
}
