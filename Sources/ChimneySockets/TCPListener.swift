#if os(Linux)
    public import ChimneyPrimitives
    public import ChimneyRuntime
    public import ChimneyStack
    public import ChimneyTCP

    /// A port of a stack on which connections are taken (RFC 9293 §3.10.1).
    ///
    /// Any task may use it, as it may use a ``TCPSocket``. The stack completes handshakes by itself; what is not accepted
    /// waits, and at the bound of those that wait further SYNs are dropped, which come again.
    ///
    /// The listener closes when ``close()`` is called or nobody holds it any more; connections accepted before go on.
    public final class TCPListener: @unchecked Sendable {
        /// The stack it belongs to.
        public let stack: StackHandle
        /// Where it takes connections, the port included.
        public let local: Endpoint
        // Touched by the shard's thread only.
        let core: TCPListenerCore

        private init(stack: StackHandle, core: TCPListenerCore, local: Endpoint) {
            self.stack = stack
            self.core = core
            self.local = local
        }

        deinit {
            let core = core
            stack.cell.runWhenFree { core.close() }
        }

        /// Takes connections on an address of the stack, or any, and a port.
        ///
        /// `::` takes those of both families, unless `onlyIPv6` says otherwise; port 0 draws one.
        ///
        /// - Parameters:
        ///   - endpoint: an address of ours, 0.0.0.0 or `::`, and the port.
        ///   - stack: the stack.
        ///   - backlogMax: the most connections that wait to be accepted, at most `TCPStackSettings.backlogMax`.
        ///   - settings: how its connections behave; `nil` for the stack's.
        ///   - fib: the routing table of its connections.
        ///   - onlyIPv6: whether `::` takes those of IPv6 alone (`IPV6_V6ONLY`).
        /// - Returns: the listener, which takes connections from now on.
        /// - Throws: ``TCPSocketError/listen(_:)``; nothing is opened.
        public static func bound(
            to endpoint: Endpoint, on stack: StackHandle, backlogMax: Int = 128, settings: TCPSettings? = nil,
            fib: Int = 0, onlyIPv6: Bool = false
        ) async throws(TCPSocketError) -> TCPListener {
            try await stack.onShardForTCP { cell throws(TCPSocketError) in
                let id: TCPListenerID
                do throws(ListenError) {
                    id = try cell.stack.listenTCP(
                        on: endpoint, backlogMax: backlogMax, settings: settings, fib: fib, onlyIPv6: onlyIPv6)
                } catch {
                    throw .listen(error)
                }
                let core = TCPListenerCore(stack: stack, id: id)
                cell.setListener(core, for: id)
                return TCPListener(stack: stack, core: core, local: cell.stack.localEndpoint(id) ?? endpoint)
            }
        }

        /// Takes the connection that has waited longest; waits until there is one.
        ///
        /// It may have ended meanwhile: then its reader is told.
        ///
        /// - Throws: what ends waits; ``TCPSocketError/closed``.
        public func accept(deadline: Instant? = nil) async throws(TCPSocketError) -> TCPSocket {
            if stack.isFree, core.canAcceptAtOnce, let socket = try core.take() { return socket }
            let core = core
            return try await waiting(on: stack, for: ()) {
                core.wait($0, until: deadline)
            } cancel: {
                core.cancel($0)
            }
        }

        /// Takes the connection that has waited longest; on the shard's thread only.
        ///
        /// - Returns: `nil` when none waits.
        /// - Throws: ``TCPSocketError/closed``, ``TCPSocketError/notOnShard``.
        public func tryAccept() throws(TCPSocketError) -> TCPSocket? {
            guard stack.isFree else { throw .notOnShard }
            return core.canAcceptAtOnce ? try core.take() : nil
        }

        /// The connections as they come, without end; iteration throws what ``accept(deadline:)`` throws.
        public var connections: TCPConnections { TCPConnections(listener: self) }

        /// How the listener stands.
        ///
        /// - Throws: ``TCPSocketError/closed``.
        public var snapshot: TCPListenerSnapshot {
            get async throws(TCPSocketError) {
                try await stack.onShardForTCP { [core] cell throws(TCPSocketError) in
                    try core.checkOpen()
                    guard let snapshot = cell.stack.tcpListeners.first(where: { $0.id == core.id }) else {
                        throw .closed
                    }
                    return snapshot
                }
            }
        }

        /// Takes no more connections: those who wait get ``TCPSocketError/closed``, and connections that wait to be accepted are
        /// given up.
        public func close() async {
            let core = core
            try? await stack.onShardForTCP { _ throws(TCPSocketError) in core.close() }
        }
    }

    /// The connections that a listener takes, one after another.
    public struct TCPConnections: AsyncSequence, Sendable {
        /// A connection, open.
        public typealias Element = TCPSocket
        /// What ends the iteration early.
        public typealias Failure = TCPSocketError

        let listener: TCPListener

        /// Accepts one connection after another.
        public struct Iterator: AsyncIteratorProtocol {
            let listener: TCPListener

            /// The next connection; `nil` once the listener is closed.
            public mutating func next() async throws(TCPSocketError) -> TCPSocket? {
                try await next(isolation: nil)
            }

            /// The next connection; `nil` once the listener is closed.
            public mutating func next(
                isolation actor: isolated (any Actor)?
            ) async throws(TCPSocketError) -> TCPSocket? {
                do throws(TCPSocketError) {
                    return try await listener.accept()
                } catch {
                    if error == .closed { return nil }
                    throw error
                }
            }
        }

        /// Iterates from the connection that has waited longest.
        public func makeAsyncIterator() -> Iterator { Iterator(listener: listener) }
    }

    /// What a listener is on its shard: who waits to accept.
    ///
    /// Touched by the shard's thread only.
    final class TCPListenerCore: SocketListener, Alarmed, Polled, @unchecked Sendable {
        private let stack: StackHandle
        let cell: StackCell
        let id: TCPListenerID
        private var isClosed = false
        private var accepters = WaitList<Void, TCPSocket>()
        var watches: [PollWatch] = []
        private var lastName: UInt64 = 0

        init(stack: StackHandle, id: TCPListenerID) {
            self.stack = stack
            cell = stack.cell
            self.id = id
        }

        func checkOpen() throws(TCPSocketError) {
            if isClosed { throw cell.isRemoved ? .stackRemoved : .closed }
        }

        var canAcceptAtOnce: Bool { accepters.isEmpty }

        /// Takes the connection that has waited longest.
        func take() throws(TCPSocketError) -> TCPSocket? {
            try checkOpen()
            while let connection = cell.stack.accept(id) {
                if let socket = TCPSocket.adopted(connection, cell: cell, stack: stack) { return socket }
            }
            return nil
        }

        func wait(_ waiter: WaitList<Void, TCPSocket>.Waiter, until deadline: Instant?) {
            lastName += 1
            accepters.begin(waiter, until: deadline, name: lastName, for: self, on: cell.shard) {
                _ throws(TCPSocketError) in try take()
            }
        }

        func cancel(_ ticket: WaitTicket) { accepters.cancel(ticket, on: cell.shard) }

        func socketHasNews(at now: Instant) {
            guard !isClosed else { return }
            if !accepters.isEmpty { accepters.serve(on: cell.shard) { _ throws(TCPSocketError) in try take() } }
            tellWatches()
        }

        func alarmFired(_ name: UInt64, at now: Instant) { accepters.expire(name) }

        func readiness(for interest: SocketReadiness) -> SocketReadiness {
            if isClosed { return [.readable, .hungUp] }
            return !cell.isInUse && cell.stack.acceptableCount(id) > 0 ? .readable : []
        }

        func close() {
            guard !isClosed else { return }
            isClosed = true
            cell.setListener(nil, for: id)
            cell.stack.close(id, at: cell.shard.now)
            cell.touch()
            dismiss(.closed)
        }

        func stackWasRemoved() {
            isClosed = true
            dismiss(.stackRemoved)
        }

        private func dismiss(_ error: TCPSocketError) {
            accepters.dismiss(error, on: cell.shard)
            tellWatches()
        }
    }
#endif
