import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyStack

/// UDP datagrams a second from one stack's socket to another's over a pipe, in one thread, over either family.
///
/// 64-byte payloads, batches of 64, as the lwIP program beside: the sender's bytes are copied in, the
/// receiver reads them all, checksums are computed and verified, link addresses are resolved.
func benchUDPPipe(seconds: Double, kind: LinkKind) throws {
    let rates = try takeTurns(seconds: seconds) { try datagramsASecond($0, kind: kind, isIPv6: $1) }
    let name = kind == .ethernet ? "udp-pipe-ethernet" : "udp-pipe-ip"
    report(name, rates.first, "pps", ",\"payload\":64,\"batch\":64")
    report("\(name)6", rates.second, "pps", ",\"payload\":64,\"batch\":64")
    report("\(name)6-to-ip4", rates.second / rates.first, "ratio")
}

/// Runs a measurement over either family by turns, five slices of the time each, and gives the medians.
func takeTurns(
    seconds: Double, _ measure: (_ seconds: Double, _ isIPv6: Bool) throws -> Double
) rethrows -> (first: Double, second: Double) {
    var figures: (first: [Double], second: [Double]) = ([], [])
    for _ in 0..<5 {
        figures.first.append(try measure(seconds / 5, false))
        figures.second.append(try measure(seconds / 5, true))
    }
    return (figures.first.sorted()[2], figures.second.sorted()[2])
}

/// A host of a benchmark: 10.0.1.9 and 2001:db8:0:1::9 for net 1 and number 9.
func host(net: UInt8, number: UInt8, isIPv6: Bool) -> IPAddress {
    isIPv6
        ? .v6(IPv6Address(high: 0x2001_0DB8_0000_0000 | UInt64(net), low: UInt64(number)))
        : .v4(IPv4Address(10, 0, net, number))
}

extension VirtualStack {
    /// Adds an address of either family, and to the interface's net a route.
    mutating func addAddress(_ address: IPAddress, to index: InterfaceIndex) throws {
        switch address {
        case .v4(let address): try addAddress(address, prefixLength: 24, to: index, at: .zero)
        case .v6(let address): try addAddress(address, prefixLength: 64, to: index, at: .zero)
        }
    }
}

/// Two stacks joined by a pipe, one sending to the other for so long; the datagrams received a second.
private func datagramsASecond(_ seconds: Double, kind: LinkKind, isIPv6: Bool) throws -> Double {
    let pool = PacketPool()
    let pipe = Pipe(kind: kind)
    var settings = StackSettings()
    settings.duplicateDetection = .off
    var sender = VirtualStack(name: "sender", settings: settings, pool: pool, random: StackRandom(seed: 1))
    var receiver = VirtualStack(name: "receiver", settings: settings, pool: pool, random: StackRandom(seed: 2))
    var description = InterfaceDescription(name: "p0", kind: kind, ipv6: isIPv6 ? .manual : .off)
    description.mac = MACAddress(bits: 0x0200_0000_0001)
    let out = try sender.attach(description)
    description.mac = MACAddress(bits: 0x0200_0000_0002)
    let into = try receiver.attach(description)
    try sender.addAddress(host(net: 0, number: 1, isIPv6: isIPv6), to: out)
    try receiver.addAddress(host(net: 0, number: 2, isIPv6: isIPv6), to: into)
    let from = try sender.openUDP()
    let to = try receiver.openUDP()
    try receiver.bind(to, to: Endpoint(port: 9))
    let peer = Endpoint(host(net: 0, number: 2, isIPv6: isIPv6), 9)
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
    return Double(count) / (now - .zero).seconds
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
