import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct ICMPv6Tests {
    private let source = IPv6Address(high: 0xFE80 << 48, low: 1)
    private let destination = IPv6Address(high: 0x2001_0DB8 << 32, low: 2)

    /// What a message says, told in short.
    private func told(_ bytes: [UInt8]) throws(ICMPv6Error) -> String {
        switch try ICMPv6View(bytes.raw).content() {
        case .destinationUnreachable(let code, let quote): "unreachable \(code) \(told(quote))"
        case .packetTooBig(let mtu, let quote): "too big \(mtu) \(told(quote))"
        case .timeExceeded(let code, let quote): "exceeded \(code) \(told(quote))"
        case .parameterProblem(let code, let pointer, let quote): "parameter \(code) \(pointer) \(told(quote))"
        case .otherError(let type, let quote): "error \(type) \(told(quote))"
        case .echoRequest(let query, let data): "echo \(query.identifier) \(query.sequence) \(array(data))"
        case .echoReply(let query, let data): "reply \(query.identifier) \(query.sequence) \(array(data))"
        case .multicastListener(let type, let body): "\(type) \(body.byteCount)"
        case .routerSolicitation: "routers?"
        case .routerAdvertisement: "router"
        case .neighborSolicitation: "neighbour?"
        case .neighborAdvertisement: "neighbour"
        case .redirect: "redirect"
        }
    }

    private func told(_ quote: ICMPQuoteView) -> String {
        guard var extensions = quote.extensions else { return "\(quote.packet.byteCount)" }
        var text = "\(quote.packet.byteCount)"
        while let object = extensions.next() {
            text += " + \(object.classNumber).\(object.classType) \(array(object.payload))"
        }
        return text
    }

    private func failure(_ bytes: [UInt8]) -> ICMPv6Error? {
        thrown { () throws(ICMPv6Error) in _ = try told(bytes) }
    }

    private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    @Test func everyTypeIsReadAndNoneFromFewerBytesThanItHas() throws {
        let cases: [(bytes: [UInt8], String, least: Int)] = [
            ([1, 4, 0, 0, 0, 0, 0, 0, 0x60], "unreachable port 1", 8),
            ([2, 9, 0, 0, 0, 0, 5, 0, 0x60], "too big 1280 1", 8),
            ([3, 1, 0, 0, 0, 0, 0, 0, 0x60], "exceeded reassembly 1", 8),
            ([4, 1, 0, 0, 0, 0, 0, 40, 0x60], "parameter nextHeader 40 1", 8),
            ([128, 0, 0, 0, 0, 1, 0, 2, 9], "echo 1 2 [9]", 8), ([129, 0, 0, 0, 0, 1, 0, 2], "reply 1 2 []", 8),
            ([130] + zeros(23), "multicastListenerQuery 16", 8), ([131] + zeros(23), "multicastListenerReport 16", 8),
            ([132] + zeros(23), "multicastListenerDone 16", 8), ([143] + zeros(7), "multicastListenerReport2 0", 8),
            ([133] + zeros(7), "routers?", 8), ([134] + zeros(15), "router", 16), ([135] + zeros(23), "neighbour?", 24),
            ([136] + zeros(23), "neighbour", 24), ([137] + zeros(39), "redirect", 40),
        ]
        for (bytes, text, least) in cases {
            #expect(try told(bytes) == text)
            for count in 0..<least { #expect(failure(Array(bytes[..<count])) == .truncated, "\(text) at \(count)") }
        }
        #expect(Set(cases.map { $0.bytes[0] }) == Set(ICMPv6Type.allCases.map(\.rawValue)))
    }

    @Test func everyCodeIsReadAndOthersAreNamed() {
        let codes: [(UInt8, Int, bytes: Int)] = [
            (1, 9, 8), (2, 256, 8), (3, 2, 8), (4, 11, 8), (133, 1, 8), (134, 1, 16), (135, 1, 24), (136, 1, 24),
            (137, 1, 40),
        ]
        for (type, count, byteCount) in codes {
            for code in 0...255 {
                let found = failure([type, UInt8(code)] + zeros(byteCount - 2))
                #expect(found == (code < count ? nil : .unknownCode), "\(type) \(code)")
            }
        }
    }

    @Test func unknownErrorsAreQuotedAndUnknownInformationIsRefused() throws {
        let known = Set(ICMPv6Type.allCases.map(\.rawValue))
        for type in UInt8.min...255 where !known.contains(type) {
            let bytes = [type] + zeros(9)
            if type < 128 {
                #expect(try told(bytes) == "error \(type) 2")
            } else {
                #expect(failure(bytes) == .unknownType)
            }
            #expect(try ICMPv6View(bytes.raw).isError == (type < 128))
        }
        #expect(ICMPv6Type.allCases.filter(\.isError).map(\.rawValue) == [1, 2, 3, 4])
        #expect(ICMPv6Type.allCases.filter(\.isNeighborDiscovery).map(\.rawValue) == [133, 134, 135, 136, 137])
    }

    @Test func writtenMessagesReadAsThemselvesWithAValidChecksum() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let query = ICMPQuery(identifier: random.number(0...65_535), sequence: random.number(0...65_535))
            let (from, to) = (random.address6(), random.address6())
            let number = random.number(0...UInt32.max)
            let payload = random.bytes(random.number(0...60))
            let count = payload.count
            let cases: [(ICMPv6Message, String)] = [
                (.echoRequest(query), "echo \(query.identifier) \(query.sequence) \(payload)"),
                (.echoReply(query), "reply \(query.identifier) \(query.sequence) \(payload)"),
                (.destinationUnreachable(.noRoute), "unreachable noRoute \(count)"),
                (.packetTooBig(mtu: number), "too big \(number) \(count)"),
                (.timeExceeded(.inTransit), "exceeded inTransit \(count)"),
                (.parameterProblem(.option, pointer: number), "parameter option \(number) \(count)"),
            ]
            for (message, text) in cases {
                let bytes = changing([UInt8](repeating: 0xEE, count: 8) + payload) {
                    message.write(into: &$0, source: from, destination: to, payloadByteCount: count)
                }
                func isValid(_ bytes: [UInt8], _ from: IPv6Address, _ to: IPv6Address) throws -> Bool {
                    try ICMPv6View(bytes.raw).isChecksumValid(from: from, to: to)
                }
                #expect(try told(bytes) == text, "seed \(seed)")
                #expect(try isValid(bytes, from, to), "seed \(seed)")
                #expect(try isValid(bytes, to, from), "sources and destinations sum alike")
                #expect(try !isValid(bytes, from, IPv6Address(high: to.high, low: to.low ^ 1)), "seed \(seed)")
                let place = Int(seed &* 0x9E37_79B9 % UInt64(bytes.count))
                #expect(try !isValid(bytes.with(bytes[place] ^ 1, at: place), from, to), "seed \(seed)")
            }
        }
    }

    @Test func dataElsewhereIsCountedBySumAndLength() throws {
        let message = ICMPv6Message.echoReply(ICMPQuery(identifier: 1, sequence: 2))
        let data: [UInt8] = [1, 2, 3, 4, 5]
        let whole = changing(zeros(8) + data) {
            message.write(into: &$0, source: source, destination: destination, payloadByteCount: 5)
        }
        let header = written(8) {
            message.write(
                into: &$0, source: source, destination: destination, elsewhereByteCount: 5,
                elsewhereSum: InternetChecksum.sum(data.raw))
        }
        #expect(header == Array(whole[..<8]))
    }

    @Test func echoIsAnsweredInPlaceWithAValidChecksum() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let query = ICMPQuery(identifier: random.number(0...65_535), sequence: random.number(0...65_535))
            let (asker, asked) = (random.address6(), random.address6())
            let own = seed % 2 == 0 ? asked : random.address6()
            let payload = random.bytes(random.number(0...60))
            let question = changing(zeros(8) + payload) {
                ICMPv6Message.echoRequest(query).write(
                    into: &$0, source: asker, destination: asked, payloadByteCount: payload.count)
            }
            let answer = changing(question) { ICMPv6Message.answerEcho(in: &$0, asked: asked, answering: own) }
            let isValid = try ICMPv6View(answer.raw).isChecksumValid(from: own, to: asker)
            #expect(isValid, "seed \(seed)")
            #expect(try told(answer) == "reply \(query.identifier) \(query.sequence) \(payload)", "seed \(seed)")
        }
    }

    @Test func extensionsAreReadBehindTheQuoteThatTheLengthFieldCounts() throws {
        let quote = [UInt8](repeating: 0x60, count: 128)
        let objects: [UInt8] = [0x20, 0, 0, 0, 0, 8, 2, 1, 0, 1, 1, 0x23]
        func message(_ type: UInt8, words: UInt8) -> [UInt8] { [type, 0, 0, 0, words, 0, 0, 0] + quote + objects }
        #expect(try told(message(1, words: 16)) == "unreachable noRoute 128 + 2.1 [0, 1, 1, 35]")
        #expect(try told(message(3, words: 16)) == "exceeded inTransit 128 + 2.1 [0, 1, 1, 35]")
        // Without a length, with one beyond the message or below the least quote, all of it is the quote.
        for words: UInt8 in [0, 255, 15] {
            #expect(try told(message(3, words: words)) == "exceeded inTransit 140")
        }
        #expect(try told(message(2, words: 16)) == "too big \(16 << 24) 140")
    }
}
