import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyNeighbors

/// An engine of neighbour discovery with one interface and what it said.
final class NDPHost {
    var engine: NDPEngine
    var random: StackRandom
    var output = NDPOutput()
    let mac: MACAddress
    let lan: UInt32 = 1
    let pool = PacketPool(packetsMax: 1_024, largeMax: 8)

    init(mac: MACAddress = ownMAC, settings: NDPSettings = .init(), seed: UInt64 = 1) throws {
        self.mac = mac
        random = StackRandom(seed: seed)
        engine = NDPEngine(settings: settings, using: &random)
        try engine.attach(lan, mac: mac)
    }

    func take(
        _ address: IPv6Address, _ detection: DuplicateDetection = .off, use: NDPAddressUse = .unicast, at now: Instant
    ) throws {
        try engine.addAddress(
            address, to: lan, use: use, detection: detection, at: now, using: &random, output: &output)
    }

    func hear(
        _ bytes: [UInt8], from source: IPv6Address, to destination: IPv6Address, hopLimit: UInt8 = 255,
        at now: Instant
    ) -> NDPDrop? {
        // The array outlives the call, which is all that its span needs.
        unsafe engine.neighborDiscoveryArrived(
            bytes.span.bytes, source: source, destination: destination, hopLimit: hopLimit, on: lan, at: now,
            using: &random, output: &output)
    }

    func hear(
        _ message: NDPMessage, from source: IPv6Address, to destination: IPv6Address, hopLimit: UInt8 = 255,
        at now: Instant
    ) -> NDPDrop? {
        hear(bytes(message), from: source, to: destination, hopLimit: hopLimit, at: now)
    }

    /// A neighbour asks for an address of ours.
    func asked(
        _ target: IPv6Address, by source: IPv6Address, _ mac: MACAddress?, nonce: NDPNonce? = nil, at now: Instant
    ) -> NDPDrop? {
        let question = NeighborSolicitation(target: target, sourceMAC: mac, nonce: nonce)
        return hear(.neighborSolicitation(question), from: source, to: target.solicitedNode, at: now)
    }

    /// A neighbour answers us by unicast.
    func answered(
        _ target: IPv6Address, _ mac: MACAddress?, router isRouter: Bool = false, solicited: Bool = true,
        override isOverride: Bool = true, at now: Instant
    ) -> NDPDrop? {
        let answer = NeighborAdvertisement(
            target: target, targetMAC: mac, isRouter: isRouter, isSolicited: solicited, isOverride: isOverride)
        return hear(.neighborAdvertisement(answer), from: target, to: own, at: now)
    }

    func redirected(_ redirect: NDPRedirect, from source: IPv6Address, at now: Instant) -> NDPDrop? {
        var bytes = [UInt8](repeating: 0, count: redirect.byteCount(quoting: 0))
        let quoted: [UInt8] = []
        var elements = bytes.mutableSpan
        // Every byte written is a valid UInt8, and the arrays outlive the call.
        var span = unsafe elements.mutableBytes
        unsafe redirect.write(into: &span, source: source, destination: own, quoting: quoted.span.bytes)
        return hear(bytes, from: source, to: own, at: now)
    }

    func learn(_ address: IPv6Address, _ mac: MACAddress?, router isRouter: Bool?, at now: Instant) -> NDPDrop? {
        engine.linkAddressLearned(
            address, mac: mac, isRouter: isRouter, on: lan, at: now, using: &random, output: &output)
    }

    func resolve(_ address: IPv6Address, from source: IPv6Address? = nil, at now: Instant) -> NeighborAnswer {
        engine.resolve(address, on: lan, from: source, at: now, using: &random, output: &output)
    }

    func hold(_ bytes: Int, for handle: NeighborHandle) {
        guard var packet = pool.allocate(headroom: 0), packet.extend(by: bytes) else {
            Issue.record("the pool is too small for the test")
            return
        }
        engine.hold(packet, for: handle, output: &output)
    }

    func fire(at now: Instant) { engine.timerFired(at: now, using: &random, output: &output) }

    var deadline: Instant? { engine.deadline }

    func state(_ address: IPv6Address) -> NDPAddressState? { engine.state(of: address, on: lan) }

    func neighborState(_ address: IPv6Address) -> NeighborState { engine.table.state(of: address, on: lan) }

    func listing(at now: Instant) -> [NeighborListing<IPv6Address>] { engine.listing(at: now) }

    func handle(_ address: IPv6Address) -> NeighborHandle? { engine.table.handle(of: address, on: lan) }

    func nextRun() -> NeighborRun<IPv6Address>? { output.neighbors.runs.next() }

    func nextRedirect() -> NDPRedirection? { output.redirects.next() }

    /// The messages said since last asked.
    func said() -> [NDPTransmission] {
        var messages: [NDPTransmission] = []
        while let message = output.messages.next() { messages.append(message) }
        return messages
    }

    /// The news of its addresses since last asked.
    func news() -> [NDPAddressEvent.Kind] {
        var kinds: [NDPAddressEvent.Kind] = []
        while let event = output.addresses.next() { kinds.append(event.kind) }
        return kinds
    }

    /// The news of routers since last asked.
    func routerNews() -> [NeighborRouterEvent<IPv6Address>.Kind] {
        var kinds: [NeighborRouterEvent<IPv6Address>.Kind] = []
        while let event = output.routers.next() { kinds.append(event.kind) }
        return kinds
    }

    /// Resolves a neighbour that answers at once.
    func reach(_ address: IPv6Address, at mac: MACAddress, router isRouter: Bool = false, _ now: Instant) {
        _ = resolve(address, at: now)
        #expect(answered(address, mac, router: isRouter, at: now) == nil)
        _ = said()
    }
}

/// A message as it stands on the wire; its checksum is nobody's concern here.
func bytes(_ message: NDPMessage) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: message.byteCount)
    var elements = bytes.mutableSpan
    // Every byte written is a valid UInt8.
    var span = unsafe elements.mutableBytes
    message.write(into: &span, source: .any, destination: .any)
    return bytes
}

func solicitation(_ transmission: NDPTransmission) -> NeighborSolicitation? {
    if case .neighborSolicitation(let message) = transmission.message { return message }
    return nil
}

func advertisement(_ transmission: NDPTransmission) -> NeighborAdvertisement? {
    if case .neighborAdvertisement(let message) = transmission.message { return message }
    return nil
}

/// An address that names this host on the link.
func linkLocal(_ host: UInt64) -> IPv6Address { IPv6Address(high: 0xFE80 << 48, low: host) }
/// An address of the prefix that the tests' link has.
func global(_ host: UInt64) -> IPv6Address { IPv6Address(high: 0x2001_0DB8 << 32, low: host) }

let own = linkLocal(1)
let carol = linkLocal(0xC)
let dave = global(0xD)
let ownMAC = MACAddress(bits: 0x0200_0000_0001)
