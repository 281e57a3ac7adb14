import ChimneyAddressing
import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import ChimneyWire
import Testing

/// Two stacks that speak IPv6 on one Ethernet link, moved by hand.
final class DiscoveryLink {
    let pool = PacketPool(packetsMax: 4_096, largeMax: 32)
    var left: VirtualStack
    var right: VirtualStack
    let leftIndex: InterfaceIndex
    let rightIndex: InterfaceIndex
    var now = Instant(nanoseconds: 1_000_000_000)
    static let leftMAC = MACAddress(bits: 0x0200_0000_0001)
    static let rightMAC = MACAddress(bits: 0x0200_0000_0002)
    static let prefix = IPv6Prefix(IPv6Address(high: 0x2001_0DB8_0000_0001, low: 0), length: 64)
    static let leftAddress = IPv6Address(high: 0x2001_0DB8_0000_0001, low: 1)
    static let rightAddress = IPv6Address(high: 0x2001_0DB8_0000_0001, low: 2)

    init(
        left leftMode: IPv6Mode = .manual, right rightMode: IPv6Mode = .manual,
        leftSettings: StackSettings = StackSettings(), rightSettings: StackSettings = StackSettings(), seed: UInt64 = 1
    ) throws {
        left = VirtualStack(name: "left", settings: leftSettings, pool: pool, random: StackRandom(seed: seed))
        right = VirtualStack(name: "right", settings: rightSettings, pool: pool, random: StackRandom(seed: seed + 1))
        leftIndex = try left.attach(InterfaceDescription(name: "eth0", mac: Self.leftMAC, ipv6: leftMode), at: now)
        rightIndex = try right.attach(InterfaceDescription(name: "eth0", mac: Self.rightMAC, ipv6: rightMode), at: now)
    }

    /// Gives both a global address and lets it be probed.
    func address() throws {
        try left.addAddress(Self.leftAddress, prefixLength: 64, to: leftIndex, at: now)
        try right.addAddress(Self.rightAddress, prefixLength: 64, to: rightIndex, at: now)
        pass(.seconds(5))
    }

    /// Lets time pass, carrying frames and firing every timer on the way.
    func pass(_ span: TimeSpan) {
        let end = now + span
        pump()
        for _ in 0..<10_000 {
            let due = min(left.deadline ?? .never, right.deadline ?? .never)
            guard due <= end else { break }
            now = max(now, due)
            left.timerFired(at: now)
            right.timerFired(at: now)
            pump()
        }
        now = end
    }

    func pump() {
        for _ in 0..<1_000 {
            var toRight = PacketQueue()
            var toLeft = PacketQueue()
            while let index = left.nextToTransmit() { left.takeTransmit(from: index, into: &toRight) }
            while let index = right.nextToTransmit() { right.takeTransmit(from: index, into: &toLeft) }
            if toRight.isEmpty, toLeft.isEmpty { return }
            right.framesArrived(&toRight, on: rightIndex, at: now)
            left.framesArrived(&toLeft, on: leftIndex, at: now)
        }
        Issue.record("the link is not quiet after a thousand rounds")
    }

    /// Sends one echo request from the left and says who answered.
    func ping(_ destination: IPv6Address, zone: UInt32 = 0) throws -> IPAddress? {
        let identifier = try left.openEcho()
        defer { left.closeEcho(identifier) }
        try left.sendEcho(identifier, to: .v6(destination), zone: zone, sequence: 1, at: now)
        pump()
        return left.takeEchoReplies(identifier).first { $0.error == nil }?.source
    }

    func linkLocal(_ snapshots: [InterfaceSnapshot]) throws -> IPv6Address {
        try #require(snapshots.flatMap(\.ipv6Addresses).first { $0.address.isLinkLocal && $0.state == .usable }).address
    }

    /// Gives the right stack one discovery message and says what it died of; `nil` when it was of use.
    func reason(
        _ message: [UInt8], from source: IPv6Address, to destination: IPv6Address = rightAddress, hopLimit: UInt8 = 255
    ) -> DropReason? {
        let before = right.ledger
        var message = message
        let ends = Handmade.be(source.bits) + Handmade.be(destination.bits)
        let pseudo = ends + Handmade.be(UInt32(message.count)) + [0, 0, 0, 58]
        message.replaceSubrange(2..<4, with: Handmade.be(Handmade.checksum(pseudo + message)))
        let packet = [0x60, 0, 0, 0] + Handmade.be(UInt16(message.count)) + [58, hopLimit] + ends + message
        var queue = PacketQueue()
        queue.append(Segment.packet(Handmade.frame(packet, etherType: 0x86DD), pool))
        right.framesArrived(&queue, on: rightIndex, at: now)
        let after = right.ledger
        return DropReason.allCases.first { after.dropped($0) > before.dropped($0) }
    }

