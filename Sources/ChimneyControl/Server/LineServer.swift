/// What a line is answered with.
public enum LineAnswer: Hashable, Sendable {
    /// A line, without its end.
    case line(String)
    /// Nothing.
    case silence
    /// Nothing, and the server stops.
    case stop
}

/// Answers lines of text with lines of text on a Unix socket, for scripts that do not speak the control protocol.
///
/// It has one thread and a bounded number of clients, whose lines are answered in the order in which they come; a client may
/// be silent for as long as it likes.
public struct LineServer: ~Copyable {
    /// The path of the socket.
    public let path: String
    private let limits: ControlLimits
    private let listener: ControlSystem.Descriptor
    private let bell: (read: ControlSystem.Descriptor, write: ControlSystem.Descriptor)
    private var clients: [LineConnection] = []

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

    /// Serves clients on this thread until the stopper is called or an answer is to stop, then removes the socket's file.
    ///
    /// - Parameter answer: gives the answer to a line that comes without its end.
    /// - Throws: what `answer` throws, when everything has been closed.
    public mutating func run<Failure>(_ answer: (String) throws(Failure) -> LineAnswer) throws(Failure) {
        defer {
            clients.removeAll()
            ControlSystem.removeFile(path)
        }
        while true {
            var interests = [
                ControlSystem.Interest(descriptor: bell.read.number),
                ControlSystem.Interest(descriptor: listener.number),
            ]
            for client in clients { interests.append(client.interest) }
            ControlSystem.poll(&interests, milliseconds: -1)
            if interests[0].isReadable { return }
            for (client, interest) in zip(clients, interests.dropFirst(2)) {
                guard try client.serve(interest, answer) else { return }
            }
            clients.removeAll { $0.isClosed }
            if interests[1].isReadable { acceptClients() }
        }
    }

    /// One client too many is closed without a word, since any word would be taken for an answer.
    private mutating func acceptClients() {
        while let descriptor = ControlSystem.accept(listener) {
            if clients.count < limits.clientsMax { clients.append(LineConnection(descriptor, limits: limits)) }
        }
    }
}

/// One client of a server of lines.
private final class LineConnection {
    private(set) var isClosed = false
    private let descriptor: ControlSystem.Descriptor
    private let limits: ControlLimits
    private var framer: LineFramer
    private var waiting: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 16 << 10)

    init(_ descriptor: ControlSystem.Descriptor, limits: ControlLimits) {
        self.descriptor = descriptor
        self.limits = limits
        framer = LineFramer(lineBytesMax: limits.requestBytesMax)
    }

    var interest: ControlSystem.Interest {
        ControlSystem.Interest(descriptor: descriptor.number, wantsWrite: !waiting.isEmpty)
    }

    /// Answers what came; `false` when an answer was to stop.
    func serve<Failure>(
        _ interest: ControlSystem.Interest, _ answer: (String) throws(Failure) -> LineAnswer
    ) throws(Failure) -> Bool {
        if interest.isReadable {
            switch ControlSystem.read(descriptor, into: &buffer) {
            case .bytes(let count): framer.append(buffer[..<count])
            case .wouldBlock: break
            case .closed: isClosed = true
            }
        }
        while !isClosed, let line = nextLine() {
            switch try answer(line) {
            case .line(let text): waiting += Array(text.utf8) + [0x0A]
            case .silence: break
            case .stop: return false
            }
            flush()
            if waiting.count > limits.outboxBytesMax { isClosed = true }
        }
        flush()
        return true
    }

    /// The next line; the connection ends at one that is too long.
    private func nextLine() -> String? {
        do throws(ControlError) {
            guard let line = try framer.next() else { return nil }
            return String(decoding: line, as: UTF8.self)
        } catch {
            isClosed = true
            return nil
        }
    }

    private func flush() {
        while !isClosed, !waiting.isEmpty {
            switch ControlSystem.write(descriptor, waiting[...]) {
            case .bytes(let count): waiting.removeFirst(count)
            case .wouldBlock: return
            case .closed: isClosed = true
            }
        }
    }
}
