import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Testing

/// What this stack writes into the headers of its IPv6 packets.
@Suite struct IPv6HeaderTests {
    /// Sends datagrams from sockets of one stack and gives the packets that left, each from its IPv6 header on.
    private func packets(sockets: Int, datagrams: Int, seed: UInt64) throws -> [[[UInt8]]] {
        let pool = PacketPool(packetsMax: 256, largeMax: 0)
        var stack = VirtualStack(name: "a", pool: pool, random: StackRandom(seed: seed))
        let now = Instant(nanoseconds: 1_000)
        let index = try stack.attach(InterfaceDescription(name: "tun0", kind: .ip, ipv6: .manual), at: now)
        let prefix = UInt64(0x2001_0DB8) << 32
        try stack.addAddress(IPv6Address(high: prefix, low: 1), prefixLength: 64, to: index, at: now)
        var result: [[[UInt8]]] = []
        for _ in 0..<sockets {
            let socket = try stack.openUDP()
            for number in 0..<datagrams {
                let peer = Endpoint(IPv6Address(high: prefix, low: 2), 9)
                try stack.send(socket, [UInt8(number)], to: peer, at: now)
            }
            var queue = PacketQueue()
            stack.takeTransmit(from: index, into: &queue)
            var left: [[UInt8]] = []
            while !queue.isEmpty { left.append(Segment.bytes(of: queue.removeFirst())) }
            result.append(left)
        }
        return result
    }

    private func flowLabel(_ packet: [UInt8]) -> UInt32 {
        UInt32(packet[1] & 0xF) << 16 | UInt32(packet[2]) << 8 | UInt32(packet[3])
    }

    @Test(arguments: Seeds.chosen(count: 16)) func everyDatagramOfASocketCarriesOneFlowLabel(seed: UInt64) throws {
        let sent = try packets(sockets: 4, datagrams: 3, seed: seed)
        #expect(sent.allSatisfy { $0.count == 3 })
        let labels = sent.map { Set($0.map(flowLabel)) }
        #expect(labels.allSatisfy { $0.count == 1 })
        #expect(Set(labels).count > 1)
    }
}
