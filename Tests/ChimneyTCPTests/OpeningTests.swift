import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import Testing

@Suite struct OpeningTests {
    @Test func aSYNOffersWhatTheSettingsSay() throws {
        var script = Scripted(TCPSettings(), segmentSize: 1_400)
        script.end.connect(at: script.now)
        #expect(script.take() == [Sent(.syn, -1)])
        let options = try #require(script.segments.first).options
        #expect(options.maximumSegmentSize == 1_400 && options.permitsSACK && options.timestamps != nil)
        #expect(options.windowShift == 5, "a buffer of a megabyte needs five bits")
        var bare = Scripted(Scripted.plain, segmentSize: 1_400)
        bare.end.connect(at: bare.now)
        _ = bare.take()
        let few = try #require(bare.segments.first).options
        #expect(few.maximumSegmentSize == 1_400 && !few.permitsSACK && few.timestamps == nil)
        #expect(few.windowShift == nil)
    }

    @Test func aSYNIsSentAgainTwiceAsLateEachTimeUntilConnectingFailsAfterThreeMinutes() {
        var script = Scripted(TCPSettings())
        script.end.connect(at: script.now)
        _ = script.take()
        let again = script.waitAndNote(.seconds(182))
        #expect(script.state == .synSent)
        _ = script.wait(.seconds(1))
        #expect(again.map(\.after.seconds) == [1, 3, 7, 15, 31, 63, 123])
        #expect(again.allSatisfy { $0.sent == Sent(.syn, -1) })
        #expect(script.state == .closed && script.failure == .timedOut)
        #expect(script.events().contains(.closed))
    }

    @Test func aResetThatAcknowledgesTheSYNRefusesAndOneThatDoesNotIsNotBelieved() {
        var script = Scripted(Scripted.plain)
        script.end.connect(at: script.now)
        _ = script.take()
        #expect(script.hear(.rst, 0).isEmpty)
        #expect(script.drop == .resetOutsideWindow && script.state == .synSent)
        #expect(script.hear([.rst, .ack], -1, ack: 7).isEmpty)
        #expect(script.drop == .ackOfUnsent && script.state == .synSent)
        #expect(script.hear([.rst, .ack], -1).isEmpty)
        #expect(script.state == .closed && script.failure == .refused)
    }

    @Test func anAnswerToAnotherSYNIsAnsweredWithAReset() {
        var script = Scripted(Scripted.plain)
        script.end.connect(at: script.now)
        _ = script.take()
        #expect(script.hear([.syn, .ack], -1, ack: 50) == [Sent(.rst, 50)])
        #expect(script.drop == .ackOfUnsent && script.state == .synSent)
        #expect(script.hear(.ack, 5).isEmpty)
        #expect(script.drop == .notSynchronizing && script.state == .synSent)
        #expect(script.hear([.syn, .ack], -1) == [Sent(.ack, 0)])
        #expect(script.state == .established)
    }

    @Test func bothMayOpenAtOnce() {
        var script = Scripted(Scripted.plain)
        script.end.connect(at: script.now)
        _ = script.take()
        #expect(script.hear(.syn, -1, window: 1_000) == [Sent([.syn, .ack], -1)])
        #expect(script.state == .synReceived)
        #expect(script.wait(.seconds(1)) == [Sent([.syn, .ack], -1)], "it is sent again as a SYN is")
        #expect(script.hear([.syn, .ack], -1).isEmpty)
        #expect(script.state == .established && script.events().contains(.established))
    }

    @Test func twoEndsThatOpenAtOnceExchangeData() {
        var one = End()
        var other = End(iss: 5_000)
        one.connect(at: .zero)
        other.connect(at: .zero)
        for _ in 0..<6 {
            for flying in one.takeSegments() { other.arrive(flying.arrived(), flying.payload, at: .zero) }
            for flying in other.takeSegments() { one.arrive(flying.arrived(), flying.payload, at: .zero) }
        }
        #expect(one.connection.state == .established && other.connection.state == .established)
        _ = one.write(pattern(100), at: .zero)
        for flying in one.takeSegments() { other.arrive(flying.arrived(), flying.payload, at: .zero) }
        #expect(other.read(at: .zero) == pattern(100))
    }

