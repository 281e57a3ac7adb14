import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Testing

/// What a router of IPv6 does otherwise than one of IPv4: it cuts nothing, and knows scopes.
@Suite struct IPv6ForwardingTests {
    private func address(_ text: String) throws -> IPAddress { .v6(try #require(IPv6Address(text))) }

    @Test func packetAboveTheNextLinkIsRefusedWithTheMTUThere() throws {
        let crossing = try Crossing(.ipv6, eastMTU: 1_300)
        let fits = crossing.packet([UInt8](repeating: 1, count: 1_252))
        #expect(crossing.cross(fits).east.map(\.bytes.count) == [1_300])
        let large = crossing.packet([UInt8](repeating: 1, count: 1_253))
        let out = crossing.cross(large)
        #expect(out.east.isEmpty)
        let error = try #require(out.west.first)
        #expect(error.kind == [2, 0] && error.rest == 1_300 && error.isSumRight)
        #expect(error.bytes.count == 1_280)
        #expect(error.body == Array(large.bytes.prefix(1_232)))
        #expect(crossing.router.ledger.dropped(.fragmentationNeeded) == 1)
    }

    @Test func linkOf1280BytesIsTheSmallestAndCarriesThemWhole() throws {
        let crossing = try Crossing(.ipv6, eastMTU: 1_280)
        let whole = crossing.packet([UInt8](repeating: 1, count: 1_232))
        #expect(whole.bytes.count == 1_280)
        #expect(crossing.cross(whole).east.count == 1)
        #expect(throws: InterfaceError.mtuTooSmallForIPv6(1_279)) { try crossing.router.setMTU(crossing.east, 1_279) }
        #expect(throws: InterfaceError.mtuTooSmallForIPv6(1_279)) {
            try crossing.router.attach(InterfaceDescription(name: "thin", kind: .ip, mtu: 1_279, ipv6: .manual))
        }
    }

    @Test func whatIsLinkLocalStaysOnItsLink() throws {
        let crossing = try Crossing(.ipv6)
        try crossing.router.addRoute(to: .v6(.any), length: 0, .gateway(Family.ipv6.far, on: crossing.east))
        var packet = crossing.packet(to: Family.ipv6.stranger(1))
        #expect(crossing.cross(packet).east.count == 1)
        packet = Handmade.udp(to: 9, [1], source: try address("fe80::9"), destination: Family.ipv6.stranger(1))
        let out = crossing.cross(packet)
        #expect(out.east.isEmpty && out.west.map(\.kind) == [[1, 2]])
        #expect(out.west.first?.destination == packet.source)
        #expect(crossing.router.ledger.dropped(.beyondScope) == 1)
        #expect(crossing.cross(crossing.packet(to: try address("fe80::77"))).east.isEmpty)
        #expect(crossing.router.ledger.dropped(.addressNotOurs) == 1)
        #expect(crossing.router.ledger.forwarded == 1)
    }

    @Test func groupsAreNotForwardedByRoutesToHosts() throws {
        let crossing = try Crossing(.ipv6)
        try crossing.router.addRoute(to: .v6(.any), length: 0, .gateway(Family.ipv6.far, on: crossing.east))
        for text in ["ff02::9", "ff05::9", "ff0e::9"] {
            #expect(crossing.cross(crossing.packet(to: try address(text))).east.isEmpty)
        }
        #expect(crossing.router.ledger.dropped(.multicastNoMember) == 3)
        #expect(crossing.router.ledger.forwarded == 0)
    }

    /// A router reads the options of every node, and no other extension header (RFC 8200 §4).
    @Test func routerJudgesTheOptionsOfEveryNodeAndNotThoseOfTheDestination() throws {
        let crossing = try Crossing(.ipv6)
        for number in [UInt8(0), 60] {
            for kind in [UInt8(0x1E), 0x9E] {
                var packet = crossing.packet()
                packet.extensions = [.init(number: number, rest: [0, kind, 4, 0, 0, 0, 0])]
                let out = crossing.cross(packet)
                let isRefused = number == 0 && kind == 0x9E
                #expect(out.east.count == (isRefused ? 0 : 1), "header \(number), option \(kind)")
                #expect(out.west.map(\.kind) == (isRefused ? [[4, 2]] : []))
                if !isRefused {
                    packet.timeToLive -= 1
                    #expect(out.east.map(\.bytes) == [packet.bytes])
                }
            }
        }
        #expect(crossing.router.ledger.dropped(.ipOptionMalformed) == 1)
    }

    @Test func chainThatARouterCannotReadIsItsReceiversAffair() throws {
        let crossing = try Crossing(.ipv6)
        var packet = crossing.packet()
        let step = Handmade.Extension(number: 60, rest: [0, 1, 4, 0, 0, 0, 0])
        packet.extensions = [Handmade.Extension](repeating: step, count: 20)
        #expect(crossing.cross(packet).east.count == 1)
        packet.extensions = [.init(number: 43, rest: [0, 0, 1, 0, 0, 0, 0])]
        #expect(crossing.cross(packet).east.count == 1)
        packet.extensions = []
        packet.fragmentWord = 0x2000 | 7
        #expect(crossing.cross(packet).east.count == 1)
    }

    @Test func routerListensToTheGroupOfRoutersAndAHostDoesNot() throws {
        for forwards in [false, true] {
            let crossing = try Crossing(.ipv6, forwards: forwards)
            _ = crossing.cross(crossing.packet(to: .v6(.allRouters)))
            #expect(crossing.router.ledger.dropped(.multicastNoReceiver) == (forwards ? 1 : 0))
            #expect(crossing.router.ledger.dropped(.multicastNoMember) == (forwards ? 0 : 1))
        }
    }

    /// A message that a datagram was too big for a link on the way to its destination.
    private func tooBig(_ mtu: UInt32, about packet: [UInt8]) -> Handmade {
        Handmade.icmp(
            [2, 0], rest: mtu, Array(packet.prefix(1_232)), from: Family.ipv6.host(0, 9), to: Family.ipv6.left)
    }

    @Test func learnedPathMTUCutsWhatIsSentToThatDestinationOnly() throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        let socket = try segment.left.openUDP()
        let peer = Endpoint(Family.ipv6.right, 9)
        let payload = (0..<1_400).map { UInt8(truncatingIfNeeded: $0) }
        try segment.left.send(socket, payload, to: peer, at: segment.now)
        let whole = segment.interceptLeft()
        #expect(whole.map(\.bytes.count) == [1_448])
        segment.giveLeft(tooBig(1_300, about: whole[0].bytes))
        try segment.left.send(socket, payload, to: peer, at: segment.now)
        let pieces = segment.interceptLeft()
        #expect(pieces.count == 2 && pieces.allSatisfy { $0.bytes.count <= 1_300 })
        #expect(pieces.map(\.fragmentWord) == [0x2000, 156])
        for piece in pieces { segment.giveRight(piece) }
        #expect(segment.right.receiveAll(receiver) == [payload])
        try segment.left.send(socket, payload, to: Endpoint(Family.ipv6.host(0, 7), 9), at: segment.now)
        #expect(segment.interceptLeft().count == 1)
        // A larger number raises nothing; ten minutes later the link's own MTU is tried again (RFC 8201 §4).
        segment.giveLeft(tooBig(1_400, about: whole[0].bytes))
        try segment.left.send(socket, payload, to: peer, at: segment.now)
        #expect(segment.interceptLeft().count == 2)
        segment.check()
    }

