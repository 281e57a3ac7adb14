import ChimneyPrimitives

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
extension VirtualStack {
    mutating func neighborTimersFired() {}
    mutating func settleNeighbors() {}
    mutating func arpArrived(_ p: consuming Packet, _ port: SlotID) { consume(p) }
    mutating func resolveAndSend(_ p: consuming Packet, to: IPv4Address, _ port: SlotID) {
        drop(p, .neighborUnresolved)
    }
}
