import ChimneyLink
public import ChimneyPrimitives
public import ChimneyTCP

extension VirtualStack {
    // MARK: - Opening

    /// Opens a connection to a peer (RFC 9293 §3.10.1).
    ///
    /// The SYN leaves with this call; ``takeAnnouncedConnections(into:)`` names the connection once it is open or failed.
    ///
    /// - Parameters:
    ///   - peer: an address of a host, and a port.
    ///   - source: the address and port to open it from; 0.0.0.0, `::` and port 0 leave it to the stack (RFC 6724, RFC 6056).
    ///   - settings: how it behaves; `nil` for the stack's ``TCPStackSettings/connection``.
    ///   - marks: what its packets carry, from the SYN on.
    ///   - fib: the routing table.
    ///   - now: the time.
    /// - Returns: the connection, which is open once its ``state(of:)`` says so.
    /// - Throws: ``ConnectError``; nothing was sent.
    public mutating func connectTCP(
        to peer: Endpoint, from source: Endpoint = .any, settings: TCPSettings? = nil,
        marks: TCPPacketMarks = TCPPacketMarks(), fib: Int = 0, at now: Instant
    ) throws(ConnectError) -> TCPConnectionID {
        beginRound(at: now)
        guard fib >= 0, fib < self.settings.fibCount else {
            throw .noSuchFIB(fib: fib, count: self.settings.fibCount)
        }
        let flow = try self.flow(to: peer, from: source, fib: UInt16(fib))
        var way: TCPWay
        do {
            way = try findWay(flow, fib: UInt16(fib))
        } catch {
            switch error {
            case .noRoute, .noSourceAddress: throw .noRoute(peer.address)
            case .interfaceDown: throw .interfaceDown
            }
        }
        way.take(marks)
        let shared = settings.map { SharedTCPSettings($0) } ?? tcp.standard
        var connection = TCPConnection(
            settings: shared, path: path(of: flow, fib: UInt16(fib), along: way),
            iss: tcp.numbers.number(for: flow, at: now),
            clockOffset: tcp.numbers.clockOffset(for: flow), at: now)
        connection.connect(at: now)
        guard let id = insert(TCPLink(connection, flow: flow, way: way, fib: UInt16(fib))) else {
            throw .tooManyConnections(max: self.settings.tcp.connectionsMax)
        }
        tcp.counters.opened &+= 1
        finish(id)
        return TCPConnectionID(slot: id)
    }

    /// The two ends of a connection to be opened, its address and port chosen.
    private mutating func flow(
        to peer: Endpoint, from source: Endpoint, fib: UInt16
    ) throws(ConnectError) -> IPv6Flow {
        guard peer.port != 0, !peer.mapped.isAny else { throw .destinationInvalid(peer) }
        var flow = IPv6Flow(local: source.mapped, localPort: source.port, remote: peer.mapped, remotePort: peer.port)
        flow.zone = peer.mapped.isLinkScoped ? (peer.zone != 0 ? peer.zone : source.zone) : 0
        let chosen: Endpoint
        if let address = peer.ipv4 {
            chosen = try sourceOf(flow: flow, to: address, asked: source, fib: fib)
        } else {
            chosen = try sourceOf(flow: flow, to: peer.mapped, asked: source, fib: fib)
        }
        flow.local = chosen.mapped
        if flow.local.isLinkScoped || flow.remote.isLinkScoped { flow.zone = chosen.zone }
        if source.port != 0 {
            guard isFree(flow) else { throw .addressInUse(source) }
            return flow
        }
        return try drawPort(flow)
    }

    private mutating func sourceOf(
        flow: IPv6Flow, to address: IPv4Address, asked: Endpoint, fib: UInt16
    ) throws(ConnectError) -> Endpoint {
        let peer = flow.remoteEndpoint
        guard !address.isThisNetwork, !address.isReserved, !address.isMulticast, address != .limitedBroadcast else {
            throw .destinationInvalid(peer)
        }
        let found: OutputPath<IPv4Address>
        do {
            found = try path(to: address, fib: fib, flowHash: 0)
        } catch { throw .noRoute(.v4(address)) }
        guard !found.isBroadcast else { throw .destinationInvalid(peer) }
        if !asked.mapped.isAny, asked.ipv4?.isAny != true {
            guard let own = asked.ipv4, local.isOurs(own) else { throw .addressNotOurs(asked.address) }
            return asked
        }
        guard let chosen = sourceAddress(for: address, by: found) else { throw .noRoute(.v4(address)) }
        return Endpoint(chosen, 0)
    }

