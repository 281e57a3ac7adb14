public import ChimneyPrimitives

/// A device frames come from and go to, in batches.
///
/// A driver is called on the thread of its shard and never waits: with nothing to receive it
/// receives nothing, and what the device does not take now stays in the queue.
public protocol LinkDriver: AnyObject {
    /// What its frames begin with.
    var kind: LinkKind { get }
    /// What the device does for the stack.
    var capabilities: LinkCapabilities { get }
    /// What to wait on for frames, or `nil` when the device has no descriptor.
    var descriptor: Int32? { get }
    /// The largest network packet the device carries, without its link header.
    var mtu: Int { get }
    /// The device's own link address; `nil` when it has none.
    var mac: MACAddress? { get }
    /// The most groups the device names in its filter, with more of which the stack has it let all groups in; `nil` for a
    /// device that lets everything in and is told nothing.
    var groupAddressesMax: Int? { get }

    /// Receives up to `packetsMax` frames behind those of `queue`.
    ///
    /// Their metadata says when they came and what the device found out; every other part of it is as in a
    /// new packet, but the interface, which is the stack's to set.
    ///
    /// - Returns: how many came; with `packetsMax` of them, more may wait.
    func receive(
        into queue: inout PacketQueue, packetsMax: Int, pool: PacketPool, at now: Instant
    ) throws(LinkDriverError) -> Int

    /// Sends what the device takes from the front of `queue`; the rest stays in it.
    func transmit(_ queue: inout PacketQueue) throws(LinkDriverError)

    /// Has the device let frames in, or keep them out.
    ///
    /// Changes come in the order the stack made them, each once. A device may let in more than it was told to: the
    /// stack refuses what nobody joined.
    ///
    /// - Returns: `false` when the device names as many groups as it can and did not take this one; the stack then has it
    ///   let all groups in.
    func setFilter(_ change: LinkFilterChange) throws(LinkDriverError) -> Bool
}

/// A device that lets everything in.
extension LinkDriver {
    /// It is told nothing.
    public var groupAddressesMax: Int? { nil }
    /// Nothing is to be done.
    public func setFilter(_ change: LinkFilterChange) throws(LinkDriverError) -> Bool { true }
}

/// Why a device did not do what it was asked to.
public enum LinkDriverError: Error, Hashable, Sendable {
    /// The device does not exist any more; the code is the system's `errno`, 0 when it named none.
    case deviceGone(errno: Int32)
    /// The device is switched off, and may come back.
    case deviceDown
    /// The device cannot go on now; its descriptor tells when it can.
    case wouldBlock
    /// The system refused the call for another reason.
    case failed(errno: Int32)
}
