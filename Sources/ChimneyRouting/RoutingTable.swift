public import ChimneyPrimitives

/// One routing table (FIB): which next hop a destination has.
///
/// Of several routes to one prefix, one is in use: those to this host and its broadcast addresses come first, then the lowest
/// metric, then the oldest. When that one goes through a gateway, all gateway routes of the same metric share the traffic, each
/// flow keeping to one of them. Routes of an interface that is down stay listed and take no part until it is up again.
///
/// It owns no neighbours and no addresses; the stack adds routes for them. A copy is a snapshot that shares memory.
public struct RoutingTable<Address: InternetAddress>: Sendable {
    /// A route as the table has it, for a route to be kept beside others of its prefix.
    private struct Record: Sendable, BitwiseCopyable {
        var hop: UInt32
        var metric: UInt32
        /// The next record of the prefix in order of preference, or the next free one.
        var next: UInt32
        var origin: RouteOrigin
    }

    private static var none: UInt32 { .max }

    @usableFromInline
    private(set) var prefixes: PrefixTable<Address>
    @usableFromInline
    private(set) var hops: NextHopTable<Address>
    private var records: [Record] = []
    private var freeRecord: UInt32 = .max
    private var downInterfaces: [UInt32] = []
    /// How many routes the table holds, those out of use included.
    public private(set) var count = 0
    /// Changes whenever the answer to a lookup may have changed; never 0.
    public private(set) var generation: UInt64 = 1
    /// The table's bounds.
    public let limits: RoutingLimits

    /// An empty table; all interfaces count as up until ``setInterface(_:isUp:)`` says otherwise.
    public init(limits: RoutingLimits = .init()) {
        self.limits = limits
        prefixes = PrefixTable(prefixesMax: limits.routesMax)
        hops = NextHopTable(slotsMax: limits.nextHopsMax)
    }

    // MARK: Lookups

    /// The next hop for a destination; `nil` when no route covers it.
    ///
    /// Of equal paths the flow hash chooses one, always the same for the same hash.
    @inlinable
    public func lookup(_ destination: Address, flowHash: UInt32 = 0) -> NextHop<Address>? {
        let number = prefixes.value(for: destination.bits)
        return number == .max ? nil : hops.hop(number, flowHash: flowHash)
    }

    /// The routes in use for a destination, the equal paths in their order; empty when none covers it.
    public func routes(to destination: Address) -> [Route<Address>] {
        guard let match = prefixes.match(destination), let entry = prefixes.entry(match.prefix) else { return [] }
        return listed(match.prefix, tag: entry.tag, word: entry.word).filter(\.isActive).map(\.route)
    }

    // MARK: Changes

    /// Adds a route.
    ///
    /// - Throws: ``RouteError``; the table is then as before. A route that differs only in origin from one there is refused.
    public mutating func add(_ route: Route<Address>) throws(RouteError<Address>) {
        try check(route)
        let entry = prefixes.entry(route.prefix)
        var place = (previous: Self.none, next: entry?.tag ?? Self.none)
        var siblings = 0
        let rank = Self.rank(route.nextHop, route.metric)
        var index = place.next
        while index != Self.none {
            let record = records[Int(index)]
            let hop = hops.slots[Int(record.hop)].hop
            guard hop != route.nextHop || record.metric != route.metric else {
                throw .exists(self.route(route.prefix, record))
            }
            if Self.rank(hop, record.metric) <= rank { place = (index, record.next) }
            siblings += 1
            index = record.next
        }
        guard siblings < limits.routesPerPrefixMax else {
            throw .tooManyRoutesToPrefix(route.prefix, routesPerPrefixMax: limits.routesPerPrefixMax)
        }
        guard count < limits.routesMax else { throw .tooManyRoutes(routesMax: limits.routesMax) }
        guard let hop = hops.acquire(route.nextHop) else { throw .tooManyNextHops(nextHopsMax: limits.nextHopsMax) }
        let added = store(Record(hop: hop, metric: route.metric, next: place.next, origin: route.origin))
        var head = entry?.tag ?? added
        if place.previous == Self.none { head = added } else { records[Int(place.previous)].next = added }
        count += 1
        activate(route.prefix, head: head, word: entry?.word ?? 0)
    }

