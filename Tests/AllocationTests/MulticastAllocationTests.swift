import CAllocationCounter
import ChimneyMulticast
import ChimneyPrimitives
import Testing

/// Finding the receivers of a multicast datagram allocates nothing, however long their filters are.
@Suite struct MulticastAllocationTests {
    @Test(.enabled(if: Build.isOptimised, "allocations are counted in release builds"))
    func receiversOfADatagramAreFoundWithoutAllocating() throws {
        var random = StackRandom(seed: 1)
        var host = HostMemberships<IPv4Address>(using: &random)
        host.attach(1)
        let group = IPv4Address(239, 1, 1, 1)
        let list = (0..<10_000).map { IPv4Address(bits: 0x0A00_0000 + UInt32($0) * 2) }
        for socket in UInt32(0)..<64 {
            try host.setPort(5_000, of: socket)
            _ = try host.setFilter(SourceFilter(.exclude, list), of: group, on: 1, socket: socket)
        }
        try host.setPort(5_000, of: 64)
        try host.setReceivesEverything(true, of: 64)
        var reached = 0
        let before = allocation_count()
        for number in 0..<1_000 {
            let source = IPv4Address(bits: 0x0A00_0000 + UInt32(number))
            let datagram = GroupDatagram(group: group, source: source, interface: 1, port: 5_000)
            var walk = host.receivers(of: datagram)
            while host.next(&walk) != nil { reached += 1 }
        }
        let count = allocation_count() - before
        #expect(count == 0)
        #expect(reached == 500 * 64 + 1_000)
    }
}
