public import CChimney
import ChimneyPrimitives
import ChimneyStack
import Glibc

/// Why a call fails, as C tells it.
struct Errno: Error {
    let number: Int32
    init(_ number: Int32) { self.number = number }
}

/// Runs a call on the stack that a handle stands for, and turns what it throws into -1 and errno.
///
/// Invariant: a handle is what `chimney_create` gave and `chimney_destroy` did not take back; that is the caller's part, as with
/// every pointer of C. A null handle is told apart.
func call(_ handle: OpaquePointer?, _ body: (CallerStack) throws(Errno) -> Int) -> Int {
    guard let handle = unsafe handle else {
        errno = EFAULT
        return -1
    }
    let stack = unsafe Unmanaged<CallerStack>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    stack.enter()
    defer { stack.leave() }
    do throws(Errno) { return try body(stack) } catch {
        errno = error.number
        return -1
    }
}

/// The same for calls whose result is an `int`; no result is beyond its range.
func callInt(_ handle: OpaquePointer?, _ body: (CallerStack) throws(Errno) -> Int) -> Int32 {
    Int32(clamping: unsafe call(handle, body))
}

/// Makes a stack.
@c @implementation
public func chimney_create(_ settings: UnsafePointer<chimney_settings>?) -> OpaquePointer? {
    var asked = chimney_settings()
    if let settings = unsafe settings {
        unsafe asked = settings.pointee
        guard asked.size == MemoryLayout<chimney_settings>.size else {
            errno = EINVAL
            return nil
        }
    }
    do throws(Errno) {
        let stack = try CallerStack(asked)
        return unsafe OpaquePointer(Unmanaged.passRetained(stack).toOpaque())
    } catch {
        errno = error.number
        return nil
    }
}

/// Ends a stack.
@c @implementation
public func chimney_destroy(_ handle: OpaquePointer?) -> CInt {
    let result = unsafe callInt(handle) { stack throws(Errno) in
        guard stack.waitDepth == 0 else { throw Errno(EBUSY) }
        return 0
    }
    guard result == 0, let handle = unsafe handle else { return -1 }
    unsafe Unmanaged<CallerStack>.fromOpaque(UnsafeRawPointer(handle)).release()
    return 0
}

/// The thread's errno.
@c @implementation
public func chimney_errno() -> CInt { errno }
