import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyStack
import Testing

@Suite struct LifetimeTests {
    @Test(arguments: Family.allCases)
    func tenThousandStacksComeAndGoAndLeaveNothingBehind(_ family: Family) throws {
        let pool = PacketPool(packetsMax: 64, largeMax: 4)
        let now = Instant(nanoseconds: 1_000_000_000)
        var allocated: Int?
        for round in UInt64(0)..<10_000 {
            try live(family, round, pool, now)
            #expect(pool.inUse == 0, "round \(round)")
            if allocated == nil { allocated = pool.allocatedBytes }
        }
        #expect(pool.allocatedBytes == allocated)
        #expect(pool.failures == 0)
        pool.trim()
        #expect(pool.allocatedBytes == 0)
    }

    /// One stack's life; it ends with packets in a socket, in reassembly, waiting for a neighbour and to be transmitted.
    private func live(_ family: Family, _ seed: UInt64, _ pool: PacketPool, _ now: Instant) throws {
        var settings = StackSettings()
        settings.duplicateDetection = .off
        var stack = VirtualStack(name: "short", settings: settings, pool: pool, random: StackRandom(seed: seed))
        let link = try stack.attach(
            InterfaceDescription(name: "eth0", mac: MACAddress(bits: 0x0200_0000_0002), ipv6: family.ipv6Mode), at: now)
        try stack.addAddress(family.right, to: link, at: now)
        let receiver = try stack.openUDP()
        try stack.bind(receiver, to: Endpoint(port: 9))
        let sender = try stack.openUDP()
        try stack.connect(sender, to: Endpoint(family.left, 9))
        try stack.send(sender, [1, 2, 3], at: now)
        try stack.send(sender, [UInt8](repeating: 4, count: 4_000), at: now)
        var piece = Handmade.udp(family, to: 9, [1, 2, 3, 4, 5, 6, 7, 8])
        piece.fragmentWord = 0x2000
        var arriving = PacketQueue()
        arriving.append(Segment.packet(Handmade.udp(family, to: 9, [5]).frame, pool))
        arriving.append(Segment.packet(piece.frame, pool))
        stack.framesArrived(&arriving, on: link, at: now)
        #expect(stack.receivableCount(receiver) == 1)
        #expect(stack.conservation.isKept)
        // A request waits to be sent and over IPv4 an announcement, four packets for the neighbour, and one fragment.
        let held = family == .ipv4 ? 7 : 6
        #expect(stack.conservation.heldInFact == Int64(held))
        #expect(pool.inUse == held + 1)
    }

    @Test func interfacesThatComeAndGoAreNotNamedForTransmission() throws {
        let pool = PacketPool(packetsMax: 64, largeMax: 4)
        let now = Instant(nanoseconds: 1_000_000_000)
        var stack = VirtualStack(name: "short", pool: pool, random: StackRandom(seed: 1))
        for _ in 0..<100 {
            let link = try stack.attach(
                InterfaceDescription(name: "eth0", mac: MACAddress(bits: 0x0200_0000_0002)), at: now)
            // The announcement makes the interface one with frames to transmit.
            try stack.addAddress(Segment.rightAddress, prefixLength: 24, to: link, at: now)
            #expect(stack.hasTransmit == true)
            try stack.detach(link, at: now)
            #expect(stack.hasTransmit == false)
        }
        #expect(pool.inUse == 0)
        #expect(stack.conservation.isKept)
    }
}
