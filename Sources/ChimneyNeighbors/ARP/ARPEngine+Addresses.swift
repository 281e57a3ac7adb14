package import ChimneyPrimitives
import ChimneyWire

extension ARPEngine {
    /// Takes an address for an interface: at once, or after probing for other users (RFC 5227 §2.1).
    ///
    /// An address that is in conflict starts anew. ``OwnAddressEvent/Kind/usable`` in `output` says when it may be
    /// used; without detection it is there when this returns.
    package mutating func addAddress(
        _ address: IPv4Address, prefixLength: Int, to interface: UInt32, detection: ConflictDetection,
        at now: Instant, using random: inout StackRandom, output: inout ARPOutput
    ) throws(ARPConfigurationError) {
        guard let place = place(of: interface) else { throw .unknownInterface(interface) }
        guard (0...32).contains(prefixLength) else { throw .prefixLength(prefixLength) }
        guard address.isValidSource, !address.isThisNetwork else { throw .notHost(address) }
        let added = OwnAddress(
            address: address, prefix: IPv4Prefix(address, length: prefixLength), detection: detection)
        guard !added.excludes(address) else { throw .notHost(address) }
        if let position = interfaces[place].position(of: address) {
            guard case .conflicted = interfaces[place].addresses[position].state else { throw .addressExists(address) }
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
    package mutating func removeAddress(_ address: IPv4Address, from interface: UInt32) -> Bool {
        guard let place = place(of: interface), let position = interfaces[place].position(of: address) else {
            return false
        }
        interfaces[place].addresses.remove(at: position)
        rescheduleAddresses()
        return true
    }

    /// Begins with an address: the first probe after a random wait, or the first announcement now.
    mutating func start(
        _ position: Int, at place: Int, _ now: Instant, using random: inout StackRandom, output: inout ARPOutput
    ) {
        interfaces[place].addresses[position].defendedAt = nil
        guard interfaces[place].isUp else {
            interfaces[place].addresses[position].phase = .waiting
            interfaces[place].addresses[position].due = .never
            return
        }
        switch interfaces[place].addresses[position].detection {
        case .off:
            becomeUsable(position, at: place, now, output: &output)
        case .on:
            let hold = interfaces[place].conflictCount >= settings.conflictsMax ? settings.conflictHold : .zero
            interfaces[place].addresses[position].phase = .probing(left: max(1, settings.probeCount))
            interfaces[place].addresses[position].due = now + hold + random.delay(upTo: settings.probeWait)
        }
    }

    /// The next step of an address whose time has come.
    mutating func addressDue(
        _ position: Int, at place: Int, _ now: Instant, using random: inout StackRandom, output: inout ARPOutput
    ) {
        switch interfaces[place].addresses[position].phase {
        case .waiting, .settled, .conflicted:
            interfaces[place].addresses[position].due = .never
        case .probing(left: 0):
            interfaces[place].conflictCount = 0
            becomeUsable(position, at: place, now, output: &output)
        case .probing(let left):
            send(position, at: place, from: .any, output: &output)
            let spread = settings.probeIntervalMax - settings.probeIntervalMin
            let pause = left > 1 ? settings.probeIntervalMin + random.delay(upTo: spread) : settings.announceWait
            interfaces[place].addresses[position].phase = .probing(left: left - 1)
            interfaces[place].addresses[position].due = now + pause
        case .announcing(let left):
            announce(position, at: place, left: left, now, output: &output)
        }
    }

    private mutating func becomeUsable(_ position: Int, at place: Int, _ now: Instant, output: inout ARPOutput) {
        report(.usable, position, at: place, output: &output)
        announce(position, at: place, left: settings.announceCount, now, output: &output)
    }

    /// Sends one of `left` announcements and sets the time of the next.
    mutating func announce(_ position: Int, at place: Int, left: Int, _ now: Instant, output: inout ARPOutput) {
        if left > 0 {
            send(position, at: place, from: interfaces[place].addresses[position].address, output: &output)
        }
        interfaces[place].addresses[position].phase = left > 1 ? .announcing(left: left - 1) : .settled
        interfaces[place].addresses[position].due = left > 1 ? now + settings.announceInterval : .never
    }

    /// Another host uses, or wants to take, an address of ours (RFC 5227 §2.1.1 and §2.4).
    mutating func conflictArrived(
        _ position: Int, at place: Int, by mac: MACAddress, _ now: Instant, output: inout ARPOutput
    ) {
        let address = interfaces[place].addresses[position]
        switch address.state {
        case .conflicted:
            return
        case .tentative:
            interfaces[place].conflictCount += 1
            report(.conflict(by: mac), position, at: place, output: &output)
            giveUp(position, at: place, to: mac)
        case .assigned:
            let isRecent = address.defendedAt.map { now < $0 + settings.defendInterval } ?? false
            switch (settings.defence, isRecent) {
            case (.always, true):
                return
            case (.never, _), (.once, true):
                report(.lost(to: mac), position, at: place, output: &output)
                giveUp(position, at: place, to: mac)
            case (.once, false), (.always, false):
                interfaces[place].addresses[position].defendedAt = now
                send(position, at: place, from: address.address, output: &output)
                report(.defended(against: mac), position, at: place, output: &output)
            }
        }
        rescheduleAddresses()
    }

    private mutating func giveUp(_ position: Int, at place: Int, to mac: MACAddress) {
        interfaces[place].addresses[position].phase = .conflicted(by: mac)
        interfaces[place].addresses[position].due = .never
    }

    private func report(
        _ kind: OwnAddressEvent.Kind, _ position: Int, at place: Int, output: inout ARPOutput
    ) {
        output.addresses.append(
            OwnAddressEvent(
                address: interfaces[place].addresses[position].address, interface: interfaces[place].interface,
                kind: kind))
    }

    /// Asks everybody about an address of ours: from nobody it is a probe, from itself an announcement.
    private func send(_ position: Int, at place: Int, from sender: IPv4Address, output: inout ARPOutput) {
        output.messages.append(
            ARPTransmission(
                interface: interfaces[place].interface, destination: .broadcast,
                message: ARPMessage(
                    operation: .request, senderMAC: interfaces[place].mac, sender: sender,
                    target: interfaces[place].addresses[position].address)))
    }
}
