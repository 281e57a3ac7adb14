import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct IPv4Tests {
    /// A UDP packet of 4 payload bytes from 192.168.0.1 to 192.168.0.199.
    private let packet: [UInt8] = [
        0x45, 0x00, 0x00, 0x18, 0x1C, 0x46, 0x40, 0x00, 0x40, 0x11, 0x9C, 0x76, 0xC0, 0xA8, 0x00, 0x01, 0xC0, 0xA8,
        0x00,
        0xC7, 1, 2, 3, 4,
    ]

    private func failure(_ bytes: [UInt8]) -> IPv4Error? {
        thrown { () throws(IPv4Error) in _ = try IPv4View(bytes.raw) }
    }

    @Test func fieldsStandWhereRFC791PutsThem() throws {
        let view = try IPv4View(packet.raw)
        let (version, length, total, payload) = (
            view.version, view.headerByteCount, view.totalLength, array(view.payload)
        )
        let (dontFragment, isFragment, offset) = (view.dontFragment, view.isFragment, view.fragmentOffset)
        let header = IPv4Header(view)
        #expect(version == 4 && length == 20 && total == 24)
        #expect(payload == [1, 2, 3, 4])
        #expect(dontFragment && !isFragment && offset == 0)
        #expect(header.identification == 0x1C46 && header.timeToLive == 64 && header.protocol == .udp)
        #expect(header.source == IPv4Address(192, 168, 0, 1) && header.destination == IPv4Address(192, 168, 0, 199))
    }

    @Test func checksumIsValidUntilAnyHeaderBitFlips() throws {
        let header = try IPv4Header(IPv4View(packet.raw))
        let written = written(24) { header.write(into: &$0) }
        #expect(written[..<20] == packet[..<20])
        let sum = try IPv4View(written.raw).isChecksumValid
        #expect(sum)
        // The bits of the version and length are checked before the sum, the payload not at all.
        for bit in 32..<160 {
            let flipped = written.with(written[bit / 8] ^ (0x80 >> UInt8(bit % 8)), at: bit / 8)
            let isValid = try IPv4View(flipped.raw).isChecksumValid
            #expect(!isValid, "bit \(bit)")
        }
    }

    @Test func writtenHeaderReadsAsItself() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let options = random.number(0...10) * 4
            let payload = random.number(0...1_400)
            let fragmentation = try #require(
                IPv4Fragmentation(
                    offset: random.number(0...8_191) * 8, moreFragments: .random(using: &random),
                    dontFragment: .random(using: &random)))
            let header = try #require(
                IPv4Header(
                    source: random.address(), destination: random.address(),
                    protocol: IPProtocol(rawValue: random.number(0...255)), payloadByteCount: payload,
                    timeToLive: random.number(0...255), typeOfService: random.number(0...255),
                    identification: random.number(0...65_535), fragmentation: fragmentation, optionsByteCount: options))
            let padding = random.number(0...20)
            let bytes = written(header.byteCount + payload + padding) { header.write(into: &$0) }
            let view = try IPv4View(bytes.raw)
            let (read, isValid) = (IPv4Header(view), view.isChecksumValid)
            let (payloadCount, optionsCount) = (view.payload.byteCount, view.options.byteCount)
            let (offset, more, dont) = (view.fragmentOffset, view.moreFragments, view.dontFragment)
            #expect(read == header && isValid, "seed \(seed)")
            #expect(payloadCount == payload && optionsCount == options, "seed \(seed)")
            #expect(offset == fragmentation.offset && more == fragmentation.moreFragments, "seed \(seed)")
            #expect(dont == fragmentation.dontFragment, "seed \(seed)")
        }
    }

    @Test func everyTruncationIsNamed() {
        for count in 0..<20 { #expect(failure(Array(packet[..<count])) == .truncated) }
        for count in 20..<24 { #expect(failure(Array(packet[..<count])) == .totalLengthBeyondPacket) }
        #expect(failure(packet) == nil)
        let longHeader = packet.with(0x4F, at: 0) + [UInt8](repeating: 0, count: 36)
        for count in 20..<60 { #expect(failure(Array(longHeader[..<count])) == .truncated) }
    }

    @Test func contradictoryLengthsAndVersionsAreNamed() {
        #expect(failure(packet.with(0x65, at: 0)) == .version)
        #expect(failure(packet.with(0x44, at: 0)) == .headerLength)
        #expect(failure(packet.with(0x46, at: 0).with(23, at: 3)) == .totalLengthBelowHeader)
        #expect(failure(packet.with(19, at: 3)) == .totalLengthBelowHeader)
        #expect(failure(packet.with(25, at: 3)) == .totalLengthBeyondPacket)
        #expect(failure(packet.with(20, at: 3)) == nil)
    }

    @Test func quotedBeginningMayClaimMoreThanIsThere() throws {
        let view = try IPv4View(quoted: packet.with(0xFF, at: 2).raw)
        let (total, payload) = (view.totalLength, array(view.payload))
        #expect(total == 0xFF18 && payload == [1, 2, 3, 4])
    }

    @Test func slicesBehindTheFirstCountTowardsTheLength() throws {
        let bytes = packet.with(100, at: 3)
        let payloadCount = try IPv4View(bytes.raw, of: 100).payloadByteCount
        #expect(payloadCount == 80)
        #expect(
            thrown { () throws(IPv4Error) in _ = try IPv4View(bytes.raw, of: 99) } == .totalLengthBeyondPacket)
    }

    @Test func headerRefusesWhatItsFieldsCannotHold() {
        func header(payload: Int, options: Int = 0) -> IPv4Header? {
            IPv4Header(
                source: .any, destination: .any, protocol: .udp, payloadByteCount: payload, optionsByteCount: options)
        }
        #expect(header(payload: 65_515) != nil)
        #expect(header(payload: 65_516) == nil)
        #expect(header(payload: 65_475, options: 40) != nil)
        #expect(header(payload: 65_476, options: 40) == nil)
        #expect(header(payload: -1) == nil)
        #expect(header(payload: 0, options: 44) == nil)
        #expect(header(payload: 0, options: 3) == nil)
        #expect(header(payload: 0, options: -4) == nil)
        #expect(IPv4Fragmentation(offset: 65_528, moreFragments: false) != nil)
        #expect(IPv4Fragmentation(offset: 65_536, moreFragments: false) == nil)
        #expect(IPv4Fragmentation(offset: 4, moreFragments: false) == nil)
        #expect(IPv4Fragmentation(offset: -8, moreFragments: false) == nil)
    }
}
