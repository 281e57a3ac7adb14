public import ChimneyPrimitives
public import ChimneyStack

/// How a shard runs.
public struct ShardSettings: Hashable, Sendable {
    /// The most ordinary packets its stacks hold together.
    public var packetsMax = 65_536
    /// The most large packets they hold.
    public var largePacketsMax = 1_024
    /// The most frames taken from one device in a round, so that none starves the others.
    public var framesPerRoundMax = 64
    /// The most jobs of tasks run in a round.
    public var jobsPerRoundMax = 1_024
    /// The most deadlines that its tasks wait for at a time; a wait that finds no place is refused.
    public var alarmsMax = 1 << 20
    /// How long the thread goes on polling after the last work before it sleeps; zero sleeps at once.
    public var spin: TimeSpan = .zero
    /// The processor the thread is bound to; `nil` leaves that to the kernel.
    public var processor: Int?

    /// The defaults.
    public init() {}
}

/// Why a shard did not do what it was asked to.
public enum ShardError: Error, Hashable, Sendable {
    /// The kernel refused a descriptor or a thread.
    case system(call: String, errno: Int32)
    /// The shard was stopped.
    case stopped
    /// The stack was removed from its shard.
    case stackRemoved
    /// The shard has a stack of that name.
    case nameInUse(String)
    /// A cable joins stacks of one shard only.
    case differentShards
}

/// What happened to a device of a stack, or to the groups of its interface.
public enum StackEvent: Hashable, Sendable {
    /// The device is gone; its interface is down and stays until it is detached.
    case deviceGone(stack: String, interface: UInt32, errno: Int32)
    /// The device was switched off.
    case deviceDown(stack: String, interface: UInt32)
    /// A device that was switched off carries frames again.
    case deviceUp(stack: String, interface: UInt32)
    /// The device could not be told what to let in, or what no longer; the code is the system's `errno`, 0 when it named none.
    case filterFailed(stack: String, interface: UInt32, errno: Int32)
    /// A group was joined or left, or what routers are told of it changed.
    case membership(stack: String, StackMembershipEvent)
    /// So many further events of groups came at once, and were not kept.
    case membershipsMissed(stack: String, count: Int)
}
