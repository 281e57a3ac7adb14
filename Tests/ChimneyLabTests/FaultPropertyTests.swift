import ChimneyLab
import ChimneyPrimitives
import ChimneyStack
import Testing

@Suite struct FaultPropertyTests {
    /// Whatever links do to frames, none vanishes without a name and no application gets wrong bytes; and when
    /// the faults end, everything arrives again.
    @Test(arguments: LabFamily.allCases)
    func conservationAndIntegrityHoldUnderFaultsAndAllConvergesAfterThem(_ family: LabFamily) throws {
        for seed in UInt64(1)...10 {
            let lab = try Sample.chain(family, seed: seed, routers: 3)
            let there = try lab.flow(
                FlowSettings(from: "a", to: "b", byteCount: 24...5_000, packetsPerSecond: 50, pattern: .poisson))
            let back = try lab.flow(
                FlowSettings(from: "b", to: "a", port: 7, packetsPerSecond: 50, pattern: .burst(10), mode: .echo))
            try lab.at(.seconds(3), .setLink("l2", isUp: false))
            try lab.at(.milliseconds(3_500), .setLink("l2", isUp: true))
            let violations = lab.runSafetyThenLiveness(safety: .seconds(6), liveness: .seconds(30))
            #expect(violations == [], "seed \(seed)")
            let lostBefore = (there.lost, back.lost)
            #expect(lostBefore.0 > 0 && lostBefore.1 > 0, "seed \(seed)")
            lab.run(.seconds(5))
            // Only what is under way may be missing.
            #expect(there.lost <= lostBefore.0 + 2 && back.lost <= lostBefore.1 + 10, "seed \(seed)")
            #expect(there.received > 300, "seed \(seed)")
        }
    }

    /// Both families at once on every link, with what one family alone has: equal seeds still give equal runs.
    @Test func bothFamiliesShareALabUnderFaultsAndEqualSeedsGiveEqualRuns() throws {
        func run(_ seed: UInt64) throws -> UInt64 {
            let lab = try Sample.chain(.ipv4, .ipv6, seed: seed, routers: 2)
            let flows = try LabFamily.allCases.map { family in
                try lab.flow(
                    FlowSettings(
                        name: "\(family)", from: "a", to: "b", family: family, byteCount: 24...5_000,
                        packetsPerSecond: 50, pattern: .poisson))
            }
            let pings = try LabFamily.allCases.map { family in
                try lab.ping(PingSettings(name: "ping \(family)", from: "b", to: "a", family: family, count: 40))
            }
            let violations = lab.runSafetyThenLiveness(safety: .seconds(4), liveness: .seconds(30))
            #expect(violations == [], "seed \(seed)")
            for flow in flows { #expect(flow.received > 300 && flow.lost > 0, "seed \(seed), \(flow.name)") }
            for ping in pings { #expect(ping.received > 15, "seed \(seed), \(ping.name)") }
            return lab.traceHash
        }
        let hashes = try (UInt64(1)...4).map(run)
        #expect(Set(hashes).count == 4)
        #expect(try run(1) == hashes[0])
    }

    @Test func aCheckThatFindsSomethingSaysWhere() throws {
        let lab = try Sample.pair(.ipv4, seed: 1)
        let flow = try lab.flow(FlowSettings(from: "a", to: "b", port: 5_000, count: 1))
        let socket = try lab.node("a").stack.openUDP()
        lab.run(.seconds(1))
        let stranger: [UInt8] = Array(repeating: 7, count: 40)
        let node = try lab.node("a")
        try node.stack.send(
            socket, stranger.span.octets, to: Endpoint(IPv4Address(10, 0, 0, 2), 5_000), at: lab.now)
        lab.settle(node)
        lab.run(.seconds(1))
        #expect(flow.damaged == 1)
        #expect(lab.check(.payloadIntegrity).map(\.place) == ["flow a-b-5000"])
        #expect(lab.check(.conservation) == [])
    }
}
