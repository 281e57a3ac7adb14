import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Testing

/// Large packets on their way through a stack and into its sockets.
@Suite struct LargePacketTests {
    private var data: [UInt8] { (0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 13) } }

    /// A TCP packet of 5,000 bytes of payload for the far side, in segments of `size`, as a device hands it in.
    private func large(
        _ family: Family, size: Int = 1_200, _ pool: PacketPool, dontFragment: Bool = false
    ) -> Packet {
        var whole = TCPHandmade(family, data)
        whole.packet.source = family.near
        whole.packet.destination = family.far
        if dontFragment, family == .ipv4 { whole.packet.fragmentWord = 0x4000 }
        var packet = Segment.packet(whole.bytes, pool)
        packet.metadata.segmentKind = family == .ipv4 ? .tcp4 : .tcp6
        packet.metadata.segmentSize = UInt16(size)
        packet.metadata.checksum = .verified
        return packet
    }

    /// What leaves in the east, with its metadata, and in the west.
    private func cross(
        _ crossing: Crossing, _ packets: consuming PacketQueue
    ) -> (east: [(seen: Seen, metadata: PacketMetadata)], west: [Seen]) {
        crossing.router.framesArrived(&packets, on: crossing.west, at: crossing.now)
        #expect(crossing.router.conservation.isKept)
        var queue = PacketQueue()
        var east: [(seen: Seen, metadata: PacketMetadata)] = []
        crossing.router.takeTransmit(from: crossing.east, into: &queue)
        while !queue.isEmpty {
            let packet = queue.removeFirst()
            east.append((Seen(packet.allBytes()), packet.metadata))
        }
        return (east, crossing.take(crossing.west))
    }

    private func cross(
        _ crossing: Crossing, _ packet: consuming Packet
    ) -> (east: [(seen: Seen, metadata: PacketMetadata)], west: [Seen]) {
        var queue = PacketQueue()
        queue.append(packet)
        return cross(crossing, queue)
    }

    @Test(arguments: Family.allCases)
    func routerCutsWhatTheNextDeviceDoesNot(_ family: Family) throws {
        let crossing = try Crossing(family)
        let packet = large(family, crossing.pool, dontFragment: true)
        let out = cross(crossing, packet)
        #expect(out.west.isEmpty && out.east.map(\.seen.tcpData.count) == [1_200, 1_200, 1_200, 1_200, 200])
        #expect(out.east.flatMap(\.seen.tcpData) == data)
        for (seen, metadata) in out.east {
            #expect(seen.isSumRight && seen.timeToLive == 63 && metadata.segmentSize == 0)
        }
        #expect(crossing.router.ledger.forwarded == 1 && crossing.pool.inUse == 0)
    }

    @Test(arguments: Family.allCases)
    func deviceThatCompletesChecksumsIsLeftThose(_ family: Family) throws {
        let able: LinkCapabilities = family == .ipv4 ? .transmitChecksum4 : .transmitChecksum6
        for capabilities in [able, LinkCapabilities([.transmitChecksum4, .transmitChecksum6]).subtracting(able)] {
            let crossing = try Crossing(family, eastCapabilities: capabilities)
            let out = cross(crossing, large(family, crossing.pool))
            #expect(out.east.count == 5)
            for (seen, metadata) in out.east {
                #expect(metadata.checksum == (capabilities == able ? .partial : .verified))
                #expect(seen.isSumRight == (capabilities != able))
            }
        }
    }

    @Test(arguments: Family.allCases)
    func deviceThatCutsGetsThePacketWhole(_ family: Family) throws {
        let able: LinkCapabilities = family == .ipv4 ? .segmentation4 : .segmentation6
        let crossing = try Crossing(family, eastCapabilities: able)
        let packet = large(family, crossing.pool)
        let out = cross(crossing, packet)
        let (seen, metadata) = try #require(out.east.first)
        #expect(out.east.count == 1 && seen.tcpData == data && metadata.segmentSize == 1_200)
        // What the device completes is open, though it came in complete.
        #expect(metadata.checksum == .partial && Int(metadata.checksumStart) == (family == .ipv4 ? 20 : 40))
        var closed = seen
        let start = Int(metadata.checksumStart)
        let sum = Handmade.checksum(Array(seen.bytes[start...]))
        closed.bytes.replaceSubrange(start + 16..<start + 18, with: Handmade.be(sum))
        #expect(closed.isSumRight)
        let other = try Crossing(
            family, eastCapabilities: LinkCapabilities([.segmentation4, .segmentation6]).subtracting(able))
        #expect(cross(other, large(family, other.pool)).east.count == 5)
    }

    @Test(arguments: Family.allCases)
    func segmentsAreWhatIsComparedWithTheNextLink(_ family: Family) throws {
        let header = family == .ipv4 ? 40 : 60
        for (size, fits) in [(1_400 - header, true), (1_401 - header, false)] {
            for able in [[], [.segmentation4, .segmentation6]] as [LinkCapabilities] {
                let crossing = try Crossing(family, eastMTU: 1_400, eastCapabilities: able)
                let out = cross(crossing, large(family, size: size, crossing.pool, dontFragment: true))
                #expect(out.east.isEmpty != fits && out.west.isEmpty == fits)
                #expect(crossing.router.ledger.dropped(.fragmentationNeeded) == (fits ? 0 : 1))
            }
        }
        guard family == .ipv4 else { return }
        // A packet that may be fragmented is cut first, and each segment then.
        let crossing = try Crossing(.ipv4, eastMTU: 1_400, eastCapabilities: .segmentation4)
        let out = cross(crossing, large(.ipv4, size: 2_500, crossing.pool))
        #expect(out.east.count == 4 && out.east.allSatisfy { $0.seen.fragmentWord != 0 })
    }

    @Test(arguments: Family.allCases)
    func whatCannotBeCutIsDroppedByName(_ family: Family) throws {
        let crossing = try Crossing(family)
        for (reason, size) in [(DropReason.largePacketMalformed, 1), (.noBuffer, 40)] {
            var packet = large(family, size: size, crossing.pool)
            if size > 1 {
                let few = PacketPool(packetsMax: 10)
                let poor = try Crossing(family, pool: few)
                var queue = PacketQueue()
                queue.append(packet)
                poor.router.framesArrived(&queue, on: poor.west, at: poor.now)
                #expect(poor.router.ledger.dropped(reason) == 1 && poor.router.conservation.isKept)
                #expect(few.inUse == 0)
                continue
            }
            packet.metadata.segmentKind = .udp
            #expect(cross(crossing, packet).east.isEmpty)
            #expect(crossing.router.ledger.dropped(reason) == 1)
        }
    }

    @Test(arguments: Family.allCases)
    func datagramsJoinedByADeviceAreReceivedOneByOne(_ family: Family) throws {
        let segment = try Segment(family)
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        let data = (0..<2_500).map { UInt8(truncatingIfNeeded: $0 &* 5) }
        for checksum in [ChecksumState.verified, .partial] {
            var frame = Segment.packet(Handmade.udp(family, to: 9, data).frame, segment.pool)
            frame.metadata.segmentKind = .udp
            frame.metadata.segmentSize = 1_000
            frame.metadata.checksum = checksum
            var queue = PacketQueue()
            queue.append(frame)
            segment.right.framesArrived(&queue, on: segment.rightIndex, at: segment.now)
            let received = segment.right.receiveAll(receiver)
            #expect(received.map(\.count) == [1_000, 1_000, 500] && received.flatMap { $0 } == data)
        }
        var frame = Segment.packet(Handmade.udp(family, to: 9, data).frame, segment.pool)
        frame.metadata.segmentKind = .udp
        frame.metadata.checksum = .verified
        var queue = PacketQueue()
        queue.append(frame)
        segment.right.framesArrived(&queue, on: segment.rightIndex, at: segment.now)
        #expect(segment.right.ledger.dropped(.largePacketMalformed) == 1)
        segment.check()
        #expect(segment.pool.inUse == 0)
    }

    @Test(arguments: Family.allCases)
    func datagramInPartsIsReadAsOne(_ family: Family) throws {
        let segment = try Segment(family, kind: .ip)
        let receiver = try segment.right.openUDP()
        try segment.right.bind(receiver, to: Endpoint(port: 9))
        let bytes = Handmade.udp(family, to: 9, Array(0..<100)).bytes
        for cut in [bytes.count - 60, 25] {
            var packet = Segment.packet(Array(bytes[..<cut]), segment.pool)
            packet.attach(Segment.packet(Array(bytes[cut...]), segment.pool))
            var queue = PacketQueue()
            queue.append(packet)
            segment.right.framesArrived(&queue, on: segment.rightIndex, at: segment.now)
            #expect(segment.right.receiveAll(receiver) == [Array(0..<100)])
        }
        segment.check()
    }

    @Test func openChecksumIsCompletedBeforeFragmentsAreMade() throws {
        let crossing = try Crossing(eastMTU: 600)
        var sent = crossing.packet([UInt8](repeating: 3, count: 1_000))
        let field = Array(sent.payload[6..<8])
        // As a kernel leaves it: the sum of the pseudo-header, to be completed.
        let pseudo =
            sent.source.bytes + sent.destination.bytes + Handmade.be(UInt32(sent.payload.count)) + [0, 0, 0, 17]
        sent.payload.replaceSubrange(6..<8, with: Handmade.be(~Handmade.checksum(pseudo)))
        var packet = Segment.packet(sent.bytes, crossing.pool)
        packet.metadata.checksum = .partial
        packet.metadata.checksumStart = 20
        packet.metadata.checksumOffset = 6
        let out = cross(crossing, packet)
        #expect(out.east.count == 2)
        #expect(out.east.first?.seen.payload[6..<8] == field[...])
    }

    @Test(arguments: Family.allCases)
    func joinedSegmentsCrossAsOnePacketOrAsTheyCame(_ family: Family) throws {
        for able in [[], [.segmentation4, .segmentation6]] as [LinkCapabilities] {
            for joins in [true, false] {
                var settings = StackSettings()
                settings.joinsSegments = joins
                let crossing = try Crossing(family, eastCapabilities: able, settings: settings)
                var segment = TCPHandmade(family, [UInt8](repeating: 1, count: 700))
                segment.packet.source = family.near
                segment.packet.destination = family.far
                var batch = PacketQueue()
                var sent: [[UInt8]] = []
                for index in 0..<4 {
                    var hop = segment
                    hop.packet.timeToLive -= 1
                    sent.append(hop.bytes)
                    batch.append(Segment.packet(segment.bytes, crossing.pool))
                    segment = segment.next([UInt8](repeating: UInt8(index), count: index == 2 ? 300 : 700))
                }
                let out = cross(crossing, batch)
                if joins && !able.isEmpty {
                    #expect(out.east.map(\.seen.tcpData.count) == [2_400])
                } else {
                    let isSame = out.east.map(\.seen.bytes) == sent
                    #expect(isSame, "able \(able.rawValue), joins \(joins)")
                }
                #expect(crossing.pool.inUse == 0)
            }
        }
    }
}
