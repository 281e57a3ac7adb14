import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyRuntime
import ChimneyStack
import Testing

@testable import ChimneyCommand

@Suite struct StackAnswerTests {
    /// A stack with eth0, which has an address of one family that was probed for and found free.
    private func stack(_ family: TestFamily) throws -> VirtualStack {
        var stack = VirtualStack(name: "red", pool: PacketPool(packetsMax: 64), random: StackRandom(seed: 1))
        let mac = try #require(MACAddress("02:00:00:00:00:02"))
        let mode: IPv6Mode = family.family == .ipv6 ? .manual : .off
        let index = try stack.attach(InterfaceDescription(name: "eth0", mac: mac, ipv6: mode))
        let own = try #require(IPAddress(family.own))
        try stack.addAddress(own, prefixLength: family.subnetLength, to: index, at: .zero)
        for second in 1...4 { stack.timerFired(at: Instant(nanoseconds: UInt64(second) * 1_000_000_000)) }
        return stack
    }

    /// What commands are answered by it.
    private func answers(
        _ commands: [ControlCommand], _ family: TestFamily = TestFamily.all[0]
    ) throws -> [[ControlReply]] {
        var stack = try stack(family)
        let found = stack.interface(named: "eth0")
        let index = try #require(found)
        let devices = [index.rawValue: DeviceStanding(description: "tap chim0", loss: nil)]
        return commands.map {
            StackAnswers.replies(to: $0, of: &stack, devices: devices, at: Instant(nanoseconds: 5_000_000_000))
        }
    }

    private func failure(
        _ command: ControlCommand, _ family: TestFamily = TestFamily.all[0]
    ) throws -> String? {
        guard case .failure(let message)? = try answers([command], family)[0].first else { return nil }
        return message
    }

    /// The addresses of an interface that somebody gave it.
    private func given(_ report: InterfaceReport) -> [String] {
        report.addresses.filter { $0.origin != "linkLocal" }.map { "\($0.address)/\($0.prefixLength) \($0.state)" }
    }

