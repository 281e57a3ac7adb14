import ChimneyPrimitives

/// A range of sequence numbers that was sent and is not acknowledged by number.
///
/// It is one segment, or several where the device cuts them, all sent at one time; where a part of them meets another
/// fate than the rest, the record is split.
struct SentSegment: BitwiseCopyable {
    var range: SequenceRange
    /// When it was sent last.
    var sentAt: Instant
    /// The bytes that had been delivered on the connection when it was sent, and when the last of them was.
    var delivered: UInt64
    var deliveredAt: Instant
    /// Of a record that the receiver has: how many in a row it has from this one on, and up to this one.
    ///
    /// They hold for the first and the last of the row; between them they may be too small.
    var run: UInt32 = 1
    var runBack: UInt32 = 1
    /// The timestamp it carried last; 0 without the option.
    var timestamp: UInt32
    var marks: Marks = []

    struct Marks: OptionSet, BitwiseCopyable {
        var rawValue: UInt8
        /// The receiver has it.
        static var sacked: Self { Self(rawValue: 1) }
        /// It counts as lost and waits for being sent again.
        static var lost: Self { Self(rawValue: 2) }
        /// It was sent more than once.
        static var resent: Self { Self(rawValue: 4) }
        /// Nothing more was waiting when it was sent.
        static var applicationLimited: Self { Self(rawValue: 8) }
    }

    var isSacked: Bool { marks.contains(.sacked) }
    var isLost: Bool { marks.contains(.lost) }
    var wasResent: Bool { marks.contains(.resent) }
    /// Neither delivered nor lost nor sent again: what the next loss detection asks about in the order of sending.
    var isOriginalInFlight: Bool { marks.isDisjoint(with: [.sacked, .lost, .resent]) }
}

/// What the records that an acknowledgement covers say together.
struct Delivery {
    let now: Instant
    /// The timestamp echoed.
    let echo: UInt32?
    /// The shortest round trip known.
    let shortest: TimeSpan

    /// Bytes acknowledged by number, and bytes newly delivered by number or selectively.
    var acknowledged = 0
    var delivered = 0
    /// Bytes newly acknowledged selectively.
    var sacked = 0
    /// The record sent last among those that may be judged by (RFC 8985 §6.2 step 2).
    var latestSentAt = Instant.zero
    var latestEnd = SequenceNumber(0)
    var hasLatest = false
    var isLatestResent = false
    /// When the first record acknowledged by number was sent that was sent once.
    var firstSentAt: Instant?
    /// Whether a record was delivered that was sent once.
    var hasOriginal = false
    /// Bytes delivered before the last sent of the records was sent, and when; for the delivery rate.
    var deliveredBefore: UInt64 = 0
    var deliveredBeforeAt = Instant.zero
    var isApplicationLimited = false
    /// Whether a record arrived behind one that was sent after it (RFC 8985 §6.2 step 3).
    var hasReordering = false

    init(at now: Instant, echo: UInt32?, shortest: TimeSpan) {
        self.now = now
        self.echo = echo
        self.shortest = shortest
    }

    /// A record is newly delivered.
    mutating func take(_ record: SentSegment, byNumber: Bool) {
        delivered += record.range.count
        if record.wasResent {
            // An answer to an earlier sending says nothing of the last one (RFC 8985 §6.2 step 2).
            if let echo, record.timestamp != 0, Int32(bitPattern: echo &- record.timestamp) < 0 { return }
            if now - record.sentAt < shortest { return }
        } else {
            hasOriginal = true
            if byNumber, firstSentAt == nil { firstSentAt = record.sentAt }
        }
        let isLater =
            record.sentAt > latestSentAt || (record.sentAt == latestSentAt && record.range.end > latestEnd)
        guard !hasLatest || isLater else { return }
        hasLatest = true
        isLatestResent = record.wasResent
        latestSentAt = record.sentAt
        latestEnd = record.range.end
        deliveredBefore = record.delivered
        deliveredBeforeAt = record.deliveredAt
        isApplicationLimited = record.marks.contains(.applicationLimited)
    }
}
