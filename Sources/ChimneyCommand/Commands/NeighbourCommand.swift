#if Tools
    import ArgumentParser
    import ChimneyControl
    import ChimneyPrimitives

    /// `chimney arp`: shows and changes the neighbour table.
    struct NeighbourCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "arp", abstract: "Show, add, delete and flush neighbours.",
                subcommands: [Show.self, Add.self, Delete.self, Flush.self], defaultSubcommand: Show.self)
        }

        struct Show: ParsableCommand {
            static var configuration: CommandConfiguration { CommandConfiguration(abstract: "Show neighbours.") }

            @OptionGroup var control: ControlOptions

            func run() throws {
                let list = try control.list(.neighbours) { reply -> [NeighbourReport]? in
                    guard case .neighbours(let list) = reply else { return nil }
                    return list
                }
                try control.show(list, ReportText.neighbours)
            }
        }

        struct Add: ParsableCommand {
            static var configuration: CommandConfiguration {
                CommandConfiguration(abstract: "Enter a neighbour that stays until it is deleted.")
            }

            @Argument(help: "Its IPv4 address.")
            var address: String

            @Argument(help: "Its link address.")
            var mac: String

            @Option(help: "The interface it is on.")
            var interface: String

            @OptionGroup var control: ControlOptions

            func validate() throws {
                guard IPv4Address(address) != nil else {
                    throw ValidationError("\"\(address)\" is not an IPv4 address")
                }
                guard MACAddress(mac) != nil else { throw ValidationError("\"\(mac)\" is not a MAC address") }
            }

            func run() throws {
                try control.change(.addNeighbour(interface: interface, address: address, mac: mac))
            }
        }

        struct Delete: ParsableCommand {
            static var configuration: CommandConfiguration { CommandConfiguration(abstract: "Delete a neighbour.") }

            @Argument(help: "Its IPv4 address.")
            var address: String

            @Option(help: "Only on this interface.")
            var interface: String?

            @OptionGroup var control: ControlOptions

            func validate() throws {
                guard IPv4Address(address) != nil else {
                    throw ValidationError("\"\(address)\" is not an IPv4 address")
                }
            }

            func run() throws { try control.change(.deleteNeighbour(interface: interface, address: address)) }
        }

        struct Flush: ParsableCommand {
            static var configuration: CommandConfiguration {
                CommandConfiguration(abstract: "Forget every neighbour that was learned.")
            }

            @Option(help: "Only on this interface.")
            var interface: String?

            @OptionGroup var control: ControlOptions

            func run() throws { try control.change(.flushNeighbours(interface: interface)) }
        }
    }
#endif
