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
            now = Instant(nanoseconds: chimney_monotonic())
            hasProgress = false
            takeInbox()
            receiveAll()
            fireTimers()
            lookAfterTouched(transmits: false)
            runJobs(atMost: settings.jobsPerRoundMax)
            lookAfterTouched(transmits: true)
            for port in capturing { for tap in port.captures { tap.flush() } }
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
            while let timer = wheel.popFirst(dueAt: now) {
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
                transmit(cell)
                deadlines[cell.position] = cell.stack.deadline ?? .never
                if cell.stack.hasAnnounced { cell.touch() }
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
            if isSpinning, askDevices() { return }
            if isBusy || isSpinning {
                if poller.watchedCount > 0 { poll(atMost: .zero) }
                return
            }
            var deadline = wheel.deadline ?? .never
            for other in deadlines where other < deadline { deadline = other }
            guard inbox.prepareToSleep() else { return }
            poll(atMost: deadline == .never ? nil : deadline - Instant(nanoseconds: chimney_monotonic()))
            inbox.wokeUp()
        }

        /// Has every device read in the next round instead of asking the poller which are ready; `false` each
        /// sixteenth time, so that write readiness and broken devices are noticed, and where there are many.
        private func askDevices() -> Bool {
            spinCount &+= 1
            guard spinCount & 15 != 0, poller.watchedCount > 0, poller.watchedCount <= 4 else { return false }
            for case let port? in ports where port.descriptor != nil && !port.mayHaveMore {
                port.mayHaveMore = true
                readyPorts.append(port)
            }
            return true
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
