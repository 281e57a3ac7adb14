import ChimneyPrimitives
import Testing

@testable import ChimneyTCP

/// A control of a user's own: a window that never changes.
private struct Fixed: CongestionControl {
    var cwnd = 5_000
    var ssthresh = 5_000
    var acknowledgements = 0
    /// More than an existential holds without a box.
    var ballast = (0, 0, 0, 0, 0, 0)
    mutating func established(_ start: CongestionStart, at now: Instant) { cwnd = 7 * start.mss }
    mutating func ackArrived(_ sample: AckSample, at now: Instant) { acknowledgements += 1 }
    mutating func congested(by signal: CongestionSignal, at now: Instant) {}
    var pacingRate: UInt64? { 1_000_000 }
    var wantsPacing: Bool { true }
}

@Suite struct CongestionRegistryTests {
    /// Why something was refused, or `nil`.
    private func refusal(_ attempt: () throws -> Void) -> CongestionChoiceError? {
        do {
            try attempt()
            return nil
        } catch {
            return error as? CongestionChoiceError
        }
    }

    @Test func cubicIsWhatOneHasWithoutChoosing() throws {
        let registry = CongestionRegistry()
        #expect(registry.standard == .cubic)
        #expect(RecoverySettings().congestion == .cubic)
        #expect(registry.algorithms.map(\.name) == ["reno", "cubic", "dctcp", "vegas"])
        #expect(try registry.chosen("reno") == .newReno)
    }

    @Test func onlyWhatIsAllowedMayBeChosenByAnApplication() throws {
        var registry = CongestionRegistry()
        #expect(refusal { _ = try registry.chosen("dctcp") } == .notAllowed("dctcp"))
        #expect(try registry.named("dctcp") == .dctcp)
        try registry.allow(["cubic", "dctcp"])
        #expect(try registry.chosen("dctcp") == .dctcp)
        #expect(refusal { _ = try registry.chosen("reno") } == .notAllowed("reno"))
        #expect(refusal { _ = try registry.allow(["dctcp"]) } == .notAllowed("cubic"))
        #expect(refusal { _ = try registry.allow(["cubic", "bbr"]) } == .unknown("bbr"))
        #expect(registry.allowed == ["cubic", "dctcp"])
        try registry.setStandard("vegas")
        #expect(try registry.chosen("vegas") == .vegas)
    }

    @Test func aUsersOwnIsRegisteredUnderAFreeName() throws {
        var registry = CongestionRegistry()
        try registry.register("fixed") { Fixed() }
        #expect(try registry.chosen("fixed").name == "fixed")
        #expect(refusal { _ = try registry.register("fixed", make: { Fixed() }) } == .nameTaken("fixed"))
        #expect(refusal { _ = try registry.register("", make: { Fixed() }) } == .nameNotUsable(""))
        let long = String(repeating: "x", count: 16)
        #expect(refusal { _ = try registry.register(long, make: { Fixed() }) } == .nameNotUsable(long))
        while registry.algorithms.count < CongestionRegistry.algorithmsMax {
            try registry.register("f\(registry.algorithms.count)") { Fixed() }
        }
        #expect(refusal { _ = try registry.register("one more", make: { Fixed() }) } == .tooMany(limit: 64))
    }

    @Test func aConnectionRunsWithAUsersOwnAndChangesAtRunTime() throws {
        var registry = CongestionRegistry()
        try registry.register("fixed") { Fixed() }
        var settings = RecoverySettings()
        settings.congestion = try registry.chosen("fixed")
        var recovery = LossRecovery(settings: settings)
        recovery.opened(RecoveryOpening(una: SequenceNumber(1), mss: 1_000), at: .zero)
        #expect(recovery.cwnd == 7_000)
        #expect(recovery.congestionAlgorithm.name == "fixed")
        #expect(recovery.isPacing == true)
        #expect(recovery.pacingRate == 1_000_000)
        recovery.transmitted(Transmission(range: SequenceRange(SequenceNumber(1), count: 2_000)), at: .zero)
        for end in [1_001, 2_001] {
            _ = recovery.ackArrived(AckArrival(ack: SequenceNumber(UInt32(end))), at: .zero + .milliseconds(10))
        }
        #expect((recovery.congestion.own?.control as? Fixed)?.acknowledgements == 2)
        recovery.setCongestionControl(.newReno, at: .zero + .milliseconds(10))
        #expect(recovery.congestionAlgorithm == .newReno)
        #expect(recovery.cwnd == 7_000, "it goes on from the window there was")
        recovery.transmitted(Transmission(range: SequenceRange(SequenceNumber(2_001), count: 7_000)), at: .zero)
        #expect(recovery.isPacing == false)
        recovery.setCongestionControl(.dctcp, at: .zero)
        #expect(recovery.traits.contains(.everyMark) == true)
    }
}
