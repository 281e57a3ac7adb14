import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct IPv6Tests {
    private let source = IPv6Address(high: 0x2001_0DB8_0000_0000, low: 1)
    private let destination = IPv6Address(high: 0x2001_0DB8_0000_0000, low: 2)

    /// A packet whose first next-header field is `first`.
    private func packet(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let header = IPv6Header(
            source: source, destination: destination, nextHeader: IPProtocol(rawValue: first),
            payloadByteCount: payload.count)
        return written(40) { header?.write(into: &$0) } + payload
    }

    /// The chain told in short, what it ends with, and the error that ends it.
    private func walk(_ bytes: [UInt8], limits: IPv6ExtensionLimits = .init()) -> (
        names: [String], error: IPv6ExtensionError?
    ) {
        var names: [String] = []
        let error = thrown { () throws(IPv6ExtensionError) in
            guard let view = try? IPv6View(bytes.raw) else { return names.append("no packet") }
            var chain = IPv6ExtensionChain(view, limits: limits)
            while let header = try chain.next() {
                switch header {
                case .hopByHop(let options): names.append("hop \(options.bytes.byteCount)")
                case .destinationOptions(let options): names.append("destination \(options.bytes.byteCount)")
                case .routing(let routing):
                    names.append("routing \(routing.type) \(routing.segmentsLeft) \(routing.data.byteCount)")
                case .fragment(let fragment):
                    names.append(
                        "fragment \(fragment.offset) \(fragment.moreFragments) \(fragment.isAtomic) "
                            + "\(fragment.identification)")
                case .authentication(let header):
                    names.append(
                        "authentication \(header.securityParameters) \(header.sequence) \(header.integrityCheck.byteCount)"
                    )
                case .other(let kind, let bytes): names.append("\(kind.rawValue) \(bytes.byteCount)")
                }
            }
            names.append(
                "\(chain.upperLayer.rawValue) at \(chain.offset) by \(chain.namedAt) \(chain.payload.byteCount)")
        }
        return (names, error)
    }

    private func options(_ data: [UInt8], limits: IPv6ExtensionLimits = .init()) -> (
        names: [String], error: IPv6OptionError?
    ) {
        var names: [String] = []
        let bytes = packet(60, [59, UInt8((data.count + 2) / 8 - 1)] + data)
        let error = thrown { () throws(IPv6OptionError) in
            guard let view = try? IPv6View(bytes.raw) else { return names.append("no packet") }
            var chain = IPv6ExtensionChain(view, limits: limits)
            guard let header = try? chain.next(), case .destinationOptions(var options) = header else {
                return names.append("no options")
            }
            while let option = try options.next() {
                names.append(
                    "\(option.type) \(option.data.byteCount) at \(option.offset) \(option.unknownAction) "
                        + "\(option.mayChange) \(option.routerAlert.map(String.init) ?? "-")")
            }
        }
        return (names, error)
    }

    private let zeros = [UInt8](repeating: 0, count: 64)

    @Test func fieldsStandWhereRFC8200PutsThem() throws {
        let bytes: [UInt8] =
            [0x6A, 0xB1, 0x23, 0x45, 0, 2, 17, 64] + [0x20, 1] + zeros[..<14] + zeros[..<15] + [9, 7, 8, 9]
        let view = try IPv6View(bytes.raw)
        let (header, payload, version) = (IPv6Header(view), array(view.payload), view.version)
        #expect(version == 6 && header.trafficClass == 0xAB && header.flowLabel == 0x12345)
        #expect(header.payloadByteCount == 2 && header.nextHeader == .udp && header.hopLimit == 64)
        #expect(header.source == IPv6Address(high: 0x2001 << 48, low: 0))
        #expect(header.destination == IPv6Address(high: 0, low: 9))
        #expect(payload == [7, 8])
        #expect(written(40) { header.write(into: &$0) } == Array(bytes[..<40]))
    }

    @Test func writtenHeaderReadsAsItself() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let payload = random.number(0...1_400)
            let header = try #require(
                IPv6Header(
                    source: IPv6Address(high: random.next(), low: random.next()),
                    destination: IPv6Address(high: random.next(), low: random.next()),
                    nextHeader: IPProtocol(rawValue: random.number(0...255)), payloadByteCount: payload,
                    hopLimit: random.number(0...255), trafficClass: random.number(0...255),
                    flowLabel: random.number(0...0xF_FFFF)))
            let bytes = written(40 + payload) { header.write(into: &$0) }
            let read = try IPv6Header(IPv6View(bytes.raw))
            #expect(read == header, "seed \(seed)")
        }
        #expect(
            IPv6Header(source: .any, destination: .any, nextHeader: .udp, payloadByteCount: 65_536) == nil)
        #expect(
            IPv6Header(source: .any, destination: .any, nextHeader: .udp, payloadByteCount: 0, flowLabel: 1 << 20)
                == nil)
    }

    @Test func everyTruncationAndOtherVersionsAreNamed() {
        func failure(_ bytes: [UInt8]) -> IPv6Error? {
            thrown { () throws(IPv6Error) in _ = try IPv6View(bytes.raw) }
        }
        let whole = packet(17, [1, 2, 3])
        for count in 0..<40 { #expect(failure(Array(whole[..<count])) == .truncated) }
        for count in 40..<43 { #expect(failure(Array(whole[..<count])) == .payloadLengthBeyondPacket) }
        #expect(failure(whole) == nil)
        #expect(failure(whole.with(0x45, at: 0)) == .version)
        #expect(thrown { () throws(IPv6Error) in _ = try IPv6View(quoted: Array(whole[..<40]).raw) } == nil)
    }

    @Test func everyExtensionHeaderIsReadInTurn() {
        let parts: [[UInt8]] = [
            [43, 0, 0, 0, 0, 0, 0, 0], [60, 2, 4, 1] + zeros[..<20], [44, 0, 0, 0, 0, 0, 0, 0],
            [51, 0, 0, 0, 0, 0, 1, 2],
            [135, 4, 0, 0, 0, 0, 0, 7, 0, 0, 0, 8] + zeros[..<12], [6, 1] + zeros[..<14],
        ]
        let chain = parts.flatMap { $0 }
        let (names, error) = walk(packet(0, chain + zeros[..<20]))
        #expect(error == nil)
        #expect(
            names == [
                "hop 8", "routing 4 1 20", "destination 8", "fragment 0 false true 258", "authentication 7 8 12",
                "135 16",
                "6 at 128 by 112 20",
            ])
    }

    @Test func everyTruncationOfTheChainIsNamed() {
        let parts: [[UInt8]] = [[43, 0] + zeros[..<6], [60, 2, 4, 1] + zeros[..<20], [17, 0] + zeros[..<6]]
        let chain = parts.flatMap { $0 }
        for count in 0..<chain.count {
            let at: UInt16 = count < 8 ? 40 : count < 32 ? 48 : 72
            #expect(walk(packet(0, Array(chain[..<count]))).error == .truncated(at: at), "\(count)")
        }
        #expect(walk(packet(0, chain)).error == nil)
    }

    @Test func laterFragmentHidesWhatFollows() {
        let fragment: [UInt8] = [0, 0, 0x05, 0xA9, 0, 0, 0, 1, 43, 255, 1, 2]
        let (names, error) = walk(packet(44, fragment))
        #expect(names == ["fragment 1448 true false 1", "0 at 48 by 40 4"] && error == nil)
    }

    @Test func firstFragmentMustHoldTheWholeChain() {
        let first: [UInt8] = [0, 0, 0, 1, 0, 0, 0, 1]
        for (next, least) in [(UInt8(6), 20), (17, 8), (58, 8), (50, 8), (99, 0)] {
            for count in [0, 7, 8, 19, 20, 21] {
                let error = walk(packet(44, first.with(next, at: 0) + zeros[..<count])).error
                #expect(error == (count < least ? .firstFragmentIncomplete(at: 48) : nil), "\(next) \(count)")
            }
        }
        // The chain itself is cut, and then the header behind it; a packet that is no fragment may be short.
        #expect(
            walk(packet(44, first.with(60, at: 0) + [6, 1] + zeros[..<6])).error == .firstFragmentIncomplete(at: 48))
        #expect(
            walk(packet(44, first.with(60, at: 0) + [6, 0] + zeros[..<6])).error == .firstFragmentIncomplete(at: 56))
        #expect(walk(packet(6, [1])).error == nil)
        #expect(walk(packet(44, first.with(0, at: 3).with(6, at: 0) + [1])).error == nil)
    }

    @Test func hopByHopOptionsStandFirstOrNowhere() {
        let (names, error) = walk(packet(60, [0, 0] + zeros[..<6] + [59, 0] + zeros[..<6]))
        #expect(names == ["destination 8"] && error == .hopByHopNotFirst(at: 40))
        #expect(walk(packet(0, [0, 0] + zeros[..<6] + [59, 0] + zeros[..<6])).error == .hopByHopNotFirst(at: 40))
    }

    @Test func chainIsBoundedInHeadersAndBytes() {
        func chain(_ count: Int) -> [UInt8] {
            packet(60, (1...count).flatMap { [$0 == count ? 59 : 60, 0, 0, 0, 0, 0, 0, 0] })
        }
        #expect(walk(chain(8)).error == nil)
        #expect(walk(chain(9)).error == .tooManyHeaders(at: 104))
        #expect(walk(chain(9), limits: .init(headersMax: 9)).error == nil)
        let long = packet(60, [59, 63] + [UInt8](repeating: 0, count: 510))
        #expect(walk(long).error == nil)
        #expect(walk(long, limits: .init(bytesMax: 511)).error == .chainTooLong(at: 40))
    }

    @Test func authenticationHeaderHasAtLeastItsFixedPart() {
        for length: UInt8 in [0] {
            #expect(walk(packet(51, [59, length] + zeros[..<30])).error == .authenticationLength(at: 41))
        }
        #expect(walk(packet(51, [59, 1] + zeros[..<10])).error == nil)
    }

    @Test func unknownAndEncryptedHeadersEndTheChain() {
        for next: UInt8 in [50, 59, 99, 6, 17, 58] {
            #expect(walk(packet(next, [1, 2])).names == ["\(next) at 40 by 6 2"])
        }
        for next: UInt8 in [139, 140, 253, 254] {
            #expect(walk(packet(next, [59, 0] + zeros[..<6])).names == ["\(next) 8", "59 at 48 by 40 0"])
        }
    }

    @Test func optionsTellWhatBecomesOfWhoDoesNotKnowThem() {
        let (names, error) = options([5, 2, 0, 0, 0x1E, 0, 0x5E, 1, 9, 0, 0xBE, 0, 0xDE, 0])
        #expect(error == nil)
        #expect(
            names == [
                "5 2 at 42 skip false 0", "30 0 at 46 skip false -", "94 1 at 48 discard false -",
                "190 0 at 52 discardAndReport true -", "222 0 at 54 discardAndReportUnlessMulticast false -",
            ])
    }

    @Test func malformedOptionsAreNamedWithTheByteAtFault() {
        #expect(options([1, 3, 0, 0, 0, 7]).error == .truncated(at: 47))
        #expect(options([7, 5, 0, 0, 0, 0]).error == .truncated(at: 43))
        #expect(options([1, 5, 0, 0, 0, 0]).error == .truncated(at: 43))
        #expect(options([5, 3, 0, 0, 0, 0]).error == .length(at: 43))
        #expect(options([1, 4, 0, 0, 0, 0]).error == nil)
    }

    @Test func optionsAndPaddingAreBounded() {
        let eight = [UInt8]([7, 0, 7, 0, 7, 0, 7, 0, 7, 0, 7, 0, 7, 0, 7, 0])
        #expect(options(eight + [1, 4, 0, 0, 0, 0]).error == nil)
        #expect(options(eight + [7, 0, 1, 2, 0, 0]).error == .tooManyOptions(at: 58))
        #expect(options([1, 5, 0, 0, 0, 0, 0, 7, 0, 7, 0, 7, 0, 0]).error == nil)
        #expect(options([1, 4, 0, 0, 0, 0, 1, 0, 7, 0, 7, 0, 7, 0]).error == .tooMuchPadding(at: 48))
        #expect(options([1, 12] + zeros[..<12]).error == .tooMuchPadding(at: 42))
        #expect(options([1, 12] + zeros[..<12], limits: .init(paddingMax: 14)).error == nil)
    }

    @Test func noBytesTrapAndEveryErrorPointsIntoThePacket() {
        for seed in 1...UInt64(5_000) {
            var random = StackRandom(seed: seed)
            var payload = random.bytes(random.number(0...120))
            let kinds: [UInt8] = [0, 43, 44, 51, 60, 135, 6, 17]
            for index in payload.indices where index % 8 == 0 { payload[index] = kinds[random.number(0...7)] }
            for index in payload.indices where index % 8 == 1 { payload[index] = random.number(0...2) }
            let bytes = packet(kinds[random.number(0...7)], payload)
            if let error = walk(bytes).error { #expect(Int(error.pointer) <= bytes.count, "seed \(seed)") }
        }
    }
}
