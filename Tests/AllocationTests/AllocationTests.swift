import CAllocationCounter
import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// In steady state a packet allocates nothing, whatever way it takes.
///
/// Only optimised code keeps that promise: a debug build boxes what the optimiser proves need not be.
@Suite struct AllocationTests {
    private static var isOptimised: Bool {
        var isDebug = false
        // The condition is evaluated in debug builds only.
        assert({ isDebug = true }() == ())
        return !isDebug
    }

    @Test func counterCounts() {
        let before = allocation_count()
        let array = [UInt8](repeating: 1, count: Int.random(in: 100...200))
        #expect(array.count >= 100)
        #expect(allocation_count() > before)
    }

    @Test(.enabled(if: isOptimised, "allocations are counted in release builds"), arguments: [LinkKind.ip, .ethernet])
    func udpFromSocketToSocketAllocatesNothing(over kind: LinkKind) throws {
        let pool = PacketPool()
        var a = VirtualStack(name: "a", pool: pool, random: StackRandom(seed: 1))
        var b = VirtualStack(name: "b", pool: pool, random: StackRandom(seed: 2))
        let ia = try a.attach(InterfaceDescription(name: "p0", kind: kind, mac: MACAddress(bits: 0x0200_0000_0001)))
        let ib = try b.attach(InterfaceDescription(name: "p0", kind: kind, mac: MACAddress(bits: 0x0200_0000_0002)))
        try a.addAddress(IPv4Address(10, 0, 0, 1), prefixLength: 24, to: ia, at: .zero)
        try b.addAddress(IPv4Address(10, 0, 0, 2), prefixLength: 24, to: ib, at: .zero)
        let sender = try a.openUDP()
        let receiver = try b.openUDP()
        try b.bind(receiver, to: Endpoint(port: 9))
        let payload = [UInt8](repeating: 7, count: 64)
        var received = 0
        var before: UInt = 0
        for round in 0..<200 {
            if round == 100 { before = allocation_count() }
            let now = Instant(nanoseconds: UInt64(round) * 1_000)
            for _ in 0..<64 {
                try unsafe a.send(
                    sender, payload.span.bytes, to: Endpoint(IPv4Address(10, 0, 0, 2), 9), at: now)
            }
            var queue = PacketQueue()
            for _ in 0..<4 {
                while let index = a.nextToTransmit() { a.takeTransmit(from: index, into: &queue) }
                b.framesArrived(&queue, on: ib, at: now)
                while let index = b.nextToTransmit() { b.takeTransmit(from: index, into: &queue) }
                a.framesArrived(&queue, on: ia, at: now)
            }
            while b.receivableCount(receiver) > 0 { received += b.receive(receiver).count }
            b.dropAnnounced()
        }
        let count = allocation_count() - before
        #expect(count == 0)
        #expect(received >= 190 * 64 * 64)
    }

    @Test(.enabled(if: isOptimised, "allocations are counted in release builds"))
    func forwardingAllocatesNothing() throws {
        var settings = StackSettings()
        settings.forwarding = true
        let pool = PacketPool()
        var router = VirtualStack(name: "r", settings: settings, pool: pool, random: StackRandom(seed: 1))
        let west = try router.attach(InterfaceDescription(name: "w", mac: MACAddress(bits: 0x0200_0000_0001)))
        let east = try router.attach(InterfaceDescription(name: "e", mac: MACAddress(bits: 0x0200_0000_0002)))
        try router.addAddress(IPv4Address(10, 0, 1, 1), prefixLength: 24, to: west, at: .zero)
        try router.addAddress(IPv4Address(10, 0, 2, 1), prefixLength: 24, to: east, at: .zero)
        for host in UInt8(2)..<6 {
            try router.setNeighbor(
                IPv4Address(10, 0, 2, host), on: east, to: MACAddress(bits: 0x0200_0000_0900 + UInt64(host)), at: .zero)
        }
        let host = StackFrames()
        var forwarded = 0
        var before: UInt = 0
        var queue = PacketQueue()
        var out = PacketQueue()
        for round in 0..<200 {
            if round == 100 { before = allocation_count() }
            for number in 0..<64 { queue.append(host.frame(to: UInt8(2 + number % 4), pool)) }
            router.framesArrived(&queue, on: west, at: Instant(nanoseconds: UInt64(round)))
            while let index = router.nextToTransmit() { router.takeTransmit(from: index, into: &out) }
            forwarded += out.count
            out.removeAll()
        }
        let count = allocation_count() - before
        #expect(count == 0)
        #expect(forwarded >= 200 * 64)
    }
}

/// Frames for the forwarding test, written without an array.
private struct StackFrames {
    func frame(to host: UInt8, _ pool: PacketPool) -> Packet {
        guard var packet = pool.allocate(headroom: 128, count: 60), packet.extend(by: 60) else {
            preconditionFailure("the pool is large enough")
        }
        var span = packet.mutableBytes
        let words: (UInt64, UInt64, UInt64, UInt64) = (
            0x0200_0000_0001_0200, 0x0000_0005_0800_4500, 0x002E_0001_0000_4011, 0
        )
        span.storeBytes(of: words.0.bigEndian, toByteOffset: 0, as: UInt64.self)
        span.storeBytes(of: words.1.bigEndian, toByteOffset: 8, as: UInt64.self)
        span.storeBytes(of: words.2.bigEndian, toByteOffset: 16, as: UInt64.self)
        let source: UInt32 = 0x0A00_0109
        let destination: UInt32 = 0x0A00_0200 | UInt32(host)
        span.storeBytes(of: source.bigEndian, toByteOffset: 26, as: UInt32.self)
        span.storeBytes(of: destination.bigEndian, toByteOffset: 30, as: UInt32.self)
        span.storeBytes(of: UInt16(0), toByteOffset: 24, as: UInt16.self)
        var sum: UInt32 = 0x4500 + 0x2E + 1 + 0x4011 + source >> 16 + source & 0xFFFF
        sum += destination >> 16 + destination & 0xFFFF
        sum = sum & 0xFFFF + sum >> 16
        let checksum = ~UInt16(truncatingIfNeeded: sum & 0xFFFF + sum >> 16)
        span.storeBytes(of: checksum.bigEndian, toByteOffset: 24, as: UInt16.self)
        return packet
    }
}
