#if os(Linux)
    import Chimney
    import ChimneyPrimitives
    import JoinedStacks
    import Testing

    private let port: UInt16 = 5_001

    /// A socket bound to the port of the tests, which it shares.
    private func receiver(on stack: StackHandle, at address: IPAddress? = nil) async throws -> UDPSocket {
        var options = UDPOptions()
        options.sharesAddress = true
        let endpoint = address.map { Endpoint($0, port) } ?? Endpoint(port: port)
        return try await UDPSocket.bound(to: endpoint, on: stack, options: options)
    }

    /// What the next datagram holds.
    private func next(_ socket: UDPSocket) async throws -> [UInt8] {
        try await socket.receive(deadline: TwoStacks.patience).bytes
    }

    /// Whether no datagram waits, or comes soon.
    private func isSilent(_ socket: UDPSocket) async throws -> Bool {
        do {
            _ = try await socket.receive(deadline: Shard.clock + .milliseconds(20))
            return false
        } catch UDPError.deadlinePassed {
            return true
        }
    }

    private func failure(_ body: () async throws -> Void) async -> UDPError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? UDPError
        }
    }

    @Suite struct GroupTests {
        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func datagramToAGroupReachesThoseWhoJoinedItAndNobodyElse(_ family: Family) async throws {
            let world = try await TwoStacks(family, routesGroups: true)
            let member = try await receiver(on: world.blue)
            let second = try await receiver(on: world.blue)
            let stranger = try await receiver(on: world.blue)
            for socket in [member, second] {
                #expect(try await socket.join(family.group) == world.blueInterface)
            }
            let sender = try await UDPSocket.bound(to: Endpoint(family.red, 9), on: world.red)
            try await sender.send([7], to: Endpoint(family.group, port))
            let message = try await member.receive(deadline: TwoStacks.patience)
            #expect(message.bytes == [7])
            #expect(message.peer == Endpoint(family.red, 9))
            #expect(message.local == Endpoint(family.group, port))
            #expect(message.interface == world.blueInterface)
            #expect(try await next(second) == [7])
            #expect(try await isSilent(stranger))
            // An answer to a group comes from an address of ours.
            try await member.answer(message, with: [8])
            let answer = try await sender.receive(deadline: TwoStacks.patience)
            #expect(answer.bytes == [8] && answer.peer == Endpoint(family.blue, port))
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func sourceIsReceivedWhereItWasJoinedAndOnlyThere(_ family: Family) async throws {
            let world = try await TwoStacks(family, routesGroups: true)
            let wanting = try await receiver(on: world.blue)
            let other = try await receiver(on: world.blue)
            try await wanting.join(family.channel, from: family.red)
            try await other.join(family.channel, from: family.nobody)
            let sender = try await UDPSocket.open(on: world.red)
            try await sender.send([1], to: Endpoint(family.channel, port))
            #expect(try await next(wanting) == [1])
            #expect(try await isSilent(other))
            #expect(try await wanting.filter(of: family.channel) == GroupFilter(.include, [family.red]))
            // With its last source the group is left.
            try await wanting.leave(family.channel, from: family.red)
            #expect(try await wanting.memberships.isEmpty)
            try await sender.send([2], to: Endpoint(family.channel, port))
            #expect(try await isSilent(wanting))
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func blockedSourceIsSilentUntilItIsUnblocked(_ family: Family) async throws {
            let world = try await TwoStacks(family, routesGroups: true)
            let member = try await receiver(on: world.blue)
            try await member.join(family.group)
            try await member.block(family.red, of: family.group)
            #expect(try await member.filter(of: family.group) == GroupFilter(.exclude, [family.red]))
            let sender = try await UDPSocket.open(on: world.red)
            try await sender.send([1], to: Endpoint(family.group, port))
            #expect(try await isSilent(member))
            try await member.unblock(family.red, of: family.group)
            try await sender.send([2], to: Endpoint(family.group, port))
            #expect(try await next(member) == [2])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func filterIsSetWholeAndReadBack(_ family: Family) async throws {
            let world = try await TwoStacks(family, routesGroups: true)
            let member = try await receiver(on: world.blue)
            let wanted = GroupFilter(.include, [family.red, family.nobody, family.red])
            try await member.setFilter(wanted, of: family.group)
            #expect(wanted.sources == [family.red, family.nobody])
            let held = try await member.memberships
            #expect(held.map(\.interface) == [world.blueInterface] && held.map(\.group) == [family.group])
            #expect(held.map(\.filter) == [wanted])
            let sender = try await UDPSocket.open(on: world.red)
            try await sender.send([1], to: Endpoint(family.group, port))
            #expect(try await next(member) == [1])
            try await member.setFilter(GroupFilter(.exclude, [family.red]), of: family.group)
            try await sender.send([2], to: Endpoint(family.group, port))
            #expect(try await isSilent(member))
            try await member.setFilter(.all, of: family.group, on: .index(world.blueInterface))
            try await sender.send([3], to: Endpoint(family.group, port))
            #expect(try await next(member) == [3])
            try await member.setFilter(.none, of: family.group, on: .address(family.blue))
            #expect(try await member.memberships.isEmpty)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func closedSocketLeavesItsGroupsAndSoDoesOneThatNobodyHolds(_ family: Family) async throws {
            let world = try await TwoStacks(family, routesGroups: true)
            let told = Task { [events = world.shard.events()] in
                var kinds: [StackMembershipEvent.Kind] = []
                for await case .membership("blue", let event) in events where event.interface == world.blueInterface {
                    switch event.kind {
                    case .joined(family.group), .left(family.group): kinds.append(event.kind)
                    case .joined, .left, .filterChanged, .versionChanged, .robustnessChanged: continue
                    }
                    if kinds.count == 4 { break }
                }
                return kinds
            }
            let closed = try await receiver(on: world.blue)
            try await closed.join(family.group)
            try await world.blue.perform { _, _ in }
            // From here on nothing but the end of the socket makes the shard look after the stack.
            await closed.close()
            #expect(await failure { try await closed.join(family.group) } == .closed)
            do {
                let dropped = try await receiver(on: world.blue)
                try await dropped.join(family.group)
                try await world.blue.perform { _, _ in }
            }
            let joined = StackMembershipEvent.Kind.joined(family.group)
            let left = StackMembershipEvent.Kind.left(family.group)
            let kinds = await withTaskCancellationHandler {
                await told.value
            } onCancel: {
                told.cancel()
            }
            #expect(kinds == [joined, left, joined, left])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func membershipOfACancelledTaskEndsWithIt(_ family: Family) async throws {
            let world = try await TwoStacks(family, routesGroups: true)
            let member = try await receiver(on: world.blue)
            let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
            let waiting = Task {
                try await member.withMembership(of: family.channel, from: family.red) {
                    isReady.yield()
                    return try await member.receive(deadline: TwoStacks.patience)
                }
            }
            for await _ in ready { break }
            #expect(try await member.memberships.map(\.group) == [family.channel])
            waiting.cancel()
            await #expect(throws: UDPError.cancelled) { try await waiting.value }
            #expect(try await member.memberships.isEmpty)
            // The other source, which the task did not join, stays; so does what the body returns.
            try await member.join(family.channel, from: family.nobody)
            let seven = try await member.withMembership(of: family.channel, from: family.red) { 7 }
            #expect(seven == 7)
            #expect(try await member.filter(of: family.channel) == GroupFilter(.include, [family.nobody]))
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func senderHearsItselfUnlessItDoesNotWantTo(_ family: Family) async throws {
            let world = try await TwoStacks(family, routesGroups: true)
            let here = try await receiver(on: world.red)
            let there = try await receiver(on: world.blue)
            for socket in [here, there] { try await socket.join(family.group) }
            let sender = try await UDPSocket.open(on: world.red)
            try await sender.send([1], to: Endpoint(family.group, port))
            #expect(try await next(here) == [1])
            #expect(try await next(there) == [1])
            try await sender.changeOptions { $0.multicastLoops = false }
            try await sender.send([2], to: Endpoint(family.group, port))
            #expect(try await next(there) == [2])
            #expect(try await isSilent(here))
            try await sender.changeOptions {
                $0.multicastLoops = true
                $0.multicastTimeToLive = 0
            }
            try await sender.send([3], to: Endpoint(family.group, port))
            #expect(try await next(here) == [3])
            #expect(try await isSilent(there))
            let options = try await sender.options
            #expect(options.multicastLoops && options.multicastTimeToLive == 0)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func socketBoundToAGroupTakesThatGroupOnly(_ family: Family) async throws {
            let world = try await TwoStacks(family, routesGroups: true)
            let bound = try await receiver(on: world.blue, at: family.group)
            let free = try await receiver(on: world.blue)
            for socket in [bound, free] {
                try await socket.join(family.group)
                try await socket.join(family.channel, from: family.red)
            }
            let sender = try await UDPSocket.open(on: world.red)
            try await sender.changeOptions { [index = world.redInterface] in $0.multicastInterface = index }
            try await sender.send([1], to: Endpoint(family.channel, port))
            try await sender.send([2], to: Endpoint(family.group, port))
            #expect(try await next(bound) == [2])
            #expect(try await next(free) == [1])
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
        func everyRefusalOfAGroupIsTypedAndHasItsName(_ family: Family) async throws {
            let world = try await TwoStacks(family, routesGroups: true)
            let socket = try await receiver(on: world.blue)
            let (group, channel, red) = (family.group, family.channel, family.red)
            let stranger: IPAddress = family == .ipv4 ? Family.ipv6.red : Family.ipv4.red
            func expect(
                _ error: GroupError, _ name: String, at location: SourceLocation = #_sourceLocation,
                _ body: () async throws -> Void
            ) async {
                let got = await failure(body)
                #expect(got == .group(error), sourceLocation: location)
                #expect(got?.errorName?.rawValue == name, sourceLocation: location)
            }
            await expect(.membership(.notMulticast), "EINVAL") { try await socket.join(red) }
            await expect(.membership(.sourceInvalid), "EINVAL") { try await socket.join(channel, from: group) }
            await expect(.familiesDiffer, "EINVAL") { try await socket.join(channel, from: stranger) }
            await expect(.membership(.notMember), "EADDRNOTAVAIL") { try await socket.leave(group) }
            await expect(.noInterface(family.nobody), "ENODEV") {
                try await socket.join(group, on: .address(family.nobody))
            }
            await expect(.membership(.noSuchInterface(77)), "ENODEV") {
                try await socket.join(group, on: .index(InterfaceIndex(rawValue: 77)))
            }
            try await socket.join(group)
            await expect(.membership(.alreadyMember), "EADDRINUSE") { try await socket.join(group) }
            await expect(.membership(.mixesAnySourceAndSource), "EINVAL") { try await socket.join(group, from: red) }
            await expect(.membership(.notASource), "EADDRNOTAVAIL") { try await socket.unblock(red, of: group) }
            try await socket.block(red, of: group)
            await expect(.membership(.sourceAlready), "EADDRNOTAVAIL") { try await socket.block(red, of: group) }
            try await socket.setMembershipBounds(membershipsMax: 1, sourcesPerFilterMax: 1)
            await expect(.membership(.tooManyMemberships(max: 1)), "ENOBUFS") {
                try await socket.join(channel, from: red)
            }
            await expect(.membership(.tooManySources(max: 1)), "ENOBUFS") {
                try await socket.block(family.nobody, of: group)
            }
            #expect(try await socket.filter(of: group) == GroupFilter(.exclude, [red]))
            #expect(try await socket.memberships.count == 1)
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1))) func interfaceWithoutIPv6RefusesItsGroups() async throws {
            let world = try await TwoStacks(.ipv4, routesGroups: true)
            let socket = try await receiver(on: world.blue)
            let error = await failure {
                try await socket.join(Family.ipv6.group, on: .index(world.blueInterface))
            }
            #expect(error == .group(.ipv6Disabled) && error?.errorName == .familyNotSupported)
            await world.shard.stop()
        }
    }
#endif
