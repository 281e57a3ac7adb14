import ChimneyPrimitives
import ChimneyWire

/// A default router.
struct LearnedRouter: Hashable, Sendable {
    let address: IPv6Address
    var preference: RouterPreference
    var until: Instant
}

/// A more specific route.
struct LearnedRoute: Hashable, Sendable {
    let prefix: IPv6Prefix
    let router: IPv6Address
    var preference: RouterPreference
    var until: Instant
}

/// An on-link prefix.
struct LearnedPrefix: Hashable, Sendable {
    let prefix: IPv6Prefix
    var until: Instant
}

/// Something to look names up by: a server or a domain.
struct LearnedName<Value: Hashable & Sendable>: Hashable, Sendable {
    let value: Value
    var until: Instant
}

/// An address made of a prefix, and how far it has come.
struct LearnedAddress: Hashable, Sendable {
    enum State: Hashable {
        /// The next attempt begins then.
        case waiting(until: Instant)
        /// It is not yet known whether another host has it.
        case tentative
        /// It is ours.
        case assigned
        /// Every attempt met another host's address.
        case failed
    }

    let prefix: IPv6Prefix
    let kind: MadeAddress.Kind
    var address: IPv6Address
    var state = State.tentative
    /// How many addresses were tried.
    var attempts = 0
    /// The counter of RFC 7217 §5.
    var counter: UInt32 = 0
    var preferredUntil: Instant
    var validUntil: Instant
    var isDeprecated = false
    /// When a temporary address was made, from which its own lifetimes count.
    var made: Instant
    /// How much sooner than others a temporary address is deprecated (RFC 8981 DESYNC_FACTOR).
    var desynchronization = TimeSpan.zero
    /// Whether a temporary address has a successor.
    var isSucceeded = false

    /// The address as the stack is told of it.
    var told: MadeAddress {
        MadeAddress(
            address: address, prefix: prefix, kind: kind, preferredUntil: preferredUntil, validUntil: validUntil)
    }

    /// Whether the stack was told to have it.
    var isHeld: Bool {
        switch state {
        case .tentative, .assigned: true
        case .waiting, .failed: false
        }
    }
}

extension Instant {
    /// The end of a lifetime as the wire has it: all ones is for ever.
    func after(seconds: UInt32) -> Instant { seconds == .max ? .never : self + .seconds(Int64(seconds)) }
}
