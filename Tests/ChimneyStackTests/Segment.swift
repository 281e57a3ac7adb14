import ChimneyLink
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
    var now = Instant(nanoseconds: 1_000_000_000)

    static var leftAddress: IPv4Address { IPv4Address(10, 0, 0, 1) }
    static var rightAddress: IPv4Address { IPv4Address(10, 0, 0, 2) }

    init(
        kind: LinkKind = .ethernet, mtu: Int = 1_500, seed: UInt64 = 1, leftSettings: StackSettings = StackSettings(),
        rightSettings: StackSettings = StackSettings(), isResolved: Bool = true,
        pool: PacketPool = PacketPool(packetsMax: 8_192, largeMax: 64)
    ) throws {
        self.pool = pool
        left = VirtualStack(name: "left", settings: leftSettings, pool: pool, random: StackRandom(seed: seed))
        right = VirtualStack(name: "right", settings: rightSettings, pool: pool, random: StackRandom(seed: seed + 1))
        let near = InterfaceDescription(name: "eth0", kind: kind, mac: MACAddress(bits: 0x0200_0000_0001), mtu: mtu)
        let far = InterfaceDescription(name: "eth0", kind: kind, mac: MACAddress(bits: 0x0200_0000_0002), mtu: mtu)
        leftIndex = try left.attach(near, at: now)
        rightIndex = try right.attach(far, at: now)
        try left.addAddress(Self.leftAddress, prefixLength: 24, to: leftIndex, at: now)
        try right.addAddress(Self.rightAddress, prefixLength: 24, to: rightIndex, at: now)
        if isResolved { try resolve() }
        pump()
    }

    /// Lets each stack learn the other's link address.
    func resolve() throws {
        let identifier = try left.openEcho()
        try left.sendEcho(identifier, to: .v4(Self.rightAddress), sequence: 0, at: now)
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

    /// Frames the left stack has to transmit, taken before they travel.
    func interceptLeft() -> [[UInt8]] {
        var frames: [[UInt8]] = []
        var queue = PacketQueue()
        while let index = left.nextToTransmit() { left.takeTransmit(from: index, into: &queue) }
        while !queue.isEmpty { frames.append(Self.bytes(of: queue.removeFirst())) }
        return frames
    }

    /// Frames the right stack has to transmit, taken before they travel.
    func interceptRight() -> [[UInt8]] {
        var frames: [[UInt8]] = []
        var queue = PacketQueue()
        while let index = right.nextToTransmit() { right.takeTransmit(from: index, into: &queue) }
        while !queue.isEmpty { frames.append(Self.bytes(of: queue.removeFirst())) }
        return frames
    }

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

    /// Everything waiting in a socket, as arrays.
    mutating func receiveAll(_ id: SocketID) -> [[UInt8]] {
        var result: [[UInt8]] = []
        while receivableCount(id) > 0 { result.append(Segment.bytes(of: receive(id))) }
        return result
    }
}

/// IPv4 packets made by hand, right or wrong.
struct Handmade {
    var source = Segment.leftAddress
    var destination = Segment.rightAddress
    var ipProtocol: UInt8 = 17
    var timeToLive: UInt8 = 64
    var identification: UInt16 = 1
    var fragmentWord: UInt16 = 0
    var options: [UInt8] = []
    var payload: [UInt8] = []

    static func udp(
        from sourcePort: UInt16 = 1_000, to port: UInt16, _ data: [UInt8], source: IPv4Address = Segment.leftAddress,
        destination: IPv4Address = Segment.rightAddress
    ) -> Handmade {
        var packet = Handmade()
        packet.source = source
        packet.destination = destination
        let length = UInt16(data.count + 8)
        packet.payload = be(sourcePort) + be(port) + be(length) + [0, 0] + data
        let pseudo = be(source.bits) + be(destination.bits) + [0, 17] + be(length)
        let sum = checksum(pseudo + packet.payload)
        packet.payload.replaceSubrange(6..<8, with: be(sum == 0 ? 0xFFFF : sum))
        return packet
    }

    static func echo(_ identifier: UInt16 = 7, sequence: UInt16 = 1, _ data: [UInt8] = []) -> Handmade {
        var packet = Handmade()
        packet.ipProtocol = 1
        packet.payload = [8, 0, 0, 0] + be(identifier) + be(sequence) + data
        packet.payload.replaceSubrange(2..<4, with: be(checksum(packet.payload)))
        return packet
    }

    var bytes: [UInt8] {
        var header: [UInt8] = [UInt8(0x45 + options.count / 4), 0]
        header += Self.be(UInt16(20 + options.count + payload.count)) + Self.be(identification)
        header += Self.be(fragmentWord) + [timeToLive, ipProtocol, 0, 0]
        header += Self.be(source.bits) + Self.be(destination.bits) + options
        header.replaceSubrange(10..<12, with: Self.be(Self.checksum(header)))
        return header + payload
    }

    static func frame(_ packet: [UInt8], to mac: UInt64 = 0x0200_0000_0002, etherType: UInt16 = 0x0800) -> [UInt8] {
        be(mac << 16).prefix(6) + be(UInt64(0x0200_0000_0001) << 16).prefix(6) + be(etherType) + packet
    }

    var frame: [UInt8] { Self.frame(bytes) }

    static func be<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
        (0..<MemoryLayout<Number>.size).reversed().map { UInt8(truncatingIfNeeded: value >> (Number($0) * 8)) }
    }

    static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
        return ~UInt16(sum)
    }
}
