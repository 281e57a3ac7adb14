import ChimneyPrimitives
import ChimneyStack
import Testing

@Suite struct CoalescerTests {
    /// What comes of a batch of packets: the bytes of each, the parts of each, and how many were joined.
    private func coalesce(
        _ packets: [[UInt8]], linkByteCount: Int = 0, segmentsMax: Int = 45, padding: Int = 0,
        checksum: ChecksumState = .unknown
    ) -> [(seen: Seen, parts: Int)] {
        let pool = PacketPool()
        var queue = PacketQueue()
        for bytes in packets {
            var packet = Segment.packet(bytes + [UInt8](repeating: 0xEE, count: padding), pool)
            packet.metadata.checksum = checksum
            queue.append(packet)
        }
        let fewer = Coalescer(segmentsMax: segmentsMax).coalesce(&queue, linkByteCount: linkByteCount)
        let left = queue.count
        #expect(fewer == packets.count - left)
        var result: [(seen: Seen, parts: Int)] = []
        while !queue.isEmpty {
            let packet = queue.removeFirst()
            let bytes = packet.allBytes()
            result.append((linkByteCount == 14 ? Seen(frame: bytes) : Seen(bytes), packet.sliceCount))
        }
        #expect(pool.inUse == 0)
        return result
    }

    private func run(_ family: Family, _ sizes: [Int] = [100, 100, 100]) -> [TCPHandmade] {
        var segments: [TCPHandmade] = []
        for (index, size) in sizes.enumerated() {
            let data = [UInt8](repeating: UInt8(index), count: size)
            segments.append(segments.last?.next(data) ?? TCPHandmade(family, data))
        }
        return segments
    }

    @Test(arguments: Family.allCases)
    func segmentsInOrderBecomeOnePacketOfTheirPayloads(_ family: Family) {
        var segments = run(family, [100, 100, 100, 40])
        segments[1].acknowledgment += 5
        for index in 2...3 { segments[index].acknowledgment += 9 }
        segments[3].window = 400
        segments[3].flags |= 8
        for link in [0, 14] {
            let packets = segments.map {
                link == 0 ? $0.bytes : Handmade.frame($0.bytes, etherType: family.etherType)
            }
            let got = coalesce(packets, linkByteCount: link, padding: link == 0 ? 0 : 6)
            #expect(got.count == 1 && got[0].parts == 4)
            let seen = got[0].seen
            #expect(seen.tcpData == segments.flatMap(\.data) && seen.sequence == segments[0].sequence)
            #expect(seen.acknowledgment == 86 && seen.window == 400 && seen.tcpFlags == 0x18)
            #expect(seen.countedBytes == seen.bytes.count - (family == .ipv4 ? 0 : 40))
        }
    }

    @Test(arguments: Family.allCases)
    func whatIsOddPassesAsItIsAndInItsPlace(_ family: Family) {
        let other: Family = family == .ipv4 ? .ipv6 : .ipv4
        let odd: [(String, (inout TCPHandmade) -> Void)] = [
            ("a gap", { $0.sequence &+= 1 }),
            ("an overlap", { $0.sequence &-= 1 }),
            ("another source", { $0.packet.source = family.stranger(1) }),
            ("another destination", { $0.packet.destination = family.host(0, 77) }),
            ("another hop limit", { $0.packet.timeToLive = 63 }),
            ("a congestion mark", { $0.packet.typeOfService = 3 }),
            ("options", { $0.options = [1, 1, 1, 1] }),
            ("an acknowledgement that goes back", { $0.acknowledgment -= 1 }),
            ("an echo of congestion", { $0.flags |= 0x40 }),
            ("a reduced window", { $0.flags |= 0x80 }),
            ("SYN", { $0.flags |= 2 }),
            ("RST", { $0.flags |= 4 }),
            ("URG", { $0.flags |= 32 }),
            ("no ACK", { $0.flags = 0 }),
            ("no payload", { $0.data = [] }),
            ("a longer payload", { $0.data = [UInt8](repeating: 1, count: 101) }),
            (
                "the other family",
                {
                    $0.packet.source = other.left; $0.packet.destination = other.right
                }
            ),
        ]
        for (name, change) in odd {
            var segments = run(family)
            change(&segments[1])
            let packets = segments.map(\.bytes)
            let isLeft = coalesce(Array(packets[..<2])).map(\.seen.bytes) == Array(packets[..<2])
            #expect(isLeft, "\(name)")
            // The third may go on from the second, but does not overtake it.
            let isInOrder = coalesce(packets).flatMap(\.seen.tcpData) == segments.flatMap(\.data)
            #expect(isInOrder, "\(name)")
        }
        #expect(coalesce(run(family).map(\.bytes)).count == 1)
    }

