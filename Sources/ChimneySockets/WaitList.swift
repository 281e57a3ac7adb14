#if os(Linux)
    import ChimneyPrimitives
    import ChimneyRuntime
    import Synchronization

    /// A wait of one task, as its cancellation finds it.
    final class WaitTicket: Sendable {
        let isCancelled = Atomic(false)
    }

    /// Tasks that wait for the same thing of a socket; who came first is served first.
    ///
    /// Touched by the shard's thread only.
    struct WaitList<Want: Sendable, Value: Sendable> {
        typealias Outcome = Result<Value, TCPSocketError>

        @safe
        struct Waiter: @unchecked Sendable {
            let ticket: WaitTicket
            var want: Want
            // Invariant: resumed once: whoever takes the waiter out of the list resumes it.
            private let continuation: UnsafeContinuation<Outcome, Never>
            fileprivate var name: UInt64 = 0
            fileprivate var timer: UInt32?

            init(_ ticket: WaitTicket, _ want: Want, _ continuation: UnsafeContinuation<Outcome, Never>) {
                self.ticket = ticket
                self.want = want
                unsafe self.continuation = unsafe continuation
            }

            func resume(_ outcome: Outcome) { unsafe continuation.resume(returning: outcome) }
        }

        private var waiters: [Waiter] = []

        var isEmpty: Bool { waiters.isEmpty }

        /// Serves a task at once when it is the first and what it wants is there, or lets it wait.
        ///
        /// - Parameters:
        ///   - waiter: the task.
        ///   - deadline: until when it waits.
        ///   - name: what the deadline is armed under; unique among those of `target`.
        ///   - target: who hears of the deadline.
        ///   - shard: whose thread this is.
        ///   - attempt: gives a task what it wants, if that is there.
        mutating func begin(
            _ waiter: Waiter, until deadline: Instant?, name: UInt64, for target: any Alarmed, on shard: Shard,
            _ attempt: (inout Want) throws(TCPSocketError) -> Value?
        ) {
            var waiter = waiter
            if waiter.ticket.isCancelled.load(ordering: .relaxed) { return waiter.resume(.failure(.cancelled)) }
            if waiters.isEmpty, let outcome = Self.outcome(of: &waiter.want, attempt) { return waiter.resume(outcome) }
            guard waiters.count < TCPSocket.waitersMax else {
                return waiter.resume(.failure(.tooManyWaiters(max: TCPSocket.waitersMax)))
            }
            if let deadline {
                guard deadline > shard.now else { return waiter.resume(.failure(.deadlinePassed)) }
                guard let timer = shard.arm(target, name: name, at: deadline) else {
                    return waiter.resume(.failure(.tooManyWaiters(max: shard.alarmsMax)))
                }
                waiter.timer = timer
                waiter.name = name
            }
            waiters.append(waiter)
        }

        private static func outcome(
            of want: inout Want, _ attempt: (inout Want) throws(TCPSocketError) -> Value?
        ) -> Outcome? {
            do throws(TCPSocketError) {
                return try attempt(&want).map { .success($0) }
            } catch {
                return .failure(error)
            }
        }

        /// Serves those whose turn has come.
        mutating func serve(on shard: Shard, _ attempt: (inout Want) throws(TCPSocketError) -> Value?) {
            var served = 0
            while served < waiters.count, let outcome = Self.outcome(of: &waiters[served].want, attempt) {
                if let timer = waiters[served].timer { shard.disarm(timer) }
                waiters[served].resume(outcome)
                served += 1
            }
            waiters.removeFirst(served)
        }

        /// The deadline armed under `name` has passed.
        mutating func expire(_ name: UInt64) {
            guard let index = waiters.firstIndex(where: { $0.timer != nil && $0.name == name }) else { return }
            waiters.remove(at: index).resume(.failure(.deadlinePassed))
        }

        /// A task was cancelled; one that is still to begin finds that out itself.
        mutating func cancel(_ ticket: WaitTicket, on shard: Shard) {
            guard let index = waiters.firstIndex(where: { $0.ticket === ticket }) else { return }
            let waiter = waiters.remove(at: index)
            if let timer = waiter.timer { shard.disarm(timer) }
            waiter.resume(.failure(.cancelled))
        }

        /// Tells all that they wait in vain.
        mutating func dismiss(_ error: TCPSocketError, on shard: Shard) {
            let all = waiters
            waiters = []
            for waiter in all {
                if let timer = waiter.timer { shard.disarm(timer) }
                waiter.resume(.failure(error))
            }
        }
    }

    /// Suspends a task until the shard gives it an outcome.
    ///
    /// - Parameters:
    ///   - stack: the stack, on whose thread `begin` and `cancel` run.
    ///   - want: what the task waits for.
    ///   - begin: takes the task into a list, which resumes it once.
    ///   - cancel: takes it out again.
    /// - Returns: what the task waited for.
    /// - Throws: why it waited in vain.
    func waiting<Want: Sendable, Value: Sendable>(
        on stack: StackHandle, for want: Want, begin: @escaping @Sendable (WaitList<Want, Value>.Waiter) -> Void,
        cancel: @escaping @Sendable (WaitTicket) -> Void
    ) async throws(TCPSocketError) -> Value {
        let ticket = WaitTicket()
        let outcome = await withTaskCancellationHandler {
            await unsafe withUnsafeContinuation {
                (continuation: UnsafeContinuation<Result<Value, TCPSocketError>, Never>) in
                // Invariant: the list resumes every waiter it is given, once.
                let waiter = unsafe WaitList<Want, Value>.Waiter(ticket, want, continuation)
                stack.cell.runWhenFree { begin(waiter) }
            }
        } onCancel: {
            ticket.isCancelled.store(true, ordering: .relaxed)
            stack.cell.runWhenFree { cancel(ticket) }
        }
        return try outcome.get()
    }

    extension StackHandle {
        /// Runs `body` on the shard's thread, for a socket of TCP.
        func onShardForTCP<Value: Sendable>(
            _ body: @escaping @Sendable (StackCell) throws(TCPSocketError) -> Value
        ) async throws(TCPSocketError) -> Value {
            do {
                return try await onShard { cell, _ in try body(cell) }
            } catch let error as TCPSocketError {
                throw error
            } catch {
                throw .stackRemoved
            }
        }
    }
#endif
