import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// What dies on its way out or between two links, each with its name, beside what lives under other conditions.
@Suite struct OutputDropTests {
    private static var mac: MACAddress { MACAddress(bits: 0x0200_0000_0055) }

    @Test(arguments: [(true, true), (false, true), (true, false)], Family.allCases)
    func interfaceThatDoesNotForwardStopsWhatComesInAndWhatWouldGoOut(
        _ forwards: (west: Bool, east: Bool), _ family: Family
    ) throws {
        let (west, east) = forwards
        let crossing = try Crossing(family, westForwards: west, eastForwards: east)
        let isForwarded = west && east
        #expect(crossing.cross(crossing.packet()).east.count == (isForwarded ? 1 : 0))
        #expect(crossing.router.ledger.dropped(.forwardingDisabled) == (isForwarded ? 0 : 1))
    }

    @Test(arguments: [UInt64(0xFFFF_FFFF_FFFF), 0x0100_5E00_0001], Family.allCases)
    func packetInAFrameToManyIsNotForwarded(mac: UInt64, _ family: Family) throws {
        var settings = StackSettings()
        settings.forwarding = true
        let segment = try Segment(family, rightSettings: settings)
        let packet = Handmade.udp(family, to: 9, [1], destination: family.host(0, 77))
        segment.giveRight(packet.frame(to: mac))
        #expect(segment.right.ledger.dropped(.linkBroadcastNotForwarded) == 1)
        #expect(segment.right.ledger.forwarded == 0)
        #expect(segment.interceptRight().isEmpty)
        segment.giveRight(packet)
        #expect(segment.right.ledger.dropped(.linkBroadcastNotForwarded) == 1)
        #expect(segment.right.ledger.forwarded == 1)
        segment.check()
    }

    @Test func packetForAnotherLinksBroadcastAddressIsNotForwarded() throws {
        let crossing = try Crossing()
        let group = IPv4Address(10, 9, 0, 255)
        try crossing.router.addRoute(
            IPv4Route(Prefix(group, length: 24), .connected(on: crossing.east.rawValue)))
        #expect(crossing.cross(crossing.packet(to: .v4(group))).east.count == 1)
        try crossing.router.addRoute(
            IPv4Route(Prefix(group, length: 32), .broadcast(on: crossing.east.rawValue)))
        #expect(crossing.cross(crossing.packet(to: .v4(group))).east.isEmpty)
        #expect(crossing.router.ledger.dropped(.broadcastNotForwarded) == 1)
    }

    @Test(arguments: Family.allCases)
    func framesOfADeviceThatIsGoneDieWithItsName(_ family: Family) throws {
        let segment = try Segment(family)
        let socket = try segment.left.openUDP()
        try segment.left.connect(socket, to: Endpoint(family.right, 9))
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

    @Test(arguments: [0, 1], Family.allCases)
    func fragmentsThatNoBufferCanHoldTogetherDieWithAName(largeMax: Int, _ family: Family) throws {
        let segment = try Segment(family, pool: PacketPool(packetsMax: 64, largeMax: largeMax))
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(port: 9))
        let whole = Handmade.udp(family, to: 9, [UInt8](repeating: 1, count: 2_992)).payload
        for start in [0, 1_000, 2_000] {
            var piece = Handmade(family)
            piece.payload = Array(whole[start..<start + 1_000])
            piece.fragmentWord = UInt16(start / 8) | (start < 2_000 ? 0x2000 : 0)
            segment.giveRight(piece)
        }
        #expect(segment.right.receivableCount(socket) == largeMax)
        #expect(segment.right.ledger.dropped(.noBuffer) == (largeMax == 0 ? 3 : 0))
        segment.check()
    }

    @Test(arguments: [3, 4])
    func packetThatCannotBeCutForWantOfBuffersDiesWithItsPieces(packetsMax: Int) throws {
        let crossing = try Crossing(eastMTU: 100, pool: PacketPool(packetsMax: packetsMax, largeMax: 0))
        let pieces = crossing.cross(crossing.packet([UInt8](repeating: 1, count: 200))).east
        #expect(pieces.count == (packetsMax == 3 ? 0 : 3))
        #expect(crossing.router.ledger.dropped(.noBuffer) == (packetsMax == 3 ? 3 : 0))
        #expect(crossing.pool.inUse == 0)
    }

    @Test(arguments: [13, 14], Family.allCases)
    func packetWithoutRoomForALinkHeaderDiesWithAName(headroom: Int, _ family: Family) throws {
        let crossing = try Crossing(family)
        let lan = try attachLAN(to: crossing)
        try crossing.router.addAddress(family.host(3, 1), to: lan, at: crossing.now)
        let host = family.host(3, 9)
        try crossing.router.setNeighbor(host, on: lan, to: Self.mac, at: crossing.now)
        var queue = PacketQueue()
        queue.append(Segment.packet(crossing.packet(to: host).bytes, crossing.pool, headroom: headroom))
        crossing.router.framesArrived(&queue, on: crossing.west, at: crossing.now)
        #expect(crossing.router.ledger.dropped(.noBuffer) == (headroom < 14 ? 1 : 0))
        #expect(crossing.router.conservation.isKept)
    }

    @Test func packetForALinkOnWhichNobodyCouldAskDiesWithAName() throws {
        let crossing = try Crossing()
        let lan = try attachLAN(to: crossing)
        let net = IPv4Prefix(IPv4Address(10, 0, 3, 0), length: 24)
        try crossing.router.addRoute(IPv4Route(net, .connected(on: lan.rawValue)))
        _ = crossing.cross(crossing.packet(to: .v4(IPv4Address(10, 0, 3, 9))))
        #expect(crossing.router.ledger.dropped(.noSourceAddress) == 1)
        try crossing.router.addAddress(IPv4Address(10, 0, 3, 1), prefixLength: 24, to: lan, at: crossing.now)
        _ = crossing.cross(crossing.packet(to: .v4(IPv4Address(10, 0, 3, 9))))
        #expect(crossing.router.ledger.dropped(.noSourceAddress) == 1)
        #expect(crossing.router.ledger.dropped == 1)
    }

    @Test(arguments: [Family.ipv4.everyone, .v4(.limitedBroadcast), Family.ipv6.everyone])
    func broadcastToAPortThatNobodyListensOnDiesWithoutAnAnswer(destination: IPAddress) throws {
        let segment = try Segment(destination.family, kind: .ip)
        let socket = try segment.right.listen(to: 9, at: destination, on: segment.rightIndex, at: segment.now)
        for port in UInt16(9)...10 {
            segment.giveRight(Handmade.udp(destination.family, to: port, [1], destination: destination))
        }
        #expect(segment.right.receivableCount(socket) == 1)
        #expect(segment.right.ledger.dropped(.multicastNoReceiver) == (destination.isMulticast ? 1 : 0))
        #expect(segment.right.ledger.dropped(.broadcastNoReceiver) == (destination.isMulticast ? 0 : 1))
        #expect(segment.interceptRight().isEmpty)
        segment.check()
    }

    /// Gives the router a third interface, of Ethernet and without an address.
    private func attachLAN(to crossing: Crossing) throws -> InterfaceIndex {
        try crossing.router.attach(
            InterfaceDescription(
                name: "lan", mac: MACAddress(bits: 0x0200_0000_0033), ipv6: crossing.family.ipv6Mode))
    }
}
