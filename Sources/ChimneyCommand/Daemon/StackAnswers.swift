import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack

/// What the process knows about the device under an interface.
struct DeviceStanding: Sendable, Equatable {
    /// What it is, such as `tap chim0`.
    var description: String
    /// Why it is gone, where it is.
    var loss: String?
}

/// Answers to what is asked about one stack, on the thread that owns it.
enum StackAnswers {
    /// The most rows of one line on the control socket.
    static var rowsPerReplyMax: Int { 200 }

    /// The whole answer to a command that is answered at once; a failure is its only part.
    static func replies(
        to command: ControlCommand, of stack: inout VirtualStack, devices: [UInt32: DeviceStanding], at now: Instant
    ) -> [ControlReply] {
        do throws(CommandFailure) {
            return try answer(to: command, of: &stack, devices: devices, at: now)
        } catch {
            return [.failure(message: error.description)]
        }
    }

    private static func answer(
        to command: ControlCommand, of stack: inout VirtualStack, devices: [UInt32: DeviceStanding], at now: Instant
    ) throws(CommandFailure) -> [ControlReply] {
        switch command {
        case .stacks:
            let report = StackReport(
                name: stack.name, interfaceCount: stack.interfaces.count, forwarding: stack.settings.forwarding,
                fibCount: stack.settings.fibCount)
            return [.stacks(list: [report])]
        case .interfaces(let name):
            return try parts(interfaces(of: stack, named: name, devices: devices)) { .interfaces(list: $0) }
        case .configure(let name, let change):
            try apply(change, to: interface(name, of: stack), of: &stack, at: now)
            return []
        case .routes(let fib):
            return try parts(routes(of: stack, fib: fib)) { .routes(list: $0) }
        case .addRoute(let request):
            try add(request, to: &stack)
            return []
        case .deleteRoute(let request):
            try delete(request, from: &stack)
            return []
        case .neighbours, .addNeighbour, .deleteNeighbour, .flushNeighbours:
            return try neighbours(command, of: &stack, at: now)
        case .sockets:
            return parts(stack.udpSockets.map { SocketReport($0) }) { .sockets(list: $0) }
        case .statistics:
            let report = StatisticsReport(
                ledger: stack.ledger, counters: stack.counters, conservation: stack.conservation)
            return [.statistics(report: report)]
        case .explain(let request):
            let explanation = stack.explain(try query(request, of: stack))
            return [
                .explanation(report: ExplanationReport(explanation, at: now, interfaceNames: names(of: stack)))
            ]
        case .drops(let filter):
            return parts(try drops(of: stack, filter: filter, at: now)) { .drops(list: $0) }
        case .ping, .capture:
            throw CommandFailure("this is not answered at once")
        }
    }

    static func parts<Row>(_ rows: [Row], _ part: ([Row]) -> ControlReply) -> [ControlReply] {
        guard !rows.isEmpty else { return [part([])] }
        return stride(from: 0, to: rows.count, by: rowsPerReplyMax).map {
            part(Array(rows[$0..<min($0 + rowsPerReplyMax, rows.count)]))
        }
    }

    static func names(of stack: borrowing VirtualStack) -> [UInt32: String] {
        Dictionary(stack.interfaces.map { ($0.index.rawValue, $0.name) }) { first, _ in first }
    }

    static func interface(_ name: String, of stack: borrowing VirtualStack) throws(CommandFailure) -> InterfaceIndex {
        guard let index = stack.interface(named: name) else {
            let known = stack.interfaces.map(\.name).joined(separator: ", ")
            throw CommandFailure("the stack \(stack.name) has no interface \(name); it has \(known)")
        }
        return index
    }

    static func address(_ text: String) throws(CommandFailure) -> IPv4Address {
        guard let address = IPv4Address(text) else { throw CommandFailure("\"\(text)\" is not an IPv4 address") }
        return address
    }

    // MARK: Interfaces

    private static func interfaces(
        of stack: borrowing VirtualStack, named name: String?, devices: [UInt32: DeviceStanding]
    ) throws(CommandFailure) -> [InterfaceReport] {
        if let name { _ = try interface(name, of: stack) }
        return stack.interfaces.filter { name == nil || $0.name == name }.map { snapshot in
            let device = devices[snapshot.index.rawValue]
            let words = device.map { device in device.loss.map { "\(device.description): \($0)" } ?? device.description
            }
            return InterfaceReport(snapshot, device: words, isGone: device?.loss != nil)
        }
    }

    private static func apply(
        _ change: InterfaceChange, to index: InterfaceIndex, of stack: inout VirtualStack, at now: Instant
    ) throws(CommandFailure) {
        switch change {
        case .up(let isUp):
            do throws(InterfaceError) { try stack.setUp(index, isUp, at: now) } catch { throw failure(error) }
        case .mac(let text):
            guard let mac = MACAddress(text) else { throw CommandFailure("\"\(text)\" is not a MAC address") }
            do throws(InterfaceError) { try stack.setMAC(index, mac, at: now) } catch { throw failure(error) }
        case .mtu(let bytes):
            do throws(InterfaceError) { try stack.setMTU(index, bytes) } catch { throw failure(error) }
        case .rename(let name):
            do throws(InterfaceError) { try stack.rename(index, to: name) } catch { throw failure(error) }
        case .addAddress(let text):
            guard let (address, length) = AddressText.interfaceAddress(text) else {
                throw CommandFailure("\"\(text)\" is not an address with its prefix length")
            }
            do throws(AddressError) {
                try stack.addAddress(address, prefixLength: length, to: index, at: now)
            } catch {
                throw CommandFailure(Sentence.of(error))
            }
        case .removeAddress(let text):
            let address = try address(text)
            do throws(AddressError) {
                try stack.removeAddress(address, from: index, at: now)
            } catch {
                throw CommandFailure(Sentence.of(error))
            }
        }
    }

