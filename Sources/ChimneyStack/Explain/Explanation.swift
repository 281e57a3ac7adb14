public import ChimneyLink
import ChimneyNeighbors
public import ChimneyPrimitives

/// A packet somebody asks about: what happens to it and why.
public struct FlowQuery: Sendable, Hashable {
    /// The sender; `nil` for a packet of this stack's own, whose source is then chosen.
    public var source: IPAddress?
    /// The destination.
    public var destination: IPAddress
    /// The index of the interface that gives a link-local destination its meaning; 0 for none.
    public var zone: UInt32 = 0
    /// The IP protocol number; 17 is UDP, 6 is TCP.
    public var ipProtocol: UInt8 = 17
    /// The sender's port; 0 matches any in the record of drops.
    public var sourcePort: UInt16 = 0
    /// The destination port; 0 matches any in the record of drops.
    public var destinationPort: UInt16 = 0
    /// The interface it comes in by; `nil` for a packet of this stack's own.
    public var arrivesOn: InterfaceIndex?
    /// Its time to live or hop limit.
    public var timeToLive: UInt8 = 64
    /// Its length in bytes, headers included.
    public var byteCount = 84
    /// Whether it must not be fragmented; of IPv6 no router does.
    public var dontFragment = false
    /// The routing table of the sending socket.
    public var fib = 0

    /// A UDP packet of this stack's own.
    public init(to destination: IPAddress) { self.destination = destination }
}

/// The way of a packet through a stack, step by step, and how it ends.
public struct Explanation: Sendable, Hashable {
    /// One decision on the way.
    public struct Step: Sendable, Hashable {
        /// Which part of the stack decides, in one word: a route, a neighbour, a socket.
        public var place: String
        /// What it finds.
        public var finding: String
    }

    /// How the way ends.
    public enum Verdict: Sendable, Hashable {
        /// A socket or protocol of this stack gets it.
        case delivered(to: String)
        /// It leaves by an interface.
        case sent(interface: String, nextHop: IPAddress)
        /// It waits until its next hop's link address is known.
        case waiting(nextHop: IPAddress)
        /// It dies.
        case dropped(DropReason)
    }

    /// The decisions, in order.
    public internal(set) var steps: [Step] = []
    /// How it ends.
    public internal(set) var verdict: Verdict
    /// Packets of this kind that died lately, oldest first; what tables cannot tell, such as a bad checksum or a lost fragment.
    public internal(set) var recentDrops: [DropRecord] = []
}

extension VirtualStack {
    /// Walks a packet through the tables as they are, changing nothing.
    public func explain(_ query: FlowQuery) -> Explanation {
        var explanation = Explanation(verdict: .dropped(.noRoute))
        explanation.verdict = query.arrivesOn == nil ? walkOutput(query, &explanation) : walkInput(query, &explanation)
        explanation.recentDrops = recentDrops.filter { matches($0, query) }
        return explanation
    }

    private func matches(_ record: DropRecord, _ query: FlowQuery) -> Bool {
        guard record.destination == query.destination, query.source == nil || record.source == query.source else {
            return false
        }
        guard record.ipProtocol == query.ipProtocol || record.ipProtocol == 0 else { return false }
        guard query.sourcePort == 0 || record.sourcePort == 0 || record.sourcePort == query.sourcePort else {
            return false
        }
        return query.destinationPort == 0 || record.destinationPort == 0
            || record.destinationPort == query.destinationPort
    }

    private func walkInput(_ query: FlowQuery, _ way: inout Explanation) -> Explanation.Verdict {
        guard let index = query.arrivesOn, let port = ports.position(of: index) else {
            way.add("interface", "no interface has that index")
            return .dropped(.interfaceGone)
        }
        let name = interfaceName(index)
        guard ports[port].isUp else {
            way.add("interface", "\(name) is down")
            return .dropped(.interfaceDown)
        }
        way.add("interface", "\(name) is up, MTU \(ports[port].mtu)")
        if case .v6 = query.destination, ports[port].ipv6 == .off {
            way.add("interface", "\(name) does not speak IPv6")
            return .dropped(.ipv6Disabled)
        }
        if let source = query.source, !source.isValidSource {
            way.add("header", "\(source) may not be a source on a wire")
            return .dropped(.sourceAddressInvalid)
        }
        if let verdict = walkLocal(query, port, &way) { return verdict }
        if case .v6(let address) = query.destination, address.isLinkLocal {
            way.add("forwarding", "\(address) means something on its own link only")
            return .dropped(.addressNotOurs)
        }
        guard settings.forwarding, ports[port].forwards else {
            let reason: DropReason = settings.forwarding ? .forwardingDisabled : .addressNotOurs
            way.add("forwarding", reason.explanation)
            return .dropped(reason)
        }
        guard query.timeToLive > 1 else {
            way.add("forwarding", "the time to live is \(query.timeToLive) and would reach zero")
            return .dropped(.ttlExpired)
        }
        if case .v6(let source)? = query.source, source.isLinkLocal {
            way.add("forwarding", "\(source) means something on its own link only")
            return .dropped(.beyondScope)
        }
        way.add("forwarding", "this stack forwards; the time to live becomes \(query.timeToLive - 1)")
        return walkRoute(query, fib: ports[port].fib, &way)
    }

