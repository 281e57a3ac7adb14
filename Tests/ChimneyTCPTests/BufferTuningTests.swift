import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import Testing

@Suite struct BufferTuningTests {
    private static var settings: TCPSettings {
        var settings = TCPSettings()
        settings.receiveBufferMax = 1_048_576
        settings.receiveBufferInitial = 65_536
        settings.sendBufferMax = 2_097_152
        return settings
    }

    /// Sends for some seconds over a path of 20 ms.
    ///
    /// - Returns: the bytes that were read, and the largest window offered on the way.
    private static func transfer(_ settings: TCPSettings, readsEach step: TimeSpan, bytesMax: Int) -> (Int, Int) {
        var ends = TwoEnds(End(settings), End(settings, iss: 5_000))
        ends.open()
        var read = 0
        var window = 0
        let bytes = pattern(200_000)
        for _ in 0..<80 {
            _ = ends.client.write(bytes, at: ends.now)
            ends.collect()
            ends.run(step)
            read += ends.server.read(bytesMax, at: ends.now).count
            ends.collect()
            window = max(window, ends.server.connection.snapshot(at: ends.now).receiveWindow)
        }
        return (read, window)
    }

    @Test func aReaderThatKeepsUpGetsALargerBufferAndIsServedFaster() {
        var fixed = Self.settings
        fixed.receiveBufferMax = 65_536
        let small = Self.transfer(fixed, readsEach: .milliseconds(5), bytesMax: .max)
        let tuned = Self.transfer(Self.settings, readsEach: .milliseconds(5), bytesMax: .max)
        #expect(small.1 <= 65_536)
        #expect(tuned.1 > 250_000 && tuned.1 <= 1_048_576)
        #expect(tuned.0 > 2 * small.0)
    }

    @Test func aReaderThatIsSlowKeepsTheBufferItBeganWith() {
        let tuned = Self.transfer(Self.settings, readsEach: .milliseconds(5), bytesMax: 2_000)
        #expect(tuned.1 <= 65_536 + 1_460)
    }

    /// Windows are told in units of 16 bytes here; a peer that sends a byte at a time must not win 15 with each.
    @Test func roundingWindowsUpDoesNotAddUp() {
        var settings = Scripted.plain
        settings.scalesWindow = true
        settings.receiveBufferMax = 1_000_000
        settings.quickAcks = 200
        var options = TCPOptionValues()
        options.windowShift = 0
        var script = Scripted.opened(settings, options: options)
        for sequence in 0..<200 { script.hear(.ack, sequence, [1]) }
        let snapshot = script.end.connection.snapshot(at: script.now)
        #expect(snapshot.receiveQueueBytes == 200 && snapshot.receiveShift == 4)
        #expect(snapshot.receiveQueueBytes + snapshot.receiveWindow < 1_000_000 + 16)
    }

    @Test func withoutAnInitialSizeTheBufferIsWholeFromTheBeginning() {
        var settings = Self.settings
        settings.receiveBufferInitial = nil
        let whole = Self.transfer(settings, readsEach: .milliseconds(5), bytesMax: .max)
        #expect(whole.1 > 1_000_000)
    }
}
