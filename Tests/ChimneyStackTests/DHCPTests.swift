import ChimneyAddressing
import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import ChimneyWire
import Testing

/// A DHCP server on a socket of the left stack that lends one address.
private struct OneAddressServer {
    static let server = IPv4Address(10, 9, 0, 1)
    static let lent = IPv4Address(10, 9, 0, 50)
    let socket: SocketID
    private(set) var heard: [DHCPv4MessageType] = []

    init(on link: DiscoveryLink) throws {
        try link.left.addAddress(Self.server, prefixLength: 24, to: link.leftIndex, at: link.now)
        socket = try link.left.openUDP()
        var options = UDPOptions()
        options.broadcast = true
        link.left.setOptions(options, of: socket)
        try link.left.bind(socket, to: Endpoint(port: DHCPv4Message.serverPort))
    }

    /// Answers what waits; as long as time passes in steps, the client is served.
    mutating func serve(_ link: DiscoveryLink, for span: TimeSpan) throws {
        let end = link.now + span
        while link.now < end {
            while link.left.receivableCount(socket) > 0 {
                if let answer = try answer(to: link.left.receive(socket)) {
                    var bytes = [UInt8](repeating: 0, count: answer.byteCount)
                    var span = bytes.mutableSpan
                    var octets = unsafe span.mutableBytes
                    answer.write(into: &octets)
                    try link.left.send(
                        socket, bytes, to: Endpoint(.limitedBroadcast, DHCPv4Message.clientPort), at: link.now)
                }
            }
            link.pass(.milliseconds(100))
        }
    }

    private mutating func answer(to datagram: borrowing Datagram) throws -> DHCPv4Message? {
        let view = try DHCPv4View(datagram.bytes)
        heard.append(view.type)
        let type: DHCPv4MessageType
        switch view.type {
        case .discover: type = .offer
        case .request: type = .acknowledge
        case .offer, .decline, .acknowledge, .refuse, .release, .inform: return nil
        }
        var answer = DHCPv4Message(type, transaction: view.transaction, hardware: view.hardware)
        answer.yourAddress = Self.lent
        try answer.options.append(.serverIdentifier, [Self.server])
        try answer.options.append(.leaseTime, UInt32(600))
        try answer.options.append(.subnetMask, [IPv4Address(255, 255, 255, 0)])
        try answer.options.append(.router, [Self.server])
        try answer.options.append(.nameServer, [IPv4Address(10, 9, 0, 53)])
        return answer
    }
}

@Suite struct DHCPTests {
    private func shown(_ link: DiscoveryLink) throws -> InterfaceSnapshot {
        try #require(link.right.interfaces.first { $0.index == link.rightIndex })
    }

    @Test func leaseIsTakenProbedUsedAndGivenBack() throws {
        let link = try DiscoveryLink(left: .off, right: .off)
        var server = try OneAddressServer(on: link)
        try link.right.startDHCP(on: link.rightIndex, at: link.now)
        #expect(link.right.dhcpState(of: link.rightIndex) == .starting)
        try server.serve(link, for: .seconds(30))

        #expect(link.right.dhcpState(of: link.rightIndex) == .bound)
        #expect(try shown(link).addresses.map(\.address) == [OneAddressServer.lent])
        #expect(try shown(link).addresses.map(\.state) == [.usable])
        #expect(try shown(link).nameServers == [.v4(IPv4Address(10, 9, 0, 53))])
        let beyond = IPv4Address(192, 0, 2, 1)
        let hop = link.right.routingTables.lookup(destination: beyond)
        #expect(hop == .gateway(OneAddressServer.server, on: link.rightIndex.rawValue))

        // Half the lease later the client asks for more, and keeps what it has.
        try server.serve(link, for: .seconds(320))
        #expect(server.heard.filter { $0 == .request }.count == 2)
        #expect(link.right.lease(of: link.rightIndex)?.address == OneAddressServer.lent)

        try link.right.stopDHCP(on: link.rightIndex, at: link.now)
        try server.serve(link, for: .seconds(1))
        #expect(server.heard.last == .release)
        #expect(try shown(link).addresses.isEmpty)
        #expect(link.right.routingTables.lookup(destination: beyond) == nil)
        link.check()
    }

    @Test func addressThatTheOperatorGaveStaysWhateverAServerLends() throws {
        let link = try DiscoveryLink(left: .off, right: .off)
        var server = try OneAddressServer(on: link)
        try link.right.addAddress(OneAddressServer.lent, prefixLength: 24, to: link.rightIndex, at: link.now)
        try link.right.startDHCP(on: link.rightIndex, at: link.now)
        try server.serve(link, for: .seconds(60))
        #expect(server.heard.contains(.decline))
        #expect(try shown(link).addresses.map(\.address) == [OneAddressServer.lent])
        link.check()
    }

    @Test func whatIsNoAnswerOfADHCPServerDies() throws {
        let link = try DiscoveryLink(left: .off, right: .off)
        try link.right.startDHCP(on: link.rightIndex, at: link.now)
        link.pass(.seconds(3))
        let packet = Handmade.udp(
            from: 67, to: 68, [1, 2, 3], source: Family.ipv4.left, destination: .v4(.limitedBroadcast))
        var queue = PacketQueue()
        queue.append(Segment.packet(Handmade.frame(packet.bytes, to: 0xFFFF_FFFF_FFFF), link.pool))
        link.right.framesArrived(&queue, on: link.rightIndex, at: link.now)
        #expect(link.right.ledger.dropped(.dhcpRefused) == 1)
        link.check()
    }
}
