import ChimneyPrimitives

/// Where a packet is to go once routing has spoken.
struct OutputPath<Address: InternetAddress>: BitwiseCopyable {
    /// The position of the interface in the stack's table.
    var port: SlotID
    /// The neighbour to hand it to; the destination itself when that is on the link.
    var nextHop: Address
    /// Whether the destination is one of our own addresses.
    var isLocal: Bool
    /// Whether the destination is a broadcast or multicast address of the link.
    var isLinkGroup: Bool
    /// Whether the destination is a broadcast address.
    var isBroadcast: Bool
}

/// What routing is asked about a packet to forward.
struct ForwardingQuestion<Address: InternetAddress>: Equatable, BitwiseCopyable {
    var destination = Address(bits: 0)
    var fib: UInt16 = 0
    var flowHash: UInt32 = 0
    var generation: UInt64 = 0
}

/// The last question and its answer.
struct ForwardingMemory<Address: InternetAddress>: BitwiseCopyable {
    var question = ForwardingQuestion<Address>()
    var path: OutputPath<Address>?
}
