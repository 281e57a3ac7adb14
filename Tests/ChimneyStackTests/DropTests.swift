import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Testing

/// Every way a packet can be wrong has a name, and only that one counts it.
@Suite struct DropTests {
    /// Gives the right stack one frame and says what it died of.
    private func reason(for frame: [UInt8], settings: StackSettings = StackSettings()) throws -> DropReason? {
        let segment = try Segment(rightSettings: settings)
        segment.pump()
        let before = segment.right.ledger
        segment.giveRight(frame)
        let after = segment.right.ledger
        let reasons = DropReason.allCases.filter { after.dropped($0) > before.dropped($0) }
        #expect(reasons.count <= 1)
        segment.check()
        return reasons.first
    }

    @Test func headersThatContradictThemselvesAreNamed() throws {
        let good = Handmade.udp(to: 9, [1, 2, 3]).bytes
        func broken(_ offset: Int, _ value: UInt8) -> [UInt8] {
            var bytes = good
            bytes[offset] = value
            return Handmade.frame(bytes)
        }
        #expect(try reason(for: Handmade.frame(good)) == .portClosed)
        #expect(try reason(for: Array(Handmade.frame(good).prefix(13))) == .frameTruncated)
        #expect(try reason(for: Handmade.frame(Array(good.prefix(19)))) == .ipTruncated)
        #expect(try reason(for: broken(0, 0x65)) == .ipVersionWrong)
        #expect(try reason(for: broken(0, 0x44)) == .ipHeaderLengthWrong)
        #expect(try reason(for: broken(3, 0xFF)) == .ipTotalLengthWrong)
        #expect(try reason(for: broken(3, 19)) == .ipTotalLengthWrong)
        #expect(try reason(for: broken(8, 63)) == .ipChecksumBad)
        #expect(try reason(for: broken(29, 9)) == .udpChecksumBad)
        #expect(try reason(for: Handmade.frame(good, to: 0x0200_0000_0099)) == .frameNotForUs)
        #expect(try reason(for: Handmade.frame(good, etherType: 0x9999)) == .etherTypeUnknown)
        #expect(try reason(for: Handmade.frame(good, etherType: 0x8100)) == .vlanUnknown)
    }

    @Test func everyTruncationOfADatagramDiesWithAName() throws {
        let segment = try Segment()
        let frame = Handmade.udp(to: 9, [1, 2, 3, 4]).frame
        for length in 0..<frame.count {
            let before = segment.right.ledger.dropped
            segment.giveRight(Array(frame.prefix(length)))
            #expect(segment.right.ledger.dropped == before + 1, "length \(length)")
        }
        segment.check()
    }

    @Test func addressesThatMayNotTravelAreNamed() throws {
        func to(_ address: IPv4Address) -> [UInt8] { Handmade.udp(to: 9, [1], destination: address).frame }
        func from(_ address: IPv4Address) -> [UInt8] { Handmade.udp(to: 9, [1], source: address).frame }
        #expect(try reason(for: to(IPv4Address(10, 0, 0, 77))) == .addressNotOurs)
        #expect(try reason(for: to(IPv4Address(240, 0, 0, 1))) == .destinationAddressInvalid)
        #expect(try reason(for: to(IPv4Address(0, 0, 0, 1))) == .destinationAddressInvalid)
        #expect(try reason(for: to(.loopback)) == .destinationAddressInvalid)
        #expect(try reason(for: to(IPv4Address(239, 1, 2, 3))) == .multicastNoMember)
        #expect(try reason(for: from(IPv4Address(224, 0, 0, 5))) == .sourceAddressInvalid)
        #expect(try reason(for: from(.loopback)) == .sourceAddressInvalid)
        #expect(try reason(for: from(.limitedBroadcast)) == .sourceAddressInvalid)
    }

    @Test func transportsThatContradictThemselvesAreNamed() throws {
        var short = Handmade.udp(to: 9, [])
        short.payload = Array(short.payload.prefix(7))
        #expect(try reason(for: short.frame) == .udpTruncated)
        var long = Handmade.udp(to: 9, [1])
        long.payload[5] = 200
        #expect(try reason(for: long.frame) == .udpLengthWrong)
        var tiny = Handmade.udp(to: 9, [1])
        tiny.payload[5] = 7
        #expect(try reason(for: tiny.frame) == .udpLengthWrong)
        var unknown = Handmade()
        unknown.ipProtocol = 99
        #expect(try reason(for: unknown.frame) == .protocolUnreachable)
        var noSum = Handmade.udp(to: 9, [1])
        noSum.payload[6] = 0
        noSum.payload[7] = 0
        #expect(try reason(for: noSum.frame) == .portClosed)
    }

