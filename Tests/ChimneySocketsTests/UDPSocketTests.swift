#if os(Linux)
    import Chimney
    import ChimneyPrimitives
    import JoinedStacks
    import Testing

    private let echoPort: UInt16 = 7

    /// Answers every datagram on port 7 of a stack until the socket is closed, on the shard's thread.
    private func startEcho(on stack: StackHandle) async throws -> UDPSocket {
        let socket = try await UDPSocket.bound(to: Endpoint(port: echoPort), on: stack)
        Task(executorPreference: stack.shard) { [weak socket] in
            while let current = socket {
                do {
                    try await current.waitUntilReadable(deadline: Shard.clock + .milliseconds(100))
                    while try current.tryReceive({ try? current.trySend($0.bytes, to: $0.source) }) != nil {}
                } catch UDPError.deadlinePassed {
                    continue
                } catch {
                    return
                }
            }
        }
        return socket
    }

    @Suite struct UDPSocketTests {
        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func datagramsGoThereAndBackInOrder(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let echo = try await startEcho(on: world.blue)
            let client = try await UDPSocket.open(on: world.red)
            try await client.connect(to: Endpoint(family.blue, echoPort))
            for number in 0..<200 as Range<UInt8> {
                try await client.send([number, 1, 2, 3])
                let answer = try await client.receive(deadline: TwoStacks.patience)
                #expect(answer.bytes == [number, 1, 2, 3])
                #expect(answer.peer == Endpoint(family.blue, echoPort))
            }
            await echo.close()
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func answerComesFromTheAddressThatWasAsked(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let second = family == .ipv4 ? IPAddress("10.0.0.9") : IPAddress("2001:db8::9")
            let asked = try #require(second)
            try await world.blue.perform { stack, now in
                guard let index = stack.interface(named: "eth0") else { return }
                switch asked {
                case .v4(let address): try stack.addAddress(address, prefixLength: 24, to: index, at: now)
                case .v6(let address): try stack.addAddress(address, prefixLength: 64, to: index, at: now)
                }
            }
            let server = try await UDPSocket.bound(to: Endpoint(port: echoPort), on: world.blue)
            let client = try await UDPSocket.open(on: world.red)
            try await client.connect(to: Endpoint(asked, echoPort))
            try await client.send([1])
            let question = try await server.receive(deadline: TwoStacks.patience)
            #expect(question.local.address == asked)
            try await server.answer(question, with: [2])
            let answer = try await client.receive(deadline: TwoStacks.patience)
            #expect(answer.bytes == [2] && answer.peer.address == asked)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func taskOnTheShardNeverLeavesItsThread(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let echo = try await startEcho(on: world.blue)
            let count = try await Task(executorPreference: world.shard) {
                let client = try await UDPSocket.bound(to: .any, on: world.red)
                var answers = 0
                for number in 0..<1_000 as Range<UInt32> {
                    #expect(world.shard.isCurrent)
                    let bytes: [UInt8] = [UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8)]
                    try client.trySend(bytes.span.octets, to: Endpoint(family.blue, echoPort))
                    let answer = try await client.receive(deadline: TwoStacks.patience)
                    #expect(world.shard.isCurrent)
                    if answer.bytes == bytes { answers += 1 }
                }
                return answers
            }.value
            #expect(count == 1_000)
            await echo.close()
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func tenThousandDatagramsFromAnotherThreadArriveOnceAndInOrder(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let server = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.blue)
            let client = try await UDPSocket.open(on: world.red)
            try await client.connect(to: Endpoint(family.blue, 9))
            // While the link address is asked for only the latest datagrams are kept.
            try await client.send([0])
            #expect(try await server.receive(deadline: TwoStacks.patience).bytes == [0])
            let reader = Task(executorPreference: world.shard) {
                var numbers: [UInt32] = []
                while numbers.count < 10_000 {
                    for message in try await server.receiveBatch(max: 64, deadline: TwoStacks.patience) {
                        numbers.append(message.bytes.reduce(0) { $0 << 8 | UInt32($1) })
                    }
                }
                return numbers
            }
            for start in stride(from: 0, to: 10_000, by: 50) {
                let batch = (start..<start + 50).map { number in
                    let number = UInt32(number)
                    let bytes: [UInt8] = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
                    return UDPMessage(bytes, to: Endpoint(family.blue, 9))
                }
                #expect(try await client.sendBatch(batch) == 50)
            }
            #expect(try await reader.value == Array(0..<10_000))
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func deadlineEndsAWaitAndAnEarlierDatagramDoesNotComeLate(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let socket = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.blue)
            let start = Shard.clock
            await #expect(throws: UDPError.deadlinePassed) {
                try await socket.receive(deadline: start + .milliseconds(30))
            }
            #expect(Shard.clock - start >= .milliseconds(30))
            await #expect(throws: UDPError.deadlinePassed) { try await socket.receive(deadline: .zero) }
            let client = try await UDPSocket.open(on: world.red)
            try await client.send([5], to: Endpoint(family.blue, 9))
            #expect(try await socket.receive(deadline: TwoStacks.patience).bytes == [5])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func cancelledTaskStopsWaitingAndOthersGoOn(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let socket = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.blue)
            for _ in 0..<100 {
                let waiting = Task { try await socket.receive() }
                waiting.cancel()
                await #expect(throws: UDPError.cancelled) { try await waiting.value }
            }
            let onShard = Task(executorPreference: world.shard) { try await socket.receive() }
            try await Task.sleep(for: .milliseconds(5))
            onShard.cancel()
            await #expect(throws: UDPError.cancelled) { try await onShard.value }
            let patient = Task { try await socket.receive(deadline: TwoStacks.patience) }
            let client = try await UDPSocket.open(on: world.red)
            try await client.send([6], to: Endpoint(family.blue, 9))
            #expect(try await patient.value.bytes == [6])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func closedPortIsReportedToAConnectedSocket(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let client = try await UDPSocket.open(on: world.red)
            let peer = Endpoint(family.blue, 99)
            try await client.connect(to: peer)
            try await client.send([1])
            await #expect(throws: UDPError.network(.portUnreachable(peer))) {
                try await client.receive(deadline: TwoStacks.patience)
            }
            // The error was thrown once.
            await #expect(throws: UDPError.deadlinePassed) {
                try await client.receive(deadline: Shard.clock + .milliseconds(20))
            }
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func everyRefusalIsTyped(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let first = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.red)
            await #expect(throws: UDPError.bind(.addressInUse(Endpoint(port: 9)))) {
                try await UDPSocket.bound(to: Endpoint(port: 9), on: world.red)
            }
            await #expect(throws: UDPError.bind(.addressNotOurs(family.nobody))) {
                try await UDPSocket.bound(to: Endpoint(family.nobody, 9), on: world.red)
            }
            await #expect(throws: UDPError.send(.noDestination)) { try await first.send([1]) }
            await #expect(throws: UDPError.send(.noRoute(family.unreachable))) {
                try await first.send([1], to: Endpoint(family.unreachable, 1))
            }
            await #expect(throws: UDPError.open(.noSuchFIB(fib: 9, count: 1))) {
                try await UDPSocket.open(on: world.red, fib: 9)
            }
            #expect(throws: UDPError.notOnShard) { try first.tryReceive { _ in 0 } }
            await first.close()
            await #expect(throws: UDPError.closed) { try await first.receive() }
            await world.shard.stop()
            await #expect(throws: UDPError.stackRemoved) { try await UDPSocket.open(on: world.red) }
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func asManyTasksWaitAsMayAndEachGetsItsDatagram(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let socket = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.blue)
            let client = try await UDPSocket.open(on: world.red)
            let answers = try await withThrowingTaskGroup(of: UInt8?.self) { group in
                for _ in 0..<UDPSocket.waitersMax + 3 {
                    group.addTask {
                        do {
                            return try await socket.receive(deadline: Shard.clock + .seconds(20)).bytes[0]
                        } catch UDPError.tooManyWaiters(max: UDPSocket.waitersMax) {
                            return nil
                        }
                    }
                }
                // Those refused come back at once; only then is there something to receive.
                var refused = 0
                while refused < 3, let answer = try await group.next() { if answer == nil { refused += 1 } }
                let all = (0..<UInt8(UDPSocket.waitersMax)).map {
                    UDPMessage([$0], to: Endpoint(family.blue, 9))
                }
                try await client.sendBatch(all)
                var answers: [UInt8] = []
                for try await answer in group { if let answer { answers.append(answer) } }
                return answers.sorted()
            }
            #expect(answers == Array(0..<UInt8(UDPSocket.waitersMax)))
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func iterationEndsWhenTheSocketIsClosed(_ family: Family) async throws {
            let world = try await TwoStacks(family)
            let socket = try await UDPSocket.bound(to: Endpoint(port: 9), on: world.blue)
            let client = try await UDPSocket.open(on: world.red)
            let reader = Task {
                var sum = 0
                for try await message in socket.messages {
                    sum += Int(message.bytes[0])
                    if sum == 10 { await socket.close() }
                }
                return sum
            }
            for number in 1...4 as ClosedRange<UInt8> {
                try await client.send([number], to: Endpoint(family.blue, 9))
            }
            #expect(try await reader.value == 10)
            await world.shard.stop()
        }
    }
#endif
