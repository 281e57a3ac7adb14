/// Names an element of a ``SlotMap``: a place and how often the place has changed hands.
@frozen
public struct SlotID: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline let index: Int32
    @usableFromInline let generation: UInt32

    @inlinable
    init(index: Int32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }
}

/// Elements that stay where they are and are named by numbers that do not outlive them.
///
/// Insertion reuses the place freed last and doubles the memory when none is free, up to
/// `elementsMax`. A number of a removed element is recognised and never reaches its successor.
///
/// Invariant: the first `generations.count` places of `base` are within `capacity`, and place `i`
/// holds an element exactly while `generations[i]` is odd.
@safe
public struct SlotMap<Element: ~Copyable>: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<Element>
    @usableFromInline var generations: [UInt32] = []
    private var free: [Int32] = []
    private var capacity = 0
    /// How many elements there are.
    public private(set) var count = 0
    /// The most elements; ``insert(_:)`` refuses one more.
    public let elementsMax: Int

    /// A map without elements or memory.
    public init(elementsMax: Int) {
        self.elementsMax = elementsMax
        unsafe base = .allocate(capacity: 0)
    }

    deinit {
        for index in generations.indices where generations[index] & 1 == 1 {
            unsafe (base + index).deinitialize(count: 1)
        }
        unsafe base.deallocate()
    }

    /// Adds an element, or returns `nil` at the bound.
    public mutating func insert(_ element: consuming Element) -> SlotID? {
        guard count < elementsMax else { return nil }
        count += 1
        if let index = free.popLast() {
            unsafe (base + Int(index)).initialize(to: element)
            generations[Int(index)] &+= 1
            return SlotID(index: index, generation: generations[Int(index)])
        }
        let index = generations.count
        if index == capacity { grow() }
        unsafe (base + index).initialize(to: element)
        generations.append(1)
        return SlotID(index: Int32(index), generation: 1)
    }

    /// Whether the element is still there.
    @inlinable
    public func contains(_ id: SlotID) -> Bool {
        Int(id.index) < generations.count && generations[Int(id.index)] == id.generation
    }

    /// Takes an element out; it must be there.
    public mutating func remove(_ id: SlotID) -> Element {
        precondition(contains(id), "the element was removed before")
        count -= 1
        generations[Int(id.index)] &+= 1
        free.append(id.index)
        return unsafe (base + Int(id.index)).move()
    }

    /// The element, in place; it must be there.
    @inlinable
    public subscript(id: SlotID) -> Element {
        unsafeAddress {
            precondition(contains(id), "the element was removed before")
            return unsafe UnsafePointer(base + Int(id.index))
        }
        unsafeMutableAddress {
            precondition(contains(id), "the element was removed before")
            return unsafe base + Int(id.index)
        }
    }

    private mutating func grow() {
        let larger = max(4, capacity * 2)
        let fresh = UnsafeMutablePointer<Element>.allocate(capacity: larger)
        unsafe fresh.moveInitialize(from: base, count: generations.count)
        unsafe base.deallocate()
        unsafe base = fresh
        capacity = larger
    }
}
