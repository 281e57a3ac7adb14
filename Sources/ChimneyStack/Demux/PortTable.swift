import ChimneyPrimitives

/// From a UDP port to the chain of sockets bound to it: open addressing with linear probing.
///
/// The keys are this stack's own ports, so nobody outside can choose them to collide; 65,536 ports
/// bound it. It starts empty and doubles, and a removal moves the rest of its run back, so that no
/// markers of the removed pile up.
struct PortTable {
    private var ports: [UInt16] = []
    private var heads: [SlotID?] = []
    private var count = 0

    /// The first socket of the chain, or `nil`.
    @inline(__always)
    subscript(port: UInt16) -> SlotID? {
        guard count > 0 else { return nil }
        let mask = ports.count &- 1
        var position = Self.home(port) & mask
        while let head = heads[position] {
            if ports[position] == port { return head }
            position = (position &+ 1) & mask
        }
        return nil
    }

    /// Makes `head` the first socket of the chain; `nil` ends the chain.
    mutating func set(_ port: UInt16, to head: SlotID?) {
        guard let head else { return remove(port) }
        if (count + 1) * 2 > ports.count { grow() }
        let mask = ports.count - 1
        var position = Self.home(port) & mask
        while heads[position] != nil, ports[position] != port { position = (position + 1) & mask }
        if heads[position] == nil { count += 1 }
        ports[position] = port
        heads[position] = head
    }

    private mutating func remove(_ port: UInt16) {
        guard count > 0 else { return }
        let mask = ports.count - 1
        var hole = Self.home(port) & mask
        while heads[hole] != nil, ports[hole] != port { hole = (hole + 1) & mask }
        guard heads[hole] != nil else { return }
        heads[hole] = nil
        count -= 1
        var position = (hole + 1) & mask
        while heads[position] != nil {
            let home = Self.home(ports[position]) & mask
            if (position - home) & mask >= (position - hole) & mask {
                ports[hole] = ports[position]
                heads[hole] = heads[position]
                heads[position] = nil
                hole = position
            }
            position = (position + 1) & mask
        }
    }

    private mutating func grow() {
        let (oldPorts, oldHeads) = (ports, heads)
        let capacity = max(8, oldPorts.count * 2)
        ports = [UInt16](repeating: 0, count: capacity)
        heads = [SlotID?](repeating: nil, count: capacity)
        count = 0
        for index in oldPorts.indices where oldHeads[index] != nil { set(oldPorts[index], to: oldHeads[index]) }
    }

    @inline(__always)
    private static func home(_ port: UInt16) -> Int { Int((UInt32(port) &* 0x9E37_79B1) >> 12) }
}
