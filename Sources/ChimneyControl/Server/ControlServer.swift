/// The answering end of a control socket: one thread, a bounded number of clients, bounded memory for each.
///
/// Requests of one client are answered one after the other, those of several clients side by side.
public struct ControlServer: ~Copyable {
    /// The path of the socket.
    public let path: String
    private let limits: ControlLimits
    private let listener: ControlSystem.Descriptor
    private let bell: (read: ControlSystem.Descriptor, write: ControlSystem.Descriptor)
    private var clients: [ControlConnection] = []

    /// Begins to listen at a path, with mode 0600.
    ///
    /// - Throws: ``ControlError``, also when another process answers there.
    public init(path: String, limits: ControlLimits = ControlLimits()) throws(ControlError) {
        ControlSystem.makeFolder(of: path)
        let socket = try ControlSystem.listen(path: path, backlog: 64)
        let pipe = try ControlSystem.pipe()
        listener = socket
        bell = pipe
        self.path = path
        self.limits = limits
    }

    /// Ends ``run(_:)``; may be kept and called on any thread.
    public var stopper: ControlStopper { ControlStopper(bell: bell.write) }

    /// Serves clients on this thread until the stopper is called, then closes them and removes the socket's file.
    ///
    /// - Parameter begin: makes the session that answers a request of a client.
    public mutating func run(_ begin: (ControlRequest, ControlGuest) -> any ControlSession) {
        var isStopping = false
        while !isStopping { isStopping = step(milliseconds: 60_000, begin) }
        for client in clients { client.cancel() }
        clients.removeAll()
        ControlSystem.removeFile(path)
    }

    /// Removes the socket's file without having served.
    public func close() { ControlSystem.removeFile(path) }

    /// How many clients are connected.
    public var clientCount: Int { clients.count }

    /// Waits at most so long, serves what is ready, and says whether to stop.
    mutating func step(milliseconds: Int, _ begin: (ControlRequest, ControlGuest) -> any ControlSession) -> Bool {
        var now = ControlSystem.milliseconds()
        var interests = [
            ControlSystem.Interest(descriptor: bell.read.number),
            ControlSystem.Interest(descriptor: listener.number),
        ]
        var wait = milliseconds
        for client in clients {
            interests.append(client.interest)
            wait = min(wait, max(0, client.deadline - now))
        }
        ControlSystem.poll(&interests, milliseconds: wait)
        if interests[0].isReadable { return true }
        now = ControlSystem.milliseconds()
        for (client, interest) in zip(clients, interests.dropFirst(2)) {
            client.serve(interest, at: now, begin)
        }
        clients.removeAll { $0.isClosed }
        if interests[1].isReadable { acceptClients(at: now) }
        return false
    }

    private mutating func acceptClients(at now: Int) {
        while let descriptor = ControlSystem.accept(listener) {
            let client = ControlConnection(descriptor, limits: limits, at: now)
            guard clients.count < limits.clientsMax else {
                client.refuse("this chimney has \(limits.clientsMax) control clients already, which is its most")
                continue
            }
            clients.append(client)
        }
    }
}

/// Ends a ``ControlServer``'s run from any thread.
public struct ControlStopper: Sendable {
    let bell: ControlSystem.Descriptor

    /// Asks the server to stop; it does so within the step it is in.
    public func stop() { ControlSystem.wake(bell) }
}
