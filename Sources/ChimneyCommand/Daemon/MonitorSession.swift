import ChimneyControl
import ChimneyPrimitives
import ChimneyRuntime
import ChimneyStack
import Synchronization

/// Events of stacks that wait to be told, written by a task and read by the control thread.
final class EventFeed: Sendable {
    private struct State {
        var events: [EventReport] = []
        var missedCount = 0
    }

    private let state = Mutex(State())

    /// The most events that wait; further ones are missed, and counted.
    static var eventsMax: Int { 4_096 }

    func append(_ event: EventReport) {
        state.withLock { state in
            if state.events.count < Self.eventsMax { state.events.append(event) } else { state.missedCount += 1 }
        }
    }

    /// What came since it was last asked.
    func take() -> (events: [EventReport], missedCount: Int) {
        state.withLock { state in
            defer { state = State() }
            return (state.events, state.missedCount)
        }
    }
}

/// What happens to stacks, told until the client goes away.
final class MonitorSession: ControlSession {
    private let feed: EventFeed
    private var end: (() -> Void)?

    /// Tells what is fed; `end` stops the feeding.
    init(_ feed: EventFeed, end: @escaping () -> Void) {
        self.feed = feed
        self.end = end
    }

    func advance(writing outbox: inout ControlOutbox) -> ControlProgress {
        guard !outbox.isCongested else { return .again(milliseconds: 5) }
        let (events, missedCount) = feed.take()
        for event in events { outbox.append(.event(report: event)) }
        if missedCount > 0 { outbox.append(.eventsMissed(count: missedCount)) }
        return .again(milliseconds: 20)
    }

    func cancel() {
        end?()
        end = nil
    }
}
