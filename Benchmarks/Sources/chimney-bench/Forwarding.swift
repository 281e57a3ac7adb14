import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack

/// Packets a second that a router takes in on one pipe and puts out on another: sender, router, receiver, one
/// thread, over either family.
func benchForwarding(seconds: Double) throws {
    let rates = try takeTurns(seconds: seconds, packetsASecond)
    report("forward-ip", rates.first, "pps", ",\"payload\":64,\"batch\":1024")
    report("forward-ip6", rates.second, "pps", ",\"payload\":64,\"batch\":1024")
    report("forward-ip6-to-ip4", rates.second / rates.first, "ratio")
}

/// Lets a router work for so long; the packets it forwarded a second.
private func packetsASecond(_ seconds: Double, isIPv6: Bool) throws -> Double {
    let pool = PacketPool()
    var settings = StackSettings()
    settings.forwarding = true
    var sender = VirtualStack(name: "sender", pool: pool, random: StackRandom(seed: 1))
    var router = VirtualStack(name: "router", settings: settings, pool: pool, random: StackRandom(seed: 2))
    let mode: IPv6Mode = isIPv6 ? .manual : .off
    let out = try sender.attach(InterfaceDescription(name: "p0", kind: .ip, ipv6: mode))
    let west = try router.attach(InterfaceDescription(name: "west", kind: .ip, ipv6: mode))
    let east = try router.attach(InterfaceDescription(name: "east", kind: .ip, ipv6: mode))
    try sender.addAddress(host(net: 1, number: 2, isIPv6: isIPv6), to: out)
    try router.addAddress(host(net: 1, number: 1, isIPv6: isIPv6), to: west)
    try router.addAddress(host(net: 2, number: 1, isIPv6: isIPv6), to: east)
    switch host(net: 1, number: 1, isIPv6: isIPv6) {
    case .v4(let gateway): try sender.addRoute(IPv4Route(.all, .gateway(gateway, on: out.rawValue)))
    case .v6(let gateway): try sender.addRoute(IPv6Route(.all, .gateway(gateway, on: out.rawValue)))
    }
    let socket = try sender.openUDP()
    let payload = [UInt8](repeating: 7, count: 64)
    let peer = Endpoint(host(net: 2, number: 9, isIPv6: isIPv6), 9)
    var queue = PacketQueue()
    var spent: UInt64 = 0
    var count = 0
    while Double(spent) < seconds * 1e9 {
        for _ in 0..<1_024 { try unsafe sender.send(socket, payload.span.bytes, to: peer, at: .zero) }
        while let index = sender.nextToTransmit() { sender.takeTransmit(from: index, into: &queue) }
        let start = nanoseconds()
        router.framesArrived(&queue, on: west, at: .zero)
        while let index = router.nextToTransmit() { router.takeTransmit(from: index, into: &queue) }
        spent += nanoseconds() - start
        guard queue.count == 1_024 else { throw BenchError.packetsLost }
        count += queue.count
        queue.removeAll()
    }
    return Double(count) * 1e9 / Double(spent)
}
