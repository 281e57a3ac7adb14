import ChimneyLab
import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import ChimneyWire
import Testing

extension LabFamily {
    /// A group of wide scope, and one of which sources alone can be joined.
    func channel(_ number: Int) -> IPAddress {
        switch self {
        case .ipv4: .v4(IPv4Address(bits: 0xEF01_0100 + UInt32(number)))
        case .ipv6: .v6(IPv6Address(high: 0xFF1E << 48, low: 0x0101_0100 | UInt64(number)))
        }
    }

    var sourceSpecific: IPAddress {
        switch self {
        case .ipv4: .v4(IPv4Address(232, 1, 1, 1))
        case .ipv6: .v6(IPv6Address(high: 0xFF3E << 48, low: 0x8000_0001))
        }
    }

    /// Where the querier of the tests asks from.
    var querier: IPAddress {
        switch self {
        case .ipv4: .v4(IPv4Address(10, 0, 0, 254))
        case .ipv6: .v6(IPv6Address(high: 0xFE80 << 48, low: 0xFE))
        }
    }

    /// The version of MLD counts one less.
    func name(_ version: MembershipVersion) -> MembershipVersion { self == .ipv6 ? max(.v2, version) : version }
}

extension LabQuerier {
    /// What is believed of a group of a family.
    func filter(of group: IPAddress, at now: Instant) -> GroupFilter {
        switch group {
        case .v4(let group):
            let filter = ipv4Groups(at: now).first { $0.group == group }?.filter ?? .none
            return GroupFilter(filter.mode, filter.sources.map { .v4($0) })
        case .v6(let group):
            let filter = ipv6Groups(at: now).first { $0.group == group }?.filter ?? .none
            return GroupFilter(filter.mode, filter.sources.map { .v6($0) })
        }
    }

    func settings(_ family: LabFamily) -> QuerierSettings? { family == .ipv4 ? igmpSettings : mldSettings }
    func counters(_ family: LabFamily) -> QuerierCounters { family == .ipv4 ? igmpCounters : mldCounters }
}

/// Groups in a lab: who joins, who sends, who asks, and what the checks find.
@Suite struct GroupLabTests {
    /// Two senders, some watchers and a querier on one switch.
    private func lab(
        _ family: LabFamily, seed: UInt64 = 1, watchers: Int = 2, settings: LinkSettings = .init(),
        _ change: (inout QuerierSettings) -> Void = { _ in }
    ) throws -> (lab: Lab, querier: LabQuerier) {
        let lab = Lab(seed: seed)
        let link = try lab.addLink("lan", settings: settings)
        let names = ["s1", "s2"] + (1...watchers).map { "w\($0)" }
        for (number, name) in names.enumerated() {
            try lab.connect(lab.addNode(name), to: link, address: family.host(0, number + 1))
        }
        var settings = QuerierSettings()
        settings.queryInterval = .seconds(20)
        settings.responseInterval = .seconds(2)
        change(&settings)
        let querier = try lab.addQuerier(
            "q", on: link, addresses: [family.querier], igmp: settings, mld: settings)
        return (lab, querier)
    }

    @discardableResult
    private func send(_ lab: Lab, from node: String, to group: IPAddress, size: Int = 200) throws -> FlowRecord {
        try lab.flow(
            FlowSettings(
                name: "\(node) to \(group)", from: node, to: "\(group)", byteCount: size...size, packetsPerSecond: 10,
                stop: .seconds(40)))
    }

