import ChimneyLab
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import ChimneyWire
import Foundation
import Testing

/// TCP as traffic of a lab.
@Suite struct StreamTests {
    @Test(arguments: LabFamily.allCases, StreamSettings.Mode.allCases)
    func aStreamArrivesWholeAndItsRecordTellsHow(_ family: LabFamily, _ mode: StreamSettings.Mode) throws {
        let lab = try Sample.pair(
            family, seed: 1, settings: LinkSettings(bitsPerSecond: 10_000_000, delay: .milliseconds(5)))
        let stream = try lab.stream(
            StreamSettings(from: "a", to: "b", byteCount: 1_000_003, start: .seconds(1), mode: mode))
        #expect(stream.outcome == "waiting")
        lab.run(.milliseconds(1_500))
        #expect(stream.outcome == "open" && stream.completionTime == nil && lab.check() == [])
        lab.run(.seconds(5))
        #expect(stream.outcome == "complete" && stream.isComplete && lab.check() == [])
        #expect(stream.written == 1_000_003 && stream.received == 1_000_003 && stream.damaged == 0)
        #expect(stream.returned == (mode == .echo ? 1_000_003 : 0))
        // 10 Mbit/s less headers, and what it takes to begin.
        let took = try #require(stream.completionTime)
        #expect(took > .milliseconds(830) && took < .milliseconds(1_000), "\(took)")
        #expect(stream.goodput > 8e6 && stream.goodput < 9.6e6, "\(stream.goodput)")
        #expect(stream.samples.elements.count >= 5 && stream.roundTrips.shortest > .milliseconds(10))
        #expect(try lab.node("a").stack.tcpSummary.connections == 0 && lab.node("b").stack.tcpSummary.connections == 0)
    }

    @Test func whatWasSentAgainAndEveryTimeoutIsInTheRecord() throws {
        let lab = try Sample.pair(.ipv4, seed: 3, settings: LinkSettings(delay: .milliseconds(10)))
        let stream = try lab.stream(StreamSettings(from: "a", to: "b", byteCount: 2_000_000))
        try lab.link("lan").faults = LinkFaults(loss: 0.02)
        lab.run(.milliseconds(200))
        try lab.link("lan").setUp(false)
        lab.run(.seconds(2))
        try lab.link("lan").setUp(true)
        lab.run(.seconds(60))
        #expect(stream.isComplete && stream.recovery.timeouts >= 1 && stream.recovery.retransmissions > 20)
        #expect(UInt64(stream.recovery.retransmissions) <= 100, "\(stream.recovery)")
    }

    @Test func aStreamToNobodyAndOneWithoutAWayTellWhy() throws {
        let lab = try Sample.pair(.ipv4, seed: 4)
        let refused = try lab.stream(StreamSettings(name: "refused", from: "a", to: "10.0.0.9", byteCount: 10))
        let unreachable = try lab.stream(
            StreamSettings(name: "unreachable", from: "a", to: "192.0.2.1", port: 5_002, byteCount: 10))
        lab.run(.seconds(600))
        #expect(refused.hasFailed && !refused.isComplete && refused.outcome != "open", "\(refused.outcome)")
        #expect(unreachable.outcome.hasPrefix("connect: noRoute"), "\(unreachable.outcome)")
        #expect(lab.check() == [])
    }

