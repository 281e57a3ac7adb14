/// A secret that makes the places of a ``FlowTable`` unpredictable to whoever sends the flows.
@frozen
public struct FlowHasher: Sendable, BitwiseCopyable {
    @usableFromInline let one: UInt64
    @usableFromInline let other: UInt64

    /// A hasher with a secret of its own.
    public init(using random: inout StackRandom) {
        one = random.next()
        other = random.next()
    }

    /// A hash of 128 bits: a product of 64 by 64 bits, folded, twice.
    @inlinable
    public func hash(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let first = (a ^ one).multipliedFullWidth(by: b ^ other)
        let second = (first.high ^ one).multipliedFullWidth(by: first.low ^ 0x9E37_79B9_7F4A_7C15)
        return second.high ^ second.low
    }
}

/// What a ``FlowTable`` is looked up by.
public protocol FlowKey: Equatable, Sendable, BitwiseCopyable {
    /// A hash of all of the key.
    func hash(using hasher: FlowHasher) -> UInt64
}

/// The two ends of a flow over IPv4.
@frozen
public struct IPv4Flow: FlowKey, Hashable {
    /// Our address.
    public var local: IPv4Address
    /// Theirs.
    public var remote: IPv4Address
    /// Our port.
    public var localPort: UInt16
    /// Theirs.
    public var remotePort: UInt16

    /// The flow between two endpoints.
    @inlinable
    public init(local: IPv4Address, localPort: UInt16, remote: IPv4Address, remotePort: UInt16) {
        self.local = local
        self.remote = remote
        self.localPort = localPort
        self.remotePort = remotePort
    }

    /// A hash of the two endpoints.
    @inlinable
    public func hash(using hasher: FlowHasher) -> UInt64 {
        hasher.hash(
            UInt64(local.bits) &<< 32 | UInt64(remote.bits), UInt64(localPort) &<< 16 | UInt64(remotePort))
    }
}

/// The two ends of a flow over IPv6.
@frozen
public struct IPv6Flow: FlowKey, Hashable {
    /// Our address.
    public var local: IPv6Address
    /// Theirs.
    public var remote: IPv6Address
    /// Our port.
    public var localPort: UInt16
    /// Theirs.
    public var remotePort: UInt16
    /// The link that link-local addresses are of; 0 for others.
    public var zone: UInt32

    /// The flow between two endpoints.
    @inlinable
    public init(local: IPv6Address, localPort: UInt16, remote: IPv6Address, remotePort: UInt16, zone: UInt32 = 0) {
        self.local = local
        self.remote = remote
        self.localPort = localPort
        self.remotePort = remotePort
        self.zone = zone
    }

    /// A hash of the two endpoints.
    @inlinable
    public func hash(using hasher: FlowHasher) -> UInt64 {
        let addresses = hasher.hash(local.high, local.low) ^ hasher.hash(remote.high, ~remote.low)
        return hasher.hash(
            addresses, UInt64(zone) &<< 32 | UInt64(localPort) &<< 16 | UInt64(remotePort))
    }
}

/// Numbers by flow: open addressing with a keyed hash, where a hit mostly costs one cache line.
///
/// Entries lie in one array and are looked for from the place their hash names onwards. Removing moves the
/// entries behind into the gap, so that nothing is left to step over. The array starts empty, doubles
/// when five eighths are taken, and at the bound new flows are refused.
@frozen
@safe
public struct FlowTable<Key: FlowKey>: ~Copyable {
    // Invariant: `entries` holds `mask + 1` initialized entries, a power of two of which at least three eighths
    // are vacant, so that every walk ends.
    @usableFromInline var entries: UnsafeMutablePointer<FlowEntry<Key>>?
    @usableFromInline var mask: Int
    @usableFromInline var taken: Int
    @usableFromInline let hasher: FlowHasher
    /// The most flows; at the bound a new one is refused.
    public let flowsMax: Int

    /// A table without entries or memory, with a secret drawn from `random`.
    public init(flowsMax: Int, using random: inout StackRandom) {
        precondition(flowsMax >= 0, "a table's bound is not negative")
        unsafe entries = nil
        mask = -1
        taken = 0
        hasher = FlowHasher(using: &random)
        self.flowsMax = flowsMax
    }

    @inlinable
    deinit { unsafe entries?.deallocate() }

