import ChimneyLink
import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// A packet for someone else arrived: route it on, or say why not (RFC 8200 §3, RFC 4443 §3).
    mutating func forward(_ packet: consuming Packet, _ fields: IPv6Fields, _ port: SlotID) {
        guard !packet.metadata.flags.contains(.linkBroadcast), !packet.metadata.flags.contains(.linkMulticast) else {
            return drop(packet, .linkBroadcastNotForwarded)
        }
        guard !fields.source.isAny else { return drop(packet, .sourceAddressInvalid) }
        guard fields.hopLimit > 1 else {
            sendICMPError(.timeExceeded(.inTransit), about: packet)
            return drop(packet, .ttlExpired)
        }
        // What means something on one link only stays there (RFC 4291 §2.5.6).
        guard !fields.source.isLinkLocal else {
            sendICMPError(.destinationUnreachable(.beyondScope), about: packet)
            return drop(packet, .beyondScope)
        }
        let path: OutputPath<IPv6Address>
        let question = ForwardingQuestion(
            destination: fields.destination, fib: ports[port].fib, flowHash: Self.flowHash(fields),
            generation: generation)
        if let known = lastIPv6Forwarding.path, lastIPv6Forwarding.question == question {
            path = known
        } else {
            do {
                path = try self.path(to: fields.destination, fib: question.fib, flowHash: question.flowHash)
            } catch {
                return refuse(packet, error)
            }
            lastIPv6Forwarding = ForwardingMemory(question: question, path: path)
        }
        guard ports[path.port].forwards, ports[path.port].ipv6 != .off else {
            return drop(packet, .forwardingDisabled)
        }
        if path.port == port, ports[port].kind == .ethernet { sendRedirect(about: packet, fields, path) }
        if packet.byteCountOnLink(fields.totalLength) > ports[path.port].mtu {
            sendICMPError(.packetTooBig(mtu: UInt32(ports[path.port].mtu)), about: packet)
            return drop(packet, .fragmentationNeeded)
        }
        packet.store8(fields.hopLimit &- 1, at: 7)
        ledger.forwarded &+= 1
        guard !path.isLocal else { return loopBack(packet, by: path.port) }
        if packet.metadata.segmentSize != 0 { return sendLarge(packet, by: path, mtu: ports[path.port].mtu) }
        sendToLink(packet, by: path)
    }

    /// The same number for every packet of a flow, so that equal routes keep its order.
    @inline(__always)
    static func flowHash(_ fields: IPv6Fields) -> UInt32 {
        let ends = (fields.source.high ^ fields.source.low) &* 0x9E37_79B9_7F4A_7C15
        let mixed = (ends ^ fields.destination.high ^ fields.destination.low) &* 0xC2B2_AE3D_27D4_EB4F
        return UInt32(truncatingIfNeeded: mixed >> 32)
    }
}
