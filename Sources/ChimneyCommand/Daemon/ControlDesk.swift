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
            if case .monitor = request.command { return try monitor(request.stack) }
            let stack = try stack(named: request.stack)
            if case .test(let command) = request.command { return try test(command, of: stack, guest) }
            return try session(request.command, of: stack)
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

    /// Events of the stack named, or of all.
    private func monitor(_ name: String?) throws(CommandFailure) -> any ControlSession {
        let known = stacks
        let chosen = try name.map { name throws(CommandFailure) in try stack(named: name).name }
        let feed = EventFeed()
        // The stream begins here, and not when the task runs, so that nothing is missed that follows the answer.
        let tasks = shards.map { shard in
            let events = shard.events()
            return Task {
                for await event in events {
                    let report = EventReport(event, of: known)
                    if chosen == nil || chosen == report.stack { feed.append(report) }
                }
            }
        }
        return MonitorSession(feed) { for task in tasks { task.cancel() } }
    }

    /// The shards of the stacks, each once.
    private var shards: [Shard] {
        var shards: [Shard] = []
        for stack in stacks where !shards.contains(where: { $0 === stack.handle.shard }) {
            shards.append(stack.handle.shard)
        }
        return shards
    }

    private func test(
        _ command: TestCommand, of stack: RunningStack, _ guest: ControlGuest
    ) throws(CommandFailure) -> any ControlSession {
        guard case .begin(let port, let name, let watches) = command else {
            guard let bench = guest.belongings as? TestBench else {
                throw CommandFailure("a test begins with its port and its interface")
            }
            return TestSession.session(for: command, on: bench)
        }
        guard guest.belongings == nil else { throw CommandFailure("this connection has begun its test already") }
        guard (1...65_535).contains(port) else { throw CommandFailure("a port is a number from 1 to 65535") }
        let interface: InterfaceSnapshot? = try name.map { name throws(CommandFailure) in
            try self.interface(name, of: stack)
        }
        let watched = watches ? interface ?? onlyLink(of: stack) : nil
        var watch: LinkWatch?
        var end: (@Sendable () -> Void)?
        if let watched, watched.kind != .loopback {
            let addresses = watched.addresses.map { IPAddress.v4($0.address) }
            let new = LinkWatch(
                isEthernet: watched.kind == .ethernet, mac: watched.mac,
                addresses: addresses + watched.ipv6Addresses.map { .v6($0.address) })
            end = try stack.begin(new, on: watched.index)
            watch = new
        }
        guest.belongings = TestBench(
            stack.handle, port: UInt16(port), interface: interface?.index, watch: watch, endWatch: end)
        return ListSession([.tested(answer: TestAnswer(seconds: Shard.clock.seconds))])
    }

    private func onlyLink(of stack: RunningStack) -> InterfaceSnapshot? {
        let links = stack.handle.snapshot.interfaces.filter { $0.kind != .loopback }
        return links.count == 1 ? links[0] : nil
    }

    private func interface(_ name: String, of stack: RunningStack) throws(CommandFailure) -> InterfaceSnapshot {
        guard let interface = stack.handle.snapshot.interfaces.first(where: { $0.name == name }) else {
            let known = stack.handle.snapshot.interfaces.map(\.name).joined(separator: ", ")
            throw CommandFailure("the stack \(stack.name) has no interface \(name); it has \(known)")
        }
        return interface
    }

    private func capture(
        _ request: CaptureRequest, of stack: RunningStack
    ) throws(CommandFailure) -> any ControlSession {
        let filter: CaptureFilter
        do throws(CaptureFilter.Failure) {
            filter = try CaptureFilter(request.filter)
        } catch {
            throw CommandFailure(error.description)
        }
        let interface = try interface(request.interface, of: stack)
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
