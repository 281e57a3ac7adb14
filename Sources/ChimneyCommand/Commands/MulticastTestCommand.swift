#if Tools
    import ArgumentParser
    import ChimneyControl
    import ChimneyPrimitives
    import ChimneyRuntime
    import Foundation

    /// `chimney mtest`: joins, filters, receives and sends as a program of a running stack would.
    struct MulticastTestCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "mtest", abstract: "Join groups, filter sources, count and send, line by line.",
                discussion: """
                    One command a line, one answer a line, from a file, from standard input, or from any number of \
                    clients of a Unix socket. Groups are left when it ends.

                    \(TestLine.help)
                    """)
        }

        @Argument(help: "The file with the commands; standard input without one.")
        var file: String?

        @Option(help: "The interface; without one the route to each group decides.")
        var interface: String?

        @Option(help: "The UDP port to receive on and to send to.")
        var port = 5_001

        @Option(help: "Answer lines on a Unix socket at this path, with JSON, until one of them is `quit`.")
        var listen: String?

        @OptionGroup var control: ControlOptions

        func validate() throws {
            guard (1...65_535).contains(port) else { throw ValidationError("a port is a number from 1 to 65535") }
            guard listen == nil || file == nil else { throw ValidationError("--listen takes no file") }
        }

        func run() throws {
            let script = try file.map { path in
                guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                    throw CommandFailure("the file \(path) cannot be read")
                }
                return text
            }
            let begin = TestCommand.begin(
                port: port, interface: interface, watches: interface != nil || listen != nil)
            do throws(ControlError) {
                var conversation = try TestConversation(control, begin)
                if let listen {
                    Signals.block()
                    return try conversation.serve(listen) { stopper in Signals.whenAsked { stopper.stop() } }
                }
                if try conversation.follow(script) { return }
            } catch {
                throw CommandFailure("\(error)")
            }
            throw ExitCode.failure
        }
    }

    /// Lines that are answered over one connection to a running chimney.
    struct TestConversation: ~Copyable {
        private var client: ControlClient
        private let stack: String?
        private let json: Bool

        /// How long the running chimney may take for a line; one of a long row takes a while.
        private static var silenceMillisecondsMax: Int { 120_000 }

        init(_ control: ControlOptions, _ begin: TestCommand) throws(ControlError) {
            var client = try ControlClient(path: control.path)
            _ = try client.ask(ControlRequest(.test(command: begin), stack: control.stack))
            self.client = client
            stack = control.stack
            json = control.json
        }

        /// Answers clients of a Unix socket, until one of them says `quit` or the stopper is called.
        mutating func serve(_ path: String, _ hasBegun: (ControlStopper) -> Void) throws(ControlError) {
            var server = try LineServer(path: path)
            hasBegun(server.stopper)
            try server.run { text throws(ControlError) in
                switch try answer(text, sleeps: false) {
                case .silence: .silence
                case .text(_, let json, _): .line(json)
                case .quit: .stop
                }
            }
        }

        /// Answers the lines of a script, or of standard input, on standard output; `false` when one of them failed.
        mutating func follow(_ script: String?) throws(ControlError) -> Bool {
            var lines = script?.split(separator: "\n", omittingEmptySubsequences: false)[...]
            let isTerminal = script == nil && isatty(STDIN_FILENO) == 1
            var isRight = true
            while true {
                if isTerminal { Console.writeError("mtest> ") }
                guard let text = script == nil ? readLine() : lines?.popFirst().map(String.init) else { return isRight }
                switch try answer(text, sleeps: true) {
                case .silence: break
                case .text(let words, let json, let failed):
                    Console.write(self.json ? json + "\n" : words)
                    if failed { isRight = false }
                case .quit: return isRight
                }
            }
        }

        private enum Answer {
            case silence
            case text(words: String, json: String, failed: Bool)
            case quit
        }

        private mutating func answer(_ text: String, sleeps: Bool) throws(ControlError) -> Answer {
            let line: TestLine
            do throws(TestLine.Failure) {
                line = try TestLine(text)
            } catch {
                return Self.answer(.refused(error.description, seconds: Shard.clock.seconds), nil)
            }
            switch line {
            case .empty: return .silence
            case .quit: return .quit
            case .sleep(let seconds):
                guard sleeps else {
                    let sentence = "\"sleep\" is for scripts; here it would keep other clients waiting"
                    return Self.answer(.refused(sentence, seconds: Shard.clock.seconds), nil)
                }
                Thread.sleep(forTimeInterval: seconds)
                var outcome = TestOutcome()
                outcome.answer.seconds = Shard.clock.seconds
                return Self.answer(outcome, nil)
            case .command(let command):
                return Self.answer(try ask(command), command)
            }
        }

        private mutating func ask(_ command: TestCommand) throws(ControlError) -> TestOutcome {
            var outcome = TestOutcome()
            do throws(ControlError) {
                try client.ask(
                    ControlRequest(.test(command: command), stack: stack),
                    silenceMillisecondsMax: Self.silenceMillisecondsMax
                ) { part throws(ControlError) in
                    guard outcome.take(part) else { throw .malformed("another answer than expected") }
                    return true
                }
            } catch .refused(let sentence) {
                return .refused(sentence, seconds: Shard.clock.seconds)
            }
            return outcome
        }

        private static func answer(_ outcome: TestOutcome, _ command: TestCommand?) -> Answer {
            let json = (try? JSONText.line(TestJSON(outcome))) ?? "{\"error\":\"the answer is not JSON\"}\n"
            return .text(
                words: TestText.line(outcome, for: command), json: String(json.dropLast()),
                failed: outcome.answer.error != nil)
        }
    }
#endif
