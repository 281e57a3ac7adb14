public import ChimneyPrimitives
public import ChimneyStack

/// A stack as it was when its configuration last changed: what other threads read without asking the shard.
public struct StackSnapshot: Sendable {
    /// The stack's name.
    public let name: String
    /// Grows by one with every snapshot.
    public let number: UInt64
    /// When it was taken, on the shard's clock.
    public let takenAt: Instant
    /// Every interface, by index.
    public let interfaces: [InterfaceSnapshot]
}
