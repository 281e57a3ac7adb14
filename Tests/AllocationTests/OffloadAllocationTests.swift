import CAllocationCounter
import ChimneyPrimitives
import ChimneyStack
import Testing

/// Segments are cut and joined in buffers of the pool alone.
@Suite struct OffloadAllocationTests {
    /// A TCP packet with 60,000 bytes of payload over IPv4 or IPv6.
    private static func packet(isIPv6: Bool, pool: PacketPool) -> Packet? {
        var bytes: [UInt8] =
            isIPv6 ? [0x60, 0, 0, 0, 0xEA, 0x74, 6, 64] : [0x45, 0, 0xEA, 0x88, 0, 0, 0x40, 0, 64, 6, 0, 0]
        bytes += [UInt8](repeating: 1, count: isIPv6 ? 32 : 8)
        bytes += [0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]
        bytes += [UInt8](repeating: 0x5A, count: 60_000)
        guard var packet = pool.allocateLarge(), packet.append(bytes.span.octets) else { return nil }
        packet.metadata.segmentKind = isIPv6 ? .tcp6 : .tcp4
        packet.metadata.segmentSize = 1_440
        return packet
    }

    @Test(.enabled(if: Build.isOptimised, "allocations are counted in release builds"), arguments: [false, true])
    func cuttingAndJoiningAllocatesNothing(isIPv6: Bool) throws {
        let pool = PacketPool()
        guard let packet = Self.packet(isIPv6: isIPv6, pool: pool) else { return }
        var before: UInt = 0
        var joined = 0
        for round in 0..<20 {
            if round == 10 { before = allocation_count() }
            for pass in 0..<2 {
                let checksum: SegmentChecksum = pass == 0 ? .complete : .partial
                var segments = PacketQueue()
                try SegmentCutter(packet).cut(packet, checksum: checksum, pool: pool, into: &segments)
                joined += Coalescer().coalesce(&segments, linkByteCount: 0)
            }
        }
        #expect(allocation_count() - before == 0)
        #expect(joined == 20 * 2 * 41)
    }
}
