#if Tools
    import ArgumentParser
    import ChimneyPrimitives

    /// The command `chimney`: runs stacks on devices, runs networks in virtual time, and looks into what runs.
    @main
    struct ChimneyTool: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "chimney",
                abstract: "TCP/IP stacks in user space: run them, look into them, or simulate a network of them.",
                discussion: """
                    `chimney up FILE` runs the stacks of a configuration. Every other command but `lab` asks a running \
                    one over its control socket.
                    """,
                subcommands: [
                    UpCommand.self, LabCommand.self, PingCommand.self, InterfaceCommand.self, RouteCommand.self,
                    NeighbourCommand<IPv4Address>.self, NeighbourCommand<IPv6Address>.self, NetstatCommand.self,
                    SockstatCommand.self,
                    CaptureCommand.self, ExplainCommand.self, MonitorCommand.self, MulticastStatusCommand.self,
                    MulticastControlCommand.self, MulticastTestCommand.self,
                ])
        }
    }
#else
    /// Without the trait `Tools` nothing of the command is built but this sentence.
    @main
    struct ChimneyTool {
        static func main() { Console.writeError("this chimney was built without the trait Tools\n") }
    }
#endif
