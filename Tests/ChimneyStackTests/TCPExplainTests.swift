import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Testing

/// What `explain` says of a TCP segment, and why a connection is still open.
@Suite struct TCPExplainTests {
    private func query(
        _ segment: Segment, port: UInt16 = Dialogue.port, from source: UInt16 = 0
    ) -> FlowQuery {
        var query = FlowQuery(to: segment.family.right)
        query.source = segment.family.left
        query.ipProtocol = 6
        query.sourcePort = source
        query.destinationPort = port
        query.arrivesOn = segment.rightIndex
        return query
    }

    @Test(arguments: Family.allCases)
    func listenerConnectionAndClosedPortAreToldApart(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family))
        let segment = dialogue.segment
        let listening = segment.right.explain(query(segment))
        #expect(listening.verdict == .delivered(to: "tcp listener on port 8080"))
        #expect(listening.steps.last?.place == "listener")
        let port = try #require(segment.leftPort(dialogue.client))
        let open = segment.right.explain(query(segment, from: port))
        #expect(open.verdict == .delivered(to: "tcp connection \(dialogue.server.number)"))
        #expect(open.steps.last?.finding.contains("ESTABLISHED") == true)
        let stranger = segment.right.explain(query(segment, from: port &+ 1))
        #expect(stranger.verdict == .delivered(to: "tcp listener on port 8080"))
        let closed = segment.right.explain(query(segment, port: 81))
        #expect(closed.verdict == .dropped(.portClosed))
        #expect(closed.steps.last?.finding.contains("RST") == true)
        var everyone = query(segment)
        everyone.destination = family.everyone
        if family == .ipv4 { #expect(segment.right.explain(everyone).verdict == .dropped(.tcpNotUnicast)) }
    }

    @Test(arguments: Family.allCases)
    func fullBacklogAndFullTableAreNamed(_ family: Family) throws {
        var settings = StackSettings()
        settings.tcp.backlogMax = 1
        settings.tcp.connectionsMax = 2
        let segment = try Segment(family, rightSettings: settings)
        let listener = try segment.right.listenTCP(on: Endpoint(port: Dialogue.port))
        func connect() throws {
            _ = try segment.left.connectTCP(to: Endpoint(family.right, Dialogue.port), at: segment.now)
            segment.pump()
        }
        try connect()
        #expect(segment.right.explain(query(segment)).verdict == .dropped(.tcpBacklogFull))
        #expect(segment.acceptRight(listener) != nil)
        #expect(segment.right.explain(query(segment)).verdict == .delivered(to: "tcp listener on port 8080"))
        try connect()
        #expect(segment.acceptRight(listener) != nil)
        #expect(segment.right.explain(query(segment)).verdict == .dropped(.tcpTableFull))
    }

    @Test(arguments: Family.allCases)
    func flowThatEndedIsNamed(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family))
        let segment = dialogue.segment
        let port = try #require(segment.leftPort(dialogue.client))
        // Who closes first waits.
        segment.right.close(dialogue.server, at: segment.now)
        segment.pump()
        segment.left.close(dialogue.client, at: segment.now)
        segment.pump()
        #expect(segment.right.tcpSummary.timeWait == 1)
        let answer = segment.right.explain(query(segment, from: port))
        #expect(answer.steps.contains { $0.finding.contains("ended not long ago") })
        #expect(answer.verdict == .delivered(to: "tcp listener on port 8080"))
    }

    @Test(arguments: Family.allCases)
    func everyStateSaysWhyTheConnectionIsOpen(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family))
        let segment = dialogue.segment
        func left() throws -> String { try #require(segment.leftSnapshot(dialogue.client)).reasonItIsOpen }
        func right() throws -> String { try #require(segment.rightSnapshot(dialogue.server)).reasonItIsOpen }
        #expect(try left() == "both ends may write")
        // Nothing is carried yet: our FIN is on its way.
        segment.left.shutdown(dialogue.client, at: segment.now)
        #expect(try left() == "our FIN is not acknowledged yet")
        segment.pump()
        segment.pass(.milliseconds(100))
        #expect(try left() == "the peer has our FIN and may still write")
        #expect(try right() == "the peer has written all; its owner has not closed it")
        segment.right.shutdown(dialogue.server, at: segment.now)
        #expect(try right() == "the peer has closed, and our FIN is not acknowledged yet")
        segment.pump()
        #expect(try left() == "all is said; its owner has not closed it")
        #expect(try right() == "it ended, for all is said; its owner has not closed it")
        let nobody = try segment.left.connectTCP(to: Endpoint(family.host(0, 77), 9), at: segment.now)
        #expect(try #require(segment.leftSnapshot(nobody)).reasonItIsOpen == "our SYN is not answered yet")
        #expect(Set(TCPState.allCases.map(\.standardName)).count == TCPState.allCases.count)
    }
}

extension Segment {
    fileprivate func leftPort(_ id: TCPConnectionID) -> UInt16? { left.localEndpoint(id)?.port }
}
