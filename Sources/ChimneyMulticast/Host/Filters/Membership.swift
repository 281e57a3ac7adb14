public import ChimneyPrimitives

/// A group on an interface as one socket joined it, linked with the socket's other groups and with the other
/// receivers of the same group and port.
///
/// Both lists are circles, so that the first entry knows the last and joining appends.
@usableFromInline
struct Membership<Address: InternetAddress>: Sendable {
    @usableFromInline var filter: SourceFilter<Address>
    /// The port it is in the index with, or 0.
    @usableFromInline var port: UInt16 = 0
    @usableFromInline let group: Address
    @usableFromInline let interface: UInt32
    @usableFromInline let socket: UInt32
    /// The next group of the socket, or the next free place; -1 when it is in no list.
    @usableFromInline var nextOfSocket: Int32 = -1
    /// The group of the socket before this one; ``free`` for a free place.
    @usableFromInline var previousOfSocket: Int32 = -1
    @usableFromInline var nextReceiver: Int32 = -1
    @usableFromInline var previousReceiver: Int32 = -1

    @inlinable
    init(filter: SourceFilter<Address>, group: Address, interface: UInt32, socket: UInt32) {
        self.filter = filter
        self.group = group
        self.interface = interface
        self.socket = socket
    }

    @usableFromInline static var free: Int32 { @inlinable get { -2 } }

    @inlinable
    var isTaken: Bool { previousOfSocket != Self.free }

    /// Whether this stands for no group but for all that others joined: see `receivesEverything`.
    @inlinable
    var isEverything: Bool { group.isAny }
}

/// What the table knows of a socket.
@usableFromInline
struct SocketRecord: Sendable {
    /// The group it joined first, or -1.
    @usableFromInline var first: Int32 = -1
    @usableFromInline var count: Int32 = 0
    /// The place that stands for everything others joined, or -1.
    @usableFromInline var everything: Int32 = -1
    /// The most groups of this socket, at which joining is refused; -1 for the stack's bound.
    @usableFromInline var membershipsMax: Int32 = -1
    /// The most sources in one of its filters, beyond which a list is refused; -1 for the stack's bound.
    @usableFromInline var sourcesMax: Int32 = -1
    @usableFromInline var port: UInt16 = 0

    @inlinable
    init() {}
}

extension SocketMemberships {
    // MARK: - Checks

    @inlinable
    func check(_ group: Address, isSourceNamed: Bool) throws(MembershipError) {
        guard group.isMulticast else { throw .notMulticast }
        if isSourceNamed { return }
        for range in sourceSpecificGroups where range.contains(group) { throw .needsSource }
    }

    /// A source sends, so it is one host's address.
    @inlinable
    func check(source: Address) throws(MembershipError) {
        if source.isMulticast || source.isAny || source.bits == .max { throw .sourceInvalid }
    }

    /// The socket has a record from now on.
    @inlinable
    mutating func open(_ socket: UInt32) throws(MembershipError) {
        guard Int(socket) < limits.socketsMax else { throw .noSuchSocket(socket) }
        while sockets.count <= Int(socket) { sockets.append(SocketRecord()) }
    }

    /// The bounds that hold for a socket.
    @inlinable
    func bounds(of socket: UInt32) throws(MembershipError) -> (membershipsMax: Int, sourcesMax: Int) {
        guard Int(socket) < limits.socketsMax else { throw .noSuchSocket(socket) }
        let record = Int(socket) < sockets.count ? sockets[Int(socket)] : SocketRecord()
        return (
            record.membershipsMax >= 0 ? Int(record.membershipsMax) : limits.membershipsPerSocketMax,
            record.sourcesMax >= 0 ? Int(record.sourcesMax) : limits.sourcesPerFilterMax
        )
    }

    // MARK: - Places

    @inlinable
    func place(_ group: Address, _ interface: UInt32, _ socket: UInt32) -> Int? {
        // Through a span, since a read through the array copies the record and counts its list.
        let memberships = memberships.span
        let hash = hash(group, interface, socket)
        var walk = places.start(hash)
        while let place = places.next(&walk, hash: hash) {
            if memberships[place].group == group && memberships[place].socket == socket
                && memberships[place].interface == interface
            {
                return place
            }
        }
        return nil
    }

    @inlinable
    func hash(_ group: Address, _ interface: UInt32, _ socket: UInt32) -> UInt64 {
        hasher.hash(group: group, UInt64(interface) &<< 32 | UInt64(socket))
    }

