import ChimneyPrimitives
import ChimneyWire

/// The bytes of a stream: each follows from the stream and its place, so that a receiver knows every one it must see.
struct StreamContents {
    private let key: UInt64

    /// The contents of one direction of a stream; what is echoed is the same bytes again.
    init(stream: UInt32) { key = (UInt64(stream) << 40 | 0x5443_50) &* 0x9E37_79B9_7F4A_7C15 }

    /// Fills a buffer with the bytes from a place on.
    func write(from offset: UInt64, into bytes: inout [UInt8], count: Int) {
        var span = bytes.mutableSpan
        var target = span.mutableOctets
        var position = 0
        while position < count, (offset &+ UInt64(position)) & 7 != 0 {
            target.storeBytes(of: byte(at: offset &+ UInt64(position)), toByteOffset: position, as: UInt8.self)
            position &+= 1
        }
        while position &+ 8 <= count {
            target.store(word(at: (offset &+ UInt64(position)) >> 3), at: position)
            position &+= 8
        }
        while position < count {
            target.storeBytes(of: byte(at: offset &+ UInt64(position)), toByteOffset: position, as: UInt8.self)
            position &+= 1
        }
    }

    /// How many bytes differ from what the stream has from a place on.
    func differences(_ bytes: RawSpan, from offset: UInt64) -> Int {
        let count = bytes.byteCount
        var differences = 0
        var position = 0
        while position < count {
            if (offset &+ UInt64(position)) & 7 == 0, position &+ 8 <= count,
                bytes.word(at: position) == word(at: (offset &+ UInt64(position)) >> 3)
            {
                position &+= 8
                continue
            }
            if bytes.uint8(at: position) != byte(at: offset &+ UInt64(position)) { differences &+= 1 }
            position &+= 1
        }
        return differences
    }

    @inline(__always)
    private func word(at index: UInt64) -> UInt64 {
        let state = key &+ index &* 0x9E37_79B9_7F4A_7C15
        let word = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        return word ^ word >> 27
    }

    private func byte(at offset: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: word(at: offset >> 3) >> (56 &- (offset & 7) &* 8))
    }
}
