package import Synchronization

/// A bounded queue from any number of threads to one, without locks.
///
/// Elements of one thread are taken in the order that thread appended them. At the bound appending is
/// refused. At any moment at most one thread takes.
@safe
package final class MPSCRing<Element: Sendable>: @unchecked Sendable {
    // Invariant: each place has a turn. A place whose turn equals a position may be filled by whoever claims that position, and only by
    // it; with the turn one higher it is initialized and the taker's; a whole round higher it is free again.
    // Turns are stored with release and read with acquire order, which hands the element over.
    @usableFromInline let elements: UnsafeMutablePointer<Element>
    @usableFromInline let turns: UnsafeMutablePointer<Atomic<Int>>
    @usableFromInline let mask: Int
    @usableFromInline let taker: UnsafeMutablePointer<RingSide>
    @usableFromInline let appenders: UnsafeMutablePointer<RingSide>

    /// A ring for `capacity` elements, rounded up to a power of two and to at least two.
    package init(capacity: Int) {
        // With one place, a free and a filled place would have the same turn.
        let capacity = max(2, RingSide.capacity(for: capacity))
        mask = capacity - 1
        unsafe elements = .allocate(capacity: capacity)
        unsafe turns = .allocate(capacity: capacity)
        for place in 0..<capacity { unsafe (turns + place).initialize(to: Atomic(place)) }
        unsafe taker = RingSide.allocate(2)
        unsafe appenders = taker + 1
    }

    deinit {
        while takeFirst() != nil {}
        unsafe elements.deallocate()
        unsafe turns.deinitialize(count: capacity)
        unsafe turns.deallocate()
        unsafe taker.deinitialize(count: 2)
        unsafe taker.deallocate()
    }

    /// The most elements that wait.
    @inlinable
    package var capacity: Int { mask &+ 1 }

    /// Puts an element last.
    ///
    /// - Returns: `false` when the ring is full.
    @inlinable
    package func append(_ element: Element) -> Bool {
        var position = unsafe appenders.pointee.position.load(ordering: .relaxed)
        // Ends: each further turn means that another thread appended, or that the ring filled up.
        while true {
            let ahead = unsafe turns[position & mask].load(ordering: .acquiring) &- position
            if ahead < 0 { return false }
            if ahead > 0 {
                position = unsafe appenders.pointee.position.load(ordering: .relaxed)
                continue
            }
            let claim = unsafe appenders.pointee.position.weakCompareExchange(
                expected: position, desired: position &+ 1, ordering: .relaxed)
            if claim.exchanged {
                unsafe (elements + (position & mask)).initialize(to: element)
                unsafe turns[position & mask].store(position &+ 1, ordering: .releasing)
                return true
            }
            position = claim.original
        }
    }

    /// Takes the first element, or `nil` when none waits or the first is still being put in.
    @inlinable
    package func takeFirst() -> Element? {
        let position = unsafe taker.pointee.own
        guard unsafe turns[position & mask].load(ordering: .acquiring) == position &+ 1 else { return nil }
        let element = unsafe (elements + (position & mask)).move()
        unsafe taker.pointee.own = position &+ 1
        unsafe turns[position & mask].store(position &+ mask &+ 1, ordering: .releasing)
        return element
    }
}
