import ChimneyLink
import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// A UDP datagram for this stack arrived (RFC 768, RFC 1122 §4.1, RFC 8200 §8.1).
    @inline(__always)
    mutating func udpArrived(_ packet: consuming Packet, _ fields: some IPFields, _ port: SlotID) {
        if packet.metadata.segmentKind == .udp, packet.checksum != .unknown {
            return largeDatagramArrived(packet, port)
        }
        let start = fields.transportOffset
        guard packet.count >= start &+ 8 else { return drop(packet, .udpTruncated) }
        let ports = packet.bytes.uint32(at: start)
        let lengthAndSum = packet.bytes.uint32(at: start &+ 4)
        let length = Int(lengthAndSum >> 16)
        guard length >= 8, start &+ length <= packet.count else { return drop(packet, .udpLengthWrong) }
        if lengthAndSum & 0xFFFF == 0 {
            guard fields.mayLackChecksum else { return drop(packet, .udpChecksumMissing) }
        } else if packet.metadata.checksum == .unknown {
            let pseudo = fields.pseudoHeader(IPProtocol.udp.rawValue, length: length)
            let sum = InternetChecksum.sum(packet.bytes.extracting(start..<start &+ length), initial: pseudo)
            guard InternetChecksum.finish(sum) == 0 else { return drop(packet, .udpChecksumBad) }
        }
        let interface = packet.metadata.interface
        let source = fields.sourceEndpoint(UInt16(truncatingIfNeeded: ports >> 16), on: interface)
        let destination = fields.destinationEndpoint(UInt16(truncatingIfNeeded: ports), on: interface)
        packet.metadata.transportOffset = UInt16(truncatingIfNeeded: start)
        if !packet.metadata.flags.isDisjoint(with: [.ipBroadcast, .ipMulticast]) {
            if packet.metadata.flags.contains(.ipMulticast) {
                return deliverToGroup(packet, source: source, destination: destination)
            }
            return deliverToAll(packet, source: source, destination: destination)
        }
        guard let id = takingSocket(for: destination, from: source) else {
            if let place = awaitsDHCP(packet, to: destination.port) { return dhcpArrived(packet, place) }
            sendICMPError(.portUnreachable, about: packet)
            return drop(packet, .portClosed)
        }
        enqueue(packet, to: id)
    }

    /// The socket for a datagram, in the usual case that its port has one socket.
    @inline(__always)
    private func takingSocket(for destination: Endpoint, from source: Endpoint) -> SlotID? {
        guard let head = portTable[destination.port] else { return nil }
        guard sockets[head].nextOnPort == nil else { return socket(for: destination, from: source) }
        guard sockets[head].takes(destination) else { return nil }
        return sockets[head].remote == .any || sockets[head].remote == source ? head : nil
    }

    /// The socket that fits best: connected to the sender, then bound to the address, then bound to its family, then to the port alone.
    func socket(for destination: Endpoint, from source: Endpoint) -> SlotID? {
        if !connected.isEmpty, let id = connected.lookUp(source, destination) { return id }
        var best: SlotID?
        var bestScore = -1
        var next = portTable[destination.port]
        while let id = next {
            next = sockets[id].nextOnPort
            guard sockets[id].takes(destination) else { continue }
            let remote = sockets[id].remote
            guard remote == .any || remote == source else { continue }
            let wildcard = sockets[id].wildcard
            let score =
                (wildcard.isEmpty ? 2 : wildcard == [.ipv4, .ipv6] ? 0 : 1) + (remote == .any ? 0 : 4)
            if score > bestScore { (best, bestScore) = (id, score) }
        }
        return best
    }

    /// Puts a datagram into a socket's queue, or drops it where that is full.
    @inline(__always)
    mutating func enqueue(_ packet: consuming Packet, to id: SlotID) {
        guard sockets[id].queue.byteCount < sockets[id].queueBytesMax,
            sockets[id].queue.count < sockets[id].queuePacketsMax
        else {
            sockets[id].droppedCount &+= 1
            return drop(packet, .socketBufferFull)
        }
        sockets[id].queue.append(packet)
        sockets[id].receivedCount &+= 1
        ledger.delivered &+= 1
        if !sockets[id].isAnnounced { announce(id) }
    }

    /// A broadcast goes to every socket on its port that may take it, the payload shared (RFC 1122 §4.1.3.3).
    private mutating func deliverToAll(
        _ packet: consuming Packet, source: Endpoint, destination: Endpoint
    ) {
        if let place = awaitsDHCP(packet, to: destination.port) { return dhcpArrived(packet, place) }
        var takers: [SlotID] = []
        var next = portTable[destination.port]
        while let id = next {
            next = sockets[id].nextOnPort
            let remote = sockets[id].remote
            if sockets[id].takes(destination), remote == .any || remote == source { takers.append(id) }
        }
        guard let last = takers.popLast() else { return drop(packet, .broadcastNoReceiver) }
        for id in takers {
            guard let copy = packet.clone(pool: pool) else {
                sockets[id].droppedCount &+= 1
                continue
            }
            ledger.created &+= 1
            enqueue(copy, to: id)
        }
        enqueue(packet, to: last)
    }

    /// Gives an ICMP error to the connected socket it belongs to; `false` where there is none.
    ///
    /// An unconnected socket learns nothing, because it could not tell whose error it is
    /// (RFC 1122 §4.1.3.3 leaves the choice; BSD and Linux agree).
    mutating func report(_ error: SocketError, local: Endpoint, peer: Endpoint) -> Bool {
        guard let id = socket(for: local, from: peer), sockets[id].remote == peer else { return false }
        sockets[id].error = error
        sockets[id].path.generation = 0
        if !sockets[id].isAnnounced { announce(id) }
        return true
    }

    mutating func announce(_ id: SlotID) {
        sockets[id].isAnnounced = true
        announced.append(SocketID(slot: id))
    }
}
