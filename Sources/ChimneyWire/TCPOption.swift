/// The first byte of a TCP option (IANA TCP Option Kind Numbers).
@frozen
public struct TCPOptionKind: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number on the wire.
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
    /// The largest segment its sender takes (RFC 9293 §3.2).
    @inlinable
    public static var maximumSegmentSize: Self { Self(rawValue: 2) }
    /// By how many bits windows are shifted (RFC 7323 §2).
    @inlinable
    public static var windowScale: Self { Self(rawValue: 3) }
    /// Selective acknowledgements may be sent (RFC 2018 §2).
    @inlinable
    public static var sackPermitted: Self { Self(rawValue: 4) }
    /// What arrived out of order (RFC 2018 §3).
    @inlinable
    public static var sack: Self { Self(rawValue: 5) }
    /// The sender's clock and the last one of the peer's (RFC 7323 §3).
    @inlinable
    public static var timestamps: Self { Self(rawValue: 8) }
    /// An MD5 digest of the segment with a shared key (RFC 2385).
    @inlinable
    public static var md5Signature: Self { Self(rawValue: 19) }
    /// How long the sender waits for acknowledgements (RFC 5482).
    @inlinable
    public static var userTimeout: Self { Self(rawValue: 28) }
}

/// What is wrong with the options of a TCP header.
@frozen
public enum TCPOptionError: Error, Hashable, Sendable, CaseIterable {
    /// The header ends within an option.
    case truncated
    /// A length that no option has, or not one of this kind.
    case length
}

/// One option of a TCP header, read in place.
@frozen
public enum TCPOption: ~Escapable {
    /// One byte of padding.
    case noOperation
    /// The largest segment its sender takes.
    case maximumSegmentSize(UInt16)
    /// By how many bits windows are shifted, as it stands: more than 14 counts as 14 (RFC 7323 §2.3).
    case windowScale(UInt8)
    /// Selective acknowledgements may be sent.
    case sackPermitted
    /// What arrived out of order: eight bytes a block, one to four blocks.
    case sack(RawSpan)
    /// The sender's clock and the last one of the peer's.
    case timestamps(TCPTimestamps)
    /// An MD5 digest of 16 bytes.
    case md5Signature(RawSpan)
    /// How long the sender waits for acknowledgements: a bit for minutes and 15 of count.
    case userTimeout(UInt16)
    /// An option of another kind, which is ignored (RFC 9293 §3.2): what follows kind and length.
    case other(TCPOptionKind, RawSpan)
}

/// The options of a TCP header, one after the other.
///
/// The walk ends at the end of the list, and takes at most forty steps because that many bytes are all there are.
@frozen
public struct TCPOptions: ~Escapable {
    /// What is left of the options.
    public private(set) var bytes: RawSpan

    /// Walks the bytes between the fixed header and the payload.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { self.bytes = bytes }

    /// Takes the next option, or `nil` behind the last.
    ///
    /// - Throws: ``TCPOptionError``, after which nothing can be said about what follows.
    @_lifetime(copy self)
    public mutating func next() throws(TCPOptionError) -> TCPOption? {
        guard bytes.byteCount > 0 else { return nil }
        let kind = bytes.uint8(at: 0)
        if kind == 0 { return nil }
        if kind == 1 {
            bytes = bytes.extracting(1..<bytes.byteCount)
            return .noOperation
        }
        guard bytes.byteCount >= 2 else { throw .truncated }
        let length = Int(bytes.uint8(at: 1))
        guard length >= 2 else { throw .length }
        guard length <= bytes.byteCount else { throw .truncated }
        let data = bytes.extracting(2..<length)
        bytes = bytes.extracting(length..<bytes.byteCount)
        switch (kind, length) {
        case (2, 4): return .maximumSegmentSize(data.uint16(at: 0))
        case (3, 3): return .windowScale(data.uint8(at: 0))
        case (4, 2): return .sackPermitted
        case (5, 10), (5, 18), (5, 26), (5, 34): return .sack(data)
        case (8, 10): return .timestamps(TCPTimestamps(value: data.uint32(at: 0), echo: data.uint32(at: 4)))
        case (19, 18): return .md5Signature(data)
        case (28, 4): return .userTimeout(data.uint16(at: 0))
        case (2, 2...), (3, 2...), (4, 2...), (5, 2...), (8, 2...), (19, 2...), (28, 2...): throw .length
        default: return .other(TCPOptionKind(rawValue: kind), data)
        }
    }
}

/// The two clocks of a timestamps option (RFC 7323 §3.2).
@frozen
public struct TCPTimestamps: Hashable, Sendable, BitwiseCopyable {
    /// The sender's clock.
    public var value: UInt32
    /// The last one that arrived; without meaning in a segment without ``TCPFlags/ack``.
    public var echo: UInt32

