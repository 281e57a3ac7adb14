import ChimneyPrimitives

/// The control connection of one iperf3 test, as its server sees it: bytes in, actions out.
///
/// The client begins with its parameters, opens the streams, says when the test is over, and exchanges results. What it says out
/// of turn, says too long or does not say in time ends the test with an ``IperfFault``.
struct IperfTest {
    /// What is waited for.
    enum Stage: Hashable, Sendable, CaseIterable {
        case parameters, streams, running, settling, figures, results, farewell, over

        /// When that is, in a sentence.
        var words: String {
            switch self {
            case .parameters: "before the parameters"
            case .streams: "before the streams"
            case .running: "during the test"
            case .settling, .figures: "at the end of the test"
            case .results: "before the results"
            case .farewell: "after the results"
            case .over: "after the test"
            }
        }
    }

    /// What whoever holds the connections does next, in the order of the list.
    enum Action: Hashable, Sendable {
        /// Sends bytes over the control connection.
        case send([UInt8])
        /// Takes the streams' connections.
        case take(IperfParameters)
        /// Sends over the streams that are to.
        case begin
        /// Counts from here on.
        case forget
        /// Sends no more; reads on.
        case rest
        /// Ends the streams, and tells ``ended(_:at:)`` what they moved.
        case end
        /// Ends the streams and closes the control connection.
        case over(Outcome)
    }

    /// How a test ended.
    enum Outcome: Hashable, Sendable {
        case completed(Report)
        case failed(IperfFault)
    }

    /// What a test showed, for the log.
    struct Report: Hashable, Sendable {
        var parameters: IperfParameters
        /// What was counted here.
        var own: IperfResults
        /// What the client counted.
        var client: IperfResults
    }

    /// The most bytes of parameters, and of results.
    static var jsonBytesMax: Int { 131_072 }
    /// The longest wait for what the client says next, while no test runs.
    static var replySpanMax: TimeSpan { .seconds(10) }
    /// How long a running test may move nothing.
    static var silenceSpanMax: TimeSpan { .seconds(120) }
    /// How much longer than it said it would a test may take.
    static var overtimeMax: TimeSpan { .seconds(30) }
    /// The longest wait for what the client sent before it said that the test is over.
    static var settlingSpanMax: TimeSpan { .seconds(1) }
    /// Nothing came for so long: all has come.
    static var settledSpan: TimeSpan { .milliseconds(20) }

    private(set) var stage = Stage.parameters
    private(set) var parameters = IperfParameters()
    /// How many streams were connected.
    private(set) var connectedCount = 0
    /// When ``timePassed(at:moved:)`` has something to do.
    private(set) var deadline: Instant
    private let congestionControls: [String]
    private var inbox: [UInt8] = []
    /// What was counted here, and what the client counted.
    private var own = IperfResults([])
    private var client = IperfResults([])
    /// The first stream whose connection ended while the test ran.
    private var endedStream: Int?
    /// What had been moved when that was last looked at, and when it was different.
    private var movedBefore = 0
    private var movedAt: Instant
    /// When counting begins anew; nil once it has.
    private var omitEnd: Instant?
    /// When the stage ends in any case.
    private var stageEnd: Instant

    /// A test whose client was taken, at its first stage; its first byte to the client is ``greeting``.
    init(congestionControls: [String], at now: Instant) {
        self.congestionControls = congestionControls
        movedAt = now
        stageEnd = now + Self.replySpanMax
        deadline = stageEnd
    }

    /// Asks for the parameters.
    static var greeting: Action { .send([IperfState.parameterExchange.byte]) }

    /// How many connections of streams are still to come.
    var missingCount: Int { stage == .streams ? parameters.sends.count - connectedCount : 0 }

    // MARK: Events

    /// Bytes of the control connection.
    mutating func received(_ bytes: [UInt8], at now: Instant) -> [Action] {
        guard stage != .over else { return [] }
        inbox += bytes
        var actions: [Action] = []
        do throws(IperfFault) {
            while try take(at: now, into: &actions) {}
        } catch {
            actions += failed(error)
        }
        return actions
    }

    /// The control connection ended.
    mutating func controlEnded() -> [Action] { failed(.controlEnded(stage)) }

    /// The stack did not do what was asked of it.
    mutating func failed(_ reason: String) -> [Action] { failed(.socket(reason)) }

    /// A connection of the test's cookie was taken.
    mutating func streamConnected(at now: Instant) -> [Action] {
        guard missingCount > 0 else { return [] }
        connectedCount += 1
        guard missingCount == 0 else { return [] }
        stage = .running
        let span = parameters.seconds > 0 ? parameters.seconds : IperfParameters.secondsMax
        stageEnd = now + .seconds(Int64(span + parameters.omitSeconds)) + Self.overtimeMax
        movedAt = now
        if parameters.omitSeconds > 0 { omitEnd = now + .seconds(Int64(parameters.omitSeconds)) }
        setDeadline()
        return [.send([IperfState.testStart.byte, IperfState.testRunning.byte]), .begin]
    }

    /// The connection of a stream ended while the test ran.
    ///
    /// The client may have said why over the control connection, which is waited for.
    mutating func streamEnded(_ number: Int, at now: Instant) {
        guard stage == .running, endedStream == nil else { return }
        endedStream = number
        stageEnd = now + Self.settlingSpanMax
        setDeadline()
    }

