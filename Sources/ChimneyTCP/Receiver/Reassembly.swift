package import ChimneyPrimitives

/// How much memory data out of order may take in all connections of a shard together.
package struct ReassemblyBudget: Sendable {
    /// The most bytes of buffers; data beyond it is dropped and sent again by its peer.
    package let bytesMax: Int
    /// How many there are.
    package private(set) var bytes = 0

    package init(bytesMax: Int) { self.bytesMax = bytesMax }

    mutating func take(_ count: Int) -> Bool {
        guard bytes + count <= bytesMax else { return false }
        bytes += count
        return true
    }

    mutating func give(_ count: Int) { bytes -= count }
}

/// What arrived out of order, as islands between the holes.
///
/// An island keeps its packets in order; what a segment has of bytes that are there already is cut off before it is kept.
/// The memory of the buffers is counted, not the bytes in them.
package struct Reassembly: ~Copyable {
    private var islands = RingBuffer<Island>()
    /// The bytes of the buffers.
    package private(set) var memoryBytes = 0
    private var arrivals: UInt32 = 0

    /// Data without a hole in it.
    ///
    /// As visible as its owner: a module that ends a reassembly ends its islands.
    package struct Island: ~Copyable {
        package var range: SequenceRange
        package var packets = PacketQueue()
        package var memoryBytes = 0
        /// Larger than that of any island that nothing arrived for since.
        package var arrival: UInt32 = 0

        init(_ range: SequenceRange) { self.range = range }
    }

    package init() {}

    package var isEmpty: Bool { islands.isEmpty }
    /// How many islands there are, which is how many holes lie before them.
    package var islandCount: Int { islands.count }
    /// How many bytes the islands have.
    package var byteCount: Int {
        var total = 0
        for index in 0..<islands.count { total += islands[index].range.count }
        return total
    }

    /// What became of a segment.
    package enum Outcome: Hashable, Sendable {
        case kept
        /// All of it was there.
        case duplicate
        /// There is no room for it.
        case full
    }

    /// Keeps a segment that begins behind the next number expected.
    ///
    /// - Complexity: O(islands).
    package mutating func insert(
        _ packet: consuming Packet, at range: SequenceRange, holesMax: Int, bytesMax: Int,
        budget: inout ReassemblyBudget
    ) -> Outcome {
        var range = range
        // The first island that ends at or behind the start of the segment.
        var index = 0
        while index < islands.count, islands[index].range.end < range.start { index += 1 }
        let joinsFront = index < islands.count && islands[index].range.start <= range.start
        if joinsFront {
            let island = islands[index].range
            if range.end <= island.end {
                if range.start < island.end { touch(index) }
                return .duplicate
            }
            packet.removeFirstBytes(island.end - range.start)
            range.start = island.end
        } else if islands.count >= holesMax {
            return .full
        }
        let memory = packet.memoryByteCount
        guard memoryBytes + memory <= bytesMax, budget.take(memory) else { return .full }
        if !joinsFront { islands.insert(Island(SequenceRange(range.start, range.start)), at: index) }
        swallow(into: index, upTo: range.end, budget: &budget)
        if index + 1 < islands.count, islands[index + 1].range.start < range.end {
            packet.truncate(to: islands[index + 1].range.start - range.start)
            range.end = islands[index + 1].range.start
        }
        islands[index].range.end = range.end
        islands[index].packets.append(packet)
        islands[index].memoryBytes += memory
        memoryBytes += memory
        touch(index)
        if index + 1 < islands.count, islands[index + 1].range.start == range.end {
            var next = islands.remove(at: index + 1)
            islands[index].range.end = next.range.end
            islands[index].packets.append(contentsOf: &next.packets)
            islands[index].memoryBytes += next.memoryBytes
        }
        return .kept
    }

    /// Drops the islands behind one that a segment covers to its end.
    private mutating func swallow(into index: Int, upTo end: SequenceNumber, budget: inout ReassemblyBudget) {
        while index + 1 < islands.count, islands[index + 1].range.end <= end {
            let covered = islands.remove(at: index + 1)
            memoryBytes -= covered.memoryBytes
            budget.give(covered.memoryBytes)
        }
    }

    private mutating func touch(_ index: Int) {
        arrivals &+= 1
        islands[index].arrival = arrivals
    }

    /// Takes what has become next: the bytes from `next` on that lie without a hole.
    ///
    /// - Returns: the number behind the last of them, `next` itself when there are none.
    package mutating func take(
        from next: SequenceNumber, into queue: inout ReceiveQueue, budget: inout ReassemblyBudget
    ) -> SequenceNumber {
        var next = next
        while !islands.isEmpty, islands[0].range.start <= next {
            var island = islands.removeFirst()
            memoryBytes -= island.memoryBytes
            budget.give(island.memoryBytes)
            var toSkip = next - island.range.start
            if toSkip >= island.range.count { continue }
            while toSkip > 0 {
                var packet = island.packets.removeFirst()
                let count = packet.totalCount
                if count > toSkip {
                    packet.removeFirstBytes(toSkip)
                    island.packets.prepend(packet)
                }
                toSkip -= min(toSkip, count)
            }
            queue.append(contentsOf: &island.packets)
            next = island.range.end
        }
        return next
    }

    /// What a SACK option tells: the island that something last arrived for, and then those before it (RFC 2018 §4).
    package func blocks(upTo count: Int) -> SequenceRanges {
        var result = SequenceRanges()
        var below = UInt32.max
        while result.count < min(count, islands.count) {
            var best = -1
            for index in 0..<islands.count where islands[index].arrival < below {
                if best < 0 || islands[index].arrival > islands[best].arrival { best = index }
            }
            guard best >= 0 else { break }
            below = islands[best].arrival
            result.append(islands[best].range)
        }
        return result
    }

    /// Gives memory back while there are no islands.
    package mutating func trim() { islands.releaseMemory() }
    /// Whether memory could be given back.
    package var holdsMemory: Bool { islands.isEmpty && islands.capacity > 0 }

    /// Drops everything, as one operation.
    package mutating func flush(budget: inout ReassemblyBudget) {
        budget.give(memoryBytes)
        memoryBytes = 0
        islands.removeAll()
    }
}
