extension Packet {
    /// Chains the parts of `tail` behind this packet's.
    ///
    /// The metadata of `tail` is lost. Nothing is copied.
    public mutating func attach(_ tail: consuming Packet) {
        let added = unsafe tail.takeSlot()
        let end = unsafe added.pointee.tail == nil ? added : added.pointee.last
        if unsafe slot.pointee.tail == nil {
            unsafe slot.pointee.tail = added
        } else {
            unsafe slot.pointee.last?.pointee.tail = added
            unsafe slot.pointee.last?.pointee.shape |= PacketSlot.hasTail
        }
        unsafe slot.pointee.last = end
        unsafe slot.pointee.shape |= PacketSlot.hasTail
    }

    /// A packet that shows `count` bytes of this one from `offset` on, without copying them, behind
    /// headroom of its own.
    ///
    /// The bytes are read-only for both from here until one of them is gone. Metadata is copied.
    ///
    /// - Returns: `nil` when the pool is at its bound. Bytes beyond the end are not there to share.
    public borrowing func share(
        from offset: Int = 0, count: Int = .max, headroom: Int = 128, pool: PacketPool
    ) -> Packet? {
        guard var copy = pool.allocate(headroom: headroom) else { return nil }
        unsafe copy.slot.pointee.ownHeadroom = UInt32(headroom)
        unsafe copy.slot.pointee.metadata = slot.pointee.metadata
        var toSkip = max(0, offset)
        var toShare = max(0, count)
        var isFirst = true
        for index in 0..<sliceCount where toShare > 0 {
            let part = self.part(index)
            guard toSkip < part.count else {
                toSkip -= part.count
                continue
            }
            let length = min(part.count - toSkip, toShare)
            if isFirst {
                unsafe copy.show(part.start + toSkip, length, of: part.owner)
            } else {
                guard var next = pool.allocate(headroom: 0) else { return nil }
                unsafe next.slot.pointee.ownHeadroom = 0
                unsafe next.show(part.start + toSkip, length, of: part.owner)
                copy.attach(next)
            }
            isFirst = false
            toSkip = 0
            toShare -= length
        }
        return copy
    }

    /// A packet of one part with a copy of all bytes, the same headroom and the same metadata.
    ///
    /// - Returns: `nil` when the pool is at its bound or the packet is larger than a buffer.
    public borrowing func clone(pool: PacketPool) -> Packet? {
        let total = totalCount
        let room = unsafe max(0, slot.pointee.start - UnsafeMutableRawPointer(slot) - PacketSlot.headByteCount)
        let headroom = unsafe slot.pointee.shape & PacketSlot.hasOwner != 0 ? Int(slot.pointee.ownHeadroom) : room
        guard var copy = pool.allocate(headroom: headroom, count: total) else { return nil }
        unsafe copy.slot.pointee.metadata = slot.pointee.metadata
        guard copy.extend(by: total) else { return nil }
        var target = copy.mutableBytes
        _ = copyBytes(into: &target)
        return copy
    }

    /// Makes the packet one writable part, copying only when it is not one already.
    ///
    /// - Returns: `false`, with nothing changed, when the pool is at its bound or the packet is
    ///   larger than a buffer.
    public mutating func flatten(pool: PacketPool) -> Bool {
        if isContiguous && isWritable { return true }
        guard let copy = clone(pool: pool) else { return false }
        self = copy
        return true
    }

