import ArgumentParser
import ChimneyControl
import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import Testing

@testable import ChimneyCommand

@Suite struct MulticastAnswerTests {
    /// A stack with eth0, which speaks both families.
    private func stack() throws -> VirtualStack {
        var stack = VirtualStack(name: "red", pool: PacketPool(packetsMax: 64), random: StackRandom(seed: 1))
        let mac = try #require(MACAddress("02:00:00:00:00:02"))
        let index = try stack.attach(InterfaceDescription(name: "eth0", mac: mac, ipv6: .manual))
        for family in TestFamily.all {
            let own = try #require(IPAddress(family.own))
            try stack.addAddress(own, prefixLength: family.subnetLength, to: index, at: .zero)
        }
        for second in 1...10 { stack.timerFired(at: Instant(nanoseconds: UInt64(second) * 1_000_000_000)) }
        return stack
    }

    private var now: Instant { Instant(nanoseconds: 10_000_000_000) }

    private func answers(_ commands: [ControlCommand], _ stack: inout VirtualStack) -> [[ControlReply]] {
        var replies: [[ControlReply]] = []
        for command in commands {
            replies.append(StackAnswers.replies(to: command, of: &stack, devices: [:], at: now))
        }
        return replies
    }

    private func change(_ words: String) throws -> ControlCommand {
        let words = words.split(separator: " ").map(String.init)
        return .configureMulticast(interface: "eth0", change: try MulticastControlCommand.change(words))
    }

    /// What `ifmcstat eth0` is told.
    private func report(_ stack: inout VirtualStack) throws -> MulticastReport {
        let replies = answers([.multicast(interface: "eth0")], &stack)[0]
        guard case .multicast(let list)? = replies.first, var report = list.first, list.count == 1 else {
            throw CommandFailure("\(replies)")
        }
        for case .groups(let more) in replies { report.groups += more }
        return report
    }

