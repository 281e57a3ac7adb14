import ChimneyLink
public import ChimneyPrimitives
import ChimneyStack

extension Lab {
    /// Lets virtual time pass.
    public func run(_ span: TimeSpan) { run(until: now + span) }

    /// Lets virtual time pass until an instant; one that is past does nothing.
    public func run(until end: Instant) {
        for position in applications.indices where !applications[position].isStarted { start(position) }
        while let event = events.first, event.time <= end.nanoseconds { step() }
        now = max(now, end)
    }

    /// Lets time pass until nothing is scheduled any more, or until the span is over.
    ///
    /// - Returns: whether the lab fell silent.
    @discardableResult
    public func runUntilQuiet(within span: TimeSpan) -> Bool {
        run(until: now)
        let end = now + span
        while let event = events.first, event.time <= end.nanoseconds { step() }
        return events.count == 0
    }

    private func step() {
        let event = events.removeFirst()
        now = Instant(nanoseconds: max(now.nanoseconds, event.time))
        eventCount += 1
        switch event.kind {
        case .frame: frameArrived(event)
        case .stackTimer: stackTimerFired(event)
        case .applicationTimer: applicationTimerFired(event)
        case .stationTimer: stationTimerFired(Int(event.target), at: event.time)
        case .action: perform(Int(event.target))
        }
    }

    /// Frames that reach a port at one time reach its stack as one batch.
    private func frameArrived(_ event: Event) {
        let port = ports[Int(event.target)]
        var batch = PacketQueue()
        land(event, into: &batch)
        while let next = events.first, next.time == event.time, next.kind == .frame, next.target == event.target {
            eventCount += 1
            land(events.removeFirst(), into: &batch)
        }
        guard !batch.isEmpty else { return }
        switch port.end {
        case .interface(let node, let interface):
            node.stack.framesArrived(&batch, on: .init(rawValue: interface), at: now)
            settle(node)
        case .station(let position, _): framesArrived(&batch, at: position)
        }
    }

    private func stackTimerFired(_ event: Event) {
        let node = nodes[Int(event.target)]
        // A deadline that has moved since leaves its event behind.
        guard node.scheduledDeadline.nanoseconds == event.time else { return }
        node.scheduledDeadline = .never
        node.stack.timerFired(at: now)
        settle(node)
    }

    private func applicationTimerFired(_ event: Event) {
        let position = Int(event.target)
        guard applications[position].scheduled.nanoseconds == event.time else { return }
        applications[position].scheduled = .never
        let node = applications[position].node
        applications[position].application.timerFired(on: node, at: now)
        reschedule(position)
        settle(node)
    }

    /// Carries on what a call to a stack has left: frames to send, sockets to read, the next deadline.
    ///
    /// An exchange inside one node is bounded, so that two sockets that answer each other cannot stop time.
    public func settle(_ node: LabNode) {
        for _ in 0..<Self.roundsMax {
            takeTransmit(of: node)
            for position in node.echoReaders {
                applications[position].application.framesArrived(on: node, at: now)
                reschedule(position)
            }
            guard node.stack.hasAnnounced || node.stack.hasTCPNews else { break }
            if node.stack.hasTCPNews { tellTCPNews(of: node) }
            for socket in node.stack.takeAnnounced() {
                guard let position = node.readers[socket] else { continue }
                applications[position].application.becameReadable(socket, on: node, at: now)
                reschedule(position)
            }
        }
        takeTransmit(of: node)
        noteGroupChanges(of: node)
        guard let deadline = node.stack.deadline else { return }
        let due = max(deadline, now)
        guard due < node.scheduledDeadline else { return }
        node.scheduledDeadline = due
        events.schedule(.stackTimer, at: due, target: node.index)
    }

    /// Listeners come first: what a new connection brought along is read by whoever accepts it.
    private func tellTCPNews(of node: LabNode) {
        node.stack.takeAnnouncedListeners(into: &listenerNews)
        for listener in listenerNews {
            guard let position = node.listenerReaders[listener] else { continue }
            applications[position].application.listenerHasConnections(listener, on: node, at: now)
            reschedule(position)
        }
        node.stack.takeAnnouncedConnections(into: &connectionNews)
        for connection in connectionNews {
            guard let position = node.connectionReaders[connection] else { continue }
            applications[position].application.connectionHasNews(connection, on: node, at: now)
            reschedule(position)
        }
    }

    private func takeTransmit(of node: LabNode) {
        while let interface = node.stack.nextToTransmit() {
            var frames = PacketQueue()
            node.stack.takeTransmit(from: interface, into: &frames)
            let position = Int(interface.rawValue)
            if position < node.portOfInterface.count, let port = node.portOfInterface[position] {
                send(&frames, from: port)
            } else {
                node.stack.transmitFailed(&frames, on: interface, at: now)
            }
        }
    }

    /// After this many rounds the rest waits for the next event.
    private static var roundsMax: Int { 16 }

    func start(_ position: Int) {
        applications[position].isStarted = true
        let node = applications[position].node
        applications[position].application.started(on: node, at: now)
        reschedule(position)
        settle(node)
    }

    func reschedule(_ position: Int) {
        guard let deadline = applications[position].application.deadline else { return }
        let due = max(deadline, now)
        guard due < applications[position].scheduled else { return }
        applications[position].scheduled = due
        events.schedule(.applicationTimer, at: due, target: position)
    }
}
