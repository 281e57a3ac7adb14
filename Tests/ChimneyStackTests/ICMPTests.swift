import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

@Suite struct ICMPTests {
    @Test(arguments: [0, 56, 1_472, 1_473, 65_507])
    func echoComesBackIntactAtAnySize(byteCount: Int) throws {
        let segment = try Segment()
        let identifier = try segment.left.openEcho()
        try segment.left.sendEcho(
            identifier, to: .v4(Segment.rightAddress), sequence: 5, byteCount: byteCount, at: segment.now)
        segment.pump()
        let replies = segment.left.takeEchoReplies(identifier)
        #expect(replies.count == 1)
        #expect(replies.first?.isIntact == true)
        #expect(replies.first?.byteCount == byteCount)
        #expect(replies.first?.sequence == 5)
        #expect(replies.first?.source == .v4(Segment.rightAddress))
        segment.check()
    }

    @Test func timestampRequestIsAnsweredAsNotUniversalTime() throws {
        let segment = try Segment()
        var request = Handmade.echo()
        request.payload = [13, 0, 0, 0, 0, 1, 0, 2] + [UInt8](repeating: 9, count: 12)
        request.payload.replaceSubrange(2..<4, with: Handmade.be(Handmade.checksum(request.payload)))
        segment.giveRight(request.frame)
        let answer = try #require(segment.interceptRight().first).dropFirst(34)
        #expect(answer.first == 14)
        let (received, sent) = (answer.dropFirst(12).prefix(4), answer.dropFirst(16).prefix(4))
        #expect(received.first.map { $0 & 0x80 } == 0x80)
        #expect(Array(sent) == Array(received))
        #expect(Handmade.checksum(Array(answer)) == 0)
        segment.check()
    }

    @Test func noErrorIsSentAboutErrorsBroadcastsAndLaterFragments() throws {
        let segment = try Segment()
        let about = Handmade.udp(to: 9, [1]).bytes
        var error = Handmade()
        error.ipProtocol = 1
        error.payload = [3, 3, 0, 0, 0, 0, 0, 0] + about
        error.payload.replaceSubrange(2..<4, with: Handmade.be(Handmade.checksum(error.payload)))
        error.destination = IPv4Address(10, 0, 0, 255)
        segment.giveRight(Handmade.udp(to: 9, [1], destination: IPv4Address(10, 0, 0, 255)).frame)
        segment.giveRight(Handmade.frame(about, to: 0xFFFF_FFFF_FFFF))
        segment.giveRight(error.frame)
        var fragment = Handmade.udp(to: 9, [UInt8](repeating: 0, count: 8))
        fragment.ipProtocol = 99
        fragment.fragmentWord = 5
        segment.giveRight(fragment.frame)
        #expect(segment.interceptRight().isEmpty)
        segment.giveRight(Handmade.frame(about))
        #expect(segment.interceptRight().count == 1)
        segment.pass(.seconds(100))
        segment.check()
        let crossing = try Crossing()
        var piece = Handmade.udp(
            to: 9, [UInt8](repeating: 0, count: 8), source: Crossing.host, destination: Crossing.far)
        piece.timeToLive = 1
        for (word, count) in [(UInt16(0x2000), 1), (0x2001, 0)] {
            piece.fragmentWord = word
            #expect(crossing.cross(piece).west.count == count)
        }
    }

    @Test func errorQuotesThePacketAndKeepsWithin576Bytes() throws {
        let segment = try Segment()
        let packet = Handmade.udp(to: 9, [UInt8](repeating: 3, count: 1_000))
        segment.giveRight(packet.frame)
        let frame = try #require(segment.interceptRight().first)
        #expect(frame.count == 14 + 576)
        #expect(Array(frame[34..<36]) == [3, 3])
        #expect(Array(frame[42...]) == Array(packet.bytes.prefix(548)))
        #expect(Handmade.checksum(Array(frame[34...])) == 0)
        segment.check()
    }

    @Test func errorsAreLimitedInRateAndTheRestCounted() throws {
        var settings = StackSettings()
        settings.icmpErrorsPerSecondMax = 10
        settings.icmpErrorBurstMax = 5
        let segment = try Segment(rightSettings: settings)
        for _ in 0..<20 { segment.giveRight(Handmade.udp(to: 9, [1]).frame) }
        #expect(segment.right.counters.icmpErrorsSent == 5)
        #expect(segment.right.counters.icmpErrorsSuppressed == 15)
        segment.pass(.seconds(1))
        for _ in 0..<20 { segment.giveRight(Handmade.udp(to: 9, [1]).frame) }
        #expect(segment.right.counters.icmpErrorsSent == 10)
        segment.pump()
        segment.check()
    }

    @Test func sourceRouteIsRefusedWithAnError() throws {
        let segment = try Segment()
        for kind in [UInt8(0x83), 0x89] {
            var packet = Handmade.udp(to: 9, [1])
            packet.options = [kind, 7, 4, 10, 0, 0, 9, 0]
            segment.giveRight(packet.frame)
            #expect(Array(try #require(segment.interceptRight().first)[34..<36]) == [3, 5])
        }
        #expect(segment.right.ledger.dropped(.sourceRouteRefused) == 2)
        segment.check()
    }