    /// Puts a route in the place of all that its prefix has with the same metric.
    ///
    /// - Throws: ``RouteError``; the table is then as before.
    public mutating func replace(_ route: Route<Address>) throws(RouteError<Address>) {
        let before = listing(of: route.prefix).map(\.route).filter { $0.metric == route.metric }
        guard !before.isEmpty else { return try add(route) }
        try check(route)
        _ = removeRecords(route.prefix) { $0.metric == route.metric }
        do { try add(route) } catch {
            // The number of next hops is the only bound left to reach, and the old routes fitted.
            for old in before { try add(old) }
            throw error
        }
    }

    /// Removes the routes to a prefix; those with another next hop or metric than asked for stay.
    ///
    /// - Returns: how many there were; at least one.
    /// - Throws: ``RouteError/notFound(_:)``.
    @discardableResult
    public mutating func remove(
        _ prefix: Prefix<Address>, nextHop: NextHop<Address>? = nil, metric: UInt32? = nil
    ) throws(RouteError<Address>) -> Int {
        let removed = removeRecords(prefix) {
            (nextHop ?? $0.nextHop) == $0.nextHop && (metric ?? $0.metric) == $0.metric
        }
        guard removed > 0 else { throw .notFound(prefix) }
        return removed
    }

    /// Removes every route that `isDoomed` chooses, and tells how many there were.
    @discardableResult
    public mutating func removeAll(where isDoomed: (Route<Address>) -> Bool) -> Int {
        let touched = prefixes(where: isDoomed)
        return changing(touched) { table, prefix in
            table.removeRecords(prefix, where: isDoomed)
        }
    }

    /// An interface went up or down: its routes come into use, or go out of use and leave their place to others.
    public mutating func setInterface(_ interface: UInt32, isUp: Bool) {
        guard downInterfaces.contains(interface) == isUp else { return }
        if isUp {
            downInterfaces.removeAll { $0 == interface }
        } else {
            downInterfaces.append(interface)
        }
        let touched = prefixes { $0.nextHop.interface == interface }
        _ = changing(touched) { table, prefix in
            guard let entry = table.prefixes.entry(prefix) else { return 0 }
            table.activate(prefix, head: entry.tag, word: entry.word)
            return 1
        }
    }

    /// An interface is gone, and so are its routes; answers how many there were.
    @discardableResult
    public mutating func removeInterface(_ interface: UInt32) -> Int {
        let removed = removeAll { $0.nextHop.interface == interface }
        downInterfaces.removeAll { $0 == interface }
        return removed
    }
}

/// One line of a listing.
public struct RouteListing<Address: InternetAddress>: Hashable, Sendable {
    /// The route.
    public var route: Route<Address>
    /// Whether packets take it; false while it waits behind a better one or its interface is down.
    public var isActive: Bool
}

// MARK: - Listing

extension RoutingTable {
    /// Calls `body` with every route, by address, then by length, then by preference, until it answers false.
    public func forEach(_ body: (RouteListing<Address>) -> Bool) {
        prefixes.forEachEntry { prefix, tag, word in listed(prefix, tag: tag, word: word).allSatisfy(body) }
    }

    /// All routes in the order of ``forEach(_:)``.
    public var listing: [RouteListing<Address>] {
        var all: [RouteListing<Address>] = []
        all.reserveCapacity(count)
        forEach {
            all.append($0)
            return true
        }
        return all
    }

    /// The routes to exactly this prefix, the preferred first.
    public func listing(of prefix: Prefix<Address>) -> [RouteListing<Address>] {
        guard let entry = prefixes.entry(prefix) else { return [] }
        return listed(prefix, tag: entry.tag, word: entry.word)
    }

    /// Memory held, in bytes, without what dictionaries round up.
    public var byteCount: Int {
        prefixes.byteCount + hops.byteCount + records.capacity * MemoryLayout<Record>.stride
    }

    private func listed(_ prefix: Prefix<Address>, tag: UInt32, word: UInt32) -> [RouteListing<Address>] {
        let active = word == 0 ? [] : activeRecords(from: tag)
        return chain(from: tag).map { index in
            RouteListing(route: route(prefix, records[Int(index)]), isActive: active.contains(index))
        }
    }

    private func chain(from head: UInt32) -> [UInt32] {
        var indices: [UInt32] = []
        var index = head
        while index != Self.none {
            indices.append(index)
            index = records[Int(index)].next
        }
        return indices
    }

    private func route(_ prefix: Prefix<Address>, _ record: Record) -> Route<Address> {
        Route(prefix, hops.slots[Int(record.hop)].hop, metric: record.metric, origin: record.origin)
    }
}

// MARK: - Records

