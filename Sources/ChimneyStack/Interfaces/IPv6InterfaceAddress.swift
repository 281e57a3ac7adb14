public import ChimneyPrimitives

/// An IPv6 address of an interface.
public struct IPv6InterfaceAddress: Sendable, Hashable {
    /// The address.
    public var address: IPv6Address
    /// How many leading bits are its prefix; 0 to 128.
    public var prefixLength: Int
    /// Where it stands in duplicate address detection.
    public var state: State
    /// Where it is from.
    public var origin: Origin
    /// Whether its preferred lifetime is over: it is still ours, and no longer chosen as a source (RFC 4862 §5.5.4).
    public var isDeprecated = false
    /// When it stops being preferred; `nil` for never.
    public var preferredUntil: Instant?
    /// When it stops being ours; `nil` for never.
    public var validUntil: Instant?

    /// Where an address stands in duplicate address detection (RFC 4862 §5.4).
    public enum State: String, Sendable, Hashable {
        case tentative, usable, duplicate
        /// Still being probed, and used already with care (RFC 4429).
        case optimistic
    }

    /// Where an address is from.
    public enum Origin: String, Sendable, Hashable {
        /// Every interface has one, made from its link address.
        case linkLocal
        /// The operator set it.
        case manual
        /// From an advertised prefix (RFC 4862, RFC 7217).
        case automatic
        /// From an advertised prefix, replaced from time to time (RFC 8981).
        case temporary
    }

    /// The address of an operator, yet to be probed.
    init(_ address: IPv6Address, prefixLength: Int, state: State = .tentative, origin: Origin = .manual) {
        self.address = address
        self.prefixLength = prefixLength
        self.state = state
        self.origin = origin
    }

    /// Whether packets may come from and go to it.
    var isAssigned: Bool { state == .usable || state == .optimistic }
}

extension StackInterface {
    /// The MTU for packets of our own: the link's, or less where a router advertises less.
    var ipv6MTU: Int { min(mtu, advertisedMTU ?? mtu) }

    /// The first link-local address in use.
    var linkLocalAddress: IPv6Address? {
        ipv6Addresses.first { $0.isAssigned && $0.address.isLinkLocal }?.address
    }

    /// Whether an address is one of this interface's and in use.
    func owns(_ address: IPv6Address) -> Bool {
        for candidate in ipv6Addresses where candidate.address == address && candidate.isAssigned { return true }
        return false
    }
}
