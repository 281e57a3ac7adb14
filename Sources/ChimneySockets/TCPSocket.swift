#if os(Linux)
    public import ChimneyPrimitives
    public import ChimneyRuntime
    public import ChimneyStack
    public import ChimneyTCP

    /// A TCP connection of a stack, as a stream of bytes each way (RFC 9293).
    ///
    /// Any task may use it. A task that prefers the stack's shard as its executor reads and writes without
    /// leaving its thread; from elsewhere the same calls go through the shard's inbox. Calls whose
    /// names begin with `try` never wait and work on the shard's thread only.
    ///
    /// A connection is the program's until ``close(linger:)``: one that ended stays to be read and asked for, and takes one of
    /// the stack's `TCPStackSettings.connectionsMax` places. Nobody holding the socket any more closes it, too, as `close()` does
    /// without a time to linger: what was written goes out, and a peer whose bytes were not read is told by a RST.
    public final class TCPSocket: @unchecked Sendable {
        /// The stack it belongs to.
        public let stack: StackHandle
        /// Our end.
        public let local: Endpoint
        /// The peer's end.
        public let remote: Endpoint
        // Touched by the shard's thread only.
        let core: TCPSocketCore

        /// The most tasks that wait to read from one socket, that wait to write, or that accept from one listener; one more is
        /// refused.
        public static var waitersMax: Int { 64 }

        init(stack: StackHandle, core: TCPSocketCore, local: Endpoint, remote: Endpoint) {
            self.stack = stack
            self.core = core
            self.local = local
            self.remote = remote
        }

        deinit {
            let core = core
            stack.cell.runWhenFree { core.close(linger: nil) }
        }

        /// Opens a connection and waits until it is open.
        ///
        /// A task that is cancelled meanwhile, or whose deadline passes, gives it up.
        ///
        /// - Parameters:
        ///   - peer: an address of a host, and a port.
        ///   - source: the address and port to open it from; 0.0.0.0, `::` and port 0 leave it to the stack.
        ///   - stack: the stack.
        ///   - settings: how it behaves; `nil` for the stack's.
        ///   - fib: the routing table.
        ///   - deadline: on the shard's clock; without one the stack gives up after `TCPSettings.synRetriesMax` SYNs.
        /// - Returns: the connection, open.
        /// - Throws: ``TCPSocketError/connect(_:)`` when it was not begun, ``TCPSocketError/failed(_:)`` when it was refused or
        ///   nobody answered, and what ends waits.
        public static func connect(
            to peer: Endpoint, from source: Endpoint = .any, on stack: StackHandle, settings: TCPSettings? = nil,
            fib: Int = 0, deadline: Instant? = nil
        ) async throws(TCPSocketError) -> TCPSocket {
            let socket = try await stack.onShardForTCP { cell throws(TCPSocketError) in
                let id: TCPConnectionID
                do throws(ConnectError) {
                    id = try cell.stack.connectTCP(
                        to: peer, from: source, settings: settings, fib: fib, at: cell.shard.now)
                } catch {
                    throw .connect(error)
                }
                cell.touch()
                guard let socket = TCPSocket.adopted(id, cell: cell, stack: stack) else { throw .closed }
                return socket
            }
            do throws(TCPSocketError) {
                try await socket.wait(toWrite: .open, until: deadline)
            } catch {
                await socket.abort()
                throw error
            }
            return socket
        }

        /// A socket for a connection of the stack; `nil` when there is none of that number.
        static func adopted(_ id: TCPConnectionID, cell: StackCell, stack: StackHandle) -> TCPSocket? {
            guard let local = cell.stack.localEndpoint(id), let remote = cell.stack.remoteEndpoint(id) else {
                return nil
            }
            let core = TCPSocketCore(cell: cell, id: id)
            cell.setListener(core, for: id)
            return TCPSocket(stack: stack, core: core, local: local, remote: remote)
        }

        // MARK: Options and questions

        /// Whether small segments leave at once though earlier ones are not acknowledged (`TCP_NODELAY`).
        ///
        /// - Throws: ``TCPSocketError/closed``.
        public func setNoDelay(_ isOn: Bool) async throws(TCPSocketError) {
            try await change { stack, id, now throws(TCPSocketError) in stack.setNoDelay(isOn, of: id, at: now) }
        }

        /// Whether only full segments leave, until it is switched off (`TCP_CORK`, `TCP_NOPUSH`).
        ///
        /// - Throws: ``TCPSocketError/closed``.
        public func setCorked(_ isOn: Bool) async throws(TCPSocketError) {
            try await change { stack, id, now throws(TCPSocketError) in stack.setCorked(isOn, of: id, at: now) }
        }

        /// The type-of-service or traffic class byte of its packets; the two bits of ECN are the stack's.
        ///
        /// - Throws: ``TCPSocketError/closed``.
        public func setTypeOfService(_ value: UInt8) async throws(TCPSocketError) {
            try await change { stack, id, _ throws(TCPSocketError) in stack.setTypeOfService(value, of: id) }
        }

        /// Changes the congestion control, by the name of one that the stack's settings allow (`TCP_CONGESTION`).
        ///
        /// - Throws: ``TCPSocketError/congestionControl(_:)``, with the old one staying; ``TCPSocketError/closed``.
        public func setCongestionControl(_ name: String) async throws(TCPSocketError) {
            try await change { stack, id, now throws(TCPSocketError) in
                do throws(CongestionChoiceError) {
                    let algorithm = try stack.settings.tcp.congestionControls.chosen(name)
                    stack.setCongestionControl(algorithm, of: id, at: now)
                } catch {
                    throw .congestionControl(error)
                }
            }
        }

        /// Changes how the connection behaves: its buffers, keep-alive, user timeout, and how patient it is (`SO_SNDBUF`, `SO_RCVBUF`).
        ///
        /// What its handshake settled stays as it is, and so does `TCPSettings.noDelay`: see ``setNoDelay(_:)``.
        ///
        /// - Throws: ``TCPSocketError/closed``.
        public func setSettings(_ settings: TCPSettings) async throws(TCPSocketError) {
            try await change { stack, id, now throws(TCPSocketError) in stack.setSettings(settings, of: id, at: now) }
        }

        private func change(
            _ body: @escaping @Sendable (inout VirtualStack, TCPConnectionID, Instant) throws(TCPSocketError) -> Void
        ) async throws(TCPSocketError) {
            try await stack.onShardForTCP { [core] cell throws(TCPSocketError) in
                try core.checkOpen()
                try body(&cell.stack, core.id, cell.shard.now)
                cell.touch()
            }
        }

        /// How the connection stands: queues, windows, timers, recovery (`TCP_INFO`).
        ///
        /// - Throws: ``TCPSocketError/closed``.
        public var snapshot: TCPConnectionSnapshot {
            get async throws(TCPSocketError) {
                try await stack.onShardForTCP { [core] cell throws(TCPSocketError) in
                    try core.checkOpen()
                    // A congestion control is asked, too, and may be a user's.
                    let now = cell.shard.now
                    guard let snapshot = cell.withStack({ $0.snapshot(core.id, at: now) }) else { throw .closed }
                    return snapshot
                }
            }
        }

        // MARK: Ending

        /// Is done with one way of the connection or both; the socket stays.
        ///
        /// After ``ShutdownDirection/writing`` the peer reads all that was written, and its end; a reader here goes on. That
        /// ``read(max:deadline:)`` then gives `nil` is the proof that the peer got everything.
        ///
        /// - Throws: ``TCPSocketError/closed``.
        public func shutdown(_ direction: ShutdownDirection = .writing) async throws(TCPSocketError) {
            try await stack.onShardForTCP { [core] _ throws(TCPSocketError) in try core.shutdown(direction) }
        }

        /// Closes the socket: those who wait for it get ``TCPSocketError/closed``, and the stack goes on alone with what was
        /// written.
        ///
        /// When something that arrived was not read, the peer is told by a RST that it was lost (RFC 9293 §3.6.1).
        ///
        /// - Parameter linger: how long what was written may take to be acknowledged before the connection is given up; zero
        ///   gives it up now (`SO_LINGER`); `nil` leaves it its time. The call itself does not wait: see
        ///   ``shutdown(_:)``.
        public func close(linger: TimeSpan? = nil) async {
            let core = core
            try? await stack.onShardForTCP { _ throws(TCPSocketError) in core.close(linger: linger) }
        }

        /// Gives the connection up: the peer is told by a RST, and what was not sent is lost.
        public func abort() async { await close(linger: .zero) }
    }
#endif
