package import ChimneyPrimitives
import ChimneyWire

/// ARP for all Ethernet interfaces of one stack: neighbours, our own addresses, and addresses answered for.
///
/// The stack tells it about interfaces and addresses, gives it every ARP message and asks it where packets go.
/// It knows no routes, sockets or frames.
///
/// - Note: RFC 826, RFC 1027, RFC 5227, and RFC 4861 §7.3 for reachability.
package struct ARPEngine: ~Copyable {
    /// The neighbour table.
    @usableFromInline package internal(set) var table: NeighborTable<IPv4Address>
    var interfaces: [ARPInterface] = []
    let settings: ARPSettings
    private var addressesDue = Instant.never
    /// The stack asks for the deadline after every batch.
    private let inPlace = InPlace()

    /// An engine without interfaces.
    package init(settings: ARPSettings = .init(), using random: inout StackRandom) {
        self.settings = settings
        table = NeighborTable(settings: settings.neighbors, using: &random)
    }

    /// Where to send a packet, if that is known and fresh; otherwise ask ``resolve(_:on:at:using:output:)``.
    @inlinable @inline(__always)
    package func resolved(_ handle: NeighborHandle, at now: Instant) -> MACAddress? {
        table.resolved(handle, at: now)
    }

    /// An upper layer made progress through the neighbour, which proves it reachable.
    @inlinable
    package mutating func confirmed(_ handle: NeighborHandle, at now: Instant) {
        table.confirmed(handle, at: now)
    }

    /// When ``timerFired(at:using:output:)`` wants to be called.
    package var deadline: Instant? {
        let earliest = min(table.deadline ?? .never, addressesDue)
        return earliest == .never ? nil : earliest
    }

    /// Finds out where a packet for the next hop `address` goes, asking the link if need be.
    ///
    /// On `.hold` the caller gives the packet to ``hold(_:for:output:)``.
    package mutating func resolve(
        _ address: IPv4Address, on interface: UInt32, at now: Instant, using random: inout StackRandom,
        output: inout ARPOutput
    ) -> NeighborAnswer {
        guard let place = place(of: interface) else { return .refused(.unknownInterface) }
        guard address.isValidSource, !address.isThisNetwork, !interfaces[place].excludes(address) else {
            return .refused(.notHost)
        }
        guard interfaces[place].source(for: address) != nil || table.find(address, on: interface) != nil else {
            return .refused(.noSource)
        }
        let answer = table.resolve(address, on: interface, at: now, using: &random, output: &output.neighbors)
        ask(&output)
        return answer
    }

    /// Keeps a packet until the neighbour answers or is given up; it comes back in a run of `output`.
    package mutating func hold(
        _ packet: consuming Packet, for handle: NeighborHandle, output: inout ARPOutput
    ) {
        table.hold(packet, for: handle, output: &output.neighbors)
    }

    /// Moves everything whose time has come; early and late calls do no harm.
    package mutating func timerFired(at now: Instant, using random: inout StackRandom, output: inout ARPOutput) {
        table.timerFired(at: now, using: &random, output: &output.neighbors)
        ask(&output)
        guard addressesDue <= now else { return }
        for place in interfaces.indices {
            for position in interfaces[place].addresses.indices
            where interfaces[place].addresses[position].due <= now {
                addressDue(position, at: place, now, using: &random, output: &output)
            }
        }
        rescheduleAddresses()
    }

    func place(of interface: UInt32) -> Int? {
        var low = 0
        var high = interfaces.count
        while low < high {
            let middle = (low + high) / 2
            if interfaces[middle].interface < interface { low = middle + 1 } else { high = middle }
        }
        return low < interfaces.count && interfaces[low].interface == interface ? low : nil
    }

    mutating func rescheduleAddresses() {
        addressesDue = .never
        for interface in interfaces {
            for address in interface.addresses { addressesDue = min(addressesDue, address.due) }
        }
    }

    /// Turns the table's questions into requests from an address of ours.
    ///
    /// A question for which no address is left is not asked; its packets come back as unreachable in time.
    func ask(_ output: inout ARPOutput) {
        while let question = output.neighbors.solicitations.next() {
            guard let place = place(of: question.interface),
                let source = interfaces[place].source(for: question.address)
            else { continue }
            output.messages.append(
                ARPTransmission(
                    interface: question.interface, destination: question.mac ?? .broadcast,
                    message: ARPMessage(
                        operation: .request, senderMAC: interfaces[place].mac, sender: source,
                        target: question.address)))
        }
    }
}
