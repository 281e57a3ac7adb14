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
        case .neighbours:
            let names = names(of: stack)
            return parts(stack.neighbors(at: now).map { NeighbourReport($0, interfaceNames: names) }) {
                .neighbours(list: $0)
            }
        case .addNeighbour(let name, let addressText, let macText):
            let index = try interface(name, of: stack)
            let address = try address(addressText)
            guard let mac = MACAddress(macText) else { throw CommandFailure("\"\(macText)\" is not a MAC address") }
            do throws(NeighborError) {
                try stack.setNeighbor(address, on: index, to: mac, at: now)
            } catch {
                throw CommandFailure(Sentence.of(error))
            }
        case .deleteNeighbour(let name, let addressText):
            let address = try address(addressText)
            var count = 0
            for index in try indexes(name, of: stack) where stack.removeNeighbor(address, on: index, at: now) {
                count += 1
            }
            guard count > 0 else { throw CommandFailure("\(address) is not in the neighbour table") }
        case .flushNeighbours(let name):
            for index in try indexes(name, of: stack) { stack.flushNeighbors(on: index, at: now) }
        default:
            throw CommandFailure("this is not about neighbours")
        }
        return []
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
    init(_ listing: NeighborListing<IPv4Address>, interfaceNames: [UInt32: String]) {
        self.init(
            address: "\(listing.address)", mac: listing.mac.map { "\($0)" },
            interface: interfaceNames[listing.interface] ?? "#\(listing.interface)", state: "\(listing.state)")
    }
}
