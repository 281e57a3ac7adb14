import ChimneyLink
import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// An ICMP message for this stack arrived (RFC 792, RFC 1122 §3.2.2).
    mutating func icmpArrived(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        let start = fields.headerByteCount
        guard packet.count >= start + 8 else { return drop(packet, .icmpTruncated) }
        if packet.metadata.checksum != .verified {
            guard InternetChecksum.finish(InternetChecksum.sum(packet.bytes.extracting(start..<packet.count))) == 0
            else {
                return drop(packet, .icmpChecksumBad)
            }
        }
        counters.icmpReceived &+= 1
        switch packet.bytes.uint8(at: start) {
        case 8: echoRequested(packet, fields, port)
        case 0: echoReplied(packet, fields)
        case 3, 4, 5, 11, 12: errorReported(packet, fields, port)
        case 13: timestampRequested(packet, fields, port)
        default: drop(packet, .icmpTypeUnknown)
        }
    }

    /// Answers an echo request in its own buffer (RFC 1122 §3.2.2.6).
    private mutating func echoRequested(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        let isGroup = !packet.metadata.flags.isDisjoint(with: [.ipBroadcast, .ipMulticast])
        guard settings.answersEcho, !isGroup || settings.answersBroadcastEcho else {
            return drop(packet, .icmpEchoIgnored)
        }
        let start = fields.headerByteCount
        let sum = InternetChecksum.update(packet.bytes.uint16(at: start + 2), old: UInt16(0x0800), new: UInt16(0))
        packet.store8(0, at: start)
        // The two zeros of one's complement differ for a message that is all zeros, which needs this one (RFC 1624 §3).
        packet.store16(sum == 0 ? 0xFFFF : sum, at: start + 2)
        answer(packet, fields, isGroup: isGroup, port)
    }

    private mutating func timestampRequested(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        let start = fields.headerByteCount
        guard packet.count >= start + 20 else { return drop(packet, .icmpTruncated) }
        guard packet.metadata.flags.isDisjoint(with: [.ipBroadcast, .ipMulticast]) else {
            return drop(packet, .icmpEchoIgnored)
        }
        // The high bit says that this is not universal time, which a stack without a wall clock cannot give.
        let milliseconds = UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) | 0x8000_0000
        packet.store8(14, at: start)
        packet.store32(milliseconds, at: start + 12)
        packet.store32(milliseconds, at: start + 16)
        packet.store16(0, at: start + 2)
        let sum = InternetChecksum.sum(packet.bytes.extracting(start..<packet.count))
        packet.store16(InternetChecksum.finish(sum), at: start + 2)
        answer(packet, fields, isGroup: false, port)
    }

    /// Turns a request round: addresses swapped, a fresh time to live, record-route options kept.
    private mutating func answer(_ packet: consuming Packet, _ fields: IPv4Fields, isGroup: Bool, _ port: SlotID) {
        let source = isGroup ? ports[port].primaryAddress : fields.destination
        guard let source, let path = try? path(to: fields.source, fib: ports[port].fib),
            path.isLocal || !source.isLoopback
        else { return drop(packet, .noRoute) }
        packet.metadata.flags = []
        packet.metadata.checksum = .unknown
        packet.store32(source.bits, at: 12)
        packet.store32(fields.source.bits, at: 16)
        packet.store8(settings.timeToLive, at: 8)
        packet.store16(nextIdentification(), at: 4)
        packet.store16(0, at: 6)
        packet.storeIPv4HeaderChecksum(headerByteCount: fields.headerByteCount)
        counters.icmpEchoesAnswered &+= 1
        // One packet in, one packet made: the request is consumed and its buffer lives on as the answer.
        ledger.consumed &+= 1
        ledger.created &+= 1
        sendIPv4(packet, by: path)
    }

    /// An error about a packet that this stack is said to have sent.
    private mutating func errorReported(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        let start = fields.headerByteCount
        let type = packet.bytes.uint8(at: start)
        let code = packet.bytes.uint8(at: start + 1)
        let rest = packet.bytes.uint32(at: start + 4)
        guard let quote = Quote(packet.bytes.extracting(start + 8..<packet.count)), local.isOurs(quote.source) else {
            return drop(packet, .icmpQuoteMalformed)
        }
        if type == 5 {
            let gateway = IPv4Address(bits: rest)
            guard redirected(quote.destination, to: gateway, by: fields.source, port) else {
                return drop(packet, .icmpRedirectRefused)
            }
            return consume(packet)
        }
        let peer = Endpoint(quote.destination, quote.destinationPort)
        var mtu = Int(rest & 0xFFFF)
        if quote.ipProtocol == .tcp {
            // A router from before RFC 1191 names no MTU: the next smaller one in use is tried (§7.1).
            if type == 3, code == 4, mtu < 68 { mtu = PathMTUs.plateau(below: quote.totalLength) }
            let flow = IPv6Flow(
                local: IPv6Address(mapped: quote.source), localPort: quote.sourcePort,
                remote: IPv6Address(mapped: quote.destination), remotePort: quote.destinationPort)
            return tcpErrorReported(
                packet, SocketError(type: type, code: code, peer: peer, mtu: mtu), of: flow, sequence: quote.sequence)
        }
        if type == 3, code == 4, mtu >= 68 {
            pathMTUs.learn(mtu, to: IPv6Address(mapped: quote.destination), at: now)
            generation &+= 1
        }
        guard let error = SocketError(type: type, code: code, peer: peer, mtu: mtu) else { return consume(packet) }
        if quote.ipProtocol == .udp, report(error, local: Endpoint(quote.source, quote.sourcePort), peer: peer) {
            return consume(packet)
        }
        if quote.ipProtocol == .icmpv4,
            reportEcho(error, from: .v4(fields.source), identifier: quote.sourcePort, sequence: quote.destinationPort)
        {
            return consume(packet)
        }
        drop(packet, .icmpNoSocket)
    }

    /// Judges a redirect (RFC 1122 §3.2.2.2): from the gateway in use, to a neighbour on the same link.
    private mutating func redirected(
        _ destination: IPv4Address, to gateway: IPv4Address, by sender: IPv4Address, _ port: SlotID
    ) -> Bool {
        guard settings.acceptsRedirects, !settings.forwarding else { return false }
        guard ports[port].isOnLink(gateway), !local.isOurs(gateway), !gateway.isMulticast else { return false }
        guard let path = try? path(to: destination, fib: ports[port].fib), path.port == port,
            path.nextHop == sender, path.nextHop != destination
        else { return false }
        return installRedirect(to: destination, gateway: gateway, port)
    }
}

