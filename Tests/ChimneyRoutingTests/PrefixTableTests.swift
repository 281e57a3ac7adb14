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

    /// A prefix as the Internet has them: of few holders, most of 29 to 48 bits, some of 56, 64 and more.
    func heldPrefix(_ random: inout StackRandom) -> IPv6Prefix {
        let lengths = [3, 12, 20, 28, 29, 29, 32, 32, 36, 40, 44, 48, 48, 48, 54, 55, 56, 64, 64, 86, 87, 120, 128]
        let length = lengths.randomElement(using: &random) ?? 0
        let holder = UInt128(0x2001_0000 | UInt32.random(in: 0..<12, using: &random) << 11) << 96
        let network = UInt128(UInt64.random(in: .min ... .max, using: &random) & 0x7_000F_F003_0007) << 64
        let host = UInt128(UInt64.random(in: .min ... .max, using: &random) & 0xE000_0600_0000_0003)
        return IPv6Prefix(IPv6Address(bits: holder | network | host), length: length)
    }

    @Test func thousandsOfPrefixesOfIPv6AnswerLikeASearchAmongThemThroughAllChanges() throws {
        for seed in 0..<3 as Range<UInt64> {
            var random = StackRandom(seed: seed)
            var table = PrefixTable<IPv6Address>()
            var known: [IPv6Prefix] = []
            for change in 0..<9_000 {
                let prefix = heldPrefix(&random)
                let isGrowing = change / 1_500 % 2 == 0 && change < 7_500
                if isGrowing || known.isEmpty {
                    if table.entry(prefix) == nil { known.append(prefix) }
                    // Neighbours with the same answer, and some that take no part in lookups.
                    table.set(prefix, tag: 7, word: UInt32.random(in: 0...3, using: &random))
                } else if change % 4 == 0 {
                    let known = known.randomElement(using: &random) ?? prefix
                    table.set(known, tag: 7, word: UInt32.random(in: 0...3, using: &random))
                } else {
                    known.swapAt(Int.random(in: 0..<known.count, using: &random), known.count - 1)
                    #expect(table.forget(known.removeLast()) != nil)
                }
                guard change % 20 == 0 else { continue }
                var addresses: [IPv6Address] = [heldPrefix(&random).address]
                for _ in 0..<4 {
                    let prefix = known.randomElement(using: &random) ?? prefix
                    let edge = Bool.random(using: &random) ? prefix.address.bits : prefix.lastAddress.bits
                    addresses.append(IPv6Address(bits: edge &+ UInt128(UInt8.random(in: 0...2, using: &random)) &- 1))
                }
                var found = [UInt32](repeating: 0, count: 5)
                var span = found.mutableSpan
                table.lookup(addresses.span, into: &span)
                for (address, found) in zip(addresses, found) {
                    let expected = table.match(address)?.value
                    #expect(table.lookup(address) == expected, "seed \(seed), change \(change), \(address)")
                    #expect(found == expected ?? .max)
                }
            }
            for prefix in known { table.remove(prefix) }
            #expect(table.count == 0 && table.lookup(IPv6Address(bits: 0x2001 << 112)) == nil)
        }
    }

    @Test func memoryOfATableThatComesAndGoesDoesNotGrow() throws {
        var random = StackRandom(seed: 11)
        let stay = (0..<200).map { _ in heldPrefix(&random) }
        let pass = (0..<400).map { _ in heldPrefix(&random) }.filter { !stay.contains($0) }
        var table = PrefixTable<IPv6Address>()
        for prefix in stay { try table.insert(prefix, value: 1) }
        var most = 0
        for round in 0..<24 {
            for (k, prefix) in pass.enumerated() { try table.insert(prefix, value: UInt32(k + round)) }
            if round < 4 { most = max(most, table.byteCount) }
            for prefix in pass { table.remove(prefix) }
        }
        for prefix in pass { try table.insert(prefix, value: 2) }
        #expect(table.byteCount <= most * 5 / 4)
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
