import Testing

@testable import ChimneyPrimitives

@Suite struct TimerWheelTests {
    /// Random arming, moving, cancelling and passing of time agree with a sorted list.
    @Test func wheelBehavesLikeASortedList() {
        for seed in 0..<300 as Range<UInt64> {
            var random = StackRandom(seed: seed)
            var wheel = TimerWheel(timersMax: 64)
            var model: [(deadline: Instant, sequence: Int, timer: UInt32)] = []
            var now = Instant.zero
            var sequence = 0
            for _ in 0..<300 {
                let timer = UInt32.random(in: 0..<64, using: &random)
                // Distances from a nanosecond to centuries, so that every level is used.
                let distance = random.next() >> UInt64.random(in: 1...63, using: &random)
                switch Int.random(in: 0..<8, using: &random) {
                case 0..<4:
                    let asked = Instant(nanoseconds: now.nanoseconds &+ distance)
                    model.removeAll { $0.timer == timer }
                    wheel.arm(timer, at: asked < now ? .never : asked)
                    sequence += 1
                    if asked >= now && asked < .never {
                        model.append((asked > now ? asked : now + .nanoseconds(1), sequence, timer))
                    }
                case 4:
                    wheel.cancel(timer)
                    model.removeAll { $0.timer == timer }
                case 5:
                    let armed = wheel.isArmed(timer)
                    #expect(armed == model.contains { $0.timer == timer })
                default:
                    let step = min(distance, (UInt64.max - 1 - now.nanoseconds) / 4)
                    if let next = model.map(\.deadline).min(), Bool.random(using: &random) {
                        now = max(now, next)
                    } else {
                        now = Instant(nanoseconds: now.nanoseconds + step)
                    }
                    model.sort { ($0.deadline, $0.sequence) < ($1.deadline, $1.sequence) }
                    // Some are left to be cancelled, moved or fired by a later call.
                    for _ in 0..<Int.random(in: 1...70, using: &random) {
                        let fired = wheel.popFirst(dueAt: now)
                        let expected = model.first.flatMap { $0.deadline <= now ? $0.timer : nil }
                        #expect(fired == expected, "seed \(seed)")
                        if expected == nil { break }
                        model.removeFirst()
                    }
                }
                let deadline = wheel.deadline
                #expect(deadline == model.map(\.deadline).min(), "seed \(seed)")
                #expect(wheel.count == model.count, "seed \(seed)")
            }
        }
    }

    @Test func timersOfOneTickFireInTheOrderOfTheirDeadlines() {
        var wheel = TimerWheel(timersMax: 10)
        wheel.arm(1, at: Instant(nanoseconds: 500))
        wheel.arm(2, at: Instant(nanoseconds: 400))
        wheel.arm(3, at: Instant(nanoseconds: 500))
        var fired: [UInt32] = []
        while let timer = wheel.popFirst(dueAt: Instant(nanoseconds: 450)) { fired.append(timer) }
        #expect(fired == [2])
        while let timer = wheel.popFirst(dueAt: Instant(nanoseconds: 500)) { fired.append(timer) }
        #expect(fired == [2, 1, 3] && wheel.count == 0)
    }

    @Test func manyTimersOfOneTickFireInTheOrderOfTheirDeadlines() {
        for seed in 0..<20 as Range<UInt64> {
            var random = StackRandom(seed: seed)
            var wheel = TimerWheel(timersMax: 300)
            let deadlines = (0..<300).map { _ in UInt64.random(in: 1...200, using: &random) }
            for (timer, deadline) in deadlines.enumerated() {
                wheel.arm(UInt32(timer), at: Instant(nanoseconds: deadline))
            }
            var expected = deadlines.indices.sorted { (deadlines[$0], $0) < (deadlines[$1], $1) }.map { UInt32($0) }
            // One that fires in the same call can still be cancelled.
            var fired: [UInt32] = []
            while let timer = wheel.popFirst(dueAt: Instant(nanoseconds: 200)) {
                fired.append(timer)
                guard fired.count == 100 else { continue }
                wheel.cancel(expected[200])
                expected.remove(at: 200)
            }
            #expect(fired == expected, "seed \(seed)")
        }
    }

    @Test func timerArmedInThePastWhileTimersFireWaitsForTheNextCall() {
        var wheel = TimerWheel(timersMax: 2)
        wheel.arm(0, at: Instant(nanoseconds: 10))
        let now = Instant(nanoseconds: 1_000_000)
        var fired = 0
        while fired < 10, let timer = wheel.popFirst(dueAt: now) {
            fired += 1
            wheel.arm(timer, at: .zero)
        }
        #expect(fired == 1)
        let deadline = wheel.deadline
        #expect(deadline == now + .nanoseconds(1))
    }

    @Test func timeThatGoesBackFiresNothing() {
        var wheel = TimerWheel(timersMax: 2)
        let early = wheel.popFirst(dueAt: Instant(nanoseconds: 1_000))
        wheel.arm(0, at: Instant(nanoseconds: 2_000))
        let earlier = wheel.popFirst(dueAt: .zero)
        let onTime = wheel.popFirst(dueAt: Instant(nanoseconds: 2_000))
        #expect(early == nil && earlier == nil && onTime == 0)
    }

    @Test func lastTimerAndLastInstantWork() {
        var wheel = TimerWheel(timersMax: 1_000)
        let last = Instant(nanoseconds: .max - 1)
        wheel.arm(999, at: last)
        let deadline = wheel.deadline
        let before = wheel.popFirst(dueAt: Instant(nanoseconds: .max - 2))
        let fired = wheel.popFirst(dueAt: last)
        #expect(deadline == last && before == nil && fired == 999)
    }
}
