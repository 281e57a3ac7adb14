import ChimneyPrimitives
import ChimneyWire

/// The two ends of a connection as a packet script sees them: where their numbers and the stack's clock began.
struct ScriptFlow {
    let peerPort: UInt16
    var localPort: UInt16
    var peerISN: UInt32
    /// The stack's first number and clock, once it sent a SYN.
    var stackISN: UInt32?
    var stackClock: UInt32?
    /// The stack's latest clock.
    var latestClock: UInt32 = 0
    /// The latest SYN of either end, which ``renew()`` counts from.
    private var peerSYN: UInt32?
    private var stackSYN: UInt32?

    init(peerPort: UInt16, localPort: UInt16, peerISN: UInt32) {
        self.peerPort = peerPort
        self.localPort = localPort
        self.peerISN = peerISN
    }

    mutating func renew() {
        peerISN = peerSYN ?? peerISN
        stackISN = stackSYN ?? stackISN
    }

    /// A number of the peer's or the stack's, counted from its first.
    static func count(_ number: UInt32, from first: UInt32) -> Int { Int(Int32(bitPattern: number &- first)) }

    /// The bytes that stand at a place of either stream: they tell where they belong.
    static func bytes(at offset: Int, count: Int) -> [UInt8] {
        (offset..<offset + count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 7) }
    }

    // MARK: - From the script to the wire

    /// The segment that a script writes, from the peer.
    mutating func segment(_ written: ScriptSegment) -> HandSegment {
        var made = HandSegment()
        made.sourcePort = peerPort
        made.destinationPort = localPort
        let flags = written.flags ?? []
        let sequence = written.sequence?.exact ?? 0
        made.flags = flags
        made.sequence = peerISN &+ UInt32(truncatingIfNeeded: sequence)
        made.ack = written.ack.map { (stackISN ?? 0) &+ UInt32(truncatingIfNeeded: $0.exact ?? 0) } ?? 0
        made.window = UInt16(clamping: written.window?.exact ?? 65_535)
        made.urgentPointer = UInt16(clamping: written.urgent?.exact ?? 0)
        made.options = options(of: written)
        made.data = Self.bytes(at: sequence + (flags.contains(.syn) ? 0 : -1), count: written.count)
        if flags.contains(.syn) { peerSYN = made.sequence }
        return made
    }

    private func options(of written: ScriptSegment) -> [UInt8] {
        var options: [UInt8] = []
        if let size = written.mss?.exact { options += [2, 4] + Handmade.be(UInt16(clamping: size)) }
        if written.permitsSACK { options += [4, 2] }
        if let clock = written.clock?.exact {
            let echo = written.echo?.exact.map { (stackClock ?? 0) &+ UInt32(truncatingIfNeeded: $0) } ?? latestClock
            options += [8, 10] + Handmade.be(UInt32(truncatingIfNeeded: clock)) + Handmade.be(echo)
        }
        if let shift = written.shift?.exact { options += [3, 3, UInt8(clamping: shift)] }
        if !written.blocks.isEmpty {
            options += [5, UInt8(clamping: 2 + 8 * written.blocks.count)]
            for block in written.blocks {
                for edge in [block.left, block.right] {
                    options += Handmade.be((stackISN ?? 0) &+ UInt32(truncatingIfNeeded: edge))
                }
            }
        }
        while options.count % 4 != 0 { options.append(1) }
        return options
    }

    // MARK: - From the wire to the script

    /// The stack sent a segment of this flow.
    mutating func see(_ seen: HandSegment) -> SeenSegment {
        let isSYN = seen.flags.contains(.syn)
        if isSYN {
            stackSYN = seen.sequence
            if stackISN == nil { stackISN = seen.sequence }
        }
        var result = SeenSegment(flags: seen.flags, window: Int(seen.window), urgent: Int(seen.urgentPointer))
        result.peerPort = peerPort
        // A RST of no connection stands at the number that it answers.
        result.sequence = Self.count(seen.sequence, from: stackISN ?? 0)
        result.ack = Self.count(seen.ack, from: peerISN)
        result.count = seen.data.count
        let start = result.sequence + (isSYN ? 0 : -1)
        result.isDataRight = seen.data == Self.bytes(at: start, count: seen.data.count)
        readOptions(seen.options, into: &result)
        return result
    }

    private mutating func readOptions(_ bytes: [UInt8], into result: inout SeenSegment) {
        func number(_ range: Range<Int>) -> UInt32 { bytes[range].reduce(0) { $0 << 8 | UInt32($1) } }
        var at = 0
        while at < bytes.count, bytes[at] != 0 {
            guard bytes[at] != 1 else {
                at += 1
                continue
            }
            guard at + 1 < bytes.count, bytes[at + 1] >= 2, at + Int(bytes[at + 1]) <= bytes.count else {
                result.isMalformed = true
                return
            }
            let length = Int(bytes[at + 1])
            switch (bytes[at], length) {
            case (2, 4): result.mss = Int(number(at + 2..<at + 4))
            case (3, 3): result.shift = Int(bytes[at + 2])
            case (4, 2): result.permitsSACK = true
            case (8, 10):
                let clock = number(at + 2..<at + 6)
                stackClock = stackClock ?? clock
                latestClock = clock
                result.clock = Self.count(clock, from: stackClock ?? clock)
                result.echo = Int(number(at + 6..<at + 10))
            case (5, _) where (length - 2) % 8 == 0:
                for block in stride(from: at + 2, to: at + length, by: 8) {
                    let edges = [block, block + 4].map { Self.count(number($0..<$0 + 4), from: peerISN) }
                    result.blocks.append(ScriptSegment.Block(left: edges[0], right: edges[1]))
                }
            default: result.isMalformed = true
            }
            at += length
        }
    }
}
