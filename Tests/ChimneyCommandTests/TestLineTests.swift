import ChimneyControl
import ChimneyPrimitives
import Testing

@testable import ChimneyCommand

@Suite struct AddressRowTests {
    private func failure(_ text: String) -> AddressRow.Failure? {
        do throws(AddressRow.Failure) {
            _ = try AddressRow(groups: text)
            return nil
        } catch {
            return error
        }
    }

    @Test func rowCountsOnFromItsFirstAddress() throws {
        let row = try AddressRow(groups: "239.1.0.254+4")
        #expect((0..<row.count).map { "\(row[$0])" } == ["239.1.0.254", "239.1.0.255", "239.1.1.0", "239.1.1.1"])
        let six = try AddressRow(groups: "ff15::ffff+2")
        #expect((0..<six.count).map { "\(six[$0])" } == ["ff15::ffff", "ff15::1:0"])
        #expect(try AddressRow("10.0.0.1").count == 1)
    }

    @Test func everyWrongRowHasAnErrorOfItsOwn() {
        #expect(failure("ten+4") == .notAnAddress("ten"))
        for count in ["0", "-1", "+2", "x", "", "٣"] { #expect(failure("239.0.0.1+\(count)") == .countInvalid(count)) }
        #expect(failure("239.0.0.0+\(AddressRow.countMax)") == nil)
        #expect(
            failure("239.0.0.0+\(AddressRow.countMax + 1)")
                == .tooMany(count: AddressRow.countMax + 1, max: AddressRow.countMax))
        #expect(failure("10.0.0.1") == .notAGroup(.v4(IPv4Address(10, 0, 0, 1))))
        #expect(failure("239.255.255.255+2") == .notAGroup(.v4(IPv4Address(240, 0, 0, 0))))
        #expect(
            failure("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff+2")
                == .leavesTheAddresses(
                    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff+2"))
    }

    @Test func sourcesAreAddressesThatSendToTheGroup() throws {
        let group = IPAddress.v4(IPv4Address(232, 1, 1, 1))
        #expect(try AddressRow(sources: "10.0.0.1+3", of: group).count == 3)
        #expect(throws: AddressRow.Failure.notASource(group)) { try AddressRow(sources: "232.1.1.1", of: group) }
        #expect(throws: AddressRow.Failure.self) { try AddressRow(sources: "2001:db8::1", of: group) }
        #expect(throws: AddressRow.Failure.self) { try AddressRow(sources: "223.255.255.255+2", of: group) }
    }
}

@Suite struct TestLineTests {
    private func member(_ call: MembershipCall, _ name: String? = nil) -> TestLine {
        .command(.member(call: call, name: name))
    }

