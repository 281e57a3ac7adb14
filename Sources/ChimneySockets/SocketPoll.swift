#if os(Linux)
    public import ChimneyPrimitives
    import ChimneyRuntime
    import Synchronization

    /// What can be done with a socket without waiting.
    public struct SocketReadiness: OptionSet, Hashable, Sendable {
        /// A bit for each.
        public let rawValue: UInt8

        /// The set with these bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// There is something to read or accept, the end, or an error (`POLLIN`).
        public static var readable: Self { Self(rawValue: 1) }
        /// There is room to write, or a write tells why there never will be (`POLLOUT`).
        public static var writable: Self { Self(rawValue: 2) }
        /// Nothing more comes (`POLLRDHUP`); told to those who wait to read, or ask for it, and to all once nothing can be
        /// written either (`POLLHUP`).
        public static var hungUp: Self { Self(rawValue: 4) }
        /// The connection failed (`POLLERR`); told whether asked for or not.
        public static var failed: Self { Self(rawValue: 8) }
    }

    /// Why sockets were not waited for.
    public enum SocketPollError: Error, Hashable, Sendable {
        /// More sockets than ``SocketPoll/socketsMax``.
        case tooManySockets(max: Int)
        /// The sockets are of stacks on different shards.
        case differentShards
        /// As many tasks wait for one of the sockets, or for deadlines of the shard, as may.
        case tooManyWaiters(max: Int)
        /// The task was cancelled while it waited.
        case cancelled
    }

    /// Waits for whichever of several sockets is ready first, as `poll` does: TCP, listeners and UDP, of stacks on one shard.
    ///
    ///     let ready = try await SocketPoll.wait(for: [.init(listener), .init(socket, for: [.readable, .writable])])
    public enum SocketPoll {
        /// A socket, and what it is waited for.
        public struct Item: Sendable {
            let polled: any Polled
            var shard: Shard { polled.cell.shard }
            /// What it is waited for.
            public var interest: SocketReadiness

            /// A connection.
            public init(_ socket: TCPSocket, for interest: SocketReadiness = .readable) {
                polled = socket.core
                self.interest = interest
            }

            /// A listener; it is readable when there is a connection to accept.
            public init(_ listener: TCPListener) {
                polled = listener.core
                interest = .readable
            }

            /// A UDP socket, which always is writable.
            public init(_ socket: UDPSocket, for interest: SocketReadiness = .readable) {
                polled = socket.core
                self.interest = interest
            }
        }

        /// The most sockets of one wait; more are refused.
        public static var socketsMax: Int { 1_024 }

        /// Waits until one of the sockets is ready, or the deadline.
        ///
        /// - Parameters:
        ///   - items: the sockets, and what each is waited for. The caller keeps the sockets.
        ///   - deadline: on the shard's clock; one that has passed asks without waiting.
        /// - Returns: what each socket is ready for, in the order of `items`; nothing for each when the deadline passed.
        /// - Throws: ``SocketPollError``.
        /// - Complexity: O(n) in the sockets, at the beginning and at the end.
        public static func wait(
            for items: [Item], deadline: Instant? = nil
        ) async throws(SocketPollError) -> [SocketReadiness] {
            guard let shard = items.first?.shard else { return [] }
            guard items.count <= socketsMax else { throw .tooManySockets(max: socketsMax) }
            guard items.allSatisfy({ $0.shard === shard }) else { throw .differentShards }
            let watch = PollWatch(items, on: shard)
            let outcome = await withTaskCancellationHandler {
                await unsafe withUnsafeContinuation {
                    (continuation: UnsafeContinuation<PollWatch.Outcome, Never>) in
                    // Invariant: the watch resumes what it is given, once.
                    let pending = unsafe PollWatch.Pending(continuation)
                    watch.run { watch.begin(pending, until: deadline) }
                }
            } onCancel: {
                watch.isCancelled.store(true, ordering: .relaxed)
                watch.run { watch.end(.failure(.cancelled)) }
            }
            return try outcome.get()
        }
    }

    /// A socket on its shard, as far as a wait for several asks.
    protocol Polled: AnyObject, Sendable {
        var cell: StackCell { get }
        /// What can be done now; called on the shard's thread.
        func readiness(for interest: SocketReadiness) -> SocketReadiness
        /// Who waits; at most ``TCPSocket/waitersMax``.
        var watches: [PollWatch] { get set }
    }

    extension Polled {
        /// Has those who wait for several sockets look again.
        func tellWatches() {
            guard !watches.isEmpty else { return }
            for watch in watches { watch.look() }
        }
    }

    /// A wait for several sockets, on their shard.
    ///
    /// Touched by the shard's thread only, but for `isCancelled`.
    final class PollWatch: Alarmed, @unchecked Sendable {
        typealias Outcome = Result<[SocketReadiness], SocketPollError>

        @safe
        struct Pending: @unchecked Sendable {
            // Invariant: resumed once: whoever takes it out of the watch resumes it.
            private let continuation: UnsafeContinuation<Outcome, Never>

            init(_ continuation: UnsafeContinuation<Outcome, Never>) {
                unsafe self.continuation = unsafe continuation
            }

            func resume(_ outcome: Outcome) { unsafe continuation.resume(returning: outcome) }
        }

        let isCancelled = Atomic(false)
        private let items: [SocketPoll.Item]
        private let shard: Shard
        private var pending: Pending?
        private var timer: UInt32?

        init(_ items: [SocketPoll.Item], on shard: Shard) {
            self.items = items
            self.shard = shard
        }

        /// Runs a command on the shard's thread when none of the stacks is in use.
        func run(_ command: @escaping @Sendable () -> Void) {
            let isFree = shard.isCurrent && !items.contains { $0.polled.cell.isInUse }
            if isFree { command() } else { shard.runLater(command) }
        }

        func begin(_ pending: Pending, until deadline: Instant?) {
            self.pending = pending
            if isCancelled.load(ordering: .relaxed) { return end(.failure(.cancelled)) }
            let ready = readiness
            let none = ready.allSatisfy(\.isEmpty)
            if !none { return end(.success(ready)) }
            if let deadline {
                guard deadline > shard.now else { return end(.success(ready)) }
                timer = shard.arm(self, name: 0, at: deadline)
                if timer == nil { return end(.failure(.tooManyWaiters(max: shard.alarmsMax))) }
            }
            for item in items {
                guard item.polled.watches.count < TCPSocket.waitersMax else {
                    return end(.failure(.tooManyWaiters(max: TCPSocket.waitersMax)))
                }
                item.polled.watches.append(self)
            }
        }

        private var readiness: [SocketReadiness] {
            items.map { item in
                item.polled.readiness(for: item.interest).intersection(item.interest.union([.hungUp, .failed]))
            }
        }

        func look() {
            guard pending != nil else { return }
            let ready = readiness
            if !ready.allSatisfy(\.isEmpty) { end(.success(ready)) }
        }

        func end(_ outcome: Outcome) {
            guard let pending else { return }
            self.pending = nil
            if let timer { shard.disarm(timer) }
            timer = nil
            for item in items { item.polled.watches.removeAll { $0 === self } }
            pending.resume(outcome)
        }

        func alarmFired(_ name: UInt64, at now: Instant) {
            timer = nil
            end(.success(items.map { _ in [] }))
        }
    }
#endif
