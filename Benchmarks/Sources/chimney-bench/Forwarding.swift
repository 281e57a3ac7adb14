import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack

/// Packets a second that a router takes in on one pipe and puts out on another: sender, router, receiver, one thread.
func benchForwarding(seconds: Double) throws {
    let pool = PacketPool()
    var settings = StackSettings()
    settings.forwarding = true
    var sender = VirtualStack(name: "sender", pool: pool, random: StackRandom(seed: 1))
    var router = VirtualStack(name: "router", settings: settings, pool: pool, random: StackRandom(seed: 2))
    let out = try sender.attach(InterfaceDescription(name: "p0", kind: .ip))
    let west = try router.attach(InterfaceDescription(name: "west", kind: .ip))
    let east = try router.attach(InterfaceDescription(name: "east", kind: .ip))
    try sender.addAddress(IPv4Address(10, 0, 1, 2), prefixLength: 24, to: out, at: .zero)
    try router.addAddress(IPv4Address(10, 0, 1, 1), prefixLength: 24, to: west, at: .zero)
    try router.addAddress(IPv4Address(10, 0, 2, 1), prefixLength: 24, to: east, at: .zero)
    let everything = IPv4Prefix(.any, length: 0)
    try sender.addRoute(IPv4Route(everything, .gateway(IPv4Address(10, 0, 1, 1), on: out.rawValue)))
    let socket = try sender.openUDP()
    let payload = [UInt8](repeating: 7, count: 64)
    let peer = Endpoint(IPv4Address(10, 0, 2, 9), 9)
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
        count += queue.count
        queue.removeAll()
    }
    report("forward-ip", Double(count) * 1e9 / Double(spent), "pps", ",\"payload\":64,\"batch\":1024")
}
