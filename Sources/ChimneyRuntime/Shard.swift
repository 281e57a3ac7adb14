#if os(Linux)
    import CChimneyLinux
    import ChimneyCapture
    import ChimneyLink
    public import ChimneyPrimitives
    import ChimneyStack
    import Glibc
    import Synchronization

    /// Who is told that a deadline has passed.
    package protocol Alarmed: AnyObject {
        /// The deadline armed under this name has passed.
        func alarmFired(_ name: UInt64, at now: Instant)
    }

    /// One thread with its stacks, their devices and the tasks that use them.
    ///
    /// Everything below the sockets runs on the shard's thread, without locks. Tasks that prefer the shard as
    /// their executor read and write sockets without a hop; all others reach it through its inbox.
    /// The thread sleeps in one place, waiting for devices, deadlines and the inbox.
    ///
    /// A shard runs from its creation until ``stop()``; it must be stopped, or its thread lives on.
    public final class Shard: SerialExecutor, TaskExecutor, @unchecked Sendable {
        // What is not a constant or atomic here is touched by the shard's thread only.

        /// The name, for people.
        public let name: String
        let settings: ShardSettings
        let inbox = ShardInbox()
        let threadID = Atomic<UInt>(0)
        let stopped = Mutex(StopState())
        let subscribers = Mutex(Subscribers())

        struct StopState {
            var isStopping = false
            var hasEnded = false
            var waiting: [CheckedContinuation<Void, Never>] = []
        }

        struct Subscribers {
            var next: UInt64 = 0
            var all: [UInt64: AsyncStream<StackEvent>.Continuation] = [:]
        }

        var poller: Poller
        /// Where its stacks' packets come from.
        package let pool: PacketPool
        /// What every round touches.
        private let state: Confined<RoundState>
        /// When the round began: the clock is read once a round.
        package internal(set) var now: Instant {
            @inline(__always) get { state.value.now }
            @inline(__always) set { state.value.now = newValue }
        }
        var jobs: [UnownedJob] {
            @inline(__always) _read { yield state.value.jobs }
            @inline(__always) _modify { yield &state.value.jobs }
        }
        var jobsRunning: [UnownedJob] {
            @inline(__always) _read { yield state.value.jobsRunning }
            @inline(__always) _modify { yield &state.value.jobsRunning }
        }
        /// When each stack wants to be asked again, by its position.
        var deadlines: [Instant] {
            @inline(__always) _read { yield state.value.deadlines }
            @inline(__always) _modify { yield &state.value.deadlines }
        }
        var touchedCells: [StackCell] {
            @inline(__always) _read { yield state.value.touchedCells }
            @inline(__always) _modify { yield &state.value.touchedCells }
        }
        var touchedRunning: [StackCell] {
            @inline(__always) _read { yield state.value.touchedRunning }
            @inline(__always) _modify { yield &state.value.touchedRunning }
        }
        var ports: [DevicePort?] {
            @inline(__always) _read { yield state.value.ports }
            @inline(__always) _modify { yield &state.value.ports }
        }
        /// Ports a round is to receive from.
        var readyPorts: [DevicePort] {
            @inline(__always) _read { yield state.value.readyPorts }
            @inline(__always) _modify { yield &state.value.readyPorts }
        }
        var wheel: TimerWheel {
            @inline(__always) _read { yield state.value.wheel }
            @inline(__always) _modify { yield &state.value.wheel }
        }
        var random: StackRandom
        var cells: [StackCell?] = []
        var portGeneration: UInt32 = 0
        /// Ports without a descriptor, looked at in every round.
        var polledPorts: [DevicePort] = [] { didSet { hasPolledPorts = !polledPorts.isEmpty } }
        private(set) var hasPolledPorts = false
        /// Those of them that are unfinished: nothing tells when their devices can go on, so that each round tries.
        var fullPorts: [DevicePort] = [] { didSet { hasFullPorts = !fullPorts.isEmpty } }
        private(set) var hasFullPorts = false
        var capturing: [DevicePort] = [] { didSet { hasCaptures = !capturing.isEmpty } }
        private(set) var hasCaptures = false
        var alarms: [Alarm?] = []
        var freeAlarms: [UInt32] = []
        var hasProgress = false
        /// Whether the next round begins with a clock just read.
        var hasReadClock = false
        var lastWork = Instant.zero
        /// Rounds that ended in polling, to ask the poller now and then.
        var spinCount: UInt32 = 0
        var isStopping = false
        var captureCount: UInt64 = 0

        /// What every round touches, each for one access at a time: a job, a listener or a device that is called while one is
        /// walked walks a copy of it.
        struct RoundState: ~Copyable {
            var now: Instant
            var jobs: [UnownedJob] = []
            var jobsRunning: [UnownedJob] = []
            var deadlines: [Instant] = []
            var touchedCells: [StackCell] = []
            var touchedRunning: [StackCell] = []
            var ports: [DevicePort?] = []
            var readyPorts: [DevicePort] = []
            var wheel: TimerWheel

            init(now: Instant, alarmsMax: Int) {
                self.now = now
                wheel = TimerWheel(timersMax: min(max(1, alarmsMax), 1 << 30))
            }
        }

        struct Alarm {
            let target: any Alarmed
            let name: UInt64
        }

        /// Starts a shard's thread.
        ///
        /// - Throws: ``ShardError/system(call:errno:)``.
        public init(name: String = "shard", settings: ShardSettings = ShardSettings()) throws(ShardError) {
            self.name = name
            self.settings = settings
            poller = try Poller()
            state = Confined(RoundState(now: Instant(nanoseconds: chimney_monotonic()), alarmsMax: settings.alarmsMax))
            pool = PacketPool(packetsMax: settings.packetsMax, largeMax: settings.largePacketsMax)
            switch ShardThread.secret() {
            case .success(let key): random = StackRandom(key: key)
            case .failure(let refusal): throw .system(call: "getrandom", errno: refusal.errno)
            }
            inbox.begin()
            let code = ShardThread.start { [self] in serve() }
            guard code == 0 else { throw .system(call: "pthread_create", errno: code) }
        }

        /// The shard's clock: the kernel's monotonic one.
        public static var clock: Instant { Instant(nanoseconds: chimney_monotonic()) }

        /// Whether the shard was stopped; for its thread.
        var isStopped: Bool { isStopping }

        // MARK: Executor

        /// Whether the caller runs on the shard's thread.
        @inline(__always)
        public var isCurrent: Bool { UInt(pthread_self()) == threadID.load(ordering: .relaxed) }

        /// Takes a job of a task to run on the shard's thread.
        public func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            if isCurrent { jobs.append(job) } else { submit(.job(job)) }
        }

        /// The shard as what isolates an actor.
        public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
            // Invariant: who uses the reference keeps the shard alive, as tasks and actors on it do.
            unsafe UnownedSerialExecutor(ordinary: self)
        }

        /// Confirms, for the language, that the caller is isolated to the shard.
        public func checkIsolated() { precondition(isCurrent, "the shard's state is touched on its thread only") }

        /// Runs a command on the shard's thread, now where the caller is on it.
        package func run(_ command: @escaping @Sendable () -> Void) {
            if isCurrent { command() } else { submit(.command(command)) }
        }

        /// Runs a command on the shard's thread in a later round, wherever the caller is.
        package func runLater(_ command: @escaping @Sendable () -> Void) { submit(.command(command)) }

        func submit(_ entry: ShardInbox.Entry) {
            let (mustWake, mustServe) = inbox.append(entry)
            if mustServe {
                // The shard was stopped: what its tasks still have to do is done by a thread of its own, which then ends.
                _ = ShardThread.start { [self] in serveAfterStop() }
            } else if mustWake {
                poller.signal()
            }
        }

        // MARK: For any thread

        /// What happens to devices from now on; the oldest of 256 unread events makes room for a new one.
        public func events() -> AsyncStream<StackEvent> {
            let (stream, continuation) = AsyncStream.makeStream(
                of: StackEvent.self, bufferingPolicy: .bufferingNewest(256))
            let number = subscribers.withLock { state in
                state.next += 1
                state.all[state.next] = continuation
                return state.next
            }
            continuation.onTermination = { [weak self] _ in
                _ = self?.subscribers.withLock { $0.all.removeValue(forKey: number) }
            }
            return stream
        }

        func report(_ event: StackEvent) {
            let all = subscribers.withLock { Array($0.all.values) }
            for continuation in all { continuation.yield(event) }
        }

        /// Stops the shard: stacks are removed, devices closed, readers of sockets told, and the thread ends.
        ///
        /// Tasks that prefer the shard go on; what they ask of it fails with ``ShardError/stopped``.
        public func stop() async {
            let isOwn = isCurrent
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let (mustStop, mustResume) = stopped.withLock { state in
                    defer { state.isStopping = true }
                    // A task of the shard's own cannot wait for the thread it runs on.
                    if !state.hasEnded, !isOwn { state.waiting.append(continuation) }
                    return (!state.isStopping, state.hasEnded || isOwn)
                }
                if mustStop { run { [self] in isStopping = true } }
                if mustResume { continuation.resume() }
            }
            let ended = subscribers.withLock { state in
                defer { state.all = [:] }
                return Array(state.all.values)
            }
            for continuation in ended { continuation.finish() }
        }
    }
#endif
