/// The one source of randomness a stack uses, seeded by the runtime or by a test.
///
/// ChaCha with 12 rounds: the same seed gives the same numbers on every machine, and who sees some
/// of the numbers cannot tell the next ones, so that ports, identifications and keys may be drawn
/// from it when the seed is secret (RFC 6056, RFC 6528).
public struct StackRandom: RandomNumberGenerator, Sendable {
    private var key: (UInt64, UInt64, UInt64, UInt64)
    private var counter: UInt64 = 0
    private var buffer = InlineArray<8, UInt64>(repeating: 0)
    private var used = 8

    /// A generator for a lab or a test: everything follows from one printable number.
    public init(seed: UInt64) {
        var state = seed
        func mixed() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = state
            word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
            return word ^ (word >> 31)
        }
        key = (mixed(), mixed(), mixed(), mixed())
    }

    /// A generator for a stack that meets strangers: 256 secret bits from the system.
    public init(key: (UInt64, UInt64, UInt64, UInt64)) { self.key = key }

    /// The next 64 random bits; a block of eight is computed at a time.
    public mutating func next() -> UInt64 {
        if used == 8 { refill() }
        defer { used += 1 }
        return buffer[used]
    }

    /// A generator whose numbers do not depend on how many are drawn from this one afterwards.
    public mutating func split() -> StackRandom { StackRandom(key: (next(), next(), next(), next())) }

    /// A delay drawn uniformly from `(0, limit]`; one nanosecond when `limit` is zero.
    public mutating func delay(upTo limit: TimeSpan) -> TimeSpan {
        .nanoseconds(.random(in: 1...max(1, limit.nanoseconds), using: &self))
    }

    private mutating func refill() {
        typealias Row = SIMD4<UInt32>
        func row(_ a: UInt64, _ b: UInt64) -> Row {
            Row(UInt32(truncatingIfNeeded: a), UInt32(a >> 32), UInt32(truncatingIfNeeded: b), UInt32(b >> 32))
        }
        let start = (
            Row(0x6170_7865, 0x3320_646E, 0x7962_2D32, 0x6B20_6574), row(key.0, key.1), row(key.2, key.3),
            row(counter, 0)
        )
        var (a, b, c, d) = start
        func turned(_ x: Row, _ count: UInt32) -> Row { x &<< Row(repeating: count) | x &>> Row(repeating: 32 - count) }
        func mix() {
            a = a &+ b
            d = turned(d ^ a, 16)
            c = c &+ d
            b = turned(b ^ c, 12)
            a = a &+ b
            d = turned(d ^ a, 8)
            c = c &+ d
            b = turned(b ^ c, 7)
        }
        for _ in 0..<6 {
            mix()
            (b, c, d) = (Row(b.y, b.z, b.w, b.x), Row(c.z, c.w, c.x, c.y), Row(d.w, d.x, d.y, d.z))
            mix()
            (b, c, d) = (Row(b.w, b.x, b.y, b.z), Row(c.z, c.w, c.x, c.y), Row(d.y, d.z, d.w, d.x))
        }
        let rows: InlineArray<4, Row> = [a &+ start.0, b &+ start.1, c &+ start.2, d &+ start.3]
        for index in rows.indices {
            let row = rows[index]
            buffer[index * 2] = UInt64(row.x) | UInt64(row.y) << 32
            buffer[index * 2 + 1] = UInt64(row.z) | UInt64(row.w) << 32
        }
        counter &+= 1
        used = 0
    }
}
