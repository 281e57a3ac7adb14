#if Tools
    import ArgumentParser
    import ChimneyControl
    import ChimneyPrimitives

    /// `chimney explain`: what happens to a packet, and what happened to those that died.
    struct ExplainCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "explain", abstract: "Say what happens to a packet and why, or why packets died.",
                discussion: """
                    chimney explain 10.7.0.1                       an echo request of the stack's own
                    chimney explain 10.7.0.1 10.7.0.2 --udp 7      a datagram that arrives
                    chimney explain 10.7.0.1 10.7.0.2 --tcp 80     a SYN, or with --source-port a segment of that connection
                    chimney explain 10.7.0.1 232.1.1.1             a datagram to a group, for the sockets that joined it
                    chimney explain fe80::1%eth0                   what is link-local, with its interface
                    chimney explain --drops                        what died lately, and why
                    chimney explain --drops 10.7.0.1 --reason noRoute

                    A packet with a source that is not the stack's own comes in by the interface on the way back to that \
                    source, unless --on names another; to a group, by the interface that is in it, if it is only one.
                    """)
        }

        @Argument(help: "[SOURCE] DESTINATION; with --drops an address of the packets to show.")
        var addresses: [String] = []

        @Flag(help: "Show packets that died lately.")
        var drops = false

        @Option(help: "With --drops: only this reason.")
        var reason: String?

        @Option(help: "With --drops: the most to show, the latest ones.")
        var last: Int?

        @Option(name: [.long, .customLong("port")], help: "A UDP datagram to this port.")
        var udp: Int?

        @Option(help: "A TCP segment to this port.")
        var tcp: Int?

        @Option(help: "A packet of this IP protocol number.")
        var proto: Int?

        @Option(help: "The source port.")
        var sourcePort = 0

        @Option(
            name: [.long, .customLong("interface")],
            help: "The interface it comes in by; with --drops the interface of the packets to show.")
        var on: String?

        @Option(help: "The time to live or hop limit.")
        var ttl = 64

        @Option(help: "The length in bytes, headers included.")
        var size = 84

        @Flag(help: "It says not to fragment.")
        var dontFragment = false

        @Option(help: "The routing table of a packet of the stack's own.")
        var fib = 0

        @OptionGroup var control: ControlOptions

        func validate() throws {
            let families = try addresses.map { text in
                guard let address = ScopedAddress(text)?.address else {
                    throw ValidationError("\"\(text)\" is not an address")
                }
                return address.family
            }
            if drops {
                guard addresses.count <= 1 else { throw ValidationError("--drops takes at most one address") }
                return
            }
            guard addresses.count == 1 || addresses.count == 2 else {
                throw ValidationError("name a destination, a source and a destination, or --drops")
            }
            guard Set(families).count == 1 else { throw ValidationError("the addresses are of different families") }
            guard [udp, tcp, proto].count(where: { $0 != nil }) <= 1 else {
                throw ValidationError("--udp, --tcp and --proto exclude each other")
            }
            guard (0...65_535).contains(udp ?? tcp ?? 0), (0...65_535).contains(sourcePort) else {
                throw ValidationError("a port is a number from 0 to 65535")
            }
            guard (0...255).contains(proto ?? 0) else { throw ValidationError("a protocol is a number from 0 to 255") }
            guard (0...255).contains(ttl) else { throw ValidationError("the time to live is a number from 0 to 255") }
            guard (20...65_535).contains(size) else { throw ValidationError("the size is a number from 20 to 65535") }
        }

        var request: ExplainRequest {
            ExplainRequest(
                source: addresses.count == 2 ? addresses[0] : nil, destination: addresses.last ?? "",
                ipProtocol: udp != nil ? 17 : tcp != nil ? 6 : proto, sourcePort: sourcePort,
                destinationPort: udp ?? tcp ?? 0, interface: on,
                timeToLive: ttl, byteCount: size, dontFragment: dontFragment, fib: fib)
        }

        func run() throws {
            if drops {
                let filter = DropFilter(reason: reason, address: addresses.first, interface: on, countMax: last)
                let list = try control.list(.drops(filter: filter)) { reply -> [DropReport]? in
                    guard case .drops(let list) = reply else { return nil }
                    return list
                }
                return try control.show(list, ReportText.drops)
            }
            let list = try control.list(.explain(request: request)) { reply -> [ExplanationReport]? in
                guard case .explanation(let report) = reply else { return nil }
                return [report]
            }
            guard let report = list.first else { throw CommandFailure("the running chimney gave no explanation") }
            try control.show(report, ReportText.explanation)
        }
    }
#endif
