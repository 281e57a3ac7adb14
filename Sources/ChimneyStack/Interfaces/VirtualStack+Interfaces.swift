public import ChimneyLink
import ChimneyMulticast
import ChimneyNeighbors
public import ChimneyPrimitives
import ChimneyRouting

extension VirtualStack {
    /// Attaches an interface, up and without an address.
    ///
    /// - Returns: its index, which stays its own until it is detached.
    /// - Throws: ``InterfaceError``; nothing is attached.
    public mutating func attach(
        _ description: InterfaceDescription, at now: Instant = .zero
    ) throws(InterfaceError) -> InterfaceIndex {
        beginRound(at: now)
        guard (68...65_535).contains(description.mtu) else { throw .mtuOutOfRange(description.mtu) }
        guard description.fib >= 0, description.fib < settings.fibCount else {
            throw .noSuchFIB(fib: description.fib, count: settings.fibCount)
        }
        if description.kind == .ethernet {
            guard !description.mac.isMulticast, description.mac != .zero else { throw .macInvalid(description.mac) }
        }
        if description.ipv6 != .off {
            guard description.mtu >= 1_280 else { throw .mtuTooSmallForIPv6(description.mtu) }
        }
        let index: InterfaceIndex
        do throws(InterfaceTableError) {
            index = try interfaceTable.attach(name: description.name, kind: description.kind)
        } catch { throw .table(error) }
        _ = ports.insert(StackInterface(description, index: index, using: &random))
        if description.kind == .ethernet { try? arp.attach(index.rawValue, mac: description.mac) }
        if let port = ports.position(of: index) {
            attachGroups(port, igmp: description.igmp, mld: description.mld)
            startIPv6(port)
        }
        generation &+= 1
        return index
    }

    /// Detaches an interface with its addresses, its routes, its neighbours and what waits on it.
    public mutating func detach(_ index: InterfaceIndex, at now: Instant = .zero) throws(InterfaceError) {
        beginRound(at: now)
        guard let port = ports.position(of: index), port != loopback else { throw .noSuchInterface }
        dropTransmit(port, .interfaceGone)
        arp.detach(index.rawValue, output: &arpOutput)
        settleNeighbors()
        detachDiscovery(port)
        detachGroups(port)
        routes.removeInterface(index.rawValue)
        ipv6Routes.removeInterface(index.rawValue)
        dirty.removeAll { $0 == index }
        ports.remove(port)
        try? interfaceTable.detach(index)
        rebuildLocal()
    }

    /// Gives an interface another name.
    public mutating func rename(_ index: InterfaceIndex, to name: String) throws(InterfaceError) {
        do throws(InterfaceTableError) { try interfaceTable.rename(index, to: name) } catch { throw .table(error) }
    }

    /// Switches an interface on or off.
    ///
    /// Off, it neither sends nor receives, and its routes are withdrawn.
    public mutating func setUp(_ index: InterfaceIndex, _ isUp: Bool, at now: Instant) throws(InterfaceError) {
        beginRound(at: now)
        guard let port = ports.position(of: index) else { throw .noSuchInterface }
        guard ports[port].isUp != isUp else { return }
        ports[port].isUp = isUp
        routes.setInterface(index.rawValue, isUp: isUp)
        ipv6Routes.setInterface(index.rawValue, isUp: isUp)
        if !isUp {
            dropTransmit(port, .interfaceDown)
            if ports[port].kind == .ethernet { arp.linkWentDown(index.rawValue, output: &arpOutput) }
        } else if ports[port].kind == .ethernet {
            arp.linkWentUp(index.rawValue, at: now, using: &random, output: &arpOutput)
        }
        settleNeighbors()
        linkChanged(port, isUp: isUp)
        dhcpLinkChanged(port, isUp: isUp)
        groupLinkChanged(port)
        generation &+= 1
    }

    /// The device behind an interface is gone: what waits for it dies and the interface goes down.
    public mutating func deviceVanished(_ index: InterfaceIndex, at now: Instant) throws(InterfaceError) {
        beginRound(at: now)
        guard let port = ports.position(of: index) else { throw .noSuchInterface }
        dropTransmit(port, .transmitDeviceGone)
        try setUp(index, false, at: now)
    }

