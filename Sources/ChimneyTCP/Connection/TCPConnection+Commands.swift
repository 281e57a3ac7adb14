package import ChimneyPrimitives

/// Why nothing can be written.
public enum TCPWriteError: Error, Hashable, Sendable {
    /// The connection was never opened, or was closed.
    case notConnected
    /// The owner said that it writes no more.
    case shutDown
    /// The connection ended.
    case failed(TCPFailure)
}

/// Why nothing can be read.
public enum TCPReadError: Error, Hashable, Sendable {
    /// The connection was never opened.
    case notConnected
    /// The connection ended.
    case failed(TCPFailure)
}

extension TCPConnection {
    // MARK: - Writing

    /// Why nothing can be written now, or `nil`.
    package var writeError: TCPWriteError? {
        if let failure { return .failed(failure) }
        if marks.contains(.finQueued) { return .shutDown }
        return switch state {
        case .synSent, .synReceived, .established, .closeWait: nil
        case .closed, .finWait1, .finWait2, .closing, .lastAck, .timeWait: .notConnected
        }
    }

    /// How many bytes can be written now.
    package var writableCount: Int {
        writeError == nil ? max(0, sharedSettings.value.sendBufferMax - sendBuffer.count) : 0
    }

    /// Copies bytes into the send buffer, as many as there is room for; the next flush sends them.
    ///
    /// - Parameters:
    ///   - bytes: what to write.
    ///   - pool: where packets for them come from.
    ///   - heldMax: the most bytes that may wait for acknowledgement while packets are short.
    /// - Returns: how many were taken. When it is fewer than there are, ``TCPEvents/writable`` tells of room.
    /// - Throws: ``TCPConnection/writeError``; nothing was taken.
    package mutating func write(
        _ bytes: RawSpan, pool: PacketPool, heldMax: Int = .max
    ) throws(TCPWriteError) -> Int {
        if let error = writeError { throw error }
        let count = min(bytes.byteCount, writableCount, max(0, heldMax - sendBuffer.count))
        let taken = count == 0 ? 0 : sendBuffer.append(bytes.extracting(0..<count), pool: pool)
        if taken < bytes.byteCount { marks.insert(.writerWaits) }
        return taken
    }

    /// Takes packets of payload from the front of a queue, without a copy, as long as there is room.
    ///
    /// - Returns: how many bytes were taken; what is left in the queue was not.
    package mutating func write(from queue: inout PacketQueue) throws(TCPWriteError) -> Int {
        if let error = writeError { throw error }
        var taken = 0
        while !queue.isEmpty {
            guard sendBuffer.count < sharedSettings.value.sendBufferMax else {
                marks.insert(.writerWaits)
                break
            }
            let packet = queue.removeFirst()
            let count = packet.totalCount
            guard count > 0 else { continue }
            sendBuffer.append(packet)
            taken += count
        }
        return taken
    }

    /// Says that all that was written so far is urgent (RFC 9293 §3.8.5).
    ///
    /// What did not leave yet says so as it leaves, and a segment without data before it when it may not leave now. What
    /// has left all says it with its last byte once more, which a peer that has that byte does not look at; so write while
    /// the connection is corked, and say it then.
    package mutating func markUrgent() {
        guard writeError == nil, !sendBuffer.isEmpty else { return }
        snd.up = sendBuffer.end
        marks.insert([.urgentQueued, .urgentUntold])
    }

    /// Whether only full segments leave, until it is switched off.
    package mutating func setCorked(_ isCorked: Bool) {
        if isCorked { marks.insert(.corked) } else { marks.remove(.corked) }
    }

    /// Whether small segments leave at once.
    package mutating func setNoDelay(_ isOn: Bool) {
        if isOn { marks.insert(.noDelay) } else { marks.remove(.noDelay) }
    }

    /// The payload of a segment behind `headroom`, or `nil` when the pool is at its bound or the connection ended.
    ///
    /// - Parameters:
    ///   - segment: one of those this connection gave out since it last took an event.
    ///   - headroom: for the headers.
    ///   - copiedMax: up to how many bytes are copied rather than shown where they lie.
    ///   - pool: where the packet comes from.
    /// - Returns: a packet that begins with the payload.
    package func packet(
        for segment: OutgoingSegment, headroom: Int, copiedMax: Int = 256, pool: PacketPool
    ) -> Packet? {
        sendBuffer.packet(
            from: segment.sequence, count: segment.payloadCount, headroom: headroom, copiedMax: copiedMax, pool: pool)
    }

    // MARK: - Reading

    /// How many bytes there are to read.
    package var readableCount: Int { received.count }
    /// Whether all was read and nothing more comes.
    package var isAtEnd: Bool { received.isEmpty && (marks.contains(.finArrived) || state == .closed) }

    /// Copies what arrived into `target`.
    ///
    /// - Returns: how many bytes; 0 when there are none now, or at the end (``isAtEnd``).
    package mutating func read(into target: inout MutableRawSpan) throws(TCPReadError) -> Int {
        let count = received.read(into: &target)
        if count == 0, let failure { throw .failed(failure) }
        if count > 0 { wasRead() }
        return count
    }

