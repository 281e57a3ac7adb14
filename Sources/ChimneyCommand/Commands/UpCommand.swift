#if Tools
    import ArgumentParser
    import ChimneyConfiguration
    import ChimneyControl
    import ChimneyPrimitives
    import Logging

    /// `chimney up`: runs the stacks of a configuration until it is asked to stop.
    struct UpCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "up", abstract: "Run the stacks of a configuration until SIGINT or SIGTERM.",
                discussion: "See Examples/tap-host.yaml for a configuration.")
        }

        @Argument(help: "The configuration, in YAML.")
        var file: String

        @Option(help: "The control socket; else what the file says, else \(ControlOptions.standardPath).")
        var socket: String?

        @Flag(help: "Read and check the configuration, and do no more.")
        var check = false

        @Option(help: "Microseconds to go on polling after the last frame before sleeping: latency for processor time.")
        var spin = 0

        func validate() throws {
            guard (0...10_000_000).contains(spin) else {
                throw ValidationError("--spin takes 0 to 10000000 microseconds")
            }
        }

        func run() throws {
            let configuration: DaemonConfiguration
            do {
                configuration = try DaemonConfiguration.reading(contentsOf: file)
            } catch {
                throw CommandFailure("\(error)")
            }
            if check { return }
            Signals.block()
            LoggingSystem.bootstrap(StreamLogHandler.standardError)
            let log = Logger(label: "chimney")
            let path = socket ?? configuration.controlSocket ?? ControlOptions.standardPath
            var daemon = try Daemon(configuration, socket: path, spin: .microseconds(Int64(spin)), log: log)
            let stopper = daemon.stopper
            Signals.whenAsked { stopper.stop() }
            daemon.run()
        }
    }
#endif