    @Test func everyCommandIsRead() throws {
        var long = TestSendRequest(group: "239.1.1.1+4", count: 7)
        long.packetsPerSecond = 0.5
        long.timeToLive = 0
        long.byteCount = 1_400
        long.port = 9
        let lines: [(String, TestLine)] = [
            ("", .empty), ("   ", .empty), ("# a remark", .empty), ("quit", .quit), ("exit", .quit),
            ("count", .command(.count)), ("reset", .command(.reset)), ("now", .command(.now)),
            ("wire", .command(.wire)), ("log", .command(.log(since: 0))), ("log 12.5", .command(.log(since: 12.5))),
            ("sleep 0.25", .sleep(seconds: 0.25)), ("open a", .command(.open(name: "a", port: nil))),
            ("open a 5000", .command(.open(name: "a", port: 5_000))), ("close a", .command(.close(name: "a"))),
            ("join 239.1.1.1", member(MembershipCall(.join, "239.1.1.1"))),
            ("join 239.1.0.0+1000 as a", member(MembershipCall(.join, "239.1.0.0+1000"), "a")),
            ("leave ff15::1", member(MembershipCall(.leave, "ff15::1"))),
            ("sjoin 232.1.1.1 10.0.0.1", member(MembershipCall(.join, "232.1.1.1", source: "10.0.0.1"))),
            ("sjoin 10.0.0.1,232.1.1.1+16", member(MembershipCall(.join, "232.1.1.1+16", source: "10.0.0.1"))),
            ("join 10.0.0.1,232.1.1.1", member(MembershipCall(.join, "232.1.1.1", source: "10.0.0.1"))),
            ("sleave 232.1.1.1 10.0.0.1 as b", member(MembershipCall(.leave, "232.1.1.1", source: "10.0.0.1"), "b")),
            ("block 239.1.1.1 10.0.0.1", member(MembershipCall(.block, "239.1.1.1", source: "10.0.0.1"))),
            ("unblock 239.1.1.1 10.0.0.1", member(MembershipCall(.unblock, "239.1.1.1", source: "10.0.0.1"))),
            ("filter 239.1.1.1 ex", member(MembershipCall(filter: "239.1.1.1", .exclude, []))),
            (
                "filter 239.1.1.1 in 10.0.0.1 10.0.1.0+9 as c",
                member(MembershipCall(filter: "239.1.1.1", .include, ["10.0.0.1", "10.0.1.0+9"]), "c")
            ), ("getfilter 239.1.1.1 as c", .command(.filter(group: "239.1.1.1", name: "c"))),
            ("send 239.1.1.1 3", .command(.send(request: TestSendRequest(group: "239.1.1.1", count: 3)))),
            ("send 239.1.1.1+4 7 0.5 0 1400 9", .command(.send(request: long))),
        ]
        for (text, line) in lines { #expect(try TestLine(text) == line, "\(text)") }
    }

    @Test func everyWrongLineIsOneSentence() {
        let lines: [(String, String)] = [
            ("fly", "\"fly\" is no command; see `chimney mtest --help`"), ("join", "\"join\" needs a group"),
            ("join 10.0.0.1", "10.0.0.1 is not a group"), ("join 239.1.1.1 10.0.0.1", "followed by too much: 10.0.0.1"),
            ("sjoin 232.1.1.1", "needs a group and a source"), ("sjoin 232.1.1.1 ff15::1", "not an address that sends"),
            ("block 239.1.1.1 2001:db8::1", "2001:db8::1 and 239.1.1.1 are of different families"),
            ("join a,b,c", "\"a,b,c\" is not GROUP, GROUP+COUNT or SOURCE,GROUP+COUNT"),
            ("filter 239.1.1.1", "needs in or ex"), ("filter 239.1.1.1 all", "not \"all\""),
            ("filter 10.0.0.1,239.1.1.1 in", "names its sources behind in or ex"), ("join 239.1.1.1 as", "\"as\" is"),
            ("join 239.1.1.1 as a b", "\"as\" is followed by the name of a socket and nothing more"),
            ("open", "needs the name of a socket"), ("open a 70000", "\"70000\" behind \"open\""),
            ("open " + String(repeating: "x", count: 65), "at most 64 characters"),
            ("send 239.1.1.1", "a number of datagrams"), ("send 239.1.1.1 0", "\"0\" behind \"send\""),
            ("send 239.1.1.1 1 0", "a rate above 0"), ("send 239.1.1.1 1 nan", "not a number from 0"),
            ("send 239.1.1.1 1 1 256", "\"256\" behind \"send\""), ("send 10.0.0.1,239.1.1.1 1", "takes no source"),
            ("send 239.1.1.1 1 1 1 65508", "\"65508\""), ("send 239.1.1.1 1 1 1 1 0", "from 1 to 65535"),
            ("count 3", "\"count\" takes nothing behind it"), ("sleep", "needs a number of seconds"),
            ("sleep 3601", "from 0 to 3600"), ("log x", "\"x\" behind \"log\""),
        ]
        for (text, sentence) in lines {
            do throws(TestLine.Failure) {
                let line = try TestLine(text)
                Issue.record("\(text) was read: \(line)")
            } catch {
                #expect(error.description.contains(sentence), "\(text): \(error)")
            }
        }
    }
}

@Suite struct TestTextTests {
    private func outcome(_ parts: [ControlReply]) -> TestOutcome {
        var outcome = TestOutcome()
        for part in parts {
            let isTaken = outcome.take(part)
            #expect(isTaken)
        }
        return outcome
    }

