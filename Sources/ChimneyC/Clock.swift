import CChimney
import ChimneyPrimitives
import ChimneyStack
import Glibc

// Invariant: the system writes one `timespec` of ours; handles are what `call` says of them.

/// What tells a stack the time.
struct StackClock {
    /// Whether it is the system's.
    let isReal: Bool
    /// The system's time when the stack was created, or how far a virtual clock came.
    private var nanoseconds: UInt64

    init(_ kind: UInt32) throws(Errno) {
        switch Int(kind) {
        case CHIMNEY_CLOCK_VIRTUAL: isReal = false
        case CHIMNEY_CLOCK_REAL: isReal = true
        default: throw Errno(EINVAL)
        }
        nanoseconds = isReal ? Self.systemTime() : 0
    }

    private static func systemTime() -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    func read() -> Instant {
        Instant(nanoseconds: isReal ? Self.systemTime() &- nanoseconds : nanoseconds)
    }

    /// Moves a virtual clock.
    mutating func set(_ time: Instant) { if !isReal { nanoseconds = time.nanoseconds } }
}

extension CallerStack {
    /// The latest time a virtual clock comes to.
    static var latest: UInt64 { UInt64(Int64.max) }

    /// Timers that fire in a row at one moment; beyond it the clock goes on, so that none can hold it.
    private static var timersAtOnceMax: Int { 10_000 }

    /// Fires what is due by `end`, each timer at its own time on a virtual clock, and what it sends leaves then.
    func fireTimers(until end: Instant) {
        var atOnce = 0
        while let due = stack.deadline, due <= end {
            let time = clock.isReal ? end : max(now, due)
            atOnce = time == now ? atOnce + 1 : 0
            guard atOnce <= Self.timersAtOnceMax else { return }
            now = time
            stack.timerFired(at: now)
            collectPackets()
        }
    }

    func advance(to end: UInt64) throws(Errno) -> Int {
        guard !clock.isReal else { return 0 }
        guard end >= now.nanoseconds, end <= Self.latest else { throw Errno(EINVAL) }
        let end = Instant(nanoseconds: end)
        fireTimers(until: end)
        now = end
        clock.set(now)
        return 0
    }
}

/// The stack's time.
@c @implementation
public func chimney_now(_ stack: OpaquePointer?) -> UInt64 {
    var time = UInt64.max
    _ = unsafe call(stack) { stack throws(Errno) in
        time = stack.now.nanoseconds
        return 0
    }
    return time
}

/// When the first timer is due.
@c @implementation
public func chimney_deadline(_ stack: OpaquePointer?) -> UInt64 {
    var time = UInt64.max
    _ = unsafe call(stack) { stack throws(Errno) in
        if let due = stack.stack.deadline { time = max(due, stack.now).nanoseconds }
        return 0
    }
    return time
}

/// Lets time pass to a moment.
@c @implementation
public func chimney_advance_to(_ stack: OpaquePointer?, _ time: UInt64) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try stack.advance(to: time) }
}

/// Lets time pass.
@c @implementation
public func chimney_advance(_ stack: OpaquePointer?, _ span: UInt64) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        let (end, isBeyond) = stack.now.nanoseconds.addingReportingOverflow(span)
        guard !isBeyond || stack.clock.isReal else { throw Errno(EINVAL) }
        return try stack.advance(to: end)
    }
}
