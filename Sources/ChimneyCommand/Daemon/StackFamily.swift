import ChimneyControl
import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack

/// An address family, with what a stack has and does for each of the two under different names.
protocol StackFamily: InternetAddress, LosslessStringConvertible {
    static var family: AddressFamily { get }

    static func routingTables(of stack: borrowing VirtualStack) -> RoutingTables<Self>
    static func add(_ route: Route<Self>, fib: Int, to stack: inout VirtualStack) throws(RouteError<Self>)
    static func removeRoutes(
        to prefix: Prefix<Self>, metric: UInt32?, fib: Int, from stack: inout VirtualStack
    ) throws(RouteError<Self>)

    static func neighbors(of stack: borrowing VirtualStack, at now: Instant) -> [NeighborListing<Self>]
    static func setNeighbor(
        _ address: Self, on index: InterfaceIndex, to mac: MACAddress, of stack: inout VirtualStack, at now: Instant
    ) throws(NeighborError)
    static func removeNeighbor(
        _ address: Self, on index: InterfaceIndex, of stack: inout VirtualStack, at now: Instant
    ) -> Bool
    static func flushNeighbors(on index: InterfaceIndex, of stack: inout VirtualStack, at now: Instant)
}

extension StackFamily {
    /// The family's name in a sentence.
    static var familyName: String {
        switch family {
        case .ipv4: "IPv4"
        case .ipv6: "IPv6"
        }
    }
}

extension IPv4Address: StackFamily {
    static var family: AddressFamily { .ipv4 }

    static func routingTables(of stack: borrowing VirtualStack) -> IPv4RoutingTables { stack.routingTables }

    static func add(_ route: IPv4Route, fib: Int, to stack: inout VirtualStack) throws(RouteError<Self>) {
        try stack.addRoute(route, fib: .one(fib))
    }

    static func removeRoutes(
        to prefix: IPv4Prefix, metric: UInt32?, fib: Int, from stack: inout VirtualStack
    ) throws(RouteError<Self>) {
        try stack.removeRoutes(to: prefix, metric: metric, fib: .one(fib))
    }

    static func neighbors(of stack: borrowing VirtualStack, at now: Instant) -> [NeighborListing<Self>] {
        stack.neighbors(at: now)
    }

    static func setNeighbor(
        _ address: Self, on index: InterfaceIndex, to mac: MACAddress, of stack: inout VirtualStack, at now: Instant
    ) throws(NeighborError) {
        try stack.setNeighbor(address, on: index, to: mac, at: now)
    }

    static func removeNeighbor(
        _ address: Self, on index: InterfaceIndex, of stack: inout VirtualStack, at now: Instant
    ) -> Bool {
        stack.removeNeighbor(address, on: index, at: now)
    }

    static func flushNeighbors(on index: InterfaceIndex, of stack: inout VirtualStack, at now: Instant) {
        stack.flushNeighbors(on: index, at: now)
    }
}

extension IPv6Address: StackFamily {
    static var family: AddressFamily { .ipv6 }

    static func routingTables(of stack: borrowing VirtualStack) -> IPv6RoutingTables { stack.ipv6RoutingTables }

    static func add(_ route: IPv6Route, fib: Int, to stack: inout VirtualStack) throws(RouteError<Self>) {
        try stack.addRoute(route, fib: .one(fib))
    }

    static func removeRoutes(
        to prefix: IPv6Prefix, metric: UInt32?, fib: Int, from stack: inout VirtualStack
    ) throws(RouteError<Self>) {
        try stack.removeRoutes(to: prefix, metric: metric, fib: .one(fib))
    }

    static func neighbors(of stack: borrowing VirtualStack, at now: Instant) -> [NeighborListing<Self>] {
        stack.ipv6Neighbors(at: now)
    }

    static func setNeighbor(
        _ address: Self, on index: InterfaceIndex, to mac: MACAddress, of stack: inout VirtualStack, at now: Instant
    ) throws(NeighborError) {
        try stack.setNeighbor(address, on: index, to: mac, at: now)
    }

    static func removeNeighbor(
        _ address: Self, on index: InterfaceIndex, of stack: inout VirtualStack, at now: Instant
    ) -> Bool {
        stack.removeNeighbor(address, on: index, at: now)
    }

    static func flushNeighbors(on index: InterfaceIndex, of stack: inout VirtualStack, at now: Instant) {
        stack.flushIPv6Neighbors(on: index, at: now)
    }
}

extension VirtualStack {
    /// Adds an address of either family to an interface.
    mutating func addAddress(
        _ address: IPAddress, prefixLength: Int, to index: InterfaceIndex, at now: Instant
    ) throws(AddressError) {
        switch address {
        case .v4(let address): try addAddress(address, prefixLength: prefixLength, to: index, at: now)
        case .v6(let address): try addAddress(address, prefixLength: prefixLength, to: index, at: now)
        }
    }

    /// Takes an address of either family from an interface.
    mutating func removeAddress(
        _ address: IPAddress, from index: InterfaceIndex, at now: Instant
    ) throws(AddressError) {
        switch address {
        case .v4(let address): try removeAddress(address, from: index, at: now)
        case .v6(let address): try removeAddress(address, from: index, at: now)
        }
    }
}

extension InterfaceSnapshot {
    /// Whether an address of either family is one of the interface's.
    func has(_ address: IPAddress) -> Bool {
        switch address {
        case .v4(let address): addresses.contains { $0.address == address }
        case .v6(let address): ipv6Addresses.contains { $0.address == address }
        }
    }
}
