#if YAML && Tools && os(Linux)
    import ArgumentParser
    import ChimneyConfiguration
    import ChimneyControl
    import ChimneyPrimitives
    import ChimneyRuntime
    import ChimneySignatures
    import ChimneySockets
    import ChimneyStack
    import ChimneyTCP
    import Foundation
    import Testing

    @testable import ChimneyCommand

    /// Takes every buffer of a shard's pool in the round in which a connection waits to be accepted.
    private final class PoolTaker: Alarmed, @unchecked Sendable {
        // Touched by the shard's thread only.
        private let cell: StackCell
        private var taken = PacketQueue()

        init(_ cell: StackCell) { self.cell = cell }

        var hasTaken: Bool { !taken.isEmpty }

        /// Devices were read before, and who accepts is told behind.
        func alarmFired(_ name: UInt64, at now: Instant) {
            guard cell.stack.tcpListeners.contains(where: { $0.waiting > 0 }) else { return arm() }
            while let packet = cell.shard.pool.allocate() { taken.append(packet) }
        }

        func arm() { _ = cell.shard.arm(self, name: 0, at: cell.shard.now) }

        func giveBack() { taken.removeAll() }
    }

    @Suite struct TCPServiceTests {
        struct World {
            let shard: Shard
            let left: RunningStack
            let right: RunningStack
            let address: IPAddress

            /// Two stacks on a pipe, the right one with what a file says of TCP.
            init(
                _ family: TestFamily, tcp: String, notes: @escaping @Sendable (String) -> Void = { _ in }
            ) async throws {
                let length = family.subnetLength
                let text = """
                    stacks:
                      - name: left
                        interfaces:
                          - {name: eth0, driver: pipe, peer: right/eth0, addresses: ["\(family.router)/\(length)"], acd: off}
                      - name: right
                        tcp: \(tcp)
                        interfaces:
                          - {name: eth0, driver: pipe, peer: left/eth0, addresses: ["\(family.own)/\(length)"], acd: off}
                    """
                let configuration = try DaemonConfiguration.reading(text: text, file: "x.yaml")
                shard = try Shard(name: "test")
                var builder = StackBuilder(shard: shard, notes: notes)
                left = try await builder.build(configuration.stacks[0])
                right = try await builder.build(configuration.stacks[1])
                address = try #require(IPAddress(family.own))
                // Addresses of IPv6 are probed for first.
                for stack in [left, right] {
                    while try await stack.handle.perform({ stack, _ in
                        stack.interfaces.contains { $0.ipv6Addresses.contains { $0.state == .tentative } }
                    }) { try await Task.sleep(for: .milliseconds(20)) }
                }
            }

            func connect(_ port: UInt16) async throws -> TCPSocket {
                try await TCPSocket.connect(to: Endpoint(address, port), on: left.handle, deadline: Self.patience)
            }

            static var patience: Instant { Shard.clock + .seconds(30) }
        }

        @Test(.timeLimit(.minutes(1)), arguments: TestFamily.all)
        func echoDiscardAndChargenServeStreams(_ family: TestFamily) async throws {
            let world = try await World(family, tcp: "{services: {echo: on, discard: 99, chargen: on}}")
            let echo = try await world.connect(7)
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 9) }
            let writer = Task {
                try await echo.write(bytes, deadline: World.patience)
                try await echo.shutdown()
            }
            var answer: [UInt8] = []
            while let more = try await echo.read(deadline: World.patience) { answer += more }
            try await writer.value
            #expect(answer == bytes)

            let discard = try await world.connect(99)
            try await discard.write(bytes, deadline: World.patience)
            try await discard.shutdown()
            #expect(try await discard.read(deadline: World.patience) == nil)

            let chargen = try await world.connect(19)
            var text: [UInt8] = []
            while text.count < 200_000, let more = try await chargen.read(deadline: World.patience) { text += more }
            // Lines of 72 characters, each of which begins one further (RFC 864).
            for (number, line) in text.split(separator: 13).prefix(200).enumerated() {
                let characters = number == 0 ? line : line.dropFirst()
                #expect(Array(characters) == (0..<72).map { UInt8(0x20 + (number + $0) % 95) })
            }
            await chargen.close()
            for socket in [echo, discard] { await socket.close() }
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: TestFamily.all)
        func chargenGoesOnOnceThereAreBuffers(_ family: TestFamily) async throws {
            let world = try await World(family, tcp: "{services: [chargen]}")
            let taker = try await world.right.handle.onShard { cell, _ in
                let taker = PoolTaker(cell)
                taker.arm()
                return taker
            }
            let chargen = try await world.connect(19)
            // Whoever accepted it found no buffer for a single byte, so that nothing of it is under way.
            while try await world.right.handle.onShard({ _, _ in !taker.hasTaken }) {
                try await Task.sleep(for: .milliseconds(5))
            }
            await #expect(throws: TCPSocketError.deadlinePassed) {
                try await chargen.read(deadline: Shard.clock + .milliseconds(50))
            }
            try await world.right.handle.onShard { _, _ in taker.giveBack() }
            #expect(try await chargen.read(max: 72, deadline: World.patience)?.isEmpty == false)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: TestFamily.all)
        func connectionsBeyondTheBoundWaitUntilOneEnds(_ family: TestFamily) async throws {
            let world = try await World(family, tcp: "{services: [echo], service_connections: 2}")
            var sockets: [TCPSocket] = []
            for number in 0..<3 as Range<UInt8> {
                let socket = try await world.connect(7)
                try await socket.write([number])
                sockets.append(socket)
            }
            for number in 0..<2 { #expect(try await sockets[number].read(deadline: World.patience) == [UInt8(number)]) }
            await #expect(throws: TCPSocketError.deadlinePassed) {
                try await sockets[2].read(deadline: Shard.clock + .milliseconds(100))
            }
            #expect(try await world.right.handle.perform { stack, _ in stack.tcpListeners[0].waiting } == 1)
            await sockets[0].close()
            #expect(try await sockets[2].read(deadline: World.patience) == [2])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: TestFamily.all)
        func boundsAndAnswersOfTheFileReachTheStack(_ family: TestFamily) async throws {
            let world = try await World(
                family,
                tcp: "{connections: 3, listeners: 1, backlog: 2, half_open: 5, time_wait: 6, closed_ports: silent, "
                    + "congestion: dctcp}")
            let settings = try await world.right.handle.perform { stack, _ in stack.settings.tcp }
            #expect(settings.connectionsMax == 3 && settings.listenersMax == 1 && settings.backlogMax == 2)
            #expect(settings.synCache.entriesMax == 5 && settings.timeWaitMax == 6 && settings.closedPorts == .silent)
            #expect(settings.connection.recovery.congestion == .dctcp)
            await #expect(throws: TCPSocketError.deadlinePassed) {
                try await TCPSocket.connect(
                    to: Endpoint(world.address, 80), on: world.left.handle, deadline: Shard.clock + .milliseconds(50))
            }
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: TestFamily.all)
        func logOfRefusalsAndLogOfConnectionsDoNotTouchEachOther(_ family: TestFamily) async throws {
            let world = try await World(family, tcp: "{services: [echo], log_in_vain: on, log_connections: on}")
            let (first, second, third) = (TCPNews(), TCPNews(), TCPNews())
            func look(_ news: TCPNews, _ refused: Bool, _ connections: Bool) async throws -> ([String], [String]) {
                try await world.right.handle.perform { stack, now in
                    let lines = news.look(at: &stack, refused: refused, connections: connections, at: now)
                    return (lines.refused, lines.connections)
                }
            }
            for (news, refused, connections) in [(first, true, true), (second, true, false), (third, false, true)] {
                #expect(try await look(news, refused, connections) == ([], []))
            }
            for _ in 0..<RefusedLog.linesMax + 5 {
                await #expect(throws: TCPSocketError.failed(.refused)) { try await world.connect(80) }
            }
            let socket = try await world.connect(7)
            try await socket.write([1])
            #expect(try await socket.read(deadline: World.patience) == [1])
            let both = try await look(first, true, true)
            #expect(both.0.count == RefusedLog.linesMax + 1)
            #expect(both.0.first?.contains("connect to \(Endpoint(world.address, 80))") == true)
            #expect(both.0.last == "and 5 segments more that nobody waited for")
            #expect(both.1.count == 1 && both.1[0].contains("new > ESTABLISHED"))
            #expect(try await look(second, true, false) == (both.0, []))
            #expect(try await look(third, false, true) == ([], both.1))
            #expect(try await look(first, true, true) == ([], []))
            await socket.close()
            // The service closes its end when the peer closes; then the connection is gone.
            while try await world.right.handle.perform({ stack, _ in stack.tcpSummary.connections }) > 0 {
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(try await look(first, true, true).1.last?.contains("is gone") == true)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: TestFamily.all)
        func socketsAreShownWithWhyTheyAreOpen(_ family: TestFamily) async throws {
            let world = try await World(family, tcp: "{services: [echo]}")
            let socket = try await world.connect(7)
            try await socket.write([1, 2, 3])
            #expect(try await socket.read(deadline: World.patience) == [1, 2, 3])
            try await socket.write([4])
            while try await socket.snapshot.tcp.receiveQueueBytes == 0 { await Task.yield() }
            func sockets(_ stack: RunningStack) async throws -> [SocketReport] {
                try await stack.handle.perform { stack, now in
                    StackAnswers.replies(to: .sockets, of: &stack, devices: [:], at: now)
                }.flatMap { reply -> [SocketReport] in
                    guard case .sockets(let list) = reply else { return [] }
                    return list
                }
            }
            let served = try await sockets(world.right)
            #expect(served.map(\.transport) == ["tcp", "tcp"])
            #expect(served[0].listener?.accepted == 1)
            let report = try #require(try await sockets(world.left).first?.connection)
            #expect(report.state == "ESTABLISHED" && report.receiveQueueBytes == 1 && report.hasOwner)
            #expect(report.congestionControl == "cubic" && report.congestionWindow > 0)
            #expect(report.roundTripMilliseconds != nil)
            let table = ReportText.sockets(served)
            #expect(table.contains("LISTEN") && table.contains("ESTABLISHED") && table.contains("cubic"))
            let details = TCPText.details(served)
            #expect(details.contains("both ends may write"))
            #expect(details.contains("keepAlive in "))
            let replies = try await world.right.handle.perform { stack, now in
                StackAnswers.replies(to: .statistics, of: &stack, devices: [:], at: now)
            }
            guard case .statistics(let statistics)? = replies.first else {
                Issue.record("\(replies)")
                return
            }
            #expect(statistics.counters.first { $0.name == "tcpAccepted" }?.count == 1)
            #expect(statistics.counters.first { $0.name == "tcpListeners" }?.count == 1)
            await world.shard.stop()
        }

        #if Signatures
            @Test(.timeLimit(.minutes(1)), arguments: TestFamily.all)
            func servicesAreSignedWithTheKeyOfAFile(_ family: TestFamily) async throws {
                let file = FileManager.default.temporaryDirectory.appending(path: "chimney-\(UUID())")
                try Data("the word\n".utf8).write(to: file)
                defer { try? FileManager.default.removeItem(at: file) }
                let keys = "signatures: [{peers: \"\(family.everything)\", key_file: \(file.path)}]"
                let world = try await World(family, tcp: "{services: [echo], \(keys)}")
                // The newline at the end of the file is no part of the key.
                try await world.left.handle.setSignatureKey(
                    TCPSignatureKey("the word".utf8), for: .host(world.address), signer: MD5Signer.standard)
                let socket = try await world.connect(7)
                try await socket.write([1, 2, 3])
                #expect(try await socket.read(deadline: World.patience) == [1, 2, 3])
                let list = try await world.right.handle.perform { stack, now in
                    StackAnswers.replies(to: .sockets, of: &stack, devices: [:], at: now)
                }.flatMap { reply -> [SocketReport] in
                    guard case .sockets(let list) = reply else { return [] }
                    return list
                }
                #expect(list.compactMap(\.connection?.isSigned) == [true])
                #expect(ReportText.sockets(list).contains(" md5 ") && TCPText.details(list).contains("signed with md5"))
                await world.shard.stop()
            }

            @Test func filesWithoutAKeyAreNamed() async throws {
                let directory = FileManager.default.temporaryDirectory
                let file = directory.appending(path: "chimney-\(UUID())")
                defer { try? FileManager.default.removeItem(at: file) }
                func complaint() async throws -> String {
                    let keys = "signatures: [{peers: 10.0.0.0/8, key_file: \(file.path)}]"
                    do {
                        await (try await World(TestFamily.all[0], tcp: "{\(keys)}")).shard.stop()
                        return ""
                    } catch let error as CommandFailure { return error.description }
                }
                #expect(try await complaint() == "right: tcp: signatures: \(file.path) cannot be read")
                try Data("\n".utf8).write(to: file)
                #expect(try await complaint() == "right: tcp: signatures: \(file.path): the key is empty")
                try Data(String(repeating: "k", count: 81).utf8).write(to: file)
                #expect(try await complaint() == "right: tcp: signatures: \(file.path): the key has more than 80 bytes")
            }
        #endif

        @Test func sockstatShowsWhatIsAskedFor() throws {
            let tcp = SocketReport(transport: "tcp", local: "10.0.0.1:80", remote: "10.0.0.2:4000")
            let udp = SocketReport(transport: "udp", local: "[::]:8080", remote: nil)
            func admitted(_ words: [String]) throws -> [Bool] {
                let command = try SockstatCommand.parse(words)
                return [command.admits(tcp), command.admits(udp)]
            }
            #expect(try admitted([]) == [true, true])
            #expect(try admitted(["-t"]) == [true, false])
            #expect(try admitted(["-u"]) == [false, true])
            #expect(try admitted(["-t", "-u"]) == [true, true])
            #expect(try admitted(["--port", "80"]) == [true, false])
            #expect(try admitted(["--port", "4000"]) == [true, false])
            #expect(try admitted(["--port", "8080"]) == [false, true])
            #expect(throws: (any Error).self) { try SockstatCommand.parse(["--port", "70000"]) }
            #expect(try ExplainCommand.parse(["10.0.0.1", "--tcp", "80"]).request.ipProtocol == 6)
            #expect(try ExplainCommand.parse(["10.0.0.1", "--tcp", "80"]).request.destinationPort == 80)
            #expect(throws: (any Error).self) { try ExplainCommand.parse(["10.0.0.1", "--tcp", "80", "--udp", "1"]) }
        }
    }
#endif
