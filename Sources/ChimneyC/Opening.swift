public import CChimney
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Glibc

// Between socket and close: bind, listen, accept, connect, shutdown, and which ends a socket has.
//
// Invariant: addresses are read and written by `SocketAddress` alone; handles are what `call` says of them.

extension CallerStack {
    // MARK: - Bind and listen

    func bind(_ number: Int32, to address: UnsafePointer<sockaddr>?, _ length: socklen_t) throws(Errno) -> Int {
        let descriptor = try descriptors[number]
        let endpoint = try unsafe SocketAddress.read(address, length, for: descriptor.family)
        guard !(descriptor.options.onlyIPv6 && endpoint.isIPv4) else { throw Errno(EINVAL) }
        guard descriptor.bound == nil else { throw Errno(EINVAL) }
        switch descriptor.role {
        case .listener, .connection: throw Errno(EINVAL)
        case .idle: descriptor.bound = try reserve(endpoint, for: descriptor)
        case .datagram(let id):
            do throws(BindError) { descriptor.bound = try stack.bind(id, to: endpoint) } catch {
                throw Errno(error.errorName)
            }
        }
        return 0
    }

    /// Checks an address for a TCP socket, and draws a port where it names none.
    ///
    /// Only sockets hold ports that nobody listens on yet; the stack does not know of these.
    private func reserve(_ endpoint: Endpoint, for descriptor: Descriptor) throws(Errno) -> Endpoint {
        var candidate = endpoint
        // As many as there are ports to draw is not worth it: the first few tell.
        for _ in 0..<64 {
            candidate = try drawn(endpoint, for: descriptor)
            if endpoint.port != 0 { candidate.port = endpoint.port }
            if !isTaken(candidate, for: descriptor) { return candidate }
            guard endpoint.port == 0 else { break }
        }
        throw Errno(EADDRINUSE)
    }

    /// The endpoint with a port drawn by the stack, which is asked by listening there for a moment.
    private func drawn(_ endpoint: Endpoint, for descriptor: Descriptor) throws(Errno) -> Endpoint {
        var asked = endpoint
        asked.port = 0
        do throws(ListenError) {
            let id = try stack.listenTCP(on: asked, backlogMax: 1, onlyIPv6: descriptor.options.onlyIPv6)
            let found = stack.localEndpoint(id)
            stack.close(id, at: now)
            return found ?? endpoint
        } catch { throw Errno(error.errorName) }
    }

    private func isTaken(_ endpoint: Endpoint, for descriptor: Descriptor) -> Bool {
        descriptors.all.contains { other in
            guard other !== descriptor, other.isStream, let bound = other.bound, bound.port == endpoint.port else {
                return false
            }
            guard overlap(endpoint, descriptor, bound, other) else { return false }
            if case .listener = other.role { return true }
            return !(descriptor.options.reusesAddress && other.options.reusesAddress)
        }
    }

    /// Whether a connection could be for both of two ends.
    private func overlap(_ one: Endpoint, _ first: Descriptor, _ two: Endpoint, _ second: Descriptor) -> Bool {
        func takesIPv4(_ endpoint: Endpoint, _ descriptor: Descriptor) -> Bool {
            endpoint.isIPv4 || endpoint.mapped.isAny && !descriptor.options.onlyIPv6
        }
        func isAny(_ endpoint: Endpoint) -> Bool { endpoint.mapped.isAny || endpoint.ipv4?.isAny == true }
        if isAny(one) || isAny(two) {
            let areIPv4 = takesIPv4(one, first) && takesIPv4(two, second)
            return areIPv4 || !one.isIPv4 && !two.isIPv4
        }
        return one.mapped == two.mapped && (one.zone == two.zone || one.zone == 0 || two.zone == 0)
    }

