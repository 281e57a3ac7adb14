#if os(Linux)
    import ChimneyPrimitives
    import ChimneyRuntime
    import ChimneyStack
    import ChimneyTCP

    /// What a connected socket is on its shard: who waits for it.
    ///
    /// Touched by the shard's thread only.
    final class TCPSocketCore: SocketListener, Alarmed, Polled, @unchecked Sendable {
        let cell: StackCell
        let id: TCPConnectionID
        private var isClosed = false
        /// Whether the program reads no more.
        private var hasStoppedReading = false
        private var readers = WaitList<ReadWant, [UInt8]>()
        private var writers = WaitList<WriteWant, Void>()
        var watches: [PollWatch] = []
        /// What the last deadline was armed under; 0 is the time to try writing again.
        private var lastName: UInt64 = 0
        private var isRetrying = false
        private var retryTimer: UInt32?

        enum ReadWant: Sendable {
            case readable
            case bytes(max: Int)
        }

        enum WriteWant: Sendable {
            /// The handshake is complete.
            case open
            case room
            case written([UInt8], from: Int)
        }

        /// What a read that does not wait finds.
        enum Finding {
            case nothing, end, some
        }

        init(cell: StackCell, id: TCPConnectionID) {
            self.cell = cell
            self.id = id
        }

        // MARK: State

        @inline(__always)
        func checkOpen() throws(TCPSocketError) {
            if isClosed { throw cell.isRemoved ? .stackRemoved : .closed }
        }

        /// What there is to read; a connection that failed throws once all that arrived before was read.
        @inline(__always)
        func finding() throws(TCPSocketError) -> Finding {
            try checkOpen()
            if hasStoppedReading { return .end }
            if cell.stack.readableCount(id) > 0 { return .some }
            if let failure = cell.stack.failure(of: id) { throw .failed(failure) }
            return cell.stack.isAtEnd(id) ? .end : .nothing
        }

        /// Whether a write takes something, or throws, rather than wait.
        private var hasRoom: Bool {
            isClosed || cell.stack.writeError(of: id) != nil || cell.stack.writableCount(id) > 0
        }

        var canReadAtOnce: Bool { readers.isEmpty }
        var canWriteAtOnce: Bool { writers.isEmpty }
        var isReadable: Bool { (try? finding()) != .nothing }

        // MARK: Reading

        /// Takes up to `max` bytes; none at the end, `nil` when there are none now.
        func take(max: Int) throws(TCPSocketError) -> [UInt8]? {
            switch try finding() {
            case .nothing: return nil
            case .end: return []
            case .some: break
            }
            let count = min(Swift.max(1, max), cell.stack.readableCount(id))
            let now = cell.shard.now
            // Invariant: as many bytes are initialized as were read.
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
                var target = unsafe MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(buffer))
                initialized = (try? cell.stack.read(id, into: &target, at: now)) ?? 0
            }
            cell.touch()
            return bytes
        }

        func read(into target: inout MutableRawSpan) throws(TCPSocketError) -> Int? {
            switch try finding() {
            case .nothing: return nil
            case .end: return 0
            case .some: break
            }
            do throws(TCPReadError) {
                let count = try cell.stack.read(id, into: &target, at: cell.shard.now)
                cell.touch()
                return count
            } catch {
                throw TCPSocketError(error)
            }
        }

        func read(_ bytes: Int, into queue: inout PacketQueue) throws(TCPSocketError) -> Int? {
            switch try finding() {
            case .nothing: return nil
            case .end: return 0
            case .some: break
            }
            do throws(TCPReadError) {
                let count = try cell.stack.read(id, Swift.max(1, bytes), into: &queue, at: cell.shard.now)
                cell.touch()
                return count
            } catch {
                throw TCPSocketError(error)
            }
        }

        func waitToRead(_ waiter: WaitList<ReadWant, [UInt8]>.Waiter, until deadline: Instant?) {
            lastName += 1
            readers.begin(waiter, until: deadline, name: lastName, for: self, on: cell.shard) {
                want throws(TCPSocketError) in try serve(want)
            }
        }

        func cancelReading(_ ticket: WaitTicket) { readers.cancel(ticket, on: cell.shard) }

        private func serve(_ want: ReadWant) throws(TCPSocketError) -> [UInt8]? {
            switch want {
            case .bytes(let max): return try take(max: max)
            case .readable:
                try checkOpen()
                return isReadable ? [] : nil
            }
        }

        // MARK: Writing

        /// Writes as many bytes as there is room for.
        func write(_ bytes: RawSpan) throws(TCPSocketError) -> Int {
            try checkOpen()
            do throws(TCPWriteError) {
                let count = try cell.stack.write(id, bytes, at: cell.shard.now)
                cell.touch()
                if count < bytes.byteCount, cell.stack.writableCount(id) > 0 { tryAgainLater() }
                return count
            } catch {
                throw TCPSocketError(error)
            }
        }

        func write(from queue: inout PacketQueue) throws(TCPSocketError) -> Int {
            try checkOpen()
            do throws(TCPWriteError) {
                let count = try cell.stack.write(id, from: &queue, at: cell.shard.now)
                cell.touch()
                return count
            } catch {
                throw TCPSocketError(error)
            }
        }

        /// Has the stack tell of room when there is none now: it does so for a write that found too little.
        private func askForRoom() {
            let one: [UInt8] = [0]
            _ = try? cell.stack.write(id, one.span.octets, at: cell.shard.now)
        }

        /// The pool is at its bound, and nothing that this connection waits for may ever come.
        private func tryAgainLater() {
            guard !isRetrying else { return }
            isRetrying = true
            let shard = cell.shard
            retryTimer = shard.callAgain(self, of: cell, name: 0, at: shard.now + .milliseconds(10))
        }

        func waitToWrite(_ waiter: WaitList<WriteWant, Void>.Waiter, until deadline: Instant?) {
            lastName += 1
            writers.begin(waiter, until: deadline, name: lastName, for: self, on: cell.shard) {
                want throws(TCPSocketError) in try serve(&want)
            }
        }

        func cancelWriting(_ ticket: WaitTicket) { writers.cancel(ticket, on: cell.shard) }

        private func serve(_ want: inout WriteWant) throws(TCPSocketError) -> Void? {
            try checkOpen()
            switch want {
            case .open:
                if let failure = cell.stack.failure(of: id) { throw .failed(failure) }
                let state = cell.stack.state(of: id)
                return state == .synSent || state == .synReceived ? nil : ()
            case .room:
                if hasRoom { return () }
                askForRoom()
                return nil
            case .written(let bytes, var start):
                let count = try write(bytes.span.octets.extracting(start..<bytes.count))
                start += count
                if start == bytes.count { return () }
                want = .written(bytes, from: start)
                return nil
            }
        }

        // MARK: News

        func socketHasNews(at now: Instant) {
            guard !isClosed else { return }
            if !readers.isEmpty { readers.serve(on: cell.shard) { want throws(TCPSocketError) in try serve(want) } }
            if !writers.isEmpty { writers.serve(on: cell.shard) { want throws(TCPSocketError) in try serve(&want) } }
            tellWatches()
        }

        func alarmFired(_ name: UInt64, at now: Instant) {
            guard name != 0 else {
                isRetrying = false
                retryTimer = nil
                return socketHasNews(at: now)
            }
            readers.expire(name)
            writers.expire(name)
        }

        func readiness(for interest: SocketReadiness) -> SocketReadiness {
            if isClosed { return [.readable, .writable, .hungUp] }
            if cell.isInUse { return [] }
            var result: SocketReadiness = []
            if isReadable { result.insert(.readable) }
            if hasRoom {
                result.insert(.writable)
            } else if interest.contains(.writable) {
                askForRoom()
            }
            // Who waits for room alone goes on waiting after the peer's end.
            let mayBeTold = !interest.isDisjoint(with: [.readable, .hungUp]) || cell.stack.writeError(of: id) != nil
            if mayBeTold, hasStoppedReading || cell.stack.isAtEnd(id) { result.insert(.hungUp) }
            if cell.stack.failure(of: id) != nil { result.insert(.failed) }
            return result
        }

        // MARK: Ending

        func shutdown(_ direction: ShutdownDirection) throws(TCPSocketError) {
            try checkOpen()
            let now = cell.shard.now
            if direction != .writing {
                hasStoppedReading = true
                cell.stack.stopReading(id, at: now)
            }
            if direction != .reading { cell.stack.shutdown(id, at: now) }
            cell.touch()
            socketHasNews(at: now)
        }

        func close(linger: TimeSpan?) {
            guard !isClosed else { return }
            isClosed = true
            cell.setListener(nil, for: id)
            cell.stack.close(id, linger: linger, at: cell.shard.now)
            cell.touch()
            dismiss(.closed)
        }

        func stackWasRemoved() {
            isClosed = true
            dismiss(.stackRemoved)
        }

        private func dismiss(_ error: TCPSocketError) {
            if let retryTimer { cell.shard.disarm(retryTimer) }
            retryTimer = nil
            readers.dismiss(error, on: cell.shard)
            writers.dismiss(error, on: cell.shard)
            tellWatches()
        }
    }
#endif
