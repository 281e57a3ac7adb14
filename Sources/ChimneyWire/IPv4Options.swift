public import ChimneyPrimitives

/// Why options cannot be added to an IPv4 header.
@frozen
public enum IPv4OptionsError: Error, Hashable, Sendable {
    /// More than the 40 bytes a header has for options.
    case noRoom
    /// A list with no entry.
    case noEntry
}

/// The options of an IPv4 header: at most 40 bytes, well-formed, padded with zeros to whole words.
public struct IPv4Options: Sendable {
    private var storage = InlineArray<40, UInt8>(repeating: 0)
    private var used = 0

    /// No options.
    public init() {}

    /// The options of a packet as they stand, such as an answer gives them back (RFC 1122 §3.2.1.8).
    public init(_ packet: IPv4View) throws(IPv4OptionError) {
        var iterator = IPv4OptionIterator(packet)
        while try iterator.next() != nil {}
        take(packet.options)
    }

    /// The options that every fragment of `packet` carries; the first carries all (RFC 791 §3.2).
    public init(copiedFrom packet: IPv4View) throws(IPv4OptionError) {
        var iterator = IPv4OptionIterator(packet)
        var start = 0
        let options = packet.options
        while try iterator.next() != nil {
            let end = iterator.offset - IPv4Header.byteCountMin
            if IPv4OptionKind(rawValue: options.uint8(at: start)).isCopied { take(options.extracting(start..<end)) }
            start = end
        }
    }

    /// Router alert alone, as IGMP sends it (RFC 2113, RFC 9776 §4).
    public static var routerAlert: Self {
        var options = Self()
        options.put([IPv4OptionKind.routerAlert.rawValue, 4, 0, 0])
        return options
    }

    /// Bytes as they go on the wire: a multiple of four up to 40.
    public var byteCount: Int { (used + 3) & ~3 }
    /// Whether there are none.
    public var isEmpty: Bool { used == 0 }

    /// Adds one byte of padding.
    public mutating func appendNoOperation() throws(IPv4OptionsError) {
        try append([IPv4OptionKind.noOperation.rawValue])
    }
    /// Adds a router alert (RFC 2113).
    public mutating func appendRouterAlert() throws(IPv4OptionsError) {
        try append([IPv4OptionKind.routerAlert.rawValue, 4, 0, 0])
    }
    /// Adds a list in which up to `count` routers write their addresses; nine fit in a header.
    public mutating func appendRecordRoute(count: Int) throws(IPv4OptionsError) {
        guard count > 0 else { throw .noEntry }
        guard count <= 9 else { throw .noRoom }
        let length = 3 + 4 * count
        try append(
            [IPv4OptionKind.recordRoute.rawValue, UInt8(length), 4] + [UInt8](repeating: 0, count: length - 3))
    }
    /// Adds a list in which up to `count` routers write the time, each with its address or without.
    ///
    /// Nine times fit in a header, or four with addresses.
    public mutating func appendTimestamps(count: Int, withAddresses: Bool = false) throws(IPv4OptionsError) {
        guard count > 0 else { throw .noEntry }
        let kind: IPv4TimestampKind = withAddresses ? .addressesAndTimes : .times
        guard count <= 9, 4 + kind.entryByteCount * count <= IPv4Header.optionsBytesMax else { throw .noRoom }
        let length = 4 + kind.entryByteCount * count
        try append(
            [IPv4OptionKind.timestamp.rawValue, UInt8(length), 5, kind.rawValue]
                + [UInt8](repeating: 0, count: length - 4))
    }
    /// Adds a list in which each of `addresses` writes the time it sees the packet; four fit in a header.
    public mutating func appendTimestamps(of addresses: [IPv4Address]) throws(IPv4OptionsError) {
        guard !addresses.isEmpty else { throw .noEntry }
        guard addresses.count <= 4 else { throw .noRoom }
        var bytes = [
            IPv4OptionKind.timestamp.rawValue, UInt8(4 + 8 * addresses.count), 5,
            IPv4TimestampKind.prespecified.rawValue,
        ]
        for address in addresses {
            for shift in stride(from: UInt32(24), through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: address.bits >> shift))
            }
            bytes += [0, 0, 0, 0]
        }
        try append(bytes)
    }

    /// Writes the options at `offset`, which is 20 bytes into the header, and returns ``byteCount``.
    @discardableResult
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int) -> Int {
        for index in 0..<byteCount { span.store(index < used ? storage[index] : 0, at: offset + index) }
        return byteCount
    }

    private mutating func append(_ bytes: [UInt8]) throws(IPv4OptionsError) {
        guard used + bytes.count <= IPv4Header.optionsBytesMax else { throw .noRoom }
        put(bytes)
    }

    private mutating func put(_ bytes: [UInt8]) {
        for byte in bytes {
            storage[used] = byte
            used += 1
        }
    }

    private mutating func take(_ bytes: RawSpan) {
        for index in 0..<bytes.byteCount {
            storage[used] = bytes.uint8(at: index)
            used += 1
        }
    }
}

