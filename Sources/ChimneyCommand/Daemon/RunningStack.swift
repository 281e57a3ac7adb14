import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyRuntime
import ChimneyStack
import Synchronization

/// A stack of `chimney up`, as the control thread sees it.
final class RunningStack: StackAccess {
    let handle: StackHandle
    private let devices = Mutex<[UInt32: DeviceStanding]>([:])
    private let files = Mutex<[CaptureFileWriter]>([])

    init(_ handle: StackHandle) { self.handle = handle }

    var name: String { handle.name }

    /// The devices under the interfaces, by the interface's index.
    var standings: [UInt32: DeviceStanding] { devices.withLock { $0 } }

    func setDevice(_ description: String, of index: InterfaceIndex) {
        devices.withLock { $0[index.rawValue] = DeviceStanding(description: description) }
    }

    func deviceIsLost(_ reason: String, interface: UInt32) {
        devices.withLock { $0[interface]?.loss = reason }
    }

    func withStack<Result: Sendable>(
        _ body: @escaping @Sendable (inout VirtualStack, Instant) -> Result
    ) -> Result? {
        let handle = handle
        return try? Waiting.for { try await handle.perform(body) }
    }

    /// Hooks a capture to an interface and gives what unhooks it.
    func begin(
        _ capture: Capture, on index: InterfaceIndex, frameBytesMax: Int
    ) throws(CommandFailure) -> @Sendable () -> Void {
        try hook(
            on: index, snapBytes: frameBytesMax, filter: { capture.admits($0) }, to: { capture.append($0) })
    }

    /// Hooks a watch to an interface and gives what unhooks it; nothing is written of what it sees.
    func begin(_ watch: LinkWatch, on index: InterfaceIndex) throws(CommandFailure) -> @Sendable () -> Void {
        let sees: @Sendable (RawSpan) -> Bool = { frame in
            watch.framePassed(frame, at: Shard.clock)
            return false
        }
        return try hook(on: index, snapBytes: 0, filter: sees, to: { _ in })
    }

    private func hook(
        on index: InterfaceIndex, snapBytes: Int, filter: @escaping @Sendable (RawSpan) -> Bool,
        to sink: @escaping @Sendable ([UInt8]) -> Void
    ) throws(CommandFailure) -> @Sendable () -> Void {
        let handle = handle
        let number: UInt64
        do {
            number = try Waiting.for {
                try await handle.beginCapture(on: index, snapBytes: snapBytes, filter: filter, to: sink)
            }
        } catch let error as InterfaceError where error == .noSuchInterface {
            throw CommandFailure("the interface has no device whose frames could be captured")
        } catch {
            throw CommandFailure("the capture could not begin: \(error)")
        }
        return { _ = try? Waiting.for { try await handle.endCapture(number) } }
    }

    /// Captures an interface into a file for as long as the stack runs.
    func record(_ index: InterfaceIndex, kind: LinkKind, to path: String) async throws {
        let capture = Capture(filter: try CaptureFilter([]), kind: kind, countMax: nil)
        let writer = try CaptureFileWriter(capture, path: path)
        files.withLock { $0.append(writer) }
        _ = try await handle.beginCapture(on: index, snapBytes: 262_144, to: { capture.append($0) })
    }

    /// Tells the hosts of its links that it is a router no longer (RFC 4861 §6.2.5).
    func sayFarewell() {
        _ = withStack { stack, now in
            for interface in stack.interfaces { try? stack.setAdvertisements(nil, on: interface.index, at: now) }
        }
    }

    /// Writes the ends of the files.
    func closeFiles() {
        for file in files.withLock({ $0 }) { file.stop() }
    }
}
