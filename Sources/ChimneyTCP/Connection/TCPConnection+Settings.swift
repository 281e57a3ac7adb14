package import ChimneyPrimitives

extension TCPConnection {
    /// Changes how the connection behaves, from now on.
    ///
    /// What both ends agreed on in the handshake stays: options, the shift of windows, segment sizes; so do the parameters of
    /// recovery. The receive window never moves back, so that a smaller buffer is filled once more as it was.
    package mutating func setSettings(_ settings: SharedTCPSettings, at now: Instant) {
        let before = sharedSettings.value
        sharedSettings = settings
        guard state != .closed && state != .timeWait else { return }
        if settings.value.keepAlive != before.keepAlive { keepAliveChanged(at: now) }
        if settings.value.userTimeout != before.userTimeout { userTimeoutChanged(at: now) }
        if settings.value.receiveBufferMax > before.receiveBufferMax, state.isSynchronized { roomMade() }
    }

    /// Silence is looked at as soon as the new settings want it; the old time, when earlier, finds out by itself.
    private mutating func keepAliveChanged(at now: Instant) {
        guard let keepAlive = sharedSettings.value.keepAlive, state.isSynchronized else { return }
        if state == .finWait2 && marks.contains(.ownerGone) { return }
        idleDue = min(idleDue, max(now, heardAt + keepAlive.idle))
    }

    private mutating func userTimeoutChanged(at now: Instant) {
        guard !marks.contains(.lingers) else { return }
        guard let patience = sharedSettings.value.userTimeout, isOutstanding || !state.isSynchronized else {
            userDue = .never
            return
        }
        userDue = max(now, progressAt + patience)
    }

    /// Copies what arrived into `target` and leaves it to be read.
    ///
    /// - Returns: how many bytes.
    package func peek(into target: inout MutableRawSpan) -> Int { received.peek(into: &target) }
}
