#if Tools
    import ArgumentParser
    import ChimneyConfiguration
    import ChimneyLab
    import ChimneyPrimitives
    import Foundation

    /// `chimney lab`: networks of stacks in virtual time.
    struct LabCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "lab", abstract: "Run networks of stacks in virtual time, without root.",
                subcommands: [Run.self, Tables.self])
        }

        struct Run: ParsableCommand {
            static var configuration: CommandConfiguration {
                CommandConfiguration(
                    abstract: "Run the network of a topology file and report what arrived.",
                    discussion: """
                        Equal files and equal seeds give equal frames at equal times, which the trace hash tells. The exit \
                        code is 1 when a check of the lab was violated.
                        """)
            }

            @Argument(help: "The topology, in YAML.")
            var file: String

            @Option(help: "The number that everything drawn follows from; else what the file says.")
            var seed: UInt64?

            @Option(help: "Seconds of virtual time; else what the file says.")
            var until: Double?

            @Option(help: "A folder for a pcapng file of every link, report.json and report.html.")
            var output: String?

            @Flag(help: "Print the report as JSON.")
            var json = false

            @Flag(help: "Print the report as a page of HTML.")
            var html = false

            /// The longest run, in seconds of virtual time; a longer one is refused.
            static var secondsMax: Double { 1e7 }

            func validate() throws {
                guard until.map({ $0 > 0 && $0 <= Self.secondsMax }) ?? true else {
                    throw ValidationError("--until is a number of seconds above 0, at most 10000000")
                }
                guard !json || !html else { throw ValidationError("--json and --html exclude each other") }
            }

            func run() throws {
                let topology = try read()
                let lab = try build(topology)
                var captures: [LinkCapture] = []
                if let output { captures = try capture(lab, in: output) }
                lab.run(until.map { .fractionalSeconds($0) } ?? topology.duration)
                for capture in captures { try capture.end() }
                let report = lab.report(name: topology.name)
                if let output {
                    try write(report.json() + "\n", to: "\(output)/report.json")
                    try write(report.html(), to: "\(output)/report.html")
                }
                Console.write(json ? report.json() + "\n" : html ? report.html() : report.text())
                guard report.violations.isEmpty else {
                    throw CommandFailure(
                        "\(report.violations.count) checks of the lab were violated; the report names them")
                }
            }

            private func read() throws -> LabTopology {
                do {
                    return try LabTopology.reading(contentsOf: file)
                } catch {
                    throw CommandFailure("\(error)")
                }
            }

            private func build(_ topology: LabTopology) throws -> Lab {
                do {
                    return try topology.build(seed: seed)
                } catch {
                    throw CommandFailure("\(file): \(Sentence.of(error))")
                }
            }

            private func capture(_ lab: Lab, in folder: String) throws -> [LinkCapture] {
                do {
                    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                } catch {
                    throw CommandFailure("the folder \(folder) cannot be made: \(error.localizedDescription)")
                }
                return try lab.links.map { link in
                    let name = String(link.name.map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "_" })
                    return try LinkCapture(of: link, in: lab, path: "\(folder)/\(name).pcapng")
                }
            }

            private func write(_ text: String, to path: String) throws {
                do {
                    try Data(text.utf8).write(to: URL(filePath: path))
                } catch {
                    throw CommandFailure("the file \(path) cannot be written: \(error.localizedDescription)")
                }
            }
        }
    }

    extension LabCommand {
        /// `chimney lab tables`: what is known of each congestion control, measured again.
        struct Tables: ParsableCommand {
            static var configuration: CommandConfiguration {
                CommandConfiguration(
                    abstract:
                        "Measure TCP's congestion controls in the lab: throughput, fairness, queue delay, recovery.",
                    discussion:
                        "Equal code gives equal tables, byte by byte. Each is printed, or written with its plot.")
            }

            @Argument(help: "throughput, fairness, queue-delay, recovery; all of them unless named.")
            var tables: [String] = []

            @Option(help: "A folder for a .tsv and an .svg of each table.")
            var output: String?

            func validate() throws {
                for name in tables where TCPTable(rawValue: name) == nil {
                    let names = TCPTable.allCases.map(\.rawValue).joined(separator: ", ")
                    throw ValidationError("there is no table \(name); there are \(names)")
                }
            }

            func run() throws {
                for table in TCPTable.allCases where tables.isEmpty || tables.contains(table.rawValue) {
                    let rows: [[String]]
                    do {
                        rows = try table.rows()
                    } catch {
                        throw CommandFailure(Sentence.of(error))
                    }
                    let text = TCPTable.text([table.columns] + rows)
                    guard let output else {
                        Console.write("\(table.rawValue)\n\(text)\n")
                        continue
                    }
                    try write(text, to: output, name: "\(table.rawValue).tsv")
                    try write(table.svg(of: rows), to: output, name: "\(table.rawValue).svg")
                    try plotBesideLinux(table, rows, in: output)
                }
            }

            /// What was measured in real time is drawn beside the lab's rows, where the folder has it.
            private func plotBesideLinux(_ table: TCPTable, _ rows: [[String]], in folder: String) throws {
                let path = "\(folder)/beside-linux/\(table.rawValue)"
                guard let text = try? String(contentsOfFile: "\(path).tsv", encoding: .utf8) else { return }
                let svg = table.svg(of: rows, beside: TCPTable.rows(reading: text))
                try write(svg, to: "\(folder)/beside-linux", name: "\(table.rawValue).svg")
            }

            private func write(_ text: String, to folder: String, name: String) throws {
                do {
                    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                    try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)"))
                } catch {
                    throw CommandFailure("\(folder)/\(name) cannot be written: \(error.localizedDescription)")
                }
            }
        }
    }

    /// The capture file of one link.
    private final class LinkCapture {
        private let capture: LabCapture
        private let file: CaptureOutput

        init(of link: LabLink, in lab: Lab, path: String) throws {
            let file = try CaptureOutput(path)
            self.file = file
            capture = lab.capture([link]) { file.append($0) }
        }

        func end() throws {
            capture.flush()
            try file.close()
        }
    }

    /// A file that is written piece by piece and remembers the first failure until it is closed.
    private final class CaptureOutput {
        private let path: String
        private let handle: FileHandle
        private var failure: (any Error)?

        init(_ path: String) throws {
            guard FileManager.default.createFile(atPath: path, contents: nil),
                let handle = FileHandle(forWritingAtPath: path)
            else { throw CommandFailure("the file \(path) cannot be written") }
            self.path = path
            self.handle = handle
        }

        func append(_ bytes: [UInt8]) {
            guard failure == nil else { return }
            do { try handle.write(contentsOf: Data(bytes)) } catch { failure = error }
        }

        func close() throws {
            try? handle.close()
            if let failure { throw CommandFailure("writing \(path) failed: \(failure.localizedDescription)") }
        }
    }

    extension Sentence {
        static func of(_ error: LabError) -> String {
            switch error {
            case .nameInUse(let name): "another node or link is called \(name)"
            case .noSuchNode(let name): "there is no node \(name)"
            case .noSuchLink(let name): "there is no link \(name)"
            case .noSuchInterface(let node, let interface): "the node \(node) has no interface \(interface)"
            case .tooMany(let what, let most): "there are more than \(most) \(what)"
            case .addressMalformed(let text): "\"\(text)\" is not an address with a prefix length"
            case .noAddress(let node): "the node \(node) has no address"
            case .outOfRange(let what, let expected): "\(what) must be \(expected)"
            case .interface(let error): of(error)
            case .address(let error): of(error)
            case .socket(let text), .route(let text): text
            }
        }
    }
#endif
