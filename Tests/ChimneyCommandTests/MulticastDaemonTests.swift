#if YAML && Tools
    import ArgumentParser
    import ChimneyConfiguration
    import ChimneyControl
    import ChimneyPrimitives
    import ChimneyRuntime
    import ChimneyStack
    import Foundation
    import Synchronization
    import Testing

    @testable import ChimneyCommand

    /// Two stacks on a pipe with a control socket, as `chimney up` runs them.
    private final class RunningPair: Sendable {
        let path: String
        private let shard: Shard
        private let stopper: ControlStopper
        private let ended = DispatchSemaphore(value: 0)

        /// Runs a test with a pair, on a thread that may wait: those of tasks are few, and the pair needs them.
        static func run(_ body: @escaping @Sendable (RunningPair) throws -> Void) async throws {
            let pair = try await RunningPair()
            let result: Result<Void, any Error> = await withCheckedContinuation { continuation in
                Thread.detachNewThread { continuation.resume(returning: Result { try body(pair) }) }
            }
            await pair.stop()
            try result.get()
        }

        private init() async throws {
            let text = """
                stacks:
                  - name: left
                    interfaces:
                      - {name: eth0, driver: pipe, peer: right/eth0, addresses: [10.1.0.1/24], acd: off,
                         igmp: {version: 2, robustness: 4},
                         groups: [239.9.9.9, {group: 232.9.9.9, sources: [10.1.0.2]}]}
                  - name: right
                    multicast: {sources_per_filter: 3}
                    interfaces: [{name: eth0, driver: pipe, peer: left/eth0, addresses: [10.1.0.2/24], acd: off}]
                """
            let configuration = try DaemonConfiguration.reading(text: text, file: "x.yaml")
            shard = try Shard(name: "test")
            var builder = StackBuilder(shard: shard)
            var stacks: [RunningStack] = []
            for stack in configuration.stacks { stacks.append(try await builder.build(stack)) }
            path = "\(NSTemporaryDirectory())chimney-\(UUID().uuidString.prefix(8))/control.sock"
            let server = try ControlServer(path: path)
            stopper = server.stopper
            let box = Box(server, stacks)
            let ended = ended
            Thread.detachNewThread {
                box.run()
                ended.signal()
            }
        }

        private func stop() async {
            stopper.stop()
            await withCheckedContinuation { continuation in
                Thread.detachNewThread { [ended] in
                    ended.wait()
                    continuation.resume()
                }
            }
            await shard.stop()
        }

        /// Carries the server to its thread; nothing else touches it after that.
        private final class Box: @unchecked Sendable {
            private var server: ControlServer
            private let desk: ControlDesk

            init(_ server: consuming ControlServer, _ stacks: [RunningStack]) {
                self.server = server
                desk = ControlDesk(stacks: stacks)
            }

            func run() { server.run { desk.session(for: $0, of: $1) } }
        }
    }

    /// One client of a test, on one stack.
    private struct Tester: ~Copyable {
        private var client: ControlClient
        private let stack: String

        init(_ pair: RunningPair, _ stack: String, interface: String? = "eth0") throws {
            var client = try ControlClient(path: pair.path)
            let begin = TestCommand.begin(port: 5_001, interface: interface, watches: true)
            _ = try client.ask(ControlRequest(.test(command: begin), stack: stack))
            self.client = client
            self.stack = stack
        }

        mutating func ask(_ text: String) throws -> TestOutcome {
            guard case .command(let command) = try TestLine(text) else { throw CommandFailure(text) }
            var outcome = TestOutcome()
            for part in try client.ask(ControlRequest(.test(command: command), stack: stack)) {
                guard outcome.take(part) else { throw CommandFailure("\(part)") }
            }
            return outcome
        }

        /// Asks until the answer is as wanted, for five seconds at most.
        mutating func ask(_ text: String, until isRight: (TestOutcome) -> Bool) throws -> Bool {
            for _ in 0..<500 {
                if isRight(try ask(text)) { return true }
                Thread.sleep(forTimeInterval: 0.01)
            }
            return false
        }
    }

    @Suite(.serialized) struct MulticastDaemonTests {
        /// The groups of a stack's eth0 beside those that every interface is in.
        private static func groups(_ pair: RunningPair, _ stack: String) throws -> [String: GroupReport] {
            var client = try ControlClient(path: pair.path)
            var groups: [String: GroupReport] = [:]
            for part in try client.ask(ControlRequest(.multicast(interface: "eth0"), stack: stack)) {
                guard case .groups(let list) = part else { continue }
                for group in list where group.group != "224.0.0.1" { groups[group.group] = group }
            }
            return groups
        }

        @Test func configurationTakesHold() async throws {
            try await RunningPair.run { pair in
                let groups = try Self.groups(pair, "left")
                #expect(groups["239.9.9.9"]?.filter == GroupFilterReport(.exclude, []))
                #expect(groups["232.9.9.9"]?.filter == GroupFilterReport(.include, ["10.1.0.2"]))
                var client = try ControlClient(path: pair.path)
                let replies = try client.ask(ControlRequest(.multicast(interface: "eth0"), stack: "left"))
                guard case .multicast(let list)? = replies.first else {
                    Issue.record("\(replies)")
                    return
                }
                #expect(list[0].igmp?.version == 2 && list[0].igmp?.robustness == 4)
                let limits = try client.ask(ControlRequest(.membershipLimits, stack: "right"))
                guard case .membershipLimits(let report)? = limits.first else {
                    Issue.record("\(limits)")
                    return
                }
                #expect(report.sourcesPerFilterMax == 3)
            }
        }

        @Test func datagramsAreSentInTheBackgroundAndCounted() async throws {
            try await RunningPair.run { pair in
                var receiver = try Tester(pair, "right")
                var sender = try Tester(pair, "left")
                #expect(try receiver.ask("join 239.1.1.1").answer.error == nil)
                #expect(try receiver.ask("sjoin 10.1.0.1,232.1.1.1+3").answer.doneCount == 3)
                #expect(try receiver.ask("join 239.1.1.1").answer.errno == "EADDRINUSE")
                #expect(try receiver.ask("filter 239.1.1.2 in 10.0.0.1+4").answer.errno == "ENOBUFS")
                #expect(try sender.ask("send 239.1.1.1 300 10000").answer.error == nil)
                #expect(try sender.ask("send 232.1.1.1+4 8 1000 3").answer.error == nil)
                let isWhole = try receiver.ask("count") { outcome in
                    outcome.counts?.reduce(0) { $0 + $1.count } == 306
                }
                #expect(isWhole)
                let counts = try receiver.ask("count").counts ?? []
                #expect(counts.first { $0.group == "239.1.1.1" }?.count == 300)
                #expect(counts.filter { $0.group.hasPrefix("232.") }.map(\.count) == [2, 2, 2])
                #expect(try receiver.ask("wire").datagrams?.first { $0.group == "232.1.1.4" }?.timeToLive == 3)
                let isLogged = try receiver.ask("log") { $0.messages?.contains { $0.isOutbound } == true }
                #expect(isLogged)
                #expect(try receiver.ask("reset").answer.error == nil)
                #expect(try receiver.ask("count").counts == [])
            }
        }

        @Test func groupsAreLeftWhenTheClientGoes() async throws {
            try await RunningPair.run { pair in
                do {
                    var tester = try Tester(pair, "right", interface: nil)
                    let routed = try tester.ask("join 239.1.0.0+3000 as a").answer
                    #expect(routed.errno == "ENODEV" && routed.doneCount == 0, "no route leads there")
                    #expect(try tester.ask("log").answer.error == nil, "the only link is watched")
                    var other = try Tester(pair, "right")
                    #expect(try other.ask("join 239.1.0.0+3000 as a").answer.doneCount == 3_000)
                    #expect(try Self.groups(pair, "right").count == 3_000)
                }
                var left = try Self.groups(pair, "right")
                for _ in 0..<500 where left.contains(where: { $0.value.excludingSockets > 0 }) {
                    Thread.sleep(forTimeInterval: 0.01)
                    left = try Self.groups(pair, "right")
                }
                #expect(!left.contains { $0.value.excludingSockets > 0 })
            }
        }

        @Test func testBeginsOnceAndWithWhatThereIs() async throws {
            try await RunningPair.run { pair in
                var client = try ControlClient(path: pair.path)
                let refusals: [(TestCommand, String)] = [
                    (.count, "a test begins with its port and its interface"),
                    (
                        .begin(port: 1, interface: "eth9", watches: false),
                        "the stack left has no interface eth9; it has lo0, eth0"
                    ), (.begin(port: 0, interface: nil, watches: false), "a port is a number from 1 to 65535"),
                ]
                for (command, sentence) in refusals {
                    #expect(throws: ControlError.refused(sentence)) {
                        try client.ask(ControlRequest(.test(command: command), stack: "left"))
                    }
                }
                let begin = ControlRequest(
                    .test(command: .begin(port: 1, interface: nil, watches: false)), stack: "left")
                _ = try client.ask(begin)
                #expect(throws: ControlError.refused("this connection has begun its test already")) {
                    try client.ask(begin)
                }
            }
        }

        @Test func monitorTellsOfGroupsOfTheStackThatIsNamed() async throws {
            try await RunningPair.run { pair in
                let path = pair.path
                let hasEnded = DispatchSemaphore(value: 0)
                do {
                    let seen = Seen()
                    Thread.detachNewThread {
                        var client = try? ControlClient(path: path)
                        try? client?.ask(ControlRequest(.monitor, stack: "right"), silenceMillisecondsMax: 5_000) {
                            part throws(ControlError) in
                            if case .event(let report) = part { seen.append(report) }
                            return seen.count < 3
                        }
                        hasEnded.signal()
                    }
                    var tester = try Tester(pair, "right")
                    var other = try Tester(pair, "left")
                    // Nobody says when the monitor has begun to listen.
                    for number in 0..<200 where seen.count < 3 {
                        _ = try other.ask("join 239.3.1.\(number)")
                        _ = try tester.ask("join 239.2.1.\(number)")
                        _ = try tester.ask("leave 239.2.1.\(number)")
                        Thread.sleep(forTimeInterval: 0.02)
                    }
                    #expect(Self.comes(hasEnded))
                    let events = seen.all
                    #expect(events.count >= 3)
                    #expect(events.allSatisfy { $0.stack == "right" && $0.interface == "eth0" })
                    #expect(events.contains { $0.kind == "joined" && $0.subject?.hasPrefix("239.2.1.") == true })
                    #expect(events.contains { $0.kind == "left" })
                }
            }
        }

        /// Whether a thread ends within six seconds.
        private static func comes(_ end: DispatchSemaphore) -> Bool { end.wait(timeout: .now() + 6) == .success }

        /// Events gathered on another thread.
        private final class Seen: Sendable {
            private let events = Mutex<[EventReport]>([])
            func append(_ event: EventReport) { events.withLock { $0.append(event) } }
            var count: Int { events.withLock { $0.count } }
            var all: [EventReport] { events.withLock { $0 } }
        }

        @Test func agentOfTheBedsAnswersLinesOnItsSocket() async throws {
            try await RunningPair.run { pair in
                let path = "\(NSTemporaryDirectory())chimney-\(UUID().uuidString.prefix(8))/agent.sock"
                let words = [
                    "mtest", "--socket", pair.path, "--stack", "right", "--interface", "eth0", "--listen", path,
                ]
                let command = try #require(try ChimneyTool.parseAsRoot(words) as? MulticastTestCommand)
                let control = command.control
                let ended = DispatchSemaphore(value: 0)
                Thread.detachNewThread {
                    do throws(ControlError) {
                        var conversation = try TestConversation(
                            control, .begin(port: 5_001, interface: "eth0", watches: true))
                        try conversation.serve(path) { _ in }
                    } catch {
                        Issue.record("\(error)")
                    }
                    ended.signal()
                }
                let client = try UnixClient(path)
                let answers = try client.ask(
                    "join 239.1.1.1\njoin 239.1.1.1\nfly\n\nsleep 1\ngetfilter 239.1.1.1\nlog 0\ncount\n", lines: 7)
                #expect(answers[0].hasPrefix("{\"t\":") && answers[1].contains("\"errno\":\"EADDRINUSE\""))
                #expect(answers[2].contains("\"errno\":\"EINVAL\"") && answers[3].contains("is for scripts"))
                #expect(answers[4].contains("\"mode\":\"ex\"") && answers[5].contains("\"log\":["))
                #expect(answers[6].contains("\"count\":{}"))
                let second = try UnixClient(path)
                #expect(
                    try second.ask("leave 239.1.1.1\n", lines: 1)[0].hasPrefix("{\"t\":"), "clients share the sockets")
                _ = try second.ask("quit\n", lines: 0)
                #expect(Self.comes(ended))
            }
        }
    }

    /// A client that speaks lines; it waits for the socket to be there.
    private final class UnixClient {
        private let handle: FileHandle

        init(_ path: String) throws {
            for _ in 0..<500 where !FileManager.default.fileExists(atPath: path) { usleep(10_000) }
            let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(path.utf8)) }
            let result = unsafe withUnsafePointer(to: &address) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            handle = FileHandle(fileDescriptor: number, closeOnDealloc: true)
            guard result == 0 else { throw CommandFailure("connecting to \(path) failed") }
        }

        func ask(_ text: String, lines: Int) throws -> [String] {
            try handle.write(contentsOf: Data(text.utf8))
            var answer = ""
            while answer.count(where: { $0 == "\n" }) < lines {
                let data = handle.availableData
                guard !data.isEmpty else { throw CommandFailure("the agent closed after: \(answer)") }
                answer += String(decoding: data, as: UTF8.self)
            }
            return answer.split(separator: "\n").map(String.init)
        }
    }
#endif
