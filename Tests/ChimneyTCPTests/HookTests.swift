import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import Testing

/// A module that remembers what its watchers are told.
private final class Recorder: TCPHooks {
    var wants = true
    var asked: [UInt64] = []
    var seen: [(segment: TCPSeenSegment, state: TCPFlowState)] = []
    var endedCount = 0

    struct Watcher: TCPWatcher {
        let recorder: Recorder
        /// The module's own slot in this connection.
        var count = 0

        mutating func segmentSeen(_ segment: TCPSeenSegment, in state: TCPFlowState) {
            count += 1
            recorder.seen.append((segment, state))
        }

        mutating func ended() { recorder.endedCount += 1 }
    }

    func watcher(ofConnection number: UInt64, in state: TCPFlowState, at now: Instant) -> (any TCPWatcher)? {
        asked.append(number)
        return wants ? Watcher(recorder: self) : nil
    }
}

@Suite struct HookTests {
    @Test func aWatcherIsToldOfEachSegmentInBothDirections() {
        let recorder = Recorder()
        var script = Scripted.opened()
        let answer1 = script.watch(recorder, 7)
        #expect(answer1)
        script.write(100)
        script.now = script.now + .milliseconds(5)
        script.hear(ack: 100, pattern(30), window: 50_000)
        #expect(recorder.asked == [7])
        let segments = recorder.seen.map(\.segment)
        #expect(segments.map(\.isOutgoing) == [true, false])
        #expect(segments.map(\.payloadCount) == [100, 30])
        #expect(segments[0].sequence == script.ours.value && segments[0].acknowledgment == script.theirs.value)
        #expect(segments[1].acknowledgment == script.ours.value + 100 && segments[1].window == 50_000)
        #expect(segments[1].time == script.now && !segments.contains { $0.isAgain })
        // The state is that before the segment that arrived.
        #expect(recorder.seen[1].state.inFlight == 100 && recorder.seen[1].state.nextToArrive == script.theirs.value)
        let slot = script.watcher(Recorder.Watcher.self)
        #expect(slot?.count == 2)
    }

    @Test func whatIsSentAgainIsMarked() {
        let recorder = Recorder()
        var script = Scripted.opened()
        script.watch(recorder, 1)
        script.write(100)
        _ = script.wait(.seconds(2))
        #expect(recorder.seen.count > 1)
        #expect(
            recorder.seen.map(\.segment.isAgain) == [false] + Array(repeating: true, count: recorder.seen.count - 1))
    }

    @Test func aWatchedConnectionDoesWhatOneDoesThatIsNot() {
        var hashes: [[String]] = []
        for isWatched in [false, true] {
            var ends = TwoEnds(seed: 9)
            ends.keepsSent = true
            ends.lossPerMille = 30
            ends.jitter = .milliseconds(3)
            ends.open()
            ends.run(.seconds(5))
            let recorder = Recorder()
            if isWatched {
                ends.client.connection.watch(with: recorder, number: 1, at: ends.now)
                ends.server.connection.watch(with: recorder, number: 2, at: ends.now)
            }
            _ = ends.client.write(pattern(100_000), at: ends.now)
            ends.collect()
            ends.run(.seconds(60))
            #expect(ends.server.connection.readableCount == 100_000)
            hashes.append(ends.sent.map { "\($0.at) \($0.fromClient) \($0.flying.segment)" })
            #expect(recorder.seen.isEmpty != isWatched)
        }
        #expect(hashes[0] == hashes[1])
    }

    @Test func aModuleMayDeclineAndIsNotAskedTwice() {
        let recorder = Recorder()
        recorder.wants = false
        var script = Scripted.opened()
        let answer2 = script.watch(recorder, 1)
        #expect(!answer2)
        script.write(10)
        #expect(recorder.seen.isEmpty)
        recorder.wants = true
        let answer3 = script.watch(recorder, 1)
        #expect(answer3)
        let answer4 = script.watch(recorder, 1)
        #expect(answer4)
        #expect(recorder.asked.count == 2)
    }

    @Test func watchersEndWithTheConnectionAndWhenTheirModuleIsTakenOff() {
        let recorder = Recorder()
        var script = Scripted.opened()
        script.watch(recorder, 1)
        script.end.connection.unwatch(by: recorder)
        #expect(recorder.endedCount == 1)
        script.write(10)
        #expect(recorder.seen.isEmpty)
        script.watch(recorder, 1)
        script.hear([.rst, .ack], ack: 10)
        #expect(script.state == .closed && recorder.endedCount == 2)
        let answer5 = script.watch(recorder, 1)
        #expect(!answer5)
    }

    @Test func aConnectionAndAStackHaveSlotsForSoManyModules() throws {
        var modules = TCPModules()
        var script = Scripted.opened()
        var all: [Recorder] = []
        for _ in 0..<TCPModules.modulesMax {
            all.append(Recorder())
            try modules.register(all[all.count - 1])
        }
        try modules.register(all[0])
        #expect(modules.count == TCPModules.modulesMax)
        #expect(throws: TCPHooksError.tooManyModules(max: TCPModules.modulesMax)) { try modules.register(Recorder()) }
        modules.watch(&script.end.connection, number: 3, at: script.now)
        #expect(all.allSatisfy { $0.asked == [3] })
        #expect(TCPModules.modulesMax >= TCPConnection.watchersMax)
        let more = Recorder()
        let answer6 = script.watch(more, 3)
        #expect(!answer6)
        modules.remove(all[0])
        try modules.register(more)
        #expect(modules.count == TCPModules.modulesMax)
    }
}

