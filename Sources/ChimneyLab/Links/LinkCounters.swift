/// Why a link dropped a frame.
public enum LinkDropReason: String, CaseIterable, Sendable, Hashable, Codable {
    /// The link was down when the frame was sent.
    case down
    /// The link went down while the frame was under way.
    case wentDown
    /// The loss fault took it.
    case lost
    /// The direction's queue was full.
    case queueFull
    /// The frame was larger than the link's MTU.
    case tooLarge
    /// A switch knew the destination to be on the port the frame came from, or had no other port.
    case noReceiver
    /// The lab had no buffer left for a copy.
    case noBuffer

    var position: Int {
        switch self {
        case .down: 0
        case .wentDown: 1
        case .lost: 2
        case .queueFull: 3
        case .tooLarge: 4
        case .noReceiver: 5
        case .noBuffer: 6
        }
    }
}

/// A link's account of its frames.
public struct LinkCounters: Sendable, Hashable {
    /// Frames that nodes sent into the link.
    public internal(set) var sent: UInt64 = 0
    /// Their bytes.
    public internal(set) var sentBytes: UInt64 = 0
    /// Further copies that a switch made for further ports.
    public internal(set) var replicated: UInt64 = 0
    /// Second copies that the duplication fault made.
    public internal(set) var duplicated: UInt64 = 0
    /// Frames handed to nodes.
    public internal(set) var delivered: UInt64 = 0
    /// Their bytes.
    public internal(set) var deliveredBytes: UInt64 = 0
    /// Frames that the corruption fault changed.
    public internal(set) var corrupted: UInt64 = 0
    /// Frames that the reordering fault held back.
    public internal(set) var reordered: UInt64 = 0
    /// Frames that a long queue put a congestion mark on.
    public internal(set) var marked: UInt64 = 0
    /// Frames under way.
    public internal(set) var inFlight: UInt64 = 0
    private var drops = [UInt64](repeating: 0, count: LinkDropReason.allCases.count)

    /// Frames dropped for a reason.
    public func dropped(_ reason: LinkDropReason) -> UInt64 { drops[reason.position] }

    /// Frames dropped for any reason.
    public var dropped: UInt64 { LinkDropReason.allCases.reduce(0) { $0 + dropped($1) } }

    /// Whether every frame that entered or was made has left, was dropped for a reason, or is under way.
    public var isConserved: Bool { sent + replicated + duplicated == delivered + dropped + inFlight }

    mutating func drop(_ reason: LinkDropReason) { drops[reason.position] += 1 }
}
