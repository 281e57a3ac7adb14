import ChimneyControl
import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyStack

/// Neighbours shown and changed.
extension StackAnswers {
    static func neighbours(
        _ command: ControlCommand, of stack: inout VirtualStack, at now: Instant
    ) throws(CommandFailure) -> [ControlReply] {
        switch command {
        case .neighbours(let family):
            let rows =
                switch family {
                case .ipv4: rows(of: IPv4Address.self, stack, at: now)
                case .ipv6: rows(of: IPv6Address.self, stack, at: now)
                }
            return parts(rows) { .neighbours(list: $0) }
        case .addNeighbour(let name, let text, let mac):
            let index = try interface(name, of: stack)
            switch try address(text) {
            case .v4(let address): try add(address, mac, on: index, of: &stack, at: now)
            case .v6(let address): try add(address, mac, on: index, of: &stack, at: now)
            }
        case .deleteNeighbour(let name, let text):
            let indexes = try indexes(name, of: stack)
            switch try address(text) {
            case .v4(let address): try delete(address, on: indexes, of: &stack, at: now)
            case .v6(let address): try delete(address, on: indexes, of: &stack, at: now)
            }
        case .flushNeighbours(let name, let family):
            for index in try indexes(name, of: stack) {
                switch family {
                case .ipv4: IPv4Address.flushNeighbors(on: index, of: &stack, at: now)
                case .ipv6: IPv6Address.flushNeighbors(on: index, of: &stack, at: now)
                }
            }
        default:
            throw CommandFailure("this is not about neighbours")
        }
        return []
    }

    private static func rows<Address: StackFamily>(
        of family: Address.Type, _ stack: borrowing VirtualStack, at now: Instant
    ) -> [NeighbourReport] {
        let names = names(of: stack)
        return Address.neighbors(of: stack, at: now).map { NeighbourReport($0, interfaceNames: names) }
    }

    private static func add<Address: StackFamily>(
        _ address: Address, _ macText: String, on index: InterfaceIndex, of stack: inout VirtualStack, at now: Instant
    ) throws(CommandFailure) {
        guard let mac = MACAddress(macText) else { throw CommandFailure("\"\(macText)\" is not a MAC address") }
        do throws(NeighborError) {
            try Address.setNeighbor(address, on: index, to: mac, of: &stack, at: now)
        } catch {
            throw CommandFailure(Sentence.of(error))
        }
    }

    private static func delete<Address: StackFamily>(
        _ address: Address, on indexes: [InterfaceIndex], of stack: inout VirtualStack, at now: Instant
    ) throws(CommandFailure) {
        var count = 0
        for index in indexes where Address.removeNeighbor(address, on: index, of: &stack, at: now) { count += 1 }
        guard count > 0 else { throw CommandFailure("\(address) is not in the neighbour table") }
    }

    /// The interface of a name, or every Ethernet interface.
    private static func indexes(
        _ name: String?, of stack: borrowing VirtualStack
    ) throws(CommandFailure) -> [InterfaceIndex] {
        if let name { return [try interface(name, of: stack)] }
        return stack.interfaces.filter { $0.kind == .ethernet }.map(\.index)
    }
}

extension NeighbourReport {
    init<Address: StackFamily>(_ listing: NeighborListing<Address>, interfaceNames: [UInt32: String]) {
        self.init(
            address: "\(listing.address)", mac: listing.mac.map { "\($0)" },
            interface: interfaceNames[listing.interface] ?? "#\(listing.interface)", state: "\(listing.state)")
    }
}
