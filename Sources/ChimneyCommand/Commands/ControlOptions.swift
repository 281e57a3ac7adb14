#if Tools
    import ArgumentParser
    import ChimneyControl
    import Foundation

    /// Which running process and which of its stacks a command asks, and how it prints the answer.
    struct ControlOptions: ParsableArguments {
        @Option(
            name: [.long, .customLong("control")],
            help: "The control socket of the running chimney; else CHIMNEY_SOCKET, else the one in /run/chimney.")
        var socket: String?

        @Option(help: "The stack to ask, where the running chimney has several.")
        var stack: String?

        @Flag(help: "Print JSON.")
        var json = false

        static var standardFolder: String { "/run/chimney" }
        static var standardPath: String { "\(standardFolder)/chimney.sock" }

        /// What is asked: what was said, else the standard path, else the only socket that is beside it.
        var path: String {
            if let socket { return socket }
            if let path = ProcessInfo.processInfo.environment["CHIMNEY_SOCKET"], !path.isEmpty { return path }
            guard !FileManager.default.fileExists(atPath: Self.standardPath) else { return Self.standardPath }
            let others = (try? FileManager.default.contentsOfDirectory(atPath: Self.standardFolder)) ?? []
            let sockets = others.filter { $0.hasSuffix(".sock") }
            return sockets.count == 1 ? "\(Self.standardFolder)/\(sockets[0])" : Self.standardPath
        }

        /// Asks, and hands over each part of the answer until `body` says to stop.
        func ask(
            _ command: ControlCommand, silenceMillisecondsMax: Int = 10_000,
            _ body: (ControlReply) throws -> Bool
        ) throws {
            var failure: (any Error)?
            do {
                var client = try ControlClient(path: path)
                let request = ControlRequest(command, stack: stack)
                try client.ask(request, silenceMillisecondsMax: silenceMillisecondsMax) { part throws(ControlError) in
                    do {
                        return try body(part)
                    } catch {
                        failure = error
                        return false
                    }
                }
            } catch {
                throw CommandFailure("\(error)")
            }
            if let failure { throw failure }
        }

        /// Asks for a list that may come in several parts.
        func list<Element>(_ command: ControlCommand, _ part: (ControlReply) -> [Element]?) throws -> [Element] {
            var list: [Element] = []
            try ask(command) { reply in
                guard let more = part(reply) else {
                    throw CommandFailure("the running chimney gave another answer than expected")
                }
                list += more
                return true
            }
            return list
        }

        /// Asks for a change and says nothing but in JSON.
        func change(_ command: ControlCommand) throws {
            try ask(command) { _ in true }
            if json { Console.write(try JSONText.line(["done": true])) }
        }

        /// Prints a value as JSON or as the text it is given.
        func show<Value: Encodable>(_ value: Value, _ text: (Value) -> String) throws {
            Console.write(json ? try JSONText.pretty(value) : text(value))
        }
    }
#endif
