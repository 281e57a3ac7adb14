public import ChimneyPrimitives

/// What a socket asks of one group on one interface: the calls of RFC 3678.
public enum GroupCall<Address: InternetAddress>: Hashable, Sendable {
    /// Receive what is sent to the group (`MCAST_JOIN_GROUP`).
    case join
    /// Receive it no longer, however it was joined (`MCAST_LEAVE_GROUP`).
    case leave
    /// Receive what one source sends (`MCAST_JOIN_SOURCE_GROUP`).
    case joinSource(Address)
    /// Receive it no longer, and after the last one leave the group (`MCAST_LEAVE_SOURCE_GROUP`).
    case leaveSource(Address)
    /// Do without one source of a group that was joined without sources (`MCAST_BLOCK_SOURCE`).
    case block(Address)
    /// Receive a blocked source again (`MCAST_UNBLOCK_SOURCE`).
    case unblock(Address)
    /// This filter, whatever it was; ``SourceFilter/none`` leaves (`MCAST_MSFILTER`).
    case setFilter(SourceFilter<Address>)
}

extension HostMemberships {
    /// Does what a socket asks for; says how the filter of the interface changed, and `nil` when it did not.
    ///
    /// - Throws: ``MembershipError``; nothing is changed.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    public mutating func perform(
        _ call: GroupCall<Address>, of group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> FilterChange<Address>? {
        switch call {
        case .join: try join(group, on: interface, socket: socket)
        case .leave: try leave(group, on: interface, socket: socket)
        case .joinSource(let source): try join(group, from: source, on: interface, socket: socket)
        case .leaveSource(let source): try leave(group, from: source, on: interface, socket: socket)
        case .block(let source): try block(source, of: group, on: interface, socket: socket)
        case .unblock(let source): try unblock(source, of: group, on: interface, socket: socket)
        case .setFilter(let filter): try setFilter(filter, of: group, on: interface, socket: socket)
        }
    }
}