    @Test(arguments: LabFamily.allCases)
    func receiversGetExactlyWhatTheirFiltersAdmit(_ family: LabFamily) throws {
        let (lab, _) = try lab(family)
        let (one, two) = (family.address(0, 1), family.address(0, 2))
        let group = family.channel(1)
        let flows = [try send(lab, from: "s1", to: group), try send(lab, from: "s2", to: group)]
        let other = try send(lab, from: "s1", to: family.channel(2))
        let all = try lab.receive(GroupSettings(name: "all", node: "w1", group: group))
        let chosen = try lab.receive(
            GroupSettings(
                name: "chosen", node: "w1", group: group, wishes: [.init(at: .zero, GroupFilter(.include, [two]))]))
        let fickle = try lab.receive(
            GroupSettings(
                name: "fickle", node: "w2", group: group,
                wishes: [
                    .init(at: .seconds(10), GroupFilter(.exclude, [one])), .init(at: .seconds(20), .all),
                    .init(at: .seconds(30), .none),
                ]))
        lab.run(.seconds(60))
        #expect(flows.map(\.sent) == [400, 400] && flows.map(\.received) == [400, 400])
        func got(_ reception: GroupReception) -> [UInt64] { flows.map { reception.arrivals(of: $0).received } }
        #expect(got(all) == [400, 400] && got(chosen) == [0, 400])
        #expect(got(fickle) == [100, 200])
        #expect(all.received == 800 && other.received == 0 && other.sent == 400)
        #expect(all.wrong + chosen.wrong + fickle.wrong == 0)
        #expect(all.arrivals(of: flows[0]).due == 400 && fickle.arrivals(of: flows[0]).due == 100)
        #expect(lab.check() == [])
        let rows = lab.report().receivers
        #expect(rows.map(\.received) == [400, 400, 0, 400, 100, 200])
        #expect(rows.map(\.decision).suffix(1) == ["linkGroupNotJoined"])
        #expect(rows[2].decision == "delivered to others" && rows[2].filter == "only \(two)")
    }

    @Test(arguments: LabFamily.allCases)
    func fragmentsAndOwnDatagramsReachReceiversToo(_ family: LabFamily) throws {
        let (lab, _) = try lab(family)
        let group = family.channel(1)
        let flow = try send(lab, from: "s1", to: group, size: 4_000)
        let (own, far) = (
            try lab.receive(GroupSettings(node: "s1", group: group)),
            try lab.receive(GroupSettings(node: "w1", group: group))
        )
        lab.run(.seconds(60))
        #expect(flow.sent == 400 && own.received == 400 && far.received == 400)
        #expect(own.arrivals(of: flow).due == 0 && far.arrivals(of: flow).due == 0)
        #expect(lab.check() == [])
    }

