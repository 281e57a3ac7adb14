import ChimneyPrimitives
import Testing

@Suite struct StackRandomTests {
    @Test func sameSeedGivesTheSameNumbersAndAnotherSeedDoesNot() {
        var first = StackRandom(seed: 7)
        var second = StackRandom(seed: 7)
        var third = StackRandom(seed: 8)
        let numbers = (0..<100).map { _ in first.next() }
        #expect(numbers == (0..<100).map { _ in second.next() })
        #expect(numbers != (0..<100).map { _ in third.next() })
        #expect(Set(numbers).count == 100)
    }

    @Test func delayStaysWithinItsLimitAndIsNeverZero() {
        var random = StackRandom(seed: 1)
        for _ in 0..<1_000 {
            let delay = random.delay(upTo: .nanoseconds(3))
            #expect(delay > .zero && delay <= .nanoseconds(3))
        }
        #expect(random.delay(upTo: .zero) == .nanoseconds(1))
    }
}
