import ChimneyPrimitives
import ChimneyRouting

/// Longest-prefix lookups a second, with the tables and the keys that `peers/prefixes.h` and `prefixes6.h` define.
func benchPrefixLookup(seconds: Double) throws {
    let prefixes = Prefixes.table()
    let table = try build("lpm", prefixes)
    try measure("lpm-uniform", table, Prefixes.uniformKeys(), seconds)
    try measure("lpm-own", table, Prefixes.ownKeys(prefixes), seconds)
    let holders = Prefixes6.holders()
    let prefixes6 = Prefixes6.table(holders)
    let table6 = try build("lpm6", prefixes6)
    try measure("lpm6-own", table6, Prefixes6.ownKeys(prefixes6), seconds)
    try measure("lpm6-near", table6, Prefixes6.nearKeys(holders), seconds)
}

private func build<Address>(_ name: String, _ prefixes: [(Prefix<Address>, UInt32)]) throws -> PrefixTable<Address> {
    var table = PrefixTable<Address>(prefixesMax: 1_000_000)
    let start = spentNanoseconds()
    for (prefix, hop) in prefixes { try table.insert(prefix, value: hop) }
    report("\(name)-build", Double(prefixes.count) * 1e9 / Double(spentNanoseconds() - start), "prefixes/s")
    report("\(name)-memory", Double(table.byteCount), "bytes", ",\"prefixes\":\(table.count)")
    return table
}

private func measure<Address>(
    _ name: String, _ table: PrefixTable<Address>, _ keys: [Address], _ seconds: Double
) throws {
    var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    for key in keys { digest = (digest ^ UInt64(table.lookup(key, orElse: 0))) &* 0x100_0000_01b3 }
    let text = ",\"digest\":\"\(String(digest, radix: 16))\""
    report(name, try rate(seconds) { lookUpOneByOne(table, keys) }, "lookups/s", text)
    report(name + "-bulk64", try rate(seconds) { lookUpInBulk(table, keys) }, "lookups/s", text)
}

/// Lookups a second, by as many passes over all keys as fit.
private func rate(_ seconds: Double, pass: () -> UInt64) throws -> Double {
    let expected = pass()
    var count = 0
    let start = spentNanoseconds()
    repeat {
        guard pass() == expected else { throw BenchError.digestDiffers }
        count += Prefixes.keyCount
    } while Double(spentNanoseconds() - start) < seconds * 1e9
    return Double(count) * 1e9 / Double(spentNanoseconds() - start)
}

@inline(never)
@specialized(where Address == IPv4Address)
@specialized(where Address == IPv6Address)
private func lookUpOneByOne<Address>(_ table: PrefixTable<Address>, _ keys: [Address]) -> UInt64 {
    var sum: UInt64 = 0
    let keys = keys.span
    for k in 0..<keys.count { sum &+= UInt64(table.lookup(keys[k], orElse: 0)) }
    return sum
}

@inline(never)
@specialized(where Address == IPv4Address)
@specialized(where Address == IPv6Address)
private func lookUpInBulk<Address>(_ table: PrefixTable<Address>, _ keys: [Address]) -> UInt64 {
    var sum: UInt64 = 0
    let keys = keys.span
    var values = InlineArray<64, UInt32>(repeating: 0)
    for first in stride(from: 0, to: keys.count, by: 64) {
        var found = values.mutableSpan
        table.lookup(keys.extracting(first..<(first + 64)), into: &found)
        for k in 0..<64 where found[k] != .max { sum &+= UInt64(found[k]) }
    }
    return sum
}

/// The generator of random numbers of both programs.
struct XorShift {
    var state: UInt64

    /// 64 bits.
    mutating func drawAll() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }

    /// The upper 32 bits of them.
    mutating func draw() -> UInt32 { UInt32(drawAll() >> 32) }
}

/// The generator that the C program beside uses, so that both answer the same questions.
enum Prefixes {
    /// How many keys there are of each kind.
    static var keyCount: Int { 1 << 20 }

    static var weights: [UInt32] {
        [UInt32](repeating: 0, count: 8) + [1, 1, 4, 9, 30, 55, 110, 190, 2000, 1200, 1800, 3000, 5000, 5500]
            + [11000, 9500, 59600, 200, 200, 150, 150, 100, 100, 20, 80]
    }

    private static func mask(_ length: UInt32) -> UInt32 { length == 0 ? 0 : ~0 << (32 - length) }

