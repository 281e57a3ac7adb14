import ChimneyPrimitives
import ChimneyWire

/// One number for everything that went over every link, and when.
///
/// Runs that agree in it agreed in every frame's bytes, time and order. It guards against accidents,
/// not against an adversary.
struct TraceHash {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    @inline(__always)
    mutating func combine(_ word: UInt64) {
        value = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
        value ^= value >> 29
    }

    /// Four lanes run side by side, so that a long frame is not one chain of multiplications.
    mutating func combine(_ bytes: RawSpan) {
        let count = bytes.byteCount
        combine(UInt64(count))
        var position = 0
        if count >= 32 {
            var lanes = SIMD4<UInt64>(value, value ^ 1, value ^ 2, value ^ 3)
            while position &+ 32 <= count {
                let words = SIMD4<UInt64>(
                    bytes.word(at: position), bytes.word(at: position &+ 8), bytes.word(at: position &+ 16),
                    bytes.word(at: position &+ 24))
                lanes = (lanes ^ words) &* SIMD4(repeating: 0xFF51_AFD7_ED55_8CCD)
                lanes ^= lanes &>> 31
                position &+= 32
            }
            combine(lanes.x)
            combine(lanes.y)
            combine(lanes.z)
            combine(lanes.w)
        }
        while position &+ 8 <= count {
            combine(bytes.word(at: position))
            position &+= 8
        }
        var rest: UInt64 = 0
        while position < count {
            rest = rest << 8 | UInt64(bytes.uint8(at: position))
            position &+= 1
        }
        combine(rest)
    }
}

extension RawSpan {
    /// Eight bytes as one big-endian number.
    @inline(__always)
    func word(at offset: Int) -> UInt64 { UInt64(uint32(at: offset)) << 32 | UInt64(uint32(at: offset &+ 4)) }
}

/// A number that follows from a seed and a name, so that each part of a lab has chance of its own and adding
/// one part leaves the others as they were.
func derivedSeed(_ seed: UInt64, _ kind: String, _ name: String) -> UInt64 {
    var hash = TraceHash()
    hash.combine(seed)
    for byte in kind.utf8 { hash.combine(UInt64(byte)) }
    hash.combine(.max)
    for byte in name.utf8 { hash.combine(UInt64(byte)) }
    return hash.value
}
