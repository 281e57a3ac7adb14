import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Testing

@Suite struct UDPTests {
    @Test(arguments: [LinkKind.ip, .ethernet], Family.allCases)
    func datagramsArriveAsSentAndInOrder(over kind: LinkKind, _ family: Family) throws {
        let segment = try Segment(family, kind: kind)
        let sender = try segment.left.openUDP()
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        let payloads = (0..<200).map { count in (0..<count).map { UInt8(truncatingIfNeeded: $0 ^ count) } }
        for payload in payloads {
            try segment.left.send(sender, payload, to: Endpoint(family.right, 9), at: segment.now)
        }
        segment.pump()
        #expect(segment.right.receiveAll(receiver) == payloads)
        #expect(segment.pool.inUse == 0)
        segment.check()
    }

    @Test(arguments: [0, 1, 1_452, 1_453, 1_472, 1_473, 2_960, 8_000, .max], Family.allCases)
    func datagramsOfAnySizeArriveWhole(byteCount: Int, _ family: Family) throws {
        let segment = try Segment(family)
        let sender = try segment.left.openUDP()
        let receiver = try segment.right.openUDP()
        let peer = Endpoint(family.right, 9)
        try segment.right.bind(receiver, to: peer)
        let payload = (0..<min(byteCount, family.payloadMax)).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }
        try segment.left.send(sender, payload, to: peer, at: segment.now)
        segment.pump()
        #expect(segment.right.receiveAll(receiver) == [payload], "\(segment.right.ledger.dropsByReason)")
        segment.check()
        #expect(throws: SendError.messageTooLong(max: family.payloadMax)) {
            let more = [UInt8](repeating: 0, count: family.payloadMax + 1)
            try segment.left.send(sender, more, to: peer, at: segment.now)
        }
    }

    @Test(arguments: Family.allCases)
    func answerReachesTheSocketThatAsked(_ family: Family) throws {
        let segment = try Segment(family)
        let client = try segment.left.openUDP()
        let server = try segment.right.openUDP()
        try segment.right.bind(server, to: Endpoint(port: 7))
        try segment.left.connect(client, to: Endpoint(family.right, 7))
        try segment.left.send(client, [1, 2, 3], at: segment.now)
        segment.pump()
        let source = segment.right.receive(server).source
        #expect(source.address == family.left)
        #expect(source == segment.left.localEndpoint(client).map { Endpoint(family.left, $0.port) })
        try segment.right.send(server, [4], to: source, at: segment.now)
        segment.pump()
        #expect(segment.left.receiveAll(client) == [[4]])
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func closedPortIsReportedToTheConnectedSocketOnly(_ family: Family) throws {
        let segment = try Segment(family)
        let connected = try segment.left.openUDP()
        let loose = try segment.left.openUDP()
        let peer = Endpoint(family.right, 99)
        try segment.left.connect(connected, to: peer)
        try segment.left.send(connected, [1], at: segment.now)
        try segment.left.send(loose, [1], to: peer, at: segment.now)
        segment.pump()
        #expect(segment.left.takeError(connected) == .portUnreachable(peer))
        #expect(segment.left.takeError(loose) == nil)
        #expect(segment.right.ledger.dropped(.portClosed) == 2)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func pendingErrorIsThrownOnceAndThenTheSocketWorksAgain(_ family: Family) throws {
        let segment = try Segment(family)
        let socket = try segment.left.openUDP()
        let peer = Endpoint(family.right, 99)
        try segment.left.connect(socket, to: peer)
        try segment.left.send(socket, [1], at: segment.now)
        segment.pump()
        #expect(throws: SendError.network(.portUnreachable(peer))) {
            try segment.left.send(socket, [1], at: segment.now)
        }
        try segment.left.send(socket, [1], at: segment.now)
        segment.pump()
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func connectedSocketTakesItsPeersDatagramsAndLeavesOthersToTheSharingOne(_ family: Family) throws {
        let segment = try Segment(family)
        var options = UDPOptions()
        options.sharesAddress = true
        let wide = try segment.right.openUDP()
        let narrow = try segment.right.openUDP()
        for socket in [wide, narrow] {
            segment.right.setOptions(options, of: socket)
            try segment.right.bind(socket, to: Endpoint(port: 9))
        }
        try segment.right.connect(narrow, to: Endpoint(family.left, 1_000))
        segment.pump()
        segment.giveRight(Handmade.udp(family, from: 1_000, to: 9, [1]))
        segment.giveRight(Handmade.udp(family, from: 1_001, to: 9, [2]))
        #expect(segment.right.receiveAll(narrow) == [[1]])
        #expect(segment.right.receiveAll(wide) == [[2]])
        segment.right.close(narrow)
        segment.giveRight(Handmade.udp(family, from: 1_000, to: 9, [3]))
        #expect(segment.right.receiveAll(wide) == [[3]])
        segment.check()
    }

    @Test func broadcastNeedsTheOptionAndReachesEverySocketOnThePort() throws {
        let segment = try Segment()
        let sender = try segment.left.openUDP()
        var sharing = UDPOptions()
        sharing.sharesAddress = true
        let receivers = try (0..<3).map { _ in try segment.right.openUDP() }
        for socket in receivers {
            segment.right.setOptions(sharing, of: socket)
            try segment.right.bind(socket, to: Endpoint(port: 9))
        }
        for address in [IPv4Address(10, 0, 0, 255), .limitedBroadcast] {
            let everyone = Endpoint(address, 9)
            segment.left.setOptions(UDPOptions(), of: sender)
            #expect(throws: SendError.broadcastForbidden) {
                try segment.left.send(sender, [5], to: everyone, at: segment.now)
            }
            var options = UDPOptions()
            options.broadcast = true
            segment.left.setOptions(options, of: sender)
            try segment.left.send(sender, [5], to: everyone, at: segment.now)
            segment.pump()
            for socket in receivers { #expect(segment.right.receiveAll(socket) == [[5]]) }
        }
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func loopbackAndOwnAddressReachOwnSockets(_ family: Family) throws {
        let segment = try Segment(family)
        let server = try segment.left.openUDP()
        let client = try segment.left.openUDP()
        try segment.left.bind(server, to: Endpoint(port: 9))
        for address in [family.loopback, family.left] {
            try segment.left.send(client, [6], to: Endpoint(address, 9), at: segment.now)
        }
        #expect(segment.left.receiveAll(server).count == 2)
        #expect(segment.interceptLeft().isEmpty)
        segment.check()
    }

    @Test func everyAddressOf127ReachesOwnSockets() throws {
        let segment = try Segment()
        let server = try segment.left.openUDP()
        let client = try segment.left.openUDP()
        try segment.left.bind(server, to: Endpoint(port: 9))
        try segment.left.send(client, [6], to: Endpoint(IPv4Address(127, 9, 9, 9), 9), at: segment.now)
        #expect(segment.left.receiveAll(server).count == 1)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func boundsOfASocketDropWithAName(_ family: Family) throws {
        var settings = StackSettings()
        settings.socketReceivePacketsMax = 4
        settings.socketsMax = 2
        let segment = try Segment(family, rightSettings: settings)
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        for byte in UInt8(0)..<6 { segment.giveRight(Handmade.udp(family, to: 9, [byte])) }
        #expect(segment.right.ledger.dropped(.socketBufferFull) == 2)
        #expect(segment.right.receiveAll(receiver) == [[0], [1], [2], [3]])
        _ = try segment.right.openUDP()
        #expect(throws: OpenError.tooManySockets(max: 2)) { try segment.right.openUDP() }
        segment.right.close(receiver)
        _ = try segment.right.openUDP()
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func portsAreDrawnFromTheirRangeUntilNoneIsFree(_ family: Family) throws {
        var settings = StackSettings()
        settings.ephemeralPorts = 50_000...50_009
        let segment = try Segment(family, leftSettings: settings)
        var ports: [UInt16] = []
        for _ in 0..<10 {
            let socket = try segment.left.openUDP()
            ports.append(try segment.left.bind(socket, to: Endpoint(family.any, 0)).port)
        }
        #expect(ports.sorted() == Array(50_000...50_009))
        #expect(ports != ports.sorted(), "ports drawn in order are predictable")
        let last = try segment.left.openUDP()
        #expect(throws: BindError.noFreePort) { try segment.left.bind(last, to: Endpoint(family.any, 0)) }
    }

    @Test(arguments: Family.allCases)
    func bindRefusesWhatIsTakenAndWhatIsNotOurs(_ family: Family) throws {
        let segment = try Segment(family)
        let first = try segment.left.openUDP()
        let second = try segment.left.openUDP()
        try segment.left.bind(first, to: Endpoint(family.left, 9))
        #expect(throws: BindError.addressInUse(Endpoint(port: 9))) {
            try segment.left.bind(second, to: Endpoint(port: 9))
        }
        #expect(throws: BindError.addressNotOurs(family.right)) {
            try segment.left.bind(second, to: Endpoint(family.right, 9))
        }
        try segment.left.bind(second, to: Endpoint(family.loopback, 9))
        #expect(throws: BindError.alreadyBound(Endpoint(family.loopback, 9))) {
            try segment.left.bind(second, to: Endpoint(port: 10))
        }
        segment.left.close(first)
        #expect(throws: BindError.closed) { try segment.left.bind(first, to: .any) }
    }

    @Test(arguments: Family.allCases)
    func closedSocketFreesWhatWaitedInIt(_ family: Family) throws {
        let segment = try Segment(family)
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        segment.giveRight(Handmade.udp(family, to: 9, [1]))
        #expect(segment.pool.inUse == 1)
        segment.right.close(receiver)
        #expect(segment.pool.inUse == 0)
        segment.check()
    }
}
