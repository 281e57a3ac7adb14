import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct NDPTests {
    private let router = IPv6Address(high: 0xFE80 << 48, low: 1)
    private let mac = MACAddress(bits: 0x0200_0000_0001)

    /// What the options of a message are, told in short.
    private func told(_ options: NDPOptions) -> [String] {
        var iterator = options.makeIterator()
        var names: [String] = []
        while let option = iterator.next() { names.append(told(option)) }
        return names
    }

    private func told(_ option: NDPOption) -> String {
        switch option {
        case .sourceLinkAddress(let mac): return "source \(mac.bits)"
        case .targetLinkAddress(let mac): return "target \(mac.bits)"
        case .prefixInformation(let prefix):
            return "prefix \(prefix.address.low)/\(prefix.length) \(prefix.isOnLink) \(prefix.isAutonomous) "
                + "\(prefix.isRouterAddress) \(prefix.validSeconds) \(prefix.preferredSeconds)"
        case .redirectedHeader(let packet): return "packet \(packet.byteCount)"
        case .mtu(let mtu): return "mtu \(mtu)"
        case .nonce(let bytes): return "nonce \(array(bytes))"
        case .routeInformation(let route):
            return "route \(route.prefix.length) \(route.preference) \(route.lifetimeSeconds)"
        case .dnsServers(let servers):
            return "servers \(servers.lifetimeSeconds) \((0..<servers.count).map { servers[$0].low })"
        case .dnsSearchList(var list):
            var names: [String] = []
            while let name = list.next() { names.append(name.text) }
            return "search \(list.lifetimeSeconds) \(names)"
        case .malformed(let kind): return "malformed \(kind.rawValue)"
        case .other(let kind, let data): return "\(kind.rawValue) \(data.byteCount)"
        }
    }

    /// The options behind the header of a router solicitation.
    private func walk(_ options: [UInt8]) throws(ICMPv6Error) -> [String] {
        let bytes = [133, 0, 0, 0, 0, 0, 0, 0] + options
        return told(try RouterSolicitationView(bytes.raw).options)
    }

    private func failure(_ options: [UInt8]) -> ICMPv6Error? {
        thrown { () throws(ICMPv6Error) in _ = try walk(options) }
    }

    private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    private func wire(_ message: NDPMessage, from source: IPv6Address, to destination: IPv6Address) throws -> [UInt8] {
        let bytes = written(message.byteCount + 2) { span in
            message.write(into: &span, at: 2, source: source, destination: destination)
        }
        let message = Array(bytes[2...])
        let isValid = try ICMPv6View(message.raw).isChecksumValid(from: source, to: destination)
        #expect(isValid && bytes[..<2] == [0xA5, 0xA5])
        return message
    }

    // MARK: - Options

    @Test func everyOptionIsRead() throws {
        let name: [UInt8] = [3, 0x61, 0x62, 0x43, 2, 0x64, 0x65, 0]
        let cases: [([UInt8], String)] = [
            ([1, 1, 2, 0, 0, 0, 0, 1], "source 2199023255553"), ([2, 1, 2, 0, 0, 0, 0, 2], "target 2199023255554"),
            (
                [3, 4, 64, 0xC0, 0, 0, 0, 7, 0, 0, 0, 5] + zeros(4) + [0x20, 1] + zeros(14),
                "prefix 0/64 true true false 7 5"
            ),
            ([3, 4, 128, 0x20] + zeros(27) + [9], "prefix 9/128 false false true 0 0"),
            ([4, 2] + zeros(14), "packet 8"), ([5, 1, 0, 0, 0, 0, 5, 0], "mtu 1280"),
            ([14, 1, 1, 2, 3, 4, 5, 6], "nonce [1, 2, 3, 4, 5, 6]"), ([24, 1, 0, 8, 0, 0, 0, 9], "route 0 high 9"),
            ([24, 2, 64, 0x18] + zeros(12), "route 64 low 0"), ([24, 3, 65, 0] + zeros(20), "route 65 medium 0"),
            ([25, 3, 0, 0, 0, 0, 0, 9] + zeros(15) + [1], "servers 9 [1]"),
            ([25, 5, 0, 0, 0, 0, 0, 9] + zeros(15) + [1] + zeros(15) + [2], "servers 9 [1, 2]"),
            ([31, 2, 0, 0, 0, 0, 0, 9] + name, "search 9 [\"abc.de\"]"),
            ([31, 4, 0, 0, 0, 0, 0, 9] + name + name + zeros(8), "search 9 [\"abc.de\", \"abc.de\"]"),
            ([99, 2] + zeros(14), "99 14"),
        ]
        for (bytes, text) in cases {
            #expect(try walk(bytes) == [text])
            // Once more behind an option that is not known.
            #expect(try walk([200, 1] + zeros(6) + bytes) == ["200 6", text])
        }
    }

    @Test func optionsThatSayWhatTheyCannotAreMalformedAloneAndCostTheMessageNothing() throws {
        let name: [UInt8] = [3, 0x61, 0x62, 0x63, 2, 0x64, 0x65, 0]
        let cases: [[UInt8]] = [
            [1, 2] + zeros(14), [2, 2] + zeros(14), [3, 4, 129] + zeros(29), [3, 3] + zeros(22), [3, 5] + zeros(38),
            [5, 2] + zeros(14), [24, 1, 1] + zeros(5), [24, 2, 65] + zeros(13), [24, 3, 129] + zeros(21),
            [24, 4, 64] + zeros(29), [24, 1, 0, 0x10] + zeros(4), [25, 1] + zeros(6), [25, 2] + zeros(14),
            [25, 4] + zeros(30), [31, 1] + zeros(6), [31, 2] + zeros(14),
            [31, 2] + zeros(6) + name.with(3, at: 4), [31, 2] + zeros(6) + name.with(64, at: 0),
            [31, 2] + zeros(6) + name.with(0x20, at: 1),
        ]
        for bytes in cases {
            #expect(try walk(bytes + [5, 1, 0, 0, 0, 0, 5, 0]) == ["malformed \(bytes[0])", "mtu 1280"])
        }
    }

    @Test func anOptionWithoutLengthBeyondTheMessageOrTooManyRefuseTheMessage() {
        let good: [UInt8] = [1, 1, 2, 0, 0, 0, 0, 1]
        for kind in UInt8.min...255 {
            #expect(failure(good + [kind, 0, 0, 0, 0, 0, 0, 0]) == .optionWithoutLength)
            #expect(failure([kind, 0]) == .optionWithoutLength)
            #expect(failure(good + [kind, 2, 0, 0, 0, 0, 0, 0]) == .optionTruncated)
        }
        for count in 1..<8 { #expect(failure(good + good[..<count]) == .optionTruncated) }
        let many = (0..<NDPOptions.optionsMax).flatMap { _ in good }
        #expect(failure(many) == nil)
        #expect(failure(many + good) == .tooManyOptions)
    }

    @Test func everyTruncationOfEveryMessageIsNamed() throws {
        var advertisement = RouterAdvertisement()
        advertisement.sourceMAC = mac
        advertisement.prefixes = [
            NDPPrefixInformation(IPv6Prefix(router, length: 64), validSeconds: 1, preferredSeconds: 1)
        ]
        let messages: [(NDPMessage, Int)] = [
            (.neighborSolicitation(NeighborSolicitation(target: router, sourceMAC: mac, nonce: NDPNonce(bits: 1))), 24),
            (.neighborAdvertisement(NeighborAdvertisement(target: router, targetMAC: mac)), 24),
            (.routerSolicitation(RouterSolicitation(sourceMAC: mac)), 8), (.routerAdvertisement(advertisement), 16),
        ]
        for (message, header) in messages {
            let bytes = try wire(message, from: router, to: .allNodes)
            var whole = 0
            for count in 0..<bytes.count {
                let found = thrown { () throws(ICMPv6Error) in
                    let cut = Array(bytes[..<count])
                    _ = try ICMPv6View(cut.raw).content()
                }
                // Between two options the message may end.
                if count < header {
                    #expect(found == .truncated, "\(message) at \(count)")
                } else if found == nil {
                    whole += 1
                } else {
                    #expect(found == .optionTruncated, "\(message) at \(count)")
                }
            }
            #expect(whole >= 1 && whole <= 3, "\(message)")
        }
    }

    // MARK: - Messages

    @Test func neighbourMessagesStandAsRFC4861DrawsThem() throws {
        let question = NeighborSolicitation(target: router, sourceMAC: mac, nonce: NDPNonce(bits: 0x0102_0304_0506))
        let asked = try wire(.neighborSolicitation(question), from: router, to: router.solicitedNode)
        #expect(asked[..<2] == [135, 0] && asked[4..<8] == [0, 0, 0, 0])
        #expect(Array(asked[8...]) == [0xFE, 0x80] + zeros(13) + [1, 1, 1, 2, 0, 0, 0, 0, 1, 14, 1, 1, 2, 3, 4, 5, 6])
        let answer = NeighborAdvertisement(target: router, targetMAC: mac, isRouter: true, isOverride: true)
        let told = try wire(.neighborAdvertisement(answer), from: router, to: .allNodes)
        #expect(told[..<2] == [136, 0] && told[4..<8] == [0xA0, 0, 0, 0])
        #expect(Array(told[24...]) == [2, 1, 2, 0, 0, 0, 0, 1])
    }

    @Test func writtenNeighbourMessagesReadAsThemselves() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let (from, to, target) = (random.address6(), random.address6(), random.address6())
            let question = NeighborSolicitation(
                target: target, sourceMAC: random.chance() ? random.mac() : nil,
                nonce: random.chance() ? NDPNonce(bits: random.next()) : nil)
            let asked = try wire(.neighborSolicitation(question), from: from, to: to)
            #expect(try NeighborSolicitationView(asked.raw).message == question, "seed \(seed)")
            let answer = NeighborAdvertisement(
                target: target, targetMAC: random.chance() ? random.mac() : nil, isRouter: random.chance(),
                isSolicited: random.chance(), isOverride: random.chance())
            let answered = try wire(.neighborAdvertisement(answer), from: from, to: to)
            #expect(try NeighborAdvertisementView(answered.raw).message == answer, "seed \(seed)")
            let routers = RouterSolicitation(sourceMAC: random.chance() ? random.mac() : nil)
            let solicited = try wire(.routerSolicitation(routers), from: from, to: to)
            #expect(try RouterSolicitationView(solicited.raw).message == routers, "seed \(seed)")
        }
    }

    @Test func ofSeveralLinkAddressesTheFirstCountsAndANonceOfAnotherLengthIsNotOurs() throws {
        let target = zeros(16)
        let options: [UInt8] = [1, 1, 0, 0, 0, 0, 0, 7, 1, 1, 0, 0, 0, 0, 0, 8, 14, 2] + zeros(14)
        let bytes: [UInt8] = [135, 0, 0, 0, 0, 0, 0, 0] + target + options
        #expect(
            try NeighborSolicitationView(bytes.raw).message
                == NeighborSolicitation(target: .any, sourceMAC: MACAddress(bits: 7)))
    }

    @Test func routerAdvertisementReadsAsItself() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            var message = RouterAdvertisement()
            message.hopLimit = random.number(0...255)
            message.isManaged = random.chance()
            message.isOtherManaged = random.chance()
            message.preference = RouterPreference.allCases[random.number(0...2)]
            message.lifetimeSeconds = random.number(0...65_535)
            message.reachableMilliseconds = random.number(0...UInt32.max)
            message.retransmitMilliseconds = random.number(0...UInt32.max)
            if random.chance() { message.sourceMAC = random.mac() }
            if random.chance() { message.mtu = random.number(0...UInt32.max) }
            for _ in 0..<random.number(0...3) {
                let prefix = IPv6Prefix(random.address6(), length: random.number(0...128))
                message.prefixes.append(
                    NDPPrefixInformation(
                        prefix, isOnLink: random.chance(), isAutonomous: random.chance(),
                        validSeconds: random.number(0...UInt32.max), preferredSeconds: random.number(0...UInt32.max)))
                message.routes.append(
                    NDPRouteInformation(
                        prefix, preference: RouterPreference.allCases[random.number(0...2)],
                        lifetimeSeconds: random.number(0...UInt32.max)))
            }
            let servers = (0..<random.number(1...5)).map { _ in random.address6() }
            message.dnsServers = [try #require(NDPDNSServers(lifetimeSeconds: 9, addresses: servers))]
            let names = try (0..<random.number(1...5)).map {
                try #require(DomainName("n\($0).\(String(repeating: "x", count: random.number(1...63))).example"))
            }
            message.dnsSearchLists = [try #require(NDPDNSSearchList(lifetimeSeconds: 8, domains: names))]
            let bytes = try wire(.routerAdvertisement(message), from: router, to: .allNodes)
            #expect(try read(bytes) == message, "seed \(seed)")
        }
    }

    /// What a router advertisement says, as a value.
    private func read(_ bytes: [UInt8]) throws -> RouterAdvertisement {
        let view = try RouterAdvertisementView(bytes.raw)
        var message = RouterAdvertisement()
        message.hopLimit = view.hopLimit
        message.isManaged = view.isManaged
        message.isOtherManaged = view.isOtherManaged
        message.preference = view.preference
        message.lifetimeSeconds = view.lifetimeSeconds
        message.reachableMilliseconds = view.reachableMilliseconds
        message.retransmitMilliseconds = view.retransmitMilliseconds
        message.sourceMAC = view.options.sourceMAC
        var iterator = view.options.makeIterator()
        while let option = iterator.next() {
            switch option {
            case .mtu(let mtu): message.mtu = mtu
            case .prefixInformation(let prefix): message.prefixes.append(prefix)
            case .routeInformation(let route): message.routes.append(route)
            case .dnsServers(let servers):
                let addresses = (0..<servers.count).map { servers[$0] }
                message.dnsServers += [
                    try #require(NDPDNSServers(lifetimeSeconds: servers.lifetimeSeconds, addresses: addresses))
                ]
            case .dnsSearchList(var list):
                var names: [DomainName] = []
                while let name = list.next() { names.append(name) }
                let lifetime = list.lifetimeSeconds
                message.dnsSearchLists += [
                    try #require(NDPDNSSearchList(lifetimeSeconds: lifetime, domains: names))
                ]
            case .sourceLinkAddress, .targetLinkAddress, .redirectedHeader, .nonce, .malformed, .other: continue
            }
        }
        return message
    }

    @Test func aReservedPreferenceCountsAsMedium() throws {
        for (bits, preference) in [(0x08, RouterPreference.high), (0x00, .medium), (0x18, .low), (0x10, .medium)] {
            let bytes: [UInt8] = [134, 0, 0, 0, 64, UInt8(bits)] + zeros(10)
            #expect(try RouterAdvertisementView(bytes.raw).preference == preference)
        }
        #expect(RouterPreference.allCases.sorted() == [.low, .medium, .high])
    }

    @Test func redirectQuotesWhatFitsInTheLeastMTUInWordsOfEight() throws {
        let (target, destination) = (router, IPv6Address(high: 1 << 32, low: 5))
        for (packetCount, quoted) in [(0, 0), (7, 0), (8, 8), (47, 40), (1_184, 1_184), (1_500, 1_184), (9_000, 1_184)]
        {
            for mac in [mac, nil] {
                let redirect = NDPRedirect(target: target, destination: destination, targetMAC: mac)
                let packet = (0..<packetCount).map { UInt8(truncatingIfNeeded: $0) }
                let bytes = written(redirect.byteCount(quoting: packetCount)) {
                    redirect.write(into: &$0, source: router, destination: destination, quoting: packet.raw)
                }
                let isValid = try ICMPv6View(bytes.raw).isChecksumValid(from: router, to: destination)
                #expect(isValid && bytes.count + 40 <= 1_280)
                let view = try NDPRedirectView(bytes.raw)
                let read = array(view.redirected)
                #expect(view.message == redirect)
                let more = mac == nil && packetCount > 1_184 ? 8 : 0
                #expect(read.count == quoted + more && packet.starts(with: read), "\(packetCount)")
            }
        }
    }

    // MARK: - Names

    @Test func domainNamesAreReadAndSpelledOrRefused() throws {
        #expect(DomainName("Example.COM.")?.text == "example.com")
        #expect(DomainName("a_b-1.x")?.byteCount == 9)
        let label = String(repeating: "a", count: 63)
        let longest = "\(label).\(label).\(label).\(String(repeating: "b", count: 61))"
        #expect(DomainName(longest)?.byteCount == 255)
        for text in ["", ".", "a..b", ".a", "a b", "ä", label + "a", longest + "b", longest + ".c"] {
            #expect(DomainName(text) == nil, "\(text)")
        }
        for text in ["a", "example.com", longest] {
            let name = try #require(DomainName(text))
            let bytes = written(name.byteCount) { name.write(into: &$0) }
            #expect(DomainName(reading: bytes.raw, at: 0) == name)
            for count in 0..<bytes.count { #expect(DomainName(reading: Array(bytes[..<count]).raw, at: 0) == nil) }
        }
        #expect(DomainName(reading: [0].raw, at: 0) == nil)
        #expect(DomainName(reading: [0xC0, 0, 0].raw, at: 0) == nil, "compression is none")
        var endless: [UInt8] = []
        for _ in 0..<128 { endless += [1, 0x61] }
        #expect(DomainName(reading: (endless + [0]).raw, at: 0) == nil)
    }

    @Test func listsThatDoNotFitInAnOptionAreRefused() throws {
        #expect(NDPDNSServers(lifetimeSeconds: 1, addresses: []) == nil)
        #expect(NDPDNSServers(lifetimeSeconds: 1, addresses: Array(repeating: router, count: 127)) != nil)
        #expect(NDPDNSServers(lifetimeSeconds: 1, addresses: Array(repeating: router, count: 128)) == nil)
        let name = try #require(DomainName(String(repeating: "a", count: 62)))
        #expect(NDPDNSSearchList(lifetimeSeconds: 1, domains: []) == nil)
        #expect(NDPDNSSearchList(lifetimeSeconds: 1, domains: Array(repeating: name, count: 31)) != nil)
        #expect(NDPDNSSearchList(lifetimeSeconds: 1, domains: Array(repeating: name, count: 32)) == nil)
    }
}

extension StackRandom {
    mutating func chance() -> Bool { number(0...1) == 1 }
}