    /// Frames that a driver took and could not send, handed back to die with a name.
    public mutating func transmitFailed(_ queue: inout PacketQueue, on index: InterfaceIndex, at now: Instant) {
        beginRound(at: now)
        ledger.transmitted &-= UInt64(queue.count)
        if let port = ports.position(of: index) {
            ports[port].counters.transmittedPackets &-= UInt64(queue.count)
            ports[port].counters.transmittedBytes &-= UInt64(queue.byteCount)
        }
        drop(&queue, .transmitDeviceGone)
    }

    /// Puts an interface into a group, or takes it out; groups exist while they have members.
    public mutating func setMembership(
        _ index: InterfaceIndex, of group: String, _ isMember: Bool
    ) throws(InterfaceError) {
        do throws(InterfaceTableError) {
            if isMember { try interfaceTable.join(group, index) } else { try interfaceTable.leave(group, index) }
        } catch { throw .table(error) }
    }

    /// The name of an interface; empty for one that is gone.
    func interfaceName(_ index: InterfaceIndex) -> String { interfaceTable[index]?.name ?? "" }

    /// Gives an Ethernet interface another link address and tells the link (RFC 5227 §3).
    public mutating func setMAC(_ index: InterfaceIndex, _ mac: MACAddress, at now: Instant) throws(InterfaceError) {
        beginRound(at: now)
        guard let port = ports.position(of: index), ports[port].kind == .ethernet else { throw .noSuchInterface }
        guard !mac.isMulticast, mac != .zero else { throw .macInvalid(mac) }
        ports[port].mac = mac
        try? arp.setMAC(mac, of: index.rawValue, at: now, output: &arpOutput)
        settleNeighbors()
        linkAddressChanged(port)
    }

    /// Gives an interface another MTU, 68 to 65,535 bytes.
    public mutating func setMTU(_ index: InterfaceIndex, _ mtu: Int) throws(InterfaceError) {
        guard let port = ports.position(of: index) else { throw .noSuchInterface }
        guard (68...65_535).contains(mtu) else { throw .mtuOutOfRange(mtu) }
        guard ports[port].ipv6 == .off || mtu >= 1_280 else { throw .mtuTooSmallForIPv6(mtu) }
        ports[port].mtu = mtu
        linkMTUChanged(port)
        ipv4Groups.setMTU(mtu, of: index.rawValue)
        ipv6Groups.setMTU(mtu, of: index.rawValue)
        generation &+= 1
    }

    /// Adds an address to an interface, with the route to its subnet in every routing table.
    ///
    /// With conflict detection the address is probed first and becomes usable some seconds later (RFC 5227).
    /// - Throws: ``AddressError``; nothing is changed.
    public mutating func addAddress(
        _ address: IPv4Address, prefixLength: Int, to index: InterfaceIndex, at now: Instant
    ) throws(AddressError) {
        beginRound(at: now)
        guard let port = ports.position(of: index) else { throw .noSuchInterface }
        try addAddress(address, prefixLength: prefixLength, port, probing: ports[port].detectsConflicts)
    }

    mutating func addAddress(
        _ address: IPv4Address, prefixLength: Int, _ port: SlotID, probing: Bool
    ) throws(AddressError) {
        let index = ports[port].index
        guard (0...32).contains(prefixLength) else { throw .prefixLengthOutOfRange(prefixLength) }
        let isLoopback = ports[port].kind == .loopback
        guard !address.isThisNetwork, !address.isMulticast, address.bits >> 28 != 0xF, address.isLoopback == isLoopback
        else { throw .addressInvalid(.v4(address)) }
        guard !isAssigned(address) else { throw .addressInUse(.v4(address)) }
        guard ports[port].addresses.count < settings.addressesPerInterfaceMax else {
            throw .tooManyAddresses(max: settings.addressesPerInterfaceMax)
        }
        var added = InterfaceAddress(address: address, prefixLength: prefixLength, state: .usable)
        if added.broadcast == address || (prefixLength < 31 && address.bits & ~added.mask == 0) {
            throw .addressInvalid(.v4(address))
        }
        let probes = ports[port].kind == .ethernet && probing
        if probes { added.state = .tentative }
        guard addConnected(added, interface: index.rawValue) else { throw .noRoom }
        if !ports[port].isUp { routes.setInterface(index.rawValue, isUp: false) }
        ports[port].addresses.append(added)
        rebuildLocal()
        if ports[port].kind == .ethernet {
            try? arp.addAddress(
                address, prefixLength: prefixLength, to: index.rawValue, detection: probes ? .on : .off, at: now,
                using: &random, output: &arpOutput)
            settleNeighbors()
        }
    }

