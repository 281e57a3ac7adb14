/// Distinct elements in order, held in one array: small sets that are walked often, such as filters.
@frozen
public struct SortedSet<Element: Comparable> {
    /// The elements, smallest first.
    public private(set) var elements: [Element]

    /// The set without elements.
    public init() { elements = [] }

    /// The set of these elements.
    ///
    /// - Complexity: O(n log n).
    public init(_ elements: some Sequence<Element>) {
        self.elements = []
        for element in elements.sorted() where self.elements.last != element { self.elements.append(element) }
    }

    private init(sorted: [Element]) { elements = sorted }

    /// How many elements there are.
    public var count: Int { elements.count }
    /// Whether there are none.
    public var isEmpty: Bool { elements.isEmpty }

    /// Whether `element` is in the set.
    ///
    /// - Complexity: O(log n).
    public func contains(_ element: Element) -> Bool {
        let position = self.position(of: element)
        return position < elements.count && elements[position] == element
    }

    /// Puts `element` in.
    ///
    /// - Returns: whether it was not there.
    public mutating func insert(_ element: Element) -> Bool {
        let position = self.position(of: element)
        if position < elements.count && elements[position] == element { return false }
        elements.insert(element, at: position)
        return true
    }

    /// Takes `element` out.
    ///
    /// - Returns: whether it was there.
    public mutating func remove(_ element: Element) -> Bool {
        let position = self.position(of: element)
        guard position < elements.count && elements[position] == element else { return false }
        elements.remove(at: position)
        return true
    }

    /// The elements of either set.
    public func union(_ other: Self) -> Self { merged(with: other, both: true, mine: true, theirs: true) }
    /// The elements of both sets.
    public func intersection(_ other: Self) -> Self { merged(with: other, both: true, mine: false, theirs: false) }
    /// The elements of this set that the other does not have.
    public func subtracting(_ other: Self) -> Self { merged(with: other, both: false, mine: true, theirs: false) }
    /// The elements only one of the sets has.
    public func symmetricDifference(_ other: Self) -> Self {
        merged(with: other, both: false, mine: true, theirs: true)
    }

    /// One walk over both sets, keeping what is asked for.
    private func merged(with other: Self, both: Bool, mine: Bool, theirs: Bool) -> Self {
        var result: [Element] = []
        var (left, right) = (elements[...], other.elements[...])
        while let a = left.first, let b = right.first {
            if a < b {
                if mine { result.append(a) }
                left.removeFirst()
            } else if b < a {
                if theirs { result.append(b) }
                right.removeFirst()
            } else {
                if both { result.append(a) }
                left.removeFirst()
                right.removeFirst()
            }
        }
        if mine { result += left }
        if theirs { result += right }
        return Self(sorted: result)
    }

    /// Where `element` is or belongs.
    private func position(of element: Element) -> Int {
        var low = 0
        var high = elements.count
        while low < high {
            let middle = (low + high) / 2
            if elements[middle] < element { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension SortedSet: Equatable {}
extension SortedSet: Hashable where Element: Hashable {}
extension SortedSet: Sendable where Element: Sendable {}
extension SortedSet: ExpressibleByArrayLiteral {
    /// The set of these elements.
    public init(arrayLiteral elements: Element...) { self.init(elements) }
}
