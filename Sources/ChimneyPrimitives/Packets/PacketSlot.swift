/// The head of one buffer of a pool: two cache lines, and its bytes behind them.
///
/// A slot is reached through a raw pointer, because that is what makes handing a packet on free of
/// reference counts. Invariant:
///
/// - A slot belongs to its shelf's free list or to exactly one ``Packet``, queue or chain; `next`
///   and `tail` link slots that have no other holder.
/// - `references` counts the packet that holds the slot and every slot whose `owner` or
///   `secondOwner` it is. A slot goes back to its shelf when the count falls to zero.
/// - `start ..< start + count` lies in the bytes of this slot, or of `owner` when that is set.
/// - Bytes are written only when `references` is 1 and the part is the slot's own.
@frozen
@usableFromInline
@safe
struct PacketSlot {
    @usableFromInline typealias Pointer = UnsafeMutablePointer<PacketSlot>

    /// The next packet of a queue, or the next free slot.
    @usableFromInline var next: Pointer?
    /// The first byte of the first part.
    @usableFromInline var start: UnsafeMutableRawPointer
    /// How many bytes the first part has.
    @usableFromInline var count: UInt32
    /// How many bytes the slot has room for.
    @usableFromInline var capacity: UInt32
    /// Where the slot goes back to.
    @usableFromInline var home: UnsafeMutablePointer<PacketShelf>
    /// Who uses the bytes; 1 in a free slot.
    @usableFromInline var references: UInt32
    /// Which of `tail`, `owner` and `second…` are in use; 0 for a packet in one own part.
    @usableFromInline var shape: UInt16
    /// Which slot of its chunk this is.
    @usableFromInline var index: UInt16
    /// The slot with the further parts.
    @usableFromInline var tail: Pointer?
    /// Whose bytes the first part shows, when not this slot's.
    @usableFromInline var owner: Pointer?
    /// Room in front of the first own byte while the first part is another slot's.
    @usableFromInline var ownHeadroom: UInt32
    /// How many bytes the second part has.
    @usableFromInline var secondCount: UInt32
    /// The first byte of the second part, always another slot's.
    @usableFromInline var secondStart: UnsafeMutableRawPointer?
    /// Whose bytes the second part shows.
    @usableFromInline var secondOwner: Pointer?
    /// The last slot of the chain that starts here, valid while `tail` is set.
    @usableFromInline var last: Pointer?
    /// What the layers know about the packet.
    @usableFromInline var metadata: PacketMetadata

    @usableFromInline static var headByteCount: Int { @inlinable get { 128 } }
    @usableFromInline static var hasTail: UInt16 { @inlinable get { 1 } }
    @usableFromInline static var hasOwner: UInt16 { @inlinable get { 2 } }
    @usableFromInline static var hasSecond: UInt16 { @inlinable get { 4 } }

    /// The first byte of the slot's own room.
    @inlinable
    static func room(of slot: Pointer) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(slot) + headByteCount
    }

    /// Puts an unused slot back on its shelf, and the pool's memory back when that was the last one out.
    @inlinable
    static func shelve(_ slot: Pointer) {
        let home = unsafe slot.pointee.home
        unsafe slot.pointee.next = home.pointee.free
        unsafe home.pointee.free = slot
        unsafe home.pointee.outstanding &-= 1
        if unsafe home.pointee.outstanding == 0 { unsafe PacketShelf.lastReturned(to: home) }
    }

    /// Ends a packet: every slot of its chain loses its holder.
    @inlinable
    static func release(_ slot: Pointer) {
        if unsafe slot.pointee.shape == 0 && slot.pointee.references == 1 {
            unsafe shelve(slot)
        } else {
            unsafe releaseChain(slot)
        }
    }

    /// A loop and not a recursion: a chain may be as long as the pool is large.
    @usableFromInline
    static func releaseChain(_ first: Pointer) {
        var current: Pointer? = unsafe first
        while let slot = unsafe current {
            unsafe current = slot.pointee.tail
            unsafe slot.pointee.tail = nil
            if let owner = unsafe slot.pointee.owner { unsafe dereference(owner) }
            if let owner = unsafe slot.pointee.secondOwner { unsafe dereference(owner) }
            unsafe slot.pointee.owner = nil
            unsafe slot.pointee.secondOwner = nil
            unsafe slot.pointee.secondCount = 0
            unsafe slot.pointee.shape = 0
            unsafe dereference(slot)
        }
    }

    /// Takes one user of the bytes away.
    ///
    /// An owner that falls to zero has lost its own packet before,
    /// and with it its chain, so that nothing is left to follow.
    private static func dereference(_ slot: Pointer) {
        if unsafe slot.pointee.references > 1 {
            unsafe slot.pointee.references &-= 1
        } else {
            unsafe shelve(slot)
        }
    }

    /// The bytes in all parts of a chain.
    @inlinable
    static func totalCount(_ slot: Pointer) -> Int {
        unsafe slot.pointee.shape == 0 ? Int(slot.pointee.count) : chainCount(slot)
    }

    @usableFromInline
    static func chainCount(_ first: Pointer) -> Int {
        var total = 0
        var current: Pointer? = unsafe first
        while let slot = unsafe current {
            total += unsafe Int(slot.pointee.count) + Int(slot.pointee.secondCount)
            unsafe current = slot.pointee.tail
        }
        return total
    }
}

