import Chimney

@main struct HelloUDP {
    static func main() async throws {
        let red = try await Network().addStack(named: "red")
        let chim0 = try await red.attach(TAPDriver(name: "chim0"), InterfaceDescription(name: "eth0"))
        try await red.perform { stack, now in
            try stack.addAddress(IPv4Address(10, 7, 0, 2), prefixLength: 24, to: chim0, at: now)
        }
        let echo = try await UDPSocket.bound(to: Endpoint(port: 7), on: red)
        for try await message in echo.messages { try await echo.send(message.bytes, to: message.peer) }
    }
}