    /// Takes an address from an interface, with its routes.
    public mutating func removeAddress(
        _ address: IPv4Address, from index: InterfaceIndex, at now: Instant
    ) throws(AddressError) {
        beginRound(at: now)
        guard let port = ports.position(of: index) else { throw .noSuchInterface }
        guard let position = ports[port].addresses.firstIndex(where: { $0.address == address }) else {
            throw .noSuchAddress(.v4(address))
        }
        let removed = ports[port].addresses.remove(at: position)
        removeConnected(removed, interface: index.rawValue, among: ports[port].addresses)
        if ports[port].kind == .ethernet {
            arp.removeAddress(address, from: index.rawValue)
            settleNeighbors()
        }
        rebuildLocal()
    }

    /// The source address for packets to a destination (RFC 1122 §3.3.4.3): one of the interface's, else any of ours.
    ///
    /// Nothing from 127/8 leaves this host (RFC 1122 §3.2.1.3).
    func sourceAddress(for destination: IPv4Address, by path: OutputPath<IPv4Address>) -> IPv4Address? {
        if path.isLocal { return destination }
        let hop = IPv4NextHop.gateway(path.nextHop, on: ports[path.port].index.rawValue)
        let chosen = SourceSelection.choose(for: destination, by: hop, among: localAddresses)
        return chosen?.isLoopback == true ? nil : chosen
    }

    /// Every stack has `lo0`, up, with 127.0.0.1/8 (RFC 1122 §3.2.1.3) and `::1` (RFC 4291 §2.5.3).
    mutating func configureLoopback() {
        let address = InterfaceAddress(address: .loopback, prefixLength: 8, state: .usable)
        _ = addConnected(address, interface: ports[loopback].index.rawValue)
        ports[loopback].addresses.append(address)
        ports[loopback].ipv6 = .manual
        ports[loopback].ipv6Addresses.append(
            IPv6InterfaceAddress(.loopback, prefixLength: 128, state: .usable, origin: .linkLocal))
        rebuildLocal()
    }

    private mutating func dropTransmit(_ port: SlotID, _ reason: DropReason) {
        var waiting = PacketQueue()
        waiting.append(contentsOf: &ports[port].transmit)
        drop(&waiting, reason)
    }

    private func isAssigned(_ address: IPv4Address) -> Bool {
        for position in 0..<ports.count {
            let id = ports.id(at: position)
            if ports[id].addresses.contains(where: { $0.address == address }) { return true }
        }
        return false
    }

    /// Computes again what each address means; every remembered path is stale afterwards.
    mutating func rebuildLocal() {
        local.removeAll()
        ipv6Local.removeAll()
        for position in 0..<ports.count {
            let id = ports.id(at: position)
            for address in ports[id].addresses where address.state == .usable {
                local.insert(address.address, .unicast, interface: ports[id].index.rawValue)
                if let broadcast = address.broadcast {
                    local.insert(broadcast, .subnetBroadcast, interface: ports[id].index.rawValue)
                }
            }
            // What is link-local is ours on its own link only, and found there.
            for address in ports[id].ipv6Addresses where address.isAssigned && !address.address.isLinkLocal {
                ipv6Local.insert(address.address, .unicast, interface: ports[id].index.rawValue)
            }
        }
        generation &+= 1
        followReportSources()
    }
}
