import ChimneyWire

/// Makes the digests that TCP segments are signed with (RFC 2385): MD5, RFC 1321.
///
/// A stack has none of its own: a program that signs gives it one by `VirtualStack.setSegmentSigner(_:)`. `ChimneySignatures` has
/// one, and any other will do that makes the same bytes.
public protocol SegmentSigner: Sendable {
    /// The MD5 digest of all bytes that `feed` hands to the closure it is given, one piece after the other.
    ///
    /// The pieces are a pseudo-header, the TCP header without options, the data as it lies in memory, and the key (RFC 2385 §2).
    ///
    /// - Parameter feed: called once, before this returns.
    /// - Returns: the digest.
    func digest(of feed: (_ add: (RawSpan) -> Void) -> Void) -> SegmentDigest
}

/// The 16 bytes of an MD5 digest.
@frozen
public struct SegmentDigest: Hashable, Sendable, BitwiseCopyable {
    /// The first eight bytes, the first one most significant.
    public let high: UInt64
    /// The last eight.
    public let low: UInt64

    /// A digest of these two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads 16 bytes; `nil` when there are fewer.
    public init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= 16 else { return nil }
        high = bytes.uint64(at: 0)
        low = bytes.uint64(at: 8)
    }

    /// Whether both are the same, found out in a time that does not tell how many bytes are.
    func isEqual(to other: Self) -> Bool { (high ^ other.high) | (low ^ other.low) == 0 }
}

/// A secret that two hosts share, with which they sign segments (RFC 2385 §2).
///
/// It shows itself to nobody: descriptions and mirrors tell how long it is.
public struct TCPSignatureKey: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    /// The most bytes of a key, as many as Linux takes (RFC 2385 §4.5 asks for 80).
    public static var byteCountMax: Int { 80 }

    let bytes: [UInt8]

    /// A key of one to ``byteCountMax`` bytes.
    ///
    /// - Throws: ``SignatureKeyError/keyEmpty``, ``SignatureKeyError/keyTooLong(max:)``.
    public init(_ bytes: some Sequence<UInt8>) throws(SignatureKeyError) {
        self.bytes = Array(bytes)
        guard !self.bytes.isEmpty else { throw .keyEmpty }
        guard self.bytes.count <= Self.byteCountMax else { throw .keyTooLong(max: Self.byteCountMax) }
    }

    /// How many bytes it has.
    public var byteCount: Int { bytes.count }
    /// How long it is.
    public var description: String { "a key of \(byteCount) bytes" }
    /// No members.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why segments to some peers are not signed as was asked for.
public enum SignatureKeyError: Error, Hashable, Sendable {
    /// The stack was given nothing that makes digests.
    case noSigner
    /// A key without a byte.
    case keyEmpty
    /// A key of more bytes than ``TCPSignatureKey/byteCountMax``.
    case keyTooLong(max: Int)
    /// The stack has ``TCPStackSettings/signatureKeysMax`` keys.
    case tooManyKeys(max: Int)
}
