/// Which of the latest sequence numbers have come, in bounded memory.
struct SequenceWindow: Sendable {
    enum Arrival { case first, overtaken, again, tooOld }

    /// How far back a number is remembered.
    static let sizeMax: UInt64 = 16_384

    private var bits = [UInt64](repeating: 0, count: Int(sizeMax / 64))
    /// One above the highest number that has come.
    private(set) var end: UInt64 = 0

    mutating func arrived(_ sequence: UInt64) -> Arrival {
        let word = Int(sequence % Self.sizeMax / 64)
        let mask: UInt64 = 1 << (sequence % 64)
        if sequence >= end {
            if sequence - end >= Self.sizeMax {
                for position in bits.indices { bits[position] = 0 }
            } else {
                for skipped in end..<sequence { bits[Int(skipped % Self.sizeMax / 64)] &= ~(1 << (skipped % 64)) }
            }
            bits[word] |= mask
            end = sequence + 1
            return .first
        }
        guard end - sequence <= Self.sizeMax else { return .tooOld }
        guard bits[word] & mask == 0 else { return .again }
        bits[word] |= mask
        return .overtaken
    }
}
