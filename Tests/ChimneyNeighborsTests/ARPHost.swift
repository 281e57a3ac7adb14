import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyNeighbors

/// An ARP engine with one interface and what it said.
final class ARPHost {
    var engine: ARPEngine
    var random: StackRandom
    var output = ARPOutput()
    let mac: MACAddress
    let lan: UInt32 = 1
    let pool = PacketPool(packetsMax: 1_024, largeMax: 8)

    init(mac: MACAddress, settings: ARPSettings = .init(), seed: UInt64 = 1) throws {
        self.mac = mac
        random = StackRandom(seed: seed)
        engine = ARPEngine(settings: settings, using: &random)
        try engine.attach(lan, mac: mac)
    }

    func take(
        _ address: IPv4Address, length: Int = 24, _ detection: ConflictDetection = .off, at now: Instant
    ) throws {
        try engine.addAddress(
            address, prefixLength: length, to: lan, detection: detection, at: now, using: &random, output: &output)
    }

    func hear(_ message: ARPMessage, at now: Instant) -> ARPDrop? {
        engine.messageArrived(message, on: lan, at: now, using: &random, output: &output)
    }

    func resolve(_ address: IPv4Address, at now: Instant) -> NeighborAnswer {
        engine.resolve(address, on: lan, at: now, using: &random, output: &output)
    }

    func hold(_ bytes: Int, for handle: NeighborHandle) {
        guard var packet = pool.allocate(headroom: 0), packet.extend(by: bytes) else {
            Issue.record("the pool is too small for the test")
            return
        }
        engine.hold(packet, for: handle, output: &output)
    }

    func handle(_ address: IPv4Address) -> NeighborHandle? { engine.table.handle(of: address, on: lan) }

    func resolved(_ handle: NeighborHandle, at now: Instant) -> MACAddress? { engine.resolved(handle, at: now) }

    func neighborState(_ address: IPv4Address) -> NeighborState { engine.table.state(of: address, on: lan) }

    func state(_ address: IPv4Address) -> OwnAddressState? { engine.state(of: address, on: lan) }

    func nextRun() -> NeighborRun<IPv4Address>? { output.neighbors.runs.next() }

    func listing(at now: Instant) -> [NeighborListing<IPv4Address>] { engine.listing(at: now) }

    var deadline: Instant? { engine.deadline }

    func fire(at now: Instant) { engine.timerFired(at: now, using: &random, output: &output) }

    /// The messages said since last asked.
    func said() -> [ARPTransmission] {
        var messages: [ARPTransmission] = []
        while let message = output.messages.next() { messages.append(message) }
        return messages
    }

    /// The news of its addresses since last asked.
    func news() -> [OwnAddressEvent.Kind] {
        var kinds: [OwnAddressEvent.Kind] = []
        while let event = output.addresses.next() { kinds.append(event.kind) }
        return kinds
    }

    /// Resolves a neighbour that answers at once.
    func reach(_ address: IPv4Address, at mac: MACAddress, from own: IPv4Address, _ now: Instant) {
        _ = resolve(address, at: now)
        #expect(hear(reply(address, mac, to: own, self.mac), at: now) == nil)
        _ = said()
    }
}

func request(_ sender: IPv4Address, _ mac: MACAddress, for target: IPv4Address) -> ARPMessage {
    ARPMessage(operation: .request, senderMAC: mac, sender: sender, target: target)
}

func reply(
    _ sender: IPv4Address, _ mac: MACAddress, to target: IPv4Address, _ targetMAC: MACAddress
) -> ARPMessage {
    ARPMessage(operation: .reply, senderMAC: mac, sender: sender, targetMAC: targetMAC, target: target)
}
