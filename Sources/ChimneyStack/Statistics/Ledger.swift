/// The account that proves no packet is lost without a name.
///
/// Every packet enters once, as received from a driver or as created here, and leaves once: to a
/// driver, to a socket, consumed by a protocol of this stack, or dropped for a reason. What has
/// entered and not left is held in a queue; ``VirtualStack/conservation`` compares the two.
public struct Ledger: Sendable, Hashable {
    /// Packets that drivers handed in.
    public internal(set) var received: UInt64 = 0
    /// Packets made here: datagrams of sockets, answers, fragments, copies.
    public internal(set) var created: UInt64 = 0
    /// Packets handed to drivers.
    public internal(set) var transmitted: UInt64 = 0
    /// Received packets that were routed on; they are also in ``transmitted`` once the driver has them.
    public internal(set) var forwarded: UInt64 = 0
    /// Packets put into a socket's queue.
    public internal(set) var delivered: UInt64 = 0
    /// Packets a protocol of this stack took in: ARP, ICMP, fragments merged into a datagram, datagrams cut in fragments.
    public internal(set) var consumed: UInt64 = 0
    /// Packets that died, by the raw value of their ``DropReason``.
    var drops = DropCounters()

    /// Packets that died for `reason`.
    public func dropped(_ reason: DropReason) -> UInt64 { drops[reason] }

    /// Packets that died, for any reason.
    public var dropped: UInt64 { drops.total }

    /// Every reason that has struck, in the order of ``DropReason``.
    public var dropsByReason: [(reason: DropReason, count: UInt64)] {
        DropReason.allCases.compactMap { drops[$0] > 0 ? ($0, drops[$0]) : nil }
    }

    /// Packets that have entered and not left.
    public var held: Int64 {
        Int64(bitPattern: received &+ created &- transmitted &- delivered &- consumed &- dropped)
    }
}

/// One counter for each ``DropReason``.
struct DropCounters: Sendable, Hashable {
    private var counts = [UInt64](repeating: 0, count: DropReason.allCases.count)
    private(set) var total: UInt64 = 0

    subscript(reason: DropReason) -> UInt64 { counts[Int(reason.rawValue)] }

    mutating func count(_ reason: DropReason) {
        counts[Int(reason.rawValue)] &+= 1
        total &+= 1
    }
}

/// The outcome of comparing a ledger with what the queues hold.
public struct Conservation: Sendable, Hashable {
    /// What the ledger says has entered and not left.
    public let heldByLedger: Int64
    /// What the queues, the neighbour table and the reassembly really hold.
    public let heldInFact: Int64

    /// Whether no packet has vanished or appeared without a name.
    public var isKept: Bool { heldByLedger == heldInFact }
}
