#if os(Linux)
    import Chimney
    import ChimneyPrimitives
    import ChimneyRuntime
    import JoinedStacks
    import Testing

    @Suite struct ShardTests {
        @Test(.timeLimit(.minutes(1))) func snapshotFollowsTheConfiguration() async throws {
            let world = try await TwoStacks()
            let index = world.redInterface
            let before = world.red.snapshot
            try await world.red.perform { stack, _ in try stack.rename(index, to: "wan") }
            // The snapshot is published at the end of the round; this visit is in a later one.
            try await world.red.perform { _, _ in }
            let after = world.red.snapshot
            #expect(after.number > before.number)
            #expect(after.interfaces.map(\.name) == ["lo0", "wan"])
            #expect(after.interfaces[1].addresses.map(\.address) == [TwoStacks.redAddress])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1))) func cutDeviceIsReportedAndItsInterfaceGoesDown() async throws {
            let pipe = PipeEnds()
            let world = try await TwoStacks(pipe: pipe)
            // What is joined when a stack begins may still be told.
            var events = world.shard.events().filter { if case .membership = $0 { false } else { true } }
                .makeAsyncIterator()
            try await world.red.perform { _, _ in pipe.cut() }
            let first = await events.next()
            let second = await events.next()
            let expected: Set<StackEvent> = [
                .deviceGone(stack: "red", interface: 2, errno: 0), .deviceGone(stack: "blue", interface: 2, errno: 0),
            ]
            #expect(Set([first, second].compactMap(\.self)) == expected)
            let index = world.redInterface
            let isUp = try await world.red.perform { stack, _ in stack.interfaces.first { $0.index == index }?.isUp }
            #expect(isUp == false)
            let balance = try await world.red.perform { stack, _ in
                (stack.conservation.heldByLedger, stack.conservation.heldInFact)
            }
            #expect(balance.0 == balance.1)
            try await world.red.detach(index)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1))) func cableJoinsStacksOfOneShard() async throws {
            let network = try Network(shardCount: 2)
            let red = try await network.addStack(named: "red")
            let blue = try await network.addStack(named: "blue")
            let far = try await network.addStack(named: "far", onShard: 1)
            let eth0 = InterfaceDescription(name: "eth0", ipv6: .off)
            let (here, there) = try await red.connect(eth0, to: blue, eth0, mtu: 9_000)
            for (stack, index, address) in [(red, here, TwoStacks.redAddress), (blue, there, TwoStacks.blueAddress)] {
                try await stack.perform { stack, now in
                    try stack.addAddress(address, prefixLength: 24, to: index, at: now)
                }
            }
            let server = try await UDPSocket.bound(to: Endpoint(port: 9), on: blue)
            let client = try await UDPSocket.open(on: red)
            let bytes = [UInt8](repeating: 5, count: 8_000)
            try await client.send(bytes, to: Endpoint(TwoStacks.blueAddress, 9))
            #expect(try await server.receive(deadline: TwoStacks.patience).bytes == bytes)
            await #expect(throws: ShardError.differentShards) { try await red.connect(eth0, to: far, eth0) }
            // The first end is taken back when the second cannot be.
            let eth1 = InterfaceDescription(name: "eth1", ipv6: .off)
            await #expect(throws: InterfaceError.table(.nameInUse("eth0", by: there))) {
                try await red.connect(eth1, to: blue, eth0)
            }
            #expect(try await red.perform { stack, _ in stack.interface(named: "eth1") } == nil)
            try await blue.remove()
            await #expect(throws: ShardError.stackRemoved) { try await red.connect(eth1, to: blue, eth0) }
            await network.stop()
        }

        @Test(.timeLimit(.minutes(1))) func stoppedShardRefusesAndItsTasksStillEnd() async throws {
            let world = try await TwoStacks()
            let socket = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.blue)
            let waiting = Task(executorPreference: world.shard) { try await socket.receive() }
            let late = Task(executorPreference: world.shard) {
                try await Task.sleep(for: .milliseconds(200))
                return 7
            }
            try await Task.sleep(for: .milliseconds(20))
            await world.shard.stop()
            await world.shard.stop()
            await #expect(throws: UDPError.stackRemoved) { try await waiting.value }
            #expect(try await late.value == 7)
            await #expect(throws: ShardError.stopped) { try await world.red.perform { _, _ in } }
            await #expect(throws: ShardError.stopped) { try await world.shard.addStack(named: "green") }
        }

        @Test(.timeLimit(.minutes(1))) func nameOfAStackIsItsOwnUntilItIsRemoved() async throws {
            let shard = try Shard()
            let red = try await shard.addStack(named: "red")
            await #expect(throws: ShardError.nameInUse("red")) { try await shard.addStack(named: "red") }
            try await red.remove()
            await #expect(throws: ShardError.stackRemoved) { try await red.perform { _, _ in } }
            _ = try await shard.addStack(named: "red")
            await shard.stop()
        }

        @Test(.timeLimit(.minutes(1))) func actorOnAShardRunsOnItsThread() async throws {
            actor Counter {
                let shard: Shard
                var count = 0
                init(shard: Shard) { self.shard = shard }
                nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe shard.asUnownedSerialExecutor() }
                func add() -> Bool {
                    count += 1
                    return shard.isCurrent
                }
                nonisolated func assumed() -> Bool { assumeIsolated { $0.shard.isCurrent } }
            }
            let shard = try Shard()
            let counter = Counter(shard: shard)
            for _ in 0..<100 { #expect(await counter.add()) }
            #expect(await counter.count == 100)
            #expect(await Task(executorPreference: shard) { counter.assumed() }.value)
            await shard.stop()
        }

        @Test(.timeLimit(.minutes(1))) func captureHasWhatPassedBothWays() async throws {
            final class Sink: @unchecked Sendable {
                // Touched by the shard's thread, and after the capture has ended by the test.
                var bytes: [UInt8] = []
            }
            let sink = Sink()
            let world = try await TwoStacks()
            let capture = try await world.red.beginCapture(on: world.redInterface) { sink.bytes += $0 }
            let server = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.blue)
            let client = try await UDPSocket.open(on: world.red)
            try await client.send([1, 2, 3], to: Endpoint(TwoStacks.blueAddress, 9))
            _ = try await server.receive(deadline: TwoStacks.patience)
            try await world.red.endCapture(capture)
            await world.shard.stop()
            var reader = try CaptureReader(sink.bytes)
            var seen: [(isDatagram: Bool, direction: CaptureDirection)] = []
            while let packet = try reader.next() {
                seen.append((sink.bytes[packet.range].suffix(3) == [1, 2, 3], packet.direction))
            }
            // The question who has the address and the answer come before the datagram; announcements may come in between.
            let datagrams = seen.filter(\.isDatagram).map(\.direction)
            let before = seen.prefix { !$0.isDatagram }.map(\.direction)
            #expect(datagrams == [.outbound])
            #expect(before.contains(.outbound) && before.contains(.inbound))
            #expect(reader.interfaces.map(\.name) == ["eth0"])
        }

        @Test(.timeLimit(.minutes(1))) func spinningShardAnswersToo() async throws {
            var settings = ShardSettings()
            settings.spin = .milliseconds(50)
            settings.processor = 0
            let world = try await TwoStacks(settings: settings)
            #expect(try await world.red.perform { stack, _ in stack.name } == "red")
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1))) func whatFindsNoDeadlineIsCalledInTheNextRound() async throws {
            final class Target: Alarmed, @unchecked Sendable {
                // Touched by the shard's thread only.
                var names: [UInt64] = []
                func alarmFired(_ name: UInt64, at now: Instant) { names.append(name) }
            }
            var settings = ShardSettings()
            settings.alarmsMax = 1
            let shard = try Shard(settings: settings)
            let stack = try await shard.addStack(named: "red")
            let target = Target()
            func call(_ name: UInt64, at deadline: Instant) async throws -> Bool {
                try await stack.onShard { cell, shard in
                    let timer = shard.callAgain(target, of: cell, name: name, at: deadline)
                    return timer != nil && target.names.isEmpty
                }
            }
            #expect(try await call(1, at: .never))
            #expect(try await call(2, at: .never) == false)
            #expect(try await stack.onShard { _, _ in target.names } == [2])
            await shard.stop()
        }
    }
#endif
