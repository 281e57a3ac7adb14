import ChimneyPrimitives
import ChimneyWire

/// Which datagram a fragment belongs to (RFC 791 §3.2, RFC 8200 §4.5), its addresses in the shape both families share.
struct FragmentKey: Equatable {
    var source: IPv6Address
    var destination: IPv6Address
    /// The identification, and of IPv4 the protocol too.
    var rest: UInt64
}

/// One fragment's place in its datagram.
struct Fragment {
    var key: FragmentKey
    /// Where its data lies in the whole payload, in bytes.
    var offset: Int
    /// The bytes of data.
    var byteCount: Int
    var moreFragments: Bool
    /// The bytes of header that the whole datagram keeps of this fragment, if it is the first.
    var headerByteCount: Int
    /// Where the header says what the payload is.
    var namedAt: Int
}

/// Datagrams of either family whose fragments have not all arrived (RFC 791 §3.2, RFC 815, RFC 8200 §4.5).
///
/// Memory is bounded in datagrams, in bytes of buffers and in fragments of one datagram; at a bound
/// the oldest datagram is given up. Fragments that overlap condemn their datagram, because two
/// hosts would read it differently (RFC 5722, whose reasons hold for IPv4 too).
struct Reassembly: ~Copyable {
    /// What became of a fragment.
    ///
    /// Packets in ``dead`` die for ``reason``.
    struct Outcome: ~Copyable {
        /// The whole datagram, when the fragment completed it.
        var whole = PacketQueue()
        /// How many fragments were merged into it.
        var mergedCount = 0
        /// Fragments that die now.
        var dead = PacketQueue()
        var reason = DropReason.fragmentMalformed
        /// Fragments given up to make room.
        var evicted = PacketQueue()
    }

    struct Span {
        var start: Int
        var end: Int
    }

    struct Entry: ~Copyable {
        let key: FragmentKey
        let due: Instant
        var spans: [Span] = []
        var received = 0
        var total: Int?
        var headerByteCount = 0
        var namedAt = 0
        var bufferByteCount = 0
        var fragments = PacketQueue()

        init(key: FragmentKey, due: Instant) {
            self.key = key
            self.due = due
        }
    }

    /// Oldest first, so that the head is both the next to time out and the one to give up.
    private var order: [SlotID] = []
    private var keys: [FragmentKey] = []
    private var entries: SlotMap<Entry>
    private(set) var heldCount = 0
    private(set) var heldBytes = 0
    /// At this many datagrams the oldest gives way.
    private let datagramsMax: Int
    /// At this many held bytes the oldest datagrams give way.
    private let bytesMax: Int
    /// A datagram in more pieces than this is given up.
    private let fragmentsMax: Int
    private let timeout: TimeSpan

    init(settings: StackSettings) {
        datagramsMax = max(1, settings.reassemblyDatagramsMax)
        bytesMax = settings.reassemblyBytesMax
        fragmentsMax = settings.fragmentsPerDatagramMax
        timeout = settings.reassemblyTimeout
        entries = SlotMap(elementsMax: datagramsMax)
    }

    /// When the oldest datagram is given up, or `nil` while none waits.
    var deadline: Instant? { order.first.map { entries[$0].due } }

    var datagramCount: Int { order.count }

    /// A fragment arrived, its bytes beginning with the IP header and ending with the payload, which
    /// `transportOffset` of its metadata points at.
    mutating func fragmentArrived(
        _ packet: consuming Packet, _ fragment: Fragment, at now: Instant, pool: PacketPool
    ) -> Outcome {
        var outcome = Outcome()
        let start = fragment.offset
        let length = fragment.byteCount
        let end = start + length
        guard length > 0, !fragment.moreFragments || length & 7 == 0 else {
            return condemned(packet, .fragmentMalformed, outcome)
        }
        // The length of IPv6 does not count the header's first 40 bytes.
        let counted = fragment.headerByteCount - (packet.isIPv6 ? 40 : 0)
        guard end + counted <= 65_535 else { return condemned(packet, .fragmentOversized, outcome) }

        let key = fragment.key
        guard let position = keys.firstIndex(of: key) ?? open(key, at: now, &outcome) else {
            return condemned(packet, .noBuffer, outcome)
        }
        let id = order[position]

        switch place(Span(start: start, end: end), isLast: !fragment.moreFragments, in: id) {
        case .fits: break
        case .duplicate: return condemned(packet, .fragmentDuplicate, outcome)
        case .refused(let reason):
            outcome.dead.append(packet)
            outcome.reason = reason
            close(position, into: &outcome.dead)
            return outcome
        }
        if start == 0 {
            entries[id].headerByteCount = fragment.headerByteCount
            entries[id].namedAt = fragment.namedAt
        }
        entries[id].received += length
        entries[id].bufferByteCount += packet.count
        heldBytes += packet.count
        heldCount += 1
        entries[id].fragments.append(packet)

        if let total = entries[id].total, entries[id].received == total {
            merge(position, total: total, pool: pool, &outcome)
        } else {
            evictDownToBounds(keeping: id, &outcome)
        }
        return outcome
    }

