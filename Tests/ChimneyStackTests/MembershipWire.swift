import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import ChimneyWire

extension Family {
    /// A group that a test joins, one that it does not, and one that lives on its link alone.
    func channel(_ number: UInt8) -> IPAddress {
        switch self {
        case .ipv4: .v4(IPv4Address(239, 9, 9, number))
        case .ipv6: .v6(IPv6Address(high: 0xFF0E << 48, low: 0x0900 | UInt64(number)))
        }
    }

    /// A group of which sources alone can be joined.
    var sourceSpecific: IPAddress {
        switch self {
        case .ipv4: .v4(IPv4Address(232, 1, 1, 1))
        case .ipv6: .v6(IPv6Address(high: 0xFF3E << 48, low: 0x4000_0001))
        }
    }

    /// The querier of the link, which is neither of its stacks.
    var querier: IPAddress {
        switch self {
        case .ipv4: host(0, 9)
        case .ipv6: .v6(IPv6Address(high: 0xFE80 << 48, low: 9))
        }
    }

    /// Where reports of the newest version go.
    var reportTarget: IPAddress {
        switch self {
        case .ipv4: .v4(IPv4Address(224, 0, 0, 22))
        case .ipv6: .v6(IPv6Address(high: 0xFF02 << 48, low: 0x16))
        }
    }

    var allHosts: IPAddress { self == .ipv4 ? .v4(.allSystems) : .v6(.allNodes) }

    /// The link address of frames to a group.
    func mac(_ group: IPAddress) -> UInt64 {
        switch group {
        case .v4(let group): MACAddress(group: group).bits
        case .v6(let group): MACAddress(group: group).bits
        }
    }
}

extension Handmade {
    /// A query of the querier of the link, to all hosts or to the group it is about.
    static func query(
        _ family: Family, _ version: MembershipVersion = .v3, about group: IPAddress? = nil, sources: [IPAddress] = [],
        within wait: TimeSpan = .seconds(1), robustness: UInt8 = 2
    ) -> Handmade {
        let target = group ?? family.allHosts
        switch family {
        case .ipv4:
            var query = MembershipQuery<IPv4Address>(
                version, group: group?.ipv4 ?? .any, maxResponseTime: wait)
            query.sources = sources.compactMap(\.ipv4)
            query.robustness = robustness
            return membership(.query(query), from: family.querier, to: target)
        case .ipv6:
            var query = MembershipQuery<IPv6Address>(
                version, group: group?.ipv6 ?? .any, maxResponseTime: wait)
            query.sources = sources.compactMap(\.ipv6)
            query.robustness = robustness
            return membership(.query(query), from: family.querier, to: target)
        }
    }

    /// A report of an older version from another host.
    static func olderReport(_ family: Family, about group: IPAddress, from source: IPAddress) -> Handmade {
        switch group {
        case .v4(let address): membership(IGMPMessage.reportV2(address), from: source, to: group)
        case .v6(let address): membership(MLDMessage.reportV2(address), from: source, to: group)
        }
    }

    static func membership<Address: MembershipAddress>(
        _ message: MembershipMessage<Address>, from source: IPAddress, to destination: IPAddress
    ) -> Handmade {
        var packet = Handmade(source.family)
        packet.source = source
        packet.destination = destination
        packet.timeToLive = 1
        packet.ipProtocol = source.isIPv4 ? 2 : 58
        var bytes = [UInt8](repeating: 0, count: message.byteCount)
        let own = Address(bits: 0)
        var mutable = bytes.mutableSpan
        var span = unsafe mutable.mutableBytes
        message.write(into: &span, source: own, destination: own)
        packet.payload = bytes
        packet.sumMembership()
        if source.isIPv4 {
            packet.options = [0x94, 4, 0, 0]
        } else {
            packet.extensions = [Extension(number: 0, rest: [0, 5, 2, 0, 0, 1, 0])]
        }
        return packet
    }

    /// Writes the checksum of an IGMP or MLD message as it stands.
    mutating func sumMembership() {
        payload.replaceSubrange(2..<4, with: [0, 0])
        let addresses =
            family == .ipv4 ? [] : source.bytes + destination.bytes + Self.be(UInt32(payload.count)) + [0, 0, 0, 58]
        payload.replaceSubrange(2..<4, with: Self.be(Self.checksum(addresses + payload)))
    }
}

extension Seen {
    /// The bytes of an IGMP or MLD message; `nil` for anything else.
    var membershipMessage: [UInt8]? {
        if family == .ipv4 { return bytes[9] == 2 ? payload : nil }
        guard bytes[6] == 0, bytes.count >= 56 else { return nil }
        return Array(bytes.dropFirst(48))
    }

    /// What an IGMP or MLD message tells, a word for the type of each record, its group and its sources; `nil` for anything else.
    var told: [String]? {
        guard let message = membershipMessage else { return nil }
        return family == .ipv4 ? Self.told(message, IPv4Address.self) : Self.told(message, IPv6Address.self)
    }

    private static func told<Address: MembershipAddress>(_ message: [UInt8], _: Address.Type) -> [String]? {
        let span = message.span
        guard let view = try? unsafe MembershipMessageView<Address>(span.bytes), let content = try? view.content()
        else {
            return nil
        }
        switch content {
        case .query: return ["query"]
        case .reportV1(let group): return ["v1 \(group)"]
        case .reportV2(let group): return ["v2 \(group)"]
        case .leave(let group): return ["leave \(group)"]
        case .reportV3(var records):
            var result: [String] = []
            while let record = records.next() {
                let sources = (0..<record.sources.count).map { "\(record.sources[$0])" }
                result.append(
                    "\(record.kind.map { "\($0)" } ?? "?") \(record.group) [\(sources.joined(separator: " "))]")
            }
            return result
        }
    }
}

extension IPAddress {
    fileprivate var ipv4: IPv4Address? { if case .v4(let address) = self { address } else { nil } }
    fileprivate var ipv6: IPv6Address? { if case .v6(let address) = self { address } else { nil } }
}

extension Segment {
    /// The groups of an interface of the right stack.
    func multicast(on index: InterfaceIndex) -> MulticastSnapshot? { right.multicast(on: index) }

    /// How the right stack reports.
    var igmp: MembershipSettings<IPv4Address>? { right.igmpSettings(of: rightIndex) }
    var mld: MembershipSettings<IPv6Address>? { right.mldSettings(of: rightIndex) }
}
