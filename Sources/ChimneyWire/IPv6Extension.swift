/// How much of an IPv6 extension chain is read before the packet is refused (RFC 8504 §5.3, RFC 8883 §2).
@frozen
public struct IPv6ExtensionLimits: Hashable, Sendable, BitwiseCopyable {
    /// Extension headers in a packet; one more refuses it.
    public var headersMax: Int
    /// Bytes of all extension headers together; more refuse the packet.
    public var bytesMax: Int
    /// Options other than padding in one header; one more refuses the packet.
    public var optionsMax: Int
    /// Bytes of padding in a row; more refuse the packet.
    public var paddingMax: Int

    /// Limits that every chain in use stays far below.
    @inlinable
    public init(headersMax: Int = 8, bytesMax: Int = 512, optionsMax: Int = 8, paddingMax: Int = 7) {
        self.headersMax = headersMax
        self.bytesMax = bytesMax
        self.optionsMax = optionsMax
        self.paddingMax = paddingMax
    }
}

/// What is wrong with an IPv6 extension chain, with the offset from the first byte of the packet that a Parameter
/// Problem message points at (RFC 4443 §3.4).
@frozen
public enum IPv6ExtensionError: Error, Hashable, Sendable {
    /// The packet ends within this header.
    case truncated(at: UInt16)
    /// Hop-by-hop options anywhere but first; the offset is that of the field that announces them (RFC 8200 §4.1).
    case hopByHopNotFirst(at: UInt16)
    /// The length of an authentication header cannot be (RFC 4302 §2.2).
    case authenticationLength(at: UInt16)
    /// More headers than ``IPv6ExtensionLimits/headersMax``.
    case tooManyHeaders(at: UInt16)
    /// More bytes than ``IPv6ExtensionLimits/bytesMax``.
    case chainTooLong(at: UInt16)
    /// A first fragment that ends before its chain and the header behind it (RFC 7112 §5).
    case firstFragmentIncomplete(at: UInt16)

    /// Which byte of the packet is at fault, counted from its first.
    @inlinable
    public var pointer: UInt16 {
        switch self {
        case .truncated(let at), .hopByHopNotFirst(let at), .authenticationLength(let at), .tooManyHeaders(let at),
            .chainTooLong(let at), .firstFragmentIncomplete(let at):
            at
        }
    }
}

/// One extension header of an IPv6 packet, read in place.
@frozen
public enum IPv6Extension: ~Escapable {
    /// Options for every router (RFC 8200 §4.3).
    case hopByHop(IPv6OptionsView)
    /// Where the packet still goes (RFC 8200 §4.4).
    case routing(IPv6RoutingView)
    /// The packet is a part of one (RFC 8200 §4.5).
    case fragment(IPv6FragmentView)
    /// Options for the destination (RFC 8200 §4.6).
    case destinationOptions(IPv6OptionsView)
    /// Proof of who sent it (RFC 4302).
    case authentication(IPv6AuthenticationView)
    /// A header of the common shape, which who does not know it may step over (RFC 6564, RFC 7045 §2.1).
    case other(IPProtocol, RawSpan)
}

/// Walks the extension headers of one IPv6 packet.
///
/// After ``next()`` has given `nil`, ``upperLayer`` says what stands at ``offset``. The walk is bounded by
/// ``IPv6ExtensionLimits``; every step takes at least 8 bytes.
@frozen
public struct IPv6ExtensionChain: ~Escapable {
    @usableFromInline let bytes: RawSpan
    @usableFromInline let limits: IPv6ExtensionLimits
    @usableFromInline var count = 0
    @usableFromInline var isFirstFragment = false
    @usableFromInline var isDone = false

    /// The header that stands at ``offset``: once the walk is over, what the packet carries.
    public private(set) var upperLayer: IPProtocol
    /// Where the walk stands, counted from the first byte of the packet.
    public private(set) var offset: Int
    /// Where the field stands that names ``upperLayer``: what a message about an unknown header points at.
    public private(set) var namedAt: Int
    /// Whether the packet is a fragment that does not begin the payload, so that nothing but data follows.
    public private(set) var isLaterFragment = false

    /// Walks the chain of `packet`.
    @_lifetime(copy packet)
    public init(_ packet: IPv6View, limits: IPv6ExtensionLimits = .init()) {
        bytes = packet.bytes.extracting(0..<min(packet.totalLength, packet.bytes.byteCount))
        self.limits = limits
        upperLayer = packet.nextHeader
        offset = IPv6Header.byteCount
        namedAt = 6
    }