    @Test func echoRequestsAreCutToTheLearnedPathMTUToo() throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let identifier = try segment.left.openEcho()
        segment.giveLeft(tooBig(1_280, about: Handmade.udp(.ipv6, to: 9, [1]).bytes))
        try segment.left.sendEcho(
            identifier, to: Family.ipv6.right, sequence: 1, byteCount: 1_400, at: segment.now)
        let pieces = segment.interceptLeft()
        #expect(pieces.count == 2 && pieces.allSatisfy { $0.bytes.count <= 1_280 })
        for piece in pieces { segment.giveRight(piece) }
        segment.pump()
        #expect(segment.left.takeEchoReplies(identifier).first?.isIntact == true)
        segment.check()
    }

    @Test func pathMTUBelow1280IsNotBelieved() throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let socket = try segment.left.openUDP()
        let peer = Endpoint(Family.ipv6.right, 9)
        try segment.left.bind(socket, to: Endpoint(port: 1_000))
        try segment.left.connect(socket, to: peer)
        let quote = Handmade.udp(.ipv6, to: 9, [1]).bytes
        for mtu in [UInt32(0), 68, 1_279] { segment.giveLeft(tooBig(mtu, about: quote)) }
        #expect(segment.left.ledger.dropped(.icmpQuoteMalformed) == 3)
        #expect(segment.left.takeError(socket) == nil)
        try segment.left.send(socket, [UInt8](repeating: 1, count: 1_452), at: segment.now)
        #expect(segment.interceptLeft().count == 1)
        segment.giveLeft(tooBig(1_280, about: quote))
        #expect(segment.left.takeError(socket) == .messageTooLong(peer, mtu: 1_280))
        try segment.left.send(socket, [UInt8](repeating: 1, count: 1_452), at: segment.now)
        #expect(segment.interceptLeft().count == 2)
        segment.check()
    }

    @Test func errorAboutAFragmentedErrorIsNotSent() throws {
        var settings = StackSettings()
        settings.reassemblyTimeout = .seconds(1)
        let segment = try Segment(.ipv6, kind: .ip, rightSettings: settings)
        for kind in [[UInt8(1), 4], [137, 0], [128, 0]] {
            var piece = Handmade.icmp(
                kind, [UInt8](repeating: 0, count: 32), from: Family.ipv6.left, to: Family.ipv6.right)
            piece.fragmentWord = 0x2000
            segment.giveRight(piece)
            segment.pass(.seconds(2))
        }
        #expect(segment.right.ledger.dropped(.fragmentTimeout) == 3)
        #expect(segment.right.counters.icmpErrorsSent == 1)
        segment.check()
    }

    @Test func echoToAGroupIsAnsweredFromTheHostsOwnAddressAndNeverToNobody() throws {
        var settings = StackSettings()
        settings.answersBroadcastEcho = true
        let segment = try Segment(.ipv6, kind: .ip, rightSettings: settings)
        try segment.right.addRoute(to: .v6(.any), length: 0, .gateway(Family.ipv6.left, on: segment.rightIndex))
        segment.giveRight(Handmade.echo(.ipv6, destination: .v6(.allNodes)))
        let answer = try #require(segment.interceptRight().first)
        #expect(answer.source == Family.ipv6.right && answer.destination == Family.ipv6.left && answer.isSumRight)
        segment.giveRight(Handmade.icmp([128, 0], [], from: .v6(.any), to: .v6(.allNodes)))
        #expect(segment.interceptRight().isEmpty)
        #expect(segment.right.ledger.dropped(.noRoute) == 1)
        segment.check()
    }
}
