import CAllocationCounter
import ChimneyLink
import ChimneyMulticast
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Testing

/// In steady state a packet allocates nothing, whatever way it takes.
///
/// Only optimised code keeps that promise: a debug build boxes what the optimiser proves need not be.
@Suite struct AllocationTests {
    @Test func counterCounts() {
        let before = allocation_count()
        let array = [UInt8](repeating: 1, count: Int.random(in: 100...200))
        #expect(array.count >= 100)
        #expect(allocation_count() > before)
    }

    @Test(
        .enabled(if: Build.isOptimised, "allocations are counted in release builds"),
        arguments: [LinkKind.ip, .ethernet],
        Family.allCases)
    func udpFromSocketToSocketAllocatesNothing(over kind: LinkKind, _ family: Family) throws {
        let pool = PacketPool()
        var settings = StackSettings()
        settings.duplicateDetection = .off
        var a = VirtualStack(name: "a", settings: settings, pool: pool, random: StackRandom(seed: 1))
        var b = VirtualStack(name: "b", settings: settings, pool: pool, random: StackRandom(seed: 2))
        var description = InterfaceDescription(name: "p0", kind: kind, ipv6: family.mode)
        description.mac = MACAddress(bits: 0x0200_0000_0001)
        let ia = try a.attach(description)
        description.mac = MACAddress(bits: 0x0200_0000_0002)
        let ib = try b.attach(description)
        try a.addAddress(family.host(0, 1), to: ia)
        try b.addAddress(family.host(0, 2), to: ib)
        let sender = try a.openUDP()
        let receiver = try b.openUDP()
        try b.bind(receiver, to: Endpoint(port: 9))
        let peer = Endpoint(family.host(0, 2), 9)
        let payload = [UInt8](repeating: 7, count: 64)
        var received = 0
        var before: UInt = 0
        for round in 0..<200 {
            if round == 100 { before = allocation_count() }
            let now = Instant(nanoseconds: UInt64(round) * 1_000)
            for _ in 0..<64 {
                try unsafe a.send(sender, payload.span.bytes, to: peer, at: now)
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

    @Test(
        .enabled(if: Build.isOptimised, "allocations are counted in release builds"), arguments: Family.allCases)
    func datagramsToGroupsAllocateNothing(_ family: Family) throws {
        let pool = PacketPool()
        var settings = StackSettings()
        settings.duplicateDetection = .off
        var a = VirtualStack(name: "a", settings: settings, pool: pool, random: StackRandom(seed: 1))
        var b = VirtualStack(name: "b", settings: settings, pool: pool, random: StackRandom(seed: 2))
        var description = InterfaceDescription(name: "p0", kind: .ethernet, ipv6: family.mode)
        description.mac = MACAddress(bits: 0x0200_0000_0001)
        let ia = try a.attach(description)
        description.mac = MACAddress(bits: 0x0200_0000_0002)
        let ib = try b.attach(description)
        try a.addAddress(family.host(0, 1), to: ia)
        try b.addAddress(family.host(0, 2), to: ib)
        var options = UDPOptions()
        options.sharesAddress = true
        options.multicastInterface = ia
        let sender = try a.openUDP()
        a.setOptions(options, of: sender)
        let own = try a.openUDP()
        try a.bind(own, to: Endpoint(port: 9))
        try a.join(family.group, on: .index(ia), as: .socket(own), at: .zero)
        var receivers: [SocketID] = []
        let refused = GroupFilter(.exclude, (3..<200).map { family.host(0, $0) })
        for _ in 0..<8 {
            let receiver = try b.openUDP()
            b.setOptions(options, of: receiver)
            try b.bind(receiver, to: Endpoint(port: 9))
            try b.setFilter(refused, of: family.group, on: .index(ib), as: .socket(receiver), at: .zero)
            receivers.append(receiver)
        }
        let payload = [UInt8](repeating: 7, count: 64)
        let peer = Endpoint(family.group, 9)
        var (received, looped) = (0, 0)
        var before: UInt = 0
        for round in 0..<200 {
            if round == 100 { before = allocation_count() }
            let now = Instant(nanoseconds: UInt64(round) * 1_000)
            for _ in 0..<64 {
                try unsafe a.send(sender, payload.span.bytes, to: peer, at: now)
            }
            var queue = PacketQueue()
            while let index = a.nextToTransmit() { a.takeTransmit(from: index, into: &queue) }
            b.framesArrived(&queue, on: ib, at: now)
            for receiver in receivers {
                while b.receivableCount(receiver) > 0 { received += b.receive(receiver).count }
            }
            while a.receivableCount(own) > 0 { looped += a.receive(own).count }
            a.dropAnnounced()
            b.dropAnnounced()
        }
        let count = allocation_count() - before
        #expect(count == 0)
        #expect(received == 200 * 64 * 64 * 8 && looped == 200 * 64 * 64)
    }

    @Test(
        .enabled(if: Build.isOptimised, "allocations are counted in release builds"), arguments: Family.allCases)
    func forwardingAllocatesNothing(_ family: Family) throws {
        var settings = StackSettings()
        settings.forwarding = true
        settings.duplicateDetection = .off
        let pool = PacketPool()
        var router = VirtualStack(name: "r", settings: settings, pool: pool, random: StackRandom(seed: 1))
        let west = try router.attach(
            InterfaceDescription(name: "w", mac: MACAddress(bits: 0x0200_0000_0001), ipv6: family.mode))
        let east = try router.attach(
            InterfaceDescription(name: "e", mac: MACAddress(bits: 0x0200_0000_0002), ipv6: family.mode))
        try router.addAddress(family.host(1, 1), to: west)
        try router.addAddress(family.host(2, 1), to: east)
        for number in UInt8(2)..<6 {
            let mac = MACAddress(bits: 0x0200_0000_0900 + UInt64(number))
            switch family.host(2, number) {
            case .v4(let address): try router.setNeighbor(address, on: east, to: mac, at: .zero)
            case .v6(let address): try router.setNeighbor(address, on: east, to: mac, at: .zero)
            }
        }
        let hosts = try (UInt8(0)..<4).map { try Self.frame(family, to: 2 + $0, pool) }
        var forwarded = 0
        var before: UInt = 0
        var queue = PacketQueue()
        var out = PacketQueue()
        for round in 0..<200 {
            if round == 100 { before = allocation_count() }
            for number in 0..<64 {
                guard let copy = Self.copy(hosts[number % 4], pool) else { throw NoBuffer() }
                queue.append(copy)
            }
            router.framesArrived(&queue, on: west, at: Instant(nanoseconds: UInt64(round)))
            while let index = router.nextToTransmit() { router.takeTransmit(from: index, into: &out) }
            forwarded += out.count
            out.removeAll()
        }
        let count = allocation_count() - before
        #expect(count == 0)
        #expect(forwarded >= 200 * 64)
    }

    private struct NoBuffer: Error {}

    /// A copy of a frame, made without an array.
    private static func copy(_ frame: [UInt8], _ pool: PacketPool) -> Packet? {
        guard var packet = pool.allocate(headroom: 128, count: frame.count) else { return nil }
        guard unsafe packet.append(frame.span.bytes) else { return nil }
        return packet
    }

    /// A datagram of the west to a host of the east, in the frame that reaches the router; a stack made it.
    private static func frame(_ family: Family, to number: UInt8, _ pool: PacketPool) throws -> [UInt8] {
        var stack = VirtualStack(name: "w", pool: pool, random: StackRandom(seed: 2))
        let link = try stack.attach(InterfaceDescription(name: "p0", kind: .ip, ipv6: family.mode))
        try stack.addAddress(family.host(1, 9), to: link)
        switch family.host(1, 1) {
        case .v4(let gateway): try stack.addRoute(IPv4Route(.all, .gateway(gateway, on: link.rawValue)))
        case .v6(let gateway): try stack.addRoute(IPv6Route(.all, .gateway(gateway, on: link.rawValue)))
        }
        try unsafe stack.send(
            stack.openUDP(), [UInt8](repeating: 7, count: 18).span.bytes, to: Endpoint(family.host(2, number), 9),
            at: .zero)
        var queue = PacketQueue()
        stack.takeTransmit(from: link, into: &queue)
        let packet = queue.removeFirst()
        let etherType: [UInt8] = family == .ipv4 ? [8, 0] : [0x86, 0xDD]
        let span = packet.bytes
        return [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9] + etherType
            + (0..<span.byteCount).map { unsafe span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
    }
}

/// The families of addresses that a test runs over.
enum Family: String, CaseIterable {
    case ipv4, ipv6

    var mode: IPv6Mode { self == .ipv4 ? .off : .manual }
    var group: IPAddress {
        self == .ipv4 ? .v4(IPv4Address(239, 1, 1, 1)) : .v6(IPv6Address(high: 0xFF0E << 48, low: 1))
    }

    func host(_ net: UInt8, _ number: UInt8) -> IPAddress {
        switch self {
        case .ipv4: .v4(IPv4Address(10, 0, net, number))
        case .ipv6: .v6(IPv6Address(high: 0x2001_0DB8_0000_0000 | UInt64(net), low: UInt64(number)))
        }
    }
}

extension VirtualStack {
    mutating func addAddress(_ address: IPAddress, to index: InterfaceIndex) throws {
        switch address {
        case .v4(let address): try addAddress(address, prefixLength: 24, to: index, at: .zero)
        case .v6(let address): try addAddress(address, prefixLength: 64, to: index, at: .zero)
        }
    }
}
