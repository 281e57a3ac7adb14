import ChimneyAddressing
import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import ChimneyTCP

/// What a stack's snapshots look like on the control socket.
extension InterfaceReport {
    init(_ snapshot: InterfaceSnapshot, device: String?, isGone: Bool, at now: Instant) {
        self.init(
            name: snapshot.name, index: Int(snapshot.index.rawValue), kind: snapshot.kind.rawValue,
            state: isGone ? "gone" : snapshot.isUp ? "up" : "down", mtu: snapshot.mtu)
        self.device = device
        mac = snapshot.kind == .ethernet ? "\(snapshot.mac)" : nil
        fib = snapshot.fib
        capabilities = Self.names(of: snapshot.capabilities)
        addresses = snapshot.addresses.map {
            AddressReport(
                address: "\($0.address)", prefixLength: $0.prefixLength, broadcast: $0.broadcast.map { "\($0)" },
                state: $0.state.rawValue)
        }
        addresses += snapshot.ipv6Addresses.map { AddressReport($0, at: now) }
        ipv6 = snapshot.ipv6.rawValue
        receivedPackets = snapshot.counters.receivedPackets
        receivedBytes = snapshot.counters.receivedBytes
        transmittedPackets = snapshot.counters.transmittedPackets
        transmittedBytes = snapshot.counters.transmittedBytes
        transmitDrops = snapshot.counters.transmitDrops
        transmitQueueCount = snapshot.transmitQueueCount
    }

    /// Takes in how far the DHCP client has come, and for how long its address is ours.
    mutating func take(_ state: DHCPState?, _ lease: DHCPLease?, at now: Instant) {
        dhcp = state?.rawValue
        guard let lease, let position = addresses.firstIndex(where: { $0.address == "\(lease.address)" }) else {
            return
        }
        addresses[position].origin = "dhcp"
        guard lease.expiresAt != .never else { return }
        addresses[position].validSeconds = max(0, (lease.expiresAt - now).seconds)
    }

    private static func names(of capabilities: LinkCapabilities) -> [String] {
        let known: [(LinkCapabilities, String)] = [
            (.transmitChecksum4, "txcsum4"), (.transmitChecksum6, "txcsum6"), (.receiveChecksum4, "rxcsum4"),
            (.receiveChecksum6, "rxcsum6"), (.segmentation4, "tso4"), (.segmentation6, "tso6"),
            (.segmentationUDP, "uso"), (.largeReceive, "lro"), (.vlan, "vlan"),
        ]
        return known.filter { capabilities.contains($0.0) }.map(\.1)
    }
}

extension AddressReport {
    init(_ address: IPv6InterfaceAddress, at now: Instant) {
        let isDeprecated = address.state == .usable && address.isDeprecated
        self.init(
            address: "\(address.address)", prefixLength: address.prefixLength,
            state: isDeprecated ? "deprecated" : address.state.rawValue, origin: address.origin.rawValue,
            preferredSeconds: address.preferredUntil.map { max(0, ($0 - now).seconds) },
            validSeconds: address.validUntil.map { max(0, ($0 - now).seconds) })
    }
}

extension RouteReport {
    init<Address: StackFamily>(_ listing: RouteListing<Address>, fib: Int, interfaceNames: [UInt32: String]) {
        let hop = listing.route.nextHop
        self.init(
            destination: "\(listing.route.prefix)", gateway: hop.gateway.map { "\($0)" },
            interface: hop.interface == 0 ? nil : interfaceNames[hop.interface] ?? "#\(hop.interface)",
            metric: Int(listing.route.metric), kind: Self.name(of: hop.kind),
            origin: "\(listing.route.origin)", fib: fib, isUsable: listing.isActive)
    }

    private static func name(of kind: RouteKind) -> String {
        switch kind {
        case .connected: "connected"
        case .gateway: "gateway"
        case .local: "local"
        case .broadcast: "broadcast"
        case .blackhole: "blackhole"
        case .unreachable: "reject"
        case .prohibited: "prohibit"
        }
    }
}

