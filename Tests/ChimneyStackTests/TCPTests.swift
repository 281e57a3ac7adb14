import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import ChimneyWire
import Testing

@Suite struct TCPTests {
    @Test(arguments: [LinkKind.ip, .ethernet], Family.allCases)
    func bytesArriveInOrderBothWays(over kind: LinkKind, _ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family, kind: kind))
        let segment = dialogue.segment
        let bytes = Dialogue.bytes(3_000_000)
        #expect(try dialogue.carry(bytes) == bytes)
        #expect(try dialogue.carry(bytes, toServer: false) == bytes)
        #expect(segment.left.localEndpoint(dialogue.client) == segment.right.remoteEndpoint(dialogue.server))
        #expect(segment.right.localEndpoint(dialogue.server) == Endpoint(family.right, Dialogue.port))
        #expect(segment.left.tcpSummary.counters.unsent == 0)
        segment.check()
    }

    /// What was written at once arrives though nobody writes, reads or waits meanwhile: acknowledgements let more leave, and
    /// segments are acknowledged as they come.
    @Test(arguments: Family.allCases)
    func segmentsAloneKeepAStreamGoing(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family, kind: .ip))
        let segment = dialogue.segment
        let bytes = Dialogue.bytes(400_000)
        #expect(try segment.writeLeft(dialogue.client, bytes) == bytes.count)
        segment.pump()
        #expect(segment.right.readableCount(dialogue.server) == bytes.count)
        #expect(try segment.readRight(dialogue.server) == bytes)
        segment.check()
    }

    /// Who answers before the shell takes what is to be transmitted sends one segment, though the first are acknowledged at once.
    @Test(arguments: Family.allCases)
    func acknowledgementGoesWithTheAnswer(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family, kind: .ip))
        let segment = dialogue.segment
        let sent = segment.right.tcpSummary.counters.sent
        _ = try segment.writeLeft(dialogue.client, [1])
        segment.carryRight()
        #expect(try segment.readRight(dialogue.server) == [1])
        _ = try segment.writeRight(dialogue.server, [2])
        segment.pump()
        #expect(segment.right.tcpSummary.counters.sent == sent + 1)
        #expect(try segment.readLeft(dialogue.client) == [2])
        // Without an answer it leaves alone.
        _ = try segment.writeLeft(dialogue.client, [3])
        segment.pump()
        #expect(segment.right.tcpSummary.counters.sent == sent + 2)
    }

    @Test(arguments: Family.allCases)
    func delayedAcknowledgementLeavesInItsTime(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family, kind: .ip))
        let segment = dialogue.segment
        // The first segments are acknowledged at once.
        for number in UInt8(0)..<20 {
            _ = try segment.writeLeft(dialogue.client, [number])
            segment.pump()
        }
        let sent = segment.right.tcpSummary.counters.sent
        segment.pass(.milliseconds(39))
        #expect(segment.right.tcpSummary.counters.sent == sent)
        segment.pass(.milliseconds(2))
        #expect(segment.right.tcpSummary.counters.sent == sent + 1)
    }

    @Test(arguments: Family.allCases)
    func memoryOfABufferIsLookedAtSoonAfterAllIsAcknowledged(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family, kind: .ip))
        let segment = dialogue.segment
        // Larger than the first congestion window, so that the last acknowledgement comes for what acknowledgements let leave.
        _ = try segment.writeLeft(dialogue.client, Dialogue.bytes(40_000))
        segment.pump()
        segment.pass(.milliseconds(100))
        #expect(segment.leftSnapshot(dialogue.client)?.tcp.timers.map(\.kind) == [.memory])
        let deadline = segment.left.deadline ?? .never
        #expect(deadline > segment.now && deadline <= segment.now + .seconds(1))
    }

    @Test(arguments: Family.allCases)
    func memoryCarriesLargePacketsWhole(_ family: Family) throws {
        let capabilities = Pipe.capabilities.union(Pipe.largePackets)
        let dialogue = try Dialogue(try Segment(family, capabilities: capabilities))
        let bytes = Dialogue.bytes(3_000_000)
        let before = dialogue.segment.left.tcpSummary.counters.sent
        #expect(try dialogue.carry(bytes) == bytes)
        #expect(dialogue.segment.left.tcpSummary.counters.sent - before < 200)
        #expect(dialogue.segment.right.tcpSummary.counters.received < 200)
        dialogue.segment.check()
    }

    @Test(arguments: Family.allCases)
    func eachEndLearnsThatTheOtherHasSaidAll(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family))
        let segment = dialogue.segment
        _ = try segment.writeLeft(dialogue.client, [1, 2, 3])
        segment.left.shutdown(dialogue.client, at: segment.now)
        segment.pump()
        #expect(try segment.readRight(dialogue.server) == [1, 2, 3])
        #expect(segment.right.isAtEnd(dialogue.server) == true)
        #expect(segment.left.state(of: dialogue.client) == .finWait2)
        #expect(segment.right.state(of: dialogue.server) == .closeWait)
        // Half-closed: the other direction goes on.
        _ = try segment.writeRight(dialogue.server, [4, 5])
        segment.pump()
        #expect(try segment.readLeft(dialogue.client) == [4, 5])
        segment.right.close(dialogue.server, at: segment.now)
        segment.pump()
        #expect(segment.left.isAtEnd(dialogue.client) == true)
        #expect(segment.left.state(of: dialogue.client) == .timeWait)
        #expect(segment.right.tcpSummary.connections == 0)
        segment.left.close(dialogue.client, at: segment.now)
        #expect(segment.left.tcpSummary.connections == 0)
        #expect(segment.left.tcpSummary.timeWait == 1)
        segment.pass(.seconds(61))
        #expect(segment.left.tcpSummary.timeWait == 0)
        #expect(segment.pool.inUse == 0)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func connectionToAClosedPortIsRefused(_ family: Family) throws {
        let segment = try Segment(family)
        let client = try segment.left.connectTCP(to: Endpoint(family.right, 99), at: segment.now)
        segment.pump()
        #expect(segment.left.failure(of: client) == .refused)
        #expect(segment.leftNews() == [client])
        #expect(segment.right.ledger.dropped(.portClosed) == 1)
        #expect(throws: TCPReadError.failed(.refused)) { try segment.readLeft(client) }
        #expect(throws: TCPWriteError.failed(.refused)) { try segment.writeLeft(client, [1]) }
        segment.left.close(client, at: segment.now)
        #expect(segment.left.tcpSummary.connections == 0)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func abortedConnectionIsReset(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family))
        let segment = dialogue.segment
        segment.left.abort(dialogue.client, at: segment.now)
        segment.pump()
        #expect(segment.right.failure(of: dialogue.server) == .reset)
        #expect(throws: TCPReadError.failed(.reset)) { try segment.readRight(dialogue.server) }
        #expect(segment.left.tcpSummary.connections == 0)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func stackTalksToItself(_ family: Family) throws {
        let segment = try Segment(family)
        let now = segment.now
        for address in [family.loopback, family.left] {
            let listener = try segment.left.listenTCP(on: Endpoint(address, 7))
            let client = try segment.left.connectTCP(to: Endpoint(address, 7), at: now)
            let server = try #require(segment.acceptLeft(listener))
            #expect(segment.left.state(of: client) == .established)
            let bytes = Dialogue.bytes(100_000)
            var arrived: [UInt8] = []
            var written = 0
            while written < bytes.count {
                written += try segment.writeLeft(client, bytes[written...])
                arrived += try segment.readLeft(server)
            }
            segment.left.close(client, at: now)
            arrived += try segment.readLeft(server)
            #expect(arrived == bytes)
            #expect(segment.left.isAtEnd(server) == true)
            segment.left.close(server, at: now)
            segment.left.close(listener, at: now)
            #expect(segment.left.tcpSummary.connections == 0)
        }
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func tableOfConnectionsIsBoundedAndTellsSo(_ family: Family) throws {
        var settings = StackSettings()
        settings.tcp.connectionsMax = 3
        let segment = try Segment(family, leftSettings: settings, rightSettings: settings)
        let listener = try segment.right.listenTCP(on: Endpoint(port: 80))
        let peer = Endpoint(family.right, 80)
        for _ in 0..<3 { _ = try segment.left.connectTCP(to: peer, at: segment.now) }
        #expect(throws: ConnectError.tooManyConnections(max: 3)) {
            try segment.left.connectTCP(to: peer, at: segment.now)
        }
        segment.pump()
        #expect(segment.right.acceptableCount(listener) == 3)
        let other = try Segment(family, rightSettings: settings)
        _ = try other.right.listenTCP(on: Endpoint(port: 80))
        for _ in 0..<4 { _ = try other.left.connectTCP(to: peer, at: other.now) }
        other.pump()
        #expect(other.right.recentDrops.map(\.reason).last == .tcpTableFull)
        #expect(other.right.tcpSummary.connections == 3)
        segment.check()
        other.check()
    }

    @Test(arguments: Family.allCases)
    func fullBacklogDropsWhatComesAndTakesItLater(_ family: Family) throws {
        let segment = try Segment(family)
        let listener = try segment.right.listenTCP(on: Endpoint(port: 80), backlogMax: 2)
        let peer = Endpoint(family.right, 80)
        let clients = try (0..<3).map { _ in try segment.left.connectTCP(to: peer, at: segment.now) }
        segment.pump()
        #expect(segment.right.acceptableCount(listener) == 2)
        #expect(segment.right.ledger.dropped(.tcpBacklogFull) >= 1)
        #expect(segment.right.recentDrops.contains { $0.reason == .tcpBacklogFull })
        _ = segment.acceptRight(listener)
        // The peer believes itself connected, or asks again: either way its place is taken now.
        _ = try? segment.writeLeft(clients[2], [1])
        segment.pass(.seconds(10))
        #expect(segment.right.acceptableCount(listener) == 2)
        #expect(clients.allSatisfy { segment.left.isEstablished($0) })
        #expect(segment.right.tcpListeners.first?.overflows ?? 0 > 0)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func listenersRefuseWhatTheyCannotHave(_ family: Family) throws {
        var settings = StackSettings()
        settings.fibCount = 2
        settings.tcp.listenersMax = 3
        let segment = try Segment(family, leftSettings: settings)
        let any = try segment.left.listenTCP(on: Endpoint(port: 80))
        #expect(throws: ListenError.addressInUse(Endpoint(port: 80))) {
            try segment.left.listenTCP(on: Endpoint(port: 80))
        }
        // One for an address goes beside one for all.
        let own = try segment.left.listenTCP(on: Endpoint(family.left, 80))
        #expect(throws: ListenError.addressInUse(Endpoint(family.left, 80))) {
            try segment.left.listenTCP(on: Endpoint(family.left, 80))
        }
        #expect(throws: ListenError.addressNotOurs(family.right)) {
            try segment.left.listenTCP(on: Endpoint(family.right, 80))
        }
        #expect(throws: ListenError.noSuchFIB(fib: 2, count: 2)) {
            try segment.left.listenTCP(on: Endpoint(port: 81), fib: 2)
        }
        let drawn = try segment.left.listenTCP(on: Endpoint(port: 0))
        let port = try #require(segment.left.localEndpoint(drawn)?.port)
        #expect(settings.ephemeralPorts.contains(port))
        #expect(throws: ListenError.tooManyListeners(max: 3)) { try segment.left.listenTCP(on: Endpoint(port: 82)) }
        _ = try segment.right.connectTCP(to: Endpoint(family.left, 80), at: segment.now)
        segment.pump()
        #expect(segment.left.acceptableCount(own) == 1)
        #expect(segment.left.acceptableCount(any) == 0)
        segment.left.close(own, at: segment.now)
        segment.pump()
        _ = try segment.right.connectTCP(to: Endpoint(family.left, 80), at: segment.now)
        segment.pump()
        #expect(segment.left.acceptableCount(any) == 1)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func connectingRefusesWhatCannotBe(_ family: Family) throws {
        let segment = try Segment(family)
        let now = segment.now
        #expect(throws: ConnectError.destinationInvalid(Endpoint(family.right, 0))) {
            try segment.left.connectTCP(to: Endpoint(family.right, 0), at: now)
        }
        #expect(throws: ConnectError.destinationInvalid(Endpoint(family.group, 80))) {
            try segment.left.connectTCP(to: Endpoint(family.group, 80), at: now)
        }
        #expect(throws: ConnectError.destinationInvalid(Endpoint(family.everyone, 80))) {
            try segment.left.connectTCP(to: Endpoint(family.everyone, 80), at: now)
        }
        #expect(throws: ConnectError.noRoute(family.stranger(1))) {
            try segment.left.connectTCP(to: Endpoint(family.stranger(1), 80), at: now)
        }
        #expect(throws: ConnectError.addressNotOurs(family.right)) {
            try segment.left.connectTCP(to: Endpoint(family.right, 80), from: Endpoint(family.right, 0), at: now)
        }
        #expect(throws: ConnectError.noSuchFIB(fib: 1, count: 1)) {
            try segment.left.connectTCP(to: Endpoint(family.right, 80), fib: 1, at: now)
        }
        let source = Endpoint(family.left, 5_000)
        let id = try segment.left.connectTCP(to: Endpoint(family.right, 80), from: source, at: now)
        #expect(segment.left.localEndpoint(id) == source)
        #expect(throws: ConnectError.addressInUse(source)) {
            try segment.left.connectTCP(to: Endpoint(family.right, 80), from: source, at: now)
        }
        // Another peer is another flow.
        _ = try segment.left.connectTCP(to: Endpoint(family.right, 81), from: source, at: now)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func everyEphemeralPortIsDrawnBeforeNoneIsLeft(_ family: Family) throws {
        var settings = StackSettings()
        settings.ephemeralPorts = 50_000...50_003
        let segment = try Segment(family, leftSettings: settings)
        var drawn: Set<UInt16> = []
        for _ in 0..<4 {
            let id = try segment.left.connectTCP(to: Endpoint(family.right, 80), at: segment.now)
            drawn.insert(try #require(segment.left.localEndpoint(id)?.port))
        }
        #expect(drawn == Set(50_000...50_003))
        #expect(throws: ConnectError.noFreePort) {
            try segment.left.connectTCP(to: Endpoint(family.right, 80), at: segment.now)
        }
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func lostSegmentsComeAgain(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family))
        let segment = dialogue.segment
        let bytes = Dialogue.bytes(50_000)
        _ = try segment.writeLeft(dialogue.client, bytes)
        _ = segment.interceptLeft()
        var arrived: [UInt8] = []
        for _ in 0..<100 where arrived.count < bytes.count {
            segment.pass(.milliseconds(100))
            arrived += try segment.readRight(dialogue.server)
        }
        #expect(arrived == bytes)
        let snapshot = try #require(segment.leftSnapshot(dialogue.client))
        #expect(snapshot.recoveryCounters.retransmissions > 0)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func segmentsTakeTheMTUOfTheLink(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family))
        let segment = dialogue.segment
        _ = try segment.writeLeft(dialogue.client, Dialogue.bytes(5_000))
        let seen = segment.interceptLeft()
        #expect(seen.map(\.bytes.count).max() == 1_500)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func urgencyOfWhatHasLeftReachesTheWire(_ family: Family) throws {
        let peer = try HandPeer(family)
        let id = try peer.open()
        _ = try peer.segment.writeRight(id, [1])
        #expect(peer.segment.interceptRight().map(\.segment.flags) == [[.ack, .psh]])
        peer.segment.right.markUrgent(id, at: peer.segment.now)
        #expect(peer.segment.interceptRight().map(\.segment.flags) == [[.ack, .urg]])
        peer.segment.check()
    }

    /// A stranger with connections of his own uses the challenges of a second up, again and again.
    @Test(arguments: Family.allCases)
    func challengesOfASecondAreNotAlwaysAsMany(_ family: Family) throws {
        var settings = StackSettings()
        settings.tcp.challengesPerSecondMax = 20
        let peer = try HandPeer(family, settings: settings)
        var numbers: [(next: UInt32, expected: UInt32)] = []
        for port in 3_000..<3_020 as Range<UInt16> {
            peer.next = 1_000
            let answers = peer.give {
                $0.sourcePort = port
                $0.flags = .syn
                $0.ack = 0
            }
            peer.next += 1
            peer.expected = try #require(answers.first).sequence &+ 1
            peer.give { $0.sourcePort = port }
            numbers.append((peer.next, peer.expected))
        }
        var counts: Set<Int> = []
        for _ in 0..<10 {
            peer.segment.pass(.seconds(2))
            var count = 0
            for _ in 0..<2 {
                for (index, number) in numbers.enumerated() {
                    (peer.next, peer.expected) = number
                    let answers = peer.give {
                        $0.sourcePort = 3_000 + UInt16(index)
                        $0.flags = .rst
                        $0.sequence &+= 10
                    }
                    count += answers.count
                }
                peer.segment.pass(.milliseconds(500))
            }
            #expect((10...20).contains(count))
            counts.insert(count)
        }
        #expect(counts.count > 2)
    }
}
