import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// An ARP frame arrived, its Ethernet header still on.
    mutating func arpArrived(_ frame: consuming Packet, _ port: SlotID) {
        let drop = arp.payloadArrived(
            frame.bytes.extracting(14..<frame.count), on: ports[port].index.rawValue, at: now, using: &random,
            output: &arpOutput)
        if let drop { self.drop(frame, drop.reason) } else { consume(frame) }
        settleNeighbors()
    }

    /// Sends a packet to a neighbour whose link address is not at hand: asks, waits, or gives up.
    mutating func resolveAndSend(_ packet: consuming Packet, to nextHop: IPv4Address, _ port: SlotID) {
        let answer = arp.resolve(
            nextHop, on: ports[port].index.rawValue, at: now, using: &random, output: &arpOutput)
        switch answer {
        case .send(let mac, let handle):
            ports[port].lastHop = nextHop
            ports[port].lastHandle = handle
            sendFrame(packet, to: mac, port)
        case .hold(let handle):
            arp.hold(packet, for: handle, output: &arpOutput)
        case .refused(let refusal):
            refuse(packet, refusal)
        }
        settleNeighbors()
    }

    /// Does what ARP wants done: sends its messages and the packets that waited, buries those nobody answered for.
    ///
    /// A packet sent on the way may ask ARP for more; the call that is under way does that too, so that
    /// each run finds its own packets at the front of the queue.
    mutating func settleNeighbors() {
        guard !isSettling else { return }
        isSettling = true
        defer { isSettling = false }
        var budget = 65_536
        while !arpOutput.isEmpty, budget > 0 {
            budget -= 1
            if let message = arpOutput.messages.next() { send(message) }
            if let run = arpOutput.neighbors.runs.next() { settle(run) }
            if let event = arpOutput.addresses.next() { settle(event) }
            if let event = arpOutput.neighbors.events.next() { report(event) }
        }
    }

    private mutating func settle(_ run: NeighborRun<IPv4Address>) {
        let port = ports.position(of: InterfaceIndex(rawValue: run.interface))
        for _ in 0..<run.count {
            let packet = arpOutput.neighbors.packets.removeFirst()
            switch run.fate {
            case .send(let mac):
                if let port { sendFrame(packet, to: mac, port) } else { drop(packet, .interfaceGone) }
            case .drop(let refusal): refuse(packet, refusal)
            }
        }
    }

    /// A packet whose next hop cannot be reached; its sender is told (RFC 1122 §3.3.1.4, RFC 1812 §4.3.3.1).
    mutating func refuse(_ packet: consuming Packet, _ refusal: NeighborRefusal) {
        if refusal == .unreachable { sendICMPError(.hostUnreachable, about: packet) }
        drop(packet, refusal.reason)
    }

    private mutating func send(_ transmission: ARPTransmission) {
        guard let port = ports.position(of: InterfaceIndex(rawValue: transmission.interface)),
            var packet = pool.allocate(byteCount: ARPMessage.byteCount)
        else { return }
        packet.writeARP(transmission.message)
        ledger.created &+= 1
        sendFrame(packet, to: transmission.destination, port, etherType: EtherType.arp.rawValue)
    }

    /// An address of ours became usable, or is another host's (RFC 5227).
    private mutating func settle(_ event: OwnAddressEvent) {
        guard let port = ports.position(of: InterfaceIndex(rawValue: event.interface)),
            let position = ports[port].addresses.firstIndex(where: { $0.address == event.address })
        else { return }
        switch event.kind {
        case .usable: ports[port].addresses[position].state = .usable
        case .conflict, .lost: ports[port].addresses[position].state = .conflicted
        case .defended: return
        }
        rebuildLocal()
        dhcpAddressProved(event.address, isFree: event.kind == .usable, port)
    }

    /// A neighbour moved or fell silent: what is remembered about it is looked up anew.
    private mutating func report(_ event: NeighborEvent<IPv4Address>) {
        guard let port = ports.position(of: InterfaceIndex(rawValue: event.interface)) else { return }
        if ports[port].lastHop == event.address { ports[port].lastHandle = .none }
    }

    mutating func neighborTimersFired() {
        arp.timerFired(at: now, using: &random, output: &arpOutput)
        settleNeighbors()
    }
}

extension Packet {
    mutating func writeARP(_ message: ARPMessage) {
        var span = mutableBytes
        _ = message.write(into: &span)
    }
}

extension ARPDrop {
    var reason: DropReason {
        switch self {
        case .truncated, .hardwareType, .protocolType, .addressLengths, .operation: .arpMalformed
        case .unknownInterface: .interfaceGone
        case .badSenderMAC, .looped, .badSenderAddress: .arpBadSender
        case .conflicting: .arpConflict
        case .offLink: .arpOffLink
        case .notForUs: .arpNotForUs
        case .unsolicited, .contradictory: .arpUnsolicited
        case .permanentEntry: .arpPermanent
        case .rateLimited: .arpRateLimited
        }
    }
}

extension NeighborRefusal {
    var reason: DropReason {
        switch self {
        case .unreachable: .neighborUnresolved
        case .queueFull, .bytesFull: .neighborQueueFull
        case .tableFull: .neighborTableFull
        case .removed, .unknownInterface: .interfaceGone
        case .noSource: .noSourceAddress
        case .notHost: .destinationAddressInvalid
        }
    }
}
