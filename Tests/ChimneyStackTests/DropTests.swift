import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Testing

/// Every way a packet can be wrong has a name, and only that one counts it.
@Suite struct DropTests {
    /// Gives the right stack one packet, changed on the way, and says what it died of.
    private func reason(
        for packet: Handmade, settings: StackSettings = StackSettings(), _ change: (inout [UInt8]) -> Void = { _ in }
    ) throws -> DropReason? {
        let segment = try Segment(packet.family, rightSettings: settings)
        var bytes = packet.bytes
        change(&bytes)
        return try reason(in: segment, for: segment.kind == .ethernet ? frame(bytes, packet.family) : bytes)
    }

    /// Gives the right stack of a link with frames one frame and says what it died of.
    private func reason(_ family: Family, forFrame frame: [UInt8]) throws -> DropReason? {
        try reason(in: Segment(family), for: frame)
    }

    private func reason(in segment: Segment, for frame: [UInt8]) throws -> DropReason? {
        segment.pump()
        let before = segment.right.ledger
        segment.giveRight(frame)
        let after = segment.right.ledger
        let reasons = DropReason.allCases.filter { after.dropped($0) > before.dropped($0) }
        #expect(reasons.count <= 1)
        segment.check()
        return reasons.first
    }

    private func frame(_ packet: [UInt8], _ family: Family) -> [UInt8] {
        Handmade.frame(packet, etherType: family.etherType)
    }

    @Test(arguments: Family.allCases)
    func framesThatAreNotForThisStackAreNamed(_ family: Family) throws {
        let good = Handmade.udp(family, to: 9, [UInt8](repeating: 1, count: 20))
        #expect(try reason(family, forFrame: good.frame) == .portClosed)
        #expect(try reason(family, forFrame: Array(good.frame.prefix(13))) == .frameTruncated)
        #expect(try reason(family, forFrame: Array(good.frame.prefix(14 + 19))) == .ipTruncated)
        #expect(try reason(family, forFrame: good.frame(to: 0x0200_0000_0099)) == .frameNotForUs)
        #expect(try reason(family, forFrame: Handmade.frame(good.bytes, etherType: 0x9999)) == .etherTypeUnknown)
        #expect(try reason(family, forFrame: Handmade.frame(good.bytes, etherType: 0x8100)) == .vlanUnknown)
        let other: Family = family == .ipv4 ? .ipv6 : .ipv4
        #expect(try reason(.ipv6, forFrame: frame(good.bytes, other)) == .ipVersionWrong)
    }

    @Test func headersOfIPv4ThatContradictThemselvesAreNamed() throws {
        func broken(_ offset: Int, _ value: UInt8) throws -> DropReason? {
            try reason(for: Handmade.udp(to: 9, [1, 2, 3])) { $0[offset] = value }
        }
        #expect(try broken(0, 0x65) == .ipVersionWrong)
        #expect(try broken(0, 0x44) == .ipHeaderLengthWrong)
        #expect(try broken(3, 0xFF) == .ipTotalLengthWrong)
        #expect(try broken(3, 19) == .ipTotalLengthWrong)
        #expect(try broken(8, 63) == .ipChecksumBad)
        #expect(try broken(29, 9) == .udpChecksumBad)
    }

    @Test func headersOfIPv6ThatContradictThemselvesAreNamed() throws {
        func broken(_ offset: Int, _ value: UInt8) throws -> DropReason? {
            try reason(for: Handmade.udp(.ipv6, to: 9, [1, 2, 3])) { $0[offset] = value }
        }
        #expect(try broken(0, 0x40) == .ipVersionWrong)
        #expect(try broken(5, 12) == .ipTotalLengthWrong)
        #expect(try broken(5, 7) == .udpTruncated)
        #expect(try broken(5, 10) == .udpLengthWrong)
        #expect(try broken(7, 63) == .portClosed)
        #expect(try broken(49, 9) == .udpChecksumBad)
        #expect(try broken(15, 9) == .udpChecksumBad)
    }

    @Test(arguments: Family.allCases)
    func everyTruncationOfADatagramDiesWithAName(_ family: Family) throws {
        let segment = try Segment(family)
        let packet = Handmade.udp(family, to: 9, [1, 2, 3, 4])
        let whole = segment.kind == .ethernet ? packet.frame : packet.bytes
        for length in 0..<whole.count {
            let before = segment.right.ledger.dropped
            segment.giveRight(Array(whole.prefix(length)))
            #expect(segment.right.ledger.dropped == before + 1, "length \(length)")
        }
        segment.check()
    }

