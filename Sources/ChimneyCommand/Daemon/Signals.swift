import Foundation

/// The signals that end a process, taken by a thread that waits for them.
///
/// Invariant: the kernel reads and writes the sets and numbers handed to it during the call only.
enum Signals {
    /// Blocks them on this thread and on those it starts, so that only ``whenAsked(_:)`` sees them.
    ///
    /// A reader of standard output or error that went away is no reason to end.
    static func block() {
        signal(SIGPIPE, SIG_IGN)
        var set = ending
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Calls `stop` on the first of them, and ends the process at once on the second.
    static func whenAsked(_ stop: @escaping @Sendable () -> Void) {
        Thread.detachNewThread {
            var set = ending
            var number: Int32 = 0
            guard unsafe sigwait(&set, &number) == 0 else { return }
            stop()
            _ = unsafe sigwait(&set, &number)
            _exit(128 + number)
        }
    }

    private static var ending: sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&set, number) }
        return set
    }
}
