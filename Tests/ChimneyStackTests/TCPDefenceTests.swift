import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import ChimneyWire
import Testing

/// What a peer, or who pretends to be one, cannot make a stack keep or lose.
@Suite struct TCPDefenceTests {
    /// Sends a SYN from a port, with options, and puts the peer behind the answer.
    private func begin(_ peer: HandPeer, from port: UInt16, options: [UInt8] = []) throws {
        peer.next = 1_000
        peer.expected = 0
        let answers = peer.give {
            $0.sourcePort = port
            $0.flags = .syn
            $0.ack = 0
            $0.options = options
        }
        peer.next += 1
        peer.expected = try #require(answers.first).sequence &+ 1
    }

    @Test(arguments: Family.allCases)
    func lastSegmentOfAHandshakeThatNoConnectionWouldTakeMakesNone(_ family: Family) throws {
        let peer = try HandPeer(family)
        try begin(peer, from: 2_000, options: HandSegment.clocks(100, 0))
        let id = peer.listener
        #expect(peer.death { $0.sourcePort = 2_000 } == .tcpTimestampMissing)
        #expect(
            peer.death {
                $0.sourcePort = 2_000
                $0.options = HandSegment.clocks(99, 0)
            } == .tcpOldTimestamp)
        for (offset, data) in [(65_535, [1]), (65_536, []), (UInt32.max, [])] as [(UInt32, [UInt8])] {
            #expect(
                peer.death {
                    $0.sourcePort = 2_000
                    $0.sequence &+= offset
                    $0.data = data
                    $0.options = HandSegment.clocks(100, 0)
                } == .tcpOutsideWindow)
        }
        #expect(peer.segment.right.acceptableCount(id) == 0 && peer.segment.right.tcpSummary.connections == 0)
        #expect(peer.segment.right.tcpSummary.halfOpen == 1)
        // The right one still completes it.
        peer.give {
            $0.sourcePort = 2_000
            $0.options = HandSegment.clocks(100, 0)
        }
        #expect(peer.segment.right.acceptableCount(id) == 1 && peer.segment.right.tcpSummary.halfOpen == 0)
        peer.segment.check()
    }

    @Test(arguments: Family.allCases)
    func cookieThatFindsTheQueueFullIsNotAnsweredByAReset(_ family: Family) throws {
        var settings = StackSettings()
        settings.tcp.synCache.cookies = .always
        settings.tcp.backlogMax = 1
        let peer = try HandPeer(family, settings: settings)
        try begin(peer, from: 2_001)
        let first = peer.expected
        try begin(peer, from: 2_002)
        let second = peer.expected
        peer.expected = first
        #expect(peer.give { $0.sourcePort = 2_001 }.isEmpty)
        peer.expected = second
        #expect(peer.death { $0.sourcePort = 2_002 } == .tcpBacklogFull)
        #expect(peer.give { $0.sourcePort = 2_002 }.isEmpty)
        #expect(peer.segment.acceptRight(peer.listener) != nil)
        // There is room now, and the peer's data tells all that was forgotten.
        peer.give { $0.sourcePort = 2_002 }
        #expect(peer.segment.right.acceptableCount(peer.listener) == 1)
        #expect(peer.segment.right.tcpSummary.synCache.cookiesTaken == 2)
    }

    @Test(arguments: Family.allCases)
    func flowWaitsOnWhenASYNOpensNothing(_ family: Family) throws {
        var settings = StackSettings()
        settings.tcp.backlogMax = 1
        let peer = try HandPeer(family, settings: settings)
        let id = try peer.open()
        peer.segment.right.close(id, at: peer.segment.now)
        _ = peer.segment.interceptRight()
        peer.expected &+= 1
        peer.give { $0.flags = [.ack, .fin] }
        peer.next &+= 1
        #expect(peer.segment.right.tcpSummary.timeWait == 1)
        let (next, expected) = (peer.next, peer.expected)
        // Another connection fills the queue.
        try begin(peer, from: 2_001)
        peer.give { $0.sourcePort = 2_001 }
        (peer.next, peer.expected) = (next, expected)
        func syn(_ segment: inout HandSegment) {
            segment.flags = .syn
            segment.sequence &+= 100_000
            segment.ack = 0
        }
        #expect(peer.death(syn) == .tcpBacklogFull)
        #expect(peer.segment.right.tcpSummary.timeWait == 1)
        // Without a listener it is answered as any other late segment.
        peer.segment.right.close(peer.listener, at: peer.segment.now)
        _ = peer.segment.interceptRight()
        let answers = peer.give(syn)
        #expect(answers.map(\.flags) == [.ack] && answers.first?.ack == next)
        #expect(peer.segment.right.tcpSummary.timeWait == 1)
    }

    @Test(arguments: Family.allCases)
    func refusedConnectionIsNotCountedAsOneThatWasOpen(_ family: Family) throws {
        let segment = try Segment(family)
        let client = try segment.left.connectTCP(to: Endpoint(family.right, 99), at: segment.now)
        segment.pump()
        #expect(segment.left.failure(of: client) == .refused)
        #expect(segment.left.tcpSummary.counters.closed == 0 && segment.left.tcpSummary.counters.failed == 0)
        let dialogue = try Dialogue(segment)
        segment.left.abort(dialogue.client, at: segment.now)
        segment.pump()
        #expect(segment.right.failure(of: dialogue.server) == .reset)
        #expect(segment.right.tcpSummary.counters.closed == 1 && segment.right.tcpSummary.counters.failed == 1)
    }

    @Test(arguments: Family.allCases)
    func connectionsThatNobodyReadsLeaveTheStackItsPackets(_ family: Family) throws {
        // Windows of a megabyte each promise more than 1,024 packets can hold.
        let segment = try Segment(family, pool: PacketPool(packetsMax: 1_024, largeMax: 4))
        let listener = try segment.right.listenTCP(on: Endpoint(port: 80))
        var written = 0
        var servers: [TCPConnectionID] = []
        for _ in 0..<60 {
            let client = try segment.left.connectTCP(to: Endpoint(family.right, 80), at: segment.now)
            segment.pump()
            servers.append(try #require(segment.acceptRight(listener)))
            segment.left.setNoDelay(true, of: client, at: segment.now)
            // More than are copied behind others, so that each takes a packet.
            for _ in 0..<600 {
                let count = try segment.writeLeft(client, [UInt8](repeating: 1, count: 1_100))
                written += count
                guard count > 0 else { break }
                segment.pump()
            }
            segment.pass(.milliseconds(50))
        }
        #expect(segment.right.ledger.dropped(.tcpPacketsShort) > 0)
        #expect(segment.pool.smallInUse * 16 <= 15 * 1_024 + 32 && segment.pool.failures == 0)
        // Who came when packets were short has a little, and who came later less.
        let unread = servers.map { segment.right.readableCount($0) }
        #expect(unread[0] > 100_000)
        #expect(unread.contains { $0 > 8_192 && $0 <= 16_384 + 1_100 })
        #expect(unread.contains { $0 > 0 && $0 <= 2_048 + 1_100 })
        // Everything else goes on.
        let before = segment.right.counters.icmpEchoesAnswered
        let identifier = try segment.left.openEcho()
        try segment.left.sendEcho(identifier, to: family.right, sequence: 1, at: segment.now)
        segment.pump()
        #expect(segment.right.counters.icmpEchoesAnswered == before + 1)
        let another = try segment.left.connectTCP(to: Endpoint(family.right, 80), at: segment.now)
        segment.pump()
        #expect(segment.left.state(of: another) == .established)
        // Readers that read get all that was written.
        var total = 0
        for _ in 0..<400 {
            for server in servers { total += try segment.readRight(server).count }
            segment.pass(.milliseconds(500))
        }
        let left = segment.left.tcpConnections(at: segment.now)
        #expect(left.count == 61 && left.allSatisfy { $0.tcp.sendQueueBytes == 0 })
        #expect(total == written)
        segment.check()
    }
}
