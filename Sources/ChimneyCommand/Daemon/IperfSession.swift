import ChimneyPrimitives
import ChimneyRuntime
import ChimneySockets
import ChimneyStack
import ChimneyTCP
import Glibc

/// One test of iperf3: its control connection and its streams, on the thread of their shard.
final class IperfSession: @unchecked Sendable {
    // Touched by the shard's thread only.
    private let control: TCPSocket
    private let cookie: IperfCookie
    /// How the streams behave where the client asks for nothing else; its buffers are the most that a client gets.
    private let settings: TCPSettings
    private var test: IperfTest?
    /// The connections of streams, each with the number that it was taken as, until all are there.
    private var joined: [(number: Int, socket: TCPSocket)] = []
    private var streams: [IperfStream] = []
    private var began = Instant.zero
    private var processorTimes = ProcessorTimes()
    private var outcome: IperfTest.Outcome?

    /// The longest that the control connection is waited for before the test looks at its streams.
    private static var tickMax: TimeSpan { .seconds(1) }
    /// The same while streams are connected, whose tasks know of each other by looking.
    private static var shortTickMax: TimeSpan { .milliseconds(20) }
    /// How long a few bytes to the client may find no room.
    private static var writeSpanMax: TimeSpan { .seconds(5) }

    init(_ control: TCPSocket, _ cookie: IperfCookie, _ settings: TCPSettings) {
        self.control = control
        self.cookie = cookie
        self.settings = settings
    }

    // MARK: The control connection

    /// Runs the test to its end.
    func run() async -> IperfTest.Outcome {
        let names = try? await control.stack.perform { stack, _ in stack.settings.tcp.congestionControls.allowed }
        test = IperfTest(congestionControls: names ?? [], at: Shard.clock)
        await perform([IperfTest.greeting])
        while outcome == nil { await perform(await nextActions()) }
        for stream in streams {
            stream.isResting = true
            await stream.socket.abort()
        }
        for (_, socket) in joined { await socket.abort() }
        await control.close()
        return outcome ?? .failed(.controlEnded(.over))
    }

    private func nextActions() async -> [IperfTest.Action] {
        let due = test?.deadline ?? .never
        let tick = test?.stage == .streams ? Self.shortTickMax : Self.tickMax
        do throws(TCPSocketError) {
            let bytes = try await control.read(deadline: min(due, Shard.clock + tick))
            return bytes.flatMap { test?.received($0, at: Shard.clock) } ?? test?.controlEnded() ?? []
        } catch {
            guard error == .deadlinePassed else { return test?.controlEnded() ?? [] }
            let moved = streams.reduce(0) { $0 + $1.moved }
            return test?.timePassed(at: Shard.clock, moved: moved) ?? []
        }
    }

    private func perform(_ actions: [IperfTest.Action]) async {
        for action in actions {
            switch action {
            case .send(let bytes): try? await control.write(bytes, deadline: Shard.clock + Self.writeSpanMax)
            case .take: break
            case .begin: begin()
            case .forget:
                for stream in streams { await stream.forget() }
                processorTimes = ProcessorTimes()
                began = Shard.clock
            case .rest: for stream in streams { stream.isResting = true }
            case .end: await perform(await end())
            case .over(let outcome):
                self.outcome = outcome
                // Whoever waits to read from it goes on.
                await control.close()
            }
        }
    }

    // MARK: Streams

    /// Whether a connection with a cookie is one that the test waits for.
    func admits(_ cookie: IperfCookie) -> Bool { cookie == self.cookie && (test?.missingCount ?? 0) > 0 }

    /// Takes the connection of a stream, and begins when it is the last.
    func join(_ socket: TCPSocket, number: Int) async {
        guard let parameters = test?.parameters else { return }
        joined.append((number, socket))
        let actions = test?.streamConnected(at: Shard.clock) ?? []
        do throws(TCPSocketError) {
            try await configure(socket, parameters)
        } catch {
            return await perform(test?.failed("\(error)") ?? [])
        }
        await perform(actions)
    }

    private func configure(_ socket: TCPSocket, _ parameters: IperfParameters) async throws(TCPSocketError) {
        if let window = parameters.windowBytes {
            var settings = settings
            settings.sendBufferMax = max(4_096, min(settings.sendBufferMax, window))
            settings.receiveBufferMax = max(4_096, min(settings.receiveBufferMax, window))
            try await socket.setSettings(settings)
        }
        if parameters.noDelay { try await socket.setNoDelay(true) }
        if let value = parameters.typeOfService { try await socket.setTypeOfService(value) }
        if let name = parameters.congestionControl { try await socket.setCongestionControl(name) }
    }

    /// The client takes its connections to be in the order in which it opened them.
    private func begin() {
        guard let parameters = test?.parameters else { return }
        joined.sort { $0.number < $1.number }
        streams = zip(joined, parameters.sends).map { IperfStream($0.socket, sends: $1, parameters) }
        joined = []
        began = Shard.clock
        processorTimes = ProcessorTimes()
        for (position, stream) in streams.enumerated() {
            Task(executorPreference: control.stack.shard) {
                await stream.run()
                self.test?.streamEnded(position + 1, at: Shard.clock)
            }
        }
    }

    private func end() async -> [IperfTest.Action] {
        var figures: [IperfStreamFigures] = []
        for stream in streams { figures.append(await stream.figures(since: began)) }
        var results = IperfResults(figures)
        let spent = ProcessorTimes()
        let span = max(1e-9, (Shard.clock - began).seconds)
        results.userPercent = (spent.user - processorTimes.user) / span * 100
        results.systemPercent = (spent.system - processorTimes.system) / span * 100
        results.congestionControl = streams.first?.congestionControl
        for stream in streams { await stream.socket.close() }
        streams = []
        return test?.ended(results, at: Shard.clock) ?? []
    }
}

/// The seconds of a processor that the program took until now.
private struct ProcessorTimes {
    var user = 0.0
    var system = 0.0

    init() {
        var usage = rusage()
        // Invariant: the call fills the place it is given and keeps no pointer to it.
        guard unsafe getrusage(RUSAGE_SELF.rawValue, &usage) == 0 else { return }
        user = Double(usage.ru_utime.tv_sec) + Double(usage.ru_utime.tv_usec) / 1e6
        system = Double(usage.ru_stime.tv_sec) + Double(usage.ru_stime.tv_usec) / 1e6
    }
}
