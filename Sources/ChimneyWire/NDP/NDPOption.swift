public import ChimneyPrimitives

/// The first byte of a neighbour discovery option (RFC 4861 §4.6, IANA IPv6 Neighbor Discovery Option Formats).
@frozen
public struct NDPOptionKind: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number on the wire.
    public var rawValue: UInt8

    /// The kind with this number.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The sender's link address.
    @inlinable
    public static var sourceLinkAddress: Self { Self(rawValue: 1) }
    /// The target's link address.
    @inlinable
    public static var targetLinkAddress: Self { Self(rawValue: 2) }
    /// A prefix of the link.
    @inlinable
    public static var prefixInformation: Self { Self(rawValue: 3) }
    /// The packet that a redirect is about.
    @inlinable
    public static var redirectedHeader: Self { Self(rawValue: 4) }
    /// The MTU of the link.
    @inlinable
    public static var mtu: Self { Self(rawValue: 5) }
    /// A number that comes back with the answer (RFC 3971 §5.3.2).
    @inlinable
    public static var nonce: Self { Self(rawValue: 14) }
    /// A more specific route (RFC 4191 §2.3).
    @inlinable
    public static var routeInformation: Self { Self(rawValue: 24) }
    /// Recursive DNS servers (RFC 8106 §5.1).
    @inlinable
    public static var dnsServers: Self { Self(rawValue: 25) }
    /// Domains to search for names (RFC 8106 §5.2).
    @inlinable
    public static var dnsSearchList: Self { Self(rawValue: 31) }
}

/// One option of a neighbour discovery message, read in place.
@frozen
public enum NDPOption: ~Escapable {
    /// Where on the link the sender is.
    case sourceLinkAddress(MACAddress)
    /// Where on the link the target is.
    case targetLinkAddress(MACAddress)
    /// A prefix of the link.
    case prefixInformation(NDPPrefixInformation)
    /// The beginning of the packet that a redirect is about.
    case redirectedHeader(RawSpan)
    /// The MTU of the link.
    case mtu(UInt32)
    /// A number that comes back with the answer; six bytes or more.
    case nonce(RawSpan)
    /// A more specific route through the sender.
    case routeInformation(NDPRouteInformation)
    /// Recursive DNS servers.
    case dnsServers(NDPDNSServersView)
    /// Domains to search for names.
    case dnsSearchList(NDPDNSSearchListView)
    /// An option of a known kind that says what it cannot; it alone is ignored.
    case malformed(NDPOptionKind)
    /// An option of another kind, which is ignored (RFC 4861 §4.6): what follows kind and length.
    case other(NDPOptionKind, RawSpan)

    /// Decodes an option whose length field counts `bytes`, at least eight.
    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) {
        let kind = NDPOptionKind(rawValue: bytes.uint8(at: 0))
        let data = bytes.extracting(2..<bytes.byteCount)
        switch kind.rawValue {
        // An Ethernet address fills an option of eight bytes (RFC 2464 §6).
        case 1 where bytes.byteCount == 8: self = .sourceLinkAddress(MACAddress(bits: bytes.uint64(at: 0)))
        case 2 where bytes.byteCount == 8: self = .targetLinkAddress(MACAddress(bits: bytes.uint64(at: 0)))
        case 3:
            if let information = NDPPrefixInformation(reading: bytes) {
                self = .prefixInformation(information)
            } else {
                self = .malformed(kind)
            }
        case 4: self = .redirectedHeader(bytes.extracting(8..<bytes.byteCount))
        case 5 where bytes.byteCount == 8: self = .mtu(bytes.uint32(at: 4))
        case 14: self = .nonce(data)
        case 24:
            if let information = NDPRouteInformation(reading: bytes) {
                self = .routeInformation(information)
            } else {
                self = .malformed(kind)
            }
        case 25:
            if let servers = NDPDNSServersView(bytes) {
                self = .dnsServers(servers)
            } else {
                self = .malformed(kind)
            }
        case 31:
            if let list = NDPDNSSearchListView(bytes) {
                self = .dnsSearchList(list)
            } else {
                self = .malformed(kind)
            }
        case 1, 2, 5: self = .malformed(kind)
        default: self = .other(kind, data)
        }
    }
}