    /// A pair of clocks.
    @inlinable
    public init(value: UInt32, echo: UInt32) {
        self.value = value
        self.echo = echo
    }
}

/// One block of a SACK option: what arrived from `left` up to but not including `right` (RFC 2018 §3).
@frozen
public struct TCPSACKBlock: Hashable, Sendable, BitwiseCopyable {
    /// The first number.
    public var left: UInt32
    /// The number behind the last.
    public var right: UInt32

    /// A block from `left` up to `right`.
    @inlinable
    public init(left: UInt32, right: UInt32) {
        self.left = left
        self.right = right
    }
}

/// The options of a segment as a value: what a stack sends, and what it keeps of what it reads.
@frozen
public struct TCPOptionValues: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline var present = Present()
    @usableFromInline var blockCount: UInt8 = 0
    @usableFromInline var shift: UInt8 = 0
    @usableFromInline var size: UInt16 = 0
    @usableFromInline var timeout: UInt16 = 0
    @usableFromInline var clocks = TCPTimestamps(value: 0, echo: 0)
    @usableFromInline var one = TCPSACKBlock(left: 0, right: 0)
    @usableFromInline var two = TCPSACKBlock(left: 0, right: 0)
    @usableFromInline var three = TCPSACKBlock(left: 0, right: 0)
    @usableFromInline var four = TCPSACKBlock(left: 0, right: 0)

    @frozen
    @usableFromInline
    struct Present: OptionSet, Hashable, Sendable, BitwiseCopyable {
        @usableFromInline let rawValue: UInt8
        @inlinable
        init(rawValue: UInt8) { self.rawValue = rawValue }
        @inlinable static var size: Self { Self(rawValue: 1) }
        @inlinable static var shift: Self { Self(rawValue: 2) }
        @inlinable static var sack: Self { Self(rawValue: 4) }
        @inlinable static var clocks: Self { Self(rawValue: 8) }
        @inlinable static var signature: Self { Self(rawValue: 16) }
        @inlinable static var timeout: Self { Self(rawValue: 32) }
    }

    /// No options.
    @inlinable
    public init() {}

    /// Reads all options of a header; of an option that stands there twice the last counts.
    ///
    /// - Throws: ``TCPOptionError`` when the list cannot be read to its end.
    @inlinable
    public init(reading bytes: RawSpan) throws(TCPOptionError) {
        // Nearly all segments of a connection have just this: two bytes of padding and the timestamps.
        if bytes.byteCount == 12, bytes.uint32(at: 0) == 0x0101_080A {
            present = .clocks
            clocks = TCPTimestamps(value: bytes.uint32(at: 4), echo: bytes.uint32(at: 8))
        } else if bytes.byteCount > 0 {
            try read(bytes)
        }
    }

    @usableFromInline
    mutating func read(_ bytes: RawSpan) throws(TCPOptionError) {
        var options = TCPOptions(bytes)
        while let option = try options.next() {
            switch option {
            case .noOperation, .other: break
            case .maximumSegmentSize(let value): maximumSegmentSize = value
            case .windowScale(let value): windowShift = value
            case .sackPermitted: permitsSACK = true
            case .sack(let data):
                blockCount = 0
                for index in 0..<data.byteCount / 8 {
                    append(TCPSACKBlock(left: data.uint32(at: index * 8), right: data.uint32(at: index * 8 + 4)))
                }
            case .timestamps(let value): timestamps = value
            case .md5Signature: hasMD5Signature = true
            case .userTimeout(let value): userTimeout = value
            }
        }
    }

    /// The largest segment its sender takes.
    @inlinable
    public var maximumSegmentSize: UInt16? {
        get { present.contains(.size) ? size : nil }
        set {
            set(.size, newValue != nil)
            size = newValue ?? 0
        }
    }

    /// By how many bits windows are shifted.
    @inlinable
    public var windowShift: UInt8? {
        get { present.contains(.shift) ? shift : nil }
        set {
            set(.shift, newValue != nil)
            shift = newValue ?? 0
        }
    }

    /// Whether selective acknowledgements may be sent.
    @inlinable
    public var permitsSACK: Bool {
        get { present.contains(.sack) }
        set { set(.sack, newValue) }
    }

    /// The sender's clock and the last one of the peer's.
    @inlinable
    public var timestamps: TCPTimestamps? {
        @inline(__always)
        get { present.contains(.clocks) ? clocks : nil }
        @inline(__always)
        set {
            set(.clocks, newValue != nil)
            clocks = newValue ?? TCPTimestamps(value: 0, echo: 0)
        }
    }

    /// Whether there are the timestamps and nothing else, as in most segments of a connection.
    @inlinable
    public var isTimestampsOnly: Bool { present == .clocks && blockCount == 0 }
    /// Whether there are none.
    @inlinable
    public var isEmpty: Bool { present.isEmpty && blockCount == 0 }
    /// The sender's clock; 0 without timestamps.
    @inlinable
    public var timestampValue: UInt32 { clocks.value }

    /// Whether there is an MD5 digest; it is not kept, and as many zeros are written.
    @inlinable
    public var hasMD5Signature: Bool {
        get { present.contains(.signature) }
        set { set(.signature, newValue) }
    }

    /// Where among the options the 16 bytes of the digest are written, when there is one.
    @inlinable
    public var signatureOffset: Int { present.contains(.size) ? 8 : 4 }
    /// The bytes that a digest takes among the options, with its padding.
    @inlinable
    public static var signatureByteCount: Int { 20 }

    /// How long the sender waits for acknowledgements: a bit for minutes and 15 of count (RFC 5482).
    @inlinable
    public var userTimeout: UInt16? {
        get { present.contains(.timeout) ? timeout : nil }
        set {
            set(.timeout, newValue != nil)
            timeout = newValue ?? 0
        }
    }

    /// How many SACK blocks there are.
    @inlinable
    public var sackCount: Int { Int(blockCount) }
    /// The most SACK blocks: more do not fit in the options.
    @inlinable
    public static var sackMax: Int { 4 }

    /// A SACK block, the one at 0 being the first.
    @inlinable
    public subscript(sack index: Int) -> TCPSACKBlock {
        precondition(index >= 0 && index < sackCount, "a block is one of those there are")
        return switch index {
        case 0: one
        case 1: two
        case 2: three
        default: four
        }
    }

    /// Puts a SACK block behind the others; a fifth is not taken.
    public mutating func append(_ block: TCPSACKBlock) {
        switch blockCount {
        case 0: one = block
        case 1: two = block
        case 2: three = block
        case 3: four = block
        default: return
        }
        blockCount += 1
    }

    @inlinable @inline(__always)
    mutating func set(_ option: Present, _ isThere: Bool) {
        present = isThere ? present.union(option) : present.subtracting(option)
    }

    /// The bytes the options take with their padding, a multiple of four.
    @inlinable
    public var byteCount: Int {
        if isTimestampsOnly { return 12 }
        if isEmpty { return 0 }
        return paddedByteCount
    }

    @usableFromInline
    var paddedByteCount: Int {
        var count = 0
        if present.contains(.size) { count += 4 }
        if present.contains(.clocks) { count += present.contains(.sack) ? 10 : 12 }
        if present.contains(.sack) { count += present.contains(.clocks) ? 2 : 4 }
        if present.contains(.shift) { count += 4 }
        if present.contains(.signature) { count += Self.signatureByteCount }
        if present.contains(.timeout) { count += 4 }
        if blockCount > 0 { count += 4 + 8 * sackCount }
        return count
    }

    /// Writes the options with their padding at `offset`, where they must fit.
    @inlinable
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int) {
        if isTimestampsOnly {
            span.store(UInt64(0x0101_080A) << 32 | UInt64(clocks.value), at: offset)
            span.store(clocks.echo, at: offset + 8)
        } else {
            writeAll(into: &span, at: offset)
        }
    }

    @usableFromInline
    @_lifetime(span: copy span)
    func writeAll(into span: inout MutableRawSpan, at offset: Int) {
        var next = offset
        if present.contains(.size) {
            span.store(UInt32(0x0204_0000) | UInt32(size), at: next)
            next += 4
        }
        if present.contains(.signature) {
            span.store(UInt32(0x0101_1312), at: next)
            span.store(UInt64(0), at: next + 4)
            span.store(UInt64(0), at: next + 12)
            next += 20
        }
        if present.contains(.clocks) {
            // The permission to send SACKs stands where the padding would.
            span.store(present.contains(.sack) ? UInt32(0x0402_080A) : 0x0101_080A, at: next)
            span.store(clocks.value, at: next + 4)
            span.store(clocks.echo, at: next + 8)
            next += 12
        } else if present.contains(.sack) {
            span.store(UInt32(0x0101_0402), at: next)
            next += 4
        }
        if present.contains(.shift) {
            span.store(UInt32(0x0103_0300) | UInt32(shift), at: next)
            next += 4
        }
        if present.contains(.timeout) {
            span.store(UInt32(0x1C04_0000) | UInt32(timeout), at: next)
            next += 4
        }
        if blockCount > 0 {
            span.store(UInt32(0x0101_0500) | UInt32(2 + 8 * sackCount), at: next)
            next += 4
            for index in 0..<sackCount {
                span.store(self[sack: index].left, at: next)
                span.store(self[sack: index].right, at: next + 4)
                next += 8
            }
        }
    }
}
