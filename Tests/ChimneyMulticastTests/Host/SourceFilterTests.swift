import ChimneyMulticast
import ChimneyPrimitives
import Testing

@Suite struct SourceFilterTests {
    private func address(_ low: Int) -> IPv4Address { IPv4Address(bits: 0x0A00_0000 + UInt32(low)) }
    private func filter(_ mode: FilterMode, _ low: Int...) -> SourceFilter<IPv4Address> {
        SourceFilter(mode, low.map(address))
    }

    @Test func listIsKeptInOrderAndWithoutRepeats() {
        #expect(filter(.include, 3, 1, 2, 3, 1).sources == [1, 2, 3].map(address))
        #expect(filter(.include, 1, 1).sources == [address(1)])
        #expect(filter(.exclude).isAll && !filter(.exclude, 1).isAll && !filter(.include).isAll)
        #expect(filter(.include).isNone && !filter(.include, 1).isNone && !filter(.exclude).isNone)
    }

    @Test func includeAdmitsItsSourcesAndExcludeTheOthers() {
        #expect(filter(.include, 1, 5, 9).admits(address(5)) && !filter(.include, 1, 5, 9).admits(address(6)))
        #expect(!filter(.exclude, 1, 5, 9).admits(address(5)) && filter(.exclude, 1, 5, 9).admits(address(6)))
        #expect(SourceFilter<IPv6Address>.all.admits(.loopback) && !SourceFilter<IPv6Address>.none.admits(.loopback))
    }

    @Test func changeNamesWhatIsWantedNowAndWhatIsNotAnyMore() {
        #expect(
            filter(.include, 1, 2, 4).change(to: filter(.include, 2, 3, 5))
                == .sources(allow: [address(3), address(5)], block: [address(1), address(4)]))
        #expect(
            filter(.exclude, 1, 2, 4).change(to: filter(.exclude, 2, 3))
                == .sources(allow: [address(1), address(4)], block: [address(3)]))
        #expect(filter(.exclude, 1).change(to: filter(.exclude, 1)) == nil)
        #expect(filter(.include, 1).change(to: filter(.exclude, 2)) == .mode(to: filter(.exclude, 2)))
    }

    @Test func applyingAChangeGivesTheNewFilter() {
        for seed in Seeds.chosen(count: 2_000) {
            var random = StackRandom(seed: seed)
            func drawn() -> SourceFilter<IPv4Address> {
                let count = Int(random.next() % 24)
                let mode: FilterMode = random.next() % 2 == 0 ? .include : .exclude
                return SourceFilter(mode, (0..<count).map { _ in address(Int(random.next() % 30)) })
            }
            let (old, new) = (drawn(), drawn())
            var followed = old
            if let change = old.change(to: new) { followed.apply(change) } else { #expect(old == new) }
            #expect(followed == new, "replay with CHIMNEY_SEED=\(seed)")

            let source = address(Int(random.next() % 30))
            let wasThere = followed.contains(source)
            #expect(wasThere == new.sources.contains(source))
            #expect(followed.insert(source) != wasThere && followed.contains(source))
            #expect(followed.sources == followed.sources.sorted())
            #expect(followed.remove(source) && !followed.remove(source) && !followed.contains(source))
        }
    }
}
