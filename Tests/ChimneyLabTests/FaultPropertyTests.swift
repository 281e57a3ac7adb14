import ChimneyLab
import ChimneyPrimitives
import ChimneyStack
import Testing

@Suite struct FaultPropertyTests {
    /// Whatever links do to frames, none vanishes without a name and no application gets wrong bytes; and when
    /// the faults end, everything arrives again.
    @Test func conservationAndIntegrityHoldUnderFaultsAndAllConvergesAfterThem() throws {
        for seed in UInt64(1)...10 {
            let lab = try Sample.chain(seed: seed, routers: 3)
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

    @Test func aCheckThatFindsSomethingSaysWhere() throws {
        let lab = try Sample.pair(seed: 1)
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
