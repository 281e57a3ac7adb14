import ChimneyPrimitives
import ChimneyRuntime
import ChimneySockets
import ChimneyStack
import ChimneyTCP

/// One stream of a test, on the thread of its shard: it sends as much as there is room for, or takes whatever comes.
final class IperfStream: @unchecked Sendable {
    // Touched by the shard's thread only.
    let socket: TCPSocket
    private let sends: Bool
    private let block: [UInt8]
    private let bitsPerSecond: Int?
    /// Bytes that were written, or read.
    private(set) var moved = 0
    /// The congestion control, once there were figures.
    private(set) var congestionControl: String?
    /// Whether it sends no more.
    var isResting = false
    private var lastArrival = Instant.zero
    /// What does not count, because it was moved before the test's time began.
    private var omitted = (bytes: 0, retransmits: 0)

    /// How many blocks are written before others have their turn.
    private static var turnsMax: Int { 64 }
    /// The longest sleep of a stream whose rate is bounded, so that it notices its end.
    private static var sleepSpanMax: TimeSpan { .milliseconds(100) }

    init(_ socket: TCPSocket, sends: Bool, _ parameters: IperfParameters) {
        self.socket = socket
        self.sends = sends
        bitsPerSecond = parameters.bitsPerSecond
        block = sends ? (0..<parameters.blockBytes).map { UInt8(truncatingIfNeeded: $0 &* 167 ^ $0 >> 8) } : []
    }

    /// Sends until told to rest, or reads; returns when the connection ended or was closed, or there is nothing more to send.
    func run() async {
        do throws(TCPSocketError) {
            if sends { try await send() } else { try await receive() }
        } catch {
            // Whoever runs the test learns that the stream ended.
        }
    }

    private func receive() async throws(TCPSocketError) {
        while let count = try readAll() {
            if count == 0 { try await socket.waitUntilReadable() }
        }
    }

    /// Takes what came in the buffers it came in and lets them go; `nil` at the end.
    private func readAll() throws(TCPSocketError) -> Int? {
        var arrived = PacketQueue()
        guard let count = try socket.tryRead(into: &arrived) else { return 0 }
        guard count > 0 else { return nil }
        moved += count
        lastArrival = Shard.clock
        return count
    }

    private func send() async throws(TCPSocketError) {
        let began = Shard.clock
        var position = 0
        var turns = 0
        while !isResting {
            let rest = block.count - position
            let count = try write(from: position)
            moved += count
            position = count == rest ? 0 : position + count
            turns += 1
            if count < rest {
                try await socket.waitUntilWritable()
            } else if let bitsPerSecond {
                await sleep(until: began + .nanoseconds(Int64(Double(moved) * 8e9 / Double(bitsPerSecond))))
            } else if turns % Self.turnsMax == 0 {
                await Task.yield()
            }
        }
    }

    /// Writes as much of the block as there is room for.
    private func write(from position: Int) throws(TCPSocketError) -> Int {
        let block = block
        return try socket.tryWrite(block.span.octets.extracting(position..<block.count))
    }

    private func sleep(until due: Instant) async {
        while !isResting, case let left = due - Shard.clock, left > .zero {
            try? await Task.sleep(for: .nanoseconds(min(left, Self.sleepSpanMax).nanoseconds))
        }
    }

    // MARK: Figures

    /// Counts from here on.
    func forget() async { omitted = await counts() }

    /// What was moved since counting began.
    func figures(since began: Instant) async -> IperfStreamFigures {
        let counts = await counts()
        let end = sends || lastArrival <= began ? Shard.clock : lastArrival
        return IperfStreamFigures(
            sends: sends, bytes: max(0, counts.bytes - omitted.bytes),
            retransmits: counts.retransmits - omitted.retransmits,
            span: end - began)
    }

    /// What is written and not acknowledged is not sent as far as anybody knows.
    private func counts() async -> (bytes: Int, retransmits: Int) {
        guard let snapshot = try? await socket.snapshot else { return (moved, omitted.retransmits) }
        congestionControl = snapshot.recovery.algorithm
        return (
            sends ? moved - snapshot.tcp.sendQueueBytes : moved,
            Int(snapshot.recoveryCounters.retransmissions)
        )
    }
}