    func check(_ location: SourceLocation = #_sourceLocation) {
        #expect(left.conservation.isKept, "left: \(left.conservation)", sourceLocation: location)
        #expect(right.conservation.isKept, "right: \(right.conservation)", sourceLocation: location)
    }
}

@Suite struct DiscoveryTests {
    private static func solicitation(_ target: IPv6Address, mac: [UInt8]? = [2, 0, 0, 0, 0, 1]) -> [UInt8] {
        [135, 0, 0, 0, 0, 0, 0, 0] + Handmade.be(target.bits) + (mac.map { [1, 1] + $0 } ?? [])
    }

    private static func advertisement(
        _ target: IPv6Address, flags: UInt8, mac: [UInt8] = [2, 0, 0, 0, 0, 1]
    ) -> [UInt8] {
        [136, 0, 0, 0, flags, 0, 0, 0] + Handmade.be(target.bits) + [2, 1] + mac
    }

    @Test func interfacesFindTheirAddressesAndEachOther() throws {
        let link = try DiscoveryLink()
        #expect(link.left.interfaces.last?.ipv6Addresses.map(\.state) == [.tentative])
        try link.address()
        let peer = try link.linkLocal(link.right.interfaces)
        #expect(try link.ping(peer, zone: link.leftIndex.rawValue) == .v6(peer))
        #expect(try link.ping(DiscoveryLink.rightAddress) == .v6(DiscoveryLink.rightAddress))
        let states = link.left.ipv6Neighbors(at: link.now).map(\.state)
        #expect(!states.isEmpty && states.allSatisfy { $0 == .reachable })
        link.check()
    }

    @Test func datagramsTravelBothWaysBetweenLinkLocalAddresses() throws {
        let link = try DiscoveryLink()
        link.pass(.seconds(5))
        let peer = try link.linkLocal(link.right.interfaces)
        let server = try link.right.openUDP()
        try link.right.bind(server, to: Endpoint(port: 7))
        let client = try link.left.openUDP()
        try link.left.connect(client, to: Endpoint(peer, 7, zone: link.leftIndex.rawValue))
        try link.left.send(client, [1, 2, 3], at: link.now)
        link.pump()
        #expect(link.right.receivableCount(server) == 1)
        let datagram = link.right.receive(server)
        let source = datagram.source
        #expect(source.zone == link.rightIndex.rawValue)
        try link.right.send(server, [4, 5], to: source, at: link.now)
        link.pump()
        #expect(link.left.receiveAll(client) == [[4, 5]])
        link.check()
    }

    @Test func addressThatAnotherHasIsNotUsed() throws {
        let link = try DiscoveryLink()
        try link.left.addAddress(DiscoveryLink.leftAddress, prefixLength: 64, to: link.leftIndex, at: link.now)
        link.pass(.seconds(5))
        try link.right.addAddress(DiscoveryLink.leftAddress, prefixLength: 64, to: link.rightIndex, at: link.now)
        link.pass(.seconds(5))
        let states = link.right.interfaces.flatMap(\.ipv6Addresses).filter { $0.address == DiscoveryLink.leftAddress }
        #expect(states.map(\.state) == [.duplicate])
        #expect(try link.ping(DiscoveryLink.leftAddress) == .v6(DiscoveryLink.leftAddress))
        link.check()
    }

