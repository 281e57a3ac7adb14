import ChimneyPrimitives

/// The congestion control of one connection: a built-in one in place, or one of a user's own in a box.
///
/// What comes with each acknowledgement is a switch over the kinds, which costs less than a call through an existential
/// and allocates nothing. Whatever is rare goes through ``control``. The two windows are kept beside it, for they are
/// asked for with each segment.
struct CongestionMachine {
    private var kind: Kind
    private var window: UInt32 = 0
    private var threshold: UInt32 = 0
    private var own: OwnControl?

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
        keep(control)
    }

    var cwnd: Int { Int(window) }
    var ssthresh: Int { Int(threshold) }

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
    var restsWhileUnused: Bool {
        switch kind {
        case .newReno: true
        case .cubic(let control): control.restsWhileUnused
        case .dctcp, .vegas, .own: false
        }
    }

    var wantsPacing: Bool { own?.control.wantsPacing ?? false }
    var pacingRate: UInt64? { own?.control.pacingRate }

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
            window = UInt32(clamping: own.control.cwnd)
            threshold = UInt32(clamping: own.control.ssthresh)
        }
    }

    /// The control, for events that are rare.
    var control: any CongestionControl {
        get {
            switch kind {
            case .newReno(let control): control
            case .cubic(let control): control
            case .dctcp(let control): control
            case .vegas(let control): control
            case .own: own?.control ?? NewReno()
            }
        }
        set {
            switch kind {
            case .newReno: if let control = newValue as? NewReno { kind = .newReno(control) }
            case .cubic: if let control = newValue as? Cubic { kind = .cubic(control) }
            case .dctcp: if let control = newValue as? DCTCP { kind = .dctcp(control) }
            case .vegas: if let control = newValue as? Vegas { kind = .vegas(control) }
            case .own: own?.control = newValue
            }
            keep(newValue)
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