    private static func failure(_ error: InterfaceError) -> CommandFailure { CommandFailure(Sentence.of(error)) }

    // MARK: Routes

    private static func routes(of stack: borrowing VirtualStack, fib: Int?) throws(CommandFailure) -> [RouteReport] {
        let tables = stack.routingTables.tables
        if let fib, !tables.indices.contains(fib) {
            throw CommandFailure(Sentence.of(RouteError<IPv4Address>.noSuchTable(fib: fib, count: tables.count)))
        }
        let names = names(of: stack)
        return tables.indices.filter { fib == nil || fib == $0 }.flatMap { number in
            tables[number].listing.map { RouteReport($0, fib: number, interfaceNames: names) }
        }
    }

    /// Adds a route, finding the interface of a gateway that comes without one.
    static func add(_ request: RouteRequest, to stack: inout VirtualStack) throws(CommandFailure) {
        let prefix = try prefix(request.destination)
        let hop = try nextHop(request, of: stack)
        let metric = UInt32(clamping: request.metric ?? 0)
        do throws(RouteError<IPv4Address>) {
            try stack.addRoute(IPv4Route(prefix, hop, metric: metric), fib: .one(request.fib))
        } catch {
            throw CommandFailure(Sentence.of(error))
        }
    }

    private static func delete(_ request: RouteRequest, from stack: inout VirtualStack) throws(CommandFailure) {
        let prefix = try prefix(request.destination)
        do throws(RouteError<IPv4Address>) {
            try stack.removeRoutes(
                to: prefix, metric: request.metric.map { UInt32(clamping: $0) }, fib: .one(request.fib))
        } catch {
            throw CommandFailure(Sentence.of(error))
        }
    }

    private static func prefix(_ text: String) throws(CommandFailure) -> IPv4Prefix {
        guard let prefix = IPv4Prefix(text) else { throw CommandFailure("\"\(text)\" is not a destination") }
        return prefix
    }

    private static func nextHop(
        _ request: RouteRequest, of stack: borrowing VirtualStack
    ) throws(CommandFailure) -> IPv4NextHop {
        var index: UInt32?
        if let name = request.interface { index = try interface(name, of: stack).rawValue }
        switch request.kind {
        case "blackhole": return .blackhole
        case "reject": return .unreachable
        case "prohibit": return .prohibited
        case "local": return .local(on: index ?? stack.interface(named: "lo0")?.rawValue ?? 1)
        case "unicast": break
        default: throw CommandFailure("\"\(request.kind)\" is not a kind of route")
        }
        guard let text = request.gateway else {
            guard let index else { throw CommandFailure("a route needs a gateway, an interface or both") }
            return .connected(on: index)
        }
        let gateway = try address(text)
        guard let found = index ?? stack.routingTables.interface(toward: gateway, fib: request.fib) else {
            throw CommandFailure("the gateway \(gateway) is on no link of this stack; name the interface")
        }
        return .gateway(gateway, on: found)
    }

    // MARK: Explain

    private static func query(
        _ request: ExplainRequest, of stack: borrowing VirtualStack
    ) throws(CommandFailure) -> FlowQuery {
        var query = FlowQuery(to: .v4(try address(request.destination)))
        query.ipProtocol = UInt8(clamping: request.ipProtocol)
        query.sourcePort = UInt16(clamping: request.sourcePort)
        query.destinationPort = UInt16(clamping: request.destinationPort)
        query.timeToLive = UInt8(clamping: request.timeToLive)
        query.byteCount = request.byteCount
        query.dontFragment = request.dontFragment
        query.fib = request.fib
        if let name = request.interface { query.arrivesOn = try interface(name, of: stack) }
        guard let text = request.source else { return query }
        let source = try address(text)
        query.source = .v4(source)
        let isOurs = stack.interfaces.contains { $0.addresses.contains { $0.address == source } }
        guard !isOurs, query.arrivesOn == nil else { return query }
        guard let hop = stack.routingTables.lookup(fib: request.fib, destination: source), hop.interface != 0 else {
            throw CommandFailure("no route leads back to \(source); name the interface it comes in by with --on")
        }
        query.arrivesOn = InterfaceIndex(rawValue: hop.interface)
        return query
    }

    private static func drops(
        of stack: borrowing VirtualStack, filter: DropFilter, at now: Instant
    ) throws(CommandFailure) -> [DropReport] {
        if let reason = filter.reason, !DropReason.allCases.contains(where: { "\($0)" == reason }) {
            throw CommandFailure(
                "\"\(reason)\" is no reason to drop a packet; `chimney netstat -s` shows those that struck")
        }
        var index: UInt32?
        if let name = filter.interface { index = try interface(name, of: stack).rawValue }
        var host: IPAddress?
        if let text = filter.address { host = .v4(try address(text)) }
        let names = names(of: stack)
        let matching = stack.recentDrops.filter { record in
            (filter.reason == nil || filter.reason == "\(record.reason)")
                && (host == nil || host == record.source || host == record.destination)
                && (index == nil || index == record.interface)
        }
        return matching.suffix(max(0, filter.countMax ?? .max)).map {
            DropReport($0, at: now, interfaceNames: names)
        }
    }
}
