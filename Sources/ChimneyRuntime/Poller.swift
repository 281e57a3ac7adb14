#if os(Linux)
    import CChimneyLinux
    import ChimneyPrimitives
    import Glibc

    /// Descriptors waited on together, level-triggered, and one that other threads wake the waiter by.
    @safe
    struct Poller: ~Copyable {
        private let epoll: Int32
        private let wakeUp: Int32
        // Invariant: room for `eventsMax` events, allocated and freed with the poller.
        private let events: UnsafeMutablePointer<epoll_event>
        /// How many descriptors are waited on beside the wake-up.
        private(set) var watchedCount = 0

        /// The most events taken in one wait; the others are ready in the next.
        private static var eventsMax: Int { 64 }
        private static var wakeUpToken: UInt64 { .max }

        /// What a descriptor is ready for.
        struct Readiness: OptionSet {
            let rawValue: UInt8
            static var readable: Self { Self(rawValue: 1) }
            static var writable: Self { Self(rawValue: 2) }
            static var broken: Self { Self(rawValue: 4) }
        }

        init() throws(ShardError) {
            let opened = chimney_epoll_create()
            guard opened >= 0 else { throw .system(call: "epoll_create1", errno: -opened) }
            let signal = chimney_eventfd()
            guard signal >= 0, chimney_epoll_set(opened, EPOLL_CTL_ADD, signal, EPOLLIN.rawValue, Self.wakeUpToken) >= 0
            else {
                close(opened)
                if signal >= 0 { close(signal) }
                throw .system(call: "eventfd", errno: signal < 0 ? -signal : errno)
            }
            epoll = opened
            wakeUp = signal
            unsafe events = .allocate(capacity: Self.eventsMax)
        }

        deinit {
            close(epoll)
            close(wakeUp)
            unsafe events.deallocate()
        }

        /// Ends the wait that another thread is in, or the next one.
        func signal() { _ = chimney_eventfd_signal(wakeUp) }

        /// Starts waiting on a descriptor; the error number where the kernel refuses.
        mutating func watch(_ descriptor: Int32, token: UInt64) -> Int32 {
            let result = chimney_epoll_set(epoll, EPOLL_CTL_ADD, descriptor, EPOLLIN.rawValue, token)
            if result >= 0 { watchedCount += 1 }
            return min(result, 0)
        }

        /// Also waits, or no longer waits, until the descriptor can be written.
        func setWatchesWriting(_ descriptor: Int32, token: UInt64, _ watches: Bool) {
            let bits = watches ? EPOLLIN.rawValue | EPOLLOUT.rawValue : EPOLLIN.rawValue
            _ = chimney_epoll_set(epoll, EPOLL_CTL_MOD, descriptor, bits, token)
        }

        /// Stops waiting on a descriptor.
        mutating func forget(_ descriptor: Int32) {
            _ = chimney_epoll_set(epoll, EPOLL_CTL_DEL, descriptor, 0, 0)
            watchedCount -= 1
        }

        /// Waits until a descriptor is ready, a signal comes or the span is over; `nil` waits for ever.
        func wait(atMost span: TimeSpan?, _ body: (_ token: UInt64, _ readiness: Readiness) -> Void) {
            // Invariant: the kernel writes at most `eventsMax` events and says how many.
            let count = unsafe chimney_epoll_wait(epoll, events, Int32(Self.eventsMax), span?.nanoseconds ?? -1)
            for index in 0..<max(0, count) {
                let token = unsafe chimney_event_token(events, index)
                if token == Self.wakeUpToken {
                    _ = chimney_eventfd_drain(wakeUp)
                    continue
                }
                let bits = unsafe chimney_event_bits(events, index)
                var readiness: Readiness = []
                if bits & EPOLLIN.rawValue != 0 { readiness.insert(.readable) }
                if bits & EPOLLOUT.rawValue != 0 { readiness.insert(.writable) }
                if bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { readiness.insert(.broken) }
                body(token, readiness)
            }
        }
    }
#endif
