#if os(Linux)
    import CChimneyLinux
    import ChimneyPrimitives
    import ChimneyStack
    import Glibc
    import Synchronization

    extension Shard {
        func serve() {
            threadID.store(UInt(pthread_self()), ordering: .sequentiallyConsistent)
            if let processor = settings.processor { _ = chimney_pin(Int32(clamping: processor)) }
            while !isStopping { round() }
            removeAll()
            serveAfterStop()
            let waiting = stopped.withLock { state in
                state.hasEnded = true
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in waiting { continuation.resume() }
        }

        /// Runs jobs and commands until there are none, then gives the thread up.
        func serveAfterStop() {
            threadID.store(UInt(pthread_self()), ordering: .sequentiallyConsistent)
            isStopping = true
            repeat {
                repeat {
                    takeInbox()
                    runJobs(atMost: .max)
                } while !jobs.isEmpty || inbox.hasEntries
                threadID.store(0, ordering: .sequentiallyConsistent)
                if inbox.endIfEmpty() { return }
                threadID.store(UInt(pthread_self()), ordering: .sequentiallyConsistent)
            } while true
        }

        func round() {
            if !hasReadClock { now = Instant(nanoseconds: chimney_monotonic()) }
            hasReadClock = false
            hasProgress = false
            if inbox.hasEntries { takeInbox() }
            receiveAll()
            fireTimers()
            lookAfterTouched(transmits: false)
            runJobs(atMost: settings.jobsPerRoundMax)
            lookAfterTouched(transmits: true)
            if hasCaptures { for port in capturing { for tap in port.captures { tap.flush() } } }
            if hasProgress { lastWork = now }
            wait()
        }

        func takeInbox() {
            for entry in inbox.takeAll() {
                hasProgress = true
                switch entry {
                case .job(let job): jobs.append(job)
                case .command(let command): command()
                }
            }
        }

        func runJobs(atMost limit: Int) {
            var left = limit
            while !jobs.isEmpty, left > 0 {
                swap(&jobs, &jobsRunning)
                for job in jobsRunning {
                    // Invariant: a job is taken from the queue and run once.
                    unsafe job.runSynchronously(
                        isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
                }
                left -= jobsRunning.count
                jobsRunning.removeAll(keepingCapacity: true)
                hasProgress = true
            }
        }

        func fireTimers() {
            while wheel.count > 0, let timer = wheel.popFirst(dueAt: now) {
                guard let alarm = alarms[Int(timer)] else { continue }
                alarms[Int(timer)] = nil
                freeAlarms.append(timer)
                alarm.target.alarmFired(alarm.name, at: now)
            }
            for position in deadlines.indices where deadlines[position] <= now {
                guard let cell = cells[position] else { continue }
                cell.stack.timerFired(at: now)
                cell.touch()
            }
        }

        /// Tells listeners the news of the stacks touched, and sends what they have to send.
        func lookAfterTouched(transmits: Bool) {
            guard transmits else {
                for cell in touchedCells { cell.announce(at: now) }
                return
            }
            swap(&touchedCells, &touchedRunning)
            for cell in touchedRunning {
                cell.isTouched = false
                guard !cell.isRemoved else { continue }
                if cell.stack.hasFilterChanges { setFilters(of: cell) }
                transmit(cell)
                deadlines[cell.position] = cell.stack.deadline ?? .never
                if cell.hasNews { cell.touch() }
                if cell.stack.hasMembershipEvents { reportMemberships(of: cell) }
                if cell.isStale { publish(cell) }
            }
            touchedRunning.removeAll(keepingCapacity: true)
            if !touchedCells.isEmpty { hasProgress = true }
        }

        func publish(_ cell: StackCell) {
            cell.isStale = false
            cell.published.publish(cell.stack, at: now)
        }

        func wait() {
            var isBusy = hasProgress || !jobs.isEmpty || inbox.hasEntries || isStopping
            for port in readyPorts where port.mayHaveMore { isBusy = true }
            let isSpinning = settings.spin > .zero && now - lastWork < settings.spin
            if isSpinning, !isBusy || hasProgress, spin() { return }
            if isBusy || isSpinning {
                if poller.watchedCount > 0 { poll(atMost: .zero) }
                return
            }
            var deadline = wheel.deadline ?? .never
            for other in deadlines where other < deadline { deadline = other }
            if hasFullPorts { deadline = min(deadline, now + Self.fullPortSpan) }
            guard inbox.prepareToSleep() else { return }
            poll(atMost: deadline == .never ? nil : deadline - Instant(nanoseconds: chimney_monotonic()))
            inbox.wokeUp()
        }

        /// Reads the devices over and over until one has frames or something else is to be done; `false` when the poller is to be
        /// asked.
        ///
        /// A frame that comes while the thread polls waits for one read and the work of no whole round. The poller has its turn
        /// each sixteenth time and after many reads in vain, so that write readiness and broken devices are noticed, and where
        /// devices are many.
        private func spin() -> Bool {
            spinCount &+= 1
            guard spinCount & 15 != 0, poller.watchedCount > 0, poller.watchedCount <= 4, readyPorts.isEmpty,
                jobs.isEmpty, !isStopping
            else { return false }
            var end = min(lastWork + settings.spin, wheel.deadline ?? .never)
            for other in deadlines where other < end { end = other }
            let mustGoOn = !touchedCells.isEmpty
            let devices = ports
            hasProgress = false
            for _ in 0..<64 {
                now = Instant(nanoseconds: chimney_monotonic())
                for case let port? in devices where port.descriptor != nil {
                    receive(port)
                    port.mayHaveMore = false
                }
                if hasProgress {
                    lastWork = now
                    hasReadClock = true
                    return true
                }
                if mustGoOn || now >= end || inbox.hasEntries { return true }
            }
            return false
        }

        func poll(atMost span: TimeSpan?) {
            poller.wait(atMost: span) { token, readiness in
                guard let port = port(token) else { return }
                if readiness.contains(.writable) {
                    port.isBlocked = false
                    port.cell.touch()
                    if let descriptor = port.descriptor { poller.setWatchesWriting(descriptor, token: token, false) }
                }
                if readiness.contains(.broken) { port.faultCount += 1 }
                if !readiness.isDisjoint(with: [.readable, .broken]), !port.mayHaveMore {
                    port.mayHaveMore = true
                    readyPorts.append(port)
                }
            }
        }

        func port(_ token: UInt64) -> DevicePort? {
            let position = Int(UInt32(truncatingIfNeeded: token))
            guard position < ports.count, let port = ports[position], port.token == token else { return nil }
            return port
        }
    }
#endif
