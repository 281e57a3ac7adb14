import ChimneyPrimitives
import ChimneyWire

/// Which frames a capture takes: tests that must all hold, each of them possibly turned round by `not`.
struct CaptureFilter: Sendable, Equatable {
    /// One test.
    enum Test: Sendable, Equatable {
        case arp
        case ipv4
        case ipv6
        case ipProtocol(UInt8)
        case host(IPAddress)
        case net(IPPrefix)
        case port(UInt16)
    }

    /// A test and whether it must fail.
    struct Term: Sendable, Equatable {
        var test: Test
        var isTurned = false
    }

    /// Why words are no filter.
    enum Failure: Error, Equatable, CustomStringConvertible {
        case unknownWord(String)
        case valueMissing(String)
        case valueInvalid(word: String, value: String)
        case tooManyWords(max: Int)

        var description: String {
            switch self {
            case .unknownWord(let word):
                "\"\(word)\" is no word of a filter; there are arp, ip, ip6, icmp, icmp6, udp, tcp, proto, host, net, port and not"
            case .valueMissing(let word): "\"\(word)\" in a filter is followed by nothing"
            case .valueInvalid(let word, let value): "\"\(value)\" is not what \"\(word)\" in a filter is followed by"
            case .tooManyWords(let most): "a filter has at most \(most) words"
            }
        }
    }

    private(set) var terms: [Term] = []

    /// The most words of a filter; a longer one is refused.
    static var wordsMax: Int { 64 }

    /// The filter that these words are; none let everything pass.
    ///
    /// A single word with spaces counts as its parts.
    init(_ words: [String]) throws(Failure) {
        var words = words.flatMap { $0.split(separator: " ").map(String.init) }[...]
        guard words.count <= Self.wordsMax else { throw .tooManyWords(max: Self.wordsMax) }
        var isTurned = false
        while let word = words.popFirst() {
            switch word {
            case "and": continue
            case "not":
                guard !words.isEmpty else { throw .valueMissing(word) }
                isTurned.toggle()
                continue
            case "arp": add(.arp)
            case "ip": add(.ipv4)
            case "ip6": add(.ipv6)
            case "icmp": add(.ipProtocol(1))
            case "icmp6": add(.ipProtocol(58))
            case "tcp": add(.ipProtocol(6))
            case "udp": add(.ipProtocol(17))
            case "proto": add(.ipProtocol(try Self.value(of: word, &words) { UInt8($0) }))
            case "host": add(.host(try Self.value(of: word, &words) { IPAddress($0) }))
            case "net": add(.net(try Self.value(of: word, &words) { AddressText.prefix($0) }))
            case "port": add(.port(try Self.value(of: word, &words) { UInt16($0) }))
            default: throw .unknownWord(word)
            }
        }

        func add(_ test: Test) {
            terms.append(Term(test: test, isTurned: isTurned))
            isTurned = false
        }
    }

    private static func value<Value>(
        of word: String, _ words: inout ArraySlice<String>, _ read: (String) -> Value?
    ) throws(Failure) -> Value {
        guard let text = words.popFirst() else { throw .valueMissing(word) }
        guard let value = read(text) else { throw .valueInvalid(word: word, value: text) }
        return value
    }

    /// Whether a frame passes.
    ///
    /// Its first bytes suffice; what is cut off or malformed fails every test that needs it.
    func admits(_ frame: RawSpan, isEthernet: Bool) -> Bool {
        guard !terms.isEmpty else { return true }
        let facts = FrameFacts(frame, isEthernet: isEthernet)
        return terms.allSatisfy { facts.pass($0.test) != $0.isTurned }
    }
}

/// What a filter asks of a frame.
private struct FrameFacts {
    private var isARP = false
    private var isIPv4 = false
    private var isIPv6 = false
    private var ipProtocol: UInt8?
    private var addresses: (IPAddress, IPAddress)?
    private var ports: (UInt16, UInt16)?

    init(_ frame: RawSpan, isEthernet: Bool) {
        guard isEthernet else {
            readIP(frame)
            return
        }
        guard frame.byteCount >= 14 else { return }
        var etherType = frame.uint16(at: 12)
        var start = 14
        if etherType == 0x8100, frame.byteCount >= 18 {
            etherType = frame.uint16(at: 16)
            start = 18
        }
        let packet = frame.extracting(start..<frame.byteCount)
        switch etherType {
        case 0x0806:
            isARP = true
            guard packet.byteCount >= 28 else { return }
            addresses = (
                .v4(IPv4Address(bits: packet.uint32(at: 14))), .v4(IPv4Address(bits: packet.uint32(at: 24)))
            )
        case 0x0800, 0x86DD: readIP(packet)
        default: break
        }
    }

    private mutating func readIP(_ packet: RawSpan) {
        guard packet.byteCount >= 1 else { return }
        switch packet.uint8(at: 0) >> 4 {
        case 4: readIPv4(packet)
        case 6: readIPv6(packet)
        default: break
        }
    }

    private mutating func readIPv4(_ packet: RawSpan) {
        guard packet.byteCount >= 20 else { return }
        isIPv4 = true
        ipProtocol = packet.uint8(at: 9)
        addresses = (.v4(IPv4Address(bits: packet.uint32(at: 12))), .v4(IPv4Address(bits: packet.uint32(at: 16))))
        // Only the first fragment carries ports.
        if packet.uint16(at: 6) & 0x1FFF == 0 { readPorts(packet, at: Int(packet.uint8(at: 0) & 0xF) * 4) }
    }

    private mutating func readIPv6(_ packet: RawSpan) {
        guard let view = try? IPv6View(quoted: packet) else { return }
        isIPv6 = true
        addresses = (.v6(view.source), .v6(view.destination))
        var chain = IPv6ExtensionChain(view)
        do throws(IPv6ExtensionError) {
            while try chain.next() != nil {}
        } catch {
            // What stands behind a chain that nobody reads is nothing.
            return
        }
        ipProtocol = chain.upperLayer.rawValue
        if !chain.isLaterFragment { readPorts(packet, at: chain.offset) }
    }

    private mutating func readPorts(_ packet: RawSpan, at start: Int) {
        guard ipProtocol == 6 || ipProtocol == 17, packet.byteCount >= start + 4 else { return }
        ports = (packet.uint16(at: start), packet.uint16(at: start + 2))
    }

    func pass(_ test: CaptureFilter.Test) -> Bool {
        switch test {
        case .arp: isARP
        case .ipv4: isIPv4
        case .ipv6: isIPv6
        case .ipProtocol(let number): ipProtocol == number
        case .host(let host): addresses.map { $0.0 == host || $0.1 == host } ?? false
        case .net(let prefix): addresses.map { prefix.contains($0.0) || prefix.contains($0.1) } ?? false
        case .port(let port): ports.map { $0.0 == port || $0.1 == port } ?? false
        }
    }
}