    private mutating func sourceOf(
        flow: IPv6Flow, to address: IPv6Address, asked: Endpoint, fib: UInt16
    ) throws(ConnectError) -> Endpoint {
        guard !address.isMulticast else { throw .destinationInvalid(flow.remoteEndpoint) }
        let found: OutputPath<IPv6Address>
        do {
            found = try path(to: address, zone: flow.zone, fib: fib, flowHash: 0)
        } catch { throw .noRoute(.v6(address)) }
        let zone = ports[found.port].index.rawValue
        if !asked.mapped.isAny {
            guard !asked.isIPv4, isOurs(asked.mapped, zone: asked.zone) else { throw .addressNotOurs(asked.address) }
            return Endpoint(asked.mapped, 0, zone: zone)
        }
        guard let chosen = sourceAddress(for: address, by: found) else { throw .noRoute(.v6(address)) }
        return Endpoint(chosen, 0, zone: zone)
    }

    /// Whether no connection has both ends of a flow: open, half open, or ended not long ago; nor a listener its own end.
    private func isFree(_ flow: IPv6Flow) -> Bool {
        tcp.flows[flow] == nil && !tcp.synCache.contains(flow) && !tcp.timeWait.contains(flow)
            && (tcp.listenerPorts[flow.localPort] == nil || listener(for: flow.localEndpoint) == nil)
    }

    /// Draws a port at random and walks on from it until the flow is free (RFC 6056 §3.3.2).
    private mutating func drawPort(_ flow: IPv6Flow) throws(ConnectError) -> IPv6Flow {
        let range = settings.ephemeralPorts
        let first = UInt16.random(in: range, using: &random)
        var candidate = flow
        candidate.localPort = first
        repeat {
            if candidate.localPort != 0, isFree(candidate) { return candidate }
            candidate.localPort = candidate.localPort == range.upperBound ? range.lowerBound : candidate.localPort + 1
        } while candidate.localPort != first
        throw .noFreePort
    }

    // MARK: - Writing and reading

    /// Copies bytes behind what was written, as many as there is room for, and sends what may leave.
    ///
    /// - Returns: how many were taken. When it is fewer than there are, the connection is announced once there is room.
    /// - Throws: `TCPWriteError`; nothing was taken.
    /// - Complexity: O(n) in the bytes, and the segments that leave.
    public mutating func write(
        _ id: TCPConnectionID, _ bytes: RawSpan, at now: Instant
    ) throws(TCPWriteError) -> Int {
        beginRound(at: now)
        guard tcp.links.contains(id.slot) else { throw .notConnected }
        let count = try tcp.links[id.slot].connection.write(bytes, pool: pool, heldMax: heldBytesMax)
        finish(id.slot)
        return count
    }

    /// Takes packets of payload from the front of a queue, without a copy, as long as there is room, and sends what may leave.
    ///
    /// - Returns: how many bytes were taken; what is left in the queue was not.
    /// - Throws: `TCPWriteError`; nothing was taken.
    public mutating func write(
        _ id: TCPConnectionID, from queue: inout PacketQueue, at now: Instant
    ) throws(TCPWriteError) -> Int {
        beginRound(at: now)
        guard tcp.links.contains(id.slot) else { throw .notConnected }
        let count = try tcp.links[id.slot].connection.write(from: &queue)
        finish(id.slot)
        return count
    }

    /// Copies what arrived into `target`, and tells the peer of the room where that is worth a segment.
    ///
    /// - Returns: how many bytes; 0 when there are none now, or at the end: see ``isAtEnd(_:)``.
    /// - Throws: `TCPReadError`, once all that arrived before was read.
    public mutating func read(
        _ id: TCPConnectionID, into target: inout MutableRawSpan, at now: Instant
    ) throws(TCPReadError) -> Int {
        beginRound(at: now)
        guard tcp.links.contains(id.slot) else { throw .notConnected }
        let count = try tcp.links[id.slot].connection.read(into: &target)
        finishRead(id.slot)
        return count
    }

    /// Moves what arrived to a reader in whole packets, without a copy, until it has at least `bytes` more.
    ///
    /// - Returns: how many bytes; 0 when there are none now, or at the end: see ``isAtEnd(_:)``.
    /// - Throws: `TCPReadError`, once all that arrived before was read.
    public mutating func read(
        _ id: TCPConnectionID, _ bytes: Int = .max, into reader: inout PacketQueue, at now: Instant
    ) throws(TCPReadError) -> Int {
        beginRound(at: now)
        guard tcp.links.contains(id.slot) else { throw .notConnected }
        let count = try tcp.links[id.slot].connection.read(bytes, into: &reader)
        finishRead(id.slot)
        return count
    }

