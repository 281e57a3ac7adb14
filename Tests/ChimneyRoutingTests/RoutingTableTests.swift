import ChimneyPrimitives
import ChimneyRouting
import Testing

typealias Error4 = RouteError<IPv4Address>

func prefix(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, _ length: Int) -> IPv4Prefix {
    IPv4Prefix(IPv4Address(a, b, c, d), length: length)
}

@Suite struct RoutingTableTests {
    let lan = prefix(10, 0, 0, 0, 24)
    let host = IPv4Address(10, 0, 0, 9)
    let router = IPv4Address(10, 0, 0, 1)
    let other = IPv4Address(10, 0, 0, 2)
    let far = IPv4Address(192, 0, 2, 1)

    @Test func longestPrefixWinsAndTheDefaultRouteTakesTheRest() throws {
        var tables = IPv4RoutingTables()
        #expect(tables.lookup(destination: host) == nil)
        try tables.add(Route(lan, .connected(on: 1)))
        try tables.add(Route(.all, .gateway(router, on: 1)))
        try tables.add(Route(.host(host), .local(on: 1)))
        #expect(tables.lookup(destination: host) == .local(on: 1))
        #expect(tables.lookup(destination: other) == .connected(on: 1))
        #expect(tables.lookup(destination: far) == .gateway(router, on: 1))
        #expect(tables.lookup(destination: far)?.neighbor(for: far) == router)
        #expect(tables.lookup(destination: other)?.neighbor(for: other) == other)
        #expect(tables.interface(toward: router) == 1)
        #expect(tables.interface(toward: far) == nil)
        #expect(tables.lookup(fib: 1, destination: far) == nil)
        #expect(tables.lookup(fib: -1, destination: far) == nil)
    }

    @Test func lowestMetricIsUsedAndTheNextOneTakesItsPlace() throws {
        var table = RoutingTable<IPv4Address>()
        try table.add(Route(.all, .gateway(other, on: 2), metric: 20))
        try table.add(Route(.all, .gateway(router, on: 1), metric: 10))
        #expect(table.lookup(far) == .gateway(router, on: 1))
        #expect(table.listing.map(\.isActive) == [true, false])
        try table.remove(.all, metric: 10)
        #expect(table.lookup(far) == .gateway(other, on: 2))
        #expect(throws: Error4.notFound(.all)) { try table.remove(.all, metric: 10) }
    }

    @Test func thisHostComesBeforeEveryMetric() throws {
        var table = RoutingTable<IPv4Address>()
        try table.add(Route(.host(host), .gateway(router, on: 1), metric: 0))
        try table.add(Route(.host(host), .local(on: 1), metric: 5))
        #expect(table.lookup(host) == .local(on: 1))
        try table.remove(.host(host), nextHop: .local(on: 1))
        #expect(table.lookup(host) == .gateway(router, on: 1))
    }

    @Test func routesOfAnInterfaceThatIsDownWaitUntilItIsUp() throws {
        var tables = IPv4RoutingTables()
        try tables.add(Route(lan, .connected(on: 1)))
        try tables.add(Route(.all, .gateway(router, on: 1), metric: 1))
        try tables.add(Route(.all, .gateway(other, on: 2), metric: 2))
        let before = tables.generation
        tables.setInterface(1, isUp: false)
        #expect(tables.generation != before)
        #expect(tables.lookup(destination: host) == .gateway(other, on: 2))
        #expect(tables.tables[0].count == 3)
        #expect(tables.tables[0].listing.filter(\.isActive).count == 1)
        tables.setInterface(1, isUp: true)
        #expect(tables.lookup(destination: host) == .connected(on: 1))
        #expect(tables.lookup(destination: far) == .gateway(router, on: 1))
        #expect(tables.removeInterface(1) == 2)
        #expect(tables.lookup(destination: host) == .gateway(other, on: 2))
    }

