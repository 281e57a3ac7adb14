import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct IPv4OptionTests {
    /// What the options of a packet are, told in short, and the error that ends them.
    private func walk(_ options: [UInt8]) -> (names: [String], error: IPv4OptionError?) {
        var names: [String] = []
        let error = thrown { () throws(IPv4OptionError) in
            var iterator = IPv4OptionIterator(options: options.raw)
            while let option = try iterator.next() {
                switch option {
                case .noOperation: names.append("nop")
                case .routerAlert(let value): names.append("alert \(value)")
                case .recordRoute(let route): names.append("record \(route.usedCount)/\(route.count)")
                case .looseSourceRoute(let route): names.append("loose \(route.usedCount)/\(route.count)")
                case .strictSourceRoute(let route): names.append("strict \(route.usedCount)/\(route.count)")
                case .timestamp(let list):
                    names.append("\(list.kind) \(list.usedCount)/\(list.count) overflow \(list.overflow)")
                case .security(let data): names.append("security \(data.byteCount)")
                case .streamIdentifier(let number): names.append("stream \(number)")
                case .other(let kind, let data): names.append("\(kind.rawValue) \(data.byteCount)")
                }
            }
        }
        return (names, error)
    }

    private func packet(_ options: IPv4Options) throws -> [UInt8] {
        let header = try #require(
            IPv4Header(
                source: IPv4Address(10, 0, 0, 1), destination: IPv4Address(10, 0, 0, 2), protocol: .icmpv4,
                payloadByteCount: 4, optionsByteCount: options.byteCount))
        return written(header.byteCount + 4) { span in
            options.write(into: &span, at: 20)
            header.write(into: &span)
        }
    }

    private func options(_ body: (inout IPv4Options) throws -> Void) rethrows -> IPv4Options {
        var options = IPv4Options()
        try body(&options)
        return options
    }

    @Test func everyKindIsRead() {
        let zeros = [UInt8](repeating: 0, count: 36)
        let cases: [([UInt8], String)] = [
            ([1], "nop"), ([148, 4, 0, 0], "alert 0"), ([148, 4, 0, 9], "alert 9"),
            ([7, 11, 4] + zeros[..<8], "record 0/2"), ([7, 11, 8] + zeros[..<8], "record 1/2"),
            ([7, 11, 12] + zeros[..<8], "record 2/2"), ([7, 3, 4], "record 0/0"),
            ([131, 7, 4, 10, 0, 0, 1], "loose 0/1"), ([137, 7, 8, 10, 0, 0, 1], "strict 1/1"),
            ([68, 12, 5, 0] + zeros[..<8], "times 0/2 overflow 0"),
            ([68, 12, 13, 0x20] + zeros[..<8], "times 2/2 overflow 2"),
            ([68, 20, 13, 1] + zeros[..<16], "addressesAndTimes 1/2 overflow 0"),
            ([68, 12, 5, 3] + zeros[..<8], "prespecified 0/1 overflow 0"),
            ([130, 11] + zeros[..<9], "security 9"), ([136, 4, 1, 2], "stream 258"), ([222, 5, 0, 0, 0], "222 3"),
        ]
        for (bytes, name) in cases {
            let (names, error) = walk(bytes)
            #expect(names == [name] && error == nil)
        }
    }

    @Test func endOfListHidesWhatFollows() {
        let (names, error) = walk([1, 0, 7, 1])
        #expect(names == ["nop"] && error == nil)
        #expect(walk([1, 1, 7, 1]).error == .length(at: 23))
    }

    @Test func everyTruncationOfEveryKindIsNamed() {
        for option: [UInt8] in [
            [148, 4, 0, 0], [7, 7, 4, 0, 0, 0, 0], [131, 7, 4, 0, 0, 0, 0], [137, 7, 4, 0, 0, 0, 0],
            [68, 8, 5, 0, 0, 0, 0, 0], [130, 4, 1, 2], [136, 4, 0, 0], [99, 3, 0],
        ] {
            for count in 1..<option.count {
                #expect(
                    walk([1] + option[..<count]).error == .truncated(at: count == 1 ? 21 : 22), "\(option) \(count)")
            }
            #expect(walk([1] + option).error == nil)
        }
    }

    @Test func malformedOptionsAreNamedWithTheByteAtFault() {
        let zeros = [UInt8](repeating: 0, count: 16)
        let cases: [([UInt8], IPv4OptionError)] = [
            ([148, 0], .length(at: 21)), ([148, 1], .length(at: 21)), ([148, 3, 0], .length(at: 21)),
            ([7, 2], .length(at: 21)), ([7, 5, 4, 0, 0], .length(at: 21)), ([7, 7, 3, 0, 0, 0, 0], .pointer(at: 22)),
            ([7, 7, 5, 0, 0, 0, 0], .pointer(at: 22)), ([131, 7, 0, 0, 0, 0, 0], .pointer(at: 22)),
            ([68, 3, 5], .length(at: 21)), ([68, 4, 5, 2], .flag(at: 23)), ([68, 4, 4, 0], .pointer(at: 22)),
            ([68, 12, 6, 0] + zeros[..<8], .pointer(at: 22)), ([68, 12, 9, 1] + zeros[..<8], .pointer(at: 22)),
            ([68, 16, 5, 1] + zeros[..<12], .length(at: 21)), ([136, 3, 0], .length(at: 21)),
            ([130, 2], .length(at: 21)), ([7, 3, 4, 7, 3, 4], .duplicate(at: 23)),
            ([131, 3, 4, 137, 3, 4], .duplicate(at: 23)), ([68, 4, 5, 0, 68, 4, 5, 0], .duplicate(at: 24)),
            ([136, 4, 0, 0, 136, 4, 0, 0], .duplicate(at: 24)), ([130, 3, 0, 130, 3, 0], .duplicate(at: 23)),
        ]
        for (bytes, error) in cases {
            let found = walk(bytes).error
            #expect(found == error, "\(bytes)")
            #expect(found?.pointer == error.pointer)
        }
    }

    @Test func noBytesTrapAndEveryErrorPointsIntoTheHeader() {
        for seed in seeds.lowerBound...5_000 {
            var random = StackRandom(seed: seed)
            var bytes = random.bytes(random.number(0...40))
            let kinds: [UInt8] = [0, 1, 7, 68, 130, 131, 136, 137, 148]
            for index in bytes.indices where index % 4 == 0 { bytes[index] = kinds[random.number(0...8)] }
            if let error = walk(bytes).error { #expect((20..<60).contains(error.pointer), "seed \(seed)") }
        }
    }

    @Test func writtenOptionsReadAsThemselves() throws {
        let sent = try options {
            try $0.appendRouterAlert()
            try $0.appendNoOperation()
            try $0.appendRecordRoute(count: 2)
            try $0.appendTimestamps(count: 2, withAddresses: true)
        }
        let bytes = try packet(sent)
        let view = try IPv4View(bytes.raw)
        let (isValid, again) = (view.isChecksumValid, try IPv4Options(view))
        let (names, error) = walk(array(view.options))
        #expect(isValid && again == sent && sent.byteCount == 36)
        #expect(names == ["alert 0", "nop", "record 0/2", "addressesAndTimes 0/2 overflow 0"] && error == nil)
        #expect(IPv4Options.routerAlert == (try options { try $0.appendRouterAlert() }))
        #expect(IPv4Options.routerAlert != IPv4Options())
    }

    @Test func fragmentsCarryOnlyWhatIsCopied() throws {
        let bytes = try packet(
            options {
                try $0.appendRecordRoute(count: 2)
                try $0.appendRouterAlert()
            })
        let copied = try IPv4Options(copiedFrom: IPv4View(bytes.raw))
        #expect(copied == .routerAlert)
    }

    @Test func headerHoldsFortyBytesOfOptionsAndNoMore() {
        func failure(_ body: (inout IPv4Options) throws(IPv4OptionsError) -> Void) -> IPv4OptionsError? {
            var options = IPv4Options()
            return thrown { () throws(IPv4OptionsError) in try body(&options) }
        }
        #expect(failure { o throws(IPv4OptionsError) in try o.appendRecordRoute(count: 9) } == nil)
        #expect(failure { o throws(IPv4OptionsError) in try o.appendRecordRoute(count: 10) } == .noRoom)
        #expect(failure { o throws(IPv4OptionsError) in try o.appendRecordRoute(count: 0) } == .noEntry)
        #expect(failure { o throws(IPv4OptionsError) in try o.appendRecordRoute(count: .max) } == .noRoom)
        #expect(failure { o throws(IPv4OptionsError) in try o.appendTimestamps(count: 9) } == nil)
        #expect(failure { o throws(IPv4OptionsError) in try o.appendTimestamps(count: 10) } == .noRoom)
        #expect(
            failure { o throws(IPv4OptionsError) in try o.appendTimestamps(count: 5, withAddresses: true) } == .noRoom)
        #expect(failure { o throws(IPv4OptionsError) in try o.appendTimestamps(of: []) } == .noEntry)
        let five = [IPv4Address](repeating: .any, count: 5)
        #expect(failure { o throws(IPv4OptionsError) in try o.appendTimestamps(of: five) } == .noRoom)
        #expect(
            failure { o throws(IPv4OptionsError) in
                try o.appendRecordRoute(count: 9)
                try o.appendRouterAlert()
            } == .noRoom)
    }

    @Test func everyHopRecordsItsAddressAndTimeUntilTheListsAreFull() throws {
        var bytes = try packet(
            options {
                try $0.appendRecordRoute(count: 2)
                try $0.appendTimestamps(count: 2)
            })
        for hop in UInt8(1)...18 {
            var result: Result<Bool, IPv4OptionError> = .success(false)
            let before = bytes
            bytes = changing(bytes) { span in
                do throws(IPv4OptionError) {
                    result = .success(
                        try IPv4Header.recordHop(
                            address: IPv4Address(10, 0, 1, hop), time: UInt32(hop), isOwn: { _ in false }, in: &span))
                } catch { result = .failure(error) }
            }
            let view = try IPv4View(bytes.raw)
            let (isValid, option) = (view.isChecksumValid, array(view.options))
            #expect(isValid)
            if hop <= 17 {
                #expect(result == .success(true))
                let used = min(hop, 2)
                let overflow = hop - used
                #expect(walk(option).names == ["record \(used)/2", "times \(used)/2 overflow \(overflow)"])
            } else {
                // Fifteen is all the overflow field counts.
                #expect(result == .failure(.flag(at: 34)) && bytes == before)
            }
            if hop == 2 {
                #expect(Array(option[3..<11]) == [10, 0, 1, 1, 10, 0, 1, 2])
                #expect(Array(option[15..<23]) == [0, 0, 0, 1, 0, 0, 0, 2])
            }
        }
    }

    @Test func prespecifiedTimesAreWrittenByWhoIsNamedAndInOrder() throws {
        let (first, second) = (IPv4Address(10, 0, 0, 7), IPv4Address(10, 0, 0, 8))
        var bytes = try packet(options { try $0.appendTimestamps(of: [first, second]) })
        for (own, expected) in [(second, false), (first, true), (first, false), (second, true), (second, false)] {
            var recorded: Bool?
            bytes = changing(bytes) { span in
                recorded = try? IPv4Header.recordHop(address: .any, time: 9, isOwn: { $0 == own }, in: &span)
            }
            #expect(recorded == expected)
        }
        let option = array(try IPv4View(bytes.raw).options)
        #expect(walk(option).names == ["prespecified 2/2 overflow 0"])
        #expect(option[8..<12] == [0, 0, 0, 9] && option[16..<20] == [0, 0, 0, 9])
    }
}
