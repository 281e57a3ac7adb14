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
            return try parts(interfaces(of: stack, named: name, devices: devices, at: now)) { .interfaces(list: $0) }
        case .configure(let name, let change):
            try apply(change, to: interface(name, of: stack), of: &stack, at: now)
            return []
        case .routes(let fib, let family):
            return try parts(routes(of: stack, fib: fib, family: family)) { .routes(list: $0) }
        case .addRoute(let request):
            try add(request, to: &stack)
            return []
        case .deleteRoute(let request):
            try delete(request, from: &stack)
            return []
        case .neighbours, .addNeighbour, .deleteNeighbour, .flushNeighbours:
            return try neighbours(command, of: &stack, at: now)
        case .sockets:
            let names = names(of: stack)
            var list = stack.udpSockets.map { SocketReport($0, interfaceNames: names) }
            list += stack.tcpListeners.map { SocketReport($0, interfaceNames: names) }
            list += stack.tcpConnections(at: now).map { SocketReport($0, interfaceNames: names) }
            return parts(list) { .sockets(list: $0) }
        case .statistics:
            let report = StatisticsReport(
                ledger: stack.ledger, counters: stack.counters, tcp: stack.tcpSummary,
                conservation: stack.conservation)
            return [.statistics(report: report)]
        case .explain(let request):
            let explanation = stack.explain(try query(request, of: &stack))
            return [
                .explanation(report: ExplanationReport(explanation, at: now, interfaceNames: names(of: stack)))
            ]
        case .drops(let filter):
            return parts(try drops(of: stack, filter: filter, at: now)) { .drops(list: $0) }
        case .multicast(let name): return try multicast(of: stack, named: name, at: now)
        case .configureMulticast(let name, let change):
            try apply(change, to: interface(name, of: stack), of: &stack, at: now)
            return []
        case .membershipLimits: return [limits(of: stack)]
        case .limitMemberships(let limit, let count):
            try set(limit, to: count, of: &stack)
            return []
        case .ping, .capture, .test, .monitor:
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

    static func address(_ text: String) throws(CommandFailure) -> IPAddress {
        guard let address = IPAddress(text) else { throw CommandFailure("\"\(text)\" is not an address") }
        return address
    }

    static func scopedAddress(_ text: String) throws(CommandFailure) -> ScopedAddress {
        guard let address = ScopedAddress(text) else { throw CommandFailure("\"\(text)\" is not an address") }
        return address
    }

    /// The index of the interface on whose link an address means something; 0 for an address that needs none.
    ///
    /// A stack with a single interface that speaks IPv6 needs no zone to tell which link is meant.
    static func zone(
        of scoped: ScopedAddress, in stack: borrowing VirtualStack
    ) throws(CommandFailure) -> UInt32 {
        let named = try scoped.zone.map { name throws(CommandFailure) in try interface(name, of: stack) }
        guard case .v6(let address) = scoped.address, address.isLinkScoped else { return 0 }
        if let named { return named.rawValue }
        let links = stack.interfaces.filter { $0.ipv6 != .off && $0.kind != .loopback }
        guard let only = links.first, links.count == 1 else {
            let example = links.first.map { ", such as \(address)%\($0.name)" } ?? ""
            throw CommandFailure("\(address) means something on one link only; name the interface\(example)")
        }
        return only.index.rawValue
    }

    // MARK: Interfaces

    private static func interfaces(
        of stack: borrowing VirtualStack, named name: String?, devices: [UInt32: DeviceStanding], at now: Instant
    ) throws(CommandFailure) -> [InterfaceReport] {
        if let name { _ = try interface(name, of: stack) }
        return stack.interfaces.filter { name == nil || $0.name == name }.map { snapshot in
            let device = devices[snapshot.index.rawValue]
            let words = device.map { device in device.loss.map { "\(device.description): \($0)" } ?? device.description
            }
            var report = InterfaceReport(snapshot, device: words, isGone: device?.loss != nil, at: now)
            report.take(stack.dhcpState(of: snapshot.index), stack.lease(of: snapshot.index), at: now)
            report.nameServers = stack.nameServers(of: snapshot.index).map { "\($0)" }
            return report
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
        case .dhcp(let isOn):
            do throws(AddressError) {
                if isOn { try stack.startDHCP(on: index, at: now) } else { try stack.stopDHCP(on: index, at: now) }
            } catch {
                throw CommandFailure(isOn ? "the interface is no Ethernet" : "the interface asks no DHCP server")
            }
        case .addAddress(let text):
            guard let (address, length) = IPPrefix.addressAndLength(text) else {
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

    // MARK: Explain

    private static func query(
        _ request: ExplainRequest, of stack: inout VirtualStack
    ) throws(CommandFailure) -> FlowQuery {
        let destination = try scopedAddress(request.destination)
        var query = FlowQuery(to: destination.address)
        let standard: UInt8 = destination.address.isMulticast ? 17 : destination.address.isIPv4 ? 1 : 58
        query.ipProtocol = request.ipProtocol.map { UInt8(clamping: $0) } ?? standard
        query.sourcePort = UInt16(clamping: request.sourcePort)
        query.destinationPort = UInt16(clamping: request.destinationPort)
        if destination.address.isMulticast, query.ipProtocol == 17, query.destinationPort == 0 {
            query.destinationPort = port(joining: destination.address, of: stack)
        }
        query.timeToLive = UInt8(clamping: request.timeToLive)
        query.byteCount = request.byteCount
        query.dontFragment = request.dontFragment
        query.fib = request.fib
        if let name = request.interface { query.arrivesOn = try interface(name, of: stack) }
        let name = destination.zone ?? request.interface
        query.zone = try zone(of: ScopedAddress(destination.address, zone: name), in: stack)
        guard let text = request.source else { return query }
        let source = try scopedAddress(text)
        guard source.address.isIPv4 == query.destination.isIPv4 else {
            throw CommandFailure("\(source.address) and \(query.destination) are of different families")
        }
        query.source = source.address
        let isOurs = stack.interfaces.contains { $0.has(source.address) }
        guard !isOurs, query.arrivesOn == nil else { return query }
        if query.destination.isMulticast, let only = onlyInterface(in: query.destination, of: stack) {
            query.arrivesOn = only
        } else {
            query.arrivesOn = try wayBack(to: source, fib: request.fib, in: stack)
        }
        return query
    }

    /// The interface that a group was joined on, where it is one.
    private static func onlyInterface(
        in group: IPAddress, of stack: borrowing VirtualStack
    ) -> InterfaceIndex? {
        let joined = stack.interfaces.filter { interface in
            stack.multicast(on: interface.index)?.groups.contains { $0.group == group } ?? false
        }
        return joined.count == 1 ? joined[0].index : nil
    }

    /// The port of the first socket that joined a group: a question about a group alone is about what is sent there.
    private static func port(joining group: IPAddress, of stack: borrowing VirtualStack) -> UInt16 {
        let joined = stack.udpSockets.first { socket in
            stack.memberships(of: .socket(socket.id)).contains { $0.group == group }
        }
        return joined?.local.port ?? 0
    }

    /// The interface by which packets come in whose answers go to `source`.
    private static func wayBack(
        to source: ScopedAddress, fib: Int, in stack: borrowing VirtualStack
    ) throws(CommandFailure) -> InterfaceIndex {
        var index = try zone(of: source, in: stack)
        switch source.address {
        case .v4(let address): index = stack.routingTables.lookup(fib: fib, destination: address)?.interface ?? 0
        case .v6(let address) where index == 0:
            index = stack.ipv6RoutingTables.lookup(fib: fib, destination: address)?.interface ?? 0
        case .v6: break
        }
        guard index != 0 else {
            throw CommandFailure("no route leads back to \(source); name the interface it comes in by with --on")
        }
        return InterfaceIndex(rawValue: index)
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
        if let text = filter.address { host = try address(text) }
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
