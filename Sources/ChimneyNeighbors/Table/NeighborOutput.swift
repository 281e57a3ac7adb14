public import ChimneyPrimitives

/// What to do about a packet for a neighbour.
@frozen
package enum NeighborAnswer: Hashable, Sendable {
    /// Send it to this link address now.
    case send(to: MACAddress, NeighborHandle)
    /// Give it to the table, which holds it until the neighbour answers.
    case hold(NeighborHandle)
    /// Drop it, for this reason.
    case refused(NeighborRefusal)
}

/// Why a packet is not sent to a neighbour; each becomes a drop reason of the stack.
@frozen
public enum NeighborRefusal: Error, Hashable, Sendable, CaseIterable {
    /// Nobody answered for the address.
    case unreachable
    /// More packets wait for the neighbour than may.
    case queueFull
    /// More bytes wait for all neighbours than may.
    case bytesFull
    /// More neighbours await their first answer than may, or every entry is worth more than a new one.
    case tableFull
    /// The entry was removed by the operator, or with its interface, while the packet waited.
    case removed
    /// No address of the interface is in use that could ask.
    case noSource
    /// The address names no single host.
    case notHost
    /// No interface is attached under this number.
    case unknownInterface
}

/// A question that the table wants asked on a link.
package struct NeighborQuestion<Address: InternetAddress>: Hashable, Sendable {
    /// Whom to ask for.
    package let address: Address
    /// Where to ask.
    package let interface: UInt32
    /// The known address to ask; `nil` asks the whole link.
    package let mac: MACAddress?
}

/// Held packets that share a fate: the next `count` of ``NeighborOutput/packets``.
package struct NeighborRun<Address: InternetAddress>: Hashable, Sendable {
    /// The neighbour they waited for.
    package let address: Address
    /// The interface they leave by.
    package let interface: UInt32
    /// How many they are.
    package let count: Int
    /// What becomes of them.
    package let fate: NeighborFate
}

/// What becomes of packets that were held.
package enum NeighborFate: Hashable, Sendable {
    /// They go to this link address.
    case send(to: MACAddress)
    /// They die, for this reason.
    case drop(NeighborRefusal)
}

/// Something about a neighbour that an operator or a route cache may want to know.
public struct NeighborEvent<Address: Hashable & Sendable>: Hashable, Sendable {
    /// What happened.
    public enum Kind: Hashable, Sendable {
        /// The neighbour is at another link address than before.
        case moved(from: MACAddress, to: MACAddress)
        /// The neighbour was reachable and no longer answers.
        case lost
    }

    /// The neighbour.
    public var address: Address
    /// The interface it is on.
    public var interface: UInt32
    /// What happened.
    public var kind: Kind
}

/// Something about a neighbour that is a router, for whoever chooses among routers (RFC 4861 §6.3.6 and §7.3.3).
package struct NeighborRouterEvent<Address: Hashable & Sendable>: Hashable, Sendable {
    /// What happened.
    package enum Kind: Hashable, Sendable {
        /// It said that it is a router, or a silent one is heard again.
        case reachable
        /// It no longer answers.
        case unreachable
        /// It says that it is no router any more.
        case ceased
    }

    /// The neighbour.
    package var address: Address
    /// The interface it is on.
    package var interface: UInt32
    /// What happened.
    package var kind: Kind
}

/// What a neighbour table wants done; the stack empties it after every call.
package struct NeighborOutput<Address: InternetAddress>: ~Copyable {
    /// Packets that were held, in the order of the runs.
    package var packets = PacketQueue()
    /// What becomes of them.
    package var runs = OutputList<NeighborRun<Address>>()
    /// Questions to ask.
    package var solicitations = OutputList<NeighborQuestion<Address>>()
    /// News; at most ``OutputList/newsMax`` are kept for a reader that does not come.
    package var events = OutputList<NeighborEvent<Address>>()
    /// News of routers, bounded alike.
    package var routers = OutputList<NeighborRouterEvent<Address>>()

    package init() {}

    /// Whether nothing is wanted.
    package var isEmpty: Bool { runs.isEmpty && solicitations.isEmpty && events.isEmpty && routers.isEmpty }

    mutating func give(
        _ queue: inout PacketQueue, of address: Address, on interface: UInt32, _ fate: NeighborFate
    ) {
        guard !queue.isEmpty else { return }
        runs.append(NeighborRun(address: address, interface: interface, count: queue.count, fate: fate))
        packets.append(contentsOf: &queue)
    }

    mutating func give(
        _ packet: consuming Packet, of address: Address, on interface: UInt32, _ fate: NeighborFate
    ) {
        runs.append(NeighborRun(address: address, interface: interface, count: 1, fate: fate))
        packets.append(packet)
    }
}