    /// Copies bytes from all parts, starting `offset` bytes into the packet, until `target` is full.
    ///
    /// - Returns: how many bytes were copied.
    @inlinable
    public borrowing func copyBytes(into target: inout MutableRawSpan, from offset: Int = 0) -> Int {
        guard unsafe slot.pointee.shape == 0, offset >= 0 else { return copyParts(into: &target, from: offset) }
        let length = min(count - offset, target.byteCount)
        guard length > 0 else { return 0 }
        // Invariant: the range was bounded by both counts, of a packet of one part.
        unsafe target.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            unsafe base.copyMemory(from: slot.pointee.start + offset, byteCount: length)
        }
        return length
    }

    /// The same, part by part.
    @usableFromInline
    borrowing func copyParts(into target: inout MutableRawSpan, from offset: Int) -> Int {
        var toSkip = max(0, offset)
        var copied = 0
        var current: PacketSlot.Pointer? = unsafe slot
        while copied < target.byteCount, let part = unsafe current {
            unsafe copyPart(part.pointee.start, Int(part.pointee.count), into: &target, at: &copied, skipping: &toSkip)
            if let start = unsafe part.pointee.secondStart {
                unsafe copyPart(start, Int(part.pointee.secondCount), into: &target, at: &copied, skipping: &toSkip)
            }
            unsafe current = part.pointee.tail
        }
        return copied
    }

    /// Copies what is wanted of one part, and counts it.
    private borrowing func copyPart(
        _ start: UnsafeMutableRawPointer, _ count: Int, into target: inout MutableRawSpan, at copied: inout Int,
        skipping toSkip: inout Int
    ) {
        guard toSkip < count else {
            toSkip -= count
            return
        }
        let length = min(count - toSkip, target.byteCount - copied)
        // Invariant: both ranges are bounded by their own counts; the part lives as long as the packet.
        unsafe target.withUnsafeMutableBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[copied..<copied + length])
                .copyMemory(from: UnsafeRawBufferPointer(start: start + toSkip, count: length))
        }
        copied += length
        toSkip = 0
    }

    /// Drops bytes at the end until at most `total` are left, counted over all parts.
    public mutating func truncate(to total: Int) {
        var left = max(0, total)
        var current: PacketSlot.Pointer? = unsafe slot
        while let part = unsafe current {
            let first = unsafe min(left, Int(part.pointee.count))
            unsafe part.pointee.count = UInt32(first)
            left -= first
            let second = unsafe min(left, Int(part.pointee.secondCount))
            unsafe part.pointee.secondCount = UInt32(second)
            left -= second
            unsafe current = part.pointee.tail
        }
    }

    /// How many parts the packet has, the first included.
    ///
    /// - Complexity: O(1) for a packet of one part, else O(parts).
    public var sliceCount: Int {
        if unsafe slot.pointee.shape & ~PacketSlot.hasOwner == 0 { return 1 }
        var result = 0
        var current: PacketSlot.Pointer? = unsafe slot
        while let part = unsafe current {
            result += unsafe part.pointee.shape & PacketSlot.hasSecond == 0 ? 1 : 2
            unsafe current = part.pointee.tail
        }
        return result
    }

    /// The bytes of one part; the first is part 0.
    ///
    /// - Complexity: O(index).
    @_lifetime(borrow self)
    public borrowing func slice(_ index: Int) -> RawSpan {
        let part = self.part(index)
        let span = unsafe RawSpan(_unsafeStart: part.start, byteCount: part.count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// Where the bytes of one part are, and whose they are.
    private borrowing func part(_ index: Int) -> PacketPart {
        var left = index
        var current: PacketSlot.Pointer? = unsafe slot
        while let part = unsafe current {
            if left == 0 {
                return unsafe PacketPart(
                    start: part.pointee.start, count: Int(part.pointee.count), owner: part.pointee.owner ?? part)
            }
            left -= 1
            if let owner = unsafe part.pointee.secondOwner, let start = unsafe part.pointee.secondStart {
                if left == 0 {
                    return unsafe PacketPart(start: start, count: Int(part.pointee.secondCount), owner: owner)
                }
                left -= 1
            }
            unsafe current = part.pointee.tail
        }
        preconditionFailure("a packet has no part beyond its last")
    }

    /// Makes `count` bytes of another slot the first part of this packet, which has no bytes yet.
    private mutating func show(_ start: UnsafeMutableRawPointer, _ count: Int, of owner: PacketSlot.Pointer) {
        unsafe slot.pointee.start = start
        unsafe slot.pointee.count = UInt32(count)
        unsafe slot.pointee.owner = owner
        unsafe slot.pointee.shape |= PacketSlot.hasOwner
        unsafe owner.pointee.references += 1
    }

    /// Makes a shared first part the second one, so that bytes of this packet's own come before it.
    @usableFromInline
    mutating func moveSharedBehind() {
        unsafe slot.pointee.secondStart = slot.pointee.start
        unsafe slot.pointee.secondCount = slot.pointee.count
        unsafe slot.pointee.secondOwner = slot.pointee.owner
        unsafe slot.pointee.start = unsafe PacketSlot.room(of: slot) + Int(slot.pointee.ownHeadroom)
        unsafe slot.pointee.count = 0
        unsafe slot.pointee.owner = nil
        unsafe slot.pointee.shape ^= PacketSlot.hasOwner | PacketSlot.hasSecond
    }
}

/// Where the bytes of one part are, and whose.
@safe
private struct PacketPart {
    let start: UnsafeMutableRawPointer
    let count: Int
    let owner: PacketSlot.Pointer
}

extension Packet {
    /// The memory that the packet keeps from its pool, buffers that it only shows included.
    ///
    /// - Complexity: O(1) for a packet of one part, else O(parts).
    package var memoryByteCount: Int {
        var total = 0
        var current: PacketSlot.Pointer? = unsafe slot
        while let part = unsafe current {
            total += unsafe Int(part.pointee.capacity) + PacketSlot.headByteCount
            if let owner = unsafe part.pointee.owner {
                total += unsafe Int(owner.pointee.capacity) + PacketSlot.headByteCount
            }
            if let owner = unsafe part.pointee.secondOwner {
                total += unsafe Int(owner.pointee.capacity) + PacketSlot.headByteCount
            }
            unsafe current = part.pointee.tail
        }
        return total
    }

    /// Drops bytes at the front, of further parts too when the first has fewer; at most all there are.
    package mutating func removeFirstBytes(_ count: Int) {
        var left = max(0, count)
        var current: PacketSlot.Pointer? = unsafe slot
        while left > 0, let part = unsafe current {
            let first = unsafe min(left, Int(part.pointee.count))
            unsafe part.pointee.start += first
            unsafe part.pointee.count -= UInt32(first)
            left -= first
            if let start = unsafe part.pointee.secondStart {
                let second = unsafe min(left, Int(part.pointee.secondCount))
                unsafe part.pointee.secondStart = unsafe start + second
                unsafe part.pointee.secondCount -= UInt32(second)
                left -= second
            }
            unsafe current = part.pointee.tail
        }
    }
}