    /// Whether the destination is ours, and which socket or protocol takes it; `nil` when it is someone else's.
    private func walkLocal(_ query: FlowQuery, _ port: SlotID, _ way: inout Explanation) -> Explanation.Verdict? {
        let destination = query.destination
        let meaning = meaning(of: destination, port)
        switch meaning {
        case .stranger:
            way.add("address", "\(destination) is not an address of this stack")
            return nil
        case .group: return walkGroup(query, port, &way)
        case .broadcast: way.add("address", "\(destination) is a broadcast address")
        case .unicast: way.add("address", "\(destination) is ours")
        }
        switch query.ipProtocol {
        case destination.isIPv4 ? 1 : 58:
            guard settings.answersEcho else { return .dropped(.icmpEchoIgnored) }
            return .delivered(to: "icmp")
        case 6:
            guard meaning == .unicast else {
                way.add("socket", "a connection has two ends, and none of them is a group or a broadcast address")
                return .dropped(.tcpNotUnicast)
            }
            let target = endpoint(destination, query.destinationPort, on: port)
            let peer = endpoint(query.source ?? .v6(.any), query.sourcePort, on: port)
            return walkTCP(target, from: peer, &way)
        case 17:
            let target = endpoint(destination, query.destinationPort, on: port)
            let peer = endpoint(query.source ?? .v6(.any), query.sourcePort, on: port)
            guard let id = socket(for: target, from: peer) else {
                way.add("socket", "no UDP socket takes port \(query.destinationPort) from \(peer.address)")
                return .dropped(meaning == .broadcast ? .broadcastNoReceiver : .portClosed)
            }
            let state = "\(sockets[id].queue.count) of at most \(sockets[id].queuePacketsMax) datagrams wait"
            way.add("socket", "the socket bound to port \(query.destinationPort); \(state)")
            guard sockets[id].queue.byteCount < sockets[id].queueBytesMax,
                sockets[id].queue.count < sockets[id].queuePacketsMax
            else { return .dropped(.socketBufferFull) }
            return .delivered(to: "udp port \(query.destinationPort)")
        default:
            way.add("protocol", "no protocol of this stack has number \(query.ipProtocol)")
            return .dropped(.protocolUnreachable)
        }
    }

    /// An endpoint as the input path makes it: with the zone where its address needs one.
    private func endpoint(_ address: IPAddress, _ number: UInt16, on port: SlotID) -> Endpoint {
        Endpoint(address, number, zone: address.mapped.isLinkScoped ? ports[port].index.rawValue : 0)
    }

    /// What a destination means to a packet that comes in by an interface.
    private enum Meaning: Equatable {
        case unicast, broadcast, stranger, group
    }

    private func meaning(of destination: IPAddress, _ port: SlotID) -> Meaning {
        switch destination {
        case .v4(let address):
            if address.isMulticast { return .group }
            if address == .limitedBroadcast || ports[port].isSubnetBroadcast(address) { return .broadcast }
            return local.isOurs(address) ? .unicast : .stranger
        case .v6(let address):
            if address.isMulticast { return .group }
            let isOurs = address.isLinkLocal ? ports[port].owns(address) : ipv6Local.isOurs(address)
            return isOurs ? .unicast : .stranger
        }
    }

    private func walkOutput(_ query: FlowQuery, _ way: inout Explanation) -> Explanation.Verdict {
        if let port = ownInterface(of: query.destination, zone: query.zone) {
            way.add("address", "\(query.destination) is ours, so the packet is looped back")
            var looped = query
            looped.arrivesOn = ports[port].index
            if looped.source == nil { looped.source = query.destination }
            return walkLocal(looped, port, &way) ?? .dropped(.addressNotOurs)
        }
        return walkRoute(query, fib: UInt16(clamping: query.fib), &way)
    }

