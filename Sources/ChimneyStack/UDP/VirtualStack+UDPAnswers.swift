public import ChimneyPrimitives

extension VirtualStack {
    /// Sends one datagram in answer to another, from the address that that one was sent to (RFC 1122 §4.1.3.5).
    ///
    /// Sent like any other it would leave from the address that suits the destination best, and a peer that
    /// connected its socket to another address of ours would not take it. What came by broadcast or to a group is
    /// answered from an address so chosen.
    ///
    /// - Throws: ``SendError``; nothing was sent.
    /// - Complexity: that of ``send(_:_:to:at:)`` while the two addresses are the same, else with a look-up.
    public mutating func answer(
        _ id: SocketID, _ datagram: borrowing Datagram, with payload: RawSpan, at now: Instant
    ) throws(SendError) {
        try answer(id, to: datagram.source, from: datagram.destination, with: payload, at: now)
    }

    /// Sends one datagram to a peer from the address that the peer has asked.
    ///
    /// - Throws: ``SendError``; nothing was sent.
    public mutating func answer(
        _ id: SocketID, to peer: Endpoint, from asked: Endpoint, with payload: RawSpan, at now: Instant
    ) throws(SendError) {
        beginRound(at: now)
        guard sockets.contains(id.slot) else { throw .closed }
        guard mayAnswer(from: asked) else { return try send(id, payload, to: peer, at: now) }
        if sockets[id.slot].path.destination != peer || sockets[id.slot].path.generation != generation {
            try bindForSending(id)
            try refreshPath(id.slot, to: peer)
        }
        guard sockets[id.slot].path.source != asked.mapped else { return try send(id, payload, to: peer, at: now) }
        try refreshPath(id.slot, to: peer, from: asked.mapped)
        // What is sent to the peer without being an answer has its address chosen anew.
        defer { sockets[id.slot].path.generation = 0 }
        try send(id, payload, to: peer, at: now)
    }

    /// Whether an address that a datagram was sent to may be the source of what it is answered with.
    private func mayAnswer(from asked: Endpoint) -> Bool {
        switch asked.address {
        case .v4(let address): local.isOurs(address)
        case .v6(let address): isOurs(address, zone: asked.zone)
        }
    }
}
