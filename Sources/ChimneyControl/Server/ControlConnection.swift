/// One client of a server.
final class ControlConnection {
    private(set) var isClosed = false
    private let descriptor: ControlSystem.Descriptor
    private let limits: ControlLimits
    private var framer: LineFramer
    private var outbox: ControlOutbox
    private var buffer = [UInt8](repeating: 0, count: 16 << 10)
    private var session: (any ControlSession)?
    private let guest = ControlGuest()
    private var sessionDue = 0
    /// When the client last got on: a request began, or bytes were taken.
    private var lastProgress: Int
    /// Whether the connection ends as soon as all has been written.
    private var isEnding = false

    init(_ descriptor: ControlSystem.Descriptor, limits: ControlLimits, at now: Int) {
        self.descriptor = descriptor
        self.limits = limits
        framer = LineFramer(lineBytesMax: limits.requestBytesMax)
        outbox = ControlOutbox(limits: limits)
        lastProgress = now
    }

    var interest: ControlSystem.Interest {
        ControlSystem.Interest(
            descriptor: descriptor.number, wantsRead: mayReadAhead, wantsWrite: outbox.byteCount > 0)
    }

    /// While an answer is being given, further requests wait here up to the length of one, and then with their sender.
    private var mayReadAhead: Bool { session == nil || framer.heldBytes < limits.requestBytesMax }

    /// Whether the client may say nothing for as long as it likes: it has something here, and owes us nothing.
    private var mayBeSilent: Bool { guest.belongings != nil && framer.heldBytes == 0 && outbox.byteCount == 0 }

    /// When the connection must be looked at again though nothing came.
    var deadline: Int {
        let idle = mayBeSilent ? Int.max : lastProgress + limits.idleMillisecondsMax
        return session == nil ? idle : outbox.byteCount > 0 ? min(idle, sessionDue) : sessionDue
    }

    /// Tells a client that it cannot be served, and closes.
    func refuse(_ sentence: String) {
        outbox.append(.failure(message: sentence))
        flush(at: lastProgress)
        cancel()
    }

    func cancel() {
        session?.cancel()
        session = nil
        guest.belongings?.giveUp()
        guest.belongings = nil
        isClosed = true
    }

    func serve(
        _ interest: ControlSystem.Interest, at now: Int, _ begin: (ControlRequest, ControlGuest) -> any ControlSession
    ) {
        if mayBeSilent { lastProgress = now }
        if interest.isReadable { receive() }
        if !isClosed, interest.isWritable { flush(at: now) }
        // A client may send many requests at once; they are bounded by the buffer they came in.
        while !isClosed, !isEnding, session == nil, let request = nextRequest(at: now) {
            outbox.beginAnswer()
            session = begin(request, guest)
            sessionDue = now
            advance(at: now)
        }
        if !isClosed, session != nil, sessionDue <= now { advance(at: now) }
        if !isClosed { flush(at: now) }
        closeIfStuck(at: now)
    }

    private func receive() {
        switch ControlSystem.read(descriptor, into: &buffer) {
        case .bytes(let count):
            framer.append(buffer[..<count])
        case .wouldBlock: break
        case .closed: cancel()
        }
    }

    private func nextRequest(at now: Int) -> ControlRequest? {
        do {
            guard let line = try framer.next() else { return nil }
            lastProgress = now
            return try MessageCoding.message(ControlRequest.self, in: line)
        } catch {
            // What follows a bad line cannot be trusted to begin at a line's start.
            outbox.append(.failure(message: "\(error)"))
            isEnding = true
            return nil
        }
    }

    private func advance(at now: Int) {
        guard let current = session else { return }
        switch current.advance(writing: &outbox) {
        case .finished:
            session = nil
            lastProgress = now
            if !outbox.hasFailed { outbox.append(.end) }
        case .again(let milliseconds):
            sessionDue = now + max(1, milliseconds)
        }
        if outbox.isOverrun { cancel() }
    }

    private func flush(at now: Int) {
        while outbox.byteCount > 0 {
            switch ControlSystem.write(descriptor, outbox.waiting) {
            case .bytes(let count):
                outbox.taken(count)
                lastProgress = now
            case .wouldBlock: return
            case .closed: return cancel()
            }
        }
        if isEnding { cancel() }
    }

    private func closeIfStuck(at now: Int) {
        let isWaitingForUs = session != nil && outbox.byteCount == 0
        if !isClosed, !isWaitingForUs, !mayBeSilent, now - lastProgress >= limits.idleMillisecondsMax { cancel() }
    }
}
