import ChimneyPrimitives
import Testing

/// A packet holding `bytes`, in one part.
func packet(_ bytes: [UInt8], headroom: Int = 128, pool: PacketPool) -> Packet {
    guard var packet = pool.allocate(headroom: headroom, count: bytes.count), packet.append(bytes.span.octets) else {
        preconditionFailure("the test's pool is large enough")
    }
    return packet
}

/// All bytes of a packet, gathered over its parts.
func gathered(_ packet: borrowing Packet) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: packet.totalCount)
    var span = result.mutableSpan
    var bytes = span.mutableOctets
    let copied = packet.copyBytes(into: &bytes)
    #expect(copied == packet.totalCount)
    return result
}

@Suite struct PacketTests {
    let pool = PacketPool(packetsMax: 200, largeMax: 5)

    @Test func headersGrowToTheFrontAndPayloadAtTheEnd() {
        var packet = ChimneyPrimitivesTests.packet([3, 4, 5], headroom: 2, pool: pool)
        #expect(packet.headroom == 2 && packet.count == 3)
        #expect(packet.tailroom == PacketPool.smallByteCount - 5)
        let grew = packet.prepend(2)
        #expect(grew)
        var bytes = packet.mutableBytes
        bytes.storeBytes(of: 1, toByteOffset: 0, as: UInt8.self)
        bytes.storeBytes(of: 2, toByteOffset: 1, as: UInt8.self)
        let grewAgain = packet.prepend(1)
        #expect(!grewAgain)
        #expect(gathered(packet) == [1, 2, 3, 4, 5])
        packet.removeFirst(1)
        packet.removeLast(2)
        #expect(gathered(packet) == [2, 3])
        #expect(packet.headroom == 1)
        let room = packet.tailroom
        let tooFar = packet.extend(by: room + 1)
        let justEnough = packet.extend(by: room)
        #expect(!tooFar && justEnough && packet.tailroom == 0)
    }

    @Test func aNewPacketKnowsNothingOfTheLastOneInItsBuffer() {
        var first = packet([1], pool: pool)
        first.interface = 7
        first.flags = [.looped]
        first.metadata.vlan = 12
        first.checksum = .verified
        first.removeFirst(1)
        consume(first)
        let second = packet([9], pool: pool)
        #expect(second.interface == 0 && second.flags == [] && second.checksum == .unknown)
        #expect(second.metadata.vlan == PacketMetadata.noVLAN)
        #expect(gathered(second) == [9])
    }

    @Test func attachedPartsAreReadInOrderAndGoBackToThePool() {
        var chain = packet([1, 2], pool: pool)
        for start in 1..<100 {
            var next = packet([UInt8(start * 2 + 1)], pool: pool)
            if start == 50 { next.attach(packet([255], pool: pool)) }
            chain.attach(next)
        }
        #expect(chain.sliceCount == 101 && chain.totalCount == 102 && chain.count == 2)
        #expect(!chain.isContiguous && chain.tailroom == 0)
        let all = gathered(chain)
        #expect(Array(all[..<4]) == [1, 2, 3, 5])
        #expect(all[52] == 255 && all[51] == 101 && all[53] == 103)
        #expect(chain.slice(1).byteCount == 1)
        #expect(pool.inUse == 101)
        consume(chain)
        #expect(pool.inUse == 0)
    }

    @Test func sharedBytesAreReadByAllAndGoBackWithTheLast() {
        let original = packet(Array(0..<100), pool: pool)
        guard var first = original.share(from: 10, count: 5, headroom: 40, pool: pool) else {
            Issue.record("the pool has room")
            return
        }
        #expect(gathered(first) == [10, 11, 12, 13, 14])
        #expect(!original.isWritable && !first.isWritable && first.isContiguous)
        #expect(original.headroom == 0 && original.tailroom == 0)
        let headed = first.prepend(2)
        #expect(headed && first.isWritable && !first.isContiguous && first.sliceCount == 2)
        #expect(first.headroom == 38 && first.totalCount == 7)
        var bytes = first.mutableBytes
        bytes.storeBytes(of: 200, toByteOffset: 0, as: UInt8.self)
        bytes.storeBytes(of: 201, toByteOffset: 1, as: UInt8.self)
        guard let second = first.share(headroom: 0, pool: pool) else {
            Issue.record("the pool has room")
            return
        }
        #expect(gathered(second) == [200, 201, 10, 11, 12, 13, 14])
        // The original and the first copy go; their bytes stay while the second copy shows them.
        #expect(pool.inUse == 4)
        consume(original)
        consume(first)
        #expect(pool.inUse == 4)
        #expect(gathered(second) == [200, 201, 10, 11, 12, 13, 14])
        consume(second)
        #expect(pool.inUse == 0)
    }

    @Test func bytesMayBeWrittenAgainWhenNobodyElseShowsThem() {
        let original = packet([1, 2, 3], pool: pool)
        let copy = original.share(pool: pool)
        #expect(original.isWritable == false)
        consume(copy)
        #expect(original.isWritable && original.headroom == 128)
    }

