import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// Whether a packet to a group passes the link's filter, the interface's membership and a socket's filter, in this order.
    func walkGroup(_ query: FlowQuery, _ port: SlotID, _ way: inout Explanation) -> Explanation.Verdict {
        if ports[port].kind == .ethernet, !walkLinkFilter(query.destination, port, &way) {
            return .dropped(.linkGroupNotJoined)
        }
        let index = ports[port].index.rawValue
        let (source, group) = (query.source ?? (query.destination.isIPv4 ? .v4(.any) : .v6(.any)), query.destination)
        let membership: GroupStanding
        switch (source, group) {
        case (.v4(let source), .v4(let group)):
            membership = ipv4Groups.memberships.standing(
                GroupDatagram(group: group, source: source, interface: index, port: query.destinationPort))
        case (.v6(let source), .v6(let group)):
            membership = ipv6Groups.memberships.standing(
                GroupDatagram(group: group, source: source, interface: index, port: query.destinationPort))
        case (.v4, .v6), (.v6, .v4):
            way.add("header", "\(source) and \(group) are of different families")
            return .dropped(.sourceAddressInvalid)
        }
        let name = interfaceName(ports[port].index)
        guard membership.isJoined else {
            way.add("membership", "\(name) is not in \(group)")
            return .dropped(.multicastNoMember)
        }
        way.add(
            "membership",
            "\(name) is in \(group), \(membership.filter); \(membership.admits ? "admits" : "refuses") \(source)")
        let upper = IPProtocol(rawValue: query.ipProtocol)
        if upper == .udp { return walkReceivers(query, source, membership, &way) }
        if upper == (group.isIPv4 ? .icmpv4 : .icmpv6) { return .delivered(to: "icmp") }
        if group.isIPv4, upper == .igmp { return .delivered(to: "igmp") }
        way.add("protocol", "no protocol of this stack has number \(query.ipProtocol)")
        return .dropped(.protocolUnreachable)
    }

    private func walkLinkFilter(_ group: IPAddress, _ port: SlotID, _ way: inout Explanation) -> Bool {
        let mac: MACAddress
        switch group {
        case .v4(let group): mac = MACAddress(group: group)
        case .v6(let group): mac = MACAddress(group: group)
        }
        let isAdmitted = ports[port].linkGroups.filter.admits(mac)
        let count = ports[port].linkGroups.filter.memberCount(of: mac)
        let why =
            count > 0
            ? "\(count) \(count == 1 ? "group wants" : "groups want") it"
            : isAdmitted ? "all groups or all frames are let in" : "nothing wants it"
        way.add("link filter", "\(mac): \(why)")
        return isAdmitted
    }

    private func walkReceivers(
        _ query: FlowQuery, _ source: IPAddress, _ membership: GroupStanding, _ way: inout Explanation
    ) -> Explanation.Verdict {
        let port = query.destinationPort
        let index = query.arrivesOn?.rawValue ?? 0
        let sender = Endpoint(source, query.sourcePort, zone: source.mapped.isLinkScoped ? index : 0)
        let target = Endpoint(query.destination, port, zone: query.destination.mapped.isLinkScoped ? index : 0)
        let takers = membership.receivers.compactMap { taker($0, sender, target) }
        if membership.members.isEmpty, takers.isEmpty {
            way.add("socket", "no socket that joined the group has port \(port)")
        }
        for member in membership.members where way.steps.count < Self.stepsMax {
            let place = Int(member.socket) - Int(Self.firstSocketNumber)
            guard place >= 0, let id = sockets.first(from: place), Int(id.index) == place else { continue }
            let state = "\(sockets[id].queue.count) of at most \(sockets[id].queuePacketsMax) datagrams wait"
            let verdict = member.admits ? "admits" : "refuses"
            way.add("socket", "\(sockets[id].local), \(member.filter), \(verdict) \(source); \(state)")
        }
        guard !takers.isEmpty else {
            if membership.isRefused { return .dropped(.multicastSourceFiltered) }
            if !membership.members.isEmpty {
                way.add("socket", "bound to another address, or connected to another peer")
            }
            return .dropped(.multicastNoReceiver)
        }
        let open = takers.filter { id in
            sockets[id].queue.byteCount < sockets[id].queueBytesMax
                && sockets[id].queue.count < sockets[id].queuePacketsMax
        }
        guard !open.isEmpty else { return .dropped(.socketBufferFull) }
        return .delivered(to: open.count == 1 ? "udp port \(port)" : "\(open.count) sockets on udp port \(port)")
    }

    /// The most steps of an explanation; further sockets are counted in the verdict alone.
    private static var stepsMax: Int { 64 }
}

/// How an interface and its sockets stand to a datagram to a group.
private struct GroupStanding {
    var isJoined: Bool
    var filter: String
    var admits: Bool
    var members: [(socket: UInt32, filter: String, admits: Bool)]
    /// The sockets that the datagram reaches, and whether another one's filter refuses it.
    var receivers: [UInt32]
    var isRefused: Bool
}

extension HostMemberships {
    fileprivate borrowing func standing(_ datagram: GroupDatagram<Address>) -> GroupStanding {
        let merged = filter(of: datagram.group, on: datagram.interface)
        var walk = receivers(of: datagram)
        var reached: [UInt32] = []
        while let socket = next(&walk) { reached.append(socket) }
        return GroupStanding(
            isJoined: isJoined(datagram.group, on: datagram.interface), filter: merged.sentence,
            admits: merged.admits(datagram.source),
            members: members(of: datagram).map { ($0.socket, $0.filter.sentence, $0.filter.admits(datagram.source)) },
            receivers: reached, isRefused: hasReceiverRefusing(datagram))
    }
}

extension SourceFilter {
    /// The filter in words, its first sources named.
    fileprivate var sentence: String {
        if isAll { return "from any source" }
        let named = sources.prefix(4).map { "\($0)" }.joined(separator: ", ")
        let rest = sources.count > 4 ? " and \(sources.count - 4) more" : ""
        return mode == .include ? "only from \(named)\(rest)" : "from all but \(named)\(rest)"
    }
}
