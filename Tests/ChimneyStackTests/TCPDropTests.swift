import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import ChimneyWire
import Testing

/// Every way a TCP segment can come to nothing has a name.
@Suite struct TCPDropTests {
    @Test(arguments: Family.allCases)
    func segmentsThatAreNoneAreNamed(_ family: Family) throws {
        let peer = try HandPeer(family)
        var short = peer.make()
        short.payload.removeLast()
        #expect(peer.death(of: short) == .tcpChecksumBad)
        var cut = Handmade(family)
        cut.ipProtocol = 6
        // Nineteen bytes that add up.
        cut.payload = HandSegment().bytes.dropLast()
        cut.payload[16...17] = [0, 0]
        let pseudo = cut.source.bytes + cut.destination.bytes + Handmade.be(UInt32(19)) + [0, 0, 0, 6]
        cut.payload.replaceSubrange(16..<18, with: Handmade.be(Handmade.checksum(pseudo + cut.payload)))
        #expect(peer.death(of: cut) == .tcpMalformed)
        #expect(
            peer.death {
                $0.flags = TCPFlags(rawValue: 2); $0.options = [8, 60, 1, 1]
            } == .tcpOptionMalformed)
        #expect(
            peer.death {
                $0.flags = .syn; $0.options = [2, 3, 1, 1]
            } == .tcpOptionMalformed)
        let everyone = Handmade.tcp(family, HandSegment(flags: .syn), destination: family.everyone)
        let before = peer.segment.right.ledger.dropped(.tcpNotUnicast)
        peer.segment.giveRight(everyone.frame(to: family.everyoneMAC))
        #expect(peer.segment.right.ledger.dropped(.tcpNotUnicast) == before + 1)
        #expect(peer.segment.right.recentDrops.last?.reason == .tcpNotUnicast)
        peer.segment.check()
    }

    @Test(arguments: Family.allCases)
    func segmentsOfNoConnectionAreNamedAndAnswered(_ family: Family) throws {
        let peer = try HandPeer(family)
        #expect(
            peer.death {
                $0.destinationPort = 81; $0.flags = .syn
            } == .portClosed)
        #expect(peer.death { $0.flags = .rst } == .tcpNoConnection)
        #expect(peer.death { $0.flags = .fin } == .tcpNoConnection)
        #expect(peer.segment.right.tcpSummary.counters.resetsSent == 1)
        let answer = peer.give { $0.ack = 77 }
        #expect(answer.map(\.flags) == [.rst])
        #expect(answer.first?.sequence == 77)
        // A RST is not answered, so that two stacks do not reset each other for ever.
        #expect(peer.give { $0.flags = .rst }.isEmpty)
        #expect(peer.segment.right.tcpSummary.counters.resetsSent == 2)
    }

    @Test(arguments: Family.allCases, ClosedPortAnswer.allCases)
    func closedPortsAnswerAsTheOperatorSays(_ family: Family, _ mode: ClosedPortAnswer) throws {
        var settings = StackSettings()
        settings.tcp.closedPorts = mode
        let peer = try HandPeer(family, settings: settings)
        #expect(
            peer.give {
                $0.destinationPort = 81; $0.flags = .syn
            }.count == (mode == .reset ? 1 : 0))
        #expect(peer.give { $0.destinationPort = 81 }.count == (mode == .silent ? 0 : 1))
    }

    @Test(arguments: Family.allCases)
    func resetsHaveALimit(_ family: Family) throws {
        var settings = StackSettings()
        settings.tcp.resetsPerSecondMax = 1
        settings.tcp.resetBurstMax = 3
        let peer = try HandPeer(family, settings: settings)
        let answers = (0..<10).map { _ in peer.give { $0.destinationPort = 81 }.count }
        #expect(answers.reduce(0, +) == 3)
        #expect(peer.segment.right.tcpSummary.counters.resetsSuppressed == 7)
    }

    @Test(arguments: Family.allCases)
    func segmentsThatDoNotFitTheirConnectionAreNamed(_ family: Family) throws {
        let peer = try HandPeer(family)
        let id = try peer.open()
        #expect(peer.death { $0.data = [1, 2, 3] } == nil)
        #expect(peer.death { $0.data = [1, 2, 3] } == .tcpDuplicate)
        peer.next += 3
        #expect(peer.death { $0.ack &+= 1_000 } == .tcpAckUnacceptable)
        #expect(peer.death { $0.ack &-= 100_000 } == .tcpAckUnacceptable)
        #expect(peer.death { $0.flags = [] } == .tcpAckUnacceptable)
        #expect(peer.death { $0.sequence &+= 3_000_000 } == .tcpOutsideWindow)
        #expect(
            peer.death {
                $0.flags = .rst; $0.sequence &-= 10
            } == .tcpOutsideWindow)
        #expect(
            peer.death {
                $0.flags = .rst; $0.sequence &+= 10
            } == .tcpChallenged)
        #expect(
            peer.death {
                $0.flags = .syn; $0.sequence &+= 10
            } == .tcpChallenged)
        #expect(peer.segment.right.state(of: id) == .established)
        peer.segment.right.stopReading(id, at: peer.segment.now)
        #expect(peer.death { $0.data = [4] } == .tcpReaderGone)
        #expect(peer.segment.right.failure(of: id) == .aborted)
    }

    @Test(arguments: Family.allCases)
    func segmentsWithWrongClocksAreNamed(_ family: Family) throws {
        let peer = try HandPeer(family)
        _ = try peer.open(options: HandSegment.clocks(100, 0))
        peer.clock = 200
        #expect(peer.death { $0.data = [1] } == nil)
        peer.next += 1
        peer.clock = 150
        #expect(peer.death { $0.data = [1] } == .tcpOldTimestamp)
        #expect(
            peer.death {
                $0.options = []; $0.data = [1]
            } == .tcpTimestampMissing)
    }

    @Test(arguments: Family.allCases)
    func dataThatThereIsNoRoomForIsNamed(_ family: Family) throws {
        var settings = TCPSettings()
        settings.receiveBufferMax = 2_000
        settings.holesMax = 1
        let peer = try HandPeer(family, settings)
        _ = try peer.open()
        #expect(
            peer.death {
                $0.sequence &+= 500; $0.data = [1]
            } == nil)
        #expect(
            peer.death {
                $0.sequence &+= 600; $0.data = [1]
            } == .tcpReassemblyFull)
        peer.give { $0.data = [UInt8](repeating: 7, count: 1_000) }
        peer.next += 1_000
        peer.give { $0.data = [UInt8](repeating: 7, count: 1_000) }
        peer.next += 1_000
        // The window is closed: a probe's byte is not taken.
        #expect(peer.death { $0.data = [9] } == .tcpWindowClosed)
        let answer = peer.give { $0.data = [9] }
        #expect(answer.first?.window == 0)
        #expect(answer.first?.ack == peer.next)
    }

    @Test(arguments: Family.allCases)
    func segmentThatDoesNotAnswerOurSYNIsNamed(_ family: Family) throws {
        let peer = try HandPeer(family)
        let id = try peer.segment.right.connectTCP(to: Endpoint(family.left, 5_000), at: peer.segment.now)
        let port = try #require(peer.segment.right.localEndpoint(id)?.port)
        let syn = try #require(peer.segment.interceptRight().last?.segment)
        func toSYN(_ change: (inout HandSegment) -> Void) -> DropReason? {
            peer.death {
                $0.sourcePort = 5_000
                $0.destinationPort = port
                $0.ack = syn.sequence &+ 1
                change(&$0)
            }
        }
        #expect(toSYN { _ in } == .tcpNotSynchronizing)
        #expect(toSYN { $0.ack &+= 9 } == .tcpAckUnacceptable)
        #expect(toSYN { $0.flags = .rst } == .tcpOutsideWindow)
        #expect(toSYN { $0.flags = [.syn, .ack] } == nil)
        #expect(peer.segment.right.state(of: id) == .established)
    }

    @Test(arguments: Family.allCases)
    func lateSegmentsOfWhatEndedAreNamed(_ family: Family) throws {
        let peer = try HandPeer(family)
        let id = try peer.open()
        peer.segment.right.close(id, at: peer.segment.now)
        _ = peer.segment.interceptRight()
        peer.expected &+= 1
        peer.give { $0.flags = [.fin, .ack] }
        peer.next += 1
        #expect(peer.segment.right.tcpSummary.timeWait == 1)
        #expect(peer.death() == .tcpTimeWait)
        // One with data is told how far we were, and a new SYN begins anew (RFC 6191).
        #expect(
            peer.give {
                $0.sequence &-= 5; $0.data = [1]
            }.count == 1)
        let answer = peer.give {
            $0.sequence &+= 100; $0.flags = .syn; $0.ack = 0
        }
        #expect(answer.map(\.flags) == [[.syn, .ack]])
        #expect(peer.segment.right.tcpSummary.timeWait == 0)
    }

    @Test(arguments: Family.allCases)
    func tableOfEndedFlowsLetsTheOldestGo(_ family: Family) throws {
        var settings = StackSettings()
        settings.tcp.timeWaitMax = 2
        let segment = try Segment(family, leftSettings: settings)
        let listener = try segment.right.listenTCP(on: Endpoint(port: 80))
        for _ in 0..<3 {
            let client = try segment.left.connectTCP(to: Endpoint(family.right, 80), at: segment.now)
            segment.pump()
            let server = try #require(segment.acceptRight(listener))
            segment.left.close(client, at: segment.now)
            segment.pump()
            segment.right.close(server, at: segment.now)
            segment.pump()
        }
        #expect(segment.left.tcpSummary.timeWait == 2)
        #expect(segment.left.tcpSummary.timeWaitEvicted == 1)
        segment.check()
    }
}