    @Test func sharingAtTheBoundGivesNothingAndKeepsNothing() {
        let tight = PacketPool(packetsMax: 3)
        var original = packet([1, 2], pool: tight)
        original.attach(packet([3], pool: tight))
        // Two parts need two packets and only one is left.
        let none = original.share(pool: tight)
        let isNone = none == nil
        #expect(isNone)
        #expect(original.isWritable && tight.inUse == 2)
        let isOne = original.share(count: 2, pool: tight) != nil
        #expect(isOne)
    }

    @Test func cloneOwnsItsBytes() {
        var original = packet([1, 2, 3], headroom: 20, pool: pool)
        original.attach(packet(Array(repeating: 9, count: 3_000), pool: pool))
        original.interface = 4
        guard var copy = original.clone(pool: pool) else {
            Issue.record("the pool has room")
            return
        }
        #expect(copy.isContiguous && copy.isWritable && copy.headroom == 20 && copy.interface == 4)
        #expect(gathered(copy) == gathered(original))
        #expect(pool.largeInUse == 2)
        let flat = original.flatten(pool: pool)
        #expect(flat && original.isContiguous && original.totalCount == 3_003)
        let still = copy.flatten(pool: pool)
        #expect(still)
    }

    @Test func truncationReachesIntoTheRightPart() {
        for length in 0...7 {
            var packet = ChimneyPrimitivesTests.packet([1, 2, 3], pool: pool)
            packet.attach(ChimneyPrimitivesTests.packet([], pool: pool))
            packet.attach(ChimneyPrimitivesTests.packet([4, 5, 6], pool: pool))
            packet.truncate(to: length)
            #expect(gathered(packet) == Array([1, 2, 3, 4, 5, 6].prefix(length)))
        }
    }

    /// Random edits of random packets agree with the same edits of arrays, and nothing leaks.
    @Test func packetsBehaveLikeArraysOfBytes() {
        for seed in 0..<300 as Range<UInt64> {
            var random = StackRandom(seed: seed)
            let pool = PacketPool(packetsMax: 64, largeMax: 4)
            do {
                var model = (0..<Int.random(in: 0...200, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                var subject = packet(model, headroom: 64, pool: pool)
                var others = PacketQueue()
                var held: [[UInt8]] = []
                for _ in 0..<40 {
                    switch Int.random(in: 0..<8, using: &random) {
                    case 0:
                        let count = Int.random(in: 0...20, using: &random)
                        let room = subject.headroom
                        let grew = subject.prepend(count)
                        #expect(grew == (count <= room))
                        if grew {
                            for index in 0..<count where subject.isWritable {
                                var bytes = subject.mutableBytes
                                bytes.storeBytes(of: UInt8(index), toByteOffset: index, as: UInt8.self)
                            }
                            model = (0..<count).map { UInt8($0) } + model
                        }
                    case 1:
                        let count = min(subject.count, Int.random(in: 0...20, using: &random))
                        subject.removeFirst(count)
                        model.removeFirst(count)
                    case 2:
                        let added = [UInt8](repeating: 7, count: Int.random(in: 0...50, using: &random))
                        if subject.append(added.span.octets) { model += added }
                    case 3 where others.count < 20:
                        let from = Int.random(in: 0...(model.count + 2), using: &random)
                        let count = Int.random(in: 0...100, using: &random)
                        var copy = subject.share(from: from, count: count, headroom: 16, pool: pool)
                        if copy != nil, let shared = copy.take() {
                            held.append(Array(model.dropFirst(from).prefix(count)))
                            others.append(shared)
                        }
                    case 4:
                        if let next = pool.allocate() {
                            var next = next
                            let added = [UInt8](repeating: 3, count: Int.random(in: 0...50, using: &random))
                            _ = next.append(added.span.octets)
                            subject.attach(next)
                            model += added
                        }
                    case 5:
                        let total = max(0, model.count - Int.random(in: 0...5, using: &random))
                        subject.truncate(to: total)
                        model = Array(model.prefix(total))
                    case 6 where !others.isEmpty:
                        let other = others.removeFirst()
                        let expected = held.removeFirst()
                        #expect(gathered(other) == expected, "seed \(seed)")
                    default:
                        _ = subject.flatten(pool: pool)
                    }
                    #expect(gathered(subject) == model, "seed \(seed)")
                    #expect(
                        InternetChecksum.finish(InternetChecksum.sum(subject, from: 0)) == plainChecksum(model),
                        "seed \(seed)")
                }
                #expect(others.byteCount == held.reduce(0) { $0 + $1.count })
            }
            #expect(pool.inUse == 0, "seed \(seed)")
        }
    }
}

func consume(_ packet: consuming Packet) {}
func consume(_ packet: consuming Packet?) {}

@Suite struct PacketPoolTests {
    @Test func poolStartsWithoutMemoryAndRefusesAtItsBound() {
        let pool = PacketPool(packetsMax: 130, largeMax: 1)
        #expect(pool.allocatedBytes == 0)
        var out = PacketQueue()
        for _ in 0..<130 {
            if let packet = pool.allocate() { out.append(packet) }
        }
        #expect(out.count == 130 && pool.inUse == 130 && pool.failures == 0)
        let refused = pool.allocate() == nil
        #expect(refused && pool.failures == 1)
        let large = pool.allocateLarge()
        let refusedLarge = pool.allocateLarge() == nil
        #expect(refusedLarge && pool.failures == 2 && pool.largeInUse == 1)
        consume(large)
        _ = out.removeFirst()
        let again = pool.allocate() != nil
        #expect(again && pool.peak == 130)
    }

