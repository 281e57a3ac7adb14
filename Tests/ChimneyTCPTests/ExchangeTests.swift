import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import Testing

@Suite struct ExchangeTests {
    @Test func aHandshakeOfThreeSegmentsOpensBothEnds() {
        var ends = TwoEnds()
        ends.keepsSent = true
        ends.open()
        #expect(ends.client.connection.state == .established)
        #expect(ends.server.connection.state == .established)
        #expect(ends.client.events.contains(.established) && ends.server.events.contains(.established))
        #expect(ends.sent.map(\.flying.segment.flags) == [.syn, [.syn, .ack], .ack])
        #expect(ends.client.connection.deadline == .never, "nothing is pending on an idle connection")
    }

    @Test func dataGoesBothWaysAndBothEndsClose() {
        var ends = TwoEnds()
        ends.open()
        #expect(ends.client.write(pattern(10_000), at: ends.now) == 10_000)
        #expect(ends.server.write(pattern(7_000, from: 50), at: ends.now) == 7_000)
        ends.collect()
        ends.run(.seconds(2))
        #expect(ends.server.read(at: ends.now) == pattern(10_000))
        #expect(ends.client.read(at: ends.now) == pattern(7_000, from: 50))
        ends.client.shutdown(at: ends.now)
        ends.collect()
        ends.run(.seconds(1))
        #expect(ends.client.connection.state == .finWait2)
        #expect(ends.server.connection.state == .closeWait && ends.server.connection.isAtEnd)
        #expect(ends.server.write(pattern(100), at: ends.now) == 100, "the other half stays open")
        ends.server.shutdown(at: ends.now)
        ends.collect()
        ends.run(.seconds(1))
        #expect(ends.client.connection.state == .timeWait && ends.client.events.contains(.timeWait))
        #expect(ends.server.connection.state == .closed && ends.server.connection.failure == nil)
        #expect(ends.client.read(at: ends.now) == pattern(100), "what arrived before the end stays to be read")
    }

    /// Both streams arrive whole or the connection says that it failed, over wires of every kind.
    @Test func everyStreamArrivesWholeOverAnyWire() {
        for seed in Seeds.chosen(count: 1_000) {
            var random = StackRandom(seed: seed)
            func number(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &random) }
            func settings() -> TCPSettings {
                var settings = TCPSettings()
                settings.sendBufferMax = number(1...60_000)
                settings.receiveBufferMax = number(1...60_000)
                if number(0...3) == 0 { settings.receiveBufferMax = number(60_000...3_000_000) }
                settings.scalesWindow = number(0...2) > 0
                settings.hasTimestamps = number(0...2) > 0
                settings.hasSelectiveAcks = number(0...2) > 0
                settings.noDelay = number(0...1) == 0
                settings.ecn = ECNMode.allCases[number(0...2)]
                settings.holesMax = number(1...40)
                return settings
            }
            let pieceMax = number(0...2) == 0 ? 60_000 : 0
            var ends = TwoEnds(
                End(
                    settings(), segmentSize: number(300...9_000), pieceMax: pieceMax,
                    iss: UInt32(truncatingIfNeeded: random.next())),
                End(settings(), segmentSize: number(300...9_000), iss: UInt32(truncatingIfNeeded: random.next())),
                seed: seed)
            ends.lossPerMille = number(0...1) == 0 ? 0 : number(0...250)
            ends.doublePerMille = number(0...100)
            ends.delay = .microseconds(Int64(number(1...50_000)))
            ends.jitter = number(0...1) == 0 ? .zero : .microseconds(Int64(number(1...60_000)))
            exchange(&ends, bytes: (number(0...60_000), number(0...60_000)), random: &random, seed: seed)
        }
    }

    private func exchange(
        _ ends: inout TwoEnds, bytes: (up: Int, down: Int), random: inout StackRandom, seed: UInt64
    ) {
        let up = pattern(bytes.up)
        let down = pattern(bytes.down, from: 77)
        var (written, answered) = (0, 0)
        var (atServer, atClient): ([UInt8], [UInt8]) = ([], [])
        var isOver = false
        ends.connect()
        var steps = 0
        while steps < 200_000 && !isOver {
            steps += 1
            let moved = ends.step()
            if Int.random(in: 0..<4, using: &random) == 0 || !moved {
                atServer += ends.server.read(Int.random(in: 1...20_000, using: &random), at: ends.now)
                atClient += ends.client.read(Int.random(in: 1...20_000, using: &random), at: ends.now)
            }
            if written < up.count, ends.client.connection.writableCount > 0 {
                written += ends.client.write(
                    Array(up[written..<min(up.count, written + Int.random(in: 1...8_000, using: &random))]),
                    at: ends.now)
            } else if written == up.count {
                ends.client.shutdown(at: ends.now)
            }
            if answered < down.count, ends.server.connection.writableCount > 0 {
                answered += ends.server.write(
                    Array(down[answered..<min(down.count, answered + Int.random(in: 1...8_000, using: &random))]),
                    at: ends.now)
            } else if answered == down.count, !ends.server.isListening {
                ends.server.shutdown(at: ends.now)
            }
            ends.collect()
            let done = { (state: TCPState) in state == .closed || state == .timeWait }
            isOver =
                done(ends.client.connection.state) && done(ends.server.connection.state)
                && ends.client.connection.readableCount == 0 && ends.server.connection.readableCount == 0
        }
        #expect(
            isOver, "seed \(seed): \(ends.client.connection.state) \(ends.server.connection.state) after \(steps) steps"
        )
        let failed = ends.client.connection.failure ?? ends.server.connection.failure
        if failed == nil {
            #expect(atServer == up, "seed \(seed): \(atServer.count) of \(up.count)")
            #expect(atClient == down, "seed \(seed): \(atClient.count) of \(down.count)")
        } else {
            #expect(ends.lossPerMille > 0, "seed \(seed): \(failed.map { "\($0)" } ?? "") without a loss")
            #expect(up.starts(with: atServer) && down.starts(with: atClient), "seed \(seed)")
        }
        #expect(ends.client.shared.reassembly.bytes == 0 && ends.server.shared.reassembly.bytes == 0, "seed \(seed)")
    }
}
