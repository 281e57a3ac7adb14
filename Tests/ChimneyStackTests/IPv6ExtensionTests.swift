import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Testing

/// The extension headers of a packet: what each comes to, and what its sender is told (RFC 8200 §4).
@Suite struct IPv6ExtensionTests {
    private static var hopByHop: UInt8 { 0 }
    private static var routing: UInt8 { 43 }
    private static var fragment: UInt8 { 44 }
    private static var authentication: UInt8 { 51 }
    private static var destinationOptions: UInt8 { 60 }

    /// What became of a datagram to port 9.
    private struct Outcome: Equatable {
        var isDelivered = false
        var died: DropReason?
        /// Type and code of the error that its sender got, and what it points at.
        var told: [UInt8]?
        var pointer: UInt32?
    }

    /// Gives a stack a datagram behind these headers.
    private func outcome(
        _ extensions: [Handmade.Extension], to destination: IPAddress = Family.ipv6.right,
        _ change: (inout Handmade) -> Void = { _ in }
    ) throws -> Outcome {
        let segment = try Segment(.ipv6, kind: .ip)
        let socket = try segment.right.listen(to: 9, at: destination, on: segment.rightIndex, at: segment.now)
        var packet = Handmade.udp(.ipv6, to: 9, [1], destination: destination)
        packet.extensions = extensions
        change(&packet)
        let before = segment.right.ledger
        segment.giveRight(packet)
        let after = segment.right.ledger
        var outcome = Outcome(isDelivered: segment.right.receivableCount(socket) == 1)
        outcome.died = DropReason.allCases.first { after.dropped($0) > before.dropped($0) }
        if let error = segment.interceptRight().first {
            #expect(error.ipProtocol == 58 && error.isSumRight && error.destination == packet.source)
            outcome.told = error.kind
            outcome.pointer = error.rest
        }
        segment.check()
        return outcome
    }

    private var delivered: Outcome { Outcome(isDelivered: true) }

    private func refused(_ reason: DropReason, _ told: [UInt8]? = nil, at pointer: UInt32? = nil) -> Outcome {
        Outcome(died: reason, told: told, pointer: pointer)
    }

    /// A header of options, padded to a multiple of eight bytes.
    private func options(_ number: UInt8, _ bytes: [UInt8]) -> Handmade.Extension {
        let count = bytes.count + 2
        let missing = (8 - count % 8) % 8
        let padding: [UInt8] =
            missing == 0
            ? [] : missing == 1 ? [0] : [1, UInt8(missing - 2)] + [UInt8](repeating: 0, count: missing - 2)
        return .init(number: number, rest: [UInt8((count + missing) / 8 - 1)] + bytes + padding)
    }

    @Test(arguments: [UInt8(0), 60])
    func optionsNobodyKnowsAreMetAsTheirFirstTwoBitsSay(number: UInt8) throws {
        let at: UInt32 = 42
        #expect(try outcome([options(number, [0x1E, 2, 7, 7])]) == delivered)
        #expect(try outcome([options(number, [0x5E, 2, 7, 7])]) == refused(.ipOptionMalformed))
        #expect(try outcome([options(number, [0x9E, 2, 7, 7])]) == refused(.ipOptionMalformed, [4, 2], at: at))
        #expect(try outcome([options(number, [0xDE, 2, 7, 7])]) == refused(.ipOptionMalformed, [4, 2], at: at))
    }