    @Test func interfaceIsShownWithItsProtocolsGroupsAndLinkGroups() throws {
        var stack = try stack()
        let done = answers(
            [
                try change("join 239.1.1.1"), try change("sjoin 232.1.1.1 10.7.0.9"), try change("join ff15::1"),
                try change("block 239.1.1.1 10.7.0.8"), try change("link join 01:80:c2:00:00:14"),
            ], &stack)
        #expect(done == [[], [], [], [], []])
        let report = try report(&stack)
        #expect(report.igmp?.version == 3 && report.mld?.version == 2)
        #expect(report.igmp?.robustness == 2 && report.igmp?.queryIntervalSeconds == 125 && report.igmp?.querier == nil)
        #expect(report.igmp?.rules == ["router-alert", "hop-limit", "general-destination"])
        #expect(report.mld?.rules == ["router-alert", "hop-limit", "link-source", "general-destination"])
        let groups = report.groups.filter { !$0.group.hasPrefix("ff0") && $0.group != "224.0.0.1" }
        #expect(groups.map(\.group) == ["232.1.1.1", "239.1.1.1", "ff15::1"])
        #expect(
            groups.map { MulticastText.filter($0.filter) } == [
                "include {10.7.0.9}", "exclude {10.7.0.8}", "exclude {}",
            ])
        #expect(groups.map(\.includingSockets) == [1, 0, 0] && groups.map(\.excludingSockets) == [0, 1, 1])
        #expect(groups.allSatisfy { $0.isReported && $0.changeDueSeconds != nil && $0.repeatsLeft > 0 })
        #expect(report.groups.first { $0.group == "224.0.0.1" }?.isReported == false)
        #expect(report.linkGroups.contains { $0.mac == "01:80:c2:00:00:14" && $0.memberCount == 1 })
        #expect(report.linkGroups.contains { $0.mac == "01:00:5e:01:01:01" && $0.memberCount == 2 })
        #expect(!report.isPromiscuous && !report.isAllMulticast)
    }

    @Test func settingsOfAFamilyTakeHoldAndLeaveTheOtherAlone() throws {
        var stack = try stack()
        for words in [
            "igmp version 2", "igmp robustness 3", "igmp queries kernel", "igmp link-source on",
            "igmp link-local-reports off", "mld lightweight on", "allmulti on", "promisc on",
        ] {
            let reply = answers([try change(words)], &stack)[0]
            #expect(reply == [], "\(words)")
        }
        var report = try report(&stack)
        #expect(report.igmp?.version == 2 && report.igmp?.pinnedVersion == 2 && report.igmp?.pinnedRobustness == 3)
        #expect(report.igmp?.rules == ["link-source", "general-destination"])
        // Linux also counts otherwise for how long an older querier is present.
        var waits = (1...2).map { stack.igmpSettings(of: InterfaceIndex(rawValue: $0))?.olderQuerier }
        #expect(waits.contains(.fromQueries))
        #expect(report.igmp?.reportsLinkLocalGroups == false && report.igmp?.isLightweight == false)
        #expect(report.mld?.version == 2 && report.mld?.pinnedVersion == nil && report.mld?.isLightweight == true)
        #expect(report.mld?.rules.count == 4 && report.mld?.reportsLinkLocalGroups == nil)
        #expect(report.isAllMulticast && report.isPromiscuous)
        for words in ["igmp version auto", "igmp queries standard", "mld version 1", "allmulti off", "promisc off"] {
            let reply = answers([try change(words)], &stack)[0]
            #expect(reply == [], "\(words)")
        }
        report = try self.report(&stack)
        #expect(report.igmp?.version == 3 && report.igmp?.pinnedVersion == nil && report.igmp?.rules.count == 3)
        waits = (1...2).map { stack.igmpSettings(of: InterfaceIndex(rawValue: $0))?.olderQuerier }
        #expect(!waits.contains(.fromQueries) && waits.contains(.defaults))
        #expect(report.mld?.version == 1 && report.mld?.pinnedVersion == 1)
        #expect(!report.isAllMulticast && !report.isPromiscuous)
    }

    @Test func refusedCallsNameTheErrorOfRFC3678AndTheFirstGroupRefused() throws {
        var stack = try stack()
        let table: [(String, String)] = [
            ("leave 239.1.1.1", "the group was not joined (EADDRNOTAVAIL)"),
            ("join 232.1.1.1", "the group is for one source at a time, and none is named (EINVAL)"),
            ("link leave 01:80:c2:00:00:14", "nobody joined 01:80:c2:00:00:14"),
        ]
        for (words, sentence) in table {
            let reply = answers([try change(words)], &stack)[0]
            #expect(reply == [.failure(message: sentence)], "\(words)")
        }
        let replies = answers([try change("join 239.1.1.3"), try change("join 239.1.1.1+4")], &stack)
        #expect(
            replies[1] == [.failure(message: "239.1.1.3: the group was joined already; 2 done before (EADDRINUSE)")])
        let wrong = answers(
            [
                .configureMulticast(
                    interface: "eth0", change: .reporting(family: .ipv6, setting: .version(number: 3))),
                .configureMulticast(
                    interface: "eth0", change: .reporting(family: .ipv4, setting: .version(number: 0))),
                .configureMulticast(
                    interface: "eth0", change: .reporting(family: .ipv4, setting: .robustness(count: 8))),
                .multicast(interface: "eth9"),
            ], &stack)
        #expect(wrong[0] == [.failure(message: "there is no version 3 of MLD")])
        #expect(wrong[1] == [.failure(message: "there is no version 0 of IGMP")])
        #expect(wrong[2] == [.failure(message: "the robustness is a number from 1 to 7")])
        #expect(wrong[3] == [.failure(message: "the stack red has no interface eth9; it has lo0, eth0")])
    }

    @Test func limitsAreShownSetAndNamedByTheError() throws {
        var stack = try stack()
        let replies = answers(
            [
                .limitMemberships(limit: .sourcesPerFilter, count: 1), .limitMemberships(limit: .sources, count: 9),
                .membershipLimits, try change("filter 239.1.1.1 in 10.0.0.1+2"),
                .limitMemberships(limit: .memberships, count: -1),
            ], &stack)
        #expect(replies[0] == [] && replies[1] == [])
        guard case .membershipLimits(let limits)? = replies[2].first else {
            Issue.record("\(replies[2])")
            return
        }
        #expect(limits.sourcesPerFilterMax == 1 && limits.sourcesMax == 9 && limits.membershipsMax == 1_048_576)
        #expect(replies[3] == [.failure(message: "the filter has 1 sources, which is its most (ENOBUFS)")])
        #expect(replies[4] == [.failure(message: "a limit is a number from 0 to 16777216")])
    }

    @Test func listOfManyGroupsComesInPartsThatAreNotTooLong() throws {
        var stack = try stack()
        _ = answers([try change("join 239.1.0.0+450"), try change("filter 239.9.9.9 ex 10.0.0.1+3000")], &stack)
        for number in 1...9 {
            _ = answers([try change("filter 239.9.8.\(number) ex 10.0.0.1+1500")], &stack)
        }
        let replies = answers([.multicast(interface: "eth0")], &stack)[0]
        var names: [String] = []
        for case .groups(let list) in replies {
            #expect(list.count <= StackAnswers.rowsPerReplyMax)
            #expect(list.reduce(0) { $0 + $1.filter.sources.count } <= StackAnswers.sourcesPerReplyMax)
            names += list.map(\.group)
            guard let long = list.first(where: { $0.group == "239.9.9.9" }) else { continue }
            #expect(long.filter.sourceCount == 3_000 && long.filter.sources.count == GroupFilterReport.sourcesShownMax)
        }
        #expect(replies.count >= 5)
        #expect(Set(names).count == names.count && names.filter { $0.hasPrefix("239.1.") }.count == 450)
        let order = names.compactMap { IPAddress($0) }
        #expect(order == order.sorted())
    }

    @Test(arguments: TestFamily.all)
    func datagramToAGroupIsExplainedForTheSocketsThatJoinedIt(_ family: TestFamily) throws {
        var stack = try stack()
        let group = family.family == .ipv4 ? "239.1.1.1" : "ff15::1"
        let found = stack.interface(named: "eth0")
        let index = try #require(found)
        var tester = MulticastTester(port: 5_001, interface: index)
        let join = try GroupCall(MembershipCall(filter: group, .exclude, [family.absent]))
        #expect(tester.perform(join, 0..<1, name: nil, of: &stack, at: now).refusal == nil)
        let cases: [(ExplainRequest, String, String?)] = [
            (ExplainRequest(source: family.router, destination: group), "delivered", nil),
            (ExplainRequest(source: family.elsewhere, destination: group), "delivered", nil),
            (ExplainRequest(source: family.absent, destination: group), "dropped", "multicastSourceFiltered"),
            (
                ExplainRequest(source: family.router, destination: group, destinationPort: 9), "dropped",
                "multicastNoReceiver"
            ),
        ]
        for (request, verdict, reason) in cases {
            let reply = answers([.explain(request: request)], &stack)[0].first
            guard case .explanation(let report)? = reply else {
                Issue.record("\(request): \(String(describing: reply))")
                continue
            }
            #expect(report.verdict == verdict && report.reason == reason, "\(request): \(report)")
            #expect(report.steps.contains { $0.place == "membership" })
        }
    }

    @Test func wordsOfIfmcctlAreReadOrRefusedWithOneSentence() throws {
        let words: [(String, MulticastChange)] = [
            ("mld version auto", .reporting(family: .ipv6, setting: .version(number: nil))),
            ("igmp version 1", .reporting(family: .ipv4, setting: .version(number: 1))),
            ("igmp router-alert off", .reporting(family: .ipv4, setting: .rule(rule: .routerAlert, isOn: false))),
            ("mld robustness auto", .reporting(family: .ipv6, setting: .robustness(count: nil))),
            ("join 239.1.1.1+4", .member(call: MembershipCall(.join, "239.1.1.1+4"))),
            ("link leave 01:80:c2:00:00:14", .link(mac: "01:80:c2:00:00:14", isJoined: false)),
        ]
        for (text, change) in words {
            #expect(try MulticastControlCommand.change(text.split(separator: " ").map(String.init)) == change)
        }
        let wrong = [
            "fly", "igmp", "igmp version", "igmp version 4", "mld version 3", "mld link-local-reports on",
            "igmp lightweight maybe", "igmp queries linux", "igmp robustness 0", "link", "link join 02:00:00:00:00:01",
            "link join ff:ff:ff:ff:ff:ff", "allmulti", "promisc on off", "join 10.0.0.1", "sjoin 232.1.1.1",
            "join 239.1.1.1 as a",
        ]
        for text in wrong {
            do {
                _ = try ChimneyTool.parseAsRoot(["ifmcctl", "eth0"] + text.split(separator: " ").map(String.init))
                Issue.record("\(text) was taken")
            } catch {
                #expect(ChimneyTool.exitCode(for: error).rawValue == 64, "\(text)")
                #expect(!ChimneyTool.message(for: error).contains("\n"), "\(text)")
            }
        }
        #expect(try MulticastControlCommand.limit("sources=7") == (.sources, 7))
        for text in ["sources", "sources=-1", "colour=7", "sources=x"] {
            #expect(throws: (any Error).self) { try ChimneyTool.parseAsRoot(["ifmcctl", "--limit", text]) }
        }
    }

    @Test func wordsOfTheOtherCommandsAreRead() throws {
        let test = try #require(
            try ChimneyTool.parseAsRoot(["mtest", "--control", "/x.sock", "--interface", "eth0", "--port", "9", "f"])
                as? MulticastTestCommand)
        #expect(test.control.socket == "/x.sock" && test.interface == "eth0" && test.port == 9 && test.file == "f")
        #expect(throws: (any Error).self) { try ChimneyTool.parseAsRoot(["mtest", "--port", "0"]) }
        #expect(throws: (any Error).self) { try ChimneyTool.parseAsRoot(["mtest", "--listen", "/x", "f"]) }
        let explain = try #require(
            try ChimneyTool.parseAsRoot(["explain", "10.0.0.1", "232.1.1.1", "--interface", "eth0", "--port", "5001"])
                as? ExplainCommand)
        #expect(explain.on == "eth0" && explain.udp == 5_001)
        #expect(throws: (any Error).self) { try ChimneyTool.parseAsRoot(["monitor", "--count", "0"]) }
        #expect(throws: (any Error).self) { try ChimneyTool.parseAsRoot(["ifmcstat", "eth0", "--limits"]) }
        var report = MulticastReport(interface: "eth0")
        report.igmp = ReportingReport(version: 3, robustness: 2, queryIntervalSeconds: 125)
        report.mld = ReportingReport(version: 2, robustness: 2, queryIntervalSeconds: 125)
        report.groups = ["239.1.1.1", "ff15::1"].map { GroupReport(group: $0, filter: GroupFilterReport(.exclude, [])) }
        let six = MulticastStatusCommand.part(report, of: .ipv6)
        #expect(six.igmp == nil && six.mld != nil && six.groups.map(\.group) == ["ff15::1"])
    }

    @Test func interfaceIsShownInWords() {
        var report = MulticastReport(interface: "eth0")
        var igmp = ReportingReport(version: 2, robustness: 3, queryIntervalSeconds: 125)
        igmp.pinnedVersion = 2
        igmp.rules = ["router-alert"]
        igmp.querier = "10.7.0.1"
        igmp.queriedSecondsAgo = 12.34
        igmp.olderQueriers = [.init(version: 1, seconds: 200)]
        igmp.answerDueSeconds = 1
        igmp.counters = [.init("leaves", 0, "leaves sent"), .init("reportsV2", 4, "reports of version 2 sent")]
        igmp.drops = [.init("checksum", 1, "the checksum is wrong")]
        report.igmp = igmp
        report.isPromiscuous = true
        var group = GroupReport(group: "239.1.1.1", filter: GroupFilterReport(.exclude, ["10.0.0.1"], sourceCount: 3))
        group.excludingSockets = 1
        group.isReported = true
        group.repeatsLeft = 1
        group.pendingSources = 2
        group.changeDueSeconds = 0.5
        report.groups = [group]
        report.linkGroups = [LinkGroupReport(mac: "01:00:5e:01:01:01", memberCount: 2)]
        #expect(
            MulticastText.interfaces([report]) == """
                eth0: promisc
                    igmp version 2 (pinned), robustness 3, queries every 125.0 s
                        queries need router-alert
                        querier 10.7.0.1, asked 12.3 s ago
                        a querier of version 1 counts as present for 200.0 s
                        answers for all groups in 1.0 s
                        4 reportsV2: reports of version 2 sent
                        1 dropped, checksum: the checksum is wrong
                    group 239.1.1.1 exclude {10.0.0.1 and 2 more} (1 member, 1 with any source, to be told 1 more time, \
                2 sources to be told of, next in 0.5 s)
                    link 01:00:5e:01:01:01 (2)

                """)
    }
}
