#if Tools
    import ArgumentParser
    import ChimneyControl

    /// `chimney monitor`: what happens to stacks, as it happens.
    struct MonitorCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "monitor",
                abstract: "Show devices that come and go, and groups that are joined and left, as it happens.",
                discussion:
                    "It shows all stacks of the running chimney, or the one that --stack names, a line an event.")
        }

        @Option(name: [.customShort("c"), .long], help: "Stop after so many events.")
        var count: Int?

        @OptionGroup var control: ControlOptions

        func validate() throws {
            guard count.map({ $0 > 0 }) ?? true else { throw ValidationError("the count is a number above 0") }
        }

        func run() throws {
            var left = count ?? .max
            try control.ask(.monitor, silenceMillisecondsMax: -1) { reply in
                switch reply {
                case .event(let report):
                    Console.write(control.json ? try JSONText.line(report) : MulticastText.event(report))
                    left -= 1
                case .eventsMissed(let count): Console.writeError("\(count) events were missed\n")
                default: break
                }
                return left > 0
            }
        }
    }
#endif
