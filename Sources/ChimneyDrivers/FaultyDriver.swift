public import ChimneyLink
public import ChimneyPrimitives

/// How often frames come to harm, each a probability from 0 to 1.
public struct DriverFaults: Hashable, Sendable {
    /// The frame is gone.
    public var loss = 0.0
    /// The frame comes twice.
    public var duplication = 0.0
    /// The frame is held back until up to ``heldMax`` later ones have passed.
    public var reordering = 0.0
    /// Where the faults are drawn from: equal seeds and equal frames meet with equal harm.
    public var seed: UInt64 = 1

    /// The most frames held back in each direction; a further one is not.
    public static var heldMax: Int { 16 }

    /// No faults.
    public init() {}

    /// Whether nothing ever comes to harm.
    public var isEmpty: Bool { loss <= 0 && duplication <= 0 && reordering <= 0 }
}

/// How many frames came to harm, in both directions.
public struct FaultCounters: Hashable, Sendable {
    /// Frames that were lost.
    public internal(set) var lost: UInt64 = 0
    /// Frames that came twice.
    public internal(set) var duplicated: UInt64 = 0
    /// Frames that others overtook.
    public internal(set) var reordered: UInt64 = 0

    /// None did.
    public init() {}
}

/// A device behind a bad line: frames in both directions are lost, doubled and overtaken by chance.
///
/// It stands between a stack and any other driver, so that what happens to protocols on a bad line can be seen against real
/// peers. A frame that is held back comes with those that follow, at the latest with the sixteenth; behind the last one of
/// all it stays.
public final class FaultyDriver: LinkDriver {
    private let driver: any LinkDriver
    private let faults: DriverFaults
    private var random: StackRandom
    private var arriving = FaultyLine()
    private var leaving = FaultyLine()
    /// How many frames at the front of the stack's queue the device did not take: they met their faults already.
    private var passed = 0
    private let pool: PacketPool
    /// How many frames came to harm.
    public private(set) var counters = FaultCounters()

    /// A bad line to a device; copies of doubled frames come from a pool of its own.
    public init(_ driver: any LinkDriver, faults: DriverFaults) {
        self.driver = driver
        self.faults = faults
        random = StackRandom(seed: faults.seed)
        pool = PacketPool(packetsMax: 4_096, largeMax: 64)
    }

    /// That of the device.
    public var kind: LinkKind { driver.kind }
    /// Those of the device.
    public var capabilities: LinkCapabilities { driver.capabilities }
    /// That of the device.
    public var descriptor: Int32? { driver.descriptor }
    /// That of the device.
    public var mtu: Int { driver.mtu }
    /// That of the device.
    public var mac: MACAddress? { driver.mac }
    /// That of the device.
    public var groupAddressesMax: Int? { driver.groupAddressesMax }

    /// Tells the device.
    public func setFilter(_ change: LinkFilterChange) throws(LinkDriverError) -> Bool { try driver.setFilter(change) }

    /// Receives what of the device's frames the line lets through; the count is the device's.
    public func receive(
        into queue: inout PacketQueue, packetsMax: Int, pool: PacketPool, at now: Instant
    ) throws(LinkDriverError) -> Int {
        var came = PacketQueue()
        let count = try driver.receive(into: &came, packetsMax: packetsMax, pool: pool, at: now)
        arriving.pass(&came, into: &queue, faults, using: &random, pool: self.pool, &counters)
        return count
    }

    /// Sends what of the frames the line lets through; what the device does not take stays in the queue.
    public func transmit(_ queue: inout PacketQueue) throws(LinkDriverError) {
        var ready = PacketQueue()
        ready.append(first: passed, of: &queue)
        leaving.pass(&queue, into: &ready, faults, using: &random, pool: pool, &counters)
        defer {
            passed = ready.count
            queue.append(contentsOf: &ready)
        }
        try driver.transmit(&ready)
    }
}

/// One direction of a bad line.
private struct FaultyLine: ~Copyable {
    private var held = PacketQueue()
    /// How many frames may pass before the first of those held back.
    private var patience = 0

    /// Takes all frames of a queue and passes on what is left of them.
    mutating func pass(
        _ frames: inout PacketQueue, into queue: inout PacketQueue, _ faults: DriverFaults,
        using random: inout StackRandom, pool: PacketPool, _ counters: inout FaultCounters
    ) {
        while !frames.isEmpty {
            let frame = frames.removeFirst()
            if draws(faults.loss, using: &random) {
                counters.lost += 1
                continue
            }
            if draws(faults.duplication, using: &random), let copy = frame.clone(pool: pool) {
                counters.duplicated += 1
                queue.append(copy)
            }
            if held.count < DriverFaults.heldMax, draws(faults.reordering, using: &random) {
                counters.reordered += 1
                if held.isEmpty { patience = Int(random.next() % UInt64(DriverFaults.heldMax)) + 1 }
                held.append(frame)
                continue
            }
            queue.append(frame)
            guard !held.isEmpty else { continue }
            patience -= 1
            if patience <= 0 { queue.append(contentsOf: &held) }
        }
    }

    private func draws(_ probability: Double, using random: inout StackRandom) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &random) < probability
    }
}
