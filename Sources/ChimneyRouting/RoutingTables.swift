public import ChimneyPrimitives

/// Which of the routing tables a change is for.
public enum FIBChoice: Hashable, Sendable {
    /// Every table; what an interface's own routes are for.
    case all
    /// The table with this number, from 0.
    case one(Int)
}

/// The routing tables of a stack: any number, fixed when the stack starts.
///
/// A socket, packet or process names the table it lives by; number 0 is everyone's unless told otherwise. What a lookup found
/// stays true while ``generation`` is what it was, so that whoever keeps an answer checks it with one comparison.
public struct RoutingTables<Address: InternetAddress>: Sendable {
    /// The tables by number.
    public private(set) var tables: [RoutingTable<Address>]
    /// Changes whenever the answer to a lookup in any table may have changed; never 0.
    public private(set) var generation: UInt64 = 1

    /// The largest number of tables; a packet carries the number in 16 bits.
    public static var fibsMax: Int { 65_535 }

    /// Empty tables; a count outside `1...fibsMax` is brought to its nearest end.
    public init(count: Int = 1, limits: RoutingLimits = .init()) {
        tables = Array(repeating: RoutingTable(limits: limits), count: min(max(1, count), Self.fibsMax))
    }

    /// How many tables there are.
    public var count: Int { tables.count }

    // MARK: Lookups

    /// The next hop for a destination in one table; `nil` when no route covers it or there is no such table.
    ///
    /// Of equal paths the flow hash chooses one, always the same for the same hash.
    @inlinable
    public func lookup(fib: Int = 0, destination: Address, flowHash: UInt32 = 0) -> NextHop<Address>? {
        guard fib >= 0, fib < tables.count else { return nil }
        // Through the span the table is read where it is; the subscript would retain each of its arrays.
        return tables.span[fib].lookup(destination, flowHash: flowHash)
    }

    /// The interface on whose link a gateway is; what a route without an interface needs.
    public func interface(toward gateway: Address, fib: Int = 0) -> UInt32? {
        guard let hop = lookup(fib: fib, destination: gateway), hop.kind == .connected else { return nil }
        return hop.interface
    }

    // MARK: Changes

    /// Adds a route to one table or to all.
    ///
    /// - Throws: ``RouteError``; all tables are then as before.
    public mutating func add(_ route: Route<Address>, fib: FIBChoice = .one(0)) throws(RouteError<Address>) {
        try change(fib) { table throws(RouteError<Address>) in try table.add(route) }
    }

    /// Puts a route in the place of all that its prefix has with the same metric, in one table or in all.
    ///
    /// - Throws: ``RouteError``; all tables are then as before.
    public mutating func replace(_ route: Route<Address>, fib: FIBChoice = .one(0)) throws(RouteError<Address>) {
        try change(fib) { table throws(RouteError<Address>) in try table.replace(route) }
    }

    /// Removes the routes to a prefix from one table, or from all that have them.
    ///
    /// - Returns: how many there were; at least one.
    /// - Throws: ``RouteError/notFound(_:)`` when no table had any; ``RouteError/noSuchTable(fib:count:)``.
    @discardableResult
    public mutating func remove(
        _ prefix: Prefix<Address>, nextHop: NextHop<Address>? = nil, metric: UInt32? = nil, fib: FIBChoice = .one(0)
    ) throws(RouteError<Address>) -> Int {
        var removed = 0
        for number in try numbers(fib) {
            removed += (try? tables[number].remove(prefix, nextHop: nextHop, metric: metric)) ?? 0
        }
        guard removed > 0 else { throw .notFound(prefix) }
        generation &+= 1
        return removed
    }

    /// Removes every route that `isDoomed` chooses, from one table or from all, and tells how many there were.
    @discardableResult
    public mutating func removeAll(
        fib: FIBChoice = .one(0), where isDoomed: (Route<Address>) -> Bool
    ) throws(RouteError<Address>) -> Int {
        var removed = 0
        for number in try numbers(fib) { removed += tables[number].removeAll(where: isDoomed) }
        if removed > 0 { generation &+= 1 }
        return removed
    }

    /// An interface went up or down: its routes come into use in all tables, or go out of use.
    public mutating func setInterface(_ interface: UInt32, isUp: Bool) {
        for number in tables.indices { tables[number].setInterface(interface, isUp: isUp) }
        generation &+= 1
    }

    /// An interface is gone, and so are its routes in all tables; answers how many there were.
    @discardableResult
    public mutating func removeInterface(_ interface: UInt32) -> Int {
        var removed = 0
        for number in tables.indices { removed += tables[number].removeInterface(interface) }
        generation &+= 1
        return removed
    }

    private func numbers(_ fib: FIBChoice) throws(RouteError<Address>) -> Range<Int> {
        switch fib {
        case .all: return tables.indices
        case .one(let number):
            guard tables.indices.contains(number) else { throw .noSuchTable(fib: number, count: tables.count) }
            return number..<(number + 1)
        }
    }

    private mutating func change(
        _ fib: FIBChoice, _ body: (inout RoutingTable<Address>) throws(RouteError<Address>) -> Void
    ) throws(RouteError<Address>) {
        let numbers = try numbers(fib)
        if numbers.count == 1 {
            try body(&tables[numbers.lowerBound])
        } else {
            // Values share memory until they change, so that going back after a refusal is keeping the old ones.
            let before = tables
            do throws(RouteError<Address>) { for number in numbers { try body(&tables[number]) } } catch {
                tables = before
                throw error
            }
        }
        generation &+= 1
    }
}
