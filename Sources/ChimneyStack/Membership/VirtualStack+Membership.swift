import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    // MARK: - The life of an interface

    /// The stack's own groups have no bound to meet, and `lo0` is the first interface.
    mutating func startGroups() {
        ipv4Groups.memberships.sourceSpecificGroups = settings.igmp.sourceSpecificRanges
        ipv6Groups.memberships.sourceSpecificGroups = settings.mld.sourceSpecificRanges
        ipv4Groups.memberships.exemptSocket = Self.stackNumber
        ipv6Groups.memberships.exemptSocket = Self.stackNumber
        try? ipv4Groups.memberships.setBounds(membershipsMax: .max, of: Self.stackNumber)
        try? ipv6Groups.memberships.setBounds(membershipsMax: .max, of: Self.stackNumber)
        attachGroups(loopback, igmp: nil, mld: nil)
    }

    /// Groups may be joined on a new interface; its own groups are joined at once.
    mutating func attachGroups(
        _ port: SlotID, igmp: MembershipSettings<IPv4Address>?, mld: MembershipSettings<IPv6Address>?
    ) {
        let index = ports[port].index.rawValue
        let isLink = port != loopback
        ipv4Groups.attach(
            index, settings: igmp ?? settings.igmp, mtu: ports[port].mtu, isUp: isLink && ports[port].isUp,
            using: &random)
        ipv6Groups.attach(
            index, settings: mld ?? settings.mld, mtu: ports[port].mtu, isUp: isLink && speaksMLD(port), using: &random)
        // Every host is in the group of all hosts (RFC 1112 §4).
        try? ipv4Groups.perform(.join, of: .allSystems, on: index, socket: Self.stackNumber, at: now)
        settleGroups()
        joinOwnGroups(port)
    }

    /// An interface is gone with what was joined on it.
    mutating func detachGroups(_ port: SlotID) {
        let index = ports[port].index.rawValue
        ipv4Groups.detach(index)
        ipv6Groups.detach(index)
        settleGroups()
        filterNews.removeAll { $0 == ports[port].index }
    }

    /// The link went up or down.
    mutating func groupLinkChanged(_ port: SlotID) {
        guard port != loopback else { return }
        let index = ports[port].index.rawValue
        if ports[port].isUp { ipv4Groups.linkWentUp(index, at: now) } else { ipv4Groups.linkWentDown(index, at: now) }
        listenerLinkChanged(port)
    }

    /// The same for MLD alone.
    mutating func listenerLinkChanged(_ port: SlotID) {
        let index = ports[port].index.rawValue
        if speaksMLD(port) { ipv6Groups.linkWentUp(index, at: now) } else { ipv6Groups.linkWentDown(index, at: now) }
        settleGroups()
    }

    /// Reports need a source: what was told from none is told again from the first address (RFC 9776 §4.2.14, RFC 3590 §4).
    mutating func followReportSources() {
        for position in 0..<ports.count {
            let port = ports.id(at: position)
            let index = ports[port].index.rawValue
            let (had, hadIPv6) = (ports[port].hasReportSource, ports[port].hasIPv6ReportSource)
            ports[port].hasReportSource = ports[port].primaryAddress != nil
            ports[port].hasIPv6ReportSource = ports[port].linkLocalAddress != nil
            guard port != loopback, ports[port].isUp else { continue }
            if !had, ports[port].hasReportSource { ipv4Groups.linkWentUp(index, at: now) }
            if !hadIPv6, ports[port].hasIPv6ReportSource, speaksMLD(port) { ipv6Groups.linkWentUp(index, at: now) }
        }
        settleGroups()
    }

    private func speaksMLD(_ port: SlotID) -> Bool { ports[port].isUp && ports[port].ipv6 != .off }

    /// Joins and leaves what IPv6 itself listens to: all nodes, all routers where the stack forwards, and the
    /// solicited-node group of each address (RFC 4291 §2.8).
    mutating func joinOwnGroups(_ port: SlotID) {
        var wanted: [IPv6Address] = []
        if ports[port].ipv6 != .off {
            wanted = [.allNodesOfInterface, .allNodes]
            if settings.forwarding { wanted.append(.allRouters) }
            for address in ports[port].ipv6Addresses { wanted.append(address.address.solicitedNode) }
        }
        let index = ports[port].index.rawValue
        let before = ports[port].ownGroups
        for group in wanted where !ports[port].ownGroups.contains(group) {
            // Nothing bounds the stack's own socket but the number of places; what fails is tried again with the next address.
            guard (try? ipv6Groups.perform(.join, of: group, on: index, socket: Self.stackNumber, at: now)) != nil
            else { continue }
            ports[port].ownGroups.append(group)
        }
        for group in before where !wanted.contains(group) {
            try? ipv6Groups.perform(.leave, of: group, on: index, socket: Self.stackNumber, at: now)
            ports[port].ownGroups.removeAll { $0 == group }
        }
        settleGroups()
    }

    // MARK: - Messages

    /// An IGMP message arrived (RFC 9776 §5).
    mutating func igmpArrived(_ packet: consuming Packet, _ fields: IPv4Fields, _ port: SlotID) {
        let drop = judge(packet, fields, port)
        if let drop { self.drop(packet, drop.reason) } else { consume(packet) }
        settleGroups()
    }

    /// An MLD message arrived (RFC 9777 §6).
    mutating func mldArrived(_ packet: consuming Packet, _ fields: IPv6Fields, _ port: SlotID) {
        let drop = judge(packet, fields, port)
        if let drop { self.drop(packet, drop.reason) } else { consume(packet) }
        settleGroups()
    }

    private mutating func judge(_ packet: borrowing Packet, _ fields: IPv4Fields, _ port: SlotID) -> MembershipDrop? {
        let context = MembershipPacket<IPv4Address>(
            source: fields.source, destination: fields.destination, hopLimit: fields.timeToLive,
            hasRouterAlert: packet.metadata.flags.contains(.routerAlert),
            isFromLink: ports[port].isOnLink(fields.source), isFromUs: local.isOurs(fields.source))
        return ipv4Groups.messageArrived(
            packet.bytes.extracting(fields.headerByteCount..<packet.count), in: context,
            on: ports[port].index.rawValue, at: now, using: &random)
    }

    private mutating func judge(_ packet: borrowing Packet, _ fields: IPv6Fields, _ port: SlotID) -> MembershipDrop? {
        let context = MembershipPacket<IPv6Address>(
            source: fields.source, destination: fields.destination, hopLimit: fields.hopLimit,
            hasRouterAlert: packet.metadata.flags.contains(.routerAlert), isFromLink: fields.source.isLinkLocal,
            isFromUs: ports[port].owns(fields.source))
        return ipv6Groups.messageArrived(
            packet.bytes.extracting(fields.transportOffset..<packet.count), in: context,
            on: ports[port].index.rawValue, at: now, using: &random)
    }

    mutating func groupTimersFired() {
        ipv4Groups.timerFired(at: now, using: &random)
        ipv6Groups.timerFired(at: now, using: &random)
        settleGroups()
    }

    // MARK: - What is to be done

    /// Does what the groups of both families want done: messages, what the link lets in, news.
    mutating func settleGroups() {
        while let change = ipv4Groups.output.changes.next() {
            follow(change.kind, MACAddress(group: change.group), on: change.interface)
            announce(change.kind, .v4(change.group), on: change.interface)
        }
        while let change = ipv6Groups.output.changes.next() {
            follow(change.kind, MACAddress(group: change.group), on: change.interface)
            announce(change.kind, .v6(change.group), on: change.interface)
        }
        while let next = ipv4Groups.output.transmissions.next() { send(next.message, on: next.interface) }
        while let next = ipv6Groups.output.transmissions.next() { send(next.message, on: next.interface) }
        while let next = ipv4Groups.output.events.next() { announce(next, isIPv6: false) }
        while let next = ipv6Groups.output.events.next() { announce(next, isIPv6: true) }
    }

    /// The link lets a group in as long as it is joined.
    private mutating func follow<Address>(_ kind: GroupNews<Address>.Kind, _ mac: MACAddress, on interface: UInt32) {
        guard let port = ports.position(of: InterfaceIndex(rawValue: interface)) else { return }
        switch kind {
        case .filterChanged: return
        case .joined: joinLink(mac, port)
        case .left: leaveLink(mac, port)
        }
    }

    private mutating func announce<Address>(_ kind: GroupNews<Address>.Kind, _ group: IPAddress, on interface: UInt32) {
        let event: StackMembershipEvent.Kind =
            switch kind {
            case .joined: .joined(group)
            case .left: .left(group)
            case .filterChanged: .filterChanged(group)
            }
        membershipNews.appendNews(
            StackMembershipEvent(interface: InterfaceIndex(rawValue: interface), at: now, kind: event))
    }

    private mutating func announce(_ event: HostEvent, isIPv6: Bool) {
        let kind: StackMembershipEvent.Kind =
            switch event.event {
            case .versionChanged(let old, let new): .versionChanged(isIPv6: isIPv6, from: old, to: new)
            case .robustnessChanged(let new): .robustnessChanged(isIPv6: isIPv6, to: new)
            }
        membershipNews.appendNews(
            StackMembershipEvent(interface: InterfaceIndex(rawValue: event.interface), at: now, kind: kind))
    }

    /// Sends an IGMP message: TTL 1, internetwork control, with a router alert (RFC 9776 §4).
    private mutating func send(_ message: IGMPMessage, on interface: UInt32) {
        guard let port = ports.position(of: InterfaceIndex(rawValue: interface)),
            var packet = pool.allocate(byteCount: 24 + message.byteCount)
        else { return countUnsent() }
        // A host without an address reports from 0.0.0.0 (RFC 9776 §4.2.14).
        let source = ports[port].primaryAddress ?? .any
        let destination = message.destination
        packet.writeIGMP(message, from: source, to: destination, identification: nextIdentification())
        ledger.created &+= 1
        sendToLink(
            packet,
            by: OutputPath(port: port, nextHop: destination, isLocal: false, isLinkGroup: true, isBroadcast: false))
    }

    /// Sends an MLD message: hop limit 1, from a link-local address, with a router alert (RFC 9777 §5).
    private mutating func send(_ message: MLDMessage, on interface: UInt32) {
        let headers = 40 + MLDRouterAlert.byteCount
        guard let port = ports.position(of: InterfaceIndex(rawValue: interface)),
            var packet = pool.allocate(byteCount: headers + message.byteCount)
        else { return countUnsent() }
        let source = ports[port].linkLocalAddress ?? .any
        let destination = message.destination
        packet.writeMLD(message, from: source, to: destination)
        ledger.created &+= 1
        sendToLink(
            packet,
            by: OutputPath(port: port, nextHop: destination, isLocal: false, isLinkGroup: true, isBroadcast: false))
    }

    /// A report for which there is no buffer is lost as on a bad link; its repeats follow.
    private mutating func countUnsent() { counters.membershipMessagesUnsent &+= 1 }
}

