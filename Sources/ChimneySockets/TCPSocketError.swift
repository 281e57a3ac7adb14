public import ChimneyStack
public import ChimneyTCP

/// Why a TCP socket or a listener did not do what it was asked to.
public enum TCPSocketError: Error, Hashable, Sendable {
    /// The socket was closed here.
    case closed
    /// The stack was removed or its shard stopped.
    case stackRemoved
    /// The deadline passed before it was done. Of what a call was to write, a part may have been written.
    case deadlinePassed
    /// The task was cancelled while it waited. Of what a call was to write, a part may have been written.
    case cancelled
    /// As many tasks wait for the socket, or for deadlines of the shard, as may.
    case tooManyWaiters(max: Int)
    /// A call that does not wait was made on another thread than the shard's, or while the stack is in the middle of its work:
    /// inside `StackHandle.perform`, or by a module or congestion control that the stack calls. The asynchronous calls work
    /// anywhere.
    case notOnShard
    /// The connection was not even begun.
    case connect(ConnectError)
    /// The listener was not opened.
    case listen(ListenError)
    /// The connection ended: refused, reset, given up, timed out or unreachable.
    case failed(TCPFailure)
    /// There is no connection to write to: both ends said that they are done.
    case notConnected
    /// The program said before that it writes no more.
    case shutDown
    /// The congestion control was not changed.
    case congestionControl(CongestionChoiceError)
    /// The key for signatures was not set.
    case signature(SignatureKeyError)

    init(_ error: TCPWriteError) {
        switch error {
        case .notConnected: self = .notConnected
        case .shutDown: self = .shutDown
        case .failed(let failure): self = .failed(failure)
        }
    }

    init(_ error: TCPReadError) {
        switch error {
        case .notConnected: self = .notConnected
        case .failed(let failure): self = .failed(failure)
        }
    }

    /// What programs of BSD and Linux know the error by; `nil` for what only tasks and shards meet.
    public var errorName: ErrorName? {
        switch self {
        case .closed: .badDescriptor
        case .connect(let error): error.errorName
        case .listen(let error): error.errorName
        case .failed(let failure): failure.errorName
        case .notConnected: .notConnected
        case .shutDown: .brokenPipe
        case .congestionControl(let error): error.errorName
        case .signature(let error): error.errorName
        case .stackRemoved, .deadlinePassed, .cancelled, .tooManyWaiters, .notOnShard: nil
        }
    }
}

/// Which ways of a connection a program is done with.
public enum ShutdownDirection: Hashable, Sendable {
    /// It writes no more: what was written goes out, and the peer reads its end then (`SHUT_WR`).
    case writing
    /// It reads no more; what still arrives ends the connection (`SHUT_RD`).
    case reading
    /// Both (`SHUT_RDWR`).
    case both
}
