#if os(Linux)
    import ChimneyPrimitives
    import ChimneyRuntime
    import ChimneyStack
    import Synchronization

    /// What a socket is on its shard: who waits for it.
    ///
    /// Touched by the shard's thread only, but for `tickets`.
    final class UDPSocketCore: SocketListener, Alarmed, Polled, @unchecked Sendable {
        let cell: StackCell
        private let id: SocketID
        private var isClosed = false
        /// In the order they came; at most ``UDPSocket/waitersMax``.
        private var waiters: [Waiter] = []
        var watches: [PollWatch] = []
        /// Waits that were cancelled before they began.
        private var cancelledEarly: [UInt64] = []
        /// Names for waits.
        let tickets = Atomic<UInt64>(0)

        enum Want: Sendable {
            case readable
            case messages(max: Int)
        }

        @safe
        struct Waiter: @unchecked Sendable {
            let ticket: UInt64
            let want: Want
            // Invariant: resumed once: whoever takes the waiter out of the list resumes it.
            let continuation: UnsafeContinuation<Result<[UDPMessage], UDPError>, Never>
            var timer: UInt32?

            init(
                ticket: UInt64, want: Want, continuation: UnsafeContinuation<Result<[UDPMessage], UDPError>, Never>
            ) {
                self.ticket = ticket
                self.want = want
                unsafe self.continuation = unsafe continuation
            }
        }

        init(cell: StackCell, id: SocketID) {
            self.cell = cell
            self.id = id
        }

        private func checkOpen() throws(UDPError) {
            if isClosed { throw cell.isRemoved ? .stackRemoved : .closed }
        }

        @inline(__always)
        func send(_ bytes: RawSpan, to destination: Endpoint?) throws(UDPError) {
            try checkOpen()
            do throws(SendError) {
                try cell.stack.send(id, bytes, to: destination, at: cell.shard.now)
            } catch {
                throw UDPError(error)
            }
            cell.touch()
        }

        func answer(_ message: UDPMessage, with bytes: RawSpan) throws(UDPError) {
            try checkOpen()
            do throws(SendError) {
                try cell.stack.answer(id, to: message.peer, from: message.local, with: bytes, at: cell.shard.now)
            } catch {
                throw UDPError(error)
            }
            cell.touch()
        }

        var isReadable: Bool { isClosed || cell.stack.isReadable(id) }

        /// How many datagrams wait; a pending error of the network is thrown once.
        @inline(__always)
        func receivableCount() throws(UDPError) -> Int? {
            try checkOpen()
            let count = cell.stack.receivableCount(id)
            if count == 0, let error = cell.stack.takeError(id) { throw .network(error) }
            return count
        }

        /// Takes the oldest datagram; one must wait.
        @inline(__always)
        func takeFirst() -> Datagram { cell.stack.receive(id) }

        /// Takes up to `max` datagrams; `nil` when none waits.
        func take(max: Int) throws(UDPError) -> [UDPMessage]? {
            guard let waiting = try receivableCount(), waiting > 0 else { return nil }
            var result: [UDPMessage] = []
            let count = min(waiting, Swift.max(1, max))
            result.reserveCapacity(count)
            for _ in 0..<count { result.append(UDPMessage(takeFirst())) }
            return result
        }

        func wait(_ waiter: Waiter, until deadline: Instant?) {
            if let index = cancelledEarly.firstIndex(of: waiter.ticket) {
                cancelledEarly.remove(at: index)
                return waiter.resume(.failure(.cancelled))
            }
            // Who came first is served first.
            if waiters.isEmpty, serve(waiter) { return }
            guard waiters.count < UDPSocket.waitersMax else {
                return waiter.resume(.failure(.tooManyWaiters(max: UDPSocket.waitersMax)))
            }
            var waiter = waiter
            if let deadline {
                guard deadline > cell.shard.now else { return waiter.resume(.failure(.deadlinePassed)) }
                guard let timer = cell.shard.arm(self, name: waiter.ticket, at: deadline) else {
                    return waiter.resume(.failure(.tooManyWaiters(max: cell.shard.alarmsMax)))
                }
                waiter.timer = timer
            }
            waiters.append(waiter)
        }

        /// Gives a waiter what it waits for, if that is there.
        private func serve(_ waiter: Waiter) -> Bool {
            do throws(UDPError) {
                switch waiter.want {
                case .readable:
                    if !isReadable { return false }
                    waiter.resume(.success([]))
                case .messages(let max):
                    guard let messages = try take(max: max) else { return false }
                    waiter.resume(.success(messages))
                }
            } catch {
                waiter.resume(.failure(error))
            }
            return true
        }

        func socketHasNews(at now: Instant) {
            var served = 0
            while served < waiters.count, serve(waiters[served]) {
                if let timer = waiters[served].timer { cell.shard.disarm(timer) }
                served += 1
            }
            waiters.removeFirst(served)
            tellWatches()
        }

        func readiness(for interest: SocketReadiness) -> SocketReadiness {
            if isClosed { return [.readable, .writable, .hungUp] }
            return !cell.isInUse && isReadable ? [.readable, .writable] : .writable
        }

        func alarmFired(_ name: UInt64, at now: Instant) {
            guard let index = waiters.firstIndex(where: { $0.ticket == name }) else { return }
            waiters.remove(at: index).resume(.failure(.deadlinePassed))
        }

        func cancel(_ ticket: UInt64) {
            guard let index = waiters.firstIndex(where: { $0.ticket == ticket }) else {
                // The wait may be over, or its turn in the inbox still to come.
                if cancelledEarly.count == UDPSocket.waitersMax { cancelledEarly.removeFirst() }
                cancelledEarly.append(ticket)
                return
            }
            let waiter = waiters.remove(at: index)
            if let timer = waiter.timer { cell.shard.disarm(timer) }
            waiter.resume(.failure(.cancelled))
        }

        func stackWasRemoved() {
            isClosed = true
            dismiss(.stackRemoved)
        }

        func close() {
            guard !isClosed else { return }
            isClosed = true
            cell.stack.close(id)
            cell.setListener(nil, for: id)
            // The groups it leaves have reports to send.
            cell.touch()
            dismiss(.closed)
        }

        private func dismiss(_ error: UDPError) {
            let all = waiters
            waiters = []
            for waiter in all {
                if let timer = waiter.timer { cell.shard.disarm(timer) }
                waiter.resume(.failure(error))
            }
            tellWatches()
        }
    }

    extension UDPSocketCore.Waiter {
        func resume(_ result: Result<[UDPMessage], UDPError>) { unsafe continuation.resume(returning: result) }
    }
#endif
