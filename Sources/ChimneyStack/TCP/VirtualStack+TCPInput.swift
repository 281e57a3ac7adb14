import ChimneyLink
import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire

extension VirtualStack {
    /// A TCP segment for this stack arrived (RFC 9293 §3.10.7).
    mutating func tcpArrived(_ packet: consuming Packet, _ fields: some IPFields, _ port: SlotID) {
        guard packet.metadata.flags.rawValue & PacketFlags.severalReceivers.rawValue == 0 else {
            return drop(packet, .tcpNotUnicast)
        }
        let start = fields.transportOffset
        if packet.metadata.checksum == .unknown {
            let pseudo = fields.pseudoHeader(IPProtocol.tcp.rawValue, length: packet.totalCount &- start)
            guard InternetChecksum.finish(Self.sum(packet, from: start, initial: pseudo)) == 0 else {
                return drop(packet, .tcpChecksumBad)
            }
        }
        var arrival: TCPArrival
        do {
            arrival = try TCPArrival(packet, from: start, hasCongestionMark: fields.hasCongestionMark)
        } catch {
            return drop(packet, error.reason)
        }
        tcp.counters.received &+= 1
        let interface = packet.metadata.interface
        let remote = fields.sourceEndpoint(arrival.sourcePort, on: interface)
        let local = fields.destinationEndpoint(arrival.destinationPort, on: interface)
        let flow = IPv6Flow(
            local: local.mapped, localPort: local.port, remote: remote.mapped, remotePort: remote.port,
            zone: local.zone | remote.zone)
        let isSigned = arrival.segment.options.hasMD5Signature
        // Both at once, so that a stack without keys has one branch that is never taken.
        if (isSigned ? 1 : 0) | (tcp.signatures.isInUse ? 1 : 0) != 0 {
            if let fault = signatureFault(packet, from: start, of: flow, isSigned: isSigned) {
                return drop(packet, fault)
            }
            // What was found right concerns nobody further up.
            arrival.segment.options.hasMD5Signature = false
        }
        if let place = tcp.flows[flow], let id = tcp.links.first(from: Int(place)) {
            packet.removeFirst(start &+ arrival.headerByteCount)
            return segmentArrived(arrival.segment, packet, for: id)
        }
        packet.metadata.transportOffset = UInt16(truncatingIfNeeded: start &+ arrival.headerByteCount)
        strangerArrived(arrival.segment, packet, TCPPlace(flow: flow, port: port))
    }

    @inline(__always)
    private static func sum(_ packet: borrowing Packet, from start: Int, initial: UInt32) -> UInt32 {
        guard packet.isContiguous else { return InternetChecksum.sum(packet, from: start, initial: initial) }
        return InternetChecksum.sum(packet.bytes.extracting(start..<packet.count), initial: initial)
    }

    /// A segment of a connection, its headers taken off.
    private mutating func segmentArrived(_ segment: ArrivedSegment, _ packet: consuming Packet, for id: SlotID) {
        let interface = packet.metadata.interface
        if segment.payloadCount > 0 { tcp.shared.heldMax = heldBytesMax }
        let verdict = tcp.links[id].connection.segmentArrived(
            segment, packet, at: now, shared: &tcp.shared, output: &tcp.output)
        if let verdict {
            drop(DropReason(verdict), of: tcp.links[id].flow, interface: interface)
        } else if segment.payloadCount > 0 {
            ledger.delivered &+= 1
        } else {
            ledger.consumed &+= 1
        }
        settle(id)
        if tcp.output.isSettled { arm(id, at: tcp.output.deadline) } else { touch(id) }
    }

    /// A segment of no connection: one that ended, one that begins, or none at all.
    private mutating func strangerArrived(
        _ segment: ArrivedSegment, _ packet: consuming Packet, _ place: TCPPlace
    ) {
        var ended: TimeWaitEntry?
        if let verdict = tcp.timeWait.segmentArrived(segment, of: place.flow, at: now) {
            switch verdict {
            case .ignored: return drop(packet, .tcpTimeWait)
            case .answered(let answer):
                answerSegment(answer, place)
                return consume(packet)
            case .reset: return consume(packet)
            case .reopened(let entry): ended = entry
            }
        }
        if segment.flags.contains(.rst) {
            if tcp.synCache.resetArrived(segment, of: place.flow) { return consume(packet) }
            return drop(packet, challenged(segment, place) ?? .tcpNoConnection)
        }
        let listener = listener(for: place.flow.localEndpoint)
        if segment.flags.contains(.syn) {
            guard !segment.flags.contains(.ack), let listener else {
                guard let ended else { return refuse(packet, segment, place) }
                answerSegment(ended.answer(at: now), place)
                return consume(packet)
            }
            return synArrived(segment, packet, place, listener, after: ended?.sndNext)
        }
        if let reason = challenged(segment, place) { return drop(packet, reason) }
        guard let listener else { return refuse(packet, segment, place) }
        // What neither opens nor acknowledges is not worth an answer to a listener (RFC 9293 §3.10.7.2, fourth).
        guard segment.flags.contains(.ack) else { return drop(packet, .tcpNoConnection) }
        handshakeArrived(segment, packet, place, listener)
    }

