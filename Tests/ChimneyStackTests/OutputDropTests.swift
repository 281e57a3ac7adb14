import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// What dies on its way out or between two links, each with its name, beside what lives under other conditions.
@Suite struct OutputDropTests {
    private static var mac: MACAddress { MACAddress(bits: 0x0200_0000_0055) }

    private func packet(_ data: [UInt8] = [1], to destination: IPv4Address = Crossing.far) -> Handmade {
        Handmade.udp(to: 9, data, source: Crossing.host, destination: destination)
    }

    @Test(arguments: [(true, true), (false, true), (true, false)])
    func interfaceThatDoesNotForwardStopsWhatComesInAndWhatWouldGoOut(west: Bool, east: Bool) throws {
        let crossing = try Crossing(westForwards: west, eastForwards: east)
        let isForwarded = west && east
        #expect(crossing.cross(packet()).east.count == (isForwarded ? 1 : 0))
        #expect(crossing.router.ledger.dropped(.forwardingDisabled) == (isForwarded ? 0 : 1))
    }

    @Test(arguments: [UInt64(0xFFFF_FFFF_FFFF), 0x0100_5E00_0001])
    func packetInAFrameToManyIsNotForwarded(mac: UInt64) throws {
        var settings = StackSettings()
        settings.forwarding = true
        let segment = try Segment(rightSettings: settings)
        let bytes = Handmade.udp(to: 9, [1], destination: IPv4Address(10, 0, 0, 77)).bytes
        segment.giveRight(Handmade.frame(bytes, to: mac))
        #expect(segment.right.ledger.dropped(.linkBroadcastNotForwarded) == 1)
        #expect(segment.right.ledger.forwarded == 0)
        #expect(segment.interceptRight().isEmpty)
        segment.giveRight(Handmade.frame(bytes))
        #expect(segment.right.ledger.dropped(.linkBroadcastNotForwarded) == 1)
        #expect(segment.right.ledger.forwarded == 1)
        segment.check()
    }

    @Test func packetForAnotherLinksBroadcastAddressIsNotForwarded() throws {
        let crossing = try Crossing()
        let group = IPv4Address(10, 9, 0, 255)
        try crossing.router.addRoute(
            IPv4Route(Prefix(group, length: 24), .connected(on: crossing.east.rawValue)))
        #expect(crossing.cross(packet(to: group)).east.count == 1)
        try crossing.router.addRoute(
            IPv4Route(Prefix(group, length: 32), .broadcast(on: crossing.east.rawValue)))
        #expect(crossing.cross(packet(to: group)).east.isEmpty)
        #expect(crossing.router.ledger.dropped(.broadcastNotForwarded) == 1)
    }

    @Test func framesOfADeviceThatIsGoneDieWithItsName() throws {
        let segment = try Segment()
        let socket = try segment.left.openUDP()
        try segment.left.connect(socket, to: Endpoint(Segment.rightAddress, 9))
        for byte in UInt8(0)..<3 { try segment.left.send(socket, [byte], at: segment.now) }
        // The driver sends one of three and hands two back; a fourth never leaves the queue.
        var taken = PacketQueue()
        segment.left.takeTransmit(from: segment.leftIndex, into: &taken)
        #expect(taken.count == 3)
        let before = segment.left.ledger.transmitted
        _ = taken.removeFirst()
        segment.left.transmitFailed(&taken, on: segment.leftIndex, at: segment.now)
        #expect(taken.count == 0)
        #expect(segment.left.ledger.dropped(.transmitDeviceGone) == 2)
        #expect(segment.left.ledger.transmitted == before - 2)
        try segment.left.send(socket, [3], at: segment.now)
        try segment.left.deviceVanished(segment.leftIndex, at: segment.now)
        #expect(segment.left.ledger.dropped(.transmitDeviceGone) == 3)
        #expect(segment.left.recentDrops.last?.reason == .transmitDeviceGone)
        #expect(segment.interceptLeft().isEmpty)
        segment.check()
    }

