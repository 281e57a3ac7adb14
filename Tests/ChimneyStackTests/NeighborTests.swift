import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyStack
import Testing

@Suite struct NeighborTests {
    @Test(arguments: Family.allCases)
    func packetsWaitForTheNeighbourAndThenArriveInOrder(_ family: Family) throws {
        let segment = try Segment(family, isResolved: false)
        let sender = try segment.left.openUDP()
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        for byte in UInt8(0)..<5 {
            try segment.left.send(sender, [byte], to: Endpoint(family.right, 9), at: segment.now)
        }
        #expect(segment.left.conservation.isKept)
        #expect(segment.left.conservation.heldInFact > 5)
        segment.pump()
        #expect(segment.right.receiveAll(receiver) == [[0], [1], [2], [3], [4]])
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func neighbourThatNeverAnswersFailsThePacketsAndTellsTheSocket(_ family: Family) throws {
        let segment = try Segment(family)
        let sender = try segment.left.openUDP()
        let peer = Endpoint(family.host(0, 200), 9)
        try segment.left.connect(sender, to: peer)
        for _ in 0..<100 { try segment.left.send(sender, [1], at: segment.now) }
        #expect(segment.left.ledger.dropped(.neighborQueueFull) == 36)
        segment.pass(.seconds(5))
        #expect(segment.left.ledger.dropped(.neighborUnresolved) == 64)
        #expect(segment.left.takeError(sender) == .hostUnreachable(peer))
        var query = FlowQuery(to: peer.address)
        query.destinationPort = 9
        #expect(segment.left.explain(query).verdict == .dropped(.neighborUnresolved))
        #expect(segment.left.explain(query).recentDrops.last?.reason == .neighborUnresolved)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func fullTableRefusesWithAName(_ family: Family) throws {
        var settings = StackSettings()
        settings.arp.neighbors.entriesMax = 4
        settings.ndp.neighbors.entriesMax = 4
        let segment = try Segment(family, leftSettings: settings)
        let sender = try segment.left.openUDP()
        for host in UInt8(100)..<120 {
            try segment.left.send(sender, [1], to: Endpoint(family.host(0, host), 9), at: segment.now)
        }
        #expect(segment.left.ledger.dropped(.neighborTableFull) > 0)
        #expect(segment.left.neighborMACs(family, at: segment.now).count <= 4)
        segment.pass(.seconds(30))
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func changedLinkAddressIsFollowed(_ family: Family) throws {
        let segment = try Segment(family)
        let other = MACAddress(bits: 0x0200_0000_0077)
        try segment.right.setMAC(segment.rightIndex, other, at: segment.now)
        segment.pump()
        #expect(segment.left.neighborMACs(family, at: segment.now)[family.right] == other)
        let identifier = try segment.left.openEcho()
        try segment.left.sendEcho(identifier, to: family.right, sequence: 1, at: segment.now)
        segment.pump()
        #expect(segment.left.takeEchoReplies(identifier).count == 1)
        segment.check()
    }

    @Test func probedAddressIsUsableOnlyAfterItsProbes() throws {
        let segment = try Segment()
        let pool = PacketPool()
        var late = VirtualStack(name: "late", pool: pool, random: StackRandom(seed: 5))
        let index = try late.attach(
            InterfaceDescription(name: "eth0", mac: MACAddress(bits: 0x0200_0000_0009), detectsConflicts: true))
        try late.addAddress(IPv4Address(10, 0, 0, 9), prefixLength: 24, to: index, at: segment.now)
        #expect(late.interfaces.last?.addresses.first?.state == .tentative)
        for _ in 0..<20 {
            guard let due = late.deadline else { break }
            late.timerFired(at: due)
        }
        #expect(late.interfaces.last?.addresses.first?.state == .usable)
        #expect(late.conservation.isKept)
    }

    @Test func addressOfAnotherHostIsNotTaken() throws {
        let segment = try Segment()
        let index = try segment.left.attach(
            InterfaceDescription(name: "eth1", mac: MACAddress(bits: 0x0200_0000_0011), detectsConflicts: true),
            at: segment.now)
        try segment.left.addAddress(IPv4Address(10, 0, 5, 2), prefixLength: 24, to: index, at: segment.now)
        // Another station announces the address while it is probed for.
        let claim =
            Handmade.be(UInt64(0xFFFF_FFFF_FFFF_0000)).prefix(6) + Handmade.be(UInt64(0x0200_0000_0022_0000)).prefix(6)
            + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + Handmade.be(UInt64(0x0200_0000_0022_0000)).prefix(6)
            + [10, 0, 5, 2, 0, 0, 0, 0, 0, 0, 10, 0, 5, 2]
        var queue = PacketQueue()
        queue.append(Segment.packet(Array(claim), segment.pool))
        segment.left.framesArrived(&queue, on: index, at: segment.now)
        let state = segment.left.interfaces.first { $0.index == index }?.addresses.first?.state
        #expect(state == .conflicted)
        #expect(segment.left.conservation.isKept)
    }

    @Test func hostileARPIsNamed() throws {
        let segment = try Segment()
        func arp(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
            var body: [UInt8] = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]
            change(&body)
            return Handmade.frame(body, etherType: 0x0806)
        }
        func reason(_ frame: [UInt8]) -> DropReason? {
            let before = segment.right.ledger
            segment.giveRight(frame)
            return DropReason.allCases.first { segment.right.ledger.dropped($0) > before.dropped($0) }
        }
        #expect(reason(arp { _ in }) == nil)
        #expect(reason(arp { $0.removeLast() }) == .arpMalformed)
        #expect(reason(arp { $0[1] = 9 }) == .arpMalformed)
        #expect(reason(arp { $0[8] = 1 }) == .arpBadSender)
        #expect(reason(arp { $0.replaceSubrange(14..<18, with: [10, 0, 0, 2]) }) == .arpConflict)
        #expect(reason(arp { $0.replaceSubrange(14..<18, with: [10, 9, 0, 2]) }) == .arpOffLink)
        #expect(
            reason(arp { $0.replaceSubrange(14..<28, with: [10, 0, 0, 66, 0, 0, 0, 0, 0, 0, 10, 0, 0, 77]) })
                == .arpNotForUs)
        #expect(
            reason(arp { $0.replaceSubrange(7..<18, with: [2, 2, 0, 0, 0, 0, 8, 10, 0, 0, 66]) })
                == .arpUnsolicited)
        try segment.right.setNeighbor(
            Segment.leftAddress, on: segment.rightIndex, to: MACAddress(bits: 0x0200_0000_0001), at: segment.now)
        #expect(reason(arp { $0[13] = 9 }) == .arpPermanent)
        segment.pump()
        segment.check()
    }

    @Test func floodOfQuestionsIsAnsweredOnlySoFast() throws {
        var settings = StackSettings()
        settings.arp.answersPerSecondMax = 10
        settings.arp.answersBurstMax = 5
        let segment = try Segment(rightSettings: settings)
        for host in UInt8(50)..<90 {
            let body: [UInt8] =
                [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, host, 10, 0, 0, host] + [0, 0, 0, 0, 0, 0, 10, 0, 0, 2]
            segment.giveRight(Handmade.frame(body, etherType: 0x0806))
        }
        #expect(segment.right.ledger.dropped(.arpRateLimited) > 0)
        segment.pump()
        segment.check()
    }
}
