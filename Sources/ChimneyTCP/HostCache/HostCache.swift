public import ChimneyPrimitives

/// A host as the cache knows it: its address as it is reached.
public struct HostPath: Hashable, Sendable {
    /// The address.
    public var address: IPAddress
    /// The routing table by which it is reached.
    public var fib: UInt16
    /// The link that a link-local address is of; 0 for others.
    public var zone: UInt32

    /// A host by its address.
    public init(_ address: IPAddress, fib: UInt16 = 0, zone: UInt32 = 0) {
        self.address = address
        self.fib = fib
        self.zone = zone
    }
}

/// How much is remembered of hosts, and how long.
public struct HostCacheSettings: Hashable, Sendable {
    /// The most hosts; at the bound the one goes that was used least recently.
    public var hostCacheMax = 16_384
    /// How long what was found out holds without being found again.
    public var lifetime = TimeSpan.seconds(3_600)
    /// How long a path's MTU holds, so that a larger one is found in time (RFC 1191 §6.3, RFC 8201 §4).
    public var mtuLifetime = TimeSpan.seconds(600)

    /// The defaults.
    public init() {}
}

/// What earlier connections found out about the ways to hosts, for connections to come (RFC 9040).
///
/// Round trip, its variation and the slow start threshold are aggregated at the end of each connection; the MTU is
/// put in when a router says it, and counts for all connections to the host. What the cache cannot keep it forgets:
/// a connection that learns of a smaller path keeps to it whether the cache has room or not.
///
/// - Complexity: O(1), but for ``expired(at:)``.
package struct HostCache: ~Copyable {
    package let settings: HostCacheSettings
    private var entries: SlotMap<Entry>
    private var places: FlowTable<HostKey>
    /// The one used last and the one used least recently; -1 without any.
    private var newest: Int32 = -1
    private var oldest: Int32 = -1
    /// How often things happened.
    package private(set) var counters = HostCacheCounters()

    /// What is known of a host, as visible as its owner: a module that ends a cache ends its entries.
    package struct Entry: BitwiseCopyable {
        package var key: HostKey
        package var id: SlotID
        package var smoothedRoundTrip = TimeSpan.zero
        package var roundTripVariation = TimeSpan.zero
        /// 0 when it was never found.
        package var slowStartThreshold: UInt32 = 0
        /// 0 when no router said one.
        package var mtu: UInt32 = 0
        package var foundAt: Instant
        package var mtuAt: Instant = .zero
        /// The neighbours in the order of use.
        package var newer: Int32 = -1
        package var older: Int32 = -1
        /// How many connections ended here.
        package var updates: UInt32 = 0
    }

    package init(settings: HostCacheSettings = HostCacheSettings(), using random: inout StackRandom) {
        self.settings = settings
        let most = max(0, settings.hostCacheMax)
        entries = SlotMap(elementsMax: most)
        places = FlowTable(flowsMax: most, using: &random)
    }

    /// How many hosts are remembered.
    package var count: Int { entries.count }

    // MARK: - Questions

    /// What is known of a path, for a connection about to begin; `nil` when nothing is, or what is has become old.
    package mutating func remembered(of host: HostPath, at now: Instant) -> RememberedPath? {
        guard let id = place(of: host) else {
            counters.misses += 1
            return nil
        }
        let entry = entries[id]
        guard entry.smoothedRoundTrip > .zero, now - entry.foundAt < settings.lifetime else {
            counters.misses += 1
            return nil
        }
        counters.hits += 1
        use(id)
        return RememberedPath(
            smoothedRoundTrip: entry.smoothedRoundTrip, roundTripVariation: entry.roundTripVariation,
            slowStartThreshold: Int(entry.slowStartThreshold))
    }

    /// The MTU of the path to a host, as a router said not long ago.
    package mutating func mtu(of host: HostPath, at now: Instant) -> Int? {
        guard let id = place(of: host), entries[id].mtu > 0, now - entries[id].mtuAt < settings.mtuLifetime else {
            return nil
        }
        use(id)
        return Int(entries[id].mtu)
    }

    // MARK: - What is found out

    /// A connection to a host ended, which found this out.
    ///
    /// What is new weighs as much as all that was before (RFC 9040 §8.1 leaves how to the stack).
    package mutating func connectionEnded(to host: HostPath, found: RememberedPath, at now: Instant) {
        guard found.smoothedRoundTrip > .zero, let id = entry(of: host, at: now) else { return }
        counters.updates += 1
        let isFresh = entries[id].smoothedRoundTrip > .zero && now - entries[id].foundAt < settings.lifetime
        if isFresh {
            entries[id].smoothedRoundTrip = Self.mean(entries[id].smoothedRoundTrip, found.smoothedRoundTrip)
            entries[id].roundTripVariation = Self.mean(entries[id].roundTripVariation, found.roundTripVariation)
        } else {
            entries[id].smoothedRoundTrip = found.smoothedRoundTrip
            entries[id].roundTripVariation = found.roundTripVariation
        }
        let threshold = UInt32(clamping: found.slowStartThreshold)
        let before = isFresh ? entries[id].slowStartThreshold : 0
        // One that found no threshold says nothing about it.
        if threshold > 0 {
            entries[id].slowStartThreshold = before > 0 ? before / 2 + threshold / 2 : threshold
        } else if !isFresh {
            entries[id].slowStartThreshold = 0
        }
        entries[id].foundAt = now
        entries[id].updates &+= 1
    }

    /// A router said the MTU of the path to a host, and was believed.
    ///
    /// - Returns: whether it is kept; not when the cache keeps nothing.
    @discardableResult
    package mutating func mtuChanged(of host: HostPath, to mtu: Int, at now: Instant) -> Bool {
        guard mtu > 0, let id = entry(of: host, at: now) else { return false }
        entries[id].mtu = UInt32(clamping: mtu)
        entries[id].mtuAt = now
        counters.updates += 1
        return true
    }

    /// Forgets what is known of a host.
    package mutating func forget(_ host: HostPath) {
        if let id = place(of: host) { remove(id) }
    }

    /// Forgets all hosts.
    package mutating func removeAll() {
        while oldest >= 0, let id = entries.first(from: Int(oldest)) { remove(id) }
    }

    /// Forgets the hosts of which everything has become old.
    ///
    /// Nothing waits for it: what is old is not given out. It gives memory back.
    ///
    /// - Complexity: O(hosts).
    package mutating func expired(at now: Instant) {
        var next = entries.first()
        while let id = next {
            let entry = entries[id]
            if now - entry.foundAt >= settings.lifetime, entry.mtu == 0 || now - entry.mtuAt >= settings.mtuLifetime {
                counters.expired += 1
                remove(id)
            }
            next = entries.first(from: Int(id.index) + 1)
        }
    }

    /// The hosts, the one used last first, to be shown.
    package func forEach(_ body: (HostPath, Entry) -> Void) {
        var at = newest
        while at >= 0, let id = entries.first(from: Int(at)) {
            body(entries[id].key.host, entries[id])
            at = entries[id].older
        }
    }

    // MARK: - Places

    private static func mean(_ one: TimeSpan, _ other: TimeSpan) -> TimeSpan {
        .nanoseconds(one.nanoseconds / 2 + other.nanoseconds / 2)
    }

    private func place(of host: HostPath) -> SlotID? {
        guard let place = places[HostKey(host)] else { return nil }
        return entries.first(from: Int(place))
    }

    /// The entry of a host, a new one where there is none.
    private mutating func entry(of host: HostPath, at now: Instant) -> SlotID? {
        if let id = place(of: host) {
            use(id)
            return id
        }
        if entries.count >= settings.hostCacheMax, oldest >= 0, let id = entries.first(from: Int(oldest)) {
            counters.evicted += 1
            remove(id)
        }
        let key = HostKey(host)
        let entry = Entry(key: key, id: SlotID(index: 0, generation: 0), foundAt: now)
        guard let id = entries.insert(entry) else { return nil }
        guard places.insert(UInt32(id.index), for: key) else {
            _ = entries.remove(id)
            return nil
        }
        entries[id].id = id
        link(id)
        return id
    }

    private mutating func remove(_ id: SlotID) {
        unlink(id)
        let entry = entries.remove(id)
        _ = places.remove(entry.key)
    }

    // MARK: - The order of use

    private mutating func use(_ id: SlotID) {
        guard newest != id.index else { return }
        unlink(id)
        link(id)
    }

    private mutating func link(_ id: SlotID) {
        entries[id].newer = -1
        entries[id].older = newest
        if newest >= 0, let before = entries.first(from: Int(newest)) { entries[before].newer = id.index }
        newest = id.index
        if oldest < 0 { oldest = id.index }
    }

    private mutating func unlink(_ id: SlotID) {
        let newer = entries[id].newer
        let older = entries[id].older
        if newer >= 0, let next = entries.first(from: Int(newer)) {
            entries[next].older = older
        } else {
            newest = older
        }
        if older >= 0, let next = entries.first(from: Int(older)) {
            entries[next].newer = newer
        } else {
            oldest = newer
        }
    }
}

