#if Tools
    import ArgumentParser
    import ChimneyControl
    import ChimneyPrimitives

    /// `chimney ping`: echo requests from a running stack.
    struct PingCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(commandName: "ping", abstract: "Send ICMP echo requests from a running stack.")
        }

        @Argument(help: "The address to send to; a link-local one with its interface, such as fe80::1%eth0.")
        var destination: String

        @Option(name: [.customShort("c"), .long], help: "How many requests.")
        var count = 4

        @Option(name: [.customShort("i"), .long], help: "Seconds from one to the next.")
        var interval = 1.0

        @Option(name: [.customShort("W"), .long], help: "Seconds to wait for each answer.")
        var timeout = 1.0

        @Option(name: [.customShort("s"), .long], help: "Bytes of data in each, 0 to 65507, over IPv6 to 65527.")
        var size = 56

        @Option(name: [.customShort("t"), .long], help: "The time to live or hop limit.")
        var ttl: Int?

        @Option(help: "The routing table.")
        var fib = 0

        @OptionGroup var control: ControlOptions

        func validate() throws {
            guard let address = ScopedAddress(destination)?.address else {
                throw ValidationError("\"\(destination)\" is not an address")
            }
            guard (1...PingRequest.countMax).contains(count) else {
                throw ValidationError("the count is a number from 1 to \(PingRequest.countMax)")
            }
            // The total length of IPv4 counts its header, the payload length of IPv6 does not.
            let sizeMax = address.isIPv4 ? 65_507 : 65_527
            guard (0...sizeMax).contains(size) else {
                throw ValidationError("the size is a number from 0 to \(sizeMax)")
            }
            guard (0...3_600).contains(interval) else { throw ValidationError("the interval is 0 to 3600 seconds") }
            guard (0.001...3_600).contains(timeout) else {
                throw ValidationError("the timeout is 0.001 to 3600 seconds")
            }
            guard ttl.map({ (1...255).contains($0) }) ?? true else {
                throw ValidationError("the time to live is a number from 1 to 255")
            }
        }

        var request: PingRequest {
            PingRequest(
                destination: destination, count: count, intervalMilliseconds: Int(interval * 1_000),
                timeoutMilliseconds: Int(timeout * 1_000), byteCount: size, timeToLive: ttl, fib: fib)
        }

        func run() throws {
            var summary = PingSummary()
            let silence = Int((interval + timeout) * 1_000) + 10_000
            try control.ask(.ping(request: request), silenceMillisecondsMax: silence) { reply in
                guard case .echo(let report) = reply else { return true }
                summary.count(report)
                Console.write(control.json ? try JSONText.line(report) : ReportText.echo(report))
                return true
            }
            Console.write(control.json ? try JSONText.line(["summary": summary]) : ReportText.summary(of: summary))
            if summary.received == 0 { throw ExitCode.failure }
        }
    }
#endif