    /// Asks the peer of a half-open connection whether it meant what is not its next segment; a SYN is answered as such.
    ///
    /// - Returns: why the segment comes to nothing, or `nil` where it does not, or belongs to no half-open connection.
    private mutating func challenged(_ segment: ArrivedSegment, _ place: TCPPlace) -> DropReason? {
        guard tcp.synCache.contains(place.flow) else { return nil }
        if let answer = tcp.synCache.challenge(segment, of: place.flow, at: now) {
            if tcp.shared.challenges.take(at: now) { answerSegment(answer, place) }
            return segment.flags.contains(.rst) ? .tcpChallenged : .tcpOutsideWindow
        }
        return segment.flags.isDisjoint(with: [.ack, .rst]) ? .tcpAckUnacceptable : nil
    }

    /// A SYN for a listener.
    private mutating func synArrived(
        _ segment: ArrivedSegment, _ packet: consuming Packet, _ place: TCPPlace, _ listener: SlotID,
        after: SequenceNumber?
    ) {
        guard tcp.listeners[listener].queue.count < tcp.listeners[listener].backlogMax else {
            tcp.listeners[listener].overflowCount &+= 1
            return drop(packet, .tcpBacklogFull)
        }
        let way: TCPWay
        do {
            way = try findWay(place.flow, fib: tcp.listeners[listener].fib)
        } catch {
            return drop(packet, error.reason)
        }
        let verdict = tcp.synCache.synArrived(
            segment, of: place.flow, for: UInt32(listener.index), numbers: tcp.numbers, after: after,
            settings: tcp.listeners[listener].settings, path: Self.path(along: way), at: now, output: &tcp.answers)
        while let answer = tcp.answers.next() { transmit(answer.segment, of: answer.flow, along: way) }
        tcp.due = min(tcp.due, tcp.synCache.deadline ?? .never)
        if verdict == .full { return drop(packet, .tcpBacklogFull) }
        // What the flow was before must not answer for what it is now.
        if after != nil { tcp.timeWait.remove(place.flow) }
        consume(packet)
    }

    /// A segment that may complete a handshake, kept or told by a cookie.
    private mutating func handshakeArrived(
        _ segment: ArrivedSegment, _ packet: consuming Packet, _ place: TCPPlace, _ listener: SlotID
    ) {
        let mayTake = tcp.listeners[listener].queue.count < tcp.listeners[listener].backlogMax
        if !mayTake, tcp.synCache.contains(place.flow) {
            // The answer to the SYN is sent again, and with it the peer's acknowledgement.
            tcp.listeners[listener].overflowCount &+= 1
            return drop(packet, .tcpBacklogFull)
        }
        let half: HalfOpen
        let settings: SharedTCPSettings
        switch tcp.synCache.acknowledged(by: segment, of: place.flow, at: now) {
        case .completed(let completion):
            half = completion.half
            settings = completion.settings
        case .unacceptable(let fault):
            return drop(packet, DropReason(fault))
        case .unknown:
            guard !tcp.synCache.contains(place.flow),
                let told = tcp.synCache.cookie(
                    in: segment, of: place.flow, numbers: tcp.numbers,
                    settings: tcp.listeners[listener].settings.value, at: now)
            else { return refuse(packet, segment, place) }
            guard mayTake else {
                // The peer has our SYN and believes the connection open: what it sends comes again.
                tcp.listeners[listener].overflowCount &+= 1
                return drop(packet, .tcpBacklogFull)
            }
            half = told
            settings = tcp.listeners[listener].settings
            tcp.synCache.cookieTaken()
        }
        let way: TCPWay
        do {
            way = try findWay(place.flow, fib: tcp.listeners[listener].fib)
        } catch {
            return drop(packet, error.reason)
        }
        let fib = tcp.listeners[listener].fib
        let connection = TCPConnection(
            accepting: half, settings: settings, path: path(of: place.flow, fib: fib, along: way), at: now)
        guard
            let id = insert(TCPLink(connection, flow: place.flow, way: way, fib: tcp.listeners[listener].fib))
        else { return drop(packet, .tcpTableFull) }
        tcp.counters.accepted &+= 1
        tcp.listeners[listener].acceptedCount &+= 1
        tcp.listeners[listener].queue.append(TCPConnectionID(slot: id))
        announce(listener: listener)
        packet.removeFirst(Int(packet.metadata.transportOffset))
        segmentArrived(segment, packet, for: id)
    }

