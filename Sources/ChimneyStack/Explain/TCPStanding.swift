import ChimneyPrimitives
public import ChimneyTCP

extension TCPState {
    /// What RFC 9293 §3.3.2 calls it.
    public var standardName: String {
        switch self {
        case .closed: "CLOSED"
        case .synSent: "SYN-SENT"
        case .synReceived: "SYN-RECEIVED"
        case .established: "ESTABLISHED"
        case .finWait1: "FIN-WAIT-1"
        case .finWait2: "FIN-WAIT-2"
        case .closeWait: "CLOSE-WAIT"
        case .closing: "CLOSING"
        case .lastAck: "LAST-ACK"
        case .timeWait: "TIME-WAIT"
        }
    }
}

extension TCPFailure {
    /// Why a connection ended, in words.
    public var explanation: String {
        switch self {
        case .refused: "the peer refused it"
        case .reset: "the peer gave it up"
        case .aborted: "it was given up here"
        case .timedOut: "nothing answered for too long"
        case .keepAliveTimedOut: "nobody answered keep-alive probes"
        case .unreachable: "the network said that the peer cannot be reached"
        }
    }
}

extension TCPConnectionSnapshot {
    /// Why the connection is still there: what has to happen before it goes, and who has to do it.
    public var reasonItIsOpen: String {
        switch tcp.state {
        case .closed:
            let end = tcp.failure?.explanation ?? "all is said"
            return "it ended, for \(end); its owner has not closed it"
        case .timeWait: return "all is said; its owner has not closed it"
        case .synSent: return "our SYN is not answered yet"
        case .synReceived: return "the acknowledgement of our SYN has not arrived yet"
        case .established: return hasOwner ? "both ends may write\(sending)" : "the stack is about to close it"
        case .closeWait: return "the peer has written all; its owner has not closed it\(sending)"
        case .finWait1: return "our FIN is not acknowledged yet\(sending)"
        case .finWait2:
            return hasOwner
                ? "the peer has our FIN and may still write"
                : "the peer has our FIN and has not sent its own; it is waited for no longer than its timer runs"
        case .closing: return "both ends closed at the same time, and our FIN is not acknowledged yet"
        case .lastAck: return "the peer has closed, and our FIN is not acknowledged yet\(sending)"
        }
    }

    /// What stands in the way of what was written.
    private var sending: String {
        guard tcp.sendQueueBytes > 0 else { return "" }
        let bytes = "\(tcp.sendQueueBytes) bytes"
        if tcp.peerWindow == 0 { return "; \(bytes) wait for the peer to open its window" }
        if tcp.timeouts > 0 { return "; \(bytes) are not acknowledged after \(tcp.timeouts) timeouts in a row" }
        return "; \(bytes) are not acknowledged"
    }
}

extension VirtualStack {
    /// Which connection or listener takes a segment for an address of ours.
    ///
    /// A segment of no connection is looked at as a SYN.
    func walkTCP(_ target: Endpoint, from peer: Endpoint, _ way: inout Explanation) -> Explanation.Verdict {
        let flow = IPv6Flow(
            local: target.mapped, localPort: target.port, remote: peer.mapped, remotePort: peer.port,
            zone: target.zone | peer.zone)
        if let place = tcp.signatures.isInUse ? tcp.signatures.place(of: peer.mapped) : nil {
            let fate = settings.tcp.verifiesSignatures ? "others are dropped" : "others are taken too, by setting"
            way.add("signature", "segments of \(tcp.signatures.peers(at: place)) are signed with a key; \(fate)")
        }
        if peer.port != 0, let verdict = walkFlow(flow, &way) { return verdict }
        guard let listener = listener(for: target) else {
            let answer =
                switch settings.tcp.closedPorts {
                case .reset: "the peer is told by a RST"
                case .silentToSYN: "a SYN is answered by nothing, other segments by a RST"
                case .silent: "nothing is answered"
                }
            way.add("listener", "nobody listens on port \(target.port) of \(target.address); \(answer)")
            return .dropped(.portClosed)
        }
        let waiting = tcp.listeners[listener].queue.count
        let most = tcp.listeners[listener].backlogMax
        let place = tcp.listeners[listener].local
        way.add(
            "listener", "the one on \(place) takes it; \(waiting) of at most \(most) connections wait to be accepted")
        guard waiting < most else { return .dropped(.tcpBacklogFull) }
        guard tcp.links.count < settings.tcp.connectionsMax else {
            way.add("connection", "the stack has \(settings.tcp.connectionsMax) connections, which is its most")
            return .dropped(.tcpTableFull)
        }
        return .delivered(to: "tcp listener on port \(target.port)")
    }

    /// The connection that both ends of a flow lead to, or what is left of one.
    private func walkFlow(_ flow: IPv6Flow, _ way: inout Explanation) -> Explanation.Verdict? {
        if let place = tcp.flows[flow], let id = tcp.links.first(from: Int(place)),
            let found = snapshot(TCPConnectionID(slot: id), at: now)
        {
            way.add(
                "connection", "number \(found.id.number) is \(found.tcp.state.standardName): \(found.reasonItIsOpen)")
            return .delivered(to: "tcp connection \(found.id.number)")
        }
        if tcp.timeWait.contains(flow) {
            way.add("connection", "one between the two ended not long ago; only a SYN with a new number begins another")
        }
        if tcp.synCache.contains(flow) {
            way.add("connection", "one between the two is half open: our SYN waits for its acknowledgement")
        }
        return nil
    }
}
