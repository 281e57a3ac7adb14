public import ChimneyPrimitives

/// How a connection finds losses and how much it sends.
public struct RecoverySettings: Hashable, Sendable {
    /// The shortest time that is added to the mean round trip for the retransmission timeout: as long as peers delay an
    /// acknowledgement.
    public var rtoMin = TimeSpan.milliseconds(200)
    /// The longest retransmission timeout, doubled or not.
    public var rtoMax = TimeSpan.seconds(60)
    /// The retransmission timeout before the first sample (RFC 6298 §2.1).
    public var rtoInitial = TimeSpan.seconds(1)
    /// The segments that may be sent before the first acknowledgement (RFC 6928).
    public var initialWindow = 10
    /// What is known of at a time: at the bound nothing new is sent until something is acknowledged.
    public var segmentsMax = 65_536
    /// The congestion control.
    public var congestion = CongestionAlgorithm.cubic
    /// What is switched on.
    public var features = RecoveryFeatures.standard

    /// The defaults.
    public init() {}
}

/// Parts of loss recovery that may be switched off, and pacing, which may be switched on.
public struct RecoveryFeatures: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// A bit for each.
    public var rawValue: UInt16

    /// The set with these bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Losses are found by time (RFC 8985); without it by three later segments (RFC 6675).
    public static var rack: Self { Self(rawValue: 1) }
    /// A probe is sent when the end of a flight stays unacknowledged (RFC 8985 §7).
    public static var tailLossProbe: Self { Self(rawValue: 2) }
    /// A timeout that was needless is recognised by what is acknowledged after it (RFC 5682).
    public static var forwardTimeout: Self { Self(rawValue: 4) }
    /// A reduction that was needless is undone (RFC 3522, RFC 4015, RFC 2883).
    public static var undo: Self { Self(rawValue: 8) }
    /// Duplicate acknowledgements let new segments leave before a loss is certain (RFC 3042).
    public static var limitedTransmit: Self { Self(rawValue: 16) }
    /// After a silence longer than the retransmission timeout the window begins anew (RFC 5681 §4.1).
    public static var restartsAfterIdle: Self { Self(rawValue: 32) }
    /// Segments are spread over the round trip.
    public static var pacing: Self { Self(rawValue: 64) }

    /// All but pacing.
    public static var standard: Self {
        [.rack, .tailLossProbe, .forwardTimeout, .undo, .limitedTransmit, .restartsAfterIdle]
    }
}

/// The settings as a connection keeps them.
struct RecoveryLimits: Sendable, BitwiseCopyable {
    /// Microseconds.
    private let shortest: UInt32
    private let longest: UInt32
    private let first: UInt32
    private let segments: UInt32
    private let window: UInt16
    let features: RecoveryFeatures

    init(_ settings: RecoverySettings) {
        shortest = UInt32(clamping: settings.rtoMin.nanoseconds / 1_000)
        longest = UInt32(clamping: settings.rtoMax.nanoseconds / 1_000)
        first = UInt32(clamping: settings.rtoInitial.nanoseconds / 1_000)
        segments = UInt32(clamping: max(4, settings.segmentsMax))
        window = UInt16(clamping: max(1, settings.initialWindow))
        features = settings.features
    }

    var rtoMin: TimeSpan { TimeSpan(nanoseconds: Int64(shortest) &* 1_000) }
    /// The longest timeout.
    var rtoMax: TimeSpan { TimeSpan(nanoseconds: Int64(longest) &* 1_000) }
    /// No timeout is shorter, before the first sample or after it.
    var restartAfter: TimeSpan { TimeSpan(nanoseconds: Int64(min(shortest, min(longest, first))) &* 1_000) }
    var rtoInitial: TimeSpan { .microseconds(Int64(first)) }
    /// The most records; at the bound nothing new is sent.
    var segmentsMax: Int { Int(segments) }

    /// IW: so many segments, and fewer large ones (RFC 6928 §2).
    func initialWindow(mss: Int) -> Int {
        min(Int(window) * mss, max(2 * mss, Int(window) * 1_460))
    }
}
