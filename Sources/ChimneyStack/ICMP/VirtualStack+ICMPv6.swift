import ChimneyLink
import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// An ICMPv6 message for this stack arrived (RFC 4443).
    mutating func icmpv6Arrived(_ packet: consuming Packet, _ fields: IPv6Fields, _ port: SlotID) {
        let start = fields.transportOffset
        guard packet.count >= start + ICMPv6Message.byteCount else { return drop(packet, .icmpTruncated) }
        if packet.metadata.checksum != .verified {
            let pseudo = fields.pseudoHeader(IPProtocol.icmpv6.rawValue, length: packet.count - start)
            let sum = InternetChecksum.sum(packet.bytes.extracting(start..<packet.count), initial: pseudo)
            guard InternetChecksum.finish(sum) == 0 else { return drop(packet, .icmpChecksumBad) }
        }
        counters.icmpReceived &+= 1
        let type = packet.bytes.uint8(at: start)
        guard let known = ICMPv6Type(rawValue: type) else {
            // Errors of types yet to come still concern whoever sent the packet (RFC 4443 §2.4 a).
            guard ICMPv6Type.isError(type) else { return drop(packet, .icmpTypeUnknown) }
            return errorReported(packet, fields)
        }
        switch known {
        case .echoRequest: echoRequested(packet, fields, port)
        case .echoReply: echoReplied(packet, fields)
        case .destinationUnreachable, .packetTooBig, .timeExceeded, .parameterProblem: errorReported(packet, fields)
        case .routerSolicitation, .routerAdvertisement, .neighborSolicitation, .neighborAdvertisement, .redirect:
            discoveryArrived(packet, fields, port)
        case .multicastListenerQuery, .multicastListenerReport, .multicastListenerDone, .multicastListenerReport2:
            mldArrived(packet, fields, port)
        }
    }

    /// Answers an echo request in its own buffer, its extension headers left out (RFC 4443 §4.2).
    private mutating func echoRequested(_ packet: consuming Packet, _ fields: IPv6Fields, _ port: SlotID) {
        let isGroup = fields.destination.isMulticast
        guard settings.answersEcho, !isGroup || settings.answersBroadcastEcho else {
            return drop(packet, .icmpEchoIgnored)
        }
        // Nobody is at `::`, from which a host without an address may ask a group.
        guard !fields.source.isAny,
            let path = try? path(to: fields.source, zone: packet.metadata.interface, fib: ports[port].fib),
            let source = isGroup ? sourceAddress(for: fields.source, by: path) : fields.destination
        else { return drop(packet, .noRoute) }
        packet.removeFirst(fields.transportOffset - 40)
        packet.answerEcho(asked: fields.destination, answering: source)
        packet.writeIPv6(
            source: source, destination: fields.source, nextHeader: .icmpv6, hopLimit: hopLimit(path.port))
        packet.metadata.flags = []
        packet.metadata.checksum = .unknown
        counters.icmpEchoesAnswered &+= 1
        // One packet in, one packet made: the request is consumed and its buffer lives on as the answer.
        ledger.consumed &+= 1
        ledger.created &+= 1
        sendIPv6(packet, by: path, mtu: mtu(to: fields.source, by: path))
    }

    /// An error about a packet that this stack is said to have sent.
    private mutating func errorReported(_ packet: consuming Packet, _ fields: IPv6Fields) {
        let start = fields.transportOffset
        let type = packet.bytes.uint8(at: start)
        let code = packet.bytes.uint8(at: start + 1)
        let word = packet.bytes.uint32(at: start + 4)
        let interface = packet.metadata.interface
        guard let quote = IPv6Quote(packet.bytes.extracting(start + 8..<packet.count)),
            isOurs(quote.source, zone: interface)
        else { return drop(packet, .icmpQuoteMalformed) }
        if type == ICMPv6Type.packetTooBig.rawValue {
            // No link of IPv6 is narrower, so that a smaller number is an attack or a mistake (RFC 8201 §4).
            guard word >= 1_280 else { return drop(packet, .icmpQuoteMalformed) }
            // What a segment's connection does not believe, nobody learns.
            if quote.upper != .tcp {
                pathMTUs.learn(Int(min(word, 65_535)), to: quote.destination, at: now)
                generation &+= 1
            }
        }
        let zone = quote.destination.isLinkScoped ? interface : 0
        let peer = Endpoint(quote.destination, quote.destinationPort, zone: zone)
        let error = SocketError(icmpv6Type: type, code: code, peer: peer, mtu: Int(min(word, 65_535)))
        if quote.upper == .tcp {
            let hasZone = quote.source.isLinkScoped || quote.destination.isLinkScoped
            let flow = IPv6Flow(
                local: quote.source, localPort: quote.sourcePort, remote: quote.destination,
                remotePort: quote.destinationPort, zone: hasZone ? interface : 0)
            return tcpErrorReported(packet, error, of: flow, sequence: quote.sequence)
        }
        guard let error else { return consume(packet) }
        let own = Endpoint(quote.source, quote.sourcePort, zone: quote.source.isLinkLocal ? interface : 0)
        if quote.upper == .udp, report(error, local: own, peer: peer) { return consume(packet) }
        if quote.upper == .icmpv6,
            reportEcho(
                error, from: .v6(fields.source), identifier: quote.sourcePort, sequence: quote.destinationPort)
        {
            return consume(packet)
        }
        drop(packet, .icmpNoSocket)
    }
}

extension Packet {
    /// Turns the echo request behind the first 40 bytes into its reply.
    fileprivate mutating func answerEcho(asked: IPv6Address, answering: IPv6Address) {
        var span = mutableBytes
        ICMPv6Message.answerEcho(in: &span, at: 40, asked: asked, answering: answering)
    }
}

/// The start of the packet that an ICMPv6 error is about.
struct IPv6Quote {
    var source: IPv6Address
    var destination: IPv6Address
    var upper: IPProtocol
    var sourcePort: UInt16
    var destinationPort: UInt16
    /// The four bytes behind the ports: of TCP the sequence number.
    var sequence: UInt32

    /// Reads the quoted headers and the eight bytes behind them; `nil` where the quote does not reach so far.
    init?(_ bytes: RawSpan) {
        guard let view = try? IPv6View(quoted: bytes) else { return nil }
        var chain = IPv6ExtensionChain(view)
        do { try chain.finish() } catch { return nil }
        guard !chain.isLaterFragment, bytes.byteCount >= chain.offset + 8 else { return nil }
        source = view.source
        destination = view.destination
        upper = chain.upperLayer
        sequence = bytes.uint32(at: chain.offset + 4)
        // An echo's identifier and sequence number stand behind its checksum.
        let ports = upper == .icmpv6 ? chain.offset + 4 : chain.offset
        sourcePort = bytes.uint16(at: ports)
        destinationPort = bytes.uint16(at: ports + 2)
    }
}

extension SocketError {
    /// What an ICMPv6 error means to the socket that sent the packet, or `nil` when it means nothing.
    init?(icmpv6Type type: UInt8, code: UInt8, peer: Endpoint, mtu: Int) {
        switch (type, code) {
        case (1, 0), (1, 6): self = .networkUnreachable(peer)
        case (1, 1), (1, 5): self = .prohibited(peer)
        case (1, 4): self = .portUnreachable(peer)
        case (1, _): self = .hostUnreachable(peer)
        case (2, _): self = .messageTooLong(peer, mtu: mtu)
        case (3, _): self = .timeExceeded(peer)
        case (4, 1): self = .protocolUnreachable(peer)
        case (4, _): self = .parameterProblem(peer)
        case (_, _): return nil
        }
    }
}
