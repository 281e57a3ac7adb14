#if os(Linux)
    import Chimney
    import Synchronization
    import Testing

    /// A device that carries nothing, notes what it is told to let in, and names two groups only.
    private final class NotingDevice: LinkDriver {
        let kind = LinkKind.ethernet
        let capabilities = LinkCapabilities()
        let descriptor: Int32? = nil
        let mtu = 1_500
        let mac: MACAddress? = MACAddress(bits: 0x0200_0000_0001)
        let groupAddressesMax: Int?
        private let notes: Notes

        /// What a test and the device on its shard's thread share.
        final class Notes: Sendable {
            struct State {
                var told: [LinkFilterChange] = []
                var places = 2
                var failure: LinkDriverError?
            }
            let state = Mutex(State())

            /// What the device was told since the last call.
            func take() -> [LinkFilterChange] {
                state.withLock { state in
                    defer { state.told = [] }
                    return state.told
                }
            }
        }

        init(naming max: Int?, _ notes: Notes) {
            groupAddressesMax = max
            self.notes = notes
        }

        func receive(
            into queue: inout PacketQueue, packetsMax: Int, pool: PacketPool, at now: Instant
        ) throws(LinkDriverError) -> Int { 0 }

        func transmit(_ queue: inout PacketQueue) throws(LinkDriverError) { queue.removeAll() }

        func setFilter(_ change: LinkFilterChange) throws(LinkDriverError) -> Bool {
            let failure = notes.state.withLock { $0.failure }
            if let failure { throw failure }
            return notes.state.withLock { state in
                state.told.append(change)
                switch change {
                case .admit:
                    if state.places == 0 { return false }
                    state.places -= 1
                case .refuse: state.places += 1
                case .allMulticast, .promiscuous: break
                }
                return true
            }
        }
    }

    private func group(_ last: UInt8) -> IPAddress { .v4(IPv4Address(239, 0, 1, last)) }
    private func mac(_ last: UInt8) -> MACAddress { MACAddress(group: IPv4Address(239, 0, 1, last)) }
    private let allSystems = MACAddress(group: IPv4Address(224, 0, 0, 1))

    /// A stack with one such device and no IPv6.
    private struct World {
        let shard: Shard
        let stack: StackHandle
        let notes = NotingDevice.Notes()
        let index: InterfaceIndex

        init(naming max: Int?) async throws {
            shard = try Shard(name: "test")
            stack = try await shard.addStack(named: "red", random: StackRandom(seed: 1))
            index = try await stack.attach(
                NotingDevice(naming: max, notes), InterfaceDescription(name: "eth0", ipv6: .off))
        }

        /// What the device is told at the end of the round in which `body` runs.
        func told(_ body: @escaping @Sendable (inout VirtualStack, Instant) throws -> Void) async throws
            -> [LinkFilterChange]
        {
            try await stack.perform { stack, now in try body(&stack, now) }
            // This visit is in a later round.
            try await stack.perform { _, _ in }
            return notes.take()
        }

        func join(_ last: UInt8) async throws -> [LinkFilterChange] {
            try await told { [index] stack, now in
                try stack.join(group(last), on: .index(index), as: .administrator, at: now)
            }
        }

        func becomePromiscuous() async throws -> [LinkFilterChange] {
            try await told { [index] stack, _ in try stack.setPromiscuous(true, on: index) }
        }

        func leave(_ last: UInt8) async throws -> [LinkFilterChange] {
            try await told { [index] stack, now in
                try stack.leave(group(last), on: .index(index), as: .administrator, at: now)
            }
        }
    }

    @Suite struct FilterTests {
        @Test(.timeLimit(.minutes(1))) func deviceIsToldOfGroupsAtTheEndOfTheRound() async throws {
            let world = try await World(naming: 8)
            // Every host is in the group of all systems (RFC 1112 §4).
            #expect(try await world.told { _, _ in } == [.admit(allSystems)])
            #expect(try await world.join(1) == [.admit(mac(1))])
            #expect(try await world.becomePromiscuous() == [.promiscuous(true)])
            #expect(try await world.leave(1) == [.refuse(mac(1))])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1))) func deviceAtItsBoundLetsAllGroupsInUntilThereIsRoom() async throws {
            // It was thought to name more than it does.
            let world = try await World(naming: 8)
            _ = try await world.join(1)
            #expect(try await world.join(2) == [.admit(mac(2)), .allMulticast(true)])
            #expect(try await world.join(3) == [])
            // The group that waits longest takes the place, which is free before it is told.
            #expect(try await world.leave(1) == [.refuse(mac(1)), .admit(mac(2))])
            #expect(try await world.leave(3) == [.allMulticast(false)])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1))) func deviceThatLetsEverythingInIsToldNothing() async throws {
            let world = try await World(naming: nil)
            #expect(try await world.join(1) == [])
            #expect(try await world.leave(1) == [])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1))) func eventsOfGroupsThatCameAtOnceAreCountedBeyondTheirBound() async throws {
            let world = try await World(naming: nil)
            _ = try await world.told { _, _ in }
            var events = world.shard.events().makeAsyncIterator()
            try await world.stack.perform { [index = world.index] stack, now in
                for _ in 0..<150 {
                    try stack.join(group(1), on: .index(index), as: .administrator, at: now)
                    try stack.leave(group(1), on: .index(index), as: .administrator, at: now)
                }
            }
            var last: StackEvent?
            while let event = await events.next() {
                last = event
                if case .membershipsMissed = event { break }
            }
            #expect(last == .membershipsMissed(stack: "red", count: 44))
            _ = try await world.join(1)
            // Once told, they are not told again.
            guard case .membership(_, let event)? = await events.next() else {
                Issue.record("a join is an event")
                return
            }
            #expect(event.kind == .joined(group(1)))
            _ = try await world.leave(1)
            guard case .membership? = await events.next() else {
                Issue.record("a leave is an event")
                return
            }
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1))) func refusalOfTheSystemIsReportedAndTheGroupComesInWithAllOthers() async throws {
            let world = try await World(naming: 8)
            _ = try await world.told { _, _ in }
            var events = world.shard.events().filter { if case .membership = $0 { false } else { true } }
                .makeAsyncIterator()
            world.notes.state.withLock { $0.failure = .failed(errno: 22) }
            _ = try await world.join(1)
            for _ in 0..<2 {
                // The group, and then all groups.
                #expect(await events.next() == .filterFailed(stack: "red", interface: world.index.rawValue, errno: 22))
            }
            world.notes.state.withLock { $0.failure = .deviceGone(errno: 19) }
            _ = try await world.becomePromiscuous()
            #expect(await events.next() == .deviceGone(stack: "red", interface: world.index.rawValue, errno: 19))
            // Nobody is told any more, and the stack goes on.
            #expect(try await world.join(2) == [])
            await world.shard.stop()
        }
    }
#endif
