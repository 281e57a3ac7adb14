package import ChimneyPrimitives
import ChimneyWire

/// The bytes that were written and are not acknowledged, found by their sequence numbers.
///
/// They stay in the packets they were written to: a segment and its retransmissions show them without a copy.
package struct SendBuffer: ~Copyable {
    private var chunks = RingBuffer<Chunk>()
    /// The number of the first byte kept.
    package private(set) var start: SequenceNumber
    /// The number behind the last byte written.
    package private(set) var end: SequenceNumber

    /// Bytes that were written in one piece or appended to one.
    ///
    /// As visible as the buffer: a module that ends a buffer ends its chunks.
    package struct Chunk: ~Copyable {
        package var packet: Packet
        /// The number behind its last byte.
        package var end: SequenceNumber
    }

    /// An empty buffer whose first byte will have the number `start`.
    package init(start: SequenceNumber) {
        self.start = start
        end = start
    }

    /// How many bytes there are.
    package var count: Int { end - start }
    /// Whether there are none.
    package var isEmpty: Bool { end == start }
    /// In how many pieces the bytes lie.
    package var chunkCount: Int { chunks.count }

    /// From which amount on bytes are put into a large packet, so that they do not lie in many pieces.
    private static var largeFrom: Int { 8_192 }

    /// Copies bytes to the end, as many as there is room for in the pool.
    ///
    /// - Returns: how many were taken.
    package mutating func append(_ bytes: RawSpan, pool: PacketPool) -> Int {
        if chunks.isEmpty, bytes.byteCount <= Self.freshMax {
            return addFresh(bytes, in: pool.allocate(headroom: 0))
        }
        var taken = 0
        while taken < bytes.byteCount {
            let left = bytes.byteCount - taken
            if chunks.isEmpty || chunks[chunks.count - 1].packet.tailroom == 0 {
                guard addChunk(for: left, pool: pool) else { break }
            }
            let last = chunks.count - 1
            let count = min(left, chunks[last].packet.tailroom)
            guard chunks[last].packet.append(bytes.extracting(taken..<taken + count)) else { break }
            chunks[last].end += count
            end += count
            taken += count
        }
        return taken
    }

    /// Up to how many bytes go into an ordinary packet whole.
    private static var freshMax: Int { 2_048 }

    /// Copies bytes into the first packet, which has room for them.
    private mutating func addFresh(_ bytes: RawSpan, in packet: consuming Packet?) -> Int {
        switch consume packet {
        case .some(var packet):
            guard packet.append(bytes) else { return 0 }
            end += bytes.byteCount
            chunks.append(Chunk(packet: packet, end: end))
            return bytes.byteCount
        case .none:
            return 0
        }
    }

    private mutating func addChunk(for count: Int, pool: PacketPool) -> Bool {
        if count >= Self.largeFrom {
            let large = pool.allocateLarge(headroom: 0)
            if large != nil { return add(large) }
        }
        return add(pool.allocate(headroom: 0))
    }

    private mutating func add(_ packet: consuming Packet?) -> Bool {
        switch consume packet {
        case .some(let packet):
            chunks.append(Chunk(packet: packet, end: end))
            return true
        case .none:
            return false
        }
    }

    /// Puts a packet with bytes at the end, without a copy.
    package mutating func append(_ packet: consuming Packet) {
        end += packet.totalCount
        chunks.append(Chunk(packet: packet, end: end))
    }

    /// Drops the bytes before `number`, which were acknowledged.
    @inline(__always)
    package mutating func removeAll(before number: SequenceNumber) {
        guard number > start else { return }
        start = SequenceNumber.earlier(number, end)
        while !chunks.isEmpty, chunks[0].end <= start { _ = chunks.removeFirst() }
    }

    /// Drops everything.
    package mutating func removeAll() {
        start = end
        chunks.removeAll()
    }

    /// Gives memory back while there are no bytes.
    package mutating func trim() { chunks.releaseMemory() }
    /// Whether memory could be given back.
    package var holdsMemory: Bool { chunks.capacity > 0 }

    /// A packet that carries `count` bytes from `number` on behind `headroom`.
    ///
    /// Up to `copiedMax` bytes are copied into it; more are shown where they lie.
    ///
    /// - Returns: `nil` when the pool is at its bound, or the bytes are gone because the connection ended.
    package borrowing func packet(
        from number: SequenceNumber, count: Int, headroom: Int, copiedMax: Int, pool: PacketPool
    ) -> Packet? {
        if count == 0 { return pool.allocate(headroom: headroom) }
        guard number >= start && number + count <= end else { return nil }
        if count <= copiedMax { return copied(from: number, count: count, headroom: headroom, pool: pool) }
        var index = chunkIndex(of: number)
        let first = min(count, chunks[index].end - number)
        let offset = chunks[index].packet.totalCount - (chunks[index].end - number)
        guard
            var packet = chunks[index].packet.share(from: offset, count: first, headroom: headroom, pool: pool)
        else { return nil }
        packet.metadata = PacketMetadata()
        var left = count - first
        while left > 0 {
            index += 1
            let part = min(left, chunks[index].packet.totalCount)
            guard let next = chunks[index].packet.share(from: 0, count: part, headroom: 0, pool: pool) else {
                return nil
            }
            packet.attach(next)
            left -= part
        }
        return packet
    }

    private borrowing func copied(
        from number: SequenceNumber, count: Int, headroom: Int, pool: PacketPool
    ) -> Packet? {
        guard var packet = pool.allocate(headroom: headroom, count: count) else { return nil }
        let offset = chunks[0].packet.count - (chunks[0].end - number)
        if offset >= 0, chunks[0].packet.isContiguous, offset + count <= chunks[0].packet.count {
            // What is sent first mostly lies in the first packet whole.
            guard packet.append(chunks[0].packet.bytes.extracting(offset..<offset + count)) else { return nil }
            return packet
        }
        guard packet.extend(by: count) else { return nil }
        var target = packet.mutableBytes
        copy(from: number, into: &target)
        return packet
    }

    /// Copies bytes from `number` on until `target` is full.
    package borrowing func copy(from number: SequenceNumber, into target: inout MutableRawSpan) {
        precondition(number >= start && number + target.byteCount <= end, "only bytes that are kept are sent")
        guard target.byteCount > 0 else { return }
        var index = chunkIndex(of: number)
        var offset = chunks[index].packet.totalCount - (chunks[index].end - number)
        var done = 0
        while done < target.byteCount {
            var rest = target.part(at: done, count: target.byteCount - done)
            done += chunks[index].packet.copyBytes(into: &rest, from: offset)
            offset = 0
            index += 1
        }
    }

    /// The chunk that has a byte.
    private borrowing func chunkIndex(of number: SequenceNumber) -> Int {
        var low = 0
        var high = chunks.count - 1
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].end > number { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
