import ChimneyPrimitives
import ChimneyTCP
import Testing

@Suite struct HostCacheTests {
    private static func host(_ number: UInt32, isIPv6: Bool = false) -> HostPath {
        HostPath(
            isIPv6
                ? .v6(IPv6Address(high: 0x2001_0DB8 << 32, low: UInt64(number)))
                : .v4(IPv4Address(bits: 0x0A00_0000 | number)))
    }

    private static func path(_ milliseconds: Int64, threshold: Int = 0) -> RememberedPath {
        RememberedPath(
            smoothedRoundTrip: .milliseconds(milliseconds), roundTripVariation: .milliseconds(milliseconds / 4),
            slowStartThreshold: threshold)
    }

    private static func cache(_ most: Int = 16) -> HostCache {
        var random = StackRandom(seed: 3)
        var settings = HostCacheSettings()
        settings.hostCacheMax = most
        return HostCache(settings: settings, using: &random)
    }

    @Test(arguments: [false, true]) func whatAConnectionFoundOutIsGivenToTheNext(isIPv6: Bool) {
        var cache = Self.cache()
        let host = Self.host(1, isIPv6: isIPv6)
        let before = cache.remembered(of: host, at: .zero)
        #expect(before == nil)
        cache.connectionEnded(to: host, found: Self.path(40, threshold: 20_000), at: .zero)
        let first = cache.remembered(of: host, at: .zero)
        #expect(first == Self.path(40, threshold: 20_000))
        // The mean of what was and what is; a connection without a threshold leaves the one there is.
        cache.connectionEnded(to: host, found: Self.path(80), at: .zero)
        let second = cache.remembered(of: host, at: .zero)
        #expect(second == Self.path(60, threshold: 20_000))
        cache.connectionEnded(to: host, found: Self.path(60, threshold: 40_000), at: .zero)
        let third = cache.remembered(of: host, at: .zero)
        #expect(third?.slowStartThreshold == 30_000)
    }

    @Test func aConnectionThatTimedNothingTellsNothing() {
        var cache = Self.cache()
        cache.connectionEnded(to: Self.host(1), found: Self.path(0, threshold: 9_000), at: .zero)
        #expect(cache.count == 0)
    }

    @Test func hostsAreApartByFamilyTableAndLink() {
        var cache = Self.cache()
        let address = IPAddress.v6(IPv6Address(high: 0xFE80 << 48, low: 1))
        cache.connectionEnded(to: HostPath(address, fib: 0, zone: 1), found: Self.path(10), at: .zero)
        let others = [
            HostPath(address, fib: 0, zone: 2), HostPath(address, fib: 1, zone: 1),
            HostPath(.v6(IPv6Address(high: 0, low: 1)), zone: 1), HostPath(.v4(IPv4Address(bits: 1)), zone: 1),
        ]
        for other in others {
            let found = cache.remembered(of: other, at: .zero)
            #expect(found == nil)
        }
        cache.forEach { host, entry in #expect(host == HostPath(address, zone: 1) && entry.updates == 1) }
    }

    @Test func whatIsOldIsNotBelievedAndGoes() {
        var cache = Self.cache()
        let host = Self.host(1)
        cache.connectionEnded(to: host, found: Self.path(40, threshold: 9_000), at: .zero)
        cache.mtuChanged(of: host, to: 1_280, at: .zero)
        let settings = cache.settings
        let mtuInTime = cache.mtu(of: host, at: Instant(nanoseconds: UInt64(settings.mtuLifetime.nanoseconds - 1)))
        let mtuLate = cache.mtu(of: host, at: .zero + settings.mtuLifetime)
        #expect(mtuInTime == 1_280 && mtuLate == nil)
        let end = Instant.zero + settings.lifetime
        cache.expired(at: Instant(nanoseconds: end.nanoseconds - 1))
        #expect(cache.count == 1)
        let late = cache.remembered(of: host, at: end)
        #expect(late == nil)
        // What comes after it begins anew and is no mean with what was.
        cache.connectionEnded(to: host, found: Self.path(80), at: end)
        let anew = cache.remembered(of: host, at: end)
        #expect(anew == Self.path(80))
        cache.expired(at: end + settings.lifetime)
        #expect(cache.count == 0 && cache.counters.expired == 1)
    }

    @Test func atTheBoundTheHostGoesThatWasUsedLeastRecently() {
        var cache = Self.cache(4)
        for number in 1...4 { cache.connectionEnded(to: Self.host(UInt32(number)), found: Self.path(10), at: .zero) }
        // The first is used again, so that the second is the oldest.
        _ = cache.remembered(of: Self.host(1), at: .zero)
        cache.mtuChanged(of: Self.host(5), to: 1_400, at: .zero)
        #expect(cache.count == 4 && cache.counters.evicted == 1)
        let second = cache.remembered(of: Self.host(2), at: .zero)
        let first = cache.remembered(of: Self.host(1), at: .zero)
        #expect(second == nil && first != nil)
        cache.removeAll()
        #expect(cache.count == 0)
    }

    @Test func randomUseAgreesWithAListInOrderOfUse() {
        for seed in Seeds.chosen(count: 20) {
            var random = StackRandom(seed: seed)
            var cache = Self.cache(8)
            var order: [UInt32] = []
            for _ in 0..<400 {
                let number = UInt32.random(in: 0..<20, using: &random)
                switch UInt8.random(in: 0..<4, using: &random) {
                case 0:
                    cache.forget(Self.host(number))
                    order.removeAll { $0 == number }
                case 1:
                    let found = cache.remembered(of: Self.host(number), at: .zero)
                    #expect((found != nil) == order.contains(number))
                    if found != nil { order = [number] + order.filter { $0 != number } }
                default:
                    cache.connectionEnded(to: Self.host(number), found: Self.path(10), at: .zero)
                    order = Array(([number] + order.filter { $0 != number }).prefix(8))
                }
                var seen: [HostPath] = []
                cache.forEach { host, _ in seen.append(host) }
                #expect(seen == order.map { Self.host($0) }, "replay with CHIMNEY_SEED=\(seed)")
            }
        }
    }

    @Test func aCacheOfNothingKeepsNothingAndTheConnectionKeepsToTheSmallerPathAllTheSame() {
        var cache = Self.cache(0)
        var script = Scripted.opened()
        script.write(3_000)
        let isBelieved = script.tooBig(800, quoted: 0)
        let isKept = cache.mtuChanged(of: Self.host(1), to: 840, at: script.now)
        #expect(isBelieved && !isKept)
        let resent = script.flush()
        #expect(resent.map(\.count).max() == 800)
        let mtu = cache.mtu(of: Self.host(1), at: script.now)
        #expect(mtu == nil)
    }

    @Test func aConnectionTellsWhatItFoundOutBeforeItEnds() {
        var ends = TwoEnds()
        ends.open()
        _ = ends.client.write(pattern(50_000), at: ends.now)
        ends.collect()
        ends.run(.seconds(2))
        let found = ends.client.connection.learned
        #expect(found?.smoothedRoundTrip == ends.client.connection.snapshot(at: ends.now).smoothedRoundTrip)
        #expect(found?.slowStartThreshold == 0)
        ends.client.close(at: ends.now)
        ends.server.close(at: ends.now)
        ends.collect()
        ends.run(.seconds(5))
        #expect(ends.client.connection.state == .closed || ends.client.connection.state == .timeWait)
        #expect(ends.client.connection.learned?.smoothedRoundTrip == found?.smoothedRoundTrip)
    }
}