    /// How many bytes there are to read.
    public func readableCount(_ id: TCPConnectionID) -> Int {
        tcp.links.contains(id.slot) ? tcp.links[id.slot].connection.readableCount : 0
    }

    /// How many bytes can be written now.
    public func writableCount(_ id: TCPConnectionID) -> Int {
        tcp.links.contains(id.slot) ? tcp.links[id.slot].connection.writableCount : 0
    }

    /// Whether all was read and nothing more comes; of a connection that was closed, too.
    public func isAtEnd(_ id: TCPConnectionID) -> Bool {
        !tcp.links.contains(id.slot) || tcp.links[id.slot].connection.isAtEnd
    }

    /// Where a connection stands; `closed` once it was let go.
    public func state(of id: TCPConnectionID) -> TCPState {
        tcp.links.contains(id.slot) ? tcp.links[id.slot].connection.state : .closed
    }

    /// Why a connection ended, when not in good order.
    public func failure(of id: TCPConnectionID) -> TCPFailure? {
        tcp.links.contains(id.slot) ? tcp.links[id.slot].connection.failure : nil
    }

    /// Whether a connection was open once; `false` after it was let go.
    public func wasOpen(_ id: TCPConnectionID) -> Bool { tcp.links.contains(id.slot) && tcp.links[id.slot].wasOpen }

    /// Why nothing can be written now, or `nil`.
    public func writeError(of id: TCPConnectionID) -> TCPWriteError? {
        tcp.links.contains(id.slot) ? tcp.links[id.slot].connection.writeError : .notConnected
    }

    /// Our end of a connection, or `nil` once it was let go.
    public func localEndpoint(_ id: TCPConnectionID) -> Endpoint? {
        tcp.links.contains(id.slot) ? tcp.links[id.slot].flow.localEndpoint : nil
    }

    /// The peer's end of a connection, or `nil` once it was let go.
    public func remoteEndpoint(_ id: TCPConnectionID) -> Endpoint? {
        tcp.links.contains(id.slot) ? tcp.links[id.slot].flow.remoteEndpoint : nil
    }

    /// How many bytes are before the end of urgent data; `nil` when none is announced (RFC 9293 §3.8.5).
    public func urgentCount(_ id: TCPConnectionID) -> Int? {
        tcp.links.contains(id.slot) ? tcp.links[id.slot].connection.urgentCount : nil
    }

    // MARK: - Options

    /// Whether small segments leave at once though earlier ones are not acknowledged (`TCP_NODELAY`).
    public mutating func setNoDelay(_ isOn: Bool, of id: TCPConnectionID, at now: Instant) {
        change(id, at: now) { $0.setNoDelay(isOn) }
    }

    /// Whether only full segments leave, until it is switched off (`TCP_CORK`, `TCP_NOPUSH`).
    public mutating func setCorked(_ isOn: Bool, of id: TCPConnectionID, at now: Instant) {
        change(id, at: now) { $0.setCorked(isOn) }
    }

    /// Says that all that was written so far is urgent (`MSG_OOB`; RFC 9293 §3.8.5, RFC 6093 advises against it).
    public mutating func markUrgent(_ id: TCPConnectionID, at now: Instant) {
        change(id, at: now) { $0.markUrgent() }
    }

    /// Changes the congestion control of a connection (`TCP_CONGESTION`).
    public mutating func setCongestionControl(_ algorithm: CongestionAlgorithm, of id: TCPConnectionID, at now: Instant)
    {
        change(id, at: now) { $0.setCongestionControl(algorithm, at: now) }
    }

    /// The type-of-service or traffic class byte of a connection's packets, without the bits of ECN (`IP_TOS`, `IPV6_TCLASS`).
    public mutating func setTypeOfService(_ value: UInt8, of id: TCPConnectionID) {
        guard tcp.links.contains(id.slot) else { return }
        tcp.links[id.slot].way.typeOfService = value & 0xFC
    }

    private mutating func change(_ id: TCPConnectionID, at now: Instant, _ body: (inout TCPConnection) -> Void) {
        beginRound(at: now)
        guard tcp.links.contains(id.slot) else { return }
        body(&tcp.links[id.slot].connection)
        finish(id.slot)
    }

    // MARK: - Closing

    /// Says that no more is written: what was written goes out, and then our FIN (`SHUT_WR`).
    public mutating func shutdown(_ id: TCPConnectionID, at now: Instant) {
        change(id, at: now) { $0.shutdown() }
    }

