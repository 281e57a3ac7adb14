import ChimneyPrimitives
import Testing

@testable import ChimneyRouting

/// The obvious table: looks at every prefix.
struct PrefixModel<Address: InternetAddress> {
    var values: [Prefix<Address>: UInt32] = [:]

    func lookup(_ address: Address) -> UInt32? {
        values.filter { $0.key.contains(address) }.max { $0.key.length < $1.key.length }?.value
    }
}

@Suite struct PrefixTableTests {
    /// A prefix near a few others, so that prefixes nest, meet and share nodes.
    func randomPrefix<Address: InternetAddress>(
        _ random: inout StackRandom, spread: Int, shortest: Int = 0
    ) -> Prefix<Address> {
        let length = Int.random(in: shortest...Address.bitWidth, using: &random)
        return Prefix(randomAddress(&random, spread: spread), length: length)
    }

    func randomAddress<Address: InternetAddress>(_ random: inout StackRandom, spread: Int) -> Address {
        // Few different values in few bit positions, the rest zeros or ones.
        var bits = Address.Bits(0)
        for _ in 0..<spread {
            let shift = Int.random(in: 0..<Address.bitWidth, using: &random)
            bits ^= Address.Bits(1) << shift
        }
        return Address(bits: Bool.random(using: &random) ? bits : ~bits)
    }

    func compare<Address: InternetAddress>(
        _: Address.Type, seed: UInt64, changes: Int, spread: Int, prefixesMax: Int,
        sizes: InlineArray<3, Int> = [32, 512, 131_072], shortest: Int = 0
    ) throws {
        var random = StackRandom(seed: seed)
        var table = PrefixTable<Address>(prefixesMax: 1_000_000, sizes: sizes)
        var model = PrefixModel<Address>()
        var known: [Prefix<Address>] = []
        for change in 0..<changes {
            // Grow first and then shrink, so that every form is entered from both sides.
            let isGrowing = change < changes * 6 / 10
            if known.count < prefixesMax, Int.random(in: 0..<10, using: &random) < (isGrowing ? 8 : 2) || known.isEmpty
            {
                let prefix: Prefix<Address> = randomPrefix(&random, spread: spread, shortest: shortest)
                let value = UInt32.random(in: 0...5, using: &random)
                if model.values[prefix] == nil { known.append(prefix) }
                try table.insert(prefix, value: value)
                model.values[prefix] = value
            } else {
                let place = Int.random(in: 0..<known.count, using: &random)
                known.swapAt(place, known.count - 1)
                let prefix = known.removeLast()
                #expect(table.remove(prefix) == model.values.removeValue(forKey: prefix))
                #expect(table.remove(prefix) == nil)
            }
            #expect(table.count == known.count)
            guard change % 7 == 0 else { continue }
            for _ in 0..<8 {
                let address: Address
                if let prefix = known.randomElement(using: &random), Bool.random(using: &random) {
                    let edge = Bool.random(using: &random) ? prefix.address.bits : prefix.lastAddress.bits
                    address = Address(bits: edge &+ Address.Bits(UInt8.random(in: 0...2, using: &random)) &- 1)
                } else {
                    address = randomAddress(&random, spread: spread)
                }
                let expected = model.lookup(address)
                #expect(table.lookup(address) == expected, "seed \(seed), change \(change), \(address.bits)")
                #expect(table.match(address)?.value == expected)
            }
        }
        var listed: [Prefix<Address>] = []
        table.forEach { prefix, value in
            listed.append(prefix)
            #expect(model.values[prefix] == value && table[prefix] == value)
        }
        #expect(listed == model.values.keys.sorted())
        for prefix in listed { table.remove(prefix) }
        #expect(table.lookup(Address(bits: .max)) == nil)
    }

    @Test func smallTablesAnswerLikeAModelThatLooksAtEveryPrefix() throws {
        for seed in 0..<60 as Range<UInt64> {
            try compare(IPv4Address.self, seed: seed, changes: 400, spread: 3, prefixesMax: 40)
        }
    }