    @Test func malformedOptionIsAnsweredWithItsPlace() throws {
        let segment = try Segment()
        for (options, pointer) in [([UInt8(7), 1, 4, 0], UInt8(21)), ([1, 1, 7, 40], 23), ([1, 1, 1, 7], 24)] {
            var packet = Handmade.udp(to: 9, [1])
            packet.options = options
            segment.giveRight(packet.frame)
            let frame = try #require(segment.interceptRight().first)
            #expect(frame[34] == 12)
            #expect(frame[38] == pointer)
        }
        #expect(segment.right.ledger.dropped(.ipOptionMalformed) == 3)
        segment.check()
    }

    @Test func recordRouteOfAnEchoHoldsOurAddress() throws {
        let segment = try Segment()
        var packet = Handmade.echo()
        packet.options = [7, 7, 4, 0, 0, 0, 0, 0]
        segment.giveRight(packet.frame)
        let frame = try #require(segment.interceptRight().first)
        #expect(Array(frame[34..<42]) == [7, 7, 8] + Handmade.be(Segment.rightAddress.bits) + [0])
        #expect(Handmade.checksum(Array(frame[14..<42])) == 0)
        packet.options = [7, 7, 8, 9, 9, 9, 9, 0]
        segment.giveRight(packet.frame)
        #expect(Array(try #require(segment.interceptRight().first)[34..<42]) == packet.options)
        segment.check()
    }

    @Test func timestampOptionIsFilledOrItsOverflowCounted() throws {
        let segment = try Segment()
        var packet = Handmade.echo()
        packet.options = [0x44, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]
        segment.giveRight(packet.frame)
        let filled = try #require(segment.interceptRight().first)
        #expect(Array(filled[34..<42]) == [0x44, 12, 13, 1] + Handmade.be(Segment.rightAddress.bits))
        packet.options = [0x44, 12, 13, 1, 1, 1, 1, 1, 0, 0, 0, 0]
        segment.giveRight(packet.frame)
        #expect(try #require(segment.interceptRight().first)[37] == 0x11)
        segment.check()
    }

    @Test func smallerPathMTUReachesTheSocketThatForbidsFragments() throws {
        let segment = try Segment()
        let socket = try segment.left.openUDP()
        var options = UDPOptions()
        options.dontFragment = true
        segment.left.setOptions(options, of: socket)
        let peer = Endpoint(Segment.rightAddress, 9)
        try segment.left.bind(socket, to: Endpoint(port: 1_000))
        try segment.left.connect(socket, to: peer)
        var error = Handmade()
        error.ipProtocol = 1
        error.payload = [3, 4, 0, 0, 0, 0] + Handmade.be(UInt16(600)) + Handmade.udp(to: 9, [1]).bytes
        error.payload.replaceSubrange(2..<4, with: Handmade.be(Handmade.checksum(error.payload)))
        error.source = IPv4Address(10, 0, 0, 9)
        error.destination = Segment.leftAddress
        segment.giveLeft(Handmade.frame(error.bytes, to: 0x0200_0000_0001))
        #expect(segment.left.takeError(socket) == .messageTooLong(peer, mtu: 600))
        #expect(throws: SendError.messageTooLong(max: 572)) {
            try segment.left.send(socket, [UInt8](repeating: 0, count: 573), at: segment.now)
        }
        try segment.left.send(socket, [UInt8](repeating: 0, count: 572), at: segment.now)
        segment.pump()
        segment.check()
    }

    @Test func redirectsAreFollowedAndTheOldestGivesWayAtTheBound() throws {
        var settings = StackSettings()
        settings.destinationsMax = 2
        let segment = try Segment(leftSettings: settings)
        let everything = IPv4Prefix(.any, length: 0)
        let hop = IPv4NextHop.gateway(Segment.rightAddress, on: segment.leftIndex.rawValue)
        try segment.left.addRoute(IPv4Route(everything, hop))
        let better = IPv4Address(10, 0, 0, 3)
        func redirect(_ destination: IPv4Address, from sender: IPv4Address = Segment.rightAddress) {
            let quote = Handmade.udp(to: 9, [1], destination: destination).bytes
            var error = Handmade()
            error.ipProtocol = 1
            error.payload = [5, 1, 0, 0] + Handmade.be(better.bits) + quote
            error.payload.replaceSubrange(2..<4, with: Handmade.be(Handmade.checksum(error.payload)))
            error.source = sender
            error.destination = Segment.leftAddress
            segment.giveLeft(Handmade.frame(error.bytes, to: 0x0200_0000_0001))
        }
        let far = (1...3).map { IPv4Address(192, 0, 2, UInt8($0)) }
        func gateway(_ destination: IPv4Address) -> IPv4Address? {
            segment.left.routingTables.lookup(destination: destination)?.gateway
        }
        redirect(far[0], from: IPv4Address(10, 0, 0, 99))
        #expect(gateway(far[0]) == Segment.rightAddress)
        #expect(segment.left.ledger.dropped(.icmpRedirectRefused) == 1)
        for destination in far { redirect(destination) }
        #expect(far.map(gateway) == [Segment.rightAddress, better, better])
        let own = IPv4Prefix(IPv4Address(192, 0, 2, 9), length: 32)
        try segment.left.addRoute(IPv4Route(own, hop))
        redirect(own.address)
        #expect(gateway(own.address) == Segment.rightAddress)
        segment.check()
    }
}
