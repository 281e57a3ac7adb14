import ChimneyPrimitives

extension VirtualStack {
    /// The most bytes that one connection may hold for its reader, and for its peer, with as many packets as are left.
    ///
    /// All stacks of a shard live on one pool, and windows are promises of far more than it has. While a quarter of it is free, a
    /// connection may hold what its settings say; then 16 KiB, then 2 KiB, and of the last sixteenth nothing, which belongs to
    /// everything else that a stack does. Data refused so comes again, and a reader that reads makes room.
    var heldBytesMax: Int {
        let (left, most) = (pool.smallLeft, pool.packetsMax)
        if left &* 4 >= most { return .max }
        if left &* 8 >= most { return 16_384 }
        return left &* 16 >= most ? 2_048 : 0
    }
}
