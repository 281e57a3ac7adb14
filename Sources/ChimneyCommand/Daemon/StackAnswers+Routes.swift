import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack

/// Routes shown and changed.
extension StackAnswers {
    static func routes(
        of stack: borrowing VirtualStack, fib: Int?, family: AddressFamily?
    ) throws(CommandFailure) -> [RouteReport] {
        switch family {
        case .ipv4: try rows(of: IPv4Address.self, stack, fib: fib)
        case .ipv6: try rows(of: IPv6Address.self, stack, fib: fib)
        case nil: try rows(of: IPv4Address.self, stack, fib: fib) + rows(of: IPv6Address.self, stack, fib: fib)
        }
    }

    private static func rows<Address: StackFamily>(
        of family: Address.Type, _ stack: borrowing VirtualStack, fib: Int?
    ) throws(CommandFailure) -> [RouteReport] {
        let tables = Address.routingTables(of: stack).tables
        if let fib, !tables.indices.contains(fib) {
            throw CommandFailure(Sentence.of(RouteError<Address>.noSuchTable(fib: fib, count: tables.count)))
        }
        let names = names(of: stack)
        return tables.indices.filter { fib == nil || fib == $0 }.flatMap { number in
            tables[number].listing.map { RouteReport($0, fib: number, interfaceNames: names) }
        }
    }

    /// Adds a route, finding the interface of a gateway that comes without one.
    static func add(_ request: RouteRequest, to stack: inout VirtualStack) throws(CommandFailure) {
        switch try destination(of: request) {
        case .v4(let prefix): try add(request, prefix, to: &stack)
        case .v6(let prefix): try add(request, prefix, to: &stack)
        }
    }

    private static func add<Address: StackFamily>(
        _ request: RouteRequest, _ prefix: Prefix<Address>, to stack: inout VirtualStack
    ) throws(CommandFailure) {
        let hop: NextHop<Address> = try nextHop(request, of: stack)
        let metric = UInt32(clamping: request.metric ?? 0)
        do throws(RouteError<Address>) {
            try Address.add(Route(prefix, hop, metric: metric), fib: request.fib, to: &stack)
        } catch {
            throw CommandFailure(Sentence.of(error))
        }
    }

    static func delete(_ request: RouteRequest, from stack: inout VirtualStack) throws(CommandFailure) {
        switch try destination(of: request) {
        case .v4(let prefix): try delete(request, prefix, from: &stack)
        case .v6(let prefix): try delete(request, prefix, from: &stack)
        }
    }

    private static func delete<Address: StackFamily>(
        _ request: RouteRequest, _ prefix: Prefix<Address>, from stack: inout VirtualStack
    ) throws(CommandFailure) {
        let metric = request.metric.map { UInt32(clamping: $0) }
        do throws(RouteError<Address>) {
            try Address.removeRoutes(to: prefix, metric: metric, fib: request.fib, from: &stack)
        } catch {
            throw CommandFailure(Sentence.of(error))
        }
    }

    private static func destination(of request: RouteRequest) throws(CommandFailure) -> IPPrefix {
        guard let prefix = IPPrefix(request.destination) else {
            throw CommandFailure("\"\(request.destination)\" is not a destination")
        }
        return prefix
    }

    private static func nextHop<Address: StackFamily>(
        _ request: RouteRequest, of stack: borrowing VirtualStack
    ) throws(CommandFailure) -> NextHop<Address> {
        let gateway = try request.gateway.map { text throws(CommandFailure) in try scopedAddress(text) }
        var index: UInt32?
        if let name = request.interface ?? gateway?.zone { index = try interface(name, of: stack).rawValue }
        switch request.kind {
        case "blackhole": return .blackhole
        case "reject": return .unreachable
        case "prohibit": return .prohibited
        case "local": return .local(on: index ?? stack.interface(named: "lo0")?.rawValue ?? 1)
        case "unicast": break
        default: throw CommandFailure("\"\(request.kind)\" is not a kind of route")
        }
        guard let gateway else {
            guard let index else { throw CommandFailure("a route needs a gateway, an interface or both") }
            return .connected(on: index)
        }
        guard let router = Address("\(gateway.address)") else {
            throw CommandFailure("\(gateway.address) is not an \(Address.familyName) address")
        }
        guard let found = index ?? Address.routingTables(of: stack).interface(toward: router, fib: request.fib) else {
            throw CommandFailure("the gateway \(router) is on no link of this stack; name the interface")
        }
        return .gateway(router, on: found)
    }
}