    @Test func answersAreTheJSONThatTheBedsRead() throws {
        let answer = TestAnswer(seconds: 1.5)
        var refused = answer
        refused.error = "the group was joined already"
        refused.errno = "EADDRINUSE"
        var sight = MembershipSight(
            seconds: 2, isOutbound: true, source: "10.0.0.1", destination: "224.0.0.22", kind: "v3report")
        sight.records = [.init(kind: "TO_EX", group: "239.1.1.1", sources: ["10.0.0.9"])]
        var query = MembershipSight(
            seconds: 3, isOutbound: false, source: "10.0.0.2", destination: "224.0.0.1", kind: "query")
        query.group = "0.0.0.0"
        query.query = .init(version: 3, responseCode: 100)
        query.query?.suppresses = false
        query.query?.robustness = 2
        query.query?.intervalCode = 125
        query.query?.sources = []
        var filtered = answer
        filtered.filter = GroupFilterReport(.exclude, ["10.0.0.9"])
        let cases: [([ControlReply], String)] = [
            ([.tested(answer: answer)], #"{"t":1.5}"#),
            ([.tested(answer: refused)], #"{"errno":"EADDRINUSE","error":"the group was joined already","t":1.5}"#),
            ([.counted(list: []), .tested(answer: answer)], #"{"count":{},"t":1.5}"#),
            (
                [
                    .counted(list: [FlowCount(source: "10.0.0.1", group: "239.1.1.1", count: 3)]),
                    .counted(list: [FlowCount(source: "10.0.0.1", group: "239.1.1.2", count: 4)]),
                    .tested(answer: answer),
                ], #"{"count":{"10.0.0.1>239.1.1.1":3,"10.0.0.1>239.1.1.2":4},"t":1.5}"#
            ),
            (
                [
                    .datagramsSeen(list: [FlowSight(source: "10.0.0.1", group: "239.1.1.1", at: 0.5, timeToLive: 8)]),
                    .tested(answer: answer),
                ], #"{"now":1.5,"t":1.5,"wire":{"10.0.0.1>239.1.1.1":[1,0.5,0.5,8]}}"#
            ),
            (
                [.membershipSeen(list: [sight]), .tested(answer: answer)],
                #"{"log":[{"dst":"224.0.0.22","k":"v3report","out":true,"rec":[["TO_EX","239.1.1.1",["10.0.0.9"]]],"#
                    + #""src":"10.0.0.1","t":2}],"t":1.5}"#
            ),
            (
                [.membershipSeen(list: [query]), .tested(answer: answer)],
                #"{"log":[{"dst":"224.0.0.1","g":"0.0.0.0","k":"query","mrt":100,"out":false,"qqic":125,"qrv":2,"s":0,"#
                    + #""src":"10.0.0.2","srcs":[],"t":3,"ver":3}],"t":1.5}"#
            ), ([.tested(answer: filtered)], #"{"filter":{"count":1,"mode":"ex","sources":["10.0.0.9"]},"t":1.5}"#),
        ]
        for (parts, text) in cases { #expect(try JSONText.line(TestJSON(outcome(parts))) == text + "\n") }
        var other = TestOutcome()
        let isTaken = other.take(.end)
        #expect(!isTaken)
    }

    @Test func answersAreOneLineForPeople() {
        var answer = TestAnswer(seconds: 1.5)
        #expect(TestText.line(outcome([.tested(answer: answer)]), for: nil) == "ok\n")
        #expect(TestText.line(outcome([.tested(answer: answer)]), for: .now) == "1.500000\n")
        #expect(TestText.line(outcome([.counted(list: []), .tested(answer: answer)]), for: .count) == "none\n")
        answer.doneCount = 16
        #expect(TestText.line(outcome([.tested(answer: answer)]), for: nil) == "ok, 16 groups\n")
        answer.error = "no"
        answer.errno = "ENOBUFS"
        #expect(TestText.line(outcome([.tested(answer: answer)]), for: nil) == "error: no (ENOBUFS), 16 done before\n")
        let flow = FlowCount(source: "10.0.0.1", group: "239.1.1.1", count: 3)
        #expect(TestText.line(outcome([.counted(list: [flow, flow])]), for: .count).contains("239.1.1.1 3, 10.0.0.1>"))
    }
}
