extension PacketQueue {
    /// Copies bytes of the packets in order, from `offset` on, until `target` is full; the packets stay.
    ///
    /// - Returns: how many bytes were copied.
    /// - Complexity: O(n) in the bytes, and the packets up to the last of them.
    public borrowing func copyBytes(into target: inout MutableRawSpan, from offset: Int = 0) -> Int {
        var toSkip = max(0, offset)
        var copied = 0
        let room = target.byteCount
        var current = unsafe head
        while copied < room, let slot = unsafe current {
            unsafe current = slot.pointee.next
            // Invariant: the queue goes on holding the slot: the packet made to show it ends without releasing it.
            let packet = unsafe Packet(slot: slot)
            let total = packet.totalCount
            if toSkip < total {
                var rest = target._mutatingExtracting(copied..<room)
                copied += packet.copyBytes(into: &rest, from: toSkip)
            }
            toSkip = max(0, toSkip - total)
            _ = unsafe packet.takeSlot()
        }
        return copied
    }
}
