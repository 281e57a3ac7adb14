public import Synchronization

/// The counter one side of a ring moves, alone on its cache lines.
@usableFromInline
struct RingSide: ~Copyable {
    /// How many elements this side has put in or taken out, for the other side to see.
    @usableFromInline let position = Atomic<Int>(0)
    /// The same, for this side.
    @usableFromInline var own = 0
    /// What this side last saw of the other's, so that most calls touch no line the other writes.
    @usableFromInline var seen = 0
    private var rest = InlineArray<13, Int>(repeating: 0)

    /// Memory for `count` sides, two cache lines each: processors fetch lines in pairs.
    static func allocate(_ count: Int) -> UnsafeMutablePointer<RingSide> {
        assert(MemoryLayout<RingSide>.stride == 128, "a side of a ring fills two cache lines")
        // Invariant: the memory has room for `count` sides of 128 bytes and each is initialized before it is returned.
        let sides = unsafe UnsafeMutableRawPointer.allocate(byteCount: 128 * count, alignment: 128)
            .bindMemory(to: RingSide.self, capacity: count)
        for index in 0..<count { unsafe (sides + index).initialize(to: RingSide()) }
        return unsafe sides
    }

    /// The number of places of a ring for at least `count` elements.
    static func capacity(for count: Int) -> Int {
        precondition(count > 0 && count <= 1 << 30, "a ring holds 1 to 2^30 elements")
        return 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
    }
}
