import Testing

/// Handshakes with every combination of what either end offers, each written and run as a packet script.
@Suite struct HandshakeOptionTests {
    @Test(arguments: Offer.all, Family.allCases)
    func peerThatOpensGetsWhatBothWant(_ ours: Offer, _ family: Family) throws {
        try run(ours, family) { theirs in
            let answer = ours.agreed(with: theirs)
            return """
                0     listen 80
                +0    < S seq 0 win 8000\(theirs.words(size: 1_000, clock: "500 0", shift: 7))
                +0    > S. seq 0 ack 1\(answer.words(size: 1_460, clock: "0 500", shift: 5))
                +0.05 < . seq 1 ack 1 win 100\(answer.hasClock ? " ts 550 0" : "")
                +0    accept c

                """ + claims(answer, theirs, family) + "peerWindow \(answer.hasShift ? 12_800 : 100)\n"
        }
    }

    @Test(arguments: Offer.all, Family.allCases)
    func peerThatIsCalledTakesWhatItWants(_ ours: Offer, _ family: Family) throws {
        try run(ours, family) { theirs in
            let answer = ours.agreed(with: theirs)
            return """
                0     connect c 80
                +0    > S seq 0\(ours.words(size: 1_460, clock: "0 0", shift: 5))
                +0.05 < S. seq 0 ack 1 win 8000\(theirs.words(size: 1_000, clock: "500 0", shift: 7))
                +0    > . seq 1 ack 1\(answer.hasClock ? " ts 50 500" : "")

                """ + claims(answer, theirs, family) + "peerWindow 8000\n"
        }
    }

    /// What a connection must be then; data of a full segment has the options of every segment, and no others.
    private func claims(_ answer: Offer, _ theirs: Offer, _ family: Family) -> String {
        let size = (theirs.hasSize ? 1_000 : family == .ipv4 ? 536 : 1_220) - (answer.hasClock ? 12 : 0)
        func yes(_ isSo: Bool) -> String { isSo ? "yes" : "no" }
        return "+0 expect c state established segmentSize \(size) hasTimestamps \(yes(answer.hasClock)) "
            + "hasSelectiveAcks \(yes(answer.permitsSACK)) peerShift \(answer.hasShift ? 7 : -1) "
    }

    private func run(_ ours: Offer, _ family: Family, _ body: (Offer) -> String) throws {
        let head = """
            option hasTimestamps \(ours.hasClock ? "on" : "off")
            option hasSelectiveAcks \(ours.permitsSACK ? "on" : "off")
            option scalesWindow \(ours.hasShift ? "on" : "off")

            """
        let cases = Offer.all.flatMap { offer in [true, false].map { Offer(offer, hasSize: $0) } }
        let text = cases.map { "case \($0)\n\(body($0))" }.joined()
        let script = try PacketScript(head + text, file: "handshake")
        #expect(script.cases.count == 16)
        for lines in script.cases { try ScriptBench(script, lines, over: family).run() }
    }
}

/// What one end's SYN offers.
struct Offer: Sendable, CustomStringConvertible {
    var hasSize = true
    var hasClock: Bool
    var permitsSACK: Bool
    var hasShift: Bool

    static let all: [Self] = (0..<8).map {
        Self(hasClock: $0 & 1 != 0, permitsSACK: $0 & 2 != 0, hasShift: $0 & 4 != 0)
    }

    init(hasClock: Bool, permitsSACK: Bool, hasShift: Bool) {
        self.hasClock = hasClock
        self.permitsSACK = permitsSACK
        self.hasShift = hasShift
    }

    init(_ other: Self, hasSize: Bool) {
        self = other
        self.hasSize = hasSize
    }

    func agreed(with other: Self) -> Self {
        Self(
            hasClock: hasClock && other.hasClock, permitsSACK: permitsSACK && other.permitsSACK,
            hasShift: hasShift && other.hasShift)
    }

    /// The options as a script writes them.
    func words(size: Int, clock: String, shift: Int) -> String {
        (hasSize ? " mss \(size)" : "") + (permitsSACK ? " sackok" : "") + (hasClock ? " ts \(clock)" : "")
            + (hasShift ? " ws \(shift)" : "")
    }

    var description: String { "offers\(words(size: 1, clock: "", shift: 1))" }
}
