/// Loads of numbers in network order, most significant byte first, at any alignment.
///
/// Invariant: every load is checked against the span, so the only promise an `unsafe` load could break, that the
/// bytes form a valid value, holds by type: every bit pattern is a valid integer.
extension RawSpan {
    /// The byte at `offset`, which must lie in the span.
    @inlinable @inline(__always)
    package func uint8(at offset: Int) -> UInt8 {
        unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
    }

    /// The 16-bit number at `offset`, whose bytes must lie in the span.
    @inlinable @inline(__always)
    package func uint16(at offset: Int) -> UInt16 {
        UInt16(bigEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    /// The 32-bit number at `offset`, whose bytes must lie in the span.
    @inlinable @inline(__always)
    package func uint32(at offset: Int) -> UInt32 {
        UInt32(bigEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// The 64-bit number at `offset`, whose bytes must lie in the span.
    @inlinable @inline(__always)
    package func uint64(at offset: Int) -> UInt64 {
        UInt64(bigEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}

/// Stores of numbers in network order, most significant byte first, at any alignment.
extension MutableRawSpan {
    /// Stores a number, whose bytes must lie in the span.
    @inlinable @inline(__always)
    @_lifetime(self: copy self)
    package mutating func store<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
        storeBytes(of: number.bigEndian, toByteOffset: offset, as: Number.self)
    }

    /// The `count` bytes from `offset` on, so that the stores into them are checked once.
    @inlinable @inline(__always)
    @_lifetime(&self)
    package mutating func part(at offset: Int, count: Int) -> MutableRawSpan {
        _mutatingExtracting(offset..<offset + count)
    }

    /// Copies `bytes` to `offset`; they must fit in the span.
    @inlinable @inline(__always)
    @_lifetime(self: copy self)
    package mutating func store(_ bytes: RawSpan, at offset: Int) {
        // Eight bytes a step: the tail is what is left of the last step.
        let words = bytes.byteCount / 8
        for word in 0..<words {
            storeBytes(of: bytes.uint64(at: word * 8).bigEndian, toByteOffset: offset + word * 8, as: UInt64.self)
        }
        for index in words * 8..<bytes.byteCount { store(bytes.uint8(at: index), at: offset + index) }
    }
}
