public import ChimneyPrimitives

/// The times and bounds of a neighbour table (RFC 4861 §10 for the times).
public struct NeighborSettings: Hashable, Sendable {
    /// The most entries of all interfaces; at the bound the least useful entry is evicted, see ``NeighborState``.
    public var entriesMax = 4_096
    /// The most entries that may await a first answer at once; at the bound new ones are refused.
    ///
    /// Without it, packets to addresses where nobody lives push out the neighbours that do live (RFC 6583 §4).
    public var resolvingMax = 512
    /// The most packets held for one neighbour; at the bound the oldest is dropped (RFC 1122 §2.3.2.2).
    public var pendingPacketsMax = 64
    /// The most bytes held for all neighbours together; at the bound a neighbour's own oldest packets are dropped,
    /// and the new packet when that makes no room.
    public var pendingBytesMax = 1 << 20
    /// About how long a confirmation lasts; each entry draws 0.5 to 1.5 times this (RFC 4861 §6.3.2).
    public var reachableTime = TimeSpan.seconds(30)
    /// How long an upper layer has to confirm a stale address before it is probed.
    public var delayFirstProbe = TimeSpan.seconds(5)
    /// The time between two solicitations.
    public var retransmit = TimeSpan.seconds(1)
    /// Solicitations to the whole link before a neighbour is given up.
    public var multicastSolicitations = 3
    /// Solicitations to the known address before the whole link is asked.
    public var unicastSolicitations = 3
    /// How long packets to a neighbour that did not answer are refused before it is asked again.
    public var failedHold = TimeSpan.seconds(3)
    /// How long a used address is kept without confirmation or use.
    public var staleLifetime = TimeSpan.seconds(1_200)
    /// How long an address that this stack never sent to is kept.
    public var unusedLifetime = TimeSpan.seconds(60)
    /// How long after an answer a different answer is not believed, so that the first of two wins.
    public var overrideHold = TimeSpan.seconds(1)
    /// What an unsolicited claim may do to an entry that exists; it never makes one.
    public var acceptUnsolicited = UnsolicitedPolicy.update

    /// The defaults of RFC 4861, with room for a large link.
    public init() {}

    /// The same settings with every value where the table's own promises hold.
    var clamped: Self {
        var clamped = self
        clamped.entriesMax = min(max(1, entriesMax), 1 << 24)
        clamped.resolvingMax = max(1, resolvingMax)
        clamped.pendingPacketsMax = max(0, pendingPacketsMax)
        clamped.pendingBytesMax = max(0, pendingBytesMax)
        clamped.multicastSolicitations = max(1, multicastSolicitations)
        clamped.unicastSolicitations = max(0, unicastSolicitations)
        let tick = TimeSpan.milliseconds(1)
        clamped.reachableTime = max(tick, reachableTime)
        clamped.retransmit = max(tick, retransmit)
        clamped.delayFirstProbe = max(tick, delayFirstProbe)
        return clamped
    }
}

/// What a claim that nobody asked for may change, once its sender is found plausible.
@frozen
public enum UnsolicitedPolicy: String, Hashable, Sendable, CaseIterable {
    /// Nothing.
    case ignore
    /// A fresh entry asks its old address first and moves only when that is silent; others move at once.
    case verify
    /// The entry moves to the new address at once and is checked on its next use (RFC 826, RFC 4861 §7.2.5).
    case update
}

/// Why the operator's change to a neighbour table is refused.
public enum NeighborError: Error, Hashable, Sendable {
    /// Every entry is permanent or being resolved.
    case tableFull(max: Int)
    /// A group, broadcast or zero link address names no single neighbour.
    case notUnicast(MACAddress)
    /// The address names no single host: a group, a broadcast, or none.
    case notHost
    /// No interface is attached under this number.
    case unknownInterface(UInt32)
}
