import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import ChimneyWire
import Testing

/// What segments are signed with in tests.
enum Signing {
    static let word = Array("a secret that two hosts share".utf8)

    static var key: TCPSignatureKey {
        get throws { try TCPSignatureKey(word) }
    }

    /// The digest of a segment as RFC 2385 §2.0 words it, made from its bytes and nothing else.
    static func digest(_ segment: [UInt8], from source: IPAddress, to destination: IPAddress, _ key: [UInt8]) -> [UInt8]
    {
        let count = segment.count
        let pseudo =
            source.isIPv4
            ? [0, 6] + Handmade.be(UInt16(count)) : Handmade.be(UInt32(count)) + Handmade.be(UInt32(6))
        var header = Array(segment.prefix(20))
        header.replaceSubrange(16..<18, with: [0, 0])
        let data = segment.dropFirst(Int(segment[12] >> 4) * 4)
        return PlainMD5.digest(source.bytes + destination.bytes + pseudo + header + data + key)
    }

    /// The digest among options, where there is one.
    static func told(_ options: [UInt8]) -> [UInt8]? {
        var rest = options[...]
        while let kind = rest.first, kind != 0 {
            let length = kind == 1 ? 1 : Int(rest[rest.startIndex + 1])
            if kind == 19 { return Array(rest.dropFirst(2).prefix(16)) }
            rest = rest.dropFirst(length)
        }
        return nil
    }

    /// The kinds of options there are, padding left out.
    static func kinds(_ options: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var rest = options[...]
        while let kind = rest.first, kind != 0 {
            if kind != 1 { result.append(kind) }
            rest = rest.dropFirst(kind == 1 ? 1 : Int(rest[rest.startIndex + 1]))
        }
        return result
    }
}

extension Seen {
    /// Whether the segment has a signature that is right.
    func isSigned(with key: [UInt8] = Signing.word) -> Bool {
        Signing.told(segment.options) == Signing.digest(payload, from: source, to: destination, key)
    }
}

extension Handmade {
    /// The same packet, its segment signed: 20 bytes of options in front of those it has.
    static func signedTCP(_ family: Family, _ segment: HandSegment, key: [UInt8] = Signing.word) -> Handmade {
        var segment = segment
        segment.options = [1, 1, 19, 18] + Array(repeating: 0, count: 16) + segment.options
        let packet = tcp(family, segment)
        let digest = Signing.digest(segment.bytes, from: packet.source, to: packet.destination, key)
        segment.options.replaceSubrange(4..<20, with: digest)
        return tcp(family, segment)
    }
}

extension VirtualStack {
    /// Signs what goes to some peers.
    mutating func sign(
        _ peers: IPPrefix, with key: [UInt8] = Signing.word, at now: Instant = .zero
    ) throws {
        setSegmentSigner(PlainSigner(), at: now)
        try setSignatureKey(try TCPSignatureKey(key), for: peers, at: now)
    }

    /// Gives peers a key where something signs already.
    mutating func add(_ key: [UInt8], for peers: String, at now: Instant = .zero) throws {
        try setSignatureKey(try TCPSignatureKey(key), for: try #require(IPPrefix(peers)), at: now)
    }
}

extension Segment {
    /// Both stacks sign what they say to each other.
    func signBoth() throws {
        try left.sign(.host(family.right), at: now)
        try right.sign(.host(family.left), at: now)
    }

    /// Carries frames both ways until none is left, and has all segments of TCP looked at on the way.
    func pump(_ look: (Seen) -> Void) {
        for _ in 0..<1_000 {
            let toRight = interceptLeft()
            let toLeft = interceptRight()
            if toRight.isEmpty, toLeft.isEmpty { return }
            for seen in toRight + toLeft where seen.ipProtocol == 6 { look(seen) }
            for seen in toRight { giveRight(seen.link + seen.bytes) }
            for seen in toLeft { giveLeft(seen.link + seen.bytes) }
        }
        Issue.record("the link is not quiet after a thousand rounds")
    }
}
