#if os(Linux)
    import ChimneyPrimitives

    /// One buffer in which a frame of many parts is put together before it goes to the kernel.
    ///
    /// The memory is allocated with the first such frame: few devices ever see one.
    @safe
    struct GatherBuffer: ~Copyable {
        // Invariant: room for `byteCount` bytes once it is allocated, freed with the buffer.
        private var room: UnsafeMutableRawPointer?

        /// The parts up to which a frame is handed over as it lies; arrays of so many parts fit on the stack.
        static var partsMax: Int { 48 }
        /// The longest frame: a packet of 65,535 bytes with its link header and tags.
        private static var byteCount: Int { 65_536 + 64 }

        init() {}

        deinit { unsafe room?.deallocate() }

        /// Copies a frame together; `nil` for one that is longer than any.
        ///
        /// The bytes are good until the next frame is put together.
        mutating func gather(_ packet: borrowing Packet) -> UnsafeMutableRawBufferPointer? {
            let count = packet.totalCount
            guard count <= Self.byteCount else { return nil }
            let start = unsafe room ?? UnsafeMutableRawPointer.allocate(byteCount: Self.byteCount, alignment: 64)
            unsafe room = start
            let buffer = unsafe UnsafeMutableRawBufferPointer(start: start, count: count)
            var target = unsafe MutableRawSpan(_unsafeBytes: buffer)
            _ = packet.copyBytes(into: &target)
            return unsafe buffer
        }
    }
#endif
