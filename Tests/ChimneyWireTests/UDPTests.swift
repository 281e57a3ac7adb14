import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct UDPTests {
    private let datagram: [UInt8] = [0x13, 0x88, 0x00, 0x07, 0x00, 0x0B, 0x00, 0x00, 1, 2, 3]

    private func failure(_ bytes: [UInt8]) -> UDPError? {
        thrown { () throws(UDPError) in _ = try UDPView(bytes.raw) }
    }

    @Test func fieldsStandWhereRFC768PutsThem() throws {
        let view = try UDPView((datagram + [9, 9]).raw)
        let (header, hasChecksum, payload) = (view.header, view.hasChecksum, array(view.payload))
        #expect(header.sourcePort == 5_000 && header.destinationPort == 7 && header.length == 11)
        #expect(!hasChecksum)
        #expect(payload == [1, 2, 3])
    }

    @Test func writtenHeaderReadsAsItself() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let payload = random.number(0...1_400)
            let header = try #require(
                UDPHeader(
                    sourcePort: random.number(0...65_535), destinationPort: random.number(0...65_535),
                    payloadByteCount: payload))
            let checksum: UInt16 = random.number(0...65_535)
            let bytes = written(8 + payload) { header.write(into: &$0, checksum: checksum) }
            let view = try UDPView(bytes.raw)
            let (read, field, count) = (view.header, view.checksum, view.payload.byteCount)
            #expect(read == header && field == checksum && count == payload, "seed \(seed)")
        }
    }

    @Test func everyTruncationIsNamed() {
        for count in 0..<8 { #expect(failure(Array(datagram[..<count])) == .truncated) }
        for count in 8..<11 { #expect(failure(Array(datagram[..<count])) == .lengthBeyondPacket) }
        for length in UInt8(0)..<8 { #expect(failure(datagram.with(length, at: 5)) == .lengthBelowHeader) }
        #expect(failure(datagram) == nil)
    }

    @Test func slicesBehindTheFirstCountTowardsTheLength() throws {
        let bytes = datagram.with(2, at: 4)
        let (length, payload) = try { () throws(UDPError) in
            let view = try UDPView(bytes.raw, of: 523)
            return (view.length, view.payload.byteCount)
        }()
        #expect(length == 523 && payload == 3)
        #expect(thrown { () throws(UDPError) in _ = try UDPView(bytes.raw, of: 522) } == .lengthBeyondPacket)
    }

    @Test func headerRefusesMoreThanItsLengthCounts() {
        #expect(UDPHeader(sourcePort: 1, destinationPort: 2, payloadByteCount: 65_527)?.length == 65_535)
        #expect(UDPHeader(sourcePort: 1, destinationPort: 2, payloadByteCount: 65_528) == nil)
        #expect(UDPHeader(sourcePort: 1, destinationPort: 2, payloadByteCount: -1) == nil)
    }

    @Test func writtenChecksumIsValidUntilAnyBitFlips() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let (source, destination) = (random.address(), random.address())
            let payload = random.bytes(random.number(0...33))
            let header = try #require(
                UDPHeader(
                    sourcePort: random.number(0...65_535), destinationPort: random.number(0...65_535),
                    payloadByteCount: payload.count))
            let checksum = header.checksum(
                from: source, to: destination, payloadSum: InternetChecksum.sum(payload.raw))
            let bytes = written(8) { header.write(into: &$0, checksum: checksum) } + payload
            func isValid(_ bytes: [UInt8]) throws -> Bool {
                try UDPView((bytes + [1, 2]).raw).isChecksumValid(from: source, to: destination)
            }
            #expect(try isValid(bytes), "seed \(seed)")
            #expect(checksum != 0)
            let bit = random.number(0...bytes.count * 8 - 1)
            let flipped = bytes.with(bytes[bit / 8] ^ (1 << UInt8(bit % 8)), at: bit / 8)
            // The length is checked before the sum, and a checksum of zero is none.
            if bit / 8 != 4, bit / 8 != 5, flipped[6] | flipped[7] != 0 {
                #expect(try !isValid(flipped), "seed \(seed) bit \(bit)")
            }
            #expect(try isValid(bytes.with(0, at: 6).with(0, at: 7)), "no checksum is never wrong")
        }
    }

    @Test func checksumThatComesToZeroIsWrittenAsAllOnes() throws {
        let header = try #require(UDPHeader(sourcePort: 0, destinationPort: 0, payloadByteCount: 2))
        // Pseudo-header 17 + 10, length 10: the payload makes the sum 0xFFFF.
        let payload: [UInt8] = [0xFF, 0xFF - 37]
        let checksum = header.checksum(from: .any, to: .any, payloadSum: InternetChecksum.sum(payload.raw))
        #expect(checksum == 0xFFFF)
    }
}
