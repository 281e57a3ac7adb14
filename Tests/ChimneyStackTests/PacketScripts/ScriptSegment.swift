import ChimneyWire

/// A TCP segment as a packet script writes it: one to be given, or what one that leaves must be.
///
/// Numbers count from the sender's first, clocks of the stack from its first too.
struct ScriptSegment: Hashable {
    /// `nil` for any.
    var flags: TCPFlags?
    var sequence: NumberPattern?
    /// Bytes of payload.
    var count = 0
    var ack: NumberPattern?
    var window: NumberPattern?
    var urgent: NumberPattern?
    var mss: NumberPattern?
    var permitsSACK = false
    var shift: NumberPattern?
    var clock: NumberPattern?
    var echo: NumberPattern?
    var blocks: [Block] = []
    /// The two bits of ECN in the IP header.
    var mark: UInt8 = 0
    /// Whether routers may cut its packet; `nil` for either.
    var mayBeCut: Bool?
    /// The peer's port and ours; `nil` for those of the segment before.
    var peerPort: UInt16?
    var localPort: UInt16?

    /// What a SACK option says of.
    struct Block: Hashable {
        var left: Int
        var right: Int
    }

    static let letters: [(Character, TCPFlags)] = [
        ("S", .syn), ("F", .fin), ("R", .rst), ("P", .psh), ("U", .urg), ("E", .ece), ("W", .cwr), (".", .ack),
    ]
    static let marks = ["notect", "ect1", "ect0", "ce"]

    /// Reads what stands behind `<` or `>`, up to a word that is none of a segment's.
    init(_ words: inout ScriptWords, isGiven: Bool) throws(ScriptError) {
        try readFlags(&words)
        var said: Set<String> = []
        while let word = words.first, try readField(&words, isGiven: isGiven) {
            guard said.insert(word).inserted else { throw words.error(.twice(word)) }
        }
        guard isGiven else { return }
        guard flags != nil else { throw words.error(.misplaced("a segment that is given has flags, not *")) }
        for pattern in [sequence, ack, window, urgent, mss, shift, clock] where pattern != nil && pattern?.exact == nil
        {
            throw words.error(.notA("one number, as a segment that is given has", pattern?.description ?? ""))
        }
    }

    private mutating func readFlags(_ words: inout ScriptWords) throws(ScriptError) {
        let word = try words.word("the flags of a segment")
        guard word != "*" else { return }
        var flags: TCPFlags = []
        for letter in word where word != "-" {
            guard let (_, flag) = Self.letters.first(where: { $0.0 == letter }), !flags.contains(flag) else {
                throw words.error(.notA("the flags of a segment, some of SFRPUEW., or -, or *", word))
            }
            flags.insert(flag)
        }
        self.flags = flags
    }

    /// Reads one field; `false` when the next word begins none.
    private mutating func readField(_ words: inout ScriptWords, isGiven: Bool) throws(ScriptError) -> Bool {
        guard let word = words.first else { return false }
        if let range = Self.range(word) {
            _ = words.take(word)
            guard sequence == nil else { throw words.error(.twice("the number")) }
            sequence = NumberPattern(range.left)
            count = range.right - range.left
            return true
        }
        if let mark = Self.marks.firstIndex(of: word) {
            _ = words.take(word)
            self.mark = UInt8(mark)
            return true
        }
        if words.take("seq") {
            guard sequence == nil else { throw words.error(.twice("the number")) }
            sequence = try words.pattern("a number")
        } else if words.take("ack") {
            ack = try words.pattern("an acknowledgement")
        } else if words.take("win") {
            window = try words.pattern("a window")
        } else if words.take("urg") {
            urgent = try words.pattern("an urgent pointer")
        } else if words.take("mss") {
            mss = try words.pattern("a segment size")
        } else if words.take("sackok") {
            permitsSACK = true
        } else if words.take("ws") {
            shift = try words.pattern("a shift")
        } else if words.take("ts") {
            clock = try words.pattern("a clock")
            echo = try words.pattern("the echo of a clock")
        } else if words.take("sack") {
            try readBlocks(&words)
        } else if words.take("df") {
            mayBeCut = false
        } else if words.take("nodf") {
            mayBeCut = true
        } else if words.take("port") {
            peerPort = try words.port()
        } else if isGiven, words.take("to") {
            localPort = try words.port()
        } else {
            return false
        }
        return true
    }

    private mutating func readBlocks(_ words: inout ScriptWords) throws(ScriptError) {
        let word = try words.word("blocks")
        for part in word.split(separator: ",", omittingEmptySubsequences: false) {
            guard let block = Self.range(String(part)) else { throw words.error(.notA("blocks, A:B,C:D", word)) }
            blocks.append(block)
        }
    }

    private static func range(_ word: String) -> Block? {
        let parts = word.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let left = Int(parts[0]), let right = Int(parts[1]), left <= right,
            right - left <= 65_535
        else { return nil }
        return Block(left: left, right: right)
    }

    /// What is written of flags.
    static func text(of flags: TCPFlags) -> String {
        let text = letters.filter { flags.contains($0.1) }.map { String($0.0) }.joined()
        return text.isEmpty ? "-" : text
    }
}