    @Test func streamsToOnePortShareItsSettings() throws {
        let lab = try Sample.pair(.ipv4, seed: 4)
        try lab.stream(StreamSettings(name: "one", from: "a", to: "b", byteCount: 10))
        try lab.stream(StreamSettings(name: "two", from: "a", to: "b", byteCount: 10))
        var other = TCPSettings()
        other.delayedAck = .zero
        #expect(throws: LabError.socket("port 5001 of b takes streams with other settings already")) {
            try lab.stream(StreamSettings(name: "three", from: "a", to: "b", byteCount: 10, tcp: other))
        }
        lab.run(.seconds(1))
        #expect(lab.streams.map(\.isComplete) == [true, true])
    }

    @Test func equalSeedsGiveEqualStreams() throws {
        func run(_ seed: UInt64) throws -> (UInt64, [StreamSamples]) {
            let lab = try Sample.chain(.ipv4, .ipv6, seed: seed, routers: 1)
            for link in lab.links { link.faults = LinkFaults(loss: 0.01, duplication: 0.01, reordering: 0.05) }
            for family in LabFamily.allCases {
                try lab.stream(
                    StreamSettings(name: "\(family)", from: "a", to: "b", family: family, byteCount: 500_000))
            }
            lab.run(.seconds(20))
            #expect(lab.streams.allSatisfy(\.isComplete) && lab.check() == [])
            return (lab.traceHash, lab.streams.map(\.samples))
        }
        let first = try run(1)
        let again = try run(1)
        #expect(first.0 == again.0 && first.1 == again.1)
        #expect(try run(2).0 != first.0)
    }

    /// The mark is where the standard puts it, the IPv4 checksum stays right, and only those who understand it get it.
    @Test(arguments: LabFamily.allCases)
    func aLongQueueMarksWhoUnderstandsItAndDropsNobody(_ family: LabFamily) throws {
        for ecn in [ECNMode.requests, .off] {
            let lab = try Sample.pair(
                family, seed: 5, kind: .cable,
                settings: LinkSettings(bitsPerSecond: 10_000_000, delay: .milliseconds(10), markPackets: 10))
            var tcp = TCPSettings()
            tcp.ecn = ecn
            let stream = try lab.stream(StreamSettings(from: "a", to: "b", byteCount: 3_000_000, tcp: tcp))
            lab.run(.seconds(20))
            let link = try lab.link("lan")
            #expect(stream.isComplete && lab.check() == [])
            #expect(try lab.node("b").stack.ledger.dropsByReason.allSatisfy { "\($0.reason)" != "ipv4ChecksumBad" })
            let receiver = try lab.node("b")
            if ecn == .requests {
                #expect(link.counters.marked > 0 && stream.recovery.congestionMarks > 0)
                #expect(stream.recovery.retransmissions == 0 && link.longestQueue(toward: receiver) < 100)
            } else {
                #expect(link.counters.marked == 0 && stream.recovery.congestionMarks == 0)
            }
            #expect(
                link.waits(toward: receiver).count > 2_000 && link.waits(toward: receiver).longest > .milliseconds(10))
        }
    }

    /// The check is told apart from its absence: a receiver that is sent other bytes says so.
    @Test func bytesThatAreNotThoseOfTheStreamAreFound() throws {
        let lab = try Sample.pair(.ipv4, seed: 6, settings: LinkSettings(delay: .milliseconds(10)))
        let stream = try lab.stream(StreamSettings(from: "a", to: "b", byteCount: 100_000))
        // The connection is being opened, and what is written now comes first.
        lab.run(.milliseconds(5))
        let node = try lab.node("a")
        let id = try #require(node.stack.tcpConnections(at: lab.now).first?.id)
        let stranger: [UInt8] = [1, 2, 3]
        _ = try node.stack.write(id, stranger.span.octets, at: lab.now)
        lab.settle(node)
        lab.run(.seconds(2))
        #expect(stream.damaged > 0 && lab.check(.streamDelivery).map(\.place) == ["stream a-b-tcp-5001"])
    }

    /// A table that stands in the documentation comes out again byte by byte.
    @Test func theTableOfRecoveryIsTheOneInTheDocumentation() throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let golden = try String(contentsOfFile: "\(root)/docs/tcp-lab/recovery.tsv", encoding: .utf8)
        let lines = golden.split(separator: "\n").filter { $0.hasPrefix("cubic") || $0.hasPrefix("congestion") }
        let made = TCPTable.text([TCPTable.recovery.columns] + (try TCPTable.recovery.rows(of: [.cubic])))
        #expect(made == lines.joined(separator: "\n") + "\n")
    }
}
