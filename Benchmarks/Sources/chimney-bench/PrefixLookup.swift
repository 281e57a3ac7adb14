import ChimneyPrimitives
import ChimneyRouting

/// Longest-prefix lookups a second, with the table and the keys that `peers/prefixes.h` defines.
func benchPrefixLookup(seconds: Double) throws {
    let prefixes = Prefixes.table()
    var table = PrefixTable<IPv4Address>(prefixesMax: 1_000_000)
    let start = nanoseconds()
    for (prefix, hop) in prefixes { try table.insert(prefix, value: hop) }
    report("lpm-build", Double(prefixes.count) * 1e9 / Double(nanoseconds() - start), "prefixes/s")
    report("lpm-memory", Double(table.byteCount), "bytes", ",\"prefixes\":\(table.count)")
    for (name, keys) in [("lpm-uniform", Prefixes.uniformKeys()), ("lpm-own", Prefixes.ownKeys(prefixes))] {
        var digest: UInt64 = 0xcbf2_9ce4_8422_2325
        for key in keys { digest = (digest ^ UInt64(table.lookup(key, orElse: 0))) &* 0x100_0000_01b3 }
        let text = ",\"digest\":\"\(String(digest, radix: 16))\""
        report(name, try rate(seconds) { lookUpOneByOne(table, keys) }, "lookups/s", text)
        report(name + "-bulk64", try rate(seconds) { lookUpInBulk(table, keys) }, "lookups/s", text)
    }
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
private func lookUpOneByOne(_ table: PrefixTable<IPv4Address>, _ keys: [IPv4Address]) -> UInt64 {
    var sum: UInt64 = 0
    let keys = keys.span
    for k in 0..<keys.count { sum &+= UInt64(table.lookup(keys[k], orElse: 0)) }
    return sum
}

@inline(never)
private func lookUpInBulk(_ table: PrefixTable<IPv4Address>, _ keys: [IPv4Address]) -> UInt64 {
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

/// The generator that the C program beside uses, so that both answer the same questions.
enum Prefixes {
    /// How many keys there are of each kind.
    static var keyCount: Int { 1 << 20 }

    static var weights: [UInt32] {
        [UInt32](repeating: 0, count: 8) + [1, 1, 4, 9, 30, 55, 110, 190, 2000, 1200, 1800, 3000, 5000, 5500]
            + [11000, 9500, 59600, 200, 200, 150, 150, 100, 100, 20, 80]
    }

    private struct XorShift {
        var state: UInt64

        mutating func draw() -> UInt32 {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return UInt32((state &* 0x2545_F491_4F6C_DD1D) >> 32)
        }
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