extension SocketReport {
    init(_ snapshot: SocketSnapshot, interfaceNames: [UInt32: String]) {
        let hasPeer = snapshot.remote.port != 0
        self.init(
            transport: "udp", local: Self.text(of: snapshot.local, interfaceNames),
            remote: hasPeer ? Self.text(of: snapshot.remote, interfaceNames) : nil)
        fib = snapshot.fib
        queuedPackets = snapshot.queuedPackets
        queuedBytes = snapshot.queuedBytes
        received = snapshot.received
        sent = snapshot.sent
        dropped = snapshot.dropped
    }

    init(_ snapshot: TCPListenerSnapshot, interfaceNames: [UInt32: String]) {
        self.init(transport: "tcp", local: Self.text(of: snapshot.local, interfaceNames), remote: nil)
        fib = snapshot.fib
        listener = TCPListenerReport(
            waiting: snapshot.waiting, backlogMax: snapshot.backlogMax, accepted: snapshot.accepted,
            overflows: snapshot.overflows)
    }

    init(_ snapshot: TCPConnectionSnapshot, interfaceNames: [UInt32: String]) {
        self.init(
            transport: "tcp", local: Self.text(of: snapshot.local, interfaceNames),
            remote: Self.text(of: snapshot.remote, interfaceNames))
        fib = snapshot.fib
        connection = TCPConnectionReport(snapshot)
    }

    private static func text(of endpoint: Endpoint, _ interfaceNames: [UInt32: String]) -> String {
        guard let zone = interfaceNames[endpoint.zone] else { return "\(endpoint)" }
        return "[\(endpoint.address)%\(zone)]:\(endpoint.port)"
    }
}

extension TCPConnectionReport {
    init(_ snapshot: TCPConnectionSnapshot) {
        let tcp = snapshot.tcp
        self.init(
            number: snapshot.id.number, state: tcp.state.standardName, reasonItIsOpen: snapshot.reasonItIsOpen)
        hasOwner = snapshot.hasOwner
        failure = tcp.failure.map { "\($0)" }
        receiveQueueBytes = tcp.receiveQueueBytes
        sendQueueBytes = tcp.sendQueueBytes
        outstandingBytes = tcp.outstandingBytes
        outOfOrderBytes = tcp.reassemblyBytes
        peerWindow = tcp.peerWindow
        receiveWindow = tcp.receiveWindow
        segmentSize = tcp.segmentSize
        isSigned = snapshot.isSigned
        pathMTU = snapshot.pathMTU
        congestionControl = snapshot.recovery.algorithm
        recovery = snapshot.recovery.phase.rawValue
        congestionWindow = tcp.congestionWindow
        // A threshold that was never set is beyond every window.
        slowStartThreshold = tcp.slowStartThreshold < 1 << 30 ? tcp.slowStartThreshold : nil
        roundTripMilliseconds = tcp.smoothedRoundTrip.map { $0.seconds * 1_000 }
        roundTripVariationMilliseconds = tcp.roundTripVariation.seconds * 1_000
        retransmissionTimeoutMilliseconds = tcp.retransmissionTimeout.seconds * 1_000
        retransmissions = UInt64(snapshot.recoveryCounters.retransmissions)
        timeouts = UInt64(snapshot.recoveryCounters.timeouts)
        timers = tcp.timers.map { Timer(kind: $0.kind.rawValue, secondsLeft: max(0, $0.left.seconds)) }
    }
}

extension StatisticsReport {
    private static func counters(of tcp: TCPStackSnapshot) -> [Counter] {
        let counted = tcp.counters
        return [
            Counter("tcpConnections", UInt64(tcp.connections), "TCP connections there are"),
            Counter("tcpListeners", UInt64(tcp.listeners), "TCP listeners there are"),
            Counter("tcpHalfOpen", UInt64(tcp.halfOpen), "TCP connections whose handshake is not complete"),
            Counter("tcpTimeWait", UInt64(tcp.timeWait), "TCP connections in TIME-WAIT"),
            Counter("tcpTimeWaitEvicted", tcp.timeWaitEvicted, "connections that left TIME-WAIT early, at the bound"),
            Counter("tcpReassemblyBytes", UInt64(tcp.reassemblyBytes), "bytes of memory for data out of order"),
            Counter("tcpReceived", counted.received, "TCP segments that passed their checksum"),
            Counter("tcpSent", counted.sent, "TCP segments sent"),
            Counter("tcpUnsent", counted.unsent, "TCP segments for which there was no buffer"),
            Counter("tcpOpened", counted.opened, "TCP connections begun from here"),
            Counter("tcpAccepted", counted.accepted, "TCP connections that listeners took"),
            Counter("tcpClosed", counted.closed, "TCP connections that ended"),
            Counter("tcpFailed", counted.failed, "those of them that failed"),
            Counter("tcpResetsSent", counted.resetsSent, "RSTs in answer to segments of no connection"),
            Counter("tcpResetsSuppressed", counted.resetsSuppressed, "RSTs held back by the rate limit"),
            Counter("tcpSignatureKeys", UInt64(tcp.signatureKeys), "prefixes of peers with a key for signatures"),
            Counter("tcpSignaturesSent", counted.signaturesSent, "TCP segments sent with a signature"),
            Counter("tcpSignaturesVerified", counted.signaturesVerified, "TCP segments whose signature was right"),
            Counter("tcpChallengesRefused", tcp.challengesRefused, "challenge ACKs held back by their limit"),
        ]
    }

