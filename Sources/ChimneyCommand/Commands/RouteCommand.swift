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

            @OptionGroup var only: FamilyOptions
            @OptionGroup var control: ControlOptions

            func run() throws {
                let list = try control.list(.routes(fib: fib, family: only.family)) { reply -> [RouteReport]? in
                    guard case .routes(let list) = reply else { return nil }
                    return list
                }
                try control.show(list, ReportText.routes)
            }
        }

        struct Target: ParsableArguments {
            @Argument(
                help: "The destination, such as 10.0.0.0/8, 2001:db8::7 or default, which is of the next hop's family.")
            var destination: String

            @Argument(help: "The next hop; a link-local one with its interface, such as fe80::1%eth0.")
            var gateway: String?

            @Option(help: "The interface.")
            var interface: String?

            @Option(help: "The smaller is preferred.")
            var metric: Int?

            @Option(help: "unicast, blackhole, reject, prohibit or local.")
            var kind = "unicast"

            @Option(help: "The routing table.")
            var fib = 0

            @OptionGroup var only: FamilyOptions

            func validate() throws {
                guard let prefix else {
                    throw ValidationError("\"\(destination)\" is not a destination, such as 10.0.0.0/8 or default")
                }
                if let gateway, hop == nil { throw ValidationError("\"\(gateway)\" is not an address") }
                for family in [hop?.address.family, only.family]
                where family ?? prefix.address.family != prefix.address.family {
                    throw ValidationError("\(prefix) is of another family")
                }
                guard ["unicast", "blackhole", "reject", "prohibit", "local"].contains(kind) else {
                    throw ValidationError("\"\(kind)\" is not a kind of route")
                }
            }

            private var hop: ScopedAddress? { gateway.flatMap { ScopedAddress($0) } }

            private var prefix: IPPrefix? {
                let family = only.family ?? hop?.address.family ?? .ipv4
                return AddressText.prefix(destination, everything: family == .ipv4 ? .v4(.all) : .v6(.all))
            }

            var request: RouteRequest {
                RouteRequest(
                    destination: prefix.map { "\($0)" } ?? destination, gateway: gateway, interface: interface,
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
