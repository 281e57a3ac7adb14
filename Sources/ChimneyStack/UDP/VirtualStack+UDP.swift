import ChimneyLink
public import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// Opens a UDP socket in a routing table.
    ///
    /// - Throws: ``OpenError``; nothing is opened.
    public mutating func openUDP(fib: Int = 0) throws(OpenError) -> SocketID {
        guard fib >= 0, fib < settings.fibCount else { throw .noSuchFIB(fib: fib, count: settings.fibCount) }
        guard let slot = sockets.insert(UDPSocketState(settings: settings, fib: UInt16(fib))) else {
            throw .tooManySockets(max: settings.socketsMax)
        }
        return SocketID(slot: slot)
    }

    /// Binds a socket to an address of ours, a broadcast address of ours, or 0.0.0.0, and a port; port 0 draws one (RFC 6056).
    ///
    /// - Returns: the endpoint, port included.
    /// - Throws: ``BindError``; the socket stays unbound.
    @discardableResult
    public mutating func bind(_ id: SocketID, to endpoint: IPv4Endpoint) throws(BindError) -> IPv4Endpoint {
        guard sockets.contains(id.slot) else { throw .closed }
        guard !sockets[id.slot].isBound else { throw .alreadyBound(sockets[id.slot].local) }
        let address = endpoint.address
        guard address.isAny || address == .limitedBroadcast || local.kind(of: address) != nil else {
            throw .addressNotOurs(address)
        }
        let port: UInt16
        if endpoint.port != 0 {
            port = endpoint.port
            guard isFree(address, port, sharing: sockets[id.slot].options.sharesAddress) else {
                throw .addressInUse(endpoint)
            }
        } else {
            guard let drawn = drawPort(address) else { throw .noFreePort }
            port = drawn
        }
        sockets[id.slot].local = IPv4Endpoint(address, port)
        sockets[id.slot].isBound = true
        sockets[id.slot].nextOnPort = portTable[port]
        portTable.set(port, to: id.slot)
        return sockets[id.slot].local
    }

    /// Fixes the peer: only its datagrams arrive, and ICMP errors about it are reported (RFC 1122 §4.1.3.3).
    ///
    /// The endpoint 0.0.0.0:0 frees the socket again.
    ///
    /// - Throws: ``SendError``; the old peer stays.
    public mutating func connect(_ id: SocketID, to endpoint: IPv4Endpoint) throws(SendError) {
        guard sockets.contains(id.slot) else { throw .closed }
        if endpoint != .any {
            try bindForSending(id)
            try refreshPath(id.slot, to: endpoint)
        }
        forgetConnection(id.slot)
        sockets[id.slot].remote = endpoint
        sockets[id.slot].error = nil
        if endpoint != .any {
            // A connected socket receives on the address it sends from, so that its four numbers are known.
            connected.insert(endpoint, connectedLocal(id.slot), id.slot)
        }
    }

    /// Sends one datagram from a socket, binding it to a drawn port where it has none.
    ///
    /// The payload, at most 65,507 bytes, is copied; a destination of `nil` means the connected peer.
    ///
    /// - Throws: ``SendError``; nothing was sent. A pending network error is thrown once, in place of sending.
    /// - Complexity: O(n) in the payload; no allocation and no look-up for a run of datagrams to one destination.
    @inline(__always)
    public mutating func send(
        _ id: SocketID, _ payload: RawSpan, to destination: IPv4Endpoint? = nil, at now: Instant
    ) throws(SendError) {
        self.now = now
        guard sockets.contains(id.slot) else { throw .closed }
        if sockets[id.slot].error != nil { try throwPendingError(id.slot) }
        let peer = destination ?? sockets[id.slot].remote
        if sockets[id.slot].path.destination != peer || sockets[id.slot].path.generation != generation {
            guard peer != .any else { throw .noDestination }
            try bindForSending(id)
            try refreshPath(id.slot, to: peer)
        }
        let path = sockets[id.slot].path
        guard payload.byteCount &+ 28 <= path.mtu else { return try sendLarge(id.slot, payload, path) }
        guard var packet = pool.allocate() else { throw .noBuffer }
        // An MTU beyond an ordinary buffer wants a large one.
        guard packet.extend(by: payload.byteCount &+ 28) else { return try sendLarge(id.slot, payload, path) }
        let sum = packet.fill(payload)
        ledger.created &+= 1
        sockets[id.slot].sentCount &+= 1
        sockets[id.slot].path.identification = path.identification &+ 1
        packet.writeUDP(path, payloadSum: sum, withChecksum: sockets[id.slot].options.checksum)
        if path.interface == 0 { return sendLooped(packet) }
        guard let port = ports.position(of: InterfaceIndex(rawValue: path.interface)) else {
            return drop(packet, .interfaceGone)
        }
        sendToLink(
            packet,
            by: OutputPath(
                port: port, nextHop: path.nextHop, isLocal: false, isLinkGroup: path.isLinkGroup,
                isBroadcast: path.isBroadcast))
    }

    private mutating func sendLooped(_ packet: consuming Packet) {
        packet.metadata.interface = ports[loopback].index.rawValue
        packet.metadata.receivedAt = now
        looped.append(packet)
        deliverLooped()
    }

    /// Sends a datagram that needs a large buffer, in fragments where it is above the path's MTU.
    private mutating func sendLarge(_ id: SlotID, _ payload: RawSpan, _ path: UDPPath) throws(SendError) {
        guard payload.byteCount <= 65_507 else { throw .messageTooLong(max: 65_507) }
        if sockets[id].options.dontFragment, payload.byteCount + 28 > path.mtu {
            throw .messageTooLong(max: path.mtu - 28)
        }
        guard var packet = pool.allocate(byteCount: payload.byteCount + 28) else { throw .noBuffer }
        let sum = packet.fill(payload)
        ledger.created &+= 1
        sockets[id].sentCount &+= 1
        sockets[id].path.identification = path.identification &+ 1
        packet.writeUDP(path, payloadSum: sum, withChecksum: sockets[id].options.checksum)
        if path.interface == 0 { return sendLooped(packet) }
        guard let port = ports.position(of: InterfaceIndex(rawValue: path.interface)) else {
            return drop(packet, .interfaceGone)
        }
        sendIPv4(
            packet,
            by: OutputPath(
                port: port, nextHop: path.nextHop, isLocal: false, isLinkGroup: path.isLinkGroup,
                isBroadcast: path.isBroadcast))
    }

    /// Whether a datagram or an error waits.
    public func isReadable(_ id: SocketID) -> Bool {
        sockets.contains(id.slot) && (!sockets[id.slot].queue.isEmpty || sockets[id.slot].error != nil)
    }

    /// How many datagrams wait; 0 for a closed socket.
    @inline(__always)
    public func receivableCount(_ id: SocketID) -> Int {
        sockets.contains(id.slot) ? sockets[id.slot].queue.count : 0
    }

    /// Takes the oldest waiting datagram.
    ///
    /// - Precondition: ``receivableCount(_:)`` is above zero.
    @inline(__always)
    public mutating func receive(_ id: SocketID) -> Datagram {
        Datagram(packet: sockets[id.slot].queue.removeFirst())
    }

    /// Takes the error the network reported for this socket, if any.
    public mutating func takeError(_ id: SocketID) -> SocketError? {
        guard sockets.contains(id.slot) else { return nil }
        defer { sockets[id.slot].error = nil }
        return sockets[id.slot].error
    }

    /// The socket's own endpoint, or `nil` once closed.
    public func localEndpoint(_ id: SocketID) -> IPv4Endpoint? {
        sockets.contains(id.slot) ? sockets[id.slot].local : nil
    }

    /// Sets the socket's options; ``UDPOptions/sharesAddress`` counts from the next bind.
    public mutating func setOptions(_ options: UDPOptions, of id: SocketID) {
        guard sockets.contains(id.slot) else { return }
        sockets[id.slot].options = options
        sockets[id.slot].queueBytesMax = options.receiveBytesMax ?? settings.socketReceiveBytesMax
        sockets[id.slot].path.generation = 0
    }

    /// The socket's options, or `nil` once closed.
    public func options(of id: SocketID) -> UDPOptions? {
        sockets.contains(id.slot) ? sockets[id.slot].options : nil
    }

    /// Closes a socket; datagrams that wait in it are freed.
    public mutating func close(_ id: SocketID) {
        guard sockets.contains(id.slot) else { return }
        forgetConnection(id.slot)
        if sockets[id.slot].isBound { unchain(id.slot) }
        _ = sockets.remove(id.slot)
    }

    /// Hands over the sockets that became readable or failed since the last call, in order of the event.
    public mutating func takeAnnounced() -> [SocketID] {
        let ids = announced
        announced.removeAll(keepingCapacity: true)
        for id in ids where sockets.contains(id.slot) { sockets[id.slot].isAnnounced = false }
        return ids
    }

    /// Forgets which sockets have news, for a shell that asks each socket itself.
    public mutating func dropAnnounced() {
        for id in announced where sockets.contains(id.slot) { sockets[id.slot].isAnnounced = false }
        announced.removeAll(keepingCapacity: true)
    }

    /// Whether any socket has news for ``takeAnnounced()``.
    public var hasAnnounced: Bool { !announced.isEmpty }
}

