import ChimneyPrimitives

/// What was sent and is not acknowledged by number, in the order of sequence (RFC 6675 §2, RFC 8985 §5.2).
///
/// A record costs 48 bytes and none stays behind. Finding one takes O(log n). Runs of records that the receiver has are
/// stepped over at once, and what was looked through for losses is not looked through again, so that an
/// acknowledgement costs no more than what is new in it.
struct Scoreboard: ~Copyable {
    var records = RingBuffer<SentSegment>()
    /// What was sent again and is in flight, in the order of sending.
    ///
    /// An entry whose record met its fate stays until it is at the front.
    private var resent = RingBuffer<Resent>()
    /// Bytes the receiver has, and bytes that count as lost and wait.
    private(set) var sackedBytes = 0
    private(set) var lostBytes = 0
    /// How many records the receiver has.
    private(set) var sackedCount = 0
    /// No record before it waits for being sent again.
    var lostFrom = SequenceNumber(0)
    /// No record before it is an original in flight.
    var originalsFrom = SequenceNumber(0)
    /// The end of what the receiver is known to have furthest on (RACK.fack).
    var furthest = SequenceNumber(0)
    /// The most records; at the bound none is split and the sender is allowed nothing new.
    let recordsMax: Int

    private struct Resent: BitwiseCopyable {
        var start: SequenceNumber
        var sentAt: Instant
    }

    init(startingAt number: SequenceNumber, recordsMax: Int) {
        self.recordsMax = recordsMax
        lostFrom = number
        originalsFrom = number
        furthest = number
    }

    var isEmpty: Bool { records.isEmpty }
    var count: Int { records.count }
    var isFull: Bool { records.count >= recordsMax }
    /// Bytes of all records.
    var bytes: Int { records.isEmpty ? 0 : records[records.count - 1].range.end - records[0].range.start }
    /// Bytes that are supposed to be on the path: not those delivered, nor those lost (RFC 6675 §4).
    var inFlight: Int { bytes - sackedBytes - lostBytes }
    /// Whether the first record, which the receiver does not acknowledge by number, is said to be there.
    var isFirstSacked: Bool { !records.isEmpty && records[0].isSacked }
    /// Whether something was sent again that may be in flight.
    var hasResent: Bool { !resent.isEmpty }
    var first: SentSegment { records[0] }
    var firstSentAt: Instant { records[0].sentAt }
    var last: SentSegment { records[records.count - 1] }
    subscript(index: Int) -> SentSegment { records[index] }

    /// Gives memory back; only when empty.
    mutating func trim() {
        resent.removeAll()
        records.releaseMemory()
    }

    // MARK: - Sending

    /// Something new was sent, behind all that was.
    @inline(__always)
    mutating func append(_ record: SentSegment) {
        if records.isEmpty {
            lostFrom = record.range.start
            originalsFrom = record.range.start
        }
        records.append(record)
    }

    /// The first range that counts as lost, of at most so many bytes.
    mutating func nextLost(bytesMax: Int) -> SequenceRange? {
        guard lostBytes > 0 else { return nil }
        var index = place(of: lostFrom)
        while index < records.count {
            let record = records[index]
            if record.isLost {
                lostFrom = record.range.start
                return SequenceRange(record.range.start, count: min(bytesMax, record.range.count))
            }
            index += record.isSacked ? Int(record.run) : 1
        }
        return nil
    }

    /// A range was sent again: whatever of it the receiver has not is in flight again.
    mutating func resend(_ range: SequenceRange, as sent: SentSegment) {
        var index = place(of: range.start)
        while index < records.count, records[index].range.start < range.end {
            if records[index].isSacked {
                index += Int(records[index].run)
                continue
            }
            if records[index].range.start < range.start, split(index, at: range.start) { index += 1 }
            if records[index].range.end > range.end { _ = split(index, at: range.end) }
            if records[index].isLost { lostBytes -= records[index].range.count }
            records[index].marks.remove(.lost)
            records[index].marks.formUnion(sent.marks.union(.resent))
            records[index].sentAt = sent.sentAt
            records[index].timestamp = sent.timestamp
            records[index].delivered = sent.delivered
            records[index].deliveredAt = sent.deliveredAt
            // At the bound the oldest is watched by the timer only.
            if resent.count >= recordsMax { _ = resent.removeFirst() }
            resent.append(Resent(start: records[index].range.start, sentAt: sent.sentAt))
            index += 1
        }
    }

    // MARK: - Acknowledgements

