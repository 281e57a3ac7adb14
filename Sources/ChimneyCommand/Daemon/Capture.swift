import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyRuntime
import Foundation
import Synchronization

/// One capture: which frames it takes, and the pcapng bytes that wait to be written somewhere.
///
/// Bytes come in on the shard's thread and go out on another; a lock stands between the two.
final class Capture: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        /// Frames taken whose bytes have not come yet.
        var pending: UInt64 = 0
        var captured: UInt64 = 0
        var missed: UInt64 = 0
    }

    private let state = Mutex(State())
    private let filter: CaptureFilter
    private let isEthernet: Bool
    /// The most frames; after them nothing more is taken.
    private let countMax: UInt64

    /// The most bytes that wait to be taken out; frames beyond are missed, and counted.
    static var bytesMax: Int { 4 << 20 }

    init(filter: CaptureFilter, kind: LinkKind, countMax: Int?) {
        self.filter = filter
        isEthernet = kind == .ethernet
        self.countMax = countMax.map { UInt64(max(0, $0)) } ?? .max
    }

    /// Whether a frame that passes by is taken.
    func admits(_ frame: RawSpan) -> Bool {
        guard filter.admits(frame, isEthernet: isEthernet) else { return false }
        return state.withLock { state in
            guard state.captured + state.pending < countMax else { return false }
            state.pending += 1
            return true
        }
    }

    /// The bytes of the frames taken since it was last called; whole blocks, so that leaving them out leaves a whole file.
    func append(_ bytes: [UInt8]) {
        state.withLock { state in
            if state.bytes.count + bytes.count <= Self.bytesMax {
                state.bytes += bytes
                state.captured += state.pending
            } else {
                state.missed += state.pending
            }
            state.pending = 0
        }
    }

    /// What has come since it was last asked, and whether the count is reached and nothing more will come.
    func take() -> (bytes: [UInt8], isComplete: Bool) {
        state.withLock { state in
            let bytes = state.bytes
            state.bytes = []
            return (bytes, state.captured >= countMax)
        }
    }

    /// How it went so far.
    var report: CaptureReport {
        state.withLock { CaptureReport(captured: $0.captured, missed: $0.missed) }
    }
}

/// A capture that goes to a client of the control socket.
final class CaptureSession: ControlSession {
    private let capture: Capture
    private let deadline: Instant?
    private var end: (() -> Void)?

    /// A session for a capture that was hooked to an interface; `end` unhooks it.
    init(_ capture: Capture, milliseconds: Int?, end: @escaping () -> Void) {
        self.capture = capture
        self.end = end
        deadline = milliseconds.map { Shard.clock + .milliseconds(Int64($0)) }
    }

    func advance(writing outbox: inout ControlOutbox) -> ControlProgress {
        guard !outbox.isCongested else { return .again(milliseconds: 5) }
        let isOver = deadline.map { $0 <= Shard.clock } ?? false
        if isOver { cancel() }
        let (bytes, isComplete) = capture.take()
        // A line is bounded, and base64 makes four bytes of three.
        for start in stride(from: 0, to: bytes.count, by: 1 << 20) {
            outbox.append(.captured(bytes: Data(bytes[start..<min(start + 1 << 20, bytes.count)])))
        }
        guard isOver || isComplete else { return .again(milliseconds: 20) }
        cancel()
        outbox.append(.captureEnded(report: capture.report))
        return .finished
    }

    func cancel() {
        end?()
        end = nil
    }
}

/// A capture that goes to a file for as long as its stack runs; a thread of its own writes it.
final class CaptureFileWriter: Sendable {
    private let capture: Capture
    private let handle: FileHandle
    private let isStopping = Atomic(false)
    private let hasEnded = DispatchSemaphore(value: 0)

    init(_ capture: Capture, path: String) throws(CommandFailure) {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw CommandFailure("the capture file \(path) cannot be written") }
        self.capture = capture
        self.handle = handle
        Thread.detachNewThread { [self] in
            while !isStopping.load(ordering: .acquiring) {
                write()
                Thread.sleep(forTimeInterval: 0.1)
            }
            write()
            hasEnded.signal()
        }
    }

    /// Writes what is left and closes the file.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        _ = hasEnded.wait(timeout: .now() + 5)
        try? handle.close()
    }

    private func write() {
        let (bytes, _) = capture.take()
        // A full disk ends the file where it is; the stack goes on.
        if !bytes.isEmpty { try? handle.write(contentsOf: Data(bytes)) }
    }
}
