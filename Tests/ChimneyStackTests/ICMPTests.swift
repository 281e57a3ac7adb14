import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

@Suite struct ICMPTests {
    @Test(arguments: [0, 56, 1_452, 1_453, 1_472, 1_473, .max], Family.allCases)
    func echoComesBackIntactAtAnySize(byteCount: Int, _ family: Family) throws {
        let segment = try Segment(family)
        let identifier = try segment.left.openEcho()
        let byteCount = min(byteCount, family.payloadMax)
        try segment.left.sendEcho(identifier, to: family.right, sequence: 5, byteCount: byteCount, at: segment.now)
        segment.pump()
        let replies = segment.left.takeEchoReplies(identifier)
        #expect(replies.count == 1)
        #expect(replies.first?.isIntact == true)
        #expect(replies.first?.byteCount == byteCount)
        #expect(replies.first?.sequence == 5)
        #expect(replies.first?.source == family.right)
        segment.check()
        #expect(throws: EchoError.messageTooLong(max: family.payloadMax)) {
            try segment.left.sendEcho(
                identifier, to: family.right, sequence: 6, byteCount: family.payloadMax + 1, at: segment.now)
        }
    }

    @Test(arguments: Family.allCases)
    func errorInPlaceOfAnAnswerNamesWhoSentIt(_ family: Family) throws {
        let crossing = try Crossing(family)
        let identifier = try crossing.router.openEcho()
        try crossing.router.sendEcho(identifier, to: family.near, sequence: 3, at: crossing.now)
        let request = try #require(crossing.take(crossing.west).first)
        #expect(request.kind == [family.echoRequest, 0] && request.isSumRight)
        let speaker = family.host(1, 77)
        _ = crossing.cross(
            Handmade.icmp(family.told(.expired), Array(request.bytes.prefix(80)), from: speaker, to: request.source))
        let reply = try #require(crossing.router.takeEchoReplies(identifier).first)
        #expect(reply.source == speaker && reply.sequence == 3 && reply.isIntact == false)
        #expect(reply.error == .timeExceeded(Endpoint(family.near, 3)))
    }

    @Test func timestampRequestIsAnsweredAsNotUniversalTime() throws {
        let segment = try Segment()
        segment.giveRight(
            Handmade.icmp(
                [13, 0], rest: 0x0001_0002, [UInt8](repeating: 9, count: 12), from: Family.ipv4.left,
                to: Family.ipv4.right))
        let answer = try #require(segment.interceptRight().first)
        #expect(answer.kind == [14, 0])
        let (received, sent) = (answer.payload[12..<16], answer.payload[16..<20])
        #expect(received.first.map { $0 & 0x80 } == 0x80)
        #expect(Array(sent) == Array(received))
        #expect(answer.isSumRight)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func noErrorIsSentAboutErrorsBroadcastsAndLaterFragments(_ family: Family) throws {
        let segment = try Segment(family)
        let about = Handmade.udp(family, to: 9, [1])
        let toEveryone = Handmade.udp(to: 9, [1], source: family.left, destination: family.everyone)
        segment.giveRight(toEveryone)
        if segment.kind == .ethernet { segment.giveRight(about.frame(to: family.everyoneMAC)) }
        // An error about a packet that nobody here has sent.
        let error = Handmade.icmp(family.told(.port), about.bytes, from: family.left, to: family.right)
        segment.giveRight(error)
        #expect(segment.right.ledger.dropped(.icmpQuoteMalformed) == 1)
        var fragment = Handmade.udp(family, to: 9, [UInt8](repeating: 0, count: 8))
        fragment.ipProtocol = 99
        fragment.fragmentWord = 5
        segment.giveRight(fragment)
        #expect(segment.interceptRight().isEmpty)
        segment.giveRight(about)
        #expect(segment.interceptRight().map(\.kind) == [family.told(.port)])
        segment.pass(.seconds(100))
        segment.check()
        let crossing = try Crossing(family)
        var piece = crossing.packet([UInt8](repeating: 0, count: 8))
        piece.timeToLive = 1
        for (word, count) in [(UInt16(0x2000), 1), (0x2001, 0)] {
            piece.fragmentWord = word
            #expect(crossing.cross(piece).west.count == count)
        }
    }

    @Test(arguments: Family.allCases)
    func errorQuotesThePacketAndKeepsWithinItsBound(_ family: Family) throws {
        let segment = try Segment(family)
        let packet = Handmade.udp(family, to: 9, [UInt8](repeating: 3, count: 1_400))
        segment.giveRight(packet)
        let error = try #require(segment.interceptRight().first)
        #expect(error.bytes.count == family.icmpErrorMax)
        #expect(error.kind == family.told(.port))
        #expect(error.source == family.right && error.destination == family.left)
        #expect(error.body == Array(packet.bytes.prefix(family.icmpErrorMax - family.headerByteCount - 8)))
        #expect(error.isSumRight)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func errorsAreLimitedInRateAndTheRestCounted(_ family: Family) throws {
        var settings = StackSettings()
        settings.icmpErrorsPerSecondMax = 10
        settings.icmpErrorBurstMax = 5
        let segment = try Segment(family, rightSettings: settings)
        for _ in 0..<20 { segment.giveRight(Handmade.udp(family, to: 9, [1])) }
        #expect(segment.right.counters.icmpErrorsSent == 5)
        #expect(segment.right.counters.icmpErrorsSuppressed == 15)
        segment.pass(.seconds(1))
        for _ in 0..<20 { segment.giveRight(Handmade.udp(family, to: 9, [1])) }
        #expect(segment.right.counters.icmpErrorsSent == 10)
        segment.pump()
        segment.check()
    }

    @Test func sourceRouteIsRefusedWithAnError() throws {
        let segment = try Segment()
        for kind in [UInt8(0x83), 0x89] {
            var packet = Handmade.udp(to: 9, [1])
            packet.options = [kind, 7, 4, 10, 0, 0, 9, 0]
            segment.giveRight(packet)
            #expect(segment.interceptRight().map(\.kind) == [[3, 5]])
        }
        #expect(segment.right.ledger.dropped(.sourceRouteRefused) == 2)
        segment.check()
    }

    @Test func malformedOptionIsAnsweredWithItsPlace() throws {
        let segment = try Segment()
        for (options, pointer) in [([UInt8(7), 1, 4, 0], UInt8(21)), ([1, 1, 7, 40], 23), ([1, 1, 1, 7], 24)] {
            var packet = Handmade.udp(to: 9, [1])
            packet.options = options
            segment.giveRight(packet)
            let error = try #require(segment.interceptRight().first)
            #expect(error.kind == [12, 0])
            #expect(error.rest == UInt32(pointer) << 24)
        }
        #expect(segment.right.ledger.dropped(.ipOptionMalformed) == 3)
        segment.check()
    }

    @Test func recordRouteOfAnEchoHoldsOurAddress() throws {
        let segment = try Segment()
        var packet = Handmade.echo()
        packet.options = [7, 7, 4, 0, 0, 0, 0, 0]
        segment.giveRight(packet)
        let answer = try #require(segment.interceptRight().first)
        #expect(Array(answer.bytes[20..<28]) == [7, 7, 8] + Handmade.be(Segment.rightAddress.bits) + [0])
        #expect(answer.isSumRight)
        packet.options = [7, 7, 8, 9, 9, 9, 9, 0]
        segment.giveRight(packet)
        #expect(segment.interceptRight().map { Array($0.bytes[20..<28]) } == [packet.options])
        segment.check()
    }

    @Test func timestampOptionIsFilledOrItsOverflowCounted() throws {
        let segment = try Segment()
        var packet = Handmade.echo()
        packet.options = [0x44, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]
        segment.giveRight(packet)
        let filled = try #require(segment.interceptRight().first)
        #expect(Array(filled.bytes[20..<28]) == [0x44, 12, 13, 1] + Handmade.be(Segment.rightAddress.bits))
        packet.options = [0x44, 12, 13, 1, 1, 1, 1, 1, 0, 0, 0, 0]
        segment.giveRight(packet)
        #expect(segment.interceptRight().map { $0.bytes[23] } == [0x11])
        segment.check()
    }

    @Test(arguments: [(Family.ipv4, 600), (.ipv6, 1_300)])
    func smallerPathMTUReachesTheSocketThatForbidsFragments(_ family: Family, mtu: Int) throws {
        let segment = try Segment(family)
        let socket = try segment.left.openUDP()
        var options = UDPOptions()
        options.dontFragment = true
        segment.left.setOptions(options, of: socket)
        let peer = Endpoint(family.right, 9)
        try segment.left.bind(socket, to: Endpoint(port: 1_000))
        try segment.left.connect(socket, to: peer)
        segment.giveLeft(
            Handmade.icmp(
                family.told(.tooBig), rest: UInt32(mtu), Handmade.udp(family, to: 9, [1]).bytes,
                from: family.host(0, 9), to: family.left))
        #expect(segment.left.takeError(socket) == .messageTooLong(peer, mtu: mtu))
        let payloadMax = mtu - family.headerByteCount - 8
        #expect(throws: SendError.messageTooLong(max: payloadMax)) {
            try segment.left.send(socket, [UInt8](repeating: 0, count: payloadMax + 1), at: segment.now)
        }
        try segment.left.send(socket, [UInt8](repeating: 0, count: payloadMax), at: segment.now)
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
            let quote = Handmade.udp(to: 9, [1], destination: .v4(destination)).bytes
            segment.giveLeft(
                Handmade.icmp([5, 1], rest: better.bits, quote, from: .v4(sender), to: Family.ipv4.left))
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
