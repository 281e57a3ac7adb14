import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// What only an IPv6 packet can die of.
@Suite struct IPv6DropTests {
    private static let host = IPv6Address(high: 0x2001_0DB8 << 32, low: 2)
    private static let peer = IPv6Address(high: 0x2001_0DB8 << 32, low: 1)

    /// A header before `payload`, whose checksum the caller has written.
    private func packet(
        from source: IPv6Address = peer, to destination: IPv6Address = host, _ nextHeader: UInt8, hopLimit: UInt8 = 64,
        _ payload: [UInt8]
    ) -> [UInt8] {
        [0x60, 0, 0, 0] + Handmade.be(UInt16(payload.count)) + [nextHeader, hopLimit]
            + Handmade.be(source.bits) + Handmade.be(destination.bits) + payload
    }

    /// Gives a stack one packet and says what it died of.
    private func reason(
        for bytes: [UInt8], mode: IPv6Mode = .manual, settings: StackSettings = StackSettings()
    ) throws -> DropReason? {
        let pool = PacketPool(packetsMax: 64, largeMax: 0)
        var stack = VirtualStack(name: "a", settings: settings, pool: pool, random: StackRandom(seed: 1))
        let now = Instant(nanoseconds: 1_000)
        let index = try stack.attach(InterfaceDescription(name: "tun0", kind: .ip, ipv6: mode), at: now)
        if mode != .off { try stack.addAddress(Self.host, prefixLength: 64, to: index, at: now) }
        var queue = PacketQueue()
        queue.append(Segment.packet(bytes, pool))
        stack.framesArrived(&queue, on: index, at: now)
        #expect(stack.conservation.isKept)
        return stack.ledger.dropsByReason.first?.reason
    }

    @Test func anInterfaceThatDoesNotSpeakIPv6SaysSo() throws {
        #expect(try reason(for: packet(59, []), mode: .off) == .ipv6Disabled)
        #expect(try reason(for: packet(59, [])) == nil)
    }

    @Test func aDatagramWithoutChecksumDies() throws {
        #expect(try reason(for: packet(17, [0, 1, 0, 2, 0, 9, 0, 0, 5])) == .udpChecksumMissing)
    }

    @Test func anExtensionHeaderBeyondThePacketDies() throws {
        #expect(try reason(for: packet(60, [59, 1, 1, 4, 0, 0, 0, 0])) == .ipExtensionMalformed)
    }

    @Test func whatIsLinkLocalIsNotForwarded() throws {
        var settings = StackSettings()
        settings.forwarding = true
        let far = IPv6Address(high: 0x2001_0DB8_0000_0002, low: 1)
        let near = IPv6Address(high: 0xFE80 << 48, low: 9)
        #expect(try reason(for: packet(from: near, to: far, 59, []), settings: settings) == .beyondScope)
    }
}
