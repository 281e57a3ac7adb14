import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyWire

/// Joins and leaves a group as its settings say, and notes what it gets of which flow.
final class GroupReceiver: LabApplication {
    let reception: GroupReception
    private unowned let lab: Lab
    private let socket: SocketID
    private var next = 0

    private var settings: GroupSettings { reception.settings }

    init(reception: GroupReception, lab: Lab, socket: SocketID) {
        self.reception = reception
        self.lab = lab
        self.socket = socket
    }

    var deadline: Instant? { next < settings.wishes.count ? .zero + settings.wishes[next].at : nil }

    func started(on node: LabNode, at now: Instant) { timerFired(on: node, at: now) }

    func timerFired(on node: LabNode, at now: Instant) {
        while let due = deadline, due <= now {
            let wish = settings.wishes[next].filter
            next += 1
            do {
                try node.stack.setFilter(
                    wish, of: settings.group, on: .index(reception.interface), as: .socket(socket), at: now)
                reception.filter = wish
            } catch {
                reception.refusals.append("\(wish): \(error)")
            }
        }
    }

    func becameReadable(_ socket: SocketID, on node: LabNode, at now: Instant) {
        _ = node.stack.takeError(socket)
        while node.stack.receivableCount(socket) > 0 {
            let datagram = node.stack.receive(socket)
            guard let found = FlowPayload.read(datagram.bytes), found.flow < UInt32(lab.flows.count) else {
                reception.damaged += 1
                continue
            }
            let flow = lab.flows[Int(found.flow)]
            let source = datagram.source.address
            let isWanted = flow.destination == settings.group && reception.filter.admits(source)
            let isDue = isWanted && !node.hasAddress(source) && flow.isWhole(datagram.count, on: node, reception)
            let order = lab.flows[Int(found.flow)].window.arrived(found.sequence)
            reception.change(Int(found.flow)) { arrivals in
                if !isWanted { arrivals.wrong += 1 }
                if isDue { arrivals.met += 1 }
                switch arrivals.window.arrived(found.sequence) {
                case .again: arrivals.duplicated += 1
                case .first: arrivals.received += 1
                case .overtaken, .tooOld:
                    arrivals.received += 1
                    arrivals.reordered += 1
                }
            }
            flow.reached(order, sentAt: found.sentAt, byteCount: datagram.count, at: now)
        }
    }
}

extension FlowRecord {
    /// Whether a datagram with so much data fits in one frame of the interface.
    fileprivate func isWhole(_ byteCount: Int, on node: LabNode, _ reception: GroupReception) -> Bool {
        let headers = destination.isIPv4 ? 28 : 48
        return node.portOfInterface[Int(reception.interface.rawValue)].map {
            byteCount + headers <= $0.settings.mtu
        } ?? false
    }
}

extension Lab {
    /// Puts a receiver of a group on a node; it begins with its first wish once the lab runs.
    ///
    /// - Throws: ``LabError``; nothing is joined.
    @discardableResult
    public func receive(_ settings: GroupSettings) throws(LabError) -> GroupReception {
        guard receptions.count < limits.flowsMax else { throw .tooMany(what: "receivers", max: limits.flowsMax) }
        guard !receptions.contains(where: { $0.name == settings.name }) else { throw .nameInUse(settings.name) }
        guard settings.group.isMulticast else { throw .addressMalformed("\(settings.group)") }
        let node = try node(settings.node)
        let interface = try groupInterface(of: node, settings.interface, for: settings.group)
        let socket: SocketID
        do { socket = try node.stack.openUDP() } catch { throw .socket("\(error)") }
        var options = UDPOptions()
        options.sharesAddress = true
        options.onlyIPv6 = true
        node.stack.setOptions(options, of: socket)
        do {
            let any = settings.group.isIPv4 ? IPAddress.v4(.any) : .v6(.any)
            try node.stack.bind(socket, to: Endpoint(any, settings.port))
        } catch {
            node.stack.close(socket)
            throw .socket("\(error)")
        }
        var ordered = settings
        ordered.wishes.sort { $0.at < $1.at }
        let reception = GroupReception(settings: ordered, interface: interface)
        let receiver = GroupReceiver(reception: reception, lab: self, socket: socket)
        node.readers[socket] = applications.count
        node.receivers.append(receiver)
        run(receiver, on: node)
        receptions.append(reception)
        return reception
    }

