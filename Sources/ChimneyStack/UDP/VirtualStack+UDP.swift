import ChimneyLink
import ChimneyMulticast
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

    /// Binds a socket to an address of ours, a broadcast address of ours, a group, 0.0.0.0 or `::`, and a port; port 0 draws one (RFC 6056).
    ///
    /// `::` takes datagrams of both families, unless ``UDPOptions/onlyIPv6`` is on (RFC 3493 §5.3). A
    /// link-local address of IPv6 without a zone is that of the first interface that has it.
    ///
    /// - Returns: the endpoint, port included.
    /// - Throws: ``BindError``; the socket stays unbound.
    @discardableResult
    public mutating func bind(_ id: SocketID, to endpoint: Endpoint) throws(BindError) -> Endpoint {
        guard sockets.contains(id.slot) else { throw .closed }
        guard !sockets[id.slot].isBound else { throw .alreadyBound(sockets[id.slot].local) }
        let wildcard = AddressFamilies(wildcardOf: endpoint, onlyIPv6: sockets[id.slot].options.onlyIPv6)
        guard !wildcard.isEmpty || isBindable(endpoint) else { throw .addressNotOurs(endpoint.address) }
        var bound = endpoint
        bound.zone = zone(ofOwn: endpoint)
        if endpoint.port != 0 {
            guard isFree(bound, wildcard, sharing: sockets[id.slot].options.sharesAddress) else {
                throw .addressInUse(endpoint)
            }
        } else {
            guard let drawn = drawPort(bound, wildcard) else { throw .noFreePort }
            bound.port = drawn
        }
        sockets[id.slot].local = bound
        sockets[id.slot].wildcard = wildcard
        sockets[id.slot].isBound = true
        sockets[id.slot].nextOnPort = portTable[bound.port]
        portTable.set(bound.port, to: id.slot)
        if sockets[id.slot].usesGroups { tellGroups(of: id.slot) }
        return bound
    }

    /// Fixes the peer: only its datagrams arrive, and ICMP errors about it are reported (RFC 1122 §4.1.3.3).
    ///
    /// The endpoint `[::]:0` frees the socket again.
    ///
    /// - Throws: ``SendError``; the old peer stays.
    public mutating func connect(_ id: SocketID, to endpoint: Endpoint) throws(SendError) {
        guard sockets.contains(id.slot) else { throw .closed }
        var peer = endpoint
        if endpoint != .any {
            try bindForSending(id)
            try refreshPath(id.slot, to: endpoint)
            peer.zone = endpoint.mapped.isLinkScoped ? ports[sockets[id.slot].path.port].index.rawValue : 0
            sockets[id.slot].path.destination = peer
        }
        forgetConnection(id.slot)
        sockets[id.slot].remote = peer
        sockets[id.slot].error = nil
        if peer != .any {
            // A connected socket receives on the address it sends from, so that its four numbers are known.
            connected.insert(peer, connectedLocal(id.slot), id.slot)
        }
    }

    /// Sends one datagram from a socket, binding it to a drawn port where it has none.
    ///
    /// The payload, at most 65,507 bytes over IPv4 and 65,527 over IPv6, is copied; a destination of `nil`
    /// means the connected peer.
    ///
    /// - Throws: ``SendError``; nothing was sent. A pending network error is thrown once, in place of sending.
    /// - Complexity: O(n) in the payload; no allocation and no look-up for a run of datagrams to one destination.
    @inline(__always)
    public mutating func send(
        _ id: SocketID, _ payload: RawSpan, to destination: Endpoint? = nil, at now: Instant
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
        let headers = sockets[id.slot].path.headerByteCount
        let byteCount = payload.byteCount &+ headers
        guard byteCount <= sockets[id.slot].path.mtu else { return try sendLarge(id.slot, payload) }
        guard var packet = pool.allocate() else { throw .noBuffer }
        // An MTU beyond an ordinary buffer wants a large one.
        guard packet.extend(by: byteCount) else { return try sendLarge(id.slot, payload) }
        let sum = packet.fill(payload, behind: headers)
        ledger.created &+= 1
        sockets[id.slot].sentCount &+= 1
        if sockets[id.slot].path.isIPv6 {
            packet.writeUDPv6(sockets[id.slot].path, payloadSum: sum)
            if sockets[id.slot].path.isSpecial { return sendSpecially(packet, by: id.slot) }
            sendToLink(packet, by: sockets[id.slot].path.ipv6Output)
        } else {
            packet.writeUDPv4(sockets[id.slot].path, payloadSum: sum)
            sockets[id.slot].path.identification &+= 1
            if sockets[id.slot].path.isSpecial { return sendSpecially(packet, by: id.slot) }
            sendToLink(packet, by: sockets[id.slot].path.ipv4Output)
        }
    }

    /// Sends what comes back to this stack: all of it, or a copy of what goes to a group.
    private mutating func sendSpecially(_ packet: consuming Packet, by id: SlotID) {
        let path = sockets[id].path
        if path.isLocal {
            loopBack(packet, by: path.port)
            return deliverLooped()
        }
        if path.loops, isAwaited(path, on: ports[path.port].index) { loopCopy(of: packet, by: path.port) }
        if path.staysInside {
            consume(packet)
        } else if path.isIPv6 {
            sendIPv6(packet, by: path.ipv6Output, mtu: path.mtu)
        } else {
            sendIPv4(packet, by: path.ipv4Output)
        }
        deliverLooped()
    }

    /// Whether a socket of this stack joined the group that a path leads to, and wants what comes from here.
    private func isAwaited(_ path: borrowing UDPPath, on index: InterfaceIndex) -> Bool {
        let (group, source, port) = (path.destination.mapped, path.source, path.destination.port)
        if path.isIPv6 {
            return ipv6Groups.memberships.hasReceiver(
                GroupDatagram(group: group, source: source, interface: index.rawValue, port: port))
        }
        return ipv4Groups.memberships.hasReceiver(
            GroupDatagram(
                group: IPv4Address(bits: UInt32(truncatingIfNeeded: group.low)), source: path.ipv4Source,
                interface: index.rawValue, port: port))
    }

    /// Members of this stack receive their own copy, since the link writes its header before the original.
    private mutating func loopCopy(of packet: borrowing Packet, by port: SlotID) {
        guard let copy = packet.clone(pool: pool) else {
            counters.multicastCopiesMissed &+= 1
            return
        }
        ledger.created &+= 1
        loopBack(copy, by: port)
    }

    /// Sends a datagram that needs a large buffer, in fragments where it is above the path's MTU.
    private mutating func sendLarge(_ id: SlotID, _ payload: RawSpan) throws(SendError) {
        let path = sockets[id].path
        // The total length of IPv4 counts its header, the payload length of IPv6 does not.
        let payloadMax = path.isIPv6 ? 65_535 - 8 : 65_535 - 28
        guard payload.byteCount <= payloadMax else { throw .messageTooLong(max: payloadMax) }
        let byteCount = payload.byteCount + path.headerByteCount
        if sockets[id].options.dontFragment, byteCount > path.mtu {
            throw .messageTooLong(max: path.mtu - path.headerByteCount)
        }
        guard var packet = pool.allocate(byteCount: byteCount) else { throw .noBuffer }
        let sum = packet.fill(payload, behind: path.headerByteCount)
        ledger.created &+= 1
        sockets[id].sentCount &+= 1
        if path.isIPv6 {
            packet.writeUDPv6(path, payloadSum: sum)
            if path.isSpecial { return sendSpecially(packet, by: id) }
            sendIPv6(packet, by: path.ipv6Output, mtu: path.mtu)
        } else {
            packet.writeUDPv4(path, payloadSum: sum)
            sockets[id].path.identification &+= 1
            if path.isSpecial { return sendSpecially(packet, by: id) }
            sendIPv4(packet, by: path.ipv4Output)
        }
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
    public func localEndpoint(_ id: SocketID) -> Endpoint? {
        sockets.contains(id.slot) ? sockets[id.slot].local : nil
    }

    /// Sets the socket's options; ``UDPOptions/sharesAddress`` counts from the next bind.
    public mutating func setOptions(_ options: UDPOptions, of id: SocketID) {
        guard sockets.contains(id.slot) else { return }
        sockets[id.slot].options = options
        sockets[id.slot].queueBytesMax = options.receiveBytesMax ?? settings.socketReceiveBytesMax
        sockets[id.slot].path.generation = 0
        if sockets[id.slot].usesGroups || options.receivesAllGroups {
            sockets[id.slot].usesGroups = true
            tellGroups(of: id.slot)
        }
    }

    /// The socket's options, or `nil` once closed.
    public func options(of id: SocketID) -> UDPOptions? {
        sockets.contains(id.slot) ? sockets[id.slot].options : nil
    }

    /// Closes a socket; datagrams that wait in it are freed.
    public mutating func close(_ id: SocketID) {
        guard sockets.contains(id.slot) else { return }
        forgetConnection(id.slot)
        leaveGroups(of: id.slot)
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

    /// Puts the sockets that became readable or failed since the last call in `ids`, in order of the event, in the place of what
    /// is there; its memory serves for the news to come.
    public mutating func takeAnnounced(into ids: inout [SocketID]) {
        ids.removeAll(keepingCapacity: true)
        swap(&ids, &announced)
        for id in ids where sockets.contains(id.slot) { sockets[id.slot].isAnnounced = false }
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

    mutating func bindForSending(_ id: SocketID) throws(SendError) {
        guard !sockets[id.slot].isBound else { return }
        do {
            try bind(id, to: .any)
        } catch {
            throw .bind(error)
        }
    }

    /// Looks up everything a datagram to `peer` needs and remembers it in the socket; without a source, one is chosen.
    mutating func refreshPath(
        _ id: SlotID, to peer: Endpoint, from source: IPv6Address? = nil
    ) throws(SendError) {
        guard peer.port != 0 else { throw .destinationInvalid(peer) }
        var path = UDPPath()
        path.destination = peer
        path.generation = generation
        let options = sockets[id].options
        let timeToLive: UInt8
        if let address = peer.ipv4 {
            try findPath(id, to: address, &path)
            timeToLive =
                address.isMulticast
                ? max(1, options.multicastTimeToLive) : max(1, options.timeToLive ?? settings.timeToLive)
            path.isGroup = address.isMulticast
        } else {
            try findPath(id, to: peer.mapped, &path)
            timeToLive =
                peer.mapped.isMulticast
                ? max(1, options.multicastTimeToLive) : max(1, options.timeToLive ?? hopLimit(path.port))
            path.isGroup = peer.mapped.isMulticast
        }
        if let source { path.source = source }
        path.loops = path.isGroup && options.multicastLoops
        // Scope 1 is the interface's own (RFC 4291 §2.7).
        let isOwn = !path.destination.isIPv4 && path.destination.mapped.multicastScope <= 1
        path.staysInside = path.isGroup && (isOwn || options.multicastTimeToLive == 0 || path.port == loopback)
        path.isSpecial = path.isLocal || path.loops || path.staysInside
        path.identification = UInt16(truncatingIfNeeded: random.next())
        // A label drawn for each path tells its flows apart, and says nothing else (RFC 6437 §3).
        let flowLabel = path.isIPv6 ? UInt32(truncatingIfNeeded: random.next()) & 0xF_FFFF : 0
        path.prepare(
            localPort: sockets[id].local.port, options: options, timeToLive: timeToLive, flowLabel: flowLabel)
        sockets[id].path = path
    }

    private mutating func findPath(_ id: SlotID, to address: IPv4Address, _ path: inout UDPPath) throws(SendError) {
        guard !address.isThisNetwork, !address.isReserved else { throw .destinationInvalid(path.destination) }
        let found: OutputPath<IPv4Address>
        do {
            if address.isMulticast, let chosen = chosenPort(of: id) {
                found = OutputPath(
                    port: chosen, nextHop: address, isLocal: false, isLinkGroup: true, isBroadcast: false)
            } else {
                found = try self.path(
                    to: address, fib: sockets[id].fib,
                    flowHash: address.bits &* 0x9E37_79B1 ^ UInt32(path.destination.port))
            }
        } catch {
            throw .noRoute(.v4(address))
        }
        if found.isBroadcast, !sockets[id].options.broadcast { throw .broadcastForbidden }
        guard ports[found.port].isUp else { throw .interfaceDown }
        path.source = IPv6Address(mapped: try source(of: id, for: address, by: found))
        path.mtu = found.isLocal ? 65_535 : ports[found.port].mtu
        if sockets[id].options.dontFragment, let learned = pathMTUs.mtu(to: IPv6Address(mapped: address), at: now) {
            path.mtu = min(path.mtu, learned)
        }
        path.nextHop = IPv6Address(mapped: found.nextHop)
        path.port = found.port
        path.isLocal = found.isLocal
        path.isBroadcast = found.isBroadcast
        path.isLinkGroup = found.isLinkGroup
    }

    private mutating func findPath(_ id: SlotID, to address: IPv6Address, _ path: inout UDPPath) throws(SendError) {
        guard !address.isAny else { throw .destinationInvalid(path.destination) }
        let found: OutputPath<IPv6Address>
        do {
            if address.isMulticast, path.destination.zone == 0, let chosen = chosenPort(of: id) {
                guard ports[chosen].ipv6 != .off else { throw RouteFailure.none }
                found = OutputPath(
                    port: chosen, nextHop: address, isLocal: false, isLinkGroup: true, isBroadcast: false)
            } else {
                found = try self.path(
                    to: address, zone: zone(of: id, for: path.destination), fib: sockets[id].fib,
                    flowHash: UInt32(truncatingIfNeeded: address.low) &* 0x9E37_79B1 ^ UInt32(path.destination.port))
            }
        } catch {
            throw .noRoute(.v6(address))
        }
        guard ports[found.port].isUp else { throw .interfaceDown }
        path.isIPv6 = true
        path.source = try source(of: id, for: address, by: found)
        path.mtu = found.isLocal ? 65_535 : mtu(to: address, by: found)
        path.nextHop = found.nextHop
        path.port = found.port
        path.isLocal = found.isLocal
        path.isLinkGroup = found.isLinkGroup
    }

    /// The interface that a socket's option names for groups.
    private func chosenPort(of id: SlotID) -> SlotID? {
        sockets[id].options.multicastInterface.flatMap { ports.position(of: $0) }
    }

    /// The zone of a destination that names none is that of the address the socket is bound to.
    private func zone(of id: SlotID, for destination: Endpoint) -> UInt32 {
        destination.zone == 0 && destination.mapped.isLinkScoped ? sockets[id].local.zone : destination.zone
    }

    /// The address a socket sends from: always a host's, and one of ours (RFC 1122 §4.1.3.6).
    private mutating func source(
        of id: SlotID, for destination: IPv4Address, by path: OutputPath<IPv4Address>
    ) throws(SendError) -> IPv4Address {
        // A group that a socket is bound to sends nothing itself.
        if !sockets[id].local.mapped.isAny, !sockets[id].local.address.isMulticast {
            guard let bound = sockets[id].local.ipv4 else { throw .noRoute(.v4(destination)) }
            if local.isOurs(bound) {
                // Nothing from 127/8 leaves this host (RFC 1122 §3.2.1.3).
                guard path.isLocal || path.port == loopback || !bound.isLoopback else {
                    throw .noRoute(.v4(destination))
                }
                return bound
            }
            // An address that a socket was bound to may have been removed since.
            guard bound.isAny || bound == .limitedBroadcast || local.kind(of: bound) != nil else {
                throw .bind(.addressNotOurs(.v4(bound)))
            }
        }
        guard let chosen = sourceAddress(for: destination, by: path) else { throw .noRoute(.v4(destination)) }
        return chosen
    }

    private mutating func source(
        of id: SlotID, for destination: IPv6Address, by path: OutputPath<IPv6Address>
    ) throws(SendError) -> IPv6Address {
        let bound = sockets[id].local
        if !bound.mapped.isAny, !bound.mapped.isMulticast {
            guard !bound.isIPv4 else { throw .noRoute(.v6(destination)) }
            guard isOurs(bound.mapped, zone: bound.zone) else { throw .bind(.addressNotOurs(bound.address)) }
            // `::1` never leaves this host (RFC 4291 §2.5.3).
            guard path.isLocal || path.port == loopback || !bound.mapped.isLoopback else {
                throw .noRoute(.v6(destination))
            }
            return bound.mapped
        }
        // What stays inside may come from the address that does.
        if path.port == loopback, !path.isLocal { return .loopback }
        guard let chosen = sourceAddress(for: destination, by: path) else { throw .noRoute(.v6(destination)) }
        return chosen
    }

    private func connectedLocal(_ id: SlotID) -> Endpoint {
        let source = sockets[id].path.source
        let zone = source.isLinkLocal ? ports[sockets[id].path.port].index.rawValue : 0
        return Endpoint(mapped: source, sockets[id].local.port, zone: zone)
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

    /// The zone of an address to bind to: where only its link gives it a meaning, that of an interface that has it.
    private func zone(ofOwn endpoint: Endpoint) -> UInt32 {
        if !endpoint.isIPv4, endpoint.mapped.isMulticast { return endpoint.mapped.isLinkScoped ? endpoint.zone : 0 }
        guard endpoint.mapped.isLinkLocal else { return 0 }
        guard endpoint.zone == 0, let owner = owner(of: endpoint.mapped) else { return endpoint.zone }
        return ports[owner].index.rawValue
    }

    /// Whether a socket may be bound to this address.
    private mutating func isBindable(_ endpoint: Endpoint) -> Bool {
        guard let address = endpoint.ipv4 else {
            return endpoint.mapped.isMulticast || isOurs(endpoint.mapped, zone: endpoint.zone)
        }
        return address == .limitedBroadcast || address.isMulticast || local.kind(of: address) != nil
    }

    private func isFree(_ endpoint: Endpoint, _ wildcard: AddressFamilies, sharing: Bool) -> Bool {
        var next = portTable[endpoint.port]
        while let id = next {
            next = sockets[id].nextOnPort
            let other = sockets[id].wildcard
            let overlaps =
                wildcard.isEmpty
                ? sockets[id].takes(endpoint)
                : other.isEmpty
                    ? wildcard.contains(sockets[id].local.isIPv4 ? .ipv4 : .ipv6) : !wildcard.isDisjoint(with: other)
            if overlaps, !(sharing && sockets[id].options.sharesAddress) { return false }
        }
        return true
    }

    /// Draws a port at random and walks on from it until one is free (RFC 6056 §3.3.2).
    private mutating func drawPort(_ endpoint: Endpoint, _ wildcard: AddressFamilies) -> UInt16? {
        let range = settings.ephemeralPorts
        let first = UInt16.random(in: range, using: &random)
        var candidate = endpoint
        candidate.port = first
        repeat {
            if candidate.port != 0, isFree(candidate, wildcard, sharing: false) { return candidate.port }
            candidate.port = candidate.port == range.upperBound ? range.lowerBound : candidate.port + 1
        } while candidate.port != first
        return nil
    }
}

extension UDPPath {
    var ipv4Output: OutputPath<IPv4Address> {
        OutputPath(
            port: port, nextHop: ipv4NextHop, isLocal: false, isLinkGroup: isLinkGroup, isBroadcast: isBroadcast)
    }

    var ipv6Output: OutputPath<IPv6Address> {
        OutputPath(port: port, nextHop: nextHop, isLocal: false, isLinkGroup: isLinkGroup, isBroadcast: false)
    }
}