    func listen(_ number: Int32, backlog: Int32) throws(Errno) -> Int {
        let descriptor = try descriptors[number]
        switch descriptor.role {
        case .datagram: throw Errno(EOPNOTSUPP)
        case .connection: throw Errno(EINVAL)
        // The length of the queue stays what it was.
        case .listener: return 0
        case .idle: break
        }
        var endpoint = descriptor.family.any
        if let bound = descriptor.bound { endpoint = bound } else { endpoint = try reserve(endpoint, for: descriptor) }
        do throws(ListenError) {
            let id = try stack.listenTCP(
                on: endpoint, backlogMax: max(1, Int(backlog)), settings: descriptor.settings,
                onlyIPv6: descriptor.options.onlyIPv6)
            descriptor.bound = stack.localEndpoint(id)
            descriptor.role = .listener(id)
        } catch { throw Errno(error.errorName) }
        return 0
    }

    func accept(
        _ number: Int32, _ address: UnsafeMutablePointer<sockaddr>?, _ length: UnsafeMutablePointer<socklen_t>?,
        flags: Int32
    ) throws(Errno) -> Int {
        let listening = try descriptors[number]
        guard flags & ~(LinuxNumber.nonBlocking | LinuxNumber.closeOnExec) == 0 else { throw Errno(EINVAL) }
        guard listening.isStream else { throw Errno(EOPNOTSUPP) }
        guard case .listener(let id) = listening.role else { throw Errno(EINVAL) }
        if unsafe address != nil, unsafe length == nil { throw Errno(EFAULT) }
        try wait(on: listening, timeout: listening.options.receiveTimeout) { () throws(Errno) in
            stack.acceptableCount(id) > 0
        }
        guard !descriptors.isFull else { throw Errno(EMFILE) }
        guard let connection = stack.accept(id) else { throw Errno(EAGAIN) }
        let descriptor = Descriptor(.connection(connection), listening.family, listening.settings)
        descriptor.options = listening.options
        descriptor.isNonBlocking = flags & LinuxNumber.nonBlocking != 0
        if descriptor.options.marks != TCPPacketMarks() { stack.setMarks(descriptor.options.marks, of: connection) }
        if descriptor.options.isCorked { stack.setCorked(true, of: connection, at: now) }
        let peer = stack.remoteEndpoint(connection) ?? descriptor.family.any
        try unsafe SocketAddress.write(peer, descriptor.family, to: address, length)
        return try descriptors.insert(descriptor)
    }

    // MARK: - Connect

    func connect(_ number: Int32, to address: UnsafePointer<sockaddr>?, _ length: socklen_t) throws(Errno) -> Int {
        let descriptor = try descriptors[number]
        let (family, _) = try unsafe SocketAddress.family(address, length)
        if family == AF_UNSPEC { return try disconnect(descriptor) }
        var endpoint = try unsafe SocketAddress.read(address, length, for: descriptor.family)
        guard !(descriptor.options.onlyIPv6 && endpoint.isIPv4) else { throw Errno(ENETUNREACH) }
        // No host at all is this host, as it always was in BSD.
        if endpoint.ipv4?.isAny == true {
            endpoint.mapped = IPv6Address(mapped: .loopback)
        } else if endpoint.mapped.isAny {
            endpoint.mapped = .loopback
        }
        switch descriptor.role {
        case .datagram(let id): try connect(descriptor, id, to: endpoint)
        case .listener: throw Errno(EISCONN)
        case .idle: try open(descriptor, to: endpoint)
        case .connection(let id):
            guard descriptor.isConnecting else { throw Errno(EISCONN) }
            if isOpening(id), descriptor.isNonBlocking || progress == nil { throw Errno(EALREADY) }
            try awaitOpening(descriptor, id)
        }
        return 0
    }

    private func connect(_ descriptor: Descriptor, _ id: SocketID, to endpoint: Endpoint) throws(Errno) {
        try bindIfNeeded(descriptor, id)
        do throws(SendError) { try stack.connect(id, to: endpoint) } catch { throw Errno(error.errorName) }
        descriptor.peer = endpoint
        descriptor.pendingError = nil
    }

