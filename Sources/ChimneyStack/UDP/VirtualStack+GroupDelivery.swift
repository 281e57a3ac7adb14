import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// A datagram to a group goes to the sockets that joined it on its interface, want its source and have its port.
    ///
    /// Each of them gets the same bytes, shared. Sockets that did not join cost nothing, however many have the port.
    mutating func deliverToGroup(_ packet: consuming Packet, source: Endpoint, destination: Endpoint) {
        let interface = packet.metadata.interface
        if let group = destination.ipv4 {
            let datagram = GroupDatagram(
                group: group, source: source.ipv4 ?? .any, interface: interface, port: destination.port)
            deliver(packet, datagram, source, destination)
        } else {
            let datagram = GroupDatagram(
                group: destination.mapped, source: source.mapped, interface: interface, port: destination.port)
            deliver(packet, datagram, source, destination)
        }
    }

    private mutating func deliver(
        _ packet: consuming Packet, _ datagram: GroupDatagram<IPv4Address>, _ source: Endpoint, _ destination: Endpoint
    ) {
        var receivers = ipv4Groups.memberships.receivers(of: datagram)
        var waiting = SlotID(index: -1, generation: 0)
        while let number = ipv4Groups.memberships.next(&receivers) {
            guard let id = taker(number, source, destination) else { continue }
            if waiting.index >= 0 { enqueueCopy(of: packet, to: waiting) }
            waiting = id
        }
        guard waiting.index < 0 else { return enqueue(packet, to: waiting) }
        let isRefused = ipv4Groups.memberships.hasReceiverRefusing(datagram)
        drop(packet, isRefused ? .multicastSourceFiltered : .multicastNoReceiver)
    }

    private mutating func deliver(
        _ packet: consuming Packet, _ datagram: GroupDatagram<IPv6Address>, _ source: Endpoint, _ destination: Endpoint
    ) {
        var receivers = ipv6Groups.memberships.receivers(of: datagram)
        var waiting = SlotID(index: -1, generation: 0)
        while let number = ipv6Groups.memberships.next(&receivers) {
            guard let id = taker(number, source, destination) else { continue }
            if waiting.index >= 0 { enqueueCopy(of: packet, to: waiting) }
            waiting = id
        }
        guard waiting.index < 0 else { return enqueue(packet, to: waiting) }
        let isRefused = ipv6Groups.memberships.hasReceiverRefusing(datagram)
        drop(packet, isRefused ? .multicastSourceFiltered : .multicastNoReceiver)
    }

    /// The socket of a number, when its address and its peer admit the datagram too.
    @inline(__always)
    func taker(_ number: UInt32, _ source: Endpoint, _ destination: Endpoint) -> SlotID? {
        guard number >= Self.firstSocketNumber else { return nil }
        let place = Int(number &- Self.firstSocketNumber)
        guard let id = sockets.first(from: place), Int(id.index) == place, sockets[id].takes(destination) else {
            return nil
        }
        return sockets[id].remote == .any || sockets[id].remote == source ? id : nil
    }

    private mutating func enqueueCopy(of packet: borrowing Packet, to id: SlotID) {
        guard let copy = packet.share(pool: pool) else {
            sockets[id].droppedCount &+= 1
            counters.multicastCopiesMissed &+= 1
            return
        }
        ledger.created &+= 1
        enqueue(copy, to: id)
    }
}
