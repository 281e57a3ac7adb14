import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// The fields of a header that a user sets, that a receiver overlooks and that a router fills in.
@Suite struct HeaderFieldTests {
    @Test(arguments: Family.allCases)
    func socketSetsTheTimeToLiveAndTheTypeOfServiceOfWhatItSends(_ family: Family) throws {
        var settings = StackSettings()
        settings.timeToLive = 33
        let segment = try Segment(family, leftSettings: settings)
        let socket = try segment.left.openUDP()
        let peer = Endpoint(family.right, 9)
        try segment.left.send(socket, [1], to: peer, at: segment.now)
        var options = UDPOptions()
        options.timeToLive = 5
        options.typeOfService = 0xB8
        segment.left.setOptions(options, of: socket)
        try segment.left.send(socket, [2], to: peer, at: segment.now)
        try segment.left.send(socket, [UInt8](repeating: 3, count: 2_000), to: peer, at: segment.now)
        let frames = segment.interceptLeft()
        #expect(frames.map(\.typeOfService) == [0, 0xB8, 0xB8, 0xB8])
        #expect(frames.map(\.timeToLive) == [33, 5, 5, 5])
        #expect(frames.allSatisfy { $0.isSumRight })
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        segment.giveRight(frames[1])
        #expect(segment.right.receive(receiver).timeToLive == 5)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func multicastGoesNoFurtherThanTheLinkWhateverTheTimeToLive(_ family: Family) throws {
        let segment = try Segment(family)
        try segment.left.addRoute(to: family.group, length: 8, .connected(on: segment.leftIndex))
        let socket = try segment.left.openUDP()
        try segment.left.send(socket, [1], to: Endpoint(family.group, 9), at: segment.now)
        let frame = try #require(segment.interceptLeft().first)
        if segment.kind == .ethernet {
            let mac: [UInt8] = family == .ipv4 ? [1, 0, 0x5E, 1, 2, 3] : [0x33, 0x33, 1, 2, 3, 4]
            #expect(Array(frame.link.prefix(6)) == mac)
        }
        #expect(frame.timeToLive == 1)
        segment.check()
    }

    @Test(arguments: [UInt8(0), 1], Family.allCases)
    func timeToLiveOfWhatIsOursIsNotLookedAt(timeToLive: UInt8, _ family: Family) throws {
        for forwarding in [false, true] {
            var settings = StackSettings()
            settings.forwarding = forwarding
            let segment = try Segment(family, rightSettings: settings)
            var echo = Handmade.echo(family)
            echo.timeToLive = timeToLive
            segment.giveRight(echo)
            let answer = try #require(segment.interceptRight().first)
            #expect(answer.kind == [family.echoReply, 0] && answer.isSumRight)
            #expect(answer.timeToLive == 64)
            #expect(segment.right.ledger.dropped(.ttlExpired) == 0)
            segment.check()
        }
    }

    @Test(arguments: Family.allCases)
    func receiverLearnsTheAddressADatagramWasSentTo(_ family: Family) throws {
        let segment = try Segment(family)
        let socket = try segment.right.listen(
            to: 9, at: family.everyone, on: segment.rightIndex, at: segment.now)
        var addresses = [family.right, family.everyone]
        if family == .ipv4 { addresses.append(.v4(.limitedBroadcast)) }
        for address in addresses { segment.giveRight(Handmade.udp(family, to: 9, [1], destination: address)) }
        for address in addresses {
            let isScoped = address == .v6(.allNodes)
            let zone = isScoped ? segment.rightIndex.rawValue : 0
            let datagram = segment.right.receive(socket)
            #expect(datagram.destination == Endpoint(address, 9, zone: zone))
            #expect(datagram.interface == segment.rightIndex.rawValue)
        }
        segment.check()
    }