    /// Gives up one datagram whose time is over; the fragment with offset 0, where it arrived, comes
    /// first in `dead`, because only it may be answered with an ICMP error (RFC 792).
    mutating func expire(at now: Instant, into dead: inout PacketQueue) -> Bool {
        guard let due = deadline, due <= now else { return false }
        close(0, into: &dead)
        return true
    }

    /// Gives up everything.
    mutating func removeAll(into dead: inout PacketQueue) {
        while !order.isEmpty { close(order.count - 1, into: &dead) }
    }

    private enum Placement {
        case fits
        case duplicate
        case refused(DropReason)
    }

    /// Finds a place between the spans that have arrived, sorted by their start.
    private mutating func place(_ span: Span, isLast: Bool, in id: SlotID) -> Placement {
        if let total = entries[id].total, span.end > total || (isLast && span.end != total) {
            return .refused(.fragmentMalformed)
        }
        if isLast, let furthest = entries[id].spans.last, furthest.end > span.end {
            return .refused(.fragmentMalformed)
        }
        let count = entries[id].spans.count
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if entries[id].spans[middle].start < span.start { low = middle + 1 } else { high = middle }
        }
        if low < count {
            let next = entries[id].spans[low]
            if next.start == span.start && next.end == span.end { return .duplicate }
            if next.start < span.end { return .refused(.fragmentOverlap) }
        }
        if low > 0, entries[id].spans[low - 1].end > span.start { return .refused(.fragmentOverlap) }
        guard count < fragmentsMax else { return .refused(.fragmentTooMany) }
        if isLast { entries[id].total = span.end }
        entries[id].spans.insert(span, at: low)
        return .fits
    }

    private mutating func open(_ key: FragmentKey, at now: Instant, _ outcome: inout Outcome) -> Int? {
        if order.count >= datagramsMax { close(0, into: &outcome.evicted) }
        guard let id = entries.insert(Entry(key: key, due: now + timeout)) else { return nil }
        order.append(id)
        keys.append(key)
        return order.count - 1
    }

    private mutating func evictDownToBounds(keeping id: SlotID, _ outcome: inout Outcome) {
        while heldBytes > bytesMax, let oldest = order.first {
            close(0, into: &outcome.evicted)
            if oldest == id { return }
        }
    }

    /// Removes a datagram, handing its fragments over with the one of offset 0 first.
    private mutating func close(_ position: Int, into dead: inout PacketQueue) {
        let id = order.remove(at: position)
        keys.remove(at: position)
        var entry = entries.remove(id)
        heldCount -= entry.fragments.count
        heldBytes -= entry.bufferByteCount
        var others = PacketQueue()
        while !entry.fragments.isEmpty {
            let fragment = entry.fragments.removeFirst()
            let isFirst = Self.isFirst(fragment)
            if isFirst { dead.append(fragment) } else { others.append(fragment) }
        }
        dead.append(contentsOf: &others)
    }

    private static func isFirst(_ fragment: borrowing Packet) -> Bool {
        fragment.fragmentOffset == 0
    }

    /// Writes the fragments into one buffer, each at its offset, behind the header of the first.
    private mutating func merge(_ position: Int, total: Int, pool: PacketPool, _ outcome: inout Outcome) {
        let headerByteCount = entries[order[position]].headerByteCount
        let namedAt = entries[order[position]].namedAt
        var fragments = PacketQueue()
        close(position, into: &fragments)
        outcome.mergedCount = fragments.count
        outcome.reason = .noBuffer
        guard var whole = pool.allocate(byteCount: headerByteCount + total) else {
            outcome.dead.append(contentsOf: &fragments)
            return
        }
        var isFirst = true
        while !fragments.isEmpty {
            let fragment = fragments.removeFirst()
            let start = Int(fragment.metadata.transportOffset)
            if isFirst {
                whole.metadata = fragment.metadata
                whole.write(fragment.bytes.extracting(0..<headerByteCount), at: 0)
                // What the fragment header announced, the header before it announces now (RFC 8200 §4.5).
                if fragment.isIPv6 { whole.store8(fragment.bytes.uint8(at: start - 8), at: namedAt) }
                isFirst = false
            }
            let payload = fragment.bytes.extracting(start..<fragment.count)
            whole.write(payload, at: headerByteCount + fragment.fragmentOffset)
        }
        whole.finishReassembly(headerByteCount: headerByteCount)
        outcome.whole.append(whole)
    }

    private func condemned(
        _ packet: consuming Packet, _ reason: DropReason, _ outcome: consuming Outcome
    ) -> Outcome {
        outcome.dead.append(packet)
        outcome.reason = reason
        return outcome
    }
}

extension Packet {
    /// Where the data of a fragment in reassembly lies in the whole payload, in bytes.
    fileprivate var fragmentOffset: Int {
        isIPv6
            ? Int(bytes.uint16(at: Int(metadata.transportOffset) - 6) & 0xFFF8)
            : Int(bytes.uint16(at: 6) & 0x1FFF) << 3
    }

    /// Turns the header of a first fragment into that of the whole datagram.
    fileprivate mutating func finishReassembly(headerByteCount: Int) {
        if isIPv6 {
            store16(UInt16(truncatingIfNeeded: count - 40), at: 4)
        } else {
            store16(UInt16(truncatingIfNeeded: count), at: 2)
            store16(0, at: 6)
            storeIPv4HeaderChecksum(headerByteCount: headerByteCount)
        }
    }
}