    /// Says that no more is read; what arrives from now on ends the connection (`SHUT_RD`).
    public mutating func stopReading(_ id: TCPConnectionID, at now: Instant) {
        change(id, at: now) { $0.stopReading() }
    }

    /// Lets a connection go: its number means nothing from now on, and it lives on until all is acknowledged.
    ///
    /// When something that arrived was not read, the peer is told by a RST that it was lost (RFC 9293 §3.6.1).
    ///
    /// - Parameters:
    ///   - id: the connection.
    ///   - linger: until when what was written must be acknowledged, or else it is given up; zero gives it up now
    ///     (`SO_LINGER`); `nil` leaves it its time.
    ///   - now: the time.
    public mutating func close(_ id: TCPConnectionID, linger: TimeSpan? = nil, at now: Instant) {
        beginRound(at: now)
        release(id.slot, linger: linger)
        deliverLooped()
    }

    /// Gives a connection up: the peer is told by a RST, what was not sent is lost, and its number means nothing from now on.
    public mutating func abort(_ id: TCPConnectionID, at now: Instant) { close(id, linger: .zero, at: now) }

    /// The owner is gone; the connection too, when it ended before.
    private mutating func release(_ id: SlotID, linger: TimeSpan?) {
        guard tcp.links.contains(id), tcp.links[id].hasOwner else { return }
        tcp.links[id].hasOwner = false
        guard tcp.links[id].isInFlows else { return remove(id) }
        tcp.links[id].connection.close(linger: linger, at: now, shared: &tcp.shared, output: &tcp.output)
        settle(id)
        if tcp.links.contains(id) { flush(id) }
    }

    /// Tells the peer of room, where a read made some that is worth it.
    private mutating func finishRead(_ id: SlotID) {
        if tcp.links[id].connection.hasNewsForPeer { touch(id) }
        deliverLooped()
    }

    /// Sends what a command made due, and lets this stack take what it sent to itself.
    private mutating func finish(_ id: SlotID) {
        flush(id)
        deliverLooped()
    }

    // MARK: - Listening

    /// Takes connections on a port (RFC 9293 §3.10.1).
    ///
    /// `::` takes those of both families, unless `onlyIPv6` says otherwise; port 0 draws one.
    ///
    /// - Parameters:
    ///   - endpoint: an address of ours, 0.0.0.0 or `::`, and the port.
    ///   - backlogMax: the most connections that wait to be accepted, at most ``TCPStackSettings/backlogMax``; further SYNs are
    ///     dropped, and come again.
    ///   - settings: how its connections behave; `nil` for the stack's ``TCPStackSettings/connection``.
    ///   - fib: the routing table of its connections.
    ///   - onlyIPv6: whether `::` takes those of IPv6 alone (`IPV6_V6ONLY`).
    /// - Returns: the listener; ``localEndpoint(_:)`` tells its port.
    /// - Throws: ``ListenError``; nothing is opened.
    public mutating func listenTCP(
        on endpoint: Endpoint, backlogMax: Int = 128, settings: TCPSettings? = nil, fib: Int = 0,
        onlyIPv6: Bool = false
    ) throws(ListenError) -> TCPListenerID {
        guard fib >= 0, fib < self.settings.fibCount else {
            throw .noSuchFIB(fib: fib, count: self.settings.fibCount)
        }
        let wildcard = AddressFamilies(wildcardOf: endpoint, onlyIPv6: onlyIPv6)
        var bound = endpoint
        if wildcard.isEmpty {
            let isKnown =
                endpoint.ipv4.map { local.isOurs($0) } ?? isOurs(endpoint.mapped, zone: endpoint.zone)
            guard isKnown else { throw .addressNotOurs(endpoint.address) }
            if endpoint.mapped.isLinkLocal, endpoint.zone == 0, let owner = owner(of: endpoint.mapped) {
                bound.zone = ports[owner].index.rawValue
            }
        }
        if bound.port == 0 {
            guard let port = drawListenerPort(bound, wildcard) else { throw .noFreePort }
            bound.port = port
        } else if !isListenable(bound, wildcard) {
            throw .addressInUse(endpoint)
        }
        let backlog = max(1, min(backlogMax, self.settings.tcp.backlogMax))
        let shared = settings.map { SharedTCPSettings($0) } ?? tcp.standard
        guard
            let id = tcp.listeners.insert(
                TCPListener(local: bound, wildcard: wildcard, fib: UInt16(fib), backlogMax: backlog, settings: shared))
        else { throw .tooManyListeners(max: self.settings.tcp.listenersMax) }
        tcp.listeners[id].nextOnPort = tcp.listenerPorts[bound.port]
        tcp.listenerPorts.set(bound.port, to: id)
        return TCPListenerID(slot: id)
    }