    /// All before a number is acknowledged.
    mutating func acknowledge(upTo ack: SequenceNumber, _ delivery: inout Delivery) {
        while !records.isEmpty, records[0].range.start < ack {
            var record = records[0]
            let isWhole = record.range.end <= ack
            if !isWhole { record.range.end = ack }
            delivery.acknowledged += record.range.count
            if record.isSacked {
                sackedBytes -= record.range.count
                if isWhole { sackedCount -= 1 }
            } else {
                if record.isLost { lostBytes -= record.range.count }
                notice(record, &delivery)
                delivery.take(record, byNumber: true)
            }
            guard isWhole else {
                records[0].range.start = ack
                break
            }
            _ = records.removeFirst()
        }
        furthest = .later(furthest, ack)
        lostFrom = .later(lostFrom, ack)
        originalsFrom = .later(originalsFrom, ack)
        if records.isEmpty { resent.removeAll(keepingCapacity: true) }
    }

    /// The receiver has a range, which lies within what is outstanding.
    mutating func sack(_ range: SequenceRange, _ delivery: inout Delivery) {
        var index = place(of: range.start)
        while index < records.count, records[index].range.start < range.end {
            let record = records[index]
            if record.isSacked {
                index += Int(record.run)
                continue
            }
            if record.range.start < range.start {
                guard split(index, at: range.start) else { return }
                index += 1
                continue
            }
            if record.range.end > range.end, !split(index, at: range.end) { return }
            let covered = records[index]
            if covered.isLost {
                lostBytes -= covered.range.count
                records[index].marks.remove(.lost)
            }
            notice(covered, &delivery)
            delivery.take(covered, byNumber: false)
            delivery.sacked += covered.range.count
            sackedBytes += covered.range.count
            sackedCount += 1
            join(index)
            index += Int(records[index].run)
        }
    }

    /// Notes whether a newly delivered record comes late (RFC 8985 §6.2 step 3).
    private mutating func notice(_ record: SentSegment, _ delivery: inout Delivery) {
        if record.range.end > furthest {
            furthest = record.range.end
        } else if record.range.end < furthest, !record.wasResent {
            delivery.hasReordering = true
        }
    }

    /// A record becomes one of a run of records that the receiver has.
    private mutating func join(_ index: Int) {
        records[index].marks.insert(.sacked)
        var first = index
        var last = index
        if index > 0, records[index - 1].isSacked { first = max(0, index - Int(records[index - 1].runBack)) }
        if index + 1 < records.count, records[index + 1].isSacked { last = index + Int(records[index + 1].run) }
        let length = UInt32(last - first + 1)
        records[first].run = length
        records[last].runBack = length
        records[index].run = UInt32(last - index + 1)
    }

    /// Forgets what the receiver said it has: it may have thrown it away (RFC 2018 §8).
    ///
    /// All of it is to count as lost next: what was sent again before is watched for losses no more.
    mutating func forgetSacks() {
        for index in 0..<records.count where records[index].isSacked {
            records[index].marks.remove(.sacked)
            records[index].run = 1
            records[index].runBack = 1
        }
        sackedBytes = 0
        sackedCount = 0
        originalsFrom = records.isEmpty ? originalsFrom : records[0].range.start
    }

    // MARK: - Losses

    /// Marks what was sent so long before the latest delivery that it is lost (RFC 8985 §6.2 step 5).
    ///
    /// - Parameters:
    ///   - sentAt: when the record was sent that was sent last of those delivered.
    ///   - end: where that record ends.
    ///   - wasResent: whether that record was sent again.
    ///   - patience: how long after its sending a record is lost: the round trip and the reordering window.
    ///   - now: the time.
    /// - Returns: when the next record will be lost unless it is delivered.
    mutating func markLost(
        before sentAt: Instant, _ end: SequenceNumber, wasResent: Bool, patience: TimeSpan, at now: Instant
    ) -> Instant? {
        var next: Instant?
        // Of what was sent at one instant the order is that of sequence, except between old data and new.
        func isBefore(_ record: SentSegment) -> Bool {
            record.sentAt < sentAt
                || (record.sentAt == sentAt && record.range.end < end && (wasResent || !record.wasResent))
        }
        // What was sent once was sent in the order of sequence, and what was sent again in that of its list: the first
        // that is not lost yet ends the walk, for those behind it were sent later.
        var index = records.isEmpty ? 0 : place(of: originalsFrom)
        while index < records.count {
            let record = records[index]
            if record.isSacked {
                index += Int(record.run)
                continue
            }
            if record.isOriginalInFlight {
                guard isBefore(record) else { break }
                guard record.sentAt + patience <= now else {
                    next = record.sentAt + patience
                    break
                }
                markLost(index)
            }
            index += 1
        }
        if index < records.count {
            originalsFrom = records[index].range.start
        } else if !records.isEmpty {
            originalsFrom = last.range.end
        }
        while !resent.isEmpty {
            guard let index = placeInFlight(resent[0]) else {
                _ = resent.removeFirst()
                continue
            }
            guard isBefore(records[index]) else { break }
            let due = records[index].sentAt + patience
            guard due <= now else {
                next = min(next ?? due, due)
                break
            }
            markLost(index)
            _ = resent.removeFirst()
        }
        return next
    }

