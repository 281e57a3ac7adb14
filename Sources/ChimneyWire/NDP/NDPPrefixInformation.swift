public import ChimneyPrimitives

/// A prefix that a router tells of (RFC 4861 §4.6.2): on the link, for hosts to make addresses of, or both.
@frozen
public struct NDPPrefixInformation: Hashable, Sendable, BitwiseCopyable {
    /// The address as it stands: the prefix, or the router's whole address when ``isRouterAddress`` says so.
    public let address: IPv6Address
    /// How many of its bits are the prefix: 0 to 128.
    public let length: UInt8
    /// Whether hosts with the prefix are on the link.
    public var isOnLink: Bool
    /// Whether hosts may make an address of it (RFC 4862).
    public var isAutonomous: Bool
    /// Whether the address is the router's own (RFC 6275 §7.2).
    public var isRouterAddress: Bool
    /// For how many seconds the prefix is valid; all ones is for ever.
    public var validSeconds: UInt32
    /// For how many seconds addresses of it are preferred; all ones is for ever.
    public var preferredSeconds: UInt32

    /// A prefix to tell of.
    public init(
        _ prefix: IPv6Prefix, isOnLink: Bool = true, isAutonomous: Bool = true, validSeconds: UInt32,
        preferredSeconds: UInt32
    ) {
        address = prefix.address
        length = UInt8(truncatingIfNeeded: prefix.length)
        self.isOnLink = isOnLink
        self.isAutonomous = isAutonomous
        isRouterAddress = false
        self.validSeconds = validSeconds
        self.preferredSeconds = preferredSeconds
    }

    init?(reading bytes: RawSpan) {
        guard bytes.byteCount == Self.byteCount, bytes.uint8(at: 2) <= 128 else { return nil }
        length = bytes.uint8(at: 2)
        let flags = bytes.uint8(at: 3)
        isOnLink = flags & 0x80 != 0
        isAutonomous = flags & 0x40 != 0
        isRouterAddress = flags & 0x20 != 0
        validSeconds = bytes.uint32(at: 4)
        preferredSeconds = bytes.uint32(at: 8)
        address = IPv6Address(high: bytes.uint64(at: 16), low: bytes.uint64(at: 24))
    }

    /// The block that the prefix is.
    public var prefix: IPv6Prefix { IPv6Prefix(address, length: Int(length)) }

    /// 32.
    @inlinable
    public static var byteCount: Int { 32 }

    @_lifetime(span: copy span)
    func write(into span: inout MutableRawSpan, at offset: Int) {
        span.store(NDPOptionKind.prefixInformation.rawValue, at: offset)
        span.store(UInt8(4), at: offset + 1)
        span.store(length, at: offset + 2)
        span.store(
            (isOnLink ? 0x80 : 0) | (isAutonomous ? 0x40 : 0) | (isRouterAddress ? 0x20 : 0) as UInt8, at: offset + 3)
        span.store(validSeconds, at: offset + 4)
        span.store(preferredSeconds, at: offset + 8)
        span.store(UInt32(0), at: offset + 12)
        span.store(address.high, at: offset + 16)
        span.store(address.low, at: offset + 24)
    }
}

/// How much a router wants to be preferred over others (RFC 4191 §2.1).
@frozen
public enum RouterPreference: Int8, Sendable, CaseIterable, Comparable {
    /// Only where there is no other.
    case low = -1
    /// Like any other.
    case medium = 0
    /// Before others.
    case high = 1

    /// The two bits on the wire; the reserved pattern is none.
    init?(bits: UInt8) {
        switch bits & 3 {
        case 0: self = .medium
        case 1: self = .high
        case 3: self = .low
        default: return nil
        }
    }

    var bits: UInt8 { UInt8(bitPattern: rawValue) & 3 }

    /// Orders preferences, the least first.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// A route through the router that tells of it (RFC 4191 §2.3).
@frozen
public struct NDPRouteInformation: Hashable, Sendable, BitwiseCopyable {
    /// Where the route leads.
    public var prefix: IPv6Prefix
    /// How it compares with the same route through others.
    public var preference: RouterPreference
    /// For how many seconds it is valid; all ones is for ever.
    public var lifetimeSeconds: UInt32

    /// A route to tell of.
    public init(_ prefix: IPv6Prefix, preference: RouterPreference = .medium, lifetimeSeconds: UInt32) {
        self.prefix = prefix
        self.preference = preference
        self.lifetimeSeconds = lifetimeSeconds
    }

    /// A reserved preference makes the option one to ignore (RFC 4191 §2.3).
    init?(reading bytes: RawSpan) {
        let length = Int(bytes.uint8(at: 2))
        guard bytes.byteCount <= 24, length <= 128, bytes.byteCount >= Self.byteCount(prefixLength: length),
            let preference = RouterPreference(bits: bytes.uint8(at: 3) >> 3)
        else { return nil }
        let high = bytes.byteCount >= 16 ? bytes.uint64(at: 8) : 0
        let low = bytes.byteCount >= 24 ? bytes.uint64(at: 16) : 0
        self.init(
            IPv6Prefix(IPv6Address(high: high, low: low), length: length), preference: preference,
            lifetimeSeconds: bytes.uint32(at: 4))
    }

    /// Bytes of the option: 8, 16 or 24, as many as the prefix needs.
    public var byteCount: Int { Self.byteCount(prefixLength: prefix.length) }

    static func byteCount(prefixLength length: Int) -> Int { length == 0 ? 8 : length <= 64 ? 16 : 24 }

    @_lifetime(span: copy span)
    func write(into span: inout MutableRawSpan, at offset: Int) {
        span.store(NDPOptionKind.routeInformation.rawValue, at: offset)
        span.store(UInt8(byteCount / 8), at: offset + 1)
        span.store(UInt8(prefix.length), at: offset + 2)
        span.store(preference.bits << 3, at: offset + 3)
        span.store(lifetimeSeconds, at: offset + 4)
        if byteCount >= 16 { span.store(prefix.address.high, at: offset + 8) }
        if byteCount >= 24 { span.store(prefix.address.low, at: offset + 16) }
    }
}