    /// A socket joins: into the table, its own list and the index.
    @inlinable
    mutating func insert(
        _ filter: SourceFilter<Address>, _ group: Address, _ interface: UInt32, _ socket: UInt32
    ) throws(MembershipError) {
        let (membershipsMax, sourcesMax) = try bounds(of: socket)
        if filter.sources.count > max(sourcesMax, 0) { throw .tooManySources(max: sourcesMax) }
        if sourceTotal + filter.sources.count > limits.sourcesPerStackMax && !filter.sources.isEmpty {
            throw .tooManySourcesInStack(max: limits.sourcesPerStackMax)
        }
        try open(socket)
        guard sockets[Int(socket)].count < membershipsMax else { throw .tooManyMemberships(max: membershipsMax) }
        // A place is a number below 2^31, whatever the limits say.
        let placesMax = Int(Int32.max) - limits.socketsMax
        let stackMax = socket == exemptSocket ? placesMax : min(limits.membershipsPerStackMax, placesMax)
        guard count < stackMax else { throw .tooManyMembershipsInStack(max: stackMax) }
        let place = take(Membership(filter: filter, group: group, interface: interface, socket: socket))
        places.insert(place, hash: hash(group, interface, socket))
        appendToSocket(place, socket: Int(socket))
        sourceTotal += filter.sources.count
        let port = sockets[Int(socket)].port
        if port != 0 { index.insert(Int32(place), port: port, in: &memberships) }
    }

    /// A socket leaves.
    ///
    /// - Returns: the filter it had.
    @inlinable
    mutating func remove(at place: Int) -> SourceFilter<Address> {
        let membership = memberships[place]
        places.remove(place, hash: hash(membership.group, membership.interface, membership.socket))
        if membership.port != 0 { index.remove(Int32(place), in: &memberships) }
        removeFromSocket(place, socket: Int(membership.socket))
        sourceTotal -= membership.filter.sources.count
        release(place)
        return membership.filter
    }

    @inlinable
    mutating func leave(at place: Int) -> GroupLeft<Address> {
        let membership = memberships[place]
        _ = remove(at: place)
        return GroupLeft(
            socket: membership.socket, interface: membership.interface, group: membership.group,
            filter: membership.filter)
    }

    @inlinable
    mutating func take(_ membership: Membership<Address>) -> Int {
        guard firstFree >= 0 else {
            memberships.append(membership)
            return memberships.count - 1
        }
        let place = Int(firstFree)
        firstFree = memberships[place].nextOfSocket
        memberships[place] = membership
        return place
    }

    @inlinable
    mutating func release(_ place: Int) {
        memberships[place].filter = .none
        memberships[place].previousOfSocket = Membership<Address>.free
        memberships[place].nextOfSocket = firstFree
        firstFree = Int32(place)
    }

    @inlinable
    mutating func appendToSocket(_ place: Int, socket: Int) {
        let new = Int32(place)
        let first = sockets[socket].first
        sockets[socket].count += 1
        guard first >= 0 else {
            sockets[socket].first = new
            memberships[place].nextOfSocket = new
            memberships[place].previousOfSocket = new
            return
        }
        let last = memberships[Int(first)].previousOfSocket
        memberships[place].nextOfSocket = first
        memberships[place].previousOfSocket = last
        memberships[Int(last)].nextOfSocket = new
        memberships[Int(first)].previousOfSocket = new
    }

    @inlinable
    mutating func removeFromSocket(_ place: Int, socket: Int) {
        let (next, previous) = (memberships[place].nextOfSocket, memberships[place].previousOfSocket)
        memberships[Int(previous)].nextOfSocket = next
        memberships[Int(next)].previousOfSocket = previous
        sockets[socket].count -= 1
        if sockets[socket].first == Int32(place) { sockets[socket].first = Int(next) == place ? -1 : next }
    }

    // MARK: - Sources

    @inlinable
    mutating func insert(_ source: Address, at place: Int) throws(MembershipError) -> MembershipChange<Address> {
        let sourcesMax = try bounds(of: memberships[place].socket).sourcesMax
        let count = memberships[place].filter.sources.count
        guard count < sourcesMax else {
            throw memberships[place].filter.contains(source) ? .sourceAlready : .tooManySources(max: sourcesMax)
        }
        guard memberships[place].filter.insert(source) else { throw .sourceAlready }
        guard sourceTotal < limits.sourcesPerStackMax else {
            _ = memberships[place].filter.remove(source)
            throw .tooManySourcesInStack(max: limits.sourcesPerStackMax)
        }
        sourceTotal += 1
        return .inserted(source, into: memberships[place].filter.mode, isFirst: count == 0)
    }

    @inlinable
    mutating func remove(_ source: Address, at place: Int) throws(MembershipError) -> MembershipChange<Address> {
        guard memberships[place].filter.remove(source) else { throw .notASource }
        sourceTotal -= 1
        let filter = memberships[place].filter
        return .removed(source, from: filter.mode, isLast: filter.sources.isEmpty)
    }
}
