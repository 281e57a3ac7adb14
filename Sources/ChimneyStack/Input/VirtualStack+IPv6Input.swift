import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// One IPv6 packet, its bytes beginning with the header (RFC 8200 §3).
    @inline(__always)
    mutating func ipv6Arrived(_ packet: consuming Packet, _ port: SlotID) {
        guard packet.hasHeadersInFront() || packet.flatten(pool: pool) else { return drop(packet, .noBuffer) }
        let fields: IPv6Fields
        let total = packet.totalCount
        do {
            fields = try IPv6Fields(checking: packet.bytes, of: total)
        } catch {
            return drop(packet, error.reason)
        }
        if total > fields.totalLength { packet.truncate(to: fields.totalLength) }
        if !packet.metadata.flags.contains(.looped) {
            guard ports[port].ipv6 != .off else { return drop(packet, .ipv6Disabled) }
            guard fields.source.isValidSource || fields.source.isAny && fields.destination.isMulticast else {
                return drop(packet, .sourceAddressInvalid)
            }
            guard mayTravel(fields.destination) else { return drop(packet, .destinationAddressInvalid) }
        }
        if fields.nextHeader == .hopByHop { return hopByHopArrived(packet, fields, port) }
        routeInput(packet, fields, port)
    }

    /// Whether a packet from a link may go to an address: not one of this host's inside, nor a group that reaches no
    /// further than an interface (RFC 4291 §2.5.2, §2.5.3, §2.7).
    @inline(__always)
    private func mayTravel(_ destination: IPv6Address) -> Bool {
        if destination.isMulticast { return destination.multicastScope > 1 }
        return destination.high != 0 || destination.low >> 32 != 0 && destination.mappedIPv4 == nil
    }

    /// Options that every node on the way reads; of those known only the router alert (RFC 2711).
    private mutating func hopByHopArrived(_ packet: consuming Packet, _ fields: IPv6Fields, _ port: SlotID) {
        let (verdict, hasAlert) = IPv6Fields.hopByHop(packet.bytes, isMulticast: fields.destination.isMulticast)
        if case .refused(let reason, let message) = verdict { return refuse(packet, reason, message) }
        if hasAlert { packet.metadata.flags.insert(.routerAlert) }
        routeInput(packet, fields, port)
    }

    private mutating func refuse(_ packet: consuming Packet, _ reason: DropReason, _ message: ICMPv6Message?) {
        if let message { sendICMPError(message, about: packet) }
        drop(packet, reason)
    }

    /// Decides between local delivery and forwarding.
    @inline(__always)
    mutating func routeInput(_ packet: consuming Packet, _ fields: IPv6Fields, _ port: SlotID) {
        if ipv6Local.kind(of: fields.destination) == .unicast { return deliver(packet, fields, port) }
        notLocalArrived(packet, fields, port)
    }

    private mutating func notLocalArrived(_ packet: consuming Packet, _ fields: IPv6Fields, _ port: SlotID) {
        let destination = fields.destination
        if destination.isMulticast {
            guard isMember(of: destination, port) else { return drop(packet, .multicastNoMember) }
            packet.metadata.flags.insert(.ipMulticast)
            return deliver(packet, fields, port)
        }
        if destination.isLinkLocal {
            guard ports[port].owns(destination) else { return drop(packet, .addressNotOurs) }
            return deliver(packet, fields, port)
        }
        guard !destination.isLoopback else { return drop(packet, .destinationAddressInvalid) }
        guard settings.forwarding else { return drop(packet, .addressNotOurs) }
        guard ports[port].forwards else { return drop(packet, .forwardingDisabled) }
        forward(packet, fields, port)
    }

    /// Whether this stack listens to a group on an interface.
    @inline(__always)
    func isMember(of group: IPv6Address, _ port: SlotID) -> Bool {
        ipv6Groups.memberships.isJoined(group, on: ports[port].index.rawValue)
    }

    /// A packet for this stack: read its extension headers, put its fragments together, hand it to its protocol.
    @inline(__always)
    private mutating func deliver(_ packet: consuming Packet, _ fields: IPv6Fields, _ port: SlotID) {
        switch fields.nextHeader {
        case .udp: udpArrived(packet, fields, port)
        case .tcp: tcpArrived(packet, fields, port)
        default: extendedArrived(packet, fields, port)
        }
    }

    private mutating func extendedArrived(_ packet: consuming Packet, _ fields: IPv6Fields, _ port: SlotID) {
        let verdict = IPv6Fields.walk(packet.bytes, isMulticast: fields.destination.isMulticast)
        switch verdict {
        case .refused(let reason, let message): refuse(packet, reason, message)
        case .fragment(let place): fragmentArrived(packet, fields, place, port)
        case .upper(let upper, let offset, let namedAt):
            var fields = fields
            fields.nextHeader = upper
            fields.transportOffset = offset
            fields.namedAt = namedAt
            switch upper {
            case .udp: udpArrived(packet, fields, port)
            case .tcp: tcpArrived(packet, fields, port)
            case .icmpv6: icmpv6Arrived(packet, fields, port)
            // Nothing follows, which is all there is to say (RFC 8200 §4.7).
            case .noNextHeader: consume(packet)
            default:
                refuse(
                    packet, .protocolUnreachable, .parameterProblem(.nextHeader, pointer: UInt32(fields.namedAt)))
            }
        }
    }

    private mutating func fragmentArrived(
        _ packet: consuming Packet, _ fields: IPv6Fields, _ place: IPv6FragmentPlace, _ port: SlotID
    ) {
        let dataStart = place.headerOffset + 8
        let length = fields.totalLength - dataStart
        // Both are told to the sender (RFC 8200 §4.5).
        if place.moreFragments, length & 7 != 0 {
            return refuse(packet, .fragmentMalformed, .parameterProblem(.field, pointer: 4))
        }
        guard place.headerOffset - 40 + place.offset + length <= 65_535 else {
            return refuse(
                packet, .fragmentOversized, .parameterProblem(.field, pointer: UInt32(place.headerOffset + 2)))
        }
        packet.metadata.transportOffset = UInt16(truncatingIfNeeded: dataStart)
        let fragment = Fragment(
            key: FragmentKey(
                source: fields.source, destination: fields.destination, rest: UInt64(place.identification)),
            offset: place.offset, byteCount: length, moreFragments: place.moreFragments,
            headerByteCount: place.headerOffset, namedAt: place.namedAt)
        fragmentArrived(packet, fragment, port)
    }

    /// A datagram was put together: what it carries is read anew.
    mutating func ipv6Reassembled(_ packet: consuming Packet, _ port: SlotID) {
        guard let fields = IPv6Fields(packet.bytes) else { return drop(packet, .fragmentMalformed) }
        packet.metadata.flags.insert(.reassembled)
        extendedArrived(packet, fields, port)
    }
}