/// The start of the packet that an ICMP error is about.
struct Quote {
    var source: IPv4Address
    var destination: IPv4Address
    var ipProtocol: IPProtocol
    var sourcePort: UInt16
    var destinationPort: UInt16
    /// The four bytes behind the ports: of TCP the sequence number.
    var sequence: UInt32
    /// The length that the quoted header names.
    var totalLength: Int

    /// Reads the quoted header and the eight bytes behind it (RFC 792); the quote may be cut after those.
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= 28, bytes.uint8(at: 0) >> 4 == 4 else { return nil }
        let headerByteCount = Int(bytes.uint8(at: 0) & 0xF) * 4
        guard headerByteCount >= 20, bytes.byteCount >= headerByteCount + 8 else { return nil }
        source = IPv4Address(bits: bytes.uint32(at: 12))
        destination = IPv4Address(bits: bytes.uint32(at: 16))
        ipProtocol = IPProtocol(rawValue: bytes.uint8(at: 9))
        totalLength = Int(bytes.uint16(at: 2))
        sequence = bytes.uint32(at: headerByteCount + 4)
        if ipProtocol == .icmpv4 {
            // An echo's identifier and sequence number stand behind its checksum.
            sourcePort = bytes.uint16(at: headerByteCount + 4)
            destinationPort = bytes.uint16(at: headerByteCount + 6)
        } else {
            sourcePort = bytes.uint16(at: headerByteCount)
            destinationPort = bytes.uint16(at: headerByteCount + 2)
        }
    }
}

extension SocketError {
    /// What an ICMP error means to the socket that sent the packet (RFC 1122 §4.1.3.3), or `nil` when it means nothing.
    init?(type: UInt8, code: UInt8, peer: Endpoint, mtu: Int) {
        switch (type, code) {
        case (3, 0), (3, 6), (3, 11): self = .networkUnreachable(peer)
        case (3, 2): self = .protocolUnreachable(peer)
        case (3, 3): self = .portUnreachable(peer)
        case (3, 4): self = .messageTooLong(peer, mtu: mtu)
        case (3, 9), (3, 10), (3, 13): self = .prohibited(peer)
        case (3, _): self = .hostUnreachable(peer)
        case (11, _): self = .timeExceeded(peer)
        case (12, _): self = .parameterProblem(peer)
        case (_, _): return nil
        }
    }
}
