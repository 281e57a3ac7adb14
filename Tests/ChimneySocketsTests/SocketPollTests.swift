#if os(Linux)
    import Chimney
    import JoinedStacks
    import Testing

    @Suite struct SocketPollTests {
        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func firstReadySocketEndsTheWait(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let listener = try await TCPListener.bound(to: Endpoint(port: 7), on: world.blue)
            let datagrams = try await UDPSocket.bound(to: Endpoint(port: 7), on: world.blue)
            let both = [SocketPoll.Item(listener), SocketPoll.Item(datagrams)]
            // A deadline that has passed asks without waiting.
            #expect(try await SocketPoll.wait(for: both, deadline: .zero) == [[], []])
            #expect(try await SocketPoll.wait(for: both, deadline: Shard.clock + .milliseconds(5)) == [[], []])
            #expect(try await SocketPoll.wait(for: []) == [])

            let connecting = Task { try await SocketPoll.wait(for: both, deadline: TwoStacks.patience) }
            let client = try await TCPSocket.connect(to: Endpoint(family.blue, 7), on: world.red)
            #expect(try await connecting.value == [.readable, []])
            let server = try await listener.accept()

            let waiting = Task { try await SocketPoll.wait(for: both, deadline: TwoStacks.patience) }
            let sender = try await UDPSocket.open(on: world.red)
            try await sender.send([1], to: Endpoint(family.blue, 7))
            #expect(try await waiting.value == [[], .readable])

            let ends = [SocketPoll.Item(listener), SocketPoll.Item(server, for: [.readable, .writable])]
            #expect(try await SocketPoll.wait(for: ends) == [[], .writable])
            let reading = [SocketPoll.Item(server)]
            let data = Task { try await SocketPoll.wait(for: reading, deadline: TwoStacks.patience) }
            try await client.write([1])
            #expect(try await data.value == [.readable])
            #expect(try await server.read() == [1])
            let end = Task { try await SocketPoll.wait(for: reading, deadline: TwoStacks.patience) }
            try await client.shutdown()
            #expect(try await end.value == [[.readable, .hungUp]])
            await client.abort()
            while try await server.snapshot.tcp.failure == nil { await Task.yield() }
            #expect(try await SocketPoll.wait(for: reading) == [[.readable, .hungUp, .failed]])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func waitForRoomEndsWhenThereIsSome(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            var settings = TCPSettings()
            settings.sendBufferMax = 1_000
            settings.receiveBufferMax = 1_000
            let listener = try await TCPListener.bound(to: Endpoint(port: 7), on: world.blue, settings: settings)
            let client = try await TCPSocket.connect(to: Endpoint(family.blue, 7), on: world.red, settings: settings)
            let server = try await listener.accept()
            try await client.write([UInt8](repeating: 1, count: 1_000))
            while try await client.snapshot.tcp.sendQueueBytes > 0 { await Task.yield() }
            try await client.write([UInt8](repeating: 2, count: 1_000))
            let item = SocketPoll.Item(client, for: .writable)
            #expect(try await SocketPoll.wait(for: [item], deadline: Shard.clock + .milliseconds(20)) == [[]])
            let waiting = Task { try await SocketPoll.wait(for: [item], deadline: TwoStacks.patience) }
            while try await server.read(max: 100, deadline: Shard.clock + .milliseconds(500)) != nil {
                if waiting.isCancelled { break }
                if try await server.snapshot.tcp.receiveQueueBytes == 0 { break }
            }
            #expect(try await waiting.value == [.writable])
            await world.shard.stop()
        }

        /// As with `poll`, who waits for room alone is not woken because the peer has no more to say.
        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func halfClosedConnectionIsWaitedForUntilThereIsRoom(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            var settings = TCPSettings()
            settings.sendBufferMax = 1_000
            settings.receiveBufferMax = 1_000
            let listener = try await TCPListener.bound(to: Endpoint(port: 7), on: world.blue, settings: settings)
            let client = try await TCPSocket.connect(
                to: Endpoint(family.blue, 7), on: world.red, settings: settings, deadline: TwoStacks.patience)
            let server = try await listener.accept(deadline: TwoStacks.patience)
            try await client.shutdown(.writing)
            #expect(try await server.read(deadline: TwoStacks.patience) == nil)
            // The client does not read: its buffer fills, and then the server's.
            try await server.write([UInt8](repeating: 1, count: 1_000), deadline: TwoStacks.patience)
            while try await server.snapshot.tcp.sendQueueBytes > 0 { try await Task.sleep(for: .milliseconds(1)) }
            try await server.write([UInt8](repeating: 2, count: 1_000), deadline: TwoStacks.patience)
            func ready(
                _ interest: SocketReadiness, within span: TimeSpan = .milliseconds(50)
            ) async throws -> SocketReadiness {
                try await SocketPoll.wait(
                    for: [SocketPoll.Item(server, for: interest)], deadline: Shard.clock + span)[0]
            }
            #expect(try await ready(.writable) == [])
            #expect(try await ready([]) == [])
            #expect(try await ready(.hungUp) == .hungUp)
            #expect(try await ready(.readable) == [.readable, .hungUp])
            #expect(try await ready([.readable, .writable]) == [.readable, .hungUp])
            let reader = Task {
                var count = 0
                while count < 2_000, let bytes = try await client.read(deadline: TwoStacks.patience) {
                    count += bytes.count
                }
                return count
            }
            #expect(try await ready(.writable, within: .seconds(30)) == .writable)
            #expect(try await reader.value == 2_000)
            // Once nothing can be written either, everybody is told.
            try await server.shutdown(.writing)
            #expect(try await ready([]) == .hungUp)
            #expect(try await ready(.writable) == [.writable, .hungUp])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func waitForWhichThereIsNoDeadlineLeftIsRefused(_ family: Family) async throws {
            var settings = ShardSettings()
            settings.alarmsMax = 1
            let world = try await TwoStacks(family, settings: settings)
            let listener = try await TCPListener.bound(to: Endpoint(port: 7), on: world.blue)
            let socket = try await UDPSocket.bound(to: Endpoint(port: 7), on: world.blue)
            // It is on its way to the shard before those that follow.
            let first = Task.immediate { try await socket.waitUntilReadable(deadline: TwoStacks.patience) }
            await #expect(throws: UDPError.tooManyWaiters(max: 1)) {
                try await socket.receive(deadline: TwoStacks.patience)
            }
            await #expect(throws: TCPSocketError.tooManyWaiters(max: 1)) {
                try await listener.accept(deadline: TwoStacks.patience)
            }
            await #expect(throws: SocketPollError.tooManyWaiters(max: 1)) {
                try await SocketPoll.wait(for: [SocketPoll.Item(listener)], deadline: TwoStacks.patience)
            }
            // The first wait goes on, and gives its deadline to the next.
            let client = try await UDPSocket.open(on: world.red)
            try await client.send([1], to: Endpoint(family.blue, 7))
            try await first.value
            #expect(try await socket.receive(deadline: TwoStacks.patience).bytes == [1])
            await #expect(throws: UDPError.deadlinePassed) {
                try await socket.receive(deadline: Shard.clock + .milliseconds(5))
            }
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)))
        func boundsAndCancellationAreTyped() async throws {
            let world = try await TwoStacks()
            let listener = try await TCPListener.bound(to: Endpoint(port: 7), on: world.blue)
            let item = SocketPoll.Item(listener)
            let many = Array(repeating: item, count: SocketPoll.socketsMax + 1)
            await #expect(throws: SocketPollError.tooManySockets(max: SocketPoll.socketsMax)) {
                try await SocketPoll.wait(for: many)
            }
            let elsewhere = try await TwoStacks()
            let other = try await TCPListener.bound(to: Endpoint(port: 7), on: elsewhere.blue)
            await #expect(throws: SocketPollError.differentShards) {
                try await SocketPoll.wait(for: [item, SocketPoll.Item(other)])
            }
            for _ in 0..<50 {
                let waiting = Task { try await SocketPoll.wait(for: [item]) }
                waiting.cancel()
                await #expect(throws: SocketPollError.cancelled) { try await waiting.value }
            }
            let refused = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<TCPSocket.waitersMax + 2 {
                    group.addTask {
                        do {
                            _ = try await SocketPoll.wait(for: [item], deadline: TwoStacks.patience)
                            return false
                        } catch SocketPollError.tooManyWaiters(max: TCPSocket.waitersMax) {
                            return true
                        }
                    }
                }
                var refused = 0
                while refused < 2, let isRefused = try await group.next() { if isRefused { refused += 1 } }
                await listener.close()
                for try await isRefused in group where isRefused { refused += 1 }
                return refused
            }
            #expect(refused == 2)
            await world.shard.stop()
            await elsewhere.shard.stop()
        }
    }
#endif
