#if Tools
    import ArgumentParser
    import ChimneyControl
    import ChimneyPrimitives

    /// `chimney route`: shows and changes routing tables.
    struct RouteCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "route", abstract: "Show, add and delete routes.",
                subcommands: [Show.self, Add.self, Delete.self], defaultSubcommand: Show.self)
        }

        struct Show: ParsableCommand {
            static var configuration: CommandConfiguration { CommandConfiguration(abstract: "Show routes.") }

            @Option(help: "Only this routing table.")
            var fib: Int?

            @OptionGroup var control: ControlOptions

            func run() throws {
                let list = try control.list(.routes(fib: fib)) { reply -> [RouteReport]? in
                    guard case .routes(let list) = reply else { return nil }
                    return list
                }
                try control.show(list, ReportText.routes)
            }
        }

        struct Target: ParsableArguments {
            @Argument(help: "The destination, such as 10.0.0.0/8, 10.1.2.3 or default.")
            var destination: String

            @Argument(help: "The next hop.")
            var gateway: String?

            @Option(help: "The interface.")
            var interface: String?

            @Option(help: "The smaller is preferred.")
            var metric: Int?

            @Option(help: "unicast, blackhole, reject, prohibit or local.")
            var kind = "unicast"

            @Option(help: "The routing table.")
            var fib = 0

            func validate() throws {
                guard AddressText.prefix(destination) != nil else {
                    throw ValidationError("\"\(destination)\" is not a destination, such as 10.0.0.0/8 or default")
                }
                if let gateway, IPv4Address(gateway) == nil {
                    throw ValidationError("\"\(gateway)\" is not an IPv4 address")
                }
                guard ["unicast", "blackhole", "reject", "prohibit", "local"].contains(kind) else {
                    throw ValidationError("\"\(kind)\" is not a kind of route")
                }
            }

            var request: RouteRequest {
                RouteRequest(
                    destination: AddressText.prefix(destination) ?? destination, gateway: gateway, interface: interface,
                    metric: metric, kind: kind, fib: fib)
            }
        }

        struct Add: ParsableCommand {
            static var configuration: CommandConfiguration { CommandConfiguration(abstract: "Add a route.") }

            @OptionGroup var target: Target
            @OptionGroup var control: ControlOptions

            func validate() throws {
                guard target.kind != "unicast" || target.gateway != nil || target.interface != nil else {
                    throw ValidationError("a route needs a gateway, --interface or both")
                }
            }

            func run() throws { try control.change(.addRoute(route: target.request)) }
        }

        struct Delete: ParsableCommand {
            static var configuration: CommandConfiguration { CommandConfiguration(abstract: "Delete a route.") }

            @OptionGroup var target: Target
            @OptionGroup var control: ControlOptions

            func run() throws { try control.change(.deleteRoute(route: target.request)) }
        }
    }
#endif
