#if os(Linux)
    import Chimney
    import ChimneyPrimitives
    import JoinedStacks
    import Testing

    /// A sum that depends on every byte and its place (FNV-1a).
    private struct StreamHash {
        private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325
        private(set) var count = 0

        mutating func take(_ bytes: [UInt8]) {
            for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
            count += bytes.count
        }
    }

    /// Signs with a sum of all bytes, which is enough to tell one key from another.
    private struct SumSigner: SegmentSigner {
        func digest(of feed: (_ add: (RawSpan) -> Void) -> Void) -> SegmentDigest {
            var hash = StreamHash()
            feed { piece in hash.take(unsafe piece.withUnsafeBytes { unsafe Array($0) }) }
            return SegmentDigest(high: hash.value, low: UInt64(hash.count))
        }
    }

    /// Bytes that do not repeat within a buffer's length.
    private func block(_ number: Int, count: Int = 65_536) -> [UInt8] {
        var state = UInt64(number) &* 0x9E37_79B9_7F4A_7C15 | 1
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }

    /// Answers every connection of a listener with what it sends, until the listener is closed.
    private func startEcho(on stack: StackHandle, port: UInt16 = 7, backlogMax: Int = 128) async throws -> TCPListener {
        let listener = try await TCPListener.bound(to: Endpoint(port: port), on: stack, backlogMax: backlogMax)
        Task(executorPreference: stack.shard) {
            await withTaskGroup(of: Void.self) { group in
                while let socket = try? await listener.accept(deadline: TwoStacks.patience) {
                    group.addTask(executorPreference: stack.shard) {
                        do {
                            while let bytes = try await socket.read() { try await socket.write(bytes) }
                            try await socket.shutdown()
                        } catch {}
                        await socket.close()
                    }
                }
            }
        }
        return listener
    }

    /// A connection from red to blue, by both ends.
    private func pair(
        _ world: TwoStacks, _ family: Family, settings: TCPSettings? = nil
    ) async throws -> (client: TCPSocket, server: TCPSocket) {
        let listener = try await TCPListener.bound(to: Endpoint(port: 0), on: world.blue, settings: settings)
        let client = try await TCPSocket.connect(
            to: Endpoint(family.blue, listener.local.port), on: world.red, settings: settings,
            deadline: TwoStacks.patience)
        let server = try await listener.accept(deadline: TwoStacks.patience)
        await listener.close()
        return (client, server)
    }

    private func connectionCount(_ stack: StackHandle) async throws -> Int {
        try await stack.perform { stack, _ in stack.tcpSummary.connections }
    }

    /// Waits, for a time, until a stack holds so many connections.
    private func settles(_ stack: StackHandle, at count: Int) async throws -> Bool {
        for _ in 0..<2_000 {
            if try await connectionCount(stack) == count { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    @Suite struct TCPSocketTests {
        @Test(.timeLimit(.minutes(2)), arguments: Family.allCases)
        func tenMegabytesComeBackAsTheyWere(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let echo = try await startEcho(on: world.blue)
            let client = try await TCPSocket.connect(to: Endpoint(family.blue, 7), on: world.red)
            #expect(client.remote == Endpoint(family.blue, 7))
            #expect(client.local.address == family.red)
            let writer = Task {
                var hash = StreamHash()
                for number in 0..<160 {
                    let bytes = block(number)
                    hash.take(bytes)
                    try await client.write(bytes, deadline: TwoStacks.patience)
                }
                try await client.shutdown()
                return hash
            }
            var received = StreamHash()
            while let bytes = try await client.read(deadline: TwoStacks.patience) { received.take(bytes) }
            let sent = try await writer.value
            #expect(received.count == 10_485_760)
            #expect(received.value == sent.value)
            await client.close()
            await echo.close()
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func taskOnTheShardNeverLeavesItsThreadAndCopiesNothing(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let (client, server) = try await pair(world, family)
            let hashes = try await Task(executorPreference: world.shard) {
                var sent = StreamHash(), received = StreamHash()
                for number in 0..<200 {
                    let bytes = block(number, count: 5_000)
                    sent.take(bytes)
                    #expect(try client.tryWrite(bytes.span.octets) == bytes.count)
                    while received.count < sent.count {
                        try await server.waitUntilReadable(deadline: TwoStacks.patience)
                        #expect(world.shard.isCurrent)
                        let count = try server.tryRead { piece in
                            received.take(unsafe piece.withUnsafeBytes { unsafe Array($0) })
                        }
                        #expect(count ?? 0 > 0)
                        #expect(try server.tryRead { _ in } == nil)
                    }
                }
                return (sent, received)
            }.value
            #expect(hashes.0.count == 1_000_000)
            #expect(hashes.0.value == hashes.1.value)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func packetsAreHandedOnFromOneConnectionToAnotherWithoutACopy(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let (client, server) = try await pair(world, family)
            let bytes = block(1)
            try await client.write(bytes)
            try await client.shutdown()
            let back = try await Task(executorPreference: world.shard) {
                var queue = PacketQueue()
                while true {
                    try await server.waitUntilReadable(deadline: TwoStacks.patience)
                    if try server.tryRead(into: &queue) == 0 { break }
                    while !queue.isEmpty {
                        try await server.waitUntilWritable(deadline: TwoStacks.patience)
                        #expect(try server.tryWrite(from: &queue) > 0)
                    }
                }
                try await server.shutdown()
                var target = [UInt8](repeating: 0, count: 100_000)
                var count = 0
                while true {
                    try await client.waitUntilReadable(deadline: TwoStacks.patience)
                    var span = target.mutableSpan
                    var octets = span.mutableOctets
                    var rest = octets._mutatingExtracting(count..<octets.byteCount)
                    guard let more = try client.tryRead(into: &rest), more > 0 else { break }
                    count += more
                }
                return Array(target.prefix(count))
            }.value
            #expect(back == bytes)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func eachWayEndsByItself(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let (client, server) = try await pair(world, family)
            try await client.write([1, 2, 3])
            try await client.shutdown()
            await #expect(throws: TCPSocketError.shutDown) { try await client.write([4]) }
            #expect(try await server.read(deadline: TwoStacks.patience) == [1, 2, 3])
            #expect(try await server.read(deadline: TwoStacks.patience) == nil)
            // The other way is open as long as the server wants it to be.
            try await server.write([5, 6])
            #expect(try await client.read(max: 1, deadline: TwoStacks.patience) == [5])
            #expect(try await client.read(max: 1, deadline: TwoStacks.patience) == [6])
            try await server.shutdown()
            #expect(try await client.read(deadline: TwoStacks.patience) == nil)
            #expect(try await client.read(deadline: TwoStacks.patience) == nil)
            await client.close()
            await server.close()
            await #expect(throws: TCPSocketError.closed) { try await client.read() }
            #expect(try await settles(world.red, at: 0))
            #expect(try await settles(world.blue, at: 0))
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func whoReadsNoMoreIsAtTheEndAndThePeerIsToldByReset(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let (client, server) = try await pair(world, family)
            let waiting = Task { try await server.read(deadline: TwoStacks.patience) }
            try await Task.sleep(for: .milliseconds(5))
            try await server.shutdown(.reading)
            #expect(try await waiting.value == nil)
            try await client.write([1])
            await #expect(throws: TCPSocketError.failed(.reset)) { try await client.read(deadline: TwoStacks.patience) }
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func everyRefusalIsTypedAndHasANameOfBSD(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            func refusal(_ body: () async throws(TCPSocketError) -> Void) async -> TCPSocketError? {
                do throws(TCPSocketError) {
                    try await body()
                    return nil
                } catch { return error }
            }
            let closed = await refusal { () async throws(TCPSocketError) in
                _ = try await TCPSocket.connect(to: Endpoint(family.blue, 99), on: world.red)
            }
            #expect(closed == .failed(.refused) && closed?.errorName == .connectionRefused)
            let nowhere = await refusal { () async throws(TCPSocketError) in
                _ = try await TCPSocket.connect(to: Endpoint(family.unreachable, 1), on: world.red)
            }
            #expect(nowhere == .connect(.noRoute(family.unreachable)) && nowhere?.errorName == .networkUnreachable)
            let group = await refusal { () async throws(TCPSocketError) in
                _ = try await TCPSocket.connect(to: Endpoint(family.group, 1), on: world.red)
            }
            #expect(group?.errorName == .invalidArgument)
            let listener = try await TCPListener.bound(to: Endpoint(port: 9), on: world.blue)
            let taken = await refusal { () async throws(TCPSocketError) in
                _ = try await TCPListener.bound(to: Endpoint(port: 9), on: world.blue)
            }
            #expect(taken == .listen(.addressInUse(Endpoint(port: 9))) && taken?.errorName == .addressInUse)
            let foreign = await refusal { () async throws(TCPSocketError) in
                _ = try await TCPListener.bound(to: Endpoint(family.nobody, 9), on: world.blue)
            }
            #expect(foreign == .listen(.addressNotOurs(family.nobody)))
            #expect(foreign?.errorName == .addressNotAvailable)
            #expect(throws: TCPSocketError.notOnShard) { try listener.tryAccept() }
            await listener.close()
            await #expect(throws: TCPSocketError.closed) { try await listener.accept() }
            #expect(try await connectionCount(world.red) == 0)
            await world.shard.stop()
            await #expect(throws: TCPSocketError.stackRemoved) {
                try await TCPListener.bound(to: Endpoint(port: 9), on: world.red)
            }
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func peerThatGivesUpIsToldApartFromOneThatIsDone(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let (client, server) = try await pair(world, family)
            try await server.write([1])
            #expect(try await client.read(deadline: TwoStacks.patience) == [1])
            await server.abort()
            do throws(TCPSocketError) {
                _ = try await client.read(deadline: TwoStacks.patience)
                Issue.record("the connection was given up")
            } catch {
                #expect(error == .failed(.reset))
                #expect(error.errorName == .connectionReset)
            }
            await #expect(throws: TCPSocketError.failed(.reset)) { try await client.write([1]) }
            await client.close()
            #expect(try await settles(world.red, at: 0))
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func deadlinesEndWaitsAndTheConnectionGoesOn(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let (client, server) = try await pair(world, family)
            let start = Shard.clock
            await #expect(throws: TCPSocketError.deadlinePassed) {
                try await client.read(deadline: start + .milliseconds(30))
            }
            #expect(Shard.clock - start >= .milliseconds(30))
            await #expect(throws: TCPSocketError.deadlinePassed) { try await client.waitUntilReadable(deadline: .zero) }
            let listener = try await TCPListener.bound(to: Endpoint(port: 9), on: world.blue)
            await #expect(throws: TCPSocketError.deadlinePassed) {
                try await listener.accept(deadline: Shard.clock + .milliseconds(5))
            }
            try await server.write([7])
            #expect(try await client.read(deadline: TwoStacks.patience) == [7])
            // Nobody is there to answer a SYN.
            await #expect(throws: TCPSocketError.deadlinePassed) {
                try await TCPSocket.connect(
                    to: Endpoint(family.nobody, 9), on: world.red, deadline: Shard.clock + .milliseconds(30))
            }
            #expect(try await connectionCount(world.red) == 1)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func cancelledTaskGivesItsConnectionUp(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            for turn in 0..<50 {
                let connecting = Task {
                    try await TCPSocket.connect(to: Endpoint(family.nobody, 9), on: world.red)
                }
                if turn >= 25 {
                    // It has sent its SYN.
                    while try await connectionCount(world.red) == 0 { await Task.yield() }
                }
                connecting.cancel()
                await #expect(throws: TCPSocketError.cancelled) { try await connecting.value }
                #expect(try await connectionCount(world.red) == 0)
            }
            let (client, server) = try await pair(world, family)
            for _ in 0..<50 {
                let reading = Task { try await client.read() }
                reading.cancel()
                await #expect(throws: TCPSocketError.cancelled) { try await reading.value }
            }
            let patient = Task { try await client.read(deadline: TwoStacks.patience) }
            try await server.write([6])
            #expect(try await patient.value == [6])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func writerWaitsUntilTheReaderReads(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            var settings = TCPSettings()
            settings.sendBufferMax = 32_768
            settings.receiveBufferMax = 32_768
            let (client, server) = try await pair(world, family, settings: settings)
            let bytes = block(3, count: 1_000_000)
            let writer = Task { try await client.write(bytes, deadline: TwoStacks.patience) }
            let impatient = Task { try await client.waitUntilWritable(deadline: Shard.clock + .milliseconds(200)) }
            await #expect(throws: TCPSocketError.deadlinePassed) { try await impatient.value }
            // What neither end has room for was not taken.
            let held = try await client.snapshot.tcp.sendQueueBytes
            let waiting = try await server.snapshot.tcp.receiveQueueBytes
            #expect(held > 0 && held <= 32_768 && waiting > 0 && waiting <= 32_768)
            var received: [UInt8] = []
            while received.count < bytes.count, let more = try await server.read(deadline: TwoStacks.patience) {
                received += more
            }
            try await writer.value
            #expect(received == bytes)
            try await client.waitUntilWritable(deadline: TwoStacks.patience)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func waitForRoomEndsAfterAWriteThatFilledItExactly(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            var settings = TCPSettings()
            settings.sendBufferMax = 10_000
            settings.receiveBufferMax = 10_000
            let (client, server) = try await pair(world, family, settings: settings)
            // The reader's room and then the writer's own.
            try await client.write(block(1, count: 10_000))
            try await client.waitUntilWritable(deadline: TwoStacks.patience)
            while try await client.snapshot.tcp.sendQueueBytes > 0 { await Task.yield() }
            try await client.write(block(2, count: 10_000))
            let waiting = Task { try await client.waitUntilWritable(deadline: TwoStacks.patience) }
            try await Task.sleep(for: .milliseconds(5))
            var count = 0
            while count < 20_000, let bytes = try await server.read(deadline: TwoStacks.patience) {
                count += bytes.count
            }
            try await waiting.value
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func backlogBoundsThoseThatWaitToBeAccepted(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let listener = try await TCPListener.bound(to: Endpoint(port: 7), on: world.blue, backlogMax: 3)
            let peer = Endpoint(family.blue, 7)
            var clients: [TCPSocket] = []
            for _ in 0..<3 {
                clients.append(try await TCPSocket.connect(to: peer, on: world.red, deadline: TwoStacks.patience))
            }
            while try await listener.snapshot.waiting < 3 { await Task.yield() }
            // The SYN of one more is dropped, and comes again after a second.
            let fourth = Task { try await TCPSocket.connect(to: peer, on: world.red, deadline: TwoStacks.patience) }
            while try await listener.snapshot.overflows == 0 { await Task.yield() }
            #expect(try await listener.snapshot.waiting == 3)
            let first = try await listener.accept(deadline: TwoStacks.patience)
            #expect(first.remote == clients[0].local)
            clients.append(try await fourth.value)
            for client in clients { await client.close() }
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(2)), arguments: Family.allCases)
        func twoHundredConnectionsAtATimeEachGetTheirOwn(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let echo = try await startEcho(on: world.blue, backlogMax: 256)
            let good = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let client = try await TCPSocket.connect(
                            to: Endpoint(family.blue, 7), on: world.red, deadline: TwoStacks.patience)
                        let bytes = block(number, count: 3_000 + number)
                        try await client.write(bytes)
                        try await client.shutdown()
                        var received: [UInt8] = []
                        while let more = try await client.read(deadline: TwoStacks.patience) { received += more }
                        await client.close()
                        return received == bytes
                    }
                }
                var good = 0
                for try await isGood in group where isGood { good += 1 }
                return good
            }
            #expect(good == 200)
            #expect(try await settles(world.red, at: 0))
            #expect(try await settles(world.blue, at: 0))
            await echo.close()
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func removedStackTellsAllWhoWait(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            var settings = TCPSettings()
            settings.sendBufferMax = 1_000
            settings.receiveBufferMax = 1_000
            let (client, server) = try await pair(world, family, settings: settings)
            let listener = try await TCPListener.bound(to: Endpoint(port: 7), on: world.red)
            let reading = Task { _ = try await client.read() }
            let writing = Task { try await client.write(block(1)) }
            let accepting = Task { _ = try await listener.accept() }
            let connecting = Task { _ = try await TCPSocket.connect(to: Endpoint(family.nobody, 9), on: world.red) }
            let polling = Task { try await SocketPoll.wait(for: [.init(listener)]) }
            try await Task.sleep(for: .milliseconds(20))
            try await world.red.remove()
            for task in [reading, writing, accepting, connecting] {
                await #expect(throws: TCPSocketError.stackRemoved) { try await task.value }
            }
            #expect(try await polling.value == [[.readable, .hungUp]])
            await #expect(throws: TCPSocketError.stackRemoved) { try await client.snapshot }
            await client.close()
            await server.abort()
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func asManyTasksWaitAsMayAndEachGetsItsPart(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let (client, server) = try await pair(world, family)
            let answers = try await withThrowingTaskGroup(of: UInt8?.self) { group in
                for _ in 0..<TCPSocket.waitersMax + 3 {
                    group.addTask {
                        do {
                            return try await server.read(max: 1, deadline: TwoStacks.patience)?.first
                        } catch TCPSocketError.tooManyWaiters(max: TCPSocket.waitersMax) {
                            return nil
                        }
                    }
                }
                var refused = 0
                while refused < 3, let answer = try await group.next() { if answer == nil { refused += 1 } }
                try await client.write(Array(0..<UInt8(TCPSocket.waitersMax)))
                var answers: [UInt8] = []
                for try await answer in group { if let answer { answers.append(answer) } }
                return answers.sorted()
            }
            #expect(answers == Array(0..<UInt8(TCPSocket.waitersMax)))
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func socketThatNobodyHoldsIsClosed(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            var pair: (client: TCPSocket, server: TCPSocket)? = try await pair(world, family)
            try await pair?.client.write([1, 2])
            let server = try #require(pair?.server)
            pair = nil
            #expect(try await server.read(deadline: TwoStacks.patience) == [1, 2])
            #expect(try await server.read(deadline: TwoStacks.patience) == nil)
            await server.close()
            #expect(try await settles(world.red, at: 0))
            #expect(try await settles(world.blue, at: 0))
            // Also when that is in the middle of a closure that has the stack.
            final class Box: @unchecked Sendable { var socket: TCPSocket? }
            let box = Box()
            box.socket = try await self.pairClient(world, family)
            #expect(try await connectionCount(world.red) == 1)
            try await world.red.perform { _, _ in box.socket = nil }
            #expect(try await settles(world.red, at: 0))
            await world.shard.stop()
        }

        private func pairClient(_ world: TwoStacks, _ family: Family) async throws -> TCPSocket {
            let (client, server) = try await pair(world, family)
            await server.close()
            return client
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func listenerGivesItsConnectionsUntilItIsClosed(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let listener = try await TCPListener.bound(to: Endpoint(port: 7), on: world.blue)
            let serving = Task {
                var ports: [UInt16] = []
                for try await socket in listener.connections {
                    ports.append(socket.remote.port)
                    if ports.count == 3 { await listener.close() }
                }
                return ports
            }
            var clients: [TCPSocket] = []
            for _ in 0..<3 {
                clients.append(try await TCPSocket.connect(to: Endpoint(family.blue, 7), on: world.red))
            }
            #expect(try await serving.value == clients.map(\.local.port))
            await #expect(throws: TCPSocketError.failed(.refused)) {
                try await TCPSocket.connect(to: Endpoint(family.blue, 7), on: world.red)
            }
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func optionsReachTheConnection(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let (client, server) = try await pair(world, family)
            try await client.setNoDelay(true)
            try await client.setCorked(true)
            try await client.write([1])
            // A corked connection keeps what is less than a segment.
            #expect(try await client.snapshot.tcp.outstandingBytes == 0)
            try await client.setCorked(false)
            #expect(try await client.snapshot.tcp.sendQueueBytes <= 1)
            try await client.setTypeOfService(0xB8)
            try await client.setCongestionControl("reno")
            #expect(try await client.snapshot.recovery.algorithm == "reno")
            await #expect(throws: TCPSocketError.congestionControl(.unknown("best"))) {
                try await client.setCongestionControl("best")
            }
            await #expect(throws: TCPSocketError.congestionControl(.notAllowed("dctcp"))) {
                try await client.setCongestionControl("dctcp")
            }
            #expect(TCPSocketError.congestionControl(.unknown("best")).errorName == .noSuchEntry)
            var settings = TCPSettings()
            settings.sendBufferMax = 12_345
            try await client.setSettings(settings)
            let changed = try await client.stack.perform { stack, now in
                stack.tcpConnections(at: now).map { stack.settings(of: $0.id)?.sendBufferMax }
            }
            #expect(changed == [12_345])
            #expect(TCPSocketError.congestionControl(.notAllowed("dctcp")).errorName == .notPermitted)
            #expect(try await client.snapshot.recovery.algorithm == "reno")
            #expect(try await server.read(deadline: TwoStacks.patience) == [1])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func keysAreSetForTheStacksOfSockets(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let key = try TCPSignatureKey([1, 2, 3])
            await #expect(throws: TCPSocketError.signature(.noSigner)) {
                try await world.red.setSignatureKey(key, for: .host(family.blue))
            }
            #expect(TCPSocketError.signature(.noSigner).errorName == .protocolNotAvailable)
            try await world.red.setSignatureKey(key, for: .host(family.blue), signer: SumSigner())
            try await world.blue.setSignatureKey(key, for: .host(family.red), signer: SumSigner())
            let (client, server) = try await pair(world, family)
            #expect(try await client.snapshot.isSigned)
            try await client.write([7])
            #expect(try await server.read(deadline: TwoStacks.patience) == [7])
            try await world.red.setSignatureKey(nil, for: .host(family.blue))
            #expect(try await !client.snapshot.isSigned)
            await world.shard.stop()
        }
    }
#endif
