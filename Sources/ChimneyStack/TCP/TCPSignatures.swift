import ChimneyPrimitives
import ChimneyWire

/// Which peers a stack shares keys with (RFC 2385), the longest prefix counting.
struct TCPSignatures {
    private struct Entry {
        /// Of IPv4 in the shape that both families share.
        var peers: IPv6Prefix
        var isIPv4: Bool
        var key: TCPSignatureKey
    }

    /// Whether there is a key; apart from the keys, because each segment that arrives asks.
    private(set) var isInUse = false
    var signer: (any SegmentSigner)?
    /// The longest prefixes first, those of one length in the order of their addresses.
    private var entries: [Entry] = []
    /// The lengths there are, the longest first.
    private var lengths: [Int] = []

    var count: Int { entries.count }

    /// The peers with keys, and how long their keys are.
    var list: [(peers: IPPrefix, byteCount: Int)] {
        entries.map { (Self.prefix(of: $0), $0.key.byteCount) }
    }

    /// Gives peers a key, in the place of the one they had for exactly this prefix.
    mutating func set(_ key: TCPSignatureKey, for peers: IPPrefix, keysMax: Int) throws(SignatureKeyError) {
        guard signer != nil else { throw .noSigner }
        let prefix = Self.mapped(peers)
        let position = lowerBound(prefix)
        if position < entries.count, entries[position].peers == prefix {
            entries[position].key = key
            return
        }
        guard entries.count < keysMax else { throw .tooManyKeys(max: keysMax) }
        entries.insert(Entry(peers: prefix, isIPv4: peers.isIPv4, key: key), at: position)
        keysChanged()
    }

    /// Takes away the key of exactly this prefix; answers whether there was one.
    mutating func remove(_ peers: IPPrefix) -> Bool {
        let prefix = Self.mapped(peers)
        let position = lowerBound(prefix)
        guard position < entries.count, entries[position].peers == prefix else { return false }
        entries.remove(at: position)
        keysChanged()
        return true
    }

    /// Where the key of the longest prefix is that a peer lies in.
    func place(of peer: IPv6Address) -> Int? {
        let isIPv4 = peer.mappedIPv4 != nil
        for length in lengths {
            // A short prefix of IPv6 does not mean the hosts of IPv4.
            if isIPv4, length < 96 { return nil }
            let prefix = IPv6Prefix(peer, length: length)
            let position = lowerBound(prefix)
            if position < entries.count, entries[position].peers == prefix { return position }
        }
        return nil
    }

    func peers(at place: Int) -> IPPrefix { Self.prefix(of: entries[place]) }

    /// The digest of a segment (RFC 2385 §2.0).
    ///
    /// - Parameters:
    ///   - packet: in it from `start` on the TCP header, which lies in its first part, and the data.
    ///   - start: where the TCP header begins.
    ///   - source: where the packet comes from.
    ///   - destination: where it goes to.
    ///   - place: where the key is.
    /// - Returns: the digest; `nil` without a signer, or where the header does not lie in one piece.
    func digest(
        of packet: borrowing Packet, from start: Int, source: IPv6Address, destination: IPv6Address, place: Int
    ) -> SegmentDigest? {
        guard let signer, packet.count >= start + TCPHeader.byteCount else { return nil }
        let segment = packet.bytes
        let head = SignedHead(
            segment.extracting(start..<start + TCPHeader.byteCount), source: source, destination: destination,
            segmentByteCount: packet.totalCount - start)
        let headerByteCount = Int(segment.uint8(at: start + 12) >> 4) * 4
        let key = entries[place].key.bytes
        return signer.digest { add in
            head.feed(add)
            var toSkip = start + headerByteCount
            for index in 0..<packet.sliceCount {
                let part = packet.slice(index)
                if toSkip < part.byteCount { add(part.extracting(toSkip..<part.byteCount)) }
                toSkip = max(0, toSkip - part.byteCount)
            }
            add(key.span.octets)
        }
    }

    // MARK: - The table

    private mutating func keysChanged() {
        isInUse = !entries.isEmpty
        lengths.removeAll(keepingCapacity: true)
        for entry in entries where lengths.last != entry.peers.length { lengths.append(entry.peers.length) }
    }

    private func lowerBound(_ prefix: IPv6Prefix) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            let other = entries[middle].peers
            let isBefore =
                other.length == prefix.length ? other.address < prefix.address : other.length > prefix.length
            if isBefore { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func mapped(_ prefix: IPPrefix) -> IPv6Prefix {
        switch prefix {
        case .v4(let prefix): IPv6Prefix(IPv6Address(mapped: prefix.address), length: 96 + prefix.length)
        case .v6(let prefix): prefix
        }
    }

    private static func prefix(of entry: Entry) -> IPPrefix {
        entry.isIPv4
            ? .v4(
                IPv4Prefix(
                    IPv4Address(bits: UInt32(truncatingIfNeeded: entry.peers.address.low)),
                    length: entry.peers.length - 96)) : .v6(entry.peers)
    }
}

/// What is signed before the data: the pseudo-header of the family, and the TCP header without options and with a checksum
/// of zero.
private struct SignedHead {
    private var bytes = InlineArray<60, UInt8>(repeating: 0)
    private var count = 0

    init(_ header: RawSpan, source: IPv6Address, destination: IPv6Address, segmentByteCount: Int) {
        if destination.mappedIPv4 != nil {
            append(UInt32(truncatingIfNeeded: source.low))
            append(UInt32(truncatingIfNeeded: destination.low))
            append(UInt32(IPProtocol.tcp.rawValue) << 16 | UInt32(UInt16(truncatingIfNeeded: segmentByteCount)))
        } else {
            append(source)
            append(destination)
            append(UInt32(truncatingIfNeeded: segmentByteCount))
            append(UInt32(IPProtocol.tcp.rawValue))
        }
        for offset in stride(from: 0, to: TCPHeader.byteCount, by: 4) {
            // The checksum is the first half of the last word.
            let word = header.uint32(at: offset)
            append(offset == TCPHeader.checksumOffset ? word & 0xFFFF : word)
        }
    }

    private mutating func append(_ address: IPv6Address) {
        append(UInt32(truncatingIfNeeded: address.high >> 32))
        append(UInt32(truncatingIfNeeded: address.high))
        append(UInt32(truncatingIfNeeded: address.low >> 32))
        append(UInt32(truncatingIfNeeded: address.low))
    }

    private mutating func append(_ word: UInt32) {
        var span = bytes.mutableSpan
        var octets = span.mutableOctets
        octets.store(word, at: count)
        count += 4
    }

    func feed(_ add: (RawSpan) -> Void) {
        add(bytes.span.octets.extracting(0..<count))
    }
}
