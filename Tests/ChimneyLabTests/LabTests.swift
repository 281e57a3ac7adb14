import ChimneyLab
import ChimneyPrimitives
import ChimneyStack
import Testing

/// Small labs that the tests share.
enum Sample {
    /// Two hosts on one link, with an address of each of these families.
    static func pair(
        _ families: LabFamily..., seed: UInt64, kind: LabLink.Kind = .switch, settings: LinkSettings = .init()
    ) throws -> Lab {
        let lab = Lab(seed: seed)
        let link = try lab.addLink("lan", kind: kind, settings: settings)
        for (number, name) in [(1, "a"), (2, "b")] {
            try lab.connect(
                lab.addNode(name), to: link, addresses: families.map { $0.host(0, number) },
                mac: MACAddress(bits: 0x0200_0000_0000 | UInt64(number)))
        }
        return lab
    }

    /// Two hosts with this many routers between them, each link a cable with a subnet of each of these families.
    static func chain(
        _ families: LabFamily..., seed: UInt64, routers: Int, settings: LinkSettings = .init()
    ) throws -> Lab {
        let lab = Lab(seed: seed)
        var last = try lab.addNode("a")
        for position in 1...routers + 1 {
            let next = try position > routers ? lab.addNode("b") : lab.addRouter("r\(position)")
            let link = try lab.addLink("l\(position)", kind: .cable, settings: settings)
            for (number, node) in [(position * 10 + 1, last), (position * 10 + 2, next)] {
                try lab.connect(
                    node, to: link, addresses: families.map { $0.host(position, number) },
                    mac: MACAddress(bits: 0x0200_0000_0000 | UInt64(number)))
            }
            last = next
        }
        try lab.addRoutesEverywhere()
        return lab
    }
}

extension LabFamily {
    /// A host of one of the subnets that tests use: `10.0.1.9/24` and `2001:db8:0:1::9/64` for `host(1, 9)`.
    func host(_ net: Int, _ number: Int) -> String {
        switch self {
        case .ipv4: "10.0.\(net).\(number)/24"
        case .ipv6: "2001:db8:0:\(net)::\(number)/64"
        }
    }

    /// The same without the length of its prefix.
    func address(_ net: Int, _ number: Int) -> IPAddress {
        guard let (address, _) = IPPrefix.addressAndLength(host(net, number)) else { preconditionFailure() }
        return address
    }
}

@Suite struct LabTests {
    @Test(arguments: LabFamily.allCases)
    func pingAndFlowsOnAQuietLinkLoseNothing(_ family: LabFamily) throws {
        for kind in LabLink.Kind.allCases {
            let lab = try Sample.pair(family, seed: 1, kind: kind)
            let ping = try lab.ping(PingSettings(from: "a", to: "b", count: 3))
            let flow = try lab.flow(FlowSettings(from: "b", to: "a", byteCount: 24...1_472, count: 500))
            let echo = try lab.flow(FlowSettings(from: "a", to: "b", port: 7, count: 100, mode: .echo))
            lab.run(.seconds(6))
            #expect(ping.sent == 3 && ping.received == 3 && ping.damaged == 0 && ping.duplicated == 0)
            #expect(flow.sent == 500 && flow.received == 500 && flow.damaged == 0 && flow.reordered == 0)
            #expect(echo.received == 100 && echo.damaged == 0)
            #expect(flow.delays.shortest >= .microseconds(10) && flow.delays.longest < .milliseconds(5))
            #expect(echo.delays.shortest >= flow.delays.shortest * 2)
            #expect(lab.check() == [])
        }
    }

