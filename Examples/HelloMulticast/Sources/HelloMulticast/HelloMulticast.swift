import Chimney

/// A channel with one source (RFC 4607) between two stacks of one process: no root, no device, no kernel.
@main struct HelloMulticast {
    static func main() async throws {
        let network = try Network()
        let studio = try await network.addStack(named: "studio")
        let viewer = try await network.addStack(named: "viewer")
        let eth0 = InterfaceDescription(name: "eth0", ipv6: .off)
        let (left, right) = try await studio.connect(eth0, to: viewer, eth0)
        let (source, intruder) = (IPv4Address(10, 0, 0, 1), IPv4Address(10, 0, 0, 66))
        try await studio.perform { stack, now in
            for address in [source, intruder] { try stack.addAddress(address, prefixLength: 24, to: left, at: now) }
        }
        try await viewer.perform { stack, now in
            try stack.addAddress(IPv4Address(10, 0, 0, 2), prefixLength: 24, to: right, at: now)
        }

        // Whoever wants a channel names its source; what others send to the group does not come through.
        let group = IPAddress.v4(IPv4Address(232, 1, 1, 1))
        let receiver = try await UDPSocket.bound(to: Endpoint(port: 5001), on: viewer)
        try await receiver.join(group, from: .v4(source), on: .index(right))

        var options = UDPOptions()
        options.multicastInterface = left
        for (address, words) in [(intruder, "an advertisement"), (source, "the news"), (source, "the weather")] {
            let sender = try await UDPSocket.bound(to: Endpoint(.v4(address), 0), on: studio, options: options)
            try await sender.send(Array(words.utf8), to: Endpoint(group, 5001))
        }

        for _ in 0..<2 {
            let message = try await receiver.receive()
            print("\(message.peer) to \(message.local): \(String(decoding: message.bytes, as: UTF8.self))")
        }
        try await receiver.leave(group, on: .index(right))
        await network.stop()
    }
}