    @Test func aHandshakeWhoseLastSegmentAcknowledgesSomethingElseIsReset() {
        var script = Scripted(Scripted.plain)
        script.end.connect(at: script.now)
        _ = script.take()
        _ = script.hear(.syn, -1)
        #expect(script.hear(.ack, 0, ack: 9) == [Sent(.rst, 9)])
        #expect(script.state == .synReceived)
        #expect(script.hear(.rst, 0).isEmpty)
        #expect(script.state == .closed && script.failure == .refused)
    }

    @Test func optionsCountOnlyWhenBothEndsWantThem() {
        for wanted in 0..<8 {
            for answered in 0..<8 {
                var settings = TCPSettings()
                settings.hasTimestamps = wanted & 1 != 0
                settings.hasSelectiveAcks = wanted & 2 != 0
                settings.scalesWindow = wanted & 4 != 0
                var options = TCPOptionValues()
                if answered & 1 != 0 { options.timestamps = TCPTimestamps(value: 5, echo: 0) }
                options.permitsSACK = answered & 2 != 0
                if answered & 4 != 0 { options.windowShift = 9 }
                let script = Scripted.opened(settings, options: options)
                let seen = script.end.connection.snapshot(at: script.now)
                let both = wanted & answered
                #expect(seen.hasTimestamps == (both & 1 != 0))
                #expect(seen.hasSelectiveAcks == (both & 2 != 0))
                #expect(seen.peerShift == (both & 4 != 0 ? 9 : nil))
                #expect(seen.segmentSize == (both & 1 != 0 ? 1_448 : 1_460))
            }
        }
    }

    @Test func aShiftAbove14CountsAs14AndTheWindowOfASYNIsNotShifted() {
        var options = TCPOptionValues()
        options.windowShift = 15
        var settings = Scripted.plain
        settings.scalesWindow = true
        var script = Scripted.opened(settings, window: 1_000, options: options)
        #expect(script.end.connection.snapshot(at: script.now).peerWindow == 1_000)
        script.hear(window: 3)
        #expect(script.end.connection.snapshot(at: script.now).peerWindow == 3 << 14)
    }

    @Test func theWindowOfASYNIsNotShiftedThoughItCarriesDataOrCrossesOurs() {
        var settings = Scripted.plain
        settings.scalesWindow = true
        var options = TCPOptionValues()
        options.windowShift = 7
        options.maximumSegmentSize = 1_460
        var early = Scripted(settings)
        early.end.connect(at: early.now)
        early.hear([.syn, .ack], -1, pattern(10), window: 4_000, options: options)
        #expect(early.end.connection.readableCount == 10)
        #expect(early.end.connection.snapshot(at: early.now).peerWindow == 4_000)
        early.hear(.ack, 10, window: 50)
        #expect(early.end.connection.snapshot(at: early.now).peerWindow == 50 << 7)
        var crossing = Scripted(settings)
        crossing.end.connect(at: crossing.now)
        crossing.hear(.syn, -1, window: 4_000, options: options)
        crossing.hear([.syn, .ack], -1, window: 4_000, options: options)
        #expect(crossing.state == .established)
        #expect(crossing.end.connection.snapshot(at: crossing.now).peerWindow == 4_000)
        #expect(crossing.write(100_000).reduce(0) { $0 + $1.count } == 2_920)
        crossing.hear(window: 50)
        #expect(crossing.end.connection.snapshot(at: crossing.now).peerWindow == 50 << 7)
    }

    @Test func aPeerThatNamesNoSegmentSizeGets536BytesAndOneThatNamesATinyOneTheSmallest() {
        var script = Scripted(Scripted.plain)
        script.end.connect(at: script.now)
        script.hear([.syn, .ack], -1)
        #expect(script.end.connection.segmentSize == 536)
        var options = TCPOptionValues()
        options.maximumSegmentSize = 1
        let tiny = Scripted.opened(options: options)
        #expect(tiny.end.connection.segmentSize == 216)
    }

    @Test func tenSegmentsLeaveBeforeTheFirstAnswer() {
        var script = Scripted.opened()
        let sent = script.write(50_000)
        #expect(sent.count == 10)
        #expect(sent.allSatisfy { $0.count == 1_460 })
    }

