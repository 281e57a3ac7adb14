#if os(Linux)
    import Chimney
    import ChimneyPrimitives
    import ChimneyRuntime
    import Glibc
    import JoinedStacks
    import Synchronization
    import Testing

    /// A device that takes a frame at every fourth call.
    private final class SlowDriver: LinkDriver {
        /// How it says that it did not take everything.
        enum Refusal: CaseIterable, Sendable {
            /// It says that it would have to wait.
            case said
            /// It leaves the rest in the queue, and that is all.
            case left
        }

        /// How many frames it took; read by the test meanwhile.
        final class Count: Sendable {
            let value = Atomic(0)
        }

        let descriptor: Int32?
        var kind: LinkKind { .ip }
        var capabilities: LinkCapabilities { [] }
        var mtu: Int { 1_500 }
        var mac: MACAddress? { nil }
        private let refusal: Refusal
        private let taken: Count
        private var calls = 0

        init(_ refusal: Refusal, descriptor: Int32?, taken: Count) {
            self.refusal = refusal
            self.descriptor = descriptor
            self.taken = taken
        }

        func receive(
            into queue: inout PacketQueue, packetsMax: Int, pool: PacketPool, at now: Instant
        ) throws(LinkDriverError) -> Int { 0 }

        func transmit(_ queue: inout PacketQueue) throws(LinkDriverError) {
            calls += 1
            if calls % 4 == 0 {
                _ = queue.removeFirst()
                taken.value.wrappingAdd(1, ordering: .relaxed)
            }
            if refusal == .said, !queue.isEmpty { throw .wouldBlock }
        }
    }

    /// What becomes of frames that a device does not take at once.
    @Suite struct FullDeviceTests {
        /// Sends so many datagrams in one visit to the shard; how many the stack refused.
        private func send(_ count: Int, from socket: UDPSocket, on shard: Shard) async -> Int {
            await Task(executorPreference: shard) {
                var refused = 0
                for _ in 0..<count {
                    do throws(UDPError) { try socket.trySend(bytes.span.octets) } catch { refused += 1 }
                }
                return refused
            }.value
        }

        private var bytes: [UInt8] { [UInt8](repeating: 7, count: 20) }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func framesThatAFullCableDidNotTakeLeaveOnceThereIsRoom(_ family: Family) async throws {
            final class Sink: @unchecked Sendable {
                // Touched by the shard's thread, and after the capture has ended by the test.
                var bytes: [UInt8] = []
            }
            let sink = Sink()
            let world = try await TwoStacks(family, pipe: PipeEnds(packetsMax: 8))
            let client = try await UDPSocket.open(on: world.red)
            try await client.connect(to: Endpoint(family.blue, 9))
            let server = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.blue)
            // The neighbour is known from here on.
            try await client.send([1])
            _ = try await server.receive(deadline: TwoStacks.patience)
            let capture = try await world.red.beginCapture(on: world.redInterface) { sink.bytes += $0 }
            for count in [500, 50] { #expect(await send(count, from: client, on: world.shard) == 0) }
            var count = 0
            while count < 550 {
                // Nobody asks the sender's stack for anything meanwhile.
                count += try await server.receiveBatch(max: 64, deadline: Shard.clock + .seconds(5)).count
            }
            #expect(count == 550)
            try await world.red.endCapture(capture)
            await world.shard.stop()
            // Each frame is captured once, however long it waited.
            var reader = try CaptureReader(sink.bytes)
            var captured = 0
            let size = 14 + (family == .ipv4 ? 20 : 40) + 8 + bytes.count
            while let packet = try reader.next() {
                if packet.direction == .outbound, packet.originalByteCount == size { captured += 1 }
            }
            #expect(captured == 550)
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func boundOfTheStackHoldsForAFullCableToo(_ family: Family) async throws {
            let world = try await TwoStacks(family, pipe: PipeEnds(packetsMax: 8))
            let client = try await UDPSocket.open(on: world.red)
            try await client.connect(to: Endpoint(family.blue, 9))
            let server = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.blue)
            try await client.send([1])
            _ = try await server.receive(deadline: TwoStacks.patience)
            // Nobody is behind the cable any more.
            try await world.blue.detach(world.blueInterface)
            for _ in 0..<5 { _ = await send(4_000, from: client, on: world.shard) }
            let (shard, index) = (world.shard, world.redInterface)
            let (inUse, drops, isBalanced) = try await world.red.perform { stack, _ in
                let balance = stack.conservation
                let drops = stack.interfaces.first { $0.index == index }?.counters.transmitDrops ?? 0
                return (shard.pool.inUse, drops, balance.heldByLedger == balance.heldInFact)
            }
            // As many wait in the stack, and were taken out of it once.
            let settings = StackSettings()
            #expect(inUse <= 2 * settings.transmitPacketsMax + 100)
            #expect(drops > 0 && isBalanced)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases, SlowDriver.Refusal.allCases)
        private func deviceThatTakesFewAtATimeGetsAll(_ family: Family, _ refusal: SlowDriver.Refusal) async throws {
            // A device without a descriptor, and one with a descriptor that always says that it can be written.
            var ends: [Int32] = [-1, -1]
            #expect(unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            defer { for end in ends { close(end) } }
            for descriptor in [nil, ends[0]] {
                let shard = try Shard(name: "test")
                let stack = try await shard.addStack(
                    named: "red", settings: TwoStacks.settings, random: StackRandom(seed: 1))
                let taken = SlowDriver.Count()
                let driver = SlowDriver(refusal, descriptor: descriptor, taken: taken)
                _ = try await TwoStacks.join(stack, driver, family.red)
                let client = try await UDPSocket.open(on: stack)
                try await client.connect(to: Endpoint(family.blue, 9))
                #expect(await send(20, from: client, on: shard) == 0)
                // The stack is asked for nothing while its frames leave.
                for _ in 0..<2_000 where taken.value.load(ordering: .relaxed) < 20 {
                    try await Task.sleep(for: .milliseconds(5))
                }
                #expect(taken.value.load(ordering: .relaxed) >= 20, "with descriptor \(descriptor ?? -1)")
                await shard.stop()
            }
        }
    }
#endif
