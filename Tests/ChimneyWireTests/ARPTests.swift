import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct ARPTests {
    /// 10.0.0.1 at 02:00:00:00:00:01 asks who has 10.0.0.2.
    private let request: [UInt8] = [
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ]

    private func message(_ bytes: [UInt8]) throws(ARPError) -> ARPMessage { try ARPView(bytes.raw).message }

    @Test func requestStandsAsRFC826DrawsIt() throws {
        let expected = ARPMessage(
            operation: .request, senderMAC: MACAddress(bits: 0x0200_0000_0001), sender: IPv4Address(10, 0, 0, 1),
            target: IPv4Address(10, 0, 0, 2))
        #expect(try message(request) == expected)
        #expect(written(28) { expected.write(into: &$0) } == request)
    }

    @Test func writtenMessageReadsAsItselfAndPaddingIsIgnored() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let sent = ARPMessage(
                operation: random.number(0...1) == 0 ? .request : .reply, senderMAC: random.mac(),
                sender: random.address(),
                targetMAC: random.mac(), target: random.address())
            let bytes = written(46) { sent.write(into: &$0) }
            #expect(try message(bytes) == sent, "seed \(seed)")
        }
    }

    @Test func everyTruncationIsNamed() {
        for count in 0..<28 {
            #expect(thrown { () throws(ARPError) in _ = try message(Array(request[..<count])) } == .truncated)
        }
    }

    @Test func otherLinksProtocolsLengthsAndOperationsAreNamed() {
        let bad: [(Int, UInt8, ARPError)] = [
            (1, 6, .hardwareType), (3, 1, .protocolType), (4, 8, .addressLengths), (5, 16, .addressLengths),
            (7, 0, .operation), (7, 3, .operation), (6, 1, .operation),
        ]
        for (offset, byte, error) in bad {
            #expect(
                thrown { () throws(ARPError) in _ = try message(request.with(byte, at: offset)) } == error,
                "byte \(offset)")
        }
    }

    @Test func probesAndAnnouncementsAreToldFromRequests() throws {
        var message = try message(request)
        #expect(!message.isProbe && !message.isAnnouncement)
        message.sender = .any
        #expect(message.isProbe && !message.isAnnouncement)
        message.sender = message.target
        #expect(!message.isProbe && message.isAnnouncement)
    }
}
