/// Names an element of a ``SlotMap`` as long as it is in it, and nothing afterwards.
@frozen
public struct SlotID: Hashable, Sendable, BitwiseCopyable {
    /// The place of the element.
    public let index: Int32
    /// Which of the elements that had the place is meant; odd while one has it.
    public let generation: UInt32

    /// The identity with these numbers.
    @inlinable
    public init(index: Int32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }
}

/// Elements at places that stay, each named by an identity that dies with it.
///
/// Inserting, finding and removing take constant time. A map starts without memory, doubles as it
/// fills, and refuses at its bound. Whoever holds an element's address across an insertion holds
/// nothing: elements are reached through the subscript.
@frozen
@safe
public struct SlotMap<Element: ~Copyable>: ~Copyable {
    // Invariant: `places` holds `used` initialized generations; the element at a place is initialized exactly
    // while its generation is odd. `nextFree` at an even one links the free places.
    @usableFromInline var elements: UnsafeMutablePointer<Element>?
    @usableFromInline var places: UnsafeMutablePointer<SlotPlace>?
    @usableFromInline var capacity: Int
    @usableFromInline var used: Int
    @usableFromInline var firstFree: Int32
    @usableFromInline var live: Int
    /// The most elements; at the bound inserting is refused.
    public let elementsMax: Int

    /// A map without elements or memory.
    @inlinable
    public init(elementsMax: Int) {
        precondition(elementsMax >= 0 && elementsMax < Int(Int32.max), "a slot map's bound fits an identity")
        self.elementsMax = elementsMax
        unsafe elements = nil
        unsafe places = nil
        capacity = 0
        used = 0
        firstFree = -1
        live = 0
    }

    @inlinable
    deinit {
        guard let elements = unsafe elements, let places = unsafe places else { return }
        for index in 0..<used where unsafe places[index].generation & 1 == 1 {
            unsafe (elements + index).deinitialize(count: 1)
        }
        unsafe elements.deallocate()
        unsafe places.deallocate()
    }

    /// How many elements there are.
    @inlinable
    public var count: Int { live }
    /// Whether there are none.
    @inlinable
    public var isEmpty: Bool { live == 0 }

    /// Puts an element in.
    ///
    /// - Returns: its identity, or `nil` at the bound; the element is gone then.
    @inlinable
    public mutating func insert(_ element: consuming Element) -> SlotID? {
        let index: Int
        if firstFree >= 0 {
            index = Int(firstFree)
        } else {
            guard used < elementsMax else { return nil }
            if used == capacity { grow() }
            index = used
        }
        guard let elements = unsafe elements, let places = unsafe places else { return nil }
        if firstFree >= 0 {
            firstFree = unsafe places[index].nextFree
        } else {
            unsafe (places + index).initialize(to: SlotPlace(generation: 0, nextFree: -1))
            used += 1
        }
        unsafe places[index].generation &+= 1
        unsafe (elements + index).initialize(to: element)
        live += 1
        return SlotID(index: Int32(index), generation: unsafe places[index].generation)
    }

    /// Whether the element with an identity is still in the map.
    @inlinable @inline(__always)
    public func contains(_ id: SlotID) -> Bool {
        guard id.index >= 0 && Int(id.index) < used, let places = unsafe places else { return false }
        return unsafe places[Int(id.index)].generation == id.generation && id.generation & 1 == 1
    }

    /// Takes the element with an identity out; it must be in the map.
    @inlinable
    public mutating func remove(_ id: SlotID) -> Element {
        guard contains(id), let elements = unsafe elements, let places = unsafe places else {
            preconditionFailure("an identity of a slot map is used after its element was removed")
        }
        let index = Int(id.index)
        unsafe places[index].generation &+= 1
        unsafe places[index].nextFree = firstFree
        firstFree = id.index
        live -= 1
        return unsafe (elements + index).move()
    }

    /// The element with an identity, which must be in the map.
    @inlinable
    public subscript(id: SlotID) -> Element {
        @inline(__always) unsafeAddress {
            guard contains(id), let elements = unsafe elements else {
                preconditionFailure("an identity of a slot map is used after its element was removed")
            }
            return unsafe UnsafePointer(elements + Int(id.index))
        }
        @inline(__always) unsafeMutableAddress {
            guard contains(id), let elements = unsafe elements else {
                preconditionFailure("an identity of a slot map is used after its element was removed")
            }
            return unsafe elements + Int(id.index)
        }
    }

    /// The first element at or behind a place, in the order of places; `nil` behind the last.
    ///
    /// A walk asks first for place 0 and then for the one behind each answer. It may remove what it
    /// finds; elements inserted meanwhile may be met or not.
    @inlinable
    public func first(from place: Int = 0) -> SlotID? {
        guard let places = unsafe places, live > 0 else { return nil }
        for index in max(0, place)..<max(used, place, 0) where unsafe places[index].generation & 1 == 1 {
            return unsafe SlotID(index: Int32(index), generation: places[index].generation)
        }
        return nil
    }

    @inlinable
    mutating func grow() {
        let larger = min(elementsMax, max(4, capacity * 2))
        let newElements = UnsafeMutablePointer<Element>.allocate(capacity: larger)
        let newPlaces = UnsafeMutablePointer<SlotPlace>.allocate(capacity: larger)
        if let elements = unsafe elements, let places = unsafe places {
            // Growing happens only with every place taken, so that all elements are initialized.
            unsafe newElements.moveInitialize(from: elements, count: used)
            unsafe newPlaces.moveInitialize(from: places, count: used)
            unsafe elements.deallocate()
            unsafe places.deallocate()
        }
        unsafe elements = newElements
        unsafe places = newPlaces
        capacity = larger
    }
}

/// What a slot map knows of a place.
@frozen
@usableFromInline
struct SlotPlace: BitwiseCopyable {
    @usableFromInline var generation: UInt32
    @usableFromInline var nextFree: Int32

    @inlinable
    init(generation: UInt32, nextFree: Int32) {
        self.generation = generation
        self.nextFree = nextFree
    }
}
