import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyStack
import Testing

/// One link with two stacks on it, moved by hand: what a test does not pump does not travel.
final class Segment {
    let pool: PacketPool
    var left: VirtualStack
    var right: VirtualStack
    let leftIndex: InterfaceIndex
    let rightIndex: InterfaceIndex
    let family: Family
    let kind: LinkKind
    var now = Instant(nanoseconds: 1_000_000_000)

    static var leftAddress: IPv4Address { IPv4Address(10, 0, 0, 1) }
    static var rightAddress: IPv4Address { IPv4Address(10, 0, 0, 2) }

    init(
        _ family: Family = .ipv4, kind: LinkKind = .ethernet, mtu: Int = 1_500, seed: UInt64 = 1,
        leftSettings: StackSettings = StackSettings(),
        rightSettings: StackSettings = StackSettings(), isResolved: Bool = true, capabilities: LinkCapabilities = [],
        pool: PacketPool = PacketPool(packetsMax: 8_192, largeMax: 64)
    ) throws {
        self.pool = pool
        self.family = family
        self.kind = kind
        // As with the addresses of IPv4, those of IPv6 are used at once.
        var (leftSettings, rightSettings) = (leftSettings, rightSettings)
        leftSettings.duplicateDetection = .off
        rightSettings.duplicateDetection = .off
        left = VirtualStack(name: "left", settings: leftSettings, pool: pool, random: StackRandom(seed: seed))
        right = VirtualStack(name: "right", settings: rightSettings, pool: pool, random: StackRandom(seed: seed + 1))
        var description = InterfaceDescription(name: "eth0", kind: kind, mtu: mtu, ipv6: family.ipv6Mode)
        description.capabilities = capabilities
        description.mac = MACAddress(bits: 0x0200_0000_0001)
        leftIndex = try left.attach(description, at: now)
        description.mac = MACAddress(bits: 0x0200_0000_0002)
        rightIndex = try right.attach(description, at: now)
        try left.addAddress(family.left, to: leftIndex, at: now)
        try right.addAddress(family.right, to: rightIndex, at: now)
        if isResolved { try resolve() }
        pump()
    }

    /// Lets each stack learn the other's link address.
    func resolve() throws {
        let identifier = try left.openEcho()
        try left.sendEcho(identifier, to: family.right, sequence: 0, at: now)
        pump()
        left.closeEcho(identifier)
    }

    /// Carries frames both ways until none is left, at most a thousand rounds.
    func pump() {
        for _ in 0..<1_000 {
            var toRight = PacketQueue()
            var toLeft = PacketQueue()
            while let index = left.nextToTransmit() { left.takeTransmit(from: index, into: &toRight) }
            while let index = right.nextToTransmit() { right.takeTransmit(from: index, into: &toLeft) }
            if toRight.isEmpty, toLeft.isEmpty { return }
            right.framesArrived(&toRight, on: rightIndex, at: now)
            left.framesArrived(&toLeft, on: leftIndex, at: now)
        }
        Issue.record("the link is not quiet after a thousand rounds")
    }

    /// Carries what the left stack has to the right one, which answers nothing yet.
    func carryRight() {
        var frames = PacketQueue()
        while let index = left.nextToTransmit() { left.takeTransmit(from: index, into: &frames) }
        right.framesArrived(&frames, on: rightIndex, at: now)
    }

    /// Lets time pass, firing every timer on the way.
    func pass(_ span: TimeSpan) {
        let end = now + span
        for _ in 0..<100_000 {
            let due = min(left.deadline ?? .never, right.deadline ?? .never)
            guard due <= end else { break }
            now = max(now, due)
            left.timerFired(at: now)
            right.timerFired(at: now)
            pump()
        }
        now = end
    }

    /// What the left stack has to transmit, taken before it travels.
    func interceptLeft() -> [Seen] { Self.drain(&left).map(seen) }

    /// What the right stack has to transmit, taken before it travels.
    func interceptRight() -> [Seen] { Self.drain(&right).map(seen) }

    private static func drain(_ stack: inout VirtualStack) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        var queue = PacketQueue()
        while let index = stack.nextToTransmit() { stack.takeTransmit(from: index, into: &queue) }
        while !queue.isEmpty { frames.append(bytes(of: queue.removeFirst())) }
        return frames
    }

    private func seen(_ frame: [UInt8]) -> Seen { kind == .ethernet ? Seen(frame: frame) : Seen(frame) }

    /// Hands the left stack one packet, in a frame to it where the link has frames.
    func giveLeft(_ packet: Handmade) {
        giveLeft(kind == .ethernet ? packet.frame(to: 0x0200_0000_0001) : packet.bytes)
    }

    /// Hands the right stack one packet, in a frame to it where the link has frames.
    func giveRight(_ packet: Handmade) { giveRight(kind == .ethernet ? packet.frame : packet.bytes) }

    /// Hands the right stack what a stack sent.
    func giveRight(_ packet: Seen) { giveRight(packet.link + packet.bytes) }

    /// Hands the left stack one frame.
    func giveLeft(_ frame: [UInt8]) {
        var queue = PacketQueue()
        queue.append(Self.packet(frame, pool))
        left.framesArrived(&queue, on: leftIndex, at: now)
    }

    /// Hands the right stack one frame.
    func giveRight(_ frame: [UInt8]) {
        var queue = PacketQueue()
        queue.append(Self.packet(frame, pool))
        right.framesArrived(&queue, on: rightIndex, at: now)
    }

    /// What must hold whenever a test is done: no packet vanished, and none is left behind in the pool.
    func check(_ location: SourceLocation = #_sourceLocation) {
        #expect(left.conservation.isKept, "left: \(left.conservation)", sourceLocation: location)
        #expect(right.conservation.isKept, "right: \(right.conservation)", sourceLocation: location)
    }

    static func packet(_ bytes: [UInt8], _ pool: PacketPool, headroom: Int = 128) -> Packet {
        guard var packet = pool.allocate(headroom: headroom, count: bytes.count), packet.extend(by: bytes.count) else {
            preconditionFailure("a test's pool is large enough")
        }
        var span = packet.mutableBytes
        for index in bytes.indices { span.storeBytes(of: bytes[index], toByteOffset: index, as: UInt8.self) }
        return packet
    }

    static func bytes(of packet: borrowing Packet) -> [UInt8] {
        let span = packet.bytes
        return (0..<span.byteCount).map { unsafe span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
    }

    static func bytes(of datagram: borrowing Datagram) -> [UInt8] {
        let span = datagram.bytes
        return (0..<span.byteCount).map { unsafe span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
    }
}

extension VirtualStack {
    /// Sends an array.
    mutating func send(
        _ id: SocketID, _ payload: [UInt8], to destination: Endpoint? = nil, at now: Instant
    ) throws(SendError) {
        try unsafe send(id, payload.span.bytes, to: destination, at: now)
    }

    /// Opens a socket bound to a port, in the group of an address that is one.
    mutating func listen(
        to port: UInt16, at address: IPAddress, on index: InterfaceIndex, at now: Instant
    ) throws -> SocketID {
        let socket = try openUDP()
        try bind(socket, to: Endpoint(port: port))
        if address.isMulticast { try join(address, on: .index(index), as: .socket(socket), at: now) }
        return socket
    }

    /// Everything waiting in a socket, as arrays.
    mutating func receiveAll(_ id: SocketID) -> [[UInt8]] {
        var result: [[UInt8]] = []
        while receivableCount(id) > 0 { result.append(Segment.bytes(of: receive(id))) }
        return result
    }
}
