package import ChimneyPrimitives
import ChimneyWire

extension NDPEngine {
    /// Takes an address for an interface: at once, or after asking for other users (RFC 4862 §5.4).
    ///
    /// An address that is a duplicate starts anew. ``NDPAddressEvent/Kind/usable`` in `output` says when it may be
    /// used; without detection, and for an anycast address, it is there when this returns. The stack joins the
    /// solicited-node group before it sends the first question.
    package mutating func addAddress(
        _ address: IPv6Address, to interface: UInt32, use: NDPAddressUse = .unicast, detection: DuplicateDetection,
        at now: Instant, using random: inout StackRandom, output: inout NDPOutput
    ) throws(NDPConfigurationError) {
        guard let place = place(of: interface) else { throw .unknownInterface(interface) }
        guard address.isHost else { throw .notHost(address) }
        let isAsked = use == .unicast && settings.detectionTransmits > 0
        let added = NDPAddress(address: address, use: use, detection: isAsked ? detection : .off)
        if let position = interfaces[place].position(of: address) {
            guard case .duplicate = interfaces[place].addresses[position].state else { throw .addressExists(address) }
            interfaces[place].addresses[position] = added
            start(position, at: place, now, using: &random, output: &output)
        } else {
            guard interfaces[place].addresses.count < settings.addressesMax else {
                throw .tooManyAddresses(max: settings.addressesMax)
            }
            interfaces[place].addresses.append(added)
            start(interfaces[place].addresses.count - 1, at: place, now, using: &random, output: &output)
        }
        rescheduleAddresses()
    }

    /// Gives an address up.
    ///
    /// Answers whether the interface had it.
    @discardableResult
    package mutating func removeAddress(_ address: IPv6Address, from interface: UInt32) -> Bool {
        guard let place = place(of: interface), let position = interfaces[place].position(of: address) else {
            return false
        }
        interfaces[place].addresses.remove(at: position)
        delayedAnswers.removeAll {
            $0.transmission.interface == interface && ($0.target == address || $0.transmission.source == address)
        }
        rescheduleAddresses()
        return true
    }

    /// Begins with an address: the first question after a random wait, or no question at all.
    mutating func start(
        _ position: Int, at place: Int, _ now: Instant, using random: inout StackRandom, output: inout NDPOutput
    ) {
        interfaces[place].addresses[position].hasLooped = false
        guard interfaces[place].isUp else {
            interfaces[place].addresses[position].phase = .waiting
            interfaces[place].addresses[position].due = .never
            return
        }
        switch interfaces[place].addresses[position].detection {
        case .off:
            becomeUsable(position, at: place, now, output: &output)
        case .on:
            interfaces[place].addresses[position].phase = .probing(left: max(1, settings.detectionTransmits))
            interfaces[place].addresses[position].due = now + random.delay(upTo: settings.detectionDelayMax)
        case .optimistic:
            interfaces[place].addresses[position].phase = .probing(left: max(1, settings.detectionTransmits))
            report(.optimistic, position, at: place, output: &output)
            addressDue(position, at: place, now, using: &random, output: &output)
        }
    }

    /// The next step of an address whose time has come.
    mutating func addressDue(
        _ position: Int, at place: Int, _ now: Instant, using random: inout StackRandom, output: inout NDPOutput
    ) {
        switch interfaces[place].addresses[position].phase {
        case .waiting, .settled, .duplicate:
            interfaces[place].addresses[position].due = .never
        case .probing(left: 0) where interfaces[place].addresses[position].hasLooped:
            // As long as the link gives our questions back, nobody can object (RFC 7527 §4.1).
            interfaces[place].addresses[position].hasLooped = false
            let again = max(1, settings.neighbors.multicastSolicitations)
            probe(position, at: place, left: again, now, using: &random, output: &output)
        case .probing(left: 0):
            becomeUsable(position, at: place, now, output: &output)
        case .probing(let left):
            probe(position, at: place, left: left, now, using: &random, output: &output)
        case .announcing(let left, let audience):
            announce(position, at: place, left: left, to: audience, now, output: &output)
        }
    }