    @Test func addressesOfIPv4ThatMayNotTravelAreNamed() throws {
        func to(_ address: IPv4Address) throws -> DropReason? {
            try reason(for: Handmade.udp(to: 9, [1], destination: .v4(address)))
        }
        func from(_ address: IPv4Address) throws -> DropReason? {
            try reason(for: Handmade.udp(to: 9, [1], source: .v4(address)))
        }
        #expect(try to(IPv4Address(10, 0, 0, 77)) == .addressNotOurs)
        #expect(try to(IPv4Address(240, 0, 0, 1)) == .destinationAddressInvalid)
        #expect(try to(IPv4Address(0, 0, 0, 1)) == .destinationAddressInvalid)
        #expect(try to(.loopback) == .destinationAddressInvalid)
        #expect(try to(IPv4Address(239, 1, 2, 3)) == .multicastNoMember)
        #expect(try from(IPv4Address(224, 0, 0, 5)) == .sourceAddressInvalid)
        #expect(try from(.loopback) == .sourceAddressInvalid)
        #expect(try from(.limitedBroadcast) == .sourceAddressInvalid)
    }

    @Test func addressesOfIPv6ThatMayNotTravelAreNamed() throws {
        func to(_ text: String) throws -> DropReason? {
            let address = try #require(IPv6Address(text))
            return try reason(for: Handmade.udp(to: 9, [1], destination: .v6(address)))
        }
        func from(_ text: String) throws -> DropReason? {
            let address = try #require(IPv6Address(text))
            return try reason(for: Handmade.udp(to: 9, [1], source: .v6(address)))
        }
        #expect(try to("2001:db8::77") == .addressNotOurs)
        #expect(try to("fe80::77") == .addressNotOurs)
        #expect(try to("::") == .destinationAddressInvalid)
        #expect(try to("::1") == .destinationAddressInvalid)
        #expect(try to("::ffff:10.0.0.2") == .destinationAddressInvalid)
        #expect(try to("ff01::1") == .destinationAddressInvalid)
        #expect(try to("ff00::1") == .destinationAddressInvalid)
        #expect(try to("ff02::77") == .multicastNoMember)
        #expect(try to("ff02::2") == .multicastNoMember)
        #expect(try to("ff02::1:ff00:2") == .multicastNoReceiver)
        #expect(try from("::") == .sourceAddressInvalid)
        #expect(try from("::1") == .sourceAddressInvalid)
        #expect(try from("ff02::1") == .sourceAddressInvalid)
        #expect(try from("::ffff:10.0.0.1") == .sourceAddressInvalid)
    }

    @Test(arguments: Family.allCases)
    func transportsThatContradictThemselvesAreNamed(_ family: Family) throws {
        var short = Handmade.udp(family, to: 9, [])
        short.payload = Array(short.payload.prefix(7))
        #expect(try reason(for: short) == .udpTruncated)
        var long = Handmade.udp(family, to: 9, [1])
        long.payload[5] = 200
        #expect(try reason(for: long) == .udpLengthWrong)
        var tiny = Handmade.udp(family, to: 9, [1])
        tiny.payload[5] = 7
        #expect(try reason(for: tiny) == .udpLengthWrong)
        var unknown = Handmade(family)
        unknown.ipProtocol = 99
        #expect(try reason(for: unknown) == .protocolUnreachable)
        var foreign = Handmade.echo(family)
        foreign.ipProtocol = family == .ipv4 ? 58 : 1
        #expect(try reason(for: foreign) == .protocolUnreachable)
        var noSum = Handmade.udp(family, to: 9, [1])
        noSum.payload[6] = 0
        noSum.payload[7] = 0
        #expect(try reason(for: noSum) == (family == .ipv4 ? .portClosed : .udpChecksumMissing))
    }