    @Test(arguments: LabFamily.allCases)
    func routersForwardAcrossFiveHops(_ family: LabFamily) throws {
        let lab = try Sample.chain(family, seed: 1, routers: 5, settings: LinkSettings(delay: .milliseconds(1)))
        let ping = try lab.ping(PingSettings(from: "a", to: "b", count: 3))
        let flow = try lab.flow(FlowSettings(from: "b", to: "a", byteCount: 24...4_000, count: 100))
        lab.run(.seconds(5))
        #expect(ping.received == 3 && flow.received == 100)
        #expect(flow.delays.quantile(0.5) >= .milliseconds(6) && flow.delays.quantile(0.5) < .milliseconds(7))
        for router in lab.nodes where router.name.hasPrefix("r") { #expect(router.stack.ledger.forwarded > 200) }
        #expect(lab.check() == [])
    }

    @Test(arguments: LabFamily.allCases)
    func theSameSeedGivesTheSameHashAndAnotherSeedAnotherOne(_ family: LabFamily) throws {
        func hash(_ seed: UInt64) throws -> UInt64 {
            let lab = try Sample.chain(family, seed: seed, routers: 2)
            for link in lab.links {
                link.faults = LinkFaults(loss: 0.1, duplication: 0.1, reordering: 0.1, corruption: 0.1)
            }
            try lab.flow(FlowSettings(from: "a", to: "b", byteCount: 24...3_000, pattern: .poisson))
            try lab.ping(PingSettings(from: "b", to: "a"))
            lab.run(.seconds(5))
            return lab.traceHash
        }
        let first = try hash(7)
        #expect(try hash(7) == first)
        #expect(try hash(8) != first)
    }

    @Test(arguments: LabFamily.allCases)
    func chanceOfOneLinkDoesNotDependOnAnother(_ family: LabFamily) throws {
        func lost(withAnotherLink: Bool) throws -> UInt64 {
            let lab = try Sample.pair(family, seed: 3)
            if withAnotherLink {
                let other = try lab.addLink("other")
                other.faults = LinkFaults(loss: 0.5)
                let c = try lab.addNode("c")
                try lab.connect(lab.node("b"), to: other, address: family.host(1, 2))
                try lab.connect(c, to: other, address: family.host(1, 3), mac: MACAddress(bits: 0x0200_0000_0003))
                try lab.flow(FlowSettings(from: "b", to: "c"))
            }
            try lab.link("lan").faults = LinkFaults(loss: 0.3)
            try lab.flow(FlowSettings(from: "a", to: "b", count: 200))
            lab.run(.seconds(5))
            return try lab.link("lan").counters.dropped(.lost)
        }
        #expect(try lost(withAnotherLink: false) == lost(withAnotherLink: true))
        #expect(try lost(withAnotherLink: false) > 30)
    }

    @Test(arguments: LabFamily.allCases)
    func idleStacksCostNoEvents(_ family: LabFamily) throws {
        let lab = try Sample.pair(family, seed: 1)
        for number in 0..<200 { try lab.addNode("idle\(number)") }
        lab.run(.seconds(60))
        let before = lab.eventsHandled
        lab.run(.seconds(3_600))
        #expect(lab.eventsHandled - before < 10)
        try lab.ping(PingSettings(from: "a", to: "b", count: 1))
        lab.run(.seconds(10))
        #expect(lab.eventsHandled > before)
    }

    @Test(arguments: LabFamily.allCases)
    func aLinkThatIsDownDropsByNameAndServesAgainWhenUp(_ family: LabFamily) throws {
        let lab = try Sample.pair(family, seed: 1, settings: LinkSettings(delay: .milliseconds(50)))
        try lab.at(.seconds(2), .setLink("lan", isUp: false))
        try lab.at(.seconds(4), .setLink("lan", isUp: true))
        let flow = try lab.flow(FlowSettings(from: "a", to: "b", count: 600))
        lab.run(.seconds(10))
        let counters = try lab.link("lan").counters
        #expect(counters.dropped(.down) >= 150 && counters.dropped(.wentDown) >= 4)
        #expect(flow.received >= 380 && flow.received < 410)
        #expect(lab.journal.map(\.at) == [.zero + .seconds(2), .zero + .seconds(4)])
        #expect(lab.check() == [])
    }

    @Test(arguments: LabFamily.allCases)
    func anInterfaceThatIsSwitchedOffStopsAndStartsAgain(_ family: LabFamily) throws {
        let lab = try Sample.pair(family, seed: 1)
        try lab.at(.seconds(1), .setInterface(node: "b", interface: "eth0", isUp: false))
        try lab.at(.seconds(2), .setInterface(node: "b", interface: "eth0", isUp: true))
        let flow = try lab.flow(FlowSettings(from: "a", to: "b", count: 300))
        lab.run(.seconds(6))
        #expect(flow.received >= 190 && flow.received <= 210)
        #expect(try lab.node("b").stack.ledger.dropped(.interfaceDown) >= 90)
        #expect(lab.check() == [])
    }

    @Test func mistakesInBuildingAreErrorsAndNotTraps() throws {
        let lab = try Sample.pair(.ipv4, seed: 1, kind: .cable)
        let lan = try lab.link("lan")
        #expect(throws: LabError.nameInUse("a")) { try lab.addNode("a") }
        #expect(throws: LabError.nameInUse("a")) { try lab.addLink("a") }
        #expect(throws: LabError.noSuchNode("z")) { try lab.node("z") }
        #expect(throws: LabError.noSuchLink("z")) { try lab.at(.zero, .setLink("z", isUp: true)) }
        #expect(throws: LabError.tooMany(what: "ports of lan", max: 2)) {
            try lab.connect(lab.addNode("c"), to: lan, address: "10.0.0.3/24")
        }
        #expect(throws: LabError.noAddress(node: "c")) { try lab.ping(PingSettings(from: "a", to: "c")) }
        #expect(throws: LabError.noSuchInterface(node: "a", interface: "eth9")) {
            try lab.at(.zero, .setInterface(node: "a", interface: "eth9", isUp: false))
        }
        #expect(throws: LabError.self) { try lab.flow(FlowSettings(from: "a", to: "b", byteCount: 1...2)) }
        #expect(throws: LabError.self) { try lab.flow(FlowSettings(from: "a", to: "b", packetsPerSecond: 0)) }
        #expect(throws: LabError.self) { try lab.ping(PingSettings(from: "a", to: "b", count: 0)) }
        #expect(throws: LabError.self) {
            try lab.offer(.echo, port: 7, on: lab.node("a")); try lab.offer(.echo, port: 7, on: lab.node("a"))
        }
        var limits = LabLimits()
        limits.nodesMax = 1
        limits.linksMax = 1
        limits.flowsMax = 0
        limits.actionsMax = 0
        let small = Lab(seed: 1, limits: limits)
        let one = try small.addNode("one")
        try small.connect(one, to: small.addLink("l"), address: "10.0.0.1/24")
        #expect(throws: LabError.tooMany(what: "nodes", max: 1)) { try small.addNode("two") }
        #expect(throws: LabError.tooMany(what: "links", max: 1)) { try small.addLink("m") }
        #expect(throws: LabError.tooMany(what: "flows", max: 0)) {
            try small.flow(FlowSettings(from: "one", to: "one"))
        }
        #expect(throws: LabError.tooMany(what: "flows", max: 0)) {
            try small.ping(PingSettings(from: "one", to: "one"))
        }
        #expect(throws: LabError.tooMany(what: "actions", max: 0)) { try small.at(.zero, .endFaults) }
    }
}
