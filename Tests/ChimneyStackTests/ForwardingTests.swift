import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// One router between two links, its frames made and read by hand.
final class Crossing {
    let pool: PacketPool
    var router: VirtualStack
    let west: InterfaceIndex
    let east: InterfaceIndex
    var now = Instant(nanoseconds: 1_000_000_000)

    static var host: IPv4Address { IPv4Address(10, 0, 1, 9) }
    static var far: IPv4Address { IPv4Address(10, 0, 2, 9) }

    init(
        forwards: Bool = true, westForwards: Bool = true, eastForwards: Bool = true, eastMTU: Int = 1_500,
        pool: PacketPool = PacketPool(packetsMax: 4_096, largeMax: 16), settings: StackSettings = StackSettings()
    ) throws {
        self.pool = pool
        var settings = settings
        settings.forwarding = forwards
        router = VirtualStack(name: "router", settings: settings, pool: pool, random: StackRandom(seed: 3))
        west = try router.attach(InterfaceDescription(name: "west", kind: .ip, forwards: westForwards))
        east = try router.attach(
            InterfaceDescription(name: "east", kind: .ip, mtu: eastMTU, forwards: eastForwards))
        try router.addAddress(IPv4Address(10, 0, 1, 1), prefixLength: 24, to: west, at: now)
        try router.addAddress(IPv4Address(10, 0, 2, 1), prefixLength: 24, to: east, at: now)
    }

    /// Hands the router a packet from the west; says what leaves on either side.
    func cross(_ packet: Handmade) -> (west: [[UInt8]], east: [[UInt8]]) {
        var queue = PacketQueue()
        queue.append(Segment.packet(packet.bytes, pool))
        router.framesArrived(&queue, on: west, at: now)
        #expect(router.conservation.isKept)
        return (take(west), take(east))
    }

    private func take(_ index: InterfaceIndex) -> [[UInt8]] {
        var queue = PacketQueue()
        var result: [[UInt8]] = []
        router.takeTransmit(from: index, into: &queue)
        while !queue.isEmpty { result.append(Segment.bytes(of: queue.removeFirst())) }
        return result
    }
}

@Suite struct ForwardingTests {
    private func packet(_ data: [UInt8] = [1], to destination: IPv4Address = Crossing.far) -> Handmade {
        Handmade.udp(to: 9, data, source: Crossing.host, destination: destination)
    }

    @Test func forwardedPacketLosesOneHopAndKeepsItsChecksumRight() throws {
        let crossing = try Crossing()
        for timeToLive in [UInt8(2), 64, 255] {
            var sent = packet()
            sent.timeToLive = timeToLive
            let out = try #require(crossing.cross(sent).east.first)
            sent.timeToLive -= 1
            #expect(out == sent.bytes)
        }
        #expect(crossing.router.ledger.forwarded == 3)
        #expect(crossing.pool.inUse == 0)
    }

    @Test func packetAtItsLastHopDiesAndItsSenderIsTold() throws {
        let crossing = try Crossing()
        for timeToLive in [UInt8(0), 1] {
            var sent = packet()
            sent.timeToLive = timeToLive
            let out = crossing.cross(sent)
            #expect(out.east.isEmpty)
            let error = try #require(out.west.first)
            #expect(Array(error[20..<22]) == [11, 0])
            #expect(Array(error[12..<16]) == [10, 0, 1, 1])
        }
        #expect(crossing.router.ledger.dropped(.ttlExpired) == 2)
    }

    @Test func hostDoesNotForward() throws {
        let crossing = try Crossing(forwards: false)
        #expect(crossing.cross(packet()).east.isEmpty)
        #expect(crossing.router.ledger.dropped(.addressNotOurs) == 1)
    }

    @Test func eachKindOfRefusingRouteHasItsReasonAndItsError() throws {
        let crossing = try Crossing()
        let nets = (0..<3).map { IPv4Address(10, 9, UInt8($0), 1) }
        let hops: [IPv4NextHop] = [.blackhole, .unreachable, .prohibited]
        for (net, hop) in zip(nets, hops) {
            try crossing.router.addRoute(IPv4Route(Prefix(net, length: 24), hop))
        }
        #expect(crossing.cross(packet(to: nets[0])).west.isEmpty)
        #expect(crossing.cross(packet(to: nets[1])).west.first.map { Array($0[20..<22]) } == [3, 1])
        #expect(crossing.cross(packet(to: nets[2])).west.first.map { Array($0[20..<22]) } == [3, 13])
        #expect(crossing.cross(packet(to: IPv4Address(10, 99, 0, 1))).west.first.map { Array($0[20..<22]) } == [3, 0])
        let drops = crossing.router.ledger
        #expect(drops.dropped(.routeBlackhole) == 1 && drops.dropped(.routeReject) == 1)
        #expect(drops.dropped(.routeProhibited) == 1 && drops.dropped(.noRoute) == 1)
    }

