import ChimneyLink
import ChimneyPrimitives
import ChimneyStack

/// UDP datagrams a second from one stack's socket to another's over a pipe, in one thread.
///
/// 64-byte payloads, batches of 64, as the lwIP program beside: the sender's bytes are copied in, the
/// receiver reads them all, checksums are computed and verified, link addresses are resolved by ARP.
func benchUDPPipe(seconds: Double, kind: LinkKind) throws {
    let pool = PacketPool()
    let pipe = Pipe(kind: kind)
    var sender = VirtualStack(name: "sender", pool: pool, random: StackRandom(seed: 1))
    var receiver = VirtualStack(name: "receiver", pool: pool, random: StackRandom(seed: 2))
    let out = try sender.attach(
        InterfaceDescription(name: "p0", kind: kind, mac: MACAddress(bits: 0x0200_0000_0001)))
    let into = try receiver.attach(
        InterfaceDescription(name: "p0", kind: kind, mac: MACAddress(bits: 0x0200_0000_0002)))
    try sender.addAddress(IPv4Address(10, 0, 0, 1), prefixLength: 24, to: out, at: .zero)
    try receiver.addAddress(IPv4Address(10, 0, 0, 2), prefixLength: 24, to: into, at: .zero)
    let from = try sender.openUDP()
    let to = try receiver.openUDP()
    try receiver.bind(to, to: Endpoint(port: 9))
    let peer = Endpoint(IPv4Address(10, 0, 0, 2), 9)
    let payload = [UInt8](repeating: 7, count: 64)
    var queue = PacketQueue()
    var count = 0
    let sink = UnsafeMutableRawBufferPointer.allocate(byteCount: 2_048, alignment: 8)
    defer { unsafe sink.deallocate() }
    let start = nanoseconds()
    var now = Instant.zero
    repeat {
        for _ in 0..<256 {
            for _ in 0..<64 { try unsafe sender.send(from, payload.span.bytes, to: peer, at: now) }
            while let index = sender.nextToTransmit() { sender.takeTransmit(from: index, into: &queue) }
            try pipe.left.transmit(&queue)
            _ = try pipe.right.receive(into: &queue, packetsMax: 256, pool: pool, at: now)
            receiver.framesArrived(&queue, on: into, at: now)
            while receiver.receivableCount(to) > 0 {
                unsafe read(receiver.receive(to), into: sink)
                count += 1
            }
            receiver.dropAnnounced()
            while let index = receiver.nextToTransmit() { receiver.takeTransmit(from: index, into: &queue) }
            if !queue.isEmpty {
                try pipe.right.transmit(&queue)
                _ = try pipe.left.receive(into: &queue, packetsMax: 256, pool: pool, at: now)
                sender.framesArrived(&queue, on: out, at: now)
            }
        }
        now = Instant(nanoseconds: nanoseconds() - start)
    } while now < Instant.zero + .fractionalSeconds(seconds)
    guard sender.conservation.isKept, receiver.conservation.isKept, unsafe sink[63] == 7 else {
        throw BenchError.packetsLost
    }
    let name = kind == .ethernet ? "udp-pipe-ethernet" : "udp-pipe-ip"
    report(name, Double(count) / now.seconds, "pps", ",\"payload\":64,\"batch\":64")
}

/// Copies a datagram out, as the lwIP program's receiver does.
@inline(__always)
private func read(_ datagram: borrowing Datagram, into sink: UnsafeMutableRawBufferPointer) {
    // The sink is as large as the largest payload this program sends.
    unsafe datagram.bytes.withUnsafeBytes { unsafe sink.copyMemory(from: $0) }
}

enum BenchError: Error {
    case packetsLost, digestDiffers, tooLarge(Int)
}

extension Instant {
    /// The instant as seconds since zero.
    var seconds: Double { Double(nanoseconds) / 1e9 }
}