    /// A UDP socket that nobody bound gets a port when it first needs one, of its own family alone.
    func bindIfNeeded(_ descriptor: Descriptor, _ id: SocketID) throws(Errno) {
        guard descriptor.bound == nil else { return }
        do throws(BindError) { descriptor.bound = try stack.bind(id, to: descriptor.family.any) } catch {
            throw Errno(error.errorName)
        }
    }

    private func open(_ descriptor: Descriptor, to endpoint: Endpoint) throws(Errno) {
        let source = descriptor.bound ?? descriptor.family.any
        let id: TCPConnectionID
        do throws(ConnectError) {
            id = try stack.connectTCP(
                to: endpoint, from: source, settings: descriptor.settings, marks: descriptor.options.marks, at: now)
        } catch { throw Errno(error.errorName) }
        if descriptor.options.isCorked { stack.setCorked(true, of: id, at: now) }
        descriptor.role = .connection(id)
        descriptor.isConnecting = true
        descriptor.isFailureTold = false
        descriptor.isReadShut = false
        descriptor.isWriteShut = false
        try awaitOpening(descriptor, id)
    }

    private func isOpening(_ id: TCPConnectionID) -> Bool {
        switch stack.state(of: id) {
        case .synSent, .synReceived: true
        case .closed, .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck, .timeWait: false
        }
    }

    /// Waits until a connection is open, or says that it takes its time.
    private func awaitOpening(_ descriptor: Descriptor, _ id: TCPConnectionID) throws(Errno) {
        do throws(Errno) {
            try wait(on: descriptor, timeout: descriptor.options.sendTimeout) { () throws(Errno) in !isOpening(id) }
        } catch {
            throw error.number == EAGAIN ? Errno(EINPROGRESS) : error
        }
        if let failure = takeFailure(of: descriptor) { throw failure }
        guard stack.state(of: id) != .closed else { throw Errno(ECONNABORTED) }
        descriptor.isConnecting = false
    }

    /// Tells why a connection ended, once; after a connect that failed the socket may connect anew.
    ///
    /// One that was open, whether connect told of it or not, stays: what arrived before it ended is there to be read.
    func takeFailure(of descriptor: Descriptor) -> Errno? {
        guard case .connection(let id) = descriptor.role, !descriptor.isFailureTold,
            let failure = stack.failure(of: id)
        else { return nil }
        descriptor.isFailureTold = true
        if descriptor.isConnecting {
            descriptor.isConnecting = false
            if !stack.wasOpen(id) {
                descriptor.role = .idle
                stack.close(id, at: now)
            }
        }
        return Errno(failure.errorName)
    }

    /// What connect does with AF_UNSPEC: the socket has no peer any more.
    private func disconnect(_ descriptor: Descriptor) throws(Errno) -> Int {
        switch descriptor.role {
        case .idle: break
        case .listener(let id): stack.close(id, at: now)
        case .connection(let id): stack.abort(id, at: now)
        case .datagram(let id):
            do throws(SendError) { try stack.connect(id, to: .any) } catch { throw Errno(error.errorName) }
            descriptor.peer = nil
            return 0
        }
        descriptor.role = .idle
        descriptor.isConnecting = false
        return 0
    }

    // MARK: - Shutdown

    func shutdown(_ number: Int32, how: Int32) throws(Errno) -> Int {
        let descriptor = try descriptors[number]
        guard (0...2).contains(how) else { throw Errno(EINVAL) }
        let (reads, writes) = (how != 1, how != 0)
        switch descriptor.role {
        case .idle: throw Errno(ENOTCONN)
        case .listener(let id):
            guard reads else { throw Errno(ENOTCONN) }
            stack.close(id, at: now)
            descriptor.role = .idle
        case .connection(let id):
            if isOpening(id) { return try disconnect(descriptor) }
            let state = stack.state(of: id)
            guard state != .closed, state != .timeWait else { throw Errno(ENOTCONN) }
            // What comes in can be read all the same, as on Linux; only nothing is waited for any more.
            if reads { descriptor.isReadShut = true }
            if writes {
                descriptor.isWriteShut = true
                stack.shutdown(id, at: now)
            }
        case .datagram:
            guard descriptor.peer != nil else { throw Errno(ENOTCONN) }
            if reads { descriptor.isReadShut = true }
            if writes { descriptor.isWriteShut = true }
        }
        return 0
    }

