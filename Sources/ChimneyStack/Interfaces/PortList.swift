import ChimneyLink
import ChimneyPrimitives

/// The interfaces of a stack, in the order of their indexes.
struct PortList: ~Copyable {
    private var slots: SlotMap<StackInterface>
    private var order: [SlotID] = []
    private var indexes: [UInt32] = []

    init(interfacesMax: Int) { slots = SlotMap(elementsMax: interfacesMax) }

    var count: Int { order.count }

    /// Adds an interface; `false` at the bound.
    mutating func insert(_ interface: consuming StackInterface) -> SlotID? {
        let index = interface.index.rawValue
        guard let id = slots.insert(interface) else { return nil }
        let position = indexes.firstIndex { $0 > index } ?? indexes.count
        order.insert(id, at: position)
        indexes.insert(index, at: position)
        return id
    }

    mutating func remove(_ id: SlotID) {
        guard let position = order.firstIndex(of: id) else { return }
        order.remove(at: position)
        indexes.remove(at: position)
        _ = slots.remove(id)
    }

    /// Where the interface of an index is kept, or `nil` when there is none.
    @inline(__always)
    func position(of index: InterfaceIndex) -> SlotID? {
        // Indexes are handed out from 1 on, so the guess is nearly always right.
        let guess = Int(index.rawValue) &- 1
        if guess >= 0, guess < indexes.count, indexes[guess] == index.rawValue { return order[guess] }
        return search(index)
    }

    private func search(_ index: InterfaceIndex) -> SlotID? {
        var low = 0
        var high = indexes.count
        while low < high {
            let middle = (low + high) / 2
            if indexes[middle] < index.rawValue { low = middle + 1 } else { high = middle }
        }
        return low < indexes.count && indexes[low] == index.rawValue ? order[low] : nil
    }

    /// The interface at a position in the order of indexes.
    func id(at position: Int) -> SlotID { order[position] }

    subscript(id: SlotID) -> StackInterface {
        @inline(__always) _read { yield slots[id] }
        @inline(__always) _modify { yield &slots[id] }
    }
}
