import ChimneyPrimitives

/// One deadline per entry, the earliest first; equal ones by entry number, so that a run repeats.
///
/// A neighbour changes its deadline a few times a minute, never per packet, and an idle stack owns no memory here.
struct DeadlineHeap: ~Copyable {
    private struct Node {
        var due: Instant
        var number: Int32

        func precedes(_ other: Node) -> Bool {
            due != other.due ? due < other.due : number < other.number
        }
    }

    private var nodes: [Node] = []
    private var positions: [Int32] = []

    /// The earliest deadline.
    var first: Instant? { nodes.first?.due }

    /// The entry with the earliest deadline, if that is not after `now`.
    func due(at now: Instant) -> Int? {
        guard let first = nodes.first, first.due <= now else { return nil }
        return Int(first.number)
    }

    /// The deadline of an entry.
    func deadline(of number: Int) -> Instant? {
        guard number < positions.count, positions[number] >= 0 else { return nil }
        return nodes[Int(positions[number])].due
    }

    /// Gives an entry a deadline, or takes it away.
    mutating func set(_ number: Int, to due: Instant?) {
        guard let due else { return remove(number) }
        while positions.count <= number { positions.append(-1) }
        var position = Int(positions[number])
        if position < 0 {
            position = nodes.count
            nodes.append(Node(due: due, number: Int32(number)))
            positions[number] = Int32(position)
        } else {
            nodes[position].due = due
        }
        settle(position)
    }

    private mutating func remove(_ number: Int) {
        guard number < positions.count, positions[number] >= 0 else { return }
        let position = Int(positions[number])
        positions[number] = -1
        let last = nodes.removeLast()
        guard position < nodes.count else { return }
        nodes[position] = last
        positions[Int(last.number)] = Int32(position)
        settle(position)
    }

    private mutating func settle(_ start: Int) {
        var position = start
        let node = nodes[position]
        while position > 0, node.precedes(nodes[(position - 1) / 2]) {
            move((position - 1) / 2, to: position)
            position = (position - 1) / 2
        }
        while true {
            var child = 2 * position + 1
            guard child < nodes.count else { break }
            if child + 1 < nodes.count, nodes[child + 1].precedes(nodes[child]) { child += 1 }
            guard nodes[child].precedes(node) else { break }
            move(child, to: position)
            position = child
        }
        nodes[position] = node
        positions[Int(node.number)] = Int32(position)
    }

    private mutating func move(_ from: Int, to position: Int) {
        nodes[position] = nodes[from]
        positions[Int(nodes[position].number)] = Int32(position)
    }
}
