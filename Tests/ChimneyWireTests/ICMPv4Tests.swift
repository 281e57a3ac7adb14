import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct ICMPv4Tests {
    /// What a message says, told in short.
    private func told(_ bytes: [UInt8]) throws(ICMPv4Error) -> String {
        switch try ICMPv4View(bytes.raw).content() {
        case .echoRequest(let query, let data): "echo \(query.identifier) \(query.sequence) \(array(data))"
        case .echoReply(let query, let data): "reply \(query.identifier) \(query.sequence) \(array(data))"
        case .destinationUnreachable(let code, let mtu, let quote): "unreachable \(code) \(mtu) \(told(quote))"
        case .sourceQuench(let quote): "quench \(told(quote))"
        case .redirect(let code, let gateway, let quote): "redirect \(code) \(gateway.bits) \(told(quote))"
        case .timeExceeded(let code, let quote): "exceeded \(code) \(told(quote))"
        case .parameterProblem(let code, let pointer, let quote): "parameter \(code) \(pointer) \(told(quote))"
        case .routerAdvertisement(let view):
            "routers \(view.lifetimeSeconds) \(view.routesCommonTraffic) "
                + (0..<view.count).map { "\(view[$0].address.bits)/\(view[$0].preference)" }.joined(separator: ",")
        case .routerSolicitation: "solicitation"
        case .timestampRequest(let query, let times):
            "time? \(query.sequence) \(times.originate) \(times.receive) \(times.transmit)"
        case .timestampReply(let query, let times):
            "time \(query.sequence) \(times.originate) \(times.receive) \(times.transmit)"
        case .informationRequest(let query): "information? \(query.sequence)"
        case .informationReply(let query): "information \(query.sequence)"
        case .addressMaskRequest(let query, let mask): "mask? \(query.sequence) \(mask.bits)"
        case .addressMaskReply(let query, let mask): "mask \(query.sequence) \(mask.bits)"
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

    private func failure(_ bytes: [UInt8]) -> ICMPv4Error? {
        thrown { () throws(ICMPv4Error) in _ = try told(bytes) }
    }

    @Test func everyTypeIsRead() throws {
        let cases: [([UInt8], String)] = [
            ([8, 0, 0, 0, 0, 1, 0, 2, 9], "echo 1 2 [9]"), ([0, 0, 0, 0, 0, 1, 0, 2], "reply 1 2 []"),
            ([3, 1, 0, 0, 0, 0, 5, 220, 69], "unreachable host 0 1"),
            ([3, 4, 0, 0, 0, 0, 5, 220, 69], "unreachable fragmentationNeeded 1500 1"),
            ([4, 0, 0, 0, 0, 0, 0, 0, 69], "quench 1"), ([5, 1, 0, 0, 0, 0, 1, 2, 69], "redirect host 258 1"),
            ([11, 1, 0, 0, 0, 0, 0, 0, 69], "exceeded reassembly 1"),
            ([12, 0, 0, 0, 20, 0, 0, 0, 69], "parameter pointer 20 1"),
            ([9, 0, 0, 0, 1, 2, 7, 8, 0, 0, 0, 1, 255, 255, 255, 255], "routers 1800 true 1/-1"),
            ([9, 16, 0, 0, 1, 2, 7, 8, 0, 0, 0, 1, 128, 0, 0, 0], "routers 1800 false 1/-2147483648"),
            (
                [9, 0, 0, 0, 2, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0, 5, 9, 9, 9, 9, 0, 0, 0, 2, 0, 0, 0, 6, 9, 9, 9, 9],
                "routers 1 true 1/5,2/6"
            ),
            ([10, 0, 0, 0, 0, 0, 0, 0], "solicitation"),
            ([13, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5], "time? 2 3 4 5"),
            ([14, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5], "time 2 3 4 5"),
            ([15, 0, 0, 0, 0, 1, 0, 2], "information? 2"), ([16, 0, 0, 0, 0, 1, 0, 2], "information 2"),
            ([17, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0], "mask? 2 0"),
            ([18, 0, 0, 0, 0, 1, 0, 2, 255, 255, 255, 0], "mask 2 4294967040"),
        ]
        for (bytes, text) in cases {
            #expect(try told(bytes) == text)
            let least =
                switch bytes[0] {
                case 13, 14: 20
                case 17, 18: 12
                case 9: bytes.count
                default: 8
                }
            for count in 0..<least { #expect(failure(Array(bytes[..<count])) == .truncated, "\(text) at \(count)") }
        }
        #expect(Set(cases.map { $0.0[0] }) == Set(ICMPv4Type.allCases.map(\.rawValue)))
    }

    @Test func everyCodeIsReadAndOthersAreNamed() {
        let codes: [(UInt8, Int)] = [(3, 16), (5, 4), (11, 2), (12, 3)]
        for (type, count) in codes {
            for code in 0...255 {
                let found = failure([type, UInt8(code), 0, 0, 0, 0, 0, 0])
                #expect(found == (code < count ? nil : .unknownCode), "\(type) \(code)")
            }
        }
        let known = Set(ICMPv4Type.allCases.map(\.rawValue))
        for type in UInt8.min...255 where !known.contains(type) {
            #expect(failure([type, 0, 0, 0, 0, 0, 0, 0]) == .unknownType)
        }
        #expect(failure([9, 1, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) == .unknownCode)
        #expect(failure([9, 0, 0, 0, 0, 2, 0, 0]) == .routerAddresses)
        #expect(failure([9, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]) == .routerAddresses)
    }

    @Test func errorsAreToldFromQuestions() {
        #expect(ICMPv4Type.allCases.filter(\.isError).map(\.rawValue) == [3, 4, 5, 11, 12])
    }

    @Test func writtenMessagesReadAsThemselvesWithAValidChecksum() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let query = ICMPv4Query(identifier: random.number(0...65_535), sequence: random.number(0...65_535))
            let times = ICMPv4Timestamps(originate: 1, receive: random.number(0...UInt32.max), transmit: 3)
            let (address, mtu) = (random.address(), random.number(UInt16(0)...65_535))
            let payload = random.bytes(random.number(0...60))
            let (ip, n) = (query, payload)
            let sequence = ip.sequence
            let cases: [(ICMPv4Message, String)] = [
                (.echoRequest(query), "echo \(ip.identifier) \(sequence) \(n)"),
                (.echoReply(query), "reply \(ip.identifier) \(sequence) \(n)"),
                (.destinationUnreachable(.port, nextHopMTU: mtu), "unreachable port 0 \(n.count)"),
                (
                    .destinationUnreachable(.fragmentationNeeded, nextHopMTU: mtu),
                    "unreachable fragmentationNeeded \(mtu) \(n.count)"
                ),
                (.redirect(.host, gateway: address), "redirect host \(address.bits) \(n.count)"),
                (.timeExceeded(.inTransit), "exceeded inTransit \(n.count)"),
                (.parameterProblem(.pointer, pointer: 21), "parameter pointer 21 \(n.count)"),
                (.parameterProblem(.badLength, pointer: 21), "parameter badLength 0 \(n.count)"),
                (.routerSolicitation, "solicitation"),
                (.timestampRequest(query, times), "time? \(sequence) 1 \(times.receive) 3"),
                (.timestampReply(query, times), "time \(sequence) 1 \(times.receive) 3"),
                (.addressMaskRequest(query), "mask? \(sequence) 0"),
                (.addressMaskReply(query, mask: address), "mask \(sequence) \(address.bits)"),
            ]
            for (message, text) in cases {
                let bytes = changing([UInt8](repeating: 0xEE, count: message.byteCount) + payload) { span in
                    message.write(into: &span, payloadByteCount: payload.count)
                }
                let isValid = try ICMPv4View(bytes.raw).isChecksumValid
                #expect(try told(bytes) == text, "seed \(seed)")
                #expect(isValid, "seed \(seed)")
                let flipped = bytes.with(bytes[seed.hashed % bytes.count] ^ 1, at: seed.hashed % bytes.count)
                let isStillValid = try ICMPv4View(flipped.raw).isChecksumValid
                #expect(!isStillValid, "seed \(seed)")
            }
        }
    }

    @Test func dataElsewhereIsCountedBySum() throws {
        let message = ICMPv4Message.echoReply(ICMPv4Query(identifier: 1, sequence: 2))
        let data: [UInt8] = [1, 2, 3, 4, 5]
        let whole = changing([UInt8](repeating: 0, count: 8) + data) { message.write(into: &$0, payloadByteCount: 5) }
        let header = written(8) { message.write(into: &$0, payloadSum: InternetChecksum.sum(data.raw)) }
        #expect(header == Array(whole[..<8]))
    }

    @Test func echoIsAnsweredInPlaceWithAValidChecksum() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let message = ICMPv4Message.echoRequest(
                ICMPv4Query(identifier: random.number(0...65_535), sequence: random.number(0...65_535)))
            let payload = random.bytes(random.number(0...60))
            let asked = changing([UInt8](repeating: 0, count: 8) + payload) {
                message.write(into: &$0, payloadByteCount: payload.count)
            }
            let answer = changing(asked) { ICMPv4Message.answerEcho(in: &$0) }
            let isValid = try ICMPv4View(answer.raw).isChecksumValid
            #expect(isValid && answer[0] == 0, "seed \(seed)")
            #expect(answer[4...] == asked[4...], "seed \(seed)")
        }
    }

    @Test func echoOfZerosIsAnsweredWithAChecksumThatCompletesASumOfNothing() throws {
        let message = ICMPv4Message.echoRequest(ICMPv4Query(identifier: 0, sequence: 0))
        let answer = written(8) { span in
            message.write(into: &span)
            ICMPv4Message.answerEcho(in: &span)
        }
        let isValid = try ICMPv4View(answer.raw).isChecksumValid
        #expect(isValid && answer == [0, 0, 0xFF, 0xFF, 0, 0, 0, 0])
    }

    @Test func routerAdvertisementReadsAsItself() throws {
        let routers = [
            ICMPv4RouterAddress(address: IPv4Address(10, 0, 0, 1), preference: 7),
            ICMPv4RouterAddress(address: IPv4Address(10, 0, 0, 2), preference: .min),
        ]
        let message = try #require(ICMPv4RouterAdvertisement(lifetimeSeconds: 1_800, routers: routers))
        let bytes = written(message.byteCount) { message.write(into: &$0) }
        let isValid = try ICMPv4View(bytes.raw).isChecksumValid
        #expect(try told(bytes) == "routers 1800 true 167772161/7,167772162/-2147483648")
        #expect(isValid && message.byteCount == 24)
        #expect(ICMPv4RouterAdvertisement(lifetimeSeconds: 1, routers: []) == nil)
        let tooMany = [ICMPv4RouterAddress](repeating: routers[0], count: 256)
        #expect(ICMPv4RouterAdvertisement(lifetimeSeconds: 1, routers: tooMany) == nil)
        #expect(ICMPv4RouterAdvertisement(lifetimeSeconds: 1, routers: Array(tooMany[..<255])) != nil)
    }

    @Test func extensionsAreReadBehindTheQuoteThatTheLengthFieldCounts() throws {
        let quote = [UInt8](repeating: 0x45, count: 128)
        let objects: [UInt8] = [0x20, 0, 0, 0, 0, 8, 1, 1, 0, 1, 1, 0x23, 0, 4, 2, 3]
        func message(_ type: UInt8, words: UInt8, _ rest: [UInt8]) -> [UInt8] {
            [type, 0, 0, 0, 0, words, 0, 0] + quote + rest
        }
        let text = "128 + 1.1 [0, 1, 1, 35] + 2.3 []"
        #expect(try told(message(3, words: 32, objects)) == "unreachable network 0 \(text)")
        #expect(try told(message(11, words: 32, objects)) == "exceeded inTransit \(text)")
        #expect(try told(message(12, words: 32, objects)) == "parameter pointer 0 \(text)")
        // No length, one that reaches beyond the message, one below the least quote: all of it is the quote.
        for words: UInt8 in [0, 255, 31] {
            #expect(try told(message(11, words: words, objects)) == "exceeded inTransit 144")
        }
        // Another version, a wrong checksum, and an object longer than what is left.
        #expect(try told(message(11, words: 32, objects.with(0x10, at: 0))) == "exceeded inTransit 128")
        #expect(try told(message(11, words: 32, objects.with(1, at: 3))) == "exceeded inTransit 128")
        #expect(try told(message(11, words: 32, objects.with(99, at: 5))) == "exceeded inTransit 128")
        let sum = InternetChecksum.finish(InternetChecksum.sum(objects.raw))
        let signed = objects.with(UInt8(sum >> 8), at: 2).with(UInt8(sum & 0xFF), at: 3)
        #expect(try told(message(11, words: 32, signed)) == "exceeded inTransit \(text)")
    }
}

extension UInt64 {
    fileprivate var hashed: Int { Int(self &* 0x9E37_79B9 % 1_000) }
}
