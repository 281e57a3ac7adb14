public import ChimneyStack

/// Why a UDP socket did not do what it was asked to.
public enum UDPError: Error, Hashable, Sendable {
    /// The socket was closed.
    case closed
    /// The stack was removed or its shard stopped.
    case stackRemoved
    /// The deadline passed before anything arrived.
    case deadlinePassed
    /// The task was cancelled while it waited.
    case cancelled
    /// As many tasks wait for the socket, or for deadlines of the shard, as may.
    case tooManyWaiters(max: Int)
    /// A call that does not wait was made on another thread than the shard's, or while the stack is in the middle of its work:
    /// inside `StackHandle.perform`, or by a module or congestion control that the stack calls. The asynchronous calls work
    /// anywhere.
    case notOnShard
    /// The socket could not be opened.
    case open(OpenError)
    /// The socket could not be bound.
    case bind(BindError)
    /// The datagram was not sent.
    case send(SendError)
    /// The group was not joined, left or filtered.
    case group(GroupError)
    /// The network reported an error for an earlier datagram of this connected socket.
    case network(SocketError)

    init(_ error: SendError) {
        switch error {
        case .closed: self = .closed
        case .network(let error): self = .network(error)
        case .noDestination, .destinationInvalid, .messageTooLong, .noRoute, .interfaceDown, .broadcastForbidden,
            .noBuffer, .queueFull, .bind:
            self = .send(error)
        }
    }

    init(_ error: BindError) {
        switch error {
        case .closed: self = .closed
        case .alreadyBound, .addressInUse, .addressNotOurs, .noFreePort: self = .bind(error)
        }
    }

    init(_ error: GroupError) {
        switch error {
        case .closed: self = .closed
        case .noInterface, .familiesDiffer, .ipv6Disabled, .membership: self = .group(error)
        }
    }

    /// What programs of BSD and Linux know the error by; `nil` for what only tasks and shards meet.
    public var errorName: ErrorName? {
        switch self {
        case .closed: .badDescriptor
        case .open(let error): error.errorName
        case .bind(let error): error.errorName
        case .send(let error): error.errorName
        case .network(let error): error.errorName
        case .group(let error): error.errorName
        case .stackRemoved, .deadlinePassed, .cancelled, .tooManyWaiters, .notOnShard: nil
        }
    }
}
