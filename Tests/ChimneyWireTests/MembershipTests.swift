import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct MembershipTests {
    private let group = IPv4Address(239, 9, 1, 1)
    private let querier = IPv4Address(10, 77, 0, 1)
    private let group6 = IPv6Address(high: 0xFF3E_0000_0000_0000, low: 0x8000_0001)
    private let querier6 = IPv6Address(high: 0xFE80 << 48, low: 1)

    /// The message between two bytes that it must leave alone.
    private func wire<Address: MembershipAddress>(
        _ message: MembershipMessage<Address>, from source: Address, to destination: Address? = nil
    ) throws -> [UInt8] {
        let destination = destination ?? message.destination
        let bytes = written(message.byteCount + 2) { span in
            let count = message.write(into: &span, at: 1, source: source, destination: destination)
            #expect(count == message.byteCount)
        }
        #expect(bytes.first == 0xA5 && bytes.last == 0xA5)
        let inner = Array(bytes[1..<bytes.count - 1])
        #expect(try MembershipMessageView<Address>(inner.raw).isChecksumValid(from: source, to: destination))
        return inner
    }

    private func failure<Address: MembershipAddress>(
        _ bytes: [UInt8], as family: Address.Type
    ) -> MembershipMessageError? {
        thrown { () throws(MembershipMessageError) in
            _ = try MembershipMessageView<Address>(bytes.raw).content()
        }
    }

    /// What a message says, as one that would say it.
    private func read<Address: MembershipAddress>(
        _ bytes: [UInt8], as family: Address.Type
    ) throws -> MembershipMessage<Address> {
        switch try MembershipMessageView<Address>(bytes.raw).content() {
        case .query(let view):
            var query = MembershipQuery<Address>(
                view.version, group: view.group, maxResponseTime: view.maxResponseTime)
            query.suppressesRouters = view.suppressesRouters
            query.robustness = UInt8(view.robustness ?? 0)
            query.queryInterval = view.queryInterval ?? .zero
            query.sources = (0..<view.sources.count).map { view.sources[$0] }
            return .query(query)
        case .reportV1(let group): return .reportV1(group)
        case .reportV2(let group): return .reportV2(group)
        case .leave(let group): return .leave(group)
        case .reportV3(var views):
            var records: [GroupRecord<Address>] = []
            while let view = views.next() {
                guard let kind = view.kind else { continue }
                let sources = (0..<view.sources.count).map { view.sources[$0] }
                records.append(GroupRecord(kind, view.group, sources))
            }
            return .reportV3(records)
        }
    }

    // MARK: - IGMP

    @Test func messagesOfIGMPStandAsTheRFCsDrawThem() throws {
        // By hand: 1200 + ef09 + 0101 is 1020a, folded 020b, turned fdf4.
        #expect(try wire(IGMPMessage.reportV1(group), from: querier) == [0x12, 0, 0xFD, 0xF4, 239, 9, 1, 1])
        #expect(try wire(IGMPMessage.reportV2(group), from: querier) == [0x16, 0, 0, 0, 239, 9, 1, 1].checksummed)
        #expect(try wire(IGMPMessage.leave(group), from: querier) == [0x17, 0, 0, 0, 239, 9, 1, 1].checksummed)
        let report = IGMPMessage.reportV3([
            GroupRecord(.toExclude, group), GroupRecord(.allow, group, [IPv4Address(10, 0, 0, 101), querier]),
        ])
        let records: [UInt8] = [
            0x22, 0, 0, 0, 0, 0, 0, 2, 4, 0, 0, 0, 239, 9, 1, 1, 5, 0, 0, 2, 239, 9, 1, 1, 10, 0, 0, 101, 10, 77, 0, 1,
        ]
        #expect(try wire(report, from: querier) == records.checksummed)
        var query = MembershipQuery(.v3, group: group, maxResponseTime: .seconds(1))
        query.suppressesRouters = true
        query.sources = [querier]
        let bytes: [UInt8] = [0x11, 10, 0, 0, 239, 9, 1, 1, 0x0A, 125, 0, 1, 10, 77, 0, 1]
        #expect(try wire(.query(query), from: querier) == bytes.checksummed)
    }

    @Test func reportsGoToWhereTheirVersionSaysAndLeavesToTheRouters() {
        #expect(IGMPMessage.reportV1(group).destination == group)
        #expect(IGMPMessage.reportV2(group).destination == group)
        #expect(IGMPMessage.leave(group).destination == IPv4Address(224, 0, 0, 2))
        #expect(IGMPMessage.reportV3([]).destination == IPv4Address(224, 0, 0, 22))
        #expect(MLDMessage.reportV2(group6).destination == group6)
        #expect(MLDMessage.leave(group6).destination == .allRouters)
        #expect(MLDMessage.reportV3([]).destination == IPv6Address(high: 0xFF02 << 48, low: 0x16))
        let general = MembershipQuery<IPv4Address>(.v3, maxResponseTime: .seconds(1))
        #expect(IGMPMessage.query(general).destination == .allSystems)
        #expect(
            IGMPMessage.query(MembershipQuery(.v2, group: group, maxResponseTime: .seconds(1))).destination == group)
        #expect(MLDMessage.query(MembershipQuery(.v3, maxResponseTime: .seconds(1))).destination == .allNodes)
    }

    @Test func theLengthOfAQueryTellsItsVersion() throws {
        func version(_ length: Int, code: UInt8) -> MembershipVersion? {
            let bytes = [0x11, code] + [UInt8](repeating: 0, count: length - 2)
            guard let view = try? IGMPView(bytes.raw), let content = try? view.content() else { return nil }
            if case .query(let query) = content { return query.version }
            return nil
        }
        #expect(version(8, code: 0) == .v1)
        #expect(version(8, code: 1) == .v2)
        for length in 9..<12 { #expect(version(length, code: 0) == nil && version(length, code: 9) == nil) }
        for length in 12..<60 { #expect(version(length, code: 0) == .v3 && version(length, code: 200) == .v3) }
        func version6(_ length: Int) -> MembershipVersion? {
            let bytes = [130] + [UInt8](repeating: 0, count: length - 1)
            guard let view = try? MLDView(bytes.raw), let content = try? view.content() else { return nil }
            if case .query(let query) = content { return query.version }
            return nil
        }
        #expect(version6(24) == .v2)
        for length in 25..<28 { #expect(version6(length) == nil) }
        for length in 28..<90 { #expect(version6(length) == .v3) }
    }

    @Test func aQueryOfVersion1IsAboutAllGroupsAndLeavesTenSeconds() throws {
        let bytes: [UInt8] = [0x11, 0, 0, 0, 239, 9, 1, 1]
        let query = MembershipQuery<IPv4Address>(.v1, maxResponseTime: .seconds(10))
        guard case .query(let got) = try read(bytes, as: IPv4Address.self) else {
            Issue.record("a query was read as something else")
            return
        }
        #expect(got.group == query.group && got.maxResponseTime == query.maxResponseTime && got.version == .v1)
    }

    // MARK: - MLD

    @Test func messagesOfMLDStandAsTheRFCsDrawThem() throws {
        let address: [UInt8] = [0xFF, 0x3E] + [UInt8](repeating: 0, count: 10) + [0x80, 0, 0, 1]
        let report = try wire(MLDMessage.reportV2(group6), from: querier6)
        #expect(report.with(0, at: 2).with(0, at: 3) == [131, 0, 0, 0, 0, 0, 0, 0] + address)
        let done = try wire(MLDMessage.leave(group6), from: querier6)
        #expect(done.with(0, at: 2).with(0, at: 3) == [132, 0, 0, 0, 0, 0, 0, 0] + address)
        let records = try wire(MLDMessage.reportV3([GroupRecord(.block, group6, [group6])]), from: querier6)
        #expect(
            records.with(0, at: 2).with(0, at: 3) == [143, 0, 0, 0, 0, 0, 0, 1, 6, 0, 0, 1] + address + address)
        let query = MembershipQuery(.v2, group: group6, maxResponseTime: .milliseconds(40_000))
        let asked = try wire(MLDMessage.query(query), from: querier6)
        #expect(asked.with(0, at: 2).with(0, at: 3) == [130, 0, 0, 0, 0x9C, 0x40, 0, 0] + address)
        let full = try wire(
            MLDMessage.query(MembershipQuery(.v3, group: group6, maxResponseTime: .seconds(1))), from: querier6)
        #expect(
            full.with(0, at: 2).with(0, at: 3) == [130, 0, 0, 0, 3, 0xE8, 0, 0] + address + [2, 125, 0, 0])
    }

    @Test func theSumOfMLDCoversTheAddressesAndThatOfIGMPDoesNot() throws {
        let bytes = try wire(MLDMessage.reportV2(group6), from: querier6)
        let other = IPv6Address(high: 0xFE80 << 48, low: 2)
        #expect(try !MLDView(bytes.raw).isChecksumValid(from: other, to: group6))
        let igmp = try wire(IGMPMessage.reportV2(group), from: querier)
        #expect(try IGMPView(igmp.raw).isChecksumValid(from: .any, to: .any))
        for place in igmp.indices {
            #expect(try !IGMPView(igmp.with(igmp[place] ^ 1, at: place).raw).isChecksumValid(from: querier, to: group))
        }
    }

    @Test func theRouterAlertOfMLDIsAWholeHopByHopHeader() throws {
        let bytes = written(8) { span in MLDRouterAlert.write(into: &span) }
        #expect(bytes == [58, 0, 5, 2, 0, 0, 1, 0])
    }

    @Test func mldHasNoVersion1() throws {
        #expect(IPv6Address.membershipType(of: .reportV1) == nil)
        let bytes = try wire(MLDMessage.reportV1(group6), from: querier6)
        #expect(try read(bytes, as: IPv6Address.self) == .reportV2(group6))
    }

    // MARK: - Codes

    @Test func timesAreCodedAsTheRFCsDoAndNeverLonger() {
        #expect(MembershipCode.decoded(UInt8(127)) == 127)
        #expect(MembershipCode.decoded(UInt8(0x80)) == 128)
        #expect(MembershipCode.decoded(UInt8(0x90)) == 256)
        #expect(MembershipCode.decoded(UInt8.max) == 31_744)
        #expect(MembershipCode.decoded(UInt16(32_767)) == 32_767)
        #expect(MembershipCode.decoded(UInt16(0x8000)) == 32_768)
        #expect(MembershipCode.decoded(UInt16.max) == 8_387_584)
        for code in UInt8.min...UInt8.max {
            #expect(MembershipCode.encoded8(MembershipCode.decoded(code)) == code)
            if code > 0 { #expect(MembershipCode.decoded(code) > MembershipCode.decoded(code - 1)) }
        }
        for code in UInt16.min...UInt16.max where MembershipCode.encoded16(MembershipCode.decoded(code)) != code {
            Issue.record("\(code) is not coded as itself")
        }
        for number in 0..<40_000 {
            let code = MembershipCode.encoded8(number)
            guard MembershipCode.decoded(code) <= number else {
                Issue.record("\(number) is coded as more than it is")
                continue
            }
            let isNext = code == 255 || MembershipCode.decoded(code + 1) > number
            if !isNext { Issue.record("\(number) could be told more exactly") }
        }
        #expect(MembershipCode.encoded8(.max) == 255 && MembershipCode.encoded16(.max) == .max)
        #expect(MembershipCode.encoded8(-1) == 0)
    }

    @Test func olderQueriesHaveNoExponent() throws {
        let bytes: [UInt8] = [0x11, 0x90, 0, 0, 239, 9, 1, 1]
        guard case .query(let old) = try read(bytes, as: IPv4Address.self),
            case .query(let new) = try read(bytes + [2, 125, 0, 0], as: IPv4Address.self)
        else {
            Issue.record("a query was read as something else")
            return
        }
        #expect(old.maxResponseTime == .milliseconds(14_400))
        #expect(new.maxResponseTime == .milliseconds(25_600))
    }

    // MARK: - Hostile input

    @Test func membershipMessagesTruncatedAnywhereAreNamed() throws {
        let record = GroupRecord(.isInclude, group, [querier, group])
        let report = try wire(IGMPMessage.reportV3([record, record]), from: querier)
        for count in 0..<report.count {
            let error = failure(Array(report[..<count]), as: IPv4Address.self)
            #expect(error == (count < 8 ? .truncated : .recordTruncated))
        }
        #expect(failure(report, as: IPv4Address.self) == nil)
        #expect(failure(report + [1, 2, 3], as: IPv4Address.self) == nil)
        var query = MembershipQuery(.v3, group: group6, maxResponseTime: .seconds(1))
        query.sources = [querier6, group6]
        let asked = try wire(MLDMessage.query(query), from: querier6)
        for count in 0..<asked.count {
            let error = failure(Array(asked[..<count]), as: IPv6Address.self)
            switch count {
            case ..<24: #expect(error == .truncated)
            case 24: #expect(error == nil)
            case 25..<28: #expect(error == .queryLength)
            default: #expect(error == .sourcesTruncated)
            }
        }
        #expect(failure(asked, as: IPv6Address.self) == nil)
        for type in [131, 132] as [UInt8] {
            #expect(failure([type] + [UInt8](repeating: 0, count: 22), as: IPv6Address.self) == .truncated)
            #expect(failure([type] + [UInt8](repeating: 0, count: 23), as: IPv6Address.self) == nil)
        }
    }

    @Test func countsThatReachBeyondTheMessageAreNamed() {
        let header: [UInt8] = [0x22, 0, 0, 0, 0, 0, 0, 1]
        #expect(failure(header, as: IPv4Address.self) == .recordTruncated)
        #expect(failure(header + [1, 0, 0, 0, 239, 9, 1, 1], as: IPv4Address.self) == nil)
        #expect(failure(header + [1, 0, 0, 1, 239, 9, 1, 1], as: IPv4Address.self) == .recordTruncated)
        #expect(failure(header + [1, 1, 0, 0, 239, 9, 1, 1], as: IPv4Address.self) == .recordTruncated)
        #expect(failure(header + [1, 255, 255, 255, 239, 9, 1, 1], as: IPv4Address.self) == .recordTruncated)
        let flood: [UInt8] = [0x22, 0, 0, 0, 0, 0, 255, 255]
        #expect(failure(flood + [1, 0, 0, 0, 239, 9, 1, 1], as: IPv4Address.self) == .recordTruncated)
        let query: [UInt8] = [0x11, 10, 0, 0, 239, 9, 1, 1, 2, 125]
        #expect(failure(query + [255, 255], as: IPv4Address.self) == .sourcesTruncated)
        #expect(failure(query + [0, 2, 10, 0, 0, 1, 10, 0, 0], as: IPv4Address.self) == .sourcesTruncated)
    }

    @Test func typesThatAreNotOfMembershipAreUnknown() {
        let zeros = [UInt8](repeating: 0, count: 39)
        for type in UInt8.min...UInt8.max {
            let isIGMP = [0x11, 0x12, 0x16, 0x17, 0x22].contains(type)
            #expect(failure([type] + zeros, as: IPv4Address.self) == (isIGMP ? nil : .unknownType))
            let isMLD = [130, 131, 132, 143].contains(type)
            #expect(failure([type] + zeros, as: IPv6Address.self) == (isMLD ? nil : .unknownType))
        }
    }

    @Test func auxiliaryDataAndUnknownKindsOfRecordAreSteppedOver() throws {
        let bytes: [UInt8] =
            [0x22, 7, 0, 0, 9, 9, 0, 3, 1, 2, 0, 1, 239, 9, 1, 1, 10, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2]
            + [77, 0, 0, 1, 239, 9, 1, 2, 10, 0, 0, 2] + [6, 0, 0, 1, 239, 9, 1, 3, 10, 0, 0, 3]
        let expected = IGMPMessage.reportV3([
            GroupRecord(.isInclude, group, [IPv4Address(10, 0, 0, 1)]),
            GroupRecord(.block, IPv4Address(239, 9, 1, 3), [IPv4Address(10, 0, 0, 3)]),
        ])
        #expect(try read(bytes, as: IPv4Address.self) == expected)
    }

    // MARK: - Properties

    @Test func writtenMembershipMessagesReadAsThemselves() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            try readsAsItself(anyMessage(using: &random) { $0.address() }, from: random.address())
            try readsAsItself(anyMessage(using: &random) { $0.address6() }, from: random.address6())
        }
    }

    private func readsAsItself<Address: MembershipAddress>(
        _ message: MembershipMessage<Address>, from source: Address
    ) throws {
        // MLD has no reports of version 1.
        if case .reportV1 = message, Address.membershipType(of: .reportV1) == nil { return }
        #expect(try read(wire(message, from: source), as: Address.self) == message)
    }

    private func anyMessage<Address: MembershipAddress>(
        using random: inout StackRandom, _ address: (inout StackRandom) -> Address
    ) -> MembershipMessage<Address> {
        let group = address(&random)
        switch random.number(0...4) {
        case 0: return .reportV1(group)
        case 1: return .reportV2(group)
        case 2: return .leave(group)
        case 3:
            let kinds = GroupRecordKind.allCases
            return .reportV3(
                (0..<random.number(0...8)).map { _ in
                    let sources = (0..<random.number(0...20)).map { _ in address(&random) }
                    return GroupRecord(kinds[random.number(0...5)], address(&random), sources)
                })
        default:
            let version: MembershipVersion = random.number(0...1) == 0 ? .v2 : .v3
            var query = MembershipQuery(
                version, group: group, maxResponseTime: .milliseconds(100 * random.number(1...127)))
            query.suppressesRouters = version == .v3 && random.number(0...1) == 0
            query.robustness = version == .v3 ? random.number(0...7) : 0
            query.queryInterval = version == .v3 ? .seconds(random.number(0...127)) : .zero
            if version == .v3 { query.sources = (0..<random.number(0...40)).map { _ in address(&random) } }
            return .query(query)
        }
    }

    @Test func noBytesOfMembershipTrap() {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            for _ in 0..<50 {
                let types: [UInt8] = [0x11, 0x12, 0x16, 0x17, 0x22, 130, 131, 132, 143]
                let bytes = [types[random.number(0...8)]] + random.bytes(random.number(0...80))
                _ = try? read(bytes, as: IPv4Address.self)
                _ = try? read(bytes, as: IPv6Address.self)
            }
        }
    }
}

extension [UInt8] {
    /// The bytes with the checksum of IGMP in the third and fourth.
    fileprivate var checksummed: [UInt8] {
        let zeroed = with(0, at: 2).with(0, at: 3)
        let sum = InternetChecksum.finish(InternetChecksum.sum(zeroed.raw))
        return zeroed.with(UInt8(sum >> 8), at: 2).with(UInt8(sum & 0xFF), at: 3)
    }
}