    /// Looks at what is due; `moved` is what all streams moved since the test began.
    mutating func timePassed(at now: Instant, moved: Int) -> [Action] {
        guard stage != .over else { return [] }
        if moved != movedBefore {
            movedBefore = moved
            movedAt = now
            setDeadline()
        }
        guard now >= deadline else { return [] }
        switch stage {
        case .parameters, .streams, .results, .farewell: return failed(.silence(stage, Self.replySpanMax))
        case .settling: return end()
        case .running where now >= stageEnd: return failed(endedStream.map { .streamEnded($0) } ?? .endless)
        case .running where now - movedAt >= Self.silenceSpanMax: return failed(.silence(stage, Self.silenceSpanMax))
        case .running:
            omitEnd = nil
            setDeadline()
            return [.forget]
        case .figures, .over: return []
        }
    }

    /// The streams were ended, and moved so much.
    mutating func ended(_ results: IperfResults, at now: Instant) -> [Action] {
        guard stage == .figures else { return [] }
        own = results
        stage = .results
        wait(at: now)
        return [.send([IperfState.exchangeResults.byte])]
    }

    // MARK: What the client says

    /// Takes what the stage waits for; whether there may be more.
    private mutating func take(at now: Instant, into actions: inout [Action]) throws(IperfFault) -> Bool {
        switch stage {
        case .parameters:
            guard let json = try takeText({ .parametersTooLong($0) }) else { return false }
            parameters = try IperfParameters(reading: json, congestionControls: congestionControls)
            stage = .streams
            wait(at: now)
            actions += [.take(parameters), .send([IperfState.createStreams.byte])]
        case .results:
            guard let json = try takeText({ .resultsTooLong($0) }) else { return false }
            client = try IperfResults(reading: json)
            actions.append(.send(Self.framed(own.json) + [IperfState.displayResults.byte]))
            stage = .farewell
            wait(at: now)
        case .streams, .running, .settling, .figures, .farewell:
            guard !inbox.isEmpty else { return false }
            let byte = inbox.removeFirst()
            switch (IperfState(byte: byte), stage) {
            case (.testEnd, .running): actions += testEnded(at: now)
            case (.done, .farewell):
                stage = .over
                actions.append(.over(.completed(Report(parameters: parameters, own: own, client: client))))
                return false
            case (.clientTerminate, _), (.done, _): throw .clientTerminated
            case (_, _): throw .state(byte, stage)
            }
        case .over: return false
        }
        return true
    }

    /// A text with its length before it, once it is there.
    private mutating func takeText(_ tooLong: (Int) -> IperfFault) throws(IperfFault) -> [UInt8]? {
        guard inbox.count >= 4 else { return nil }
        let count = inbox.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        guard count <= Self.jsonBytesMax else { throw tooLong(count) }
        guard inbox.count >= 4 + count else { return nil }
        let text = Array(inbox[4..<(4 + count)])
        inbox.removeFirst(4 + count)
        return text
    }

    private static func framed(_ text: [UInt8]) -> [UInt8] { bytes(of: Int32(truncatingIfNeeded: text.count)) + text }

    private static func bytes(of number: Int32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
    }

    // MARK: Ending

    /// What was sent to us may still be under way when the client's word comes over another connection.
    private mutating func testEnded(at now: Instant) -> [Action] {
        guard parameters.sends.contains(false) else { return [.rest] + end() }
        stage = .settling
        stageEnd = now + Self.settlingSpanMax
        movedAt = now
        setDeadline()
        return [.rest]
    }

    private mutating func end() -> [Action] {
        stage = .figures
        deadline = .never
        return [.end]
    }

    private mutating func failed(_ fault: IperfFault) -> [Action] {
        guard stage != .over else { return [] }
        stage = .over
        deadline = .never
        inbox = []
        guard let code = fault.code else { return [.over(.failed(fault))] }
        let error = [IperfState.serverError.byte] + Self.bytes(of: code) + Self.bytes(of: 0)
        return [.send(error), .over(.failed(fault))]
    }

    // MARK: Time

    private mutating func wait(at now: Instant) {
        stageEnd = now + Self.replySpanMax
        deadline = stageEnd
    }

    private mutating func setDeadline() {
        switch stage {
        case .settling: deadline = min(stageEnd, movedAt + Self.settledSpan)
        case .running: deadline = min(stageEnd, movedAt + Self.silenceSpanMax, omitEnd ?? .never)
        case .parameters, .streams, .figures, .results, .farewell, .over: break
        }
    }
}

extension IperfTest.Outcome: CustomStringConvertible {
    /// One line for the log.
    var description: String {
        switch self {
        case .failed(let fault): "the test failed: \(fault)"
        case .completed(let report): report.description
        }
    }
}

extension IperfTest.Report: CustomStringConvertible {
    /// What went each way, as it was counted here and by the client.
    var description: String {
        [false, true].compactMap { sends in
            let places = parameters.sends.indices.filter { parameters.sends[$0] == sends }
            guard !places.isEmpty else { return nil }
            let streams = places.compactMap { own.streams.indices.contains($0) ? own.streams[$0] : nil }
            let theirs = places.compactMap { client.streams.indices.contains($0) ? client.streams[$0].bytes : nil }
            let bytes = streams.reduce(0) { $0 + $1.bytes }
            let seconds = streams.map(\.seconds).max() ?? 0
            let megabits = seconds > 0 ? Int(Double(bytes) * 8 / seconds / 1e6) : 0
            let word = sends ? "sent" : "received"
            return "\(word) \(bytes) bytes at \(megabits) Mbit/s, the client counted \(theirs.reduce(0, +))"
        }.joined(separator: "; ")
    }
}
