/// Packets in order, linked through their own buffers.
///
/// An empty queue costs nothing, appending allocates nothing, and a whole queue moves behind
/// another in constant time.
@frozen
@safe
public struct PacketQueue: ~Copyable {
    // Invariant: the slots from `head` to `last` are this queue's alone, linked by `next`; `head` is nil only
    // when `packets` is 0, and then `last` means nothing.
    @usableFromInline var head: PacketSlot.Pointer?
    @usableFromInline var last: PacketSlot.Pointer?
    @usableFromInline var packets: Int
    @usableFromInline var bytes: Int

    /// An empty queue.
    @inlinable
    public init() {
        unsafe head = nil
        unsafe last = nil
        packets = 0
        bytes = 0
    }

    @inlinable
    deinit { if unsafe head != nil { unsafe PacketQueue.release(head) } }

    /// How many packets wait.
    @inlinable
    public var count: Int { packets }
    /// The bytes of all packets that wait, in all their parts.
    @inlinable
    public var byteCount: Int { bytes }

    /// Whether no packet waits.
    @inlinable
    public var isEmpty: Bool { unsafe head == nil }

    /// Puts a packet behind all others.
    @inlinable @inline(__always)
    public mutating func append(_ packet: consuming Packet) {
        let slot = unsafe packet.takeSlot()
        unsafe slot.pointee.next = nil
        if let last = unsafe last, unsafe head != nil {
            unsafe last.pointee.next = slot
        } else {
            unsafe head = unsafe slot
        }
        unsafe last = unsafe slot
        packets &+= 1
        bytes &+= unsafe PacketSlot.totalCount(slot)
    }

    /// Puts a packet before all others, as a device does with one it could not take.
    @inlinable
    public mutating func prepend(_ packet: consuming Packet) {
        let slot = unsafe packet.takeSlot()
        unsafe slot.pointee.next = head
        if unsafe head == nil { unsafe last = unsafe slot }
        unsafe head = unsafe slot
        packets &+= 1
        bytes &+= unsafe PacketSlot.totalCount(slot)
    }

    /// Takes the first packet; there must be one.
    @inlinable @inline(__always)
    public mutating func removeFirst() -> Packet {
        guard let slot = unsafe head else { preconditionFailure("an empty queue has no first packet") }
        unsafe head = slot.pointee.next
        packets &-= 1
        bytes &-= unsafe PacketSlot.totalCount(slot)
        return unsafe Packet(slot: slot)
    }

    /// Moves all packets of another queue behind this one's.
    ///
    /// - Complexity: O(1).
    @inlinable
    public mutating func append(contentsOf other: inout PacketQueue) {
        guard let first = unsafe other.head else { return }
        if let last = unsafe last, unsafe head != nil {
            unsafe last.pointee.next = first
        } else {
            unsafe head = unsafe first
        }
        unsafe last = unsafe other.last
        packets &+= other.packets
        bytes &+= other.bytes
        unsafe other.head = nil
        other.packets = 0
        other.bytes = 0
    }

    /// Moves up to `count` packets from the front of another queue behind this one's.
    @inlinable
    public mutating func append(first count: Int, of other: inout PacketQueue) {
        if count >= other.count { return append(contentsOf: &other) }
        var left = count
        while left > 0 {
            append(other.removeFirst())
            left -= 1
        }
    }

    /// Copies the bytes of a packet behind those of the last one.
    ///
    /// - Returns: `false`, with nothing changed, when there is no last packet or no room of its own behind it.
    package mutating func appendToLast(_ packet: borrowing Packet) -> Bool {
        guard unsafe head != nil, let slot = unsafe last else { return false }
        var target = unsafe Packet(slot: slot)
        let count = packet.totalCount
        let start = target.count
        let fits = target.extend(by: count)
        if fits {
            var span = target.mutableBytes
            var room = span._mutatingExtracting(start..<start + count)
            _ = packet.copyBytes(into: &room)
            bytes &+= count
        }
        // The queue goes on holding the slot.
        _ = unsafe target.takeSlot()
        return fits
    }

    /// Drops all packets.
    @inlinable
    public mutating func removeAll() {
        unsafe PacketQueue.release(head)
        unsafe head = nil
        packets = 0
        bytes = 0
    }

    /// Shows the packets in order until `body` answers `false`; they stay in the queue.
    @inlinable
    public borrowing func forEach(_ body: (borrowing Packet) -> Bool) {
        var current = unsafe head
        while let slot = unsafe current {
            unsafe current = slot.pointee.next
            // The queue goes on holding the slot: the packet made to show it ends without releasing it.
            let packet = unsafe Packet(slot: slot)
            let goesOn = body(packet)
            _ = unsafe packet.takeSlot()
            if !goesOn { return }
        }
    }

    @usableFromInline
    static func release(_ head: PacketSlot.Pointer?) {
        var current = unsafe head
        while let slot = unsafe current {
            unsafe current = slot.pointee.next
            unsafe PacketSlot.release(slot)
        }
    }
}
