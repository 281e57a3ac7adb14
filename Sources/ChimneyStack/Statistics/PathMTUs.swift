import ChimneyPrimitives

/// The MTUs that routers on the way have reported, by destination in the shape both families share (RFC 1191, RFC 8201).
///
/// At the bound the entry that expires first gives way.
struct PathMTUs: Sendable {
    private struct Entry {
        var destination: IPv6Address
        var mtu: Int
        var expires: Instant
    }

    private var entries: [Entry] = []
    /// At this many destinations the entry that expires first gives way.
    private let destinationsMax: Int
    /// How long a report is believed before the larger MTU is tried again (RFC 1191 §6.3, RFC 8201 §4).
    private static var lifetime: TimeSpan { .seconds(600) }

    init(destinationsMax: Int) { self.destinationsMax = max(1, destinationsMax) }

    var count: Int { entries.count }

    /// When ``forget(at:)`` next has work, or earlier.
    private(set) var deadline = Instant.never

    /// A router says that packets to `destination` may have `mtu` bytes; a report never raises what is known.
    mutating func learn(_ mtu: Int, to destination: IPv6Address, at now: Instant) {
        let expires = now + Self.lifetime
        deadline = min(deadline, expires)
        let position = lowerBound(destination)
        if position < entries.count, entries[position].destination == destination {
            let known = entries[position].expires > now ? entries[position].mtu : .max
            entries[position] = Entry(destination: destination, mtu: min(mtu, known), expires: expires)
            return
        }
        entries.insert(Entry(destination: destination, mtu: mtu, expires: expires), at: position)
        guard entries.count > destinationsMax else { return }
        var oldest = 0
        for index in entries.indices where entries[index].expires < entries[oldest].expires { oldest = index }
        entries.remove(at: oldest)
    }

    /// Forgets what is believed no more; whether there was any.
    mutating func forget(at now: Instant) -> Bool {
        guard deadline <= now else { return false }
        let before = entries.count
        entries.removeAll { $0.expires <= now }
        deadline = entries.lazy.map(\.expires).min() ?? .never
        return entries.count < before
    }

    /// The largest MTU in use below the length of a packet that was too long (RFC 1191 §7.1, table 7-1).
    static func plateau(below length: Int) -> Int {
        let plateaus: InlineArray<10, Int> = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296, 68]
        for index in 0..<plateaus.count where plateaus[index] < length { return plateaus[index] }
        return 68
    }

    /// The MTU last reported and still believed.
    func mtu(to destination: IPv6Address, at now: Instant) -> Int? {
        let position = lowerBound(destination)
        guard position < entries.count, entries[position].destination == destination else { return nil }
        return entries[position].expires > now ? entries[position].mtu : nil
    }

    private func lowerBound(_ destination: IPv6Address) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].destination < destination { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
