import ChimneyPrimitives
import Testing

@Suite struct RingBufferTests {
    /// Every operation, at random, beside an array that does the same.
    @Test func aRingDoesWhatAnArrayDoes() {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = StackRandom(seed: seed)
            var ring = RingBuffer<Int>()
            var model: [Int] = []
            for step in 0..<300 {
                switch Int.random(in: 0..<9, using: &random) {
                case 0, 1, 2:
                    ring.append(step)
                    model.append(step)
                case 3:
                    ring.prepend(step)
                    model.insert(step, at: 0)
                case 4:
                    let index = Int.random(in: 0...model.count, using: &random)
                    ring.insert(step, at: index)
                    model.insert(step, at: index)
                case 5 where !model.isEmpty: #expect(ring.removeFirst() == model.removeFirst())
                case 6 where !model.isEmpty: #expect(ring.removeLast() == model.removeLast())
                case 7 where !model.isEmpty:
                    let index = Int.random(in: 0..<model.count, using: &random)
                    #expect(ring.remove(at: index) == model.remove(at: index))
                case 8 where !model.isEmpty:
                    let index = Int.random(in: 0..<model.count, using: &random)
                    ring[index] += 1_000
                    model[index] += 1_000
                default: ring.releaseMemory()
                }
                guard ring.count == model.count else { break }
            }
            #expect(ring.count == model.count, "seed \(seed)")
            #expect((0..<ring.count).map { ring[$0] } == model, "seed \(seed)")
        }
    }

    @Test func memoryComesWithTheFirstElementAndGoesBackWhenAsked() {
        var ring = RingBuffer<Int>()
        #expect(ring.capacity == 0)
        ring.append(1)
        #expect(ring.capacity == 4)
        ring.releaseMemory()
        #expect(ring.capacity == 4, "a ring with elements keeps its memory")
        _ = ring.removeFirst()
        #expect(ring.capacity == 4)
        ring.releaseMemory()
        #expect(ring.capacity == 0)
    }

    @Test func elementsEndOnceHoweverTheyLeave() {
        final class Tally { var ended = 0 }
        struct Held: ~Copyable {
            let tally: Tally
            deinit { tally.ended += 1 }
        }
        let tally = Tally()
        do {
            var ring = RingBuffer<Held>()
            for _ in 0..<6 { ring.append(Held(tally: tally)) }
            _ = ring.removeFirst()
            _ = ring.remove(at: 2)
            #expect(tally.ended == 2)
            ring.append(Held(tally: tally))
            ring.append(Held(tally: tally))
        }
        #expect(tally.ended == 8)
    }
}