    @Test(arguments: LabFamily.allCases)
    func wrongAndMissingDeliveriesAreNamed(_ family: LabFamily) throws {
        let (lab, _) = try lab(family)
        let group = family.channel(1)
        try send(lab, from: "s1", to: group)
        let reception = try lab.receive(
            GroupSettings(
                name: "r", node: "w1", group: group,
                wishes: [.init(at: .zero, GroupFilter(.include, [family.address(0, 2)]))]))
        lab.run(.seconds(10))
        #expect(lab.check(.groupDelivery) == [] && reception.received == 0)
        // Somebody changes the socket behind the receiver's back: it gets what it never asked for.
        let node = try lab.node("w1")
        let socket = try #require(node.stack.udpSockets.first { $0.local.port == 5_000 }).id
        let eth0 = InterfaceChoice.index(reception.interface)
        try node.stack.setFilter(.all, of: group, on: eth0, as: .socket(socket), at: lab.now)
        lab.settle(node)
        lab.run(.seconds(1))
        #expect(
            lab.check(.groupDelivery).map(\.description)
                == ["receiver r: 10 datagrams of s1 to \(group) that it did not ask for"])
        let (other, _) = try self.lab(family)
        try send(other, from: "s1", to: group)
        try other.receive(GroupSettings(name: "r", node: "w1", group: group))
        other.run(.seconds(1) + .milliseconds(50))
        let watcher = try other.node("w1")
        watcher.stack.close(try #require(watcher.stack.udpSockets.first { $0.local.port == 5_000 }).id)
        other.settle(watcher)
        other.run(.seconds(1))
        #expect(
            other.check(.groupDelivery).map(\.description)
                == ["receiver r: 11 datagrams of s1 to \(group), while 21 came that it wants"])
    }

    @Test(arguments: LabFamily.allCases)
    func querierThatHostsDoNotBelieveForgetsThemAndTheCheckSaysSo(_ family: LabFamily) throws {
        for believes in [true, false] {
            let lab = Lab(seed: 1)
            let link = try lab.addLink("lan")
            var (igmp, mld) = (MembershipSettings<IPv4Address>(), MembershipSettings<IPv6Address>())
            igmp.queries.needsLinkSource = !believes
            mld.queries.needsLinkSource = !believes
            // Nothing is on the link of this querier, as far as the host can tell.
            let (off, near) = (IPAddress.v4(IPv4Address(192, 0, 2, 1)), LabFamily.ipv6.querier)
            try lab.connect(
                lab.addNode("h"), to: link, addresses: [family.host(0, 1)], igmp: igmp, mld: mld)
            let querier = try lab.addQuerier("q", on: link, addresses: [family == .ipv4 ? off : near])
            let group = family.channel(1)
            try lab.receive(GroupSettings(node: "h", group: group))
            if !believes, family == .ipv6 {
                // Over IPv6 every querier is near: the host hears it too late.
                try link.setSettings(LinkSettings(delay: .seconds(100_000)), toward: lab.node("h"))
            }
            lab.run(.seconds(100))
            #expect(querier.filter(of: group, at: lab.now) == .all)
            #expect(!lab.isSettled(querier))
            lab.run(.seconds(1_000))
            #expect(lab.isSettled(querier))
            let found = lab.check(.groupConvergence).map(\.description)
            let expected = "querier q: believes nothing of \(group), and hosts want all"
            #expect(found.contains(expected) == !believes, "\(found)")
            #expect(believes == found.isEmpty)
        }
    }

    @Test(arguments: LabFamily.allCases)
    func hostsFollowTheVersionOfTheQuerierAndPinnedOnesDoNot(_ family: LabFamily) throws {
        let (lab, querier) = try lab(family, watchers: 1)
        var (igmp, mld) = (MembershipSettings<IPv4Address>(), MembershipSettings<IPv6Address>())
        igmp.pinnedVersion = .v2
        mld.pinnedVersion = .v2
        let pinned = try lab.addNode("pinned")
        try lab.connect(
            pinned, to: lab.link("lan"), addresses: [family.host(0, 9)], igmp: igmp, mld: mld)
        let (group, older) = (family.channel(1), family.channel(2))
        let wish = GroupFilter(.include, [family.address(0, 1)])
        try lab.receive(GroupSettings(node: "w1", group: group, wishes: [.init(at: .zero, wish)]))
        let chosen = family.sourceSpecific
        try lab.receive(GroupSettings(node: "w1", group: chosen, wishes: [.init(at: .zero, wish)]))
        try lab.receive(GroupSettings(node: "pinned", group: older, wishes: [.init(at: .zero, wish)]))
        lab.run(.seconds(150))
        #expect(querier.filter(of: group, at: lab.now) == wish && querier.filter(of: older, at: lab.now) == .all)
        #expect(querier.filter(of: chosen, at: lab.now) == wish)
        #expect(lab.isSettled(querier) && lab.check() == [])
        for version in [MembershipVersion.v2, .v1] {
            try lab.perform(.setQuerier("q", family, version))
            lab.run(.seconds(150))
            // An older version tells of all sources.
            #expect(querier.settings(family)?.version == family.name(version))
            // It cannot say who is wanted, so of a group with chosen sources alone it is not believed.
            #expect(querier.filter(of: group, at: lab.now) == .all)
            #expect(querier.filter(of: chosen, at: lab.now) == .none)
            #expect(lab.isSettled(querier) && lab.check() == [])
        }
        try lab.perform(.setQuerier("q", family, .v3))
        lab.run(.seconds(600))
        #expect(querier.filter(of: group, at: lab.now) == wish && querier.filter(of: chosen, at: lab.now) == wish)
        #expect(lab.isSettled(querier) && lab.check() == [])
        #expect(querier.counters(family).olderReports > 0 && querier.counters(family).reports > 0)
        #expect(querier.counters(family).malformed == 0)
        #expect(lab.report().believed.filter { $0.group == "\(older)" }.map(\.wanted) == ["all"])
    }

    @Test(arguments: LabFamily.allCases)
    func querierIsUnsettledByAChangeALostFrameAnInterfaceAndItsOwnVersion(_ family: LabFamily) throws {
        let (lab, querier) = try lab(family)
        let (node, group) = (try lab.node("w1"), family.channel(1))
        let reception = try lab.receive(
            GroupSettings(
                node: "w1", group: group, wishes: [.init(at: .zero, .all), .init(at: .seconds(1_000), .none)]))
        try lab.at(.seconds(1_300), .setFaults(link: "lan", LinkFaults(loss: 1), toward: "w2"))
        try lab.at(.seconds(1_330), .endFaults)
        try lab.at(.seconds(1_600), .setInterface(node: "w1", interface: "eth0", isUp: false))
        try lab.at(.seconds(1_900), .setQuerier("q", family, .v2))
        for disturbed in [Int64(0), 1_000, 1_330, 1_600, 1_900] {
            lab.run(until: .zero + .seconds(disturbed))
            lab.run(.seconds(10))
            #expect(!lab.isSettled(querier), "\(disturbed)")
            #expect(lab.check(.groupConvergence) == [])
            lab.run(.seconds(200))
            #expect(lab.isSettled(querier), "\(disturbed)")
            #expect(lab.check() == [])
        }
        #expect(reception.filter == .none && querier.filter(of: group, at: lab.now) == .none)
        #expect(node.stack.interfaces.contains { !$0.isUp })
    }

    /// Anything may be lost, doubled, delayed or damaged for a while and hosts want something else all the time; once
    /// that is over the querier's list becomes what they want, whatever its version was meanwhile.
    @Test(arguments: LabFamily.allCases)
    func listsConvergeAfterFaultsAndChangesOfVersion(_ family: LabFamily) throws {
        for seed in UInt64(1)...8 {
            let (lab, querier) = try lab(family, seed: seed, watchers: 5)
            var random = StackRandom(seed: seed)
            let sources = (1...3).map { family.address(0, $0) }
            for watcher in 1...5 {
                for (number, group) in [family.channel(1), family.channel(2), family.sourceSpecific].enumerated() {
                    var wishes: [GroupSettings.Wish] = []
                    for time in 0..<12 {
                        let mode: FilterMode = number == 2 || Bool.random(using: &random) ? .include : .exclude
                        let some = sources.filter { _ in Bool.random(using: &random) }
                        let delay = Int64.random(in: 0..<10_000, using: &random)
                        wishes.append(.init(at: .milliseconds(Int64(time) * 10_000 + delay), GroupFilter(mode, some)))
                    }
                    try lab.receive(GroupSettings(node: "w\(watcher)", group: group, wishes: wishes))
                }
            }
            try send(lab, from: "s1", to: family.channel(1))
            for (time, version) in [(30, MembershipVersion.v2), (60, .v1), (90, .v3)] {
                try lab.at(.seconds(Int64(time)), .setQuerier("q", family, version))
            }
            let violations = lab.runSafetyThenLiveness(
                safety: .seconds(130), liveness: .seconds(700),
                faults: { LinkFaults.random(loss: 0.4, using: &$0) })
            #expect(violations == [], "seed \(seed)")
            #expect(lab.isSettled(querier), "seed \(seed)")
            #expect(lab.journal.allSatisfy { $0.failure == nil })
        }
    }

    @Test(arguments: LabFamily.allCases)
    func damagedMessagesAreCountedAndChangeNothing(_ family: LabFamily) throws {
        for corruption in [0.0, 1] {
            let (lab, querier) = try lab(family)
            try lab.perform(.setFaults(link: "lan", LinkFaults(corruption: corruption)))
            try lab.receive(GroupSettings(node: "w1", group: family.channel(1)))
            lab.run(.seconds(100))
            // Hosts see damaged queries and reports of others.
            var damaged: UInt64 = 0
            for node in lab.nodes {
                let ledger = node.stack.ledger
                damaged +=
                    family == .ipv4 ? ledger.dropped(.membershipChecksumBad) : ledger.dropped(.icmpChecksumBad)
            }
            #expect((damaged > 0) == (corruption > 0))
            #expect((querier.counters(family).malformed > 0) == (corruption > 0))
            // A damaged report is taken for nothing else: what is believed is what the nodes have told.
            let reported = try ["s1", "s2", "w1", "w2"].flatMap { name in
                try lab.node(name).stack.multicast(on: InterfaceIndex(rawValue: 2))?.groups.map(\.group) ?? []
            }
            let believed = lab.report().believed.filter { $0.believed != "nothing" }.map(\.group)
            #expect(Set(believed).isSubset(of: reported.map(\.description)))
            #expect(corruption > 0 || believed.contains("\(family.channel(1))"))
            #expect(lab.check(.conservation) == [])
        }
    }

    @Test func mistakesInQueriersAndReceiversAreErrors() throws {
        let (lab, _) = try lab(.ipv4)
        let lan = try lab.link("lan")
        #expect(throws: LabError.nameInUse("q")) { try lab.addNode("q") }
        #expect(throws: LabError.nameInUse("w1")) {
            try lab.addQuerier("w1", on: lan, addresses: [LabFamily.ipv4.querier])
        }
        #expect(throws: LabError.addressMalformed("2001:db8::1")) {
            try lab.addQuerier("p", on: lan, addresses: [.v6(IPv6Address(high: 0x2001_0DB8_0000_0000, low: 1))])
        }
        #expect(throws: LabError.addressMalformed("")) { try lab.addQuerier("p", on: lan, addresses: []) }
        var hasty = QuerierSettings()
        hasty.queryInterval = .zero
        #expect(throws: LabError.self) {
            try lab.addQuerier("p", on: lan, addresses: [LabFamily.ipv4.querier], igmp: hasty)
        }
        #expect(throws: LabError.noSuchNode("p")) { try lab.perform(.setQuerier("p", .ipv4, .v2)) }
        #expect(throws: LabError.noSuchNode("w9")) {
            try lab.receive(GroupSettings(node: "w9", group: LabFamily.ipv4.channel(1)))
        }
        #expect(throws: LabError.addressMalformed("10.0.0.1")) {
            try lab.receive(GroupSettings(node: "w1", group: LabFamily.ipv4.address(0, 1)))
        }
        #expect(throws: LabError.noAddress(node: "w1")) {
            try lab.receive(GroupSettings(node: "w1", group: LabFamily.ipv6.channel(1)))
        }
        #expect(throws: LabError.noSuchInterface(node: "w1", interface: "eth7")) {
            try lab.receive(GroupSettings(node: "w1", interface: "eth7", group: LabFamily.ipv4.channel(1)))
        }
        try lab.receive(GroupSettings(name: "r", node: "w1", group: LabFamily.ipv4.sourceSpecific))
        #expect(throws: LabError.nameInUse("r")) {
            try lab.receive(GroupSettings(name: "r", node: "w2", group: LabFamily.ipv4.channel(1)))
        }
        #expect(throws: LabError.self) {
            try lab.flow(FlowSettings(from: "s1", to: "239.1.1.1", mode: .echo))
        }
        lab.run(.seconds(1))
        // Of such a group sources have to be chosen.
        #expect(lab.check(.groupDelivery).map(\.place) == ["receiver r"])
    }
}
