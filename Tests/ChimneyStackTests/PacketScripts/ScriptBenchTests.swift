import ChimneyWire
import Testing

/// What does not hold is named: the file, the line, what was expected and what came.
@Suite struct ScriptBenchTests {
    private let opening = """
        option hasTimestamps off
        0     listen 80
        +0    < S seq 0 win 60000 mss 1000
        +0    > S. seq 0 ack 1 mss 1460
        +0.1  < . seq 1 ack 1 win 60000
        +0    accept c

        """

    /// Lines behind the opening, of which the last does not hold, and what is said of it.
    struct Broken: Sendable, CustomTestStringConvertible {
        let text: String
        let message: String
        var testDescription: String { text }

        init(_ text: String, _ message: String) {
            self.text = text
            self.message = message
        }

        static let all = [
            Broken("+0 > . ack 1", "nothing left until 0.101000"),
            Broken("+0 write c 10\n+0 nothing", "before it left what no line names: > P. 1:11 ack 1"),
            Broken("+0 write c 10", "behind it left what no line names: > P. 1:11 ack 1"),
            Broken("+0 write c 10\n+0 > . 1:11", "flags are P., not .: > P. 1:11"),
            Broken("+0 write c 10\n+0 > * seq 2", "seq is 1, not 2, it has 10 bytes of data, not 0"),
            Broken("+0 write c 10\n+0 > * 1:11 ack 2", "ack is 1, not 2"),
            Broken("+0 write c 10\n+0 > * 1:11 win ..9", "win is 65535, not ..9"),
            Broken("+0 write c 10\n+0 > * 1:11 ts * *", "ts is missing, the echo of ts is missing"),
            Broken("+0 write c 10\n+0 > * 1:11 mss 5", "mss is missing"),
            Broken("+0 write c 10\n+0 > * 1:11 sackok", "sackok is missing"),
            Broken("+0 write c 10\n+0 > * 1:11 sack 1:2", "sack is none, not 1:2"),
            Broken("+0 write c 10\n+0 > * 1:11 urg *", "urg is missing"),
            Broken("+0 write c 10\n+0 > * 1:11 ce", "the mark is notect, not ce"),
            Broken("+0 write c 10\n+0 > * 1:11 port 9", "it went to port 40000, not 9"),
            Broken("+0 write c 10\n+0.1 > * 1:11", "it left at 0.100000, not from 0.200000 to 0.201000"),
            Broken(
                "+0 write c 10\n+0 > * 1:11\n+1 nothing", "before it, at 0.400000, left what no line names: > P. 1:11"),
            Broken("+0 < . seq 9999999 ack 1", "it died of tcpOutsideWindow, not of nothing"),
            Broken("+0 < . 1:3 ack 1 dies tcpDuplicate", "it died of nothing, not of tcpDuplicate"),
            Broken("+0 < icmp port seq 77", "it died of icmpNoSocket, not of nothing"),
            Broken("+0 accept d", "there is no connection to accept"),
            Broken("+0 write d 5", "no connection is called d"),
            Broken("+0 write c 5 fails reset", "it comes to 5 bytes, not to the failure reset"),
            Broken("+0 read c 5", "it comes to 0 bytes, not to 5 bytes"),
            Broken("+0 read c end", "it comes to 0 bytes, not to the end"),
            Broken("+0 unlisten 81", "nobody listens to 81"),
            Broken("+0 listen 80", "listening fails: addressInUse"),
            Broken("+0 expect c state closed", "state is established, not closed"),
            Broken("+0 expect c cwnd 1", "cwnd is 10000, not 1"),
            Broken("+0 expect c rto ..1ms", "rto is 300.0ms, not ..1ms"),
            Broken("+0 expect stack connections 2", "connections is 1, not 2"),
            Broken("+0 abort c\n+0 > R.\n+0 expect c cwnd 1", "c was let go"),
            Broken("0 nothing", "its time is over: it is 0.100000 already"),
        ]
    }

    @Test(arguments: Broken.all, Family.allCases)
    func whatDoesNotHoldIsNamed(_ broken: Broken, _ family: Family) throws {
        let text = opening + broken.text
        let script = try PacketScript(text, file: "broken.trace")
        let lines = try #require(script.cases.first)
        let failure = try #require(throws: ScriptFailure.self) { try ScriptBench(script, lines, over: family).run() }
        #expect(failure.message.hasPrefix(broken.message), "\(failure)")
        #expect(failure.line == text.split(separator: "\n").count)
        #expect(failure.text == text.split(separator: "\n").last.map(String.init))
        #expect("\(failure)".hasPrefix("broken.trace:\(failure.line): over \(family.rawValue), at '\(failure.text)': "))
    }

    @Test func dialogueSoFarIsShown() throws {
        let script = try PacketScript(opening + "case a probe\n+0 expect c state closed", file: "broken.trace")
        let lines = try #require(script.cases.first)
        let failure = try #require(throws: ScriptFailure.self) { try ScriptBench(script, lines, over: .ipv4).run() }
        #expect(failure.scene == "a probe")
        #expect(
            failure.dialogue == [
                "0.000000 listen 80", "0.000000 < S seq 0 win 60000 mss 1000",
                "0.000000 > S. seq 0 ack 1 win 65535 mss 1460 port 40000", "0.100000 < . seq 1 ack 1 win 60000",
                "0.100000 accept c",
            ])
    }

    /// What arrives is what the script's stream has at that place, so that a stack that mixes bytes up is found.
    @Test func bytesOfAnotherPlaceAreNotTaken() throws {
        var flow = ScriptFlow(peerPort: 1, localPort: 2, peerISN: 100)
        var segment = HandSegment(sourcePort: 2, destinationPort: 1, sequence: 7, flags: .syn)
        _ = flow.see(segment)
        segment.flags = .ack
        segment.sequence = 8 + 40
        segment.data = ScriptFlow.bytes(at: 40, count: 5)
        #expect(flow.see(segment).isDataRight)
        segment.data[2] ^= 1
        #expect(!flow.see(segment).isDataRight)
        segment.data = ScriptFlow.bytes(at: 41, count: 5)
        #expect(!flow.see(segment).isDataRight)
    }

    @Test func optionsThatAreNoneAreTold() throws {
        var flow = ScriptFlow(peerPort: 1, localPort: 2, peerISN: 100)
        for options: [UInt8] in [
            [3, 9, 1, 1], [200, 2, 1, 1], [2, 3, 5, 1], [5, 3, 0, 1], [2, 1, 1, 1], [1, 1, 1, 2],
        ] {
            #expect(flow.see(HandSegment(options: options)).isMalformed, "\(options)")
        }
        #expect(!flow.see(HandSegment(options: [1, 3, 3, 7])).isMalformed)
    }
}
