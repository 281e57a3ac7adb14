#if Tools
    import ArgumentParser
    import ChimneyControl

    /// `chimney netstat`: sockets, routes, interfaces or counters.
    struct NetstatCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "netstat",
                abstract: "Show sockets, or with -r routes, with -i interfaces, with -s counters and drops.")
        }

        @Flag(name: .customShort("r"), help: "Routes.")
        var routes = false

        @Flag(name: .customShort("i"), help: "Interfaces.")
        var interfaces = false

        @Flag(name: .customShort("s"), help: "The ledger, drops by reason, and counters.")
        var statistics = false

        @OptionGroup var only: FamilyOptions
        @OptionGroup var control: ControlOptions

        func validate() throws {
            guard only.family == nil || routes else { throw ValidationError("-4 and -6 go with -r") }
            guard [routes, interfaces, statistics].filter({ $0 }).count <= 1 else {
                throw ValidationError("only one of -r, -i and -s can be shown at a time")
            }
        }

        func run() throws {
            if routes {
                var show = RouteCommand.Show()
                show.control = control
                show.fib = nil
                show.only = only
                try show.run()
            } else if interfaces {
                let list = try control.list(.interfaces(name: nil)) { reply -> [InterfaceReport]? in
                    guard case .interfaces(let list) = reply else { return nil }
                    return list
                }
                try control.show(list, ReportText.interfaceTable)
            } else if statistics {
                let list = try control.list(.statistics) { reply -> [StatisticsReport]? in
                    guard case .statistics(let report) = reply else { return nil }
                    return [report]
                }
                guard let report = list.first else { throw CommandFailure("the running chimney gave no counters") }
                try control.show(report, ReportText.statistics)
            } else {
                let list = try control.list(.sockets) { reply -> [SocketReport]? in
                    guard case .sockets(let list) = reply else { return nil }
                    return list
                }
                try control.show(list, ReportText.sockets)
            }
        }
    }
#endif
