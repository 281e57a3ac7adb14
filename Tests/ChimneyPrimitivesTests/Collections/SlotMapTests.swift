import ChimneyPrimitives
import Testing

/// Counts itself, so that a test sees what is not destroyed or destroyed twice.
final class Tally {
    var live = 0
}

struct Counted: ~Copyable {
    let tally: Tally
    var value: Int

    init(_ value: Int, _ tally: Tally) {
        self.value = value
        self.tally = tally
        tally.live += 1
    }

    deinit { tally.live -= 1 }
}

@Suite struct SlotMapTests {
    @Test func identityDiesWithItsElement() {
        var map = SlotMap<Int>(elementsMax: 10)
        let none = map.first()
        #expect(none == nil)
        guard let first = map.insert(1), let second = map.insert(2) else { return }
        map[first] += 10
        let removed = map.remove(first)
        #expect(removed == 11)
        guard let third = map.insert(3) else { return }
        let known = [map.contains(first), map.contains(second), map.contains(third)]
        #expect(known == [false, true, true])
        #expect(third.index == first.index && third != first)
        let strangers = [
            map.contains(SlotID(index: -1, generation: 1)), map.contains(SlotID(index: 9, generation: 1)),
            map.contains(SlotID(index: 0, generation: 2)),
        ]
        #expect(strangers == [false, false, false])
    }

    @Test func mapRefusesAtItsBoundAndReusesPlaces() {
        var map = SlotMap<Int>(elementsMax: 3)
        let ids = (0..<3).compactMap { map.insert($0) }
        let refused = map.insert(4) == nil
        #expect(ids.count == 3 && refused && map.count == 3)
        _ = map.remove(ids[1])
        let taken = map.insert(5) != nil
        #expect(taken && map.count == 3)
    }

    /// Random insertions and removals agree with a dictionary, and every element is destroyed once.
    @Test func mapBehavesLikeADictionaryOfItsIdentities() {
        for seed in 0..<100 as Range<UInt64> {
            var random = StackRandom(seed: seed)
            let tally = Tally()
            do {
                var map = SlotMap<Counted>(elementsMax: 50)
                var model: [(SlotID, Int)] = []
                for step in 0..<300 {
                    if Int.random(in: 0..<5, using: &random) < 3 {
                        let id = map.insert(Counted(step, tally))
                        #expect((id == nil) == (model.count == 50))
                        if let id { model.append((id, step)) }
                    } else if let position = model.indices.randomElement(using: &random) {
                        let (id, value) = model.remove(at: position)
                        let element = map.remove(id)
                        #expect(element.value == value)
                    }
                    #expect(map.count == model.count)
                }
                for (id, value) in model {
                    let found = map[id].value
                    #expect(found == value, "seed \(seed)")
                }
                var walked: [Int32] = []
                var next = map.first()
                while let id = next {
                    walked.append(id.index)
                    next = map.first(from: Int(id.index) + 1)
                }
                #expect(walked == model.map(\.0.index).sorted())
                #expect(tally.live == model.count, "seed \(seed)")
            }
            #expect(tally.live == 0, "seed \(seed)")
        }
    }
}

@Suite struct SortedSetTests {
    @Test func setAgreesWithTheStandardOne() {
        for seed in 0..<200 as Range<UInt64> {
            var random = StackRandom(seed: seed)
            func numbers() -> [Int] {
                (0..<Int.random(in: 0..<30, using: &random)).map { _ in Int.random(in: 0..<40, using: &random) }
            }
            let (a, b) = (numbers(), numbers())
            var left = SortedSet(a)
            let right = SortedSet(b)
            #expect(left.union(right).elements == Set(a).union(b).sorted())
            #expect(left.intersection(right).elements == Set(a).intersection(b).sorted())
            #expect(left.subtracting(right).elements == Set(a).subtracting(b).sorted())
            #expect(left.symmetricDifference(right).elements == Set(a).symmetricDifference(b).sorted())
            var model = Set(a)
            for _ in 0..<50 {
                let number = Int.random(in: 0..<40, using: &random)
                #expect(left.contains(number) == model.contains(number))
                if Bool.random(using: &random) {
                    #expect(left.insert(number) == model.insert(number).inserted)
                } else {
                    #expect(left.remove(number) == (model.remove(number) != nil))
                }
            }
            #expect(left.elements == model.sorted() && left.count == model.count)
        }
    }
}
