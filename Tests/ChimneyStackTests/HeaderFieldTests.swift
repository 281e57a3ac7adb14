import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// The fields of an IPv4 header that a user sets, that a receiver overlooks and that a router fills in.
@Suite struct HeaderFieldTests {
    @Test func socketSetsTheTimeToLiveAndTheTypeOfServiceOfWhatItSends() throws {
        var settings = StackSettings()
        settings.timeToLive = 33
        let segment = try Segment(leftSettings: settings)
        let socket = try segment.left.openUDP()
        let peer = Endpoint(Segment.rightAddress, 9)
        try segment.left.send(socket, [1], to: peer, at: segment.now)
        var options = UDPOptions()
        options.timeToLive = 5
        options.typeOfService = 0xB8
        segment.left.setOptions(options, of: socket)
        try segment.left.send(socket, [2], to: peer, at: segment.now)
        try segment.left.send(socket, [UInt8](repeating: 3, count: 2_000), to: peer, at: segment.now)
        let frames = segment.interceptLeft()
        #expect(frames.map { $0[15] } == [0, 0xB8, 0xB8, 0xB8])
        #expect(frames.map { $0[22] } == [33, 5, 5, 5])
        #expect(frames.allSatisfy { Handmade.checksum(Array($0[14..<34])) == 0 })
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        segment.giveRight(frames[1])
        #expect(segment.right.receive(receiver).timeToLive == 5)
        segment.check()
    }

    @Test func multicastGoesNoFurtherThanTheLinkWhateverTheTimeToLive() throws {
        let segment = try Segment()
        let group = IPv4Address(239, 1, 2, 3)
        try segment.left.addRoute(
            IPv4Route(Prefix(IPv4Address(224, 0, 0, 0), length: 4), .connected(on: segment.leftIndex.rawValue)))
        let socket = try segment.left.openUDP()
        try segment.left.send(socket, [1], to: Endpoint(group, 9), at: segment.now)
        let frame = try #require(segment.interceptLeft().first)
        #expect(Array(frame[..<6]) == [1, 0, 0x5E, 1, 2, 3])
        #expect(frame[22] == 1)
        segment.check()
    }

    @Test(arguments: [UInt8(0), 1], [false, true])
    func timeToLiveOfWhatIsOursIsNotLookedAt(timeToLive: UInt8, forwarding: Bool) throws {
        var settings = StackSettings()
        settings.forwarding = forwarding
        let segment = try Segment(rightSettings: settings)
        var echo = Handmade.echo()
        echo.timeToLive = timeToLive
        segment.giveRight(echo.frame)
        let answer = try #require(segment.interceptRight().first)
        #expect(answer[34] == 0)
        #expect(answer[22] == 64)
        #expect(segment.right.ledger.dropped(.ttlExpired) == 0)
        segment.check()
    }