    /// By which interface a packet comes back that goes to an address of our own; `nil` for other destinations.
    private func ownInterface(of destination: IPAddress, zone: UInt32) -> SlotID? {
        switch destination {
        case .v4(let address): local.isOurs(address) || address.isLoopback ? loopback : nil
        case .v6(let address):
            (try? path(to: address, zone: zone, fib: 0)).flatMap { $0.isLocal ? $0.port : nil }
        }
    }

    /// A way out, whichever family it is of.
    private struct WayOut {
        var port: SlotID
        var nextHop: IPAddress
        var isLinkGroup: Bool
        var mtu: Int
    }

    private func wayOut(_ query: FlowQuery, fib: UInt16) throws(RouteFailure) -> WayOut {
        switch query.destination {
        case .v4(let address):
            let path = try self.path(to: address, fib: fib)
            return WayOut(
                port: path.port, nextHop: .v4(path.nextHop), isLinkGroup: path.isLinkGroup, mtu: ports[path.port].mtu)
        case .v6(let address):
            let path = try self.path(to: address, zone: query.zone, fib: fib)
            let mtu = query.arrivesOn == nil ? mtu(to: address, by: path) : ports[path.port].mtu
            return WayOut(port: path.port, nextHop: .v6(path.nextHop), isLinkGroup: path.isLinkGroup, mtu: mtu)
        }
    }

    private func walkRoute(_ query: FlowQuery, fib: UInt16, _ way: inout Explanation) -> Explanation.Verdict {
        let path: WayOut
        do {
            path = try wayOut(query, fib: fib)
        } catch {
            way.add("route", "\(error.reason.explanation), in FIB \(fib)")
            return .dropped(error.reason)
        }
        let name = interfaceName(ports[path.port].index)
        let hop = path.nextHop == query.destination ? "directly" : "through \(path.nextHop)"
        way.add("route", "FIB \(fib) leads out by \(name), \(hop)")
        guard ports[path.port].isUp else {
            way.add("interface", "\(name) is down")
            return .dropped(.interfaceDown)
        }
        if query.arrivesOn != nil, !ports[path.port].forwards {
            way.add("forwarding", "\(name) does not forward")
            return .dropped(.forwardingDisabled)
        }
        if query.byteCount > path.mtu {
            // Routers of IPv6 cut nothing (RFC 8200 §4.5).
            guard !query.dontFragment, query.destination.isIPv4 || query.arrivesOn == nil else {
                way.add("fragmentation", "\(query.byteCount) bytes exceed \(name)'s MTU of \(path.mtu)")
                return .dropped(.fragmentationNeeded)
            }
            way.add("fragmentation", "cut to \(name)'s MTU of \(path.mtu)")
        }
        guard ports[path.port].kind == .ethernet, !path.isLinkGroup else {
            return .sent(interface: name, nextHop: path.nextHop)
        }
        return walkNeighbor(path, name, &way)
    }

    private func walkNeighbor(_ path: WayOut, _ name: String, _ way: inout Explanation) -> Explanation.Verdict {
        let interface = ports[path.port].index.rawValue
        switch path.nextHop {
        case .v4(let address):
            let found = arp.listing(at: now).first { $0.address == address && $0.interface == interface }
            return judge(found, path.nextHop, name, asking: "ARP", &way)
        case .v6(let address):
            let found = ndp.listing(at: now).first { $0.address == address && $0.interface == interface }
            return judge(found, path.nextHop, name, asking: "neighbour discovery", &way)
        }
    }

    private func judge<Address>(
        _ neighbor: NeighborListing<Address>?, _ nextHop: IPAddress, _ name: String, asking method: String,
        _ way: inout Explanation
    ) -> Explanation.Verdict {
        guard let neighbor else {
            way.add("neighbour", "\(nextHop) is not known on \(name); \(method) would ask for it")
            return .waiting(nextHop: nextHop)
        }
        switch neighbor.state {
        case .reachable, .stale, .delay, .probe, .permanent:
            way.add("neighbour", "\(nextHop) is at \(neighbor.mac ?? .zero), \(neighbor.state)")
            return .sent(interface: name, nextHop: nextHop)
        case .failed:
            way.add("neighbour", "\(nextHop) did not answer \(method) on \(name)")
            return .dropped(.neighborUnresolved)
        case .none, .incomplete:
            let waiting = "\(neighbor.packetsWaiting) packets wait for it"
            way.add("neighbour", "\(nextHop) has not answered \(method) on \(name) yet; \(waiting)")
            return .waiting(nextHop: nextHop)
        }
    }
}

extension Explanation {
    mutating func add(_ place: String, _ finding: String) { steps.append(Step(place: place, finding: finding)) }
}