    @Test func equalGatewaysShareTheFlowsAndLosingOneMovesOnlyItsOwn() throws {
        var table = RoutingTable<IPv4Address>()
        let routers = (1...4).map { IPv4Address(10, 0, 0, $0) }
        for router in routers { try table.add(Route(.all, .gateway(router, on: 1))) }
        let hashes = (0..<4_000).map { UInt32($0) &* 2_654_435_761 }
        let before = hashes.map { table.lookup(far, flowHash: $0)?.gateway }
        for router in routers { #expect((700...1_300).contains(before.count { $0 == router })) }
        #expect(before == hashes.map { table.lookup(far, flowHash: $0)?.gateway })
        #expect(table.routes(to: far).count == 4)
        try table.remove(.all, nextHop: .gateway(routers[2], on: 1))
        for (old, hash) in zip(before, hashes) {
            let new = table.lookup(far, flowHash: hash)?.gateway
            if old == routers[2] { #expect(new != old) } else { #expect(new == old) }
        }
    }

    @Test func equalConnectedRoutesDoNotShareAndTheSecondIsAReserve() throws {
        var table = RoutingTable<IPv4Address>()
        try table.add(Route(lan, .connected(on: 1)))
        try table.add(Route(lan, .connected(on: 2)))
        for hash in 0..<100 { #expect(table.lookup(host, flowHash: UInt32(hash)) == .connected(on: 1)) }
        table.setInterface(1, isUp: false)
        #expect(table.lookup(host) == .connected(on: 2))
    }

    @Test func replaceTakesTheMetricsPlaceAndAddRefusesWhatIsThere() throws {
        var table = RoutingTable<IPv4Address>()
        let first = Route(lan, .gateway(router, on: 1), metric: 3)
        try table.add(first)
        #expect(throws: Error4.exists(first)) { try table.add(first) }
        try table.replace(Route(lan, .blackhole, metric: 3))
        #expect(table.lookup(host) == .blackhole)
        #expect(table.count == 1)
        try table.replace(Route(lan, .prohibited, metric: 1))
        #expect(table.lookup(host) == .prohibited)
        #expect(table.count == 2)
    }

    @Test func impossibleRoutesAreRefusedWithTheFact() {
        var tables = IPv4RoutingTables(count: 2)
        let group = IPv4Address(224, 0, 0, 5)
        for bad in [group, .any, .loopback, .limitedBroadcast] {
            #expect(throws: Error4.invalidGateway(bad)) { try tables.add(Route(.all, .gateway(bad, on: 1))) }
        }
        #expect(throws: Error4.noInterface) { try tables.add(Route(.all, .connected(on: 0))) }
        #expect(throws: Error4.noSuchTable(fib: 2, count: 2)) { try tables.add(Route(.all, .blackhole), fib: .one(2)) }
        #expect(tables.tables.allSatisfy { $0.count == 0 })
    }

    @Test func everyBoundRefusesOneMoreAndLeavesTheTableAsItWas() throws {
        var table = RoutingTable<IPv4Address>(
            limits: .init(routesMax: 4, nextHopsMax: 3, routesPerPrefixMax: 2, pathsMax: 2))
        try table.add(Route(.all, .gateway(router, on: 1)))
        try table.add(Route(.all, .gateway(other, on: 1)))
        #expect(throws: Error4.tooManyRoutesToPrefix(.all, routesPerPrefixMax: 2)) {
            try table.add(Route(.all, .blackhole))
        }
        #expect(throws: Error4.tooManyNextHops(nextHopsMax: 3)) { try table.add(Route(lan, .connected(on: 1))) }
        try table.add(Route(lan, .gateway(router, on: 1)))
        let before = table.listing
        #expect(throws: Error4.tooManyNextHops(nextHopsMax: 3)) { try table.replace(Route(lan, .blackhole)) }
        #expect(table.listing == before)
        try table.add(Route(.host(host), .gateway(router, on: 1)))
        #expect(throws: Error4.tooManyRoutes(routesMax: 4)) {
            try table.add(Route(.host(other), .gateway(router, on: 1)))
        }
        #expect(table.count == 4)
    }

    @Test func withoutANumberForAGroupOnlyTheFirstPathIsUsed() throws {
        var table = RoutingTable<IPv4Address>(limits: .init(nextHopsMax: 2))
        try table.add(Route(.all, .gateway(router, on: 1)))
        try table.add(Route(.all, .gateway(other, on: 1)))
        for hash in 0..<100 { #expect(table.lookup(far, flowHash: UInt32(hash)) == .gateway(router, on: 1)) }
    }

    @Test func interfaceRoutesGoToAllTablesAndARefusalByOneChangesNone() throws {
        var tables = IPv4RoutingTables(count: 3)
        try tables.add(Route(lan, .connected(on: 1), origin: .interface), fib: .all)
        for fib in 0..<3 { #expect(tables.lookup(fib: fib, destination: host) == .connected(on: 1)) }
        try tables.add(Route(.all, .blackhole), fib: .one(2))
        #expect(tables.lookup(fib: 0, destination: far) == nil)
        #expect(tables.lookup(fib: 2, destination: far) == .blackhole)
        let generation = tables.generation
        #expect(throws: Error4.exists(Route(.all, .blackhole))) { try tables.add(Route(.all, .blackhole), fib: .all) }
        #expect(tables.lookup(fib: 0, destination: far) == nil)
        #expect(tables.generation == generation)
        #expect(try tables.remove(lan, fib: .all) == 3)
        #expect(tables.generation != generation)
    }

    @Test func generationChangesWithEveryAnswerAndNotWithoutOne() throws {
        var table = RoutingTable<IPv4Address>()
        try table.add(Route(lan, .connected(on: 1)))
        let first = table.generation
        try table.add(Route(lan, .connected(on: 2), metric: 7))
        #expect(table.generation == first)
        try table.remove(lan, metric: 0)
        #expect(table.generation != first)
    }

    @Test func listingIsInPrefixOrder() throws {
        var table = RoutingTable<IPv4Address>()
        let prefixes = [
            prefix(10, 0, 0, 0, 8), .all, lan, prefix(10, 0, 0, 0, 25), prefix(9, 0, 0, 0, 8), .host(router),
            prefix(0, 0, 0, 0, 1),
        ]
        for prefix in prefixes { try table.add(Route(prefix, .unreachable)) }
        #expect(table.listing.map(\.route.prefix) == prefixes.sorted())
    }
}