    @Test func errorsTravelWithPrecedenceAndAnswersWithThatOfTheirRequest() throws {
        let segment = try Segment()
        segment.giveRight(Handmade.udp(to: 9, [1]))
        segment.giveRight(Handmade.echo())
        #expect(segment.interceptRight().map(\.typeOfService) == [0xC0, 0])
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func everyErrorReachesTheConnectedSocketUnderItsName(_ family: Family) throws {
        let peer = Endpoint(family.right, 9)
        let expected: [(type: UInt8, code: UInt8, error: SocketError?)] =
            switch family {
            case .ipv4:
                [
                    (3, 0, .networkUnreachable(peer)), (3, 1, .hostUnreachable(peer)),
                    (3, 2, .protocolUnreachable(peer)), (3, 3, .portUnreachable(peer)),
                    (3, 4, .messageTooLong(peer, mtu: 1_300)), (3, 5, .hostUnreachable(peer)),
                    (3, 6, .networkUnreachable(peer)), (3, 13, .prohibited(peer)), (11, 0, .timeExceeded(peer)),
                    (11, 1, .timeExceeded(peer)), (12, 0, .parameterProblem(peer)), (4, 0, nil),
                ]
            case .ipv6:
                [
                    (1, 0, .networkUnreachable(peer)), (1, 1, .prohibited(peer)), (1, 2, .hostUnreachable(peer)),
                    (1, 3, .hostUnreachable(peer)), (1, 4, .portUnreachable(peer)), (1, 5, .prohibited(peer)),
                    (1, 6, .networkUnreachable(peer)), (2, 0, .messageTooLong(peer, mtu: 1_300)),
                    (3, 0, .timeExceeded(peer)), (3, 1, .timeExceeded(peer)), (4, 0, .parameterProblem(peer)),
                    (4, 1, .protocolUnreachable(peer)), (4, 2, .parameterProblem(peer)), (127, 0, nil),
                ]
            }
        let segment = try Segment(family)
        let socket = try segment.left.openUDP()
        try segment.left.bind(socket, to: Endpoint(port: 1_000))
        try segment.left.connect(socket, to: peer)
        for (type, code, error) in expected {
            let quote = Handmade.udp(family, to: 9, [1]).bytes
            segment.giveLeft(
                Handmade.icmp([type, code], rest: 1_300, quote, from: family.host(0, 9), to: family.left))
            #expect(segment.left.takeError(socket) == error, "type \(type), code \(code)")
        }
        segment.check()
    }

    @Test func routerRecordsItselfOnTheWayThroughAndPassesOtherOptionsOn() throws {
        let crossing = try Crossing()
        var packet = Handmade.udp(to: 9, [1], source: .v4(Crossing.host), destination: .v4(Crossing.far))
        packet.options = [7, 7, 4, 0, 0, 0, 0, 0]
        let recorded = try #require(crossing.cross(packet).east.first)
        #expect(Array(recorded.bytes[20..<23]) == [7, 7, 8])
        #expect([[10, 0, 1, 1], [10, 0, 2, 1]].contains(Array(recorded.bytes[23..<27])))
        #expect(recorded.isSumRight)
        packet.options = [0x44, 8, 5, 0, 0, 0, 0, 0]
        let stamped = try #require(crossing.cross(packet).east.first)
        #expect(Array(stamped.bytes[20..<24]) == [0x44, 8, 9, 0])
        #expect(stamped.bytes[24] & 0x80 == 0x80)
        #expect(stamped.isSumRight)
        packet.options = [0x5E, 4, 0xAB, 0xCD, 0x94, 4, 0, 0]
        let passed = try #require(crossing.cross(packet).east.first)
        #expect(Array(passed.bytes[20..<28]) == packet.options)
    }

    @Test func limitedBroadcastIsNeverForwarded() throws {
        let crossing = try Crossing()
        try crossing.router.addRoute(
            IPv4Route(Prefix(.any, length: 0), .gateway(Crossing.far, on: crossing.east.rawValue)))
        let packet = Handmade.udp(to: 9, [1], source: .v4(Crossing.host), destination: .v4(.limitedBroadcast))
        #expect(crossing.cross(packet).east.isEmpty)
        #expect(crossing.router.ledger.forwarded == 0)
        #expect(crossing.cross(Handmade.udp(to: 9, [1], source: .v4(Crossing.host))).east.count == 1)
    }

    @Test func linkOf68BytesIsTheSmallestAndCarriesThemWhole() throws {
        let crossing = try Crossing(eastMTU: 68)
        let whole = Handmade.udp(
            to: 9, [UInt8](repeating: 1, count: 40), source: .v4(Crossing.host), destination: .v4(Crossing.far))
        #expect(whole.bytes.count == 68)
        #expect(crossing.cross(whole).east.count == 1)
        #expect(throws: InterfaceError.mtuOutOfRange(67)) { try crossing.router.setMTU(crossing.east, 67) }
        #expect(throws: InterfaceError.mtuOutOfRange(67)) {
            try crossing.router.attach(InterfaceDescription(name: "thin", kind: .ip, mtu: 67))
        }
    }

    @Test(arguments: Family.allCases) func timeToLiveOfZeroIsSentAsOne(_ family: Family) throws {
        var settings = StackSettings()
        settings.timeToLive = 0
        let segment = try Segment(family, kind: .ip, leftSettings: settings)
        let socket = try segment.left.openUDP()
        for option in [UInt8?.none, 0] {
            var options = UDPOptions()
            options.timeToLive = option
            segment.left.setOptions(options, of: socket)
            try segment.left.send(socket, [1], to: Endpoint(family.right, 9), at: segment.now)
        }
        let identifier = try segment.left.openEcho()
        try segment.left.sendEcho(identifier, to: family.right, sequence: 1, timeToLive: 0, at: segment.now)
        #expect(segment.interceptLeft().map(\.timeToLive) == [1, 1, 1])
        segment.check()
    }
}
