/// What the two ends of a control socket put up with from each other.
public struct ControlLimits: Sendable, Hashable {
    /// The most bytes of a request, line end included; a longer one is answered with a failure and the connection closed.
    public var requestBytesMax = 64 << 10
    /// The most bytes of a reply, line end included; a client that meets a longer one gives up.
    public var replyBytesMax = 4 << 20
    /// The most clients at a time; one more is told so and closed.
    public var clientsMax = 32
    /// The most bytes that wait for one client to read them; a client that lets more pile up is closed.
    public var outboxBytesMax = 8 << 20
    /// The bytes waiting for a client above which lists and captures pause.
    public var outboxBytesToPause = 1 << 20
    /// How long a client may neither finish a line it began, nor take bytes that wait for it, nor ask anything.
    public var idleMillisecondsMax = 60_000

    /// The limits of `chimney up`.
    public init() {}
}

/// Why a control socket could not be served or used.
public enum ControlError: Error, Hashable, Sendable {
    /// The path exceeds what a Unix socket address holds.
    case pathTooLong(path: String, bytesMax: Int)
    /// Another process answers on the path.
    case pathInUse(path: String)
    /// There is something at the path that is not a socket.
    case notASocket(path: String)
    /// Nothing answers on the path.
    case notRunning(path: String)
    /// The operating system refused.
    case system(operation: String, path: String, errno: Int32)
    /// The other end closed before it had answered.
    case closed
    /// The other end did not answer in time.
    case timedOut(milliseconds: Int)
    /// A line exceeds the limit.
    case lineTooLong(bytesMax: Int)
    /// A line is not a message of this protocol.
    case malformed(String)
    /// The other end answered with a failure.
    case refused(String)
}

extension ControlError {
    /// What the operating system calls an error number.
    package static func words(ofSystemError code: Int32) -> String { ControlSystem.text(of: code) }
}

extension ControlError: CustomStringConvertible {
    /// One sentence for a person.
    public var description: String {
        switch self {
        case .pathTooLong(let path, let most): "the control socket's path \(path) exceeds \(most) bytes"
        case .pathInUse(let path): "another chimney answers on the control socket \(path) already"
        case .notASocket(let path): "\(path) exists and is not a socket"
        case .notRunning(let path): "no chimney answers on the control socket \(path); is `chimney up` running?"
        case .system(let operation, let path, let code): "\(operation) \(path): \(ControlSystem.text(of: code))"
        case .closed: "the running chimney closed the control connection before it had answered"
        case .timedOut(let milliseconds): "the running chimney did not answer within \(milliseconds) ms"
        case .lineTooLong(let most): "a message exceeds \(most) bytes"
        case .malformed(let text): "a message is not understood: \(text)"
        case .refused(let text): text
        }
    }
}
