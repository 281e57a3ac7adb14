/// Names an interface of a stack; given out from 1 on.
@frozen
public struct InterfaceIndex: Hashable, Sendable, BitwiseCopyable {
    /// The number.
    public let rawValue: UInt32

    /// The interface of this number.
    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }
}

/// What the frames of an interface begin with.
public enum LinkKind: String, Sendable, Hashable {
    /// An Ethernet header.
    case ethernet
    /// An IP header.
    case ip
    /// An IP header, and nothing leaves the stack.
    case loopback
}

/// What a driver computes for the stack.
public struct LinkCapabilities: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: UInt32

    /// The capabilities of these bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
}