    @Test func hostConfiguresItselfFromARouter() throws {
        var routing = StackSettings()
        routing.forwarding = true
        let link = try DiscoveryLink(right: .automatic, leftSettings: routing)
        try link.left.addAddress(DiscoveryLink.leftAddress, prefixLength: 64, to: link.leftIndex, at: link.now)
        var advertised = RouterAdvertiserSettings()
        advertised.mtu = 1_400
        advertised.hopLimit = 77
        let told = NDPPrefixInformation(
            DiscoveryLink.prefix, isOnLink: true, isAutonomous: true, validSeconds: 3_600, preferredSeconds: 1_800)
        advertised.prefixes = [told]
        try link.left.setAdvertisements(advertised, on: link.leftIndex, at: link.now)
        link.pass(.seconds(30))

        let made = try #require(link.right.interfaces.flatMap(\.ipv6Addresses).first { $0.origin == .automatic })
        #expect(made.state == .usable && DiscoveryLink.prefix.contains(made.address))
        let router = try link.linkLocal(link.left.interfaces)
        #expect(link.right.defaultRouters(of: link.rightIndex) == [router])
        let beyond = IPv6Address(high: 0x2001_0DB8_0000_0009, low: 9)
        let hop = link.right.ipv6RoutingTables.lookup(destination: beyond)
        #expect(hop == .gateway(router, on: link.rightIndex.rawValue))
        #expect(try link.ping(made.address) == .v6(made.address))

        // The router takes its leave, and is no default router any longer.
        try link.left.setAdvertisements(nil, on: link.leftIndex, at: link.now)
        link.pass(.seconds(10))
        #expect(link.right.defaultRouters(of: link.rightIndex).isEmpty)
        #expect(link.right.ipv6RoutingTables.lookup(destination: beyond) == nil)
        link.check()
    }

    @Test func messagesOfDiscoveryThatCannotBeAreNamed() throws {
        var settings = StackSettings()
        settings.ndp.answersPerSecondMax = 1
        settings.ndp.answersBurstMax = 1
        let link = try DiscoveryLink(rightSettings: settings)
        try link.address()
        let from = DiscoveryLink.leftAddress
        let own = DiscoveryLink.rightAddress
        #expect(link.reason(Self.solicitation(own), from: from, hopLimit: 254) == .ndpHopLimit)
        #expect(link.reason(Array(Self.solicitation(own).prefix(20)), from: from) == .ndpMalformed)
        #expect(link.reason(Self.solicitation(own, mac: [1, 0, 0, 0, 0, 1]), from: from) == .ndpBadSource)
        #expect(link.reason(Self.solicitation(.allNodes), from: from) == .ndpBadTarget)
        #expect(link.reason(Self.solicitation(from), from: from) == .ndpNotForUs)
        #expect(link.reason(Self.advertisement(own, flags: 0x20), from: from) == .ndpConflict)
        #expect(link.reason(Self.solicitation(own, mac: [2, 0, 0, 0, 0, 2]), from: from) == .ndpLooped)
        let stranger = IPv6Address(high: from.high, low: 77)
        #expect(link.reason(Self.advertisement(stranger, flags: 0x60), from: stranger) == .ndpUnsolicited)
        try link.right.setNeighbor(stranger, on: link.rightIndex, to: DiscoveryLink.leftMAC, at: link.now)
        let moved = Self.advertisement(stranger, flags: 0x20, mac: [2, 0, 0, 0, 0, 9])
        #expect(link.reason(moved, from: stranger, to: .allNodes) == .ndpPermanent)
        #expect(link.reason([133, 0, 0, 0, 0, 0, 0, 0], from: from, to: .allRouters) == .multicastNoMember)
        let near = IPv6Address(high: 0xFE80 << 48, low: 5)
        #expect(link.reason([133, 0, 0, 0, 0, 0, 0, 0], from: near, to: own) == .ndpNotRouter)
        #expect(link.reason([134, 0, 0, 0] + [UInt8](repeating: 0, count: 12), from: near) == .ndpNotHost)
        var reasons: [DropReason?] = []
        for number in UInt64(100)..<103 {
            let asker = IPv6Address(high: from.high, low: number)
            reasons.append(link.reason(Self.solicitation(own, mac: [2, 0, 0, 0, 1, UInt8(number)]), from: asker))
        }
        #expect(reasons.contains { $0 == .ndpRateLimited })
        link.check()
    }

    @Test func neighborThatNeverAnswersFailsThePacketAndTellsTheSocket() throws {
        let link = try DiscoveryLink()
        try link.address()
        let nobody = Endpoint(IPv6Address(high: DiscoveryLink.leftAddress.high, low: 99), 9)
        let socket = try link.left.openUDP()
        try link.left.connect(socket, to: nobody)
        try link.left.send(socket, [1], at: link.now)
        link.pass(.seconds(10))
        #expect(link.left.ledger.dropped(.neighborUnresolved) == 1)
        #expect(link.left.takeError(socket) == .hostUnreachable(nobody))
        link.check()
    }
}
