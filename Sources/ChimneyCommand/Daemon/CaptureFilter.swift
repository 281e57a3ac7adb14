import ChimneyPrimitives
import ChimneyWire

/// Which frames a capture takes: tests that must all hold, each of them possibly turned round by `not`.
struct CaptureFilter: Sendable, Equatable {
    /// One test.
    enum Test: Sendable, Equatable {
        case arp
        case ip
        case ipProtocol(UInt8)
        case host(IPv4Address)
        case net(IPv4Prefix)
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
                "\"\(word)\" is no word of a filter; there are arp, ip, icmp, udp, tcp, proto, host, net, port and not"
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
            case "ip": add(.ip)
            case "icmp": add(.ipProtocol(1))
            case "tcp": add(.ipProtocol(6))
            case "udp": add(.ipProtocol(17))
            case "proto": add(.ipProtocol(try Self.value(of: word, &words) { UInt8($0) }))
            case "host": add(.host(try Self.value(of: word, &words) { IPv4Address($0) }))
            case "net":
                add(.net(try Self.value(of: word, &words) { AddressText.prefix($0).flatMap { IPv4Prefix($0) } }))
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
    private var isIP = false
    private var ipProtocol: UInt8?
    private var addresses: (IPv4Address, IPv4Address)?
    private var ports: (UInt16, UInt16)?

    init(_ frame: RawSpan, isEthernet: Bool) {
        var start = 0
        var etherType: UInt16 = 0x0800
        if isEthernet {
            guard frame.byteCount >= 14 else { return }
            etherType = frame.uint16(at: 12)
            start = 14
            if etherType == 0x8100, frame.byteCount >= 18 {
                etherType = frame.uint16(at: 16)
                start = 18
            }
        }
        switch etherType {
        case 0x0806:
            isARP = true
            guard frame.byteCount >= start + 28 else { return }
            addresses = (
                IPv4Address(bits: frame.uint32(at: start + 14)), IPv4Address(bits: frame.uint32(at: start + 24))
            )
        case 0x0800: readIPv4(frame, at: start)
        default: break
        }
    }

    private mutating func readIPv4(_ frame: RawSpan, at start: Int) {
        guard frame.byteCount >= start + 20, frame.uint8(at: start) >> 4 == 4 else { return }
        isIP = true
        ipProtocol = frame.uint8(at: start + 9)
        addresses = (IPv4Address(bits: frame.uint32(at: start + 12)), IPv4Address(bits: frame.uint32(at: start + 16)))
        let transport = start + Int(frame.uint8(at: start) & 0xF) * 4
        // Only the first fragment carries ports.
        guard ipProtocol == 6 || ipProtocol == 17, frame.uint16(at: start + 6) & 0x1FFF == 0,
            frame.byteCount >= transport + 4
        else { return }
        ports = (frame.uint16(at: transport), frame.uint16(at: transport + 2))
    }

    func pass(_ test: CaptureFilter.Test) -> Bool {
        switch test {
        case .arp: isARP
        case .ip: isIP
        case .ipProtocol(let number): ipProtocol == number
        case .host(let host): addresses.map { $0.0 == host || $0.1 == host } ?? false
        case .net(let prefix): addresses.map { prefix.contains($0.0) || prefix.contains($0.1) } ?? false
        case .port(let port): ports.map { $0.0 == port || $0.1 == port } ?? false
        }
    }
}
