public import ChimneyPrimitives

/// An IPv6 address of this host, as far as choosing a sender needs to know it.
public struct IPv6SourceCandidate: Hashable, Sendable, BitwiseCopyable {
    /// The address.
    public var address: IPv6Address
    /// How many of its bits are its prefix.
    public var prefixLength: Int
    /// The interface it belongs to, as its raw index.
    public var interface: UInt32
    /// Whether its preferred lifetime is over.
    public var isDeprecated: Bool
    /// Whether it is a temporary address (RFC 8981).
    public var isTemporary: Bool

    /// An address that may be used.
    public init(
        _ address: IPv6Address, prefixLength: Int, interface: UInt32, isDeprecated: Bool = false,
        isTemporary: Bool = false
    ) {
        self.address = address
        self.prefixLength = prefixLength
        self.interface = interface
        self.isDeprecated = isDeprecated
        self.isTemporary = isTemporary
    }
}

/// Which of a host's IPv6 addresses a packet names as its sender when the program named none (RFC 6724 §5).
public enum IPv6SourceSelection {
    /// The best of `candidates` for a packet to `destination` that leaves by `interface`; `nil` when none will do.
    ///
    /// The rules of RFC 6724 §5 in their order: the address itself, a fitting scope, not deprecated, the sending
    /// interface, an equal label, a temporary address, the longest common prefix; of equals the first. Addresses
    /// of other interfaces are candidates unless the destination is a group or of link scope (RFC 6724 §4).
    ///
    /// - Complexity: one pass.
    public static func choose(
        for destination: IPv6Address, by interface: UInt32, among candidates: [IPv6SourceCandidate]
    ) -> IPv6Address? {
        var best: IPv6SourceCandidate?
        for candidate in candidates where !candidate.address.isAny && !candidate.address.isMulticast {
            if destination.isLinkScoped || destination.isMulticast, candidate.interface != interface { continue }
            // A packet from ::1 goes nowhere but to the host itself, one from a link-local address to its link.
            if candidate.address.isLoopback, !destination.isLoopback { continue }
            if candidate.address.isLinkLocal, candidate.interface != interface { continue }
            guard let current = best else {
                best = candidate
                continue
            }
            if isBetter(candidate, than: current, for: destination, by: interface) { best = candidate }
        }
        return best?.address
    }

    private static func isBetter(
        _ one: IPv6SourceCandidate, than other: IPv6SourceCandidate, for destination: IPv6Address, by interface: UInt32
    ) -> Bool {
        // Rule 1: the destination itself.
        if one.address == destination || other.address == destination { return one.address == destination }
        // Rule 2: the smallest scope that still reaches the destination.
        let wanted = scope(destination)
        let (first, second) = (scope(one.address), scope(other.address))
        if first != second { return first < second ? first >= wanted : second < wanted }
        // Rule 3: not deprecated.
        if one.isDeprecated != other.isDeprecated { return other.isDeprecated }
        // Rule 5: of the interface that sends; rule 4 is about mobile nodes.
        let (isSending, otherIsSending) = (one.interface == interface, other.interface == interface)
        if isSending != otherIsSending { return isSending }
        // Rule 6: an equal label.
        let target = label(destination)
        let (fits, otherFits) = (label(one.address) == target, label(other.address) == target)
        if fits != otherFits { return fits }
        // Rule 7: temporary addresses hide the host.
        if one.isTemporary != other.isTemporary { return one.isTemporary }
        // Rule 8: the longest common prefix, as far as the source's own prefix goes.
        return common(one, destination) > common(other, destination)
    }

    /// The scopes of RFC 4291 §2.7 as numbers; unicast addresses have 2, 5 or 14 (RFC 6724 §3.1).
    private static func scope(_ address: IPv6Address) -> Int {
        if address.isMulticast { return address.multicastScope }
        if address.isLinkLocal || address.isLoopback { return 2 }
        return address.high >> 54 == 0x3FB ? 5 : 14
    }

    /// The label of the default policy table (RFC 6724 §2.1).
    private static func label(_ address: IPv6Address) -> Int {
        if address.isLoopback { return 0 }
        if address.mappedIPv4 != nil { return 4 }
        if address.high == 0, address.low >> 32 == 0 { return 3 }
        if address.high >> 48 == 0x2002 { return 2 }
        if address.high >> 32 == 0x2001_0000 { return 5 }
        if address.isUniqueLocal { return 13 }
        if address.high >> 54 == 0x3FB { return 11 }
        if address.high >> 48 == 0x3FFE { return 12 }
        return 1
    }

    private static func common(_ candidate: IPv6SourceCandidate, _ destination: IPv6Address) -> Int {
        min((candidate.address.bits ^ destination.bits).leadingZeroBitCount, candidate.prefixLength)
    }
}
