import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyRuntime
import ChimneyStack

/// Finds who answers a request: which stack, and at once or step by step.
final class ControlDesk {
    private let stacks: [RunningStack]

    init(stacks: [RunningStack]) { self.stacks = stacks }

    func session(for request: ControlRequest, of guest: ControlGuest) -> any ControlSession {
        do throws(CommandFailure) {
            if case .stacks = request.command, request.stack == nil { return ListSession(all(request.command)) }
            return try session(request.command, of: try stack(named: request.stack))
        } catch {
            return ListSession([.failure(message: error.description)])
        }
    }

    private func stack(named name: String?) throws(CommandFailure) -> RunningStack {
        let known = stacks.map(\.name).joined(separator: ", ")
        guard let name else {
            guard stacks.count == 1, let only = stacks.first else {
                throw CommandFailure("this chimney runs several stacks; choose one of \(known) with --stack")
            }
            return only
        }
        guard let stack = stacks.first(where: { $0.name == name }) else {
            throw CommandFailure("this chimney runs no stack \(name); it runs \(known)")
        }
        return stack
    }

    private func session(
        _ command: ControlCommand, of stack: RunningStack
    ) throws(CommandFailure) -> any ControlSession {
        switch command {
        case .ping(let request):
            guard (1...PingRequest.countMax).contains(request.count), request.intervalMilliseconds >= 0,
                request.timeoutMilliseconds > 0
            else { throw CommandFailure("the count, the interval or the timeout is out of its range") }
            return PingSession(request, to: try StackAnswers.scopedAddress(request.destination), access: stack)
        case .capture(let request):
            return try capture(request, of: stack)
        default:
            return ListSession(answer(command, of: stack))
        }
    }

    private func answer(_ command: ControlCommand, of stack: RunningStack) -> [ControlReply] {
        let devices = stack.standings
        return stack.withStack { StackAnswers.replies(to: command, of: &$0, devices: devices, at: $1) }
            ?? [.failure(message: "the stack \(stack.name) does not answer")]
    }

    private func all(_ command: ControlCommand) -> [ControlReply] { stacks.flatMap { answer(command, of: $0) } }

    private func capture(
        _ request: CaptureRequest, of stack: RunningStack
    ) throws(CommandFailure) -> any ControlSession {
        let filter: CaptureFilter
        do throws(CaptureFilter.Failure) {
            filter = try CaptureFilter(request.filter)
        } catch {
            throw CommandFailure(error.description)
        }
        guard let interface = stack.handle.snapshot.interfaces.first(where: { $0.name == request.interface }) else {
            let known = stack.handle.snapshot.interfaces.map(\.name).joined(separator: ", ")
            throw CommandFailure("the stack \(stack.name) has no interface \(request.interface); it has \(known)")
        }
        let capture = Capture(filter: filter, kind: interface.kind, countMax: request.count)
        let end = try stack.begin(
            capture, on: interface.index, frameBytesMax: min(max(14, request.frameBytesMax), 262_144))
        return CaptureSession(capture, milliseconds: request.milliseconds, end: end)
    }
}

extension RunningStack {
    /// The name of an interface, also of one whose device is gone.
    func interfaceName(_ index: UInt32) -> String {
        handle.snapshot.interfaces.first { $0.index.rawValue == index }?.name ?? "#\(index)"
    }
}
