import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import Testing

@Suite struct BufferTests {
    // MARK: - The send buffer

    /// Bytes are copied, given in packets, acknowledged and read anywhere, beside an array that has the same.
    @Test func theSendBufferHasWhatWasWrittenUntilItIsAcknowledged() {
        for seed in Seeds.chosen(count: 60) {
            var random = StackRandom(seed: seed)
            func number(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &random) }
            let pool = PacketPool()
            let first = SequenceNumber(UInt32(truncatingIfNeeded: random.next()))
            var buffer = SendBuffer(start: first)
            var model: [UInt8] = []
            var (written, freed) = (0, 0)
            for _ in 0..<60 {
                switch number(0...5) {
                case 0, 1:
                    let bytes = pattern(number(1...(number(0...4) == 0 ? 10_000 : 400)), from: written)
                    // Every element is initialized for as long as the array is borrowed.
                    let taken = buffer.append(unsafe bytes.span.bytes, pool: pool)
                    #expect(taken == bytes.count)
                    model += bytes
                    written += bytes.count
                case 2:
                    let bytes = pattern(number(1...1_500), from: written)
                    buffer.append(pool.packet(bytes))
                    model += bytes
                    written += bytes.count
                case 3:
                    freed += number(0...model.count)
                    buffer.removeAll(before: first + freed)
                    model = Array(model.suffix(written - freed))
                default:
                    guard !model.isEmpty else { continue }
                    let start = number(0...model.count - 1)
                    let count = number(1...model.count - start)
                    let copiedMax = number(0...2_000)
                    let packet = buffer.packet(
                        from: first + freed + start, count: count, headroom: 64, copiedMax: copiedMax, pool: pool)
                    #expect(array(of: packet) == Array(model[start..<start + count]), "seed \(seed)")
                }
                #expect(buffer.count == model.count && buffer.end == first + written, "seed \(seed)")
            }
            let beyond = buffer.packet(from: buffer.end, count: 1, headroom: 0, copiedMax: 0, pool: pool) == nil
            #expect(beyond)
            buffer.removeAll()
            #expect(pool.inUse == 0, "seed \(seed)")
        }
    }

    private func array(of packet: consuming Packet?) -> [UInt8]? {
        switch consume packet {
        case .some(let packet): packet.array
        case .none: nil
        }
    }

    @Test func aPoolAtItsBoundTakesWhatThereIsRoomFor() {
        let pool = PacketPool(packetsMax: 2, largeMax: 0)
        var buffer = SendBuffer(start: SequenceNumber(0))
        let bytes = pattern(10_000)
        // Every element is initialized for as long as the array is borrowed.
        let taken = buffer.append(unsafe bytes.span.bytes, pool: pool)
        #expect(taken == 4_096 && buffer.count == 4_096)
    }

    // MARK: - Reassembly

    /// Segments of one stream, in any order and overlapping, beside an array of what arrived.
    @Test func whatArrivesInAnyOrderComesOutInOne() {
        for seed in Seeds.chosen(count: 150) {
            var random = StackRandom(seed: seed)
            func number(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &random) }
            let pool = PacketPool()
            let first = SequenceNumber(UInt32(truncatingIfNeeded: random.next()))
            let total = number(1...500)
            let stream = pattern(total)
            var has = [Bool](repeating: false, count: total)
            var reassembly = Reassembly()
            var budget = ReassemblyBudget(bytesMax: .max)
            var queue = ReceiveQueue()
            var next = 0
            var steps = 0
            while next < total && steps < 10_000 {
                steps += 1
                let start = number(max(0, next - 100)...total - 1)
                let end = min(total, start + number(1...60))
                guard end > next else { continue }
                if start <= next {
                    queue.append(pool.packet(Array(stream[next..<end])))
                    let reached = reassembly.take(from: first + end, into: &queue, budget: &budget)
                    next = reached - first
                } else {
                    let outcome = reassembly.insert(
                        pool.packet(Array(stream[start..<end])), at: SequenceRange(first + start, first + end),
                        holesMax: 1_000, bytesMax: .max, budget: &budget)
                    let isThere = has[start..<end].allSatisfy { $0 }
                    #expect(outcome == (isThere ? .duplicate : .kept), "seed \(seed)")
                    for place in start..<end { has[place] = true }
                }
                for place in 0..<next { has[place] = false }
                #expect(reassembly.byteCount == has.count { $0 }, "seed \(seed)")
                #expect(reassembly.islandCount == islands(in: has), "seed \(seed)")
                #expect(budget.bytes == reassembly.memoryBytes, "seed \(seed)")
                let blocks = reassembly.blocks(upTo: 4)
                for index in 0..<blocks.count {
                    let (low, high) = (blocks[index].start - first, blocks[index].end - first)
                    #expect(has[low..<high].allSatisfy { $0 }, "seed \(seed)")
                    if outcomeTouches(index, low, high, start, end, next) { continue }
                }
            }
            #expect(next == total && budget.bytes == 0, "seed \(seed)")
            var read = PacketQueue()
            #expect(queue.read(.max, into: &read) == total)
            var bytes: [UInt8] = []
            while !read.isEmpty { bytes += read.removeFirst().array }
            #expect(bytes == stream, "seed \(seed)")
            #expect(pool.inUse == 0, "seed \(seed)")
        }
    }

    private func outcomeTouches(_ index: Int, _ low: Int, _ high: Int, _ start: Int, _ end: Int, _ next: Int) -> Bool {
        // The first block is the one that something last arrived for.
        if index == 0 && start > next { #expect(low <= start && end <= high) }
        return true
    }

    private func islands(in has: [Bool]) -> Int {
        var count = 0
        for place in has.indices where has[place] && (place == 0 || !has[place - 1]) { count += 1 }
        return count
    }

    @Test func flushingGivesAllMemoryBackInOneOperation() {
        let pool = PacketPool()
        var reassembly = Reassembly()
        var budget = ReassemblyBudget(bytesMax: 1_000_000)
        for index in 1...50 {
            let range = SequenceRange(SequenceNumber(UInt32(index * 100)), count: 10)
            _ = reassembly.insert(
                pool.packet(pattern(10)), at: range, holesMax: 100, bytesMax: .max, budget: &budget)
        }
        #expect(pool.inUse == 50 && budget.bytes == 50 * 2_176)
        reassembly.flush(budget: &budget)
        #expect(pool.inUse == 0 && budget.bytes == 0 && reassembly.isEmpty)
    }

    // MARK: - The receive queue

    @Test func aByteAtATimeDoesNotKeepAPacketForEach() {
        let pool = PacketPool()
        var queue = ReceiveQueue()
        for index in 0..<5_000 { queue.append(pool.packet([UInt8(truncatingIfNeeded: index)])) }
        #expect(queue.count == 5_000)
        #expect(pool.inUse <= 4)
        #expect(queue.packetCount <= 4)
    }

    @Test func packetsInPartsLoseBytesAtTheFrontAcrossParts() {
        let pool = PacketPool()
        for removed in stride(from: 0, through: 1_000, by: 25) {
            var packet = pool.packet(pattern(400))
            packet.attach(pool.packet(pattern(600, from: 400)))
            packet.removeFirstBytes(removed)
            #expect(packet.totalCount == 1_000 - removed)
            #expect(packet.array == pattern(1_000 - removed, from: removed))
        }
        #expect(pool.inUse == 0)
    }
}
