package import ChimneyPrimitives
import ChimneyWire

/// What few connections have, out of line.
final class ConnectionExtras {
    /// What earlier connections found out about the path, until it is handed to recovery.
    var remembered: RememberedPath?
    /// What watches the connection, in the order of registration.
    var slots: [Slot] = []

    struct Slot {
        let module: any TCPHooks
        var watcher: any TCPWatcher
    }

    init(remembered: RememberedPath? = nil) { self.remembered = remembered }
}

extension TCPConnection {
    /// The most modules that watch one connection; a further one is refused.
    package static var watchersMax: Int { 8 }

    /// Lets a module watch the connection, which is established.
    ///
    /// - Parameters:
    ///   - module: it is asked for a watcher; one that watches already is not asked again.
    ///   - number: what the connection is called to it.
    ///   - now: the time.
    /// - Returns: whether it watches; not when it does not want to, or there is no slot left.
    @discardableResult
    package mutating func watch(with module: any TCPHooks, number: UInt64, at now: Instant) -> Bool {
        guard state.isSynchronized, state != .timeWait else { return false }
        let extras = extras ?? ConnectionExtras()
        if extras.slots.contains(where: { $0.module === module }) { return true }
        guard extras.slots.count < Self.watchersMax,
            let watcher = module.watcher(ofConnection: number, in: flowState, at: now)
        else { return false }
        extras.slots.append(ConnectionExtras.Slot(module: module, watcher: watcher))
        self.extras = extras
        marks.insert(.watched)
        return true
    }

    /// Takes a module off the connection.
    package mutating func unwatch(by module: any TCPHooks) {
        guard let extras, let index = extras.slots.firstIndex(where: { $0.module === module }) else { return }
        extras.slots[index].watcher.ended()
        extras.slots.remove(at: index)
        if extras.slots.isEmpty { watchingEnded() }
    }

    /// What the first watcher of a type has found out so far.
    package func watcher<Watcher: TCPWatcher>(_ type: Watcher.Type) -> Watcher? {
        guard let extras else { return nil }
        for slot in extras.slots { if let watcher = slot.watcher as? Watcher { return watcher } }
        return nil
    }

    /// How the connection stands, as watchers are told.
    package var flowState: TCPFlowState {
        TCPFlowState(
            state: state, firstUnacknowledged: snd.una.value, nextToSend: snd.nxt.value, nextToArrive: rcv.nxt.value,
            cwnd: recovery.cwnd, ssthresh: recovery.ssthresh, inFlight: recovery.inFlight, peerWindow: Int(snd.wnd),
            segmentSize: segmentSize, smoothedRoundTrip: recovery.smoothedRoundTrip, phase: recovery.phase)
    }

    /// A segment is handed out to be sent.
    ///
    /// Like what it calls it is mutating, although it changes nothing: a connection that is borrowed by a mutating function
    /// to call one that is not is copied whole.
    @inline(__always)
    mutating func send(_ segment: OutgoingSegment, isAgain: Bool = false, at now: Instant, to output: inout TCPOutput) {
        if marks.contains(.watched) { leavingSeen(segment, isAgain: isAgain, at: now) }
        output.segments.append(segment)
    }

    @inline(never)
    private mutating func leavingSeen(_ segment: OutgoingSegment, isAgain: Bool, at now: Instant) {
        let shift = marks.contains(.scaled) ? Int(rcv.shift) : 0
        tellWatchers(
            TCPSeenSegment(
                time: now, isOutgoing: true, isAgain: isAgain, sequence: segment.sequence.value,
                acknowledgment: segment.ack.value, flags: segment.flags, payloadCount: segment.payloadCount,
                window: Int(segment.window) << shift, timestamps: segment.options.timestamps,
                sackCount: segment.options.sackCount))
    }

    /// A segment arrived and is not taken in yet.
    @inline(never)
    mutating func arrivingSeen(_ segment: ArrivedSegment, at now: Instant) {
        let shift = marks.contains(.scaled) && !segment.flags.contains(.syn) ? Int(snd.shift) : 0
        tellWatchers(
            TCPSeenSegment(
                time: now, isOutgoing: false, isAgain: segment.length > 0 && segment.sequence < rcv.nxt,
                sequence: segment.sequence.value, acknowledgment: segment.ack.value, flags: segment.flags,
                payloadCount: segment.payloadCount, window: Int(segment.window) << shift,
                timestamps: segment.options.timestamps, sackCount: segment.options.sackCount))
    }

    private mutating func tellWatchers(_ seen: TCPSeenSegment) {
        guard let extras else { return }
        let state = flowState
        for index in extras.slots.indices { extras.slots[index].watcher.segmentSeen(seen, in: state) }
    }

    /// The connection sends and takes nothing more.
    mutating func watchingEnded() {
        marks.remove(.watched)
        guard let extras else { return }
        for index in extras.slots.indices { extras.slots[index].watcher.ended() }
        self.extras = nil
    }
}
