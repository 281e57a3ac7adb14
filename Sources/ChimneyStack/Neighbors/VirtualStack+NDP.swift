import ChimneyAddressing
import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyWire

extension VirtualStack {
    /// A message of neighbour or router discovery arrived, its checksum found right (RFC 4861).
    mutating func discoveryArrived(_ packet: consuming Packet, _ fields: IPv6Fields, _ port: SlotID) {
        guard ports[port].kind == .ethernet else { return drop(packet, .ndpNotForUs) }
        // What came in fragments could come from anybody (RFC 6980 §5).
        guard !packet.metadata.flags.contains(.reassembled) else { return drop(packet, .ndpMalformed) }
        let reason = judge(packet, fields, port)
        if let reason { drop(packet, reason) } else { consume(packet) }
        settleDiscovery()
    }

    /// Hands a message to its engine: why it was of no use, or `nil`.
    private mutating func judge(_ packet: borrowing Packet, _ fields: IPv6Fields, _ port: SlotID) -> DropReason? {
        let message = packet.bytes.extracting(fields.transportOffset..<packet.count)
        switch ICMPv6Type(rawValue: message.uint8(at: 0)) {
        case .routerAdvertisement: return advertisementArrived(message, fields, port)
        case .routerSolicitation: return solicitationArrived(message, fields, port)
        default:
            let drop = ndp.neighborDiscoveryArrived(
                message, source: fields.source, destination: fields.destination, hopLimit: fields.hopLimit,
                on: ports[port].index.rawValue, at: now, using: &random, output: &ndpOutput)
            return drop?.reason
        }
    }

    /// Sends a packet to a neighbour whose link address is not at hand: asks, waits, or gives up.
    mutating func resolveAndSend(_ packet: consuming Packet, to nextHop: IPv6Address, _ port: SlotID) {
        let source = IPv6Address(high: packet.bytes.uint64(at: 8), low: packet.bytes.uint64(at: 16))
        let answer = ndp.resolve(
            nextHop, on: ports[port].index.rawValue, from: source, at: now, using: &random, output: &ndpOutput)
        switch answer {
        case .send(let mac, let handle):
            ports[port].lastIPv6Hop = nextHop
            ports[port].lastIPv6Handle = handle
            sendFrame(packet, to: mac, port, etherType: EtherType.ipv6.rawValue)
        case .hold(let handle):
            ndp.hold(packet, for: handle, output: &ndpOutput)
        case .refused(let refusal):
            refuse(packet, refusal)
        }
        settleDiscovery()
    }

    /// Does what the engines of discovery want done: sends their messages and the packets that waited, buries those
    /// nobody answered for, and takes what they have learned.
    ///
    /// A packet sent on the way may ask for more; the call that is under way does that too, so that each run finds
    /// its own packets at the front of the queue.
    mutating func settleDiscovery() {
        guard !isSettlingDiscovery, hasDiscoveryOutput else { return }
        isSettlingDiscovery = true
        defer {
            isSettlingDiscovery = false
            rescheduleAddressing()
        }
        var budget = 65_536
        while hasDiscoveryOutput, budget > 0 {
            budget -= 1
            if let message = ndpOutput.messages.next() { send(message) }
            if let run = ndpOutput.neighbors.runs.next() { settle(run) }
            if let event = ndpOutput.addresses.next() { settle(event) }
            if let event = ndpOutput.neighbors.events.next() { report(event) }
            if let event = ndpOutput.routers.next() { settle(event) }
            if let redirection = ndpOutput.redirects.next() { settle(redirection) }
            if let message = discoveryOutput.messages.next() { send(message) }
            if let event = discoveryOutput.events.next() { settle(event) }
            if let message = advertiserOutput.messages.next() { send(message) }
            if let host = advertiserOutput.hosts.next() { settle(host) }
        }
    }

    /// Whether an engine of discovery wants something done; for most packets none does.
    private var hasDiscoveryOutput: Bool {
        !ndpOutput.isEmpty || !discoveryOutput.isEmpty || !advertiserOutput.isEmpty
    }

    private mutating func settle(_ run: NeighborRun<IPv6Address>) {
        let port = ports.position(of: InterfaceIndex(rawValue: run.interface))
        for _ in 0..<run.count {
            let packet = ndpOutput.neighbors.packets.removeFirst()
            switch run.fate {
            case .send(let mac):
                if let port {
                    sendFrame(packet, to: mac, port, etherType: EtherType.ipv6.rawValue)
                } else {
                    drop(packet, .interfaceGone)
                }
            case .drop(let refusal): refuse(packet, refusal)
            }
        }
    }

    private mutating func send(_ transmission: NDPTransmission) {
        send(
            transmission.message, on: transmission.interface, from: transmission.source,
            to: transmission.destination, mac: transmission.mac)
    }

    /// Sends a message of discovery, with the hop limit that no router leaves as it is (RFC 4861 §3.1).
    mutating func send(
        _ message: NDPMessage, on interface: UInt32, from source: IPv6Address, to destination: IPv6Address,
        mac: MACAddress?
    ) {
        guard let port = ports.position(of: InterfaceIndex(rawValue: interface)),
            var packet = pool.allocate(byteCount: 40 + message.byteCount)
        else { return }
        packet.writeDiscovery(message, from: source, to: destination)
        ledger.created &+= 1
        if let mac {
            sendFrame(packet, to: mac, port, etherType: EtherType.ipv6.rawValue)
        } else {
            sendToLink(
                packet,
                by: OutputPath(
                    port: port, nextHop: destination, isLocal: false, isLinkGroup: destination.isMulticast,
                    isBroadcast: false))
        }
    }

