import ChimneyPrimitives

/// From the two endpoints of a connected socket to the socket: sorted, so that a lookup takes the logarithm.
///
/// It holds no more than one entry a socket, and sockets are bounded by ``StackSettings/socketsMax``.
struct ConnectedTable {
    private struct Key: Comparable {
        var remote: Endpoint
        var local: Endpoint

        static func < (lhs: Self, rhs: Self) -> Bool {
            lhs.remote != rhs.remote ? lhs.remote < rhs.remote : lhs.local < rhs.local
        }
    }

    private var keys: [Key] = []
    private var sockets: [SlotID] = []

    var isEmpty: Bool { keys.isEmpty }

    /// The socket connected from `remote` to `local`, the latest where several share them.
    func lookUp(_ remote: Endpoint, _ local: Endpoint) -> SlotID? {
        let key = Key(remote: remote, local: local)
        let position = lowerBound(key)
        return position < keys.count && keys[position] == key ? sockets[position] : nil
    }

    mutating func insert(_ remote: Endpoint, _ local: Endpoint, _ socket: SlotID) {
        let key = Key(remote: remote, local: local)
        let position = lowerBound(key)
        keys.insert(key, at: position)
        sockets.insert(socket, at: position)
    }

    mutating func remove(_ remote: Endpoint, _ socket: SlotID) {
        var position = lowerBound(Key(remote: remote, local: .any))
        while position < keys.count, keys[position].remote == remote {
            if sockets[position] == socket {
                keys.remove(at: position)
                sockets.remove(at: position)
                return
            }
            position += 1
        }
    }

    private func lowerBound(_ key: Key) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
