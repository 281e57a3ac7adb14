import ChimneyLink
import ChimneyPrimitives
import ChimneyWire

/// An ICMP error this stack sends about a packet (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3).
enum ICMPError: Sendable {
    case networkUnreachable, hostUnreachable, protocolUnreachable, portUnreachable, sourceRouteFailed, prohibited
    case fragmentationNeeded(mtu: UInt16)
    case timeToLiveExceeded, reassemblyTimeExceeded
    case parameterProblem(pointer: UInt8)
    case redirectHost(gateway: IPv4Address)

    var type: UInt8 {
        switch self {
        case .networkUnreachable, .hostUnreachable, .protocolUnreachable, .portUnreachable, .sourceRouteFailed,
            .prohibited, .fragmentationNeeded:
            3
        case .redirectHost: 5
        case .timeToLiveExceeded, .reassemblyTimeExceeded: 11
        case .parameterProblem: 12
        }
    }

    var code: UInt8 {
        switch self {
        case .networkUnreachable, .timeToLiveExceeded, .parameterProblem: 0
        case .hostUnreachable, .reassemblyTimeExceeded, .redirectHost: 1
        case .protocolUnreachable: 2
        case .portUnreachable: 3
        case .fragmentationNeeded: 4
        case .sourceRouteFailed: 5
        case .prohibited: 13
        }
    }

    /// Bytes 4 to 7 of the message.
    var rest: UInt32 {
        switch self {
        case .networkUnreachable, .hostUnreachable, .protocolUnreachable, .portUnreachable, .sourceRouteFailed,
            .prohibited, .timeToLiveExceeded, .reassemblyTimeExceeded:
            0
        case .fragmentationNeeded(let mtu): UInt32(mtu)
        case .parameterProblem(let pointer): UInt32(pointer) << 24
        case .redirectHost(let gateway): gateway.bits
        }
    }
}

extension VirtualStack {
    /// Sends an ICMP error about a packet, unless the rules forbid it (RFC 1122 §3.2.2, RFC 1812 §4.3.2.7).
    ///
    /// No error is sent about an ICMP error, a packet to or from a group or broadcast, a link-layer
    /// broadcast, a fragment other than the first, or beyond the rate limit. The message quotes as
    /// much of the packet as fits 576 bytes (RFC 1812 §4.3.2.3).
    mutating func sendICMPError(_ error: ICMPError, about packet: borrowing Packet) {
        if packet.count > 0, packet.isIPv6 {
            if let message = error.ipv6 { sendICMPError(message, about: packet) }
            return
        }
        guard let fields = IPv4Fields(packet.bytes, of: packet.totalCount), mayAnswerWithError(packet, fields) else {
            return
        }
        guard icmpLimit.admits(at: now) else {
            counters.icmpErrorsSuppressed &+= 1
            return
        }
        let arrival = ports.position(of: InterfaceIndex(rawValue: packet.metadata.interface))
        let fib = arrival.map { ports[$0].fib } ?? 0
        guard let path = try? path(to: fields.source, fib: fib) else { return }
        // A router speaks with the address of the interface the packet came in by where it has one (RFC 1812 §4.3.2.4).
        let source =
            local.isOurs(fields.destination)
            ? fields.destination
            : speaker(arrival, to: fields.source, by: path)
        guard let source, path.isLocal || !source.isLoopback else { return }
        let quoted = min(packet.count, 576 - 28)
        guard var message = pool.allocate(byteCount: 28 + quoted) else { return }
        message.store8(error.type, at: 20)
        message.store8(error.code, at: 21)
        message.store16(0, at: 22)
        message.store32(error.rest, at: 24)
        message.write(packet.bytes.extracting(0..<quoted), at: 28)
        message.store16(
            InternetChecksum.finish(InternetChecksum.sum(message.bytes.extracting(20..<28 + quoted))), at: 22)
        message.writeIPv4(
            source: source, destination: fields.source, ipProtocol: .icmpv4, timeToLive: settings.timeToLive,
            typeOfService: 0xC0, identification: nextIdentification())
        ledger.created &+= 1
        counters.icmpErrorsSent &+= 1
        sendIPv4(message, by: path)
    }

    private func speaker(_ arrival: SlotID?, to destination: IPv4Address, by path: OutputPath<IPv4Address>)
        -> IPv4Address?
    {
        guard let arrival, arrival != loopback || path.isLocal, let address = ports[arrival].primaryAddress else {
            return sourceAddress(for: destination, by: path)
        }
        return address
    }

    private mutating func mayAnswerWithError(_ packet: borrowing Packet, _ fields: IPv4Fields) -> Bool {
        let flags = packet.metadata.flags
        guard flags.isDisjoint(with: [.linkBroadcast, .linkMulticast, .ipBroadcast, .ipMulticast]) else { return false }
        guard fields.fragmentOffset == 0, fields.source.isValidSource || fields.source.isLoopback else { return false }
        guard !fields.source.isThisNetwork, !fields.destination.isMulticast else { return false }
        // Options are judged before the destination is looked up and the packet marked.
        guard fields.destination != .limitedBroadcast, local.kind(of: fields.destination) != .subnetBroadcast else {
            return false
        }
        guard fields.ipProtocol == .icmpv4 else { return true }
        guard packet.count > fields.headerByteCount else { return false }
        // Of the ICMP types only the queries may be answered with an error.
        switch packet.bytes.uint8(at: fields.headerByteCount) {
        case 0, 8, 9, 10, 13, 14, 15, 16, 17, 18: return true
        default: return false
        }
    }
}

extension Packet {
    /// Writes a 20-byte IPv4 header for the whole packet at the front, checksum included.
    mutating func writeIPv4(
        source: IPv4Address, destination: IPv4Address, ipProtocol: IPProtocol, timeToLive: UInt8,
        typeOfService: UInt8 = 0, identification: UInt16, dontFragment: Bool = false
    ) {
        store16(0x4500 | UInt16(typeOfService), at: 0)
        store16(UInt16(truncatingIfNeeded: count), at: 2)
        store16(identification, at: 4)
        store16(dontFragment ? 0x4000 : 0, at: 6)
        store16(UInt16(timeToLive) << 8 | UInt16(ipProtocol.rawValue), at: 8)
        store32(source.bits, at: 12)
        store32(destination.bits, at: 16)
        storeIPv4HeaderChecksum(headerByteCount: 20)
    }
}
