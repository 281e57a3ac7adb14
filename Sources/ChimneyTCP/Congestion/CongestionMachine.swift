import ChimneyPrimitives

/// The congestion control of one connection: a built-in one in place, or one of a user's own.
///
/// What comes with each acknowledgement is a switch over the kinds, which costs less than a call through an existential
/// and allocates nothing. Whatever is rare goes through ``control``.
enum CongestionMachine: Sendable {
    case newReno(NewReno)
    case cubic(Cubic)
    case dctcp(DCTCP)
    case vegas(Vegas)
    case other(any CongestionControl, OtherCongestionAlgorithm)

    init(_ algorithm: CongestionAlgorithm) {
        self =
            switch algorithm {
            case .newReno: .newReno(NewReno())
            case .cubic: .cubic(Cubic())
            case .dctcp: .dctcp(DCTCP())
            case .vegas: .vegas(Vegas())
            case .other(let other): .other(other.make(), other)
            }
    }

    var algorithm: CongestionAlgorithm {
        switch self {
        case .newReno: .newReno
        case .cubic: .cubic
        case .dctcp: .dctcp
        case .vegas: .vegas
        case .other(_, let algorithm): .other(algorithm)
        }
    }

    var cwnd: Int {
        switch self {
        case .newReno(let control): control.cwnd
        case .cubic(let control): control.cwnd
        case .dctcp(let control): control.cwnd
        case .vegas(let control): control.cwnd
        case .other(let control, _): control.cwnd
        }
    }

    var ssthresh: Int {
        switch self {
        case .newReno(let control): control.ssthresh
        case .cubic(let control): control.ssthresh
        case .dctcp(let control): control.ssthresh
        case .vegas(let control): control.ssthresh
        case .other(let control, _): control.ssthresh
        }
    }

    var wantsPacing: Bool {
        guard case .other(let control, _) = self else { return false }
        return control.wantsPacing
    }

    var pacingRate: UInt64? {
        guard case .other(let control, _) = self else { return nil }
        return control.pacingRate
    }

    /// Takes in what an acknowledgement brought.
    mutating func ackArrived(_ sample: AckSample, at now: Instant) {
        // Consumed and put back, so that a user's own is changed in place and not copied first.
        switch consume self {
        case .newReno(var control):
            control.ackArrived(sample, at: now)
            self = .newReno(control)
        case .cubic(var control):
            control.ackArrived(sample, at: now)
            self = .cubic(control)
        case .dctcp(var control):
            control.ackArrived(sample, at: now)
            self = .dctcp(control)
        case .vegas(var control):
            control.ackArrived(sample, at: now)
            self = .vegas(control)
        case .other(var control, let algorithm):
            control.ackArrived(sample, at: now)
            self = .other(control, algorithm)
        }
    }

    /// The control, for events that are rare.
    var control: any CongestionControl {
        get {
            switch self {
            case .newReno(let control): control
            case .cubic(let control): control
            case .dctcp(let control): control
            case .vegas(let control): control
            case .other(let control, _): control
            }
        }
        set {
            switch self {
            case .newReno: if let control = newValue as? NewReno { self = .newReno(control) }
            case .cubic: if let control = newValue as? Cubic { self = .cubic(control) }
            case .dctcp: if let control = newValue as? DCTCP { self = .dctcp(control) }
            case .vegas: if let control = newValue as? Vegas { self = .vegas(control) }
            case .other(_, let algorithm): self = .other(newValue, algorithm)
            }
        }
    }
}
