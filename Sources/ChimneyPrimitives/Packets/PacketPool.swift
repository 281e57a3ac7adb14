/// Where packets get their buffers: bounded, grown as needed, confined to one thread.
///
/// A pool starts without memory and takes it in chunks. Its packets may outlive it: the memory goes
/// back when the last of them has. Any number of stacks on a thread may share a pool, and packets
/// of several pools may meet in one queue; each goes back to its own.
///
/// At the bound, ``allocate(headroom:)`` gives `nil` and ``failures`` counts it.
@safe
public final class PacketPool {
    @usableFromInline let small: UnsafeMutablePointer<PacketShelf>
    @usableFromInline let large: UnsafeMutablePointer<PacketShelf>

    /// The bytes an ordinary packet has room for, headroom included.
    public static var smallByteCount: Int { 2_048 }
    /// The bytes a large packet has room for: 64 KiB of segments to be cut, and headroom.
    public static var largeByteCount: Int { 66_560 }
    /// The ordinary packets memory is taken for at a time.
    static var smallPerChunk: Int { 64 }
    /// The large packets memory is taken for at a time.
    static var largePerChunk: Int { 4 }

    /// A pool without memory.
    ///
    /// - Parameters:
    ///   - packetsMax: how many ordinary packets may be in use at once.
    ///   - largeMax: how many large ones.
    public init(packetsMax: Int = 65_536, largeMax: Int = 1_024) {
        precondition(packetsMax >= 0 && largeMax >= 0, "a pool's bounds are not negative")
        // Invariant: both shelves are one allocation, which lives until no packet is out and the pool is gone.
        unsafe small = .allocate(capacity: 2)
        unsafe large = unsafe small + 1
        // A slot's size is an odd multiple of 128, so that the heads of a batch spread over the cache.
        unsafe small.initialize(
            to: PacketShelf(
                capacity: Self.smallByteCount, slotsMax: packetsMax, slotsPerChunk: Self.smallPerChunk, sibling: large))
        unsafe large.initialize(
            to: PacketShelf(
                capacity: Self.largeByteCount, slotsMax: largeMax, slotsPerChunk: Self.largePerChunk, sibling: small))
    }

    deinit { unsafe PacketShelf.abandon(small, large) }

    /// An empty packet with this much room in front, or `nil` at the bound.
    @inlinable
    public func allocate(headroom: Int = 128) -> Packet? { unsafe take(from: small, headroom: headroom) }

    /// An empty packet with room for 64 KiB, or `nil` at the bound.
    @inlinable
    public func allocateLarge(headroom: Int = 128) -> Packet? { unsafe take(from: large, headroom: headroom) }

    /// The smallest packet with room for `count` bytes behind `headroom`, or `nil` at the bound or
    /// when no packet is that large.
    @inlinable
    public func allocate(headroom: Int, count: Int) -> Packet? {
        if unsafe headroom + count <= small.pointee.capacity { return allocate(headroom: headroom) }
        return unsafe headroom + count <= large.pointee.capacity ? allocateLarge(headroom: headroom) : nil
    }

    @inlinable
    func take(from shelf: UnsafeMutablePointer<PacketShelf>, headroom: Int) -> Packet? {
        precondition(
            unsafe headroom >= 0 && headroom <= shelf.pointee.capacity, "a packet's headroom fits in its buffer")
        let slot: PacketSlot.Pointer
        if let free = unsafe shelf.pointee.free {
            unsafe shelf.pointee.free = free.pointee.next
            unsafe slot = unsafe free
        } else {
            guard let fresh = unsafe PacketShelf.freshSlot(of: shelf) else { return nil }
            unsafe slot = unsafe fresh
        }
        unsafe shelf.pointee.outstanding &+= 1
        if unsafe shelf.pointee.outstanding > shelf.pointee.peak {
            unsafe shelf.pointee.peak = shelf.pointee.outstanding
        }
        unsafe slot.pointee.start = unsafe PacketSlot.room(of: slot) + headroom
        unsafe slot.pointee.count = 0
        unsafe slot.pointee.metadata = PacketMetadata()
        return unsafe Packet(slot: slot)
    }

    /// Gives the memory of chunks without a packet in use back to the system.
    ///
    /// - Complexity: O(free packets).
    public func trim() {
        unsafe small.pointee.trim()
        unsafe large.pointee.trim()
    }

    /// The packets in use, ordinary and large; buffers others still share count.
    public var inUse: Int { unsafe small.pointee.outstanding + large.pointee.outstanding - 2 }
    /// The ordinary packets in use.
    public var smallInUse: Int { unsafe small.pointee.outstanding - 1 }
    /// The ordinary packets that can be taken before the bound is met.
    @inlinable
    public var smallLeft: Int { unsafe small.pointee.slotsMax - small.pointee.outstanding + 1 }
    /// The large packets in use.
    public var largeInUse: Int { unsafe large.pointee.outstanding - 1 }
    /// The most ordinary packets that were in use at once.
    public var peak: Int { unsafe small.pointee.peak - 1 }
    /// The most large packets that were in use at once.
    public var largePeak: Int { unsafe large.pointee.peak - 1 }
    /// The bytes taken from the system and not given back.
    public var allocatedBytes: Int { unsafe small.pointee.allocatedBytes + large.pointee.allocatedBytes }
    /// How often a packet was refused at the bound.
    public var failures: UInt64 { unsafe small.pointee.failures &+ large.pointee.failures }
    /// How many ordinary packets may be in use at once.
    public var packetsMax: Int { unsafe small.pointee.slotsMax }
    /// How many large packets may be in use at once.
    public var largeMax: Int { unsafe large.pointee.slotsMax }
}
