import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import ChimneyWire
import Testing

/// What ICMP says about segments, and whether it is believed.
@Suite struct TCPErrorTests {
    /// An error of the left host about a segment of the right one.
    private func error(_ family: Family, _ told: Family.Told, rest: UInt32 = 0, about packet: Seen) -> Handmade {
        let quoted = Array(packet.bytes.prefix(family.headerByteCount + 20))
        return Handmade.icmp(family.told(told), rest: rest, quoted, from: family.left, to: family.right)
    }

    @Test(arguments: Family.allCases)
    func smallerMTUIsTakenWhenTheSegmentIsUnderWay(_ family: Family) throws {
        let peer = try HandPeer(family)
        // A peer that takes full segments.
        let id = try peer.open(options: [2, 4] + Handmade.be(UInt16(1_460)))
        try peer.segment.writeRight(id, [UInt8](repeating: 1, count: 4_000))
        let sent = peer.segment.interceptRight()
        let largest = try #require(sent.max { $0.bytes.count < $1.bytes.count })
        #expect(largest.bytes.count == 1_500)
        var forged = largest
        forged.bytes[family.headerByteCount + 4] ^= 0x40
        let rest = family == .ipv4 ? UInt32(1_300) : 1_300
        #expect(peer.death(of: error(family, .tooBig, rest: rest, about: forged)) == .icmpNoSocket)
        #expect(peer.segment.rightSnapshot(id)?.pathMTU == 1_500)
        peer.segment.giveRight(error(family, .tooBig, rest: rest, about: largest))
        let again = peer.segment.interceptRight()
        #expect(again.map(\.bytes.count).max() == 1_300)
        #expect(peer.segment.rightSnapshot(id)?.pathMTU == 1_300)
        #expect(again.first?.segment.sequence == largest.segment.sequence)
        peer.segment.check()
    }

    @Test func routerThatNamesNoMTUMeansTheNextOneInUse() throws {
        let peer = try HandPeer(.ipv4)
        let id = try peer.open(options: [2, 4] + Handmade.be(UInt16(1_460)))
        try peer.segment.writeRight(id, [UInt8](repeating: 1, count: 4_000))
        let largest = try #require(peer.segment.interceptRight().max { $0.bytes.count < $1.bytes.count })
        peer.segment.giveRight(error(.ipv4, .tooBig, about: largest))
        #expect(peer.segment.interceptRight().map(\.bytes.count).max() == 1_492)
        peer.segment.check()
    }

    @Test func pathBelowTheSmallestSegmentGetsFragmentablePackets() throws {
        let peer = try HandPeer(.ipv4)
        let id = try peer.open(options: [2, 4] + Handmade.be(UInt16(1_460)))
        try peer.segment.writeRight(id, [UInt8](repeating: 1, count: 4_000))
        let largest = try #require(peer.segment.interceptRight().max { $0.bytes.count < $1.bytes.count })
        #expect(largest.fragmentWord == 0x4000)
        peer.segment.giveRight(error(.ipv4, .tooBig, rest: 68, about: largest))
        let again = peer.segment.interceptRight()
        #expect(again.map(\.segment.data.count).max() == 216)
        #expect(again.allSatisfy { $0.fragmentWord == 0 })
        peer.segment.check()
    }

    @Test(arguments: Family.allCases)
    func unreachableEndsWhatIsOpeningAndNothingElse(_ family: Family) throws {
        let peer = try HandPeer(family)
        let opening = try peer.segment.right.connectTCP(to: Endpoint(family.left, 5_000), at: peer.segment.now)
        let syn = try #require(peer.segment.interceptRight().last)
        // A route that is gone may come back; a port that is not there ends it.
        peer.segment.giveRight(error(family, .host, about: syn))
        #expect(peer.segment.right.state(of: opening) == .synSent)
        peer.segment.giveRight(error(family, .port, about: syn))
        #expect(peer.segment.right.failure(of: opening) == .refused)
        let id = try peer.open()
        try peer.segment.writeRight(id, [1])
        let data = try #require(peer.segment.interceptRight().last)
        peer.segment.giveRight(error(family, .port, about: data))
        #expect(peer.segment.right.state(of: id) == .established)
        peer.segment.check()
    }

    @Test(arguments: Family.allCases)
    func segmentsOfAnAddressOrRouteThatIsGoneDieByNameUntilItIsBack(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family))
        let segment = dialogue.segment
        try segment.left.removeAddress(family.left, from: segment.leftIndex, at: segment.now)
        try segment.writeLeft(dialogue.client, [1])
        segment.pump()
        let reasons: Set<DropReason> = [.noSourceAddress, .noRoute]
        #expect(segment.left.recentDrops.last.map { reasons.contains($0.reason) } == true)
        #expect(try segment.readRight(dialogue.server).isEmpty)
        try segment.left.addAddress(family.left, to: segment.leftIndex, at: segment.now)
        segment.pass(.seconds(3))
        #expect(try segment.readRight(dialogue.server) == [1])
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func largerPacketsAreTriedAgainTenMinutesAfterTheReport(_ family: Family) throws {
        let peer = try HandPeer(family)
        let id = try peer.open(options: [2, 4] + Handmade.be(UInt16(1_440)))
        try peer.segment.writeRight(id, [UInt8](repeating: 1, count: 1_440))
        let sent = peer.segment.interceptRight()
        let largest = try #require(sent.max { $0.bytes.count < $1.bytes.count })
        peer.give(error(family, .tooBig, rest: 1_300, about: largest))
        peer.expected &+= 1_440
        peer.give()
        for minute in 1...11 {
            #expect(peer.segment.rightSnapshot(id)?.pathMTU == (minute <= 10 ? 1_300 : 1_500))
            peer.segment.pass(.seconds(61))
            try peer.segment.writeRight(id, [1])
            _ = peer.segment.interceptRight()
            peer.expected &+= 1
            peer.give()
        }
    }
}
