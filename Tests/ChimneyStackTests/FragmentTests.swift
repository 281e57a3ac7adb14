import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Testing

@Suite struct FragmentTests {
    /// The fragments of a datagram to port 9, each `step` bytes of IP payload.
    private func fragments(
        _ family: Family, _ data: [UInt8], step: Int, identification: UInt16 = 1
    ) -> [Handmade] {
        let whole = Handmade.udp(family, to: 9, data).payload
        return stride(from: 0, to: whole.count, by: step).map { start in
            var piece = Handmade(family)
            piece.identification = identification
            let end = min(start + step, whole.count)
            piece.payload = Array(whole[start..<end])
            piece.fragmentWord = UInt16(start / 8) | (end < whole.count ? 0x2000 : 0)
            return piece
        }
    }

    private func receiving(
        _ family: Family, _ settings: StackSettings = StackSettings()
    ) throws -> (Segment, SocketID) {
        let segment = try Segment(family, rightSettings: settings)
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(port: 9))
        return (segment, socket)
    }

    @Test(arguments: Family.allCases)
    func fragmentsInAnyOrderMakeTheDatagram(_ family: Family) throws {
        for seed in Seeds.chosen(count: 100) {
            var random = StackRandom(seed: seed)
            let (segment, socket) = try receiving(family)
            let data = (0..<Int.random(in: 1...3_000, using: &random)).map { UInt8(truncatingIfNeeded: $0) }
            let step = 8 * Int.random(in: 1...180, using: &random)
            for piece in fragments(family, data, step: step).shuffled(using: &random) {
                segment.giveRight(piece)
                if Bool.random(using: &random), segment.right.receivableCount(socket) == 0 {
                    segment.giveRight(piece)
                }
            }
            #expect(segment.right.receiveAll(socket) == [data], "replay with CHIMNEY_SEED=\(seed)")
            segment.pass(.seconds(100))
            segment.check()
        }
    }

    @Test(arguments: [[0, 1, 2], [1, 0, 2]], Family.allCases)
    func overlapCondemnsTheDatagram(order: [Int], _ family: Family) throws {
        let (segment, socket) = try receiving(family)
        var pieces = fragments(family, [UInt8](repeating: 1, count: 100), step: 40)
        pieces[1].fragmentWord -= 1
        for place in order { segment.giveRight(pieces[place]) }
        #expect(segment.right.receiveAll(socket).isEmpty)
        #expect(segment.right.ledger.dropped(.fragmentOverlap) == 2)
        segment.pass(.seconds(100))
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func duplicateIsDroppedAndTheDatagramLives(_ family: Family) throws {
        let (segment, socket) = try receiving(family)
        let pieces = fragments(family, [UInt8](repeating: 1, count: 100), step: 40)
        for piece in [pieces[0], pieces[0], pieces[1], pieces[2]] { segment.giveRight(piece) }
        #expect(segment.right.receiveAll(socket).count == 1)
        #expect(segment.right.ledger.dropped(.fragmentDuplicate) == 1)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func fragmentsThatLieAboutTheirLengthAreNamed(_ family: Family) throws {
        let (segment, _) = try receiving(family)
        var odd = fragments(family, [UInt8](repeating: 1, count: 100), step: 40)[0]
        odd.payload.removeLast(4)
        segment.giveRight(odd)
        #expect(segment.right.ledger.dropped(.fragmentMalformed) == 1)
        var beyond = Handmade(family)
        beyond.payload = [UInt8](repeating: 0, count: 100)
        beyond.fragmentWord = 0x1FFF
        segment.giveRight(beyond)
        #expect(segment.right.ledger.dropped(.fragmentOversized) == 1)
        let pieces = fragments(family, [UInt8](repeating: 1, count: 100), step: 40)
        segment.giveRight(pieces[2])
        var later = pieces[1]
        later.fragmentWord = 0x2000 | 100
        segment.giveRight(later)
        #expect(segment.right.ledger.dropped(.fragmentMalformed) == 3)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func lostFragmentTimesOutAndIsReportedToTheSender(_ family: Family) throws {
        let (segment, _) = try receiving(family)
        let client = try segment.left.openUDP()
        try segment.left.bind(client, to: Endpoint(port: 1_000))
        try segment.left.connect(client, to: Endpoint(family.right, 9))
        let pieces = fragments(family, [UInt8](repeating: 1, count: 100), step: 40)
        segment.giveRight(pieces[2])
        segment.giveRight(pieces[0])
        segment.pass(.seconds(59))
        #expect(segment.right.ledger.dropped(.fragmentTimeout) == 0)
        segment.pass(.seconds(2))
        #expect(segment.right.ledger.dropped(.fragmentTimeout) == 2)
        #expect(segment.left.takeError(client) == .timeExceeded(Endpoint(family.right, 9)))
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func lostFirstFragmentIsNotReported(_ family: Family) throws {
        let (segment, _) = try receiving(family)
        segment.giveRight(fragments(family, [UInt8](repeating: 1, count: 100), step: 40)[1])
        segment.pass(.seconds(61))
        #expect(segment.right.ledger.dropped(.fragmentTimeout) == 1)
        #expect(segment.right.counters.icmpErrorsSent == 0)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func oldestDatagramGivesWayAtEachBound(_ family: Family) throws {
        var settings = StackSettings()
        settings.reassemblyDatagramsMax = 4
        let (segment, socket) = try receiving(family, settings)
        for identification in UInt16(1)...6 {
            let pieces = fragments(family, [UInt8](repeating: 1, count: 100), step: 40, identification: identification)
            segment.giveRight(pieces[0])
        }
        #expect(segment.right.ledger.dropped(.fragmentEvicted) == 2)
        let rest = fragments(family, [UInt8](repeating: 1, count: 100), step: 40, identification: 6)
        for piece in rest.dropFirst() { segment.giveRight(piece) }
        #expect(segment.right.receiveAll(socket).count == 1)
        segment.pass(.seconds(100))
        segment.check()

        settings = StackSettings()
        settings.reassemblyBytesMax = 3_000
        let (narrow, _) = try receiving(family, settings)
        for identification in UInt16(1)...4 {
            let pieces = fragments(
                family, [UInt8](repeating: 1, count: 2_000), step: 1_000, identification: identification)
            narrow.giveRight(pieces[0])
        }
        #expect(narrow.right.ledger.dropped(.fragmentEvicted) == 2)
        narrow.pass(.seconds(100))
        narrow.check()

        settings = StackSettings()
        settings.fragmentsPerDatagramMax = 3
        let (few, _) = try receiving(family, settings)
        for piece in fragments(family, [UInt8](repeating: 1, count: 100), step: 8).prefix(4) { few.giveRight(piece) }
        #expect(few.right.ledger.dropped(.fragmentTooMany) == 4)
        few.check()
    }
}