    /// What stands at ``offset``, to the end of the packet.
    public var payload: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(offset..<bytes.byteCount) }
    }

    /// The next extension header; `nil` when ``upperLayer`` is none.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    public mutating func next() throws(IPv6ExtensionError) -> IPv6Extension? {
        guard !isDone else { return nil }
        // Behind a later fragment's header stands data, whatever its field names.
        guard !isLaterFragment, let shape = Shape(upperLayer) else {
            isDone = true
            try checkUpperLayer()
            return nil
        }
        let start = UInt16(truncatingIfNeeded: offset)
        guard upperLayer != .hopByHop || count == 0 else {
            throw fail(.hopByHopNotFirst(at: UInt16(truncatingIfNeeded: namedAt)))
        }
        guard count < limits.headersMax else { throw fail(.tooManyHeaders(at: start)) }
        guard bytes.byteCount - offset >= 8 else { throw fail(truncation) }
        let kind = upperLayer
        let length = shape.byteCount(lengthField: Int(bytes.uint8(at: offset + 1)))
        guard length >= shape.leastByteCount else { throw fail(.authenticationLength(at: start + 1)) }
        guard offset + length - IPv6Header.byteCount <= limits.bytesMax else { throw fail(.chainTooLong(at: start)) }
        guard length <= bytes.byteCount - offset else { throw fail(truncation) }
        let header = bytes.extracting(offset..<offset + length)
        count += 1
        upperLayer = IPProtocol(rawValue: header.uint8(at: 0))
        namedAt = offset
        let at = offset
        offset += length
        switch kind {
        case .hopByHop: return .hopByHop(IPv6OptionsView(header, at: at, limits: limits))
        case .destinationOptions: return .destinationOptions(IPv6OptionsView(header, at: at, limits: limits))
        case .routing: return .routing(IPv6RoutingView(header))
        case .authentication: return .authentication(IPv6AuthenticationView(header))
        case .fragment:
            let fragment = IPv6FragmentView(header)
            isLaterFragment = fragment.offset != 0
            isFirstFragment = isFirstFragment || (!isLaterFragment && fragment.moreFragments)
            return .fragment(fragment)
        default: return .other(kind, header)
        }
    }

    /// Walks to the end, for who needs to know only what the packet carries.
    @_lifetime(self: copy self)
    public mutating func finish() throws(IPv6ExtensionError) {
        while try next() != nil {}
    }

    /// A first fragment holds the whole header behind the chain, or no filter could judge it (RFC 7112 §5).
    @_lifetime(self: copy self)
    private mutating func checkUpperLayer() throws(IPv6ExtensionError) {
        guard isFirstFragment, !isLaterFragment else { return }
        let least =
            switch upperLayer {
            case .tcp: 20
            case .udp, .icmpv6, .encapsulatingSecurity: 8
            default: 0
            }
        guard bytes.byteCount - offset >= least else { throw fail(truncation) }
    }

    private var truncation: IPv6ExtensionError {
        let at = UInt16(truncatingIfNeeded: offset)
        return isFirstFragment ? .firstFragmentIncomplete(at: at) : .truncated(at: at)
    }

    @_lifetime(self: copy self)
    private mutating func fail(_ error: IPv6ExtensionError) -> IPv6ExtensionError {
        isDone = true
        return error
    }

    /// How a header tells its length.
    private enum Shape {
        /// In units of 8 bytes, the first not counted (RFC 6564 §4).
        case common
        /// Always 8 bytes.
        case fragment
        /// In units of 4 bytes, the first two not counted.
        case authentication

        /// `nil` for what is no extension header that can be stepped over.
        init?(_ header: IPProtocol) {
            switch header {
            case .hopByHop, .routing, .destinationOptions, .mobility, .hostIdentity, .shim6,
                .experiment1, .experiment2:
                self = .common
            case .fragment: self = .fragment
            case .authentication: self = .authentication
            default: return nil
            }
        }

        var leastByteCount: Int {
            switch self {
            case .common, .fragment: 8
            case .authentication: 12
            }
        }

        func byteCount(lengthField: Int) -> Int {
            switch self {
            case .common: (lengthField + 1) * 8
            case .fragment: 8
            case .authentication: (lengthField + 2) * 4
            }
        }
    }
}

/// A routing header, read in place (RFC 8200 §4.4).
@frozen
public struct IPv6RoutingView: ~Escapable {
    /// The header from its next-header field on.
    public let bytes: RawSpan

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    /// Which kind of routing; type 0 is forbidden (RFC 5095).
    public var type: UInt8 { bytes.uint8(at: 2) }
    /// How many nodes are still to be visited; who does not know the type ignores the header when this is 0.
    public var segmentsLeft: UInt8 { bytes.uint8(at: 3) }
    /// What the type says.
    public var data: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(4..<bytes.byteCount) }
    }
}

/// A fragment header, read in place (RFC 8200 §4.5).
@frozen
public struct IPv6FragmentView: ~Escapable {
    /// The header from its next-header field on.
    public let bytes: RawSpan

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    /// What the whole payload begins with.
    public var nextHeader: IPProtocol { IPProtocol(rawValue: bytes.uint8(at: 0)) }
    /// Where the data lies in the whole payload, in bytes.
    public var offset: Int { Int(bytes.uint16(at: 2) & 0xFFF8) }
    /// Whether more fragments follow.
    public var moreFragments: Bool { bytes.uint8(at: 3) & 1 != 0 }
    /// Whether it is alone, so that it needs no reassembly (RFC 6946).
    public var isAtomic: Bool { offset == 0 && !moreFragments }
    /// What tells the fragments of one packet from those of another.
    public var identification: UInt32 { bytes.uint32(at: 4) }
}

/// An authentication header, read in place (RFC 4302).
@frozen
public struct IPv6AuthenticationView: ~Escapable {
    /// The header from its next-header field on.
    public let bytes: RawSpan

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    /// Which security association.
    public var securityParameters: UInt32 { bytes.uint32(at: 4) }
    /// Which packet of it.
    public var sequence: UInt32 { bytes.uint32(at: 8) }
    /// The proof.
    public var integrityCheck: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(12..<bytes.byteCount) }
    }
}
