/// The calls of RFC 3678: each changes one socket's filter for one group on one interface, and returns how the
/// filter of the interface changed. On an error nothing did.
extension HostMemberships {
    /// The socket wants all that is sent to a group (`IP_ADD_MEMBERSHIP`, `MCAST_JOIN_GROUP`).
    ///
    /// - Complexity: O(1); no list of sources is touched unless the interface's filter becomes another by it.
    @inlinable
    public mutating func join(
        _ group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> FilterChange<Address>? {
        try check(interface)
        // Looked up first, so that the waits for the tables' memory overlap.
        let place = filters.place(of: group, on: interface)
        let change = try sockets.join(group, on: interface, socket: socket)
        return filters.socketChanged(change, of: group, on: interface, at: place)
    }

    /// The socket leaves a group, however it joined it (`IP_DROP_MEMBERSHIP`, `MCAST_LEAVE_GROUP`).
    @inlinable
    public mutating func leave(
        _ group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> FilterChange<Address>? {
        try check(interface)
        // Looked up first, so that the waits for the tables' memory overlap.
        let place = filters.place(of: group, on: interface)
        let change = try sockets.leave(group, on: interface, socket: socket)
        return filters.socketChanged(change, of: group, on: interface, at: place)
    }

    /// The socket wants what one source sends to a group (`IP_ADD_SOURCE_MEMBERSHIP`, `MCAST_JOIN_SOURCE_GROUP`).
    ///
    /// - Complexity: O(log n) with the sources of the filter, and a move of the bytes behind the new one.
    @inlinable
    public mutating func join(
        _ group: Address, from source: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> FilterChange<Address>? {
        try check(interface)
        let change = try sockets.join(group, from: source, on: interface, socket: socket)
        return filters.socketChanged(change, of: group, on: interface)
    }

    /// The socket wants one source less, and after the last one leaves (`IP_DROP_SOURCE_MEMBERSHIP`,
    /// `MCAST_LEAVE_SOURCE_GROUP`).
    @inlinable
    public mutating func leave(
        _ group: Address, from source: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> FilterChange<Address>? {
        try check(interface)
        let change = try sockets.leave(group, from: source, on: interface, socket: socket)
        return filters.socketChanged(change, of: group, on: interface)
    }

    /// The socket, which joined without sources, does without one of them (`IP_BLOCK_SOURCE`, `MCAST_BLOCK_SOURCE`).
    @inlinable
    public mutating func block(
        _ source: Address, of group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> FilterChange<Address>? {
        try check(interface)
        let change = try sockets.block(source, of: group, on: interface, socket: socket)
        return filters.socketChanged(change, of: group, on: interface)
    }

    /// The socket wants a source again that it blocked (`IP_UNBLOCK_SOURCE`, `MCAST_UNBLOCK_SOURCE`).
    @inlinable
    public mutating func unblock(
        _ source: Address, of group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> FilterChange<Address>? {
        try check(interface)
        let change = try sockets.unblock(source, of: group, on: interface, socket: socket)
        return filters.socketChanged(change, of: group, on: interface)
    }

    /// The socket's filter for a group, whatever it was, is this one; ``SourceFilter/none`` leaves
    /// (`setsourcefilter`, `IP_MSFILTER`, `MCAST_MSFILTER`).
    ///
    /// - Complexity: one walk over the old and the new list.
    @inlinable
    public mutating func setFilter(
        _ filter: SourceFilter<Address>, of group: Address, on interface: UInt32, socket: UInt32
    ) throws(MembershipError) -> FilterChange<Address>? {
        try check(interface)
        guard let change = try sockets.setFilter(filter, of: group, on: interface, socket: socket) else { return nil }
        return filters.socketChanged(change, of: group, on: interface)
    }
}