    @Test func messagesOfICMPThatNobodyAnswersAreNamed() throws {
        var echo = Handmade.echo()
        #expect(try reason(for: echo.frame) == nil)
        var quiet = StackSettings()
        quiet.answersEcho = false
        #expect(try reason(for: echo.frame, settings: quiet) == .icmpEchoIgnored)
        var toAll = echo
        toAll.destination = IPv4Address(10, 0, 0, 255)
        #expect(try reason(for: toAll.frame) == .icmpEchoIgnored)
        var loud = StackSettings()
        loud.answersBroadcastEcho = true
        #expect(try reason(for: toAll.frame, settings: loud) == nil)
        echo.payload[2] ^= 1
        #expect(try reason(for: echo.frame) == .icmpChecksumBad)
        echo.payload = [8, 0, 0]
        #expect(try reason(for: echo.frame) == .icmpTruncated)
        echo.payload = [99, 0, 0x9C, 0xFF, 0, 0, 0, 0]
        #expect(try reason(for: echo.frame) == .icmpTypeUnknown)
        echo.payload = [0, 0, 0xFF, 0xFF, 0, 0, 0, 0]
        #expect(try reason(for: echo.frame) == .icmpNoSocket)
        echo.payload = [3, 3, 0xFC, 0xFC, 0, 0, 0, 0]
        #expect(try reason(for: echo.frame) == .icmpQuoteMalformed)
    }

    @Test func interfaceThatIsDownOrGoneDropsWithAName() throws {
        let segment = try Segment()
        try segment.right.setUp(segment.rightIndex, false, at: segment.now)
        segment.giveRight(Handmade.echo().frame)
        #expect(segment.right.ledger.dropped(.interfaceDown) == 1)
        try segment.right.detach(segment.rightIndex, at: segment.now)
        segment.giveRight(Handmade.echo().frame)
        #expect(segment.right.ledger.dropped(.interfaceGone) == 1)
        segment.check()
    }

    @Test func fullTransmitQueueDropsWithAName() throws {
        var settings = StackSettings()
        settings.transmitPacketsMax = 3
        let segment = try Segment(leftSettings: settings)
        let socket = try segment.left.openUDP()
        let peer = Endpoint(Segment.rightAddress, 9)
        try segment.left.send(socket, [0], to: peer, at: segment.now)
        segment.pump()
        for _ in 0..<5 { try segment.left.send(socket, [0], to: peer, at: segment.now) }
        #expect(segment.left.ledger.dropped(.transmitQueueFull) == 2)
        #expect(segment.left.conservation.isKept)
        segment.pump()
        segment.check()
    }

    @Test func packetsThatDiedAreRememberedWithTheirFlowUpToTheBound() throws {
        var settings = StackSettings()
        settings.dropRecordsMax = 3
        let segment = try Segment(rightSettings: settings)
        for port in UInt16(1)...5 { segment.giveRight(Handmade.udp(from: 50, to: port, [1]).frame) }
        let records = segment.right.recentDrops
        #expect(records.map(\.destinationPort) == [3, 4, 5])
        #expect(records.allSatisfy { $0.reason == .portClosed && $0.source == .v4(Segment.leftAddress) })
        #expect(records.allSatisfy { $0.sourcePort == 50 && $0.ipProtocol == 17 })
    }

    @Test func everyReasonHasItsOwnSentence() {
        let sentences = DropReason.allCases.map(\.explanation)
        #expect(Set(sentences).count == sentences.count)
        #expect("\(DropReason.portClosed)" == "portClosed")
    }

    @Test func randomBytesNeverTrapAndAreAlwaysAccountedFor() throws {
        for seed in Seeds.chosen(count: 30) {
            let segment = try Segment(seed: seed)
            var random = StackRandom(seed: seed)
            for _ in 0..<300 {
                var frame = Handmade.udp(to: 9, [1, 2, 3, 4, 5]).frame
                if Bool.random(using: &random) { frame = Handmade.echo(7, sequence: 1, [1, 2, 3]).frame }
                for _ in 0..<Int.random(in: 0...4, using: &random) {
                    frame[Int.random(in: frame.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                let length = Int.random(in: 0...frame.count, using: &random)
                segment.giveRight(Bool.random(using: &random) ? frame : Array(frame.prefix(length)))
                #expect(segment.right.conservation.isKept, "replay with CHIMNEY_SEED=\(seed)")
            }
            segment.pass(.seconds(200))
            segment.check()
        }
    }
}
