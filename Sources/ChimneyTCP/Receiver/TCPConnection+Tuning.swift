import ChimneyPrimitives

// Dynamic right-sizing of the receive buffer.
extension TCPConnection {
    /// How often the bound with which a connection begins is doubled until it is the largest.
    static func doublings(of settings: TCPSettings) -> UInt8 {
        guard let initial = settings.receiveBufferInitial else { return 0 }
        // The window of a SYN has 65,535 bytes whatever comes later.
        let least = max(initial, 65_535)
        var count: UInt8 = 0
        while count < 30, settings.receiveBufferMax >> Int(count + 1) >= least { count += 1 }
        return count
    }

    /// A reader that took more than half of the buffer in a round trip is held up by its size, because the peer sends no
    /// more than a buffer in one: the bound is doubled.
    ///
    /// The round trip is that of our own data, or of the handshake when we send none; one below a millisecond counts as
    /// one.
    @inline(never)
    mutating func tuneBuffer(at now: Instant) {
        let roundTrip = (recovery.smoothedRoundTrip ?? .milliseconds(100)).nanoseconds / 1_000_000
        guard Int64(now.wholeMilliseconds &- rcv.takenAt) > roundTrip else { return }
        let taken = rcv.nxt - received.count
        if taken - rcv.takenBefore > receiveMax / 2 { rcv.doublingsLeft -= 1 }
        lookAtReader(taken, at: now)
    }

    /// Begins to count what the reader takes.
    mutating func lookAtReader(_ taken: SequenceNumber, at now: Instant) {
        rcv.takenBefore = taken
        rcv.takenAt = now.wholeMilliseconds
    }
}

extension Instant {
    /// Seconds since time began, in 32 bits that wrap around after 136 years.
    @inline(__always)
    var wholeSeconds: UInt32 { UInt32(truncatingIfNeeded: nanoseconds / 1_000_000_000) }
    /// Milliseconds since time began, in 32 bits that wrap around after 49 days.
    @inline(__always)
    var wholeMilliseconds: UInt32 { UInt32(truncatingIfNeeded: nanoseconds / 1_000_000) }
}
