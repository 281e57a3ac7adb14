#if os(Linux)
    import Synchronization

    /// What other threads ask of a shard: jobs of tasks to run, and commands.
    ///
    /// Jobs may not be refused, so that it grows as needed. Who appends holds the lock for an append; the
    /// shard takes all entries at once, and an empty inbox costs it one load.
    final class ShardInbox: Sendable {
        enum Entry: Sendable {
            case job(UnownedJob)
            case command(@Sendable () -> Void)
        }

        /// Whether a thread serves the shard.
        enum Service { case running, none }

        private struct State {
            var entries: [Entry] = []
            var service = Service.none
        }

        private let state = Mutex(State())
        private let isFilled = Atomic(false)
        private let isAsleep = Atomic(false)

        /// Whether entries may wait.
        var hasEntries: Bool { isFilled.load(ordering: .sequentiallyConsistent) }

        /// Appends an entry.
        ///
        /// - Returns: whether the shard sleeps and must be woken, or has no thread and needs one.
        func append(_ entry: Entry) -> (mustWake: Bool, mustServe: Bool) {
            let mustServe = state.withLock { state in
                state.entries.append(entry)
                isFilled.store(true, ordering: .sequentiallyConsistent)
                defer { state.service = .running }
                return state.service == .none
            }
            return (isAsleep.exchange(false, ordering: .sequentiallyConsistent), mustServe)
        }

        /// Takes all entries, in order.
        func takeAll() -> [Entry] {
            guard hasEntries else { return [] }
            return state.withLock { state in
                isFilled.store(false, ordering: .sequentiallyConsistent)
                let taken = state.entries
                state.entries = []
                return taken
            }
        }

        /// A thread begins to serve the shard.
        func begin() { state.withLock { $0.service = .running } }

        /// The serving thread ends, unless entries came in.
        func endIfEmpty() -> Bool {
            state.withLock { state in
                guard state.entries.isEmpty else { return false }
                state.service = .none
                return true
            }
        }

        /// Announces that the shard is about to sleep; `false` when it must not, because entries came in.
        func prepareToSleep() -> Bool {
            isAsleep.store(true, ordering: .sequentiallyConsistent)
            guard hasEntries else { return true }
            isAsleep.store(false, ordering: .sequentiallyConsistent)
            return false
        }

        /// The shard is awake.
        func wokeUp() { isAsleep.store(false, ordering: .sequentiallyConsistent) }
    }
#endif