    @Test func packetAboveTheNextLinkIsCutOrRefused() throws {
        let crossing = try Crossing(eastMTU: 100)
        var sent = packet((0..<200).map { UInt8($0) })
        let pieces = crossing.cross(sent).east
        #expect(pieces.count == 3)
        #expect(pieces.allSatisfy { $0.count <= 100 && Handmade.checksum(Array($0[..<20])) == 0 })
        #expect(Array(pieces.map { $0[20...] }.joined()) == sent.payload)
        sent.fragmentWord = 0x4000
        let out = crossing.cross(sent)
        #expect(out.east.isEmpty)
        let error = try #require(out.west.first)
        #expect(Array(error[20..<22]) == [3, 4])
        #expect(Array(error[26..<28]) == [0, 100])
        #expect(crossing.router.ledger.dropped(.fragmentationNeeded) == 1)
        for (byteCount, count) in [(72, 1), (73, 0)] {
            var edge = packet([UInt8](repeating: 1, count: byteCount))
            edge.fragmentWord = 0x4000
            #expect(crossing.cross(edge).east.count == count)
        }
    }

    @Test func fragmentCutAgainKeepsItsOffsetAndItsMoreFlag() throws {
        let crossing = try Crossing(eastMTU: 68)
        var sent = packet([UInt8](repeating: 1, count: 72))
        sent.fragmentWord = 0x2000 | 10
        let words = crossing.cross(sent).east.map { UInt16($0[6]) << 8 | UInt16($0[7]) }
        #expect(words == [0x2000 | 10, 0x2000 | 16])
    }

    @Test func onlyTheCopiedOptionsFollowIntoLaterFragments() throws {
        let crossing = try Crossing(eastMTU: 100)
        var sent = packet([UInt8](repeating: 1, count: 150))
        sent.options = [0x94, 4, 0, 0, 0x07, 3, 4, 0]
        let pieces = crossing.cross(sent).east
        #expect(pieces.count == 3)
        #expect(Array(pieces[0][20..<28]) == sent.options)
        #expect(pieces[1][0] == 0x46)
        #expect(Array(pieces[1][20..<24]) == [0x94, 4, 0, 0])
    }

    @Test func broadcastsAndInterfacesThatDoNotForwardAreNamed() throws {
        let crossing = try Crossing()
        #expect(crossing.cross(packet(to: IPv4Address(10, 0, 2, 255))).east.isEmpty)
        try crossing.router.setUp(crossing.east, false, at: crossing.now)
        #expect(crossing.cross(packet()).east.isEmpty)
        #expect(crossing.router.ledger.dropped(.noRoute) == 1)
        try crossing.router.setUp(crossing.east, true, at: crossing.now)
        #expect(crossing.cross(packet()).east.count == 1)
    }

    @Test func routesFollowTheTableOfTheInterface() throws {
        var settings = StackSettings()
        settings.fibCount = 2
        let crossing = try Crossing(settings: settings)
        let net = IPv4Prefix(IPv4Address(10, 50, 0, 0), length: 16)
        try crossing.router.addRoute(IPv4Route(net, .gateway(Crossing.far, on: crossing.east.rawValue)), fib: .one(1))
        #expect(crossing.cross(packet(to: IPv4Address(10, 50, 1, 1))).east.isEmpty)
        let socket = try crossing.router.openUDP(fib: 1)
        try crossing.router.send(socket, [1], to: Endpoint(IPv4Address(10, 50, 1, 1), 9), at: crossing.now)
        let plain = try crossing.router.openUDP()
        #expect(throws: SendError.noRoute(.v4(IPv4Address(10, 50, 1, 1)))) {
            try crossing.router.send(plain, [1], to: Endpoint(IPv4Address(10, 50, 1, 1), 9), at: crossing.now)
        }
        #expect(throws: OpenError.noSuchFIB(fib: 2, count: 2)) { try crossing.router.openUDP(fib: 2) }
    }

    @Test func connectedSocketFollowsAChangeOfRoute() throws {
        let crossing = try Crossing()
        let net = IPv4Prefix(IPv4Address(10, 50, 0, 0), length: 16)
        let peer = Endpoint(IPv4Address(10, 50, 0, 1), 9)
        try crossing.router.addRoute(IPv4Route(net, .gateway(Crossing.far, on: crossing.east.rawValue), metric: 10))
        let socket = try crossing.router.openUDP()
        try crossing.router.connect(socket, to: peer)
        try crossing.router.send(socket, [1], at: crossing.now)
        try crossing.router.addRoute(IPv4Route(net, .gateway(Crossing.host, on: crossing.west.rawValue), metric: 5))
        try crossing.router.send(socket, [2], at: crossing.now)
        var queue = PacketQueue()
        crossing.router.takeTransmit(from: crossing.west, into: &queue)
        #expect(queue.count == 1)
        crossing.router.takeTransmit(from: crossing.east, into: &queue)
        #expect(queue.count == 2)
        try crossing.router.removeRoutes(to: net)
        #expect(throws: SendError.noRoute(peer.address)) { try crossing.router.send(socket, [3], at: crossing.now) }
    }
}
