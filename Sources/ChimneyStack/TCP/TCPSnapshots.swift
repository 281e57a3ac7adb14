public import ChimneyPrimitives
public import ChimneyTCP

/// A TCP connection as a tool shows it.
public struct TCPConnectionSnapshot: Sendable, Hashable {
    /// Which connection.
    public var id: TCPConnectionID
    /// Our end.
    public var local: Endpoint
    /// The peer's.
    public var remote: Endpoint
    /// Its routing table.
    public var fib: Int
    /// Whether somebody may still read it or ask for it.
    public var hasOwner: Bool
    /// The MTU of its path, as far as it is known.
    public var pathMTU: Int
    /// Whether its segments are signed (RFC 2385).
    public var isSigned: Bool
    /// How it stands: queues, windows, timers.
    public var tcp: TCPSnapshot
    /// What its recovery holds.
    public var recovery: LossRecoveryState
    /// How often its recovery did what.
    public var recoveryCounters: RecoveryCounters
}

/// A listener as a tool shows it.
public struct TCPListenerSnapshot: Sendable, Hashable {
    /// Which listener.
    public var id: TCPListenerID
    /// Where it takes connections.
    public var local: Endpoint
    /// Its routing table.
    public var fib: Int
    /// Connections that wait to be accepted.
    public var waiting: Int
    /// The most that may.
    public var backlogMax: Int
    /// Connections it took.
    public var accepted: UInt64
    /// SYNs and handshakes that found its queue full.
    public var overflows: UInt64
}

/// What TCP of a stack holds, and what it counted.
public struct TCPStackSnapshot: Sendable, Hashable {
    /// Connections, those that only wait for their owner included.
    public var connections: Int
    /// Listeners.
    public var listeners: Int
    /// Half-open connections.
    public var halfOpen: Int
    /// Prefixes of peers with a key for signatures.
    public var signatureKeys: Int
    /// Flows in TIME-WAIT.
    public var timeWait: Int
    /// Flows that left TIME-WAIT early, at the bound.
    public var timeWaitEvicted: UInt64
    /// Bytes of buffers that all connections hold out of order.
    public var reassemblyBytes: Int
    /// Challenge ACKs that were not sent because of their limit.
    public var challengesRefused: UInt64
    /// What happened to segments and connections.
    public var counters: TCPCounters
    /// What happened to half-open ones.
    public var synCache: SynCacheCounters
}

extension VirtualStack {
    /// A connection as it stands, or `nil` once it was let go.
    public func snapshot(_ id: TCPConnectionID, at now: Instant) -> TCPConnectionSnapshot? {
        tcp.links.contains(id.slot) ? snapshot(id.slot, at: now) : nil
    }

    private func snapshot(_ id: SlotID, at now: Instant) -> TCPConnectionSnapshot {
        TCPConnectionSnapshot(
            id: TCPConnectionID(slot: id), local: tcp.links[id].flow.localEndpoint,
            remote: tcp.links[id].flow.remoteEndpoint, fib: Int(tcp.links[id].fib), hasOwner: tcp.links[id].hasOwner,
            pathMTU: Int(tcp.links[id].way.mtu), isSigned: tcp.links[id].way.isSigned,
            tcp: tcp.links[id].connection.snapshot(at: now), recovery: tcp.links[id].connection.recoveryState,
            recoveryCounters: tcp.links[id].connection.recoveryCounters)
    }

    /// Every connection, in the order of their numbers.
    public func tcpConnections(at now: Instant) -> [TCPConnectionSnapshot] {
        var result: [TCPConnectionSnapshot] = []
        var next = tcp.links.first()
        while let id = next {
            result.append(snapshot(id, at: now))
            next = tcp.links.first(from: Int(id.index) + 1)
        }
        return result
    }

    /// Every listener, in the order of their numbers.
    public var tcpListeners: [TCPListenerSnapshot] {
        var result: [TCPListenerSnapshot] = []
        var next = tcp.listeners.first()
        while let id = next {
            result.append(
                TCPListenerSnapshot(
                    id: TCPListenerID(slot: id), local: tcp.listeners[id].local, fib: Int(tcp.listeners[id].fib),
                    waiting: tcp.listeners[id].queue.count, backlogMax: tcp.listeners[id].backlogMax,
                    accepted: tcp.listeners[id].acceptedCount, overflows: tcp.listeners[id].overflowCount))
            next = tcp.listeners.first(from: Int(id.index) + 1)
        }
        return result
    }

    /// What TCP holds, and what it counted.
    public var tcpSummary: TCPStackSnapshot {
        TCPStackSnapshot(
            connections: tcp.links.count, listeners: tcp.listeners.count, halfOpen: tcp.synCache.count,
            signatureKeys: tcp.signatures.count, timeWait: tcp.timeWait.count, timeWaitEvicted: tcp.timeWait.evicted,
            reassemblyBytes: tcp.shared.reassembly.bytes, challengesRefused: tcp.shared.challenges.refused,
            counters: tcp.counters, synCache: tcp.synCache.counters)
    }
}
