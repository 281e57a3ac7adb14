package import ChimneyPrimitives
package import ChimneyWire

/// A neighbour discovery message to send with hop limit ``NDPMessage/hopLimit``.
package struct NDPTransmission: Hashable, Sendable {
    /// The interface it leaves by.
    package let interface: UInt32
    /// From whom; `::` while an address is still asked for.
    package let source: IPv6Address
    /// To whom.
    package let destination: IPv6Address
    /// The link address it goes to; `nil` when the destination, one host, is to be resolved.
    package let mac: MACAddress?
    /// The message.
    package let message: NDPMessage
}

/// A redirect that is valid in itself (RFC 4861 §8.1).
///
/// Whether its sender is the present first hop to the destination only the routing table knows. When it is, the stack
/// takes the route and tells the link address by ``NDPEngine/linkAddressLearned(_:mac:isRouter:on:at:using:output:)``.
package struct NDPRedirection: Hashable, Sendable {
    /// The interface it came by.
    package let interface: UInt32
    /// The router that sent it, by its link-local address.
    package let from: IPv6Address
    /// For which destination.
    package let destination: IPv6Address
    /// The better first hop; the destination itself when that is on the link.
    package let target: IPv6Address
    /// Where the target is, if that is told.
    package let mac: MACAddress?

    /// `true` when the target is a router; the destination itself may be one or not (RFC 4861 §8.3).
    package var isRouter: Bool? { target != destination ? true : nil }
}

/// What the engine of neighbour discovery wants done; the stack empties it after every call.
package struct NDPOutput: ~Copyable {
    /// Messages to send.
    package var messages = OutputList<NDPTransmission>()
    /// Held packets and what becomes of them; news of neighbours.
    ///
    /// Its solicitations are already among `messages`, its news of routers in `routers`.
    package var neighbors = NeighborOutput<IPv6Address>()
    /// News of our own addresses, which the stack acts on.
    package var addresses = OutputList<NDPAddressEvent>()
    /// News of neighbours that are, or were, routers.
    package var routers = OutputList<NeighborRouterEvent<IPv6Address>>()
    /// Redirects to look at.
    package var redirects = OutputList<NDPRedirection>()

    package init() {}

    /// Whether nothing is wanted.
    package var isEmpty: Bool {
        messages.isEmpty && neighbors.isEmpty && addresses.isEmpty && routers.isEmpty && redirects.isEmpty
    }
}