    @Test func marksAreAgreedOnWhenOneAsksAndTheOtherAccepts() {
        for (ours, theirs, isAgreed) in [
            (ECNMode.requests, ECNMode.accepts, true), (.requests, .requests, true), (.requests, .off, false),
            (.accepts, .accepts, false), (.off, .requests, false), (.accepts, .requests, false),
        ] {
            var (client, server) = (TCPSettings(), TCPSettings())
            client.ecn = ours
            server.ecn = theirs
            var ends = TwoEnds(End(client), End(server, iss: 5_000))
            ends.open()
            #expect(ends.client.connection.snapshot(at: ends.now).hasCongestionMarks == isAgreed)
            #expect(ends.server.connection.snapshot(at: ends.now).hasCongestionMarks == isAgreed)
        }
    }

    @Test func aSYNThatWasLostAsksForNoMarksTheNextTime() {
        var settings = TCPSettings()
        settings.ecn = .requests
        var script = Scripted(settings)
        script.end.connect(at: script.now)
        #expect(script.take() == [Sent([.syn, .ece, .cwr], -1)])
        #expect(script.wait(.seconds(1)) == [Sent(.syn, -1)])
    }

    @Test func firstNumbersGrowWithTimeAtOneRateAndDifferByFlow() {
        var random = StackRandom(seed: 7)
        let numbers = InitialSequence(using: &random)
        let flow = IPv6Flow(
            local: IPv6Address(mapped: IPv4Address(bits: 0x0A00_0001)), localPort: 80,
            remote: IPv6Address(mapped: IPv4Address(bits: 0x0A00_0002)), remotePort: 9)
        var other = flow
        other.remotePort = 10
        let first = numbers.number(for: flow, at: .zero)
        #expect(numbers.number(for: flow, at: .zero + .seconds(1)) - first == 250_000)
        #expect(numbers.number(for: flow, at: .zero + .seconds(100)) - first == 25_000_000)
        #expect(numbers.number(for: other, at: .zero) != first)
        #expect(numbers.clockOffset(for: flow) == numbers.clockOffset(for: flow))
        #expect(numbers.clockOffset(for: flow) != numbers.clockOffset(for: other))
        let sixth = IPv6Flow(
            local: .loopback, localPort: 80, remote: IPv6Address(high: 1, low: 2), remotePort: 9)
        #expect(
            numbers.number(for: sixth, at: .zero + .seconds(4)) - numbers.number(for: sixth, at: .zero) == 1_000_000)
    }

    @Test func dataWrittenBeforeTheHandshakeEndsFollowsIt() {
        var script = Scripted(Scripted.plain)
        script.end.connect(at: script.now)
        #expect(script.write(100) == [Sent(.syn, -1)])
        #expect(script.hear([.syn, .ack], -1) == [Sent([.ack, .psh], 0, 100)])
    }

    @Test func connectingEndsWithTheOwnersPatience() {
        var settings = TCPSettings()
        settings.userTimeout = .seconds(5)
        var script = Scripted(settings)
        script.end.connect(at: script.now)
        _ = script.wait(.milliseconds(4_999))
        #expect(script.state == .synSent)
        _ = script.wait(.milliseconds(1))
        #expect(script.failure == .timedOut)
    }

    @Test func aSegmentOfNoConnectionIsAnsweredWithTheResetThatItsPeerBelieves() {
        let plain = ArrivedSegment(
            sequence: SequenceNumber(100), flags: [.syn, .fin], window: 0, payloadCount: 10)
        let answer = OutgoingSegment.reset(answering: plain)
        #expect(answer?.flags == [.rst, .ack] && answer?.sequence.value == 0 && answer?.ack.value == 112)
        let acknowledging = ArrivedSegment(
            sequence: SequenceNumber(100), ack: SequenceNumber(77), flags: .ack, window: 0)
        let other = OutgoingSegment.reset(answering: acknowledging)
        #expect(other?.flags == .rst && other?.sequence.value == 77)
        let reset = ArrivedSegment(sequence: SequenceNumber(100), flags: .rst, window: 0)
        #expect(OutgoingSegment.reset(answering: reset) == nil)
    }
}