    @Test func whatOfGroupsFoundNoBufferIsCountedForAllToSee() throws {
        let pool = PacketPool(packetsMax: 8, largeMax: 0)
        var stack = VirtualStack(name: "red", pool: pool, random: StackRandom(seed: 1))
        let index = try stack.attach(
            InterfaceDescription(name: "eth0", mac: try #require(MACAddress("02:00:00:00:00:02")), ipv6: .off))
        var held = PacketQueue()
        while let packet = pool.allocate() { held.append(packet) }
        let group = try #require(IPAddress("239.1.1.1"))
        try stack.join(group, on: .index(index), as: .administrator, at: .zero)
        stack.timerFired(at: Instant(nanoseconds: 1_000_000_000))
        let replies = StackAnswers.replies(to: .statistics, of: &stack, devices: [:], at: .zero)
        guard case .statistics(let report)? = replies.first else {
            Issue.record("\(replies)")
            return
        }
        let counters = report.counters
        #expect(counters.first { $0.name == "membershipMessagesUnsent" }?.count == 1)
        #expect(counters.first { $0.name == "multicastCopiesMissed" }?.count == 0)
        held.removeAll()
    }

    @Test func eventsThatWereNotKeptAreTold() {
        let report = EventReport(.membershipsMissed(stack: "red", count: 44), of: [])
        #expect(report.stack == "red" && report.interface == "" && report.kind == "missed")
        #expect(report.text == "44 further events of groups came at once and were not kept")
    }

    @Test(arguments: TestFamily.all)
    func interfacesAreShownWithTheirDevices(_ family: TestFamily) throws {
        let replies = try answers([.interfaces(name: "eth0"), .interfaces(name: nil)], family)
        guard case .interfaces(let one)? = replies[0].first, case .interfaces(let all)? = replies[1].first else {
            Issue.record("\(replies)")
            return
        }
        #expect(one.map(\.name) == ["eth0"])
        #expect(one[0].device == "tap chim0")
        #expect(one[0].state == "up")
        #expect(one[0].mac == "02:00:00:00:00:02")
        #expect(one[0].ipv6 == (family.family == .ipv4 ? "off" : "manual"))
        #expect(given(one[0]) == ["\(family.own)/\(family.subnetLength) usable"])
        #expect(all.map(\.name) == ["lo0", "eth0"])
    }

    @Test func linkLocalAddressIsShownWithItsOrigin() throws {
        guard case .interfaces(let list)? = try answers([.interfaces(name: "eth0")], TestFamily.all[1])[0].first else {
            Issue.record("no interfaces")
            return
        }
        let made = list[0].addresses.filter { $0.origin == "linkLocal" }
        #expect(made.count == 1 && made[0].address.hasPrefix("fe80::") && made[0].state == "usable")
        #expect(made[0].preferredSeconds == nil && made[0].validSeconds == nil)
    }

    @Test func lifetimesAreShownInSeconds() throws {
        let stack = try stack(TestFamily.all[1])
        let interfaces = stack.interfaces
        var address = try #require(interfaces.last?.ipv6Addresses.first)
        address.isDeprecated = true
        address.origin = .temporary
        address.preferredUntil = Instant(nanoseconds: 1_000_000_000)
        address.validUntil = Instant(nanoseconds: 65_000_000_000)
        let report = AddressReport(address, at: Instant(nanoseconds: 5_000_000_000))
        #expect(report.state == "deprecated" && report.origin == "temporary")
        #expect(report.preferredSeconds == 0 && report.validSeconds == 60)
    }

    @Test func serverIsAskedWhenDHCPIsSwitchedOn() throws {
        let replies = try answers([
            .configure(interface: "eth0", change: .dhcp(isOn: false)),
            .configure(interface: "eth0", change: .dhcp(isOn: true)), .interfaces(name: "eth0"),
            .configure(interface: "eth0", change: .dhcp(isOn: false)), .interfaces(name: "eth0"),
            .configure(interface: "lo0", change: .dhcp(isOn: true)),
        ])
        #expect(replies[0] == [.failure(message: "the interface asks no DHCP server")])
        guard case .interfaces(let on)? = replies[2].first, case .interfaces(let off)? = replies[4].first else {
            Issue.record("\(replies)")
            return
        }
        #expect(replies[1] == [] && on[0].dhcp == "starting")
        #expect(replies[3] == [] && off[0].dhcp == nil)
        #expect(replies[5] == [.failure(message: "the interface is no Ethernet")])
    }

    @Test func lostDeviceIsShownAsGone() throws {
        var stack = VirtualStack(name: "red", pool: PacketPool(packetsMax: 64), random: StackRandom(seed: 1))
        let mac = try #require(MACAddress("02:00:00:00:00:02"))
        let index = try stack.attach(InterfaceDescription(name: "eth0", mac: mac))
        let devices = [index.rawValue: DeviceStanding(description: "tap chim0", loss: "gone")]
        let replies = StackAnswers.replies(to: .interfaces(name: "eth0"), of: &stack, devices: devices, at: .zero)
        guard case .interfaces(let list)? = replies.first else {
            Issue.record("\(replies)")
            return
        }
        #expect(list[0].state == "gone")
        #expect(list[0].device == "tap chim0: gone")
    }

    @Test(arguments: TestFamily.all)
    func changesOfAnInterfaceTakeHold(_ family: TestFamily) throws {
        let further = "\(family.further)/\(family.furtherLength)"
        let replies = try answers(
            [
                .configure(interface: "eth0", change: .mtu(bytes: 1_400)),
                .configure(interface: "eth0", change: .mac(address: "02:00:00:00:00:09")),
                .configure(interface: "eth0", change: .addAddress(address: further)),
                .configure(interface: "eth0", change: .removeAddress(address: family.own)),
                .configure(interface: "eth0", change: .rename(name: "wan0")),
                .configure(interface: "wan0", change: .up(isUp: false)),
                .interfaces(name: "wan0"),
            ], family)
        for reply in replies.dropLast() { #expect(reply == []) }
        guard case .interfaces(let list)? = replies.last?.first else {
            Issue.record("\(replies)")
            return
        }
        #expect(list[0].mtu == 1_400)
        #expect(list[0].mac == "02:00:00:00:00:09")
        #expect(given(list[0]).map { $0.split(separator: " ")[0] } == [further[...]])
        #expect(list[0].state == "down")
    }

    @Test func refusedChangesAreOneSentence() throws {
        #expect(try failure(.interfaces(name: "eth9")) == "the stack red has no interface eth9; it has lo0, eth0")
        #expect(
            try failure(.configure(interface: "eth0", change: .mtu(bytes: 1))) == "an MTU of 1 is outside 68 to 65535")
        #expect(
            try failure(.configure(interface: "eth0", change: .mac(address: "01:00:00:00:00:00")))
                == "01:00:00:00:00:00 is not a link address that an interface may have")
        #expect(
            try failure(.configure(interface: "eth0", change: .rename(name: "lo0")))
                == "another interface is called lo0")
        #expect(try failure(.routes(fib: 3)) == "there is no routing table 3; the only one is 0")
        #expect(
            try failure(.drops(filter: DropFilter(reason: "boredom")))?.contains("no reason to drop a packet") == true)
    }

    @Test(arguments: TestFamily.all)
    func refusedAddressesAreOneSentence(_ family: TestFamily) throws {
        let (own, elsewhere) = (family.own, family.elsewhere)
        #expect(
            try failure(
                .configure(interface: "eth0", change: .addAddress(address: "\(own)/\(family.subnetLength)")), family)
                == "an interface of this stack has \(own) already")
        #expect(
            try failure(.configure(interface: "eth0", change: .removeAddress(address: elsewhere)), family)
                == "the interface does not have \(elsewhere)")
        #expect(
            try failure(
                .addRoute(route: RouteRequest(destination: family.everything, gateway: elsewhere)), family)
                == "the gateway \(elsewhere) is on no link of this stack; name the interface")
        let host = "\(elsewhere)/\(family.family == .ipv4 ? 32 : 128)"
        #expect(
            try failure(.deleteRoute(route: RouteRequest(destination: host)), family)
                == "there is no such route to \(host)")
        #expect(
            try failure(.deleteNeighbour(interface: nil, address: family.absent), family)
                == "\(family.absent) is not in the neighbour table")
        #expect(
            try failure(.explain(request: ExplainRequest(source: elsewhere, destination: own)), family)
                == "no route leads back to \(elsewhere); name the interface it comes in by with --on")
    }

    @Test func familiesDoNotMix() throws {
        let (v4, v6) = (TestFamily.all[0], TestFamily.all[1])
        #expect(
            try failure(.configure(interface: "eth0", change: .addAddress(address: "2001:db8::1/64")), v4)
                == "the interface does not speak IPv6")
        #expect(
            try failure(.addRoute(route: RouteRequest(destination: "::/0", gateway: "10.7.0.1")), v4)
                == "10.7.0.1 is not an IPv6 address")
        #expect(
            try failure(.explain(request: ExplainRequest(source: v4.router, destination: v6.own)), v6)
                == "\(v4.router) and \(v6.own) are of different families")
    }

    @Test(arguments: TestFamily.all)
    func routeIsAddedShownAndDeleted(_ family: TestFamily) throws {
        let route = RouteRequest(destination: family.everything, gateway: family.router, metric: 5)
        let replies = try answers(
            [
                .addRoute(route: route), .routes(fib: nil), .deleteRoute(route: route), .routes(fib: 0),
                .routes(fib: 0, family: family.family), .routes(fib: 0, family: family.family == .ipv4 ? .ipv6 : .ipv4),
            ], family)
        let lists = replies.map { parts -> [RouteReport] in
            guard case .routes(let list)? = parts.first else { return [] }
            return list
        }
        let added = lists[1].first { $0.destination == family.everything }
        #expect(added?.gateway == family.router)
        #expect(added?.interface == "eth0")
        #expect(added?.metric == 5)
        #expect(added?.origin == "configured")
        #expect(!lists[3].contains { $0.destination == family.everything })
        let connected = lists[4].filter { $0.interface == "eth0" && $0.origin == "interface" }
        #expect(connected.count == 1)
        #expect(!lists[5].contains { $0.interface == "eth0" })
    }

    @Test func linkLocalGatewayIsFoundByItsZone() throws {
        let family = TestFamily.all[1]
        let bare = RouteRequest(destination: "::/0", gateway: "fe80::1")
        #expect(
            try failure(.addRoute(route: bare), family)
                == "the gateway fe80::1 is on no link of this stack; name the interface")
        let route = RouteRequest(destination: "::/0", gateway: "fe80::1%eth0")
        guard case .routes(let list)? = try answers([.addRoute(route: route), .routes(fib: 0)], family)[1].first else {
            Issue.record("no routes")
            return
        }
        #expect(list.contains { $0.gateway == "fe80::1" && $0.interface == "eth0" })
    }

    @Test(arguments: TestFamily.all)
    func neighbourIsEnteredShownAndForgotten(_ family: TestFamily) throws {
        let add = ControlCommand.addNeighbour(interface: "eth0", address: family.absent, mac: "02:00:00:00:00:09")
        let list = ControlCommand.neighbours(family: family.family)
        let other = ControlCommand.neighbours(family: family.family == .ipv4 ? .ipv6 : .ipv4)
        let flush = ControlCommand.flushNeighbours(interface: nil, family: family.family)
        let delete = ControlCommand.deleteNeighbour(interface: nil, address: family.absent)
        let replies = try answers([add, list, other, flush, list, delete, list], family)
        let entered = [
            ControlReply.neighbours(list: [
                NeighbourReport(
                    address: family.absent, mac: "02:00:00:00:00:09", interface: "eth0", state: "permanent")
            ])
        ]
        #expect(replies[1] == entered)
        #expect(replies[2] == [.neighbours(list: [])])
        #expect(replies[4] == entered, "what was entered by hand was not learned")
        #expect(replies[6] == [.neighbours(list: [])])
    }

    @Test(arguments: TestFamily.all)
    func explainNamesTheReason(_ family: TestFamily) throws {
        let (own, router) = (family.own, family.router)
        let cases: [(ExplainRequest, String, String?)] = [
            (ExplainRequest(destination: family.elsewhere), "dropped", "noRoute"),
            (
                ExplainRequest(source: router, destination: own, ipProtocol: 17, destinationPort: 99), "dropped",
                "portClosed"
            ), (ExplainRequest(source: router, destination: family.elsewhere), "dropped", "addressNotOurs"),
            (ExplainRequest(source: router, destination: own), "delivered", nil),
            (ExplainRequest(destination: family.absent), "waiting", nil),
        ]
        for (request, verdict, reason) in cases {
            guard case .explanation(let report)? = try answers([.explain(request: request)], family)[0].first else {
                Issue.record("\(request)")
                continue
            }
            #expect(report.verdict == verdict, "\(request)")
            #expect(report.reason == reason, "\(request)")
        }
    }

    @Test func linkLocalDestinationNeedsItsInterfaceWhereThereAreSeveral() throws {
        var stack = try stack(TestFamily.all[1])
        let alone = try StackAnswers.zone(of: ScopedAddress(.v6(.allNodes)), in: stack)
        let eth0 = stack.interface(named: "eth0")?.rawValue
        #expect(alone == eth0)
        let mac = try #require(MACAddress("02:00:00:00:00:03"))
        let second = try stack.attach(InterfaceDescription(name: "eth1", mac: mac, ipv6: .manual))
        let linkLocal = try #require(ScopedAddress("fe80::1"))
        do throws(CommandFailure) {
            _ = try StackAnswers.zone(of: linkLocal, in: stack)
            Issue.record("a zone was found")
        } catch {
            #expect(
                error.description
                    == "fe80::1 means something on one link only; name the interface, such as fe80::1%eth0")
        }
        let named = try #require(ScopedAddress("fe80::1%eth1"))
        let zone = try StackAnswers.zone(of: named, in: stack)
        #expect(zone == second.rawValue)
        let wide = try #require(ScopedAddress("2001:db8::1%eth1"))
        let noZone = try StackAnswers.zone(of: wide, in: stack)
        #expect(noZone == 0)
        let unknown = try #require(ScopedAddress("2001:db8::1%eth9"))
        let refused = (try? StackAnswers.zone(of: unknown, in: stack)) == nil
        #expect(refused)
    }

    @Test func longListsComeInBoundedParts() throws {
        let routes = (0..<450).map {
            ControlCommand.addRoute(
                route: RouteRequest(destination: "10.\(100 + $0 / 256).\($0 % 256).0/24", kind: "blackhole"))
        }
        let parts = try #require(try answers(routes + [.routes(fib: 0)]).last)
        let counts = parts.map { part -> Int in
            guard case .routes(let list) = part else { return -1 }
            return list.count
        }
        #expect(counts.allSatisfy { (1...StackAnswers.rowsPerReplyMax).contains($0) })
        #expect(counts.reduce(0, +) == 452)
    }
}

