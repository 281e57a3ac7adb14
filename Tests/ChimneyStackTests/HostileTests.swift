import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// What a stack must not send, whatever it is given.
@Suite struct HostileTests {
    @Test(arguments: Family.allCases)
    func echoOfZerosIsAnsweredWithARightChecksum(_ family: Family) throws {
        let segment = try Segment(family)
        segment.giveRight(Handmade.echo(family, 0, sequence: 0, [0, 0]))
        let answer = try #require(segment.interceptRight().first)
        #expect(answer.isSumRight)
        #expect(answer.kind == [family.echoReply, 0] && answer.rest == 0 && answer.body == [0, 0])
        if family == .ipv4 { #expect(Array(answer.payload[2..<4]) == [0xFF, 0xFF]) }
    }

    @Test(arguments: [IPv4Address(10, 0, 0, 255), .limitedBroadcast])
    func badOptionInABroadcastIsNotAnswered(destination: IPv4Address) throws {
        let segment = try Segment(kind: .ip)
        var packet = Handmade.udp(to: 9, [1], destination: .v4(destination))
        packet.options = [0x07, 1, 0, 0]
        segment.giveRight(packet)
        #expect(segment.right.ledger.dropped(.ipOptionMalformed) == 1)
        #expect(segment.interceptRight().isEmpty)
        packet.destination = Family.ipv4.right
        segment.giveRight(packet)
        #expect(segment.interceptRight().count == 1)
    }

    @Test func fragmentBeyondTheLargestDatagramIsNotCutAgain() throws {
        let crossing = try Crossing(eastMTU: 600)
        var piece = Handmade()
        piece.source = .v4(Crossing.host)
        piece.destination = .v4(Crossing.far)
        piece.payload = [UInt8](repeating: 1, count: 1_000)
        piece.fragmentWord = 0x1FFF
        #expect(crossing.cross(piece).east.isEmpty)
        #expect(crossing.router.ledger.dropped(.fragmentOversized) == 1)
        piece.fragmentWord = 0x1F00
        #expect(crossing.cross(piece).east.count == 2)
    }

    @Test(arguments: Family.allCases)
    func nothingFromLoopbackLeavesTheHost(_ family: Family) throws {
        let segment = try Segment(family, kind: .ip)
        let socket = try segment.left.openUDP()
        try segment.left.bind(socket, to: Endpoint(family.loopback, 7))
        #expect(throws: SendError.noRoute(family.right)) {
            try segment.left.send(socket, [1], to: Endpoint(family.right, 9), at: segment.now)
        }
        try segment.left.send(socket, [1], to: Endpoint(family.left, 9), at: segment.now)
        // Without an address of its own a host has none to send from.
        try segment.left.removeAddress(family.left, from: segment.leftIndex, at: segment.now)
        if case .v6 = family.left {
            // A link-local address would do: RFC 6724 prefers the wider scope and takes what there is.
            for address in segment.left.interfaces.flatMap(\.ipv6Addresses) where address.address.isLinkLocal {
                try segment.left.removeAddress(address.address, from: segment.leftIndex, at: segment.now)
            }
        }
        try segment.left.addRoute(to: family.right, length: family.hostLength, .connected(on: segment.leftIndex))
        let other = try segment.left.openUDP()
        #expect(throws: SendError.noRoute(family.right)) {
            try segment.left.send(other, [1], to: Endpoint(family.right, 9), at: segment.now)
        }
        #expect(segment.interceptLeft().isEmpty)
    }

    @Test(arguments: Family.allCases)
    func packetThatLoopsUntilItExpiresIsNotAnsweredFromLoopback(_ family: Family) throws {
        let crossing = try Crossing(family)
        let here = family.host(0x0900, 1)
        try crossing.router.addRoute(to: here, .local(on: crossing.east))
        let out = crossing.cross(crossing.packet(to: here))
        #expect(crossing.router.ledger.dropped(.ttlExpired) == 1)
        let error = try #require(out.west.first)
        #expect(error.source == family.host(1, 1))
    }

    @Test func socketBoundToABroadcastAddressSendsFromTheHosts() throws {
        let segment = try Segment()
        let socket = try segment.left.openUDP()
        try segment.left.bind(socket, to: Endpoint(IPv4Address(10, 0, 0, 255), 7))
        try segment.left.send(socket, [1], to: Endpoint(Segment.rightAddress, 9), at: segment.now)
        let frame = try #require(segment.interceptLeft().first)
        #expect(frame.source == Family.ipv4.left)
    }

    @Test(arguments: Family.allCases)
    func socketWhoseAddressWasRemovedSendsNoMore(_ family: Family) throws {
        let segment = try Segment(family)
        let second = family.host(0, 7)
        try segment.left.addAddress(second, to: segment.leftIndex, at: segment.now)
        let socket = try segment.left.openUDP()
        try segment.left.bind(socket, to: Endpoint(second, 7))
        let peer = Endpoint(family.right, 9)
        try segment.left.send(socket, [1], to: peer, at: segment.now)
        try segment.left.removeAddress(second, from: segment.leftIndex, at: segment.now)
        #expect(throws: SendError.bind(.addressNotOurs(second))) {
            try segment.left.send(socket, [1], to: peer, at: segment.now)
        }
    }

    @Test(arguments: [1_872, 1_873, 1_892, 1_893, 3_000, .max], Family.allCases)
    func datagramThatFitsALargeMTUGoesInOnePiece(byteCount: Int, _ family: Family) throws {
        let segment = try Segment(family, mtu: 9_000)
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        let sender = try segment.left.openUDP()
        var options = UDPOptions()
        options.dontFragment = true
        segment.left.setOptions(options, of: sender)
        let headers = family.headerByteCount + 8
        let byteCount = min(byteCount, 9_000 - headers)
        let payload = [UInt8](repeating: 7, count: byteCount)
        let peer = Endpoint(family.right, 9)
        try segment.left.send(sender, payload, to: peer, at: segment.now)
        let packets = segment.interceptLeft()
        #expect(packets.map(\.bytes.count) == [byteCount + headers])
        for packet in packets { segment.giveRight(packet) }
        #expect(segment.right.receiveAll(receiver) == [payload])
        #expect(throws: SendError.messageTooLong(max: 9_000 - headers)) {
            let more = [UInt8](repeating: 0, count: 9_001 - headers)
            try segment.left.send(sender, more, to: peer, at: segment.now)
        }
    }

    @Test(arguments: Family.allCases)
    func marksOfAnotherStackOnAPacketMeanNothing(_ family: Family) throws {
        let segment = try Segment(family, kind: .ip)
        var queue = PacketQueue()
        var packet = Segment.packet(Handmade.udp(family, to: 9, [1], destination: family.loopback).bytes, segment.pool)
        packet.metadata.flags = .looped
        queue.append(packet)
        segment.right.framesArrived(&queue, on: segment.rightIndex, at: segment.now)
        #expect(segment.right.ledger.dropped(.destinationAddressInvalid) == 1)
    }

    @Test(arguments: Family.allCases)
    func packetsThatFailTogetherDieInOrderThoughTheirSenderMustBeAskedFor(_ family: Family) throws {
        var settings = StackSettings()
        settings.forwarding = true
        settings.sendsRedirects = false
        let segment = try Segment(family, rightSettings: settings)
        let source = family.host(0, 9)
        let hosts = [family.host(0, 50), family.host(0, 51)]
        for host in hosts {
            for _ in 0..<2 { segment.giveRight(Handmade.udp(family, to: 9, [1], source: source, destination: host)) }
        }
        segment.pass(.seconds(4))
        let dead = segment.right.recentDrops.filter { $0.reason == .neighborUnresolved && $0.ipProtocol == 17 }
        #expect(dead.map(\.destination) == [hosts[0], hosts[0], hosts[1], hosts[1]])
        segment.pass(.seconds(30))
        segment.check()
    }
}
