import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// Redirects: which a router sends and which a host believes (RFC 792, RFC 1122 §3.2.2.2, RFC 1812 §5.2.7.2).
@Suite struct RedirectTests {
    private static var gateway: IPv4Address { IPv4Address(10, 0, 0, 3) }
    private static var net: IPv4Prefix { IPv4Prefix(IPv4Address(192, 0, 2, 0), length: 24) }
    private static var far: IPv4Address { IPv4Address(192, 0, 2, 1) }

    /// What the right stack, a router to `far` by a gateway on the left's link, sends for one packet from there.
    private func routed(
        from source: IPv4Address = Segment.leftAddress, by gateway: IPv4Address = Self.gateway, options: [UInt8] = [],
        _ change: (inout StackSettings) -> Void = { _ in }
    ) throws -> (redirects: [Seen], forwarded: Int) {
        var settings = StackSettings()
        settings.forwarding = true
        change(&settings)
        let segment = try Segment(rightSettings: settings)
        let link = segment.rightIndex.rawValue
        try segment.right.addRoute(IPv4Route(Self.net, .gateway(gateway, on: link)))
        try segment.right.addRoute(
            IPv4Route(Prefix(IPv4Address(172, 16, 0, 0), length: 16), .gateway(Segment.leftAddress, on: link)))
        try segment.right.setNeighbor(
            gateway, on: segment.rightIndex, to: MACAddress(bits: 0x0200_0000_0003), at: segment.now)
        var packet = Handmade.udp(to: 9, [1], source: .v4(source), destination: .v4(Self.far))
        packet.options = options
        segment.giveRight(packet)
        let frames = segment.interceptRight()
        segment.check()
        let redirects = frames.filter { $0.ipProtocol == 1 && $0.kind[0] == 5 }
        return (redirects, frames.filter { $0.ipProtocol == 17 }.count)
    }

    @Test func routerTellsASenderOnTheLinkOfTheBetterGatewayAndForwards() throws {
        let sent = try routed()
        #expect(sent.forwarded == 1)
        let redirect = try #require(sent.redirects.first)
        #expect(sent.redirects.count == 1)
        #expect(redirect.destination == .v4(Segment.leftAddress))
        #expect(redirect.kind == [5, 1])
        #expect(redirect.rest == Self.gateway.bits)
        #expect(Seen(redirect.body).destination == .v4(Self.far))
    }

    @Test func routerSendsNoneToAStrangerNorForOneNorAboutOptionsNorWhenToldNot() throws {
        let stranger = try routed(from: IPv4Address(172, 16, 0, 9))
        #expect(stranger.redirects.isEmpty && stranger.forwarded == 1)
        let elsewhere = try routed(by: IPv4Address(10, 9, 0, 3))
        #expect(elsewhere.redirects.isEmpty && elsewhere.forwarded == 1)
        let withOptions = try routed(options: [1, 1, 1, 0])
        #expect(withOptions.redirects.isEmpty && withOptions.forwarded == 1)
        let quiet = try routed { $0.sendsRedirects = false }
        #expect(quiet.redirects.isEmpty && quiet.forwarded == 1)
    }

    @Test func hostSendsNone() throws {
        let sent = try routed { $0.forwarding = false }
        #expect(sent.redirects.isEmpty && sent.forwarded == 0)
    }

    @Test func redirectIsBelievedOnlyByAHostThatMayAndForANeighbourOfTheSameLink() throws {
        #expect(try gatewayAfterRedirect(to: Self.gateway) == Self.gateway)
        #expect(try gatewayAfterRedirect(to: IPv4Address(10, 9, 0, 3)) == Segment.rightAddress)
        #expect(try gatewayAfterRedirect(to: Segment.leftAddress) == Segment.rightAddress)
        #expect(try gatewayAfterRedirect(to: Self.gateway) { $0.acceptsRedirects = false } == Segment.rightAddress)
        #expect(try gatewayAfterRedirect(to: Self.gateway) { $0.forwarding = true } == Segment.rightAddress)
    }

    /// The gateway to `far` that the left stack uses after a redirect from the one it used.
    private func gatewayAfterRedirect(
        to better: IPv4Address, _ change: (inout StackSettings) -> Void = { _ in }
    ) throws -> IPv4Address? {
        var settings = StackSettings()
        change(&settings)
        let segment = try Segment(leftSettings: settings)
        let route = IPv4Route(Self.net, .gateway(Segment.rightAddress, on: segment.leftIndex.rawValue))
        try segment.left.addRoute(route)
        let quote = Handmade.udp(to: 9, [1], destination: .v4(Self.far)).bytes
        segment.giveLeft(
            Handmade.icmp([5, 1], rest: better.bits, quote, from: Family.ipv4.right, to: Family.ipv4.left))
        let hop = segment.left.routingTables.lookup(destination: Self.far)
        let isBelieved = hop?.gateway == better
        #expect(segment.left.ledger.dropped(.icmpRedirectRefused) == (isBelieved ? 0 : 1))
        segment.check()
        return hop?.gateway
    }
}