    /// Sends one of `left` questions for an address of ours, from nobody, and sets the time of the next.
    private mutating func probe(
        _ position: Int, at place: Int, left: Int, _ now: Instant, using random: inout StackRandom,
        output: inout NDPOutput
    ) {
        let interface = interfaces[place].interface
        let address = interfaces[place].addresses[position].address
        var nonce: NDPNonce?
        if settings.detectsLoops {
            let drawn = NDPNonce(bits: random.next())
            nonce = drawn
            interfaces[place].addresses[position].nonces.append(drawn)
            if interfaces[place].addresses[position].nonces.count > NDPAddress.noncesMax {
                interfaces[place].addresses[position].nonces.removeFirst()
            }
        }
        output.messages.append(
            NDPTransmission(
                interface: interface, source: .any, destination: address.solicitedNode,
                mac: MACAddress(group: address.solicitedNode),
                message: .neighborSolicitation(NeighborSolicitation(target: address, nonce: nonce))))
        interfaces[place].addresses[position].phase = .probing(left: left - 1)
        interfaces[place].addresses[position].due = now + table.retransmit(on: interface)
    }

    private mutating func becomeUsable(_ position: Int, at place: Int, _ now: Instant, output: inout NDPOutput) {
        report(.usable, position, at: place, output: &output)
        let isUnicast = interfaces[place].addresses[position].use == .unicast
        announce(
            position, at: place, left: isUnicast ? settings.newAddressAnnounceCount : 0, to: .allRouters, now,
            output: &output)
    }

    /// Sends one of `left` unasked advertisements and sets the time of the next (RFC 4861 §7.2.6, RFC 9131 §6.1.1).
    mutating func announce(
        _ position: Int, at place: Int, left: Int, to audience: IPv6Address, _ now: Instant, output: inout NDPOutput
    ) {
        let own = interfaces[place].addresses[position]
        if left > 0 {
            // A changed link address takes the old one's place; a new address takes nobody's, nor does a shared one.
            let isOverride = audience == .allNodes && own.use == .unicast
            output.messages.append(
                NDPTransmission(
                    interface: interfaces[place].interface, source: own.address, destination: audience,
                    mac: MACAddress(group: audience),
                    message: .neighborAdvertisement(
                        NeighborAdvertisement(
                            target: own.address, targetMAC: interfaces[place].mac,
                            isRouter: interfaces[place].isRouter, isOverride: isOverride))))
        }
        interfaces[place].addresses[position].phase =
            left > 1 ? .announcing(left: left - 1, to: audience) : .settled
        interfaces[place].addresses[position].due =
            left > 1 ? now + table.retransmit(on: interfaces[place].interface) : .never
    }

    /// Another host has, or wants to take, an address of ours (RFC 4862 §5.4.3 to §5.4.5).
    mutating func conflictArrived(
        _ position: Int, at place: Int, by mac: MACAddress?, output: inout NDPOutput
    ) {
        switch interfaces[place].addresses[position].state {
        case .duplicate:
            return
        case .tentative, .optimistic:
            interfaces[place].addresses[position].phase = .duplicate(of: mac)
            interfaces[place].addresses[position].due = .never
            report(.duplicate(of: mac), position, at: place, output: &output)
        case .assigned:
            guard interfaces[place].addresses[position].use == .unicast else { return }
            report(.contested(by: mac), position, at: place, output: &output)
        }
        rescheduleAddresses()
    }

    private func report(_ kind: NDPAddressEvent.Kind, _ position: Int, at place: Int, output: inout NDPOutput) {
        output.addresses.append(
            NDPAddressEvent(
                address: interfaces[place].addresses[position].address, interface: interfaces[place].interface,
                kind: kind))
    }
}