    static func table() -> [(IPv4Prefix, UInt32)] {
        var random = XorShift(state: 0x9E37_79B9_7F4A_7C15)
        var seen = Set<UInt64>(minimumCapacity: 2_000_000)
        var result: [(IPv4Prefix, UInt32)] = []
        result.reserveCapacity(1_000_000)
        let weights = self.weights
        while result.count < 1_000_000 {
            let chance = random.draw() % 100_000
            var length: UInt32 = 0
            var total = weights[0]
            while chance >= total {
                length += 1
                total += weights[Int(length)]
            }
            let drawn = random.draw()
            let address = ((1 + (drawn >> 24) % 223) << 24 | drawn & 0xFF_FFFF) & mask(length)
            guard seen.insert(UInt64(address) << 8 | UInt64(length)).inserted else { continue }
            let prefix = IPv4Prefix(IPv4Address(bits: address), length: Int(length))
            result.append((prefix, 1 + UInt32(result.count % 65_535)))
        }
        return result
    }

    static func uniformKeys() -> [IPv4Address] {
        var random = XorShift(state: 0xD1B5_4A32_D192_ED03)
        return (0..<keyCount).map { _ in IPv4Address(bits: random.draw()) }
    }

    static func ownKeys(_ prefixes: [(IPv4Prefix, UInt32)]) -> [IPv4Address] {
        var random = XorShift(state: 0x8CB9_2BA7_2F3D_8DD7)
        return (0..<keyCount).map { _ in
            let prefix = prefixes[Int((UInt64(random.draw()) * 1_000_000) >> 32)].0
            return IPv4Address(bits: prefix.address.bits | random.draw() & ~mask(UInt32(prefix.length)))
        }
    }
}

/// The same for IPv6.
enum Prefixes6 {
    private static var weights: [UInt32] {
        [20, 10, 10, 20, 60, 20, 40, 60, 500, 4000, 700, 300, 12000, 2000, 2000, 1300, 5000, 700, 1200, 800, 9000]
            + [700, 3000, 700, 10000, 900, 3000, 1300, 39960, 20, 20, 20, 20, 20, 20, 20, 300, 20, 20, 20, 50, 20, 20]
            + [20, 90]
    }

    private static func mask(_ length: Int) -> UInt128 { length == 0 ? 0 : ~0 << (128 - length) }

    private static func low96(_ random: inout XorShift) -> UInt128 {
        let high = UInt128(random.draw()) << 64
        return high | UInt128(random.drawAll())
    }

    /// The first 32 bits of what networks were given.
    static func holders() -> [UInt32] {
        let regions: [UInt32] = [0x200, 0x240, 0x260, 0x280, 0x2A0, 0x2C0]
        var random = XorShift(state: 0xA076_1D64_78BD_642F)
        return (0..<40_000).map { _ in
            let region = regions[Int(random.draw() % 6)]
            return region << 20 | random.draw() & 0xF_FFF8
        }
    }

    static func table(_ holders: [UInt32]) -> [(IPv6Prefix, UInt32)] {
        var random = XorShift(state: 0xE703_7ED1_A0B4_28DB)
        var seen = Set<IPv6Prefix>(minimumCapacity: 400_000)
        var result: [(IPv6Prefix, UInt32)] = []
        let weights = self.weights
        while result.count < 200_000 {
            let chance = random.draw() % 100_000
            var step = 0
            var total = weights[0]
            while chance >= total {
                step += 1
                total += weights[step]
            }
            let holder = UInt128(holders[Int(random.draw() % 40_000)]) << 96
            let prefix = IPv6Prefix(IPv6Address(bits: holder | low96(&random)), length: 20 + step)
            guard seen.insert(prefix).inserted else { continue }
            result.append((prefix, 1 + UInt32(result.count % 65_535)))
        }
        return result
    }

    static func ownKeys(_ prefixes: [(IPv6Prefix, UInt32)]) -> [IPv6Address] {
        var random = XorShift(state: 0x8EBC_6AF0_9C88_C6E3)
        return (0..<Prefixes.keyCount).map { _ in
            let prefix = prefixes[Int(random.draw() % 200_000)].0
            let high = UInt128(random.drawAll()) << 64
            return IPv6Address(
                bits: prefix.address.bits | (high | UInt128(random.drawAll())) & ~mask(prefix.length))
        }
    }

    static func nearKeys(_ holders: [UInt32]) -> [IPv6Address] {
        var random = XorShift(state: 0x5899_65CC_7537_4CC3)
        return (0..<Prefixes.keyCount).map { _ in
            let holder = UInt128(holders[Int(random.draw() % 40_000)]) << 96
            return IPv6Address(bits: holder | low96(&random))
        }
    }
}
