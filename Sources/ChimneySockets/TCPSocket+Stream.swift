#if os(Linux)
    public import ChimneyPrimitives
    import ChimneyRuntime
    import ChimneyStack

    extension TCPSocket {
        // MARK: Reading

        /// Reads what arrived, at most `max` bytes; waits until there is something.
        ///
        /// - Parameters:
        ///   - max: at least 1.
        ///   - deadline: on the shard's clock.
        /// - Returns: one byte or more; `nil` at the end, when the peer said that it writes no more.
        /// - Throws: ``TCPSocketError/failed(_:)`` once all that arrived before the failure was read, and what ends waits.
        /// - Complexity: O(n) in the bytes, which are copied; ``tryRead(_:into:)-(_,PacketQueue)`` copies nothing.
        public func read(max: Int = 65_536, deadline: Instant? = nil) async throws(TCPSocketError) -> [UInt8]? {
            if stack.isFree, core.canReadAtOnce, let bytes = try core.take(max: max) {
                return bytes.isEmpty ? nil : bytes
            }
            let bytes = try await wait(toRead: .bytes(max: max), until: deadline)
            return bytes.isEmpty ? nil : bytes
        }

        /// Waits until a read gives something: bytes, the end, or the error that ended the connection.
        ///
        /// - Throws: what ends waits; that the connection failed counts as something to read.
        public func waitUntilReadable(deadline: Instant? = nil) async throws(TCPSocketError) {
            if stack.isFree, core.canReadAtOnce, core.isReadable { return try core.checkOpen() }
            _ = try await wait(toRead: .readable, until: deadline)
        }

        /// Copies what arrived into `target`; on the shard's thread only.
        ///
        /// - Returns: how many bytes; 0 at the end, `nil` when there are none now.
        /// - Throws: ``TCPSocketError/failed(_:)`` once all that arrived before was read; ``TCPSocketError/notOnShard``.
        public func tryRead(into target: inout MutableRawSpan) throws(TCPSocketError) -> Int? {
            guard stack.isFree else { throw .notOnShard }
            return try core.read(into: &target)
        }

        /// Moves what arrived behind the packets of a queue, in the buffers it arrived in; on the shard's thread only.
        ///
        /// - Parameters:
        ///   - bytes: packets are moved whole until there are at least so many.
        ///   - queue: gets the packets; theirs are places in the shard's pool, so that they are not to be kept for long.
        /// - Returns: how many bytes; 0 at the end, `nil` when there are none now.
        /// - Throws: ``TCPSocketError/failed(_:)`` once all that arrived before was read; ``TCPSocketError/notOnShard``.
        public func tryRead(_ bytes: Int = .max, into queue: inout PacketQueue) throws(TCPSocketError) -> Int? {
            guard stack.isFree else { throw .notOnShard }
            return try core.read(bytes, into: &queue)
        }

        /// Shows what arrived to `body`, piece by piece where it lies, and takes it; on the shard's thread only.
        ///
        /// - Parameters:
        ///   - bytes: whole packets are taken until there are at least so many.
        ///   - body: called with each piece, in order; it must not keep it.
        /// - Returns: how many bytes; 0 at the end, `nil` when there are none now.
        /// - Throws: ``TCPSocketError/failed(_:)`` once all that arrived before was read; ``TCPSocketError/notOnShard``.
        public func tryRead(_ bytes: Int = .max, _ body: (RawSpan) -> Void) throws(TCPSocketError) -> Int? {
            var queue = PacketQueue()
            guard let count = try tryRead(bytes, into: &queue) else { return nil }
            while !queue.isEmpty {
                let packet = queue.removeFirst()
                for index in 0..<packet.sliceCount { body(packet.slice(index)) }
            }
            return count
        }

        func wait(
            toRead want: TCPSocketCore.ReadWant, until deadline: Instant?
        ) async throws(TCPSocketError) -> [UInt8] {
            let core = core
            return try await waiting(on: stack, for: want) {
                core.waitToRead($0, until: deadline)
            } cancel: {
                core.cancelReading($0)
            }
        }

        // MARK: Writing

        /// Writes all bytes, waiting for room as often as there is none.
        ///
        /// They leave at the end of the shard's round and are kept until the peer acknowledges them: there is room for
        /// `TCPSettings.sendBufferMax` at a time.
        ///
        /// - Throws: ``TCPSocketError/failed(_:)`` when the connection ended, ``TCPSocketError/shutDown``, and what ends waits; a
        ///   part of the bytes may have been written.
        public func write(_ bytes: [UInt8], deadline: Instant? = nil) async throws(TCPSocketError) {
            var start = 0
            if stack.isFree, core.canWriteAtOnce {
                start = try core.write(bytes.span.octets)
                if start == bytes.count { return }
            }
            try await wait(toWrite: .written(bytes, from: start), until: deadline)
        }

        /// Waits until a write takes something or tells why it cannot.
        ///
        /// - Throws: what ends waits; that nothing can be written any more counts as news to a writer.
        public func waitUntilWritable(deadline: Instant? = nil) async throws(TCPSocketError) {
            try await wait(toWrite: .room, until: deadline)
        }

        /// Writes as many bytes as there is room for; on the shard's thread only.
        ///
        /// - Returns: how many; 0 when there is no room now.
        /// - Throws: ``TCPSocketError/failed(_:)``, ``TCPSocketError/shutDown``, ``TCPSocketError/notOnShard``; nothing was
        ///   written.
        public func tryWrite(_ bytes: RawSpan) throws(TCPSocketError) -> Int {
            guard stack.isFree else { throw .notOnShard }
            return core.canWriteAtOnce ? try core.write(bytes) : 0
        }

        /// Takes packets of payload from the front of a queue without a copy, as long as there is room; on the shard's thread
        /// only.
        ///
        /// - Returns: how many bytes were taken; what is left in the queue was not.
        /// - Throws: as ``tryWrite(_:)`` does; nothing was taken.
        public func tryWrite(from queue: inout PacketQueue) throws(TCPSocketError) -> Int {
            guard stack.isFree else { throw .notOnShard }
            return core.canWriteAtOnce ? try core.write(from: &queue) : 0
        }

        func wait(
            toWrite want: TCPSocketCore.WriteWant, until deadline: Instant?
        ) async throws(TCPSocketError) {
            let core = core
            return try await waiting(on: stack, for: want) {
                core.waitToWrite($0, until: deadline)
            } cancel: {
                core.cancelWriting($0)
            }
        }
    }
#endif
