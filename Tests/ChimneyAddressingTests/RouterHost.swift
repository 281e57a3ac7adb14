import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyAddressing

let hostMAC = MACAddress(bits: 0x0200_0000_0051)
let routerMAC = MACAddress(bits: 0x0200_0000_0001)
let routerAddress = IPv6Address(high: 0xFE80 << 48, low: 1)
let otherRouter = IPv6Address(high: 0xFE80 << 48, low: 2)
let documentation = IPv6Prefix(IPv6Address(high: 0x2001_0DB8_0000_0001, low: 0), length: 64)

/// Router discovery of one interface, and what it said and learned.
final class RouterHost {
    var engine: RouterDiscovery
    var random: StackRandom
    var output = RouterDiscoveryOutput()

    init(
        _ settings: RouterDiscoverySettings = .init(), name: String = "eth0", mac: MACAddress = hostMAC,
        secret: UInt64 = 7,
        seed: UInt64 = 1
    ) {
        engine = RouterDiscovery(
            interface: 4, mac: mac, name: name, mtu: 1_500, settings: settings, secret: KeyedHash(key: (secret, 9)))
        random = StackRandom(seed: seed)
    }

    func start(at now: Instant) { engine.start(at: now, using: &random, output: &output) }

    func stop() { engine.stop(output: &output) }

    func linkWentUp(at now: Instant) { engine.linkWentUp(at: now, using: &random) }

    func fire(at now: Instant) { engine.timerFired(at: now, using: &random, output: &output) }

    func left(_ router: IPv6Address, at now: Instant) {
        engine.routerLeft(router, at: now, using: &random, output: &output)
    }

    func prove(_ address: IPv6Address, isUnique: Bool = true, at now: Instant) {
        engine.addressProved(address, isUnique: isUnique, at: now, using: &random, output: &output)
    }

    /// Lets the engine do what it does next, and says when that was.
    func step() throws -> Instant {
        let due = try #require(engine.deadline)
        fire(at: due)
        return due
    }

    /// Lets the engine do all that is due until `end`, and no more than a bounded number of things.
    func run(until end: Instant) throws {
        for _ in 0..<100_000 {
            guard let due = engine.deadline, due <= end else { return }
            fire(at: due)
        }
        Issue.record("the engine never rests")
    }

    func hear(
        _ bytes: [UInt8], from source: IPv6Address = routerAddress, hopLimit: UInt8 = 255, at now: Instant
    ) -> RouterDiscoveryDrop? {
        engine.advertisementArrived(
            bytes.raw, from: source, hopLimit: hopLimit, at: now, using: &random, output: &output)
    }

    func hear(
        _ message: RouterAdvertisement, from source: IPv6Address = routerAddress, at now: Instant
    ) -> RouterDiscoveryDrop? { hear(bytes(of: message), from: source, at: now) }

    /// The messages said since last asked.
    func said() -> [RouterTransmission] {
        var messages: [RouterTransmission] = []
        while let message = output.messages.next() { messages.append(message) }
        return messages
    }

    /// What was learned since last asked, without the sightings that every advertisement is.
    func news() -> [RouterDiscoveryEvent.Kind] {
        all().filter { kind in
            guard case .routerSeen = kind else { return true }
            return false
        }
    }

    /// All that was told since last asked.
    func all() -> [RouterDiscoveryEvent.Kind] {
        var kinds: [RouterDiscoveryEvent.Kind] = []
        while let event = output.events.next() { kinds.append(event.kind) }
        return kinds
    }

    /// Starts and gets its link-local address.
    func startWithAddress(at now: Instant) throws {
        start(at: now)
        let wanted = try #require(wanted().first)
        prove(wanted.address, at: now)
    }

    /// The addresses wanted since last asked; other news is dropped.
    func wanted() -> [MadeAddress] {
        news().compactMap { kind in
            guard case .addressWanted(let made) = kind else { return nil }
            return made
        }
    }
}

/// An advertisement as it goes on the wire.
func bytes(of message: RouterAdvertisement) -> [UInt8] {
    written(message.byteCount) { _ = message.write(into: &$0, source: routerAddress, destination: .allNodes) }
}

/// An advertisement of a default router, with what `body` adds.
func advertisement(lifetime: UInt16 = 1_800, _ body: (inout RouterAdvertisement) -> Void = { _ in })
    -> RouterAdvertisement
{
    var message = RouterAdvertisement()
    message.hopLimit = 0
    message.lifetimeSeconds = lifetime
    body(&message)
    return message
}

/// An advertisement of a prefix.
func prefixed(
    _ prefix: IPv6Prefix = documentation, valid: UInt32 = 86_400, preferred: UInt32 = 14_400, isOnLink: Bool = true,
    isAutonomous: Bool = true
) -> RouterAdvertisement {
    advertisement {
        $0.prefixes = [
            NDPPrefixInformation(
                prefix, isOnLink: isOnLink, isAutonomous: isAutonomous, validSeconds: valid, preferredSeconds: preferred
            )
        ]
    }
}
