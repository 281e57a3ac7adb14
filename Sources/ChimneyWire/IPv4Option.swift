public import ChimneyPrimitives

/// The first byte of an IPv4 option (RFC 791 §3.1): whether fragments carry it, its class and its number.
@frozen
public struct IPv4OptionKind: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The byte on the wire.
    public var rawValue: UInt8

    /// The kind with this number.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Nothing but padding follows.
    @inlinable
    public static var endOfList: Self { Self(rawValue: 0) }
    /// One byte of padding.
    @inlinable
    public static var noOperation: Self { Self(rawValue: 1) }
    /// Every router writes its address.
    @inlinable
    public static var recordRoute: Self { Self(rawValue: 7) }
    /// Every router writes the time, perhaps with its address.
    @inlinable
    public static var timestamp: Self { Self(rawValue: 68) }
    /// Basic security (RFC 1108).
    @inlinable
    public static var security: Self { Self(rawValue: 130) }
    /// Loose source route.
    @inlinable
    public static var looseSourceRoute: Self { Self(rawValue: 131) }
    /// Extended security (RFC 1108).
    @inlinable
    public static var extendedSecurity: Self { Self(rawValue: 133) }
    /// Stream identifier, obsolete (RFC 6814).
    @inlinable
    public static var streamIdentifier: Self { Self(rawValue: 136) }
    /// Strict source route.
    @inlinable
    public static var strictSourceRoute: Self { Self(rawValue: 137) }
    /// Routers look at the packet (RFC 2113).
    @inlinable
    public static var routerAlert: Self { Self(rawValue: 148) }

    /// Whether every fragment carries the option and not the first alone.
    @inlinable
    public var isCopied: Bool { rawValue & 0x80 != 0 }
}

/// What is wrong with the options of an IPv4 header, with the offset in the header that a Parameter Problem
/// message points at (RFC 792).
@frozen
public enum IPv4OptionError: Error, Hashable, Sendable {
    /// The header ends within the option.
    case truncated(at: UInt8)
    /// A length that this kind of option cannot have.
    case length(at: UInt8)
    /// A pointer that does not stand at an entry, or leaves no room for a whole one.
    case pointer(at: UInt8)
    /// None of the three timestamp flags, or an overflow count that is full.
    case flag(at: UInt8)
    /// An option a second time that a header may hold once.
    case duplicate(at: UInt8)

    /// Which byte of the header is at fault, counted from its first.
    @inlinable
    public var pointer: UInt8 {
        switch self {
        case .truncated(let at), .length(let at), .pointer(let at), .flag(let at), .duplicate(let at): at
        }
    }
}

/// One option of an IPv4 header, read in place.
@frozen
public enum IPv4Option: ~Escapable {
    /// One byte of padding.
    case noOperation
    /// Routers look at the packet whatever its destination (RFC 2113); only the value 0 has a meaning.
    case routerAlert(UInt16)
    /// Every router writes its address.
    case recordRoute(IPv4RouteView)
    /// The packet goes by these routers, and others between them.
    case looseSourceRoute(IPv4RouteView)
    /// The packet goes by exactly these routers.
    case strictSourceRoute(IPv4RouteView)
    /// Every router writes the time.
    case timestamp(IPv4TimestampView)
    /// Basic security (RFC 1108): what follows kind and length.
    case security(RawSpan)
    /// Stream identifier, obsolete (RFC 6814).
    case streamIdentifier(UInt16)
    /// An option of another kind: what follows kind and length. A host ignores it (RFC 1122 §3.2.1.8).
    case other(IPv4OptionKind, RawSpan)
}

/// A list of addresses with a pointer to the next free, or next to visit (RFC 791 §3.1).
@frozen
public struct IPv4RouteView: ~Escapable {
    /// The option with kind and length.
    public let bytes: RawSpan
    /// Where the option stands in the header.
    public let offset: Int

