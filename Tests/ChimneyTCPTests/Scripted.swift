import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire

/// A segment that was sent, its numbers counted from the first byte of each stream.
struct Sent: Equatable, CustomStringConvertible {
    var flags: TCPFlags
    var sequence: Int
    var ack: Int
    var count: Int

    init(_ flags: TCPFlags, _ sequence: Int, _ count: Int = 0, ack: Int = 0) {
        self.flags = flags
        self.sequence = sequence
        self.ack = ack
        self.count = count
    }

    var description: String { "\(flags.rawValue): \(sequence)+\(count) ack \(ack)" }
}

/// One end whose peer is the test: it says what arrives, segment by segment, and sees what is answered.
struct Scripted: ~Copyable {
    var end: End
    var now = Instant.zero
    /// Everything that was sent, as it was.
    var segments: [OutgoingSegment] = []
    /// The peer's first byte, and ours.
    let theirs = SequenceNumber(5_001)
    let ours = SequenceNumber(1_001)
    /// The clock of the peer's timestamps; `nil` sends none.
    var clock: UInt32?

    /// An end that has not done anything.
    init(_ settings: TCPSettings, segmentSize: Int = 1_460, pieceMax: Int = 0) {
        end = End(settings, segmentSize: segmentSize, pieceMax: pieceMax)
    }

    /// Settings without the options that make numbers of tests odd.
    static var plain: TCPSettings {
        var settings = TCPSettings()
        settings.hasTimestamps = false
        settings.hasSelectiveAcks = false
        settings.scalesWindow = false
        settings.quickAcks = 0
        settings.receiveBufferMax = 60_000
        return settings
    }

    /// An end that is established, whatever it takes.
    static func opened(
        _ settings: TCPSettings = Scripted.plain, segmentSize: Int = 1_460, pieceMax: Int = 0, window: UInt16 = 60_000,
        options: TCPOptionValues = TCPOptionValues(), flags: TCPFlags = [.syn, .ack]
    ) -> Scripted {
        var script = Scripted(settings, segmentSize: segmentSize, pieceMax: pieceMax)
        var options = options
        if options.maximumSegmentSize == nil { options.maximumSegmentSize = 1_460 }
        script.clock = options.timestamps?.value
        script.end.connect(at: script.now)
        script.now = script.now + .milliseconds(10)
        script.hear(flags, -1, window: window, options: options)
        script.segments = []
        return script
    }

    /// A segment of the peer arrives; what is answered to it is returned.
    @discardableResult
    mutating func hear(
        _ flags: TCPFlags = .ack, _ sequence: Int = 0, ack: Int = 0, _ payload: [UInt8] = [], window: UInt16 = 60_000,
        urgent: UInt16 = 0, hasMark: Bool = false, options: TCPOptionValues = TCPOptionValues()
    ) -> [Sent] {
        var options = options
        if let clock, options.timestamps == nil { options.timestamps = TCPTimestamps(value: clock, echo: 0) }
        let segment = ArrivedSegment(
            sequence: theirs + sequence, ack: ours + ack, flags: flags, window: window, urgentPointer: urgent,
            payloadCount: payload.count, hasCongestionMark: hasMark, options: options)
        drop = end.arrive(segment, payload, at: now)
        return take()
    }

    /// Why the last segment came to nothing.
    var drop: TCPDrop?

    mutating func take() -> [Sent] {
        var result: [Sent] = []
        for flying in end.takeSegments() {
            segments.append(flying.segment)
            result.append(
                Sent(
                    flying.segment.flags, flying.segment.sequence - ours, flying.payload.count,
                    ack: flying.segment.flags.contains(.ack) ? flying.segment.ack - theirs : 0))
        }
        return result
    }

    @discardableResult
    mutating func write(_ count: Int) -> [Sent] {
        _ = end.write(pattern(count), at: now)
        return take()
    }

    /// Time passes; what timers send is returned.
    mutating func wait(_ time: TimeSpan) -> [Sent] { waitAndNote(time).map(\.sent) }

    /// Time passes; what timers send is returned, and how long after the start.
    mutating func waitAndNote(_ time: TimeSpan) -> [(after: TimeSpan, sent: Sent)] {
        let start = now
        let limit = now + time
        var result: [(after: TimeSpan, sent: Sent)] = []
        var steps = 0
        while end.connection.deadline <= limit, steps < 10_000 {
            steps += 1
            now = max(now, end.connection.deadline)
            end.timerFired(at: now)
            for sent in take() { result.append((now - start, sent)) }
        }
        now = limit
        return result
    }

    /// Time passes until the retransmission timer expires; what is sent then is returned.
    mutating func waitForTimeout() -> [Sent] {
        var sent: [Sent] = []
        var steps = 0
        while end.connection.snapshot(at: now).timeouts == 0, steps < 100 {
            steps += 1
            now = max(now, end.connection.deadline)
            end.timerFired(at: now)
            sent = take()
        }
        return sent
    }

    /// Time passes, and the peer answers all that timers send: it has so much, and its window is closed.
    ///
    /// - Returns: how long the connection was there.
    mutating func waitBehindAClosedWindow(_ time: TimeSpan, ack: Int) -> TimeSpan {
        let start = now
        let limit = now + time
        var steps = 0
        while state != .closed, end.connection.deadline <= limit, steps < 10_000 {
            steps += 1
            now = max(now, end.connection.deadline)
            end.timerFired(at: now)
            guard !take().isEmpty, state != .closed else { continue }
            hear(ack: ack, window: 0)
        }
        if state != .closed { now = limit }
        return now - start
    }

    mutating func shutdown() -> [Sent] {
        end.shutdown(at: now)
        return take()
    }

    mutating func close(linger: TimeSpan? = nil) -> [Sent] {
        end.close(linger: linger, at: now)
        return take()
    }

    /// What happened since it was last asked.
    mutating func events() -> TCPEvents {
        _ = take()
        defer { end.events = [] }
        return end.events
    }

    /// A router says that a segment of ours is too large.
    mutating func tooBig(_ size: Int, quoted: Int) -> Bool {
        end.connection.packetTooBig(size: size, quoted: ours + quoted, at: now)
    }

    /// Sends what is due.
    mutating func flush() -> [Sent] {
        end.connection.flush(at: now, output: &end.output)
        return take()
    }

    /// Why nothing can be read.
    var readError: TCPReadError? {
        mutating get {
            var reader = PacketQueue()
            do {
                _ = try end.connection.read(into: &reader)
                return nil
            } catch {
                return error
            }
        }
    }

    var hasSoftError: Bool { end.connection.hasSoftError }
    var isAtEnd: Bool { end.connection.isAtEnd }
    var state: TCPState { end.connection.state }
    var failure: TCPFailure? { end.connection.failure }
}