@Suite struct RoundTripMeterTests {
    @Test func eachAnswerIsTimed() {
        var script = Scripted.opened()
        script.watch(RoundTripMeters(), 1)
        for (index, time) in [20, 40, 10].enumerated() {
            script.write(100)
            script.now = script.now + .milliseconds(Int64(time))
            script.hear(ack: (index + 1) * 100)
        }
        let meter = script.meter
        #expect(meter?.sampleCount == 3 && meter?.latest == .milliseconds(10))
        #expect(meter?.shortest == .milliseconds(10) && meter?.longest == .milliseconds(40))
        // 20, then an eighth of the way to 40, then an eighth of the way to 10.
        #expect(meter?.mean == .nanoseconds(20_937_500))
    }

    @Test func whatWasSentAgainGivesNoSample() {
        var script = Scripted.opened()
        script.watch(RoundTripMeters(), 1)
        script.write(100)
        _ = script.wait(.seconds(2))
        script.hear(ack: 100)
        #expect(script.meter?.sampleCount == 0 && script.meter?.ambiguousCount == 1)
        script.write(100)
        script.now = script.now + .milliseconds(30)
        script.hear(ack: 200)
        #expect(script.meter?.sampleCount == 1 && script.meter?.latest == .milliseconds(30))
    }

    @Test func noMoreSegmentsAreWaitedForThanTheBound() {
        var settings = Scripted.plain
        settings.noDelay = true
        settings.recovery.initialWindow = 1_000
        var script = Scripted.opened(settings)
        script.watch(RoundTripMeters(), 1)
        for _ in 0..<RoundTripMeter.segmentsMax + 5 { script.write(10) }
        #expect(script.meter?.missedCount == 5)
        script.now = script.now + .milliseconds(1)
        script.hear(ack: 10 * (RoundTripMeter.segmentsMax + 5))
        script.write(10)
        #expect(script.meter?.missedCount == 5 && script.meter?.sampleCount == 1)
    }
}

@Suite struct FlowLogTests {
    @Test func eachSegmentIsALineOfATable() {
        let log = FlowLog()
        var script = Scripted.opened()
        script.watch(log, 4)
        script.write(100)
        script.now = script.now + .milliseconds(20)
        script.hear(ack: 100, pattern(30))
        let state = script.end.connection.flowState
        let rows = log.text.split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
        #expect(rows.map(\.count) == [10, 10, 10])
        #expect(rows[0] == ["# time"] + FlowLog.Line.columns.dropFirst())
        #expect(rows[1] == ["0.010000000", "4", ">", "0", "0", "100", "\(state.cwnd)", "0", "100", "10.000"])
        #expect(Array(rows[2][..<6]) == ["0.030000000", "4", "<", "0", "100", "30"])
    }

    @Test func linesBeyondTheBoundAreMissedAndCounted() {
        let log = FlowLog(linesMax: 3)
        var script = Scripted.opened()
        script.watch(log, 1)
        for index in 0..<5 { script.hear(0, pattern(10), at: index) }
        #expect(log.lines.count == 3)
        #expect(log.missedCount > 0)
        #expect(log.text.contains("# missed \(log.missedCount)"))
        #expect(log.takeLines().count == 3 && log.lines.isEmpty)
        script.write(10)
        #expect(log.lines.count == 1)
    }

    @Test func placesGoOnWhereNumbersWrap() {
        let log = FlowLog()
        var ends = TwoEnds(End(iss: .max - 500), End(iss: 5_000))
        ends.open()
        ends.client.connection.watch(with: log, number: 1, at: ends.now)
        _ = ends.client.write(pattern(20_000), at: ends.now)
        ends.collect()
        ends.run(.seconds(1))
        #expect(log.lines.map(\.acknowledgment).max() == 20_000)
        #expect(log.lines.allSatisfy { $0.sequence >= 0 && $0.acknowledgment >= 0 })
    }
}

extension Scripted {
    /// A module is registered with the connection.
    @discardableResult
    fileprivate mutating func watch(_ module: any TCPHooks, _ number: UInt64) -> Bool {
        end.connection.watch(with: module, number: number, at: now)
    }

    fileprivate var meter: RoundTripMeter? { watcher(RoundTripMeter.self) }

    fileprivate func watcher<Watcher: TCPWatcher>(_ type: Watcher.Type) -> Watcher? { end.connection.watcher(type) }

    /// A full segment of the peer's stream arrives, the one with this place.
    fileprivate mutating func hear(_ ack: Int, _ payload: [UInt8], at index: Int) {
        hear(.ack, index * payload.count, ack: ack, payload)
    }
}
