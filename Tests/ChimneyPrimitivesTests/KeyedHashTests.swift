import ChimneyPrimitives
import Testing

@Suite struct KeyedHashTests {
    /// The reference vectors of SipHash-2-4: the key counts from 0 to 15, and so do the messages.
    @Test func hashIsThatOfTheReferenceVectors() {
        let hash = KeyedHash(key: (0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908))
        let expected: [UInt64] = [
            0x726F_DB47_DD0E_0E31, 0x74F8_39C5_93DC_67FD, 0x0D6C_8009_D9A9_4F5A, 0x8567_6696_D7FB_7E2D,
            0xCF27_94E0_2771_87B7, 0x1876_5564_CD99_A68D, 0xCBC9_466E_58FE_E3CE, 0xAB02_00F5_8B01_D137,
            0x93F5_F579_9A93_2462,
        ]
        for (count, value) in expected.enumerated() {
            #expect(hash.hash((0..<count).map { UInt8($0) }) == value, "\(count) bytes")
        }
        #expect(hash.hash((0..<15).map { UInt8($0) }) == 0xA129_CA61_49BE_45E5)
    }

    @Test func everyBitOfKeyAndMessageCounts() {
        var random = StackRandom(seed: 1)
        let key = (random.next(), random.next())
        let message = (0..<20).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let hash = KeyedHash(key: key).hash(message)
        for bit in 0..<160 {
            var other = message
            other[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect((KeyedHash(key: key).hash(other) ^ hash).nonzeroBitCount > 10)
        }
        for bit in 0..<64 {
            #expect(KeyedHash(key: (key.0 ^ 1 << UInt64(bit), key.1)).hash(message) != hash)
            #expect(KeyedHash(key: (key.0, key.1 ^ 1 << UInt64(bit))).hash(message) != hash)
        }
        #expect(KeyedHash(key: key).hash(message + [0]) != hash, "the length counts too")
    }
}