    // MARK: - Ends

    /// Our end of a socket.
    func name(_ number: Int32) throws(Errno) -> (Endpoint, Family) {
        let descriptor = try descriptors[number]
        let found: Endpoint? =
            switch descriptor.role {
            case .idle: descriptor.bound
            case .listener(let id): stack.localEndpoint(id)
            case .connection(let id): stack.localEndpoint(id)
            case .datagram(let id): descriptor.bound == nil ? nil : stack.localEndpoint(id)
            }
        return (found ?? descriptor.family.any, descriptor.family)
    }

    /// The peer's end.
    func peerName(_ number: Int32) throws(Errno) -> (Endpoint, Family) {
        let descriptor = try descriptors[number]
        switch descriptor.role {
        case .idle, .listener: break
        case .connection(let id):
            guard stack.state(of: id) != .closed, !isOpening(id), let peer = stack.remoteEndpoint(id) else { break }
            return (peer, descriptor.family)
        case .datagram: if let peer = descriptor.peer { return (peer, descriptor.family) }
        }
        throw Errno(ENOTCONN)
    }
}

// MARK: - Exports

/// Gives a socket an address and a port.
@c @implementation
public func chimney_bind(
    _ stack: OpaquePointer?, _ fd: CInt, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try unsafe stack.bind(fd, to: address, length) }
}

/// Takes connections.
@c @implementation
public func chimney_listen(_ stack: OpaquePointer?, _ fd: CInt, _ backlog: CInt) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try stack.listen(fd, backlog: backlog) }
}

/// Takes the connection that waited longest.
@c @implementation
public func chimney_accept(
    _ stack: OpaquePointer?, _ fd: CInt, _ address: UnsafeMutablePointer<sockaddr>?,
    _ length: UnsafeMutablePointer<socklen_t>?
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try unsafe stack.accept(fd, address, length, flags: 0) }
}

/// Takes the connection that waited longest, as a socket with flags.
@c @implementation
public func chimney_accept4(
    _ stack: OpaquePointer?, _ fd: CInt, _ address: UnsafeMutablePointer<sockaddr>?,
    _ length: UnsafeMutablePointer<socklen_t>?, _ flags: CInt
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try unsafe stack.accept(fd, address, length, flags: flags) }
}

/// Opens a connection, or fixes a peer.
@c @implementation
public func chimney_connect(
    _ stack: OpaquePointer?, _ fd: CInt, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try unsafe stack.connect(fd, to: address, length) }
}

/// Says that no more is written, or read.
@c @implementation
public func chimney_shutdown(_ stack: OpaquePointer?, _ fd: CInt, _ how: CInt) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try stack.shutdown(fd, how: how) }
}

/// Tells a socket's own end.
@c @implementation
public func chimney_getsockname(
    _ stack: OpaquePointer?, _ fd: CInt, _ address: UnsafeMutablePointer<sockaddr>?,
    _ length: UnsafeMutablePointer<socklen_t>?
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        let (endpoint, family) = try stack.name(fd)
        guard unsafe address != nil else { throw Errno(EFAULT) }
        try unsafe SocketAddress.write(endpoint, family, to: address, length)
        return 0
    }
}

/// Tells the peer's end.
@c @implementation
public func chimney_getpeername(
    _ stack: OpaquePointer?, _ fd: CInt, _ address: UnsafeMutablePointer<sockaddr>?,
    _ length: UnsafeMutablePointer<socklen_t>?
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        let (endpoint, family) = try stack.peerName(fd)
        guard unsafe address != nil else { throw Errno(EFAULT) }
        try unsafe SocketAddress.write(endpoint, family, to: address, length)
        return 0
    }
}
