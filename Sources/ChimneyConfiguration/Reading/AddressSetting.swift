public import ChimneyPrimitives

/// An address and the length of its prefix as a file writes them: `10.7.0.2/24`.
public struct AddressSetting: Hashable, Sendable, CustomStringConvertible {
    /// The address, host bits included.
    public var address: IPv4Address
    /// The length of the prefix, 0 to 32.
    public var prefixLength: Int

    /// An address with the length of its prefix.
    public init(address: IPv4Address, prefixLength: Int) {
        self.address = address
        self.prefixLength = prefixLength
    }

    /// The first address of the prefix.
    public var network: IPv4Address {
        IPv4Address(bits: prefixLength == 0 ? 0 : address.bits & (UInt32.max << UInt32(32 - prefixLength)))
    }

    /// `a.b.c.d/len`.
    public var description: String { "\(address)/\(prefixLength)" }
}
