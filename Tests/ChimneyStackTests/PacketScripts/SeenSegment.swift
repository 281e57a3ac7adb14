import ChimneyPrimitives
import ChimneyWire

/// A segment that left the stack, in the numbers of a packet script.
struct SeenSegment {
    var at = Instant.zero
    var peerPort: UInt16 = 0
    var flags: TCPFlags
    var sequence = 0
    var count = 0
    var ack = 0
    var window: Int
    var urgent: Int
    var mss: Int?
    var permitsSACK = false
    var shift: Int?
    var clock: Int?
    var echo: Int?
    var blocks: [ScriptSegment.Block] = []
    var mark: UInt8 = 0
    /// Whether routers may cut its packet; `nil` over IPv6, where none does.
    var mayBeCut: Bool?
    var isDataRight = true
    var isMalformed = false

    init(flags: TCPFlags, window: Int, urgent: Int) {
        self.flags = flags
        self.window = window
        self.urgent = urgent
    }

    /// The segment as a script would write it.
    var text: String {
        var words = [">", ScriptSegment.text(of: flags)]
        words.append(count > 0 ? "\(sequence):\(sequence + count)" : "seq \(sequence)")
        if flags.contains(.ack) { words.append("ack \(ack)") }
        words.append("win \(window)")
        if flags.contains(.urg) { words.append("urg \(urgent)") }
        if let mss { words.append("mss \(mss)") }
        if permitsSACK { words.append("sackok") }
        if let clock, let echo { words.append("ts \(clock) \(echo)") }
        if let shift { words.append("ws \(shift)") }
        if !blocks.isEmpty { words.append("sack " + blocks.map { "\($0.left):\($0.right)" }.joined(separator: ",")) }
        if mark != 0 { words.append(ScriptSegment.marks[Int(mark)]) }
        if mayBeCut == true { words.append("nodf") }
        words.append("port \(peerPort)")
        return words.joined(separator: " ")
    }

    /// In what it is not as written; nothing when it is.
    ///
    /// What is not written may be anything, but for payload, options and marks: those may not be there. A clock may, in all
    /// but SYNs.
    func differences(from written: ScriptSegment) -> [String] {
        var result: [String] = []
        func compare(_ what: String, _ pattern: NumberPattern?, _ value: Int?) {
            guard let pattern else { return }
            guard let value else { return result.append("\(what) is missing") }
            if !(pattern ~= value) { result.append("\(what) is \(value), not \(pattern)") }
        }
        func compareOption(_ what: String, _ pattern: NumberPattern?, _ value: Int?) {
            if pattern == nil, let value { result.append("\(what) is \(value), and none is expected") }
            compare(what, pattern, value)
        }
        if let wanted = written.flags, wanted != flags {
            result.append("flags are \(ScriptSegment.text(of: flags)), not \(ScriptSegment.text(of: wanted))")
        }
        compare("seq", written.sequence, sequence)
        if count != written.count { result.append("it has \(count) bytes of data, not \(written.count)") }
        if !isDataRight { result.append("its data is not what stands there in the stream") }
        if isMalformed { result.append("its options are malformed") }
        compare("ack", written.ack, flags.contains(.ack) ? ack : nil)
        compare("win", written.window, window)
        compare("urg", written.urgent, flags.contains(.urg) ? urgent : nil)
        compareOption("mss", written.mss, mss)
        compareOption("ws", written.shift, shift)
        if permitsSACK != written.permitsSACK { result.append("sackok is \(permitsSACK ? "there" : "missing")") }
        if written.clock != nil || flags.contains(.syn) {
            compareOption("ts", written.clock, clock)
            compareOption("the echo of ts", written.echo, echo)
        }
        if blocks != written.blocks {
            result.append("sack is \(Self.text(blocks)), not \(Self.text(written.blocks))")
        }
        if mark != written.mark {
            result.append(
                "the mark is \(ScriptSegment.marks[Int(mark)]), not \(ScriptSegment.marks[Int(written.mark)])")
        }
        if let wanted = written.mayBeCut, let mayBeCut, wanted != mayBeCut {
            result.append(mayBeCut ? "routers may cut it" : "routers may not cut it")
        }
        return result
    }

    private static func text(_ blocks: [ScriptSegment.Block]) -> String {
        blocks.isEmpty ? "none" : blocks.map { "\($0.left):\($0.right)" }.joined(separator: ",")
    }
}