/// The slots of one size that a pool has: its free list, its memory and its counts.
@frozen
@usableFromInline
@safe
struct PacketShelf {
    @usableFromInline var free: PacketSlot.Pointer?
    /// The slots in use, and one more while the pool object lives: memory goes back at zero.
    @usableFromInline var outstanding: Int
    @usableFromInline var peak: Int
    @usableFromInline var capacity: Int
    @usableFromInline var failures: UInt64
    /// Slots of the newest chunk that were never used stay untouched, so that they cost no memory.
    @usableFromInline var freshCount: Int
    @usableFromInline var chunks: UnsafeMutablePointer<PacketChunk>?
    @usableFromInline var slotsMade: Int
    @usableFromInline var slotsMax: Int
    @usableFromInline var slotsPerChunk: Int
    @usableFromInline var allocatedBytes: Int
    /// The pool's other shelf.
    @usableFromInline var sibling: UnsafeMutablePointer<PacketShelf>

    var stride: Int { capacity + PacketSlot.headByteCount }

    init(capacity: Int, slotsMax: Int, slotsPerChunk: Int, sibling: UnsafeMutablePointer<PacketShelf>) {
        unsafe free = nil
        outstanding = 1
        peak = 1
        self.capacity = capacity
        failures = 0
        freshCount = 0
        unsafe chunks = nil
        slotsMade = 0
        self.slotsMax = slotsMax
        self.slotsPerChunk = slotsPerChunk
        allocatedBytes = 0
        unsafe self.sibling = unsafe sibling
    }

    /// A slot never used before, from the newest chunk or a new one; `nil` and counted at the bound.
    @usableFromInline
    static func freshSlot(of shelf: UnsafeMutablePointer<PacketShelf>) -> PacketSlot.Pointer? {
        if unsafe shelf.pointee.freshCount == 0 {
            guard unsafe shelf.pointee.slotsMade < shelf.pointee.slotsMax else {
                unsafe shelf.pointee.failures &+= 1
                return nil
            }
            unsafe shelf.pointee.grow()
        }
        guard let chunk = unsafe shelf.pointee.chunks else { return nil }
        let index = unsafe chunk.pointee.slotCount - shelf.pointee.freshCount
        unsafe shelf.pointee.freshCount -= 1
        let slot = unsafe PacketChunk.slot(index, of: chunk, stride: shelf.pointee.stride)
        unsafe slot.initialize(
            to: PacketSlot(
                next: nil, start: PacketSlot.room(of: slot), count: 0, capacity: UInt32(shelf.pointee.capacity),
                home: shelf, references: 1, shape: 0, index: UInt16(index), tail: nil, owner: nil, ownHeadroom: 0,
                secondCount: 0, secondStart: nil, secondOwner: nil, last: nil, metadata: PacketMetadata()))
        return unsafe slot
    }

