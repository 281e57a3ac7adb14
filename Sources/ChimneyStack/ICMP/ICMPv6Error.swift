import ChimneyLink
import ChimneyPrimitives
import ChimneyWire

extension ICMPError {
    /// What ICMPv6 says in the same case, or `nil` where it says nothing (RFC 4443 §3).
    var ipv6: ICMPv6Message? {
        switch self {
        case .networkUnreachable: .destinationUnreachable(.noRoute)
        case .hostUnreachable: .destinationUnreachable(.address)
        case .portUnreachable: .destinationUnreachable(.port)
        case .prohibited: .destinationUnreachable(.prohibited)
        case .fragmentationNeeded(let mtu): .packetTooBig(mtu: UInt32(mtu))
        case .timeToLiveExceeded: .timeExceeded(.inTransit)
        case .reassemblyTimeExceeded: .timeExceeded(.reassembly)
        case .parameterProblem(let pointer): .parameterProblem(.field, pointer: UInt32(pointer))
        // The chain of extension headers and neighbour discovery say these with facts of their own.
        case .protocolUnreachable, .sourceRouteFailed, .redirectHost: nil
        }
    }
}

extension VirtualStack {
    /// Sends an ICMPv6 error about a packet, unless the rules forbid it (RFC 4443 §2.4).
    ///
    /// No error is sent about an ICMPv6 error or a redirect, about a packet to a group or a link-layer group
    /// (but for those two that make path MTU discovery and unknown options work there), from what is no single
    /// node's address, or beyond the rate limit. The message quotes as much of the packet as fits 1,280 bytes.
    mutating func sendICMPError(_ error: ICMPv6Message, about packet: borrowing Packet) {
        guard let fields = IPv6Fields(packet.bytes, of: packet.totalCount), mayAnswer(packet, fields, with: error)
        else {
            return
        }
        guard icmpLimit.admits(at: now) else {
            counters.icmpErrorsSuppressed &+= 1
            return
        }
        let arrival = ports.position(of: InterfaceIndex(rawValue: packet.metadata.interface))
        let fib = arrival.map { ports[$0].fib } ?? 0
        let zone = packet.metadata.interface
        guard let path = try? path(to: fields.source, zone: zone, fib: fib) else { return }
        guard let source = speaker(fields, zone: zone, by: path) else { return }
        let quoted = min(packet.count, ICMPv6Message.errorBytesMax - 48)
        guard var message = pool.allocate(byteCount: 48 + quoted) else { return }
        message.write(packet.bytes.extracting(0..<quoted), at: 48)
        message.writeICMPv6(error, source: source, destination: fields.source, payloadByteCount: quoted)
        message.writeIPv6(
            source: source, destination: fields.source, nextHeader: .icmpv6, hopLimit: hopLimit(path.port))
        ledger.created &+= 1
        counters.icmpErrorsSent &+= 1
        sendIPv6(message, by: path, mtu: mtu(to: fields.source, by: path))
    }

    /// The address the packet was sent to where it is ours, else the one that speaks to its source (RFC 4443 §2.2).
    private func speaker(_ fields: IPv6Fields, zone: UInt32, by path: OutputPath<IPv6Address>) -> IPv6Address? {
        if !fields.destination.isMulticast, isOurs(fields.destination, zone: zone) { return fields.destination }
        return sourceAddress(for: fields.source, by: path)
    }

    private func mayAnswer(_ packet: borrowing Packet, _ fields: IPv6Fields, with error: ICMPv6Message) -> Bool {
        guard !fields.source.isMulticast, !fields.source.isAny else { return false }
        let flags = packet.metadata.flags
        let isGroup =
            fields.destination.isMulticast || !flags.isDisjoint(with: [.linkBroadcast, .linkMulticast, .ipMulticast])
        if isGroup {
            switch error {
            case .packetTooBig, .parameterProblem(.option, _): break
            case .destinationUnreachable, .timeExceeded, .parameterProblem, .echoRequest, .echoReply: return false
            }
        }
        switch IPv6Fields.walk(packet.bytes, isMulticast: isGroup) {
        case .upper(let upper, let offset, _): return upper != .icmpv6 || isAnswerable(packet, at: offset)
        case .fragment(let place):
            if place.offset == 0 { return place.upper != .icmpv6 || isAnswerable(packet, at: place.upperOffset) }
            // What is wrong with a later fragment is told, and nothing else about it (RFC 8200 §4.5).
            guard case .parameterProblem = error else { return false }
            return true
        case .refused: return true
        }
    }

    /// Whether an ICMPv6 message is neither an error nor a redirect; one cut before its type might be.
    private func isAnswerable(_ packet: borrowing Packet, at offset: Int) -> Bool {
        guard packet.count > offset else { return false }
        let type = packet.bytes.uint8(at: offset)
        return !ICMPv6Type.isError(type) && type != ICMPv6Type.redirect.rawValue
    }
}

extension Packet {
    /// Writes a 40-byte IPv6 header for the whole packet at the front.
    mutating func writeIPv6(
        source: IPv6Address, destination: IPv6Address, nextHeader: IPProtocol, hopLimit: UInt8, trafficClass: UInt8 = 0
    ) {
        store32(0x6000_0000 | UInt32(trafficClass) << 20, at: 0)
        store16(UInt16(truncatingIfNeeded: count - 40), at: 4)
        store8(nextHeader.rawValue, at: 6)
        store8(hopLimit, at: 7)
        var span = mutableBytes
        span.store(source.high, at: 8)
        span.store(source.low, at: 16)
        span.store(destination.high, at: 24)
        span.store(destination.low, at: 32)
    }

    /// Writes an ICMPv6 message behind the IPv6 header, before `payloadByteCount` bytes that stand there.
    mutating func writeICMPv6(
        _ message: ICMPv6Message, source: IPv6Address, destination: IPv6Address, payloadByteCount: Int
    ) {
        var span = mutableBytes
        message.write(
            into: &span, at: 40, source: source, destination: destination, payloadByteCount: payloadByteCount)
    }
}
