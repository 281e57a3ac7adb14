import ChimneyPrimitives

@testable import ChimneyTCP

/// A sender of endless segments of 1,000 bytes, numbered from 0, over a recovery; a test plays the receiver.
struct SendingSide: ~Copyable {
    var recovery: LossRecovery
    var now = Instant.zero + .seconds(10)
    /// The next segment that was never sent.
    private(set) var next = 0
    /// How many segments there are in all.
    var available = Int.max
    var timestamps = false
    /// The window of the peer in segments.
    var peerWindow = 1_000_000
    static var mss: Int { 1_000 }
    /// Near the end of the numbers, so that they wrap around.
    static var base: SequenceNumber { SequenceNumber(0xFFFF_F000) }

    /// What left.
    enum Sent: Hashable, CustomStringConvertible {
        case new(Int)
        case again(Int)

        var description: String {
            switch self {
            case .new(let number): "N\(number)"
            case .again(let number): "R\(number)"
            }
        }
    }

    init(
        _ algorithm: CongestionAlgorithm = .newReno, features: RecoveryFeatures = .standard, window: Int = 10,
        roundTrip: TimeSpan? = .milliseconds(100), sack: Bool = true, timestamps: Bool = false, marks: Bool = false,
        change: (inout RecoverySettings, inout RecoveryOpening) -> Void = { _, _ in }
    ) {
        var settings = RecoverySettings()
        settings.congestion = algorithm
        settings.features = features
        settings.initialWindow = window
        var opening = RecoveryOpening(una: Self.base, mss: Self.mss)
        opening.hasSelectiveAcks = sack
        opening.hasTimestamps = timestamps
        opening.hasECN = marks
        opening.roundTrip = roundTrip
        change(&settings, &opening)
        self.timestamps = timestamps
        recovery = LossRecovery(settings: settings)
        recovery.opened(opening, at: now)
    }

    static func number(_ segment: Int) -> SequenceNumber { base + segment * mss }
    static func range(_ segments: Range<Int>) -> SequenceRange {
        SequenceRange(number(segments.lowerBound), number(segments.upperBound))
    }

    private var timestamp: UInt32 { timestamps ? UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) : 0 }

    /// Sends what may leave.
    @discardableResult
    mutating func send(atMost limit: Int = .max) -> [Sent] {
        var sent: [Sent] = []
        while sent.count < limit {
            if let range = recovery.nextToRetransmit(at: now) {
                sent.append(.again((range.start - Self.base) / Self.mss))
                transmit(range, .again)
            } else if next < min(available, unacknowledged + peerWindow), recovery.allowance(at: now) >= Self.mss {
                sent.append(.new(next))
                next += 1
                transmit(Self.range(next - 1..<next), .new)
            } else {
                break
            }
        }
        return sent
    }

    private var unacknowledged: Int { (recovery.una - Self.base) / Self.mss }

    mutating func transmit(_ range: SequenceRange, _ kind: Transmission.Kind) {
        let sent = Transmission(
            range: range, kind: kind, timestamp: timestamp, isApplicationLimited: next >= available)
        recovery.transmitted(sent, at: now)
    }

    mutating func wait(_ span: TimeSpan) { now = now + span }

    /// All segments before `ack` arrived, and those in `blocks`.
    @discardableResult
    mutating func acknowledge(
        _ ack: Int, _ blocks: Range<Int>..., duplicate: Range<Int>? = nil, echo: UInt32? = nil, ece: Bool = false
    ) -> AckOutcome {
        let number = Self.number(ack)
        var arrival = AckArrival(ack: number)
        if let duplicate { arrival.blocks.append(Self.range(duplicate)) }
        for block in blocks { arrival.blocks.append(Self.range(block)) }
        arrival.echo = timestamps ? echo ?? timestamp : nil
        arrival.mayBeDuplicate = number == recovery.una && recovery.outstanding > 0
        arrival.hasECE = ece
        arrival.peerWindow = peerWindow * Self.mss
        return recovery.ackArrived(arrival, at: now)
    }

    /// Lets time pass until the next timer and fires it.
    mutating func fire() -> RecoveryAction {
        let due = recovery.deadline
        guard due < .never else { return .none }
        now = max(now, due)
        let action = recovery.timerFired(at: now)
        if action == .probe {
            if next < available {
                next += 1
                transmit(Self.range(next - 1..<next), .probe)
            } else if let range = recovery.probeRange {
                transmit(range, .probe)
            }
        }
        return action
    }

    /// The bytes in flight, in segments.
    var flight: Int { recovery.inFlight / Self.mss }
}
