import ChimneyPrimitives
import Testing

@testable import ChimneyNeighbors

/// A table with its surroundings: time, chance, packets, and what it wanted done.
final class TableFixture {
    var table: NeighborTable<IPv4Address>
    var random: StackRandom
    var output = NeighborOutput<IPv4Address>()
    var now = Instant.zero + .seconds(1_000)
    let pool = PacketPool(packetsMax: 4_096, largeMax: 8)
    let lan: UInt32 = 1

    init(_ settings: NeighborSettings = .init(), seed: UInt64 = 1) {
        random = StackRandom(seed: seed)
        table = NeighborTable(settings: settings, using: &random)
    }

    func resolve(_ address: IPv4Address) -> NeighborAnswer {
        table.resolve(address, on: lan, at: now, using: &random, output: &output)
    }

    /// Resolves and, when told to, holds a packet of this many bytes.
    @discardableResult
    func send(_ address: IPv4Address, bytes: Int = 100) throws -> NeighborAnswer {
        let answer = resolve(address)
        guard case .hold(let handle) = answer else { return answer }
        hold(bytes, for: handle)
        return answer
    }

    func hold(_ bytes: Int, for handle: NeighborHandle) {
        guard var packet = pool.allocate(headroom: 0), packet.extend(by: bytes) else {
            Issue.record("the pool is too small for the test")
            return
        }
        table.hold(packet, for: handle, output: &output)
    }

    func handle(_ address: IPv4Address) -> NeighborHandle? { table.handle(of: address, on: lan) }

    func resolved(_ handle: NeighborHandle) -> MACAddress? { table.resolved(handle, at: now) }

    func listing() -> [NeighborListing<IPv4Address>] { table.listing(at: now) }

    func setPermanent(_ address: IPv4Address, to mac: MACAddress) throws(NeighborError) {
        try table.setPermanent(address, on: lan, to: mac, at: now, output: &output)
    }

    func flush(_ scope: NeighborFlushScope) { table.flush(interface: lan, scope, output: &output) }

    func news() -> NeighborEvent<IPv4Address>.Kind? { output.events.next()?.kind }

    func claim(_ address: IPv4Address, _ mac: MACAddress, _ claim: NeighborClaim) -> NeighborVerdict {
        table.claimed(address, on: lan, at: mac, by: claim, at: now, using: &random, output: &output)
    }

    func advance(_ span: TimeSpan) {
        now = now + span
        table.timerFired(at: now, using: &random, output: &output)
    }

    func state(_ address: IPv4Address) -> NeighborState { table.state(of: address, on: lan) }

    func solicitations() -> [MACAddress?] {
        var asked: [MACAddress?] = []
        while let question = output.solicitations.next() { asked.append(question.mac) }
        return asked
    }

    /// The fates of the packets given back, one each; the packets go to their pool.
    func fates() -> [NeighborFate] {
        var fates: [NeighborFate] = []
        while let run = output.runs.next() {
            for _ in 0..<run.count {
                _ = output.packets.removeFirst()
                fates.append(run.fate)
            }
        }
        return fates
    }

    func reach(_ address: IPv4Address, at mac: MACAddress) {
        _ = resolve(address)
        #expect(claim(address, mac, .answer) == .changed)
        _ = solicitations()
    }
}

let alice = IPv4Address(10, 0, 0, 2)
let bob = IPv4Address(10, 0, 0, 3)
let aliceMAC = MACAddress(bits: 0x0200_0000_0002)
let bobMAC = MACAddress(bits: 0x0200_0000_0003)
let malloryMAC = MACAddress(bits: 0x0200_0000_0666)
