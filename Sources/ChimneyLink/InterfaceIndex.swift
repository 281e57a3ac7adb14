/// Which interface of a stack is meant: 1 or more, the same through renames.
@frozen
public struct InterfaceIndex: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The number; packet metadata holds it, and 0 there for none.
    public let rawValue: UInt32

    /// The index with this number.
    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Orders indexes by number.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// What the frames of a link begin with.
@frozen
public enum LinkKind: String, Hashable, Sendable, CaseIterable {
    /// An Ethernet header.
    case ethernet
    /// An IP header, as on a TUN device.
    case ip
    /// An IP header, and every packet comes back to its sender.
    case loopback
}
