/// What a driver asks its device to do for the stack; it gets what the kernel grants.
public struct LinkOffload: OptionSet, Hashable, Sendable {
    /// The wishes as bits.
    public let rawValue: UInt8
    /// The wishes in these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Checksums are completed and verified by the device.
    public static var checksum: Self { Self(rawValue: 1) }
    /// Packets of up to 64 KiB pass whole in both directions, to be cut by the device; implies ``checksum``.
    public static var segmentation: Self { Self(rawValue: 3) }
}
