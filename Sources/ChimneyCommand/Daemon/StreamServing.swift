import ChimneyPrimitives
import ChimneyRuntime
import ChimneySockets

extension TCPListener {
    /// Gives each connection a task on the thread of the stack, until the listener is closed or the stack is gone.
    ///
    /// - Parameters:
    ///   - most: the most tasks at a time; at the bound connections wait to be accepted until one ends.
    ///   - body: serves a connection and closes it.
    func serveEach(atMost most: Int, _ body: @escaping @Sendable (TCPSocket) async -> Void) async {
        await withTaskGroup { group in
            var taskCount = 0
            while let socket = try? await accept() {
                group.addTask(executorPreference: stack.shard) { await body(socket) }
                taskCount += 1
                guard taskCount == most else { continue }
                await group.next()
                taskCount -= 1
            }
        }
    }
}

/// The log of a service: lines of what clients did, so few of them a second that nobody fills a disk with them.
///
/// It is confined to the shard's thread.
final class ServiceNotes: @unchecked Sendable {
    // Touched by the shard's thread only.
    private let name: String
    private let sink: @Sendable (String) -> Void
    private var second: Int64 = -1
    private var lineCount = 0

    /// The most lines of one second; of further ones one says how many they were.
    static var linesPerSecondMax: Int { 10 }

    init(about name: String, to sink: @escaping @Sendable (String) -> Void) {
        self.name = name
        self.sink = sink
    }

    /// Adds a line, unless there were too many.
    func add(_ line: String, at now: Instant = Shard.clock) {
        let second = (now - .zero).nanoseconds / 1_000_000_000
        if second != self.second {
            if lineCount > Self.linesPerSecondMax { sink("\(name): and \(lineCount - Self.linesPerSecondMax) more") }
            self.second = second
            lineCount = 0
        }
        lineCount += 1
        if lineCount <= Self.linesPerSecondMax { sink("\(name): \(line)") }
    }
}