    @Test(arguments: [UInt8(0), 60])
    func optionsSentToAGroupAreAnsweredOnlyWhereTheyAskForIt(number: UInt8) throws {
        let everyone = Family.ipv6.everyone
        #expect(try outcome([options(number, [0x1E, 0])], to: everyone) == delivered)
        #expect(
            try outcome([options(number, [0x9E, 0])], to: everyone) == refused(.ipOptionMalformed, [4, 2], at: 42))
        #expect(try outcome([options(number, [0xDE, 0])], to: everyone) == refused(.ipOptionMalformed))
    }

    @Test func optionsThatRunOutOfTheirHeaderAreAnsweredWithTheirPlace() throws {
        let long = Handmade.Extension(number: Self.destinationOptions, rest: [0, 0x1E, 200, 0, 0, 0, 0])
        #expect(try outcome([long]) == refused(.ipOptionMalformed, [4, 0], at: 43))
        let alert = Handmade.Extension(number: Self.hopByHop, rest: [0, 5, 1, 0, 1, 1, 0])
        #expect(try outcome([alert]) == refused(.ipOptionMalformed, [4, 0], at: 43))
        let many = options(Self.destinationOptions, (0..<8).flatMap { _ in [UInt8(0x1E), 0] })
        #expect(try outcome([many]) == delivered)
        let tooMany = options(Self.destinationOptions, (0..<9).flatMap { _ in [UInt8(0x1E), 0] })
        #expect(try outcome([tooMany]) == refused(.ipOptionMalformed, [4, 0], at: 42 + 16))
    }

    @Test func routerAlertIsNoReasonToRefuse() throws {
        #expect(try outcome([options(Self.hopByHop, [5, 2, 0, 0])]) == delivered)
    }

    @Test func hopByHopOptionsElsewhereThanFirstAreRefused() throws {
        let padding = [1, 0] as [UInt8]
        #expect(
            try outcome([options(Self.destinationOptions, padding), options(Self.hopByHop, padding)])
                == refused(.ipExtensionMalformed, [4, 1], at: 40))
        #expect(
            try outcome([options(Self.hopByHop, padding), options(Self.destinationOptions, padding)]) == delivered)
    }

    /// A routing header that has nothing left to visit is stepped over, of whatever type (RFC 5095 §3).
    @Test(arguments: [UInt8(0), 2, 3, 99])
    func routingHeaderIsRefusedWhileNodesAreLeftToVisit(type: UInt8) throws {
        func header(left: UInt8) -> Handmade.Extension {
            .init(
                number: Self.routing,
                rest: [2, type, left, 0, 0, 0, 0] + Handmade.be(UInt64(0x2001_0DB8_0000_0009)) + Handmade.be(UInt64(1)))
        }
        #expect(try outcome([header(left: 0)]) == delivered)
        #expect(try outcome([header(left: 1)]) == refused(.sourceRouteRefused, [4, 0], at: 42))
    }

    @Test func tooManyHeadersAndTooLongAChainAreRefused() throws {
        let small = options(Self.destinationOptions, [1, 0])
        #expect(try outcome([Handmade.Extension](repeating: small, count: 8)) == delivered)
        let many = try outcome([Handmade.Extension](repeating: small, count: 9))
        #expect(many == refused(.ipExtensionMalformed, [4, 8], at: 40 + 64))
        let large = options(Self.destinationOptions, [0x1E, 250] + [UInt8](repeating: 0, count: 250))
        #expect(large.rest.count + 1 == 256)
        #expect(try outcome([large, large]) == delivered)
        let long = try outcome([large, large, small])
        #expect(long == refused(.ipExtensionMalformed, [4, 7], at: 40 + 512))
    }

    @Test func headerBeyondThePacketIsRefusedWithItsPlace() throws {
        let cut = Handmade.Extension(number: Self.destinationOptions, rest: [9, 1, 4, 0, 0, 0, 0])
        #expect(try outcome([cut]) == refused(.ipExtensionMalformed, [4, 0], at: 40))
    }

    /// What is behind an authentication header nobody here can vouch for; the encrypted cannot be read.
    @Test func headersThisStackDoesNotSpeakAreAnsweredWithThePlaceThatNamesThem() throws {
        let proof = Handmade.Extension(
            number: Self.authentication, rest: [4] + [UInt8](repeating: 0, count: 22))
        #expect(try outcome([proof]) == refused(.protocolUnreachable, [4, 1], at: 6))
        let step = options(Self.destinationOptions, [1, 0])
        #expect(try outcome([step, proof]) == refused(.protocolUnreachable, [4, 1], at: 40))
        for number in [UInt8(50), 135, 139, 140, 253, 254, 99, 132] {
            func change(_ packet: inout Handmade) {
                packet.ipProtocol = number
                packet.payload = [59, 0, 1, 4, 0, 0, 0, 0]
            }
            let direct = try outcome([], change)
            #expect(direct == refused(.protocolUnreachable, [4, 1], at: 6), "\(number)")
            let behind = try outcome([step, step], change)
            #expect(behind == refused(.protocolUnreachable, [4, 1], at: 48), "\(number)")
        }
    }

    @Test func noNextHeaderEndsAPacketWithoutAWord() throws {
        #expect(try outcome([]) { $0.ipProtocol = 59 } == Outcome())
        let step = options(Self.destinationOptions, [1, 0])
        #expect(try outcome([step]) { $0.ipProtocol = 59 } == Outcome())
    }

    /// A fragment that is alone is a whole packet, and waits for none of its number (RFC 6946).
    @Test func atomicFragmentIsDeliveredAtOnceBesideFragmentsOfTheSameNumber() throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(port: 9))
        var first = Handmade.udp(.ipv6, to: 9, [UInt8](repeating: 1, count: 32))
        let whole = first.payload
        first.payload = Array(whole.prefix(16))
        first.fragmentWord = 0x2000
        segment.giveRight(first)
        var alone = Handmade.udp(.ipv6, to: 9, [2])
        alone.extensions = [.init(number: Self.fragment, rest: [0, 0, 0] + Handmade.be(UInt32(first.identification)))]
        segment.giveRight(alone)
        #expect(segment.right.receiveAll(socket) == [[2]])
        var last = first
        last.payload = Array(whole.suffix(from: 16))
        last.fragmentWord = 2
        segment.giveRight(last)
        #expect(segment.right.receiveAll(socket) == [[UInt8](repeating: 1, count: 32)])
        segment.check()
    }

    /// Whoever filters by ports must find them in the first fragment (RFC 7112 §5).
    @Test func firstFragmentWithoutItsWholeChainIsRefused() throws {
        let step = options(Self.destinationOptions, [1, 0])
        let cut = try outcome([]) { packet in
            packet.fragmentWord = 0x2000
            packet.ipProtocol = Self.destinationOptions
            packet.payload = [17, 1, 1, 4, 0, 0, 0, 0]
        }
        #expect(cut == refused(.ipExtensionMalformed, [4, 3], at: 48))
        let short = try outcome([]) { packet in
            packet.fragmentWord = 0x2000
            packet.ipProtocol = Self.destinationOptions
            packet.payload = [17] + step.rest
        }
        #expect(short == refused(.ipExtensionMalformed, [4, 3], at: 56))
    }

    /// The headers before the fragment header, and those behind it, are those of the first fragment (RFC 8200 §4.5).
    @Test func datagramPutTogetherIsReadAsIfItHadComeWhole() throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(port: 9))
        let whole = Handmade.udp(.ipv6, to: 9, [UInt8](repeating: 7, count: 48))
        let behind = options(Self.destinationOptions, [1, 0])
        let payload = [17] + behind.rest + whole.payload
        for (number, start) in [0, 24, 48].enumerated() {
            var piece = Handmade(.ipv6)
            piece.extensions = [options(Self.destinationOptions, [1, 0])]
            piece.ipProtocol = Self.destinationOptions
            piece.payload = Array(payload[start..<min(start + 24, payload.count)])
            piece.fragmentWord = UInt16(start / 8) | (number < 2 ? 0x2000 : 0)
            segment.giveRight(piece)
        }
        #expect(segment.right.receiveAll(socket) == [[UInt8](repeating: 7, count: 48)])
        segment.check()
    }

    @Test func fragmentsWithUnequalHeadersOfOneNumberAreOneDatagramOnlyFromOneSender() throws {
        let segment = try Segment(.ipv6, kind: .ip)
        let socket = try segment.right.openUDP()
        try segment.right.bind(socket, to: Endpoint(port: 9))
        let whole = Handmade.udp(.ipv6, to: 9, [UInt8](repeating: 1, count: 24))
        var first = whole
        first.payload = Array(whole.payload.prefix(16))
        first.fragmentWord = 0x2000
        var last = whole
        last.payload = Array(whole.payload.suffix(from: 16))
        last.fragmentWord = 2
        var strange = last
        strange.source = Family.ipv6.host(0, 9)
        for piece in [first, strange] { segment.giveRight(piece) }
        #expect(segment.right.receivableCount(socket) == 0)
        segment.giveRight(last)
        #expect(segment.right.receivableCount(socket) == 1)
        segment.pass(.seconds(100))
        segment.check()
    }

    @Test func fragmentThatContradictsItselfIsAnsweredWithTheFieldAtFault() throws {
        let odd = try outcome([]) { packet in
            packet.payload = [UInt8](repeating: 1, count: 13)
            packet.fragmentWord = 0x2000
        }
        #expect(odd == refused(.fragmentMalformed, [4, 0], at: 4))
        let beyond = try outcome([]) { packet in
            packet.payload = [UInt8](repeating: 1, count: 16)
            packet.fragmentWord = 0x1FFF
        }
        // A later fragment is answered here, and nowhere else (RFC 8200 §4.5).
        #expect(beyond == refused(.fragmentOversized, [4, 0], at: 42))
    }
}
