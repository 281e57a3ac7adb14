import ChimneyPrimitives
import ChimneyRouting
import Testing

@Suite struct SourceSelectionTests {
    let far = IPv4Address(192, 0, 2, 1)
    let router = IPv4Address(10, 0, 0, 1)
    let home = LocalAddress(IPv4Address(10, 0, 0, 9), prefixLength: 24, interface: 1)
    let second = LocalAddress(IPv4Address(10, 0, 0, 10), prefixLength: 24, interface: 1, isSecondary: true)
    let alias = LocalAddress(IPv4Address(172, 16, 0, 1), prefixLength: 16, interface: 1)
    let away = LocalAddress(IPv4Address(10, 9, 0, 9), prefixLength: 24, interface: 2)
    let linkLocal = LocalAddress(IPv4Address(169, 254, 1, 1), prefixLength: 16, interface: 1)
    let loopback = LocalAddress(IPv4Address.loopback, prefixLength: 8, interface: 3)

    func choice(_ destination: IPv4Address, _ nextHop: IPv4NextHop, _ addresses: LocalAddress<IPv4Address>...)
        -> IPv4Address?
    {
        SourceSelection.choose(for: destination, by: nextHop, among: addresses)
    }

    @Test func sendingInterfaceThenSubnetOfTheNextHopThenPrimary() {
        let hop = IPv4NextHop.gateway(router, on: 1)
        #expect(choice(far, hop, away, home) == home.address)
        #expect(choice(far, hop, alias, home) == home.address)
        #expect(choice(far, hop, second, home) == home.address)
        #expect(choice(far, hop, second, alias) == second.address)
        #expect(choice(far, hop, away) == away.address)
        #expect(choice(far, hop) == nil)
    }

    @Test func linkLocalStaysOnItsLink() {
        let peer = IPv4Address(169, 254, 9, 9)
        #expect(choice(far, .gateway(router, on: 1), linkLocal, away) == away.address)
        #expect(choice(peer, .connected(on: 1), home, linkLocal) == linkLocal.address)
        #expect(choice(peer, .connected(on: 1), home) == home.address)
        #expect(choice(peer, .connected(on: 1), away) == nil)
    }

    @Test func anAddressOfThisHostIsItsOwnSenderAndLoopbackStaysInside() {
        #expect(choice(away.address, .local(on: 2), home, away) == away.address)
        #expect(choice(far, .gateway(router, on: 1), loopback) == nil)
        #expect(choice(IPv4Address(127, 0, 0, 9), .local(on: 3), home, loopback) == loopback.address)
    }

    @Test func anAddressUnderDuplicateDetectionIsPassedOver() {
        var tentative = home
        tentative.isUsable = false
        #expect(choice(far, .gateway(router, on: 1), tentative, away) == away.address)
        #expect(choice(far, .gateway(router, on: 1), tentative) == nil)
    }
}