    @Test(arguments: Family.allCases)
    func wrongChecksumsAreNotHidden(_ family: Family) {
        var packets = run(family).map(\.bytes)
        packets[1][packets[1].count - 1] ^= 1
        #expect(coalesce(packets).map(\.seen.bytes) == packets)
        #expect(coalesce(packets, checksum: .verified).count == 1)
        guard family == .ipv4 else { return }
        packets = run(family).map(\.bytes)
        packets[1][10] ^= 1
        #expect(coalesce(packets, checksum: .verified).map(\.seen.bytes) == packets)
    }

    @Test(arguments: Family.allCases)
    func endOfARunIsAShortSegmentOrOneForTheReaderNow(_ family: Family) {
        for flag in [0, 8, 1] as [UInt16] {
            var segments = run(family, [100, flag == 0 ? 99 : 100, 99, 99])
            segments[1].flags |= flag
            let got = coalesce(segments.map(\.bytes))
            #expect(got.map(\.parts) == [2, 2] && got[0].seen.tcpFlags == 0x10 | flag)
            #expect(got.flatMap(\.seen.tcpData) == segments.flatMap(\.data))
        }
        var reduced = run(family)
        reduced[0].flags |= 0x80
        #expect(coalesce(reduced.map(\.bytes)).map(\.seen.tcpFlags) == [0x90])
    }

    @Test(arguments: Family.allCases)
    func runIsBoundedInSegmentsAndInBytes(_ family: Family) {
        let many = run(family, [Int](repeating: 50, count: 10))
        #expect(coalesce(many.map(\.bytes), segmentsMax: 4).map(\.parts) == [4, 4, 2])
        let long = run(family, [Int](repeating: 30_000, count: 3))
        #expect(coalesce(long.map(\.bytes)).map(\.parts) == [2, 1])
    }

    @Test func identificationsThatSayFragmentsMayComeCountUp() {
        for (word, step, parts) in [(0, 1, [2]), (0, 0, [1, 1]), (0, 7, [1, 1]), (0x4000, 0, [2]), (0x4000, 7, [2])] {
            var segments = run(.ipv4, [100, 100])
            for index in segments.indices { segments[index].packet.fragmentWord = UInt16(word) }
            segments[1].packet.identification = segments[0].packet.identification &+ UInt16(step)
            #expect(coalesce(segments.map(\.bytes)).map(\.parts) == parts, "word \(word), step \(step)")
        }
        var fragments = run(.ipv4, [104, 104])
        for index in fragments.indices { fragments[index].packet.fragmentWord = 0x2000 }
        #expect(coalesce(fragments.map(\.bytes), checksum: .verified).count == 2)
    }

    @Test func frameOfAnotherTypeOrToAnotherStationIsLeftAlone() {
        for (mac, type) in [(0x0200_0000_0003, 0x0800), (0x0200_0000_0002, 0x88B5)] as [(UInt64, UInt16)] {
            let segments = run(.ipv4, [100, 100])
            let frames = [
                Handmade.frame(segments[0].bytes), Handmade.frame(segments[1].bytes, to: mac, etherType: type),
            ]
            #expect(coalesce(frames, linkByteCount: 14).map { $0.seen.link + $0.seen.bytes } == frames)
        }
    }

    @Test func whatNobodyCanReadPassesAsItIs() {
        for seed in Seeds.chosen(count: 200) {
            var random = StackRandom(seed: seed)
            var packets = run(seed % 2 == 0 ? .ipv4 : .ipv6).map(\.bytes)
            for _ in 0..<6 {
                let index = Int(random.next() % 3)
                let place = Int(random.next() % UInt64(packets[index].count))
                if random.next() % 3 == 0 {
                    packets[index] = Array(packets[index][..<place])
                } else {
                    packets[index][place] = UInt8(truncatingIfNeeded: random.next())
                }
                if packets[index].isEmpty { packets[index] = [0x45] }
            }
            let got = coalesce(packets)
            if got.count == 3 { #expect(got.map(\.seen.bytes) == packets, "replay with CHIMNEY_SEED=\(seed)") }
        }
    }
}