    /// An address of ours became usable, or is another host's (RFC 4862 §5.4).
    private mutating func settle(_ event: NDPAddressEvent) {
        guard let port = ports.position(of: InterfaceIndex(rawValue: event.interface)),
            let position = ports[port].ipv6Addresses.firstIndex(where: { $0.address == event.address })
        else { return }
        switch event.kind {
        case .optimistic: ports[port].ipv6Addresses[position].state = .optimistic
        case .usable: ports[port].ipv6Addresses[position].state = .usable
        case .duplicate: ports[port].ipv6Addresses[position].state = .duplicate
        case .contested: return
        }
        let isUnique = ports[port].ipv6Addresses[position].state == .usable
        let isKnown = isUnique || ports[port].ipv6Addresses[position].state == .duplicate
        rebuildLocal()
        guard isKnown else { return }
        ports[port].discovery?.addressProved(
            event.address, isUnique: isUnique, at: now, using: &random, output: &discoveryOutput)
        if isUnique, event.address.isLinkLocal { startAdvertising(port) }
    }

    /// A neighbour moved or fell silent: what is remembered about it is looked up anew.
    private mutating func report(_ event: NeighborEvent<IPv6Address>) {
        guard let port = ports.position(of: InterfaceIndex(rawValue: event.interface)) else { return }
        if ports[port].lastIPv6Hop == event.address { ports[port].lastIPv6Handle = .none }
    }

    /// A better first hop is said to exist; it is believed when it comes from the first hop in use (RFC 4861 §8.1).
    private mutating func settle(_ redirection: NDPRedirection) {
        guard settings.acceptsRedirects, !settings.forwarding,
            let port = ports.position(of: InterfaceIndex(rawValue: redirection.interface)),
            let path = try? path(to: redirection.destination, fib: ports[port].fib), path.port == port,
            path.nextHop == redirection.from, installRedirect(redirection, port)
        else { return }
        ndp.linkAddressLearned(
            redirection.target, mac: redirection.mac, isRouter: redirection.isRouter, on: redirection.interface,
            at: now, using: &random, output: &ndpOutput)
    }

    /// Begins to probe an address that the interface has just got.
    mutating func startDetection(_ address: IPv6Address, _ port: SlotID) {
        // The table of the interface has let it in, whose bound discovery shares.
        try? ndp.addAddress(
            address, to: ports[port].index.rawValue, detection: settings.duplicateDetection, at: now, using: &random,
            output: &ndpOutput)
        settleDiscovery()
    }

    mutating func discoveryTimersFired() {
        ndp.timerFired(at: now, using: &random, output: &ndpOutput)
        addressingTimersFired()
        settleDiscovery()
    }

    /// Tells a sender on the same link that a better first hop is there (RFC 4861 §8.2).
    mutating func sendRedirect(
        about packet: borrowing Packet, _ fields: IPv6Fields, _ path: OutputPath<IPv6Address>
    ) {
        let isNeighbor = path.nextHop == fields.destination
        guard settings.sendsRedirects, isNeighbor || path.nextHop.isLinkLocal,
            let source = ports[path.port].linkLocalAddress,
            let back = try? self.path(to: fields.source, fib: ports[path.port].fib), back.port == path.port,
            back.nextHop == fields.source, icmpLimit.admits(at: now)
        else { return }
        let isAtHand = ports[path.port].lastIPv6Hop == path.nextHop
        let mac = isAtHand ? ndp.resolved(ports[path.port].lastIPv6Handle, at: now) : nil
        let redirect = NDPRedirect(target: path.nextHop, destination: fields.destination, targetMAC: mac)
        guard var message = pool.allocate(byteCount: 40 + redirect.byteCount(quoting: packet.count)) else { return }
        message.writeRedirect(redirect, from: source, to: fields.source, quoting: packet.bytes)
        ledger.created &+= 1
        counters.icmpErrorsSent &+= 1
        sendToLink(message, by: back)
    }
}

extension Packet {
    fileprivate mutating func writeDiscovery(
        _ message: NDPMessage, from source: IPv6Address, to destination: IPv6Address
    ) {
        writeIPv6(source: source, destination: destination, nextHeader: .icmpv6, hopLimit: NDPMessage.hopLimit)
        var span = mutableBytes
        message.write(into: &span, at: 40, source: source, destination: destination)
    }

    fileprivate mutating func writeRedirect(
        _ redirect: NDPRedirect, from source: IPv6Address, to destination: IPv6Address, quoting packet: RawSpan
    ) {
        writeIPv6(source: source, destination: destination, nextHeader: .icmpv6, hopLimit: NDPMessage.hopLimit)
        var span = mutableBytes
        redirect.write(into: &span, at: 40, source: source, destination: destination, quoting: packet)
    }
}

extension NDPDrop {
    var reason: DropReason {
        switch self {
        case .truncated, .otherType, .code, .optionWithoutLength, .optionTruncated, .tooManyOptions: .ndpMalformed
        case .unknownInterface: .interfaceGone
        case .hopLimit: .ndpHopLimit
        case .badSource, .badLinkAddress: .ndpBadSource
        case .badDestination, .badTarget: .ndpBadTarget
        case .looped: .ndpLooped
        case .conflicting: .ndpConflict
        case .notForUs: .ndpNotForUs
        case .unsolicited, .contradictory: .ndpUnsolicited
        case .permanentEntry: .ndpPermanent
        case .rateLimited: .ndpRateLimited
        }
    }
}