    private func isListenable(_ endpoint: Endpoint, _ wildcard: AddressFamilies) -> Bool {
        var next = tcp.listenerPorts[endpoint.port]
        while let id = next {
            next = tcp.listeners[id].nextOnPort
            let other = tcp.listeners[id].wildcard
            // One for an address goes beside one for every address; the former is asked first.
            let collides =
                wildcard.isEmpty
                ? other.isEmpty && tcp.listeners[id].takes(endpoint) : !wildcard.isDisjoint(with: other)
            if collides { return false }
        }
        return true
    }

    private mutating func drawListenerPort(_ endpoint: Endpoint, _ wildcard: AddressFamilies) -> UInt16? {
        let range = settings.ephemeralPorts
        var candidate = endpoint
        let first = UInt16.random(in: range, using: &random)
        candidate.port = first
        repeat {
            if candidate.port != 0, tcp.listenerPorts[candidate.port] == nil { return candidate.port }
            candidate.port = candidate.port == range.upperBound ? range.lowerBound : candidate.port + 1
        } while candidate.port != first
        return nil
    }

    /// Takes the connection that has waited longest; it may have ended meanwhile.
    public mutating func accept(_ id: TCPListenerID) -> TCPConnectionID? {
        guard tcp.listeners.contains(id.slot) else { return nil }
        return tcp.listeners[id.slot].queue.next()
    }

    /// How many connections wait to be accepted.
    public func acceptableCount(_ id: TCPListenerID) -> Int {
        tcp.listeners.contains(id.slot) ? tcp.listeners[id.slot].queue.count : 0
    }

    /// Where a listener takes connections, or `nil` once it was closed.
    public func localEndpoint(_ id: TCPListenerID) -> Endpoint? {
        tcp.listeners.contains(id.slot) ? tcp.listeners[id.slot].local : nil
    }

    /// Takes no more connections; those that wait to be accepted are given up, and half-open ones forgotten.
    public mutating func close(_ id: TCPListenerID, at now: Instant) {
        beginRound(at: now)
        guard tcp.listeners.contains(id.slot) else { return }
        while let waiting = tcp.listeners[id.slot].queue.next() { release(waiting.slot, linger: .zero) }
        tcp.synCache.listenerClosed(UInt32(id.slot.index))
        unchain(listener: id.slot)
        _ = tcp.listeners.remove(id.slot)
        deliverLooped()
    }

    private mutating func unchain(listener id: SlotID) {
        let port = tcp.listeners[id].local.port
        guard let head = tcp.listenerPorts[port] else { return }
        let after = tcp.listeners[id].nextOnPort
        if head == id { return tcp.listenerPorts.set(port, to: after) }
        var current = head
        while let next = tcp.listeners[current].nextOnPort {
            if next == id {
                tcp.listeners[current].nextOnPort = after
                return
            }
            current = next
        }
    }

    // MARK: - News

    /// Puts the connections to which something happened since the last call in `ids`, in the place of what is there: opened,
    /// readable, writable again, closed by the peer, ended.
    public mutating func takeAnnouncedConnections(into ids: inout [TCPConnectionID]) {
        ids.removeAll(keepingCapacity: true)
        swap(&ids, &tcp.announced)
        for id in ids where tcp.links.contains(id.slot) { tcp.links[id.slot].isAnnounced = false }
    }

    /// Puts the listeners that have connections to accept since the last call in `ids`, in the place of what is there.
    public mutating func takeAnnouncedListeners(into ids: inout [TCPListenerID]) {
        ids.removeAll(keepingCapacity: true)
        swap(&ids, &tcp.announcedListeners)
        for id in ids where tcp.listeners.contains(id.slot) { tcp.listeners[id.slot].isAnnounced = false }
    }

    /// Whether a connection or a listener has news.
    public var hasTCPNews: Bool { !tcp.announced.isEmpty || !tcp.announcedListeners.isEmpty }

    /// Forgets which connections and listeners have news, for a shell that asks each itself.
    public mutating func dropTCPNews() {
        while let id = tcp.announced.popLast() {
            if tcp.links.contains(id.slot) { tcp.links[id.slot].isAnnounced = false }
        }
        while let id = tcp.announcedListeners.popLast() {
            if tcp.listeners.contains(id.slot) { tcp.listeners[id.slot].isAnnounced = false }
        }
    }
}
