import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import Testing

/// A module that only makes every segment go step by step, for none of a watched connection is predicted.
private final class Silent: TCPHooks {
    struct Watcher: TCPWatcher {
        mutating func segmentSeen(_ segment: TCPSeenSegment, in state: TCPFlowState) {}
    }

    func watcher(ofConnection number: UInt64, in state: TCPFlowState, at now: Instant) -> (any TCPWatcher)? {
        Watcher()
    }
}

@Suite struct PredictionTests {
    /// The short way of segments that are as predicted leaves what the steps of RFC 9293 §3.10.7.4 leave: the same
    /// segments at the same times, and the same windows, timers and round trips.
    @Test(arguments: [CongestionAlgorithm.newReno, .cubic, .dctcp, .vegas])
    func theShortWayLeavesWhatTheStepsLeave(algorithm: CongestionAlgorithm) {
        for seed in Seeds.chosen(count: 12) {
            let short = Self.exchange(seed: seed, algorithm, goesStepByStep: false)
            let long = Self.exchange(seed: seed, algorithm, goesStepByStep: true)
            #expect(short == long, "replay with CHIMNEY_SEED=\(seed)")
        }
    }

    /// An acknowledgement of something new may be the first to tell of a hole, when the one before it was lost.
    @Test func blocksBesideANewAcknowledgementAreSeen() {
        var options = TCPOptionValues()
        options.permitsSACK = true
        options.timestamps = TCPTimestamps(value: 5, echo: 0)
        var settings = TCPSettings()
        settings.recovery.initialWindow = 10
        var script = Scripted.opened(settings, options: options)
        script.write(4 * 1_448)
        script.now = script.now + .milliseconds(10)
        var told = TCPOptionValues()
        told.timestamps = TCPTimestamps(value: 6, echo: 0)
        let first = script.ours + 2 * 1_448
        told.append(TCPSACKBlock(left: first.value, right: (first + 1_448).value))
        script.hear(ack: 1_448, options: told)
        #expect(script.end.connection.flowState.inFlight == 2 * 1_448)
    }

    private static func exchange(seed: UInt64, _ algorithm: CongestionAlgorithm, goesStepByStep: Bool) -> [String] {
        var choice = StackRandom(seed: seed)
        var settings = TCPSettings()
        settings.recovery.congestion = algorithm
        settings.hasTimestamps = Bool.random(using: &choice)
        settings.hasSelectiveAcks = Bool.random(using: &choice)
        settings.noDelay = Bool.random(using: &choice)
        settings.quickAcks = Bool.random(using: &choice) ? 0 : 16
        settings.ecn = algorithm == .dctcp ? .requests : .off
        var ends = TwoEnds(End(settings), End(settings, iss: 5_000), seed: seed)
        ends.keepsSent = true
        if Bool.random(using: &choice) {
            ends.lossPerMille = 10
            ends.jitter = .milliseconds(4)
        }
        ends.open()
        ends.run(.seconds(10))
        if goesStepByStep {
            let silent = Silent()
            ends.client.connection.watch(with: silent, number: 1, at: ends.now)
            ends.server.connection.watch(with: silent, number: 2, at: ends.now)
        }
        var lines: [String] = []
        for _ in 0..<40 {
            let size = Bool.random(using: &choice) ? Int.random(in: 1..<200, using: &choice) : 20_000
            if Bool.random(using: &choice) { _ = ends.client.write(pattern(size), at: ends.now) }
            if Bool.random(using: &choice) { _ = ends.server.write(pattern(size / 3 + 1), at: ends.now) }
            ends.collect()
            ends.run(.milliseconds(Int64.random(in: 0..<300, using: &choice)))
            _ = ends.server.read(at: ends.now)
            _ = ends.client.read(at: ends.now)
            ends.collect()
            lines.append("\(ends.client.connection.snapshot(at: ends.now))")
            lines.append("\(ends.server.connection.snapshot(at: ends.now))")
        }
        return lines + ends.sent.map { "\($0.at) \($0.fromClient) \($0.flying.segment)" }
    }
}
