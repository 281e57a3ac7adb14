package import ChimneyPrimitives
package import ChimneyWire

/// An ARP message to frame and send.
package struct ARPTransmission: Hashable, Sendable {
    /// The interface it leaves by.
    package let interface: UInt32
    /// The link address it goes to.
    package let destination: MACAddress
    /// The message.
    package let message: ARPMessage
}

/// What the ARP engine wants done; the stack empties it after every call.
package struct ARPOutput: ~Copyable {
    /// Messages to send.
    package var messages = OutputList<ARPTransmission>()
    /// Held packets and what becomes of them; news of neighbours.
    ///
    /// Its solicitations are already among `messages`.
    package var neighbors = NeighborOutput<IPv4Address>()
    /// News of our own addresses, which the stack acts on.
    package var addresses = OutputList<OwnAddressEvent>()

    package init() {}

    /// Whether nothing is wanted.
    package var isEmpty: Bool { messages.isEmpty && neighbors.isEmpty && addresses.isEmpty }
}
