public import ChimneyPrimitives

/// What a link is like when nothing goes wrong on it.
///
/// Each of the values holds for every direction of the link by itself.
public struct LinkSettings: Hashable, Sendable {
    /// Bits a second, which say for how long a frame occupies its direction; nil is infinitely fast.
    public var bitsPerSecond: UInt64?
    /// How long a frame is under way once it has left.
    public var delay: TimeSpan
    /// Up to this much is added to the delay, drawn for every frame; frames still stay in order.
    public var jitter: TimeSpan
    /// The most frames that wait for the direction to be free; a further one is dropped.
    public var queuePacketsMax: Int
    /// The most bytes that wait for the direction to be free; a frame that exceeds them is dropped.
    public var queueBytesMax: Int
    /// At this many frames that wait, a further one that can carry a congestion mark gets it; nil for never.
    ///
    /// Those that cannot carry one wait until the queue is full (RFC 3168 §5, RFC 8257 §3.1).
    public var markPackets: Int?
    /// The largest payload of a frame; a frame with more than this and its 14-byte header is dropped.
    public var mtu: Int

    /// A link without a rate, of 1,500 bytes and with queues of 1,000 frames.
    public init(
        bitsPerSecond: UInt64? = nil, delay: TimeSpan = .microseconds(10), jitter: TimeSpan = .zero,
        queuePacketsMax: Int = 1_000, queueBytesMax: Int = 16 << 20, mtu: Int = 1_500,
        markPackets: Int? = nil
    ) {
        self.bitsPerSecond = bitsPerSecond
        self.delay = delay
        self.jitter = jitter
        self.queuePacketsMax = queuePacketsMax
        self.queueBytesMax = queueBytesMax
        self.mtu = mtu
        self.markPackets = markPackets
    }

    /// How long a frame occupies the direction.
    func serialisation(of byteCount: Int) -> TimeSpan {
        guard let bitsPerSecond, bitsPerSecond > 0 else { return .zero }
        let bits = UInt64(byteCount) * 8
        let (product, overflow) = bits.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return .zero }
        return .nanoseconds(Int64(clamping: product / bitsPerSecond))
    }
}

/// What goes wrong on a link, as chances between 0 and 1 that are drawn for every frame.
public struct LinkFaults: Hashable, Sendable {
    /// The chance that a frame is lost.
    public var loss: Double
    /// The chance that a frame arrives twice.
    public var duplication: Double
    /// The chance that a frame is held back so that later ones overtake it.
    public var reordering: Double
    /// The longest that such a frame is held back, and that a second copy comes later.
    public var reorderingDelay: TimeSpan
    /// The chance that bits of a frame that were clear are set.
    public var corruption: Double
    /// The most bits set in one frame, 1 to 3: an Internet checksum finds up to fifteen in one datagram.
    public var corruptedBitsMax: Int

    /// Chances, all of them zero unless given.
    public init(
        loss: Double = 0, duplication: Double = 0, reordering: Double = 0,
        reorderingDelay: TimeSpan = .milliseconds(5), corruption: Double = 0, corruptedBitsMax: Int = 1
    ) {
        self.loss = loss
        self.duplication = duplication
        self.reordering = reordering
        self.reorderingDelay = reorderingDelay
        self.corruption = corruption
        self.corruptedBitsMax = min(max(1, corruptedBitsMax), 3)
    }

    /// Nothing goes wrong.
    public static var none: Self { Self() }

    /// Chances drawn from below the given bounds: a different link for every seed.
    public static func random(
        loss: Double = 0.2, duplication: Double = 0.05, reordering: Double = 0.2,
        reorderingDelay: TimeSpan = .milliseconds(20), corruption: Double = 0.05, using random: inout StackRandom
    ) -> Self {
        Self(
            loss: .random(in: 0...loss, using: &random), duplication: .random(in: 0...duplication, using: &random),
            reordering: .random(in: 0...reordering, using: &random),
            reorderingDelay: random.delay(upTo: reorderingDelay),
            corruption: .random(in: 0...corruption, using: &random))
    }

    var isNone: Bool { loss <= 0 && duplication <= 0 && reordering <= 0 && corruption <= 0 }
}
