public import ChimneyLink
public import ChimneyPrimitives
import ChimneyStack

/// A datagram as a value of its own: a copy that may go to any thread.
public struct UDPMessage: Hashable, Sendable {
    /// The payload.
    public var bytes: [UInt8]
    /// Who sent it, or where it is to go.
    public var peer: Endpoint
    /// The address of ours or the group that it was sent to (`IP_PKTINFO`); `0.0.0.0:0` in one to be sent.
    public var local: Endpoint
    /// The interface it came in by (`IP_PKTINFO`); `nil` in one to be sent.
    public var interface: InterfaceIndex?
    /// When it was received; zero in one to be sent.
    public var receivedAt: Instant

    /// A datagram to be sent.
    public init(_ bytes: [UInt8], to peer: Endpoint) {
        self.bytes = bytes
        self.peer = peer
        local = .any
        receivedAt = .zero
    }

    /// A copy of a received datagram.
    init(_ datagram: borrowing Datagram) {
        let span = datagram.bytes
        // Invariant: the array copies the bytes while the datagram holds them.
        bytes = unsafe span.withUnsafeBytes { unsafe Array($0) }
        peer = datagram.source
        local = datagram.destination
        interface = InterfaceIndex(rawValue: datagram.interface)
        receivedAt = datagram.receivedAt
    }
}
