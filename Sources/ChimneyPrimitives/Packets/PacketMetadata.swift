/// What is known about the checksum of a packet's transport header.
@frozen
public enum ChecksumState: UInt8, Sendable, BitwiseCopyable {
    /// Nobody has looked: the receiver computes it.
    case unknown
    /// It was found right, or the packet never left this machine.
    case verified
    /// The field holds the sum of the pseudo-header only; the device, or whoever sends to a device
    /// that cannot, completes it from ``PacketMetadata/checksumStart``.
    case partial
}

/// How a packet larger than the link is to be cut, or was joined.
@frozen
public enum SegmentKind: UInt8, Sendable, BitwiseCopyable {
    /// One packet, sent as it is.
    case none
    /// TCP over IPv4.
    case tcp4
    /// TCP over IPv6.
    case tcp6
    /// UDP of either family.
    case udp
}

/// Marks a packet carries from layer to layer.
@frozen
public struct PacketFlags: OptionSet, Sendable, BitwiseCopyable {
    /// The marks as bits.
    public let rawValue: UInt16
    /// The marks in these bits.
    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The frame was sent to every station on the link.
    @inlinable
    public static var linkBroadcast: Self { Self(rawValue: 1) }
    /// The frame was sent to a group of stations.
    @inlinable
    public static var linkMulticast: Self { Self(rawValue: 2) }
    /// The packet is our own, given back to us.
    @inlinable
    public static var looped: Self { Self(rawValue: 4) }
    /// The header carries a router alert option (RFC 2113, RFC 2711).
    @inlinable
    public static var routerAlert: Self { Self(rawValue: 8) }
    /// The frame was sent to another station, and seen because the interface is promiscuous.
    @inlinable
    public static var otherHost: Self { Self(rawValue: 16) }
    /// The packet is on its way through, not ours.
    @inlinable
    public static var forwarded: Self { Self(rawValue: 32) }
    /// The packet was put together from fragments.
    @inlinable
    public static var reassembled: Self { Self(rawValue: 64) }
}

/// What the layers know about a packet and the bytes do not say.
@frozen
public struct PacketMetadata: Sendable, BitwiseCopyable {
    /// When the shell received the batch this packet came in.
    public var receivedAt: Instant
    /// The index of the interface the packet arrived on or leaves by; 0 for none.
    public var interface: UInt32
    /// A hash equal for all packets of one flow; 0 while nobody has computed it.
    public var flowHash: UInt32
    /// Where the bytes a partial checksum covers start, from the first byte of the packet.
    public var checksumStart: UInt16
    /// Where the checksum field is, from ``checksumStart``.
    public var checksumOffset: UInt16
    /// The payload bytes of each packet this one is to be cut into; 0 for a packet sent as it is.
    public var segmentSize: UInt16
    /// The routing table that applies.
    public var fib: UInt16
    /// The 802.1Q tag control information; ``noVLAN`` for an untagged frame.
    public var vlan: UInt16
    /// Where the network header starts, from the byte that was first when the offset was set.
    public var networkOffset: UInt16
    /// Where the transport header starts, from the byte that was first when the offset was set.
    public var transportOffset: UInt16
    /// Marks from layer to layer.
    public var flags: PacketFlags
    /// What is known about the transport checksum.
    public var checksum: ChecksumState
    /// How a packet larger than the link is cut.
    public var segmentKind: SegmentKind

    /// Metadata of a packet nothing is known about.
    @inlinable
    public init() {
        receivedAt = .zero
        interface = 0
        flowHash = 0
        checksumStart = 0
        checksumOffset = 0
        segmentSize = 0
        fib = 0
        vlan = Self.noVLAN
        networkOffset = 0
        transportOffset = 0
        flags = []
        checksum = .unknown
        segmentKind = .none
    }

    /// The value of ``vlan`` in an untagged frame; no tag has it (802.1Q reserves identifier 0xFFF).
    @inlinable
    public static var noVLAN: UInt16 { 0xFFFF }
}