extension RoutingTable {
    /// Smaller is preferred: this host before others, then by metric.
    private static func rank(_ hop: NextHop<Address>, _ metric: UInt32) -> UInt64 {
        switch hop.kind {
        case .local, .broadcast: UInt64(metric)
        case .connected, .gateway, .blackhole, .unreachable, .prohibited: 1 << 32 | UInt64(metric)
        }
    }

    private func check(_ route: Route<Address>) throws(RouteError<Address>) {
        switch route.nextHop.kind {
        case .blackhole, .unreachable, .prohibited: return
        case .connected, .local, .broadcast, .gateway: break
        }
        guard route.nextHop.interface != 0 else { throw .noInterface }
        guard let gateway = route.nextHop.gateway else { return }
        guard !gateway.isAny, !gateway.isMulticast, !gateway.isLoopback, gateway.bits != .max else {
            throw .invalidGateway(gateway)
        }
    }

    private mutating func store(_ record: Record) -> UInt32 {
        guard freeRecord != Self.none else {
            records.append(record)
            return UInt32(truncatingIfNeeded: records.count - 1)
        }
        let index = freeRecord
        freeRecord = records[Int(index)].next
        records[Int(index)] = record
        return index
    }

    private func isUp(_ record: Record) -> Bool {
        downInterfaces.isEmpty || !downInterfaces.contains(hops.slots[Int(record.hop)].hop.interface)
    }

    /// The records in use among those of a prefix: the first that is up and, behind a gateway, its equals.
    private func activeRecords(from head: UInt32) -> [UInt32] {
        var active: [UInt32] = []
        var metric: UInt32 = 0
        var index = head
        while index != Self.none, active.count < limits.pathsMax {
            let record = records[Int(index)]
            let isGateway = hops.slots[Int(record.hop)].hop.kind == .gateway
            if active.isEmpty {
                if isUp(record) {
                    active.append(index)
                    metric = record.metric
                    guard isGateway else { break }
                }
            } else {
                guard record.metric == metric else { break }
                if isGateway, isUp(record) { active.append(index) }
            }
            index = record.next
        }
        return active
    }

    /// Decides which routes of a prefix are in use and makes lookups say so; `word` is what they say now.
    private mutating func activate(_ prefix: Prefix<Address>, head: UInt32, word: UInt32) {
        let active = activeRecords(from: head).map { records[Int($0)].hop }
        var new: UInt32 = 0
        if let first = active.first {
            if active.count > 1, let group = hops.acquireGroup(active) {
                new = group + 1
            } else {
                hops.retain(first)
                new = first + 1
            }
        }
        prefixes.set(prefix, tag: head, word: new)
        if word != 0 { hops.release(word - 1) }
        if new != word { generation &+= 1 }
    }

    private mutating func removeRecords(_ prefix: Prefix<Address>, where isDoomed: (Route<Address>) -> Bool) -> Int {
        guard let entry = prefixes.entry(prefix) else { return 0 }
        var head = Self.none
        var last = Self.none
        var removed = 0
        for index in chain(from: entry.tag) {
            let record = records[Int(index)]
            if isDoomed(route(prefix, record)) {
                removed += 1
                hops.release(record.hop)
                records[Int(index)].next = freeRecord
                freeRecord = index
            } else {
                if last == Self.none { head = index } else { records[Int(last)].next = index }
                records[Int(index)].next = Self.none
                last = index
            }
        }
        guard removed > 0 else { return 0 }
        count -= removed
        if head != Self.none {
            activate(prefix, head: head, word: entry.word)
        } else {
            _ = prefixes.forget(prefix)
            if entry.word != 0 {
                hops.release(entry.word - 1)
                generation &+= 1
            }
        }
        return removed
    }

    private func prefixes(where isWanted: (Route<Address>) -> Bool) -> [Prefix<Address>] {
        var wanted: [Prefix<Address>] = []
        prefixes.forEachEntry { prefix, tag, _ in
            if chain(from: tag).contains(where: { isWanted(route(prefix, records[Int($0)])) }) { wanted.append(prefix) }
            return true
        }
        return wanted
    }

    /// Applies `body` to many prefixes; when they are a good part of the table, lookups are made anew once.
    private mutating func changing(
        _ touched: [Prefix<Address>], _ body: (inout Self, Prefix<Address>) -> Int
    ) -> Int {
        let isBulk = touched.count > 64 && touched.count > prefixes.count / 8
        if isBulk { prefixes.suspend() }
        var total = 0
        for prefix in touched { total += body(&self, prefix) }
        if isBulk { prefixes.resume() }
        return total
    }
}