    /// How many flows there are.
    @inlinable
    public var count: Int { taken }

    /// The number of a flow, or `nil` when it has none.
    @inlinable
    public subscript(key: Key) -> UInt32? {
        guard let entries = unsafe entries else { return nil }
        var place = Int(truncatingIfNeeded: key.hash(using: hasher)) & mask
        for _ in 0...mask {
            let value = unsafe entries[place].value
            if value == FlowEntry<Key>.vacant { return nil }
            if unsafe entries[place].key == key { return value }
            place = (place &+ 1) & mask
        }
        return nil
    }

    /// Gives a flow a number, below 2^32 - 1, in place of the one it may have had.
    ///
    /// - Returns: `false`, with nothing changed, when the flow is new and the table at its bound.
    @inlinable
    public mutating func insert(_ value: UInt32, for key: Key) -> Bool {
        precondition(value != FlowEntry<Key>.vacant, "the largest number marks a vacant entry")
        if let place = find(key), let entries = unsafe entries {
            unsafe entries[place].value = value
            return true
        }
        guard taken < flowsMax else { return false }
        if (taken + 1) * 8 > (mask + 1) * 5 { grow() }
        place(FlowEntry(key: key, value: value))
        taken += 1
        return true
    }

    /// Removes a flow.
    ///
    /// - Returns: the number it had, or `nil`.
    @inlinable
    public mutating func remove(_ key: Key) -> UInt32? {
        guard var gap = find(key), let entries = unsafe entries else { return nil }
        let removed = unsafe entries[gap].value
        var next = gap
        for _ in 0...mask {
            next = (next + 1) & mask
            if unsafe entries[next].value == FlowEntry<Key>.vacant { break }
            // An entry moves into the gap unless that is before the place its hash names.
            let home = unsafe Int(truncatingIfNeeded: entries[next].key.hash(using: hasher)) & mask
            if (next - home) & mask >= (next - gap) & mask {
                unsafe entries[gap] = entries[next]
                gap = next
            }
        }
        unsafe entries[gap].value = FlowEntry<Key>.vacant
        taken -= 1
        return removed
    }

    @inlinable
    func find(_ key: Key) -> Int? {
        guard let entries = unsafe entries else { return nil }
        var place = Int(truncatingIfNeeded: key.hash(using: hasher)) & mask
        for _ in 0...mask {
            if unsafe entries[place].value == FlowEntry<Key>.vacant { return nil }
            if unsafe entries[place].key == key { return place }
            place = (place + 1) & mask
        }
        return nil
    }

    /// Puts an entry that is not in the table where its walk first meets a vacant one.
    @inlinable
    mutating func place(_ entry: FlowEntry<Key>) {
        guard let entries = unsafe entries else { return }
        var place = Int(truncatingIfNeeded: entry.key.hash(using: hasher)) & mask
        while unsafe entries[place].value != FlowEntry<Key>.vacant { place = (place + 1) & mask }
        unsafe entries[place] = entry
    }

    @inlinable
    mutating func grow() {
        let old = unsafe entries
        let oldCount = mask + 1
        let capacity = max(8, oldCount * 2)
        let fresh = unsafe UnsafeMutableRawPointer.allocate(
            byteCount: capacity * MemoryLayout<FlowEntry<Key>>.stride, alignment: 64
        ).bindMemory(to: FlowEntry<Key>.self, capacity: capacity)
        unsafe entries = fresh
        mask = capacity - 1
        // Only the value of a vacant entry is read, but all of it is initialized, with any key's bytes.
        unsafe UnsafeMutableRawPointer(fresh).initializeMemory(
            as: UInt8.self, repeating: 0xFF, count: capacity * MemoryLayout<FlowEntry<Key>>.stride)
        guard let old = unsafe old else { return }
        for index in 0..<oldCount where unsafe old[index].value != FlowEntry<Key>.vacant {
            unsafe place(old[index])
        }
        unsafe old.deallocate()
    }
}

/// A flow and its number.
@frozen
@usableFromInline
struct FlowEntry<Key: FlowKey>: BitwiseCopyable {
    @usableFromInline var key: Key
    @usableFromInline var value: UInt32

    @inlinable
    init(key: Key, value: UInt32) {
        self.key = key
        self.value = value
    }

    @usableFromInline static var vacant: UInt32 { @inlinable get { .max } }
}
