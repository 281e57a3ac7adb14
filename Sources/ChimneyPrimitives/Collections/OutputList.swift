/// Elements taken in the order they came; its memory is kept for the next ones.
@frozen
@usableFromInline
package struct OutputList<Element> {
    @usableFromInline var elements: [Element] = []
    @usableFromInline var taken = 0
    /// How many were not kept because nobody took the earlier ones.
    @usableFromInline package internal(set) var missed = 0

    /// An empty list.
    @inlinable
    package init() {}

    /// The most news kept for a reader that does not come.
    @inlinable
    package static var newsMax: Int { 256 }

    /// How many are left to take.
    @inlinable
    package var count: Int { elements.count - taken }
    /// Whether all are taken.
    @inlinable
    package var isEmpty: Bool { taken == elements.count }

    /// Takes the next one.
    @inlinable
    package mutating func next() -> Element? {
        guard taken < elements.count else { return nil }
        defer {
            taken += 1
            if taken == elements.count {
                elements.removeAll(keepingCapacity: true)
                taken = 0
            }
        }
        return elements[taken]
    }

    /// How many were not kept since it was last asked.
    @inlinable
    package mutating func takeMissed() -> Int {
        defer { missed = 0 }
        return missed
    }

    /// Puts one at the end.
    @inlinable
    package mutating func append(_ element: Element) { elements.append(element) }

    /// Puts one at the end, or counts it as missed when ``newsMax`` are there already.
    @inlinable
    package mutating func appendNews(_ element: Element) {
        guard count < Self.newsMax else {
            missed += 1
            return
        }
        elements.append(element)
    }
}
