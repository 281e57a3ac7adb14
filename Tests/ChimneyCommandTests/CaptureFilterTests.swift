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

    /// Ethernet, IPv6 from 2001:db8::1 to fe80::2, extension headers and the first bytes of a transport.
    private func frame6(
        nextHeader: UInt8, extensions: [UInt8] = [], ports: (UInt16, UInt16) = (4_000, 7)
    ) -> [UInt8] {
        var bytes: [UInt8] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xDD]
        bytes += [0x60, 0, 0, 0, 0, UInt8(extensions.count + 8), nextHeader, 64]
        bytes += [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        bytes += [0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]
        bytes += extensions
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
        let frames = [
            ("UDP", frame(ipProtocol: 17)), ("ICMP", frame(ipProtocol: 1)), ("ARP", arp),
            ("UDP over IPv6", frame6(nextHeader: 17)), ("ICMPv6", frame6(nextHeader: 58)),
        ]
        for (words, taken) in [
            ("", ["UDP", "ICMP", "ARP", "UDP over IPv6", "ICMPv6"]), ("udp", ["UDP", "UDP over IPv6"]),
            ("icmp", ["ICMP"]), ("icmp6", ["ICMPv6"]), ("arp", ["ARP"]), ("ip", ["UDP", "ICMP"]),
            ("ip6", ["UDP over IPv6", "ICMPv6"]), ("proto 17", ["UDP", "UDP over IPv6"]),
            ("host 10.7.0.1", ["UDP", "ICMP", "ARP"]), ("host 10.7.0.3", []),
            ("host 2001:db8::1", ["UDP over IPv6", "ICMPv6"]), ("host FE80:0::2", ["UDP over IPv6", "ICMPv6"]),
            ("host fe80::1", []), ("net 10.7.0.0/16", ["UDP", "ICMP", "ARP"]), ("net 10.8.0.0/16", []),
            ("net 2001:db8::/32", ["UDP over IPv6", "ICMPv6"]), ("net 2001:db9::/32", []),
            ("net ::/0", ["UDP over IPv6", "ICMPv6"]), ("net 0.0.0.0/0", ["UDP", "ICMP", "ARP"]),
            ("port 7", ["UDP", "UDP over IPv6"]), ("port 4000", ["UDP", "UDP over IPv6"]), ("port 8", []),
            ("udp and port 7 ip6", ["UDP over IPv6"]), ("not udp", ["ICMP", "ARP", "ICMPv6"]),
            ("not udp not arp not ip6", ["ICMP"]), ("not not udp", ["UDP", "UDP over IPv6"]),
        ] {
            for (name, bytes) in frames {
                #expect(try admits(words, bytes) == taken.contains(name), "\(words) of \(name)")
            }
        }
    }

    @Test func laterFragmentHasNoPorts() throws {
        let later: [UInt8] = [17, 0, 1, 0, 0, 0, 0, 1]
        for fragment in [
            frame(ipProtocol: 17, fragmentOffset: 185), frame6(nextHeader: 44, extensions: later),
        ] {
            #expect(try !admits("port 7", fragment))
            #expect(try admits("udp", fragment))
        }
    }

    @Test func transportBehindExtensionHeadersIsFound() throws {
        let hopByHop: [UInt8] = [60, 0, 1, 4, 0, 0, 0, 0]
        let destination: [UInt8] = [44, 0, 1, 4, 0, 0, 0, 0]
        let firstFragment: [UInt8] = [17, 0, 0, 1, 0, 0, 0, 1]
        let whole = frame6(nextHeader: 0, extensions: hopByHop + destination + firstFragment)
        #expect(try admits("udp port 7", whole))
        #expect(try !admits("proto 0", whole))
        var endless: [UInt8] = []
        for _ in 0..<20 { endless += [60, 0, 1, 4, 0, 0, 0, 0] }
        let bomb = frame6(nextHeader: 60, extensions: endless)
        #expect(try !admits("udp", bomb) && !admits("proto 60", bomb) && admits("ip6", bomb))
    }

    @Test func framesOfAnIPInterfaceBeginWithTheirIPHeader() throws {
        for whole in [frame(ipProtocol: 17), frame6(nextHeader: 17)] {
            #expect(try admits("udp port 7", Array(whole.dropFirst(14)), isEthernet: false))
        }
    }

    @Test func frameCutOffAnywhereIsReadWithoutHarm() throws {
        let extended = frame6(nextHeader: 0, extensions: [17, 0, 1, 4, 0, 0, 0, 0])
        for whole in [frame(ipProtocol: 17), arp, frame6(nextHeader: 17), extended] {
            for length in 0...whole.count {
                let cut = Array(whole.prefix(length))
                #expect(try !admits("host 9.9.9.9", cut))
                #expect(try !admits("host 2001:db8::9", cut))
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
