import ChimneyPrimitives

@testable import ChimneyTCP

/// A scoreboard that keeps each byte by itself and looks through all of them each time.
struct ScoreboardModel {
    struct Byte {
        var sentAt: Instant
        /// Where the segment ends that it was sent with first, and with last.
        var end: Int
        var isSacked = false
        var isLost = false
        var wasResent = false
    }

    /// By number from the first outstanding one on.
    private(set) var bytes: [Byte] = []
    private(set) var una = 0
    private(set) var furthest = 0

    var nxt: Int { una + bytes.count }
    var sackedBytes: Int { bytes.count { $0.isSacked } }
    var lostBytes: Int { bytes.count { $0.isLost } }

    mutating func append(_ count: Int, at now: Instant) {
        let end = nxt + count
        bytes += Array(repeating: Byte(sentAt: now, end: end), count: count)
    }

    mutating func resend(_ range: Range<Int>, at now: Instant) {
        for number in range where !bytes[number - una].isSacked {
            bytes[number - una].isLost = false
            bytes[number - una].wasResent = true
            bytes[number - una].sentAt = now
        }
    }

    /// - Returns: the bytes newly delivered, and the latest time one of them was sent.
    mutating func acknowledge(upTo ack: Int) -> (delivered: Int, latest: Instant?) {
        let covered = bytes[..<(ack - una)].filter { !$0.isSacked }
        bytes.removeFirst(ack - una)
        una = ack
        furthest = max(furthest, ack)
        return (covered.count, covered.map(\.sentAt).max())
    }

    mutating func sack(_ range: Range<Int>) -> (delivered: Int, latest: Instant?) {
        var latest: Instant?
        var delivered = 0
        for number in range where !bytes[number - una].isSacked {
            delivered += 1
            latest = max(latest ?? .zero, bytes[number - una].sentAt)
            bytes[number - una].isSacked = true
            bytes[number - una].isLost = false
        }
        furthest = max(furthest, range.upperBound)
        return (delivered, latest)
    }

    /// All that was sent strictly before an instant and so long ago is lost.
    mutating func markLost(before sentAt: Instant, patience: TimeSpan, at now: Instant) {
        for place in bytes.indices where !bytes[place].isSacked && !bytes[place].isLost {
            if bytes[place].sentAt < sentAt, bytes[place].sentAt + patience <= now { bytes[place].isLost = true }
        }
    }

    /// When the next will be lost.
    func nextLoss(before sentAt: Instant, patience: TimeSpan) -> Instant? {
        bytes.filter { !$0.isSacked && !$0.isLost && $0.sentAt < sentAt }.map { $0.sentAt + patience }.min()
    }

    var firstLost: Int? { bytes.firstIndex { $0.isLost }.map { $0 + una } }

    mutating func forgetSacks() { for place in bytes.indices { bytes[place].isSacked = false } }
    mutating func forgetLosses() { for place in bytes.indices { bytes[place].isLost = false } }
    mutating func loseAll() { for place in bytes.indices where !bytes[place].isSacked { bytes[place].isLost = true } }
}
