public import CChimney
import ChimneyPrimitives
import Glibc

/// Who makes progress while a call waits: a function of the caller's, and what it is called with.
///
/// Invariant: both are handed back as they were given and never looked into; the caller keeps them usable until it gives others.
@safe struct Progress {
    private let run: chimney_run
    private let context: UnsafeMutableRawPointer?

    init(run: @escaping chimney_run, context: UnsafeMutableRawPointer?) {
        unsafe self.run = run
        unsafe self.context = context
    }

    /// Whether the call is to go on waiting.
    func make(for stack: CallerStack, until deadline: Instant) -> Bool {
        let handle = unsafe OpaquePointer(Unmanaged.passUnretained(stack).toOpaque())
        return unsafe run(context, handle, deadline.nanoseconds) == 0
    }
}

extension CallerStack {
    /// Has progress made until a condition holds.
    ///
    /// - Throws: `EAGAIN` when nobody makes progress or the time is up, `EINTR` when whoever does has enough.
    func wait(until deadline: Instant, for condition: () throws(Errno) -> Bool) throws(Errno) {
        while !(try condition()) {
            guard let progress, waitDepth < Self.waitsMax, now < deadline else { throw Errno(EAGAIN) }
            leave()
            waitDepth += 1
            let goesOn = progress.make(for: self, until: deadline)
            waitDepth -= 1
            enter()
            if !goesOn, !(try condition()) { throw Errno(EINTR) }
        }
    }

    /// The same for a call on a socket, which may not wait, or not for long, and may be closed meanwhile.
    func wait(
        on descriptor: Descriptor, flags: Int32 = 0, timeout: TimeSpan?, for condition: () throws(Errno) -> Bool
    ) throws(Errno) {
        if try condition() { return }
        guard !descriptor.isNonBlocking, flags & LinuxNumber.messageDontWait == 0 else { throw Errno(EAGAIN) }
        try wait(until: timeout.map { now + $0 } ?? .never) { () throws(Errno) in
            guard !descriptor.isClosed else { throw Errno(EBADF) }
            return try condition()
        }
    }
}

/// Says who makes progress.
@c @implementation
public func chimney_set_run(
    _ stack: OpaquePointer?, _ run: chimney_run?, _ context: UnsafeMutableRawPointer?
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        stack.progress = unsafe run.map { unsafe Progress(run: $0, context: context) }
        return 0
    }
}
