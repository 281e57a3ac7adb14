package import ChimneyPrimitives
package import ChimneyWire

/// A DHCP message to send from port 68 to port 67.
package struct DHCPTransmission: Hashable, Sendable {
    /// The interface it leaves by.
    package let interface: UInt32
    /// Who sends it; 0.0.0.0 while there is no address (RFC 2131 §4.1).
    package let source: IPv4Address
    /// One server, or 255.255.255.255 for all.
    package let destination: IPv4Address
    /// The message.
    package let message: DHCPv4Message
}

/// Something about the address of an interface that the stack acts on.
public struct DHCPEvent: Hashable, Sendable {
    /// What happened.
    public enum Kind: Hashable, Sendable {
        /// A server granted an address: the stack takes it with conflict detection and says how that ended.
        case granted(DHCPLease)
        /// Nobody else has the address: its routes and servers count from now on.
        case leased(DHCPLease)
        /// The lease was made longer; whatever the server tells may be different from before.
        case renewed(DHCPLease)
        /// The address is no longer ours, nor anything that came with it.
        case lost(DHCPLease, DHCPLoss)
    }

    /// The interface.
    public var interface: UInt32
    /// What happened.
    public var kind: Kind
}

/// Why an address is lost.
@frozen
public enum DHCPLoss: Hashable, Sendable, CaseIterable {
    /// Its time is over and no server gave more.
    case expired
    /// The server takes it back.
    case refused
    /// Another host has it.
    case conflict
    /// The operator gives it back.
    case released
}

/// What a DHCP client wants done; the stack empties it after every call.
package struct DHCPOutput: ~Copyable {
    /// Messages to send.
    package var messages = OutputList<DHCPTransmission>()
    /// News of addresses, which the stack acts on.
    package var events = OutputList<DHCPEvent>()

    package init() {}

    /// Whether nothing is wanted.
    package var isEmpty: Bool { messages.isEmpty && events.isEmpty }
}

/// How far a DHCP client has come (RFC 2131 §4.4, figure 5).
@frozen
public enum DHCPState: String, Hashable, Sendable, CaseIterable {
    /// It is not started.
    case stopped
    /// It waits for the link, or for its time to begin.
    case starting
    /// It looks for offers.
    case selecting
    /// It asks for an address that it was offered.
    case requesting
    /// It asks for the address it had before.
    case rebooting
    /// It has an address, of which is not yet known whether another host uses it.
    case checking
    /// It has an address.
    case bound
    /// It asks its server for more time.
    case renewing
    /// It asks every server for more time.
    case rebinding
}