    @Test(arguments: [0, 1])
    func fragmentsThatNoBufferCanHoldTogetherDieWithAName(largeMax: Int) throws {
        let segment = try Segment(pool: PacketPool(packetsMax: 64, largeMax: largeMax))
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(port: 9))
        let whole = Handmade.udp(to: 9, [UInt8](repeating: 1, count: 2_992)).payload
        for start in [0, 1_000, 2_000] {
            var piece = Handmade()
            piece.payload = Array(whole[start..<start + 1_000])
            piece.fragmentWord = UInt16(start / 8) | (start < 2_000 ? 0x2000 : 0)
            segment.giveRight(piece.frame)
        }
        #expect(segment.right.receivableCount(socket) == largeMax)
        #expect(segment.right.ledger.dropped(.noBuffer) == (largeMax == 0 ? 3 : 0))
        segment.check()
    }

    @Test(arguments: [3, 4])
    func packetThatCannotBeCutForWantOfBuffersDiesWithItsPieces(packetsMax: Int) throws {
        let crossing = try Crossing(eastMTU: 100, pool: PacketPool(packetsMax: packetsMax, largeMax: 0))
        let pieces = crossing.cross(packet([UInt8](repeating: 1, count: 200))).east
        #expect(pieces.count == (packetsMax == 3 ? 0 : 3))
        #expect(crossing.router.ledger.dropped(.noBuffer) == (packetsMax == 3 ? 3 : 0))
        #expect(crossing.pool.inUse == 0)
    }

    @Test(arguments: [13, 14])
    func packetWithoutRoomForALinkHeaderDiesWithAName(headroom: Int) throws {
        let crossing = try Crossing()
        let lan = try attachLAN(to: crossing)
        try crossing.router.addAddress(IPv4Address(10, 0, 3, 1), prefixLength: 24, to: lan, at: crossing.now)
        let host = IPv4Address(10, 0, 3, 9)
        try crossing.router.setNeighbor(host, on: lan, to: Self.mac, at: crossing.now)
        var queue = PacketQueue()
        queue.append(Segment.packet(packet(to: host).bytes, crossing.pool, headroom: headroom))
        crossing.router.framesArrived(&queue, on: crossing.west, at: crossing.now)
        #expect(crossing.router.ledger.dropped(.noBuffer) == (headroom < 14 ? 1 : 0))
        #expect(crossing.router.conservation.isKept)
    }

    @Test func packetForALinkOnWhichNobodyCouldAskDiesWithAName() throws {
        let crossing = try Crossing()
        let lan = try attachLAN(to: crossing)
        let net = IPv4Prefix(IPv4Address(10, 0, 3, 0), length: 24)
        try crossing.router.addRoute(IPv4Route(net, .connected(on: lan.rawValue)))
        _ = crossing.cross(packet(to: IPv4Address(10, 0, 3, 9)))
        #expect(crossing.router.ledger.dropped(.noSourceAddress) == 1)
        try crossing.router.addAddress(IPv4Address(10, 0, 3, 1), prefixLength: 24, to: lan, at: crossing.now)
        _ = crossing.cross(packet(to: IPv4Address(10, 0, 3, 9)))
        #expect(crossing.router.ledger.dropped(.noSourceAddress) == 1)
        #expect(crossing.router.ledger.dropped == 1)
    }

    @Test(arguments: [IPv4Address(10, 0, 0, 255), .limitedBroadcast])
    func broadcastToAPortThatNobodyListensOnDiesWithoutAnAnswer(destination: IPv4Address) throws {
        let segment = try Segment()
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(port: 9))
        for port in UInt16(9)...10 {
            let bytes = Handmade.udp(to: port, [1], destination: destination).bytes
            segment.giveRight(Handmade.frame(bytes, to: 0xFFFF_FFFF_FFFF))
        }
        #expect(segment.right.receivableCount(socket) == 1)
        #expect(segment.right.ledger.dropped(.broadcastNoReceiver) == 1)
        #expect(segment.interceptRight().isEmpty)
        segment.check()
    }

    /// Gives the router a third interface, of Ethernet and without an address.
    private func attachLAN(to crossing: Crossing) throws -> InterfaceIndex {
        try crossing.router.attach(InterfaceDescription(name: "lan", mac: MACAddress(bits: 0x0200_0000_0033)))
    }
}
