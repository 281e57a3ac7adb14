public import ChimneyPrimitives

/// What a stack knows about a neighbour's reachability (RFC 4861 §7.3.2, applied to ARP as well).
@frozen
public enum NeighborState: UInt8, Hashable, Sendable, CaseIterable {
    /// Nothing is known; no entry exists.
    case none
    /// The first answer is awaited; packets are held.
    case incomplete
    /// The neighbour answered, or an upper layer made progress through it, a short while ago.
    case reachable
    /// The link address is known, but whether it still works is not; the next packet starts to find out.
    case stale
    /// A packet went to a stale address; an upper layer has a moment to confirm it before a probe does.
    case delay
    /// The known address is being asked, by unicast.
    case probe
    /// Nobody answered; packets are refused for a moment, then the question is asked anew.
    case failed
    /// Set by the operator; neither time nor a packet changes it.
    case permanent
}

/// A claim on one neighbour entry that a socket or a route cache may keep.
///
/// The entry may go away and its place be taken by another; the generation tells.
@frozen
public struct NeighborHandle: Hashable, Sendable, BitwiseCopyable {
    /// The entry's place in the table.
    public let index: UInt32
    /// Which of the entries that have had this place.
    public let generation: UInt32

    @inlinable
    package init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }

    /// A handle that resolves to nothing.
    @inlinable
    public static var none: Self { Self(index: .max, generation: 0) }
}

/// One line of the neighbour table, as the `arp` and `ndp` commands print it.
public struct NeighborListing<Address: Hashable & Sendable>: Hashable, Sendable {
    /// The interface the neighbour is on.
    public var interface: UInt32
    /// The neighbour's address.
    public var address: Address
    /// What is known of it.
    public var state: NeighborState
    /// Its link address; `nil` while none is known.
    public var mac: MACAddress?
    /// How long ago it was last confirmed; since the entry's last change when it never was.
    public var age: TimeSpan
    /// How long the state lasts if nothing happens; `nil` for as long as the table lives.
    public var remaining: TimeSpan?
    /// How many packets wait for an answer.
    public var packetsWaiting: Int
    /// Whether this stack has sent to it; entries learned from a peer's question begin without.
    public var isUsed: Bool
    /// Whether it said that it is a router; ARP cannot tell (RFC 4861 §5.1).
    public var isRouter: Bool
}
