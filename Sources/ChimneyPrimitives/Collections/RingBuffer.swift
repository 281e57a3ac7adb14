/// Elements in order, taken and given at both ends and reached by their place in between.
///
/// A ring starts without memory, doubles as it fills, and keeps what it has until told to give it back: whoever
/// fills it has the bound. Elements may be noncopyable; the subscript changes them in place.
@frozen
@safe
public struct RingBuffer<Element: ~Copyable>: ~Copyable {
    // Invariant: `elements` has room for `room` elements, a power of two, or is nil with a room of 0. The `live` places
    // from `first` on, counted round, are initialized, and no others.
    @usableFromInline var elements: UnsafeMutablePointer<Element>?
    @usableFromInline var first: UInt32
    @usableFromInline var live: UInt32
    @usableFromInline var room: UInt32

    /// A ring without elements or memory.
    @inlinable
    public init() {
        unsafe elements = nil
        first = 0
        live = 0
        room = 0
    }

    @inlinable
    deinit {
        guard let elements = unsafe elements else { return }
        for index in 0..<Int(live) { unsafe (elements + place(index)).deinitialize(count: 1) }
        unsafe elements.deallocate()
    }

    /// How many elements there are.
    @inlinable @inline(__always)
    public var count: Int { Int(live) }
    /// Whether there are none.
    @inlinable @inline(__always)
    public var isEmpty: Bool { live == 0 }
    /// How many elements there is memory for.
    @inlinable
    public var capacity: Int { Int(room) }

    @inlinable @inline(__always)
    func place(_ index: Int) -> Int { Int((first &+ UInt32(truncatingIfNeeded: index)) & (room &- 1)) }

    /// The element at a place; the one at 0 has been there longest at the front.
    @inlinable
    public subscript(index: Int) -> Element {
        @inline(__always) unsafeAddress {
            guard index >= 0 && index < Int(live), let elements = unsafe elements else {
                preconditionFailure("a ring has no element beyond its last")
            }
            return unsafe UnsafePointer(elements + place(index))
        }
        @inline(__always) unsafeMutableAddress {
            guard index >= 0 && index < Int(live), let elements = unsafe elements else {
                preconditionFailure("a ring has no element beyond its last")
            }
            return unsafe elements + place(index)
        }
    }

    /// Puts an element behind all others.
    @inlinable @inline(__always)
    public mutating func append(_ element: consuming Element) {
        if live == room { grow() }
        guard let elements = unsafe elements else { return }
        unsafe (elements + place(Int(live))).initialize(to: element)
        live &+= 1
    }

    /// Puts an element before all others.
    @inlinable
    public mutating func prepend(_ element: consuming Element) {
        if live == room { grow() }
        guard let elements = unsafe elements else { return }
        first = (first &- 1) & (room &- 1)
        live &+= 1
        unsafe (elements + Int(first)).initialize(to: element)
    }

    /// Takes the first element; there must be one.
    @inlinable @inline(__always)
    public mutating func removeFirst() -> Element {
        guard live > 0, let elements = unsafe elements else {
            preconditionFailure("an empty ring has no first element")
        }
        let element = unsafe (elements + Int(first)).move()
        first = (first &+ 1) & (room &- 1)
        live &-= 1
        return element
    }

    /// Takes the last element; there must be one.
    @inlinable
    public mutating func removeLast() -> Element {
        guard live > 0, let elements = unsafe elements else {
            preconditionFailure("an empty ring has no last element")
        }
        live &-= 1
        return unsafe (elements + place(Int(live))).move()
    }

    /// Puts an element at a place, before the one that is there.
    ///
    /// - Complexity: O(n / 2): the elements of the shorter side move.
    @inlinable
    public mutating func insert(_ element: consuming Element, at index: Int) {
        precondition(index >= 0 && index <= count, "an element goes between others or to an end")
        if live == room { grow() }
        guard let elements = unsafe elements else { return }
        if index < count / 2 {
            first = (first &- 1) & (room &- 1)
            live &+= 1
            for at in 0..<index {
                unsafe (elements + place(at)).moveInitialize(from: elements + place(at + 1), count: 1)
            }
        } else {
            live &+= 1
            var at = count - 1
            while at > index {
                unsafe (elements + place(at)).moveInitialize(from: elements + place(at - 1), count: 1)
                at -= 1
            }
        }
        unsafe (elements + place(index)).initialize(to: element)
    }

    /// Takes the element at a place.
    ///
    /// - Complexity: O(n / 2): the elements of the shorter side move.
    @inlinable
    public mutating func remove(at index: Int) -> Element {
        guard index >= 0 && index < count, let elements = unsafe elements else {
            preconditionFailure("a ring has no element beyond its last")
        }
        let element = unsafe (elements + place(index)).move()
        if index < count / 2 {
            var at = index
            while at > 0 {
                unsafe (elements + place(at)).moveInitialize(from: elements + place(at - 1), count: 1)
                at -= 1
            }
            first = (first &+ 1) & (room &- 1)
        } else {
            for at in index..<count - 1 {
                unsafe (elements + place(at)).moveInitialize(from: elements + place(at + 1), count: 1)
            }
        }
        live &-= 1
        return element
    }

    /// Ends all elements; their memory goes back too unless it is to be kept.
    @inlinable
    public mutating func removeAll(keepingCapacity: Bool = false) {
        while live > 0 { _ = removeFirst() }
        if !keepingCapacity { releaseMemory() }
    }

    /// Gives the memory of an empty ring back; one with elements keeps it.
    @inlinable
    public mutating func releaseMemory() {
        guard live == 0 else { return }
        unsafe elements?.deallocate()
        unsafe elements = nil
        first = 0
        room = 0
    }

    @usableFromInline
    mutating func grow() {
        precondition(room < 1 << 30, "a ring's places are numbered by 32 bits")
        let larger = max(4, room * 2)
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: Int(larger))
        if let elements = unsafe elements {
            // Growing happens only when full: the live elements are those up to the end and then those from the start.
            let untilEnd = Int(room - first)
            unsafe memory.moveInitialize(from: elements + Int(first), count: untilEnd)
            unsafe (memory + untilEnd).moveInitialize(from: elements, count: Int(room) - untilEnd)
            unsafe elements.deallocate()
        }
        unsafe elements = memory
        first = 0
        room = larger
    }
}

extension RingBuffer {
    /// Takes the first element, or `nil` when there is none.
    @inlinable @inline(__always)
    public mutating func next() -> Element? { live == 0 ? nil : removeFirst() }
}