    @Test func tablesOfHundredsAnswerLikeTheModelWhileTheyGrowAndShrink() throws {
        for seed in 0..<8 as Range<UInt64> {
            try compare(IPv4Address.self, seed: seed, changes: 2_500, spread: 4, prefixesMax: 900)
        }
    }

    @Test func addressesOfIPv6AreTheSameMatter() throws {
        for seed in 0..<8 as Range<UInt64> {
            try compare(IPv6Address.self, seed: seed, changes: 1_500, spread: 3, prefixesMax: 600)
        }
    }

    @Test func theLargerFormsAnswerLikeTheModelWhileTheTableGrowsAndShrinks() throws {
        for seed in 100..<105 as Range<UInt64> {
            try compare(
                IPv4Address.self, seed: seed, changes: 1_000, spread: 4, prefixesMax: 400, sizes: [2, 10, 1_000])
        }
        // The largest form has 16 million cells, and short prefixes write many of them.
        try compare(
            IPv4Address.self, seed: 1, changes: 300, spread: 4, prefixesMax: 100, sizes: [2, 10, 40], shortest: 11)
        try compare(
            IPv6Address.self, seed: 2, changes: 300, spread: 4, prefixesMax: 100, sizes: [2, 10, 40], shortest: 11)
    }

    @Test func oneMorePrefixThanTheBoundIsRefusedAndANewValueForAKnownOneIsNot() throws {
        var table = PrefixTable<IPv4Address>(prefixesMax: 2)
        try table.insert(prefix(10, 0, 0, 0, 8), value: 1)
        try table.insert(.all, value: 2)
        #expect(throws: PrefixTableError.tableFull(prefixesMax: 2)) {
            try table.insert(prefix(11, 0, 0, 0, 8), value: 3)
        }
        try table.insert(.all, value: 4)
        #expect(table.lookup(IPv4Address(11, 0, 0, 1)) == 4)
        let large = PrefixTable<IPv4Address>.valueMax
        try table.insert(.all, value: large)
        #expect(table.lookup(.any) == large)
        #expect(throws: PrefixTableError.valueTooLarge(large + 1)) { try table.insert(.all, value: large + 1) }
    }

    @Test func loadingAtOnceAnswersLikeLoadingOneByOne() throws {
        var random = StackRandom(seed: 5)
        let prefixes = (0..<3_000).map { (randomPrefix(&random, spread: 6) as IPv4Prefix, UInt32($0)) }
        var slow = PrefixTable<IPv4Address>()
        for (prefix, value) in prefixes { try slow.insert(prefix, value: value) }
        var fast = PrefixTable<IPv4Address>()
        try fast.insert(contentsOf: prefixes)
        for _ in 0..<5_000 {
            let address: IPv4Address = randomAddress(&random, spread: 6)
            #expect(slow.lookup(address) == fast.lookup(address))
        }
    }

    @Test func aCopyKeepsItsAnswersWhileTheOriginalChanges() throws {
        var table = PrefixTable<IPv4Address>()
        for k in 0..<100 { try table.insert(prefix(10, 0, UInt8(k), 0, 24), value: UInt32(k)) }
        let snapshot = table
        for k in 0..<100 { table.remove(prefix(10, 0, UInt8(k), 0, 24)) }
        #expect(snapshot.lookup(IPv4Address(10, 0, 7, 1)) == 7)
        #expect(table.lookup(IPv4Address(10, 0, 7, 1)) == nil)
    }

    @Test func aTableOfAFewRoutesCostsLessThanTwoKilobytesAndAnEmptiedOneGivesItsMemoryBack() throws {
        var table = PrefixTable<IPv4Address>()
        for k in 1...3 { try table.insert(prefix(10, 0, UInt8(k), 0, 24), value: UInt32(k)) }
        #expect(table.byteCount < 2_048)
        for k in 0..<20_000 { try table.insert(IPv4Prefix(IPv4Address(bits: UInt32(k) << 12), length: 24), value: 1) }
        #expect(table.byteCount > 1 << 21)
        for k in 0..<20_000 { table.remove(IPv4Prefix(IPv4Address(bits: UInt32(k) << 12), length: 24)) }
        #expect(table.byteCount < 1 << 21)
    }
}