    private mutating func grow() {
        let count = min(slotsPerChunk, slotsMax - slotsMade)
        let bytes = PacketSlot.headByteCount + count * stride
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: PacketSlot.headByteCount)
        let chunk = unsafe memory.bindMemory(to: PacketChunk.self, capacity: 1)
        unsafe chunk.initialize(to: PacketChunk(next: chunks, slotCount: count, freeCount: 0))
        unsafe chunks = unsafe chunk
        freshCount = count
        slotsMade += count
        allocatedBytes += bytes
    }

    /// Gives back every chunk none of whose slots is in use.
    mutating func trim() {
        var slot = unsafe free
        while let current = unsafe slot {
            unsafe PacketChunk.of(current, stride: stride).pointee.freeCount += 1
            unsafe slot = current.pointee.next
        }
        if let newest = unsafe chunks { unsafe newest.pointee.freeCount += freshCount }

        var kept: PacketSlot.Pointer?
        unsafe slot = unsafe free
        while let current = unsafe slot {
            unsafe slot = current.pointee.next
            if unsafe !PacketChunk.of(current, stride: stride).pointee.isUnused {
                unsafe current.pointee.next = kept
                unsafe kept = unsafe current
            }
        }
        unsafe free = unsafe kept

        var remaining: UnsafeMutablePointer<PacketChunk>?
        var last: UnsafeMutablePointer<PacketChunk>?
        var chunk = unsafe chunks
        if let newest = unsafe chunk, unsafe newest.pointee.isUnused { freshCount = 0 }
        while let current = unsafe chunk {
            unsafe chunk = current.pointee.next
            if unsafe current.pointee.isUnused {
                let count = unsafe current.pointee.slotCount
                slotsMade -= count
                allocatedBytes -= PacketSlot.headByteCount + count * stride
                unsafe current.deallocate()
            } else {
                unsafe current.pointee.freeCount = 0
                unsafe current.pointee.next = nil
                if let last = unsafe last { unsafe last.pointee.next = current } else { unsafe remaining = current }
                unsafe last = unsafe current
            }
        }
        unsafe chunks = unsafe remaining
    }

    /// The last slot came back after the pool object went away.
    @usableFromInline
    static func lastReturned(to shelf: UnsafeMutablePointer<PacketShelf>) {
        let sibling = unsafe shelf.pointee.sibling
        if unsafe sibling.pointee.outstanding == 0 { unsafe destroy(shelf, sibling) }
    }

    /// Frees both shelves and the memory of their slots; nothing may be in use.
    private static func destroy(_ one: UnsafeMutablePointer<PacketShelf>, _ other: UnsafeMutablePointer<PacketShelf>) {
        unsafe one.pointee.freeChunks()
        unsafe other.pointee.freeChunks()
        // The two shelves are one allocation, named by the lower address.
        unsafe min(one, other).deallocate()
    }

    private mutating func freeChunks() {
        while let chunk = unsafe chunks {
            unsafe chunks = chunk.pointee.next
            unsafe chunk.deallocate()
        }
    }

    /// The pool object goes away; the memory stays until the last packet has come back.
    static func abandon(_ small: UnsafeMutablePointer<PacketShelf>, _ large: UnsafeMutablePointer<PacketShelf>) {
        unsafe small.pointee.outstanding -= 1
        unsafe large.pointee.outstanding -= 1
        if unsafe small.pointee.outstanding == 0 { unsafe lastReturned(to: small) }
    }
}

/// The head of one piece of memory a shelf got from the system.
@usableFromInline
@safe
struct PacketChunk {
    var next: UnsafeMutablePointer<PacketChunk>?
    var slotCount: Int
    /// Counted by a trim, zero between trims.
    var freeCount: Int

    var isUnused: Bool { freeCount == slotCount }

    static func slot(_ index: Int, of chunk: UnsafeMutablePointer<PacketChunk>, stride: Int) -> PacketSlot.Pointer {
        unsafe (UnsafeMutableRawPointer(chunk) + PacketSlot.headByteCount + index * stride)
            .assumingMemoryBound(to: PacketSlot.self)
    }

    static func of(_ slot: PacketSlot.Pointer, stride: Int) -> UnsafeMutablePointer<PacketChunk> {
        unsafe (UnsafeMutableRawPointer(slot) - PacketSlot.headByteCount - Int(slot.pointee.index) * stride)
            .assumingMemoryBound(to: PacketChunk.self)
    }
}
