import Foundation

/// Where a command writes.
enum Console {
    static func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }

    static func writeError(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

    /// Whether standard output is a terminal, which a binary file would spoil.
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
}

/// A user's or the world's mistake: one sentence, exit code 1.
struct CommandFailure: Error, CustomStringConvertible, Equatable {
    let description: String

    init(_ description: String) { self.description = description }
}
