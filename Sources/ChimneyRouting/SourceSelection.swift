public import ChimneyPrimitives

/// An address of this host, as far as choosing a sender needs to know it.
public struct LocalAddress<Address: InternetAddress>: Hashable, Sendable {
    /// The address.
    public var address: Address
    /// How many of its bits the link shares.
    public var prefixLength: Int
    /// The interface it belongs to, as its raw index.
    public var interface: UInt32
    /// Whether another address of the same subnet came first.
    public var isSecondary: Bool
    /// Whether it may be used: not while duplicate detection is under way, nor after it found a duplicate (RFC 5227).
    public var isUsable: Bool

    /// An address of an interface.
    public init(
        _ address: Address, prefixLength: Int, interface: UInt32, isSecondary: Bool = false, isUsable: Bool = true
    ) {
        self.address = address
        self.prefixLength = prefixLength
        self.interface = interface
        self.isSecondary = isSecondary
        self.isUsable = isUsable
    }
}

/// Which of a host's addresses a packet names as its sender when the program named none.
public enum SourceSelection {
    /// The best of `addresses` for a packet to `destination` that leaves by `nextHop`; `nil` when none will do.
    ///
    /// A destination that is an address of this host is its own sender. Otherwise, in this order: an address that means something
    /// to the destination (no link-local sender for a destination beyond the link, and loopback only with loopback), on the
    /// interface that sends, in the subnet of the next hop, of the destination's own scope, primary rather than secondary, and
    /// earlier in the list. A link-local destination takes addresses of the sending interface only.
    ///
    /// - Complexity: one pass.
    /// - Note: RFC 1122 §3.3.4.3; RFC 3927 §2.6.1 and §2.7; the order of rules follows RFC 6724 §5.
    public static func choose<Address: InternetAddress>(
        for destination: Address, by nextHop: NextHop<Address>, among addresses: [LocalAddress<Address>]
    ) -> Address? {
        let neighbor = nextHop.neighbor(for: destination)
        var best: (address: Address, merit: Int)?
        for candidate in addresses
        where candidate.isUsable && !candidate.address.isAny && !candidate.address.isMulticast {
            if candidate.address == destination { return destination }
            let isSending = candidate.interface == nextHop.interface
            if destination.isLinkLocal, !isSending { continue }
            if candidate.address.isLoopback, !destination.isLoopback, nextHop.kind != .local { continue }
            let isNear = Prefix(candidate.address, length: candidate.prefixLength).contains(neighbor)
            let reaches =
                candidate.address.isLoopback == destination.isLoopback
                && (!candidate.address.isLinkLocal || destination.isLinkLocal || destination.isMulticast)
            let merit =
                (reaches ? 16 : 0) + (isSending ? 8 : 0) + (isNear ? 4 : 0)
                + (candidate.address.isLinkLocal == destination.isLinkLocal ? 2 : 0) + (candidate.isSecondary ? 0 : 1)
            if best.map({ merit > $0.merit }) ?? true { best = (candidate.address, merit) }
        }
        return best?.address
    }
}
