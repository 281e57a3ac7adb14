import ChimneyPrimitives

/// What a destination means to this stack.
enum LocalKind: UInt8 {
    /// One of our addresses.
    case unicast
    /// The broadcast address of one of our subnets.
    case subnetBroadcast
}

/// Every address that means this stack, sorted, whatever interface it is on: the weak host model
/// (RFC 1122 §3.3.4.2), in which a packet for any of our addresses is ours.
struct LocalAddresses<Address: InternetAddress>: Sendable {
    private var keys: [Address] = []
    private var kinds: [LocalKind] = []
    private var interfaces: [UInt32] = []
    /// The answer to the last question asked; runs of packets go to one address.
    private var lastKey = Address(bits: 0)
    private var lastPosition = -1

    mutating func removeAll() { self = Self() }

    mutating func insert(_ address: Address, _ kind: LocalKind, interface: UInt32) {
        lastPosition = -1
        let position = lowerBound(address)
        if position < keys.count, keys[position] == address {
            // An address of ours outranks another subnet's broadcast.
            if kind == .unicast, kinds[position] != .unicast {
                kinds[position] = kind
                interfaces[position] = interface
            }
            return
        }
        keys.insert(address, at: position)
        kinds.insert(kind, at: position)
        interfaces.insert(interface, at: position)
    }

    /// What the address means here, or `nil` when it is someone else's.
    @inline(__always)
    mutating func kind(of address: Address) -> LocalKind? {
        if lastPosition >= 0, lastKey == address { return kinds[lastPosition] }
        return lookUp(address)
    }

    func isOurs(_ address: Address) -> Bool {
        let position = lowerBound(address)
        return position < keys.count && keys[position] == address && kinds[position] == .unicast
    }

    private mutating func lookUp(_ address: Address) -> LocalKind? {
        let position = lowerBound(address)
        guard position < keys.count, keys[position] == address else { return nil }
        lastKey = address
        lastPosition = position
        return kinds[position]
    }

    private func lowerBound(_ key: Address) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low &+ high) / 2
            if keys[middle] < key { low = middle &+ 1 } else { high = middle }
        }
        return low
    }
}