extension VirtualStack {
    private mutating func throwPendingError(_ id: SlotID) throws(SendError) {
        guard let error = sockets[id].error else { return }
        sockets[id].error = nil
        throw .network(error)
    }

    private mutating func bindForSending(_ id: SocketID) throws(SendError) {
        guard !sockets[id.slot].isBound else { return }
        do {
            try bind(id, to: .any)
        } catch {
            throw .bind(error)
        }
    }

    /// Looks up everything a datagram to `peer` needs and remembers it in the socket.
    private mutating func refreshPath(_ id: SlotID, to peer: IPv4Endpoint) throws(SendError) {
        let address = peer.address
        guard peer.port != 0, !address.isThisNetwork, !address.isReserved else { throw .destinationInvalid(peer) }
        let found: OutputPath
        do {
            found = try path(
                to: address, fib: sockets[id].fib, flowHash: address.bits &* 0x9E37_79B1 ^ UInt32(peer.port))
        } catch {
            throw .noRoute(address)
        }
        if found.isBroadcast, !sockets[id].options.broadcast { throw .broadcastForbidden }
        guard ports[found.port].isUp else { throw .interfaceDown }
        let source = try source(of: id, for: address, by: found)
        let options = sockets[id].options
        var mtu = found.isLocal ? 65_535 : ports[found.port].mtu
        if options.dontFragment, let learned = pathMTUs.mtu(to: address, at: now) { mtu = min(mtu, learned) }
        let timeToLive = address.isMulticast ? 1 : options.timeToLive ?? settings.timeToLive
        var path = UDPPath()
        path.destination = peer
        path.source = source
        path.interface = found.isLocal ? 0 : ports[found.port].index.rawValue
        path.nextHop = found.nextHop
        path.generation = generation
        path.mtu = mtu
        path.identification = UInt16(truncatingIfNeeded: random.next())
        path.isBroadcast = found.isBroadcast
        path.isLinkGroup = found.isLinkGroup
        path.prepare(
            localPort: sockets[id].local.port, typeOfService: options.typeOfService, timeToLive: timeToLive,
            dontFragment: options.dontFragment)
        sockets[id].path = path
    }