extension IPv4Options: Hashable {
    /// Whether both put the same bytes on the wire.
    public static func == (lhs: Self, rhs: Self) -> Bool {
        lhs.byteCount == rhs.byteCount && lhs.storage.indices.allSatisfy { lhs.storage[$0] == rhs.storage[$0] }
    }

    /// Feeds the bytes that `==` compares.
    public func hash(into hasher: inout Hasher) {
        for index in 0..<byteCount { hasher.combine(storage[index]) }
    }
}

extension IPv4Header {
    /// Writes what the options of a packet ask of every router it passes and of its destination: the address and the
    /// time of this hop (RFC 791 §3.1, RFC 1812 §5.2.4).
    ///
    /// The packet begins the span and was read as ``IPv4View`` before. The checksum follows the change.
    ///
    /// - Parameters:
    ///   - address: what this hop calls itself on the way out.
    ///   - time: milliseconds since midnight UT.
    ///   - isOwn: whether an address is one of this hop's, for times that name who writes them.
    ///   - packet: where the header stands.
    /// - Returns: whether anything was written.
    /// - Throws: ``IPv4OptionError``; nothing is written then.
    @discardableResult
    @_lifetime(packet: copy packet)
    public static func recordHop(
        address: IPv4Address, time: UInt32, isOwn: (IPv4Address) -> Bool, in packet: inout MutableRawSpan
    ) throws(IPv4OptionError) -> Bool {
        let places = try places(in: packet.bytes)
        var changed = false
        if let route = places.route {
            let pointer = packet.bytes.uint8(at: route + 2)
            if pointer < packet.bytes.uint8(at: route + 1) {
                packet.store(address.bits, at: route + Int(pointer) - 1)
                packet.store(pointer + 4, at: route + 2)
                changed = true
            }
        }
        if let option = places.timestamp {
            changed = recordTime(time, address: address, isOwn: isOwn, at: option, in: &packet) || changed
        }
        if changed { updateChecksum(in: &packet) }
        return changed
    }

    @_lifetime(packet: copy packet)
    private static func recordTime(
        _ time: UInt32, address: IPv4Address, isOwn: (IPv4Address) -> Bool, at option: Int,
        in packet: inout MutableRawSpan
    ) -> Bool {
        let length = packet.bytes.uint8(at: option + 1)
        let pointer = packet.bytes.uint8(at: option + 2)
        let flags = packet.bytes.uint8(at: option + 3)
        guard let kind = IPv4TimestampKind(rawValue: flags & 0xF) else { return false }
        let entry = option + Int(pointer) - 1
        let isFull = pointer > length
        switch kind {
        case .times:
            if !isFull { packet.store(time, at: entry) }
        case .addressesAndTimes:
            if !isFull {
                packet.store(address.bits, at: entry)
                packet.store(time, at: entry + 4)
            }
        case .prespecified:
            // No overflow is counted: whom the sender did not name has nothing to write.
            guard !isFull, isOwn(IPv4Address(bits: packet.bytes.uint32(at: entry))) else { return false }
            packet.store(time, at: entry + 4)
        }
        if isFull {
            packet.store(flags &+ 0x10, at: option + 3)
        } else {
            packet.store(pointer + UInt8(kind.entryByteCount), at: option + 2)
        }
        return true
    }

    /// Where the two options stand that routers write into; checks all options first.
    private static func places(in bytes: RawSpan) throws(IPv4OptionError) -> (route: Int?, timestamp: Int?) {
        let end = min(Int(bytes.uint8(at: 0) & 0xF) * 4, bytes.byteCount)
        guard end > byteCountMin else { return (nil, nil) }
        var iterator = IPv4OptionIterator(options: bytes.extracting(byteCountMin..<end))
        var places: (route: Int?, timestamp: Int?) = (nil, nil)
        while let option = try iterator.next() {
            switch option {
            case .recordRoute(let route): places.route = route.offset
            case .timestamp(let list):
                // A sixteenth that finds no room puts the packet in error (RFC 791 §3.1).
                guard !list.isFull || list.overflow < 15 || list.kind == .prespecified else {
                    throw .flag(at: UInt8(truncatingIfNeeded: list.offset + 3))
                }
                places.timestamp = list.offset
            case .noOperation, .routerAlert, .looseSourceRoute, .strictSourceRoute, .security, .streamIdentifier,
                .other:
                break
            }
        }
        return places
    }
}