@Suite struct CaptureTests {
    private var frame: [UInt8] { [UInt8](repeating: 0, count: 60) }

    @Test func framesBeyondTheCountAreNotTaken() throws {
        let capture = Capture(filter: try CaptureFilter([]), kind: .ethernet, countMax: 2)
        var taken = 0
        for _ in 0..<5 where unsafe capture.admits(frame.span.bytes) { taken += 1 }
        #expect(taken == 2)
        capture.append([1, 2, 3])
        let (bytes, isComplete) = capture.take()
        #expect(bytes == [1, 2, 3])
        #expect(isComplete)
        #expect(capture.report == CaptureReport(captured: 2, missed: 0))
    }

    @Test func framesThatNobodyFetchesAreCountedAsMissed() throws {
        let capture = Capture(filter: try CaptureFilter([]), kind: .ethernet, countMax: nil)
        let piece = [UInt8](repeating: 0, count: Capture.bytesMax / 4)
        for _ in 0..<6 {
            _ = unsafe capture.admits(frame.span.bytes)
            capture.append(piece)
        }
        #expect(capture.report == CaptureReport(captured: 4, missed: 2))
        #expect(capture.take().bytes.count == Capture.bytesMax)
        _ = unsafe capture.admits(frame.span.bytes)
        capture.append(piece)
        #expect(capture.report == CaptureReport(captured: 5, missed: 2))
    }
}
