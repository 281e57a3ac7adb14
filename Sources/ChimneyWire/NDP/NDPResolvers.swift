public import ChimneyPrimitives

/// Recursive DNS servers, read in place (RFC 8106 §5.1).
@frozen
public struct NDPDNSServersView: ~Escapable {
    /// The option with kind and length.
    public let bytes: RawSpan

    /// Eight bytes and one address or more; half an address makes the option one to ignore (RFC 8106 §5.3.1).
    @_lifetime(copy bytes)
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= 24, (bytes.byteCount - 8) % 16 == 0 else { return nil }
        self.bytes = bytes
    }

    /// For how many seconds the servers may be used; zero ends it, all ones is for ever.
    public var lifetimeSeconds: UInt32 { bytes.uint32(at: 4) }
    /// How many servers there are, at least one.
    public var count: Int { (bytes.byteCount - 8) / 16 }
    /// The server at `index`, from 0 to ``count`` - 1.
    public subscript(index: Int) -> IPv6Address {
        IPv6Address(high: bytes.uint64(at: 8 + index * 16), low: bytes.uint64(at: 16 + index * 16))
    }
}

/// Recursive DNS servers to tell of (RFC 8106 §5.1).
public struct NDPDNSServers: Hashable, Sendable {
    /// For how many seconds the servers may be used; zero ends it, all ones is for ever.
    public var lifetimeSeconds: UInt32
    /// The servers, the preferred one first.
    public let addresses: [IPv6Address]

    /// Servers to tell of; `nil` unless there are one to 127.
    public init?(lifetimeSeconds: UInt32, addresses: [IPv6Address]) {
        guard !addresses.isEmpty, addresses.count <= Self.addressesMax else { return nil }
        self.lifetimeSeconds = lifetimeSeconds
        self.addresses = addresses
    }

    /// The most servers that the length field can count: 127.
    public static var addressesMax: Int { 127 }
    /// Bytes of the option.
    public var byteCount: Int { 8 + addresses.count * 16 }

    @_lifetime(span: copy span)
    func write(into span: inout MutableRawSpan, at offset: Int) {
        span.store(NDPOptionKind.dnsServers.rawValue, at: offset)
        span.store(UInt8(byteCount / 8), at: offset + 1)
        span.store(UInt16(0), at: offset + 2)
        span.store(lifetimeSeconds, at: offset + 4)
        for (index, address) in addresses.enumerated() {
            span.store(address.high, at: offset + 8 + index * 16)
            span.store(address.low, at: offset + 16 + index * 16)
        }
    }
}

/// Domains to search for names, read in place (RFC 8106 §5.2).
@frozen
public struct NDPDNSSearchListView: ~Escapable {
    /// The option with kind and length.
    public let bytes: RawSpan
    @usableFromInline var position = 8

    /// A list with a name that is none makes the option one to ignore.
    @_lifetime(copy bytes)
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= 16 else { return nil }
        self.bytes = bytes
        var position = 8
        var count = 0
        while position < bytes.byteCount, bytes.uint8(at: position) != 0 {
            guard let name = DomainName(reading: bytes, at: position) else { return nil }
            position += name.byteCount
            count += 1
        }
        guard count > 0 else { return nil }
    }

    /// For how many seconds the domains may be used; zero ends it, all ones is for ever.
    public var lifetimeSeconds: UInt32 { bytes.uint32(at: 4) }

    /// The next domain; `nil` at the end or at the padding.
    @_lifetime(self: copy self)
    public mutating func next() -> DomainName? {
        guard position < bytes.byteCount, let name = DomainName(reading: bytes, at: position) else { return nil }
        position += name.byteCount
        return name
    }
}

/// Domains to search for names, to tell of (RFC 8106 §5.2).
public struct NDPDNSSearchList: Hashable, Sendable {
    /// For how many seconds the domains may be used; zero ends it, all ones is for ever.
    public var lifetimeSeconds: UInt32
    /// The domains, the preferred one first.
    public let domains: [DomainName]

    /// Domains to tell of; `nil` without any, and when they do not fit in an option.
    public init?(lifetimeSeconds: UInt32, domains: [DomainName]) {
        self.lifetimeSeconds = lifetimeSeconds
        self.domains = domains
        guard !domains.isEmpty, byteCount <= 255 * 8 else { return nil }
    }

    /// Bytes of the option, with its padding.
    public var byteCount: Int { (8 + domains.reduce(0) { $0 + $1.byteCount } + 7) & ~7 }

    @_lifetime(span: copy span)
    func write(into span: inout MutableRawSpan, at offset: Int) {
        span.store(NDPOptionKind.dnsSearchList.rawValue, at: offset)
        span.store(UInt8(byteCount / 8), at: offset + 1)
        span.store(UInt16(0), at: offset + 2)
        span.store(lifetimeSeconds, at: offset + 4)
        var position = offset + 8
        for domain in domains { position += domain.write(into: &span, at: position) }
        for padding in position..<offset + byteCount { span.store(UInt8(0), at: padding) }
    }
}