    /// A segment that nobody waits for is answered by a RST, unless the operator wants silence.
    private mutating func refuse(_ packet: consuming Packet, _ segment: ArrivedSegment, _ place: TCPPlace) {
        let isSilent =
            switch settings.tcp.closedPorts {
            case .reset: false
            case .silentToSYN: segment.flags.contains(.syn)
            case .silent: true
            }
        if !isSilent, let answer = OutgoingSegment.reset(answering: segment) {
            if tcp.resetLimit.admits(at: now) {
                tcp.counters.resetsSent &+= 1
                answerSegment(answer, place)
            } else {
                tcp.counters.resetsSuppressed &+= 1
            }
        }
        drop(packet, segment.flags.contains(.syn) ? .portClosed : .tcpNoConnection)
    }

    /// Sends a segment of no connection back to where one came from.
    private mutating func answerSegment(_ segment: OutgoingSegment, _ place: TCPPlace) {
        guard let way = try? findWay(place.flow, fib: ports[place.port].fib) else { return }
        transmit(segment, of: place.flow, along: way)
    }

    /// The listener for a destination: bound to its address, then to its family, then to the port alone.
    func listener(for destination: Endpoint) -> SlotID? {
        var best: SlotID?
        var bestScore = -1
        var next = tcp.listenerPorts[destination.port]
        while let id = next {
            next = tcp.listeners[id].nextOnPort
            guard tcp.listeners[id].takes(destination) else { continue }
            let wildcard = tcp.listeners[id].wildcard
            let score = wildcard.isEmpty ? 2 : wildcard == [.ipv4, .ipv6] ? 0 : 1
            if score > bestScore { (best, bestScore) = (id, score) }
        }
        return best
    }

    /// What the engine is told of a way, with what earlier connections found out about it.
    mutating func path(of flow: IPv6Flow, fib: UInt16, along way: TCPWay) -> TCPConnection.Path {
        var path = Self.path(along: way)
        if !way.isLocal { path.remembered = tcp.hosts.remembered(of: flow.host(fib), at: now) }
        return path
    }

    /// What the engine is told of a way.
    static func path(along way: TCPWay) -> TCPConnection.Path {
        // What is one piece here is cut by the device, or on its way to it: 64 KiB less the longest headers.
        // Of a signed connection each segment has a digest of its own, which nobody further down can make.
        let isWhole = way.isLocal || way.isSigned
        var path = TCPConnection.Path(segmentSize: way.segmentSize, pieceMax: isWhole ? 0 : 65_535 - 120)
        path.isSigned = way.isSigned
        path.defaultSize = way.isIPv6 ? 1_220 : 536
        return path
    }
}

/// Where a segment of no connection belongs: its flow, and the interface it came in by.
private struct TCPPlace: BitwiseCopyable {
    let flow: IPv6Flow
    let port: SlotID
}

/// What a packet with a TCP segment says.
private struct TCPArrival: BitwiseCopyable {
    var segment: ArrivedSegment
    let sourcePort: UInt16
    let destinationPort: UInt16
    let headerByteCount: Int

    /// Reads the header behind the IP header, both of which lie in the packet's first part.
    @inline(__always)
    init(_ packet: borrowing Packet, from start: Int, hasCongestionMark: Bool) throws(TCPFault) {
        guard packet.count >= start else { throw .malformed }
        let view: TCPView
        do {
            view = try TCPView(packet.bytes.extracting(start..<packet.count))
        } catch { throw .malformed }
        do {
            segment = try ArrivedSegment(
                view, payloadCount: packet.totalCount &- start &- view.headerByteCount,
                hasCongestionMark: hasCongestionMark)
        } catch { throw .options }
        sourcePort = view.sourcePort
        destinationPort = view.destinationPort
        headerByteCount = view.headerByteCount
    }
}

/// What is wrong with a TCP header.
private enum TCPFault: Error {
    case malformed, options

    var reason: DropReason {
        switch self {
        case .malformed: .tcpMalformed
        case .options: .tcpOptionMalformed
        }
    }
}

extension DropReason {
    /// What a verdict of the engine is called in the ledger.
    init(_ verdict: TCPDrop) {
        switch verdict {
        case .ackOfUnsent, .ackTooOld, .noAck: self = .tcpAckUnacceptable
        case .outsideWindow, .resetOutsideWindow: self = .tcpOutsideWindow
        case .oldTimestamp: self = .tcpOldTimestamp
        case .timestampMissing: self = .tcpTimestampMissing
        case .resetChallenged, .synChallenged: self = .tcpChallenged
        case .duplicate: self = .tcpDuplicate
        case .reassemblyFull: self = .tcpReassemblyFull
        case .windowClosed: self = .tcpWindowClosed
        case .readerGone: self = .tcpReaderGone
        case .notSynchronizing: self = .tcpNotSynchronizing
        case .closed: self = .tcpNoConnection
        case .packetsShort: self = .tcpPacketsShort
        }
    }
}