    /// Moves what arrived to a reader in whole packets, without a copy, until it has at least `bytes` more.
    ///
    /// - Returns: how many bytes; 0 when there are none now, or at the end (``isAtEnd``).
    package mutating func read(_ bytes: Int = .max, into reader: inout PacketQueue) throws(TCPReadError) -> Int {
        let count = received.read(bytes, into: &reader)
        if count == 0, let failure { throw .failed(failure) }
        if count > 0 { wasRead() }
        return count
    }

    /// Whether the next flush has an acknowledgement to send, as after a read that made room.
    package var hasNewsForPeer: Bool { marks.contains(.ackNow) }

    private mutating func wasRead() {
        if marks.contains(.urgentArrived), rcv.up <= rcv.nxt - received.count { marks.remove(.urgentArrived) }
        roomMade()
    }

    /// How many bytes are before the end of urgent data; `nil` when none is announced.
    package var urgentCount: Int? {
        marks.contains(.urgentArrived) ? rcv.up - (rcv.nxt - received.count) : nil
    }

    // MARK: - Closing

    /// Says that no more is written: what was written goes out, and then our FIN.
    package mutating func shutdown() {
        guard !marks.contains(.finQueued) else { return }
        switch state {
        case .synSent, .synReceived: marks.insert(.finQueued)
        case .established:
            marks.insert(.finQueued)
            state = .finWait1
        case .closeWait:
            marks.insert(.finQueued)
            state = .lastAck
        case .closed, .finWait1, .finWait2, .closing, .lastAck, .timeWait: break
        }
    }

    /// The owner is done with the connection, which lives on until all is acknowledged.
    ///
    /// When something that arrived was not read, the peer is told by a RST that it was lost (RFC 9293 §3.6.1).
    ///
    /// - Parameters:
    ///   - linger: until when what was written must be acknowledged, or else the connection is given up; zero gives it
    ///     up now; `nil` leaves it its time.
    ///   - now: the time.
    ///   - shared: what the connections of the shard have in common.
    ///   - output: what to send.
    package mutating func close(
        linger: TimeSpan? = nil, at now: Instant, shared: inout TCPShared, output: inout TCPOutput
    ) {
        // A window that the owner bore has as much time left as one that closes now.
        if !marks.contains(.ownerGone) { probesSent = 0 }
        marks.insert([.ownerGone, .readerGone])
        if state == .synSent { return end(.aborted, shared: &shared, output: &output) }
        guard state != .closed && state != .timeWait else { return }
        if linger == .zero || !received.isEmpty {
            return abort(shared: &shared, output: &output)
        }
        shutdown()
        if let linger, state != .finWait2 {
            marks.insert(.lingers)
            userDue = now + linger
        }
        if state == .finWait2 { idleDue = now + sharedSettings.value.finWait2Timeout }
    }

    /// The owner reads no more, but may still write; what arrives from now on ends the connection.
    package mutating func stopReading() {
        marks.insert(.readerGone)
        received.removeAll()
    }

    /// Gives the connection up: the peer is told by a RST, and what was not sent is lost.
    package mutating func abort(shared: inout TCPShared, output: inout TCPOutput) {
        switch state {
        case .synReceived, .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck:
            sendReset(to: &output)
        case .closed, .synSent, .timeWait: break
        }
        guard state != .closed else { return }
        end(.aborted, shared: &shared, output: &output)
    }

    // MARK: - Ends

    /// The connection is gone; what arrived and was not read stays to be read.
    mutating func end(_ failure: TCPFailure?, shared: inout TCPShared, output: inout TCPOutput) {
        self.failure = failure
        state = .closed
        release(shared: &shared)
        output.events.insert([.closed, .readable, .writable])
    }

    /// All is said: only late segments are waited for, by the table (RFC 9293 §3.6).
    mutating func enterTimeWait(shared: inout TCPShared, output: inout TCPOutput) {
        state = .timeWait
        release(shared: &shared)
        output.events.insert(.timeWait)
    }

    private mutating func release(shared: inout TCPShared) {
        probeDue = .never
        ackDue = .never
        idleDue = .never
        userDue = .never
        watchingEnded()
        sendBuffer.removeAll()
        reassembly.flush(budget: &shared.reassembly)
        let found = recovery.roundTrips
        let threshold = recovery.ssthresh
        // Whoever asks afterwards how it went still hears.
        let counters = recovery.counters
        recovery = LossRecovery(settings: sharedSettings.value.recovery)
        recovery.keep(found, ssthresh: threshold)
        recovery.counters = counters
    }

    /// What the connection found out about its path, for those to come: also after its end, and `nil` when nothing was
    /// timed.
    package var learned: RememberedPath? {
        guard let smoothed = recovery.roundTrips.smoothed else { return nil }
        return RememberedPath(
            smoothedRoundTrip: smoothed, roundTripVariation: recovery.roundTripVariation,
            slowStartThreshold: recovery.ssthresh >= .largestWindow ? 0 : recovery.ssthresh)
    }
}