    /// The address a socket sends from: always a host's, and one of ours (RFC 1122 §4.1.3.6).
    private mutating func source(
        of id: SlotID, for destination: IPv4Address, by path: OutputPath
    ) throws(SendError) -> IPv4Address {
        let bound = sockets[id].local.address
        if local.isOurs(bound) {
            // Nothing from 127/8 leaves this host (RFC 1122 §3.2.1.3).
            guard path.isLocal || !bound.isLoopback else { throw .noRoute(destination) }
            return bound
        }
        // An address that a socket was bound to may have been removed since.
        guard bound.isAny || bound == .limitedBroadcast || local.kind(of: bound) != nil else {
            throw .bind(.addressNotOurs(bound))
        }
        guard let chosen = sourceAddress(for: destination, by: path) else { throw .noRoute(destination) }
        return chosen
    }

    private func connectedLocal(_ id: SlotID) -> IPv4Endpoint {
        IPv4Endpoint(sockets[id].path.source, sockets[id].local.port)
    }

    private mutating func forgetConnection(_ id: SlotID) {
        guard sockets[id].remote != .any else { return }
        connected.remove(sockets[id].remote, id)
        sockets[id].remote = .any
    }

    private mutating func unchain(_ id: SlotID) {
        let port = sockets[id].local.port
        guard let head = portTable[port] else { return }
        if head == id { return portTable.set(port, to: sockets[id].nextOnPort) }
        var current = head
        while let next = sockets[current].nextOnPort {
            if next == id {
                sockets[current].nextOnPort = sockets[id].nextOnPort
                return
            }
            current = next
        }
    }

    private func isFree(_ address: IPv4Address, _ port: UInt16, sharing: Bool) -> Bool {
        var next = portTable[port]
        while let id = next {
            next = sockets[id].nextOnPort
            let other = sockets[id].local.address
            let overlaps = other == address || other.isAny || address.isAny
            if overlaps, !(sharing && sockets[id].options.sharesAddress) { return false }
        }
        return true
    }

    /// Draws a port at random and walks on from it until one is free (RFC 6056 §3.3.2).
    private mutating func drawPort(_ address: IPv4Address) -> UInt16? {
        let range = settings.ephemeralPorts
        let first = UInt16.random(in: range, using: &random)
        var candidate = first
        repeat {
            if candidate != 0, isFree(address, candidate, sharing: false) { return candidate }
            candidate = candidate == range.upperBound ? range.lowerBound : candidate + 1
        } while candidate != first
        return nil
    }
}