    @inlinable
    @_lifetime(copy bytes)
    init(_ bytes: RawSpan, at offset: Int) throws(IPv4OptionError) {
        guard bytes.byteCount >= 3, (bytes.byteCount - 3) & 3 == 0 else {
            throw .length(at: UInt8(truncatingIfNeeded: offset + 1))
        }
        let pointer = Int(bytes.uint8(at: 2))
        // Beyond the list the pointer says that it is full, whatever its value.
        guard pointer >= 4, pointer > bytes.byteCount || pointer & 3 == 0 else {
            throw .pointer(at: UInt8(truncatingIfNeeded: offset + 2))
        }
        self.bytes = bytes
        self.offset = offset
    }

    /// How many addresses the list has room for.
    @inlinable
    public var count: Int { (bytes.byteCount - 3) / 4 }
    /// How many are written, or visited.
    @inlinable
    public var usedCount: Int { min((Int(bytes.uint8(at: 2)) - 4) / 4, count) }
    /// Whether no entry is left.
    @inlinable
    public var isFull: Bool { usedCount == count }
    /// The address in entry `index`, from 0 to ``count`` - 1.
    @inlinable
    public subscript(index: Int) -> IPv4Address { IPv4Address(bits: bytes.uint32(at: 3 + index * 4)) }
}

/// What the entries of an IPv4 timestamp option are (RFC 791 §3.1).
@frozen
public enum IPv4TimestampKind: UInt8, Sendable, CaseIterable {
    /// The time alone.
    case times = 0
    /// The address of whoever writes, and the time.
    case addressesAndTimes = 1
    /// Addresses chosen by the sender, each waiting for the time of its owner.
    case prespecified = 3

    /// Bytes of an entry.
    @inlinable
    public var entryByteCount: Int {
        switch self {
        case .times: 4
        case .addressesAndTimes, .prespecified: 8
        }
    }
}

/// A list of times, in milliseconds since midnight UT (RFC 791 §3.1).
@frozen
public struct IPv4TimestampView: ~Escapable {
    /// The option with kind and length.
    public let bytes: RawSpan
    /// Where the option stands in the header.
    public let offset: Int
    /// What the entries are.
    public let kind: IPv4TimestampKind

    @inlinable
    @_lifetime(copy bytes)
    init(_ bytes: RawSpan, at offset: Int) throws(IPv4OptionError) {
        guard bytes.byteCount >= 4 else { throw .length(at: UInt8(truncatingIfNeeded: offset + 1)) }
        guard let kind = IPv4TimestampKind(rawValue: bytes.uint8(at: 3) & 0xF) else {
            throw .flag(at: UInt8(truncatingIfNeeded: offset + 3))
        }
        // Room that does not hold a whole entry puts the packet in error (RFC 791 §3.1): here as soon as it is seen,
        // and not by the hop that finds the rest of the list full.
        guard (bytes.byteCount - 4) % kind.entryByteCount == 0 else {
            throw .length(at: UInt8(truncatingIfNeeded: offset + 1))
        }
        let pointer = Int(bytes.uint8(at: 2))
        guard pointer >= 5, pointer > bytes.byteCount || (pointer - 5) % kind.entryByteCount == 0 else {
            throw .pointer(at: UInt8(truncatingIfNeeded: offset + 2))
        }
        self.bytes = bytes
        self.offset = offset
        self.kind = kind
    }

    /// How many entries the list has room for.
    @inlinable
    public var count: Int { (bytes.byteCount - 4) / kind.entryByteCount }
    /// How many entries hold a time.
    @inlinable
    public var usedCount: Int { min((Int(bytes.uint8(at: 2)) - 5) / kind.entryByteCount, count) }
    /// Whether no entry is left.
    @inlinable
    public var isFull: Bool { usedCount == count }
    /// How many could not write for want of room, at most 15.
    @inlinable
    public var overflow: UInt8 { bytes.uint8(at: 3) >> 4 }
    /// The address in entry `index`; `nil` where the entries are times alone.
    @inlinable
    public func address(_ index: Int) -> IPv4Address? {
        switch kind {
        case .times: nil
        case .addressesAndTimes, .prespecified: IPv4Address(bits: bytes.uint32(at: 4 + index * 8))
        }
    }
    /// The time in entry `index`, from 0 to ``count`` - 1.
    ///
    /// The highest bit marks a time that is not in milliseconds since midnight UT.
    @inlinable
    public func time(_ index: Int) -> UInt32 {
        bytes.uint32(at: 4 + index * kind.entryByteCount + kind.entryByteCount - 4)
    }
}

