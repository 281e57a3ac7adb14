#if Tools
    import ArgumentParser
    import ChimneyControl
    import Foundation

    /// `chimney capture`: the frames of an interface as a pcapng file.
    struct CaptureCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "capture",
                abstract: "Write the frames of an interface to a pcapng file or to standard output.",
                discussion: """
                    A filter is any number of: arp, ip, ip6, icmp, icmp6, udp, tcp, proto N, host ADDRESS, net PREFIX, \
                    port N, and the same after `not`. A frame is taken when all of them hold:

                    chimney capture eth0 --write out.pcapng --count 100 udp port 7 not host 10.0.0.1
                    chimney capture eth0 | tshark -r -
                    """)
        }

        @Argument(help: "The interface's name.")
        var interface: String

        @Argument(help: "The filter.")
        var filter: [String] = []

        @Option(name: [.customShort("w"), .long], help: "The file to write; - for standard output.")
        var write = "-"

        @Option(name: [.customShort("c"), .long], help: "Stop after so many frames.")
        var count: Int?

        @Option(help: "Stop after so many seconds.")
        var seconds: Double?

        @Option(help: "The most bytes to keep of each frame.")
        var snap = 262_144

        @OptionGroup var control: ControlOptions

        func validate() throws {
            guard count.map({ $0 > 0 }) ?? true else { throw ValidationError("the count is a number above 0") }
            guard seconds.map({ $0 > 0 && $0 <= 86_400 }) ?? true else {
                throw ValidationError("the seconds are a number above 0, at most 86400")
            }
            guard (14...262_144).contains(snap) else { throw ValidationError("--snap is a number from 14 to 262144") }
            do {
                _ = try CaptureFilter(filter)
            } catch {
                throw ValidationError("\(error)")
            }
        }

        var request: CaptureRequest {
            CaptureRequest(
                interface: interface, count: count, milliseconds: seconds.map { Int($0 * 1_000) }, frameBytesMax: snap,
                filter: filter)
        }

        func run() throws {
            let output = try openOutput()
            var outcome = CaptureReport(captured: 0, missed: 0)
            try control.ask(.capture(request: request), silenceMillisecondsMax: -1) { reply in
                switch reply {
                case .captured(let bytes):
                    do {
                        try output.write(contentsOf: bytes)
                    } catch {
                        throw CommandFailure("writing \(write) failed: \(error.localizedDescription)")
                    }
                case .captureEnded(let report): outcome = report
                default: break
                }
                return true
            }
            let lost = outcome.missed > 0 ? ", \(outcome.missed) missed" : ""
            Console.writeError(
                control.json ? try JSONText.line(outcome) : "\(outcome.captured) frames captured\(lost)\n")
        }

        private func openOutput() throws -> FileHandle {
            guard write != "-" else {
                guard !Console.isTerminal else {
                    throw CommandFailure(
                        "a capture is not text: name a file with --write, or lead standard output elsewhere")
                }
                return .standardOutput
            }
            guard FileManager.default.createFile(atPath: write, contents: nil),
                let handle = FileHandle(forWritingAtPath: write)
            else { throw CommandFailure("the file \(write) cannot be written") }
            return handle
        }
    }
#endif