extension Packet {
    fileprivate mutating func writeIGMP(
        _ message: IGMPMessage, from source: IPv4Address, to destination: IPv4Address, identification: UInt16
    ) {
        writeIPv4(
            source: source, destination: destination, ipProtocol: .igmp, timeToLive: 1, typeOfService: 0xC0,
            identification: identification, dontFragment: true)
        // A router alert makes the header six words (RFC 2113).
        store8(0x46, at: 0)
        store32(0x9404_0000, at: 20)
        storeIPv4HeaderChecksum(headerByteCount: 24)
        var span = mutableBytes
        message.write(into: &span, at: 24, source: source, destination: destination)
    }

    fileprivate mutating func writeMLD(_ message: MLDMessage, from source: IPv6Address, to destination: IPv6Address) {
        writeIPv6(source: source, destination: destination, nextHeader: .hopByHop, hopLimit: 1)
        var span = mutableBytes
        MLDRouterAlert.write(into: &span, at: 40)
        message.write(into: &span, at: 40 + MLDRouterAlert.byteCount, source: source, destination: destination)
    }
}

extension MembershipDrop {
    var reason: DropReason {
        switch self {
        case .truncated, .unknownType, .queryLength, .sourcesTruncated, .recordTruncated: .membershipMalformed
        case .checksum: .membershipChecksumBad
        case .hopLimit: .membershipHopLimit
        case .routerAlert: .membershipAlertMissing
        case .source: .membershipBadSource
        case .destination, .group: .membershipBadGroup
        case .looped: .membershipLooped
        case .forRouters: .membershipForRouters
        case .suppressesNothing, .notMember: .membershipNotAwaited
        case .down: .interfaceDown
        }
    }
}
