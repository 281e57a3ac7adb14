public import ChimneyPrimitives

/// An address that a neighbour table can look up.
public protocol NeighborAddress: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The address as two numbers; different addresses give different pairs.
    var lookupWords: (UInt64, UInt64) { get }
}

extension IPv4Address: NeighborAddress {
    /// Zero and the address.
    @inlinable
    public var lookupWords: (UInt64, UInt64) { (0, UInt64(bits)) }
}

extension IPv6Address: NeighborAddress {
    /// The two halves of the address.
    @inlinable
    public var lookupWords: (UInt64, UInt64) { (high, low) }
}
