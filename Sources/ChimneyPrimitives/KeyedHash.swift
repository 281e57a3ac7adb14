/// SipHash-2-4: 64 bits that depend on every byte of a message, and that nobody without the key can foretell.
///
/// It makes the stable identifiers of RFC 7217 and whatever else must be the same on every run and strange to others.
/// It is no fingerprint: who has the key can find two messages with the same hash.
@frozen
public struct KeyedHash: Sendable, BitwiseCopyable {
    private let key: (UInt64, UInt64)

    /// A hash under a secret key of 128 bits.
    public init(key: (UInt64, UInt64)) { self.key = key }

    /// A hash under a key of its own, drawn from `random`.
    public init(using random: inout StackRandom) { key = (random.next(), random.next()) }

    /// The hash of a message.
    ///
    /// - Complexity: O(n).
    public func hash(_ message: some Sequence<UInt8>) -> UInt64 {
        var state = State(key)
        var word: UInt64 = 0
        var count: UInt64 = 0
        for byte in message {
            word |= UInt64(byte) << (8 * (count & 7))
            count &+= 1
            if count & 7 == 0 {
                state.absorb(word)
                word = 0
            }
        }
        state.absorb(word | count << 56)
        return state.finished()
    }

    /// The hash of a message of six words, what it would be if their bytes stood one after the other, the least first.
    package func hash(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64, _ e: UInt64, _ f: UInt64) -> UInt64 {
        var state = State(key)
        state.absorb(a)
        state.absorb(b)
        state.absorb(c)
        state.absorb(d)
        state.absorb(e)
        state.absorb(f)
        state.absorb(48 << 56)
        return state.finished()
    }

    private struct State {
        var a, b, c, d: UInt64

        init(_ key: (UInt64, UInt64)) {
            a = key.0 ^ 0x736F_6D65_7073_6575
            b = key.1 ^ 0x646F_7261_6E64_6F6D
            c = key.0 ^ 0x6C79_6765_6E65_7261
            d = key.1 ^ 0x7465_6462_7974_6573
        }

        mutating func absorb(_ word: UInt64) {
            d ^= word
            mix()
            mix()
            a ^= word
        }

        mutating func finished() -> UInt64 {
            c ^= 0xFF
            for _ in 0..<4 { mix() }
            return a ^ b ^ c ^ d
        }

        private mutating func mix() {
            func turned(_ word: UInt64, _ count: UInt64) -> UInt64 { word &<< count | word &>> (64 - count) }
            a &+= b
            c &+= d
            b = turned(b, 13) ^ a
            d = turned(d, 16) ^ c
            a = turned(a, 32) &+ d
            c = c &+ b
            d = turned(d, 21) ^ a
            b = turned(b, 17) ^ c
            c = turned(c, 32)
        }
    }
}
