import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct VLANTagTests {
    /// Priority 3, VLAN 100, IPv4 behind it.
    private let bytes: [UInt8] = [0x60, 0x64, 0x08, 0x00, 0x45]

    @Test func tagStandsAsIEEE8021QDrawsIt() throws {
        let view = try VLANTagView(bytes.raw)
        let (tag, payload) = (view.tag, array(view.payload))
        #expect(tag == VLANTag(identifier: 100, priority: 3, etherType: .ipv4))
        #expect(payload == [0x45])
    }

    @Test func writtenTagReadsAsItself() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let tag = try #require(
                VLANTag(
                    identifier: random.number(0...4_094), priority: random.number(0...7),
                    isDropEligible: .random(using: &random), etherType: EtherType(rawValue: random.number(0...65_535))))
            let written = written(4) { tag.write(into: &$0) }
            let read = try VLANTagView(written.raw).tag
            #expect(read == tag, "seed \(seed)")
        }
    }

    @Test func tagsOfTwoVLANsAreReadOneBehindTheOther() throws {
        let frame =
            written(14) {
                EthernetHeader(destination: .broadcast, source: .zero, etherType: .serviceVLAN).write(into: &$0)
            } + [0x00, 0x02, 0x81, 0x00] + bytes
        let ethernet = try EthernetView(frame.raw)
        let outer = try VLANTagView(ethernet.payload)
        let inner = try VLANTagView(outer.payload)
        let (type, tags) = (ethernet.etherType, [outer.tag.identifier, inner.tag.identifier])
        let (next, last) = (outer.etherType, inner.etherType)
        #expect(type.isTag && next.isTag && !last.isTag)
        #expect(tags == [2, 100])
    }

    @Test func truncationsAndTheReservedIdentifierAreNamed() {
        for count in 0..<4 {
            #expect(thrown { () throws(VLANError) in _ = try VLANTagView(Array(bytes[..<count]).raw) } == .truncated)
        }
        #expect(
            thrown { () throws(VLANError) in _ = try VLANTagView([0x0F, 0xFF, 8, 0].raw) } == .reservedIdentifier)
        #expect(VLANTag(identifier: 4_095, etherType: .ipv4) == nil)
        #expect(VLANTag(identifier: 1, priority: 8, etherType: .ipv4) == nil)
    }
}
