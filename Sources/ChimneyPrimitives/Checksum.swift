/// The Internet checksum (RFC 1071): the ones' complement sum of 16-bit words.
///
/// A *sum* is a partial result in this machine's byte order, wider than 16 bits: sums add, with
/// ``add(_:_:)``, and ``finish(_:)`` makes the number a header field holds. Over data that contains
/// its right checksum, `finish` gives 0.
public enum InternetChecksum {
    /// The sum of `bytes`, the last one padded with a zero, added to `initial`.
    ///
    /// Sums of consecutive pieces may be chained through `initial` when all but the last have an even length.
    @inlinable @inline(__always)
    public static func sum(_ bytes: RawSpan, initial: UInt32 = 0) -> UInt32 {
        // Invariant: reads stay within `count` bytes from the span's start, and the span outlives the closure.
        unsafe bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return initial }
            return unsafe sum(base, buffer.count, initial: initial)
        }
    }

    @inlinable @inline(__always)
    static func sum(_ base: UnsafeRawPointer, _ count: Int, initial: UInt32) -> UInt32 {
        // A counted loop over 32-bit words into 64 bits is the shape the compiler makes vectors of.
        if count >= 256 { return unsafe longSum(base, count, initial: initial) }
        var total = UInt64(initial)
        for word in 0..<count &>> 2 {
            total &+= unsafe UInt64(base.loadUnaligned(fromByteOffset: word &<< 2, as: UInt32.self))
        }
        return unsafe folded(total &+ tail(base, count))
    }

    /// The sum of much data: 64 bytes a step, the halves of words added apart so that nothing overflows
    /// in the 65,536 steps after which they are gathered.
    @usableFromInline
    static func longSum(_ base: UnsafeRawPointer, _ count: Int, initial: UInt32) -> UInt32 {
        var total = UInt64(initial)
        var done = 0
        while count &- done >= 64 {
            let steps = min((count &- done) &>> 6, 65_536)
            var low = SIMD8<UInt32>(repeating: 0)
            var high = low
            var lowOther = low
            var highOther = low
            for step in 0..<steps {
                let offset = done &+ step &<< 6
                let one = unsafe base.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt32>.self)
                let other = unsafe base.loadUnaligned(fromByteOffset: offset &+ 32, as: SIMD8<UInt32>.self)
                low &+= one & 0xFFFF
                high &+= one &>> 16
                lowOther &+= other & 0xFFFF
                highOther &+= other &>> 16
            }
            for lane in 0..<8 {
                total &+= UInt64(low[lane]) &+ UInt64(lowOther[lane])
                total &+= (UInt64(high[lane]) &+ UInt64(highOther[lane])) &<< 16
            }
            done &+= steps &<< 6
        }
        return unsafe sum(base + done, count &- done, initial: folded(total))
    }

    /// Copies `bytes` to `target` from `offset` on and gives their sum added to `initial`.
    ///
    /// The target must have room.
    @inlinable @inline(__always)
    public static func copyAndSum(
        _ bytes: RawSpan, into target: inout MutableRawSpan, at offset: Int = 0, initial: UInt32 = 0
    ) -> UInt32 {
        let count = bytes.byteCount
        precondition(offset >= 0 && count <= target.byteCount - offset, "a copy fits in its target")
        // Reads and writes stay within `count` bytes, which both spans were found to have.
        return unsafe bytes.withUnsafeBytes { source in
            unsafe target.withUnsafeMutableBytes { destination in
                guard let from = source.baseAddress, let start = destination.baseAddress else {
                    return initial
                }
                let to = unsafe start + offset
                var total = UInt64(initial)
                for word in 0..<count &>> 2 {
                    let value = unsafe from.loadUnaligned(fromByteOffset: word &<< 2, as: UInt32.self)
                    unsafe to.storeBytes(of: value, toByteOffset: word &<< 2, as: UInt32.self)
                    total &+= UInt64(value)
                }
                for index in count & ~3..<count {
                    unsafe to.storeBytes(
                        of: from.load(fromByteOffset: index, as: UInt8.self), toByteOffset: index, as: UInt8.self)
                }
                return unsafe folded(total &+ tail(from, count))
            }
        }
    }

    /// The sum of the up to three bytes behind the last whole word.
    @inlinable @inline(__always)
    static func tail(_ base: UnsafeRawPointer, _ count: Int) -> UInt64 {
        var result: UInt64 = 0
        var offset = count & ~3
        if count & 2 != 0 {
            result &+= unsafe UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            offset &+= 2
        }
        if count & 1 != 0 {
            result &+= unsafe UInt64(UInt16(base.load(fromByteOffset: offset, as: UInt8.self)).littleEndian)
        }
        return result
    }

    @inlinable @inline(__always)
    static func folded(_ total: UInt64) -> UInt32 {
        let once = (total & 0xFFFF_FFFF) &+ (total &>> 32)
        return UInt32(truncatingIfNeeded: (once & 0xFFFF_FFFF) &+ (once &>> 32))
    }

    /// The sum of two sums.
    @inlinable @inline(__always)
    public static func add(_ one: UInt32, _ other: UInt32) -> UInt32 { folded(UInt64(one) &+ UInt64(other)) }

    /// The sum of a piece that starts at an odd byte, made fit to add to one that starts at an even byte.
    @inlinable @inline(__always)
    public static func swapped(_ sum: UInt32) -> UInt32 { folded(UInt64(sum) &<< 8) }

    /// The checksum a sum stands for, as the number a header field holds.
    ///
    /// UDP writes 0xFFFF where this gives 0 (RFC 768).
    @inlinable @inline(__always)
    public static func finish(_ sum: UInt32) -> UInt16 { ~unfinished(sum) }

    /// The sum itself as the number a header field holds: what a device that completes the checksum expects.
    @inlinable @inline(__always)
    public static func unfinished(_ sum: UInt32) -> UInt16 {
        let once = (sum & 0xFFFF) &+ (sum &>> 16)
        return UInt16(truncatingIfNeeded: once &+ (once &>> 16)).bigEndian
    }

    /// The sum of the IPv4 pseudo-header (RFC 768, RFC 9293 §3.1).
    @inlinable @inline(__always)
    public static func pseudoHeader(
        _ source: IPv4Address, _ destination: IPv4Address, protocol number: UInt8, length: Int
    ) -> UInt32 {
        folded(
            UInt64(source.bits.bigEndian) &+ UInt64(destination.bits.bigEndian)
                &+ UInt64((UInt32(number) &<< 16 &+ UInt32(truncatingIfNeeded: length)).bigEndian))
    }

    /// The sum of the IPv6 pseudo-header (RFC 8200 §8.1).
    @inlinable @inline(__always)
    public static func pseudoHeader(
        _ source: IPv6Address, _ destination: IPv6Address, protocol number: UInt8, length: Int
    ) -> UInt32 {
        var total = UInt64(UInt32(number).bigEndian) &+ UInt64(UInt32(truncatingIfNeeded: length).bigEndian)
        total &+= halves(source.high) &+ halves(source.low)
        total &+= halves(destination.high) &+ halves(destination.low)
        return folded(total)
    }

    @inlinable @inline(__always)
    static func halves(_ word: UInt64) -> UInt64 {
        let swapped = word.bigEndian
        return (swapped & 0xFFFF_FFFF) &+ (swapped &>> 32)
    }

    /// The checksum after one 16-bit field of what it covers changed (RFC 1624, equation 3).
    @inlinable @inline(__always)
    public static func update(_ checksum: UInt16, old: UInt16, new: UInt16) -> UInt16 {
        let sum = UInt32(~checksum) &+ UInt32(~old) &+ UInt32(new)
        let once = (sum & 0xFFFF) &+ (sum &>> 16)
        return ~UInt16(truncatingIfNeeded: once &+ (once &>> 16))
    }

    /// The checksum after one 32-bit field of what it covers changed (RFC 1624, equation 3).
    @inlinable @inline(__always)
    public static func update(_ checksum: UInt16, old: UInt32, new: UInt32) -> UInt16 {
        let low = update(
            checksum, old: UInt16(truncatingIfNeeded: old), new: UInt16(truncatingIfNeeded: new))
        return update(low, old: UInt16(truncatingIfNeeded: old &>> 16), new: UInt16(truncatingIfNeeded: new &>> 16))
    }
}

extension InternetChecksum {
    /// The sum of `count` bytes of a packet from `offset` on, over all its parts, added to `initial`.
    ///
    /// Bytes beyond the end count as none.
    public static func sum(
        _ packet: borrowing Packet, from offset: Int, count: Int = .max, initial: UInt32 = 0
    ) -> UInt32 {
        var result = initial
        var toSkip = max(0, offset)
        var left = max(0, count)
        var isOdd = false
        for index in 0..<packet.sliceCount where left > 0 {
            let part = packet.slice(index)
            guard toSkip < part.byteCount else {
                toSkip -= part.byteCount
                continue
            }
            let length = min(part.byteCount - toSkip, left)
            let piece = sum(part.extracting(toSkip..<toSkip + length))
            result = add(result, isOdd ? swapped(piece) : piece)
            isOdd = isOdd != (length & 1 == 1)
            left -= length
            toSkip = 0
        }
        return result
    }
}
