public import ChimneyPrimitives

/// The memberships by interface, group and port: a table of circles, each in the order of joining.
///
/// Sockets that have the port and did not join the group are not in the circle, so that they cost a datagram nothing.
@usableFromInline
struct MulticastIndex<Address: InternetAddress>: ~Copyable {
    @usableFromInline var heads: FlowTable<ReceiverKey<Address>>
    /// How many sockets receive everything that others joined.
    @usableFromInline var everythingCount = 0

    @usableFromInline
    init(using random: inout StackRandom) {
        // As many circles as memberships, whose bound is checked before they come here.
        heads = FlowTable(flowsMax: Int(Int32.max), using: &random)
    }

    @inlinable
    func first(_ group: Address, on interface: UInt32, port: UInt16) -> Int32? {
        heads[ReceiverKey(group: group, interface: interface, port: port)].map { Int32(bitPattern: $0) }
    }

    @inlinable
    mutating func insert(_ place: Int32, port: UInt16, in memberships: inout [Membership<Address>]) {
        let (group, interface) = (memberships[Int(place)].group, memberships[Int(place)].interface)
        guard let first = first(group, on: interface, port: port) else {
            memberships[Int(place)].nextReceiver = place
            memberships[Int(place)].previousReceiver = place
            _ = heads.insert(UInt32(place), for: ReceiverKey(group: group, interface: interface, port: port))
            return
        }
        let last = memberships[Int(first)].previousReceiver
        memberships[Int(place)].nextReceiver = first
        memberships[Int(place)].previousReceiver = last
        memberships[Int(last)].nextReceiver = place
        memberships[Int(first)].previousReceiver = place
    }

    @inlinable
    mutating func remove(_ place: Int32, port: UInt16, in memberships: inout [Membership<Address>]) {
        let membership = memberships[Int(place)]
        let key = ReceiverKey(group: membership.group, interface: membership.interface, port: port)
        let (next, previous) = (membership.nextReceiver, membership.previousReceiver)
        if next == place {
            _ = heads.remove(key)
        } else {
            memberships[Int(previous)].nextReceiver = next
            memberships[Int(next)].previousReceiver = previous
            if heads[key] == UInt32(place) { _ = heads.insert(UInt32(next), for: key) }
        }
        memberships[Int(place)].nextReceiver = -1
        memberships[Int(place)].previousReceiver = -1
    }
}

/// What the receivers of a datagram are found by; nothing but the port for those that receive everything.
@frozen
@usableFromInline
struct ReceiverKey<Address: InternetAddress>: FlowKey {
    @usableFromInline let group: Address
    @usableFromInline let interface: UInt32
    @usableFromInline let port: UInt16

    @inlinable
    init(group: Address, interface: UInt32, port: UInt16) {
        self.group = group
        self.interface = interface
        self.port = port
    }

    @inlinable
    func hash(using hasher: FlowHasher) -> UInt64 {
        hasher.hash(group: group, UInt64(interface) &<< 16 | UInt64(port))
    }
}