/// How often things happened to the host cache.
public struct HostCacheCounters: Hashable, Sendable {
    /// Connections that began with what was remembered.
    public var hits: UInt64 = 0
    /// Connections of whose paths nothing was known.
    public var misses: UInt64 = 0
    /// What was found out and put in.
    public var updates: UInt64 = 0
    /// Hosts that had to go for others.
    public var evicted: UInt64 = 0
    /// Hosts of which everything had become old.
    public var expired: UInt64 = 0

    /// Nothing happened yet.
    public init() {}
}

/// A host as it is looked up: 128 bits of address, and the rest.
package struct HostKey: FlowKey, BitwiseCopyable {
    package var high: UInt64
    package var low: UInt64
    package var zone: UInt32
    package var fib: UInt16
    /// 4 or 6.
    package var version: UInt16

    package init(_ host: HostPath) {
        switch host.address {
        case .v4(let address):
            high = 0
            low = UInt64(address.bits)
            version = 4
        case .v6(let address):
            high = address.high
            low = address.low
            version = 6
        }
        zone = host.zone
        fib = host.fib
    }

    package var host: HostPath {
        let address: IPAddress =
            version == 6
            ? .v6(IPv6Address(high: high, low: low))
            : .v4(IPv4Address(bits: UInt32(truncatingIfNeeded: low)))
        return HostPath(address, fib: fib, zone: zone)
    }

    package func hash(using hasher: FlowHasher) -> UInt64 {
        let rest = UInt64(zone) << 32 | UInt64(fib) << 16 | UInt64(version)
        return hasher.hash(hasher.hash(high, low), rest)
    }
}
