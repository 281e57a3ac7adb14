import Testing

@testable import ChimneyPrimitives

@Suite struct RingTests {
    @Test func ringsRefuseAtTheirBoundAndKeepTheOrder() {
        let one = SPSCRing<Int>(capacity: 5)
        let many = MPSCRing<Int>(capacity: 5)
        #expect(one.capacity == 8 && many.capacity == 8 && SPSCRing<Int>(capacity: 1).capacity == 1)
        for round in 0..<10 {
            for number in 0..<8 { #expect(one.append(round * 8 + number) && many.append(round * 8 + number)) }
            #expect(!one.append(0) && !many.append(0) && one.count == 8)
            for number in 0..<8 {
                #expect(one.takeFirst() == round * 8 + number && many.takeFirst() == round * 8 + number)
            }
            #expect(one.takeFirst() == nil && many.takeFirst() == nil && one.count == 0)
        }
    }

    @Test func smallestRingsWork() {
        let one = SPSCRing<Int>(capacity: 1)
        let many = MPSCRing<Int>(capacity: 1)
        for number in 0..<5 {
            #expect(one.append(number) && !one.append(9) && one.takeFirst() == number && one.takeFirst() == nil)
            while many.append(number) {}
            var taken = 0
            while many.takeFirst() == number { taken += 1 }
            #expect(taken == many.capacity)
        }
    }

    @Test func whatWaitsInARingIsFreedWithIt() {
        weak var seen: Held?
        do {
            let one = SPSCRing<Held>(capacity: 4)
            let many = MPSCRing<Held>(capacity: 4)
            let held = Held()
            seen = held
            #expect(one.append(held) && one.append(held) && many.append(held))
            #expect(seen != nil)
        }
        #expect(seen == nil)
    }

    @Test func everyElementCrossesThreadsOnceAndInOrder() async {
        let ring = SPSCRing<[Int]>(capacity: 16)
        let total = 50_000
        async let sum = Task.detached {
            var expected = 0
            var idle = 0
            while expected < total && idle < 10_000_000 {
                guard let next = ring.takeFirst() else {
                    idle += 1
                    if idle % 64 == 0 { await Task.yield() }
                    continue
                }
                if next != [expected] { return -1 }
                expected += 1
                idle = 0
            }
            return expected
        }.value
        await Task.detached {
            var number = 0
            for _ in 0..<10_000_000 where number < total {
                if ring.append([number]) { number += 1 } else { await Task.yield() }
            }
        }.value
        #expect(await sum == total)
    }

    @Test func manyThreadsAppendAndEachKeepsItsOrder() async {
        let ring = MPSCRing<[Int]>(capacity: 32)
        let writers = 4
        let each = 20_000
        async let taken = Task.detached {
            var next = [Int](repeating: 0, count: writers)
            var count = 0
            var idle = 0
            while count < writers * each && idle < 10_000_000 {
                guard let element = ring.takeFirst() else {
                    idle += 1
                    if idle % 64 == 0 { await Task.yield() }
                    continue
                }
                if element[1] != next[element[0]] { return -1 }
                next[element[0]] += 1
                count += 1
                idle = 0
            }
            return count
        }.value
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<writers {
                group.addTask {
                    var number = 0
                    for _ in 0..<10_000_000 where number < each {
                        if ring.append([writer, number]) { number += 1 } else { await Task.yield() }
                    }
                }
            }
        }
        #expect(await taken == writers * each)
    }
}

private final class Held: Sendable {}
