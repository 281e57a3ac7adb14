/// A packet: a buffer with room in front for headers, metadata, and possibly further parts.
///
/// It has one holder at a time, is handed on by `consuming`, and gives its buffer back to its pool
/// when nobody takes it further. The first part is what header code reads and writes. Further parts
/// are payload: packets attached behind, or bytes shared with other packets, which are read-only
/// while more than one packet shows them.
///
/// A packet is as large as a pointer and stays on the thread of its pool.
@frozen
@safe
public struct Packet: ~Copyable {
    // Invariant: the slot is this packet's alone, as PacketSlot's invariants say.
    @usableFromInline let slot: PacketSlot.Pointer

    @inlinable
    init(slot: PacketSlot.Pointer) { unsafe self.slot = unsafe slot }

    @inlinable
    deinit { unsafe PacketSlot.release(slot) }

    /// Ends the packet without giving its buffer back: whoever takes the slot holds it now.
    @inlinable
    consuming func takeSlot() -> PacketSlot.Pointer {
        let slot = unsafe self.slot
        discard self
        return unsafe slot
    }

    /// The bytes in the first part.
    @inlinable
    public var count: Int { unsafe Int(slot.pointee.count) }

    /// The bytes in all parts.
    ///
    /// - Complexity: O(1) for a packet of one part, else O(parts).
    @inlinable
    public var totalCount: Int { unsafe PacketSlot.totalCount(slot) }

    /// Whether the first part has no bytes.
    @inlinable
    public var isEmpty: Bool { unsafe slot.pointee.count == 0 }

    /// Whether the first part is all there is.
    @inlinable
    public var isContiguous: Bool { unsafe slot.pointee.shape & ~PacketSlot.hasOwner == 0 }

    /// Whether the first part may be written: its bytes are this packet's own and no other shows them.
    @inlinable
    public var isWritable: Bool {
        unsafe slot.pointee.references == 1 && slot.pointee.shape & PacketSlot.hasOwner == 0
    }

    /// The bytes of the first part.
    @inlinable
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            let span = unsafe RawSpan(_unsafeStart: slot.pointee.start, byteCount: Int(slot.pointee.count))
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The bytes of the first part, to write; the packet must be ``isWritable``.
    @inlinable
    public var mutableBytes: MutableRawSpan {
        @_lifetime(&self)
        mutating get {
            precondition(isWritable, "shared bytes are not written")
            let span = unsafe MutableRawSpan(_unsafeStart: slot.pointee.start, byteCount: Int(slot.pointee.count))
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }

    /// How far the packet can grow to the front.
    @inlinable
    public var headroom: Int {
        if unsafe slot.pointee.shape & PacketSlot.hasOwner != 0 { return unsafe Int(slot.pointee.ownHeadroom) }
        return unsafe slot.pointee.references == 1 ? slot.pointee.start - UnsafeMutableRawPointer(slot) - 128 : 0
    }

    /// How far the packet can grow at the end; 0 when further parts follow.
    @inlinable
    public var tailroom: Int {
        guard unsafe slot.pointee.references == 1 && slot.pointee.shape == 0 else { return 0 }
        return unsafe Int(slot.pointee.capacity)
            - (slot.pointee.start - UnsafeMutableRawPointer(slot) - 128) - Int(slot.pointee.count)
    }

    /// Grows the packet to the front by `count` bytes, whose contents are yet to be written.
    ///
    /// - Returns: `false`, with nothing changed, when there is no room.
    @inlinable @inline(__always)
    public mutating func prepend(_ count: Int) -> Bool {
        guard count >= 0 && count <= headroom else { return false }
        if unsafe slot.pointee.shape & PacketSlot.hasOwner != 0 { moveSharedBehind() }
        unsafe slot.pointee.start -= count
        unsafe slot.pointee.count &+= UInt32(truncatingIfNeeded: count)
        return true
    }

    /// Drops the first `count` bytes, at most those of the first part.
    @inlinable @inline(__always)
    public mutating func removeFirst(_ count: Int) {
        precondition(count >= 0 && count <= self.count, "only bytes of the first part are removed")
        unsafe slot.pointee.start += count
        unsafe slot.pointee.count &-= UInt32(truncatingIfNeeded: count)
    }

    /// Drops the last `count` bytes of the first part.
    @inlinable @inline(__always)
    public mutating func removeLast(_ count: Int) {
        precondition(count >= 0 && count <= self.count, "only bytes of the first part are removed")
        unsafe slot.pointee.count &-= UInt32(truncatingIfNeeded: count)
    }

    /// Grows the packet at the end by `count` bytes, whose contents are yet to be written.
    ///
    /// - Returns: `false`, with nothing changed, when there is no room or further parts follow.
    @inlinable @inline(__always)
    public mutating func extend(by count: Int) -> Bool {
        guard count >= 0 && count <= tailroom else { return false }
        unsafe slot.pointee.count &+= UInt32(truncatingIfNeeded: count)
        return true
    }

    /// Appends a copy of `bytes`.
    ///
    /// - Returns: `false`, with nothing changed, when there is no room or further parts follow.
    @inlinable
    public mutating func append(_ bytes: RawSpan) -> Bool {
        let count = bytes.byteCount
        guard count <= tailroom else { return false }
        // The tail room was just found to be this packet's own and large enough.
        let end = unsafe slot.pointee.start + Int(slot.pointee.count)
        unsafe bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { unsafe end.copyMemory(from: base, byteCount: count) }
        }
        unsafe slot.pointee.count &+= UInt32(truncatingIfNeeded: count)
        return true
    }

    /// What the layers know about the packet; writing a member writes only that.
    @inlinable
    public var metadata: PacketMetadata {
        get { unsafe slot.pointee.metadata }
        _modify { yield unsafe &slot.pointee.metadata }
    }

    /// The index of the interface the packet arrived on or leaves by.
    @inlinable
    public var interface: UInt32 {
        get { unsafe slot.pointee.metadata.interface }
        set { unsafe slot.pointee.metadata.interface = newValue }
    }

    /// What is known about the transport checksum.
    @inlinable
    public var checksum: ChecksumState {
        get { unsafe slot.pointee.metadata.checksum }
        set { unsafe slot.pointee.metadata.checksum = newValue }
    }

    /// Marks from layer to layer.
    @inlinable
    public var flags: PacketFlags {
        get { unsafe slot.pointee.metadata.flags }
        set { unsafe slot.pointee.metadata.flags = newValue }
    }
}
