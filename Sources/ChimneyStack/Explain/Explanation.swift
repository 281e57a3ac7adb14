public import ChimneyLink
import ChimneyNeighbors
public import ChimneyPrimitives

/// A packet somebody asks about: what happens to it and why.
public struct FlowQuery: Sendable, Hashable {
    /// The sender; `nil` for a packet of this stack's own, whose source is then chosen.
    public var source: IPv4Address?
    /// The destination.
    public var destination: IPv4Address
    /// The IP protocol number; 17 is UDP.
    public var ipProtocol: UInt8 = 17
    /// The sender's port; 0 matches any in the record of drops.
    public var sourcePort: UInt16 = 0
    /// The destination port; 0 matches any in the record of drops.
    public var destinationPort: UInt16 = 0
    /// The interface it comes in by; `nil` for a packet of this stack's own.
    public var arrivesOn: InterfaceIndex?
    /// Its time to live.
    public var timeToLive: UInt8 = 64
    /// Its length in bytes, headers included.
    public var byteCount = 84
    /// Whether it must not be fragmented.
    public var dontFragment = false
    /// The routing table of the sending socket.
    public var fib = 0

    /// A UDP packet of this stack's own.
    public init(to destination: IPv4Address) { self.destination = destination }
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
        case sent(interface: String, nextHop: IPv4Address)
        /// It waits until its next hop's link address is known.
        case waiting(nextHop: IPv4Address)
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
        if let source = query.source, !source.isValidSource {
            way.add("header", "\(source) may not be a source on a wire")
            return .dropped(.sourceAddressInvalid)
        }
        if let verdict = walkLocal(query, port, &way) { return verdict }
        guard settings.forwarding, ports[port].forwards else {
            let reason: DropReason = settings.forwarding ? .forwardingDisabled : .addressNotOurs
            way.add("forwarding", reason.explanation)
            return .dropped(reason)
        }
        guard query.timeToLive > 1 else {
            way.add("forwarding", "the time to live is \(query.timeToLive) and would reach zero")
            return .dropped(.ttlExpired)
        }
        way.add("forwarding", "this stack forwards; the time to live becomes \(query.timeToLive - 1)")
        return walkRoute(query, fib: ports[port].fib, &way)
    }

    /// Whether the destination is ours, and which socket or protocol takes it; `nil` when it is someone else's.
    private func walkLocal(_ query: FlowQuery, _ port: SlotID, _ way: inout Explanation) -> Explanation.Verdict? {
        let destination = query.destination
        if destination.isMulticast, destination != .allSystems {
            way.add("address", "this host is not a member of \(destination)")
            return .dropped(.multicastNoMember)
        }
        let isBroadcast = destination == .limitedBroadcast || ports[port].isSubnetBroadcast(destination)
        guard local.isOurs(destination) || isBroadcast || destination.isMulticast else {
            way.add("address", "\(destination) is not an address of this stack")
            return nil
        }
        way.add("address", isBroadcast ? "\(destination) is a broadcast address" : "\(destination) is ours")
        switch query.ipProtocol {
        case 1:
            guard settings.answersEcho else { return .dropped(.icmpEchoIgnored) }
            return .delivered(to: "icmp")
        case 17:
            let target = IPv4Endpoint(destination, query.destinationPort)
            let peer = IPv4Endpoint(query.source ?? .any, query.sourcePort)
            guard let id = socket(for: target, from: peer) else {
                way.add("socket", "no UDP socket takes port \(query.destinationPort) from \(peer.address)")
                return .dropped(.portClosed)
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

    private func walkOutput(_ query: FlowQuery, _ way: inout Explanation) -> Explanation.Verdict {
        if local.isOurs(query.destination) || query.destination.isLoopback {
            way.add("address", "\(query.destination) is ours, so the packet is looped back")
            var looped = query
            looped.arrivesOn = ports[loopback].index
            if looped.source == nil { looped.source = query.destination }
            return walkLocal(looped, loopback, &way) ?? .dropped(.addressNotOurs)
        }
        return walkRoute(query, fib: UInt16(clamping: query.fib), &way)
    }

    private func walkRoute(_ query: FlowQuery, fib: UInt16, _ way: inout Explanation) -> Explanation.Verdict {
        let path: OutputPath
        do {
            path = try self.path(to: query.destination, fib: fib)
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
        if query.byteCount > ports[path.port].mtu {
            guard !query.dontFragment else {
                way.add("fragmentation", "\(query.byteCount) bytes exceed \(name)'s MTU of \(ports[path.port].mtu)")
                return .dropped(.fragmentationNeeded)
            }
            way.add("fragmentation", "cut to \(name)'s MTU of \(ports[path.port].mtu)")
        }
        guard ports[path.port].kind == .ethernet, !path.isLinkGroup else {
            return .sent(interface: name, nextHop: path.nextHop)
        }
        return walkNeighbor(path, name, &way)
    }

    private func walkNeighbor(_ path: OutputPath, _ name: String, _ way: inout Explanation) -> Explanation.Verdict {
        let neighbor = arp.listing(at: now).first {
            $0.address == path.nextHop && $0.interface == ports[path.port].index.rawValue
        }
        guard let neighbor else {
            way.add("neighbour", "\(path.nextHop) is not known on \(name); ARP would ask for it")
            return .waiting(nextHop: path.nextHop)
        }
        switch neighbor.state {
        case .reachable, .stale, .delay, .probe, .permanent:
            way.add("neighbour", "\(path.nextHop) is at \(neighbor.mac ?? .zero), \(neighbor.state)")
            return .sent(interface: name, nextHop: path.nextHop)
        case .failed:
            way.add("neighbour", "\(path.nextHop) did not answer ARP on \(name)")
            return .dropped(.neighborUnresolved)
        case .none, .incomplete:
            let waiting = "\(neighbor.packetsWaiting) packets wait for it"
            way.add("neighbour", "\(path.nextHop) has not answered ARP on \(name) yet; \(waiting)")
            return .waiting(nextHop: path.nextHop)
        }
    }
}

extension Explanation {
    mutating func add(_ place: String, _ finding: String) { steps.append(Step(place: place, finding: finding)) }
}
