import Chimney

@main struct HelloUDP {
    static func main() async throws {
        let red = try await Network().addStack(named: "red")
        let chim0 = try await red.attach(TAPDriver(name: "chim0"), InterfaceDescription(name: "eth0", ipv6: .manual))
        try await red.perform { stack, now in
            try stack.addAddress(IPv4Address(10, 7, 0, 2), prefixLength: 24, to: chim0, at: now)
            try stack.addAddress(IPv6Address(high: 0xFD07 << 48, low: 2), prefixLength: 64, to: chim0, at: now)
        }
        let echo = try await UDPSocket.bound(to: Endpoint(port: 7), on: red)
        for try await message in echo.messages { try await echo.answer(message, with: message.bytes) }
    }
}
