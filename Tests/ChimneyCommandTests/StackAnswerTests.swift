import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Testing

@testable import ChimneyCommand

@Suite struct StackAnswerTests {
    /// What a command is answered by a stack with eth0 at 10.7.0.2/24.
    private func answers(_ commands: [ControlCommand]) throws -> [[ControlReply]] {
        var stack = VirtualStack(name: "red", pool: PacketPool(packetsMax: 64), random: StackRandom(seed: 1))
        let mac = try #require(MACAddress("02:00:00:00:00:02"))
        let index = try stack.attach(InterfaceDescription(name: "eth0", mac: mac))
        try stack.addAddress(IPv4Address(10, 7, 0, 2), prefixLength: 24, to: index, at: .zero)
        let devices = [index.rawValue: DeviceStanding(description: "tap chim0", loss: nil)]
        return commands.map {
            StackAnswers.replies(to: $0, of: &stack, devices: devices, at: Instant(nanoseconds: 5_000_000_000))
        }
    }

    private func failure(_ command: ControlCommand) throws -> String? {
        guard case .failure(let message)? = try answers([command])[0].first else { return nil }
        return message
    }

    @Test func interfacesAreShownWithTheirDevices() throws {
        let replies = try answers([.interfaces(name: "eth0"), .interfaces(name: nil)])
        guard case .interfaces(let one)? = replies[0].first, case .interfaces(let all)? = replies[1].first else {
            Issue.record("\(replies)")
            return
        }
        #expect(one.map(\.name) == ["eth0"])
        #expect(one[0].device == "tap chim0")
        #expect(one[0].state == "up")
        #expect(one[0].mac == "02:00:00:00:00:02")
        #expect(one[0].addresses.map(\.address) == ["10.7.0.2"])
        #expect(all.map(\.name) == ["lo0", "eth0"])
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

    @Test func changesOfAnInterfaceTakeHold() throws {
        let replies = try answers([
            .configure(interface: "eth0", change: .mtu(bytes: 1_400)),
            .configure(interface: "eth0", change: .mac(address: "02:00:00:00:00:09")),
            .configure(interface: "eth0", change: .addAddress(address: "10.8.0.1/16")),
            .configure(interface: "eth0", change: .removeAddress(address: "10.7.0.2")),
            .configure(interface: "eth0", change: .rename(name: "wan0")),
            .configure(interface: "wan0", change: .up(isUp: false)),
            .interfaces(name: "wan0"),
        ])
        for reply in replies.dropLast() { #expect(reply == []) }
        guard case .interfaces(let list)? = replies.last?.first else {
            Issue.record("\(replies)")
            return
        }
        #expect(list[0].mtu == 1_400)
        #expect(list[0].mac == "02:00:00:00:00:09")
        #expect(list[0].addresses.map(\.address) == ["10.8.0.1"])
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
            try failure(.configure(interface: "eth0", change: .addAddress(address: "10.7.0.2/24")))
                == "an interface of this stack has 10.7.0.2 already")
        #expect(
            try failure(.configure(interface: "eth0", change: .removeAddress(address: "1.2.3.4")))
                == "the interface does not have 1.2.3.4")
        #expect(
            try failure(.configure(interface: "eth0", change: .rename(name: "lo0")))
                == "another interface is called lo0")
        #expect(try failure(.routes(fib: 3)) == "there is no routing table 3; the only one is 0")
        #expect(
            try failure(.addRoute(route: RouteRequest(destination: "0.0.0.0/0", gateway: "192.0.2.1")))
                == "the gateway 192.0.2.1 is on no link of this stack; name the interface")
        #expect(
            try failure(.deleteRoute(route: RouteRequest(destination: "192.0.2.0/24")))
                == "there is no such route to 192.0.2.0/24")
        #expect(
            try failure(.drops(filter: DropFilter(reason: "boredom")))?.contains("no reason to drop a packet") == true)
        #expect(
            try failure(.deleteNeighbour(interface: nil, address: "10.7.0.9"))
                == "10.7.0.9 is not in the neighbour table")
        #expect(
            try failure(.explain(request: ExplainRequest(source: "198.51.100.1", destination: "10.7.0.2")))
                == "no route leads back to 198.51.100.1; name the interface it comes in by with --on")
    }

    @Test func routeIsAddedShownAndDeleted() throws {
        let route = RouteRequest(destination: "0.0.0.0/0", gateway: "10.7.0.1", metric: 5)
        let replies = try answers([
            .addRoute(route: route), .routes(fib: nil), .deleteRoute(route: route), .routes(fib: 0),
        ])
        guard case .routes(let before)? = replies[1].first, case .routes(let after)? = replies[3].first else {
            Issue.record("\(replies)")
            return
        }
        let added = before.first { $0.destination == "0.0.0.0/0" }
        #expect(added?.gateway == "10.7.0.1")
        #expect(added?.interface == "eth0")
        #expect(added?.metric == 5)
        #expect(!after.contains { $0.destination == "0.0.0.0/0" })
    }

    @Test func neighbourIsEnteredShownAndForgotten() throws {
        let replies = try answers([
            .addNeighbour(interface: "eth0", address: "10.7.0.9", mac: "02:00:00:00:00:09"), .neighbours,
            .deleteNeighbour(interface: nil, address: "10.7.0.9"), .neighbours,
        ])
        #expect(
            replies[1] == [
                .neighbours(list: [
                    NeighbourReport(
                        address: "10.7.0.9", mac: "02:00:00:00:00:09", interface: "eth0", state: "permanent")
                ])
            ])
        #expect(replies[3] == [.neighbours(list: [])])
    }

    @Test func explainNamesTheReason() throws {
        let cases: [(ExplainRequest, String, String?)] = [
            (ExplainRequest(destination: "203.0.113.9"), "dropped", "noRoute"),
            (
                ExplainRequest(source: "10.7.0.1", destination: "10.7.0.2", ipProtocol: 17, destinationPort: 99),
                "dropped", "portClosed"
            ), (ExplainRequest(source: "10.7.0.1", destination: "10.99.0.1"), "dropped", "addressNotOurs"),
            (ExplainRequest(source: "10.7.0.1", destination: "10.7.0.2"), "delivered", nil),
            (ExplainRequest(destination: "10.7.0.9"), "waiting", nil),
        ]
        for (request, verdict, reason) in cases {
            guard case .explanation(let report)? = try answers([.explain(request: request)])[0].first else {
                Issue.record("\(request)")
                continue
            }
            #expect(report.verdict == verdict, "\(request)")
            #expect(report.reason == reason, "\(request)")
        }
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
