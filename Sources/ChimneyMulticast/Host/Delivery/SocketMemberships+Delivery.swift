public import ChimneyPrimitives

/// What of a datagram decides who receives it.
@frozen
public struct GroupDatagram<Address: InternetAddress>: Hashable, Sendable, BitwiseCopyable {
    /// The group it was sent to.
    public let group: Address
    /// Who sent it.
    public let source: Address
    /// The interface it arrived on.
    public let interface: UInt32
    /// The port it was sent to.
    public let port: UInt16

    /// A datagram from a source to a port of a group.
    @inlinable
    public init(group: Address, source: Address, interface: UInt32, port: UInt16) {
        self.group = group
        self.source = source
        self.interface = interface
        self.port = port
    }
}

/// A walk over the sockets that receive a datagram; no membership changes during it.
@frozen
public struct GroupReceivers<Address: InternetAddress>: Sendable, BitwiseCopyable {
    @usableFromInline let datagram: GroupDatagram<Address>
    @usableFromInline var next: Int32
    @usableFromInline var first: Int32
    @usableFromInline var isAmongEverything: Bool

    @inlinable
    init(datagram: GroupDatagram<Address>, first: Int32) {
        self.datagram = datagram
        self.next = first
        self.first = first
        isAmongEverything = false
    }
}

extension SocketMemberships {
    /// The socket is bound to a port, 0 for none, and receives there what it joined.
    ///
    /// - Complexity: O(n) with the groups of the socket.
    public mutating func setPort(_ port: UInt16, of socket: UInt32) throws(MembershipError) {
        try open(socket)
        let record = sockets[Int(socket)]
        guard record.port != port else { return }
        var place = record.first
        for _ in 0..<record.count {
            if record.port != 0 { index.remove(place, in: &memberships) }
            if port != 0 { index.insert(place, port: port, in: &memberships) }
            place = memberships[Int(place)].nextOfSocket
        }
        if record.everything >= 0 {
            if record.port != 0 { index.remove(record.everything, in: &memberships) }
            if port != 0 { index.insert(record.everything, port: port, in: &memberships) }
        }
        sockets[Int(socket)].port = port
    }

    /// Whether the socket also receives, from all sources, the groups it did not join and others did.
    ///
    /// Linux does so unless told otherwise (`IP_MULTICAST_ALL`); here a socket receives what it joined unless
    /// told otherwise.
    public mutating func setReceivesEverything(_ receives: Bool, of socket: UInt32) throws(MembershipError) {
        try open(socket)
        let record = sockets[Int(socket)]
        if !receives { return removeEverything(of: socket) }
        guard record.everything < 0 else { return }
        let place = take(Membership(filter: .all, group: Address(bits: 0), interface: 0, socket: socket))
        sockets[Int(socket)].everything = Int32(place)
        index.everythingCount += 1
        if record.port != 0 { index.insert(Int32(place), port: record.port, in: &memberships) }
    }

    @inlinable
    mutating func removeEverything(of socket: UInt32) {
        let everything = sockets[Int(socket)].everything
        guard everything >= 0 else { return }
        if memberships[Int(everything)].port != 0 { index.remove(everything, in: &memberships) }
        release(Int(everything))
        sockets[Int(socket)].everything = -1
        index.everythingCount -= 1
    }

    /// A walk over the sockets that receive a datagram; see ``next(_:)``.
    ///
    /// - Complexity: O(1), whatever other sockets there are; nothing is allocated.
    @inlinable
    public func receivers(of datagram: GroupDatagram<Address>) -> GroupReceivers<Address> {
        let first = index.first(
            datagram.group, on: datagram.interface, port: datagram.port, in: memberships)
        return GroupReceivers(datagram: datagram, first: first ?? -1)
    }

    /// The next socket that receives the datagram, in the order of joining; each comes once.
    ///
    /// It is bound to the datagram's port and in its group on its interface, with a filter that admits the source.
    ///
    /// - Complexity: O(log n) with the sources of each filter looked at; nothing is allocated.
    @inlinable
    public func next(_ receivers: inout GroupReceivers<Address>) -> UInt32? {
        repeat {
            while receivers.next >= 0 {
                let place = Int(receivers.next)
                // Through a span, since a read through the array copies the record and counts its list.
                let memberships = memberships.span
                let following = memberships[place].nextReceiver
                receivers.next = following == receivers.first ? -1 : following
                let socket = memberships[place].socket
                if receivers.isAmongEverything {
                    let datagram = receivers.datagram
                    // Who joined the group has had it, or refused it.
                    if self.place(datagram.group, datagram.interface, socket) == nil { return socket }
                } else if memberships[place].filter.admits(receivers.datagram.source) {
                    return socket
                }
            }
        } while beginEverything(&receivers)
        return nil
    }

    /// Goes on with the sockets that receive everything; `false` when there are none or they were walked.
    @inlinable
    func beginEverything(_ receivers: inout GroupReceivers<Address>) -> Bool {
        guard index.everythingCount > 0 && !receivers.isAmongEverything else { return false }
        receivers.isAmongEverything = true
        receivers.first =
            index.first(Address(bits: 0), on: 0, port: receivers.datagram.port, in: memberships) ?? -1
        receivers.next = receivers.first
        return true
    }

    /// Whether a socket that is in the datagram's group and has its port refuses its source.
    public func hasReceiverRefusing(_ datagram: GroupDatagram<Address>) -> Bool {
        let first = receivers(of: datagram).first
        var place = first
        while place >= 0 {
            if !memberships[Int(place)].filter.admits(datagram.source) { return true }
            let following = memberships[Int(place)].nextReceiver
            place = following == first ? -1 : following
        }
        return false
    }

    /// The sockets that are in the datagram's group and have its port, with their filters, in the order of joining; for showing them.
    public func members(of datagram: GroupDatagram<Address>) -> [(socket: UInt32, filter: SourceFilter<Address>)] {
        let first = receivers(of: datagram).first
        var result: [(socket: UInt32, filter: SourceFilter<Address>)] = []
        var place = first
        while place >= 0 {
            result.append((memberships[Int(place)].socket, memberships[Int(place)].filter))
            let following = memberships[Int(place)].nextReceiver
            place = following == first ? -1 : following
        }
        return result
    }

    /// Whether a socket's filter for a group admits a source, or `nil` when the socket is not in it.
    @inlinable
    public func admits(
        _ source: Address, to group: Address, on interface: UInt32, socket: UInt32
    ) -> Bool? {
        place(group, interface, socket).map { memberships[$0].filter.admits(source) }
    }
}
