import ChimneyPrimitives
import Testing

@testable import ChimneyCommand

@Suite struct CaptureFilterTests {
    /// Ethernet, IPv4 from 10.7.0.1 to 10.7.0.2 and the first bytes of a transport.
    private func frame(ipProtocol: UInt8, ports: (UInt16, UInt16) = (4_000, 7), fragmentOffset: UInt16 = 0) -> [UInt8] {
        var bytes: [UInt8] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]
        bytes += [0x45, 0, 0, 28, 0, 0, UInt8(fragmentOffset >> 8), UInt8(fragmentOffset & 0xFF), 64, ipProtocol, 0, 0]
        bytes += [10, 7, 0, 1, 10, 7, 0, 2]
        bytes += [UInt8(ports.0 >> 8), UInt8(ports.0 & 0xFF), UInt8(ports.1 >> 8), UInt8(ports.1 & 0xFF)]
        return bytes + [0, 8, 0, 0]
    }

    private var arp: [UInt8] {
        [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 7, 0, 1]
            + [0, 0, 0, 0, 0, 0, 10, 7, 0, 2]
    }

    private func admits(_ words: String, _ frame: [UInt8], isEthernet: Bool = true) throws -> Bool {
        try unsafe CaptureFilter([words]).admits(frame.span.bytes, isEthernet: isEthernet)
    }

    @Test func eachTestTakesItsFramesAndLeavesTheOthers() throws {
        let udp = frame(ipProtocol: 17)
        let icmp = frame(ipProtocol: 1)
        for (words, takesUDP, takesICMP, takesARP) in [
            ("", true, true, true), ("udp", true, false, false), ("icmp", false, true, false),
            ("arp", false, false, true), ("ip", true, true, false), ("proto 17", true, false, false),
            ("host 10.7.0.1", true, true, true), ("host 10.7.0.3", false, false, false),
            ("net 10.7.0.0/16", true, true, true), ("net 10.8.0.0/16", false, false, false),
            ("port 7", true, false, false), ("port 4000", true, false, false), ("port 8", false, false, false),
            ("udp and port 7", true, false, false), ("not udp", false, true, true),
            ("not udp not arp", false, true, false), ("not not udp", true, false, false),
        ] {
            #expect(try admits(words, udp) == takesUDP, "\(words) of UDP")
            #expect(try admits(words, icmp) == takesICMP, "\(words) of ICMP")
            #expect(try admits(words, arp) == takesARP, "\(words) of ARP")
        }
    }

    @Test func laterFragmentHasNoPorts() throws {
        #expect(try !admits("port 7", frame(ipProtocol: 17, fragmentOffset: 185)))
        #expect(try admits("udp", frame(ipProtocol: 17, fragmentOffset: 185)))
    }

    @Test func framesOfAnIPInterfaceBeginWithTheirIPHeader() throws {
        #expect(try admits("udp port 7", Array(frame(ipProtocol: 17).dropFirst(14)), isEthernet: false))
    }

    @Test func frameCutOffAnywhereIsReadWithoutHarm() throws {
        for whole in [frame(ipProtocol: 17), arp] {
            for length in 0...whole.count {
                let cut = Array(whole.prefix(length))
                #expect(try !admits("host 9.9.9.9", cut))
                #expect(try admits("not port 9", cut))
            }
        }
    }

    @Test func wordsThatAreNoFilterAreNamed() {
        #expect(throws: CaptureFilter.Failure.unknownWord("green")) { try CaptureFilter(["green"]) }
        #expect(throws: CaptureFilter.Failure.valueMissing("port")) { try CaptureFilter(["udp", "port"]) }
        #expect(throws: CaptureFilter.Failure.valueMissing("not")) { try CaptureFilter(["not"]) }
        #expect(throws: CaptureFilter.Failure.valueInvalid(word: "host", value: "me")) {
            try CaptureFilter(["host me"])
        }
        #expect(throws: CaptureFilter.Failure.valueInvalid(word: "port", value: "70000")) {
            try CaptureFilter(["port", "70000"])
        }
        let many = [String](repeating: "udp", count: CaptureFilter.wordsMax + 1)
        #expect(throws: CaptureFilter.Failure.tooManyWords(max: 64)) { try CaptureFilter(many) }
        #expect(throws: Never.self) { try CaptureFilter(Array(many.dropLast())) }
    }
}