/// Walks the options of one IPv4 header.
///
/// At most 40 steps, as every option has at least one byte; nothing is read behind the first error.
@frozen
public struct IPv4OptionIterator: ~Escapable {
    @usableFromInline let options: RawSpan
    @usableFromInline var position = 0
    @usableFromInline var seen: UInt8 = 0

    /// Walks the options of `packet`.
    @inlinable
    @_lifetime(copy packet)
    public init(_ packet: IPv4View) { options = packet.options }

    /// Walks `options`, which are at most 40 bytes behind the first 20 of a header.
    @inlinable
    @_lifetime(copy options)
    public init(options: RawSpan) {
        self.options = options.extracting(0..<min(options.byteCount, IPv4Header.optionsBytesMax))
    }

    /// Where the next option stands in the header.
    @inlinable
    public var offset: Int { IPv4Header.byteCountMin + position }

    /// The next option; `nil` at the end of the list.
    @inlinable
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    public mutating func next() throws(IPv4OptionError) -> IPv4Option? {
        guard position < options.byteCount else { return nil }
        let start = position
        let at = UInt8(truncatingIfNeeded: IPv4Header.byteCountMin + start)
        let kind = IPv4OptionKind(rawValue: options.uint8(at: start))
        if kind == .endOfList {
            position = options.byteCount
            return nil
        }
        if kind == .noOperation {
            position += 1
            return .noOperation
        }
        let left = options.byteCount - start
        guard left >= 2 else { throw fail(.truncated(at: at)) }
        let length = Int(options.uint8(at: start + 1))
        guard length >= 2 else { throw fail(.length(at: at + 1)) }
        guard length <= left else { throw fail(.truncated(at: at + 1)) }
        position += length
        let bytes = options.extracting(start..<start + length)
        let data = bytes.extracting(2..<length)
        let offset = Int(at)
        switch kind {
        case .routerAlert:
            guard length == 4 else { throw fail(.length(at: at + 1)) }
            return .routerAlert(data.uint16(at: 0))
        case .recordRoute:
            try first(1, at: at)
            return .recordRoute(try route(bytes, at: offset))
        case .looseSourceRoute:
            try first(2, at: at)
            return .looseSourceRoute(try route(bytes, at: offset))
        case .strictSourceRoute:
            // The two source routes count as one (RFC 1122 §3.2.1.8).
            try first(2, at: at)
            return .strictSourceRoute(try route(bytes, at: offset))
        case .timestamp:
            try first(4, at: at)
            do {
                return .timestamp(try IPv4TimestampView(bytes, at: offset))
            } catch { throw fail(error) }
        case .security:
            try first(8, at: at)
            guard length >= 3 else { throw fail(.length(at: at + 1)) }
            return .security(data)
        case .streamIdentifier:
            try first(16, at: at)
            guard length == 4 else { throw fail(.length(at: at + 1)) }
            return .streamIdentifier(data.uint16(at: 0))
        default:
            return .other(kind, data)
        }
    }

    @inlinable
    @_lifetime(copy bytes)
    @_lifetime(self: copy self)
    mutating func route(_ bytes: RawSpan, at offset: Int) throws(IPv4OptionError) -> IPv4RouteView {
        do {
            return try IPv4RouteView(bytes, at: offset)
        } catch { throw fail(error) }
    }

    @inlinable
    @_lifetime(self: copy self)
    mutating func first(_ bit: UInt8, at offset: UInt8) throws(IPv4OptionError) {
        guard seen & bit == 0 else { throw fail(.duplicate(at: offset)) }
        seen |= bit
    }

    @inlinable
    @_lifetime(self: copy self)
    mutating func fail(_ error: IPv4OptionError) -> IPv4OptionError {
        position = options.byteCount
        return error
    }
}
