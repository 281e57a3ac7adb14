package import ChimneyPrimitives
import ChimneyWire

/// Neighbour discovery for all Ethernet interfaces of one stack: neighbours, our own addresses and their duplicates,
/// and addresses answered for.
///
/// The stack tells it about interfaces and addresses, gives it every solicitation, advertisement and redirect whose
/// checksum is right, and asks it where packets go. It knows no routes, prefixes, sockets or frames; router
/// discovery is another engine's, which tells it by
/// ``linkAddressLearned(_:mac:isRouter:on:at:using:output:)`` and ``setTimes(reachable:retransmit:of:)``.
///
/// - Note: RFC 4861 §7 and §8, RFC 4862 §5.4, RFC 4429, RFC 7527, with the bounds of RFC 6583.
package struct NDPEngine: ~Copyable {
    /// The neighbour table.
    @usableFromInline package internal(set) var table: NeighborTable<IPv6Address>
    var interfaces: [NDPInterface] = []
    var delayedAnswers: [NDPDelayedAnswer] = []
    let settings: NDPSettings
    private var addressesDue = Instant.never
    /// The stack asks for the deadline after every batch.
    private let inPlace = InPlace()

    /// An engine without interfaces.
    package init(settings: NDPSettings = .init(), using random: inout StackRandom) {
        self.settings = settings
        table = NeighborTable(settings: settings.neighbors, using: &random)
    }

    /// Where to send a packet, if that is known and fresh; otherwise ask
    /// ``resolve(_:on:from:at:using:output:)``.
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
    /// On `.hold` the caller gives the packet to ``hold(_:for:output:)``. The source of the packet is the source of the
    /// question when it is an address of the interface (RFC 4861 §7.2.2).
    package mutating func resolve(
        _ address: IPv6Address, on interface: UInt32, from source: IPv6Address? = nil, at now: Instant,
        using random: inout StackRandom, output: inout NDPOutput
    ) -> NeighborAnswer {
        guard let place = place(of: interface) else { return .refused(.unknownInterface) }
        guard address.isHost else { return .refused(.notHost) }
        guard interfaces[place].source(for: address) != nil || table.find(address, on: interface) != nil else {
            return .refused(.noSource)
        }
        let answer = table.resolve(address, on: interface, at: now, using: &random, output: &output.neighbors)
        ask(from: source, &output)
        return answer
    }

    /// Keeps a packet until the neighbour answers or is given up; it comes back in a run of `output`.
    package mutating func hold(
        _ packet: consuming Packet, for handle: NeighborHandle, output: inout NDPOutput
    ) {
        table.hold(packet, for: handle, output: &output.neighbors)
    }

    /// Moves everything whose time has come; early and late calls do no harm.
    package mutating func timerFired(at now: Instant, using random: inout StackRandom, output: inout NDPOutput) {
        table.timerFired(at: now, using: &random, output: &output.neighbors)
        ask(&output)
        guard addressesDue <= now else { return }
        for answer in delayedAnswers where answer.due <= now { output.messages.append(answer.transmission) }
        delayedAnswers.removeAll { $0.due <= now }
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
        for answer in delayedAnswers { addressesDue = min(addressesDue, answer.due) }
        for interface in interfaces {
            for address in interface.addresses { addressesDue = min(addressesDue, address.due) }
        }
    }

    /// Sends an answer after a random wait, because others may answer too (RFC 4861 §7.2.7).
    mutating func delay(
        _ transmission: NDPTransmission, for target: IPv6Address, _ now: Instant, using random: inout StackRandom,
        output: inout NDPOutput
    ) {
        guard delayedAnswers.count < settings.delayedAnswersMax else { return output.messages.append(transmission) }
        let due = now + random.delay(upTo: settings.sharedAnswerDelayMax)
        delayedAnswers.append(NDPDelayedAnswer(due: due, target: target, transmission: transmission))
        addressesDue = min(addressesDue, due)
    }

    /// Turns the table's questions into solicitations from an address of ours, and passes its news of routers on.
    ///
    /// A question for which no address is left is not asked; its packets come back as unreachable in time.
    func ask(from packet: IPv6Address? = nil, _ output: inout NDPOutput) {
        while let event = output.neighbors.routers.next() { output.routers.appendNews(event) }
        while let question = output.neighbors.solicitations.next() {
            guard let place = place(of: question.interface),
                let source = interfaces[place].source(for: question.address, packet: packet)
            else { continue }
            let destination = question.mac == nil ? question.address.solicitedNode : question.address
            output.messages.append(
                NDPTransmission(
                    interface: question.interface, source: source, destination: destination,
                    mac: question.mac ?? MACAddress(group: destination),
                    message: .neighborSolicitation(
                        NeighborSolicitation(target: question.address, sourceMAC: interfaces[place].mac))))
        }
    }
}

extension IPv6Address {
    /// Whether the address can be that of one host on a link.
    var isHost: Bool { !isAny && !isMulticast && !isLoopback }
}
