import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import Testing

@Suite struct HostileTests {
    /// Any segments at all, in every state, with numbers near those that count.
    @Test func noSegmentsBringAConnectionOverItsBounds() {
        for seed in Seeds.chosen(count: 150) {
            var random = StackRandom(seed: seed)
            var settings = TCPSettings()
            settings.receiveBufferMax = number(1...100_000, &random)
            settings.sendBufferMax = number(1...100_000, &random)
            settings.reassemblyBytesMax = 100_000
            settings.holesMax = number(1...20, &random)
            settings.hasTimestamps = number(0...1, &random) == 0
            settings.ecn = .accepts
            var script = Scripted(settings, segmentSize: 1_460, pieceMax: number(0...1, &random) * 30_000)
            reach(TCPState.allCases[number(0...9, &random)], &script, &random)
            var nearest = (theirs: 0, ours: 0)
            for _ in 0..<number(1...80, &random) {
                step(&script, &nearest, &random)
                check(&script, settings, seed)
            }
            script.end.connection.abort(shared: &script.end.shared, output: &script.end.output)
            _ = script.take()
            _ = script.end.read(at: script.now)
            #expect(script.end.shared.reassembly.bytes == 0, "seed \(seed)")
            #expect(script.end.pool.inUse == 0, "seed \(seed)")
        }
    }

    private func number(_ range: ClosedRange<Int>, _ random: inout StackRandom) -> Int {
        .random(in: range, using: &random)
    }

    /// Goes towards a state by the shortest way; whether it is reached does not matter.
    private func reach(_ state: TCPState, _ script: inout Scripted, _ random: inout StackRandom) {
        guard state != .closed else { return }
        script.end.connect(at: script.now)
        _ = script.take()
        if state == .synSent { return }
        if state == .synReceived {
            script.hear(.syn, -1)
            return
        }
        script.hear([.syn, .ack], -1, options: options(&random))
        switch state {
        case .closed, .synSent, .synReceived, .established: break
        case .finWait1: _ = script.shutdown()
        case .finWait2:
            _ = script.shutdown()
            script.hear(ack: 1)
        case .closeWait: script.hear([.ack, .fin], 0)
        case .closing:
            _ = script.shutdown()
            script.hear([.ack, .fin], 0)
        case .lastAck:
            script.hear([.ack, .fin], 0)
            _ = script.shutdown()
        case .timeWait:
            _ = script.shutdown()
            script.hear([.ack, .fin], 0, ack: 1)
        }
    }

    private func options(_ random: inout StackRandom) -> TCPOptionValues {
        var options = TCPOptionValues()
        if number(0...1, &random) == 0 { options.maximumSegmentSize = UInt16(number(0...65_535, &random)) }
        if number(0...1, &random) == 0 { options.windowShift = UInt8(number(0...255, &random)) }
        options.permitsSACK = number(0...1, &random) == 0
        if number(0...3, &random) > 0 {
            options.timestamps = TCPTimestamps(
                value: UInt32(number(0...3_000, &random)), echo: UInt32(number(6_000...9_000, &random)))
        }
        return options
    }

    private func step(
        _ script: inout Scripted, _ nearest: inout (theirs: Int, ours: Int), _ random: inout StackRandom
    ) {
        switch number(0...9, &random) {
        case 0: _ = script.end.write(pattern(number(1...8_000, &random)), at: script.now)
        case 1: _ = script.wait(.milliseconds(Int64(number(0...3_000, &random))))
        case 2: _ = script.end.read(number(1...50_000, &random), at: script.now)
        case 3 where number(0...20, &random) == 0: _ = script.shutdown()
        case 3 where number(0...20, &random) == 0: _ = script.close()
        case 3:
            let believed = script.tooBig(number(0...1_500, &random), quoted: number(-10...nearest.ours + 10, &random))
            if believed { _ = script.flush() }
        default:
            var flags: TCPFlags = number(0...7, &random) == 0 ? [] : .ack
            if number(0...12, &random) == 0 { flags.insert(.fin) }
            if number(0...20, &random) == 0 { flags.insert(.syn) }
            if number(0...30, &random) == 0 { flags.insert(.rst) }
            if number(0...10, &random) == 0 { flags.insert(.urg) }
            if number(0...10, &random) == 0 { flags.insert(.ece) }
            if number(0...10, &random) == 0 { flags.insert(.cwr) }
            var options = number(0...5, &random) == 0 ? self.options(&random) : TCPOptionValues()
            if script.clock == nil, options.timestamps == nil {
                options.timestamps = TCPTimestamps(value: 3_000, echo: UInt32(number(6_000...9_000, &random)))
            }
            for _ in 0..<number(0...4, &random) {
                let left = script.ours + number(-100...nearest.ours + 3_000, &random)
                let right = left + number(-10...5_000, &random)
                options.append(TCPSACKBlock(left: left.value, right: right.value))
            }
            let far = number(0...15, &random) == 0
            let sequence =
                far
                ? number(-1_000_000_000...1_000_000_000, &random)
                : nearest.theirs + number(-50...3_000, &random) * number(0...1, &random)
            let ack =
                far
                ? number(-1_000_000_000...1_000_000_000, &random)
                : number(max(-50, nearest.ours - 2_000)...nearest.ours + 2, &random)
            script.hear(
                flags, sequence, ack: ack, pattern(number(0...2, &random) * number(0...1_460, &random)),
                window: UInt16(number(0...3, &random) == 0 ? 0 : number(0...65_535, &random)),
                urgent: UInt16(number(0...65_535, &random)), hasMark: number(0...5, &random) == 0, options: options)
        }
        for segment in script.segments {
            nearest.ours = max(nearest.ours, segment.sequence + segment.payloadCount - script.ours)
            if segment.flags.contains(.ack), !segment.flags.contains(.rst) {
                nearest.theirs = max(nearest.theirs, segment.ack - script.theirs)
            }
        }
        script.segments = []
    }

    private func check(_ script: inout Scripted, _ settings: TCPSettings, _ seed: UInt64) {
        let seen = script.end.connection.snapshot(at: script.now)
        #expect(seen.reassemblyBytes <= max(settings.receiveBufferMax, 65_535) + 1 << 14, "seed \(seed)")
        #expect(script.end.shared.reassembly.bytes <= settings.reassemblyBytesMax, "seed \(seed)")
        #expect(seen.holeCount <= settings.holesMax, "seed \(seed)")
        // The window is rounded up to what its shift can say.
        #expect(seen.receiveQueueBytes <= settings.receiveBufferMax + 1 << Int(seen.receiveShift ?? 0), "seed \(seed)")
        #expect(seen.sendQueueBytes <= settings.sendBufferMax, "seed \(seed)")
        #expect(seen.outstandingBytes <= seen.sendQueueBytes + 1 || seen.state == .closed, "seed \(seed)")
        #expect(seen.segmentSize > 0 && seen.peerWindow >= 0, "seed \(seed)")
    }
}