/// The options of a neighbour discovery message, each known to have a length that is not zero and fits.
@frozen
public struct NDPOptions: ~Escapable {
    /// The options from the first one's kind to the end of the message.
    public let bytes: RawSpan

    /// The most options of one message; a message with more is refused.
    @inlinable
    public static var optionsMax: Int { 128 }

    /// Walks over all options, because one without length makes the whole message invalid (RFC 4861 §4.6).
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(ICMPv6Error) {
        var position = 0
        var count = 0
        while position < bytes.byteCount {
            guard count < Self.optionsMax else { throw .tooManyOptions }
            guard bytes.byteCount - position >= 2 else { throw .optionTruncated }
            let length = Int(bytes.uint8(at: position + 1)) * 8
            guard length > 0 else { throw .optionWithoutLength }
            guard length <= bytes.byteCount - position else { throw .optionTruncated }
            position += length
            count += 1
        }
        self.bytes = bytes
    }

    /// Begins at the first option.
    @_lifetime(copy self)
    public func makeIterator() -> NDPOptionIterator { NDPOptionIterator(bytes) }

    /// The source link address; of several the first.
    public var sourceMAC: MACAddress? {
        var iterator = makeIterator()
        while let option = iterator.next() {
            if case .sourceLinkAddress(let mac) = option { return mac }
        }
        return nil
    }

    /// The target link address; of several the first.
    public var targetMAC: MACAddress? {
        var iterator = makeIterator()
        while let option = iterator.next() {
            if case .targetLinkAddress(let mac) = option { return mac }
        }
        return nil
    }

    /// The nonce, when it has the length of ours.
    public var nonce: NDPNonce? {
        var iterator = makeIterator()
        while let option = iterator.next() {
            if case .nonce(let bytes) = option, bytes.byteCount == NDPNonce.byteCount {
                return NDPNonce(bits: UInt64(bytes.uint16(at: 0)) << 32 | UInt64(bytes.uint32(at: 2)))
            }
        }
        return nil
    }
}

/// Goes through the options of a neighbour discovery message in their order.
@frozen
public struct NDPOptionIterator: ~Escapable {
    @usableFromInline let bytes: RawSpan
    @usableFromInline var position = 0

    /// The lengths were checked when ``NDPOptions`` was made of the same bytes.
    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    /// The next option; `nil` at the end.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    public mutating func next() -> NDPOption? {
        guard position < bytes.byteCount else { return nil }
        let length = Int(bytes.uint8(at: position + 1)) * 8
        let option = bytes.extracting(position..<position + length)
        position += length
        return NDPOption(option)
    }
}

/// A number of six bytes that tells a question of ours from another's (RFC 3971 §5.3.2, RFC 7527 §4.1).
@frozen
public struct NDPNonce: Hashable, Sendable, BitwiseCopyable {
    /// The number, below 2^48.
    public let bits: UInt64

    /// The nonce with this value; bits above the 48th are dropped.
    @inlinable
    public init(bits: UInt64) { self.bits = bits & 0xFFFF_FFFF_FFFF }

    /// Six: what an option of eight bytes has room for.
    @inlinable
    public static var byteCount: Int { 6 }
}

extension MutableRawSpan {
    /// Stores an option of eight bytes with 48 bits of content.
    @_lifetime(self: copy self)
    mutating func storeOption(_ kind: NDPOptionKind, _ bits: UInt64, at offset: Int) {
        store(UInt64(kind.rawValue) << 56 | 1 << 48 | bits & 0xFFFF_FFFF_FFFF, at: offset)
    }
}
