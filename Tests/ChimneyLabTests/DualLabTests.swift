import ChimneyLab
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// Labs whose nodes have addresses of both families, and what only IPv6 has.
@Suite struct DualLabTests {
    @Test func aNamesFirstAddressIsMeantUnlessAFamilyIsAskedFor() throws {
        let lab = try Sample.chain(.ipv4, .ipv6, seed: 1, routers: 2)
        let first = try lab.ping(PingSettings(name: "first", from: "a", to: "b", count: 2))
        let pings = try LabFamily.allCases.map {
            try lab.ping(PingSettings(name: "\($0)", from: "a", to: "b", family: $0, count: 2))
        }
        let flow = try lab.flow(FlowSettings(from: "b", to: "a", family: .ipv6, byteCount: 24...4_000, count: 100))
        let echo = try lab.flow(FlowSettings(from: "b", to: "a", family: .ipv6, port: 7, count: 50, mode: .echo))
        lab.run(.seconds(5))
        #expect(first.destination == LabFamily.ipv4.address(3, 32))
        #expect(pings.map(\.destination) == LabFamily.allCases.map { $0.address(3, 32) })
        #expect(first.received == 2 && pings.allSatisfy { $0.received == 2 })
        #expect(flow.received == 100 && flow.damaged == 0 && flow.destination == LabFamily.ipv6.address(1, 11))
        #expect(echo.received == 50)
        #expect(lab.check() == [])
        // A node with one family alone means the other's address of that family.
        let only = try lab.addNode("only")
        try lab.connect(only, to: lab.addLink("stub"), address: LabFamily.ipv6.host(9, 1))
        #expect(try lab.ping(PingSettings(from: "only", to: "a")).destination == LabFamily.ipv6.address(1, 11))
        #expect(throws: LabError.addressMalformed("10.0.0.1")) {
            try lab.ping(PingSettings(name: "wrong", from: "a", to: "10.0.0.1", family: .ipv6))
        }
    }

    @Test func eachFamilyHasItsOwnRoutesAndAHostWithOneRouterADefaultRoute() throws {
        let lab = Lab(seed: 1)
        let (west, east) = (try lab.addLink("west"), try lab.addLink("east"))
        // The upper router speaks IPv4, the lower IPv6; the host in the west has both.
        try lab.connect(lab.addNode("host"), to: west, addresses: LabFamily.allCases.map { $0.host(1, 9) })
        for (name, family) in [("upper", LabFamily.ipv4), ("lower", .ipv6)] {
            let router = try lab.addRouter(name)
            try lab.connect(router, to: west, address: family.host(1, 1))
            try lab.connect(router, to: east, address: family.host(2, 1))
        }
        try lab.connect(lab.addNode("far"), to: east, addresses: LabFamily.allCases.map { $0.host(2, 9) })
        try lab.addRoutesEverywhere()
        let host = try lab.node("host")
        let ipv4 = host.stack.routingTables.lookup(destination: IPv4Address(9, 9, 9, 9))
        let ipv6 = host.stack.ipv6RoutingTables.lookup(destination: IPv6Address(high: 9, low: 9))
        #expect(ipv4?.gateway.map(IPAddress.v4) == LabFamily.ipv4.address(1, 1))
        #expect(ipv6?.gateway.map(IPAddress.v6) == LabFamily.ipv6.address(1, 1))
        let pings = try LabFamily.allCases.map {
            try lab.ping(PingSettings(name: "\($0)", from: "host", to: "far", family: $0, count: 3))
        }
        lab.run(.seconds(5))
        #expect(pings.allSatisfy { $0.received == 3 })
        #expect(try lab.node("upper").stack.ledger.forwarded == 6 && lab.node("lower").stack.ledger.forwarded == 6)
        #expect(lab.check() == [])
    }

    @Test func routesByHandAreOfTheFamilyOfTheirGateway() throws {
        let lab = try Sample.pair(.ipv4, .ipv6, seed: 1)
        let a = try lab.node("a")
        for family in LabFamily.allCases {
            try lab.addRoute(to: "default", via: family.address(0, 2), on: a)
            #expect(throws: LabError.self) { try lab.addRoute(to: "default", via: family.address(7, 2), on: a) }
        }
        #expect(throws: LabError.addressMalformed("2001:db8:9::/48")) {
            try lab.addRoute(to: "2001:db8:9::/48", via: LabFamily.ipv4.address(0, 2), on: a)
        }
        #expect(a.stack.ipv6RoutingTables.lookup(destination: IPv6Address(high: 9, low: 9)) != nil)
        #expect(a.stack.routingTables.lookup(destination: IPv4Address(9, 9, 9, 9)) != nil)
    }

    @Test func linkLocalAddressesAreReachedByTheNameOfTheInterface() throws {
        let lab = try Sample.pair(.ipv6, seed: 1)
        let addresses = try lab.node("b").stack.interfaces.flatMap(\.ipv6Addresses)
        let near = try #require(addresses.first { $0.address.isLinkLocal }).address
        let ping = try lab.ping(PingSettings(from: "a", to: "\(near)%eth0", count: 2))
        let flow = try lab.flow(FlowSettings(name: "flow", from: "a", to: "\(near)%eth0", count: 5))
        try lab.flow(FlowSettings(name: "receiver", from: "b", to: "b", count: 1))
        lab.run(.seconds(3))
        #expect(ping.received == 2)
        #expect(flow.received == 5)
        #expect(throws: LabError.noSuchInterface(node: "a", interface: "eth9")) {
            try lab.ping(PingSettings(name: "wrong", from: "a", to: "fe80::1%eth9"))
        }
        #expect(lab.check() == [])
    }

    @Test func addressesAreUsedAtOnceUnlessTheNodeAsksForThemFirst() throws {
        for detection in DuplicateDetection.allCases {
            let lab = Lab(seed: 1)
            let lan = try lab.addLink("lan")
            var settings = Lab.nodeSettings
            settings.duplicateDetection = detection
            try lab.connect(lab.addNode("a", settings: settings), to: lan, address: LabFamily.ipv6.host(0, 1))
            try lab.connect(lab.addNode("b"), to: lan, address: LabFamily.ipv6.host(0, 2))
            let ping = try lab.ping(PingSettings(from: "a", to: "b", count: 5))
            lab.run(.seconds(8))
            #expect((ping.refused > 0) == (detection == .on) && ping.refused < 4, "\(detection)")
            #expect(ping.sent + ping.refused == 5)
            // With an address that it still asks for a host cannot ask for its neighbour's (RFC 4429 §3.2).
            #expect(ping.lost <= (detection == .optimistic ? 2 : 0), "\(detection): \(ping.lost) of \(ping.sent)")
        }
    }

    @Test func mistakesInAddressesAreErrorsAndNotTraps() throws {
        let lab = try Sample.pair(.ipv4, seed: 1)
        let lan = try lab.link("lan")
        let c = try lab.addNode("c")
        for text in ["2001:db8::1", "2001:db8::1/129", "10.0.0.3/33", "x/24", ""] {
            #expect(throws: LabError.addressMalformed(text)) { try lab.connect(c, to: lan, address: text) }
        }
        let group = IPAddress.v6(.allNodes)
        #expect(throws: LabError.address(.addressInvalid(group))) { try lab.connect(c, to: lan, address: "ff02::1/64") }
        #expect(throws: LabError.interface(.mtuTooSmallForIPv6(1_000))) {
            try lab.connect(c, to: lan, address: "2001:db8::3/64", mtu: 1_000)
        }
        #expect(throws: LabError.noAddress(node: "b")) {
            try lab.ping(PingSettings(from: "a", to: "b", family: .ipv6))
        }
        #expect(lab.check() == [])
    }
}
