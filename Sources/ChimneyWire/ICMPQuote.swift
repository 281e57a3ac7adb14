public import ChimneyPrimitives

/// What an ICMP error quotes of the packet it is about, and the extensions behind it (RFC 4884).
@frozen
public struct ICMPQuoteView: ~Escapable {
    /// The beginning of the packet, with the zeros that pad it before extensions.
    public let packet: RawSpan
    @usableFromInline let rest: RawSpan

    /// Splits `body` behind `byteCount` bytes; zero says that all of it is the quote.
    ///
    /// A length that contradicts the message leaves it without extensions, because the error itself is worth
    /// hearing (RFC 4884 §5.5 asks no less of those who know no extensions).
    @inlinable
    @_lifetime(copy body)
    init(_ body: RawSpan, byteCount: Int) {
        let isSplit = byteCount >= ICMPExtensionsView.quoteBytesMin && byteCount <= body.byteCount
        packet = isSplit ? body.extracting(0..<byteCount) : body
        rest = isSplit ? body.extracting(byteCount..<body.byteCount) : body.extracting(0..<0)
    }

    /// The extensions; `nil` when there are none, or none that can be trusted.
    @inlinable
    public var extensions: ICMPExtensionsView? {
        @_lifetime(copy self)
        get { ICMPExtensionsView(rest) }
    }
}

/// The extensions of an ICMP error, read in place (RFC 4884 §7): a list of objects.
@frozen
public struct ICMPExtensionsView: ~Escapable {
    @usableFromInline let bytes: RawSpan
    @usableFromInline var position = 4

    /// Fewer bytes than these are never quoted before extensions (RFC 4884 §4.6).
    @inlinable
    static var quoteBytesMin: Int { 128 }

    @inlinable
    @_lifetime(copy bytes)
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= 4, bytes.uint8(at: 0) >> 4 == 2 else { return nil }
        // A checksum of zero says that there is none (RFC 4884 §7).
        guard bytes.uint16(at: 2) == 0 || InternetChecksum.finish(InternetChecksum.sum(bytes)) == 0 else {
            return nil
        }
        self.bytes = bytes
    }

    /// The next object; `nil` at the end, and at the first whose length is impossible.
    @inlinable
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    public mutating func next() -> ICMPExtensionObject? {
        guard bytes.byteCount - position >= 4 else { return nil }
        let length = Int(bytes.uint16(at: position))
        guard length >= 4, length <= bytes.byteCount - position else {
            position = bytes.byteCount
            return nil
        }
        let object = bytes.extracting(position..<position + length)
        position += length
        return ICMPExtensionObject(object)
    }
}

/// One object of the extensions of an ICMP error (RFC 4884 §8).
@frozen
public struct ICMPExtensionObject: ~Escapable {
    @usableFromInline let bytes: RawSpan

    @inlinable
    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    /// What it is about: 1 is an MPLS label stack (RFC 4950), 2 an interface (RFC 5837).
    @inlinable
    public var classNumber: UInt8 { bytes.uint8(at: 2) }
    /// Which kind within its class.
    @inlinable
    public var classType: UInt8 { bytes.uint8(at: 3) }
    /// What it says.
    @inlinable
    public var payload: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(4..<bytes.byteCount) }
    }
}