    @Test(arguments: Family.allCases)
    func messagesOfICMPThatNobodyAnswersAreNamed(_ family: Family) throws {
        func message(_ kind: [UInt8], rest: UInt32 = 0, _ body: [UInt8] = []) -> Handmade {
            Handmade.icmp(kind, rest: rest, body, from: family.left, to: family.right)
        }
        var echo = Handmade.echo(family)
        #expect(try reason(for: echo) == nil)
        var quiet = StackSettings()
        quiet.answersEcho = false
        #expect(try reason(for: echo, settings: quiet) == .icmpEchoIgnored)
        let toAll = Handmade.echo(family, destination: family.everyone)
        #expect(try reason(for: toAll) == .icmpEchoIgnored)
        var loud = StackSettings()
        loud.answersBroadcastEcho = true
        #expect(try reason(for: toAll, settings: loud) == nil)
        echo.payload[2] ^= 1
        #expect(try reason(for: echo) == .icmpChecksumBad)
        echo.payload = [family.echoRequest, 0, 0]
        #expect(try reason(for: echo) == .icmpTruncated)
        #expect(try reason(for: message([family == .ipv4 ? 99 : 200, 0])) == .icmpTypeUnknown)
        #expect(try reason(for: message([family.echoReply, 0])) == .icmpNoSocket)
        #expect(try reason(for: message(family.told(.port))) == .icmpQuoteMalformed)
        let strangers = Handmade.udp(to: 9, [1], source: family.stranger(1)).bytes
        #expect(try reason(for: message(family.told(.port), strangers)) == .icmpQuoteMalformed)
        let ours = Handmade.udp(to: 9, [1], source: family.right, destination: family.left).bytes
        #expect(try reason(for: message(family.told(.port), ours)) == .icmpNoSocket)
    }

    @Test(arguments: Family.allCases)
    func interfaceThatIsDownOrGoneDropsWithAName(_ family: Family) throws {
        let segment = try Segment(family)
        try segment.right.setUp(segment.rightIndex, false, at: segment.now)
        segment.giveRight(Handmade.echo(family))
        #expect(segment.right.ledger.dropped(.interfaceDown) == 1)
        try segment.right.detach(segment.rightIndex, at: segment.now)
        segment.giveRight(Handmade.echo(family))
        #expect(segment.right.ledger.dropped(.interfaceGone) == 1)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func fullTransmitQueueDropsWithAName(_ family: Family) throws {
        var settings = StackSettings()
        settings.transmitPacketsMax = 3
        let segment = try Segment(family, leftSettings: settings)
        let socket = try segment.left.openUDP()
        let peer = Endpoint(family.right, 9)
        try segment.left.send(socket, [0], to: peer, at: segment.now)
        segment.pump()
        for _ in 0..<5 { try segment.left.send(socket, [0], to: peer, at: segment.now) }
        #expect(segment.left.ledger.dropped(.transmitQueueFull) == 2)
        #expect(segment.left.conservation.isKept)
        segment.pump()
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func packetsThatDiedAreRememberedWithTheirFlowUpToTheBound(_ family: Family) throws {
        var settings = StackSettings()
        settings.dropRecordsMax = 3
        let segment = try Segment(family, rightSettings: settings)
        for port in UInt16(1)...5 { segment.giveRight(Handmade.udp(family, from: 50, to: port, [1])) }
        let records = segment.right.recentDrops
        #expect(records.map(\.destinationPort) == [3, 4, 5])
        #expect(records.allSatisfy { $0.reason == .portClosed && $0.source == family.left })
        #expect(records.allSatisfy { $0.sourcePort == 50 && $0.ipProtocol == 17 })
    }

    @Test func everyReasonHasItsOwnSentence() {
        let sentences = DropReason.allCases.map(\.explanation)
        #expect(Set(sentences).count == sentences.count)
        #expect("\(DropReason.portClosed)" == "portClosed")
    }

    @Test(arguments: Family.allCases)
    func randomBytesNeverTrapAndAreAlwaysAccountedFor(_ family: Family) throws {
        for seed in Seeds.chosen(count: 30) {
            let segment = try Segment(family, seed: seed)
            var random = StackRandom(seed: seed)
            for _ in 0..<300 {
                var packet = Handmade.udp(family, to: 9, [1, 2, 3, 4, 5])
                if Bool.random(using: &random) { packet = Handmade.echo(family, 7, sequence: 1, [1, 2, 3]) }
                if Bool.random(using: &random) { packet.fragmentWord = UInt16.random(in: 0...0x3FFF, using: &random) }
                var frame = segment.kind == .ethernet ? packet.frame : packet.bytes
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
