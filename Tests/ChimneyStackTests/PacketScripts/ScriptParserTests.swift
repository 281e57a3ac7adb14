import Testing

/// What is wrong with the text of a script is named, with its line.
@Suite struct ScriptParserTests {
    /// A line that is wrong, and what is said of it.
    struct Wrong: Sendable, CustomTestStringConvertible {
        let text: String
        let message: String
        var testDescription: String { text }

        init(_ text: String, _ message: String) {
            self.text = text
            self.message = message
        }

        static let heads = [
            Wrong("stack", "setting of a stack is missing"),
            Wrong("stack size 5", "no setting of a stack is called 'size'"),
            Wrong("stack mss", "a segment size is missing"),
            Wrong("stack mtu many", "'many' is not an MTU, a number from 0 to 65535"),
            Wrong(
                "stack cookies sometimes", "no mode of cookies is called 'sometimes'; there are off, whenFull, always"),
            Wrong("stack halfOpenMax 0", "'0' is not halfOpenMax, a number from 1 to 1000000"),
            Wrong("option delayedAck soon", "'soon' is not a time"),
            Wrong("option noDelay yes", "'yes' is not on or off, as noDelay is"),
            Wrong("option sendBuffer 1", "no setting of a connection is called 'sendBuffer'"),
            Wrong("option noDelay on off", "'off' is more than the line may say"),
            Wrong("option keepAlive 1s 1s", "how many probes is missing"),
            Wrong("family ipv5", "no family is called 'ipv5'; there are ipv4, ipv6"),
            Wrong("peer", "isn or port is missing"),
            Wrong("peer port 0", "'0' is not a port, a number from 1 to 65535"),
            Wrong("speed 5", "no directive is called 'speed'"),
        ]

        static let lines = [
            Wrong("+soon nothing", "'+soon' is not a time, as 0.2"),
            Wrong("+0.2..0.1 > .", "'+0.2..0.1' is not a time"),
            Wrong("+0.1..0.2 nothing", "only what leaves may do so between two times"),
            Wrong("+0", "verb, < and > aside, is missing"),
            Wrong("+0 lissen 80", "no verb, < and > aside, is called 'lissen'"),
            Wrong("+0 listen 80 backlog", "a backlog is missing"),
            Wrong("+0 listen 80 quickly", "'quickly' is more than the line may say"),
            Wrong("+0 >", "the flags of a segment is missing"),
            Wrong("+0 > X", "'X' is not the flags of a segment"),
            Wrong("+0 > SS", "'SS' is not the flags of a segment"),
            Wrong("+0 > . ack", "an acknowledgement is missing"),
            Wrong("+0 > . ack 5..1", "'5..1' is not an acknowledgement: a number"),
            Wrong("+0 > . ack ..", "'..' is not an acknowledgement: a number"),
            Wrong("+0 > . ack 1 ack 2", "'ack' is said twice"),
            Wrong("+0 > . 5:4", "'5:4' is more than the line may say"),
            Wrong("+0 > . 1:5 seq 1", "'the number' is said twice"),
            Wrong("+0 > . sack 1:2,", "'1:2,' is not blocks, A:B,C:D"),
            Wrong("+0 > . dies tcpDuplicate", "'dies' is more than the line may say"),
            Wrong("+0 < * seq 1", "a segment that is given has flags, not *"),
            Wrong("+0 < . ack 1..2", "'1..2' is not one number, as a segment that is given has"),
            Wrong("+0 < . ack 1 dies slowly", "no reason to drop is called 'slowly'"),
            Wrong("+0 < icmp tooBig seq 1", "mtu or mss is missing"),
            Wrong("+0 < icmp port mtu 5 seq 1", "only tooBig names a size"),
            Wrong("+0 < icmp port", "seq is missing"),
            Wrong("+0 expect c", "fact of a connection is missing"),
            Wrong("+0 expect c colour red", "no fact of a connection is called 'colour'"),
            Wrong("+0 expect c cwnd much", "'much' is not cwnd: a number"),
            Wrong("+0 expect c rto much", "'much' is not rto: a time"),
            Wrong("+0 expect stack colour 1", "no fact of a stack is called 'colour'"),
            Wrong("+0 accept stack", "'stack' is not a name of a connection"),
            Wrong("+0 write c all", "'all' is not how many bytes, a number from 1"),
            Wrong("+0 read c 5 gives some", "'some' is not how many"),
            Wrong("stack mss 5", "a line here begins with a time, as +0 is, or with case, not with 'stack'"),
        ]
    }

    @Test(arguments: Wrong.heads)
    func headThatIsWrongIsNamed(_ wrong: Wrong) throws {
        try expect(wrong, in: "# a script\n\(wrong.text)\n0 nothing", line: 2)
    }

    @Test(arguments: Wrong.lines)
    func lineThatIsWrongIsNamed(_ wrong: Wrong) throws {
        try expect(wrong, in: "\n0 nothing\n\(wrong.text) # said so", line: 3)
    }

    @Test func scriptWithoutEventsIsNamed() throws {
        try expect(Wrong("", "a line with a time is missing"), in: "# nothing at all\nfamily both\n", line: 1)
        try expect(Wrong("", "a line with a time of 'two' is missing"), in: "case one\n0 nothing\ncase two\n", line: 1)
    }

    @Test func everySettingAndFactIsReadByItsName() throws {
        let settings = [
            "sendBufferMax 5", "receiveBufferInitial 5", "ecn requests", "keepAlive off", "keepAlive 1s 2ms 3",
            "userTimeout off", "userTimeout 1.5", "congestion vegas", "pacing on", "rtoMin 5us",
        ]
        let facts = ["state none", "cwnd 5..", "rto ..5ms", "srtt *", "timers a+b"]
        let text = (settings.map { "option \($0)" } + facts.map { "+0 expect c \($0)" }).joined(separator: "\n")
        let script = try PacketScript(text, file: "settings")
        #expect(script.connectionChanges.count == settings.count)
        #expect(script.cases.map(\.lines.count) == [facts.count])
    }

    @Test func casesShareWhatStandsBeforeTheFirst() throws {
        let script = try PacketScript(
            "0 listen 80\ncase a RST\n+0 nothing\ncase a SYN\n+1 nothing\n+1 nothing", file: "x")
        #expect(script.cases.map(\.name) == ["a RST", "a SYN"])
        #expect(script.cases.map { $0.lines.map(\.number) } == [[1, 3], [1, 5, 6]])
    }

    private func expect(_ wrong: Wrong, in text: String, line: Int) throws {
        let error = try #require(throws: ScriptError.self) { try PacketScript(text, file: "wrong.trace") }
        #expect(error.line == line)
        #expect("\(error)".hasPrefix("wrong.trace:\(line): \(wrong.message)"), "\(error)")
    }
}
