import ChimneyPrimitives
import ChimneyWire

/// The bytes of a flow's datagrams: who sent it as which and when, a check over all, and a filling that follows
/// from both, so that the receiver knows every byte it must see.
enum FlowPayload {
    static func write(flow: UInt32, sequence: UInt64, sentAt: Instant, into bytes: inout [UInt8], count: Int) {
        if bytes.count < count { bytes += [UInt8](repeating: 0, count: count - bytes.count) }
        var span = bytes.mutableSpan
        var target = span.mutableOctets
        target.store(UInt64(flow) << 32, at: 0)
        target.store(sequence, at: 8)
        target.store(sentAt.nanoseconds, at: 16)
        var state = start(flow, sequence)
        var position = 24
        while position &+ 8 <= count {
            target.store(next(&state), at: position)
            position &+= 8
        }
        let rest = next(&state)
        while position < count {
            target.storeBytes(
                of: UInt8(truncatingIfNeeded: rest >> UInt64((position & 7) * 8)), toByteOffset: position,
                as: UInt8.self)
            position &+= 1
        }
        let check = check(flow, sequence, sentAt.nanoseconds, count)
        target.store(UInt64(flow) << 32 | UInt64(check), at: 0)
    }

    /// What a datagram says about itself; nil when any byte is not what its sender wrote.
    static func read(_ bytes: RawSpan) -> (flow: UInt32, sequence: UInt64, sentAt: Instant)? {
        let count = bytes.byteCount
        guard count >= 24 else { return nil }
        let first = bytes.word(at: 0)
        let flow = UInt32(truncatingIfNeeded: first >> 32)
        let sequence = bytes.word(at: 8)
        let sentAt = bytes.word(at: 16)
        guard UInt32(truncatingIfNeeded: first) == check(flow, sequence, sentAt, count) else { return nil }
        var state = start(flow, sequence)
        var position = 24
        var difference: UInt64 = 0
        while position &+ 8 <= count {
            difference |= bytes.word(at: position) ^ next(&state)
            position &+= 8
        }
        let rest = next(&state)
        while position < count {
            difference |= UInt64(
                bytes.uint8(at: position) ^ UInt8(truncatingIfNeeded: rest >> UInt64((position & 7) * 8)))
            position &+= 1
        }
        return difference == 0 ? (flow, sequence, Instant(nanoseconds: sentAt)) : nil
    }

    private static func start(_ flow: UInt32, _ sequence: UInt64) -> UInt64 {
        (sequence ^ UInt64(flow) << 40) &* 0x9E37_79B9_7F4A_7C15
    }

    @inline(__always)
    private static func next(_ state: inout UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        let word = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        return word ^ word >> 27
    }

    private static func check(_ flow: UInt32, _ sequence: UInt64, _ sentAt: UInt64, _ count: Int) -> UInt32 {
        var hash = TraceHash()
        hash.combine(UInt64(flow) << 32 | UInt64(count))
        hash.combine(sequence)
        hash.combine(sentAt)
        return UInt32(truncatingIfNeeded: hash.value >> 16)
    }
}

extension MutableRawSpan {
    /// Writes eight bytes, the most significant first.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func store(_ word: UInt64, at offset: Int) {
        storeBytes(of: word.bigEndian, toByteOffset: offset, as: UInt64.self)
    }
}
