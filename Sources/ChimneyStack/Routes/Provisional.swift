import ChimneyPrimitives

enum RouteFailure: Error {
    case none, blackhole, reject, prohibit
    var reason: DropReason {
        switch self {
        case .none: .noRoute
        case .blackhole: .routeBlackhole
        case .reject: .routeReject
        case .prohibit: .routeProhibited
        }
    }
}
struct FoundRoute { var interface: UInt32; var gateway: IPv4Address? }
struct StackRoutes {
    var list: [(InterfaceAddress, UInt32)] = []
    init(fibCount: Int) {}
    func route(to d: IPv4Address, fib: UInt16, flowHash: UInt32) throws(RouteFailure) -> FoundRoute {
        for (a, i) in list where a.contains(d) { return FoundRoute(interface: i, gateway: nil) }
        throw .none
    }
    mutating func addConnected(_ a: InterfaceAddress, interface: UInt32, isUp: Bool) -> Bool {
        list.append((a, interface)); return true
    }
    mutating func removeConnected(_ a: InterfaceAddress, interface: UInt32) {}
    mutating func removeAll(interface: UInt32) {}
    mutating func setUp(_ up: Bool, interface: UInt32) {}
    func source(among: [InterfaceAddress], destination: IPv4Address, nextHop: IPv4Address) -> IPv4Address? {
        among.first?.address
    }
}
enum Standing { case known(MACAddress, String), failed, resolving(Int), unknown }
struct StackNeighbors: ~Copyable {
    init(random: consuming StackRandom) {}
    var deadline: Instant? { nil }
    var heldCount: Int { 0 }
    func resolvedMAC(_ a: IPv4Address, interface: UInt32, at: Instant) -> MACAddress? {
        MACAddress(bits: 0x0200_0000_0000 | UInt64(a.bits & 0xff))
    }
    func standing(of: IPv4Address, interface: UInt32) -> Standing { .unknown }
    func attach(_ i: UInt32, mac: MACAddress) {}
    func detach(_ i: UInt32) {}
    func linkWentDown(_ i: UInt32, at: Instant) {}
    func linkCameUp(_ i: UInt32, at: Instant) {}
    func setMAC(_ i: UInt32, _ m: MACAddress, at: Instant) {}
    func addAddress(_ a: IPv4Address, prefixLength: Int, interface: UInt32, probes: Bool, at: Instant) {}
    func removeAddress(_ a: IPv4Address, interface: UInt32, at: Instant) {}
}
struct ConnectedTable {
    init(key: UInt64) {}
    func lookUp(_ a: IPv4Endpoint, _ b: IPv4Endpoint) -> SlotID? { nil }
    mutating func insert(_ a: IPv4Endpoint, _ b: IPv4Endpoint, _ s: SlotID) {}
    mutating func remove(_ a: IPv4Endpoint, _ s: SlotID) {}
}
extension VirtualStack {
    mutating func neighborTimersFired() {}
    mutating func settleNeighbors() {}
    mutating func arpArrived(_ p: consuming Packet, _ port: SlotID) { consume(p) }
    mutating func resolveAndSend(_ p: consuming Packet, to: IPv4Address, _ port: SlotID) {
        drop(p, .neighborUnresolved)
    }
    mutating func installRedirect(to: IPv4Address, gateway: IPv4Address, _ port: SlotID) -> Bool { false }
}