    /// The interface of a node on which a group is meant.
    func groupInterface(of node: LabNode, _ name: String?, for group: IPAddress) throws(LabError) -> InterfaceIndex {
        if let name {
            guard let interface = node.stack.interface(named: name) else {
                throw .noSuchInterface(node: node.name, interface: name)
            }
            return interface
        }
        guard let place = node.attachments.first(where: { $0.address.isIPv4 == group.isIPv4 }) else {
            throw .noAddress(node: node.name)
        }
        return place.interface
    }

    /// A frame is about to reach a node: who there wants what it carries has to get it.
    ///
    /// What a fault damaged is not due, and neither is what comes in fragments.
    func noteDue(_ frame: borrowing Packet, at port: LinkPort) {
        guard case .interface(let node, _) = port.end, !node.receivers.isEmpty else { return }
        guard let view = try? EthernetView(frame.bytes), let found = GroupDatagram(view) else { return }
        guard Int(found.flow) < flows.count, !node.hasAddress(found.source) else { return }
        for receiver in node.receivers {
            let reception = receiver.reception
            guard reception.settings.group == found.group, reception.settings.port == found.port else { continue }
            guard node.portOfInterface[Int(reception.interface.rawValue)] === port else { continue }
            guard reception.filter.admits(found.source) else { continue }
            let isUp = node.stack.interfaces.contains { $0.index == reception.interface && $0.isUp }
            guard isUp else { continue }
            reception.change(Int(found.flow)) { $0.due += 1 }
        }
    }

    func checkGroupDelivery(_ violations: inout [LabViolation]) {
        for reception in receptions {
            let place = "receiver \(reception.name)"
            for arrivals in reception.arrivals {
                let flow = flows[arrivals.flow].name
                if arrivals.wrong > 0 {
                    violations.append(
                        .init(place: place, finding: "\(arrivals.wrong) datagrams of \(flow) that it did not ask for"))
                }
                if arrivals.met != arrivals.due {
                    let finding = "\(arrivals.met) datagrams of \(flow), while \(arrivals.due) came that it wants"
                    violations.append(.init(place: place, finding: finding))
                }
            }
            for refusal in reception.refusals {
                violations.append(.init(place: place, finding: "the stack refuses \(refusal)"))
            }
        }
    }
}

/// A whole datagram of a flow to a group, as a frame carries it.
private struct GroupDatagram {
    let source: IPAddress
    let group: IPAddress
    let port: UInt16
    let flow: UInt32

    /// Nil for anything else, and for what was damaged on the way.
    init?(_ frame: borrowing EthernetView) {
        if frame.etherType == .ipv4 {
            guard let packet = try? IPv4View(frame.payload), packet.isChecksumValid, !packet.isFragment,
                packet.protocol == .udp, packet.destination.isMulticast,
                frame.destination == MACAddress(group: packet.destination), let udp = try? UDPView(packet.payload),
                udp.isChecksumValid(from: packet.source, to: packet.destination)
            else { return nil }
            (source, group) = (.v4(packet.source), .v4(packet.destination))
            port = udp.destinationPort
            guard let found = FlowPayload.read(udp.payload) else { return nil }
            flow = found.flow
        } else {
            guard frame.etherType == .ipv6, let packet = try? IPv6View(frame.payload), packet.nextHeader == .udp,
                packet.destination.isMulticast, frame.destination == MACAddress(group: packet.destination),
                let udp = try? UDPView(packet.payload), udp.length == packet.payloadByteCount
            else { return nil }
            let pseudo = InternetChecksum.pseudoHeader(
                packet.source, packet.destination, protocol: IPProtocol.udp.rawValue, length: udp.length)
            guard InternetChecksum.finish(InternetChecksum.sum(packet.payload, initial: pseudo)) == 0 else {
                return nil
            }
            (source, group) = (.v6(packet.source), .v6(packet.destination))
            port = udp.destinationPort
            guard let found = FlowPayload.read(udp.payload) else { return nil }
            flow = found.flow
        }
    }
}
