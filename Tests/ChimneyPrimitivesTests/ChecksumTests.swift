import ChimneyPrimitives
import Testing

/// RFC 1071 read literally: big-endian 16-bit words, one after the other.
func plainChecksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
        sum += UInt32(bytes[index]) << 8 | UInt32(index + 1 < bytes.count ? bytes[index + 1] : 0)
        sum = sum & 0xFFFF + sum >> 16
    }
    return ~UInt16(sum)
}

@Suite struct ChecksumTests {
    func randomBytes(_ count: Int, _ random: inout StackRandom) -> [UInt8] {
        (0..<count).map { _ in random.next() % 3 == 0 ? 0xFF : UInt8(truncatingIfNeeded: random.next()) }
    }

    @Test func sumOfTheExampleInTheStandardIsRight() {
        // RFC 1071 §3: 0001 f203 f4f5 f6f7 sums to ddf2.
        let bytes: [UInt8] = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]
        #expect(InternetChecksum.finish(InternetChecksum.sum(bytes.span.octets)) == ~0xDDF2)
        #expect(InternetChecksum.unfinished(InternetChecksum.sum(bytes.span.octets)) == 0xDDF2)
    }

    @Test func everyLengthAndAlignmentAgreesWithTheLiteralSum() {
        var random = StackRandom(seed: 1)
        let bytes = randomBytes(400, &random)
        for length in 0..<300 {
            for start in 0..<4 {
                let piece = Array(bytes[start..<start + length])
                let sum = InternetChecksum.sum(bytes.span.octets.extracting(start..<start + length))
                #expect(InternetChecksum.finish(sum) == plainChecksum(piece), "length \(length), start \(start)")
            }
        }
    }

    @Test func sumsOfPiecesAddUpToTheSumOfTheWhole() {
        var random = StackRandom(seed: 2)
        for _ in 0..<500 {
            let bytes = randomBytes(Int.random(in: 1...2_000, using: &random), &random)
            let cut = Int.random(in: 0...bytes.count, using: &random)
            let front = InternetChecksum.sum(bytes.span.octets.extracting(0..<cut))
            let back = InternetChecksum.sum(bytes.span.octets.extracting(cut..<bytes.count))
            let sum = InternetChecksum.add(front, cut % 2 == 1 ? InternetChecksum.swapped(back) : back)
            #expect(InternetChecksum.finish(sum) == plainChecksum(bytes))
            if cut % 2 == 0 {
                let chained = InternetChecksum.sum(bytes.span.octets.extracting(cut..<bytes.count), initial: front)
                #expect(InternetChecksum.finish(chained) == plainChecksum(bytes))
            }
        }
    }

    @Test func largestSumsDoNotOverflow() {
        let bytes = [UInt8](repeating: 0xFF, count: (1 << 22) + 200)
        let sum = InternetChecksum.sum(bytes.span.octets, initial: .max)
        #expect(InternetChecksum.finish(sum) == 0)
    }

    @Test func copyingGivesTheSameSumAndTheBytes() {
        var random = StackRandom(seed: 3)
        for length in 0..<200 {
            let bytes = randomBytes(length, &random)
            var target = [UInt8](repeating: 1, count: length + 5)
            var span = target.mutableSpan
            var mutable = span.mutableOctets
            let sum = InternetChecksum.copyAndSum(bytes.span.octets, into: &mutable, at: 3, initial: 17)
            #expect(sum == InternetChecksum.sum(bytes.span.octets, initial: 17))
            #expect(target == [1, 1, 1] + bytes + [1, 1])
        }
    }

    @Test func pseudoHeadersCountLikeTheirBytes() {
        var random = StackRandom(seed: 4)
        func big(_ value: some FixedWidthInteger) -> [UInt8] {
            (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (value.bitWidth - 8 - $0 * 8)) }
        }
        for _ in 0..<100 {
            let length = Int.random(in: 0...65_535, using: &random)
            let a = IPv4Address(bits: UInt32.random(in: 0...UInt32.max, using: &random))
            let b = IPv4Address(bits: UInt32.random(in: 0...UInt32.max, using: &random))
            let four = InternetChecksum.pseudoHeader(a, b, protocol: 17, length: length)
            #expect(
                InternetChecksum.finish(four)
                    == plainChecksum(big(a.bits) + big(b.bits) + [0, 17] + big(UInt16(length))))
            let c = IPv6Address(high: random.next(), low: random.next())
            let d = IPv6Address(high: random.next(), low: random.next())
            let six = InternetChecksum.pseudoHeader(c, d, protocol: 6, length: length)
            #expect(
                InternetChecksum.finish(six)
                    == plainChecksum(
                        big(c.high) + big(c.low) + big(d.high) + big(d.low) + big(UInt32(length)) + [0, 0, 0, 6]))
        }
    }

    @Test func updateEqualsComputingAgain() {
        var random = StackRandom(seed: 5)
        for _ in 0..<2_000 {
            var bytes = randomBytes(20, &random)
            bytes[0] = 1  // A sum that is not zero, as in every header, has one representation.
            let before = plainChecksum(bytes)
            let old = UInt16(bytes[4]) << 8 | UInt16(bytes[5])
            let oldLong = UInt32(old) << 16 | UInt32(bytes[6]) << 8 | UInt32(bytes[7])
            let new = UInt32(truncatingIfNeeded: random.next())
            bytes[4] = UInt8(new >> 24)
            bytes[5] = UInt8(new >> 16 & 0xFF)
            let short = plainChecksum(bytes)
            #expect(InternetChecksum.update(before, old: old, new: UInt16(new >> 16)) == short)
            bytes[6] = UInt8(new >> 8 & 0xFF)
            bytes[7] = UInt8(new & 0xFF)
            #expect(InternetChecksum.update(before, old: oldLong, new: new) == plainChecksum(bytes))
        }
    }
}
