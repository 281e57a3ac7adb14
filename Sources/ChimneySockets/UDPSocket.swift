#if os(Linux)
    public import ChimneyPrimitives
    public import ChimneyRuntime
    public import ChimneyStack
    import Synchronization

    /// A UDP socket of a stack (RFC 768).
    ///
    /// Any task may use it. A task that prefers the stack's shard as its executor reads and writes without
    /// leaving its thread; from elsewhere the same calls go through the shard's inbox. Calls whose
    /// names begin with `try` never wait and work on the shard's thread only.
    ///
    /// The socket closes when ``close()`` is called or nobody holds it any more.
    public final class UDPSocket: @unchecked Sendable {
        /// The stack it belongs to.
        public let stack: StackHandle
        let id: SocketID
        // The rest is touched by the shard's thread only.
        let core: UDPSocketCore

        /// The most tasks that wait in one socket; one more is refused.
        public static var waitersMax: Int { 64 }

        private init(stack: StackHandle, id: SocketID, core: UDPSocketCore) {
            self.stack = stack
            self.id = id
            self.core = core
        }

        deinit {
            let core = core
            stack.cell.runWhenFree { core.close() }
        }

        /// Opens a socket in a routing table.
        ///
        /// - Throws: ``UDPError``.
        public static func open(
            on stack: StackHandle, fib: Int = 0, options: UDPOptions = UDPOptions()
        ) async throws(UDPError) -> UDPSocket {
            try await run(on: stack) { cell throws(UDPError) in
                let id: SocketID
                do throws(OpenError) {
                    id = try cell.stack.openUDP(fib: fib)
                } catch {
                    throw .open(error)
                }
                if options != UDPOptions() { cell.stack.setOptions(options, of: id) }
                let core = UDPSocketCore(cell: cell, id: id)
                cell.setListener(core, for: id)
                return UDPSocket(stack: stack, id: id, core: core)
            }
        }

        /// Opens a socket and binds it.
        ///
        /// - Throws: ``UDPError``.
        public static func bound(
            to endpoint: Endpoint, on stack: StackHandle, fib: Int = 0, options: UDPOptions = UDPOptions()
        ) async throws(UDPError) -> UDPSocket {
            let socket = try await open(on: stack, fib: fib, options: options)
            try await socket.bind(to: endpoint)
            return socket
        }

        /// Binds the socket to an address of the stack, or any, and a port; port 0 draws one.
        ///
        /// - Returns: the endpoint, port included.
        /// - Throws: ``UDPError``; the socket stays as it was.
        @discardableResult
        public func bind(to endpoint: Endpoint) async throws(UDPError) -> Endpoint {
            try await onShard { [id] cell throws(UDPError) in
                do throws(BindError) {
                    return try cell.stack.bind(id, to: endpoint)
                } catch {
                    throw UDPError(error)
                }
            }
        }

        /// Fixes the peer; 0.0.0.0:0 frees the socket again.
        ///
        /// - Throws: ``UDPError``; the old peer stays.
        public func connect(to endpoint: Endpoint) async throws(UDPError) {
            try await onShard { [id] cell throws(UDPError) in
                do throws(SendError) {
                    try cell.stack.connect(id, to: endpoint)
                } catch {
                    throw UDPError(error)
                }
                cell.touch()
            }
        }

        /// The socket's own endpoint.
        public var localEndpoint: Endpoint {
            get async throws(UDPError) {
                try await onShard { [id] cell throws(UDPError) in
                    guard let local = cell.stack.localEndpoint(id) else { throw .closed }
                    return local
                }
            }
        }

        /// The socket's options.
        public var options: UDPOptions {
            get async throws(UDPError) {
                try await onShard { [id] cell throws(UDPError) in
                    guard let options = cell.stack.options(of: id) else { throw .closed }
                    return options
                }
            }
        }

        /// Sets the socket's options.
        ///
        /// - Throws: ``UDPError``.
        public func setOptions(_ options: UDPOptions) async throws(UDPError) {
            try await onShard { [id] cell throws(UDPError) in cell.stack.setOptions(options, of: id) }
        }

        /// Closes the socket: those who wait for it get ``UDPError/closed``.
        public func close() async {
            let core = core
            _ = try? await onShard { _ throws(UDPError) in core.close() }
        }

        // MARK: Sending

        /// Sends a datagram.
        ///
        /// A destination of `nil` means the connected peer. Datagrams leave at the end of the shard's round.
        ///
        /// - Throws: ``UDPError``; nothing was sent.
        public func send(_ bytes: [UInt8], to destination: Endpoint? = nil) async throws(UDPError) {
            if stack.isFree { return try trySend(bytes.span.octets, to: destination) }
            try await onShard { [core] _ throws(UDPError) in try core.send(bytes.span.octets, to: destination) }
        }

        /// Sends a datagram to the sender of another, from the address that the other was sent to.
        ///
        /// A peer that connected its socket takes no answer from another address, and a host has several.
        ///
        /// - Throws: ``UDPError``; nothing was sent.
        public func answer(_ message: UDPMessage, with bytes: [UInt8]) async throws(UDPError) {
            if stack.isFree { return try core.answer(message, with: bytes.span.octets) }
            try await onShard { [core] _ throws(UDPError) in try core.answer(message, with: bytes.span.octets) }
        }

        /// Sends datagrams to their peers in one visit to the shard.
        ///
        /// - Returns: how many were sent; fewer than all when one of them, other than the first, was refused.
        /// - Throws: ``UDPError`` when the first was refused.
        @discardableResult
        public func sendBatch(_ messages: [UDPMessage]) async throws(UDPError) -> Int {
            try await onShard { [core] _ throws(UDPError) in
                var sent = 0
                for message in messages {
                    do throws(UDPError) {
                        try core.send(message.bytes.span.octets, to: message.peer)
                    } catch {
                        if sent == 0 { throw error }
                        return sent
                    }
                    sent += 1
                }
                return sent
            }
        }

        /// Sends a datagram at once; on the shard's thread only.
        ///
        /// - Throws: ``UDPError``; nothing was sent.
        @inline(__always)
        public func trySend(_ bytes: RawSpan, to destination: Endpoint? = nil) throws(UDPError) {
            guard stack.isFree else { throw .notOnShard }
            try core.send(bytes, to: destination)
        }

        // MARK: Receiving

        /// Receives a datagram, waiting for it until a deadline on the shard's clock.
        ///
        /// - Throws: ``UDPError``, among them the errors the network reported for a connected socket.
        public func receive(deadline: Instant? = nil) async throws(UDPError) -> UDPMessage {
            let messages = try await receiveBatch(max: 1, deadline: deadline)
            guard let first = messages.first else { throw .closed }
            return first
        }

        /// Receives the datagrams that wait, at most `max`; waits until there is one.
        ///
        /// - Throws: ``UDPError``, among them the errors the network reported for a connected socket.
        public func receiveBatch(max: Int, deadline: Instant? = nil) async throws(UDPError) -> [UDPMessage] {
            if stack.isFree, let messages = try core.take(max: max) { return messages }
            return try await wait(.messages(max: max), until: deadline)
        }

        /// Waits until a datagram or an error can be taken with ``tryReceive(_:)``.
        ///
        /// - Throws: ``UDPError``; errors of the network count as something to take.
        public func waitUntilReadable(deadline: Instant? = nil) async throws(UDPError) {
            if stack.isFree, core.isReadable { return }
            _ = try await wait(.readable, until: deadline)
        }

        /// Gives `body` the oldest waiting datagram, without copying it; on the shard's thread only.
        ///
        /// - Returns: what `body` returns; `nil` when no datagram waits.
        /// - Throws: ``UDPError``, among them the errors the network reported for a connected socket.
        @inline(__always)
        public func tryReceive<Value>(_ body: (borrowing Datagram) -> Value) throws(UDPError) -> Value? {
            guard stack.isFree else { throw .notOnShard }
            guard let count = try core.receivableCount(), count > 0 else { return nil }
            let datagram = core.takeFirst()
            return body(datagram)
        }

        /// The datagrams as they arrive, without end; iteration throws what ``receive(deadline:)`` throws.
        public var messages: UDPMessages { UDPMessages(socket: self) }

        private func wait(_ want: UDPSocketCore.Want, until deadline: Instant?) async throws(UDPError) -> [UDPMessage] {
            let core = core
            let stack = stack
            let ticket = core.tickets.wrappingAdd(1, ordering: .relaxed).newValue
            let result = await withTaskCancellationHandler {
                await unsafe withUnsafeContinuation {
                    (continuation: UnsafeContinuation<Result<[UDPMessage], UDPError>, Never>) in
                    // Invariant: the core resumes every waiter it is given, once.
                    let waiter = unsafe UDPSocketCore.Waiter(ticket: ticket, want: want, continuation: continuation)
                    stack.cell.runWhenFree { core.wait(waiter, until: deadline) }
                }
            } onCancel: {
                stack.cell.runWhenFree { core.cancel(ticket) }
            }
            return try result.get()
        }

        func onShard<Value: Sendable>(
            _ body: @escaping @Sendable (StackCell) throws(UDPError) -> Value
        ) async throws(UDPError) -> Value {
            try await Self.run(on: stack, body)
        }

        private static func run<Value: Sendable>(
            on stack: StackHandle, _ body: @escaping @Sendable (StackCell) throws(UDPError) -> Value
        ) async throws(UDPError) -> Value {
            do {
                return try await stack.onShard { cell, _ in try body(cell) }
            } catch let error as UDPError {
                throw error
            } catch {
                throw .stackRemoved
            }
        }
    }

    /// The datagrams of a socket, one after another.
    public struct UDPMessages: AsyncSequence, Sendable {
        /// One datagram.
        public typealias Element = UDPMessage
        /// What ends the iteration early.
        public typealias Failure = UDPError

        let socket: UDPSocket

        /// Takes datagrams in batches and gives them one by one.
        public struct Iterator: AsyncIteratorProtocol {
            let socket: UDPSocket
            private var batch: ArraySlice<UDPMessage> = []

            init(socket: UDPSocket) { self.socket = socket }

            /// The next datagram; `nil` once the socket is closed.
            public mutating func next() async throws(UDPError) -> UDPMessage? {
                try await next(isolation: nil)
            }

            /// The next datagram; `nil` once the socket is closed.
            public mutating func next(isolation actor: isolated (any Actor)?) async throws(UDPError) -> UDPMessage? {
                if batch.isEmpty {
                    do throws(UDPError) {
                        batch = try await socket.receiveBatch(max: 32)[...]
                    } catch {
                        if error == .closed { return nil }
                        throw error
                    }
                }
                return batch.popFirst()
            }
        }

        /// Iterates from the datagram that is next.
        public func makeAsyncIterator() -> Iterator { Iterator(socket: socket) }
    }
#endif
