#if os(Linux)
    import Chimney
    import ChimneyPrimitives
    import JoinedStacks
    import Synchronization
    import Testing

    /// What tries to use sockets from within a stack, and what came of it.
    private final class Intruder: Sendable {
        struct Tally {
            var calls = 0
            /// Datagrams that the stack took which calls.
            var entered = 0
            var refused = 0
            /// Datagrams that another stack took.
            var sentElsewhere = 0
        }
        private struct Sockets {
            var own: UDPSocket?
            var other: UDPSocket?
            var stream: TCPSocket?
        }

        let tally = Mutex(Tally())
        private let sockets = Mutex(Sockets())

        /// Sockets of the stack that calls, and one of another stack on the same shard.
        func use(_ own: UDPSocket, other: UDPSocket) {
            sockets.withLock { ($0.own, $0.other) = (own, other) }
        }
        func use(_ stream: TCPSocket) { sockets.withLock { $0.stream = stream } }

        /// Called by the stack in the middle of its work.
        func intrude() {
            let sockets = sockets.withLock { $0 }
            guard let own = sockets.own, let other = sockets.other else { return }
            var came = Tally(calls: 1)
            func note(_ attempt: () throws -> Void) {
                do {
                    try attempt()
                    came.entered += 1
                } catch UDPError.notOnShard, TCPSocketError.notOnShard {
                    came.refused += 1
                } catch {
                    Issue.record(error)
                }
            }
            note { try own.trySend([1, 2, 3].span.octets) }
            note { _ = try own.tryReceive { $0.count } }
            if let stream = sockets.stream {
                note { _ = try stream.tryWrite([1].span.octets) }
                note { _ = try stream.tryRead { _ in } }
            }
            if (try? other.trySend([1, 2, 3].span.octets)) != nil { came.sentElsewhere += 1 }
            tally.withLock {
                $0.calls += came.calls
                $0.entered += came.entered
                $0.refused += came.refused
                $0.sentElsewhere += came.sentElsewhere
            }
        }
    }

    /// A module that intrudes with each segment.
    private final class IntrudingModule: TCPHooks {
        let intruder: Intruder
        init(_ intruder: Intruder) { self.intruder = intruder }

        func watcher(ofConnection number: UInt64, in state: TCPFlowState, at now: Instant) -> (any TCPWatcher)? {
            Watcher(intruder: intruder)
        }

        struct Watcher: TCPWatcher {
            let intruder: Intruder
            mutating func segmentSeen(_ segment: TCPSeenSegment, in state: TCPFlowState) { intruder.intrude() }
        }
    }

    /// A congestion control that intrudes with each acknowledgement, and when it is asked how fast to send.
    private struct IntrudingControl: CongestionControl {
        let intruder: Intruder
        var cwnd = 1 << 20
        var ssthresh = Int.largestWindow

        init(_ intruder: Intruder) { self.intruder = intruder }

        mutating func established(_ start: CongestionStart, at now: Instant) {}
        mutating func ackArrived(_ sample: AckSample, at now: Instant) { intruder.intrude() }
        mutating func congested(by signal: CongestionSignal, at now: Instant) {}
        var pacingRate: UInt64? {
            intruder.intrude()
            return nil
        }
    }

    /// Whether a stack is lent to a closure of a test.
    private final class Loan: Sendable {
        let isLent = Atomic(false)
    }

    @Suite struct ReentryTests {
        /// What is called from the middle of a stack's work may use other stacks, and this one by calls that wait.
        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases, [false, true])
        func whatAStackCallsDoesNotEnterItAgain(_ family: Family, asCongestionControl: Bool) async throws {
            let world = try await TwoStacks(family)
            let intruder = Intruder()
            let own = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.red)
            try await own.connect(to: Endpoint(family.blue, 9))
            let other = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.blue)
            try await other.connect(to: Endpoint(family.red, 9))
            var settings = TCPSettings()
            if asCongestionControl {
                settings.recovery.congestion = .other(
                    OtherCongestionAlgorithm(name: "intruder") { IntrudingControl(intruder) })
            } else {
                try await world.red.perform { stack, _ in try stack.register(IntrudingModule(intruder)) }
            }
            let listener = try await TCPListener.bound(to: Endpoint(port: 80), on: world.blue)
            let client = try await TCPSocket.connect(
                to: Endpoint(family.blue, 80), on: world.red, settings: settings, deadline: TwoStacks.patience)
            let server = try await listener.accept(deadline: TwoStacks.patience)
            intruder.use(own, other: other)
            intruder.use(client)
            for _ in 0..<3 {
                try await client.write([1, 2, 3], deadline: TwoStacks.patience)
                #expect(try await server.read(deadline: TwoStacks.patience) == [1, 2, 3])
                try await server.write([4], deadline: TwoStacks.patience)
                #expect(try await client.read(deadline: TwoStacks.patience) == [4])
                _ = try await client.snapshot
            }
            let tally = intruder.tally.withLock { $0 }
            #expect(tally.calls > 0 && tally.entered == 0 && tally.refused == 4 * tally.calls)
            #expect(tally.sentElsewhere == tally.calls)
            // Outside of the stack's work, the same socket sends on the same thread.
            try await Task(executorPreference: world.shard) { try own.trySend([1].span.octets) }.value
            await world.shard.stop()
        }

        /// A closure that a stack is lent to may begin what waits; it is done once the stack is free.
        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func callsThatWaitMayBeginWhileTheStackIsLent(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let socket = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.blue)
            let client = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.red)
            let listener = try await TCPListener.bound(to: Endpoint(port: 80), on: world.red)
            try await socket.send([5], to: Endpoint(family.red, 9))
            try await client.waitUntilReadable(deadline: TwoStacks.patience)
            let red = world.red
            let loan = Loan()
            let (sending, asking, waiting) = try await red.perform { _, _ in
                loan.isLent.store(true, ordering: .relaxed)
                defer { loan.isLent.store(false, ordering: .relaxed) }
                let sending = Task.immediate { try await client.send([7], to: Endpoint(family.blue, 9)) }
                let asking = Task.immediate { try await red.perform { _, _ in loan.isLent.load(ordering: .relaxed) } }
                let items = [SocketPoll.Item(client), SocketPoll.Item(listener)]
                let waiting = Task.immediate {
                    try await SocketPoll.wait(for: items, deadline: Shard.clock + .seconds(1))
                }
                return (sending, asking, waiting)
            }
            try await sending.value
            #expect(try await asking.value == false)
            // What there was to read when the wait began is told.
            #expect(try await waiting.value == [.readable, []])
            #expect(try await socket.receive(deadline: TwoStacks.patience).bytes == [7])
            await world.shard.stop()
        }
    }
#endif
