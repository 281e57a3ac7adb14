import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// What a stack must not send, whatever it is given.
@Suite struct HostileTests {
    @Test func echoOfZerosIsAnsweredWithARightChecksum() throws {
        let segment = try Segment()
        segment.giveRight(Handmade.echo(0, sequence: 0, [0, 0]).frame)
        let answer = try #require(segment.interceptRight().first)
        #expect(Handmade.checksum(Array(answer[34...])) == 0)
        #expect(answer[34...] == [0, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0])
    }

    @Test(arguments: [IPv4Address(10, 0, 0, 255), .limitedBroadcast])
    func badOptionInABroadcastIsNotAnswered(destination: IPv4Address) throws {
        let segment = try Segment(kind: .ip)
        var packet = Handmade.udp(to: 9, [1], destination: destination)
        packet.options = [0x07, 1, 0, 0]
        segment.giveRight(packet.bytes)
        #expect(segment.right.ledger.dropped(.ipOptionMalformed) == 1)
        #expect(segment.interceptRight().isEmpty)
        packet.destination = Segment.rightAddress
        segment.giveRight(packet.bytes)
        #expect(segment.interceptRight().count == 1)
    }

    @Test func fragmentBeyondTheLargestDatagramIsNotCutAgain() throws {
        let crossing = try Crossing(eastMTU: 600)
        var piece = Handmade()
        piece.source = Crossing.host
        piece.destination = Crossing.far
        piece.payload = [UInt8](repeating: 1, count: 1_000)
        piece.fragmentWord = 0x1FFF
        #expect(crossing.cross(piece).east.isEmpty)
        #expect(crossing.router.ledger.dropped(.fragmentOversized) == 1)
        piece.fragmentWord = 0x1F00
        #expect(crossing.cross(piece).east.count == 2)
    }

    @Test func nothingFromLoopbackLeavesTheHost() throws {
        let segment = try Segment(kind: .ip)
        let socket = try segment.left.openUDP()
        try segment.left.bind(socket, to: Endpoint(IPv4Address.loopback, 7))
        #expect(throws: SendError.noRoute(.v4(Segment.rightAddress))) {
            try segment.left.send(socket, [1], to: Endpoint(Segment.rightAddress, 9), at: segment.now)
        }
        try segment.left.send(socket, [1], to: Endpoint(Segment.leftAddress, 9), at: segment.now)
        // Without an address of its own a host has none to send from.
        try segment.left.removeAddress(Segment.leftAddress, from: segment.leftIndex, at: segment.now)
        let route = IPv4Route(
            Prefix(Segment.rightAddress, length: 32), .connected(on: segment.leftIndex.rawValue))
        try segment.left.addRoute(route)
        let other = try segment.left.openUDP()
        #expect(throws: SendError.noRoute(.v4(Segment.rightAddress))) {
            try segment.left.send(other, [1], to: Endpoint(Segment.rightAddress, 9), at: segment.now)
        }
        #expect(segment.interceptLeft().isEmpty)
    }

    @Test func packetThatLoopsUntilItExpiresIsNotAnsweredFromLoopback() throws {
        let crossing = try Crossing()
        let here = IPv4Route(Prefix(IPv4Address(10, 9, 0, 0), length: 16), .local(on: crossing.east.rawValue))
        try crossing.router.addRoute(here)
        let out = crossing.cross(
            Handmade.udp(to: 9, [1], source: Crossing.host, destination: IPv4Address(10, 9, 0, 1)))
        #expect(crossing.router.ledger.dropped(.ttlExpired) == 1)
        let error = try #require(out.west.first)
        #expect(Array(error[12..<16]) == [10, 0, 1, 1])
    }

    @Test func socketBoundToABroadcastAddressSendsFromTheHosts() throws {
        let segment = try Segment()
        let socket = try segment.left.openUDP()
        try segment.left.bind(socket, to: Endpoint(IPv4Address(10, 0, 0, 255), 7))
        try segment.left.send(socket, [1], to: Endpoint(Segment.rightAddress, 9), at: segment.now)
        let frame = try #require(segment.interceptLeft().first)
        #expect(Array(frame[26..<30]) == [10, 0, 0, 1])
    }

    @Test func socketWhoseAddressWasRemovedSendsNoMore() throws {
        let segment = try Segment()
        let second = IPv4Address(10, 0, 0, 7)
        try segment.left.addAddress(second, prefixLength: 24, to: segment.leftIndex, at: segment.now)
        let socket = try segment.left.openUDP()
        try segment.left.bind(socket, to: Endpoint(second, 7))
        let peer = Endpoint(Segment.rightAddress, 9)
        try segment.left.send(socket, [1], to: peer, at: segment.now)
        try segment.left.removeAddress(second, from: segment.leftIndex, at: segment.now)
        #expect(throws: SendError.bind(.addressNotOurs(.v4(second)))) {
            try segment.left.send(socket, [1], to: peer, at: segment.now)
        }
    }

    @Test(arguments: [1_892, 1_893, 3_000, 8_972])
    func datagramThatFitsALargeMTUGoesInOnePiece(byteCount: Int) throws {
        let segment = try Segment(mtu: 9_000)
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        let sender = try segment.left.openUDP()
        var options = UDPOptions()
        options.dontFragment = true
        segment.left.setOptions(options, of: sender)
        let payload = [UInt8](repeating: 7, count: byteCount)
        try segment.left.send(sender, payload, to: Endpoint(Segment.rightAddress, 9), at: segment.now)
        let frames = segment.interceptLeft()
        #expect(frames.map(\.count) == [byteCount + 42])
        frames.forEach(segment.giveRight)
        #expect(segment.right.receiveAll(receiver) == [payload])
        #expect(throws: SendError.messageTooLong(max: 8_972)) {
            try segment.left.send(
                sender, [UInt8](repeating: 0, count: 8_973), to: Endpoint(Segment.rightAddress, 9),
                at: segment.now)
        }
    }

    @Test func marksOfAnotherStackOnAPacketMeanNothing() throws {
        let segment = try Segment(kind: .ip)
        var queue = PacketQueue()
        var packet = Segment.packet(Handmade.udp(to: 9, [1], destination: .loopback).bytes, segment.pool)
        packet.metadata.flags = .looped
        queue.append(packet)
        segment.right.framesArrived(&queue, on: segment.rightIndex, at: segment.now)
        #expect(segment.right.ledger.dropped(.destinationAddressInvalid) == 1)
    }

    @Test func packetsThatFailTogetherDieInOrderThoughTheirSenderMustBeAskedFor() throws {
        var settings = StackSettings()
        settings.forwarding = true
        settings.sendsRedirects = false
        let segment = try Segment(rightSettings: settings)
        let source = IPv4Address(10, 0, 0, 9)
        let hosts = [IPv4Address(10, 0, 0, 50), IPv4Address(10, 0, 0, 51)]
        for host in hosts {
            for _ in 0..<2 { segment.giveRight(Handmade.udp(to: 9, [1], source: source, destination: host).frame) }
        }
        segment.pass(.seconds(4))
        let dead = segment.right.recentDrops.filter { $0.reason == .neighborUnresolved && $0.ipProtocol == 17 }
        #expect(dead.map(\.destination) == [hosts[0], hosts[0], hosts[1], hosts[1]].map(IPAddress.v4))
        segment.pass(.seconds(30))
        segment.check()
    }
}