    @Test func trimGivesBackOnlyChunksWithoutAPacketInUse() {
        let pool = PacketPool(packetsMax: 1_000)
        var out = PacketQueue()
        for _ in 0..<200 {
            if let packet = pool.allocate() { out.append(packet) }
        }
        let full = pool.allocatedBytes
        pool.trim()
        #expect(pool.allocatedBytes == full)
        // The first 64 came from one chunk, which stays: the last packet of it is still out.
        var kept = PacketQueue()
        kept.append(first: 1, of: &out)
        out.removeAll()
        pool.trim()
        #expect(pool.allocatedBytes > 0 && pool.allocatedBytes < full / 3)
        kept.removeAll()
        pool.trim()
        #expect(pool.allocatedBytes == 0)
        for _ in 0..<1_000 {
            if let packet = pool.allocate() { out.append(packet) }
        }
        #expect(out.count == 1_000 && pool.failures == 0)
    }

    @Test func packetsOutliveTheirPool() {
        var queue = PacketQueue()
        do {
            let pool = PacketPool(packetsMax: 10, largeMax: 1)
            queue.append(packet([1, 2, 3], pool: pool))
            queue.append(packet(Array(repeating: 5, count: 5_000), pool: pool))
        }
        let small = queue.removeFirst()
        #expect(gathered(small) == [1, 2, 3])
        let large = queue.removeFirst()
        #expect(gathered(large).count == 5_000)
    }

    @Test func packetsOfManyPoolsMeetAndGoHome() {
        let pools = (0..<1_000).map { _ in PacketPool(packetsMax: 2) }
        var queue = PacketQueue()
        for pool in pools { queue.append(packet([1], pool: pool)) }
        #expect(queue.count == 1_000 && pools.allSatisfy { $0.inUse == 1 })
        queue.removeAll()
        #expect(pools.allSatisfy { $0.inUse == 0 })
    }

    @Test func packetTooLargeForAnyBufferIsNotGiven() {
        let pool = PacketPool(packetsMax: 2, largeMax: 2)
        let none = pool.allocate(headroom: 128, count: PacketPool.largeByteCount) == nil
        let large = pool.allocate(headroom: 128, count: 65_535) != nil
        #expect(none && large)
    }
}

@Suite struct PacketQueueTests {
    let pool = PacketPool(packetsMax: 100)

    @Test func packetsLeaveInTheOrderTheyCame() {
        var queue = PacketQueue()
        for index in 0..<5 { queue.append(packet([UInt8](repeating: UInt8(index), count: index), pool: pool)) }
        queue.prepend(packet([99], pool: pool))
        #expect(queue.count == 6 && queue.byteCount == 11)
        var seen: [Int] = []
        queue.forEach {
            seen.append($0.count)
            return seen.count < 4
        }
        #expect(seen == [1, 0, 1, 2])
        var lengths: [Int] = []
        while !queue.isEmpty {
            let packet = queue.removeFirst()
            lengths.append(packet.count)
        }
        #expect(lengths == [1, 0, 1, 2, 3, 4])
        #expect(queue.isEmpty && queue.count == 0 && queue.byteCount == 0 && pool.inUse == 0)
    }

    @Test func wholeQueuesMoveBehindOthers() {
        var first = PacketQueue()
        var second = PacketQueue()
        first.append(contentsOf: &second)
        #expect(first.isEmpty == true)
        second.append(packet([1], pool: pool))
        first.append(contentsOf: &second)
        second.append(packet([2, 2], pool: pool))
        second.append(packet([3, 3, 3], pool: pool))
        first.append(contentsOf: &second)
        #expect(second.isEmpty && second.count == 0 && first.count == 3 && first.byteCount == 6)
        second.append(packet([4], pool: pool))
        second.append(first: 2, of: &first)
        #expect(second.count == 3 && second.byteCount == 4 && first.count == 1 && first.byteCount == 3)
        first.append(packet([5], pool: pool))
        first.removeAll()
        first.append(packet([6], pool: pool))
        #expect(first.removeFirst().count == 1)
    }

    @Test func droppedQueueGivesItsPacketsBack() {
        do {
            var queue = PacketQueue()
            for _ in 0..<100 { queue.append(packet([1], pool: pool)) }
            #expect(pool.inUse == 100)
        }
        #expect(pool.inUse == 0)
    }
}
