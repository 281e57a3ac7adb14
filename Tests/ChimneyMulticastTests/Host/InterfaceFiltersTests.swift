import ChimneyMulticast
import ChimneyPrimitives
import Testing

@Suite struct InterfaceFiltersTests {
    @Test func mergedFilterIsTheOneOfTheDefinitionAfterAnyChangesOverIPv4() {
        for seed in Seeds.chosen(count: 2_000) { followsTheDefinition(IPv4Address.self, seed: seed) }
    }

    @Test func mergedFilterIsTheOneOfTheDefinitionAfterAnyChangesOverIPv6() {
        for seed in Seeds.chosen(count: 2_000) { followsTheDefinition(IPv6Address.self, seed: seed) }
    }

    /// Random sockets change random filters; after each change the merged filter is compared with the definition,
    /// and what was told of the change makes the old one into it.
    private func followsTheDefinition<Address: Drawable>(_: Address.Type, seed: UInt64) {
        var random = StackRandom(seed: seed)
        var filters = InterfaceFilters<Address>(using: &random)
        let socketCount = 1 + Int(random.next() % 5)
        let sourceCount = 1 + Int(random.next() % 8)
        var sockets = Array(repeating: SourceFilter<Address>.none, count: socketCount)
        let group = Address.group(1)
        var before = SourceFilter<Address>.none
        for step in 0..<24 {
            let socket = Int(random.next() % UInt64(socketCount))
            let change = changed(&sockets[socket], sourceCount: sourceCount, using: &random)
            let told = filters.socketChanged(change, of: group, on: 3)
            let after = merged(sockets)
            defer { before = after }
            let isRight =
                filters.filter(of: group, on: 3) == after && told == before.change(to: after)
                && filters.filter(of: group, on: 4).isNone
                && filters.count == (sockets.allSatisfy(\.isNone) ? 0 : 1)
            guard isRight else {
                Issue.record("step \(step) after \(before) by \(change), replay with CHIMNEY_SEED=\(seed)")
                return
            }
        }
        for socket in sockets.indices where !sockets[socket].isNone {
            _ = filters.socketChanged(.replaced(sockets[socket], by: .none), of: group, on: 3)
        }
        #expect((filters.count, filters.groups(on: 3)) == (0, []), "replay with CHIMNEY_SEED=\(seed)")
    }

    private func changed<Address: Drawable>(
        _ filter: inout SourceFilter<Address>, sourceCount: Int, using random: inout StackRandom
    ) -> MembershipChange<Address> {
        let old = filter
        let source = Address.source(Int(random.next() % UInt64(sourceCount)))
        switch random.next() % 4 {
        case 0 where old.contains(source):
            _ = filter.remove(source)
            return .removed(source, from: old.mode, isLast: filter.sources.isEmpty)
        case 0:
            _ = filter.insert(source)
            return .inserted(source, into: old.mode, isFirst: old.sources.isEmpty)
        case 1:
            filter = random.next() % 2 == 0 ? .all : .none
        default:
            let mode: FilterMode = random.next() % 2 == 0 ? .include : .exclude
            let drawn = random.next()
            filter = SourceFilter(mode, (0..<sourceCount).filter { drawn >> $0 & 1 == 1 }.map(Address.source))
        }
        return .replaced(old, by: filter)
    }

    @Test func thousandsOfSourcesOfManySocketsAreMerged() {
        for seed in Seeds.chosen(count: 4) {
            var random = StackRandom(seed: seed)
            var filters = InterfaceFilters<IPv4Address>(using: &random)
            var sockets = Array(repeating: SourceFilter<IPv4Address>.none, count: 3)
            let group = IPv4Address.group(1)
            if seed % 2 == 1 {
                for socket in sockets.indices {
                    sockets[socket] = .all
                    _ = filters.socketChanged(.replaced(.none, by: .all), of: group, on: 1)
                }
            }
            var followed = filters.filter(of: group, on: 1)
            // First the lists grow, then they shrink, so that chunks are parted and joined.
            for step in 0..<12_000 {
                let socket = Int(random.next() % 3)
                let source = IPv4Address.source(Int(random.next() % 3_000))
                let mode = sockets[socket].mode
                let change: MembershipChange<IPv4Address>
                if step < 6_000 || random.next() % 8 == 0 {
                    let isFirst = sockets[socket].sources.isEmpty
                    guard sockets[socket].insert(source) else { continue }
                    change = .inserted(source, into: mode, isFirst: isFirst)
                } else {
                    guard sockets[socket].remove(source) else { continue }
                    change = .removed(source, from: mode, isLast: sockets[socket].sources.isEmpty)
                }
                if let told = filters.socketChanged(change, of: group, on: 1) { followed.apply(told) }
                if step % 1_000 == 0 {
                    #expect(filters.filter(of: group, on: 1) == merged(sockets), "replay with CHIMNEY_SEED=\(seed)")
                    #expect(followed == merged(sockets), "replay with CHIMNEY_SEED=\(seed)")
                }
            }
            #expect(followed == merged(sockets))
            #expect(filters.filter(of: group, on: 1) == followed)
        }
    }

    @Test func groupsOfEachInterfaceAreListedInOrder() {
        var random = StackRandom(seed: 1)
        var filters = InterfaceFilters<IPv4Address>(using: &random)
        for number in [4, 1, 3] {
            _ = filters.socketChanged(.replaced(.none, by: .all), of: .group(number), on: 1)
        }
        _ = filters.socketChanged(.replaced(.none, by: .all), of: .group(2), on: 2)
        #expect(filters.groups(on: 1) == [1, 3, 4].map(IPv4Address.group))
        _ = filters.socketChanged(.replaced(.all, by: .none), of: .group(1), on: 1)
        _ = filters.socketChanged(.replaced(.none, by: .all), of: .group(5), on: 1)
        #expect(filters.groups(on: 1) == [3, 4, 5].map(IPv4Address.group))
        #expect(filters.groups(on: 2) == [.group(2)])
        #expect((filters.isJoined(.group(1), on: 1), filters.isJoined(.group(5), on: 1)) == (false, true))
    }

    @Test func socketsOfAGroupAreCountedByMode() {
        var random = StackRandom(seed: 1)
        var filters = InterfaceFilters<IPv4Address>(using: &random)
        let one = SourceFilter(.include, [IPv4Address.source(1)])
        _ = filters.socketChanged(.replaced(.none, by: one), of: .group(1), on: 1)
        _ = filters.socketChanged(.replaced(.none, by: one), of: .group(1), on: 1)
        #expect(filters.socketChanged(.replaced(.none, by: .all), of: .group(1), on: 1) == .mode(to: .all))
        #expect(filters.socketChanged(.replaced(.none, by: .all), of: .group(1), on: 1) == nil)
        #expect(filters.socketCount(of: .group(1), on: 1) == (include: 2, exclude: 2))
        #expect(filters.socketCount(of: .group(1), on: 2) == (include: 0, exclude: 0))
    }
}