    /// Marks the first bytes lost, at most so many, where they are in flight and were sent once.
    ///
    /// - Returns: whether they were.
    mutating func markFirstLost(bytesMax: Int) -> Bool {
        guard !records.isEmpty, records[0].isOriginalInFlight else { return false }
        if records[0].range.count > bytesMax { _ = split(0, at: records[0].range.start + bytesMax) }
        markLost(0)
        return true
    }

    /// Marks the first record lost, and those that were sent so long ago that they must be (RFC 8985 §6.3).
    mutating func markLostOnTimeout(patience: TimeSpan, at now: Instant) {
        for index in 0..<records.count where !records[index].isSacked && !records[index].isLost {
            if index == 0 || records[index].sentAt + patience <= now { markLost(index) }
        }
    }

    /// Marks records lost of more than so many bytes.
    mutating func markLost(largerThan bytes: Int) {
        for index in 0..<records.count where !records[index].isSacked && !records[index].isLost {
            if records[index].range.count > bytes { markLost(index) }
        }
    }

    /// Marks records lost behind which the receiver has three segments, or three runs of them (RFC 6675 §4, IsLost).
    mutating func markLostByCount(mss: Int) {
        guard sackedCount > 0 else { return }
        var index = records.count - 1
        var runs = 0
        var bytes = 0
        while index >= 0, runs < 3, bytes <= 2 * mss {
            guard records[index].isSacked else {
                index -= 1
                continue
            }
            let start = max(0, index - Int(records[index].runBack) + 1)
            bytes += records[index].range.end - records[start].range.start
            runs += 1
            index = start - 1
        }
        guard runs >= 3 || bytes > 2 * mss, index >= 0 else { return }
        let end = records[index].range.end
        var at = place(of: originalsFrom)
        while at < records.count, records[at].range.end <= end {
            if records[at].isOriginalInFlight { markLost(at) }
            at += records[at].isSacked ? Int(records[at].run) : 1
        }
        originalsFrom = .later(originalsFrom, end)
    }

    /// Nothing counts as lost any more: it was on its way all the time.
    mutating func forgetLosses() {
        guard lostBytes > 0 else { return }
        for index in 0..<records.count { records[index].marks.remove(.lost) }
        lostBytes = 0
        originalsFrom = records[0].range.start
    }

    private mutating func markLost(_ index: Int) {
        records[index].marks.insert(.lost)
        lostBytes += records[index].range.count
        lostFrom = .earlier(lostFrom, records[index].range.start)
    }

    // MARK: - Places

    /// The place of the record that contains a number, or of the first behind it.
    private func place(of number: SequenceNumber) -> Int {
        // Mostly it is the first one that is asked for.
        if records.isEmpty || records[0].range.end > number { return 0 }
        var low = 1
        var high = records.count
        while low < high {
            let middle = (low + high) / 2
            if records[middle].range.end <= number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The place of a record that was sent again, unless it was delivered, lost or sent once more since.
    private func placeInFlight(_ entry: Resent) -> Int? {
        guard !records.isEmpty else { return nil }
        let index = place(of: .later(entry.start, records[0].range.start))
        guard index < records.count, records[index].sentAt == entry.sentAt else { return nil }
        return records[index].marks.isDisjoint(with: [.sacked, .lost]) && records[index].wasResent ? index : nil
    }

    /// Splits a record that is not delivered, unless there are as many records as there may be.
    private mutating func split(_ index: Int, at number: SequenceNumber) -> Bool {
        guard !isFull else { return false }
        var rest = records[index]
        rest.range.start = number
        records[index].range.end = number
        records.insert(rest, at: index + 1)
        if rest.wasResent, !rest.isLost { watch(rest) }
        return true
    }

    /// The second half of a record that was sent again is in the list of those, behind what was sent before it.
    private mutating func watch(_ record: SentSegment) {
        guard resent.count < recordsMax else { return }
        var index = resent.count
        while index > 0, resent[index - 1].sentAt > record.sentAt { index -= 1 }
        resent.insert(Resent(start: record.range.start, sentAt: record.sentAt), at: index)
    }
}