    @Test func receiverLearnsTheAddressADatagramWasSentTo() throws {
        let segment = try Segment()
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(port: 9))
        let addresses = [Segment.rightAddress, IPv4Address(10, 0, 0, 255), .limitedBroadcast]
        for address in addresses { segment.giveRight(Handmade.udp(to: 9, [1], destination: address).frame) }
        for address in addresses {
            #expect(segment.right.receive(socket).destination == Endpoint(address, 9))
        }
        segment.check()
    }

    @Test func errorsTravelWithPrecedenceAndAnswersWithThatOfTheirRequest() throws {
        let segment = try Segment()
        segment.giveRight(Handmade.udp(to: 9, [1]).frame)
        segment.giveRight(Handmade.echo().frame)
        #expect(segment.interceptRight().map { $0[15] } == [0xC0, 0])
        segment.check()
    }

    @Test func everyErrorReachesTheConnectedSocketUnderItsName() throws {
        let peer = Endpoint(Segment.rightAddress, 9)
        let expected: [(type: UInt8, code: UInt8, error: SocketError?)] = [
            (3, 0, .networkUnreachable(peer)), (3, 1, .hostUnreachable(peer)), (3, 2, .protocolUnreachable(peer)),
            (3, 3, .portUnreachable(peer)), (3, 4, .messageTooLong(peer, mtu: 600)), (3, 5, .hostUnreachable(peer)),
            (3, 6, .networkUnreachable(peer)), (3, 13, .prohibited(peer)), (11, 0, .timeExceeded(peer)),
            (11, 1, .timeExceeded(peer)), (12, 0, .parameterProblem(peer)), (4, 0, nil),
        ]
        let segment = try Segment()
        let socket = try segment.left.openUDP()
        try segment.left.bind(socket, to: Endpoint(port: 1_000))
        try segment.left.connect(socket, to: peer)
        for (type, code, error) in expected {
            var message = Handmade()
            message.ipProtocol = 1
            message.source = IPv4Address(10, 0, 0, 9)
            message.destination = Segment.leftAddress
            message.payload = [type, code, 0, 0, 0, 0] + Handmade.be(UInt16(600)) + Handmade.udp(to: 9, [1]).bytes
            message.payload.replaceSubrange(2..<4, with: Handmade.be(Handmade.checksum(message.payload)))
            segment.giveLeft(Handmade.frame(message.bytes, to: 0x0200_0000_0001))
            #expect(segment.left.takeError(socket) == error, "type \(type), code \(code)")
        }
        segment.check()
    }

    @Test func routerRecordsItselfOnTheWayThroughAndPassesOtherOptionsOn() throws {
        let crossing = try Crossing()
        var packet = Handmade.udp(to: 9, [1], source: Crossing.host, destination: Crossing.far)
        packet.options = [7, 7, 4, 0, 0, 0, 0, 0]
        let recorded = try #require(crossing.cross(packet).east.first)
        #expect(Array(recorded[20..<23]) == [7, 7, 8])
        #expect([[10, 0, 1, 1], [10, 0, 2, 1]].contains(Array(recorded[23..<27])))
        #expect(Handmade.checksum(Array(recorded[..<28])) == 0)
        packet.options = [0x44, 8, 5, 0, 0, 0, 0, 0]
        let stamped = try #require(crossing.cross(packet).east.first)
        #expect(Array(stamped[20..<24]) == [0x44, 8, 9, 0])
        #expect(stamped[24] & 0x80 == 0x80)
        #expect(Handmade.checksum(Array(stamped[..<28])) == 0)
        packet.options = [0x5E, 4, 0xAB, 0xCD, 0x94, 4, 0, 0]
        let passed = try #require(crossing.cross(packet).east.first)
        #expect(Array(passed[20..<28]) == packet.options)
    }

    @Test func limitedBroadcastIsNeverForwarded() throws {
        let crossing = try Crossing()
        try crossing.router.addRoute(
            IPv4Route(Prefix(.any, length: 0), .gateway(Crossing.far, on: crossing.east.rawValue)))
        let packet = Handmade.udp(to: 9, [1], source: Crossing.host, destination: .limitedBroadcast)
        #expect(crossing.cross(packet).east.isEmpty)
        #expect(crossing.router.ledger.forwarded == 0)
        #expect(crossing.cross(Handmade.udp(to: 9, [1], source: Crossing.host)).east.count == 1)
    }

    @Test func linkOf68BytesIsTheSmallestAndCarriesThemWhole() throws {
        let crossing = try Crossing(eastMTU: 68)
        let whole = Handmade.udp(
            to: 9, [UInt8](repeating: 1, count: 40), source: Crossing.host, destination: Crossing.far)
        #expect(whole.bytes.count == 68)
        #expect(crossing.cross(whole).east.count == 1)
        #expect(throws: InterfaceError.mtuOutOfRange(67)) { try crossing.router.setMTU(crossing.east, 67) }
        #expect(throws: InterfaceError.mtuOutOfRange(67)) {
            try crossing.router.attach(InterfaceDescription(name: "thin", kind: .ip, mtu: 67))
        }
    }
}
