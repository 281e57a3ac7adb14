import Synchronization

/// A bounded queue from one thread to one other, without locks.
///
/// At the bound appending is refused. At any moment at most one thread appends and at most one takes.
@safe
package final class SPSCRing<Element: Sendable>: @unchecked Sendable {
    // Invariant: the places from the taker's position to the appender's, modulo the capacity, are initialized. Each side alone
    // moves its position, and does so with release order after it has used a place; the other side reads it
    // with acquire order before it uses that place. `own` and `seen` of a side are that side's alone.
    @usableFromInline let elements: UnsafeMutablePointer<Element>
    @usableFromInline let mask: Int
    @usableFromInline let taker: UnsafeMutablePointer<RingSide>
    @usableFromInline let appender: UnsafeMutablePointer<RingSide>

    /// A ring for `capacity` elements, rounded up to a power of two.
    package init(capacity: Int) {
        let capacity = RingSide.capacity(for: capacity)
        mask = capacity - 1
        unsafe elements = .allocate(capacity: capacity)
        unsafe taker = RingSide.allocate(2)
        unsafe appender = taker + 1
    }

    deinit {
        while takeFirst() != nil {}
        unsafe elements.deallocate()
        unsafe taker.deinitialize(count: 2)
        unsafe taker.deallocate()
    }

    /// The most elements that wait.
    @inlinable
    package var capacity: Int { mask &+ 1 }

    /// How many elements wait, or waited a moment ago.
    package var count: Int {
        let taken = unsafe taker.pointee.position.load(ordering: .acquiring)
        return unsafe max(0, min(capacity, appender.pointee.position.load(ordering: .acquiring) &- taken))
    }

    /// Puts an element last.
    ///
    /// - Returns: `false` when the ring is full.
    @inlinable
    package func append(_ element: Element) -> Bool {
        let position = unsafe appender.pointee.own
        if unsafe position &- appender.pointee.seen > mask {
            unsafe appender.pointee.seen = taker.pointee.position.load(ordering: .acquiring)
            if unsafe position &- appender.pointee.seen > mask { return false }
        }
        unsafe (elements + (position & mask)).initialize(to: element)
        unsafe appender.pointee.own = position &+ 1
        unsafe appender.pointee.position.store(position &+ 1, ordering: .releasing)
        return true
    }

    /// Takes the first element, or `nil` when none waits.
    @inlinable
    package func takeFirst() -> Element? {
        let position = unsafe taker.pointee.own
        if unsafe position == taker.pointee.seen {
            unsafe taker.pointee.seen = appender.pointee.position.load(ordering: .acquiring)
            if unsafe position == taker.pointee.seen { return nil }
        }
        let element = unsafe (elements + (position & mask)).move()
        unsafe taker.pointee.own = position &+ 1
        unsafe taker.pointee.position.store(position &+ 1, ordering: .releasing)
        return element
    }
}
