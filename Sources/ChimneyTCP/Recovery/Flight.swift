import ChimneyPrimitives

/// What a connection must know while something is on its way, and needs no more when all is acknowledged.
struct Flight: ~Copyable {
    var scoreboard: Scoreboard
    /// When the record was sent that was sent last of those delivered, where it ends, and how long it took (RACK.xmit_ts,
    /// RACK.end_seq and RACK.rtt; RFC 8985 §5.3).
    var latestSentAt = Instant.zero
    var latestEnd = SequenceNumber(0)
    var latestRoundTrip = TimeSpan.zero
    var hasLatest = false
    var isLatestResent = false
    /// The duplicate acknowledgements in a row, of a peer without SACK, and the bytes they stand for.
    var duplicateCount: UInt8 = 0
    var impliedBytes = 0
    /// Why ``softDue`` is set: a timer besides that of retransmission.
    var softTimer = SoftTimer.none
    var softDue = Instant.never
    var probe = TailProbe()
    var reduction = RateReduction()
    var undo = UndoRecord()
    var pacer = Pacer()
    /// Whether something waits for the pacer.
    var waitsForPacer = false
    /// Bytes delivered since the flight began, and when the last of them was.
    var delivered: UInt64 = 0
    var deliveredAt = Instant.zero
    /// Where the round trip ends that is being counted, and the most that was in flight in it and in the one before.
    var roundEnd: SequenceNumber
    var peak: UInt32 = 0
    var peakBefore: UInt32 = 0
    /// How many samples this round trip gave, and the one before.
    var samples: UInt16 = 0
    var samplesBefore: UInt16 = 0
    /// Where the reduction for congestion marks ends (RFC 3168 §6.1.2).
    var congestionPoint = SequenceNumber(0)
    /// Bytes of new data that a needless timeout is tested with (RFC 5682 §2.1 step 2).
    var testQuota = 0
    /// Whether nothing more was waiting when something was sent last.
    var wasApplicationLimited = false

    enum SoftTimer: UInt8, BitwiseCopyable {
        case none
        case reordering
        case probe
    }

    init(startingAt number: SequenceNumber, recordsMax: Int) {
        scoreboard = Scoreboard(startingAt: number, recordsMax: recordsMax)
        roundEnd = number
    }

    /// Whether something outstanding was sent before the latest of what was delivered.
    var mayHaveLosses: Bool {
        !scoreboard.isEmpty && (scoreboard.hasResent || scoreboard.first.sentAt < latestSentAt)
    }

    /// Bytes outstanding that are not on the path: at the receiver, or lost and waiting.
    var offPath: Int { scoreboard.sackedBytes + scoreboard.lostBytes + impliedBytes }
}

/// The probe for a loss at the end of a flight (RFC 8985 §7).
struct TailProbe: Sendable, BitwiseCopyable {
    /// Where it ends, while it is out.
    var end = SequenceNumber(0)
    var isOut = false
    /// Whether it was old data.
    var isAgain = false
    /// Bytes outstanding when it was sent.
    var flightSize: UInt32 = 0
    /// Whether a sample was taken since the last one.
    var hasSample = true
}

/// What is needed to undo a reduction that proves needless.
struct UndoRecord {
    /// The control as it was before, while there is something to undo.
    var congestion: CongestionMachine?
    /// What was acknowledged then.
    var from = SequenceNumber(0)
    /// With this acknowledged after recovery, duplicates of it would have been reported.
    var expiry = SequenceNumber(0)
    var isEnding = false
    /// Bytes sent again that were not reported as duplicates.
    var resentBytes = 0
    var hasResent = false
    /// The timestamp of the first segment sent again; 0 without.
    var timestamp: UInt32 = 0
}

/// A flight in memory of its own, so that a connection without one keeps none.
@safe
struct FlightBox: ~Copyable {
    // Invariant: `memory` is nil or holds one initialized flight, which nobody else points to.
    private var memory: UnsafeMutablePointer<Flight>?

    init() { unsafe memory = nil }

    deinit {
        guard let memory = unsafe memory else { return }
        unsafe memory.deinitialize(count: 1)
        unsafe memory.deallocate()
    }

    var isEmpty: Bool { unsafe memory == nil }

    /// Puts a flight into an empty box.
    mutating func fill(_ flight: consuming Flight) {
        precondition(isEmpty, "a box holds one flight")
        let fresh = UnsafeMutablePointer<Flight>.allocate(capacity: 1)
        unsafe fresh.initialize(to: flight)
        unsafe memory = fresh
    }

    /// Gives the flight and its memory back.
    mutating func empty() {
        guard let memory = unsafe memory else { return }
        unsafe memory.deinitialize(count: 1)
        unsafe memory.deallocate()
        unsafe self.memory = nil
    }

    /// The flight; there must be one.
    var flight: Flight {
        @inline(__always) unsafeAddress {
            guard let memory = unsafe memory else { preconditionFailure("an empty box is not looked into") }
            return unsafe UnsafePointer(memory)
        }
        @inline(__always) unsafeMutableAddress {
            guard let memory = unsafe memory else { preconditionFailure("an empty box is not looked into") }
            return unsafe memory
        }
    }
}
