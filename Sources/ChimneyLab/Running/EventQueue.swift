import ChimneyPrimitives

/// Something that happens at a point of virtual time.
struct Event: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        /// A frame reaches a port: `target` is the port, `slot` the packet, `detail` the link's epoch when it left.
        case frame
        /// A stack's deadline has come: `target` is the node.
        case stackTimer
        /// An application's deadline has come: `target` is the application.
        case applicationTimer
        /// A station's deadline has come: `target` is the station.
        case stationTimer
        /// A scheduled action is due: `target` is the action.
        case action
    }

    var time: UInt64
    /// Events of one time happen in the order in which they were scheduled.
    var sequence: UInt64
    var slot: SlotID?
    var target: Int32
    var detail: UInt32
    var kind: Kind

    @inline(__always)
    static func isEarlier(_ lhs: borrowing Self, _ rhs: borrowing Self) -> Bool {
        lhs.time != rhs.time ? lhs.time < rhs.time : lhs.sequence < rhs.sequence
    }
}

/// The events to come, in a heap of four branches: flatter than two, and a parent's children share cache lines.
struct EventQueue {
    private var heap: [Event] = []
    private var nextSequence: UInt64 = 0

    var count: Int { heap.count }

    /// The earliest event, which stays in the queue.
    var first: Event? { heap.first }

    mutating func schedule(
        _ kind: Event.Kind, at time: Instant, target: Int, slot: SlotID? = nil, detail: UInt32 = 0
    ) {
        let event = Event(
            time: time.nanoseconds, sequence: nextSequence, slot: slot, target: Int32(target), detail: detail,
            kind: kind)
        nextSequence += 1
        heap.append(event)
        var position = heap.count - 1
        while position > 0 {
            let parent = (position - 1) / 4
            guard Event.isEarlier(event, heap[parent]) else { break }
            heap[position] = heap[parent]
            position = parent
        }
        heap[position] = event
    }

    /// Takes the earliest event.
    mutating func removeFirst() -> Event {
        let result = heap[0]
        let last = heap.removeLast()
        guard !heap.isEmpty else { return result }
        var position = 0
        while true {
            var child = position * 4 + 1
            guard child < heap.count else { break }
            for other in child + 1..<max(child + 1, min(child + 4, heap.count))
            where Event.isEarlier(heap[other], heap[child]) {
                child = other
            }
            guard Event.isEarlier(heap[child], last) else { break }
            heap[position] = heap[child]
            position = child
        }
        heap[position] = last
        return result
    }
}
