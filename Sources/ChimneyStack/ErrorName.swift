import ChimneyLink
public import ChimneyMulticast
public import ChimneyTCP

/// What the calls of BSD and Linux name an error of ours, by which their programs and tools know it.
public enum ErrorName: String, Hashable, Sendable, CaseIterable {
    /// Permission denied.
    case accessDenied = "EACCES"
    /// The address is used already.
    case addressInUse = "EADDRINUSE"
    /// There is no such address here.
    case addressNotAvailable = "EADDRNOTAVAIL"
    /// The family of addresses is not spoken.
    case familyNotSupported = "EAFNOSUPPORT"
    /// The socket was closed.
    case badDescriptor = "EBADF"
    /// The end that the connection's data goes to is closed.
    case brokenPipe = "EPIPE"
    /// The connection was given up here.
    case connectionAborted = "ECONNABORTED"
    /// Nobody is there to take it.
    case connectionRefused = "ECONNREFUSED"
    /// The peer gave the connection up.
    case connectionReset = "ECONNRESET"
    /// The socket has no peer and none is named.
    case destinationRequired = "EDESTADDRREQ"
    /// The host cannot be reached.
    case hostUnreachable = "EHOSTUNREACH"
    /// An argument does not fit.
    case invalidArgument = "EINVAL"
    /// The message is too long to go whole.
    case messageTooLong = "EMSGSIZE"
    /// The network is down.
    case networkDown = "ENETDOWN"
    /// The network cannot be reached.
    case networkUnreachable = "ENETUNREACH"
    /// There is no connection.
    case notConnected = "ENOTCONN"
    /// It is not for programs to do.
    case notPermitted = "EPERM"
    /// There is nothing of that name.
    case noSuchEntry = "ENOENT"
    /// Nobody answered in time.
    case timedOut = "ETIMEDOUT"
    /// As many sockets are open as may be.
    case tooManyFiles = "ENFILE"
    /// There is no more room.
    case noBufferSpace = "ENOBUFS"
    /// There is no such interface.
    case noSuchDevice = "ENODEV"
    /// The protocol is not there.
    case protocolNotAvailable = "ENOPROTOOPT"
    /// The protocol was not followed.
    case protocolError = "EPROTO"
}

// MARK: - Groups

extension MembershipError {
    /// What the calls of RFC 3678 give programs, as Linux does.
    public var errorName: ErrorName {
        switch self {
        case .notMulticast, .sourceInvalid, .mixesAnySourceAndSource, .needsSource: .invalidArgument
        case .noSuchInterface: .noSuchDevice
        case .noSuchSocket: .badDescriptor
        case .notMember, .sourceAlready, .notASource: .addressNotAvailable
        case .alreadyMember: .addressInUse
        case .tooManySources, .tooManySourcesInStack, .tooManyMemberships, .tooManyMembershipsInStack: .noBufferSpace
        }
    }
}

extension GroupError {
    /// What the calls of RFC 3678 give programs, as Linux does.
    public var errorName: ErrorName {
        switch self {
        case .closed: .badDescriptor
        case .noInterface: .noSuchDevice
        case .familiesDiffer: .invalidArgument
        case .ipv6Disabled: .familyNotSupported
        case .membership(let error): error.errorName
        }
    }
}

extension LinkGroupError {
    /// What `PACKET_ADD_MEMBERSHIP` and its like give programs.
    public var errorName: ErrorName {
        switch self {
        case .noSuchInterface: .noSuchDevice
        case .filter(.notGroup): .invalidArgument
        case .filter(.tooManyGroups): .noBufferSpace
        case .filter(.notMember): .addressNotAvailable
        }
    }
}

// MARK: - UDP

extension OpenError {
    /// What `socket` gives programs.
    public var errorName: ErrorName {
        switch self {
        case .tooManySockets: .tooManyFiles
        case .noSuchFIB: .invalidArgument
        }
    }
}

extension BindError {
    /// What `bind` gives programs.
    public var errorName: ErrorName {
        switch self {
        case .closed: .badDescriptor
        case .alreadyBound: .invalidArgument
        case .addressInUse, .noFreePort: .addressInUse
        case .addressNotOurs: .addressNotAvailable
        }
    }
}

extension SendError {
    /// What `sendto` and `connect` give programs.
    public var errorName: ErrorName {
        switch self {
        case .closed: .badDescriptor
        case .noDestination: .destinationRequired
        case .destinationInvalid: .invalidArgument
        case .messageTooLong: .messageTooLong
        case .noRoute: .networkUnreachable
        case .interfaceDown: .networkDown
        case .broadcastForbidden: .accessDenied
        case .noBuffer, .queueFull: .noBufferSpace
        case .bind(let error): error.errorName
        case .network(let error): error.errorName
        }
    }
}

extension SocketError {
    /// What the next call on the socket gives programs.
    public var errorName: ErrorName {
        switch self {
        case .portUnreachable: .connectionRefused
        case .protocolUnreachable: .protocolNotAvailable
        case .hostUnreachable, .timeExceeded: .hostUnreachable
        case .networkUnreachable: .networkUnreachable
        case .prohibited: .accessDenied
        case .messageTooLong: .messageTooLong
        case .parameterProblem: .protocolError
        }
    }
}

// MARK: - TCP

extension ConnectError {
    /// What `connect` gives programs.
    public var errorName: ErrorName {
        switch self {
        case .tooManyConnections: .tooManyFiles
        case .noSuchFIB, .destinationInvalid: .invalidArgument
        case .noRoute: .networkUnreachable
        case .interfaceDown: .networkDown
        case .addressNotOurs, .noFreePort: .addressNotAvailable
        case .addressInUse: .addressInUse
        }
    }
}

extension ListenError {
    /// What `bind` and `listen` give programs.
    public var errorName: ErrorName {
        switch self {
        case .tooManyListeners: .tooManyFiles
        case .noSuchFIB: .invalidArgument
        case .addressNotOurs: .addressNotAvailable
        case .addressInUse, .noFreePort: .addressInUse
        }
    }
}

extension SignatureKeyError {
    /// What `TCP_MD5SIG` gives programs.
    public var errorName: ErrorName {
        switch self {
        case .noSigner: .protocolNotAvailable
        case .keyEmpty, .keyTooLong: .invalidArgument
        case .tooManyKeys: .noBufferSpace
        }
    }
}

extension TCPFailure {
    /// What the next call on the socket gives programs.
    public var errorName: ErrorName {
        switch self {
        case .refused: .connectionRefused
        case .reset: .connectionReset
        case .aborted: .connectionAborted
        case .timedOut, .keepAliveTimedOut: .timedOut
        case .unreachable: .hostUnreachable
        }
    }
}

extension CongestionChoiceError {
    /// What `TCP_CONGESTION` gives programs.
    public var errorName: ErrorName {
        switch self {
        case .unknown: .noSuchEntry
        case .notAllowed: .notPermitted
        case .nameTaken: .addressInUse
        case .nameNotUsable: .invalidArgument
        case .tooMany: .noBufferSpace
        }
    }
}
