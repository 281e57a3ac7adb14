#if os(Linux)
    import CChimneyLinux
    public import ChimneyLink
    public import ChimneyPrimitives
    public import ChimneyStack
    import Synchronization

    /// The last snapshot of a stack: written by its shard, read by anyone.
    final class PublishedSnapshot: Sendable {
        private let current: Mutex<StackSnapshot>

        init(name: String) {
            current = Mutex(StackSnapshot(name: name, number: 0, takenAt: .zero, interfaces: []))
        }

        /// The snapshot as it is now.
        var latest: StackSnapshot { current.withLock { $0 } }

        func publish(_ stack: borrowing VirtualStack, at now: Instant) {
            let interfaces = stack.interfaces
            let name = stack.name
            // The old snapshot is let go outside the lock; packets never come this way.
            _ = current.withLock { snapshot in
                let old = snapshot
                snapshot = StackSnapshot(name: name, number: old.number + 1, takenAt: now, interfaces: interfaces)
                return old
            }
        }
    }

    /// A stack on a shard, as any thread may hold it.
    public final class StackHandle: @unchecked Sendable {
        /// Where the stack runs.
        public let shard: Shard
        /// The stack's name.
        public let name: String
        /// The stack and what belongs to it; for the shard's thread only.
        package let cell: StackCell
        private let published: PublishedSnapshot

        init(shard: Shard, cell: StackCell, name: String, published: PublishedSnapshot) {
            self.shard = shard
            self.cell = cell
            self.name = name
            self.published = published
        }

        /// The stack as it was when its configuration last changed; does not ask the shard.
        public var snapshot: StackSnapshot { published.latest }

        /// Whether the caller is on the shard's thread, and the stack not in the middle of something.
        package var isFree: Bool {
            // Invariant: whether the stack is in use is read on the shard's thread only.
            shard.isCurrent && !cell.isInUse
        }

        /// Runs `body` with the stack, on the shard's thread.
        ///
        /// Frames the stack sends leave at the end of the round. The body may not wait, and reaches the
        /// stack through its argument only.
        ///
        /// - Throws: ``ShardError`` when the stack is gone, and whatever `body` throws.
        public func perform<Value: Sendable>(
            _ body: @escaping @Sendable (_ stack: inout VirtualStack, _ now: Instant) throws -> Value
        ) async throws -> Value {
            try await onShard { cell, shard in
                cell.isStale = true
                cell.touch()
                return try body(&cell.stack, shard.now)
            }
        }

        /// Attaches a device: an interface of the stack, up and without an address.
        ///
        /// - Parameters:
        ///   - driver: the device; the shard's from here on.
        ///   - description: what the interface is called and how it behaves. Kind, MTU, capabilities and the number of groups
        ///     it names are the device's; so is the link address where the description gives none, and a drawn one where the
        ///     device has none.
        /// - Returns: the interface's index, its own until it is detached.
        /// - Throws: `InterfaceError` or ``ShardError``; nothing is attached.
        public func attach(
            _ driver: sending any LinkDriver, _ description: InterfaceDescription
        ) async throws -> InterfaceIndex {
            // Invariant: the driver was the caller's alone and is used on the shard's thread from here on.
            nonisolated(unsafe) let driver = driver
            return try await onShard { cell, shard in try unsafe shard.attach(driver, description, to: cell) }
        }

        /// Detaches an interface and closes its device.
        public func detach(_ index: InterfaceIndex) async throws {
            try await onShard { cell, shard in try shard.detach(index, from: cell) }
        }

        /// Captures what an interface sends and receives.
        ///
        /// - Parameters:
        ///   - index: the interface.
        ///   - snapBytes: the most bytes kept of a frame.
        ///   - filter: called with the first part of a frame; `nil` captures all.
        ///   - sink: gets the bytes of a pcapng file, in order, on the shard's thread; it must not wait.
        /// - Returns: what ``endCapture(_:)`` ends it by.
        /// - Throws: `InterfaceError` or ``ShardError``.
        public func beginCapture(
            on index: InterfaceIndex, snapBytes: Int = 65_535, filter: (@Sendable (RawSpan) -> Bool)? = nil,
            to sink: @escaping @Sendable ([UInt8]) -> Void
        ) async throws -> UInt64 {
            try await onShard { cell, shard in
                try shard.beginCapture(on: index, of: cell, snapBytes: snapBytes, filter: filter, sink: sink)
            }
        }

        /// Ends a capture; the sink has then got its last bytes.
        public func endCapture(_ number: UInt64) async throws {
            try await onShard { _, shard in shard.endCapture(number) }
        }

        /// Removes the stack: its devices are closed and its sockets, too.
        public func remove() async throws {
            try await onShard { cell, shard in shard.removeCell(cell) }
        }

        /// Runs `body` on the shard's thread, at once where the caller is on it and the stack not in use.
        package func onShard<Value: Sendable>(
            _ body: @escaping @Sendable (StackCell, Shard) throws -> Value
        ) async throws -> Value {
            if isFree { return try checked(body) }
            return try await withCheckedThrowingContinuation {
                (continuation: CheckedContinuation<Value, any Error>) in
                shard.runLater { [self] in
                    continuation.resume(with: Result { try checked(body) })
                }
            }
        }

        private func checked<Value>(_ body: (StackCell, Shard) throws -> Value) throws -> Value {
            guard !cell.isRemoved else { throw shard.isStopped ? ShardError.stopped : ShardError.stackRemoved }
            return try body(cell, shard)
        }
    }

    extension Shard {
        /// Creates a stack on this shard.
        ///
        /// - Parameters:
        ///   - name: unique on the shard.
        ///   - settings: what the operator sets.
        ///   - random: everything the stack draws; `nil` draws it from the system.
        /// - Returns: the stack as any thread may hold it.
        /// - Throws: ``ShardError``.
        public func addStack(
            named name: String, settings: StackSettings = StackSettings(), random: StackRandom? = nil
        ) async throws -> StackHandle {
            let make: @Sendable () throws -> StackHandle = { [self] in
                let published = PublishedSnapshot(name: name)
                let cell = try addCell(name: name, settings: settings, random: random, published: published)
                return StackHandle(shard: self, cell: cell, name: name, published: published)
            }
            if isCurrent { return try make() }
            return try await withCheckedThrowingContinuation {
                (continuation: CheckedContinuation<StackHandle, any Error>) in
                run { continuation.resume(with: Result { try make() }) }
            }
        }
    }
#endif
