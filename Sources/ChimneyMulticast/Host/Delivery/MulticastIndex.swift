public import ChimneyPrimitives

/// The memberships by interface, group and port: a table of circles, each in the order of joining.
///
/// Sockets that have the port and did not join the group are not in the circle, so that they cost a datagram nothing.
@usableFromInline
struct MulticastIndex<Address: InternetAddress>: Sendable {
    /// The first membership of each circle.
    @usableFromInline var heads = PlaceTable()
    @usableFromInline let hasher: FlowHasher
    /// How many sockets receive everything that others joined.
    @usableFromInline var everythingCount = 0

    @usableFromInline
    init(using random: inout StackRandom) { hasher = FlowHasher(using: &random) }

    @inlinable
    func hash(_ group: Address, _ interface: UInt32, _ port: UInt16) -> UInt64 {
        hasher.hash(group: group, UInt64(interface) &<< 16 | UInt64(port))
    }

    /// The first receiver of what is sent to a port of a group; of all groups that others joined for the
    /// unspecified group on no interface.
    @inlinable
    func first(
        _ group: Address, on interface: UInt32, port: UInt16, in memberships: borrowing [Membership<Address>]
    ) -> Int32? {
        let memberships = memberships.span
        let hash = hash(group, interface, port)
        var walk = heads.start(hash)
        while let place = heads.next(&walk, hash: hash) {
            if memberships[place].group == group && memberships[place].port == port
                && memberships[place].interface == interface
            {
                return Int32(truncatingIfNeeded: place)
            }
        }
        return nil
    }

    @inlinable
    mutating func insert(_ place: Int32, port: UInt16, in memberships: inout [Membership<Address>]) {
        let (group, interface) = (memberships[Int(place)].group, memberships[Int(place)].interface)
        memberships[Int(place)].port = port
        guard let first = first(group, on: interface, port: port, in: memberships) else {
            memberships[Int(place)].nextReceiver = place
            memberships[Int(place)].previousReceiver = place
            heads.insert(Int(place), hash: hash(group, interface, port))
            return
        }
        let last = memberships[Int(first)].previousReceiver
        memberships[Int(place)].nextReceiver = first
        memberships[Int(place)].previousReceiver = last
        memberships[Int(last)].nextReceiver = place
        memberships[Int(first)].previousReceiver = place
    }

    @inlinable
    mutating func remove(_ place: Int32, in memberships: inout [Membership<Address>]) {
        let (next, previous) = (memberships[Int(place)].nextReceiver, memberships[Int(place)].previousReceiver)
        let hash = hash(
            memberships[Int(place)].group, memberships[Int(place)].interface, memberships[Int(place)].port)
        if next == place {
            heads.remove(Int(place), hash: hash)
        } else {
            memberships[Int(previous)].nextReceiver = next
            memberships[Int(next)].previousReceiver = previous
            heads.replace(Int(place), by: Int(next), hash: hash)
        }
        memberships[Int(place)].nextReceiver = -1
        memberships[Int(place)].previousReceiver = -1
        memberships[Int(place)].port = 0
    }
}
