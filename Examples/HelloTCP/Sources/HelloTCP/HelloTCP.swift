import Chimney

@main struct HelloTCP {
    static func main() async throws {
        let red = try await Network().addStack(named: "red")
        let chim0 = try await red.attach(TAPDriver(name: "chim0"), InterfaceDescription(name: "eth0", ipv6: .manual))
        try await red.perform { stack, now in
            try stack.addAddress(IPv4Address(10, 7, 0, 2), prefixLength: 24, to: chim0, at: now)
            try stack.addAddress(IPv6Address(high: 0xFD07 << 48, low: 2), prefixLength: 64, to: chim0, at: now)
        }
        let listener = try await TCPListener.bound(to: Endpoint(port: 7), on: red)
        try await withThrowingDiscardingTaskGroup { group in
            for try await socket in listener.connections {
                // A connection that fails ends alone: the others go on.
                group.addTask(executorPreference: red.shard) { try? await echo(socket) }
            }
        }
    }

    static func echo(_ socket: TCPSocket) async throws {
        while let bytes = try await socket.read() { try await socket.write(bytes) }
        await socket.close()
    }
}
