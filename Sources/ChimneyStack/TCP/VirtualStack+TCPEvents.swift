import ChimneyPrimitives
import ChimneyTCP

extension VirtualStack {
    /// Something happened to a connection: tables follow, and its owner is told.
    @inline(__always)
    mutating func happened(_ events: TCPEvents, to id: SlotID) {
        if events.rawValue & ~TCPEvents.progress.rawValue != 0, !turned(events, id) { return }
        guard tcp.links[id].hasOwner, !tcp.links[id].isAnnounced else { return }
        tcp.links[id].isAnnounced = true
        tcp.announced.append(TCPConnectionID(slot: id))
    }

    /// A connection went over into another state.
    ///
    /// - Returns: whether its owner is to be told.
    @inline(never)
    private mutating func turned(_ events: TCPEvents, _ id: SlotID) -> Bool {
        if events.contains(.established) {
            tcp.links[id].wasOpen = true
            if !tcp.modules.isEmpty {
                tcp.modules.watch(&tcp.links[id].connection, number: UInt64(UInt32(id.index)), at: now)
            }
        }
        if events.contains(.timeWait) {
            // The peer's FIN is acknowledged before the connection may go.
            tcp.links[id].connection.flush(at: now, output: &tcp.output)
            transmitSegments(of: id)
            tcp.timeWait.insert(tcp.links[id].connection.timeWaitEntry, for: tcp.links[id].flow, at: now)
            tcp.due = min(tcp.due, tcp.timeWait.deadline ?? .never)
        }
        if events.contains(.closed) || events.contains(.timeWait) {
            remember(id)
            forgetFlow(of: id)
            if tcp.links[id].wasOpen {
                tcp.counters.closed &+= 1
                if tcp.links[id].connection.failure != nil { tcp.counters.failed &+= 1 }
            }
            guard tcp.links[id].hasOwner else {
                remove(id)
                return false
            }
        }
        return events != .pathSuspected
    }

    /// Puts a connection into the tables; `nil` at their bound, and the connection is gone then.
    mutating func insert(_ link: consuming TCPLink) -> SlotID? {
        let flow = link.flow
        guard let id = tcp.links.insert(link) else { return nil }
        guard tcp.flows.insert(UInt32(id.index), for: flow) else {
            _ = tcp.links.remove(id)
            return nil
        }
        return id
    }

    /// What a connection that ends found out about its path helps those to come.
    private mutating func remember(_ id: SlotID) {
        guard tcp.links[id].wasOpen, !tcp.links[id].way.isLocal, let found = tcp.links[id].connection.learned else {
            return
        }
        tcp.hosts.connectionEnded(to: tcp.links[id].flow.host(tcp.links[id].fib), found: found, at: now)
    }

    private mutating func forgetFlow(of id: SlotID) {
        guard tcp.links[id].isInFlows else { return }
        tcp.links[id].isInFlows = false
        _ = tcp.flows.remove(tcp.links[id].flow)
    }

    /// Nobody wants a connection that ended any more.
    mutating func remove(_ id: SlotID) {
        if tcp.links[id].armedAt != .never { tcp.timers.cancel(UInt32(id.index)) }
        _ = tcp.links.remove(id)
    }

    mutating func announce(listener id: SlotID) {
        guard !tcp.listeners[id].isAnnounced else { return }
        tcp.listeners[id].isAnnounced = true
        tcp.announcedListeners.append(TCPListenerID(slot: id))
    }

    // MARK: - Timers

    /// Does what was due by now.
    mutating func tcpTimersFired() {
        guard tcp.due <= now else { return }
        while let timer = tcp.timers.popFirst(dueAt: now) {
            guard let id = tcp.links.first(from: Int(timer)), id.index == Int32(timer) else { continue }
            tcp.links[id].armedAt = .never
            let deadline = tcp.links[id].connection.deadline
            guard deadline <= now else {
                arm(id, at: deadline)
                continue
            }
            tcp.links[id].connection.timerFired(at: now, shared: &tcp.shared, output: &tcp.output)
            settle(id)
            arm(id, at: tcp.output.deadline)
        }
        tcp.timeWait.timerFired(at: now)
        tcp.synCache.timerFired(at: now, output: &tcp.answers)
        while let answer = tcp.answers.next() {
            // A listener that is gone took its half-open connections along.
            let fib = listener(for: answer.flow.localEndpoint).map { tcp.listeners[$0].fib } ?? 0
            guard let way = try? findWay(answer.flow, fib: fib) else { continue }
            transmit(answer.segment, of: answer.flow, along: way)
        }
        noteTCPDeadline()
    }

    mutating func noteTCPDeadline() {
        let handshakes = min(tcp.synCache.deadline ?? .never, tcp.timeWait.deadline ?? .never)
        tcp.due = min(tcp.timers.deadline ?? .never, handshakes)
    }

    // MARK: - What the network says

    /// An ICMP error about a segment of ours, which counts when its connection finds the number it quotes under way
    /// (RFC 5927 §4).
    mutating func tcpErrorReported(
        _ packet: consuming Packet, _ error: SocketError?, of flow: IPv6Flow, sequence: UInt32
    ) {
        guard let error else { return consume(packet) }
        let quoted = SequenceNumber(sequence)
        guard let place = tcp.flows[flow], let id = tcp.links.first(from: Int(place)),
            tcp.links[id].connection.isUnderWay(quoted)
        else { return drop(packet, .icmpNoSocket) }
        switch error {
        case .messageTooLong(_, let mtu):
            let size = mtu - tcp.links[id].way.headerByteCount
            if tcp.links[id].connection.packetTooBig(size: size, quoted: quoted, at: now) {
                tcp.links[id].way.mtu = UInt16(clamping: mtu)
                pathMTUs.learn(mtu, to: flow.remote, at: now)
                _ = tcp.hosts.mtuChanged(of: flow.host(tcp.links[id].fib), to: mtu, at: now)
                generation &+= 1
                // The connection knows already, also when the table of paths forgets at once.
                tcp.links[id].way.generation = UInt32(truncatingIfNeeded: generation)
            }
        case .portUnreachable, .protocolUnreachable, .prohibited:
            _ = tcp.links[id].connection.unreachable(
                isHard: true, quoted: quoted, shared: &tcp.shared, output: &tcp.output)
        case .hostUnreachable, .networkUnreachable, .timeExceeded, .parameterProblem:
            _ = tcp.links[id].connection.unreachable(
                isHard: false, quoted: quoted, shared: &tcp.shared, output: &tcp.output)
        }
        settle(id)
        touch(id)
        consume(packet)
    }
}
