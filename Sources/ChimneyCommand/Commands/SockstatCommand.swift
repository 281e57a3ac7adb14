#if Tools
    import ArgumentParser
    import ChimneyControl

    /// `chimney sockstat`: every socket with all that is known of it, and why a connection is still open.
    struct SockstatCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "sockstat",
                abstract: "Show sockets with their queues, timers and recovery, and why each is still open.")
        }

        @Flag(name: .customShort("t"), help: "Of TCP only.")
        var tcp = false

        @Flag(name: .customShort("u"), help: "Of UDP only.")
        var udp = false

        @Option(help: "Only those with this port at either end.")
        var port: Int?

        @OptionGroup var control: ControlOptions

        func validate() throws {
            guard (1...65_535).contains(port ?? 1) else { throw ValidationError("a port is a number from 1 to 65535") }
        }

        /// Whether a socket is to be shown.
        func admits(_ socket: SocketReport) -> Bool {
            if tcp != udp, socket.transport != (tcp ? "tcp" : "udp") { return false }
            guard let port else { return true }
            return [socket.local, socket.remote].contains { $0?.hasSuffix(":\(port)") == true }
        }

        func run() throws {
            let list = try control.list(.sockets) { reply -> [SocketReport]? in
                guard case .sockets(let list) = reply else { return nil }
                return list
            }
            try control.show(list.filter(admits), TCPText.details)
        }
    }
#endif
