#if Tools
    import ArgumentParser
    import ChimneyControl
    import ChimneyPrimitives

    /// `chimney arp`, of IPv4, and `chimney ndp`, of IPv6: show and change the neighbour table.
    struct NeighbourCommand<Address: StackFamily>: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: Address.neighbourCommand,
                abstract:
                    "Show, add, delete and flush \(Address.familyName) neighbours\(ofRouters ? "; show routers" : "").",
                subcommands: [Show.self, Add.self, Delete.self, Flush.self]
                    + (ofRouters ? [Routers.self, Prefixes.self] : []),
                defaultSubcommand: Show.self)
        }

        struct Show: ParsableCommand {
            static var configuration: CommandConfiguration {
                CommandConfiguration(commandName: "show", abstract: "Show neighbours.", aliases: ["list"])
            }

            @OptionGroup var control: ControlOptions

            func run() throws {
                let list = try control.list(.neighbours(family: Address.family)) { reply -> [NeighbourReport]? in
                    guard case .neighbours(let list) = reply else { return nil }
                    return list
                }
                try control.show(list, ReportText.neighbours)
            }
        }

        struct Add: ParsableCommand {
            static var configuration: CommandConfiguration {
                CommandConfiguration(
                    commandName: "add", abstract: "Enter a neighbour that stays until it is deleted.", aliases: ["set"])
            }

            @Argument(help: "Its address.")
            var address: String

            @Argument(help: "Its link address.")
            var mac: String

            @Option(help: "The interface it is on.")
            var interface: String

            @OptionGroup var control: ControlOptions

            func validate() throws {
                try NeighbourCommand.check(address)
                guard MACAddress(mac) != nil else { throw ValidationError("\"\(mac)\" is not a MAC address") }
            }

            func run() throws {
                try control.change(.addNeighbour(interface: interface, address: address, mac: mac))
            }
        }

        struct Delete: ParsableCommand {
            static var configuration: CommandConfiguration {
                CommandConfiguration(commandName: "delete", abstract: "Delete a neighbour.")
            }

            @Argument(help: "Its address.")
            var address: String

            @Option(help: "Only on this interface.")
            var interface: String?

            @OptionGroup var control: ControlOptions

            func validate() throws { try NeighbourCommand.check(address) }

            func run() throws { try control.change(.deleteNeighbour(interface: interface, address: address)) }
        }

        struct Flush: ParsableCommand {
            static var configuration: CommandConfiguration {
                CommandConfiguration(commandName: "flush", abstract: "Forget every neighbour that was learned.")
            }

            @Option(help: "Only on this interface.")
            var interface: String?

            @OptionGroup var control: ControlOptions

            func run() throws {
                try control.change(.flushNeighbours(interface: interface, family: Address.family))
            }
        }

        /// Whether the family's neighbours also tell who is a router and which prefixes are on the link.
        private static var ofRouters: Bool { Address.family == .ipv6 }

        struct Routers: ParsableCommand {
            static var configuration: CommandConfiguration {
                CommandConfiguration(commandName: "routers", abstract: "Show the default routers that advertised.")
            }

            @OptionGroup var control: ControlOptions

            func run() throws {
                try NeighbourCommand.show(control) { $0.gateway != nil && $0.destination == "::/0" }
            }
        }

        struct Prefixes: ParsableCommand {
            static var configuration: CommandConfiguration {
                CommandConfiguration(
                    commandName: "prefixes", abstract: "Show the prefixes that routers say are on the link.")
            }

            @OptionGroup var control: ControlOptions

            func run() throws { try NeighbourCommand.show(control) { $0.kind == "connected" } }
        }

        /// Shows the routes that discovery made, as far as they are wanted.
        private static func show(_ control: ControlOptions, _ isWanted: (RouteReport) -> Bool) throws {
            let list = try control.list(.routes(fib: 0, family: Address.family)) { reply -> [RouteReport]? in
                guard case .routes(let list) = reply else { return nil }
                return list
            }
            try control.show(list.filter { $0.origin == "automatic" && isWanted($0) }, ReportText.routes)
        }

        private static func check(_ address: String) throws {
            guard Address(address) != nil else {
                throw ValidationError("\"\(address)\" is not an \(Address.familyName) address")
            }
        }
    }

    extension StackFamily {
        /// The command that shows its neighbours.
        fileprivate static var neighbourCommand: String {
            switch family {
            case .ipv4: "arp"
            case .ipv6: "ndp"
            }
        }
    }
#endif
