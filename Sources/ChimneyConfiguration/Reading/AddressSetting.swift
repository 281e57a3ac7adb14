public import ChimneyPrimitives

/// An address and the length of its prefix as a file writes them: `10.7.0.2/24` or `2001:db8::2/64`.
public struct AddressSetting: Hashable, Sendable, CustomStringConvertible {
    /// The address, host bits included.
    public var address: IPAddress
    /// The length of the prefix, 0 to 32 or of IPv6 to 128.
    public var prefixLength: Int

    /// An address with the length of its prefix.
    public init(address: IPAddress, prefixLength: Int) {
        self.address = address
        self.prefixLength = prefixLength
    }

    /// The addresses of the subnet.
    public var prefix: IPPrefix { IPPrefix(address, length: prefixLength) }

    /// `address/length`.
    public var description: String { "\(address)/\(prefixLength)" }
}