    init(ledger: Ledger, counters: StackCounters, tcp: TCPStackSnapshot, conservation: Conservation) {
        self.init(
            ledger: [
                Counter("received", ledger.received, "packets that drivers handed in"),
                Counter("created", ledger.created, "packets made here"),
                Counter("transmitted", ledger.transmitted, "packets handed to drivers"),
                Counter("forwarded", ledger.forwarded, "received packets that were routed on"),
                Counter("delivered", ledger.delivered, "packets put into a socket's queue"),
                Counter("consumed", ledger.consumed, "packets that a protocol of this stack took in"),
                Counter("dropped", ledger.dropped, "packets that died, for the reasons below"),
            ],
            drops: ledger.dropsByReason.map { Counter("\($0.reason)", $0.count, $0.reason.explanation) },
            counters: [
                Counter("icmpReceived", counters.icmpReceived, "ICMP messages that passed their checksum"),
                Counter("icmpEchoesAnswered", counters.icmpEchoesAnswered, "echo and timestamp requests answered"),
                Counter("icmpErrorsSent", counters.icmpErrorsSent, "ICMP errors sent"),
                Counter(
                    "icmpErrorsSuppressed", counters.icmpErrorsSuppressed, "ICMP errors held back by the rate limit"),
                Counter(
                    "membershipMessagesUnsent", counters.membershipMessagesUnsent,
                    "reports about groups for which there was no buffer"),
                Counter(
                    "multicastCopiesMissed", counters.multicastCopiesMissed,
                    "copies for further receivers for which there was no buffer"),
            ] + Self.counters(of: tcp),
            held: conservation.heldByLedger, isConserved: conservation.isKept)
    }
}

extension DropReport {
    init(_ record: DropRecord, at now: Instant, interfaceNames: [UInt32: String]) {
        let hasAddresses = !record.destination.isAny || !record.source.isAny
        self.init(
            secondsAgo: (now - record.at).seconds, reason: "\(record.reason)", explanation: record.reason.explanation,
            interface: record.interface == 0 ? nil : interfaceNames[record.interface] ?? "#\(record.interface)",
            source: hasAddresses ? "\(record.source)" : nil, destination: hasAddresses ? "\(record.destination)" : nil,
            ipProtocol: Int(record.ipProtocol), sourcePort: Int(record.sourcePort),
            destinationPort: Int(record.destinationPort))
    }
}

extension ExplanationReport {
    init(_ explanation: Explanation, at now: Instant, interfaceNames: [UInt32: String]) {
        let (verdict, reason, summary) = Self.words(of: explanation.verdict)
        self.init(
            steps: explanation.steps.map { Step(place: $0.place, finding: $0.finding) }, verdict: verdict,
            reason: reason, summary: summary,
            recentDrops: explanation.recentDrops.map { DropReport($0, at: now, interfaceNames: interfaceNames) })
    }

    private static func words(of verdict: Explanation.Verdict) -> (String, String?, String) {
        switch verdict {
        case .delivered(let to): ("delivered", nil, "delivered to \(to)")
        case .sent(let interface, let hop): ("sent", nil, "sent by \(interface) to \(hop)")
        case .waiting(let hop):
            ("waiting", nil, "waits until \(hop) answers \(hop.isIPv4 ? "ARP" : "neighbour discovery")")
        case .dropped(let reason): ("dropped", "\(reason)", "dropped: \(reason.explanation)")
        }
    }
}
