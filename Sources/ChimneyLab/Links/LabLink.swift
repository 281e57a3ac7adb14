public import ChimneyPrimitives

/// A cable between two interfaces, or a switch between many.
///
/// Rate, queue, delay and faults stand at the output towards each interface, as in a real switch; towards the
/// link a frame needs no time. A link has chance of its own, which follows from the lab's seed and its name.
public final class LabLink {
    /// How a link connects its interfaces.
    public enum Kind: String, CaseIterable, Sendable, Hashable, Codable {
        /// Two ends.
        case cable
        /// Any number of ports; learns which address is behind which.
        case `switch`
    }

    /// The name, unique in the lab.
    public let name: String
    /// Cable or switch.
    public let kind: Kind
    /// Whether frames pass.
    public internal(set) var isUp = true
    /// The account of its frames.
    public internal(set) var counters = LinkCounters()
    /// Gets every frame that is sent into the link, with its time; nil for nobody.
    public var tap: ((Instant, RawSpan) -> Void)?

    /// What the link is like; setting it sets it for all directions.
    public var settings: LinkSettings {
        didSet { for port in ports { port.settings = settings } }
    }
    /// What goes wrong on it; setting it sets it for all directions.
    public var faults = LinkFaults.none {
        didSet {
            for port in ports { port.faults = faults }
            noteFaults(faults)
        }
    }

    let index: Int
    var random: StackRandom
    var ports: [LinkPort] = []
    var table = SwitchTable()
    /// Grows whenever the link goes down, so that frames under way at that time are known.
    var epoch: UInt32 = 0
    /// Whether the duplication fault was ever on: then applications may see datagrams twice.
    private(set) var hasDuplicated = false
    /// When a frame was last lost or changed, or came late or twice.
    private(set) var disturbedAt = Instant.zero

    /// The most ports of a switch; one more is refused.
    public static var portsMax: Int { 4_096 }
    /// The same, or the two ends of a cable.
    var portsMax: Int { kind == .cable ? 2 : Self.portsMax }

    init(name: String, kind: Kind, index: Int, settings: LinkSettings, random: consuming StackRandom) {
        self.name = name
        self.kind = kind
        self.index = index
        self.settings = settings
        self.random = random
    }

    /// Sets what goes wrong on the way to one node only.
    public func setFaults(_ faults: LinkFaults, toward node: LabNode) { setFaults(faults, toward: node.name) }

    /// Sets what goes wrong on the way to one node or station only.
    func setFaults(_ faults: LinkFaults, toward name: String) {
        for port in ports where port.end.name == name { port.faults = faults }
        noteFaults(faults)
    }

    /// Sets what the way to one node is like.
    public func setSettings(_ settings: LinkSettings, toward node: LabNode) {
        setSettings(settings, toward: node.name)
    }

    /// Sets what the way to one node or station is like.
    func setSettings(_ settings: LinkSettings, toward name: String) {
        for port in ports where port.end.name == name { port.settings = settings }
    }

    /// Lets frames pass or stops them; frames under way when it goes down are lost.
    public func setUp(_ isUp: Bool) {
        guard isUp != self.isUp else { return }
        self.isUp = isUp
        guard !isUp else { return }
        epoch &+= 1
        table.removeAll()
        for port in ports { port.linkWentDown() }
    }

    /// How many link addresses a switch knows.
    public var learnedCount: Int { table.count }

    /// How long frames to a node waited until the direction to it was free; nothing where the link has no rate.
    public func waits(toward node: LabNode) -> DelayHistogram {
        ports.first { $0.end.name == node.name }?.waits ?? DelayHistogram()
    }

    /// The most frames to a node that ever waited at a time.
    public func longestQueue(toward node: LabNode) -> Int {
        ports.first { $0.end.name == node.name }?.longestQueue ?? 0
    }

    /// A frame was or will be other than as sent at this time.
    func noteDisturbance(at time: Instant) { disturbedAt = max(disturbedAt, time) }

    private func noteFaults(_ faults: LinkFaults) {
        if faults.duplication > 0 { hasDuplicated = true }
    }
}

/// One interface or station on a link, and the direction towards it.
final class LinkPort {
    /// What is plugged in.
    enum End {
        case interface(LabNode, UInt32)
        /// By its place in the lab.
        case station(Int, name: String)

        var name: String {
            switch self {
            case .interface(let node, _): node.name
            case .station(_, let name): name
            }
        }
    }

    unowned let link: LabLink
    let end: End
    /// Where the lab keeps it.
    let index: Int
    /// Its number on the link.
    let position: Int
    var settings: LinkSettings
    var faults: LinkFaults

    private var busyUntil = Instant.zero
    private var lastArrival = Instant.zero
    /// When the frames that wait leave, and how large they are; a ring.
    private var departures: [(at: Instant, byteCount: Int)] = []
    private var firstDeparture = 0
    private var queuedBytes = 0

    init(link: LabLink, end: End, index: Int) {
        self.link = link
        self.end = end
        self.index = index
        self.position = link.ports.count
        settings = link.settings
        faults = link.faults
    }

    func linkWentDown() {
        busyUntil = .zero
        lastArrival = .zero
        departures.removeAll(keepingCapacity: true)
        firstDeparture = 0
        queuedBytes = 0
    }

    /// How long frames waited until the direction was free for them.
    private(set) var waits = DelayHistogram()
    /// The most frames that ever waited.
    private(set) var longestQueue = 0

    /// Takes a place in the direction's queue.
    ///
    /// - Returns: nil when it is full; otherwise when the frame has left, and whether the queue is so long that it is marked.
    func departure(of byteCount: Int, at now: Instant) -> (at: Instant, isMarked: Bool)? {
        let duration = settings.serialisation(of: byteCount)
        guard duration > .zero else { return (now, false) }
        while firstDeparture < departures.count, departures[firstDeparture].at <= now {
            queuedBytes -= departures[firstDeparture].byteCount
            firstDeparture += 1
        }
        if firstDeparture > 64, firstDeparture * 2 > departures.count {
            departures.removeFirst(firstDeparture)
            firstDeparture = 0
        }
        let waiting = departures.count - firstDeparture
        guard waiting < settings.queuePacketsMax, queuedBytes + byteCount <= settings.queueBytesMax else { return nil }
        let begin = max(busyUntil, now)
        waits.add(begin - now)
        longestQueue = max(longestQueue, waiting + 1)
        busyUntil = begin + duration
        departures.append((busyUntil, byteCount))
        queuedBytes += byteCount
        return (busyUntil, settings.markPackets.map { waiting >= $0 } ?? false)
    }

    /// When a frame that left at a time arrives: never before the one sent before it, unless it is held back.
    func arrival(after departure: Instant) -> Instant {
        var arrival = departure + settings.delay
        if settings.jitter > .zero { arrival = arrival + link.random.delay(upTo: settings.jitter) }
        if faults.reordering > 0, link.draws(faults.reordering) {
            link.counters.reordered += 1
            return arrival + link.random.delay(upTo: faults.reorderingDelay)
        }
        lastArrival = max(lastArrival, arrival)
        return lastArrival
    }
}

extension LabLink {
    /// Whether an event of this chance happens; certain and impossible ones draw nothing.
    @inline(__always)
    func draws(_ chance: Double) -> Bool {
        guard chance > 0 else { return false }
        guard chance < 1 else { return true }
        return Double(random.next() >> 11) * 0x1p-53 < chance
    }
}
