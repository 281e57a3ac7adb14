import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyStack
import Testing

/// One router between two links, its packets made and read by hand.
final class Crossing {
    let family: Family
    let pool: PacketPool
    var router: VirtualStack
    let west: InterfaceIndex
    let east: InterfaceIndex
    var now = Instant(nanoseconds: 1_000_000_000)

    static var host: IPv4Address { IPv4Address(10, 0, 1, 9) }
    static var far: IPv4Address { IPv4Address(10, 0, 2, 9) }

    init(
        _ family: Family = .ipv4, forwards: Bool = true, westForwards: Bool = true, eastForwards: Bool = true,
        eastMTU: Int = 1_500, eastCapabilities: LinkCapabilities = [],
        pool: PacketPool = PacketPool(packetsMax: 4_096, largeMax: 16),
        settings: StackSettings = StackSettings()
    ) throws {
        self.family = family
        self.pool = pool
        var settings = settings
        settings.forwarding = forwards
        settings.duplicateDetection = .off
        router = VirtualStack(name: "router", settings: settings, pool: pool, random: StackRandom(seed: 3))
        west = try router.attach(
            InterfaceDescription(name: "west", kind: .ip, forwards: westForwards, ipv6: family.ipv6Mode))
        east = try router.attach(
            InterfaceDescription(
                name: "east", kind: .ip, mtu: eastMTU, capabilities: eastCapabilities, forwards: eastForwards,
                ipv6: family.ipv6Mode))
        try router.addAddress(family.host(1, 1), to: west, at: now)
        try router.addAddress(family.host(2, 1), to: east, at: now)
    }

    /// A datagram from the west to port 9 of a host.
    func packet(_ data: [UInt8] = [1], to destination: IPAddress? = nil) -> Handmade {
        Handmade.udp(to: 9, data, source: family.near, destination: destination ?? family.far)
    }

    /// Hands the router a packet from the west; says what leaves on either side.
    func cross(_ packet: Handmade) -> (west: [Seen], east: [Seen]) {
        var queue = PacketQueue()
        queue.append(Segment.packet(packet.bytes, pool))
        router.framesArrived(&queue, on: west, at: now)
        #expect(router.conservation.isKept)
        return (take(west), take(east))
    }

    /// What an interface has to transmit.
    func take(_ index: InterfaceIndex) -> [Seen] {
        var queue = PacketQueue()
        var result: [Seen] = []
        router.takeTransmit(from: index, into: &queue)
        while !queue.isEmpty { result.append(Seen(Segment.bytes(of: queue.removeFirst()))) }
        return result
    }
}
