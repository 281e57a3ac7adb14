import ChimneyLab
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Foundation
import Testing

/// TCP over links on which anything may happen: what arrives is what was sent, or somebody is told.
@Suite struct StreamSeedTests {
    /// Each seed is a network, one to three streams, and faults that end after a while. `CHIMNEY_SEED` replays one of them,
    /// `CHIMNEY_SEEDS` says how many there are.
    @Test func everyStreamArrivesIntactOrTellsAnErrorAndNothingIsLeft() throws {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["CHIMNEY_SEEDS"].flatMap { UInt64($0) } ?? 1_000
        var seeds = UInt64(1)...max(1, count)
        if let only = environment["CHIMNEY_SEED"].flatMap({ UInt64($0) }) { seeds = only...only }
        var tally = Tally()
        for seed in seeds {
            try RandomStreams(seed: seed).run { finding in
                Issue.record("\(finding); replay with CHIMNEY_SEED=\(seed)")
            } tally: {
                tally.add($0)
            }
        }
        guard seeds.count >= 500 else { return }
        // The seeds reach what they are for; otherwise the test above shows little.
        #expect(tally.complete * 100 > tally.streams * 90, "\(tally)")
        #expect(tally.retransmissions > 1_000 && tally.timeouts > 100, "\(tally)")
        #expect(tally.bytes > 10_000_000 && tally.outOfOrder > 100, "\(tally)")
    }

    struct Tally {
        var streams = 0
        var complete = 0
        var bytes: UInt64 = 0
        var retransmissions: UInt64 = 0
        var timeouts: UInt64 = 0
        var outOfOrder = 0

        mutating func add(_ lab: Lab) {
            streams += lab.streams.count
            for stream in lab.streams {
                if stream.isComplete { complete += 1 }
                bytes += stream.received
                retransmissions += UInt64(stream.recovery.retransmissions)
                timeouts += UInt64(stream.recovery.timeouts)
            }
            outOfOrder += lab.links.reduce(0) { $0 + Int($1.counters.reordered) }
        }
    }

    /// A network that follows from a seed.
    struct RandomStreams {
        let lab: Lab

        init(seed: UInt64) throws {
            var random = StackRandom(seed: seed)
            let family: LabFamily = seed.isMultiple(of: 2) ? .ipv4 : .ipv6
            let routers = Int.random(in: 0...1, using: &random)
            lab = try Sample.chain(family, seed: seed, routers: routers)
            let smallest = family == .ipv4 ? 300 : 1_280
            for link in lab.links {
                link.settings = LinkSettings(
                    bitsPerSecond: Bool.random(using: &random) ? UInt64.random(in: 1...100, using: &random) * 1_000_000 : nil,
                    delay: .microseconds(.random(in: 10...30_000, using: &random)),
                    jitter: .microseconds(.random(in: 0...2_000, using: &random)),
                    queuePacketsMax: .random(in: 4...200, using: &random),
                    // Interfaces have 1,500: smaller links drop what is too large and nobody says so.
                    markPackets: Bool.random(using: &random) ? .random(in: 1...20, using: &random) : nil)
                link.faults = .random(
                    loss: 0.1, duplication: 0.1, reordering: 0.2, reorderingDelay: .milliseconds(40), corruption: 0.05,
                    using: &random)
            }
            try shrinkPath(to: .random(in: smallest...1_500, using: &random), using: &random)
            for number in 0..<Int.random(in: 1...3, using: &random) {
                try lab.stream(Self.settings(number, using: &random))
            }
        }

        /// The last link takes less than the others: a router says so, and without one the ends know.
        private func shrinkPath(to mtu: Int, using random: inout StackRandom) throws {
            for node in lab.nodes {
                for interface in node.stack.interfaces where interface.name != "lo0" {
                    guard node.name != "a" || lab.nodes.count == 2 else { continue }
                    try? node.stack.setMTU(mtu, of: interface.index)
                }
            }
        }

        private static func settings(_ number: Int, using random: inout StackRandom) -> StreamSettings {
            var tcp = TCPSettings()
            tcp.recovery.congestion = CongestionAlgorithm.builtIn.randomElement(using: &random) ?? .cubic
            tcp.ecn = ECNMode.allCases.randomElement(using: &random) ?? .off
            tcp.sendBufferMax = .random(in: 1_000...100_000, using: &random)
            tcp.receiveBufferMax = .random(in: 1_000...100_000, using: &random)
            tcp.hasSelectiveAcks = Int.random(in: 0..<4, using: &random) > 0
            tcp.hasTimestamps = Int.random(in: 0..<4, using: &random) > 0
            tcp.scalesWindow = Int.random(in: 0..<4, using: &random) > 0
            tcp.noDelay = Bool.random(using: &random)
            tcp.delayedAck = .milliseconds(.random(in: 0...200, using: &random))
            tcp.holesMax = .random(in: 1...32, using: &random)
            tcp.reassemblyBytesMax = .random(in: 4_096...200_000, using: &random)
            if Bool.random(using: &random) { tcp.recovery.features.insert(.pacing) }
            if Int.random(in: 0..<4, using: &random) == 0 { tcp.recovery.features.remove(.rack) }
            if Int.random(in: 0..<4, using: &random) == 0 { tcp.recovery.features.remove(.tailLossProbe) }
            // Whoever only receives would otherwise wait for ever for a peer that gave up.
            var keepAlive = KeepAlive()
            keepAlive.idle = .seconds(60)
            keepAlive.interval = .seconds(5)
            tcp.keepAlive = keepAlive
            let isReversed = Bool.random(using: &random)
            var stream = StreamSettings(
                name: "s\(number)", from: isReversed ? "b" : "a", to: isReversed ? "a" : "b",
                port: UInt16(5_001 + number), byteCount: .random(in: 0...40_000, using: &random),
                start: .milliseconds(.random(in: 0...500, using: &random)),
                mode: Int.random(in: 0..<4, using: &random) == 0 ? .echo : .oneWay, tcp: tcp)
            if Int.random(in: 0..<3, using: &random) == 0 {
                stream.readDelay = .milliseconds(.random(in: 1...1_000, using: &random))
            }
            return stream
        }

        /// Faults, then none, until everything has its end; then until TIME-WAIT is over.
        func run(found: (String) -> Void, tally: (Lab) -> Void) throws {
            let held = lab.pool.inUse
            for _ in 0..<4 {
                lab.run(.seconds(5))
                for violation in lab.check() { found("under faults: \(violation)") }
            }
            for link in lab.links {
                link.faults = .none
            }
            lab.run(.seconds(400))
            for violation in lab.check() { found("after faults: \(violation)") }
            for stream in lab.streams {
                if !stream.isComplete && !stream.hasFailed {
                    found("stream \(stream.name) is still \(stream.outcome): \(stream.received) of \(stream.written)")
                }
            }
            for node in lab.nodes {
                let left = node.stack.tcpSummary
                if left.connections + left.halfOpen + left.timeWait + left.reassemblyBytes > 0 {
                    found(
                        "\(node.name) is left with \(left.connections) connections, \(left.halfOpen) half-open, "
                            + "\(left.timeWait) in TIME-WAIT, \(left.reassemblyBytes) bytes out of order")
                }
                if !node.stack.conservation.isKept { found("\(node.name): \(node.stack.conservation)") }
            }
            if lab.pool.inUse != held { found("\(lab.pool.inUse) packets are out, before it were \(held)") }
            tally(lab)
        }
    }
}
