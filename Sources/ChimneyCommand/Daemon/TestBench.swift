import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyRuntime
import ChimneyStack

/// What a client of `chimney mtest` has on a stack; it goes with its connection.
///
/// It is confined to the control thread. What happens to the sockets happens on the shard's.
final class TestBench: ControlBelongings {
    private let handle: StackHandle
    private let sockets: TestSockets
    /// What passes the interface, for a client that wants to know.
    let watch: LinkWatch?
    private var endWatch: (@Sendable () -> Void)?

    init(
        _ handle: StackHandle, port: UInt16, interface: InterfaceIndex?, watch: LinkWatch?,
        endWatch: (@Sendable () -> Void)?
    ) {
        self.handle = handle
        self.watch = watch
        self.endWatch = endWatch
        sockets = TestSockets(MulticastTester(port: port, interface: interface), on: handle.cell)
    }

    /// Runs `body` with the sockets and their stack, on the thread that owns them; `nil` when the stack is gone.
    func perform<Result: Sendable>(
        _ body: @escaping @Sendable (inout MulticastTester, inout VirtualStack, Instant) -> Result
    ) -> Result? {
        let (handle, sockets) = (handle, sockets)
        return try? Waiting.for {
            try await handle.onShard { _, shard in sockets.perform(at: shard.now, body) }
        }
    }

    func giveUp() {
        endWatch?()
        endWatch = nil
        _ = perform { tester, stack, _ in tester.closeAll(of: &stack) }
    }
}

/// The sockets of a client with what wakes them: news of the stack, and the clock.
///
/// It is made anywhere and then touched by the thread of its shard only, which is why it may be handed there.
private final class TestSockets: Alarmed, @unchecked Sendable {
    private let cell: StackCell
    private var tester: MulticastTester
    /// Sockets in which more waits than was taken in one turn.
    private var unfinished: [SocketID] = []
    private var sendTimer: UInt32?

    private enum Alarm: UInt64 {
        case send
        case receive
    }

    init(_ tester: MulticastTester, on cell: StackCell) {
        self.tester = tester
        self.cell = cell
    }

    func perform<Result>(
        at now: Instant, _ body: (inout MulticastTester, inout VirtualStack, Instant) -> Result
    ) -> Result {
        let result = cell.withStack { body(&tester, &$0, now) }
        for socket in tester.takeClosed() { cell.setListener(nil, for: socket) }
        for socket in tester.takeOpened() { cell.setListener(Ear(socket, self), for: socket) }
        send(at: now)
        return result
    }

    /// Sends what is due and asks to be woken for the rest.
    private func send(at now: Instant) {
        let next = cell.withStack { tester.send(of: &$0, at: now) }
        cell.touch()
        if let timer = sendTimer { cell.shard.disarm(timer) }
        sendTimer = next.flatMap { cell.shard.arm(self, name: Alarm.send.rawValue, at: $0) }
    }

    fileprivate func receive(_ socket: SocketID, at now: Instant) {
        guard !cell.withStack({ tester.receive(socket, of: &$0) }) else { return }
        // A deadline that is now passes in the next round, when others have had their turn.
        if unfinished.isEmpty { _ = cell.shard.callAgain(self, of: cell, name: Alarm.receive.rawValue, at: now) }
        unfinished.append(socket)
    }

    func alarmFired(_ name: UInt64, at now: Instant) {
        if name == Alarm.send.rawValue { sendTimer = nil }
        guard !cell.isRemoved else { return }
        switch Alarm(rawValue: name) {
        case .send: send(at: now)
        case .receive:
            let sockets = unfinished
            unfinished = []
            for socket in sockets { receive(socket, at: now) }
        case nil: break
        }
    }

    /// What the stack tells of the news of one socket.
    private final class Ear: SocketListener {
        private let socket: SocketID
        private unowned let sockets: TestSockets

        init(_ socket: SocketID, _ sockets: TestSockets) {
            self.socket = socket
            self.sockets = sockets
        }

        func socketHasNews(at now: Instant) { sockets.receive(socket, at: now) }

        /// The socket went with its stack.
        func stackWasRemoved() {}
    }
}
