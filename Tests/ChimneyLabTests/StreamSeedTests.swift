import ChimneyLab
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Foundation
import Testing

/// TCP over links on which anything may happen: what arrives is what was sent, or somebody is told.
@Suite struct StreamSeedTests {
    /// Each seed is a network, one to three streams, and faults that end after a while.
    ///
    /// `CHIMNEY_SEED` replays one of them, `CHIMNEY_SEEDS` says how many there are: 1,000 take two seconds in a release
    /// build, and minutes in a debug one.
    @Test func everyStreamArrivesIntactOrTellsAnErrorAndNothingIsLeft() throws {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["CHIMNEY_SEEDS"].flatMap { UInt64($0) } ?? (_isDebugAssertConfiguration() ? 60 : 1_000)
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
        guard seeds.count >= 50 else { return }
        // The seeds reach what they are for; otherwise the test above shows little.
        #expect(tally.complete * 10 > tally.streams * 8 && tally.failed > 0, "\(tally)")
        #expect(tally.retransmissions > 4 * tally.streams && tally.timeouts > tally.streams, "\(tally)")
        #expect(tally.bytes > 10_000 * tally.streams && tally.outOfOrder > tally.streams, "\(tally)")
    }

    struct Tally {
        var streams = 0
        var complete = 0
        var bytes = 0
        var retransmissions = 0
        var timeouts = 0
        var failed = 0
        var outOfOrder = 0

        mutating func add(_ lab: Lab) {
            streams += lab.streams.count
            for stream in lab.streams {
                if stream.isComplete { complete += 1 }
                if stream.hasFailed { failed += 1 }
                bytes += Int(stream.received)
                retransmissions += Int(stream.recovery.retransmissions)
                timeouts += Int(stream.recovery.timeouts)
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
            lab = Lab(seed: seed)
            var last = try lab.addNode("a")
            for position in 1...Int.random(in: 1...3, using: &random) {
                let link = try Self.link(position, in: lab, of: family, using: &random)
                let next = try lab.addRouter("n\(position)")
                for (number, node) in [(position * 10 + 1, last), (position * 10 + 2, next)] {
                    try lab.connect(node, to: link, address: family.host(position, number))
                }
                last = next
            }
            let end = last.name
            try lab.addRoutesEverywhere()
            for number in 0..<Int.random(in: 1...3, using: &random) {
                try lab.stream(Self.settings(number, to: end, using: &random))
            }
        }

        /// A link whose ends know what it takes; of what is beyond, routers tell.
        private static func link(
            _ position: Int, in lab: Lab, of family: LabFamily, using random: inout StackRandom
        ) throws -> LabLink {
            let rate = UInt64.random(in: 1...100, using: &random) * 1_000_000
            let link = try lab.addLink(
                "l\(position)", kind: .cable,
                settings: LinkSettings(
                    bitsPerSecond: Bool.random(using: &random) ? rate : nil,
                    delay: .microseconds(.random(in: 10...30_000, using: &random)),
                    jitter: .microseconds(.random(in: 0...2_000, using: &random)),
                    queuePacketsMax: .random(in: 4...200, using: &random),
                    mtu: .random(in: (family == .ipv4 ? 200 : 1_280)...3_000, using: &random),
                    markPackets: Bool.random(using: &random) ? .random(in: 1...20, using: &random) : nil))
            link.faults = .random(
                loss: 0.25, duplication: 0.1, reordering: 0.2, reorderingDelay: .milliseconds(40), corruption: 0.05,
                using: &random)
            return link
        }

        private static func settings(_ number: Int, to end: String, using random: inout StackRandom) -> StreamSettings {
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
            // Some are given up before the faults end.
            if Int.random(in: 0..<6, using: &random) == 0 {
                tcp.userTimeout = .seconds(.random(in: 1...5, using: &random))
            }
            let isReversed = Bool.random(using: &random)
            var stream = StreamSettings(
                name: "s\(number)", from: isReversed ? end : "a", to: isReversed ? "a" : end,
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
            for _ in 0..<4 {
                lab.run(.seconds(5))
                for violation in lab.check() { found("under faults: \(violation)") }
            }
            for link in lab.links { link.faults = .none }
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
            if lab.pool.inUse != 0 { found("\(lab.pool.inUse) packets are out of the pool") }
            tally(lab)
        }
    }
}
