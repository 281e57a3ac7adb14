import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Testing

/// Modules that watch connections, and what connections leave behind for those to come.
@Suite struct TCPModuleTests {
    @Test(arguments: Family.allCases)
    func modulesOfAStackWatchWhatOpensFromThenOn(_ family: Family) throws {
        let segment = try Segment(family)
        let (meters, log) = (RoundTripMeters(), FlowLog(linesMax: 1_000))
        try segment.left.register(meters)
        try segment.left.register(log)
        let dialogue = try Dialogue(segment)
        let bytes = Dialogue.bytes(50_000)
        #expect(try dialogue.carry(bytes) == bytes)
        let meter = try #require(segment.leftMeter(dialogue.client))
        #expect(meter.sampleCount > 0)
        #expect(segment.rightMeter(dialogue.server) == nil)
        #expect(log.lines.contains { $0.isOutgoing && $0.count > 0 })
        #expect(log.lines.allSatisfy { $0.connection == UInt64(dialogue.client.number) })
        segment.left.remove(meters)
        let another = try segment.left.connectTCP(to: Endpoint(family.right, Dialogue.port), at: segment.now)
        segment.pump()
        #expect(segment.leftMeter(another) == nil)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func oneConnectionCanBeWatchedAlone(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family))
        let segment = dialogue.segment
        let log = FlowLog(linesMax: 2)
        segment.left.watch(dialogue.client, with: log, at: segment.now)
        let bytes = Dialogue.bytes(50_000)
        #expect(try dialogue.carry(bytes) == bytes)
        #expect(log.lines.count == 2)
        #expect(log.missedCount > 0)
        segment.left.unwatch(dialogue.client, by: log)
        let missed = log.missedCount
        #expect(try dialogue.carry(bytes) == bytes)
        #expect(log.missedCount == missed)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func pathsAreRememberedForConnectionsToCome(_ family: Family) throws {
        var settings = StackSettings()
        settings.tcp.hostCache.hostCacheMax = 1
        let dialogue = try Dialogue(try Segment(family, leftSettings: settings))
        let segment = dialogue.segment
        #expect(segment.left.tcpHosts.isEmpty)
        try segment.writeLeft(dialogue.client, [1, 2, 3])
        // The peer answers after 30 ms.
        let late = segment.interceptLeft()
        segment.now = segment.now + .milliseconds(30)
        for packet in late { segment.giveRight(packet) }
        segment.pump()
        segment.left.abort(dialogue.client, at: segment.now)
        let host = try #require(segment.left.tcpHosts.first)
        #expect(host.host.address == family.right)
        #expect(host.smoothedRoundTrip > .zero)
        let client = try segment.left.connectTCP(to: Endpoint(family.right, Dialogue.port), at: segment.now)
        segment.pump()
        #expect(segment.left.state(of: client) == .established)
        segment.left.forgetTCPHosts()
        #expect(segment.left.tcpHosts.isEmpty)
        segment.check()
    }
}

extension Segment {
    fileprivate func leftMeter(_ id: TCPConnectionID) -> RoundTripMeter? { left.watcher(RoundTripMeter.self, of: id) }
    fileprivate func rightMeter(_ id: TCPConnectionID) -> RoundTripMeter? { right.watcher(RoundTripMeter.self, of: id) }
}
