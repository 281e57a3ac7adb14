/// What a device does for the stack.
@frozen
public struct LinkCapabilities: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The capabilities as bits.
    public let rawValue: UInt32
    /// The capabilities in these bits.
    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// It completes partial transport checksums over IPv4.
    @inlinable
    public static var transmitChecksum4: Self { Self(rawValue: 1) }
    /// It completes partial transport checksums over IPv6.
    @inlinable
    public static var transmitChecksum6: Self { Self(rawValue: 2) }
    /// It marks packets over IPv4 whose transport checksum it verified.
    @inlinable
    public static var receiveChecksum4: Self { Self(rawValue: 4) }
    /// It marks packets over IPv6 whose transport checksum it verified.
    @inlinable
    public static var receiveChecksum6: Self { Self(rawValue: 8) }
    /// It cuts large TCP packets over IPv4 into segments.
    @inlinable
    public static var segmentation4: Self { Self(rawValue: 16) }
    /// It cuts large TCP packets over IPv6 into segments.
    @inlinable
    public static var segmentation6: Self { Self(rawValue: 32) }
    /// It cuts large UDP packets into datagrams.
    @inlinable
    public static var segmentationUDP: Self { Self(rawValue: 64) }
    /// It joins segments it receives into large packets.
    @inlinable
    public static var largeReceive: Self { Self(rawValue: 128) }
    /// It inserts and strips 802.1Q tags.
    @inlinable
    public static var vlan: Self { Self(rawValue: 256) }
}
