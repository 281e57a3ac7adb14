/// A value of one thread, reached without the language's test at run time that no two accesses meet.
///
/// The properties of a class that change have that test, which for a frame that comes and is answered costs more than parsing it.
@safe
package struct Confined<Value: ~Copyable>: ~Copyable {
    // Invariant: the place holds a value from `init` to `deinit`; all accesses are made on one thread, and who is in the middle
    // of one calls nothing that reaches the value again.
    @usableFromInline let place: UnsafeMutablePointer<Value>

    /// Takes a value in.
    package init(_ value: consuming Value) {
        unsafe place = .allocate(capacity: 1)
        unsafe place.initialize(to: value)
    }

    deinit {
        unsafe place.deinitialize(count: 1)
        unsafe place.deallocate()
    }

    /// The value.
    @inlinable
    package var value: Value {
        @inline(__always) _read { yield unsafe place.pointee }
        @inline(__always) nonmutating _modify { yield unsafe &place.pointee }
    }
}
