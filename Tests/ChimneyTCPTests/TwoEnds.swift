import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire

/// Two ends joined by a wire in virtual time that may lose, double and reorder.
struct TwoEnds: ~Copyable {
    var client: End
    var server: End
    var now = Instant.zero
    var random: StackRandom
    /// How long a segment is under way.
    var delay = TimeSpan.milliseconds(10)
    /// Up to how much longer a segment may be under way than another.
    var jitter = TimeSpan.zero
    /// Of a thousand segments, how many are lost and how many come twice.
    var lossPerMille = 0
    var doublePerMille = 0
    /// Every segment that was sent, for tests that look at them.
    var sent: [(at: Instant, fromClient: Bool, flying: Flying)] = []
    var keepsSent = false
    /// Segments that are lost whatever the rates are.
    var drops: (Flying, Bool) -> Bool = { _, _ in false }
    /// Segments that a router marks.
    var marks: (Flying, Bool) -> Bool = { _, _ in false }

    private var flights: [Flight] = []
    private var order = 0

    private struct Flight {
        var at: Instant
        var order: Int
        var toServer: Bool
        var flying: Flying
        var hasMark: Bool
    }

    init(_ client: consuming End, _ server: consuming End, seed: UInt64 = 1) {
        self.client = client
        self.server = server
        self.server.isListening = true
        random = StackRandom(seed: seed)
    }

    init(seed: UInt64 = 1) { self.init(End(), End(iss: 5_000), seed: seed) }

    mutating func connect() {
        client.connect(at: now)
        collect()
    }

    /// Takes what both ends want sent.
    mutating func collect() {
        for flying in client.takeSegments() { launch(flying, toServer: true) }
        for flying in server.takeSegments() { launch(flying, toServer: false) }
    }

    private mutating func launch(_ flying: Flying, toServer: Bool) {
        if keepsSent { sent.append((now, toServer, flying)) }
        if drops(flying, toServer) { return }
        let copies = chance(lossPerMille) ? 0 : chance(doublePerMille) ? 2 : 1
        for _ in 0..<copies {
            let extra = jitter == .zero ? .zero : random.delay(upTo: jitter)
            order += 1
            let flight = Flight(
                at: now + delay + extra, order: order, toServer: toServer, flying: flying,
                hasMark: marks(flying, toServer))
            let place = flights.lastIndex { ($0.at, $0.order) < (flight.at, flight.order) }
            flights.insert(flight, at: place.map { $0 + 1 } ?? 0)
        }
    }

    private mutating func chance(_ perMille: Int) -> Bool {
        perMille > 0 && Int.random(in: 0..<1_000, using: &random) < perMille
    }

    /// When something next happens by itself.
    var next: Instant {
        let timers = min(client.connection.deadline, server.connection.deadline)
        return min(timers, flights.first?.at ?? .never)
    }

    /// Lets the next thing happen.
    ///
    /// - Returns: whether there was one until `limit`.
    mutating func step(until limit: Instant = .never) -> Bool {
        let at = next
        guard at < .never && at <= limit else { return false }
        now = max(now, at)
        if let flight = flights.first, flight.at <= now {
            flights.removeFirst()
            let segment = flight.flying.arrived(hasCongestionMark: flight.hasMark)
            if flight.toServer {
                server.arrive(segment, flight.flying.payload, at: now)
            } else {
                client.arrive(segment, flight.flying.payload, at: now)
            }
        } else {
            if client.connection.deadline <= now { client.timerFired(at: now) }
            if server.connection.deadline <= now { server.timerFired(at: now) }
        }
        collect()
        return true
    }

    /// Lets things happen for some time.
    mutating func run(_ time: TimeSpan, stepsMax: Int = 1_000_000) {
        let limit = now + time
        var steps = 0
        while steps < stepsMax, step(until: limit) { steps += 1 }
        now = max(now, limit)
    }

    /// Opens the connection and lets the handshake come to its end.
    mutating func open() {
        connect()
        run(.milliseconds(100))
    }

    var isQuiet: Bool { flights.isEmpty }
}

/// Bytes that tell their place.
func pattern(_ count: Int, from start: Int = 0) -> [UInt8] {
    (start..<start + count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
}
