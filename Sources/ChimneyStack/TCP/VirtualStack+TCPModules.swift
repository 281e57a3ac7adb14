public import ChimneyPrimitives
public import ChimneyTCP

extension VirtualStack {
    /// Has a module asked about every connection from the moment it is open; those that are open already are not its.
    ///
    /// Without modules a segment costs nothing more than one test of a flag.
    ///
    /// - Throws: `TCPHooksError` at the bound `TCPModules.modulesMax`.
    public mutating func register(_ module: any TCPHooks) throws(TCPHooksError) { try tcp.modules.register(module) }

    /// Has a module asked no more; connections that it watches it goes on to watch.
    public mutating func remove(_ module: any TCPHooks) { tcp.modules.remove(module) }

    /// Has one connection watched by a module, which may decline.
    ///
    /// - Returns: whether it is; a connection has room for eight.
    @discardableResult
    public mutating func watch(_ id: TCPConnectionID, with module: any TCPHooks, at now: Instant) -> Bool {
        guard tcp.links.contains(id.slot) else { return false }
        return tcp.links[id.slot].connection.watch(with: module, number: UInt64(id.number), at: now)
    }

    /// Has a connection watched by a module no more.
    public mutating func unwatch(_ id: TCPConnectionID, by module: any TCPHooks) {
        guard tcp.links.contains(id.slot) else { return }
        tcp.links[id.slot].connection.unwatch(by: module)
    }

    /// What a module keeps with a connection, or `nil` when it keeps nothing of that type.
    public func watcher<Watcher: TCPWatcher>(_ type: Watcher.Type, of id: TCPConnectionID) -> Watcher? {
        tcp.links.contains(id.slot) ? tcp.links[id.slot].connection.watcher(type) : nil
    }

    // MARK: - Paths

    /// What connections found out about paths to peers, the latest first (RFC 9040).
    public var tcpHosts: [TCPHostSnapshot] {
        var result: [TCPHostSnapshot] = []
        tcp.hosts.forEach { host, entry in
            result.append(
                TCPHostSnapshot(
                    host: host, smoothedRoundTrip: entry.smoothedRoundTrip,
                    roundTripVariation: entry.roundTripVariation, slowStartThreshold: Int(entry.slowStartThreshold),
                    mtu: entry.mtu == 0 ? nil : Int(entry.mtu), foundAt: entry.foundAt))
        }
        return result
    }

    /// Forgets what connections found out about paths.
    public mutating func forgetTCPHosts() { tcp.hosts.removeAll() }
}

/// What is remembered of the path to a peer.
public struct TCPHostSnapshot: Sendable, Hashable {
    /// The peer.
    public var host: HostPath
    /// How long an answer took; zero where none was timed.
    public var smoothedRoundTrip: TimeSpan
    /// How much that varied.
    public var roundTripVariation: TimeSpan
    /// Up to where the congestion window grows fast; 0 where no loss told.
    public var slowStartThreshold: Int
    /// What a router said that packets may have; `nil` where none did.
    public var mtu: Int?
    /// When it was found out.
    public var foundAt: Instant
}
