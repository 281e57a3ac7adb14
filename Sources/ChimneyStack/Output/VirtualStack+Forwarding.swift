import ChimneyLink
import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// A packet for someone else arrived: route it on, or say why not (RFC 1812 §5.2.1).
    mutating func forward(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        guard !packet.metadata.flags.contains(.linkBroadcast), !packet.metadata.flags.contains(.linkMulticast) else {
            return drop(packet, .linkBroadcastNotForwarded)
        }
        guard fields.timeToLive > 1 else {
            sendICMPError(.timeToLiveExceeded, about: packet)
            return drop(packet, .ttlExpired)
        }
        // Cut again, the pieces of such a fragment could not say where they belong (RFC 791 §3.2).
        guard fields.fragmentOffset &+ fields.payloadByteCount <= 65_535 else {
            return drop(packet, .fragmentOversized)
        }
        let path: OutputPath<IPv4Address>
        let question = ForwardingQuestion(
            destination: fields.destination, fib: ports[port].fib, flowHash: Self.flowHash(fields),
            generation: generation)
        if let known = lastForwarding.path, lastForwarding.question == question {
            path = known
        } else {
            do {
                path = try self.path(to: fields.destination, fib: question.fib, flowHash: question.flowHash)
            } catch {
                return refuse(packet, error)
            }
            lastForwarding = ForwardingMemory(question: question, path: path)
        }
        guard ports[path.port].forwards else { return drop(packet, .forwardingDisabled) }
        if path.isBroadcast { return drop(packet, .broadcastNotForwarded) }
        if path.port == port, ports[port].kind == .ethernet {
            sendRedirect(about: packet, fields, gateway: path.nextHop, port)
        }
        if packet.byteCountOnLink(Int(fields.totalLength)) > ports[path.port].mtu, fields.dontFragment {
            sendICMPError(.fragmentationNeeded(mtu: UInt16(clamping: ports[path.port].mtu)), about: packet)
            return drop(packet, .fragmentationNeeded)
        }
        packet.decrementTimeToLive()
        ledger.forwarded &+= 1
        sendIPv4(packet, by: path)
    }

    /// No route, or one that refuses (RFC 1812 §5.2.7.1, RFC 4443 §3.1).
    mutating func refuse(_ packet: consuming Packet, _ failure: RouteFailure) {
        switch failure {
        case .none:
            sendICMPError(.networkUnreachable, about: packet)
            drop(packet, .noRoute)
        case .blackhole:
            drop(packet, .routeBlackhole)
        case .reject:
            sendICMPError(.hostUnreachable, about: packet)
            drop(packet, .routeReject)
        case .prohibit:
            sendICMPError(.prohibited, about: packet)
            drop(packet, .routeProhibited)
        }
    }

    /// Tells a sender on the same link that a better first hop is there (RFC 1812 §5.2.7.2).
    private mutating func sendRedirect(
        about packet: borrowing Packet, _ fields: IPv4Fields, gateway: IPv4Address, _ port: SlotID
    ) {
        guard settings.sendsRedirects, fields.headerByteCount == 20 else { return }
        guard ports[port].isOnLink(fields.source), ports[port].isOnLink(gateway) else { return }
        sendICMPError(.redirectHost(gateway: gateway), about: packet)
    }

    /// The same number for every packet of a flow, so that equal routes keep its order.
    static func flowHash(_ fields: IPv4Fields) -> UInt32 {
        var hash = fields.source.bits &* 0x9E37_79B1
        hash ^= fields.destination.bits &* 0x85EB_CA77
        hash ^= UInt32(fields.ipProtocol.rawValue) &* 0xC2B2_AE3D
        return hash ^ hash >> 15
    }
}

extension Packet {
    /// Takes one from the time to live and mends the header checksum (RFC 1141, RFC 1624).
    @inline(__always)
    mutating func decrementTimeToLive() {
        let word = bytes.uint16(at: 8)
        let sum = bytes.uint16(at: 10)
        store16(word &- 0x100, at: 8)
        store16(InternetChecksum.update(sum, old: word, new: word &- 0x100), at: 10)
    }
}
