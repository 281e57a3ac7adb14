public import ChimneyPrimitives

/// Why an ARP message was of no use; each becomes a drop reason of the stack.
@frozen
public enum ARPDrop: Error, Hashable, Sendable, CaseIterable {
    /// Shorter than an ARP message.
    case truncated
    /// The hardware type is not Ethernet.
    case hardwareType
    /// The protocol type is not IPv4.
    case protocolType
    /// The address lengths are not those of Ethernet and IPv4.
    case addressLengths
    /// Neither a request nor a reply.
    case operation
    /// It came from an interface that ARP does not know.
    case unknownInterface
    /// The sender's link address is a group, broadcast or zero.
    case badSenderMAC
    /// Our own message came back.
    case looped
    /// The sender's address is a group, a broadcast, a loopback or otherwise no host's.
    case badSenderAddress
    /// The sender's address is one of ours.
    case conflicting
    /// The sender's address is on no prefix of the interface.
    case offLink
    /// It asks for an address that is neither ours nor published, and tells nothing new.
    case notForUs
    /// It answers what was not asked, about a neighbour of no interest or against the accept rule.
    case unsolicited
    /// It contradicts an answer that came a moment ago.
    case contradictory
    /// It would change an entry that the operator set.
    case permanentEntry
    /// More questions come from strangers than are answered.
    case rateLimited
}

/// Something about an address of ours that the stack acts on.
public struct OwnAddressEvent: Hashable, Sendable {
    /// What happened.
    @frozen
    public enum Kind: Hashable, Sendable {
        /// Nobody else has the address: it may be used from now on.
        case usable
        /// Another host has the address that was being probed for; it never was ours.
        case conflict(by: MACAddress)
        /// Another host used our address, which was announced against it or kept silently.
        case defended(against: MACAddress)
        /// Another host used our address, which is given up.
        case lost(to: MACAddress)
    }

    /// The address.
    public var address: IPv4Address
    /// The interface that has it.
    public var interface: UInt32
    /// What happened.
    public var kind: Kind
}
