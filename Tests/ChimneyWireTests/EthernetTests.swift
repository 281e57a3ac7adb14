import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct EthernetTests {
    private let frame: [UInt8] = [
        0x01, 0x00, 0x5E, 0x00, 0x00, 0x16, 0x02, 0x00, 0x00, 0x00, 0x00, 0x07, 0x08, 0x00, 0x45, 0xC0,
    ]

    @Test func fieldsStandWhereRFC894PutsThem() throws {
        let view = try EthernetView(frame.raw)
        let header = view.header
        #expect(header.destination == MACAddress(bits: 0x0100_5E00_0016))
        #expect(header.source == MACAddress(bits: 0x0200_0000_0007))
        #expect(header.etherType == .ipv4)
        let payload = array(view.payload)
        #expect(payload == [0x45, 0xC0])
    }

    @Test func writtenHeaderReadsAsItself() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let header = EthernetHeader(
                destination: random.mac(), source: random.mac(),
                etherType: EtherType(rawValue: random.number(0...65535)))
            let bytes = written(17) { header.write(into: &$0, at: 3) }
            let read = try EthernetView(bytes.raw.extracting(3..<17)).header
            #expect(read == header, "seed \(seed)")
            #expect(bytes[..<3] == [0xA5, 0xA5, 0xA5])
        }
    }

    @Test func everyTruncationIsNamed() {
        for count in 0..<14 {
            #expect(
                thrown { () throws(EthernetError) in _ = try EthernetView(frame.raw.extracting(0..<count)) }
                    == .truncated)
        }
        #expect(thrown { () throws(EthernetError) in _ = try EthernetView(frame.raw.extracting(0..<14)) } == nil)
    }

    @Test func numbersBelow0x600AreLengths() {
        #expect(EtherType(rawValue: 0x5FF).isLength)
        #expect(!EtherType(rawValue: 0x600).isLength)
    }
}
